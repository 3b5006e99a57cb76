import asyncio
import datetime
import io
import json
import threading
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.scoring.chunks import FrameCells
from tasks.scoring.served import Served
from tasks.serving.answering import Answering, load
from tasks.serving.asgi import call
from tasks.serving.gateway import Gateway
from tests.scoring.conftest import PLAN, people
from tests.serving.conftest import ROW, Client, ask, packaged

NAMES = list(ROW)
RECORDS = "dataframe_records"


def without(name):
    return {key: value for key, value in ROW.items() if key != name}


def with_cell(name, text):
    return json.dumps({RECORDS: [ROW | {name: "CELL"}]}).replace('"CELL"', text)


def parquet(frame):
    held = io.BytesIO()
    frame.to_parquet(held)
    return held.getvalue()


PARQUET = "application/vnd.apache.parquet"
WRONG = {
    "not JSON": ('{"dataframe_records": [', "the body is not JSON: Expecting value"),
    "empty": ("", "the body is not JSON"),
    "not UTF-8": (b'{"dataframe_records": [\xff', "the body is not JSON"),
    "nested too deeply": ("[" * 90_000, "nested too deeply"),
    "digits without end": (with_cell("height", "1" + "0" * 5000), "the body is not JSON: Exceeds the limit"),
    "a list": ([1], "the body is a list: send a JSON object with one of dataframe_records"),
    "null": ("null", "the body is null"),
    "no rows": ({}, "the body has no rows"),
    "two forms": ({RECORDS: [ROW], "instances": [ROW]}, "has dataframe_records and instances"),
    "another key": ({"rows": [ROW]}, "unknown key 'rows'"),
    "for language models": ({"prompt": "hello"}, "unknown key 'prompt'"),
    "params": ({RECORDS: [ROW], "params": {"a": 1}}, "params: the model takes none"),
    "no record": ({RECORDS: []}, "dataframe_records: there are no rows"),
    "records are no list": ({RECORDS: ROW}, "an object where a list of objects is wanted"),
    "a record is no object": ({RECORDS: [ROW, 3]}, "row 2 is a number, not an object"),
    "rows without names": ({"instances": [[1.7, 2]]}, "row 1 is a list, not an object with names"),
    "a column is missing": ({RECORDS: [without("city")]}, "missing required column: city"),
    "several are missing": ({RECORDS: [{"height": 1}]}, "missing required columns: children, income, born"),
    "missing in one row": ({RECORDS: [ROW, without("city")]}, "missing required column: city in row 2"),
    "no number": ({RECORDS: [ROW | {"height": "tall"}]}, "column 'height' holds 'tall'"),
    "no date": ({RECORDS: [ROW | {"born": "soon"}]}, "column 'born' holds 'soon', which is not a date"),
    "a list as a cell": ({RECORDS: [ROW | {"city": ["Ulm"]}]}, "column 'city', row 1: a list where a single"),
    "an object as a cell": ({RECORDS: [ROW | {"height": {}}]}, "column 'height', row 1: an object where"),
    "too large a number": (with_cell("children", "1" + "0" * 400), "column 'children', row 1: the number"),
    "split without rows": ({"dataframe_split": {"columns": NAMES, "data": []}}, "there are no rows"),
    "split without names": ({"dataframe_split": {"data": [[1]]}}, "an object with columns, a list of names"),
    "split of numbers": ({"dataframe_split": {"columns": [0], "data": [[1]]}}, "a number among the columns"),
    "a ragged split": (
        {"dataframe_split": {"columns": NAMES, "data": [list(ROW.values()), [1, 2]]}},
        "row 2 has 2 cells where there are 5 columns",
    ),
    "a name twice": (
        {"dataframe_split": {"columns": [*NAMES, "city"], "data": [[*ROW.values(), "Bonn"]]}},
        "two columns named 'city'",
    ),
    "another index": (
        {"dataframe_split": {"columns": NAMES, "data": [list(ROW.values())], "index": [1, 2]}},
        "index does not have as many entries",
    ),
    "columns of other lengths": (
        {"inputs": {name: [cell] * (1 + (name == "city")) for name, cell in ROW.items()}},
        "column 'city' has 2 cells, column 'height' has 1",
    ),
    "a column missing in inputs": ({"inputs": without("born")}, "missing required column: born"),
}


