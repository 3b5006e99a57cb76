"""A broken combination of versions is seen here at once."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MODULES = {"scikit-learn": "sklearn", "ruamel.yaml": "ruamel.yaml", "torch-pruning": "torch_pruning"}
DECLARED = [Requirement(line) for line in PROJECT["dependencies"]]


EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
SHIPPED = ("tasks", "flows", "nets")
FOLDERS = (*SHIPPED, "benchmarks", "examples", "tests")
AT_HAND = {"distributed", "prefect-dask"}  # imported where `study.runner: dask` asks for them


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """File and top name of each import from elsewhere."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            tops = {name.partition(".")[0] for name in names} - {*FOLDERS, *sys.stdlib_module_names}
            yield from ((path.relative_to(ROOT).as_posix(), top) for top in tops)


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return {
        plain(name): version for name, _, version in (line.partition("==") for line in lines if "==" in line)
    }


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_a_declared_dependency_imports_at_a_version_its_range_allows(requirement: Requirement) -> None:
    importlib.import_module(MODULES.get(requirement.name, requirement.name.replace("-", "_")))
    assert requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_a_declared_dependency_is_pinned_inside_its_range(requirement: Requirement) -> None:
    version = pinned()[plain(requirement.name)]
    assert requirement.specifier.contains(version)


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_imported_is_declared(folder: str) -> None:
    more = AT_HAND if folder in SHIPPED else {plain(one.name) for one in EXTRAS}
    declared = {plain(one.name) for one in DECLARED} | more
    makers = metadata.packages_distributions()
    undeclared = [
        f"{path} imports {top}"
        for path, top in imported(folder)
        if not declared & {plain(maker) for maker in makers.get(top, [top])}
    ]
    assert not undeclared


@pytest.mark.usefixtures("prefect_home")
def test_a_three_line_flow_runs() -> None:
    from prefect import flow

    @flow
    def three_lines() -> int:
        return 1 + 1

    assert three_lines() == 2
