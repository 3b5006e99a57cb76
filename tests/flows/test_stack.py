import os
from dataclasses import replace

import psutil
import pytest

from flows import stack as module
from flows.services import Service, Started, project
from flows.stack import Stack
from tasks.alive import end_family
from tasks.errors import EspalierError

SLEEPS = ("timeit", "-n1", "-r1", "import time; time.sleep(600)")
ENDS = ("timeit", "-n1", "-r1", "pass")


@pytest.fixture
def stack():
    return Stack("http://127.0.0.1:1/api", "http://127.0.0.1:2")


@pytest.fixture
def ended():
    """End what a test started, however it ended."""
    begun = []
    yield begun
    for held in begun:
        for name in held.processes:
            process = module._process(held, name)
            if process:
                end_family(process)


def service(command=SLEEPS, well=lambda began: True):
    return Service("sleeper", command, well, "nowhere")


def test_what_is_noted_is_read_back(tmp_path, stack):
    whole = replace(stack, processes={"prefect": Started(1, 2.5)}, deployed="abc", foreign=("mlflow",))
    module._kept(tmp_path, whole)
    assert module.read(tmp_path) == whole
    assert module.read(tmp_path / "elsewhere") is None


def test_a_service_is_started_once_and_found_again(tmp_path, stack, ended):
    first = module._ensured(tmp_path, stack, [service()])
    ended.append(first)
    assert module._ensured(tmp_path, first, [service()]) == first
    assert module.read(tmp_path) == first


def test_a_service_that_died_is_started_anew(tmp_path, stack, ended):
    first = module._ensured(tmp_path, stack, [service()])
    end_family(module._process(first, "sleeper"))
    second = module._ensured(tmp_path, first, [service()])
    ended.append(second)
    assert second.processes["sleeper"].pid != first.processes["sleeper"].pid


def test_a_service_that_ends_at_once_is_told_with_its_log(tmp_path, stack):
    with pytest.raises(EspalierError, match=r"sleeper does not come up; its log is .*sleeper\.log"):
        module._ensured(tmp_path, stack, [service(ENDS, well=lambda began: False)])


def test_a_process_with_a_noted_id_that_began_at_another_time_is_a_stranger(stack):
    own = psutil.Process()
    at = replace(stack, processes={"sleeper": Started(own.pid, own.create_time() - 60)})
    assert module._process(at, "sleeper") is None
    at = replace(stack, processes={"sleeper": Started(own.pid, own.create_time())})
    assert module._process(at, "sleeper") == own


def test_servers_that_the_environment_names_are_used_and_not_ours_to_stop(stack, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:8")
    found = module._addressed(None)
    assert (found.prefect, found.mlflow) == ("http://127.0.0.1:9/api", "http://127.0.0.1:8")
    assert set(found.foreign) == {"prefect", "mlflow"}


def test_the_servers_of_the_stack_itself_are_no_strangers(stack, monkeypatch):
    own = psutil.Process()
    alive = Started(own.pid, own.create_time())
    running = replace(stack, processes={"prefect": alive, "mlflow": alive})
    monkeypatch.setenv("PREFECT_API_URL", running.prefect)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running.mlflow)
    assert module._addressed(running) == running


def test_down_says_where_nothing_is_up(tmp_path):
    said = []
    module.down(tmp_path, said.append)
    assert said == ["nothing is up"]
    assert module.status(tmp_path)[0] is False


def test_the_deployments_are_those_of_the_project_around_the_workspace(tmp_path):
    inner = tmp_path / "examples" / "adult"
    inner.mkdir(parents=True)
    with pytest.raises(EspalierError, match=r"no prefect\.yaml"):
        project(inner)
    (tmp_path / "prefect.yaml").touch()
    assert project(inner) == project(tmp_path) == tmp_path


def test_a_command_uses_the_servers_that_are_up_and_answer(tmp_path, stack, monkeypatch):
    from flows import asking, environment, services

    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    module._kept(tmp_path, stack)
    environment._use_stack(tmp_path)
    assert "PREFECT_API_URL" not in os.environ
    assert "MLFLOW_TRACKING_URI" not in os.environ
    monkeypatch.setattr(asking, "answers", lambda url, seconds: url == stack.prefect)
    monkeypatch.setattr(services, "mlflow_answers", lambda url: url == stack.mlflow)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:3")
    monkeypatch.setenv("PREFECT_API_URL", "to be removed afterwards")
    monkeypatch.delenv("PREFECT_API_URL")
    environment._use_stack(tmp_path)
    assert os.environ["PREFECT_API_URL"] == stack.prefect
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:3"


def test_the_stack_stays_down_for_a_block_and_one_that_is_up_is_named(tmp_path, stack):
    own = psutil.Process()
    module._kept(tmp_path, replace(stack, processes={"mlflow": Started(own.pid, own.create_time())}))
    refused = pytest.raises(EspalierError, match=r"restore: still up: mlflow; `espalier down`")
    with refused, module.stopped(tmp_path, "restore"):
        pass
    module._kept(tmp_path, replace(stack, processes={"mlflow": Started(own.pid, own.create_time() - 60)}))
    with module.stopped(tmp_path, "restore"):
        pass
