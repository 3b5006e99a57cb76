"""Batch scoring: the rows of a file or a query, answered by a registered version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from tasks import lifecycle

if TYPE_CHECKING:
    from tasks.scoring.batch import Scored

__all__ = ["predict"]


@flow(name="predict", persist_result=False, validate_parameters=False)
def predict(
    root: Path,
    source: str,
    to: str,
    model: str = "champion",
    *,
    query: str | None = None,
    table: str | None = None,
    keep: Sequence[str] = (),
    quarantine: str | None = None,
    chunk: int | None = None,
    anew: bool = False,
    shadow: str | None = None,
    folder: Path | None = None,
) -> Scored:
    """Score a batch in chunks; one that was killed goes on, one that is whole is left alone.

    Parameters
    ----------
    root : Path
        Workspace whose registered model answers.
    source, to : str
        A file, or an SQLAlchemy URL with secrets as ${NAME}.
    model : str
        An alias (champion, challenger, previous) or a version's number.
    query, table : str, optional
        For a source, or an output, that is a database.
    keep : sequence of str
        Columns of the source that stand beside the answers.
    quarantine : str, optional
        File for the rows that cannot be scored; by default beside the output.
    chunk : int, optional
        Rows that are scored at once.
    anew : bool
        Whether what is there already is replaced.
    shadow : str, optional
        An alias or a number: this version scores the same rows; what it answers is logged and compared.
    folder : Path, optional
        Folder that paths start from; by default the workspace.

    Raises
    ------
    EspalierError
        What the user can act on; finished chunks are kept, and the next run goes on from there.
    """
    root = Path(root)
    request = lifecycle.scoring_request(
        root,
        source=source,
        to=to,
        query=query,
        table=table,
        keep=tuple(keep),
        quarantine=quarantine,
        chunk=chunk,
        anew=anew,
        folder=Path(folder or root),
    )
    version = lifecycle.fetch_version(root, model)
    beside = lifecycle.fetch_version(root, shadow) if shadow else None
    scored = lifecycle.score(request, version, beside)
    lifecycle.record_shadows(root)
    lifecycle.show_scored(request, scored)
    return scored
