"""What has to be set before Prefect, DVC and MLflow are imported, and how to be rid of them."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path

__all__ = ["enter", "leave"]

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
    # Importing Prefect, MLflow and PyTorch makes a million objects that stay: looking through them again and
    # again for garbage costs a tenth of a run.
    gc.set_threshold(100_000, 50, 100)
    # `python -m` finds the workspace's nets/ in the current folder; a console script does not look there.
    sys.path.insert(0, str(root))
    os.chdir(root)


def leave(code: int) -> None:
    """End the process without taking apart what it imported, which costs part of a second.

    No exit handler that is still to come is called. Of those registered by an import, before anything else,
    logging's is needed: log handlers write out what they hold back.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
