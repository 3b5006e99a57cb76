"""A promotion that waits for a person: the aliases are free, and what others do meanwhile counts."""

import threading
from types import SimpleNamespace

import pytest

from tasks.errors import NothingToDoError
from tasks.gate.approval import Approval
from tasks.gate.decide import Decision
from tasks.promotion.act import move, moves_to, notice, settle
from tasks.promotion.desk import Desk
from tasks.promotion.versions import CHALLENGER, CHAMPION, aliases
from tasks.promotion.waiting import waiting

NAME = "testbed"
OPEN = Decision("not shown", "not shown: too few rows", (), 100)
YES = Approval(granted=True, who="ada", why="looked at it")
NO = Approval(granted=False, who="bob", why="not on a Friday")


@pytest.fixture
def desk(client, tmp_path, monkeypatch):
    """A desk whose versions all answer; version 1 was the champion, 2 is, and 3 wants to be."""
    desk = Desk(tmp_path, SimpleNamespace(registry=SimpleNamespace(name=NAME), promote=None))
    monkeypatch.setattr(desk, "_stored", lambda *_: SimpleNamespace(columns=()))
    monkeypatch.setattr(desk, "_require_answers", lambda *_: None)
    for version in ("1", "2"):
        promoted(desk, version)
    client.set_registered_model_alias(NAME, CHALLENGER, "3")
    return desk


def promoted(desk, version):
    entry = desk.ledger.begin("promote", version, "better")
    with desk.ledger.alone(entry):
        settle(desk.ledger)
        move(desk.ledger, entry, moves_to(aliases(desk.client, NAME), version))


def rolled_back(desk, why="calls"):
    with desk.pending("rollback", None, why) as pending:
        return desk.rollback(pending)


def asked(desk, meanwhile, said=YES):
    """A promotion of the challenger that waits while `meanwhile` happens, and then has the answer."""
    with desk.pending("promote", None, "") as pending:
        with waiting(desk.ledger, pending, 60) as decided:
            meanwhile()
            idle = decided()
        assert not idle
        return desk.act(pending, OPEN, said, wanted=True)


def states(desk):
    return [(entry.action, entry.version, entry.state) for entry in desk.ledger.entries()]


def test_an_answer_counts_where_nothing_has_happened_meanwhile(desk):
    entry = asked(desk, lambda: None)
    assert entry.moves.champion == ("2", "3")
    assert desk.contradictions() == []


def test_a_rollback_does_not_wait_and_the_promotion_gives_way_to_it(desk):
    with pytest.raises(NothingToDoError, match=r"rollback of version 1 by .*: calls"):
        asked(desk, lambda: rolled_back(desk))
    assert aliases(desk.client, NAME).champion == "1"
    assert states(desk)[:2] == [("rollback", "1", "done"), ("promote", "3", "gave way")]
    assert desk.ledger.entries()[1].why.endswith(": calls")
    assert desk.contradictions() == []


@pytest.mark.parametrize("said", [YES, NO])
def test_an_answer_in_the_terminal_settles_what_the_form_asks_for(desk, said):
    with pytest.raises(NothingToDoError, match=said.why):
        asked(desk, lambda: answered(desk, said))
    assert aliases(desk.client, NAME).champion == ("3" if said.granted else "2")
    assert states(desk)[1] == ("promote", "3", "gave way")


def answered(desk, said):
    with desk.pending("promote", None, "") as pending:
        desk.act(pending, OPEN, said, wanted=True)


def test_a_promotion_that_nobody_answered_leaves_the_other_waiting(desk):
    entry = asked(desk, lambda: answered(desk, None))
    assert entry.moves.champion == ("2", "3")


def test_an_alias_moved_by_hand_is_noticed_meanwhile_and_the_promotion_gives_way(desk):
    def by_hand():
        desk.client.set_registered_model_alias(NAME, CHAMPION, "4")
        assert notice(desk.ledger).moves.champion == ("2", "4")

    with pytest.raises(NothingToDoError, match="by hand of version 4"):
        asked(desk, by_hand)
    assert aliases(desk.client, NAME).champion == "4"


def test_a_rollback_killed_meanwhile_is_finished_before_the_answer_is_looked_at(desk):
    def killed():
        entry = desk.ledger.begin("rollback", "1", "calls")
        desk.ledger.plan(entry, moves_to(aliases(desk.client, NAME), "1"))
        desk.ledger.note(entry, process="1@0")

    with pytest.raises(NothingToDoError, match="rollback of version 1"):
        asked(desk, killed)
    assert aliases(desk.client, NAME).champion == "1"


def test_what_another_command_has_given_up_is_not_acted_on(desk):
    def given_up():
        entry = next(entry for entry in desk.ledger.entries() if entry.state == "waiting")
        desk.ledger.close(entry.id, "abandoned")

    with pytest.raises(NothingToDoError, match="taken over"):
        asked(desk, given_up)
    assert aliases(desk.client, NAME).champion == "2"
    assert states(desk)[0] == ("promote", "3", "abandoned")


def test_one_killed_while_it_waits_holds_nobody_up_and_is_closed_by_the_next(desk):
    entry = desk.ledger.begin("promote", "3", "")
    with desk.ledger.alone(entry):
        desk.ledger.wait(entry, 3600)
    desk.ledger.note(entry, process="1@0")
    assert rolled_back(desk).moves.champion == ("2", "1")
    assert desk.ledger.entry(entry).state == "abandoned"


def test_of_two_that_wait_for_the_same_version_one_moves_it(desk, monkeypatch):
    monkeypatch.setattr("tasks.promotion.ledger._AGAIN", 0.05)
    both, ended = threading.Barrier(2, timeout=60), []
    held = threading.Lock()

    def one():
        held.acquire()
        try:
            with desk.pending("promote", None, "") as pending:
                with waiting(desk.ledger, pending, 60):
                    held.release()
                    both.wait()
                ended.append(desk.act(pending, OPEN, YES, wanted=True).state)
        except NothingToDoError:
            ended.append("gave way")

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["done", "gave way"]
    assert sum(entry.moves is not None and entry.version == "3" for entry in desk.ledger.entries()) == 1
    assert desk.contradictions() == []
