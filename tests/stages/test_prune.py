"""Stage prune on digits, behind the real stages before it."""

from __future__ import annotations

import shutil

import pytest
import torch
from ruamel.yaml import YAML

from tasks.artifacts import Layout, load_graph, read_csv, read_json
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.models.spec import network_from_spec, network_spec
from tasks.models.zoo import build_network
from tasks.stages import clean, fetch, prune, reduce, train

PARAMS = {
    "source": {"uri": "package:digits"},
    "model": {"method": "mlp", "hidden": [24, 16]},
    "train": {"epochs": 4, "threads": 1, "device": "cpu"},
    "reduce": {"columns": {"method": "weight_norm", "components": 32}},
    "prune": {"method": "structured", "amount": 0.5, "finetune": {"epochs": 3}},
}

USER = """
from torch import nn


def build(input_shape, outputs):
    return nn.Sequential(nn.Linear(*input_shape, 12), nn.ReLU(), nn.Linear(12, outputs))
"""


def write_params(root, **sections):
    root.mkdir(exist_ok=True)
    YAML().dump({**PARAMS, **sections}, root / "params.yaml")


def before_prune(root, **sections):
    write_params(root, **sections)
    for stage in (fetch, clean):
        stage.run(root)
    train.run(root, "reference")
    reduce.run(root)
    train.run(root, "train")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return before_prune(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def root(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "workspace")


def pruned(root, **keys):
    """Run the stage with some keys of section `prune`; the report and the layout."""
    write_params(root, prune={**PARAMS["prune"], **keys})
    prune.run(root)
    return read_json(Layout(root).report("prune"))


def files(root):
    layout = Layout(root)
    outputs = [
        layout.report("prune"),
        layout.plot("prune"),
        layout.plot("sensitivity"),
        *sorted(layout.model("compressed").iterdir()),
    ]
    return {path.name: path.read_bytes() for path in outputs}


def test_the_compressed_graph_is_the_reduced_one_with_half_its_units(root):
    pruned(root)
    reduced, compressed = (load_graph(Layout(root).model(name)) for name in ("reduced", "compressed"))
    assert compressed.network.sizes()["hidden"] == [12, 8]
    assert compressed.columns == reduced.columns


def test_the_report_holds_what_readers_need(root):
    report = pruned(root)
    keys = "method importance scope amount requested rounds probes layers parameters_before parameters_after"
    assert {*keys.split(), "nonzeros_after", "valid_metric", "metric", "history", "notes"} <= report.keys()
    assert [layer["after"] for layer in report["layers"]] == [12, 8, 10]


def test_the_plot_has_a_row_for_every_epoch(root):
    report = pruned(root)
    assert (
        read_csv(Layout(root).plot("prune"))["epoch"].tolist()
        == [1, 2, 3]
        == [record["epoch"] for record in report["history"]]
    )


def test_what_each_layer_alone_costs_is_reported_and_drawn(root):
    report = pruned(root)
    drawn = read_csv(Layout(root).plot("sensitivity"))
    assert drawn["layer"].unique().tolist() == ["body.0", "body.2"]
    assert drawn["metric"].tolist() == pytest.approx([row["metric"] for row in report["sensitivity"]])
    assert drawn["share"].max() == 1.0


def test_shares_of_layers_by_name_are_taken(root):
    report = pruned(root, scope="per_layer", amount={"body.0": 0.75, "body.2": 0.25})
    assert [layer["after"] for layer in report["layers"]] == [6, 12, 10]
    assert report["amount"] == pytest.approx(1 - 18 / 40)


def test_running_twice_gives_the_same_bytes(root):
    pruned(root)
    first = files(root)
    pruned(root)
    assert files(root) == first


def test_the_reduced_and_the_reference_model_stay_as_they_are(root, trained):
    pruned(root)
    for name in ("reduced", "reference"):
        for path in Layout(trained).model(name).iterdir():
            assert (Layout(root).model(name) / path.name).read_bytes() == path.read_bytes()


def test_no_checkpoint_is_left_behind(root):
    pruned(root)
    assert not list((Layout(root).state / "checkpoints").rglob("*.safetensors"))


def test_killed_in_the_middle_and_started_again_it_ends_with_the_same_bytes(root, monkeypatch):
    pruned(root)
    whole = files(root)

    class Killer:
        def __enter__(self):
            return self.kill

        def __exit__(self, *_):
            return False

        def kill(self, record):
            if record.epoch == 2:
                raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(prune, "progress", lambda *_: Killer())
        with pytest.raises(KeyboardInterrupt):
            pruned(root)
    assert list((Layout(root).state / "checkpoints").rglob("*.safetensors"))
    pruned(root)
    assert files(root) == whole


def test_method_none_hands_the_reduced_network_on(root):
    report = pruned(root, method="none")
    reduced, compressed = (load_graph(Layout(root).model(name)) for name in ("reduced", "compressed"))
    assert all(torch.equal(v, compressed.state_dict()[k]) for k, v in reduced.state_dict().items())
    assert report["amount"] == 0.0


def test_auto_stays_within_the_tolerance_and_records_its_probes(root):
    report = pruned(root, amount="auto", tolerance=0.05)
    reference = read_json(Layout(root).report("reference"))["valid_metric"]
    assert report["requested"] == "auto"
    assert {"amount": report["amount"], "score": report["valid_metric"]} in report["probes"]
    assert report["valid_metric"] >= reference - 0.05


@pytest.mark.parametrize(
    "keys",
    [
        {"schedule": "gradual", "start": "scratch"},
        {"schedule": "iterative", "rounds": 2, "rewind": "init"},
        {"threshold": 0.05, "amount": None},
    ],
)
def test_unstructured_pruning_leaves_zeros_in_the_saved_weights(root, keys):
    report = pruned(root, method="unstructured", **keys)
    network = load_graph(Layout(root).model("compressed")).network
    assert sum(int(w.count_nonzero()) for w in network.parameters()) == report["nonzeros_after"]
    assert report["nonzeros_after"] < report["parameters_after"] == report["parameters_before"]


RECIPE = [
    {"method": "structured", "amount": 0.25, "finetune": {"epochs": 2}},
    {"method": "unstructured", "amount": "auto", "tolerance": 0.1, "finetune": {"epochs": 2}},
    {"method": "structured", "amount": 0.5, "finetune": {"epochs": 2}},
]


def recipe(root):
    write_params(root, prune={"method": "steps", "steps": RECIPE})
    prune.run(root)
    return read_json(Layout(root).report("prune"))


def test_a_recipe_removes_in_steps_and_holds_its_zeros(root):
    report = recipe(root)
    network = load_graph(Layout(root).model("compressed")).network
    assert network.sizes()["hidden"] == [9, 6]
    assert [step["method"] for step in report["steps"]] == ["structured", "unstructured", "structured"]
    assert report["nonzeros_after"] < report["parameters_after"]
    assert [layer["before"] for layer in report["layers"]] == [24, 16, 10]
    assert [record["epoch"] for record in report["history"]] == [*range(1, len(report["history"]) + 1)]


def test_a_recipe_killed_in_its_last_step_ends_with_the_same_bytes(root):
    recipe(root)
    whole, seen = files(root), []

    class Killer:
        def __enter__(self):
            seen.append(self)
            return self.kill

        def __exit__(self, *_):
            return False

        def kill(self, record):
            if len(seen) > 3:
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(prune, "progress", lambda *_: Killer())
        with pytest.raises(KeyboardInterrupt):
            recipe(root)
    saved = {path.parent.name for path in (Layout(root).state / "checkpoints").rglob("*.safetensors")}
    assert saved
    recipe(root)
    assert files(root) == whole


def test_survivors_go_back_to_the_weights_that_training_had_after_an_epoch(root, monkeypatch):
    seen, params = {}, load_params(root)
    layout, build = Layout(root), build_network
    network = load_graph(layout.model("reduced")).network

    def note(*arguments, initial, **options):
        seen["initial"] = initial
        return whole(*arguments, initial=initial, **options)

    whole = prune.prune
    monkeypatch.setattr(prune, "prune", note)
    pruned(root, method="unstructured", rewind=params.train.epochs)
    start = build(params.model, network.input_shape, 10, seed=params.train.seed)
    again = seen["initial"]
    assert not any(torch.equal(a, b) for a, b in zip(start.parameters(), again.parameters(), strict=True))
    best = read_json(layout.report("train"))["best_epoch"]
    pruned(root, method="unstructured", rewind=best)
    assert all(torch.equal(v, seen["initial"].state_dict()[k]) for k, v in network.state_dict().items())


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    root = tmp_path_factory.mktemp("users")
    (root / "nets").mkdir()
    (root / "nets" / "__init__.py").touch()
    (root / "nets" / "mine.py").write_text(USER)
    return before_prune(root, model={"method": "user", "builder": "nets.mine:build", "input": "flat"})


def test_a_users_network_is_pruned_saved_and_loaded(users):
    prune.run(users)
    network = load_graph(Layout(users).model("compressed"), users).network
    assert [step["module"] for step in network.pruned_steps] == ["body.0"]
    assert network.body[0].out_features == 6


def test_a_users_network_outside_the_dependencies_is_refused(users):
    (users / "dvc.yaml").write_text("stages:\n  prune:\n    cmd: x\n    deps: [models/reduced]\n")
    with pytest.raises(EspalierError, match=r"nets/mine\.py"):
        prune.run(users)


def test_the_initial_network_is_the_one_training_started_from(root):
    params = load_params(root)
    network = load_graph(Layout(root).model("reduced")).network
    built = build_network(params.model, network.input_shape, 10, seed=params.train.seed)
    again = network_from_spec(network_spec(network), root, params.train.seed)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in built.state_dict().items())


