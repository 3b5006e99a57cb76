"""`espalier ui` serves both pages on loopback and takes its servers with it."""

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.server]


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_both_pages_are_served_and_end_with_the_command(project):
    environment = {name: value for name, value in project.environment.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-u", "-c", "from flows.cli import main; main()", "ui"]
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        urls = []
        for line in process.stdout:
            urls += re.findall(r"^(?:MLflow|Prefect) +(http://[^/\s]+)", line)
            if "Ctrl-C" in line:
                break
        until = time.monotonic() + 120
        while not all(map(answers, urls)) and time.monotonic() < until:
            time.sleep(0.2)
        served = [answers(url) for url in urls]
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert served == [True, True]
    assert process.returncode == 0
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
