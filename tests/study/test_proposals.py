from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.config import overridden
from tasks.errors import ConfigError
from tasks.study.overrides import validated
from tasks.study.proposals import Proposals, round_size
from tests.study.facts_made import facts
from tests.study.made import failed, trial

TEXT = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()
SMALL = ["model.hidden=[16, 8]", "reduce.columns.components=16"]


def played(*settings, data=None, answer=None, backwards=False):
    """Play a study; its rounds, and what it noted."""
    params = overridden(TEXT, [*SMALL, *settings])[1]
    proposals, rounds = Proposals(params, data or facts()), []
    while batch := proposals.batch():
        rounds.append(batch)
        results = [(answer or good)(one, params) for one in batch if answer is None or answer(one, params)]
        proposals.tell(results[::-1] if backwards else results)
    everything = [one for batch in rounds for one in batch]
    return SimpleNamespace(rounds=rounds, all=everything, notes=proposals.notes, most=proposals.most)


def good(one, params):
    """A result that depends on the recipe alone."""
    if one.refused:
        return failed(one.id, reason=one.refused)
    size = validated(params, one.overrides)
    kept = getattr(size.reduce.columns, "components", 64) if size.reduce.columns.method != "none" else 64
    share = 1 - size.prune.amount if size.prune.method == "structured" else 1.0
    cost = round(100 * kept * share) + 500
    return trial(
        one.id,
        valid={"accuracy": 0.9 - 0.2 / (kept * share)},
        bytes=cost,
        macs=cost // 4,
        parameters=cost // 4,
    )


def kinds(study, origin):
    return [one.arm for one in study.all if one.origin == origin]


def test_the_default_is_the_ablation_its_rivals_a_small_grid_and_last_a_dense_network_of_the_same_size():
    study = played()
    assert kinds(study, "ablation") == ["nothing", "columns", "rows", "pruning", "columns+pruning", "all"]
    assert kinds(study, "rival") == ["random units", "random rows", "linear", "small dense"]
    assert len(kinds(study, "space")) == 28
    assert [len(batch) for batch in study.rounds] == [37, 1]
    assert len(study.all) <= study.most
    assert study.notes == []


def test_the_small_dense_network_has_the_size_that_the_workspaces_recipe_came_to():
    rival = played().rounds[-1][0]
    assert rival.name == "small dense 2,1"  # 64 x 2 + 2 + 2 x 1 + 1 + 1 x 10 + 10 <= 820 / 4, and 3,2 is not


def test_every_candidate_has_an_id_and_a_name_of_its_own():
    study = played(
        "study.space={train.momentum: [0.1, 0.2], reduce.rows: [{method: random, balanced: true}]}"
    )
    assert len({one.id for one in study.all}) == len({one.name for one in study.all}) == len(study.all)


@pytest.mark.parametrize("sampler", ["ablation", "grid", "random", "tpe", "nsga2"])
def test_a_study_has_as_many_candidates_as_it_may_and_is_the_same_again_in_any_order(sampler):
    settings = [f"study.sampler={sampler}", "study.candidates=12"]
    study = played(*settings)
    assert sum(one.origin != "rival" for one in study.all) == 12
    assert played(*settings, backwards=True).all == study.all
    assert played(*settings, "train.seed=1").all != study.all


def test_a_grid_that_is_too_large_is_drawn_from_and_that_is_said():
    study = played("study.sampler=grid", "study.candidates=10", "study.rivals=false")
    assert len(study.all) == 10
    assert study.notes == ["9 of the 32 combinations of study.space are drawn: study.candidates is 10"]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_sampler_that_learns_proposes_rounds_of_one_size(sampler):
    study = played(f"study.sampler={sampler}", "study.candidates=33", "study.rivals=false")
    assert study.rounds[0][0].origin == "own"
    assert [len(batch) for batch in study.rounds] == [9, 8, 8, 8]


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_a_space_that_is_used_up_ends_the_study(sampler):
    study = played(
        f"study.sampler={sampler}", "study.rivals=false", "study.space={prune.amount: [0.7, 0.8, 0.9]}"
    )
    assert sorted(one.overrides.get("prune.amount", 0.8) for one in study.all) == [0.7, 0.8, 0.9]
    assert study.notes == ["study.space holds no more that is new"]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_what_fails_or_is_not_told_does_not_stop_a_sampler(sampler):
    def answer(one, params):
        return (
            None
            if int(one.id, 16) % 3 == 0
            else failed(one.id)
            if int(one.id, 16) % 3 == 1
            else good(one, params)
        )

    study = played(f"study.sampler={sampler}", "study.candidates=20", "study.rivals=false", answer=answer)
    assert len(study.all) == 20


def test_impossible_combinations_are_candidates_that_say_why():
    study = played("study.sampler=grid", "study.space={model.method: [mlp, cnn2d]}", "study.rivals=false")
    refused = [one for one in study.all if one.refused]
    assert [dict(one.overrides) for one in refused] == [{"model.method": "cnn2d"}]
    assert "off the grid" in refused[0].refused


def test_constraints_guide_a_sampler_that_learns():
    settings = ["study.sampler=nsga2", "study.candidates=60", "study.rivals=false"]
    free, bound = played(*settings), played(*settings, "study.constraints={bytes: {max: 900}}")

    def within(study):
        params = overridden(TEXT, SMALL)[1]
        return sum(good(one, params)["bytes"] <= 900 for one in study.all)

    assert within(bound) > within(free)


def test_latency_is_stood_in_for_by_multiply_adds_while_searching():
    def study(objectives):
        return played("study.sampler=tpe", "study.candidates=16", f"study.objectives={objectives}").all

    assert study("[metric, latency_us]") == study("[metric, macs]")


def test_metrics_of_the_other_task_are_refused():
    with pytest.raises(ConfigError) as caught:
        played("study.objectives=[metric, r2]", "study.constraints={mae: {max: 1}}")
    told = {problem.path: str(problem) for problem in caught.value.problems}
    assert (
        "is no metric for classification (got 'r2'); valid here: metric, accuracy"
        in told["study.objectives.1"]
    )
    assert "study.constraints.mae" in told


def test_data_with_nothing_to_leave_out_say_so():
    study = played("reduce.columns={method: none}", data=facts(1))
    assert "no arm reduces columns: these data have nothing to leave out" in study.notes


def test_a_recipe_that_failed_has_no_rival_of_its_size():
    study = played(answer=lambda one, _: failed(one.id))
    assert len(study.rounds) == 1
    assert "no small dense network beside weight_norm=16 prune=structured:0.80" in study.notes[-1]


@pytest.mark.parametrize(("candidates", "size"), [(1, 1), (3, 3), (16, 4), (40, 10), (1000, 16)])
def test_the_size_of_a_round(candidates, size):
    assert round_size(candidates) == size