def test_a_recipe_takes_columns_then_units_and_asks_for_no_more_than_it_reads(root):
    quick = {"finetune": {"epochs": 2}}
    steps = [
        {"method": "inputs", "amount": 0.5, "rounds": 2, **quick},
        {"method": "structured", "amount": 0.5, **quick},
    ]
    write_params(root, prune={"method": "steps", "steps": steps})
    prune.run(root)
    layout = Layout(root)
    report, reduced = read_json(layout.report("prune")), load_graph(layout.model("reduced"))
    compressed = load_graph(layout.model("compressed"))

    assert len(compressed.columns) == 16
    assert set(compressed.columns) | set(report["columns_removed"]) == set(reduced.columns)
    assert compressed.network.sizes()["hidden"] == [12, 8]
    assert [step["method"] for step in report["steps"]] == ["inputs", "structured"]
    assert len(report["history"]) == 6
    assert {row["layer"] for row in report["sensitivity"]} == {"inputs"}


def test_columns_that_no_weight_reads_any_more_are_given_up(root):
    report = pruned(root, method="unstructured", amount=0.97)
    compressed = load_graph(Layout(root).model("compressed"))
    weight = compressed.network.body[0].weight

    assert report["columns_removed"]
    assert len(compressed.columns) + len(report["columns_removed"]) == 32
    assert (weight != 0).any(dim=0).all()


