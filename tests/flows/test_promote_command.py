"""What `espalier promote` and `rollback` need to begin, and what they print."""

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from flows import promote_command
from flows.session import StoppedError
from tasks.errors import EspalierError
from tasks.gate.checks import Check
from tasks.gate.decide import Decision
from tasks.promotion.ledger import Entry, Moves
from tasks.serving.notes import NotServedError
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
    monkeypatch.setattr(promote_command, "_confirm", lambda root, entry: None)
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


@pytest.fixture
def confirmed(said, monkeypatch):
    """Collects what was printed when the ledger took note that a rollback was told."""
    noted = []
    monkeypatch.setattr(promote_command, "_confirm", lambda root, entry: noted.append(list(said)))
    return noted


def test_a_rollback_counts_as_told_once_it_is_printed(tmp_path, said, confirmed, monkeypatch):
    monkeypatch.setattr("flows.promote.rollback", lambda *_: entry("rollback", MOVES))
    promote_command.rollback(tmp_path, None, "calls", said.append, as_json=False)
    assert confirmed == [["rollback: champion 1 -> 2, previous 1"]]


def test_a_rollback_that_was_finished_says_who_is_the_champion(tmp_path, said, monkeypatch):
    monkeypatch.setattr("flows.promote.rollback", lambda *_: entry("rollback", why="finished: calls"))
    promote_command.rollback(tmp_path, None, "calls", said.append, as_json=False)
    assert said == [
        "rollback: finished: calls",
        "Champion    version 2; the same command again is another rollback",
    ]


def ended_by(error):
    def flow(*_, **__):
        raise error

    return flow


@pytest.mark.parametrize(("action", "words"), [("promote", []), ("rollback", ["calls"])])
def test_ctrl_c_says_where_what_has_moved_is_told(tmp_path, said, confirmed, monkeypatch, action, words):
    monkeypatch.setattr(f"flows.promote.{action}", ended_by(KeyboardInterrupt()))
    with pytest.raises(StoppedError, match="`espalier history` says what has moved") as stopped:
        getattr(promote_command, action)(tmp_path, None, *words, said.append, as_json=False)
    assert stopped.value.exit_code == 130
    assert confirmed == []


def test_a_version_that_has_moved_and_is_not_served_has_an_exit_code_of_its_own(
    tmp_path, said, confirmed, monkeypatch
):
    monkeypatch.setattr("flows.promote.rollback", ended_by(NotServedError("restart it")))
    with pytest.raises(EspalierError, match="restart it") as failed:
        promote_command.rollback(tmp_path, None, "calls", said.append, as_json=False)
    assert failed.value.exit_code == 5
    assert confirmed == []


def printed(said, monkeypatch, decision, **entered):
    judged = SimpleNamespace(decision=decision, entry=entry(**entered), settled=(), champion="1")
    monkeypatch.setattr("flows.promote.promote", lambda *_, **__: judged)
    promote_command.promote("unused", None, said.append, as_json=False)
    return "\n".join(said).splitlines()


def test_every_word_of_the_gates_table_is_there_in_80_columns(said, monkeypatch):
    cells = (
        "columns the champion does without",
        "a_rather_long_name_of_a_column, another and 12 more",
        "at least 10,000,000,000 rows",
    )
    decision = Decision("reject", "failed", (Check(cells[0], "failed", *cells[1:]),), 100)
    lines = printed(said, monkeypatch, decision, action="reject", why="failed")
    assert max(map(len, lines)) <= 80
    words = {word for line in lines for word in line.split()}
    assert set(cells[0].split()) | {"another", "12", "10,000,000,000", "rows"} <= words
    assert any("columns the champion does without" in line for line in lines)


def test_what_is_not_shown_is_said_once_and_a_person_can_say_yes(said, monkeypatch):
    why = "not shown: not taken back before (rollback by ada: calls, wanted a person's yes)"
    lines = printed(said, monkeypatch, Decision("not shown", why, (), 100), action="not shown", why=why)
    assert sum(line.count("not shown") for line in lines) == 1
    assert "espalier promote --approve" in lines[-1]
