import copy
import json
from functools import partial

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from tasks.errors import EspalierError
from tasks.models.mlp import Mlp
from tasks.models.spec import network_from_spec, network_spec
from tasks.pruning.config import PruneConfig
from tasks.pruning.masks import prunable_weights, zeros
from tasks.pruning.recipe import prune, sensitivity
from tasks.pruning.structure import survey, widths
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig

CONFIG: TypeAdapter = TypeAdapter(PruneConfig)
SETTINGS = TrainConfig(batch=8, threads=1, device="cpu")
METHODS = {
    "local units": {"method": "structured", "amount": 0.5},
    "global units": {"method": "structured", "amount": 0.5, "scope": "global", "importance": "taylor"},
    "units in rounds": {"method": "structured", "amount": 0.6, "rounds": 2, "importance": "random"},
    "decomposed units": {"method": "structured", "amount": 0.5, "importance": "decomposition"},
    "decomposed units of all layers": {
        "method": "structured",
        "amount": 0.5,
        "scope": "global",
        "importance": "decomposition",
        "rounds": 2,
    },
    "low rank": {"method": "low_rank", "amount": 0.4},
    "local weights": {"method": "unstructured", "amount": 0.75},
    "global weights": {
        "method": "unstructured",
        "amount": 0.75,
        "scope": "global",
        "schedule": "iterative",
        "rounds": 2,
    },
    "gradual": {"method": "unstructured", "amount": 0.75, "scope": "global", "schedule": "gradual"},
    "from scratch": {"method": "unstructured", "amount": 0.75, "schedule": "gradual", "start": "scratch"},
    "lottery": {
        "method": "unstructured",
        "amount": 0.75,
        "schedule": "iterative",
        "rounds": 2,
        "rewind": "init",
    },
    "threshold": {"method": "unstructured", "threshold": 0.1, "scope": "global"},
}


BUILDER = """
import torch
from torch import nn


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(6, 5), nn.Linear(6, 7)
        self.join, self.inner = nn.Linear(12, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.join(torch.cat([self.left(x).relu(), self.right(x).relu()], dim=1))
        return self.head((x + self.inner(x.relu())).relu())


def build(input_shape, outputs):
    return Branching()
"""


def config(epochs=3, **keys):
    return CONFIG.validate_python({"finetune": {"epochs": epochs}, **keys})


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


@pytest.fixture
def run(network, problem):
    initial = copy.deepcopy(network)
    for weight in initial.parameters():
        weight.data.mul_(0.5)
    options = {"task": "classification", "outputs": 3, "seed": 0, "initial": initial}

    def call(settings, **more):
        return prune(network, settings, *problem, SETTINGS, **{**options, **more})

    return call


def equal(first, second):
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


def test_the_network_passed_in_stays_bit_for_bit(run, method, network):
    before = copy.deepcopy(network)
    run(config(**method))
    assert equal(network, before)


def test_equal_seeds_give_equal_networks(run, method):
    assert equal(run(config(**method)).network, run(config(**method)).network)


def test_a_pruned_network_is_rebuilt_by_its_spec_and_weights(
    run, method, family, rows, tmp_path, monkeypatch
):
    pruned = run(config(**method)).network
    rebuilt = network_from_spec(json.loads(json.dumps(network_spec(pruned))), workspace(tmp_path))
    rebuilt.load_state_dict(pruned.state_dict())
    assert torch.equal(rebuilt.eval()(rows), pruned(rows))


def workspace(folder):
    (folder / "nets").mkdir()
    (folder / "nets" / "__init__.py").touch()
    (folder / "nets" / "mine.py").write_text(BUILDER)
    return folder


def test_a_run_killed_in_recovery_ends_with_the_same_weights(run, method, tmp_path):
    settings, seen = config(**method), []

    def kill(record):
        seen.append(record)
        if len(seen) == 2:
            raise KeyboardInterrupt

    whole = run(settings).network
    with pytest.raises(KeyboardInterrupt):
        run(settings, folder=tmp_path, on_epoch=kill)
    again = run(settings, folder=tmp_path, on_epoch=seen.append)
    assert equal(again.network, whole)
    assert len(seen) == len(again.history)


