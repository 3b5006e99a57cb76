import subprocess
import sys
import threading
import time

import pytest

from tasks.errors import EspalierError
from tasks.promotion.act import BY_HAND, move, moves_to, notice, settle
from tasks.promotion.holder import LONG, process_name
from tasks.promotion.ledger import Ledger, Moves
from tasks.promotion.versions import CHALLENGER, CHAMPION, PREVIOUS, Aliases, aliases

NAME = "testbed"


def promoted(ledger, version):
    """Make a version the champion, as a command does."""
    entry = ledger.begin("promote", version, "it is better")
    with ledger.alone(entry):
        settle(ledger)
        move(ledger, entry, moves_to(aliases(ledger.client, NAME), version))
    return entry


def gone(ledger, entry):
    """Let an entry look as if its process had been killed."""
    ledger.note(entry, process="1@0.00")


def test_the_champion_becomes_the_previous_one_and_the_challenger_is_none_any_more(ledger, client):
    promoted(ledger, "1")
    assert aliases(client, NAME) == Aliases("1", None, None)
    client.set_registered_model_alias(NAME, CHALLENGER, "2")
    promoted(ledger, "2")
    assert aliases(client, NAME) == Aliases("2", "1", None)
    assert [(e.version, e.state) for e in ledger.entries()] == [("2", "done"), ("1", "done")]


def test_a_version_that_is_the_champion_already_does_not_become_its_own_predecessor(ledger, client):
    promoted(ledger, "1")
    promoted(ledger, "2")
    promoted(ledger, "2")
    assert aliases(client, NAME) == Aliases("2", "1", None)


@pytest.mark.parametrize(
    "died_after", [(), (PREVIOUS,), (PREVIOUS, CHAMPION), (PREVIOUS, CHAMPION, CHALLENGER)]
)
def test_what_was_killed_between_two_moves_is_finished_by_the_next(ledger, client, died_after):
    promoted(ledger, "1")
    client.set_registered_model_alias(NAME, CHALLENGER, "2")
    entry = ledger.begin("promote", "2", "it is better")
    moves = moves_to(aliases(client, NAME), "2")
    ledger.plan(entry, moves)
    if PREVIOUS in died_after:
        client.set_registered_model_alias(NAME, PREVIOUS, "1")
    if CHAMPION in died_after:
        client.set_registered_model_alias(NAME, CHAMPION, "2")
    if CHALLENGER in died_after:
        client.delete_registered_model_alias(NAME, CHALLENGER)
    gone(ledger, entry)

    told = settle(ledger)

    assert [(e.id, e.state) for e in told] == [(entry, "done")]
    assert aliases(client, NAME) == Aliases("2", "1", None)
    assert settle(ledger) == []


def test_what_was_killed_before_it_planned_anything_is_abandoned(ledger, client):
    promoted(ledger, "1")
    entry = ledger.begin("promote", "2", "")
    gone(ledger, entry)
    assert [(e.id, e.state) for e in settle(ledger)] == [(entry, "abandoned")]
    assert aliases(client, NAME).champion == "1"


def test_a_plan_that_somebody_has_overtaken_by_hand_is_not_finished(ledger, client):
    promoted(ledger, "1")
    entry = ledger.begin("promote", "2", "")
    ledger.plan(entry, Moves(("1", "2"), (None, "1")))
    gone(ledger, entry)
    client.set_registered_model_alias(NAME, CHAMPION, "4")

    told = settle(ledger)

    assert [(e.action, e.state) for e in told] == [("promote", "abandoned"), ("by hand", "done")]
    assert aliases(client, NAME).champion == "4"


def test_an_alias_moved_by_hand_is_entered_once_and_stays(ledger, client):
    promoted(ledger, "1")
    client.set_registered_model_alias(NAME, CHAMPION, "3")
    (entry,) = settle(ledger)
    assert (entry.action, entry.version, entry.moves.champion) == ("by hand", "3", ("1", "3"))
    assert settle(ledger) == []
    assert aliases(client, NAME).champion == "3"


def test_what_was_moved_by_hand_is_noticed_without_a_command_once(ledger, client):
    promoted(ledger, "1")
    assert notice(ledger) is None
    client.set_registered_model_alias(NAME, PREVIOUS, "4")
    entry = notice(ledger)
    assert (entry.action, entry.version, entry.moves.previous) == ("by hand", "1", (None, "4"))
    assert notice(ledger) is None
    assert len(ledger.entries()) == 2


def test_what_a_command_at_work_or_a_killed_one_has_moved_is_not_taken_for_somebodys_hand(ledger, client):
    promoted(ledger, "1")
    entry = ledger.begin("promote", "2", "")
    ledger.plan(entry, Moves(("1", "2"), (None, "1")))
    client.set_registered_model_alias(NAME, PREVIOUS, "1")
    assert notice(ledger) is None
    gone(ledger, entry)
    assert notice(ledger) is None
    assert ledger.entry(entry).state == "done"
    assert aliases(client, NAME).champion == "2"
    assert settle(ledger) == []


