"""The gate on real results: promote, refuse, ask a person, roll back, and what the ledger says of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tasks.serving.notes import noted
from tests.e2e.conftest import copied

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(900)]

HALF = ["prune.method=structured", "prune.amount=0.5"]
WIDE = ["promote.margin=0.9", "promote.classes.loss=null", "promote.max_calibration_error=null"]
SMALLER = ["prune.method=structured", "prune.amount=0.7"]


@pytest.fixture(scope="module")
def challenged_once(finished, tmp_path_factory, prefect_url):
    """A project with a challenger made at a commit, held to wide limits: the first result has none yet."""
    copy = copied(finished, tmp_path_factory.mktemp("challenged") / "project", prefect_url)
    copy.run(*WIDE, *HALF)
    return copy


@pytest.fixture
def challenged(challenged_once, tmp_path, prefect_url):
    return copied(challenged_once, tmp_path / "project", prefect_url)


@pytest.fixture(scope="module")
def asked_once(challenged_once, tmp_path_factory, prefect_url):
    """The same where a person is asked every time."""
    copy = copied(challenged_once, tmp_path_factory.mktemp("asked") / "project", prefect_url)
    copy.run("promote.require_approval=always")
    return copy


@pytest.fixture
def asked(asked_once, tmp_path, prefect_url):
    return copied(asked_once, tmp_path / "project", prefect_url)


def judged(project, *words, code=0, **environment):
    ended = project.espalier("promote", "--json", *words, check=False, **environment)
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout)


def told(project):
    return json.loads(project.espalier("history", "--json").stdout)


def by_hand(project, alias, version):
    """Move an alias as somebody does in MLflow's page."""
    move = (
        "from pathlib import Path; from tasks.tracking.store import open_client; "
        f"open_client(Path.cwd()).set_registered_model_alias('espalier-digits', '{alias}', '{version}')"
    )
    project.command(sys.executable, "-c", move)


