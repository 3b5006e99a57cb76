"""The address that a model is served at."""

import asyncio
import socket

import pytest

from flows.serve_model import _listening
from tasks.errors import EspalierError


def test_answers_leave_without_waiting_for_the_client_to_acknowledge():
    async def delayed():
        sent = asyncio.get_running_loop().create_future()

        def accepted(_reader, writer):
            connection = writer.get_extra_info("socket")
            sent.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0)
            writer.close()

        with _listening("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(accepted, sock=listener):
                _, client = await asyncio.open_connection(*listener.getsockname())
                found = await sent
                client.close()
                return found

    assert not asyncio.run(delayed())


def test_an_address_that_is_taken_is_one_line():
    with _listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(EspalierError, match=f"127.0.0.1:{port} cannot be served at"),
            _listening("127.0.0.1", port),
        ):
            pass
