import re
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tasks.config import Params, apply_overrides, load_params, overridden, parse_params, resolve
from tasks.errors import ConfigError
from tasks.reference_page import reference_page

BUILDER = "must read module:function, as in nets.example:build"
PROJECT = Path(__file__).resolve().parents[1]
TEXT = (PROJECT / "params.yaml").read_text()


@pytest.fixture
def root(tmp_path):
    (tmp_path / "params.yaml").write_text(TEXT)
    return tmp_path


def problems(*overrides):
    with pytest.raises(ConfigError) as caught:
        overridden(TEXT, overrides)
    return {problem.path: problem for problem in caught.value.problems}


def test_the_defaults_are_those_of_params_yaml():
    assert overridden(TEXT, [])[1] == Params()


def test_overrides_leave_the_yaml_of_others_alone():
    stream = StringIO()
    before = overridden(TEXT, ["source.query=null"])
    YAML().dump({"key": None}, stream)

    assert stream.getvalue() == "key:\n"
    assert before == overridden(TEXT, [])


def test_every_key_of_params_yaml_has_a_comment():
    uncommented = [line for line in TEXT.splitlines() if re.match(r"\s*\w+:", line) and "#" not in line]
    assert uncommented == []


def test_every_key_of_the_models_has_a_description():
    page = reference_page(Params)
    assert [line for line in page.splitlines() if line.endswith("|  |")] == []


def test_the_reference_page_is_current():
    assert (PROJECT / "docs" / "configuration.md").read_text() == reference_page(Params)


def test_every_stage_section_is_on_the_reference_page():
    page = reference_page(Params)
    assert all(f"\n## {name}\n" in page for name in Params.model_fields)


def test_an_unknown_section_is_answered_with_the_nearest_one():
    assert "did you mean 'prune'?" in problems("prun.amount=0.5")["prun"].hint


def test_an_unknown_key_is_answered_with_the_nearest_one():
    found = problems("train.epoch=5")["train.epoch"]
    assert (found.value, found.rule, found.hint) == (5, "unknown key", "did you mean 'epochs'?")


def test_a_budget_keeps_the_recovery_that_its_candidates_need():
    prune = overridden(TEXT, ["prune.method=budget"])[1].prune
    assert (prune.method, prune.finetune.epochs) == ("budget", "auto")


def test_epochs_of_recovery_are_a_number_or_auto():
    found = problems("prune.finetune.epochs=long")["prune.finetune.epochs"]
    assert "whole number" in found.rule
    assert "'auto'" in found.rule


def test_a_key_of_another_method_is_told_apart_from_a_typing_error():
    found = problems("reduce.columns={method: pca, kernel: 2}")["reduce.columns.kernel"]
    assert found.hint == "known to method pool only"


def test_an_unknown_method_is_answered_with_the_nearest_one():
    found = problems("reduce.columns.method=pac")["reduce.columns.method"]
    assert found.value == "pac"
    assert found.hint == "did you mean 'pca'?"


def test_a_section_without_its_method_says_so():
    assert problems("reduce.columns={components: 5}")["reduce.columns"].rule == "needs a method"


@pytest.mark.parametrize(
    ("override", "path", "rule"),
    [
        ("train.epochs=0", "train.epochs", "must be greater than or equal to 1"),
        ("train.epochs=many", "train.epochs", "must be a whole number"),
        ("train.lr=-1", "train.lr", "must be greater than 0"),
        ("train.deterministic=perhaps", "train.deterministic", "must be true or false"),
        ("model.hidden=[0]", "model.hidden.0", "must be greater than or equal to 1"),
        ("train.epochs='5'", "train.epochs", "must be a whole number"),
        ("train.lr=true", "train.lr", "must be a number"),
        ("train.deterministic='no'", "train.deterministic", "must be true or false"),
        ("model.hidden=[]", "model.hidden", "needs at least 1 of them"),
        ("model={method: user, builder: nets.mine}", "model.builder", BUILDER),
        ("registry.name=a/b", "registry.name", "must be a name without / and :, which MLflow does not take"),
        ("source.drop=a", "source.drop", "must be a list, as in [a, b]"),
        ("train=5", "train", "must be a section of key: value lines"),
    ],
)
def test_a_broken_rule_is_named_with_its_path(override, path, rule):
    assert problems(override)[path].rule == rule


