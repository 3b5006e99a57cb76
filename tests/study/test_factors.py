from __future__ import annotations

from tasks.study.factors import factors, label
from tasks.study.rows import aggregate
from tests.study.made import recipe, trial


def columns(results, base=None):
    return factors(aggregate(results), base or {})


def test_resolved_facts_come_first_and_what_does_not_vary_is_left_out():
    found = columns([trial("a", recipe=recipe(16)), trial("b", recipe=recipe(32, amount=0.5))])
    assert list(found) == ["columns kept, pruned"]
    assert found["columns kept, pruned"].labels == ("16", "32")


def test_what_a_candidate_leaves_as_it_is_has_the_value_of_the_workspace():
    results = [trial("a", overrides={"train.epochs": 5}), trial("b"), trial("c", overrides={"train.lr": 1})]
    found = columns(results, {"train": {"epochs": 20, "lr": 0.1}})
    assert found["train.epochs"].labels == ("5", "20", "20")
    assert found["train.epochs"].levels == ("5", "20")


def test_an_option_of_another_method_does_not_apply():
    a = {"prune.method": "unstructured", "prune.scope": "global"}
    b = {"prune.method": "none"}
    found = columns(
        [trial("a", overrides=a), trial("b", overrides=b), trial("c")], {"prune": {"scope": "local"}}
    )
    assert found["prune.scope"].labels == ("global", None, "local")


def test_sections_given_whole_are_read_by_path():
    results = [trial("a", overrides={"prune": {"importance": "taylor"}}), trial("b")]
    found = columns(results, {"prune": {"importance": "magnitude"}})
    assert found["prune.importance"].labels == ("taylor", "magnitude")


def test_many_numbers_are_gathered_into_quarters():
    results = [trial(str(i), overrides={"train.lr": i / 100}) for i in range(1, 41)]
    column = columns(results)["train.lr"]
    assert column.levels[0].startswith("0.01 to ")
    assert column.levels[-1].endswith(" to 0.4")
    assert [column.labels.count(level) for level in column.levels] == [10, 10, 10, 10]


def test_labels():
    assert [label(value) for value in (True, None, 0.25, 12345, [256, 64], "pca")] == [
        "true",
        "null",
        "0.25",
        "12,345",
        "256, 64",
        "pca",
    ]
