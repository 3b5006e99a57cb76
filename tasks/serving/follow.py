"""Keeping the version that answers the one that an alias names."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tasks.errors import EspalierError
from tasks.serving.answering import Answering, incompatible
from tasks.serving.gateway import Gateway

__all__ = ["Follower"]

_log = logging.getLogger("espalier.serving")
AGAIN_SECONDS = 30.0


class Follower(threading.Thread):
    """Looks again and again which version it has to be; loads it, tries it, and has it take over.

    Whatever goes wrong, the version before goes on answering: that is said once, and stands in `trouble`.

    Parameters
    ----------
    gateway : Gateway
    wanted : callable
        Returns the version that the alias names now.
    load : callable
        Returns it loaded.
    every : float
        Seconds between two looks.
    """

    def __init__(
        self,
        gateway: Gateway,
        wanted: Callable[[], str],
        load: Callable[[str], Answering],
        every: float,
    ) -> None:
        super().__init__(name="follower", daemon=True)
        self._gateway, self._wanted, self._load, self._every = gateway, wanted, load, every
        self._woken, self._ended = threading.Event(), False
        self._again: dict[str, float] = {}
        self.trouble = ""
        self.refused: str | None = None
        self.since = _now()

    def state(self) -> dict[str, Any]:
        """Return which version answers, since when, and what keeps another from it."""
        current = self._gateway.current
        return {
            "model": current.name,
            "version": current.version,
            "since": self.since,
            "refused": self.refused,
            "trouble": self.trouble,
        }

    def wake(self) -> None:
        """Have it look now, also at a version that failed before."""
        self._again.clear()
        self.refused = None
        self._woken.set()

    def end(self) -> None:
        """Have it look no more."""
        self._ended = True
        self._woken.set()

    def run(self) -> None:
        """Look until ended."""
        while not self._ended:
            try:
                self.look()
            except Exception:  # noqa: BLE001 - a follower that died would leave an old version answering for good
                _log.exception("looking for the version failed")
            self._woken.wait(self._every)
            self._woken.clear()

    def look(self) -> None:
        """Look once which version it has to be, and have that one take over."""
        current = self._gateway.current
        try:
            version = self._wanted()
        except EspalierError as error:
            self._tell(str(error), None)
            return
        if version == current.version:
            self._settle()
        elif time.monotonic() >= self._again.get(version, 0.0):
            self._exchange(version, current)

    def _exchange(self, version: str, current: Answering) -> None:
        _log.info("version %s is wanted: loading", version)
        try:
            new = self._load(version)
            if why := incompatible(new, current, self._gateway.brought):
                raise EspalierError(f"version {version} cannot take over: {why}")
        except EspalierError as error:
            self._again[version] = time.monotonic() + AGAIN_SECONDS
            self._tell(str(error), version)
            return
        self._gateway.current, self.since = new, _now()
        self._again.clear()
        self.trouble, self.refused = "", None
        _log.info("version %s answers (before: %s)", new.version, current.version)

    def _settle(self) -> None:
        if self.trouble:
            _log.info("version %s is the one that is wanted", self._gateway.current.version)
        self.trouble, self.refused = "", None

    def _tell(self, trouble: str, refused: str | None) -> None:
        if trouble != self.trouble:
            _log.warning("%s; version %s goes on answering", trouble, self._gateway.current.version)
        self.trouble, self.refused = trouble, refused


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
