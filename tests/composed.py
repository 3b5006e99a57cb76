"""deploy/compose.yaml as `docker compose` reads it, as far as it is used there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")


def composed() -> dict[str, Any]:
    """The file, its anchors merged, its variables as they are written."""
    return YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text("utf-8"))


def filled(value: str, variables: Mapping[str, str]) -> str:
    """Put variables in: ${NAME}, ${NAME:-default}, ${NAME:?message}."""

    def put(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise KeyError(f"{name}: {rest}")
        return rest or ""

    return VARIABLE.sub(put, value)


def environment(service: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What a service finds in its environment."""
    held = composed()["services"][service]["environment"]
    return {name: filled(value, variables) for name, value in held.items()}


def example() -> dict[str, str]:
    """What deploy/example.env sets."""
    lines = (DEPLOY / "example.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
