"""`espalier serve` with a Prefect server of its own, ended in every way that it can be."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from flows.services import SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.server]

PATIENCE = 120
DEPLOYMENTS = """
deployments:
- name: greet
  entrypoint: greeting.py:greet
  schedules:
  - interval: 86400
"""
SERVE = (
    "from pathlib import Path; from flows.environment import enter; here = Path.cwd(); enter(here); "
    "from flows.serve import serve; serve(here, lambda text: print(text, flush=True))"
)


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "prefect.yaml").write_text(DEPLOYMENTS)
    (tmp_path / "greeting.py").write_text("from prefect import flow\n\n\n@flow\ndef greet(): pass\n")
    return tmp_path


@contextmanager
def serving(workspace):
    """The process, and its server and watch, once the schedules are on."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=workspace,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout:
                if line.startswith("Ctrl-C stops"):
                    break
            yield process, psutil.Process(process.pid).children()
        finally:
            process.kill()


def test_sigterm_ends_it_as_ctrl_c_does(workspace):
    with serving(workspace) as (process, children):
        server = next(one for one in children if "flows.prefect_server" in one.cmdline())
        assert {name: server.environ().get(name) for name in SETTINGS} == SETTINGS
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert "the schedules are paused" in said.splitlines()[-1]
    assert "never awaited" not in said
    assert psutil.wait_procs(children, PATIENCE)[1] == []


def test_its_server_and_its_watch_end_with_it_when_it_is_killed(workspace):
    with serving(workspace) as (process, children):
        assert len(children) == 2
        process.kill()
        assert psutil.wait_procs(children, PATIENCE)[1] == []
    (told,) = (workspace / ".espalier" / "logs" / "alerts.jsonl").read_text().splitlines()
    assert json.loads(told)["kind"] == "server"
