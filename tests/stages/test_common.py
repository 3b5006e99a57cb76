import json
from pathlib import Path

import pytest

from tasks.artifacts import Layout
from tasks.errors import ConfigError, EspalierError, Problem
from tasks.stages.common import stage_main, timed


def test_the_seconds_of_a_stage_are_written_when_it_ends_well(tmp_path):
    layout = Layout(tmp_path)
    with timed(layout, "clean"):
        pass
    assert json.loads(layout.timing("clean").read_text())["stage"] == "clean"


def test_the_seconds_of_an_interrupted_attempt_count(tmp_path):
    layout = Layout(tmp_path)
    with timed(layout, "train") as watch:
        watch.earlier = 60.0
    assert json.loads(layout.timing("train").read_text())["seconds"] >= 60.0


def test_a_stage_that_fails_leaves_no_time(tmp_path):
    with pytest.raises(ValueError, match="broken"), timed(Layout(tmp_path), "clean"):
        raise ValueError("broken")
    assert not Layout(tmp_path).timing("clean").exists()


def test_a_stage_runs_in_the_current_folder_with_its_arguments(tmp_path, monkeypatch):
    seen = []
    monkeypatch.chdir(tmp_path)
    stage_main(lambda root, *arguments: seen.append((root, arguments)), "reference")
    assert seen == [(Path.cwd(), ("reference",))]


@pytest.mark.parametrize(
    ("error", "code"), [(EspalierError("one line"), 1), (ConfigError([Problem("a", 1, "rule")]), 2)]
)
def test_an_expected_failure_becomes_its_exit_code(error, code):
    def fail(_root):
        raise error

    with pytest.raises(SystemExit) as ended:
        stage_main(fail)
    assert ended.value.code == code