def one_sentence(answer, status, wanted):
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told) == {"error_code", "message"}
    assert wanted in told["message"]
    assert "\n" not in told["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["x-espalier-model"] == "people/1"


@pytest.mark.parametrize(("body", "wanted"), WRONG.values(), ids=WRONG)
def test_a_body_that_cannot_be_answered_is_refused_in_one_sentence(client, body, wanted):
    one_sentence(ask(client, body), 400, wanted)


@pytest.mark.parametrize(
    ("kind", "headers", "wanted"),
    [
        (None, {}, "the request has no Content-Type: send application/json"),
        ("application/x-www-form-urlencoded", {}, "is not read here: send application/json"),
        ("text/csv", {}, "a CSV does not say what its cells are"),
        ("application/json; charset=latin-1", {}, "charset latin-1 is not read here"),
        ("application/json", {"Content-Encoding": "gzip"}, "Content-Encoding gzip is not read"),
    ],
)
def test_a_kind_of_body_that_is_not_read_is_named(client, kind, headers, wanted):
    one_sentence(ask(client, {RECORDS: [ROW]}, kind, **headers), 415, wanted)


@pytest.mark.parametrize(
    ("body", "status", "wanted"),
    [
        (b"PAR1", 400, "the body is not Parquet"),
        (parquet(pd.DataFrame([without("city")])), 400, "missing required column: city"),
        (parquet(pd.DataFrame([ROW])[:0]), 400, "there are no rows"),
        (parquet(pd.DataFrame([ROW | {"city": ["Ulm"]}])), 400, "column 'city' holds list"),
        (parquet(pd.DataFrame([ROW | {"city": b"Ulm"}])), 400, "column 'city' holds binary"),
        (parquet(pd.DataFrame(dict.fromkeys(NAMES, 1), [0] * 2_000_000)), 413, "send fewer at once"),
    ],
)
def test_parquet_that_cannot_be_answered_is_refused_in_one_sentence(client, body, status, wanted):
    one_sentence(ask(client, body, PARQUET), status, wanted)


def test_too_large_a_body_is_refused_whether_its_length_is_said_or_not(client):
    body = json.dumps({RECORDS: [ROW] * 5000}).encode()
    assert len(body) > 100_000
    one_sentence(ask(client, body), 413, "the body has more than 100,000 bytes")
    pieces = (body[i : i + 1000] for i in range(0, len(body), 1000))
    answer = client.request("POST", "/invocations", pieces, {"Content-Type": "application/json"})
    one_sentence(answer, 413, "the body has more than 100,000 bytes")
    assert ask(client, {RECORDS: [ROW]}).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/invocations", 405), ("GET", "/docs", 404)])
def test_a_path_that_is_not_there_is_told(client, method, path, status):
    one_sentence(client.request(method, path), status, path)


def test_ping_health_and_version_are_mlflows(client):
    from mlflow.version import VERSION

    assert [client.get(path).text for path in ("/ping", "/health", "/version")] == ["\n", "\n", VERSION]
    assert client.get("/version").headers["x-espalier-model"] == "people/1"


def rows(count=40):
    """Rows of all kinds of cells, as JSON carries them; columns of no use among them."""
    return json.loads(people(count, seed=3).to_json(orient="records"))


def forms(records):
    names = list(records[0])
    split = {"columns": names[::-1], "data": [[row[name] for name in names[::-1]] for row in records]}
    columns = {name: [row[name] for row in records] for name in names}
    return {"dataframe_records": records, "dataframe_split": split, "instances": records, "inputs": columns}


@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "instances", "inputs"])
def test_answers_are_those_of_the_pyfunc_and_of_batch_scoring(client, loaded, form):
    from mlflow import pyfunc

    records = rows()
    answer = ask(client, {form: forms(records)[form]})
    got = pd.DataFrame(answer.json()["predictions"])
    frame = pd.DataFrame(records)
    own = pyfunc.load_model(str(loaded[0].folder)).predict(frame)
    scored = Served("people", "1", loaded[0].folder).score(FrameCells(frame))
    assert not scored.aside
    for name, column in zip(own, scored.columns, strict=True):
        batch = column.to_pandas().to_numpy()
        assert np.array_equal(got[name].to_numpy().astype(batch.dtype), own[name].to_numpy())
        assert np.array_equal(own[name].to_numpy(), batch)


def test_parquet_is_answered_as_json_is(client):
    frame = people(40, seed=3)
    answer = ask(client, parquet(frame), PARQUET)
    assert answer.json() == ask(client, {RECORDS: rows()}).json()


def test_a_single_row_of_inputs_is_answered(client):
    assert ask(client, {"inputs": ROW}).json() == ask(client, {RECORDS: [ROW]}).json()


