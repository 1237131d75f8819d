"""The friendly face of a connection: ``async for message in ws``, ``await ws.send(...)``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from time import monotonic
from types import TracebackType
from typing import Final, Self, cast

from goim_edu.errors import (
    ConcurrencyError,
    GoimError,
    HandshakeError,
    LocalProtocolError,
    RemoteProtocolError,
)
from goim_edu.protocol import ExtensionOffer
from goim_edu.transport.connection import Connection, Handler
from goim_edu.transport.states import ConnectionState
from goim_edu.websocket.close import Close
from goim_edu.websocket.events import BinaryMessage, Event, Pong, TextMessage
from goim_edu.websocket.http11 import Request, Response
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["ConcurrencyError", "ConnectionClosed", "WebSocket"]

_OPEN: Final = ConnectionState.OPEN
_ENDING: Final = ConnectionState.ENDING
_OVER: Final = (ConnectionState.FINISHING, ConnectionState.LINGERING, ConnectionState.CLOSED)


class ConnectionClosed(GoimError, ConnectionError):
    """There is nothing more to read, or nothing more may be sent.

    Args:
        rcvd: what the peer's Close said; None if none came, and the connection just ended.
        sent: what our own Close said, or None if we sent none.
        error: the rule that the peer broke, where that was the cause.
        why: how it ended, where neither a Close nor a broken rule says so.

    Attributes:
        code: the peer's close code, 1005 if it gave none, 1006 if the connection just ended.
        reason: the peer's reason.

    >>> ConnectionClosed(Close(1001, "lunch"), Close(1001, ""))
    ConnectionClosed('the connection is closed with code 1001: lunch')
    >>> ConnectionClosed(None, Close(1009, "too big")).sent.code
    1009
    """

    def __init__(
        self,
        rcvd: Close | None,
        sent: Close | None,
        error: RemoteProtocolError | None = None,
        *,
        why: str = "",
    ) -> None:
        self.code, self.reason = rcvd or (1006, "")
        self.rcvd = rcvd
        self.sent = sent
        self.error = error
        ours = f" (we sent {sent.code})" if sent and sent.code != self.code else ""
        detail = str(error or self.reason or why)
        text = f"the connection is closed with code {self.code}{ours}"
        super().__init__(f"{text}: {detail}" if detail else text)


class WebSocket(Handler):
    """A connection to read from and write to with ``await``.

    Thread safety: it belongs to its event loop; from another thread use
    ``asyncio.run_coroutine_threadsafe``. Several tasks may send, one at a time may receive.
    Cancelling: ``recv`` loses no message; ``send`` has written all of its message or nothing;
    ``ping`` was sent, only its pong is not waited for; ``close`` has said Close, and the rest of
    the closing goes on.

    >>> async def shout(ws: WebSocket) -> None:
    ...     async for message in ws:
    ...         await ws.send(message.upper())

    Args:
        max_waiting: messages that may wait to be received before we read no more.
    """

    __slots__ = (
        "_closed",
        "_connection",
        "_drained",
        "_messages",
        "_opened",
        "_ping_number",
        "_pings",
        "_receiver",
        "max_waiting",
    )

    keeps_handshake = True

    def __init__(self, max_waiting: int = 64) -> None:
        self.max_waiting = max_waiting
        self._connection: Connection | None = None
        self._messages: deque[str | bytes] = deque()
        self._receiver: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings: dict[bytes, tuple[float, asyncio.Future[float]]] = {}
        self._ping_number = 0

    # ------------------------------------------------------------------ what it is

    def __repr__(self) -> str:
        there = "new" if self._connection is None else self._connection.summary
        return f"<{type(self).__name__} {there}>"

    @property
    def connection(self) -> Connection:
        """The connection below."""
        if self._connection is None:
            raise LocalProtocolError("there is no connection yet")
        return self._connection

    @property
    def id(self) -> int:
        """Its number, as it stands in logs and captures."""
        return self.connection.id

    @property
    def state(self) -> ConnectionState:
        """Where the connection is in its life."""
        return self.connection.state

    @property
    def extensions(self) -> tuple[ExtensionOffer, ...]:
        """The agreed extensions."""
        return self.connection.extensions

    @property
    def subprotocol(self) -> str | None:
        """The agreed subprotocol, or None."""
        return self.connection.subprotocol

    @property
    def request(self) -> Request | None:
        """The client's request; None on a client."""
        return self.connection.request

    @property
    def response(self) -> Response | None:
        """The server's response."""
        return self.connection.response

    @property
    def remote(self) -> tuple[str, int]:
        """The peer's host and port."""
        return self.connection.remote, self.connection.port

    @property
    def latency(self) -> float | None:
        """Seconds of the last round trip of the heartbeat, None before the first."""
        return self.connection.latency

    @property
    def close_code(self) -> int | None:
        """The peer's close code, 1005 if its Close gave none, 1006 if none came; None before."""
        return self.connection.close_code

    @property
    def close_reason(self) -> str:
        """The peer's reason."""
        return self.connection.close_reason

    # ------------------------------------------------------------------ receive

    async def recv(self) -> str | bytes:
        """The next message: ``str`` for text, ``bytes`` for binary.

        It waits as long as it takes; ``async with asyncio.timeout(5):`` around it sets a bound, and
        loses no message.

        Raises:
            ConnectionClosed: there will be none.
            ConcurrencyError: another task waits in ``recv`` or ``async for``.
        """
        if self._receiver is not None and not self._receiver.cancelled():
            raise ConcurrencyError(
                "another task waits for a message here already: let one task receive and hand on"
            )
        while not self._messages:
            self.connection.finish_ending()
            if self._ending_seen():
                raise self._closed_error()
            receiver = self._receiver = asyncio.get_running_loop().create_future()
            try:
                await receiver
            finally:
                if self._receiver is receiver:
                    self._receiver = None
        message = self._messages.popleft()
        if len(self._messages) <= self.max_waiting // 2:
            self.connection.resume_reading()
        return message

    def _ending_seen(self) -> bool:
        return self.connection.state in _OVER

    def _closed_error(self) -> ConnectionClosed:
        connection = self.connection
        return ConnectionClosed(connection.close_received, connection.close_sent, connection.error)

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[str | bytes]:
        try:
            while True:
                yield await self.recv()
        except ConnectionClosed as closed:
            if closed.code not in (1000, 1001, 1005):
                raise

    # ------------------------------------------------------------------ send

    async def send(self, data: str | Octets, *, compress: bool | None = None) -> None:
        """Send one message; waits while the peer reads too slowly.

        Args:
            data: text or octets.
            compress: whether to compress it; None does so if that was agreed on.

        Raises:
            ConnectionClosed: the connection is closed.
            LocalProtocolError: the text has no UTF-8 form, or compression was not agreed on.
            TypeError: ``data`` is neither text nor octets.
        """
        while self.connection.congested and not self._ending_seen():
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)
        state = self.connection.state
        if state is not _OPEN and state is not _ENDING:
            raise self._closed_error()
        self.connection.send(data, compress=compress)

    async def ping(self, payload: Octets | None = None) -> float:
        """Ping the peer and wait for its pong.

        Args:
            payload: at most 125 octets; something unique unless given.

        Returns:
            The round-trip time in seconds.

        Raises:
            ConnectionClosed: the connection ended before the pong came.
            ConcurrencyError: a ping with this payload is under way.
            LocalProtocolError: the payload is too long.
            TypeError: the payload is not made of octets.
        """
        if self.connection.state is not _OPEN:
            raise self._closed_error()
        if payload is None:
            self._ping_number += 1
            payload = b"ws%d" % self._ping_number
        payload = as_octets(payload)
        if payload in self._pings:
            raise ConcurrencyError(f"a ping with the payload {payload!r} is under way already")
        self.connection.ping(payload)  # first: what it refuses is not remembered
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pings[payload] = (monotonic(), answer)
        try:
            return await answer
        finally:
            self._pings.pop(payload, None)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait until both sides have; at most the close time-out."""
        self.connection.close(code, reason)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await asyncio.shield(self._closed)

    async def wait_open(self) -> None:
        """Wait for the opening handshake.

        Raises:
            HandshakeError: it failed.
        """
        await asyncio.shield(self._opened)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(1000 if error is None else 1011)

    # ------------------------------------------------------------------ called back

    def on_open(self, connection: Connection) -> None:
        """Let ``wait_open`` return."""
        self._connection = connection
        if not self._opened.done():
            self._opened.set_result(None)

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        """Keep messages until they are received; read no more when many wait."""
        for event in events:
            kind = type(event)
            if kind is TextMessage or kind is BinaryMessage:
                self._messages.append(cast("TextMessage | BinaryMessage", event).data)
            elif kind is Pong:
                self._match(cast("Pong", event).payload)
        if len(self._messages) > self.max_waiting:
            connection.pause_reading()
        if self._messages or connection.state is not _OPEN:
            self._wake()

    def is_busy(self, connection: Connection) -> bool:
        """Whether a message waits to be received: it may be answered before the Close is."""
        return bool(self._messages)

    def _match(self, payload: bytes) -> None:
        """A pong has come; it may answer the pings before it, too (RFC 6455 §5.5.3)."""
        if payload not in self._pings:
            return  # not asked for, or asked by the heartbeat
        for sent in tuple(self._pings):
            begin, answer = self._pings.pop(sent)
            if not answer.done():
                answer.set_result(monotonic() - begin)
            if sent == payload:
                return

    def _wake(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    def on_end(self, connection: Connection) -> None:
        """Nothing can be sent any more."""
        self.on_drained(connection)

    def on_lost(self, connection: Connection) -> None:
        """Nothing will come any more."""
        self._connection = connection
        if not self._opened.done():
            error = connection.error or HandshakeError(
                "the connection was lost", status=502, section="RFC 6455 §4.1", passing=True
            )
            self._opened.set_exception(error)
            self._opened.exception()  # no warning if nothing waits for it
        if not self._closed.done():
            self._closed.set_result(None)
        for _, answer in self._pings.values():
            if not answer.done():
                answer.set_exception(self._closed_error())
        self._wake()
        self.on_drained(connection)

    def on_drained(self, connection: Connection) -> None:
        """Let senders go on."""
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None
