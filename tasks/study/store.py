"""Where a study keeps what it has computed: `.espalier/study/`, safe against kills and against each other.

    nodes/KEY/       result of a stage: its files and node.json; there whole, or not at all
    files/HASH       the larger of those files, each once: nodes hold hard links to them
    trials/KEY.json  a trial that ended
    latencies/KEY.json  how fast the candidates of a study were, all timed in one sitting
    work/KEY/        the sandbox of a node under way, with its checkpoints
    locks/           one file a node, one a seed, and one of the study

A lock is the system's own (flock), so that it goes with the process that holds it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tasks.errors import EspalierError
from tasks.files import read_json, write_bytes, write_json
from tasks.layout import Layout

__all__ = ["Store", "flocked"]

_LARGE = 4096  # bytes from which a file is kept once; below, a link saves nothing
_STUDY = "study"
_FACTS = "node.json"


@contextmanager
def flocked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock file, made where there is none, for a block; it goes with the process that holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, kind)
        yield


class Store:
    """What the studies of one workspace have computed.

    Parameters
    ----------
    root : Path
        Workspace.
    """

    def __init__(self, root: Path) -> None:
        self.folder = Layout(root).state / "study"

    def node(self, key: str) -> Path:
        """Folder of a node: the stage's files, where they are in a workspace."""
        return self.folder / "nodes" / key

    def work(self, key: str) -> Path:
        """Folder in which a node is computed."""
        return self.folder / "work" / key

    def facts(self, key: str) -> dict[str, Any] | None:
        """Return what is known of a finished node: stage, seconds, and why it failed if it did."""
        path = self.node(key) / _FACTS
        return read_json(path) if path.exists() else None

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a node; waits while another thread or process does."""
        with self._lock(name, fcntl.LOCK_EX):
            yield

    @contextmanager
    def first_free(self, names: Sequence[str]) -> Iterator[str]:
        """Hold the first of these that nobody holds, and say which; the first, unheld, where all are."""
        with ExitStack() as held:
            for name in names:
                with suppress(BlockingIOError):
                    held.enter_context(self._lock(name, fcntl.LOCK_EX | fcntl.LOCK_NB))
                    break
            else:
                name = names[0]
            yield name

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep `prune` from removing anything."""
        with self._lock(_STUDY, fcntl.LOCK_SH):
            yield

    def _lock(self, name: str, kind: int) -> AbstractContextManager[None]:
        return flocked(self.folder / "locks" / name, kind)

    def publish(self, key: str, outs: Sequence[str], facts: Mapping[str, Any]) -> None:
        """Make a node of the files `outs` of its sandbox, in one step; its lock is held.

        Raises
        ------
        EspalierError
            When the stage has not written one of them.
        """
        work, unfinished = self.work(key), self.folder / "nodes" / f".{key}"
        shutil.rmtree(unfinished, ignore_errors=True)
        for out in outs:
            if not (work / out).exists():
                raise EspalierError(f"stage {facts['stage']}: {out} was not written; see its code")
            (unfinished / out).parent.mkdir(parents=True, exist_ok=True)
            (work / out).rename(unfinished / out)
        write_json(unfinished / _FACTS, facts)
        self._place(unfinished, key)
        shutil.rmtree(work, ignore_errors=True)

    def _place(self, unfinished: Path, key: str) -> None:
        for file in unfinished.rglob("*"):
            if file.is_file() and file.stat().st_size >= _LARGE:
                self._keep_once(file)
        unfinished.rename(self.node(key))

    def _keep_once(self, file: Path) -> None:
        """Make `file` a hard link to the kept file of its content, where the file system has such links."""
        with file.open("rb") as stream:
            kept = self.folder / "files" / hashlib.file_digest(stream, "sha256").hexdigest()
        kept.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            with suppress(FileExistsError):
                os.link(file, kept)
            if not kept.samefile(file):
                twin = file.with_name(f".{file.name}.twin")
                twin.unlink(missing_ok=True)
                os.link(kept, twin)
                twin.replace(file)

    def packed(self, key: str) -> dict[str, bytes]:
        """Return a finished node's files, to be sent to another disk."""
        node = self.node(key)
        files = (path for path in sorted(node.rglob("*")) if path.is_file())
        return {path.relative_to(node).as_posix(): path.read_bytes() for path in files}

    def unpacked(self, key: str, files: Mapping[str, bytes]) -> None:
        """Make a node of the files of one on another disk, unless it has come to be here."""
        with self.locked(key):
            if self.facts(key) is not None:
                return
            unfinished = self.folder / "nodes" / f".{key}"
            shutil.rmtree(unfinished, ignore_errors=True)
            for path, data in files.items():
                write_bytes(unfinished / path, data)
            self._place(unfinished, key)

    def trial(self, key: str) -> dict[str, Any] | None:
        """Return a trial that ended."""
        path = self._trial(key)
        return read_json(path) if path.exists() else None

    def record(self, key: str, result: Mapping[str, Any]) -> None:
        """Keep a trial that ended."""
        write_json(self._trial(key), result)

    def trials(self) -> list[dict[str, Any]]:
        """Return all trials that ended, of any study, by key."""
        return [read_json(path) for path in sorted((self.folder / "trials").glob("*.json"))]

    def latencies(self, key: str) -> dict[str, float] | None:
        """Return microseconds by candidate, as one sitting left them."""
        path = self._latencies(key)
        found: dict[str, float] | None = read_json(path)["us"] if path.exists() else None
        return found

    def keep_latencies(self, key: str, us: Mapping[str, float], trials: Sequence[str]) -> None:
        """Keep what a sitting came to, as long as the trials that were timed are kept."""
        write_json(self._latencies(key), {"us": us, "trials": trials})

    def _latencies(self, key: str) -> Path:
        return self.folder / "latencies" / f"{key}.json"

    def _trial(self, key: str) -> Path:
        return self.folder / "trials" / f"{key}.json"

    def prune(self, keep: Collection[str] | None = None) -> int:
        """Remove the nodes that no trial refers to, and what killed processes left behind.

        Parameters
        ----------
        keep
            Keys of the trials to keep; all by default.

        Returns
        -------
        Bytes that were freed.

        Raises
        ------
        EspalierError
            While a trial is under way.
        """
        with self._alone():
            before = self.size()
            for path in (self.folder / "trials").glob("*.json"):
                if keep is not None and path.stem not in keep:
                    path.unlink()
            self._forget_latencies()
            used = {key for trial in self.trials() for key in trial["nodes"].values()}
            _remove(self.folder / "nodes", used)
            _remove(self.folder / "locks", {*used, _STUDY})
            _remove(self.folder / "work", set())
            for file in (self.folder / "files").glob("*"):
                if file.stat().st_nlink == 1:
                    file.unlink()
            return before - self.size()

    def _forget_latencies(self) -> None:
        """Remove those of a sitting that timed a trial which is gone."""
        for path in (self.folder / "latencies").glob("*.json"):
            if not all(self._trial(key).exists() for key in read_json(path)["trials"]):
                path.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with self._lock(_STUDY, fcntl.LOCK_EX | fcntl.LOCK_NB):
                yield
        except BlockingIOError as error:
            raise EspalierError(f"{self.folder}: a study is under way; clean up when it has ended") from error

    def size(self) -> int:
        """Bytes on disk, a file of several names once."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                entry = os.lstat(Path(folder, name))
                found[entry.st_dev, entry.st_ino] = entry.st_size
        return sum(found.values())


def _remove(folder: Path, kept: Collection[str]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name in kept:
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()
