"""The formats of what is stored: each has a number, older ones are brought up to date, newer ones refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tasks.errors import EspalierError

__all__ = ["Format"]

Step = Callable[[dict[str, Any]], dict[str, Any]]


class Format:
    """A stored form and the way to it from its predecessors.

    Parameters
    ----------
    name : str
        What it is the form of, as a user would say.
    version : int
        Its number; documents carry it as ``version``. One without a number has number 0.
    steps : mapping
        By number: what makes a document of the next number out of one of this number. The oldest number in
        an unbroken chain up to `version` is the oldest that is read.

    Examples
    --------
    >>> form = Format("a cleaner", 2, {1: lambda old: {"columns": old["names"]}})
    >>> form.current({"version": 1, "names": ["a"]}), form.stamp({"columns": []})
    ({'version': 2, 'columns': ['a']}, {'version': 2, 'columns': []})
    """

    def __init__(self, name: str, version: int, steps: Mapping[int, Step] | None = None) -> None:
        self.name, self.version, self.steps = name, version, dict(steps or {})

    def stamp(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document with the number of this format, which stands first."""
        rest = {key: value for key, value in document.items() if key != "version"}
        return {"version": self.version, **rest}

    def current(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a stored document in this format.

        Raises
        ------
        EspalierError
            When it is newer than this Espalier, or so old that no way leads here.
        """
        found = document.get("version", 0)
        if not isinstance(found, int) or found > self.version:
            raise EspalierError(
                f"{self.name} is stored in format {found!r}, and this Espalier reads up to {self.version}: "
                "it was written by a newer one; install that (docs/how-to/upgrade.md)"
            )
        held = dict(document)
        for number in range(found, self.version):
            if number not in self.steps:
                raise EspalierError(
                    f"{self.name} is stored in format {found}, which this Espalier no longer reads (it reads "
                    f"{self._oldest()} to {self.version}); make it anew with `espalier run`, or upgrade by "
                    "way of an earlier Espalier (docs/how-to/upgrade.md)"
                )
            held = self.steps[number](held)
        return self.stamp(held)

    def _oldest(self) -> int:
        oldest = self.version
        while oldest - 1 in self.steps:
            oldest -= 1
        return oldest
