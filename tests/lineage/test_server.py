"""The same from a server that keeps the files itself: nothing of a version is on this disk but by asking."""

import pytest

from tasks.config import load_params
from tasks.lineage.bundle import export_bundle
from tasks.lineage.explain import explain
from tasks.tracking.card import card_of
from tests.lineage.conftest import registered
from tests.tracking.servers import free_port, server

pytestmark = [pytest.mark.slow, pytest.mark.server]


def test_a_version_is_explained_carded_and_handed_over_from_a_server(finished, tmp_path, monkeypatch):
    place = tmp_path / "server"
    place.mkdir()
    store = [
        "--backend-store-uri",
        "sqlite:///mlflow.db",
        "--artifacts-destination",
        "kept",
        "--workers",
        "1",
    ]
    port = free_port()
    with server(["server", *store], port, "health", place, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false") as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        assert registered(finished).version == "1"
        trail = explain(finished, load_params(finished), "challenger")
        assert (trail.version, trail.contradictions) == ("1", ())
        assert trail.run_page.startswith(url)
        assert card_of(finished, "testbed", "1").startswith("# testbed, version 1")
        bundle = export_bundle(finished, load_params(finished), "1", tmp_path / "bundle")
        assert bundle.notes == ()
