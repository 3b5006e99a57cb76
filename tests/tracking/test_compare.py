from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks import registry
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.tracking import Recorded, compare, record

Lock = dict[str, str]
Two = tuple[Path, Recorded, Recorded]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, write_workspace: Callable[..., Path], lock: Lock) -> Two:
    """Two results, the second one pruned less and better."""
    root = tmp_path_factory.mktemp("two")

    def result(accuracy: float, amount: float, digit: str) -> Recorded:
        params = load_params(write_workspace(root, accuracy, amount))
        found = record(root, params, [], flow_run_id=None, lock=lock | {"reports/evaluate.json": digit * 32})
        registry.register(root, params, found)
        return found

    first, second = result(0.93, 0.9, "7"), result(0.948, 0.5, "8")
    return root, first, second


def test_two_results_stand_side_by_side_headline_first(two: Two) -> None:
    root, first, second = two
    row = compare(root, first.run_id, second.run_id).rows[0]
    assert (row.name, row.left, row.right) == ("test/accuracy_pct", 93.0, 94.8)


def test_only_parameters_that_differ_are_shown(two: Two) -> None:
    root, first, second = two
    rows = [row for row in compare(root, first.run_id, second.run_id).rows if isinstance(row.left, str)]
    assert [(row.name, row.left, row.right) for row in rows] == [("prune.amount", "0.9", "0.5")]


def test_a_result_is_compared_by_its_compressed_model(two: Two) -> None:
    root, first, second = two
    url = compare(root, first.run_id, second.run_id).url
    assert first.runs["compressed"] in url
    assert first.run_id not in url


@pytest.mark.parametrize(
    "name", ["testbed/1", "3 col, -90 %, mlp", "compressed 3/-90 %"], ids=["version", "result", "nested"]
)
def test_a_side_is_named_by_version_or_run_name(two: Two, name: str) -> None:
    root, first, _ = two
    assert compare(root, name, "testbed@challenger").rows == compare(root, first.run_id, "testbed/2").rows


def test_eight_characters_of_a_run_id_are_enough(two: Two) -> None:
    root, first, second = two
    assert compare(root, first.run_id[:8], second.run_id).rows[0].left == 93.0


def test_an_alias_may_follow_a_slash(two: Two) -> None:
    root, first, _ = two
    assert compare(root, first.run_id, "testbed/challenger").rows[0].right == 94.8


@pytest.mark.parametrize("name", ["nothing", "testbed/7", "testbed@champion", "other/1"])
def test_a_name_that_fits_nothing_is_refused(two: Two, name: str) -> None:
    root, first, _ = two
    with pytest.raises(EspalierError, match=f"^{name}: no"):
        compare(root, first.run_id, name)


def test_a_name_that_fits_several_runs_lists_their_ids(two: Two) -> None:
    root, first, second = two
    with pytest.raises(EspalierError, match="2 runs are called so; give a run id") as refused:
        compare(root, "reference 4", first.run_id)
    assert second.runs["reference"] in str(refused.value)