def test_the_report_is_plain_json_and_agrees_with_the_network(run, method):
    pruned = run(config(**method))
    report = json.loads(json.dumps(pruned.report, allow_nan=False))
    assert report["parameters_after"] == sum(weight.numel() for weight in pruned.network.parameters())
    assert report["nonzeros_after"] == sum(int(w.count_nonzero()) for w in pruned.network.parameters())
    assert [record["epoch"] for record in report["history"]] == [*range(1, len(pruned.history) + 1)]
    assert report["valid_metric"] == pruned.valid_metric


def test_low_rank_counts_the_weights_of_a_layer_in_its_halves(run, network):
    report = run(config(epochs=0, **METHODS["low rank"])).report
    gone = report["parameters_before"] - report["parameters_after"]
    assert sum(layer["before"] - layer["after"] for layer in report["layers"]) == gone
    weights = sum(layer["before"] for layer in report["layers"] if layer["after"] < layer["before"])
    assert gone >= 0.4 * weights


@pytest.mark.parametrize("name", [name for name, keys in METHODS.items() if keys["method"] == "unstructured"])
def test_exactly_the_amount_of_weights_is_zero(run, name, network):
    pruned = run(config(**METHODS[name]))
    weights = prunable_weights(network)
    total = sum(weight.numel() for weight in weights.values())
    amount = METHODS[name].get("amount", pruned.report["amount"])
    local = sum(round(amount * weight.numel()) for weight in weights.values())
    expected = local if METHODS[name].get("scope", "local") == "local" else round(amount * total)
    assert zeros(pruned.network) == expected


def test_every_layer_loses_its_share_of_units_under_a_local_scope(run, network):
    pruned = run(config(method="structured", amount=0.5))
    *hidden, output = widths(network)
    after = widths(pruned.network)
    assert [after[name] for name in hidden] == [
        width - round(0.5 * width) for width in (widths(network)[n] for n in hidden)
    ]
    assert after[output] == 3


def test_rounds_end_at_the_same_widths_as_one_shot(run):
    once = run(config(method="structured", amount=0.7))
    thrice = run(config(method="structured", amount=0.7, rounds=3))
    assert widths(once.network) == widths(thrice.network)


@pytest.mark.parametrize("keys", [{"method": "structured", "amount": 0.0}, {"method": "none"}])
def test_nothing_removed_is_an_equal_network_without_training(run, keys, network):
    pruned = run(config(**keys))
    assert equal(pruned.network, network)
    assert pruned.history == ()


@pytest.mark.parametrize("scope", ["local", "global"])
def test_removing_everything_leaves_one_unit_per_layer_and_says_so(run, scope, problem):
    pruned = run(config(method="structured", amount=1.0, scope=scope))
    *hidden, _ = widths(pruned.network).values()
    assert hidden == [1] * len(hidden)
    assert any("keeps one of its" in note for note in pruned.report["notes"])
    assert torch.isfinite(pruned.network(problem[1].X)).all()


@pytest.mark.parametrize("scope", ["local", "global"])
def test_removing_every_weight_leaves_one_per_layer_and_says_so(run, scope):
    pruned = run(config(method="unstructured", amount=1.0, scope=scope))
    assert {layer["after"] for layer in pruned.report["layers"]} == {1}
    assert any("keeps its largest weight" in note for note in pruned.report["notes"])


def test_survivors_go_back_to_their_initial_values(network, problem):
    initial = copy.deepcopy(network)
    for weight in initial.parameters():
        weight.data.add_(1.0)
    settings = config(epochs=0, method="unstructured", amount=0.5, rewind="init")
    call = partial(prune, network, settings, *problem, SETTINGS, task="classification", outputs=3, seed=0)
    pruned = call(initial=initial).network
    for name, weight in prunable_weights(pruned).items():
        kept = weight != 0
        assert torch.equal(weight[kept], initial.get_parameter(name)[kept])


def test_pruned_weights_are_the_smallest_of_the_trained_network(network, run):
    pruned = run(config(epochs=0, method="unstructured", amount=0.5, scope="global")).network
    pairs = [(w.detach().abs(), pruned.get_parameter(n) != 0) for n, w in prunable_weights(network).items()]
    assert min(w[kept].min() for w, kept in pairs) >= max(w[~kept].max() for w, kept in pairs)


@pytest.mark.parametrize("kind", ["structured", "unstructured"])
def test_layers_that_hurt_less_lose_more_and_the_amount_is_met(run, kind, network):
    keys = {"method": kind, "amount": 0.5, "scope": "sensitivity"}
    pruned = run(config(epochs=0, **keys))
    if kind == "structured":
        *hidden, _ = (layer for layer in pruned.report["layers"])
        assert pruned.report["amount"] == 0.5
        assert any(layer["after"] < layer["before"] for layer in hidden)
    else:
        total = sum(weight.numel() for weight in prunable_weights(network).values())
        assert abs(zeros(pruned.network) - 0.5 * total) <= len(pruned.report["layers"])


