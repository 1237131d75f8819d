"""The client of the ``websockets`` library at our server by TLS: large messages, many at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
import websockets.asyncio.client

from goim_edu.server import ChatServer
from tests.serving_tls import tls_server

peer = websockets.asyncio.client.connect

LOOPS = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
NewLoop = Callable[[], asyncio.AbstractEventLoop]
Come = Callable[[], Any]


@asynccontextmanager
async def echo(compression: str | None) -> AsyncIterator[tuple[ChatServer, Come]]:
    """A server, and what connects to its echo."""
    size = 1 << 21
    settings = {"max_message_size": size, "queue_limit": 1 << 24, "echo_rate": 1e12}
    async with tls_server(**settings) as (server, trusting):
        uri = f"{server.base_url}/echo"
        yield server, lambda: peer(uri, ssl=trusting, compression=compression, max_size=size)


@LOOPS
@pytest.mark.parametrize("compression", ["deflate", None])
def test_large_messages_come_back_as_they_were(new_loop: NewLoop, compression: str | None) -> None:
    async def test() -> None:
        async with echo(compression) as (_, come), come() as ws:
            dice = random.Random(1)
            for size in (0, 16_384, 32_767, 32_768, 32_769, 262_145, 1 << 20):
                for message in ("好" * (size // 3), dice.randbytes(size)):
                    await ws.send(message)
                    assert await ws.recv() == message
            pieces = [dice.randbytes(dice.choice([1, 1000, 70_000])) for _ in range(40)]
            await ws.send(pieces)
            assert await ws.recv() == b"".join(pieces)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(test(), 60))


@LOOPS
def test_many_at_once_do_not_meet(new_loop: NewLoop) -> None:
    """They are all read by way of one buffer."""

    async def chat(come: Come, number: int) -> None:
        dice = random.Random(number)
        async with come() as ws:
            messages = [dice.randbytes(dice.randrange(1 << 20)) for _ in range(4)]

            async def speak() -> None:
                for message in messages:
                    await ws.send(message)

            speaking = asyncio.create_task(speak())  # while the echo of the first ones comes
            assert [await ws.recv() for _ in messages] == messages
            await speaking

    async def test() -> None:
        async with echo(None) as (server, come):
            await asyncio.gather(*(chat(come, number) for number in range(12)))
            assert server.engine.stats.tls_failed == 0

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(test(), 60))
