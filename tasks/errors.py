"""The errors a user is meant to read: one line each, no traceback."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "ConfigError",
    "EspalierError",
    "NothingToDoError",
    "Problem",
    "closest",
    "lost_connection",
    "masked",
]

_ALIKE = 0.75

_FROM_ENVIRONMENT = r"(?:\$\{\w+\})+"
_SECRET = re.compile(
    rf"(?P<user>://[^/\s:@'\"]*:)(?!{_FROM_ENVIRONMENT}@)[^@\s'\"]+(?=@)"
    r"|(?P<key>(?:password|passwd|passphrase|pwd|token|secret|api_?key|access_?key)(?:=|%3D))"
    rf"(?!{_FROM_ENVIRONMENT}(?:%3B|[&;]|$))(?:(?!%3B)[^&;\s'\"])+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Strike out the passwords that URLs in `text` spell out; those written as ${NAME} are none.

    Examples
    --------
    >>> masked("postgresql://me:hunter2@host/db?sslpassword=hunter3")
    'postgresql://me:***@host/db?sslpassword=***'
    """
    return _SECRET.sub(lambda match: f"{match['user'] or match['key']}***", text)


def closest(word: object, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant by a misspelt one; None when none is much like it.

    Letters may be missing, too many or swapped, their case does not count (Ratcliff and Metzener, 1988).

    Examples
    --------
    >>> closest("epoch", ["lr", "epochs"]), closest("pac", ["pls", "pca"]), closest("pool", ["lda", "pls"])
    ('epochs', 'pca', None)
    """
    asked = str(word).lower()
    known = {name.lower(): name for name in names}
    swapped = [name for name in known if sorted(name) == sorted(asked)]
    found = swapped or difflib.get_close_matches(asked, known, n=1, cutoff=_ALIKE)
    return known[found[0]] if found else None


class EspalierError(Exception):
    """An expected failure: what went wrong, where, why, and what to do, in one line. Exit code 1."""

    exit_code = 1


class NothingToDoError(EspalierError):
    """What was asked for has no object (yet, or any more): for a person a failure, for an event none."""


@dataclass(frozen=True)
class Problem:
    """One broken rule in the configuration: where it is, the value got, the rule, the nearest valid name."""

    path: str
    value: object
    rule: str
    hint: str = ""

    def __str__(self) -> str:
        shown = "" if self.value is None else f" (got {self.value!r})"
        return f"{self.path}: {self.rule}{shown}" + (f"; {self.hint}" if self.hint else "")


class ConfigError(EspalierError):
    """All problems of a configuration at once. Exit code 2; nothing has run, nothing is written."""

    exit_code = 2

    def __init__(self, problems: list[Problem], where: str = "params.yaml") -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(masked(f"{where} has {len(problems)} problem(s):\n{lines}"))


def lost_connection(error: BaseException | None) -> bool:
    """Say whether a failure came from a connection, which may work the next time."""
    while error is not None:
        if isinstance(error, ConnectionError | TimeoutError):
            return True
        error = _behind(error)
    return False


def _behind(error: BaseException) -> BaseException | None:
    """Return what an error came from: MLflow's client and urllib3 do not name it as the cause."""
    handled = None if error.__suppress_context__ else error.__context__
    named = (error.__cause__, getattr(error, "reason", None), *error.args, handled)
    return next((each for each in named if isinstance(each, BaseException)), None)
