"""Link: a relay on this machine that delays, slows, silences and cuts real connections."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from time import monotonic
from typing import Final, Protocol, Self, TypedDict
from urllib.parse import urlsplit, urlunsplit

from goim_edu.capture.recording import Direction
from goim_edu.runtime import platform
from goim_edu.transport.memory import MemoryTransport
from goim_edu.transport.memory_network import running_loop

__all__ = ["Faults", "HasPort", "Link"]

_HOST: Final = "127.0.0.1"
_START_TIMEOUT: Final = 10.0  # seconds
_STOP_TIMEOUT: Final = 10.0  # seconds
_SETTLE: Final = 0.01  # seconds
_READ: Final = 65_536  # bytes at once
_UNDER_WAY: Final = 64  # pieces that may be on their way in one direction
# SO_LINGER with zero seconds: closing sends a TCP reset, as a cut through the wire would end it.
_RESET: Final = struct.pack("ii", 1, 0)


class HasPort(Protocol):
    """A server on this machine."""

    @property
    def port(self) -> int:
        """Where it listens."""
        ...


class Faults(TypedDict, total=False):
    """What is wrong with a network: the options of a ``Link``, which describes them."""

    delay: float
    jitter: float
    rate: float | None
    chunk: int
    reorder: bool
    forgets: float | None
    seed: int


class Link:
    """A bad network between a client and a server of this machine, made of real sockets.

    Connect to ``link.port`` instead of the server's own port (``link.through(url)`` rewrites an
    address), and change the settings at any time, also while bytes are on their way.

    Thread safety: it runs in a loop of its own, in a thread where there are threads; settings and
    methods are for any other thread. ``close`` waits for the end of that loop.

    Args:
        server: a running server, or the number of its port.
        delay: seconds that every piece takes, each way.
        jitter: up to this many seconds more, at random; the order stays, as TCP keeps it.
        rate: bytes a second that pass each way; None for no limit.
        chunk: largest number of bytes in a piece; 1 delivers byte by byte.
        reorder: swap neighbouring pieces. TCP never does this: see what it saves you from.
        forgets: seconds without a byte after which the link forgets a connection, as a NAT does:
            from then on nothing passes on it, and nobody is told; None for never.
        seed: of the random numbers, so that a run can be repeated.

    Attributes:
        delay, jitter, rate, chunk, reorder, forgets: as above, to read and to set.
        passed: bytes that were delivered, by direction: ``"in"`` goes to the server.
        silent: whether nothing passes at the moment, both ways.

    >>> import socket
    >>> with socket.create_server(("127.0.0.1", 0)) as server:
    ...     with Link(server.getsockname()[1], delay=0.01) as link:
    ...         link.through("ws://127.0.0.1:1/chat").endswith(f":{link.port}/chat")
    True
    """

    def __init__(
        self,
        server: HasPort | int,
        *,
        delay: float = 0.0,
        jitter: float = 0.0,
        rate: float | None = None,
        chunk: int = _READ,
        reorder: bool = False,
        forgets: float | None = None,
        seed: int = 0,
    ) -> None:
        self.delay, self.jitter, self.rate = delay, jitter, rate
        self.chunk, self.reorder, self.forgets = chunk, reorder, forgets
        self.passed: Counter[Direction] = Counter()
        self._target = server if isinstance(server, int) else server.port
        self._chance = random.Random(seed)
        self._relays: set[_Relay] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._background = platform().background("Link")
        try:
            self._background.run(self._listen(), _START_TIMEOUT)
        except BaseException:
            self._background.close()
            raise

    async def _listen(self) -> None:
        self._loop = running_loop()
        self._open: dict[Direction, asyncio.Event] = {
            "in": asyncio.Event(),
            "out": asyncio.Event(),
        }
        self._restore()
        self._listener = await asyncio.start_server(self._accept, _HOST, 0)
        self.port: int = self._listener.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        # Connections that are just being opened are still accepted: asyncio leaks a socket that it
        # accepts while the listener closes.
        await asyncio.sleep(_SETTLE)
        self._listener.close()
        for relay in tuple(self._relays):
            relay.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._relay(reader, writer))
        self._tasks.add(task)

        def forget(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                _reset(writer)  # the link was closed before the server was reached

        task.add_done_callback(forget)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(_HOST, self._target)
        except OSError:
            _reset(writer)  # nobody listens at the other end
            return
        relay = _Relay(self, (reader, writer), there)
        self._relays.add(relay)
        try:
            await relay.run()
        finally:
            self._relays.discard(relay)

    # ------------------------------------------------------------------ what can go wrong

    @property
    def silent(self) -> bool:
        """Whether nothing passes at the moment."""
        return not any(open_.is_set() for open_ in self._open.values())

    @property
    def connections(self) -> int:
        """How many connections go through it now."""
        return len(self._relays)

    def silence(self, direction: Direction | None = None) -> None:
        """Let nothing pass any more, and tell nobody: an unplugged cable, a NAT that has forgotten.

        Args:
            direction: only this one: with ``"out"`` a request still arrives, its answer does not.
        """
        directions = tuple(self._open) if direction is None else (direction,)

        def shut() -> None:
            for one in directions:
                self._open[one].clear()

        self._background.call(shut)

    def restore(self) -> None:
        """Let everything pass again; what the link has kept meanwhile arrives late.

        TCP on a real cable would do the same by sending it again.
        """
        self._background.call(self._restore)

    def _restore(self) -> None:
        for open_ in self._open.values():
            open_.set()

    def cut(self) -> int:
        """End all connections at once with a TCP reset; return how many that were."""
        relays = tuple(self._relays)

        def reset() -> None:
            for relay in relays:
                relay.reset()

        self._background.call(reset)
        return len(relays)

    def through(self, url: str) -> str:
        """Return ``url`` with the host and port of this link.

        >>> urlsplit("ws://127.0.0.1:80/chat").path
        '/chat'
        """
        return urlunsplit(urlsplit(url)._replace(netloc=f"{_HOST}:{self.port}"))

    def close(self) -> None:
        """Close it and all connections through it; twice does no harm."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(RuntimeError):  # its loop has ended already
                self._background.run(self._end(), _STOP_TIMEOUT)
            self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lateness(self) -> float:
        """Return how long the next piece takes, in seconds."""
        return self.delay + self._chance.random() * self.jitter

    async def until_open(self, *directions: Direction) -> None:
        """Wait until the link is open in all of these directions; default: in both."""
        for direction in directions or tuple(self._open):
            await self._open[direction].wait()

    async def pass_piece(self, size: int, direction: Direction, busy_until: float) -> float:
        """Wait until a piece may arrive; return when the line is free for the next one."""
        await self.until_open(direction)
        if self.rate:
            busy_until = max(busy_until, monotonic()) + size / self.rate
            await asyncio.sleep(busy_until - monotonic())
            await self.until_open(direction)
        self.passed[direction] += size
        return busy_until

    def __repr__(self) -> str:
        faults = [f"delay={self.delay:g}"] if self.delay else []
        faults += [f"jitter={self.jitter:g}"] if self.jitter else []
        faults += [f"rate={self.rate:g}"] if self.rate else []
        faults += [f"chunk={self.chunk}"] if self.chunk < _READ else []
        faults += ["reorder"] if self.reorder else []
        faults += [f"forgets={self.forgets:g}"] if self.forgets else []
        faults += ["silent"] if self.silent else []
        return f"<Link: {', '.join(faults) or 'no faults'}>"


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Piece = tuple[float, bytes]  # when it may arrive, and its bytes


