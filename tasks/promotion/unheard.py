"""Challengers that no gate has heard of."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import NothingToDoError
from tasks.promotion.ledger import Ledger
from tasks.promotion.versions import aliases
from tasks.tracking.store import open_client, reported

__all__ = ["is_unheard"]


def is_unheard(root: Path, name: str, version: str) -> bool:
    """Say whether a version is the challenger, and the ledger has no entry of it.

    Raises
    ------
    EspalierError
        When the registry cannot be reached.
    """
    with reported(root):
        client = open_client(root)
        try:
            challenger = aliases(client, name).challenger
        except NothingToDoError:
            return False  # registered once, and deleted since
        return challenger == version and all(
            entry.version != version for entry in Ledger(client, root, name).entries()
        )
