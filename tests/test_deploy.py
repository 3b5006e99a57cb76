"""The folder deploy/ holds together: what one file names, another has. No Docker is needed."""

from __future__ import annotations

import re
import subprocess

import pytest
from ruamel.yaml import YAML

from flows.deployments import elsewhere
from flows.services import POOL, SETTINGS
from tests.composed import DEPLOY, VARIABLE, composed, environment, example

ROOT = DEPLOY.parent
HOW_TO = (ROOT / "docs" / "how-to" / "deploy.md").read_text("utf-8")
SERVICES = composed()["services"]
FILLED = {name: value or "filled" for name, value in example().items()}


def test_every_variable_of_the_compose_file_is_in_the_example_to_fill_in():
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    needed = {name for name, kind, _ in VARIABLE.findall(text) if kind != "-"}
    assert needed <= set(example())
    optional = {name for name, kind, _ in VARIABLE.findall(text) if kind == "-"}
    assert optional <= {*example(), "ESPALIER_WEBHOOK_URL"}


def test_the_example_holds_no_secret():
    secret = re.compile("PASSWORD|SECRET|AUTH_STRING")
    assert {value for name, value in example().items() if secret.search(name)} == {""}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_an_image_and_what_it_waits_for_and_mounts_is_there(name):
    service = SERVICES[name]
    assert re.fullmatch(r"espalier|[a-z/]+:[\d.]+", service["image"])  # nobody else's 'latest'
    for other, wanted in service.get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
    for volume in service.get("volumes", []):
        place = volume.split(":")[0]
        assert (DEPLOY / place).is_file() if place.startswith(".") else place in composed()["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_a_command_or_a_check(name):
    service = SERVICES[name]
    words = [*service.get("command", []), *service.get("healthcheck", {}).get("test", [])]
    assert not any(VARIABLE.search(word) for word in words)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_names_others_by_the_port_they_listen_on(name):
    ports = {"mlflow": "5000", "prefect": "4200", "store": "8333"}
    text = " ".join([*environment(name, FILLED).values(), *SERVICES[name].get("command", [])])
    for host, port in re.findall(r"https?://(\w+):(\d+)", text):
        assert ports[host] == port
    assert environment("mlflow", FILLED)["MLFLOW_PORT"] == ports["mlflow"]
    assert environment("prefect", FILLED)["PREFECT_SERVER_API_PORT"] == ports["prefect"]


@pytest.mark.parametrize("name", ["buckets", "mlflow", "prefect", "worker", "watch"])
def test_by_hand_the_command_is_the_same(name):
    assert (
        " ".join(SERVICES[name]["command"]).replace("http://prefect:4200/api", '"$PREFECT_API_URL"') in HOW_TO
    )


@pytest.mark.parametrize("name", ["mlflow", "prefect", "worker"])
def test_by_hand_every_variable_is_named(name):
    given = set(environment(name, FILLED)) - {
        "MLFLOW_WORKERS",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION",
        "ESPALIER_WEBHOOK_URL",
    }
    stated = HOW_TO + (DEPLOY / "example.env").read_text("utf-8")
    assert [variable for variable in sorted(given) if variable not in stated] == []


def test_the_prefect_server_keeps_slots_and_tells_of_late_runs_as_that_of_this_machine_does():
    given = environment("prefect", FILLED)
    server = {name: value for name, value in SETTINGS.items() if name.startswith("PREFECT_SERVER_")}
    assert {name: given.get(name) for name in server} == server
    assert any(volume.split(":")[1] == "/home/espalier/.prefect" for volume in SERVICES["prefect"]["volumes"])
    made = re.findall(r"mkdir (.*?) &&", (DEPLOY / "Dockerfile").read_text("utf-8"))
    assert ".prefect" in made[0].split()  # a volume is its user's where the image has the folder


def test_the_image_copies_what_its_folder_lets_through():
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    copied = {word for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()}
    let = {
        line[1:]
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        if line[0] == "!"
    }
    assert copied == let
    assert all((ROOT / name).exists() for name in copied)


def test_the_deployments_elsewhere_are_those_of_this_machine_with_other_steps():
    here = (ROOT / "prefect.yaml").read_text("utf-8")
    text = (DEPLOY / "prefect.yaml").read_text("utf-8")
    assert text == elsewhere(here), "python -m flows.deployments > deploy/prefect.yaml"
    mine, theirs = (YAML(typ="safe").load(one) for one in (here, text))
    assert mine["definitions"]["pool"].pop("job_variables")
    for deployment in mine["deployments"]:
        deployment["work_pool"].pop("job_variables", None)
    assert theirs["deployments"] == mine["deployments"]
    assert theirs["definitions"] == mine["definitions"]
    assert [step.split(".")[-1] for one in theirs["pull"] for step in one] == [
        "git_clone",
        "run_shell_script",
        "set_working_directory",
    ]
    assert {deployment["work_pool"]["name"] for deployment in theirs["deployments"]} == {POOL}
    assert POOL in SERVICES["worker"]["command"]


def test_the_timer_also_begins_what_did_not_come_up_and_leaves_alone_what_was_stopped():
    units = (DEPLOY / "systemd" / f"espalier-look@.{kind}" for kind in ("service", "timer"))
    look, timer = (unit.read_text("utf-8") for unit in units)
    assert "\nExecStart=systemctl --user reload-or-restart espalier@%i.service\n" in look
    assert "\nPartOf=espalier@%i.service\n" in timer


def test_what_is_filled_in_is_not_committed():
    ended = subprocess.run(["git", "check-ignore", "deploy/.env"], cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == 0