def test_a_value_of_several_kinds_has_one_problem_with_every_rule():
    found = problems("prune.amount=3")
    assert list(found) == ["prune.amount"]
    assert "less than or equal to 1, or must be 'auto'" in found["prune.amount"].rule


def test_a_wrong_key_of_a_step_is_named_with_its_place_and_the_nearest():
    steps = "steps: [{method: structured}, {method: unstructured, amout: 0.5}]"
    found = problems(f"prune={{method: steps, {steps}}}")
    assert found["prune.steps.1.amout"].hint == "did you mean 'amount'?"


def test_all_problems_are_reported_at_once():
    found = problems("train.epoch=5", "train.lr=-1", "prune.method=pruned", "colour=red")
    assert set(found) == {"train.epoch", "train.lr", "prune.method", "colour"}


def test_the_error_says_each_problem_on_a_line_and_exits_with_two():
    with pytest.raises(ConfigError) as caught:
        overridden(TEXT, ["train.epoch=5", "train.lr=-1"])
    assert caught.value.exit_code == 2
    assert str(caught.value).count("\n  - train.") == 2


def test_settings_that_contradict_each_other_are_found_across_sections():
    assert problems("clean.split.method=time")["source.time"].hint == "name a column"


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        (["source.group=g"], "source.group"),
        (["source.time=t", "source.split=s", "clean.split.method=column"], "source.time"),
        (["model={method: cnn2d}"], "reduce.columns.method"),
        (
            ["model={method: cnn1d}", "reduce.columns={method: pool}", "source.shape=[1, 8, 8]"],
            "source.shape",
        ),
        (["source.task=classification", "clean.target.log=true"], "clean.target.log"),
        (["source.task=regression", "train.class_weights=balanced"], "train.class_weights"),
        (["source.task=regression", "train.label_smoothing=0.1"], "train.label_smoothing"),
        (["source.task=regression", "reduce.columns={method: lda}"], "reduce.columns.method"),
    ],
)
def test_a_setting_that_another_one_gives_no_meaning_is_refused(overrides, path):
    assert list(problems(*overrides)) == [path]


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("{method: unstructured, rewind: 21}", "prune.rewind"),
        ("{method: steps, steps: [{method: unstructured, rewind: 21}]}", "prune.steps.0.rewind"),
    ],
)
def test_going_back_to_an_epoch_that_training_does_not_reach_is_refused(section, path):
    assert problems(f"prune={section}")[path].rule == "is past the training, train.epochs is 20"


def test_a_broken_section_is_not_held_against_the_others():
    assert list(problems("clean.split.method=time", "source.task=guess")) == ["source.task"]


@pytest.mark.parametrize("section", ["{? [a, b] : 1}", "&a {drop: *a}"])
def test_what_is_no_plain_data_is_refused(section):
    with pytest.raises(ConfigError, match="source: must be plain keys and values"):
        overridden(f"source: {section}\n", [])


def test_a_wrong_item_is_one_problem():
    assert list(problems("model.hidden=[a]")) == ["model.hidden.0"]
    assert "off the grid" in problems("model={method: cnn2d}")["reduce.columns.method"].rule


def test_contradictions_are_reported_beside_other_problems():
    assert set(problems("clean.split.method=time", "train.lr=-1")) == {"source.time", "train.lr"}


def test_an_override_keeps_every_comment_and_every_other_line(root):
    apply_overrides(root, ["prune.amount=0.9", "model.hidden=[64, 32]"])
    before, after = TEXT.splitlines(), (root / "params.yaml").read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.split("#")[0].strip() for _, new in changed] == ["hidden: [64, 32]", "amount: 0.9"]
    assert [old.split("#")[1] for old, _ in changed] == [new.split("#")[1] for _, new in changed]


def test_what_was_written_is_what_was_validated(root):
    assert apply_overrides(root, ["train.epochs=5"]) == load_params(root)
    assert load_params(root).train.epochs == 5


def test_an_invalid_override_writes_nothing(root):
    with pytest.raises(ConfigError):
        apply_overrides(root, ["train.epochs=5", "train.lr=-1"])
    assert (root / "params.yaml").read_text() == TEXT


