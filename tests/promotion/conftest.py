"""A registry with four versions and no model behind them: what is tested here moves aliases."""

import shutil

import pytest

from tasks.promotion.ledger import Ledger
from tasks.promotion.versions import CHALLENGER
from tasks.tracking.store import open_client

NAME = "testbed"


@pytest.fixture
def client(tmp_path, empty_database):
    database = tmp_path / ".espalier" / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    shutil.copy(empty_database, database)
    opened = open_client(tmp_path)
    opened.create_registered_model(NAME)
    for number in range(1, 5):
        opened.create_model_version(NAME, source=(tmp_path / f"model-{number}").as_uri())
    opened.set_registered_model_alias(NAME, CHALLENGER, "1")
    return opened


@pytest.fixture
def ledger(client, tmp_path):
    return Ledger(client, tmp_path, NAME)
