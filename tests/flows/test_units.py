"""The units in deploy/systemd, as systemd reads them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
NAMES = ["espalier@.service", "espalier-look@.service", "espalier-look@.timer"]


@pytest.fixture
def verified(tmp_path):
    """Have systemd verify the units for a workspace; returns what it has to say."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    units, workspace = tmp_path / "units", tmp_path / "churn"
    units.mkdir()
    command = workspace / ".venv" / "bin" / "espalier"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    instance = subprocess.run(
        ["systemd-escape", "-p", str(workspace)], capture_output=True, text=True, check=True
    ).stdout.strip()

    def verify(change=lambda text: text):
        named = [units / name.replace("@.", f"@{instance}.") for name in NAMES]
        for name, path in zip(NAMES, named, strict=True):
            path.write_text(change((UNITS / name).read_text()))
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_UNIT_PATH": f"{units}:"}
        ended = subprocess.run(
            ["systemd-analyze", "--user", "verify", *map(str, named)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return f"{ended.stdout}{ended.stderr}" if ended.returncode or ended.stderr else ""

    return verify


def test_systemd_has_nothing_to_say_of_the_units(verified):
    assert verified() == ""


def test_a_mistake_would_be_told(verified):
    assert "espaliers" in verified(lambda text: text.replace("/espalier up", "/espaliers up"))


def test_the_units_call_commands_that_exist():
    from flows.cli import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    lines = (UNITS / "espalier@.service").read_text().splitlines()
    called = {line.rpartition("espalier ")[2] for line in lines if line.startswith("Exec")}
    assert called == {"up", "down"}
    assert called <= known