def test_an_override_with_the_present_value_writes_nothing(root):
    before = (root / "params.yaml").stat().st_mtime_ns
    apply_overrides(root, ["prune.amount=0.80"])
    assert (root / "params.yaml").stat().st_mtime_ns == before


def test_another_method_drops_the_options_it_does_not_know(root):
    params = apply_overrides(root, ["reduce.columns.method=none"])
    assert params.reduce.columns.method == "none"
    assert "components: 196" not in (root / "params.yaml").read_text()


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.method=linear"],
        ["model.method=user", "model.builder=nets.mine:build"],
        ["prune.method=none"],
        ["prune.method=unstructured"],
        ["clean.outliers.method=iqr", "clean.outliers.strength=2"],
    ],
)
def test_sections_stay_apart_when_a_method_changes(overrides):
    text, _ = overridden(TEXT, overrides)
    assert text.count("\n\n") == TEXT.count("\n\n")
    assert re.search(r"\n\ntrain:", text)
    assert re.search(r"\n\nexport:", text)


def test_an_option_given_with_its_method_is_kept():
    _, params = overridden(TEXT, ["reduce.columns.method=pca", "reduce.columns.components=0.9"])
    assert params.reduce.columns.components == 0.9


def test_null_is_written_as_null(root):
    apply_overrides(root, ["source.uri=package:digits"])
    assert re.search(r"query: null\s+#", (root / "params.yaml").read_text())


def test_an_override_without_a_value_is_refused():
    assert problems("train.epochs")["train.epochs"].rule == "must read key.path=value"


def test_text_that_is_not_yaml_is_answered_with_its_line(root):
    (root / "params.yaml").write_text("train:\n  epochs: [1\nmodel: {}\n")
    with pytest.raises(ConfigError, match=r"line [23]: not valid YAML"):
        load_params(root)


def test_a_key_given_twice_is_refused(root):
    (root / "params.yaml").write_text("train:\n  epochs: 1\n  epochs: 2\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_params(root)


def test_a_missing_file_says_how_to_make_a_workspace(tmp_path):
    with pytest.raises(ConfigError, match="espalier init"):
        load_params(tmp_path)


def test_a_file_that_is_no_mapping_is_refused():
    with pytest.raises(ConfigError, match="mapping of sections"):
        parse_params(["train"])


def test_resolving_writes_nothing(root):
    text, params = resolve(root, ["train.epochs=7"])
    assert params.train.epochs == 7
    assert "epochs: 7" in text
    assert (root / "params.yaml").read_text() == TEXT


def test_sections_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Params().train.epochs = 3


@given(st.integers(min_value=1, max_value=10**6), st.floats(min_value=1e-6, max_value=1.0))
def test_any_valid_number_survives_the_way_through_the_file(epochs, lr):
    _, params = overridden(TEXT, [f"train.epochs={epochs}", f"train.lr={lr!r}"])
    assert (params.train.epochs, params.train.lr) == (epochs, lr)


KEYS = st.text(alphabet="abcdehmnoprtu_", min_size=1, max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(Params.model_fields)) | KEYS, VALUES, max_size=4))
def test_any_configuration_is_either_valid_or_answered_with_its_problems(raw):
    try:
        params = parse_params(raw)
    except ConfigError:
        return
    assert isinstance(params, Params)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ('model={method: user, builder: "nets.mine:build"}', "nets.mine:build"),
        ("model={method: user, builder: 'nets.mine:build'}", "nets.mine:build"),
    ],
)
def test_a_whole_section_can_be_set(root, override, value):
    assert apply_overrides(root, [override]).model.builder == value
    assert load_params(root).model.builder == value


def test_a_list_with_colons_comes_back_as_it_went(root):
    apply_overrides(root, ['source.drop=["a: b", "c:d", "e"]'])
    assert load_params(root).source.drop == ("a: b", "c:d", "e")


def test_a_budget_for_another_file_than_the_exported_one_is_refused():
    prune = {"method": "budget", "max_bytes": 2000, "quantise": {"method": "auto"}}
    with pytest.raises(ConfigError, match=r"set export.quantise.method: auto"):
        parse_params({"prune": prune})
    assert parse_params({"prune": prune, "export": {"quantise": {"method": "auto"}}})
