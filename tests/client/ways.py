"""The client in all its ways, asyncio, uvloop and threads, and the proxies that it goes through."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
import trustme
from websockets.asyncio.server import Server, ServerConnection, serve, unix_serve
from websockets.http11 import Request, Response

from goim_edu.client import connect, sync

WAYS = ["asyncio", "uvloop", "threads"]
PATIENCE = 20.0  # seconds until a test gives up


class Threads:
    """A WebSocket of the client for threads, behind the face of the other one."""

    def __init__(self, ws: sync.WebSocket) -> None:
        self.ws = ws

    async def send(self, data: str | bytes) -> None:
        await asyncio.to_thread(self.ws.send, data)

    async def recv(self) -> str | bytes:
        return await asyncio.to_thread(self.ws.recv, PATIENCE)

    async def close(self) -> None:
        await asyncio.to_thread(self.ws.close)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ws, name)


@asynccontextmanager
async def opened(way: str, uri: str, **options: Any) -> AsyncIterator[Any]:
    """A WebSocket, opened in this way."""
    ws: Any
    if way == "threads":
        ws = Threads(await asyncio.to_thread(sync.connect, uri, **options))
    else:
        ws = await connect(uri, **options)
    try:
        yield ws
    finally:
        await ws.close()


async def answer_of(way: str, uri: str, text: str = "hello", **options: Any) -> str | bytes:
    """What the server says to a text."""
    async with opened(way, uri, **options) as ws:
        await ws.send(text)
        return await ws.recv()  # type: ignore[no-any-return]


async def refusal_of(way: str, uri: str, **options: Any) -> Exception:
    """The error with which it is not opened."""
    with pytest.raises(Exception) as refused:
        async with opened(way, uri, **options):
            pass
    return refused.value


def run_way(way: str, test: Awaitable[None]) -> None:
    """Run a test in the loop of this way, but not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if way == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(bounded())


def certificates(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS of a server with these names, and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server)
    authority.configure_trust(client)
    return server, client


class Peer:
    """A server of the package ``websockets`` that echoes, and remembers what it was asked.

    Attributes:
        port: where it listens.
        asked: the requests that came.
    """

    def __init__(self, process_request: Any = None, **settings: Any) -> None:
        self.asked: list[Request] = []
        self.port = 0
        self._process_request = process_request
        self._settings = settings
        self._server: Server | None = None

    async def _look(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request)
        if self._process_request is None:
            return None
        return self._process_request(connection, request)  # type: ignore[no-any-return]

    @staticmethod
    async def _echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def __aenter__(self) -> Self:
        settings = {"process_request": self._look, **self._settings}
        if "path" in settings:
            self._server = await unix_serve(self._echo, **settings)
        else:
            self._server = await serve(self._echo, "127.0.0.1", 0, **settings)
            self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/x"


class ListeningProxy:
    """A proxy on a free port, as small as can be; it notes where its clients want to go.

    Args:
        tls: how it is spoken to, or None.
        answer: what an HTTP proxy answers instead of opening the way.

    Attributes:
        heard: for HTTP the heads of the requests, for SOCKS the hosts and ports.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, answer: bytes = b"") -> None:
        self.heard: list[Any] = []
        self.port = 0
        self._tls = tls
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._guarded, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _guarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heard.append(head)
        if self._answer:
            writer.write(self._answer)
            await writer.drain()
            writer.close()
            return
        host, _, port = head.split(" ")[1].rpartition(":")
        await self._join(reader, writer, host, int(port), b"HTTP/1.1 200 Go\r\nVia: me\r\n\r\n")

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        port: int,
        done: bytes,
    ) -> None:
        """Open the way; every name of this test leads to this machine."""
        there = await asyncio.open_connection("127.0.0.1", port)
        self._writers.append(there[1])
        writer.write(done)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.get_running_loop().create_task(self._pump(source, sink))
            self._tasks.add(task)

    @staticmethod
    async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
            sink.close()


class SocksProxy(ListeningProxy):
    """The same for SOCKS 5 (RFC 1928), with a user and a password if one is wanted (RFC 1929)."""

    def __init__(self, password: bytes = b"", refuse: int = 0) -> None:
        super().__init__()
        self._password = password
        self._refuse = refuse

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\5\2" if self._password else b"\5\0")
        if self._password:
            _, size = await reader.readexactly(2)
            await reader.readexactly(size)
            (size,) = await reader.readexactly(1)
            good = await reader.readexactly(size) == self._password
            writer.write(b"\1\0" if good else b"\1\1")
            if not good:
                writer.close()
                return
        *_, kind = await reader.readexactly(4)
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        host = await reader.readexactly(size)
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        self.heard.append((host.decode() if kind == 3 else host, port))
        reply = bytes([5, self._refuse, 0, 1, 0, 0, 0, 0, 0, 0])
        if self._refuse:
            writer.write(reply)
            writer.close()
        else:
            await self._join(reader, writer, "", port, reply)
