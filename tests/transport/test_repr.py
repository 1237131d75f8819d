"""What a connection is called in a notebook or a log: number, side, state, peer and path."""

from __future__ import annotations

import asyncio
import re

from goim_edu.client import connect
from goim_edu.protocol import Endpoint, Side
from goim_edu.transport import WebSocket
from tests.chatting import run, running_server, until


def test_an_endpoint_says_its_side_and_state() -> None:
    client, server = Endpoint(Side.CLIENT), Endpoint(Side.SERVER)
    assert repr(client) == "<Endpoint client connecting>"
    server.receive_data(client.connect("127.0.0.1"))
    client.receive_data(server.accept())
    assert repr(client) == "<Endpoint client open>"
    assert repr(server) == "<Endpoint server open>"
    server.receive_data(client.close())
    assert repr(client) == "<Endpoint client closing>"
    assert repr(server) == "<Endpoint server ending>"


def test_a_socket_and_its_connection_say_where_they_lead() -> None:
    async def test() -> None:
        ends: list[WebSocket] = []

        async def keep(ws: WebSocket) -> None:
            ends.append(ws)
            await ws.wait_closed()

        async with running_server() as server:
            server.routes["/keep"] = keep
            async with connect(f"{server.base_url}/keep?token=secret") as ws:
                await until(lambda: bool(ends))
                there = f"open 127.0.0.1:{server.port}/keep"
                assert repr(ws) == f"<WebSocket {ws.id} client {there}>"
                assert repr(ws.connection) == f"<Connection {ws.id} client {there}>"
                form = rf"<WebSocket {ends[0].id} server open 127\.0\.0\.1:\d+/keep>"
                assert re.fullmatch(form, repr(ends[0]))
                assert "secret" not in repr(ws) + repr(ends[0])
            assert re.fullmatch(r"<WebSocket \d+ client closed .*/keep>", repr(ws))

    run(test())


def test_a_socket_that_leads_nowhere_yet_is_new() -> None:
    async def test() -> None:
        assert repr(WebSocket()) == "<WebSocket new>"
        await asyncio.sleep(0)

    run(test())
