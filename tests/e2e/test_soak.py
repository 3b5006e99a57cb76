"""Ten of the kills of `make soak`."""

import json
import sys

import pytest

from tests.e2e.conftest import SOURCE

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(900)]


def test_ten_commands_killed_at_random_moments_lose_double_and_leave_nothing(project):
    path = f"{project.root}:{SOURCE}"
    soak = [sys.executable, "-m", "tests.soak", "--kills", "10", "--workspace", str(project.root)]
    ended = project.command(*soak, check=False, timeout=880, PYTHONPATH=path)
    found = json.loads(ended.stdout.strip().splitlines()[-1])
    assert not found["wrong"], "\n".join(found["wrong"])
    assert ended.returncode == 0
    assert found["kills"] >= 10  # the last round may kill more than once
