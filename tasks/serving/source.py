"""Where versions come from: the registry says which an alias names, its files are brought here and loaded."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import EspalierError
from tasks.serving.answering import Answering, load
from tasks.tracking.fetch import fetch_version, held_aliases
from tasks.tracking.store import open_client, reported

__all__ = ["Source"]


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
