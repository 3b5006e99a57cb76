"""What `espalier study` prints of a made-up study."""

from dataclasses import replace

import pytest

from flows.study import Studied
from flows.study_command import tell
from tasks.tracking import RecordedStudy
from tests.study.made_study import summary

PAGES = {name: f"http://127.0.0.1:5000/#/{name}" for name in ("table", "front", "compare", "report")}


@pytest.fixture
def said(tmp_path):
    def said():
        made = replace(summary(), files=(tmp_path / "reports" / "study.html",))
        recorded = RecordedStudy("r1", "http://127.0.0.1:5000/#/r1", False, {}, "1", PAGES)
        lines = []
        tell(tmp_path, Studied(made, recorded, ""), tmp_path, lines.append)
        return "\n".join(lines).splitlines()

    return said


def test_every_page_is_printed_with_its_name_and_what_opens_it(said):
    lines = said()
    words = [line.split() for line in lines]
    for name, page in {**PAGES, "page": "http://127.0.0.1:5000/#/r1"}.items():
        assert [name, page] in words
    assert "MLflow      run r1" in lines
    assert "(opens while `espalier ui` runs (it says so where port 5000 is taken))" in lines


def test_but_for_addresses_it_fits_eighty_columns(said):
    assert max(len(line) for line in said() if "http" not in line) <= 80


def test_where_a_server_is_there_nothing_needs_to_be_started(said, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there:1")
    assert not any("espalier ui" in line for line in said())
