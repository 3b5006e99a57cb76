"""What the desk lets happen, and what the ledger says of the past."""

from types import SimpleNamespace

import pytest

from tasks.errors import EspalierError, NothingToDoError
from tasks.gate.approval import Approval
from tasks.gate.decide import Decision
from tasks.promotion.act import move, moves_to, settle
from tasks.promotion.audit import champions, taken_back
from tasks.promotion.desk import Desk
from tasks.promotion.versions import CHALLENGER, CHAMPION, PREVIOUS, aliases

NAME = "testbed"
YES = Decision("promote", "better", (), 100)


@pytest.fixture
def desk(client, tmp_path):
    """A desk whose versions cannot be asked."""
    policy = SimpleNamespace(approval_seconds=1)
    return Desk(tmp_path, SimpleNamespace(registry=SimpleNamespace(name=NAME), promote=policy))


@pytest.fixture
def answering(desk, monkeypatch):
    """The same, where every version answers."""
    columns = {"1": ("a", "b", "c"), "2": ("a",)}
    monkeypatch.setattr(desk, "_stored", lambda version, _: SimpleNamespace(columns=columns.get(version, ())))
    monkeypatch.setattr(desk, "_require_answers", lambda *_: None)
    return desk


def moved(desk, action, version, why=""):
    entry = desk.ledger.begin(action, version, why)
    with desk.ledger.alone(entry):
        settle(desk.ledger)
        move(desk.ledger, entry, moves_to(aliases(desk.client, NAME), version))


def test_a_persons_no_counts_though_nobody_was_asked(desk):
    with desk.pending("promote", None, "") as pending:
        entry = desk.act(pending, YES, Approval(granted=False, who="ada", why="Friday"), wanted=False)
    assert (entry.action, entry.moves) == ("declined", None)
    assert aliases(desk.client, NAME).champion is None


def test_a_persons_yes_is_not_needed_where_nobody_was_asked_and_not_told(desk):
    with desk.pending("promote", None, "") as pending:
        entry = desk.act(pending, YES, Approval(granted=True, who="ada", why="fine"), wanted=False)
    assert (entry.action, entry.why) == ("promote", "better")


def test_a_persons_yes_counts_where_the_gate_leaves_it_open_and_the_flow_never_asks(desk):
    unsure = Decision("not shown", "not shown: not taken back before", (), 100)
    with desk.pending("promote", None, "") as pending:
        entry = desk.act(pending, unsure, Approval(granted=True, who="ada", why="repaired"), wanted=False)
    assert entry.moves.champion == (None, "1")
    assert entry.why.endswith("ada: repaired")


def test_a_new_challenger_does_not_spoil_the_decision_about_the_one_before(desk):
    with desk.pending("promote", None, "") as pending:
        desk.client.set_registered_model_alias(NAME, CHALLENGER, "2")
        desk.act(pending, YES, None, wanted=False)
    held = aliases(desk.client, NAME)
    assert (held.champion, held.challenger) == ("1", "2")


def test_a_champion_moved_while_the_gate_looked_is_not_moved_again(desk):
    with desk.pending("promote", None, "") as pending:
        desk.client.set_registered_model_alias(NAME, CHAMPION, "3")
        with pytest.raises(EspalierError, match="moved while the gate looked"):
            desk.act(pending, YES, None, wanted=False)
    assert aliases(desk.client, NAME).champion == "3"


def test_a_rollback_goes_to_what_was_the_champion_and_nowhere_else(answering):
    moved(answering, "promote", "1")
    moved(answering, "promote", "2")
    with (
        pytest.raises(EspalierError, match="never the champion"),
        answering.pending("rollback", "4", "x") as p,
    ):
        answering.rollback(p)
    with answering.pending("rollback", None, "calls") as pending:
        entry = answering.rollback(pending)
    assert entry.moves.champion == ("2", "1")
    assert "columns the champion does without: b, c" in entry.why


