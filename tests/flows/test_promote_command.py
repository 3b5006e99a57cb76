"""What `espalier promote` and `rollback` need to begin, and what they print."""

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from flows import promote_command
from tasks.errors import EspalierError
from tasks.gate.decide import Decision
from tasks.promotion.ledger import Entry, Moves
from tasks.versioning import workspace_lock

HOLDS = """
import sys
from pathlib import Path
from tasks.versioning import workspace_lock
with workspace_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def said(monkeypatch):
    """Collects lines; no Prefect server is started, and nobody serves."""
    monkeypatch.setattr(promote_command, "server", nullcontext)
    monkeypatch.setattr(promote_command, "_answering", lambda root: [])
    return []


def entry(action="promote", moves=None, why="better", version="2"):
    return Entry("r1", action, "done", 0, "ada", why, version, moves, 1)


MOVES = Moves(("1", "2"), (None, "1"))


def test_promote_and_rollback_do_not_wait_for_a_run_that_holds_the_workspace(tmp_path, said, monkeypatch):
    decision = Decision("promote", "better", (), 100)
    judged = SimpleNamespace(decision=decision, entry=entry(moves=MOVES), settled=(), champion="2")
    monkeypatch.setattr("flows.promote.promote", lambda *_, **__: judged)
    monkeypatch.setattr("flows.promote.rollback", lambda *_: entry("rollback", MOVES))
    run = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nightly:
        assert nightly.stdout.readline() == "held\n"
        with pytest.raises(EspalierError, match="another run"), workspace_lock(tmp_path):
            pytest.fail("the lock is free")
        assert promote_command.promote(tmp_path, None, said.append, as_json=False)
        promote_command.rollback(tmp_path, None, "calls", said.append, as_json=False)
        nightly.stdin.close()
    assert said[-1] == "rollback: champion 1 -> 2, previous 1"
