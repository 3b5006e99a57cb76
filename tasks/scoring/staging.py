"""What an unfinished batch has so far: a folder that goes away when the batch is whole.

It holds `job.json` (which batch), a file of answers for each finished chunk, one of quarantined rows where a
chunk has any, and the lock of the process at work. A chunk is finished when its file of answers is there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from tasks.errors import EspalierError
from tasks.files import read_json, write_json

__all__ = ["Staging"]


class Staging:
    """The folder of an unfinished batch, held by this process for a block.

    Parameters
    ----------
    folder : Path
    shown : str
        What is written to, in messages.
    """

    def __init__(self, folder: Path, shown: str) -> None:
        self.folder, self.shown = folder, shown

    @property
    def rows(self) -> Path:
        """Where a query's rows are kept."""
        return self.folder / "rows"

    def path(self, name: str) -> Path:
        """Return a path in the folder."""
        return self.folder / name

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes away.

        Raises
        ------
        EspalierError
            When one is at work.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.path("lock")
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                same = os.fstat(file.fileno()).st_ino == lock.stat().st_ino
            except (BlockingIOError, FileNotFoundError):
                same = False
            if not same:
                raise EspalierError(f"{self.shown}: another `espalier predict` is writing there; wait for it")
            try:
                yield
            finally:
                if self.folder.exists() and not self.job():  # nothing was begun
                    self.discard()

    def job(self) -> dict[str, Any]:
        """Return what was begun here; empty where nothing was."""
        path = self.path("job.json")
        return read_json(path) if path.exists() else {}

    def begin(self, job: dict[str, Any]) -> None:
        """Note which batch this is, and drop the chunks of any other."""
        if self.job().get("batch") != job["batch"]:
            self.drop()
            write_json(self.path("job.json"), job)

    def drop(self) -> None:
        """Forget all chunks."""
        for path in self.folder.glob("*.arrow"):
            path.unlink()

    def trim(self, done: int) -> None:
        """Forget what a killed run had of chunks from `done` on."""
        for path in self.folder.glob("*.arrow"):
            if int(path.stem.rpartition("-")[2]) >= done:
                path.unlink()

    def discard(self) -> None:
        """Remove the folder; the job first, so that a killed removal leaves nothing half there."""
        self.path("job.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder)

    def store(self, kind: str, index: int, table: pa.Table) -> None:
        """Keep a chunk's rows of a kind, whole or not at all."""
        path = self._part(kind, index)
        temporary = path.with_suffix(".tmp")
        with pa.OSFile(str(temporary), "wb") as sink, ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        temporary.replace(path)

    def load(self, kind: str, index: int) -> pa.Table | None:
        """Return a chunk's rows of a kind; None where there are none, or where a power cut tore them."""
        path = self._part(kind, index)
        try:
            with pa.memory_map(str(path)) as source:
                return ipc.open_file(source).read_all()
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError):
            return None

    def finished(self, kind: str, *beside: str) -> int:
        """Return how many chunks, from the first on, are finished, with what they have of kinds `beside`."""
        index = 0
        while self.load(kind, index) is not None and all(self.whole(other, index) for other in beside):
            index += 1
        return index

    def whole(self, kind: str, index: int) -> bool:
        """Say whether a chunk's rows of a kind can be read, or are not there at all."""
        return not self._part(kind, index).exists() or self.load(kind, index) is not None

    def tables(self, kind: str) -> Iterator[pa.Table]:
        """Return each chunk's rows of a kind, where it has any."""
        for path in sorted(self.folder.glob(f"{kind}-*.arrow")):
            table = self.load(kind, int(path.stem.rpartition("-")[2]))
            if table is None:
                raise EspalierError(f"{path}: cannot be read; remove {self.folder} and run again")
            yield table

    def count(self, kind: str) -> int:
        """Return the rows of a kind in all chunks."""
        return sum(table.num_rows for table in self.tables(kind))

    def forget(self, kind: str, index: int) -> None:
        """Drop a chunk's rows of a kind, where there are any."""
        self._part(kind, index).unlink(missing_ok=True)

    def _part(self, kind: str, index: int) -> Path:
        return self.path(f"{kind}-{index:06}.arrow")
