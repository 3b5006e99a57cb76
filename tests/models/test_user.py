import sys
from pathlib import Path

import pytest
import torch

from tasks.errors import EspalierError
from tasks.models.user import UserNetwork, build_user, check_covered, check_declared, load_builder

SQUEEZED = """
import torch
class Net(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x).squeeze()
def build(input_shape, outputs):
    return Net(input_shape[0], outputs)
"""
SOFTMAX = """
from torch import nn
def build(input_shape, outputs):
    return nn.Sequential(nn.Linear(input_shape[0], outputs), nn.Softmax(1))
"""
GOOD = "import torch\ndef build(input_shape, outputs):\n    return torch.nn.Linear(input_shape[0], outputs)\n"


def workspace(path: Path, **modules: str) -> Path:
    (path / "nets").mkdir(parents=True)
    for name, text in modules.items():
        (path / "nets" / f"{name}.py").write_text(text)
    return path


def test_the_builder_gets_input_shape_and_outputs(tmp_path):
    network = build_user("nets.mine:build", (4,), 3, workspace(tmp_path, mine=GOOD))
    assert network(torch.zeros(2, 4)).shape == (2, 3)


def test_an_edit_is_seen_at_the_next_build(tmp_path):
    root = workspace(tmp_path, mine=GOOD)
    build_user("nets.mine:build", (4,), 3, root)
    (root / "nets" / "mine.py").write_text(GOOD.replace("build(", "other("))
    assert load_builder("nets.mine:other", root)


def test_two_workspaces_keep_their_own_networks(tmp_path):
    one = workspace(tmp_path / "one", mine=GOOD)
    two = workspace(tmp_path / "two", mine=GOOD.replace("return torch.nn.Linear", "return torch.nn.Identity"))
    build_user("nets.mine:build", (4,), 3, one)
    with pytest.raises(EspalierError, match=r"into \(2, 4\), needed \(2, 3\)"):
        build_user("nets.mine:build", (4,), 3, two)


def test_modules_beside_it_can_be_imported_and_the_path_is_left_alone(tmp_path):
    root = workspace(tmp_path, parts="SIZE = 5\n", mine="from nets.parts import SIZE\n" + GOOD)
    before = list(sys.path)
    build_user("nets.mine:build", (4,), 3, root)
    assert sys.path == before
    assert not list(root.rglob("__pycache__"))


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("nets.mien:build", r"no module nets\.mien in the workspace \(did you mean 'nets\.mine'\?\)"),
        ("nets.mine:biuld", r"no function 'biuld' \(did you mean 'build'\?\)"),
        ("lib.mine:build", r"put the network's code in lib/mine\.py"),
    ],
)
def test_misspelt_names_are_answered_with_the_nearest(tmp_path, builder, message):
    with pytest.raises(EspalierError, match=message):
        build_user(builder, (4,), 3, workspace(tmp_path, mine=GOOD))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0\n", "importing nets.mine raised ZeroDivisionError"),
        ("import not_there\n", "importing nets.mine raised ModuleNotFoundError"),
        ("def build(shape):\n    pass\n", r"nets\.mine:build\(\[4\], 3\) raised TypeError"),
        ("def build(shape, outputs):\n    return 7\n", "returned int, needed: a torch.nn.Module"),
        (GOOD.replace("input_shape[0]", "9"), r"raised on rows of shape \[4\]: RuntimeError"),
        (GOOD.replace("outputs)", "outputs + 1)", 2).replace("outputs + 1):", "outputs):"), r"into \(2, 4\)"),
        ("import torch\ndef build(i, o):\n    return torch.nn.Flatten(0)\n", r"into \(8,\), needed \(2, 3\)"),
        (SQUEEZED, r"turns 1 rows .* into \(3,\), needed \(1, 3\)"),
        (SOFTMAX, "gives probabilities; leave its softmax out"),
    ],
)
def test_what_goes_wrong_in_users_code_is_one_line_with_its_cause(tmp_path, code, message):
    with pytest.raises(EspalierError, match=message) as caught:
        build_user("nets.mine:build", (4,), 3, workspace(tmp_path, mine=code))
    assert "\n" not in str(caught.value)


def test_a_network_in_training_mode_stays_in_it(tmp_path):
    assert build_user("nets.mine:build", (4,), 3, workspace(tmp_path, mine=GOOD)).body.training


@pytest.mark.parametrize("deps", [["nets"], ["nets/"], ["nets/mine.py"], ["data", "./nets"]])
def test_a_declared_folder_or_file_covers_the_builder(tmp_path, deps):
    check_declared("nets.mine:build", deps, workspace(tmp_path, mine=GOOD))


def test_an_undeclared_module_is_refused_with_the_line_to_add(tmp_path):
    root = workspace(tmp_path)
    (root / "lib").mkdir()
    (root / "lib" / "mine.py").write_text(GOOD)
    with pytest.raises(EspalierError, match=r"lib/mine\.py, which no dependency .*add '- lib'"):
        check_declared("lib.mine:build", ["nets", "data/clean"], root)


def test_a_name_that_only_begins_like_a_dependency_is_not_covered(tmp_path):
    with pytest.raises(EspalierError, match="add '- nets2'"):
        check_covered("it", Path("nets2/mine.py"), ["nets"], tmp_path)


def test_an_installed_package_is_no_workspace_module(tmp_path):
    with pytest.raises(EspalierError, match="no module json in the workspace"):
        check_declared("json:loads", ["nets"], workspace(tmp_path))


def test_the_shipped_example_builds_for_rows_and_grids():
    root = Path(__file__).parents[2]
    for shape in [(6,), (1, 4, 4)]:
        assert build_user("nets.example:build", shape, 3, root)(torch.zeros(2, *shape)).shape == (2, 3)


class Overwrites(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, x):
        x -= 1.0
        return self.layer(x)


def test_a_module_that_writes_into_its_input_leaves_the_rows_alone():
    network, rows = UserNetwork(Overwrites(), "", (3,), 2).eval(), torch.ones(4, 3)
    first, again = network(rows), network(rows)
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    assert torch.equal(rows, torch.ones(4, 3))


def test_inputs_are_rows_of_its_own_in_a_gradient_too():
    rows = torch.ones(4, 3, requires_grad=True)
    UserNetwork(Overwrites(), "", (3,), 2)(rows).sum().backward()
    assert rows.grad is not None
