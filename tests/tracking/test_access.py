"""An MLflow server with a door: who is let in, and what the others are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import EspalierError
from tasks.tracking.access import PASSWORD, USER, require_answer
from tasks.tracking.store import open_client, reported, user
from tests.doorman import doorman


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (USER, PASSWORD):
        monkeypatch.delenv(name, raising=False)


def known(monkeypatch: pytest.MonkeyPatch, password: str = "open-sesame") -> None:
    monkeypatch.setenv(USER, "ada")
    monkeypatch.setenv(PASSWORD, password)


def test_without_credentials_one_line_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with doorman("ada:open-sesame") as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        with pytest.raises(EspalierError, match=f"asks who you are: set {USER} and {PASSWORD}"):
            open_client(tmp_path)


def test_wrong_credentials_are_told_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, "wrong-word")
    with (
        doorman("ada:open-sesame") as url,
        pytest.raises(EspalierError, match=f"refuses ada: check {USER} and {PASSWORD}") as refused,
    ):
        require_answer(url)
    assert "wrong-word" not in str(refused.value)


def test_the_right_credentials_open(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)
    with doorman("ada:open-sesame") as url:
        require_answer(f"{url}/")
    assert user() == "ada"


def test_who_may_read_and_not_write_is_sent_to_whoever_gives_rights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    known(monkeypatch)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with doorman("another:one", refusal=403) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        with pytest.raises(EspalierError, match="does not allow ada to do that"), reported(tmp_path):
            MlflowClient(url).set_registered_model_alias("model", "champion", "1")


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(EspalierError, match=f"put them into {USER} and {PASSWORD}") as refused:
        require_answer("http://ada:open-sesame@127.0.0.1:9")
    assert "sesame" not in str(refused.value)


def test_a_database_s_password_is_not_told_with_what_went_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ada:open-sesame@127.0.0.1:9/mlflow")
    with pytest.raises(EspalierError, match=r"postgresql://ada:\*\*\*@") as told, reported(tmp_path):
        raise OSError("postgresql://ada:open-sesame@127.0.0.1:9/mlflow: nobody there")
    assert "sesame" not in str(told.value)
