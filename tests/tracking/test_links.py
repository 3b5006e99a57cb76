"""Which server the links lead to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.tracking import links


@pytest.fixture
def listener() -> Iterator[str]:
    """The address of a port where somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield f"http://127.0.0.1:{opened.getsockname()[1]}"


def test_links_lead_to_the_port_that_the_ui_serves_on(tmp_path: Path, listener: str) -> None:
    with links.served(tmp_path, listener):
        assert links.server(tmp_path) == listener
        assert links.how_to_open(tmp_path) == ""
    assert links.server(tmp_path) == links.LOCAL_SERVER


def test_where_nothing_is_served_it_is_said_how_to(tmp_path: Path) -> None:
    assert "espalier ui" in links.how_to_open(tmp_path)


def test_the_note_of_a_server_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with links.served(tmp_path, gone):
        assert links.server(tmp_path) == links.LOCAL_SERVER


def test_a_server_that_is_set_comes_first(
    tmp_path: Path, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example/")
    with links.served(tmp_path, listener):
        assert links.server(tmp_path) == "http://tracking.example"
        assert links.how_to_open(tmp_path) == ""