def test_a_share_of_one_layer_is_taken_from_it_alone(run, network, problem):
    first, *rest = (group.name for group in survey(network, problem[0].X[:2]).groups)
    keys = {"scope": "per_layer", "amount": {first: 0.5}}
    smaller = widths(run(config(epochs=0, method="structured", **keys)).network)
    before = widths(network)
    assert smaller[first] == before[first] - round(0.5 * before[first])
    assert all(smaller[name] == before[name] for name in rest)
    sparse = run(config(epochs=0, method="unstructured", **keys)).network
    counts = {n: int((w == 0).sum()) for n, w in prunable_weights(sparse).items()}
    assert {name for name, count in counts.items() if count} == {f"{first}.weight"}


@pytest.mark.parametrize("kind", ["structured", "unstructured"])
def test_a_layer_that_does_not_exist_is_answered_with_the_nearest(run, kind):
    with pytest.raises(EspalierError, match=r"prune\.amount\.bdy\.0: no layer of this name"):
        run(config(epochs=0, method=kind, scope="per_layer", amount={"bdy.0": 0.5}))


@pytest.mark.parametrize("keys", [{"rounds": 2}, {"method": "unstructured", "schedule": "gradual"}])
def test_layers_keep_shares_of_their_own_over_rounds_and_schedules(run, keys, network, problem):
    first = survey(network, problem[0].X[:2]).groups[0].name
    pruned = run(config(**{"method": "structured", "scope": "per_layer", "amount": {first: 0.5}, **keys}))
    layers = {layer["name"]: layer for layer in pruned.report["layers"]}
    assert layers[first]["after"] == layers[first]["before"] - round(0.5 * layers[first]["before"])


@pytest.mark.parametrize("kind", ["structured", "unstructured"])
def test_sensitivity_has_a_curve_for_every_layer_that_can_be_pruned(network, problem, kind):
    settings = config(method=kind, amount=0.5)
    curves = sensitivity(network, settings, *problem, SETTINGS, task="classification", outputs=3, seed=0)
    groups = [group.name for group in survey(network, problem[0].X[:2]).groups]
    weights = [name.rpartition(".")[0] for name in prunable_weights(network)]
    assert list(curves) == (groups if kind == "structured" else weights)
    assert all(0 <= metric <= 1 for points in curves.values() for _, metric in points)


def test_sensitivity_of_a_recipe_is_that_of_its_first_step(network, problem):
    first, second = {"method": "low_rank", "amount": 0.5}, {"method": "structured", "amount": 0.5}
    call = partial(sensitivity, network, task="classification", outputs=3, seed=0)

    def curves(**keys):
        return call(CONFIG.validate_python(keys), *problem, SETTINGS)

    recipe = curves(method="steps", steps=[first, second])
    assert recipe == curves(**first)
    assert recipe != curves(**second)
    assert curves(method="none") == {}


@pytest.mark.parametrize("importance", ["magnitude", "taylor", "hessian", "lamp", "activation", "random"])
@pytest.mark.parametrize("scope", ["local", "global"])
def test_every_criterion_prunes_units_and_weights_under_every_scope(run, importance, scope, network):
    keys = {"importance": importance, "scope": scope, "amount": 0.5}
    smaller = run(config(epochs=0, method="structured", **keys)).network
    assert sum(widths(smaller).values()) < sum(widths(network).values())
    sparse = run(config(epochs=0, method="unstructured", **keys)).network
    assert zeros(sparse) > zeros(network)


def test_batch_norm_scales_prune_what_has_them_and_leave_the_rest(run, network, family):
    settings = config(epochs=0, method="structured", amount=0.5, importance="batch_norm")
    if family in ("mlp", "user"):
        with pytest.raises(
            EspalierError, match=r"importance batch_norm: no units .* use importance magnitude"
        ):
            run(settings)
        return
    pruned = run(settings)
    assert sum(widths(pruned.network).values()) < sum(widths(network).values())
    if family == "resmlp":
        assert any(note.startswith("body.1.wide left alone") for note in pruned.report["notes"])


def test_without_epochs_nothing_is_trained(run):
    assert run(config(epochs=0, method="structured", amount=0.5)).history == ()


