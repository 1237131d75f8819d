"""A WebSocket for threads: ``send``, ``recv`` and ``close`` wait, and a thread does the rest."""

from __future__ import annotations

import itertools
import math
import threading
from collections import deque
from collections.abc import Iterator
from time import monotonic
from types import TracebackType
from typing import Final, Self

from goim_edu.client.attempt import Attempt
from goim_edu.client.wire import Wire
from goim_edu.errors import RemoteProtocolError
from goim_edu.protocol import Endpoint, ExtensionOffer, Response, State
from goim_edu.transport import ConcurrencyError, ConnectionClosed
from goim_edu.transport.progress import Unread
from goim_edu.websocket.events import BinaryMessage, Event, Failed, Pong, TextMessage
from goim_edu.websocket.heartbeat import Verdict
from goim_edu.websocket.octets import as_octets

__all__ = ["WebSocket"]

_MOST_UNSENT: Final = 65_536  # octets; while more wait, ``send`` waits, too
_LINGER: Final = 1.0  # seconds for what is only a courtesy at the end
_ids: Final = itertools.count(1)


class WebSocket:
    """A connection to read from and write to; each call waits until it is done.

    A thread of its own reads, answers Pings and Closes, and sends our own Pings, so nobody needs to
    be in ``recv`` for that. It stops reading when ``max_waiting`` messages wait.

    Every method may be called from any thread. Any number of threads may send at once; one at a
    time may receive, and a second one gets a ``ConcurrencyError``. ``close`` from one thread ends
    what the others wait for.

        with connect("ws://127.0.0.1:8765/echo") as ws:
            ws.send("Hello")
            print(ws.recv(timeout=5))

    Attributes:
        id: its number, as it stands in the log.
    """

    def __init__(
        self, wire: Wire, endpoint: Endpoint, attempt: Attempt, early: list[Event]
    ) -> None:
        options = attempt.options
        self.id = next(_ids)
        self._wire = wire
        self._endpoint = endpoint
        self._options = options
        self._where = attempt.uri.host_header + attempt.uri.target.partition("?")[0]
        self._remote = wire.peer
        self._close_timeout = math.inf if options.close_timeout is None else options.close_timeout
        self._messages: deque[str | bytes] = deque()
        self._pings: dict[bytes, float | None] = {}  # its round trip, once the Pong has come
        self._pinged: dict[bytes, float] = {}  # when the Ping was sent that waits for its Pong
        self._ping_number = 0
        self._receiving = False
        self._paused = False  # too many messages wait
        self._deadline = math.inf
        self._unread: Unread | None = None  # what the peer has to read before our last Ping
        self._error: RemoteProtocolError | None = None
        self._gone = False
        self._changed = threading.Condition()  # guards all of this
        self._heartbeat = attempt.heartbeat()
        if self._heartbeat is not None:
            self._heartbeat.last_heard = monotonic()
        with self._changed:
            self._take(early, monotonic())
        self._thread = threading.Thread(target=self._run, name=f"WebSocket {self.id}", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<WebSocket {self.id} client {self.state.value} {self._where}>"

    # ------------------------------------------------------------------ what it is

    @property
    def state(self) -> State:
        """Where the connection is in its life."""
        return self._endpoint.state

    @property
    def subprotocol(self) -> str | None:
        """The agreed subprotocol, or None."""
        return self._endpoint.subprotocol

    @property
    def extensions(self) -> tuple[ExtensionOffer, ...]:
        """The agreed extensions."""
        return self._endpoint.extensions

    @property
    def response(self) -> Response | None:
        """The server's response."""
        return self._endpoint.response

    @property
    def remote(self) -> tuple[str, int]:
        """The peer's host and port."""
        return self._remote

    @property
    def latency(self) -> float | None:
        """Seconds of the last round trip of the heartbeat, None before the first."""
        trips = self._heartbeat.round_trips if self._heartbeat is not None else None
        return None if trips is None else trips.last

    @property
    def close_code(self) -> int | None:
        """The peer's close code, 1005 if its Close gave none, 1006 if none came; None before."""
        return self._endpoint.close_code

    @property
    def close_reason(self) -> str:
        """The peer's reason."""
        return self._endpoint.close_reason

    # ------------------------------------------------------------------ receive

    def recv(self, timeout: float | None = None) -> str | bytes:
        """The next message: ``str`` for text, ``bytes`` for binary.

        Args:
            timeout: seconds to wait for it; None for as long as it takes.

        Raises:
            TimeoutError: none came; a later call may get it.
            ConnectionClosed: there will be none.
            ConcurrencyError: another thread waits in ``recv`` or in a loop.
        """
        end = None if timeout is None else monotonic() + timeout
        with self._changed:
            if self._receiving:
                raise ConcurrencyError(
                    "another thread waits for a message here already: let one receive and hand on"
                )
            self._receiving = True
            try:
                while not self._messages:
                    self._say_last_words()
                    if self._over:
                        raise self._closed_error()
                    left = None if end is None else end - monotonic()
                    if left is not None and left <= 0:
                        raise TimeoutError(f"no message came within {timeout} seconds")
                    self._changed.wait(left)
                message = self._messages.popleft()
            finally:
                self._receiving = False
            if self._paused and len(self._messages) <= self._options.max_waiting // 2:
                self._paused = False
                self._wire.ring()
            return message

    def __iter__(self) -> Iterator[str | bytes]:
        try:
            while True:
                yield self.recv()
        except ConnectionClosed as closed:
            if closed.code not in (1000, 1001, 1005):
                raise

    # ------------------------------------------------------------------ send

    def send(self, data: str | bytes, *, compress: bool | None = None) -> None:
        """Send one message; waits while the peer reads too slowly.

        Args:
            data: text or octets.
            compress: whether to compress it; None does so if that was agreed on.

        Raises:
            ConnectionClosed: the connection is closed. If it closed while this waited, the message
                may have arrived or not.
            LocalProtocolError: the text has no UTF-8 form, or compression was not agreed on.
            TypeError: ``data`` is neither text nor octets.
        """
        with self._changed:
            self._check_open()
            if isinstance(data, str):
                self._write(self._endpoint.send_text(data, compress=compress))
            else:
                self._write(self._endpoint.send_binary(data, compress=compress))
            while self._wire.unsent > _MOST_UNSENT and not self._gone:
                self._changed.wait()
            if self._gone:
                raise self._closed_error()

    def ping(self, payload: bytes | None = None) -> float:
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
        with self._changed:
            self._check_open()
            if payload is None:
                self._ping_number += 1
                payload = b"ws%d" % self._ping_number
            payload = as_octets(payload)
            if payload in self._pings:
                raise ConcurrencyError(f"a ping with the payload {payload!r} is under way already")
            self._write(self._endpoint.ping(payload))
            self._pings[payload], self._pinged[payload] = None, monotonic()
            try:
                while (trip := self._pings[payload]) is None:
                    if self._over:
                        raise self._closed_error()
                    self._changed.wait()
                return trip
            finally:
                del self._pings[payload]
                self._pinged.pop(payload, None)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait until both sides have; at most the close time-out.

        Messages that have come may still be received afterwards. It is harmless if it is closed.
        """
        with self._changed:
            if self._endpoint.state is State.OPEN:
                self._write(self._endpoint.close(code, reason))
                self._deadline = monotonic() + self._close_timeout
                self._paused = False
            self._say_last_words()
            self._wire.ring()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(1000 if error is None else 1011)

    # ------------------------------------------------------------------ with the lock held

    @property
    def _over(self) -> bool:
        """Whether no message will come any more."""
        return self._gone or self._endpoint.state is State.CLOSED

    def _check_open(self) -> None:
        if self._gone or self._endpoint.state not in (State.OPEN, State.ENDING):
            raise self._closed_error()

    def _closed_error(self) -> ConnectionClosed:
        endpoint = self._endpoint
        return ConnectionClosed(endpoint.close_received, endpoint.close_sent, self._error)

    def _write(self, octets: bytes) -> None:
        if not octets or self._gone:
            return
        if self._options.tap is not None:
            self._options.tap("out", monotonic(), octets)
        self._wire.write(octets)
        if self._wire.unsent:
            self._wire.ring()

    def _say_last_words(self) -> None:
        """Answer the peer's Close, now that all that came before it was received."""
        if self._endpoint.ending:
            self._write(self._endpoint.data_to_send())
            self._deadline = monotonic() + self._close_timeout
            self._wire.ring()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            going = True
            while going:
                with self._changed:
                    left, reading = self._seconds_left(monotonic()), not self._paused
                self._wire.wait(reading=reading, timeout=left)
                with self._changed:
                    going = self._turn(monotonic())
                    self._changed.notify_all()
        finally:
            with self._changed:
                if self._endpoint.state is not State.CLOSED:
                    self._endpoint.receive_eof()
                self._gone = True
                self._wire.close()
                self._changed.notify_all()

    def _seconds_left(self, now: float) -> float | None:
        at = self._deadline
        if self._heartbeat is not None and self._endpoint.state is State.OPEN:
            at = min(at, self._heartbeat.next_event_at(now))
            if self._unread is not None and not self._unread.gone:
                at = min(at, now + self._heartbeat.timeout / 4)
        return None if at == math.inf else max(0.0, at - now)

    def _turn(self, now: float) -> bool:
        """Do what there is to do; returns whether to go on."""
        heartbeat = self._heartbeat
        if self._wire.flush() and heartbeat is not None:
            heartbeat.received_data(now)  # it reads, so it lives
        data = None if self._paused else self._wire.read()
        if data is not None:
            if data and self._options.tap is not None:
                self._options.tap("in", now, data)
            if data and heartbeat is not None:
                heartbeat.received_data(now)
            endpoint = self._endpoint
            self._take(endpoint.receive_data(data) if data else endpoint.receive_eof(), now)
            if not data:
                return False
        return self._keep_time(now)

    def _take(self, events: list[Event], now: float) -> None:
        """Keep messages until they are received; read no more when many wait."""
        endpoint, most = self._endpoint, self._options.max_waiting
        for event in events:
            match event:
                case TextMessage(data) | BinaryMessage(data):
                    # After our own Close the peer's is what we read for, whatever comes before it.
                    if endpoint.state is not State.CLOSING or len(self._messages) < most:
                        self._messages.append(data)
                case Pong(payload):
                    self._match(payload, now)
                case Failed(error):
                    self._error = error
        self._paused = len(self._messages) > most and endpoint.state is State.OPEN
        if endpoint.ending and self._messages:
            self._deadline = now + min(_LINGER, self._close_timeout)  # they may be answered
            return
        self._write(endpoint.data_to_send())
        if endpoint.state is State.CLOSED and events:
            linger = _LINGER if endpoint.close_transport else math.inf
            self._deadline = now + min(linger, self._close_timeout)

    def _match(self, payload: bytes, now: float) -> None:
        """A pong has come; it may answer the pings before it, too (RFC 6455 §5.5.3)."""
        if self._heartbeat is not None:
            self._heartbeat.received_pong(payload, now)
        if payload in self._pinged:
            for sent in tuple(self._pinged):
                self._pings[sent] = now - self._pinged.pop(sent)
                if sent == payload:
                    return

    def _keep_time(self, now: float) -> bool:
        """Look at the deadline and at the heartbeat; returns whether to go on."""
        if now >= self._deadline:
            if not self._endpoint.ending:
                return False
            self._say_last_words()
        if self._endpoint.close_transport and not self._wire.unsent:
            self._wire.end()
        heartbeat = self._heartbeat
        if heartbeat is None or self._endpoint.state is not State.OPEN:
            return True
        if self._paused or (self._unread is not None and self._unread.shrinks()):
            heartbeat.received_data(now)  # we do not listen, or it has to read much before a Ping
        if heartbeat.verdict(now) is Verdict.SILENT:
            silence = heartbeat.silent_for(now)
            self._options.log.info("silent peer connection=%d for=%.3f", self.id, silence)
            return False
        payload = heartbeat.ping_due(now)
        if payload is not None:
            self._unread = Unread.before_ping(self._wire, self._wire.unsent)
            self._write(self._endpoint.ping(payload))
        return True