READS_TWICE = """
import torch
from torch import nn


class Twice(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.first, self.last, self.outputs = nn.Linear(inputs, 12), nn.Linear(12, outputs), outputs

    def forward(self, x):
        return self.last(self.first(x).relu()) + x[:, :self.outputs]


def build(inputs, outputs):
    return Twice(inputs[0], outputs)
"""


def test_columns_stay_where_a_users_network_reads_them_elsewhere_too(tmp_path):
    root = tmp_path / "workspace"
    (root / "nets").mkdir(parents=True)
    (root / "nets" / "mine.py").write_text(READS_TWICE)
    before_prune(root, model={"method": "user", "builder": "nets.mine:build", "input": "flat"})
    report = pruned(root, method="unstructured", amount=0.97)

    assert report["columns_removed"] == []
    assert any("stay: prune: this network reads its input in more places" in note for note in report["notes"])
    assert len(load_graph(Layout(root).model("compressed"), root).columns) == 32


def test_a_users_network_without_some_of_its_inputs_is_rebuilt(tmp_path):
    root = tmp_path / "workspace"
    (root / "nets").mkdir(parents=True)
    (root / "nets" / "mine.py").write_text(USER)
    before_prune(root, model={"method": "user", "builder": "nets.mine:build", "input": "flat"})
    pruned(root, method="inputs", amount=0.5)
    compressed = load_graph(Layout(root).model("compressed"), root)

    assert compressed.network.input_shape == (16,)
    assert compressed(torch.zeros(2, 16)).shape == (2, 10)


