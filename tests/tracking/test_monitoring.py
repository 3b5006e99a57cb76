from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks import lifecycle, orchestration
from tasks.artifacts import Layout, load_raw_meta
from tasks.config import apply_overrides, load_params
from tasks.data.encoding import encode
from tasks.data.plan import NumericPlan
from tasks.drift.answers import Mistakes, mistakes
from tasks.drift.profile import Known, fit_profile
from tasks.drift.stored import load_profile, save_profile
from tasks.errors import ConfigError, EspalierError
from tasks.export.onnx import run_onnx, session
from tasks.monitoring import Version, Watched, examine, source_of
from tasks.registry import register
from tasks.tracking import record
from tasks.tracking.fetch import fetch_version
from tasks.tracking.monitoring import figures, record_drift
from tasks.tracking.store import open_client
from tests.tracking.conftest import ENCODING, LABELS, PLAN

Lock = dict[str, str]
Make = Callable[..., Path]


def rows(count: int, seed: int, taller: float = 0.0) -> pd.DataFrame:
    """Raw rows of the workspace's columns."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "height": rng.normal(1.7 + taller, 0.1, count),
            "children": rng.poisson(1.5, count),
            "city": rng.choice(["Ulm", "Bonn", "Oslo"], count),
            "answer": rng.choice(LABELS, count),
        }
    )


def _plan() -> NumericPlan:
    def numbers(*values: float) -> np.ndarray:
        return np.array(values, np.float32)

    high = numbers(np.inf, np.inf, np.inf)
    mean, scale = numbers(1.7, 1.5, 0, 0), numbers(0.1, 1.2, 1, 1)
    return NumericPlan(
        ("height", "children", "city"), (0, 0, 2), numbers(1.7, 1, 0), -high, high, (), mean, scale
    )


def _profiled(root: Path) -> None:
    """Store the profile of a model made from 600 such rows."""
    layout, train, valid = Layout(root), rows(600, 0), rows(300, 1)
    opened, X = session(layout.onnx("compressed")), encode(valid, ENCODING)
    answers = run_onnx(opened, X)
    codes = valid["answer"].map({label: code for code, label in enumerate(LABELS)}).to_numpy()
    wrong = Mistakes.of(mistakes(codes, answers, LABELS, 0.4), {"accuracy": 0.5}, classes=True)
    known = Known(train, encode(train, ENCODING), X, answers, wrong)
    meta = load_raw_meta(layout.raw_meta)
    save_profile(layout.profile("compressed"), fit_profile(known, meta, ENCODING, _plan(), PLAN, ()))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_workspace: Make, lock: Lock) -> Path:
    """A workspace whose registered version holds a profile, and two batches."""
    made = write_workspace(tmp_path_factory.mktemp("watched"))
    _profiled(made)
    params = load_params(made)
    register(made, params, record(made, params, [], flow_run_id=None, lock=lock))
    rows(500, 2).to_csv(made / "same.csv", index=False)
    rows(500, 3, taller=0.1).to_parquet(made / "taller.parquet")
    return made


@pytest.fixture
def version(root: Path) -> Version:
    """The version as it was fetched."""
    found = fetch_version(root, "testbed", "challenger")
    return Version(found.name, found.version, found.folder)


@pytest.fixture
def taller(root: Path, version: Version) -> Watched:
    """The batch of taller people, held against it."""
    return examine(root, "taller.parquet", None, root, version)


def test_a_registered_version_holds_the_profile_as_it_was_made(root: Path, version: Version) -> None:
    stored = load_profile(version.folder / "artifacts" / "profile")
    assert stored.to_dict() == load_profile(Layout(root).profile("compressed")).to_dict()


def test_rows_of_the_same_law_are_no_drift(root: Path, version: Version) -> None:
    watched = examine(root, "same.csv", None, root, version)
    assert watched.drift.kinds == ()
    assert watched.events == ()
    assert watched.drift.scored == watched.drift.labelled == 500


def test_a_column_that_moved_is_drift_and_the_page_and_the_json_say_so(taller: Watched) -> None:
    assert "columns" in taller.events
    assert [f.name for f in taller.drift.drifted if f.kind == "columns"] == ["height"]
    facts = json.loads(taller.facts.read_text())
    assert facts["drifted"] is True
    assert facts["policy"]["false_discovery"] == taller.policy.false_discovery
    page = taller.page.read_text()
    assert "values of 1 of 3 columns" in page
    assert "<script src" not in page
    assert "http" not in page


def test_the_policy_says_which_drift_raises_the_event(root: Path, version: Version, tmp_path: Path) -> None:
    shutil.copy(Layout(root).params, tmp_path / "params.yaml")
    apply_overrides(tmp_path, ["monitor.event=[performance]"])
    watched = examine(tmp_path, "taller.parquet", None, root, version)
    assert "columns" in watched.drift.kinds
    assert watched.events == ()


def test_a_comparison_is_a_run_of_experiment_monitoring(root: Path, taller: Watched) -> None:
    client = open_client(root)
    page = record_drift(root, taller, flow_run_id="flow")
    run = client.get_run(page.partition("/runs/")[2].partition("?")[0])
    assert client.get_experiment(run.info.experiment_id).name == "monitoring"
    assert run.info.status == "FINISHED"
    assert run.data.tags["espalier.model_version"] == "testbed/1"
    assert "columns" in run.data.tags["espalier.drift"]
    assert run.data.tags["mlflow.note.content"].startswith("Drift: ")
    assert run.data.metrics["columns/psi/height"] > 0.1
    assert run.data.metrics == pytest.approx(figures(taller.drift))
    assert run.data.params["monitor.false_discovery"] == "0.01"
    files = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert files == {"report.html", "drift.json"}


def test_the_event_names_the_model_and_what_drifted(taller: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[str, dict]] = []
    monkeypatch.setattr(orchestration, "emit_event", lambda name, **more: raised.append((name, more)))
    assert lifecycle.raise_drift.fn(taller, "page")
    ((name, more),) = raised
    assert name == "espalier.drift"
    assert more["resource"]["prefect.resource.id"] == "espalier.model.testbed"
    assert more["payload"]["kinds"] == list(taller.events)
    json.dumps(more["payload"], allow_nan=False)


def test_no_event_is_raised_without_drift(
    root: Path, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestration, "emit_event", None)
    assert not lifecycle.raise_drift.fn(examine(root, "same.csv", None, root, version), "page")


def test_a_version_from_before_profiles_is_refused(root: Path, version: Version, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(version.folder, tmp_path / "old"))
    shutil.rmtree(folder / "artifacts" / "profile")
    with pytest.raises(EspalierError, match="testbed/1: no profile is stored with it"):
        examine(root, "same.csv", None, root, Version("testbed", "1", folder))


def test_a_batch_without_rows_is_refused(root: Path, version: Version, tmp_path: Path) -> None:
    rows(0, 0).to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(EspalierError, match=r"none\.csv has no rows"):
        examine(root, "none.csv", None, tmp_path, version)


def test_a_database_needs_a_query_and_no_password_in_its_url(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="query is needed"):
        source_of("sqlite:///rows.db", None, tmp_path)
    with pytest.raises(ConfigError, match="no password here") as caught:
        source_of("postgresql://me:hunter2@host/db", "select 1", tmp_path)
    assert "hunter2" not in str(caught.value)


def test_a_path_starts_from_the_folder_the_command_was_given_in(tmp_path: Path) -> None:
    assert source_of("rows.csv", None, tmp_path).uri == str(tmp_path / "rows.csv")
    assert source_of("package:digits", None, tmp_path).uri == "package:digits"


def test_of_a_large_batch_as_many_rows_as_are_wanted_are_looked_at_and_that_is_said(
    root: Path, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = rows(3000, 4).assign(news="x")
    batch.loc[1234, "height"] = 99.0
    batch.to_parquet(tmp_path / "large.parquet", row_group_size=700)
    batch.to_csv(tmp_path / "large.csv", index=False)
    policy = load_params(root).monitor.model_copy(update={"sample": 600})
    params = load_params(root).model_copy(update={"monitor": policy})
    monkeypatch.setattr("tasks.monitoring.load_params", lambda _: params)
    whole = examine(root, "large.csv", None, tmp_path, version)
    monkeypatch.setattr("tasks.monitoring.LARGE", 1)
    for name in ("large.csv", "large.parquet"):
        found = examine(root, name, None, tmp_path, version)
        assert (found.drift.rows, found.drift.of) == (600, 3000)
        assert found.drift.kinds == whole.drift.kinds == ()
        assert "600 of 3,000 rows were looked at, drawn at random" in found.page.read_text()
        assert [d.column for d in found.drift.schema if d.what == "unknown"] == ["news"]
