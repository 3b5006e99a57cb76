import subprocess

import pytest

from tasks import versioning

CONFIG = "[core]\n    analytics = false\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n"


def workspace_in(place, remote="../remote", ignored=""):
    """Make a workspace in a Git repository of its own, with a remote beside it."""
    workspace = place / "workspace"
    workspace.mkdir()
    subprocess.run(["git", "init", "-q", str(workspace)], check=True)
    versioning.init_workspace(workspace, config=CONFIG.format(url=remote), ignored=ignored)
    return workspace


@pytest.fixture
def fresh(tmp_path):
    return workspace_in(tmp_path)
