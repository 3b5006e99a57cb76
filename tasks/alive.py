"""A process known by its id and the time it began: ids come again."""

from __future__ import annotations

import psutil

__all__ = ["running"]

_SAME_SECONDS = 1.0


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
