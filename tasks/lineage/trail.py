"""What following a model back has found: one value, from the raw rows to the decisions of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tasks.lineage.code import Code
from tasks.promotion.ledger import Entry
from tasks.versioning import Kept

__all__ = ["RAW", "FlowRun", "Output", "Trail"]

RAW = "data/raw.parquet"


@dataclass(frozen=True)
class FlowRun:
    """A flow run: its id, and what Prefect says of it, '' where nobody was asked.

    `unknown` tells that a server was asked and does not have it.
    """

    id: str
    name: str = ""
    state: str = ""
    page: str = ""
    unknown: bool = False


@dataclass(frozen=True)
class Output:
    """An output of a stage: DVC's hash, and where its files are."""

    stage: str
    path: str
    hash: str
    kept: Kept


@dataclass(frozen=True)
class Trail:
    """Where a result comes from.

    Attributes
    ----------
    title : str
    model, version : str
        '' where the result was not registered.
    aliases : tuple of str
    source : str
    rows : int or None
    outputs : tuple of Output
        In the order of the stages; the raw rows first.
    settings : mapping
        Those that are not the defaults, by path.
    code : Code
    flow : FlowRun or None
    run, run_page : str
    registered : int
        Milliseconds since 1970, 0 where it was not.
    version_page, model_hash : str
        The latter is the MD5 of the registered ONNX file.
    decisions : tuple of Entry
        Of the ledger, the oldest first.
    notes, contradictions : tuple of str
    """

    title: str
    model: str
    version: str
    aliases: tuple[str, ...]
    source: str
    rows: int | None
    outputs: tuple[Output, ...]
    settings: Mapping[str, Any]
    code: Code
    flow: FlowRun | None
    run: str
    run_page: str
    registered: int
    version_page: str
    model_hash: str
    decisions: tuple[Entry, ...]
    notes: tuple[str, ...]
    contradictions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form; of the dvc.lock files only the hashes of outputs are in it."""
        found = asdict(self)
        for commit in (found["code"]["commit"], found["code"]["run"]):
            if commit:
                del commit["lock"]
        return found
