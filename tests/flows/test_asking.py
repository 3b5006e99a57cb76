"""Prefect's API with a door: who is let in, and what the others are told."""

import pytest

from flows.asking import AUTH, answers, asked, require_welcome
from flows.doctor import examine
from flows.services import attendants
from flows.session import server
from tasks.errors import EspalierError
from tests.doorman import doorman

PAIR = "espalier:open-sesame"


@pytest.fixture(scope="module")
def api():
    with doorman(PAIR) as url:
        yield f"{url}/api"


def test_without_credentials_one_line_says_what_to_set(api, monkeypatch):
    monkeypatch.delenv(AUTH, raising=False)
    assert answers(api)
    with pytest.raises(EspalierError, match=rf"asks who you are: set {AUTH} to the NAME:PASSWORD that the"):
        require_welcome(api)


def test_wrong_credentials_are_told_and_not_repeated(api, monkeypatch):
    monkeypatch.setenv(AUTH, "espalier:wrong-word")
    with pytest.raises(EspalierError, match=f"refuses what {AUTH} says") as refused:
        require_welcome(api)
    assert "wrong-word" not in str(refused.value)


def test_with_credentials_it_is_asked_as_whoever_the_environment_names(api, monkeypatch):
    monkeypatch.setenv(AUTH, PAIR)
    require_welcome(api)
    assert asked(f"{api}/flow_runs/filter", {}) == {}


def test_a_server_that_is_not_there_is_not_a_refusal():
    require_welcome("http://127.0.0.1:9/api", seconds=1)


def test_a_flow_does_not_begin_where_it_is_not_let_in(api, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", api)
    monkeypatch.delenv(AUTH, raising=False)
    with pytest.raises(EspalierError, match="asks who you are"):
        server()


def test_a_password_in_the_address_is_refused_and_not_repeated(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://me:open-sesame@127.0.0.1:9/api")
    with pytest.raises(EspalierError, match=f"put them into {AUTH}") as refused:
        server()
    assert "sesame" not in str(refused.value)


def test_a_worker_that_may_not_be_asked_about_is_not_well(api, monkeypatch, tmp_path):
    worker, _ = attendants(tmp_path, api)
    monkeypatch.delenv(AUTH, raising=False)
    assert not worker.well(0.0)


def test_the_doctor_names_what_is_missing(api, monkeypatch, tmp_path):
    monkeypatch.setenv("PREFECT_API_URL", api)
    monkeypatch.delenv(AUTH, raising=False)
    check = next(check for check in examine(tmp_path) if check.name == "prefect at")
    assert not check.ok
    assert f"set {AUTH}" in check.remedy
