"""TLS with little memory: what a connection keeps, and what stays as it was for others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tracemalloc
from asyncio import sslproto

from goim_edu.client import connect
from goim_edu.serving.tls_link import BUFFER_SIZE
from tests.chatting import run, until
from tests.serving_tls import tls_server

_MANY = 40


def test_an_idle_connection_has_no_buffer_of_its_own() -> None:
    """What Python allocates for it is counted; the clients have no event loop, so no buffers."""

    def come(port: int, trusting: ssl.SSLContext) -> ssl.SSLSocket:
        link = socket.create_connection(("127.0.0.1", port), timeout=20)
        return trusting.wrap_socket(link, server_hostname="127.0.0.1")

    async def test() -> None:
        async with tls_server() as (server, trusting):
            with contextlib.ExitStack() as clients:
                clients.enter_context(await asyncio.to_thread(come, server.port, trusting))
                tracemalloc.start()
                try:
                    before = tracemalloc.get_traced_memory()[0]
                    for _ in range(_MANY):
                        clients.enter_context(await asyncio.to_thread(come, server.port, trusting))
                    await until(lambda: len(server._connections) > _MANY)
                    after = tracemalloc.get_traced_memory()[0]
                finally:
                    tracemalloc.stop()
                assert (after - before) / _MANY < 16 * 1024  # asyncio alone: 256 KiB more

    run(test())


def test_other_users_of_tls_in_this_process_are_left_as_they_are() -> None:
    before = sslproto.SSLProtocol.max_size

    async def test() -> None:
        async with tls_server() as (server, trusting):
            async with connect(f"{server.base_url}/echo", ssl=trusting) as ws:
                await ws.send("hello")
                assert await ws.recv() == "hello"
                theirs = getattr(ws.connection.transport, "_ssl_protocol")  # noqa: B009 - private
                assert type(theirs) is sslproto.SSLProtocol
            assert sslproto.SSLProtocol.max_size == before > BUFFER_SIZE

    run(test())
