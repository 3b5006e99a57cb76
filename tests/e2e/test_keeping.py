"""What has to last: a colleague's clone, a backup, what may be let go."""

import pandas as pd
import pytest

from tests.e2e.conftest import Project, environment_of

pytestmark = [pytest.mark.server, pytest.mark.slow]


def own_store(project):
    return f"sqlite:///{project.root / '.espalier' / 'mlflow' / 'mlflow.db'}"


def test_a_clone_has_everything_with_the_shared_remote_and_the_tracking_address(project, tmp_path):
    told = project.espalier("remote", str(tmp_path / "shared")).stdout
    assert "written, read back and removed" in told
    project.git("commit", "-q", "-m", "Shared remote", ".dvc/config")
    project.dvc("push", "--all-commits", "--run-cache")

    place = tmp_path / "colleague"
    project.git("clone", "-q", str(project.root), str(place))
    url = project.environment["PREFECT_API_URL"]
    more = {"MLFLOW_TRACKING_URI": own_store(project), "PREFECT_API_URL": url}
    colleague = Project(place, environment_of(place, **more))
    colleague.dvc("pull")
    assert colleague.dvc("status").stdout.strip() == "Data and pipelines are up to date."
    assert "0 of" not in colleague.espalier("remote").stdout
    assert "the ledger is empty" in colleague.espalier("history").stdout
    compared = colleague.espalier("compare", "espalier-digits/1", "espalier-digits@challenger").stdout
    assert "test/accuracy_pct" in compared
    rows = pd.read_parquet(place / "data" / "raw.parquet").head(9)
    rows.to_parquet(tmp_path / "new.parquet")
    colleague.espalier(
        "predict", str(tmp_path / "new.parquet"), "--to", str(tmp_path / "scores.parquet"), "--model", "1"
    )
    assert len(pd.read_parquet(tmp_path / "scores.parquet")) == 9
    assert colleague.git("status", "--porcelain").stdout == ""
