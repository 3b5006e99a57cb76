"""What a person sees of a model's life in MLflow's registry and in Prefect, in a real browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, replace

import pytest

from flows.embedded import answers
from tests.browser import WIDTH, page_of, shoot
from tests.e2e.conftest import Project, copied
from tests.tracking.study.test_browser import WITHOUT_ASSISTANT

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.browser, pytest.mark.timeout(900)]

NAME = "espalier-digits"
TRAINED = [
    "train.epochs=25",
    "prune.method=structured",
    "prune.finetune.epochs=15",
    "promote.margin=0.05",
    "promote.max_calibration_error=null",
]


@dataclass(frozen=True)
class Shown:
    """A project with a previous champion, a champion and a challenger, and the servers of its pages."""

    project: Project
    mlflow: str
    prefect: str


@pytest.fixture(scope="module")
def shown(finished, tmp_path_factory, prefect_url):
    project = copied(finished, tmp_path_factory.mktemp("pages") / "project", prefect_url)
    own = {name: value for name, value in project.environment.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-u", "-c", "from flows.cli import main; main()", "ui"]
    with subprocess.Popen(
        command, cwd=project.root, env=own, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as served:
        try:
            urls = []
            for line in served.stdout:
                urls += re.findall(r"^(?:MLflow|Prefect) +(http://[^/\s]+)", line)
                if "Ctrl-C" in line:
                    break
            mlflow, prefect = urls
            until = time.monotonic() + 120
            while not answers(f"{prefect}/api") and time.monotonic() < until:
                time.sleep(0.2)
            live(replace(project, environment={**own, "PREFECT_API_URL": f"{prefect}/api"}))
            yield Shown(project, mlflow, prefect)
        finally:
            served.terminate()


def live(project):
    """Promote two results one after the other, and leave a third one waiting."""
    for amount in (0.3, 0.45):
        project.run(*TRAINED, f"prune.amount={amount}")
        said = project.espalier("promote", "--json", "--approve", "--why", "looked at it", check=False).stdout
        assert json.loads(said)["entry"]["moves"], said
    project.run(*TRAINED, "prune.amount=0.55")


@pytest.fixture
def page(browser):
    opened = page_of(browser, WITHOUT_ASSISTANT)
    yield opened
    opened.context.close()


def test_champion_previous_and_challenger_stand_in_the_registry_with_their_tags(shown, page):
    page.goto(f"{shown.mlflow}/#/models/{NAME}?workflowType=machine_learning")
    wanted = {"4": ("@ challenger", ""), "3": ("@ champion", "gate: "), "2": ("@ previous", "gate: ")}
    for version, (alias, verdict) in wanted.items():
        link = page.get_by_role("link", name=f"Version {version}", exact=True)
        row = page.get_by_role("row").filter(has=link)
        row.wait_for()
        said = " ".join(row.inner_text().split())
        assert alias in said
        assert all(tag in said for tag in ("accuracy : ", "size : ", "speed : ", "verdict : ")), said
        assert verdict in said
    page.set_viewport_size({"width": WIDTH, "height": 940})
    shoot(page, "registry")


def promoted(prefect):
    """Id of the newest run of flow `promote`."""
    wanted = {"flows": {"name": {"any_": ["promote"]}}, "sort": "START_TIME_DESC", "limit": 1}
    request = urllib.request.Request(
        f"{prefect}/api/flow_runs/filter", json.dumps(wanted).encode(), {"Content-Type": "application/json"}
    )
    return json.load(urllib.request.urlopen(request))[0]["id"]


def test_a_promotion_stands_in_prefect_with_its_tasks_and_the_gates_table(shown, page):
    page.goto(f"{shown.prefect}/runs/flow-run/{promoted(shown.prefect)}")
    page.get_by_text("Completed", exact=True).first.wait_for()
    page.get_by_text("Artifacts", exact=True).first.click()
    found = page.locator("a[href*='/artifacts/artifact/']").first
    found.wait_for()
    page.wait_for_timeout(2000)  # the graph of its tasks is a drawing: nothing to wait for
    shoot(page, "promotion")
    found.click()
    page.get_by_text("not worse than the champion", exact=True).wait_for()
    page.get_by_text("answers without torch", exact=True).wait_for()
    assert "passed" in page.get_by_role("row").filter(has_text="lineage").inner_text()
    shoot(page, "gate")
