"""One task receives at a time, on either side; pings that wait; what was refused is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from goim_edu.client import connect
from goim_edu.errors import LocalProtocolError
from goim_edu.transport import ConcurrencyError, Connection, ConnectionClosed, WebSocket
from goim_edu.websocket.events import Pong
from tests.chatting import run, running_server, until


def kind(data: object) -> str:
    """The name of a case; the text of an object would hold its address."""
    return type(data).__name__


@asynccontextmanager
async def both_sides() -> AsyncIterator[dict[str, WebSocket]]:
    """The two ends of one connection."""
    ends: dict[str, WebSocket] = {}

    async def keep(ws: WebSocket) -> None:
        ends["server"] = ws
        await ws.wait_closed()

    async with running_server() as server:
        server.routes["/keep"] = keep
        async with connect(f"{server.base_url}/keep") as ends["client"]:
            await until(lambda: len(ends) == 2)
            yield ends


async def next_of_loop(ws: WebSocket) -> Any:
    async for message in ws:
        return message
    return "the end"


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("second", ["recv", "loop"])
@pytest.mark.parametrize("first", ["recv", "loop"])
def test_two_that_receive_at_once(first: str, second: str, side: str) -> None:
    async def test() -> None:
        async with both_sides() as ends:
            ws, peer = ends[side], ends["client" if side == "server" else "server"]
            waiting = asyncio.create_task(ws.recv() if first == "recv" else next_of_loop(ws))
            await asyncio.sleep(0)
            with pytest.raises(ConcurrencyError, match="another task"):
                await (ws.recv() if second == "recv" else next_of_loop(ws))
            await peer.send("for the first")
            assert await waiting == "for the first"
            await peer.send("and again")  # the refusal has harmed nothing
            assert await ws.recv() == "and again"

    run(test())


def test_the_first_of_two_hears_of_the_end() -> None:
    async def test() -> None:
        async with both_sides() as ends:
            first = asyncio.create_task(ends["client"].recv())
            await asyncio.sleep(0)
            with pytest.raises(ConcurrencyError):
                await ends["client"].recv()
            ends["server"].connection.abort()
            with pytest.raises(ConnectionClosed):
                await first

    run(test())


def test_a_message_that_is_on_its_way_to_a_task_is_not_taken_by_another() -> None:
    async def test() -> None:
        async with both_sides() as ends:
            ws = ends["client"]
            first = asyncio.create_task(ws.recv())
            await asyncio.sleep(0)
            ws._messages.append("woken, but it has not run yet")
            ws._wake()
            with pytest.raises(ConcurrencyError):
                await ws.recv()
            assert await first == "woken, but it has not run yet"

    run(test())


def test_one_after_the_other_may_receive() -> None:
    async def test() -> None:
        async with both_sides() as ends:
            ws = ends["client"]
            first = asyncio.create_task(ws.recv())
            await asyncio.sleep(0)
            first.cancel()
            second = asyncio.create_task(ws.recv())  # before the first has run to its end
            await asyncio.wait({first})
            await ends["server"].send("hi")
            assert await second == "hi"
            assert first.cancelled()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.01)
            await ends["server"].send("later")
            assert await ws.recv() == "later"

    run(test())


# ---------------------------------------------------------------------- pings


def test_pings_at_once() -> None:
    async def test() -> None:
        async with both_sides() as ends:
            ws = ends["client"]
            first = asyncio.create_task(ws.ping(b"same"))
            await asyncio.sleep(0)
            with pytest.raises(ConcurrencyError, match="same"):
                await ws.ping(bytearray(b"same"))
            assert await first > 0
            assert await ws.ping(b"same") > 0
            assert all(trip > 0 for trip in await asyncio.gather(*(ws.ping() for _ in range(9))))

    run(test())


def test_one_pong_may_answer_all_pings_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6455 §5.5.3: a peer may answer the latest ping only."""

    async def test() -> None:
        async with both_sides() as ends:
            ws = ends["client"]
            monkeypatch.setattr(Connection, "ping", lambda *_: None)  # so no pong comes
            pings = [asyncio.create_task(ws.ping(name)) for name in (b"1", b"2", b"3")]
            await asyncio.sleep(0)
            ws.on_events(ws.connection, [Pong(b"2")])
            await asyncio.wait(pings[:2])
            assert [ping.done() for ping in pings] == [True, True, False]
            pings[2].cancel()

    run(test())


@pytest.mark.parametrize(
    ("payload", "error"),
    [(b"x" * 126, LocalProtocolError), ("text", TypeError), (7, TypeError), ([1], TypeError)],
)
def test_a_ping_that_was_refused_is_not_remembered(payload: Any, error: type[Exception]) -> None:
    async def test() -> None:
        async with both_sides() as ends:
            ws = ends["client"]
            with pytest.raises(error):
                await ws.ping(payload)
            assert not ws._pings
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await ws.ping(b"given up")
            assert not ws._pings

    run(test())


@pytest.mark.parametrize("data", [None, 0, {}, [1, 2], 1.5, object()], ids=kind)
@pytest.mark.parametrize("side", ["client", "server"])
def test_what_is_neither_text_nor_octets_is_refused(side: str, data: Any) -> None:
    async def test() -> None:
        async with both_sides() as ends:
            ws, peer = ends[side], ends["client" if side == "server" else "server"]
            for refused in (ws.send(data), ws.close(1000, data)):
                with pytest.raises(TypeError, match=type(data).__name__):
                    await refused
            await ws.send("still open")
            assert await peer.recv() == "still open"

    run(test())
