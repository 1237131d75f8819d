"""``connect``: a WebSocket client for scripts, tests and notebooks.

    async with connect("ws://127.0.0.1:8765/echo") as ws:
        await ws.send("Hello")
        print(await ws.recv())

It can also be awaited, and iterated over. Then it connects again and again, after pauses that grow
and are partly random, so that a thousand clients do not come back at once after a crash:

    async for ws in connect("ws://127.0.0.1:8765/echo"):
        with suppress(ConnectionClosed):
            async for message in ws:
                ...

A refusal that will not change by itself is raised instead; what passes is waited for, with a line
in the log ``goim_edu.client`` for each attempt.

``ChatClient`` does that for the chat: it joins its rooms again, and loses and repeats nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import logging
import os
import random
import ssl as tls
from asyncio import BaseEventLoop
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from time import monotonic
from types import TracebackType
from typing import Any, Final
from weakref import WeakValueDictionary

from goim_edu.client.retry import asked_pause, is_passing, reason_of
from goim_edu.errors import HandshakeError
from goim_edu.protocol import Endpoint, Limits, Side
from goim_edu.transport import Connection, Engine, Tap, WebSocket
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.heartbeat import Heartbeat
from goim_edu.websocket.uri import WebSocketURI, parse_uri

__all__ = ["Backoff", "Connect", "connect"]

_NO_LIMIT: Final = 1 << 62  # ``send`` waits while the peer reads too slowly, so nothing piles up

_NEXT_ADDRESS: Final = 0.25  # seconds until the next address of a name is tried, RFC 8305 §5

log = logging.getLogger("goim_edu.client")

# An engine refers to its loop, so a weak key would never go. Only connections keep an engine, and
# the loop with it; the next connection gets a new engine, which goes on counting.
_engines: WeakValueDictionary[asyncio.AbstractEventLoop, Engine] = WeakValueDictionary()
_ids: Final = itertools.count(1)


def _engine() -> Engine:
    """What all clients of this loop share."""
    loop = asyncio.get_running_loop()
    engine = _engines.get(loop)
    if engine is None:
        engine = _engines[loop] = Engine(granularity=0.005, queue_limit=_NO_LIMIT)
        engine.ids = _ids
    return engine


class Backoff:
    """How long to wait before the next attempt: doubled each time, half of it random.

    Args:
        first: the most seconds before the first attempt.
        longest: seconds that the pause may grow to.
        steady: seconds; after a connection that lived so long the pauses start anew.
        most_asked: seconds that a server may ask us to wait, on top of our own pause.
        chance: gives a random number from 0 to 1.

    >>> backoff = Backoff(first=1, longest=8, chance=lambda: 1.0)
    >>> [backoff.next() for _ in range(5)]
    [1.0, 2.0, 4.0, 8.0, 8.0]
    """

    def __init__(
        self,
        first: float = 0.5,
        longest: float = 30.0,
        steady: float = 5.0,
        chance: Callable[[], float] = random.random,
        most_asked: float = 120.0,
    ) -> None:
        self.first = first
        self.longest = longest
        self.steady = steady
        self.most_asked = most_asked
        self._chance = chance
        self._attempts = 0

    def next(self, asked: float = 0.0) -> float:
        """Seconds to wait now.

        Args:
            asked: seconds for which the server asks us to wait; at most ``most_asked`` of them.
        """
        ceiling = min(self.longest, self.first * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return min(asked, self.most_asked) + ceiling * (0.5 + self._chance() / 2)

    def lived(self, seconds: float) -> None:
        """A connection has lived so long."""
        if seconds >= self.steady:
            self._attempts = 0


class Connect:
    """A connection that is not yet made: await it, use ``async with``, or iterate over it."""

    def __init__(
        self,
        uri: str,
        tap: Tap | None,
        ssl: tls.SSLContext | None,
        backoff: Backoff,
        **settings: Any,
    ) -> None:
        self._uri: WebSocketURI = parse_uri(uri)
        self._tap = tap
        self._ssl = ssl
        self._settings = settings
        self._backoff = backoff
        self._ws: WebSocket | None = None

    def __await__(self) -> Generator[Any, None, WebSocket]:
        return self._open().__await__()

    async def __aenter__(self) -> WebSocket:
        self._ws = await self._open()
        return self._ws

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ws is not None:
            await self._ws.__aexit__(kind, error, trace)

    async def __aiter__(self) -> AsyncGenerator[WebSocket, None]:
        """Connect, and each time that the loop comes round connect again.

        Raises:
            HandshakeError: a refusal that will not change by itself (``retry.is_passing``).
            ssl.SSLError: likewise, such as a certificate that is not trusted.
        """
        while True:
            began = monotonic()
            asked = 0.0
            try:
                ws = await self._open()
            except (HandshakeError, OSError) as error:
                if not is_passing(error):
                    raise
                why, asked = reason_of(error), asked_pause(error)
            else:
                try:
                    yield ws
                finally:
                    await ws.close()
                self._backoff.lived(monotonic() - began)
                why = f"the connection ended with {ws.close_code}"
            pause = self._backoff.next(asked)
            # Without path and query, where some servers want a token.
            log.info("connecting again to=%s in=%.2f why=%r", self._uri.host_header, pause, why)
            await asyncio.sleep(pause)

    async def _open(self) -> WebSocket:
        uri, settings = self._uri, self._settings
        open_timeout = settings["open_timeout"]
        endpoint = Endpoint(
            Side.CLIENT,
            limits=Limits(
                max_frame_size=settings["max_message_size"],
                max_message_size=settings["max_message_size"],
            ),
            compression=settings["compression"],
            mask_source=settings["mask_source"],
        )
        greeting = endpoint.connect(
            uri.host_header,
            uri.target,
            subprotocols=settings["subprotocols"],
            headers=settings["headers"],
            origin=settings["origin"],
        )
        interval, timeout = settings["heartbeat_interval"], settings["heartbeat_timeout"]
        ws = WebSocket(settings["max_waiting"])
        connection = Connection(
            _engine(),
            endpoint,
            ws,
            open_timeout=open_timeout,
            close_timeout=settings["close_timeout"],
            greeting=greeting,
            heartbeat=Heartbeat(interval, timeout) if interval else None,
            tap=self._tap,
        )
        try:
            async with asyncio.timeout(open_timeout):
                await self._reach(connection)
                await ws.wait_open()
        except BaseException:
            connection.abort()
            raise
        return ws

    async def _reach(self, connection: Connection) -> None:
        """Connect by TCP, and TLS, to whichever address of the name answers first."""
        uri, loop = self._uri, asyncio.get_running_loop()
        # uvloop tries one address after the other, and does not know the argument. An address by
        # itself needs no race, and asyncio leaves a socket open whose race is cancelled as it wins.
        race: dict[str, Any] = {}
        if isinstance(loop, BaseEventLoop) and not _is_address(uri.host):
            race["happy_eyeballs_delay"] = _NEXT_ADDRESS
        await loop.create_connection(
            lambda: connection,
            uri.host,
            uri.port,
            ssl=self._tls(),
            server_hostname=uri.server_name if uri.secure else None,
            **race,
        )

    def _tls(self) -> tls.SSLContext | None:
        if not self._uri.secure:
            return None
        return self._ssl or tls.create_default_context()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def connect(
    uri: str,
    *,
    subprotocols: Sequence[str] = (),
    compression: bool | DeflateConfig = True,
    headers: Iterable[tuple[str, str]] | None = None,
    origin: str | None = None,
    ssl: tls.SSLContext | None = None,
    open_timeout: float = 10.0,
    close_timeout: float = 10.0,
    heartbeat_interval: float = 20.0,
    heartbeat_timeout: float = 20.0,
    max_message_size: int = 1 << 20,
    max_waiting: int = 64,
    tap: Tap | None = None,
    mask_source: Callable[[int], bytes] | None = None,
    backoff: Backoff | None = None,
) -> Connect:
    """Open a WebSocket.

    Args:
        uri: ``ws://host:port/path`` or ``wss://...``.
        subprotocols: those that we speak, the preferred one first.
        compression: whether to offer permessage-deflate, or how.
        headers: more header fields, such as ``Authorization``.
        origin: the Origin to send, as browsers do.
        ssl: how to check the server's certificate; by default as the system does.
        open_timeout: seconds for TCP, TLS and handshake together.
        close_timeout: seconds for the closing handshake.
        heartbeat_interval: seconds between our pings; 0 for none.
        heartbeat_timeout: seconds until we give up a silent server.
        max_message_size: the most octets of a message that we accept.
        max_waiting: messages that may wait to be received, at least 1; then we stop reading.
        tap: is given every read and write.
        mask_source: returns as many unpredictable octets as it is asked for; only a lesson needs
            another one.
        backoff: how long to wait before each new attempt, when iterated over.

    Returns:
        Something to ``await`` (gives a ``WebSocket``), to use in ``async with``, or to iterate
        over with ``async for``, which connects again after each end.

    Raises:
        ValueError: ``uri`` is not the address of a WebSocket, or ``max_waiting`` is less than 1.
        HandshakeError: (when awaited) the server refused; ``status`` says how, and the text has the
            first words of its answer.
        TimeoutError: (when awaited) it took longer than ``open_timeout``.
        OSError: (when awaited) nothing listens there.

    >>> connect("http://127.0.0.1")
    Traceback (most recent call last):
    ...
    ValueError: 'http://127.0.0.1' is ...
    """
    if max_waiting < 1:
        raise ValueError("max_waiting must be at least 1")
    if isinstance(subprotocols, str):
        raise TypeError(f"subprotocols is a sequence of names, not the str {subprotocols!r}")
    deflate = compression if isinstance(compression, DeflateConfig) else DeflateConfig()
    return Connect(
        uri,
        tap,
        ssl,
        backoff or Backoff(),
        subprotocols=tuple(subprotocols),
        compression=deflate if compression else None,
        headers=tuple(headers or ()),
        origin=origin,
        open_timeout=open_timeout,
        close_timeout=close_timeout,
        heartbeat_interval=heartbeat_interval,
        heartbeat_timeout=heartbeat_timeout,
        max_message_size=max_message_size,
        max_waiting=max_waiting,
        mask_source=os.urandom if mask_source is None else mask_source,
    )
