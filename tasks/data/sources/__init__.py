"""Where labelled rows come from: `read_source` reads them, `fingerprint` tells whether they changed."""

from __future__ import annotations

from tasks.data.sources.fingerprint import fingerprint
from tasks.data.sources.read import read_source

__all__ = ["fingerprint", "read_source"]
