from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tasks import tracking
from tasks.config import load_params
from tasks.errors import EspalierError, lost_connection
from tasks.recorder import Recorder

KILLED = """
import os, signal, sys
from pathlib import Path
from tasks.recorder import Recorder

if __name__ == "__main__":
    with Recorder(Path(sys.argv[1])) as recorder:
        print(*recorder._pool._processes, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_result_is_recorded_registered_and_found_again(workspace: Path, lock: Mapping[str, str]) -> None:
    params = load_params(workspace)
    with Recorder(workspace) as recorder:
        recorded = recorder.record(params, [], flow_run_id="f", lock=lock)
        registered = recorder.register(params, recorded)

    assert not recorded.existing
    assert registered.version == "1"
    assert tracking.record(workspace, params, [], flow_run_id=None, lock=lock).run_id == recorded.run_id


def test_a_server_that_is_not_there_is_told_before_anything_is_computed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(EspalierError, match="does not answer"), Recorder(workspace):
        raise AssertionError("computing began")


def test_a_refusal_crosses_over_with_its_reason(workspace: Path, lock: Mapping[str, str]) -> None:
    with Recorder(workspace) as recorder:
        recorder.root = workspace / "nowhere"
        with pytest.raises(EspalierError, match="nowhere") as refused:
            recorder.record(load_params(workspace), [], flow_run_id=None, lock=lock)

    assert not lost_connection(refused.value)


def test_a_recorder_that_was_killed_is_told_in_one_line(workspace: Path, lock: Mapping[str, str]) -> None:
    with Recorder(workspace) as recorder:
        for process in recorder._pool._processes:
            os.kill(process, signal.SIGKILL)
        with pytest.raises(EspalierError, match="ended from outside"):
            recorder.record(load_params(workspace), [], flow_run_id=None, lock=lock)


def test_a_recorder_goes_with_the_process_that_started_it(workspace: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    started = subprocess.run([sys.executable, script, workspace], stdout=subprocess.PIPE, text=True)

    left = [psutil.Process(int(pid)) for pid in started.stdout.split() if psutil.pid_exists(int(pid))]
    assert started.returncode == -signal.SIGKILL
    assert started.stdout
    assert psutil.wait_procs(left, timeout=60)[1] == []


def test_what_its_log_handlers_hold_back_is_written_before_it_ends(workspace: Path, tmp_path: Path) -> None:
    held_back = f"""if True:
        import logging.handlers

        file = logging.FileHandler({str(tmp_path / "log")!r})
        logging.getLogger("held").addHandler(logging.handlers.MemoryHandler(100, target=file))
        logging.getLogger("held").warning("held back")
    """
    with Recorder(workspace) as recorder:
        recorder._pool.submit(exec, held_back, {}).result()
    assert (tmp_path / "log").read_text() == "held back\n"