def test_a_budget_chooses_columns_and_units_and_says_what_it_tried(root):
    write_params(root, prune={"method": "budget", "max_metric_drop": 0.05, "finetune": {"epochs": 5}})
    prune.run(root)
    layout = Layout(root)
    report, compressed = read_json(layout.report("prune")), load_graph(layout.model("compressed"))

    assert report["method"] == "budget"
    assert report["met"]
    assert report["compressed"]["bytes"] < report["reference"]["bytes"] / 2
    assert report["parameters_after"] == sum(weight.numel() for weight in compressed.network.parameters())
    assert sum(candidate["chosen"] for candidate in report["candidates"]) == 1
    drawn = read_csv(layout.plot("candidates"))
    assert len(drawn) == len(report["candidates"]) == report["tried"]
    assert drawn["after"].notna().sum() == report["recovered"] + 1  # the network as it came takes no epochs
    assert len(compressed.columns) + len(report["columns_removed"]) == 32


def test_a_budget_that_cannot_be_met_is_told_and_the_nearest_is_kept(root):
    write_params(root, prune={"method": "budget", "max_bytes": 10, "finetune": {"epochs": 1}})
    prune.run(root)
    report = read_json(Layout(root).report("prune"))
    assert not report["met"]
    assert any("cannot be met; nearest is" in note for note in report["notes"])


def test_streamed_rows_are_not_mixed_and_the_log_says_so(tmp_path, caplog):
    streamed = {**PARAMS["train"], "loader": "stream"}
    root = before_prune(tmp_path / "streamed", train=streamed)
    reports, said = [], []
    for finetune in ({"epochs": 2, "mixup": 1.0}, {"epochs": 2, "mixup": 0.0}, {"epochs": 0, "mixup": 1.0}):
        write_params(root, train=streamed, prune={**PARAMS["prune"], "finetune": finetune})
        caplog.clear()
        with caplog.at_level("INFO", logger="espalier.prune"):
            prune.run(root)
        said.append("streamed ones are used as they are" in " ".join(caplog.messages))
        reports.append(read_json(Layout(root).report("prune"))["history"])
    assert reports[0] == reports[1]
    assert said == [True, False, False]


def test_components_of_a_projection_leave_and_the_model_is_rebuilt_with_every_column(tmp_path):
    root = before_prune(tmp_path / "pca", reduce={"columns": {"method": "pca", "components": 12}})
    report = pruned(root, method="inputs", of="components", amount=0.5)
    layout = Layout(root)
    before, after = (load_graph(layout.model(name)) for name in ("reduced", "compressed"))
    assert after.reducer[0].W.shape == (before.reducer[0].W.shape[0], 6)
    assert after.columns == before.columns
    assert after.network.input_shape == (6,)
    assert report["columns_removed"] == []
