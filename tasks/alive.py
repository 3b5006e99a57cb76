"""A process known by its id and the time it began: ids come again."""

from __future__ import annotations

import psutil

__all__ = ["end_family", "running"]

_SAME_SECONDS = 1.0
_GRACE_SECONDS = 15.0


def running(pid: int, created: float) -> psutil.Process | None:
    """Return the process of this id that began then; None where it is gone, or ended and not yet waited for.

    Parameters
    ----------
    pid : int
    created : float
        Seconds since 1970, as `psutil.Process.create_time` says.
    """
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < _SAME_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def end_family(process: psutil.Process) -> None:
    """End a process with all it started, gently first."""
    try:
        family = [process, *process.children(recursive=True)]
        process.terminate()
    except psutil.NoSuchProcess:
        return
    psutil.wait_procs([process], timeout=_GRACE_SECONDS)
    _, left = psutil.wait_procs(family, timeout=1.0)
    for member in left:
        _killed(member)
    psutil.wait_procs(left, timeout=_GRACE_SECONDS)


def _killed(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
