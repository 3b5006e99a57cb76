import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.training.batching import BLOCK, Tensors, memory_batches, spans, stream_batches


@given(st.integers(1, 500), st.integers(1, 70))
def test_spans_cover_every_row_once_and_leave_none_alone(count, size):
    cuts = spans(count, size)
    assert [i for start, stop in cuts for i in range(start, stop)] == list(range(count))
    assert all(stop - start <= size + 1 for start, stop in cuts)
    assert count == 1 or size == 1 or all(stop - start > 1 for start, stop in cuts)


@pytest.mark.parametrize("size", [3, 7, 100])
def test_batches_follow_the_order(size):
    n = 3 * BLOCK + 5
    rows = Tensors(torch.arange(n, dtype=torch.float32)[:, None], torch.arange(n))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    teacher = torch.arange(n, dtype=torch.float32)[:, None] * 2
    X, y, soft = zip(*memory_batches(rows, teacher, order, size), strict=True)
    assert torch.equal(torch.cat(y), order)
    assert torch.equal(torch.cat(X)[:, 0], order.float())
    assert torch.equal(torch.cat(soft), torch.cat(X) * 2)


@pytest.mark.parametrize("teacher", [None, torch.randn(50, 3)])
def test_the_stream_gives_the_batches_of_memory(teacher):
    rows, order = Tensors(torch.randn(50, 2), torch.arange(50)), torch.randperm(50)
    memory = memory_batches(rows, teacher, order, 7)
    stream = stream_batches(rows, teacher, order, 7, torch.device("cpu"))
    for one, two in zip(memory, stream, strict=True):
        assert all(a is b is None or torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_stream_prepares_one_batch_at_a_time():
    sizes = []

    def prepare(X):
        sizes.append(len(X))
        return X

    rows = Tensors(torch.randn(10, 2), torch.arange(10), prepare)
    list(stream_batches(rows, None, torch.arange(10), 4, torch.device("cpu")))
    assert sizes == [4, 4, 2]


def test_the_stream_draws_nothing_from_the_global_generator():
    rows, before = Tensors(torch.randn(10, 2), torch.arange(10)), torch.get_rng_state()
    list(stream_batches(rows, None, torch.arange(10), 4, torch.device("cpu")))
    assert torch.equal(torch.get_rng_state(), before)
