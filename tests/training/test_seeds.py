import torch

from tasks.training.seeds import derived_seed, permutation


def test_seeds_differ_by_every_part_of_their_path():
    seeds = {derived_seed(*path) for path in [(0,), (1,), (0, 1), (1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1)]}
    assert len(seeds) == 7


def test_an_epoch_has_one_order_that_holds_every_row():
    order = permutation(50, 3, 2)
    assert torch.equal(order, permutation(50, 3, 2))
    assert torch.equal(order.sort().values, torch.arange(50))
    assert not torch.equal(order, permutation(50, 3, 3))
