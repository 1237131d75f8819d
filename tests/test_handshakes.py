"""A crowd that comes at once is let in little by little, and told when to come again."""

from __future__ import annotations

import asyncio

import pytest

from goim_edu.client import Backoff, ChatClient, connect
from goim_edu.errors import HandshakeError
from tests.chatting import http, run, running_server


def test_more_than_the_rate_are_asked_to_come_later() -> None:
    async def test() -> None:
        async with running_server(handshake_rate=5) as server:
            answers = await asyncio.gather(
                *(connect(f"{server.base_url}/echo") for _ in range(12)), return_exceptions=True
            )
            refused = [one for one in answers if isinstance(one, HandshakeError)]
            assert 6 <= len(refused) <= 7  # a twelfth of a second may have passed
            assert {one.status for one in refused} == {503}
            later = [int(dict(one.headers)["Retry-After"]) for one in refused]
            assert all(1 <= seconds <= 5 for seconds in later)
            assert server.handshakes.deferred == len(refused)
            figures = (await http(server.port, "/metrics"))[2].decode()  # a page is no handshake
            assert f"goim_handshakes_deferred_total {len(refused)}.0" in figures

    run(test())


@pytest.mark.timeout(60)
def test_clients_come_in_when_it_is_their_turn() -> None:
    async def test() -> None:
        async with running_server(handshake_rate=4) as server:

            async def come(number: int) -> None:
                backoff = Backoff(0.1, 0.2)
                async with ChatClient(server.url, f"user {number}", ["lobby"], backoff=backoff):
                    pass

            await asyncio.gather(*map(come, range(12)))
            assert server.handshakes.deferred > 0

    run(test())


def test_what_asks_for_no_websocket_is_not_counted() -> None:
    async def test() -> None:
        async with running_server(handshake_rate=0.001) as server:
            for _ in range(3):
                assert (await http(server.port, "/"))[0] == 200
                assert (await http(server.port, "/chat"))[0] == 426
            async with connect(f"{server.base_url}/echo") as ws:  # the one of a second
                await ws.send("in")
                assert await ws.recv() == "in"
            with pytest.raises(HandshakeError, match="too many are coming in"):
                await connect(f"{server.base_url}/chat")
            assert (await http(server.port, "/chat"))[0] == 426

    run(test())


def test_the_rate_can_be_changed_while_it_serves() -> None:
    async def test() -> None:
        async with running_server() as server:
            for _ in range(2):
                await asyncio.gather(*(connect(f"{server.base_url}/echo") for _ in range(5)))
                assert server.handshakes.deferred == 0
                server.handshakes.rate = 1000.0
            server.handshakes.rate = 0.001
            await connect(f"{server.base_url}/echo")
            with pytest.raises(HandshakeError) as refused:
                await connect(f"{server.base_url}/echo")
            assert refused.value.status == 503

    run(test())


def test_by_default_all_come_in() -> None:
    async def test() -> None:
        async with running_server() as server:
            await asyncio.gather(*(connect(f"{server.base_url}/echo") for _ in range(50)))
            assert server.handshakes.deferred == 0

    run(test())
