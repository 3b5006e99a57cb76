from __future__ import annotations

import pytest

from tasks.evaluation.report import words


def _with(facts, **found):
    compared = {"difference": -0.012, "low": -0.023, "high": -0.001, "margin": 0.01, "rows_needed": None}
    facts.evaluate["comparisons"]["compressed"] = {**compared, **found}
    return words.verdict(facts, "compressed")


def test_non_inferior_in_words(make_facts):
    said = _with(make_facts(), verdict="non-inferior", low=-0.004, difference=0.001, high=0.006)
    assert said.startswith("Reduced + pruned is not worse than the reference: accuracy")
    assert "a difference of +0.1 points (95 % interval −0.4 to +0.6; positive is better)" in said
    assert said.endswith("A loss of more than 1 point is ruled out.")


def test_inferior_in_words(make_facts):
    said = _with(make_facts(), verdict="inferior")
    assert said.startswith("Reduced + pruned is worse than the reference")
    assert said.endswith("The loss is larger than the margin of 1 point.")


def test_not_shown_in_words_with_the_rows_it_would_take(make_facts):
    said = _with(make_facts(), verdict="not shown", rows_needed=80094)
    assert said.startswith("It is not shown that reduced + pruned is as good as the reference")
    assert "About 81,000 test rows would settle it" in said
    assert said.endswith("there are 80.")


def test_not_shown_on_the_margins_edge(make_facts):
    assert "No number of rows settles" in _with(make_facts(), verdict="not shown")


@pytest.mark.parametrize(
    ("metric", "number", "text"),
    [("accuracy", 0.9432, "94.3 %"), ("rmse", 53.21234, "53.21"), ("r2", -0.5, "−0.5"), ("ece", None, "—")],
)
def test_values(metric, number, text):
    assert words.value(metric, number) == text


@pytest.mark.parametrize(
    ("metric", "number", "text"),
    [("accuracy", -0.0001, "0.0"), ("rmse", 0.0, "0"), ("accuracy", -0.012, "−1.2"), ("rmse", 2.5, "+2.5")],
)
def test_differences(metric, number, text):
    assert words.difference(metric, number) == text


@pytest.mark.parametrize(("size", "text"), [(473, "473 B"), (97_000, "97 kB"), (1_870_000, "1.87 MB")])
def test_bytes(size, text):
    assert words.bytes_text(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(3.04, "3.0 s"), (150, "2.5 min"), (None, "—")])
def test_seconds(seconds, text):
    assert words.seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(3.29, "3.29× faster"), (1.01, "as fast"), (0.99, "as fast"), (0.5, "2× slower")],
)
def test_a_ratio_says_which_way_it_goes(ratio, text):
    assert words.times(ratio, "faster", "slower") == text
