"""A budget as somebody wrote it: keys and values, refused with every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import create_model

from tasks.errors import ConfigError, EspalierError
from tasks.schema import parse_section
from tasks.search.config import BudgetConfig
from tasks.settings import Section

__all__ = ["stated_budget"]


def stated_budget(given: Any, shown: str = "budget") -> BudgetConfig:
    """Return a budget, or the one that keys and values state.

    Parameters
    ----------
    given : BudgetConfig or mapping
    shown : str
        What it is called in messages.

    Raises
    ------
    ConfigError
        With every problem: unknown key, wrong value, contradiction.
    EspalierError
        When it is neither.

    Examples
    --------
    >>> stated_budget({"max_bytes": 2000}).max_bytes
    2000
    """
    if isinstance(given, BudgetConfig):
        return given
    if not isinstance(given, Mapping):
        raise EspalierError(
            f"{shown}: got {type(given).__name__}; give limits by name, as in Budget(max_bytes=20_000)"
        )
    holder = create_model("Budget", __base__=Section, budget=(BudgetConfig, ...))
    section, problems = parse_section(holder, "budget", dict(given))
    if problems:
        raise ConfigError(problems, shown)
    found: BudgetConfig = section
    return found