def test_a_life_first_champion_successor_rollback(challenged):
    project = challenged
    first = judged(project)
    assert first["decision"]["why"] == "there is no champion yet"
    assert first["champion"] == "2"
    checks = {check["name"]: check["outcome"] for check in first["decision"]["checks"]}
    assert {"answers without torch", "parity with the pipeline", "lineage"} <= set(checks)
    assert set(checks.values()) == {"passed"}

    ended = project.espalier("promote", check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "there is no challenger" in ended.stderr

    project.run(*SMALLER)
    second = judged(project)
    assert "smaller" in second["decision"]["why"]
    assert second["entry"]["moves"] == {"champion": ["2", "3"], "previous": [None, "2"]}

    project.espalier("rollback", "--why", "calls from the branch offices")
    ledger = told(project)
    assert [entry["action"] for entry in ledger["entries"]] == ["rollback", "promote", "promote"]
    assert ledger["entries"][0]["moves"] == {"champion": ["3", "2"], "previous": ["2", "3"]}
    assert ledger["contradictions"] == []

    text = project.espalier("history").stdout
    assert "calls from the branch offices" in text
    assert max(map(len, text.splitlines())) <= 80

    project.espalier("rollback", "--why", "the line was broken, not the model")  # it was told: another one
    assert told(project)["entries"][0]["moves"] == {"champion": ["2", "3"], "previous": ["3", "2"]}


class Serving(BaseHTTPRequestHandler):
    """Answers as a process that serves the champion, in the state that its server is given."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.state).encode())

    def do_POST(self):
        self.server.asked.set()
        self.do_GET()

    def log_message(self, *_):
        pass


@contextmanager
def serving(root):
    """A process that serves the champion of a workspace, as far as a rollback can tell."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Serving) as server:
        server.state, server.asked = {"version": "2", "refused": None, "trouble": ""}, threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with noted(root, f"http://127.0.0.1:{server.server_port}", "espalier-digits", "champion"):
            yield server
        server.shutdown()


def test_a_rollback_that_moved_and_was_stopped_or_not_served_is_finished_by_the_same_command(challenged):
    project, words = challenged, ("rollback", "--why", "calls")
    for alias, version in (("champion", "2"), ("previous", "1")):
        by_hand(project, alias, version)
    with serving(project.root) as server:
        with subprocess.Popen(
            [sys.executable, "-c", "from flows.cli import main; main()", *words],
            cwd=project.root,
            env=project.environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as stopped:
            assert server.asked.wait(120)
            stopped.send_signal(signal.SIGINT)
            _, err = stopped.communicate(timeout=120)
        assert (stopped.returncode, "`espalier history` says what has moved" in err) == (130, True), err

        server.state = {"version": "2", "refused": "1", "trouble": "it asks for more columns"}
        refused = project.espalier(*words, check=False)
        assert refused.returncode == 5, refused.stderr
        assert "version 1 is the champion now" in refused.stderr

        server.state = {"version": "1", "refused": None, "trouble": ""}
        assert "finished what was interrupted: calls" in project.espalier(*words).stdout
    entries = [entry for entry in told(project)["entries"] if entry["action"] == "rollback"]
    assert [entry["moves"] and entry["moves"]["champion"] for entry in entries] == [None, None, ["2", "1"]]
    assert told(project)["contradictions"] == []


def test_a_challenger_that_is_worse_is_refused_and_a_person_cannot_overrule(challenged):
    project = challenged
    judged(project)
    project.run(
        "promote.margin=0.001", "prune.method=structured", "prune.amount=0.95", "prune.finetune.epochs=0"
    )
    ended = project.espalier("promote", "--approve", "--why", "I like it", check=False)
    assert ended.returncode == 4, ended.stderr
    assert "reject" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80
    entry = told(project)["entries"][0]
    assert (entry["action"], entry["moves"]) == ("reject", None)


def test_where_a_person_is_asked_for_yes_and_no_count_and_silence_moves_nothing(asked):
    project = asked
    waiting = judged(project, code=4)
    assert "nobody has answered" in waiting["entry"]["why"]
    declined = judged(project, "--decline", "--why", "not on a Friday", code=4)
    assert declined["entry"]["action"] == "declined"
    assert "not on a Friday" in declined["entry"]["why"]
    assert judged(project, "--approve", "--why", "looked at it")["champion"] == "2"


FLOW = """
import sys
from pathlib import Path
from flows.environment import enter
root = enter(Path.cwd())
from flows.promote import promote
print(promote(Path.cwd()).entry.why)
"""


SCHEDULED_PROMOTE = """
from pathlib import Path
from flows.environment import enter
enter(Path.cwd())
from flows.triggered import promote
state = promote(".", return_state=True)
print(state.type.value, state.name, state.message)
"""


@contextmanager
def paused(project, flow):
    """Run a promotion until it waits for a person; yield its process, the client and the flow run."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType

    process = subprocess.Popen(
        [sys.executable, "-c", flow],
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=["PAUSED"])))
    with get_client(
        sync_client=True, httpx_settings={"base_url": project.environment["PREFECT_API_URL"]}
    ) as client:
        until = time.monotonic() + 120
        while not (found := client.read_flow_runs(flow_run_filter=waiting)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
        yield process, client, found[0].id


def test_the_flow_waits_for_a_person_in_prefect_and_goes_on_with_the_answer(asked):
    answer = {"approve": True, "name": "Ada", "reason": "read every line"}
    with paused(asked, FLOW) as (process, client, run):
        client.resume_flow_run(run, run_input=answer)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Ada: read every line" in out
    assert told(asked)["entries"][0]["moves"]["champion"] == [None, "2"]


def test_while_the_flow_waits_the_terminal_answers_and_the_flow_ends_by_itself(asked):
    with paused(asked, SCHEDULED_PROMOTE) as (process, _, _):
        said = judged(asked, "--approve", "--why", "looked at it")
        out, _ = process.communicate(timeout=120)
    assert said["champion"] == "2"
    assert "COMPLETED Nothing to do" in out
    assert "looked at it" in out
    assert [entry["state"] for entry in told(asked)["entries"]] == ["done", "gave way"]
    assert not (asked.root / ".espalier" / "logs" / "alerts.jsonl").exists()


def test_a_champion_made_by_hand_is_noticed_and_kept(challenged):
    project = challenged
    by_hand(project, "champion", "2")
    assert any("moved by hand" in text for text in told(project)["contradictions"])
    assert "version 2 is the champion already" in project.espalier("promote", check=False).stderr
    assert [entry["action"] for entry in told(project)["entries"]] == ["by hand", "promote"]


def test_a_result_is_refused_until_a_commit_has_made_it(project):
    ended = project.espalier("promote", check=False)
    assert ended.returncode == 4
    assert "no git commit is recorded" in ended.stdout
    assert set(project.run().values()) == {"skipped"}
    lineage = next(c for c in judged(project, code=4)["decision"]["checks"] if c["name"] == "lineage")
    assert lineage["outcome"] == "passed"


SCHEDULED = """
from pathlib import Path
from flows.environment import enter
from tasks.config import apply_overrides
enter(Path.cwd())
apply_overrides(Path.cwd(), WORDS)
from flows.scheduled import compress
compress(Path.cwd())
"""


def test_what_a_scheduled_run_made_apart_is_judged_as_it_was_made(project):
    lock = (project.root / "dvc.lock").read_bytes()
    project.command(sys.executable, "-c", SCHEDULED.replace("WORDS", repr([*WIDE, *HALF])))
    assert judged(project)["champion"] == "2"
    assert (project.root / "dvc.lock").read_bytes() == lock
    assert len(project.git("worktree", "list").stdout.splitlines()) == 1


def test_nothing_registered_and_no_reason_are_one_line(project):
    project.run("registry.name=unheard")
    for words, wanted in (
        (("rollback", "--why", "x"), "there is no previous champion"),
        (("rollback", "--to", "99", "--why", "x"), "no version 99"),
        (("promote", "--approve"), "--why: say why"),
    ):
        ended = project.espalier(*words, check=False)
        assert ended.returncode == 1, ended.stdout
        assert wanted in ended.stderr
        assert "Traceback" not in ended.stderr
