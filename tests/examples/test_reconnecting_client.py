"""The client that connects again: it goes on behind a lost connection, and tells the attempt."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from goim_edu.transport import WebSocket
from tests.chatting import run, running_server
from tests.examples.counting import EXAMPLES, PEERS

NAME = "reconnecting_client.py"


@pytest.mark.parametrize("folder", [EXAMPLES, PEERS], ids=["ours", "peer"])
def test_it_goes_on_behind_a_lost_connection(folder: Path) -> None:
    guests: list[WebSocket] = []

    async def feed(ws: WebSocket) -> None:
        """Say which connection this is, and end it in a new way each time."""
        guests.append(ws)
        await ws.send(f"connection {len(guests)}")
        if len(guests) == 1:
            await ws.close(1011, "a fault")
        elif len(guests) == 2:
            await ws.ping()  # so that the message has arrived
            ws.connection.abort()
        await ws.wait_closed()

    async def test() -> None:
        async with running_server() as server:
            server.routes["/feed"] = feed
            client = await asyncio.create_subprocess_exec(
                *(sys.executable, str(folder / NAME), f"{server.base_url}/feed"),
                stdout=PIPE,
                stderr=PIPE,
                env=os.environ | {"WEBSOCKETS_BACKOFF_INITIAL_DELAY": "0.1"},
            )
            assert client.stdout is not None
            try:
                for number in (1, 2, 3):
                    line = await asyncio.wait_for(client.stdout.readline(), 30)
                    assert line.decode().strip() == f"connection {number}"
            finally:
                client.kill()
                _, log = await client.communicate()
            if folder is EXAMPLES:
                attempts = [line for line in log.decode().splitlines() if "again" in line]
                reasons = [line.partition("why=")[2] for line in attempts]
                assert reasons == [f"'the connection ended with {code}'" for code in (1011, 1006)]

    run(test())
