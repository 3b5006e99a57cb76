import subprocess

import pytest

from tasks import versioning

CONFIG = "[core]\n    analytics = false\n    remote = storage\n['remote \"storage\"']\n    url = ../remote\n"


@pytest.fixture
def fresh(tmp_path):
    """A workspace in a Git repository of its own, with a remote beside it."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    subprocess.run(["git", "init", "-q", str(workspace)], check=True)
    versioning.init_workspace(workspace, config=CONFIG, ignored="")
    return workspace