@pytest.mark.parametrize("planned", [True, False])
def test_a_killed_command_does_not_hide_what_somebody_has_moved_since(ledger, client, planned):
    promoted(ledger, "1")
    entry = ledger.begin("promote", "2", "")
    if planned:
        ledger.plan(entry, Moves(("1", "2"), (None, "1")))
        client.set_registered_model_alias(NAME, PREVIOUS, "1")
    gone(ledger, entry)
    client.set_registered_model_alias(NAME, CHAMPION, "4")
    found = notice(ledger)
    assert (found.action, found.state, found.moves.champion) == ("by hand", "done", ("1", "4"))
    assert ledger.entry(entry).state == "abandoned"
    assert aliases(client, NAME).champion == "4"


def test_whoever_comes_second_gives_way_and_says_to_whom(ledger, client):
    first = ledger.begin("promote", "1", "")
    with ledger.alone(first):
        second = ledger.begin("promote", "2", "")
        with (
            pytest.raises(EspalierError, match=r"promote of version 1 by .* is under way"),
            ledger.alone(second),
        ):
            pytest.fail("two at once")
    assert ledger.entry(second).state == "gave way"
    ledger.close(first, "failed")
    third = ledger.begin("promote", "3", "")
    with ledger.alone(third):
        pass


def test_of_many_at_once_one_moves_the_aliases_at_a_time(client, tmp_path):
    """Whoever is in finds nobody else in, and whoever is not in has given way to somebody."""
    inside, most, refused = [], [], []

    def one(version):
        own = Ledger(client, tmp_path, NAME)
        entry = own.begin("promote", version, "")
        try:
            with own.alone(entry):
                inside.append(version)
                most.append(len(inside))
                move(own, entry, moves_to(aliases(client, NAME), version))
                inside.remove(version)
        except EspalierError:
            refused.append(version)

    threads = [threading.Thread(target=one, args=(str(number),)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) + len(refused) == 4
    states = {entry.version: entry.state for entry in Ledger(client, tmp_path, NAME).entries()}
    assert {version for version, state in states.items() if state == "gave way"} == set(refused)


def test_on_another_machine_an_entry_is_waited_for_until_its_time_is_up(ledger, monkeypatch):
    first = ledger.begin("promote", "1", "")
    with ledger.alone(first):
        monkeypatch.setattr("socket.gethostname", lambda: "another")
        with pytest.raises(EspalierError, match="under way"), ledger.alone(ledger.begin("promote", "2", "")):
            pytest.fail("two at once")
        later = time.time() + LONG + 1
        monkeypatch.setattr("time.time", lambda: later)
        assert [entry.id for entry in ledger.interrupted()] == [first]


def test_who_waits_for_a_person_on_another_machine_is_given_up_after_that_time_too(ledger, monkeypatch):
    first = ledger.begin("promote", "1", "")
    with ledger.alone(first):
        ledger.wait(first, 3600)
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + LONG + 3599)
    assert ledger.interrupted() == []
    monkeypatch.setattr("time.time", lambda: now + LONG + 3601)
    assert [entry.id for entry in ledger.interrupted()] == [first]


def test_who_waits_for_a_person_holds_nobody_up_and_gives_way_to_who_has_the_aliases_for_long(ledger):
    first = ledger.begin("promote", "1", "")
    with ledger.alone(first):
        ledger.wait(first, 3600)
    second = ledger.begin("rollback", "2", "")
    with ledger.alone(second):
        with pytest.raises(EspalierError, match=r"rollback of version 2 by .* is under way"):
            ledger.go_on(first, patience=0)
        assert ledger.entry(first).state == "gave way"


def test_a_machine_of_the_same_name_cannot_tell_whether_an_entry_s_process_is_gone(ledger, monkeypatch):
    first = ledger.begin("promote", "1", "")
    with ledger.alone(first):
        monkeypatch.setattr("psutil.boot_time", lambda: 1.0)
        monkeypatch.setattr("pathlib.Path.exists", lambda path: False)  # no boot id: as on other systems
        monkeypatch.setattr("tasks.promotion.holder.process_name", lambda pid: "")
        with pytest.raises(EspalierError, match="under way"), ledger.alone(ledger.begin("promote", "2", "")):
            pytest.fail("two at once")


def test_what_was_killed_when_all_was_done_but_its_end_stays_done(ledger, client):
    entry = ledger.begin("promote", "1", "")
    move(ledger, entry, moves_to(aliases(client, NAME), "1"))
    client.update_run(entry, "RUNNING")
    gone(ledger, entry)
    assert [(e.id, e.state) for e in settle(ledger)] == [(entry, "done")]
    assert settle(ledger) == []


