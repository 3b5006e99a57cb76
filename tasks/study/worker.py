"""Processes that compute trials for the threads of this one.

Two trainings in two threads of a process are not the trainings they are alone: initial weights, dropout and
shuffles are drawn from one generator of the process, and the number of BLAS threads and the deterministic
mode are switches of the process too. So a trial that is asked for in a thread is computed by another process,
one at a time in each, which is kept for the next.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from tasks.errors import EspalierError
from tasks.process import collect_seldom

__all__ = ["WorkerLostError", "main", "stop", "stop_idle", "trial"]

_PROJECT = Path(__file__).resolve().parents[2]
_TRIES = 2


class WorkerLostError(EspalierError):
    """A process that computed a trial has ended under it."""


class _Worker:
    """A process that answers one JSON line with another."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, (str(_PROJECT), os.environ.get("PYTHONPATH"))))
        self.stopped = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tasks.study.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the process that asked
            text=True,
        )

    def ask(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Have a trial computed.

        Raises
        ------
        WorkerLostError
            When the process ends before it answers.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(call) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise WorkerLostError(f"the process that computed a trial was ended ({self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """End the process; what it was at is lost up to its last checkpoint."""
        self.stopped = True
        self._process.kill()
        self._process.wait()


_idle: list[_Worker] = []
_all: set[_Worker] = set()
_taking = threading.Lock()


def trial(call: Mapping[str, Any]) -> dict[str, Any]:
    """Have `run_trial` called with these arguments in another process, and return what it returned.

    Raises
    ------
    WorkerLostError
        When `stop` was called, or two processes in turn ended under the trial.
    EspalierError
        What the machine is to blame for: a full disk.
    """
    for left in reversed(range(_TRIES)):
        worker = _taken()
        try:
            answer = worker.ask(call)
        except WorkerLostError:
            _dropped(worker)
            if worker.stopped or not left:
                raise
            continue
        except BaseException:
            _dropped(worker)
            raise
        with _taking:
            _idle.append(worker)
        return _opened(answer)
    raise AssertionError  # the last try returns or raises


def _taken() -> _Worker:
    with _taking:
        if _idle:
            return _idle.pop()
        worker = _Worker()
        _all.add(worker)
        return worker


def _dropped(worker: _Worker) -> None:
    with _taking:
        _all.discard(worker)
    if not worker.stopped:
        worker._process.kill()
        worker._process.wait()


def _opened(answer: Mapping[str, Any]) -> dict[str, Any]:
    if "refused" in answer:
        raise EspalierError(answer["refused"])
    if "broken" in answer:
        raise RuntimeError(f"a trial broke in its process:\n{answer['broken']}")
    result: dict[str, Any] = answer["result"]
    return result


def stop() -> None:
    """End all of these processes; the trials under way raise `WorkerLostError`."""
    with _taking:
        ending = list(_all)
        _idle.clear()
        _all.clear()
    for worker in ending:
        worker.end()


def stop_idle() -> None:
    """End those of these processes that nobody waits for."""
    with _taking:
        ending = list(_idle)
        _idle.clear()
        _all.difference_update(ending)
    for worker in ending:
        worker.end()


def main() -> None:
    """Answer the calls on standard input until it closes: then whoever asked has ended."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a user's network prints is no answer
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    collect_seldom()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    calls: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin, calls), daemon=True).start()
    while True:
        answers.write(json.dumps(_answer(calls.get())) + "\n")
        answers.flush()


def _listen(asked: TextIO, calls: queue.Queue[dict[str, Any]]) -> None:
    for line in asked:
        calls.put(json.loads(line))
    os._exit(0)


def _answer(call: Mapping[str, Any]) -> dict[str, Any]:
    from tasks.study.trial import run_trial

    try:
        return {"result": run_trial(**call)}
    except EspalierError as error:
        return {"refused": str(error)}
    except Exception:  # noqa: BLE001  # it is raised where the trial was asked for
        return {"broken": traceback.format_exc()}


if __name__ == "__main__":
    main()
