"""Every example as committed, with fewer rows, epochs and candidates: its study and table; one runs whole."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest

from examples.__main__ import BEGIN, names
from tasks.artifacts import Layout, load_rows
from tasks.config import load_params
from tasks.data.sources.packaged import PACKAGED
from tasks.files import read_json
from tests.e2e.conftest import SOURCE, Project, copied_source, environment_of, outcomes, settings

pytestmark = [pytest.mark.slow, pytest.mark.server]

ARMS = {"nothing", "columns", "rows", "pruning", "columns+pruning", "all"}
SIZES = {  # share of rows for test, epochs, what else
    "adult": (0.85, 3, ()),
    "ames": (0.25, 10, ()),
    "image": (0.6, 4, ()),
    "speech": (0.25, 20, ()),
    "speech-series": (0.25, 15, ()),
    "text": (0.25, 4, ("clean.text.width=200", "reduce.columns.components=64")),
}


def reduced(name):
    test, epochs, more = SIZES[name]
    sizes = (f"clean.split.test={test}", f"train.epochs={epochs}", f"prune.finetune.epochs={epochs}")
    rest = ("evaluate.bootstrap=100", "measure.repeats=3", "study.rivals=false", "study.workers=1")
    return settings([*sizes, *more, *rest])


def package(name):
    return PACKAGED[load_params(SOURCE / "examples" / name).source.uri.removeprefix("package:")].package


def installed(name):
    try:
        return bool(version(package(name)))
    except PackageNotFoundError:
        return False


def require(name):
    """Skip where the package that an example's rows come with is not installed."""
    if not installed(name):
        pytest.skip(f"{package(name)} is not installed: make examples-data")


@pytest.fixture(scope="module")
def copy(tmp_path_factory, prefect_url):
    """A copy of the project with its examples as they are committed."""
    root = tmp_path_factory.mktemp("examples") / "project"
    copied_source(root)
    left_out = shutil.ignore_patterns(
        "__pycache__", ".espalier", "data", "models", "reports", "dvc.lock", "tmp", "cache"
    )
    shutil.copytree(SOURCE / "examples", root / "examples", ignore=left_out)
    made = Project(root, environment_of(root, PREFECT_API_URL=prefect_url))
    made.git("init", "-q")
    return made


@pytest.fixture(scope="module")
def studies(copy, request):
    """Studies of the examples that are tested, two at a time: each is mostly one process importing."""

    def study(name):
        words = ("--candidates", "7", "--seeds", "1", *reduced(name))
        return copy.espalier("study", "-C", f"examples/{name}", *words)

    wanted = [
        name for name in names() if f"[{name}]" in " ".join(item.name for item in request.session.items)
    ]
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(study, name) for name in wanted if installed(name)}
        pool.shutdown(cancel_futures=True)


def beats_guessing(workspace, candidate):
    """Hold test figures against what the commonest class, or the mean, would reach."""
    if "r2" in candidate["test"]:
        return candidate["test"]["r2"] > 0.2
    classes = len(np.unique(load_rows(Layout(workspace).rows("test")).y))
    return candidate["test"]["balanced_accuracy"] > 1.1 / classes


@pytest.mark.parametrize("name", names())
def test_an_example_is_studied_and_its_table_written(copy, studies, name) -> None:
    require(name)
    workspace = copy.root / "examples" / name
    studies[name].result()
    study = read_json(workspace / "reports" / "study.json")
    found = {each["id"]: each for each in study["candidates"]}
    assert {each["arm"] for each in found.values()} >= ARMS
    assert not any(each["failures"] for each in found.values())
    nothing, narrowed, pruned, both = (found[id_] for id_ in study["interactions"][0]["candidates"])
    assert both["bytes"] < min(narrowed["bytes"], pruned["bytes"])
    assert 2 * both["bytes"] < nothing["bytes"]
    best = max(found.values(), key=lambda each: each["valid"][study["headline"]])
    assert beats_guessing(workspace, best)
    assert beats_guessing(workspace, both)

    copy.command("python", "-m", "examples", "--tables", name)
    page = (workspace / "README.md").read_text("utf-8")
    table = page[page.index(BEGIN) :]
    assert all(f"| {each['name']} |" in table for each in found.values())
    assert "| both | " in table


def test_one_example_runs_as_its_page_says(copy) -> None:
    require("adult")
    ran = outcomes(copy.espalier("run", "-C", "examples/adult", *reduced("adult")).stdout)
    assert set(ran.values()) <= {"ran", "skipped"}
    assert ran["measure"] == "ran"
    models = read_json(copy.root / "examples" / "adult" / "reports" / "evaluate.json")["models"]
    assert models["compressed"]["size"]["bytes"] < models["reference"]["size"]["bytes"] / 2
    cleaned = read_json(copy.root / "examples" / "adult" / "reports" / "clean.json")
    assert cleaned["rows"]["raw"] == 32561
    status = copy.command("python", "-m", "dvc", "status", cwd=copy.root / "examples" / "adult").stdout
    assert "up to date" in status