def test_a_plan_whose_version_was_deleted_is_given_up_and_holds_nobody_up(ledger, client):
    promoted(ledger, "1")
    entry = ledger.begin("promote", "2", "")
    ledger.plan(entry, Moves(("1", "2"), (None, "1")))
    gone(ledger, entry)
    client.delete_model_version(NAME, "2")
    assert [(e.id, e.state) for e in settle(ledger)] == [(entry, "abandoned")]
    assert promoted(ledger, "3")


def test_a_version_deleted_before_it_moves_is_told_and_nothing_moves(ledger, client):
    promoted(ledger, "1")
    promoted(ledger, "2")
    entry = ledger.begin("promote", "3", "")
    client.delete_model_version(NAME, "3")
    with pytest.raises(EspalierError, match="version 3 was deleted meanwhile; nothing has moved"):
        move(ledger, entry, moves_to(aliases(client, NAME), "3"))
    assert ledger.entry(entry).state == "open"
    assert aliases(client, NAME) == Aliases("2", "1", None)


@pytest.mark.parametrize(("stood", "deleted"), [("1", ()), (None, ()), ("1", ("1",))])
def test_a_plan_whose_version_was_deleted_between_two_moves_is_taken_back(ledger, client, stood, deleted):
    if stood:
        promoted(ledger, stood)
    promoted(ledger, "2")
    entry = ledger.begin("promote", "3", "")
    ledger.plan(entry, moves_to(aliases(client, NAME), "3"))
    client.set_registered_model_alias(NAME, PREVIOUS, "2")
    for version in ("3", *deleted):
        client.delete_model_version(NAME, version)
    gone(ledger, entry)
    settled = settle(ledger)
    assert (settled[0].id, settled[0].state) == (entry, "abandoned")
    assert aliases(client, NAME) == Aliases("2", None if deleted else stood, None if stood else "1")
    assert [e.action for e in settled[1:]] == (["by hand"] if deleted else [])


def test_a_challenger_registered_as_the_promoted_one_loses_the_alias_keeps_it(ledger, client, monkeypatch):
    take_away = client.delete_registered_model_alias

    def registered_meanwhile(name, alias):
        if alias == CHALLENGER:
            newest = client.create_model_version(NAME, source="file:///model-5")
            client.set_registered_model_alias(NAME, CHALLENGER, newest.version)
        take_away(name, alias)

    monkeypatch.setattr(client, "delete_registered_model_alias", registered_meanwhile)
    promoted(ledger, "1")
    assert aliases(client, NAME) == Aliases("1", None, "5")


def test_versions_that_were_there_before_do_not_become_the_challenger(ledger, client):
    promoted(ledger, "1")
    assert aliases(client, NAME).challenger is None


def test_what_is_told_of_a_move_by_hand_is_never_moved_again(ledger, client):
    promoted(ledger, "1")
    entry = ledger.begin(BY_HAND, "1", "")
    ledger.plan(entry, Moves(("1", "1"), (None, "4")))
    gone(ledger, entry)
    client.set_registered_model_alias(NAME, PREVIOUS, "3")
    settle(ledger)
    assert aliases(client, NAME).previous == "3"


def test_moves_follow_one_another_by_their_ends(ledger, client):
    """One that began first and had to wait moves last."""
    early = ledger.begin("promote", "2", "")
    promoted(ledger, "1")
    move(ledger, early, moves_to(aliases(client, NAME), "2"))
    assert [entry.version for entry in ledger.moved()] == ["2", "1"]
    assert settle(ledger) == []


def test_whoever_is_choosing_for_long_is_given_way_to(ledger, monkeypatch):
    monkeypatch.setattr("tasks.promotion.ledger._PAUSE", 0)
    slow = ledger.begin("promote", "1", "")
    ledger.note(slow, number="choosing")
    with pytest.raises(EspalierError, match="under way"), ledger.alone(ledger.begin("promote", "2", "")):
        pytest.fail("two at once")


def test_an_entry_that_another_command_has_given_up_moves_nothing(ledger, client):
    entry = ledger.begin("promote", "1", "")
    ledger.close(entry, "abandoned")
    with pytest.raises(EspalierError, match="taken over"):
        move(ledger, entry, moves_to(aliases(client, NAME), "1"))
    assert aliases(client, NAME).champion is None


def test_a_process_that_has_ended_is_gone_though_its_parent_has_not_asked():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_name(child.pid).startswith(f"{child.pid}@")
    child.stdin.close()
    until = time.monotonic() + 60
    while process_name(child.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert process_name(child.pid) == ""
    child.wait()
    assert process_name(child.pid) == ""


def test_who_may_set_an_alias_and_not_take_one_away_moves_nothing(ledger, client, monkeypatch):
    def refuse(*_):
        raise PermissionError("not allowed")

    monkeypatch.setattr(ledger.client, "delete_registered_model_alias", refuse)
    entry = ledger.begin("promote", "1", "")
    with pytest.raises(PermissionError):
        move(ledger, entry, moves_to(aliases(client, NAME), "1"))
    assert aliases(client, NAME).champion is None
    assert ledger.entry(entry).state == "open"
