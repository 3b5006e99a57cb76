"""What of prefect.yaml cannot be served is one line."""

from pathlib import Path

import pytest

from flows.stated import stated
from tasks.errors import EspalierError

SETTINGS = Path(__file__).resolve().parents[2] / "prefect.yaml"
FLOW = "entrypoint: flows.triggered.promote"


def read(folder, text):
    path = folder / "prefect.yaml"
    path.write_text(text)
    return list(stated(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deployments: [", "cannot be read: while parsing"),
        ("- 1", "write `deployments:` and below it a list"),
        ("deployments: 3", "write `deployments:` and below it a list"),
        ("deployments: [x]", "'x' is no deployment"),
        ("deployments: [{name: x}]", "deployment x: has no entrypoint"),
        (f"deployments: [{{{FLOW}}}]", "has no name"),
        ("deployments: [{name: x, entrypoint: flows.triggered.promot}]", "'promot' not found in"),
        ("deployments: [{name: x, entrypoint: 'nowhere.py:flow'}]", "deployment x: .*nowhere.py"),
        (f"deployments: [{{name: x, {FLOW}, colour: red}}]", "does not know colour"),
        (f"deployments: [{{name: x, {FLOW}, concurrency_limit: abc}}]", "deployment x: .*concurrency_limit"),
        (f"deployments: [{{name: x, {FLOW}, schedules: [{{cron: never}}]}}]", "deployment x: .*cron"),
        (f"deployments: [{{name: x, {FLOW}, schedules: [{{crown: '0 1 * * *'}}]}}]", "has no crown"),
    ],
)
def test_what_cannot_be_served_is_one_line(tmp_path, text, said):
    with pytest.raises(EspalierError, match=said) as found:
        read(tmp_path, text)
    assert "\n" not in str(found.value)


def test_what_this_project_states_is_read(tmp_path):
    found = read(tmp_path, SETTINGS.read_text("utf-8"))
    assert {"compress", "promote", "monitor", "study", "predict"} <= {one.name for one in found}
