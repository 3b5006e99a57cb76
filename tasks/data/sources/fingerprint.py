"""Whether a source changed: what data/source.json says, and stage fetch depends on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from tasks.data.config import SourceConfig
from tasks.data.sources.location import locate
from tasks.data.sources.packaged import package_of

__all__ = ["fingerprint"]


def fingerprint(root: Path, config: SourceConfig) -> dict[str, str]:
    """Return the URI (secrets still as ${NAME}) and a fingerprint of the content behind it.

    A file is its bytes' SHA-256, a query its rows' (in their order), a packaged set its package's version.
    """
    location = locate(root, config)
    if location.package is not None:
        content = package_of(location.package)
    elif location.path is not None:
        with location.path.open("rb") as file:
            content = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    else:
        from tasks.data.sources.database import read_query

        content = "rows:" + _digest(read_query(location, config.query or "", config.uri, root).frame)
    return {"uri": config.uri, "fingerprint": content}


def _digest(frame: pd.DataFrame) -> str:
    digest = hashlib.sha256(repr(list(frame.columns)).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()
