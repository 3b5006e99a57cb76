"""An alias moved in MLflow's page stands in the ledger though no command was run."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from mlflow import MlflowClient

from flows import aliases
from flows.services import SETTINGS
from tasks.promotion.ledger import Ledger
from tasks.tracking.store import open_client
from tests.tracking.servers import free_port, server

NAME = "espalier-mnist"


@pytest.mark.server
@pytest.mark.timeout(600)
def test_an_alias_moved_on_a_server_is_entered_and_told(tmp_path, empty_database, monkeypatch):
    held, root = tmp_path / "server", tmp_path / "work"
    held.mkdir()
    root.mkdir()
    shutil.copy(empty_database, held / "mlflow.db")
    (root / "params.yaml").write_text(f"registry:\n  name: {NAME}\n")
    first = MlflowClient(f"sqlite:///{held / 'mlflow.db'}")
    first.create_registered_model(NAME)
    first.create_model_version(NAME, source=(root / "model").as_uri())
    store = ["server", "--backend-store-uri", f"sqlite:///{held / 'mlflow.db'}", "--workers", "1"]
    with server(store, free_port(), "health", held, **SETTINGS) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        client = open_client(root)
        told = []
        assert aliases.listen(root, print) == ""
        assert aliases.listen(root, lambda text, **facts: told.append((text, facts))) == ""
        assert len(client.list_webhooks()) == 1  # the second has taken the place of the first
        client.set_registered_model_alias(NAME, "champion", "1")
        until = time.monotonic() + 120
        while not told and time.monotonic() < until:
            time.sleep(0.1)
        ((text, facts),) = told
        assert "champion - -> 1" in text
        (entry,) = Ledger(client, root, NAME).entries()
        assert (entry.id, entry.action, entry.state) == (facts["run"], "by hand", "done")


def test_a_server_that_calls_nobody_on_loopback_is_told_and_nothing_else_happens(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    (tmp_path / "params.yaml").write_text("")
    assert "does not answer" in aliases.listen(tmp_path, print)


def looks(monkeypatch, *ended):
    """Let looks end one after the other with these codes, and the last one for ever; return how many were."""
    codes, begun = list(ended), []

    def run(root, *words):
        begun.append(words)
        code = codes.pop(0) if len(codes) > 1 else codes[0]
        return subprocess.CompletedProcess(words, code, '{"text": "moved"}' if code == 0 else "", "away")

    monkeypatch.setattr(aliases, "_PAUSE", 0)
    monkeypatch.setattr(aliases, "_run", run)
    return begun


def test_a_look_that_fails_is_made_again_as_one_is_while_a_command_is_at_work(tmp_path, monkeypatch):
    begun = looks(monkeypatch, 1, aliases.BUSY, 1, 0)
    assert json.loads(aliases._looked(tmp_path)) == {"text": "moved"}
    assert len(begun) == 4


@pytest.mark.parametrize(("code", "why"), [(1, "away"), (aliases.BUSY, "a command is at work")])
def test_looks_that_are_used_up_are_told_in_the_watchs_log(tmp_path, monkeypatch, capsys, code, why):
    begun = looks(monkeypatch, code)
    assert aliases._looked(tmp_path) == ""
    assert len(begun) == aliases._LOOKS
    assert capsys.readouterr().err == f"a moved alias is not entered, the next command enters it: {why}\n"


def test_calls_for_another_address_are_not_taken(monkeypatch):
    import threading
    from http.server import HTTPServer

    moved = threading.Event()
    with HTTPServer(("127.0.0.1", 0), aliases._answering(moved, "/known")) as listening:
        threading.Thread(target=listening.serve_forever).start()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{listening.server_port}/other", b"{}")
        assert not moved.is_set()
        urllib.request.urlopen(f"http://127.0.0.1:{listening.server_port}/known", b"{}")
        assert moved.is_set()
        listening.shutdown()
