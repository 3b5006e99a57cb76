"""A broken combination of versions is seen here at once."""

from __future__ import annotations

import importlib
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MODULES = {"scikit-learn": "sklearn", "ruamel.yaml": "ruamel.yaml", "torch-pruning": "torch_pruning"}
DECLARED = [Requirement(line) for line in PROJECT["dependencies"]]


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return {
        re.sub(r"[-_.]+", "-", name.lower()): version
        for name, _, version in (line.partition("==") for line in lines if "==" in line)
    }


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_a_declared_dependency_imports_at_a_version_its_range_allows(requirement: Requirement) -> None:
    importlib.import_module(MODULES.get(requirement.name, requirement.name.replace("-", "_")))
    assert requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_a_declared_dependency_is_pinned_inside_its_range(requirement: Requirement) -> None:
    version = pinned()[re.sub(r"[-_.]+", "-", requirement.name.lower())]
    assert requirement.specifier.contains(version)


@pytest.mark.usefixtures("prefect_home")
def test_a_three_line_flow_runs() -> None:
    from prefect import flow

    @flow
    def three_lines() -> int:
        return 1 + 1

    assert three_lines() == 2
