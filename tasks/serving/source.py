"""Where versions come from: the registry says which an alias names, its files are brought here and loaded."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import EspalierError, closest
from tasks.serving.answering import Answering, load
from tasks.tracking.fetch import fetch_version, held_aliases, known_version
from tasks.tracking.store import open_client, reported

__all__ = ["Source"]

KNOWN = ("challenger", "champion", "previous")


class Source:
    """The registered model of a workspace, by an alias or a number.

    Parameters
    ----------
    root : Path
    name : str
        Registered model.
    alias : str
        An alias, or a version's number, which never changes.
    """

    def __init__(self, root: Path, name: str, alias: str) -> None:
        self.root, self.name, self.alias = root, name, alias

    def wanted(self) -> str:
        """Return the version that the alias names now.

        Raises
        ------
        EspalierError
            When it names none, or MLflow cannot be reached.
        """
        if self.alias.isdigit():
            return self.alias
        with reported(self.root):
            held = held_aliases(open_client(self.root), self.name)
        if self.alias not in held:
            raise EspalierError(f"{self.name}: no version is the {self.alias}")
        return held[self.alias]

    def require(self) -> None:
        """Make sure that this can name a version, be it later.

        Raises
        ------
        EspalierError
            When it is neither an alias that is known nor a version that is there.
        """
        with reported(self.root):
            client = open_client(self.root)
            if self.alias.isdigit():
                known_version(client, self.name, self.alias)
            elif self.alias not in (known := {*KNOWN, *held_aliases(client, self.name)}):
                close = closest(self.alias, known)
                hint = f"did you mean {close}?" if close else f"there are: {', '.join(sorted(known))}"
                raise EspalierError(f"{self.name}: no alias {self.alias!r}; {hint}")

    def load(self, version: str) -> Answering:
        """Return a version, loaded and tried.

        Raises
        ------
        EspalierError
            When it is not there, does not load or does not answer.
        """
        return load(fetch_version(self.root, self.name, version))

    def first(self) -> Answering:
        """Return the version to begin with.

        Raises
        ------
        EspalierError
            Saying what to do.
        """
        return load(fetch_version(self.root, self.name, self.alias))
