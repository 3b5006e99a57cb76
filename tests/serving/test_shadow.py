import io
import json
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from tasks.errors import EspalierError
from tasks.scoring.served import Served
from tasks.serving.beside import Beside, Item
from tasks.serving.bodies import JSON
from tasks.serving.book import Book
from tasks.serving.shadowing import Current, received, shadow
from tests.scoring.conftest import COLUMNS
from tests.serving.conftest import ROW, ask, packaged

ROWS = [ROW | {"height": i / 7, "city": ["Ulm", "Bonn", "7"][i % 3]} for i in range(6)]


@pytest.fixture
def item(client, loaded):
    """A request of six rows with the answer of version 1."""

    def made(rows=ROWS, version="1"):
        body = {"dataframe_records": rows}
        answer = ask(client, body)
        assert answer.status_code == 200
        return Item(version, str(loaded[0].folder), JSON, json.dumps(body).encode(), answer.content)

    return made


@pytest.fixture
def second(loaded):
    return Served("people", "2", loaded[1].folder)


def stream(*items):
    return io.BytesIO(b"".join(each.packed(dropped=number) for number, each in enumerate(items)))


def notes(root):
    return [json.loads(path.read_text()) for path in sorted((root / ".espalier" / "shadow").glob("*.json"))]


def logged(root, note):
    return pd.read_parquet(root / ".espalier" / "shadow" / note["log"])


@pytest.mark.parametrize("failure", [EspalierError("MLflow is away"), OSError("a broken file")])
def test_a_version_that_does_not_load_is_told_once_and_looked_for_again(
    tmp_path, monkeypatch, caplog, failure
):
    def fails(*_):
        raise failure

    monkeypatch.setattr("tasks.serving.source.Source.wanted", fails)
    current = Current(tmp_path, "people", "challenger")
    with caplog.at_level("INFO"):
        for _ in range(2):
            current._look_at = 0.0
            assert current() is None
    assert caplog.text.count(f"nothing answers in the shadow: {failure}") == 1


def test_what_is_packed_is_received(item):
    first, other = item(), item(ROWS[:1])
    read = stream(first, other)
    assert received(read) == (first, 0)
    assert received(read) == (other, 1)
    assert received(read) is None


def test_a_request_that_was_cut_off_is_none(item):
    assert received(io.BytesIO(item().packed(0)[:-1])) is None


def test_both_answers_to_a_request_are_logged_and_compared(tmp_path, item, loaded, second):
    from mlflow import pyfunc

    recorded = []
    shadow(stream(item(), item(ROWS[:2])), tmp_path, lambda: second, lambda: recorded.append(1))
    (note,) = notes(tmp_path)
    frame = pd.DataFrame(ROWS + ROWS[:2])
    own, other = (pyfunc.load_model(str(version.folder)).predict(frame) for version in loaded)
    rows = logged(tmp_path, note)
    assert list(rows["row_number"]) == list(range(1, 9))
    assert list(rows["answered_probability_yes"]) == list(own["probability_yes"])
    assert list(rows["shadow_probability_yes"]) == list(other["probability_yes"])
    assert (note["rows"], note["refused"], note["requests"], note["dropped"]) == (8, 0, 2, 1)
    assert (note["model"], note["answering"], note["shadow"]) == ("people", "1", "2")
    assert note["agreement"] == (own["prediction"] == other["prediction"]).mean()
    assert recorded == [1]


def test_rows_that_the_shadow_alone_cannot_read_are_counted_as_refused(tmp_path, item):
    more = [*COLUMNS, {"source": "note", "kind": "number", "outputs": ["note"]}]
    version = packaged(tmp_path, "3", encoding={"version": 1, "missing": [], "columns": more})
    third = Served("people", "3", version.folder)
    some = [row | {"note": "x" if i else 1} for i, row in enumerate(ROWS)]
    shadow(stream(item(some), item()), tmp_path, lambda: third, lambda: None)
    (note,) = notes(tmp_path)
    assert (note["rows"], note["refused"]) == (1, 11)
    refused = logged(tmp_path, note)["shadow_refused"]
    assert refused[1] == "column 'note' holds 'x', which is not a number"
    assert refused[6] == "missing required column: note in row 1; null says that a cell is missing"


def test_a_version_that_fails_refuses_the_rows_and_the_next_request_is_put_to_it_again(
    tmp_path, item, second, monkeypatch
):
    score, calls = second.score, []

    def once(cells):
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError("no room")
        return score(cells)

    monkeypatch.setattr(second, "score", once)
    shadow(stream(item(), item()), tmp_path, lambda: second, lambda: None)
    (note,) = notes(tmp_path)
    assert (note["rows"], note["refused"]) == (6, 6)


def test_rows_are_counted_by_the_version_that_answered(tmp_path, item, second):
    shadow(stream(item(), item(version="9"), item(version="2")), tmp_path, lambda: second, lambda: None)
    assert sorted((note["answering"], note["rows"]) for note in notes(tmp_path)) == [("1", 6), ("9", 6)]


def test_without_a_version_in_the_shadow_nothing_is_logged(tmp_path, item):
    shadow(stream(item()), tmp_path, lambda: None, lambda: None)
    assert notes(tmp_path) == []


def test_a_book_is_written_as_it_grows_and_its_note_with_it(tmp_path, item, second, loaded):
    book = Book(tmp_path, "1", str(loaded[0].folder), second)
    for count in (6, 12):
        book.add(item())
        assert book.write(0)
        (note,) = notes(tmp_path)
        assert note["rows"] == len(logged(tmp_path, note)) == count
    assert not book.write(0)


def test_what_has_come_is_written_after_a_while_though_no_more_comes(tmp_path, item, second):
    class Waiting(io.BytesIO):
        """A stream that does not end before it is let go."""

        def readline(self, *_):
            line = super().readline()
            if not line:
                go_on.wait(60)
            return line

    go_on, recorded = threading.Event(), threading.Event()
    held = Waiting(item().packed(0))
    worker = threading.Thread(target=shadow, args=(held, tmp_path, lambda: second, recorded.set, 0.05))
    worker.start()
    assert recorded.wait(60)
    assert notes(tmp_path)[0]["rows"] == 6
    go_on.set()
    worker.join(60)


SINK = "import sys; sys.stdin.buffer.read()"
DEAF = "import time; time.sleep(600)"


def process(code):
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)


def until(wanted):
    ends = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_what_does_not_fit_into_the_queue_is_dropped_and_counted_at_once(loaded):
    deaf = process(DEAF)
    beside = Beside(lambda: deaf, most=1_000_000)
    beside.start()
    for _ in range(50):
        beside.offer(loaded[0], JSON, b"x" * 100_000, b"{}")
    assert beside.dropped >= 50 - 11 - 1
    assert 0 < beside.state()["waiting"] <= 10
    deaf.kill()
    beside.end()


def test_a_process_that_dies_is_followed_by_another(loaded, caplog):
    begun = []

    def start():
        begun.append(process(SINK if begun else "pass"))
        return begun[-1]

    beside = Beside(start, pause=0.0)
    beside.start()
    until(lambda: begun and begun[0].poll() is not None)

    def followed():
        beside.offer(loaded[0], JSON, b"{}", b"{}")
        return len(begun) == 2

    until(followed)
    beside.end()
    assert begun[1].poll() == 0
    assert "the process of the version in the shadow ended with" in caplog.text


def test_the_process_ends_when_the_server_does(loaded):
    sink = process(SINK)
    beside = Beside(lambda: sink)
    beside.start()
    beside.offer(loaded[0], JSON, b"{}", b"{}")
    beside.end()
    assert sink.poll() == 0
