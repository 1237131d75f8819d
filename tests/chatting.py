"""A server of our own in this event loop, people who chat on it, and links that can fail."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Self

import msgspec

from goim_edu.chat.vocabulary import BSON, JSON, Codec
from goim_edu.client import connect
from goim_edu.server import ChatServer, ServerConfig
from goim_edu.store import MessageStore, open_store
from goim_edu.transport import WebSocket
from goim_edu.websocket.frames import build_frame

_guests: list[Person | RawClient] = []  # whoever came to the server of the running test

PATIENCE = 30.0  # seconds until a test gives up waiting for something
KEY = bytes.fromhex("37fa213d")


@asynccontextmanager
async def running_server(
    store: MessageStore | None = None, **settings: Any
) -> AsyncIterator[ChatServer]:
    """A server on a free port; its messages are in memory unless it is given a store."""
    own = store is None
    store = open_store("memory") if store is None else store
    try:
        async with ChatServer(
            ServerConfig.of(**{"port": 0, "presence_grace": 0.0} | settings), store
        ) as server:
            try:
                yield server
            finally:
                send_home()
    finally:
        if own:
            await asyncio.to_thread(store.close)


class Person:
    """Somebody who chats; what is said to them is kept in ``heard`` until it is asked for."""

    def __init__(self, ws: WebSocket, codec: Codec) -> None:
        self.ws = ws
        self.codec = codec
        self.heard: list[dict[str, Any]] = []
        self.user_id = ""
        self._number = 0

    @classmethod
    async def come(
        cls, server: ChatServer, user_id: str = "", *, codec: Codec = JSON, **options: Any
    ) -> Self:
        """Connect, and say hello unless the name is empty."""
        url = f"{server.base_url}/chat"
        person = cls(await connect(url, subprotocols=[codec.name], **options), codec)
        _guests.append(person)
        if user_id:
            await person.ask(type="hello", user_id=user_id)
            person.user_id = user_id
        return person

    def go(self) -> None:
        """Vanish."""
        self.ws.connection.abort()

    async def tell(self, **message: Any) -> None:
        """Say something, right or wrong."""
        await self.ws.send(self._write(message))

    def _write(self, message: dict[str, Any]) -> str | bytes:
        if self.codec is BSON:
            import bson

            return bson.encode(message)
        return msgspec.json.encode(message).decode()

    def _read(self, data: str | bytes) -> dict[str, Any]:
        if self.codec is BSON:
            import bson

            return bson.decode(data)  # type: ignore[arg-type]
        loose: dict[str, Any] = msgspec.json.decode(data)
        return loose

    async def listen(self) -> dict[str, Any]:
        """The next thing that is said to us."""
        async with asyncio.timeout(PATIENCE):
            return self._read(await self.ws.recv())

    async def hear(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """The next thing of this kind with these fields; what comes before it is kept."""
        for index, message in enumerate(self.heard):
            if _fits(message, kind, wanted):
                return self.heard.pop(index)
        while True:
            message = await self.listen()
            if _fits(message, kind, wanted):
                return message
            self.heard.append(message)

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Say something and wait for the answer to just that."""
        self._number += 1
        ref = f"ask{self._number}"
        await self.tell(**message, ref=ref)
        while True:
            answer = await self.listen()
            if answer.get("ref") == ref:
                return answer
            self.heard.append(answer)

    async def join(self, room_id: str = "lobby", **options: Any) -> dict[str, Any]:
        """Enter a room."""
        return await self.ask(type="join", room_id=room_id, **options)

    async def say(
        self, text: str, key: str | None = None, room_id: str = "lobby"
    ) -> dict[str, Any]:
        """Say something in a room; the ack."""
        key = key or f"{self.user_id}-{self._number}"
        return await self.ask(type="send", room_id=room_id, client_msg_id=key, text=text)

    async def closed(self) -> tuple[int | None, str]:
        """Wait for the end; the close code and the reason."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while True:
                    self.heard.append(self._read(await self.ws.recv()))
            await self.ws.wait_closed()
        return self.ws.close_code, self.ws.close_reason


def expect(guest: Person | RawClient) -> None:
    """Have it go when the test ends, in any way."""
    _guests.append(guest)


def send_home() -> None:
    """All guests of the running test vanish."""
    for guest in _guests:
        guest.go()
    _guests.clear()


def _fits(message: dict[str, Any], kind: str, wanted: dict[str, Any]) -> bool:
    return message["type"] == kind and all(message.get(k) == v for k, v in wanted.items())


async def until(condition: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = monotonic() + within
    while not condition():
        if monotonic() > end:
            raise TimeoutError("it did not become so in time")
        await asyncio.sleep(0.005)


class RawClient:
    """A bare socket that has, or has not, done the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def come(cls, port: int, path: str | None = "/echo", *headers: str) -> Self:
        """Connect; with a path also do the handshake."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        _guests.append(client)
        if path is not None:
            client.send(upgrade(port, path, *headers))
            head = await client.read_until(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(head.decode())
        return client

    def send(self, data: bytes) -> None:
        """Write these octets."""
        self.writer.write(data)

    def send_text(self, text: str) -> None:
        """Write one masked text frame."""
        self.send(build_frame(text, mask_key=KEY))

    async def read(self, size: int) -> bytes:
        """Exactly so many octets."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(size)

    async def read_until(self, mark: bytes) -> bytes:
        """All up to and with the mark."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(mark)

    async def read_all(self) -> bytes:
        """All until the server closes; a reset is an end too."""
        data = b""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionResetError):
                while piece := await self.reader.read(1 << 16):
                    data += piece
        return data

    def go(self) -> None:
        """Vanish."""
        self.writer.transport.abort()

    def reset(self) -> None:
        """Hang up without a goodbye (RST)."""
        link = self.writer.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


def upgrade(port: int, path: str, *headers: str) -> bytes:
    """A good opening handshake, with more header lines."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def http(
    port: int, path: str, *headers: str, method: str = "GET"
) -> tuple[int, bytes, bytes]:
    """Ask over plain HTTP; status, head and body."""
    client = await RawClient.come(port, None)
    lines = [f"{method} {path} HTTP/1.1", *(headers or (f"Host: 127.0.0.1:{port}",))]
    client.send(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await client.read_all()
    client.go()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head, body


class Link:
    """A wire between client and server that can go silent without a word (no FIN, no RST)."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.silent = False
        self.deaf = False  # nothing comes back from the target
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers += [writer, there_writer]
        for source, sink, back in ((reader, there_writer, False), (there_reader, writer, True)):
            task = asyncio.get_running_loop().create_task(self._pump(source, sink, back))
            self._tasks.add(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                if not (self.silent or (back and self.deaf)):
                    sink.write(data)
            if not self.silent:
                sink.close()

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        if self._server is not None:
            self._server.close()


def run(test: Awaitable[None], within: float = 60.0) -> None:
    """Run a test's coroutine, but not for ever."""

    async def bounded() -> None:
        try:
            async with asyncio.timeout(within):
                await test
        finally:
            send_home()
            await asyncio.sleep(0)  # for their connections to end

    asyncio.run(bounded())
