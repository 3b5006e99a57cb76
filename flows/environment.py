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
_MLFLOW = {
    # Its server would start eight processes more for its jobs, which are of language models.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}

_PATIENCE = 5.0


def enter(root: Path) -> None:
    """Make `root` the workspace of this process: current folder, import path, where the tools keep state.

    What the environment sets already is respected; nothing is kept in the home directory. Servers that
    `espalier up` started are used.
    """
    state = root / ".espalier"
    places = {
        "PREFECT_HOME": state / "prefect",
        "DVC_SITE_CACHE_DIR": state / "dvc",
        "MPLCONFIGDIR": state / "matplotlib",
    }
    here = {key: str(place) for key, place in places.items()}
    for name, value in (_QUIET | _PREFECT | _MLFLOW | here).items():
        os.environ.setdefault(name, value)
    _use_stack(root)
    collect_seldom()
    # `python -m` finds the workspace's nets/ in the current folder; a console script does not look there.
    sys.path.insert(0, str(root))
    os.chdir(root)


def _use_stack(root: Path) -> None:
    """Let this process use the servers of `espalier up`, where they answer."""
    note = root / ".espalier" / "stack.json"
    if not note.exists():
        return
    from flows.asking import answers
    from flows.services import mlflow_answers
    from flows.stack import read

    stack = read(root)
    if stack and "PREFECT_API_URL" not in os.environ and answers(stack.prefect, _PATIENCE):
        os.environ["PREFECT_API_URL"] = stack.prefect
    if stack and "MLFLOW_TRACKING_URI" not in os.environ and mlflow_answers(stack.mlflow):
        os.environ["MLFLOW_TRACKING_URI"] = stack.mlflow