def test_who_took_a_version_out_of_production_is_remembered_until_it_is_back(desk):
    moved(desk, "promote", "1")
    moved(desk, "promote", "2")
    moved(desk, "rollback", "1", "calls")
    past = desk.ledger.moved()
    assert champions(past) == {"1", "2"}
    assert taken_back(past, "2").endswith(": calls")
    assert taken_back(past, "1") == taken_back(past, "3") == ""
    moved(desk, "promote", "2")
    assert taken_back(desk.ledger.moved(), "2") == ""


def test_either_alias_moved_by_hand_contradicts_the_ledger_until_it_is_entered(desk):
    moved(desk, "promote", "1")
    moved(desk, "promote", "2")
    assert desk.contradictions() == []
    desk.client.set_registered_model_alias(NAME, PREVIOUS, "3")
    (said,) = desk.contradictions()
    assert said == "the registry's previous is 3, the ledger's 1: moved by hand"
    moved(desk, "promote", "4")
    assert desk.contradictions() == []


def test_a_deleted_entry_is_a_gap(desk):
    for version in ("1", "2", "3"):
        moved(desk, "promote", version)
    desk.client.delete_run(desk.ledger.moved()[1].id)
    assert any("an entry is missing" in text for text in desk.contradictions())


def test_a_move_whose_command_was_killed_before_it_closed_its_entry_is_the_newest_and_no_gap(
    desk, monkeypatch
):
    moved(desk, "promote", "1")
    moved(desk, "promote", "2")
    with monkeypatch.context() as killed:
        killed.setattr(desk.ledger.client, "set_terminated", stopped)
        with pytest.raises(KeyboardInterrupt):
            moved(desk, "promote", "3")
    newest = desk.ledger.entries()[0].id
    desk.ledger.note(newest, process="1@0")
    assert desk.ledger.moved()[0].id == newest
    assert desk.contradictions() == ["work on version 3 was interrupted; the next command settles it"]
    moved(desk, "promote", "4")
    assert desk.contradictions() == []
    assert desk.ledger.entries()[0].after == newest


def stopped(*_):
    raise KeyboardInterrupt


@pytest.fixture
def taken_back_and_made_again(desk):
    """A promotion, another, a rollback, and the promotion that undid it."""
    for action, version in (("promote", "1"), ("promote", "2"), ("rollback", "1"), ("promote", "2")):
        moved(desk, action, version)
    assert desk.contradictions() == []
    return desk


@pytest.mark.parametrize("places", [[0], [1], [2], [3], [0, 1], [1, 2], [2, 3], [0, 1, 2]])
def test_whichever_entries_are_deleted_it_is_told(taken_back_and_made_again, places):
    desk = taken_back_and_made_again
    past = desk.ledger.moved()
    for place in places:
        desk.client.delete_run(past[place].id)
    assert any("missing" in text for text in desk.contradictions())


def test_a_deleted_no_is_told_by_the_entry_after_it(desk):
    with desk.pending("promote", None, "") as pending:
        no = desk.act(pending, YES, Approval(granted=False, who="ada", why="Friday"), wanted=False)
    moved(desk, "promote", "1")
    assert desk.contradictions() == []
    desk.client.delete_run(no.id)
    assert desk.contradictions() == [f"promote of 1 came after run {no.id}: that entry is missing"]


def test_entries_that_name_none_before_them_are_not_complained_of(taken_back_and_made_again):
    desk = taken_back_and_made_again
    for entry in desk.ledger.moved()[:-1]:
        desk.client.delete_tag(entry.id, "espalier.ledger.after")
    desk.client.delete_registered_model_tag(NAME, "espalier.ledger.last")
    assert desk.contradictions() == []


