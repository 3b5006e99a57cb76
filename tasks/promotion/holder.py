"""Who opened an entry of the ledger: a process, named by what stays the same for as long as it lives."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["LONG", "gone", "holder", "process_name"]

LONG = 900.0
"""Seconds that an entry takes at most; on another machine it then counts as abandoned."""

_ENDED = ("Z", "X")


def holder(waits: float = 0.0) -> dict[str, str]:
    """Return what names this process in an entry, which may wait so many seconds for a person besides."""
    until = str(round(time.time() + LONG + waits))
    return {"host": _place(), "process": process_name(os.getpid()), "until": until}


def gone(named: Mapping[str, str]) -> bool:
    """Tell whether the process that `holder` named is gone; on another machine, whether its time is up."""
    if named.get("host") == _place():
        own = named.get("process", "")
        return process_name(int(own.partition("@")[0] or 0)) != own
    return time.time() > float(named.get("until", 0))


def process_name(pid: int) -> str:
    """Name a process for as long as the machine runs: its number may come again; '' where it has ended.

    Linux tells when a process began in ticks since the machine started, which no change of the clock alters;
    and it lists one that has ended until its parent asks.
    """
    if not Path("/proc/self/stat").exists():
        with suppress(psutil.NoSuchProcess):
            return f"{pid}@{psutil.Process(pid).create_time():.0f}"
        return ""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in _ENDED else f"{pid}@{rest[18]}"


def _place() -> str:
    """Name where a process's number means something: machines, and containers of one, may share a name."""
    own = [Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")]
    began = own[0].read_text().strip() if own[0].exists() else f"{psutil.boot_time():.0f}"
    space = str(own[1].readlink()) if own[1].exists() else ""
    return " ".join([socket.gethostname(), began, space]).strip()
