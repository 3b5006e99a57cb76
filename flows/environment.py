"""What has to be set before Prefect, DVC and MLflow are imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tasks.process import collect_seldom

__all__ = ["enter"]

_QUIET = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Read when onnxruntime is imported; without it a device id is kept in ~/.cache.
    "ORT_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
_PREFECT = {
    # A loaded machine needs longer than the default 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # Stages log to `espalier`; the flow's own lines are for the UI, the terminal shows the stages.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "espalier",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


def enter(root: Path) -> None:
    """Make `root` the workspace of this process: current folder, import path, where the tools keep state.

    What the environment sets already is respected; nothing is kept in the home directory.
    """
    state = root / ".espalier"
    places = {
        "PREFECT_HOME": state / "prefect",
        "DVC_SITE_CACHE_DIR": state / "dvc",
        "MPLCONFIGDIR": state / "matplotlib",
    }
    for name, value in (_QUIET | _PREFECT | {key: str(place) for key, place in places.items()}).items():
        os.environ.setdefault(name, value)
    collect_seldom()
    # `python -m` finds the workspace's nets/ in the current folder; a console script does not look there.
    sys.path.insert(0, str(root))
    os.chdir(root)
