import gc
from dataclasses import replace
from types import SimpleNamespace

import onnxruntime
import pytest

from tasks.errors import EspalierError
from tasks.serving.answering import Answering, incompatible, load
from tasks.serving.follow import Follower
from tests.serving.conftest import packaged

TYPES = {"prediction": "string", "probability_no": "double"}


def version(number, required=("a", "b"), columns=TYPES):
    return Answering("people", number, None, required, columns, None)


@pytest.fixture
def gateway():
    return SimpleNamespace(current=version("1"), brought=None)


def follower(gateway, wanted, load=version):
    return Follower(gateway, wanted, load, every=60.0)


def fails(text):
    def raises(*_):
        raise EspalierError(text)

    return raises


def test_the_version_that_the_alias_names_takes_over(gateway):
    follows = follower(gateway, lambda: "2")
    follows.look()
    assert gateway.current.version == "2"
    told = follows.state()
    assert (told["version"], told["refused"], told["trouble"]) == ("2", None, "")


def test_a_version_that_does_not_load_does_not_take_over_and_is_told_once(gateway, caplog):
    follows = follower(gateway, lambda: "2", fails("people version 2 does not load: no such file"))
    with caplog.at_level("WARNING"):
        follows.look()
        follows.wake()
        follows.look()
    assert gateway.current.version == "1"
    assert follows.state()["refused"] == "2"
    assert caplog.text.count("does not load: no such file; version 1 goes on answering") == 1


def test_a_version_that_failed_is_tried_again_only_after_a_while_or_when_woken(gateway):
    tried = []

    def loads(number):
        tried.append(number)
        return fails("no")()

    follows = follower(gateway, lambda: "2", loads)
    follows.look()
    follows.look()
    assert tried == ["2"]
    follows.wake()
    assert follows.state()["refused"] is None
    follows.look()
    assert tried == ["2", "2"]


def test_a_registry_that_is_away_leaves_the_version_answering_until_it_is_back(gateway):
    told = iter([fails("MLflow does not answer"), lambda: "2"])
    follows = follower(gateway, lambda: next(told)())
    follows.look()
    assert (gateway.current.version, follows.state()["trouble"]) == ("1", "MLflow does not answer")
    follows.look()
    assert (gateway.current.version, follows.state()["trouble"]) == ("2", "")


def test_the_alias_back_at_the_version_that_answers_ends_the_trouble(gateway):
    told = iter(["2", "1"])
    follows = follower(gateway, lambda: next(told), fails("does not answer"))
    follows.look()
    follows.look()
    assert (follows.state()["refused"], follows.state()["trouble"]) == (None, "")


def test_a_fault_of_the_program_does_not_end_the_follower(gateway):
    seen = []

    def wanted():
        seen.append(1)
        if len(seen) == 1:
            raise KeyError("a fault")
        follows.end()
        return "2"

    follows = follower(gateway, wanted)
    follows._every = 0.01
    follows.start()
    follows.join(60)
    assert not follows.is_alive()
    assert gateway.current.version == "2"


@pytest.mark.parametrize(
    ("new", "brought", "why"),
    [
        (version("2"), {"a", "b"}, ""),
        (version("2", ("a",)), {"a", "b"}, ""),
        (version("2", ("a", "c")), None, ""),
        (version("2", ("a", "c")), {"a", "b", "c"}, ""),
        (
            version("2", ("a", "c")),
            {"a", "b"},
            "it asks for column 'c', which neither version 1 nor requests have",
        ),
        (version("2", columns=TYPES | {"probability_new": "double"}), None, ""),
        (version("2", columns={"prediction": "string"}), None, "it answers probability_no no more"),
        (
            version("2", columns=TYPES | {"prediction": "long"}),
            None,
            "it answers prediction as long, not string",
        ),
    ],
)
def test_a_version_that_requests_would_fail_with_is_named(new, brought, why):
    assert incompatible(new, version("1"), brought) == why


def test_an_incompatible_version_does_not_take_over(gateway):
    follows = follower(gateway, lambda: "2", lambda number: version(number, columns={}))
    follows.look()
    assert gateway.current.version == "1"
    assert "version 2 cannot take over: it answers prediction no more" in follows.state()["trouble"]


def test_a_version_whose_file_is_broken_does_not_load(tmp_path):
    broken = packaged(tmp_path, "1")
    (broken.folder / "artifacts" / "model.onnx").write_bytes(b"none")
    with pytest.raises(EspalierError, match="people version 1 does not load: "):
        load(broken)


def test_a_version_that_does_not_answer_its_example_row_is_told_why(tmp_path):
    silent = packaged(tmp_path, "1")
    plan = silent.folder / "artifacts" / "serving.json"
    plan.write_text(plan.read_text().replace('"source": "city"', '"source": "town"'))
    wanted = "people version 1 does not answer its example row: missing required column: town"
    with pytest.raises(EspalierError, match=wanted):
        load(silent)


def test_a_version_that_is_exchanged_is_not_kept_in_memory(versions):
    def sessions():
        gc.collect()
        return sum(isinstance(each, onnxruntime.InferenceSession) for each in gc.get_objects())

    load(versions[0])  # the last one that was loaded is what MLflow remembers
    before = sessions()
    for version in versions:
        load(version)
    assert sessions() == before


def test_a_version_that_loads_says_what_it_asks_for_and_answers(versions):
    loaded = load(replace(versions[0], version="7"))
    assert loaded.label == "people/7"
    assert loaded.required == ("height", "children", "income", "born", "city")
    assert loaded.columns == {"prediction": "string", "probability_no": "double", "probability_yes": "double"}