@pytest.mark.parametrize("method", ["structured", "unstructured"])
def test_batch_norms_are_estimated_anew_even_without_epochs(run, family, method, problem):
    keys = {"method": method, "amount": 0.5}
    plain = run(config(epochs=0, **keys)).network
    anew = run(CONFIG.validate_python({**keys, "finetune": {"epochs": 0, "recalibrate": True}})).network
    torch.testing.assert_close(dict(plain.named_parameters()), dict(anew.named_parameters()))
    assert equal(plain, anew) == (family in ("mlp", "user"))


def test_recovery_stops_when_it_no_longer_gains(run):
    finetune = {"epochs": 40, "patience": 2, "keep": "best", "lr": 1e-6}
    pruned = run(CONFIG.validate_python({"method": "structured", "amount": 0.5, "finetune": finetune}))
    assert 2 < len(pruned.history) < 40


def test_the_last_epoch_counts_unless_the_best_one_is_asked_for(run):
    kept = {}
    for keep in ("last", "best"):
        finetune = {"epochs": 12, "keep": keep, "lr": 0.05}
        kept[keep] = run(
            CONFIG.validate_python({"method": "structured", "amount": 0.5, "finetune": finetune})
        )
    assert [e.valid_loss for e in kept["last"].history] == [e.valid_loss for e in kept["best"].history]
    assert kept["last"].valid_metric == kept["last"].history[-1].valid_metric
    assert kept["best"].valid_metric == max(epoch.valid_metric for epoch in kept["best"].history)


def test_patience_and_the_last_epoch_exclude_each_other():
    with pytest.raises(ValidationError, match="keep: best"):
        CONFIG.validate_python({"method": "structured", "finetune": {"patience": 2}})


def test_a_teacher_changes_the_recovery(run, problem):
    settings = config(method="structured", amount=0.5)
    teacher = torch.randn(len(problem[0]), 3, generator=torch.Generator().manual_seed(0))
    assert not equal(run(settings).network, run(settings, teacher=teacher).network)


def test_a_teacher_of_no_weight_changes_nothing(run, problem):
    settings = CONFIG.validate_python(
        {"method": "structured", "amount": 0.5, "finetune": {"epochs": 2, "distil": 0.0}}
    )
    teacher = torch.randn(len(problem[0]), 3, generator=torch.Generator().manual_seed(0))
    assert equal(run(settings).network, run(settings, teacher=teacher).network)


def test_weights_that_are_not_numbers_are_refused(run, method, network):
    next(iter(network.parameters())).data.view(-1)[0] = torch.nan
    with pytest.raises(EspalierError, match="NaN or infinite"):
        run(config(**method))


def test_rows_whose_activations_are_not_numbers_are_refused(network, problem, method):
    train, valid = problem
    broken = Tensors(train.X * torch.inf, train.y)
    with pytest.raises(EspalierError, match="answers on training rows are NaN or infinite"):
        prune(network, config(**method), broken, valid, SETTINGS, task="classification", outputs=3, seed=0)


def test_an_unresolved_amount_is_a_mistake_of_the_caller(run):
    with pytest.raises(ValueError, match="resolved by"):
        run(config(method="structured", amount="auto"))


def test_regression_prunes_too():
    X = torch.randn(40, 4)
    rows = Tensors(X, X.sum(dim=1))
    for settings in (
        config(method="structured", amount=0.5, importance="taylor"),
        config(**METHODS["gradual"]),
    ):
        pruned = prune(
            Mlp((4,), (8,), 1), settings, rows, rows, SETTINGS, task="regression", outputs=1, seed=0
        )
        assert pruned.valid_metric <= 1.0


@pytest.mark.parametrize(
    "keys",
    [{"method": "structured", "amount": 0.8}, {"method": "unstructured", "threshold": 0.1}],
    ids=["units", "threshold"],
)
def test_a_network_that_cannot_be_pruned_is_not_said_to_be(keys, problem):
    bare = torch.nn.Sequential(torch.nn.Flatten())
    bare.weight = torch.nn.Parameter(torch.ones(3))
    lone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(problem[0].X[0].numel(), 3))
    network = lone if keys["method"] == "structured" else bare
    found = prune(network, config(**keys), *problem, SETTINGS, task="classification", outputs=3, seed=0)
    assert found.report["amount"] == 0.0
    assert any("nothing can be" in note for note in found.report["notes"])
