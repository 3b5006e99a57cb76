"""What the terminal shows of a run: the stages' lines, and nothing of the libraries below."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping

__all__ = ["addresses", "log_to_terminal", "option_c", "quiet_dvc"]


class _Lines(logging.Formatter):
    """Stage results as they are, what a stage has to say indented below."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.name == "espalier.stage" else f"    {text}"


def log_to_terminal() -> None:
    """Print what stages log."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines("%(message)s"))
    logger = logging.getLogger("espalier")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False


def quiet_dvc() -> None:
    """Hush what DVC reports of its own files; importing it has set its loggers up."""
    logging.getLogger("dvc").setLevel(logging.WARNING)
    logging.getLogger("dvc.rwlock").setLevel(logging.ERROR)  # it takes over what a killed run had locked


def option_c(folder: str) -> str:
    """Return what a suggested command needs to find the workspace again; nothing in its own folder."""
    return "" if folder == "." else f" -C {folder}"


def addresses(pages: Mapping[str, str], opens: str) -> Iterator[str]:
    """Yield a line for each page, whole, to be clicked or copied; then what makes them open.

    Parameters
    ----------
    pages : mapping
        Addresses by what they are called, in up to nine letters.
    opens : str
        Of `how_to_open`; empty where they do.
    """
    for name, page in pages.items():
        yield f"  {name:9} {page}"
    if opens:
        yield f"({opens})"
