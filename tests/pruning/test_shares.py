import pytest

from tasks.errors import EspalierError
from tasks.pruning.shares import at_each, removals, resolved

LAYERS = {"body.0": ("body.0", "body.1.back"), "body.1.wide": ("body.1.wide",)}


def test_an_unknown_layer_is_answered_with_the_nearest():
    with pytest.raises(
        EspalierError, match=r"prune\.amount\.body\.1\.wid: .* did you mean 'body\.1\.wide'\?"
    ):
        resolved({"body.1.wid": 0.5}, LAYERS)


def test_a_layer_speaks_for_the_group_that_it_is_coupled_to():
    assert resolved({"body.1.back": 0.5}, LAYERS) == {"body.0": 0.5}


def test_two_shares_for_one_group_are_refused():
    with pytest.raises(EspalierError, match=r"loses its units together with body\.0.*give them one share"):
        resolved({"body.0": 0.5, "body.1.back": 0.25}, LAYERS)


def test_a_plain_share_needs_no_names():
    assert resolved(0.5, LAYERS) == 0.5


def test_shares_become_counts_by_scope():
    sizes = {"a": 10, "b": 30}
    assert removals(sizes, 0.5, pooled=False) == {"a": 5, "b": 15}
    assert removals(sizes, 0.5, pooled=True) == 20
    assert removals(sizes, {"b": 0.1}, pooled=False) == {"a": 0, "b": 3}


def test_every_share_is_changed():
    assert at_each(0.5, lambda share: 2 * share) == 1.0
    assert at_each({"a": 0.5}, lambda share: 2 * share) == {"a": 1.0}
