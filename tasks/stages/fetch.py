"""Stage fetch: the source's rows, as they are, into one Parquet table with their roles and types."""

from __future__ import annotations

import logging
from pathlib import Path

from tasks.artifacts import Layout, save_raw_meta, write_frame
from tasks.config import load_params
from tasks.data.sources import read_source
from tasks.stages.common import stage_main, timed

__all__ = ["run"]

log = logging.getLogger("espalier.fetch")


def run(root: Path) -> None:
    """Read the source of the workspace `root`; write data/raw.parquet and data/raw.json."""
    layout, params = Layout(root), load_params(root)
    with timed(layout, "fetch"):
        frame, meta = read_source(root, params.source)
        write_frame(layout.raw, frame)
        save_raw_meta(layout.raw_meta, meta)
    log.info(
        "%s: %d rows, %d columns, %s of %s",
        params.source.uri,
        meta.rows,
        len(meta.columns),
        meta.task,
        meta.target,
    )


if __name__ == "__main__":
    stage_main(run)