@pytest.mark.parametrize("name", ["height", "children", "income"])
@pytest.mark.parametrize(
    ("cell", "alike"), [("1e39", None), ("1e999", None), ("-Infinity", None), ("true", 1), ("false", 0)]
)
def test_what_no_float32_holds_is_missing_and_true_is_one_as_in_training(client, name, cell, alike):
    body = json.dumps({RECORDS: [ROW | {name: "HERE"}]}).replace('"HERE"', cell)
    answer = ask(client, body)
    assert answer.status_code == 200
    assert answer.json() == ask(client, {RECORDS: [ROW | {name: alike}]}).json()


def test_missing_cells_are_answered_and_extra_columns_do_not_matter(client):
    gone = dict.fromkeys(ROW)
    answer = ask(client, {RECORDS: [gone, ROW | {"extra": {"a": [1]}}]})
    assert answer.status_code == 200
    assert answer.json()["predictions"][1] == ask(client, {RECORDS: [ROW]}).json()["predictions"][0]


def test_an_answer_that_is_no_number_is_refused(tmp_path):
    bare = load(packaged(tmp_path, "1", imputes=False))
    client = Client(Gateway(bare, 100_000, dict, lambda: None))
    answer = ask(client, {RECORDS: [ROW, ROW | {"height": None}]})
    one_sentence(answer, 400, "row 2: the model's answer (probability_no) is not a number")


def test_what_fails_inside_is_one_sentence_and_the_log_has_the_rest(versions, monkeypatch, caplog):
    client = Client(Gateway(load(versions[0]), 100_000, dict, lambda: None))

    def fails(*_, **__):
        raise MemoryError("no room")

    monkeypatch.setattr("onnxruntime.InferenceSession.run", fails)
    one_sentence(ask(client, {RECORDS: [ROW]}), 500, "the server's log says why")
    assert "no room" in caplog.text


def test_what_breaks_the_app_itself_is_one_sentence_too(caplog):
    async def breaks(scope, receive, send):
        raise RuntimeError("broken")

    version = Answering("people", "1", None, ("a",), {}, breaks)
    client = Client(Gateway(version, 1000, dict, lambda: None))
    one_sentence(client.get("/ping"), 500, "the server's log says why")
    assert "broken" in caplog.text


def test_a_request_under_way_ends_with_the_version_it_began_with(gateway, loaded):
    begun, go_on = threading.Event(), threading.Event()
    first = loaded[0]

    async def held(scope, receive, send):
        begun.set()
        await asyncio.to_thread(go_on.wait, 60)
        await first.app(scope, receive, send)

    gateway.current = Answering(first.name, first.version, first.folder, first.required, first.columns, held)
    answers = {}
    client = Client(gateway)
    waiting = threading.Thread(target=lambda: answers.update(old=ask(client, {RECORDS: [ROW]})))
    waiting.start()
    assert begun.wait(60)
    gateway.current = loaded[1]
    answers["new"] = ask(client, {RECORDS: [ROW]})
    go_on.set()
    waiting.join(60)
    told = {name: answer.headers["x-espalier-model"] for name, answer in answers.items()}
    assert told == {"old": "people/1", "new": "people/2"}
    assert answers["old"].json() != answers["new"].json()


def test_a_hundred_requests_at_once_get_each_its_own_answer(gateway):
    asked = [ROW | {"height": i, "children": i % 7} for i in range(100)]
    bodies = [json.dumps({RECORDS: [row]}).encode() for row in asked]

    async def at_once():
        return await asyncio.gather(*(call(gateway, "/invocations", body) for body in bodies))

    together = asyncio.run(at_once())
    assert {status for status, _ in together} == {200}
    whole = ask(Client(gateway), {RECORDS: asked}).json()["predictions"]
    assert [json.loads(answer)["predictions"] for _, answer in together] == [[each] for each in whole]
    assert len({answer for _, answer in together}) > 50


def test_bodies_that_fill_the_memory_wait_for_another_time(loaded):
    gateway = Gateway(loaded[0], 10_000, dict, lambda: None)
    gateway._budget.take(15.9 * 10_000)
    client = Client(gateway)
    body = json.dumps({RECORDS: [ROW] * 50})
    assert 1_000 < len(body) < 10_000
    one_sentence(ask(client, body), 503, "try again in a second")
    gateway._budget.give_back(100_000)
    assert ask(client, body).status_code == 200
    assert gateway._budget._left == pytest.approx(100_000 + 1_000)


