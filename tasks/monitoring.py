"""A batch from its source held against a registered version: read, answered, compared, written as a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.config import Params, load_params
from tasks.data.config import SourceConfig
from tasks.data.sources.read import load_source
from tasks.drift.batch import batch_of
from tasks.drift.compare import compare
from tasks.drift.config import MonitorConfig
from tasks.drift.findings import Drift
from tasks.drift.profile import Profile
from tasks.drift.report import Heading, render
from tasks.drift.stored import load_profile
from tasks.errors import ConfigError, EspalierError, masked
from tasks.files import read_json, write_json, write_text
from tasks.layout import Layout
from tasks.schema import parse_section
from tasks.scoring.delimited import DelimitedInput
from tasks.scoring.inputs import Input
from tasks.scoring.parquet import ParquetInput
from tasks.scoring.request import DELIMITED
from tasks.scoring.sampled import Sample, sample

__all__ = ["Version", "Watched", "examine", "source_of"]

CHUNK = 16_384
LARGE = 1 << 26
"""Bytes of a file from which on it is not read whole."""


@dataclass(frozen=True)
class Version:
    """A registered version: its name, its number, the folder of its files."""

    name: str
    version: str
    folder: Path


@dataclass(frozen=True)
class Watched:
    """A batch that was held against a version.

    Attributes
    ----------
    drift : Drift
    policy : MonitorConfig
    model, version : str
    source : str
        The batch, as it was asked for; passwords struck out.
    page, facts : Path
        The report, and the same as JSON.
    """

    drift: Drift
    policy: MonitorConfig
    model: str
    version: str
    source: str
    page: Path
    facts: Path

    @property
    def events(self) -> tuple[str, ...]:
        """Kinds of drift that the policy wants to be told."""
        return tuple(kind for kind in self.drift.kinds if kind in self.policy.event)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form, without what is only drawn."""
        return {
            "model": self.model,
            "version": self.version,
            "source": self.source,
            **self.drift.to_dict(shapes=False),
            "report": str(self.page),
        }


def source_of(source: str, query: str | None, folder: Path) -> SourceConfig:
    """Return where a batch is read from: paths start in `folder`.

    Raises
    ------
    ConfigError
        When it is a database without a query, or spells out a password.
    """
    placed = source
    if not source.startswith("package:") and "://" not in source:
        placed = str((folder / source).resolve())
    section, problems = parse_section(Params, "source", {"uri": placed, "query": query})
    if problems:
        raise ConfigError(problems, "espalier monitor")
    found: SourceConfig = section
    return found


def examine(root: Path, source: str, query: str | None, folder: Path, version: Version) -> Watched:
    """Hold a batch against the rows that a registered version was made from.

    Parameters
    ----------
    root : Path
        Workspace, whose section `monitor` is the policy.
    source, query
        As `source.uri` and `source.query` in params.yaml.
    folder : Path
        Folder that a relative path starts from.
    version : Version

    Raises
    ------
    EspalierError
        When the batch cannot be read or has no rows, or the version holds no profile.
    """
    policy = load_params(root).monitor
    profile = _profile(version)
    rows = _rows(root, source_of(source, query, folder), profile, policy.sample)
    encode, answer = _model(version)
    drift = _placed(compare(profile, batch_of(profile, rows.frame, encode, answer), policy), rows)
    place = Layout(root).state / "monitor" / version.name / version.version
    shown = masked(source)
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    watched = Watched(
        drift, policy, version.name, version.version, shown, place / "report.html", place / "drift.json"
    )
    write_text(watched.page, render(drift, policy, Heading(shown, version.name, version.version, when)))
    write_json(watched.facts, {**watched.to_dict(), **drift.to_dict(), "policy": policy.model_dump()})
    return watched


def _profile(version: Version) -> Profile:
    folder = version.folder / "artifacts" / "profile"
    if not folder.is_dir():
        raise EspalierError(
            f"{version.name}/{version.version}: no profile is stored with it, it is from before there were "
            "any; `espalier run` registers a version that has one"
        )
    return load_profile(folder)


def _rows(root: Path, source: SourceConfig, profile: Profile, most: int) -> Sample:
    """Return the rows of a batch, or of a large file as many as are looked at, drawn at random."""
    path = Path(source.uri)
    if path.is_file() and path.stat().st_size > LARGE and (large := _large(path, source.uri, profile)):
        known = {profile.target, *(column.name for column in profile.columns)}
        names = large.names()
        found = sample(large, [name for name in names if name in known], most)
        frame = found.frame.reindex(columns=names)  # what no training row had is told by its name alone
        found = Sample(frame, found.places, found.of)
    else:
        frame = load_source(root, source.model_copy(update={"na_values": profile.missing})).frame
        found = _drawn(frame, most)
    if not found.of:
        raise EspalierError(f"{masked(source.uri)} has no rows")
    names = list(found.frame.columns)
    if twice := [name for name in names if names.count(name) > 1]:
        raise EspalierError(f"{masked(source.uri)} has two columns named {twice[0]!r}; rename one")
    return found


def _large(path: Path, shown: str, profile: Profile) -> Input | None:
    """Return a file that can be read in chunks; None where its kind cannot."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        return ParquetInput(path, shown)
    return DelimitedInput(path, shown, profile.missing) if name.endswith(DELIMITED) else None


def _drawn(frame: pd.DataFrame, most: int) -> Sample:
    """Return up to so many rows of a frame."""
    rows = len(frame)
    places = np.arange(rows)
    if rows > most:
        places = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
        frame = frame.iloc[places].reset_index(drop=True)
    return Sample(frame, places, rows)


def _placed(drift: Drift, rows: Sample) -> Drift:
    """Say what the rows were drawn from, and where in the batch the strangest of them are."""
    unlike = drift.unlike
    if unlike is not None:
        worst = tuple((int(rows.places[place]), error) for place, error in unlike.worst)
        unlike = replace(unlike, worst=worst)
    return replace(drift, of=rows.of, unlike=unlike)


def _model(version: Version) -> Any:
    """Return how the version encodes raw rows, and how it answers them."""
    from tasks.export.onnx import run_onnx, session
    from tasks.export.serving import load_encoding

    artifacts = version.folder / "artifacts"
    plan = read_json(artifacts / "serving.json")
    encoding, opened = load_encoding(artifacts / "encoding.py"), session(artifacts / "model.onnx")

    def encode(frame: pd.DataFrame) -> npt.NDArray[np.float32]:
        rows: npt.NDArray[np.float32] = encoding.encode(frame, plan["encoding"])
        return rows

    def answer(X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return run_onnx(opened, X, CHUNK)

    return encode, answer
