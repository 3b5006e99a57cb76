from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Layout, read_json, write_json
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.registry import register
from tasks.tracking import record
from tasks.tracking.card import CARD, card_of
from tasks.tracking.identity import code_version
from tasks.tracking.store import open_client

Lock = dict[str, str]
Make = Callable[..., Path]


def _register(root: Path, lock: Lock) -> str:
    params = load_params(root)
    return register(root, params, record(root, params, [], flow_run_id="a-flow-run", lock=lock)).version


def _kept(root: Path, version: str = "1") -> tuple[str, str]:
    """Return the run of a version, and the card that it keeps."""
    client = open_client(root)
    run = str(client.get_model_version("testbed", version).run_id)
    return run, Path(client.download_artifacts(run, CARD, str(root))).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_workspace: Make, lock: Lock) -> Path:
    """A workspace with one registered version; tests only read it."""
    made = write_workspace(tmp_path_factory.mktemp("carded"))
    _register(made, lock)
    return made


def test_a_version_is_registered_with_its_card(root: Path) -> None:
    _, text = _kept(root)
    assert text == card_of(root, "testbed", "challenger") == card_of(root, "another", "testbed/1")
    assert text.startswith("# testbed, version 1\n")
    description = open_client(root).get_model_version("testbed", "1").description
    assert description.endswith("- model card: `card.md` of the source run")


@pytest.mark.parametrize(
    ("section", "facts"),
    [
        ("Data", ["`package:mnist`, 450 rows", "height (number)", "city (category)", "Classes: no, yes"]),
        ("Recipe", ["weight_norm, 4 to 3", "80 % removed", "`prune.amount: auto`"]),
        (
            "Results",
            ["100 test rows", "94.00 [92.50, 95.50]", "-1.00 [-1.20, +0.40]", "| yes | 0.900 | 0.800 |"],
        ),
        (
            "Limits",
            ["not shown; about 4,200 test rows", "Weakest class: no", "a processor", "A category that"],
        ),
        ("Lineage", ["0" * 32, "none was recorded", "a-flow-run", "`espalier reproduce 1`"]),
    ],
)
def test_a_section_says_what_the_reports_say(root: Path, section: str, facts: list[str]) -> None:
    text = card_of(root, "testbed", "1").partition(f"## {section}\n")[2].partition("\n## ")[0]
    assert [fact for fact in facts if fact not in text] == []


@pytest.mark.slow
def test_a_version_that_has_no_card_gets_one_to_read(workspace: Path, lock: Lock) -> None:
    _register(workspace, lock)
    _, text = _kept(workspace)
    next((workspace / ".espalier").rglob(CARD)).unlink()
    (workspace / CARD).unlink()
    assert card_of(workspace, "testbed", "1") == text
    assert not list(workspace.rglob(CARD))


@pytest.mark.slow
def test_a_run_that_lost_a_report_says_so(workspace: Path, lock: Lock) -> None:
    _register(workspace, lock)
    for path in [*(workspace / ".espalier").rglob(CARD), *(workspace / ".espalier").rglob("prune.json")]:
        path.unlink()
    with pytest.raises(EspalierError, match=r"no card, for its run lacks reports/prune\.json"):
        card_of(workspace, "testbed", "1")


def test_the_card_names_the_commit_that_was_found_later(workspace: Path, lock: Lock) -> None:
    _register(workspace, lock)
    for words in (["init", "-q"], ["add", "params.yaml"], ["commit", "-q", "-m", "As it is"]):
        subprocess.run(["git", *words], cwd=workspace, check=True)
    _register(workspace, lock)
    assert f"- git commit: `{code_version(workspace).commit}`" in _kept(workspace)[1]


def test_a_regression_has_a_card(workspace: Path, lock: Lock) -> None:
    layout = Layout(workspace)
    report = read_json(layout.report("evaluate"))
    figures = {"r2": 0.5, "rmse": 51.0, "mae": 40.0}
    fifth = {"label": "up to 1", "rmse": 0.5, "mae": None, "support": 20}
    for judged in report["models"].values():
        judged |= {"metrics": figures, "valid": figures, "train": figures, "interval": [0.4, 0.6]}
        judged |= {"per_class": [fifth], "gap": None}
    report |= {"task": "regression", "metric": "r2", "labels": None, "threshold": None}
    write_json(layout.report("evaluate"), report)
    unlabelled: dict[str, Any] = {"task": "regression", "labels": None, "label_dtype": None}
    write_json(layout.serving("compressed"), read_json(layout.serving("compressed")) | unlabelled)
    text = card_of(workspace, "testbed", _register(workspace, lock))
    assert "It predicts `answer`: a number." in text
    assert "| up to 1 | 0.500 | - | 20 |" in text
    assert "beyond those seen in training" in text