KIND = {"Content-Type": "application/json"}


def test_a_body_that_does_not_come_to_its_end_is_refused_after_a_while(client, gateway, monkeypatch):
    monkeypatch.setattr("tasks.serving.asgi.BODY_SECONDS", 0.05)
    answer = client.request("POST", "/invocations", b"{", KIND, then=[])
    one_sentence(answer, 408, "the body did not come within 0.05 seconds")
    assert gateway._budget._left == 16 * gateway._budget.body


def test_a_client_that_goes_away_is_answered_nothing(client, gateway):
    gone = [{"type": "http.disconnect"}]
    assert client.request("POST", "/invocations", b"{", KIND, then=gone) is None
    assert gateway._budget._left == 16 * gateway._budget.body


def test_a_body_that_is_announced_as_too_large_is_not_even_asked_for(client):
    announced = KIND | {"Content-Length": "200000", "Expect": "100-continue"}
    one_sentence(
        client.request("POST", "/invocations", b"", announced, then=[]), 413, "more than 100,000 bytes"
    )


def test_a_name_that_headers_cannot_hold_is_quoted(loaded):
    strange = SimpleNamespace(label="Bäume\n/1", app=loaded[0].app, required=loaded[0].required)
    client = Client(Gateway(strange, 1000, dict, lambda: None))
    assert client.get("/ping").headers["x-espalier-model"] == "B%C3%A4ume%0A/1"


def test_regression_is_answered(tmp_path):
    plan = {"task": "regression", "labels": [], "label_dtype": "float"}
    version = load(packaged(tmp_path, "1", **plan))
    assert version.columns == {"prediction": "double"}
    client = Client(Gateway(version, 1000, dict, lambda: None))
    (answer,) = ask(client, {RECORDS: [ROW]}).json()["predictions"]
    assert isinstance(answer["prediction"], float)
    assert set(version.required) == {entry["source"] for entry in PLAN["encoding"]["columns"]}


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        [
            "1.5",
            " 7 ",
            "?",
            "1980-05-01",
            "Ulm",
            "nan",
            "inf",
            "1e999",
            "0x10",
            "1_000",
            "\ud800",
            "\x00",
            10**30,
            10**300,
        ]
    )
)
CELLS = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
BODIES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*NAMES, "data", "columns", "index", ""]), inner, max_size=6)
    ),
    max_leaves=12,
)


@settings(max_examples=100)
@given(
    rows=st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, CELLS)), min_size=1, max_size=3),
    form=st.integers(0, 3),
)
def test_whatever_the_cells_hold_is_answered_or_refused_in_one_sentence(loaded, rows, form):
    client = Client(Gateway(loaded[0], 100_000, dict, lambda: None))
    name, held = list(forms(rows).items())[form]
    answer = ask(client, {name: held})
    if answer.status_code != 200:
        one_sentence(answer, 400, "")
    else:
        told = answer.json()["predictions"]
        assert len(told) == len(rows)
        assert told == ask(client, {RECORDS: rows}).json()["predictions"]


@settings(max_examples=100)
@given(
    body=st.dictionaries(
        st.sampled_from([RECORDS, "dataframe_split", "instances", "inputs", "params"]), BODIES
    )
    | BODIES
)
def test_whatever_a_body_holds_is_answered_or_refused_in_one_sentence(loaded, body):
    client = Client(Gateway(loaded[0], 100_000, dict, lambda: None))
    answer = ask(client, body if isinstance(body, dict) else json.dumps(body))
    if answer.status_code != 200:
        one_sentence(answer, 400, "")


def odd(**columns):
    return parquet(pd.DataFrame(ROW | {name: [cell] for name, cell in columns.items()}))


@pytest.mark.parametrize(
    "columns",
    [
        {"height": Decimal("1.7")},
        {"height": pd.Timestamp("2020-01-01")},
        {"height": pd.Timedelta("1h")},
        {"born": pd.Timestamp("1980-05-01", tz="Europe/Berlin")},
        {"born": datetime.date(1980, 5, 1)},
        {"born": 19800501},
        {"city": pd.Categorical(["Ulm"])[0]},
        {"city": datetime.time(1, 2)},
        {"children": True},
        {"city": None},
    ],
)
def test_whatever_type_a_column_of_parquet_has_it_is_answered_or_refused(client, columns):
    answer = ask(client, odd(**columns), PARQUET)
    if answer.status_code != 200:
        one_sentence(answer, 400, "")
