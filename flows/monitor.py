"""Watching for drift: a batch held against the rows that the model in production was made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from tasks import lifecycle

if TYPE_CHECKING:
    from tasks.monitoring import Watched

__all__ = ["monitor"]


@flow(name="monitor", persist_result=False, validate_parameters=False)
def monitor(
    root: Path,
    source: str,
    model: str = "champion",
    *,
    query: str | None = None,
    folder: Path | None = None,
) -> tuple[Watched, str]:
    """Compare a batch with what a registered version was made from, and raise `espalier.drift`.

    Parameters
    ----------
    root : Path
        Workspace whose section `monitor` says what counts as drift.
    source : str
        A file, `package:NAME`, or an SQLAlchemy URL with secrets as ${NAME}.
    model : str
        An alias (champion, challenger, previous) or a version's number.
    query : str, optional
        For a source that is a database.
    folder : Path, optional
        Folder that a path starts from; by default the workspace.

    Returns
    -------
    What was found, and the page of its MLflow run.

    Raises
    ------
    EspalierError
        What the user can act on.
    """
    root = Path(root)
    version = lifecycle.fetch_version(root, model)
    watched = lifecycle.examine(root, source, query, Path(folder or root), version)
    page = lifecycle.record_drift(root, watched)
    lifecycle.show_drift(watched, page)
    lifecycle.raise_drift(watched, page)
    return watched, page
