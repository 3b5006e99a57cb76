import re
from pathlib import Path

import pytest

from tasks.config import Params, overridden
from tasks.errors import ConfigError, EspalierError
from tasks.workspace import create, project_root, settings_text

PROJECT = Path(__file__).resolve().parents[1]
TEXT = (PROJECT / "params.yaml").read_text()


def keys(text):
    return [line.split("#")[0].split(":")[0] for line in text.splitlines() if ":" in line.split("#")[0]]


def test_the_template_is_the_projects_own():
    assert project_root() == PROJECT


def test_a_workspace_starts_from_the_defaults_whatever_the_root_holds():
    changed, _ = overridden(TEXT, ["reduce.columns.method=none", "train.epochs=3", "model.method=linear"])
    text, params = settings_text(changed, [])
    assert params == Params()
    assert "epochs: 20 " in text


def test_what_suits_the_data_is_set_and_the_rest_stays_commented():
    text, params = settings_text(TEXT, ["source.target=price", "reduce.columns.method=none"])
    assert params.source.target == "price"
    assert set(keys(text)) == set(keys(TEXT)) - {"    components"} | {"  target"}
    assert (
        sum("#" in line for line in text.splitlines()) >= sum("#" in line for line in TEXT.splitlines()) - 1
    )


def test_a_source_that_cannot_be_is_refused_with_its_rule_and_no_password(tmp_path):
    with pytest.raises(ConfigError, match=r"source\.uri: no password here") as caught:
        create(PROJECT / "mine", "postgresql://me:hunter2@host/db", None)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="query is needed"):
        create(PROJECT / "mine", "sqlite:///x.db", None)
    assert not (PROJECT / "mine").exists()


@pytest.mark.parametrize(
    ("uri", "query", "message"),
    [
        ("rows.csv", None, "no file {here}/rows.csv; did you mean row.csv"),
        ("sqlite:///rows.db", "select 1", "no database file behind sqlite:///{here}/rows.db"),
    ],
)
def test_files_are_looked_for_in_the_current_folder(tmp_path, monkeypatch, uri, query, message):
    (tmp_path / "row.csv").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EspalierError, match=re.escape(message.format(here=tmp_path))):
        create(PROJECT / "mine", uri, "y", query=query)


def test_a_folder_outside_the_project_is_refused(tmp_path):
    with pytest.raises(EspalierError, match="inside the project"):
        create(tmp_path / "mine", "package:digits", None)
    assert not (tmp_path / "mine").exists()


def test_a_folder_that_is_a_workspace_already_is_refused():
    with pytest.raises(EspalierError, match="inside the project"):
        create(PROJECT, "package:digits", None)


def test_a_source_that_cannot_be_read_leaves_no_folder():
    with pytest.raises(EspalierError):
        create(PROJECT / "no-such-workspace", "package:no-such-data", None)
    assert not (PROJECT / "no-such-workspace").exists()
