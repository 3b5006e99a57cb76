"""Stage clean: split the raw rows, learn the cleaner from the training rows, encode all of them."""

from __future__ import annotations

import logging
from pathlib import Path

from tasks.artifacts import Layout, load_raw_meta, read_frame, save_cleaner, save_rows, write_json
from tasks.config import load_params
from tasks.data.cleaning.fit import fit_clean
from tasks.stages.common import stage_main, timed

__all__ = ["run"]

log = logging.getLogger("espalier.clean")


def run(root: Path) -> None:
    """Clean the raw rows of the workspace `root`; write data/clean/ and reports/clean.json."""
    layout, params = Layout(root), load_params(root)
    with timed(layout, "clean"):
        cleaned = fit_clean(read_frame(layout.raw), load_raw_meta(layout.raw_meta), params.clean)
        save_cleaner(layout.cleaner, cleaned.cleaner)
        for part, rows in {"train": cleaned.train, "valid": cleaned.valid, "test": cleaned.test}.items():
            save_rows(layout.rows(part), rows)
        write_json(layout.report("clean"), cleaned.report)
    rows, columns = cleaned.report["rows"], cleaned.report["columns"]
    log.info("rows: %d raw, %d train, %d valid, %d test", *rows.values())
    log.info("columns: %(raw)d raw, %(used)d used, %(numeric)d numeric, %(features)d features", columns)


if __name__ == "__main__":
    stage_main(run)
