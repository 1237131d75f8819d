"""A peer on a slow line lives as long as it reads; one that reads nothing is given up."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from goim_edu.server import ChatServer
from goim_edu.transport import Connection, Engine
from goim_edu.transport.progress import Unread, acknowledged
from goim_edu.transport.slow_reader import PORTION, SlowReader
from goim_edu.websocket.frames import Opcode, build_frame
from tests.chatting import KEY, RawClient, run, running_server, until
from tests.transport.test_transport import Recorder, plug

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what was read")

SMALL = 16 * 1024
PONG = build_frame(b"", Opcode.PONG, mask_key=KEY)


class SlowLine:
    """A client whose socket holds little, and which reads only when it is told to."""

    def __init__(self, link: socket.socket, connection: Connection) -> None:
        self.link = link
        self.connection = connection

    @classmethod
    async def to(cls, server: ChatServer) -> SlowLine:
        client = await RawClient.come(server.port)
        (connection,) = server._connections
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        link = client.writer.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        ours = connection.transport.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * SMALL)
        same = socket.socket(fileno=socket.dup(link.fileno()))
        same.setblocking(False)
        return cls(same, connection)

    def read(self, size: int) -> int:
        try:
            return len(self.link.recv(size))
        except BlockingIOError:
            return 0


def on_a_slow_line(
    test: Callable[[ChatServer, SlowLine], Awaitable[None]], **settings: Any
) -> None:
    async def main() -> None:
        async with running_server(None, **settings) as server:
            line = await SlowLine.to(server)
            try:
                await test(server, line)
            finally:
                line.link.close()

    run(main())


def test_the_kernel_tells_what_the_peer_has_taken() -> None:
    async def test(server: ChatServer, line: SlowLine) -> None:
        transport = line.connection.transport
        begin = acknowledged(transport) or 0
        assert begin > 0  # the answer to the handshake
        line.connection.write(b"x" * 100)
        await until(lambda: (acknowledged(transport) or 0) == begin + 100)
        assert Unread.before_ping(transport, 0) is None
        for _ in range(100):
            line.connection.write(b"x" * SMALL)
        await until(lambda: line.connection.congested)
        unread = Unread.before_ping(transport, line.connection.queued)
        assert unread is not None
        await asyncio.sleep(0.05)
        unread.shrinks()
        assert not unread.shrinks()
        seen = 0
        while not unread.gone:
            line.read(SMALL)
            await asyncio.sleep(0.001)
            seen += unread.shrinks()
        assert seen > 1
        assert not unread.shrinks()

    on_a_slow_line(test)


def test_a_peer_that_reads_on_is_not_silent() -> None:
    """It answers no Ping, since each stands behind data; but it goes on reading that."""

    async def test(server: ChatServer, line: SlowLine) -> None:
        line.connection.write(b"x" * (60 * SMALL))  # all of it fits into buffers
        for _ in range(120):
            line.read(SMALL // 2)
            await asyncio.sleep(0.02)
        assert server.engine.stats.silent_closed == 0
        await until(lambda: server.engine.stats.silent_closed == 1)  # now that it reads no more

    on_a_slow_line(test, heartbeat_interval=0.15, heartbeat_timeout=0.4)


def test_a_peer_that_reads_nothing_is_silent() -> None:
    async def test(server: ChatServer, line: SlowLine) -> None:
        line.connection.write(b"x" * (60 * SMALL))
        await until(lambda: server.engine.stats.silent_closed == 1)

    on_a_slow_line(test, heartbeat_interval=0.15, heartbeat_timeout=0.4)


def test_a_peer_that_hangs_is_silent_although_its_system_takes_octets() -> None:
    async def test(server: ChatServer, line: SlowLine) -> None:
        async def talk() -> None:
            while server.engine.stats.silent_closed == 0:
                line.connection.write(b"x")
                await asyncio.sleep(0.01)

        await asyncio.wait_for(talk(), 10)

    on_a_slow_line(test, heartbeat_interval=0.15, heartbeat_timeout=0.4)


# ---------------------------------------------------------------------- slow readers


def test_a_reader_that_catches_up_may_owe_more() -> None:
    slow = SlowReader(acknowledged=1000)
    assert slow.catches_up(1000, now=1.0)  # it is given time to begin
    assert slow.catches_up(1000 + PORTION - 1, now=5.0)
    assert not slow.catches_up(1000 + PORTION - 1, now=6.0)
    assert slow.catches_up(1000 + PORTION, now=7.0)
    assert slow.catches_up(1000 + PORTION + 10, now=11.0)
    assert not slow.catches_up(1000 + PORTION + 10, now=13.0)
    assert slow.catches_up(1000 + 3 * PORTION, now=14.0)


def test_where_nobody_tells_nothing_is_promised() -> None:
    assert not SlowReader(None).catches_up(10**9, now=1.0)
    assert not SlowReader(0).catches_up(None, now=1.0)

    async def test() -> None:
        _, pipe = plug(Recorder(), engine=Engine())
        assert acknowledged(pipe) is None
        assert Unread.before_ping(pipe, 1000) is None

    run(test())


def test_one_that_was_away_long_catches_up_while_others_talk() -> None:
    """What it missed is more than the limit, and comes at once; then the others go on."""

    async def test(server: ChatServer, line: SlowLine) -> None:
        line.connection.write(b"x" * 2_000_000)
        got = 0
        while got < 1_500_000:
            for _ in range(8):
                got += line.read(SMALL)
                await asyncio.sleep(0.001)
            line.connection.write(b"y" * 2000)
        assert server.engine.stats.slow_closed == 0

    on_a_slow_line(test, queue_limit=1_000_000)


def test_one_that_does_not_read_is_cut_and_bounded() -> None:
    async def test(server: ChatServer, line: SlowLine) -> None:
        most = 0
        while server.engine.stats.slow_closed == 0:
            line.connection.write(b"y" * 2000)
            await asyncio.sleep(0)
            most = max(most, line.connection.queued)
        assert most <= 100_000 + PORTION + 2000  # its bound, and what the socket was offered

    on_a_slow_line(test, queue_limit=100_000)
