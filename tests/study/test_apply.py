import pytest

from tasks.config import AFTER_STAGES, apply_overrides, load_params, overridden
from tasks.study.apply import recipe_settings
from tasks.study.overrides import validated


@pytest.fixture
def root(tmp_path):
    (tmp_path / "params.yaml").write_text("prune:\n  method: structured\n  amount: 0.8\n")
    return tmp_path


def recipe(params):
    return params.model_dump(exclude={*AFTER_STAGES, "measure"})


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"prune.amount": 0.5},
        {"prune.method": "none"},
        {
            "reduce.columns.method": "pca",
            "reduce.columns.components": 0.9,
            "export.quantise.method": "static",
        },
    ],
)
def test_the_settings_make_the_candidate(root, overrides):
    base = load_params(root)
    chosen = {"overrides": overrides, "base": base.model_dump(mode="json", by_alias=True)}
    made = apply_overrides(root, recipe_settings(root, chosen))
    assert recipe(made) == recipe(validated(base, overrides))


def test_what_changed_since_goes_back_and_what_no_candidate_may_change_stays(root):
    base = load_params(root)
    chosen = {"overrides": {"prune.amount": 0.5}, "base": base.model_dump(mode="json", by_alias=True)}
    apply_overrides(root, ["prune.method=none", "train.epochs=7", "train.seed=3", "registry.name=mine"])
    made = apply_overrides(root, recipe_settings(root, chosen))
    assert (made.prune.amount, made.train.epochs) == (0.5, base.train.epochs)
    assert (made.train.seed, made.registry.name) == (3, "mine")


def test_the_recipe_in_place_needs_no_settings(root):
    base = load_params(root)
    assert not recipe_settings(root, {"overrides": {}, "base": base.model_dump(mode="json", by_alias=True)})
    assert overridden((root / "params.yaml").read_text(), ())[1] == base