class _Relay:
    """One connection through a link: two sockets, and what is on its way between them."""

    def __init__(self, link: Link, client: Ends, server: Ends) -> None:
        self._link = link
        self._client, self._server = client, server
        self._last = monotonic()  # when the latest piece came
        self._forgotten = False

    async def run(self) -> None:
        """Carry bytes until both sides have ended, or one has failed."""
        pumps = [
            asyncio.create_task(self._carry("in", self._client[0], self._server[1])),
            asyncio.create_task(self._carry("out", self._server[0], self._client[1])),
        ]
        try:
            await asyncio.gather(*pumps)
            for _, writer in (self._client, self._server):
                writer.close()
        except OSError:
            await self._link.until_open()  # through a silent link nobody learns anything
            if self._is_forgotten():
                await asyncio.Future()  # nor on a forgotten connection, until the link is closed
            self.reset()  # one side has failed: the other one learns it this way
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def reset(self) -> None:
        """End both sockets at once."""
        for _, writer in (self._client, self._server):
            _reset(writer)

    async def _carry(
        self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        under_way: asyncio.Queue[Piece] = asyncio.Queue(_UNDER_WAY)
        delivery = asyncio.create_task(self._deliver(direction, under_way, writer))
        try:
            while data := await reader.read(_READ):
                if self._is_forgotten():
                    continue
                self._last = monotonic()
                for piece in self._pieces(data):
                    await under_way.put((monotonic() + self._link.lateness(), piece))
            if self._is_forgotten():
                await asyncio.Future()
            await under_way.put((monotonic() + self._link.delay, b""))
            await delivery
        finally:
            delivery.cancel()

    def _is_forgotten(self) -> bool:
        limit = self._link.forgets
        if limit is not None and monotonic() - self._last > limit:
            self._forgotten = True
        return self._forgotten

    def _pieces(self, data: bytes) -> list[bytes]:
        size = max(self._link.chunk, 1)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        if self._link.reorder:
            for at in range(0, len(pieces) - 1, 2):
                pieces[at : at + 2] = reversed(pieces[at : at + 2])
        return pieces

    async def _deliver(
        self, direction: Direction, under_way: asyncio.Queue[Piece], writer: asyncio.StreamWriter
    ) -> None:
        busy_until = 0.0
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(max(due - monotonic(), 0))
            busy_until = await self._link.pass_piece(len(piece), direction, busy_until)
            if not piece:
                writer.write_eof()
                return
            writer.write(piece)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a TCP reset."""
    if isinstance(writer.transport, MemoryTransport):
        writer.transport.reset()
        return
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