@pytest.mark.parametrize("version", [None, "1"])
@pytest.mark.parametrize("died_after", [(), (PREVIOUS,), (PREVIOUS, CHAMPION)])
def test_a_killed_rollback_asked_for_again_is_finished_and_not_taken_back(answering, died_after, version):
    moved(answering, "promote", "1")
    moved(answering, "promote", "2")
    entry = answering.ledger.begin("rollback", "1", "calls")
    answering.ledger.plan(entry, moves_to(aliases(answering.client, NAME), "1"))
    for alias, number in ((PREVIOUS, "2"), (CHAMPION, "1")):
        if alias in died_after:
            answering.client.set_registered_model_alias(NAME, alias, number)
    answering.ledger.note(entry, process="1@0")
    with answering.pending("rollback", version, "calls, again") as pending:
        told = answering.rollback(pending)
    assert (aliases(answering.client, NAME).champion, aliases(answering.client, NAME).previous) == ("1", "2")
    assert told.why == "finished what was interrupted: calls"
    assert answering.contradictions() == []


@pytest.fixture
def untold(answering):
    """A rollback from version 2 to 1 that has moved, and whose command ended before it said so."""
    moved(answering, "promote", "1")
    moved(answering, "promote", "2")
    rolled_back(answering)
    return answering


def rolled_back(desk, version=None, why="calls"):
    with desk.pending("rollback", version, why) as pending:
        return desk.rollback(pending)


@pytest.mark.parametrize("version", [None, "1"])
def test_a_rollback_that_nobody_was_told_of_is_not_taken_back_until_it_is(untold, version):
    for _ in range(2):
        again = rolled_back(untold, version, "calls, again")
        assert (again.version, again.moves) == ("1", None)
        assert again.why.startswith("finished what was interrupted: calls")
        assert aliases(untold.client, NAME).champion == "1"
    untold.confirm(again)
    assert rolled_back(untold).moves.champion == ("1", "2")
    assert untold.contradictions() == []


def test_a_killed_rollback_that_another_command_has_finished_is_not_taken_back(answering):
    moved(answering, "promote", "1")
    moved(answering, "promote", "2")
    entry = answering.ledger.begin("rollback", "1", "calls")
    answering.ledger.note(entry, confirmed="no")
    answering.ledger.plan(entry, moves_to(aliases(answering.client, NAME), "1"))
    answering.ledger.note(entry, process="1@0")
    assert [e.state for e in settle(answering.ledger)] == ["done"]
    assert rolled_back(answering).moves is None
    assert aliases(answering.client, NAME).champion == "1"


def test_to_another_version_it_is_another_rollback(untold):
    assert rolled_back(untold, "2").moves.champion == ("1", "2")


def test_a_move_after_a_rollback_that_nobody_was_told_of_can_be_taken_back(untold):
    moved(untold, "promote", "3")
    assert rolled_back(untold).moves.champion == ("3", "1")


def test_a_rollback_of_before_they_were_noted_as_told_can_be_taken_back(untold):
    untold.client.delete_tag(untold.ledger.moved()[0].id, "espalier.ledger.confirmed")
    assert rolled_back(untold).moves.champion == ("1", "2")


def test_a_killed_promotion_asked_for_again_says_that_it_is_finished(desk):
    moved(desk, "promote", "4")
    entry = desk.ledger.begin("promote", "1", "better")
    desk.ledger.plan(entry, moves_to(aliases(desk.client, NAME), "1"))
    desk.ledger.note(entry, process="1@0")
    with (
        pytest.raises(
            NothingToDoError, match=r"finished first: promote of version 1 \(done\); then .*challenger"
        ),
        desk.pending("promote", None, ""),
    ):
        pytest.fail("there is a challenger")
    assert aliases(desk.client, NAME).champion == "1"


def test_without_a_challenger_nothing_is_entered(desk):
    moved(desk, "promote", "1")
    with pytest.raises(EspalierError, match="there is no challenger"), desk.pending("promote", None, ""):
        pytest.fail("there is one")
    assert len(desk.ledger.entries()) == 1
