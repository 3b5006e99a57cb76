import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.closure import Sources, code_deps, copied_graph, synchronised, wanted_graphs
from tasks.config import AFTER_STAGES, Params

PROJECT = Path(__file__).resolve().parents[1]
GRAPH = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())["stages"]


@pytest.fixture
def sources(tmp_path):
    files = {
        "tasks/__init__.py": '"""Only a docstring."""\n',
        "tasks/main.py": "from tasks.tools import light\nfrom tasks import table\n",
        "tasks/tools.py": (
            "def light():\n    return shared()\n"
            "def heavy():\n    from tasks.heavy import thing\n    return thing\n"
            "def shared():\n    import tasks.deep\n"
        ),
        "tasks/heavy.py": "thing = 1\n",
        "tasks/deep.py": "import os\n",
        "tasks/table.py": (
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from tasks.typed import T\n"
            "if __name__ == '__main__':\n    import tasks.script\n"
        ),
        "tasks/typed.py": "T = int\n",
        "tasks/script.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return Sources(tmp_path)


def names(sources, start):
    return {path.stem for path in sources.closure(start)}


def test_imports_are_followed_from_module_to_module(sources):
    assert {"main", "tools", "table"} <= names(sources, "tasks.main")


def test_an_import_inside_a_function_counts_for_those_who_reach_the_function(sources):
    assert "deep" in names(sources, "tasks.main")
    assert "heavy" not in names(sources, "tasks.main")
    assert "heavy" in names(sources, "tasks.tools")


def test_imports_for_annotations_and_scripts_do_not_count(sources):
    assert names(sources, "tasks.table") == {"table"}


def test_a_package_file_with_only_a_docstring_is_left_out(sources):
    assert "__init__" not in names(sources, "tasks.main")


def test_dvc_yaml_and_its_copies_list_exactly_what_their_stages_import():
    stale = [str(path) for path, text in wanted_graphs(PROJECT).items() if path.read_text() != text]
    assert stale == [], "run `python -m tasks.closure --write`"


def test_synchronising_keeps_everything_but_code_dependencies():
    text = (PROJECT / "dvc.yaml").read_text()
    stripped = "\n".join(line for line in text.splitlines() if "- tasks/" not in line) + "\n"
    assert synchronised(PROJECT, stripped) == text


@pytest.mark.parametrize("stage", GRAPH)
def test_a_stage_depends_on_its_own_script(stage):
    module = GRAPH[stage]["cmd"].split()[2]
    assert module.replace(".", "/") + ".py" in GRAPH[stage]["deps"]


@pytest.mark.parametrize("stage", GRAPH)
def test_a_stage_that_reads_networks_depends_on_the_folder_of_the_users_own(stage):
    reads_networks = "tasks/models/spec.py" in code_deps(PROJECT, GRAPH[stage]["cmd"])
    assert ("nets" in GRAPH[stage]["deps"]) == reads_networks


# One module serves both training stages, and only the reference may come from given weights.
NOT_FOR = {"train": {"reference"}}


@pytest.mark.parametrize("stage", GRAPH)
def test_a_stage_depends_on_the_parameters_it_reads(stage):
    module = PROJECT / (GRAPH[stage]["cmd"].split()[2].replace(".", "/") + ".py")
    read = {
        node.attr
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "params"
    }
    whole = set(Params.model_fields) - AFTER_STAGES if "model_dump" in read else set()
    sections = whole | (read & set(Params.model_fields)) - NOT_FOR.get(stage, set())
    assert set(GRAPH[stage]["params"]) == sections


def test_only_evaluate_and_measure_can_read_a_test_row():
    readers = {name for name, stage in GRAPH.items() if "data/clean/test.npz" in stage["deps"]}
    assert readers == {"evaluate", "measure"}


def test_a_copy_sees_the_same_code_from_its_own_folder(tmp_path):
    text = "stages:\n  a:\n    deps:\n      - nets\n      - tasks/stages/fetch.py\n"
    copied = copied_graph(text, tmp_path, tmp_path / "examples" / "image")
    assert YAML(typ="safe").load(copied)["stages"]["a"]["deps"] == ["nets", "../../tasks/stages/fetch.py"]
