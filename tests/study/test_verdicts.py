from __future__ import annotations

import pytest

from tasks.study.interaction import Effect
from tasks.study.verdicts import interval_text
from tests.study.made_study import study_results, summary


def texts(results=None):
    return summary(results).verdicts


def changed(id_, accuracy):
    return [
        {**each, "valid": {"accuracy": accuracy + 0.001 * each["seed"]}} if each["id"] == id_ else each
        for each in study_results()
    ]


def test_together_helps_and_by_how_much():
    assert texts()[0].startswith(
        "Together helps: reducing columns and pruning gain beyond the sum of the two; both 93.6 %, "
        "the halves would add up to 91.9 %: +1.7 points"
    )


def test_together_does_not_help_where_no_gain_of_the_margin_is_left():
    said = texts(changed("b", 0.90))[0]
    assert said.startswith("Together does not help beyond the sum of the halves (columns, pruning)")
    assert said.endswith("A gain of 1 point or more is ruled out.")


def test_one_seed_cannot_tell_and_says_what_to_do():
    said = texts(study_results(seeds=1)[:-1])[0]
    assert said.startswith("Cannot tell with 1 seed")
    assert "one seed, no interval" in said
    assert said.endswith("More tell: study.seeds.")


def test_the_fronts_are_compared_by_their_test_metric():
    said = [text for text in texts() if text.startswith("The front of both (3 candidates)")]
    assert len(said) == 2
    assert all("of test accuracy on average over file sizes" in text for text in said)


def test_rivals_are_named_with_bytes_and_test_figures():
    (said,) = (text for text in texts() if "random units" in text)
    assert said.startswith("b <b> is better than random units: 93.6 % against 90.0 %")
    assert "the rival has as many bytes; on test rows 91.6 % against 88.0 %." in said


def test_the_tone_follows_the_answer():
    tones = {finding.text.split(":")[0]: finding.kind for finding in summary().findings}
    assert tones["Together helps"] == "good"


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("accuracy", "95 % interval over 3 seeds −1.0 to +2.0"),
        ("rmse", "95 % interval over 3 seeds −0.01 to +0.02"),
    ],
)
def test_intervals_are_in_points_or_in_the_metrics_unit(metric, text):
    assert interval_text(metric, Effect(0.0, -0.01, 0.02, "cannot tell", 3)) == text
