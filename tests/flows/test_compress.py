import ast
import inspect
from pathlib import Path

from prefect.task_engine import TaskRunTimeoutError

from flows import compress as module
from tasks import lifecycle, pipeline, versioning
from tasks.orchestration import NETWORK

PROJECT = Path(__file__).resolve().parents[2]


def calls(names):
    """Tasks of `names` in the order in which the flow's text calls or submits them."""
    tree = ast.parse(inspect.getsource(module))
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = [func for func in called if isinstance(func, ast.Attribute)]
    called = [func.value if func.attr == "submit" else func for func in called]
    found = [(func.lineno, func.attr) for func in called if func.attr in names]
    return [name for _, name in sorted(found)]


def test_the_flow_runs_every_stage_of_the_graph_after_those_it_waits_for():
    graph = versioning.stage_graph(PROJECT)
    order = calls(graph)
    assert sorted(order) == sorted(graph)
    assert all(order.index(before) < order.index(name) for name in graph for before in graph[name])


def test_the_stages_are_listed_in_the_order_of_the_flow():
    assert list(pipeline.STAGES) == calls(pipeline.STAGES)


def test_files_are_pushed_before_a_model_that_needs_them_is_registered():
    assert calls({"push", "register"}) == ["push", "register"]
    assert calls({"record", "register"}) == ["record", "register"]


def test_only_what_crosses_a_network_is_retried():
    retried = {
        name for name in [*pipeline.STAGES, "push", "record", "register"] if getattr(pipeline, name).retries
    }
    assert retried == {"fetch", "push", "record", "register"}


def test_a_lost_connection_is_retried_and_a_mistake_is_not():
    from prefect.client.schemas.objects import State, StateType

    class Failed(State):
        def result(self, raise_on_failure=True):
            return self.data

    def judged(error):
        state = Failed(type=StateType.FAILED, data=error)
        return NETWORK["retry_condition_fn"](None, None, state)

    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = ConnectionResetError()
    assert judged(ConnectionRefusedError())
    assert judged(wrapped)
    assert judged(TimeoutError("the server's"))
    assert not judged(ValueError("a mistake"))
    assert not judged(TaskRunTimeoutError("the task's own"))


def test_what_moves_aliases_is_never_retried():
    assert lifecycle.act.retries == lifecycle.roll_back.retries == 0
