"""Of predict.py: the files that were handed over with it, and tables of rows."""

import csv
import gzip
import hashlib
import re
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent


def own(name: str) -> bytes:
    """Return a file of this folder, if it is the one that was handed over."""
    sums, found = (HERE / "SHA256SUMS").read_text("utf-8").split(), (HERE / name).read_bytes()
    if hashlib.sha256(found).hexdigest() != sums[sums.index(name) - 1]:
        sys.exit(f"{name} is not the file that was handed over, see SHA256SUMS")
    return found


def read(path: Path, missing: list[str]) -> pd.DataFrame:
    """Read a CSV or TSV file, gzipped or not, with one line of names."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
        header, sample = file.readline(), file.read(4096)
        sep = max((",", ";", "\t", "|"), key=re.sub(r'"[^"]*"', "", header).count)
        file.seek(0)
        if len({len(row) for row in csv.reader(file, delimiter=sep) if row}) > 1:
            raise ValueError("rows differ in their number of fields")
    comma = sep == ";" and re.search(r"(?:^|;)\s*-?\d+,\d+\s*(?:;|$)", sample, re.MULTILINE)
    frame: pd.DataFrame = pd.read_csv(
        path,
        sep=sep,
        decimal="," if comma else ".",
        na_values=missing,
        skipinitialspace=True,
        encoding="utf-8-sig",
        index_col=False,
        low_memory=False,
    )
    return frame
