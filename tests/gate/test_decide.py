"""The gate's decision, on answers made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tasks.evaluation.latency import Ratio
from tasks.gate.compared import mcnemar, widened
from tasks.gate.config import ClassesConfig, LimitsConfig, PromoteConfig, SlicesConfig
from tasks.gate.decide import decide
from tasks.gate.evidence import Answers, Evidence, Fact, Subject

N = 4000
Y = np.arange(N) % 2
POLICY = PromoteConfig()


def answers(wrong):
    """Answers that are wrong on the rows `wrong`, and sure of themselves."""
    decided = Y.copy()
    decided[wrong] = 1 - decided[wrong]
    return Answers(np.eye(2)[decided] * 0.94 + 0.03, decided)


def subject(version, wrong, **changed):
    known = {"columns": ("a", "b"), "bytes": 1000, "latency_us": 5.0, "memory_mb": 80.0, "data": "d1"}
    return Subject(version, answers=answers(wrong), **{**known, **changed})


def evidence(wrong=range(100), held=range(100), dense=range(100), **changed):
    """Evidence of three models by the rows each is wrong on; `held` None: there is no champion."""
    known = {
        "task": "classification",
        "headline": "accuracy",
        "labels": ("no", "yes"),
        "y": Y,
        "challenger": subject("2", list(wrong)),
        "champion": None if held is None else subject("1", list(held)),
        "reference": answers(list(dense)),
        "trivial": Answers(np.full((N, 2), 0.5), np.zeros(N, dtype=int)),
    }
    return Evidence(**{**known, **changed})


def failed(decision):
    return [check.name for check in decision.checks if check.outcome == "failed"]


def test_the_first_that_passes_is_promoted():
    decision = decide(evidence(held=None), POLICY)
    assert (decision.verdict, decision.why) == ("promote", "there is no champion yet")


def test_nothing_gained_and_nothing_lost_is_a_tie_that_keeps_the_champion():
    decision = decide(evidence(), POLICY)
    assert decision.verdict == "reject"
    assert decision.why == "a tie: ahead of champion 1 in nothing"


@pytest.mark.parametrize(("ties", "verdict"), [("newer", "promote"), ("keep", "reject")])
def test_a_tie_made_from_other_rows_is_the_policys_to_judge(ties, verdict):
    newer = evidence()
    newer = replace(newer, challenger=replace(newer.challenger, data="d2"))
    assert decide(newer, PromoteConfig(ties=ties)).verdict == verdict


@pytest.mark.parametrize(
    ("gain", "why"),
    [
        ({"bytes": 500}, "2.00x smaller"),
        ({"columns": ("a",)}, "1 column fewer"),
    ],
)
def test_what_is_gained_is_said(gain, why):
    found = evidence()
    decision = decide(replace(found, challenger=replace(found.challenger, **gain)), POLICY)
    assert (decision.verdict, decision.why) == ("promote", why)


def test_a_surely_faster_challenger_gains_and_a_perhaps_faster_one_does_not():
    assert decide(evidence(speed=Ratio(1.5, 1.2, 1.8)), POLICY).verdict == "promote"
    assert decide(evidence(speed=Ratio(1.5, 0.9, 1.8)), POLICY).verdict == "reject"
    assert decide(evidence(speed=Ratio(1.02, 1.01, 1.03)), POLICY).verdict == "reject"


def test_a_better_one_is_promoted_and_the_figures_are_shown():
    decision = decide(evidence(wrong=range(20)), POLICY)
    assert decision.verdict == "promote"
    assert decision.why.startswith("accuracy +2.00 [")


@pytest.mark.parametrize(("rival", "name"), [("held", "the champion"), ("dense", "the dense network")])
def test_worse_than_either_rival_is_rejected(rival, name):
    rivals = {"held": range(400), "dense": range(400)} | {rival: range(50)}
    decision = decide(evidence(wrong=range(400), **rivals), POLICY)
    assert failed(decision) == [f"not worse than {name}"]
    assert decision.verdict == "reject"


def test_what_few_rows_do_not_show_is_left_open_with_the_rows_it_would_take():
    few = slice(0, 60)
    whole = evidence(wrong=[0, 2, 5, 7, 9], held=[1, 3, 4, 8], dense=[1, 3, 4, 8])
    small = replace(
        whole,
        y=Y[few],
        challenger=replace(whole.challenger, answers=part(whole.challenger.answers, few)),
        champion=replace(whole.champion, answers=part(whole.champion.answers, few)),
        reference=part(whole.reference, few),
        trivial=part(whole.trivial, few),
    )
    decision = decide(small, POLICY)
    assert decision.verdict == "not shown"
    assert decision.rows_needed > 60
    assert "test rows would tell" in decision.why


def part(given, rows):
    return Answers(given.scores[rows], given.decided[rows])


def test_no_better_than_the_commonest_class_is_rejected():
    decision = decide(evidence(wrong=range(0, N, 2), held=None, dense=range(0, N, 2)), POLICY)
    assert "better than the trivial rule" in failed(decision)


def test_a_class_that_is_given_up_rejects_though_the_whole_is_as_good():
    rare = np.where(np.arange(N) % 20 == 0, 1, 0)
    lost = np.flatnonzero(rare)[: rare.sum() // 2]

    def said(wrong):
        decided = rare.copy()
        decided[wrong] = 1 - decided[wrong]
        return Answers(np.eye(2)[decided] * 0.94 + 0.03, decided)

    found = evidence(
        y=rare, reference=said([]), trivial=Answers(np.full((N, 2), 0.5), np.zeros(N, dtype=int))
    )
    found = replace(
        found,
        challenger=replace(found.challenger, answers=said(lost), bytes=10),
        champion=replace(found.champion, answers=said([])),
    )
    policy = PromoteConfig(margin=0.05)
    assert failed(decide(found, policy)) == ["recall of yes"]
    assert decide(found, PromoteConfig(margin=0.05, classes=ClassesConfig(loss=None))).verdict == "promote"
    strict = PromoteConfig(margin=0.05, classes=ClassesConfig(loss=None, min=0.6))
    assert failed(decide(found, strict)) == ["recall of yes"]


def test_a_slice_that_is_given_up_rejects():
    region = np.where(np.arange(N) < 200, "north", "south")
    found = evidence(wrong=range(60), held=[], dense=[], slices={"region": region})
    policy = PromoteConfig(
        margin=0.05, slices=SlicesConfig(columns=("region",)), classes=ClassesConfig(loss=None)
    )
    assert failed(decide(found, policy)) == ["rows with region = north"]
    few = policy.model_copy(update={"slices": SlicesConfig(columns=("region",), rows=201)})
    assert not failed(decide(found, few))


def held_to(least, headline="accuracy"):
    """The checks of slices, where a fifth of the northern rows is answered wrongly, by rivals too."""
    region = np.where(np.arange(N) < 200, "north", "south")
    wrong = range(40)
    found = evidence(wrong=wrong, held=wrong, dense=wrong, slices={"region": region}, headline=headline)
    policy = PromoteConfig(slices=SlicesConfig(columns=("region",), loss=9, min=least))
    return [check for check in decide(found, policy).checks if check.name.startswith("rows with")]


def test_a_slice_below_the_floor_rejects_though_the_champion_is_no_better():
    north, south = held_to(0.81)
    assert (north.outcome, north.found, north.wanted) == ("failed", "accuracy 80 %", "at least 81 %")
    assert south.outcome == "passed"
    assert [check.outcome for check in held_to(0.8)] == ["passed", "passed"]
    assert held_to(None) == []


def test_the_floor_of_a_loss_is_the_most_it_may_be():
    north, south = held_to(0.5, "log_loss")
    assert (north.outcome, north.wanted, south.outcome) == ("failed", "at most 0.5", "passed")


@pytest.mark.parametrize(
    ("changed", "limits", "name"),
    [
        ({"bytes": 2000}, {"max_bytes": 1500}, "bytes"),
        ({"latency_us": 9.0}, {"max_latency_us": 8.0}, "latency"),
        ({"memory_mb": 300.0}, {"max_memory_mb": 256.0}, "memory"),
    ],
)
def test_what_exceeds_the_budget_is_rejected(changed, limits, name):
    found = evidence(held=None)
    found = replace(found, challenger=replace(found.challenger, **changed))
    assert failed(decide(found, PromoteConfig(limits=LimitsConfig(**limits)))) == [name]


def test_surely_slower_than_the_champion_is_rejected_and_perhaps_slower_is_not():
    assert failed(decide(evidence(speed=Ratio(0.5, 0.4, 0.6)), POLICY)) == ["time beside the champion"]
    assert not failed(decide(evidence(speed=Ratio(0.5, 0.4, 0.9)), POLICY))


def test_a_column_the_champion_does_without_rejects():
    found = evidence(held=range(200))
    found = replace(found, challenger=replace(found.challenger, columns=("a", "b", "c", "d", "e", "f")))
    check = next(c for c in decide(found, POLICY).checks if c.outcome == "failed")
    assert (check.name, check.found) == ("columns the champion does without", "c, d, e and 1 more")


def test_one_that_cannot_be_asked_is_rejected_and_nothing_else_is_guessed():
    found = evidence()
    found = replace(found, challenger=replace(found.challenger, answers=None, trouble="no onnxruntime"))
    decision = decide(found, POLICY)
    assert (decision.verdict, failed(decision)) == ("reject", ["answers without torch"])


def test_a_champion_that_cannot_be_asked_is_not_passed_over_unseen():
    found = evidence(wrong=range(20))
    found = replace(found, champion=replace(found.champion, answers=None, trouble="file missing"))
    decision = decide(found, POLICY)
    assert (decision.verdict, decision.rows_needed) == ("not shown", None)
    assert "not worse than the champion (it cannot be asked: file missing" in decision.why


def test_few_rows_answered_alike_by_two_models_are_no_certainty():
    few = slice(0, 24)
    found = evidence(wrong=[1], held=[1], dense=[1])
    own = part(found.challenger.answers, few)
    small = replace(
        found,
        y=Y[few],
        challenger=replace(found.challenger, answers=Answers(own.scores * 0.9 + 0.05, own.decided)),
        champion=None,
        reference=part(found.reference, few),
        trivial=part(found.trivial, few),
    )
    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        decision = decide(replace(small, headline=metric), POLICY)
        check = next(c for c in decision.checks if c.name == "not worse than the dense network")
        assert (metric, check.outcome) == (metric, "not shown")
        assert check.rows_needed > 24
    same = decide(replace(small, challenger=replace(found.challenger, answers=own)), POLICY)
    assert {c.name: c.outcome for c in same.checks}["not worse than the dense network"] == "passed"


def test_what_a_person_took_back_waits_for_a_person():
    decision = decide(evidence(wrong=range(20), taken_back="rollback by ada: calls"), POLICY)
    assert decision.verdict == "not shown"
    assert "rollback by ada: calls" in decision.why


@pytest.mark.parametrize(("rows", "verdict"), [(999, "reject"), (1000, "promote")])
def test_rows_in_the_shadow_are_counted_where_the_policy_wants_them(rows, verdict):
    found = evidence(wrong=range(20), shadow_rows=rows)
    assert decide(found, PromoteConfig(shadow_rows=1000)).verdict == verdict
    assert decide(replace(found, champion=None), PromoteConfig(shadow_rows=1000)).verdict == "promote"


def test_the_worst_class_that_passes_is_told():
    decision = decide(evidence(wrong=range(0, 60, 2), held=[], dense=[]), POLICY)
    (check,) = [c for c in decision.checks if c.name.startswith("classes")]
    assert (check.name, check.outcome) == ("classes: 2, worst recall of no", "passed")
    assert check.found.startswith("-1.50 [")


def test_an_accuracy_gained_is_told_with_mcnemars_test():
    decision = decide(evidence(wrong=range(80), held=range(100)), POLICY)
    assert decision.why.endswith(f"p {2 * 0.5**20:.2g}")


def test_mcnemar_is_the_binomial_of_the_rows_that_one_alone_has_right():
    y = np.zeros(12, int)
    mine, other = np.array([0] * 9 + [1] * 3), np.array([1] * 9 + [0] + [1] * 2)
    assert mcnemar(mine, other, y) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(mine, mine, y) == 1


def test_intervals_of_few_rows_are_students():
    t = stats.t.ppf(0.975, 9) * np.sqrt(10 / 9)
    assert widened(0.95, 10) == pytest.approx(2 * stats.norm.cdf(t) - 1)
    assert widened(0.95, 10**6) == pytest.approx(0.95, abs=1e-5)
    assert widened(0.95, 1) < 1


def test_a_champion_that_names_a_class_unknown_here_is_wrong_there_and_no_more():
    found = evidence(wrong=range(20), headline="balanced_accuracy")
    strange = found.champion.answers.decided.copy()
    strange[:10] = len(found.labels)
    other = Answers(found.champion.answers.scores, strange)
    assert (
        decide(replace(found, champion=replace(found.champion, answers=other)), POLICY).verdict == "promote"
    )


def test_a_tie_with_a_champion_of_unknown_rows_keeps_it():
    found = evidence()
    assert decide(replace(found, champion=replace(found.champion, data="")), POLICY).verdict == "reject"


def test_a_fact_that_does_not_hold_rejects():
    facts = {"lineage": Fact(False, "2 of 9 files are not in the remote"), "parity": Fact(True, "0")}
    assert failed(decide(evidence(facts=facts), POLICY)) == ["lineage"]


def test_probabilities_that_do_not_mean_what_they_say_reject():
    found = evidence(held=range(200))
    unsure = Answers(found.challenger.answers.scores * 0.2 + 0.4, found.challenger.answers.decided)
    found = replace(found, challenger=replace(found.challenger, answers=unsure))
    assert failed(decide(found, POLICY)) == ["calibration error"]


def test_regression_is_judged_by_its_own_metric():
    rng = np.random.default_rng(0)
    y = rng.normal(size=N)
    good, bad = y + 0.1 * rng.normal(size=N), y + 0.5 * rng.normal(size=N)

    def said(values):
        return Answers(values, values)

    found = evidence(
        task="regression",
        headline="r2",
        labels=(),
        y=y,
        reference=said(good),
        trivial=said(np.zeros(N)),
    )
    found = replace(
        found,
        challenger=replace(found.challenger, answers=said(good)),
        champion=replace(found.champion, answers=said(bad)),
    )
    assert decide(found, POLICY).verdict == "promote"
    swapped = replace(
        found,
        challenger=replace(found.challenger, answers=said(bad)),
        champion=replace(found.champion, answers=said(good)),
    )
    assert decide(swapped, POLICY).verdict == "reject"


def test_the_same_evidence_gives_the_same_decision():
    found = evidence(wrong=range(0, 120), held=range(40, 160))
    assert decide(found, POLICY).to_dict() == decide(found, POLICY).to_dict()
