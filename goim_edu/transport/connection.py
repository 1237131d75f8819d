"""One socket, one endpoint, one handler: deadlines, backpressure, heartbeat, and the end.

A ``Connection`` calls its ``Handler`` back once per read, with the events of that read.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import ClassVar, Final, cast

from goim_edu.errors import HandshakeError, RemoteProtocolError
from goim_edu.protocol import Endpoint, State
from goim_edu.transport.engine import READ_SIZES, Engine, Tap
from goim_edu.websocket.events import (
    Event,
    Failed,
    Opened,
    Pong,
    RequestReceived,
)
from goim_edu.websocket.handshake import Request, Response, error_response
from goim_edu.websocket.heartbeat import Heartbeat, Verdict

__all__ = ["Connection", "Handler"]

log = logging.getLogger("goim_edu.transport")

_OPEN: Final = State.OPEN
_CONNECTING: Final = State.CONNECTING
_ENDING: Final = State.ENDING
_CLOSED: Final = State.CLOSED

_SMALLEST_READ: Final = READ_SIZES[0]
_FIRST_READ: Final = READ_SIZES[2]
_LARGEST_READ: Final = READ_SIZES[-1]
_COSTLY: Final = 0.0004  # seconds of one read after which the next is smaller, and waits its turn
_PORTION: Final = 64 * 1024  # octets that are handed to a socket that has become free again
_LENT: Final = 1024  # octets of a read from which on it costs less to lend them than to copy them
_DIRECT: Final = os.name == "posix"  # elsewhere a socket is no file
_LINGER: Final = 1.0  # seconds for what is only a courtesy at the end


class Handler:
    """What sits on a connection and is called back; all methods do nothing unless overridden.

    Attributes:
        keeps_handshake: whether request and response are still needed when the connection is
            open. They are half of what an idle connection weighs, so they are dropped if not.
    """

    __slots__ = ()

    keeps_handshake: ClassVar[bool] = False

    def on_open(self, connection: Connection) -> None:
        """The handshake is done: messages may be sent."""

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        """One read brought these; what is written now goes out in one write with its answers."""

    def on_deadline(self, connection: Connection) -> None:
        """The moment has come that ``connection.set_deadline`` named."""

    def on_end(self, connection: Connection) -> None:
        """From now on nothing can be sent; called once."""

    def on_lost(self, connection: Connection) -> None:
        """The socket is gone; called once, after ``on_end``."""

    def on_drained(self, connection: Connection) -> None:
        """What was written has left for the peer's side, after it had piled up."""

    def is_busy(self, connection: Connection) -> bool:
        """Whether it still has answers to messages that came before the peer's Close.

        If so, our Close waits until ``connection.finish_ending``, but at most a second.
        """
        return False


class Connection(asyncio.BufferedProtocol):
    """One socket, one endpoint, one handler.

    Args:
        engine: what it shares with the others.
        endpoint: the protocol at work.
        handler: whom to call back; on a server the first one answers the request.
        on_request: on a server: called with the request; it calls ``accept`` or ``reject``.
        open_timeout: seconds for the opening handshake.
        close_timeout: seconds from our Close, or the peer's, to the end of TCP; default: the
            engine's.
        greeting: what to write at once: a client's request.
        heartbeat: a client's heartbeat, which starts when the connection is open.
        tap: is given every read and write; default: what the engine says.

    Attributes:
        id: its number, as it stands in logs and captures.
        remote: the peer's host, ``"?"`` before there is one.
        port: the peer's port.
        path: the path that was asked for.
        latency: seconds of the last round trip, or None.
    """

    __slots__ = (
        "_close_timeout",
        "_deadline",
        "_descriptor",
        "_ended",
        "_ending_since",
        "_gone",
        "_greeting",
        "_held",
        "_held_bytes",
        "_last_size",
        "_lingering",
        "_on_request",
        "_open_timeout",
        "_out",
        "_read_size",
        "_reading_paused",
        "_receiving",
        "_waits",
        "endpoint",
        "engine",
        "error",
        "handler",
        "heartbeat",
        "id",
        "path",
        "port",
        "remote",
        "slot",
        "tap",
        "transport",
    )

    def __init__(
        self,
        engine: Engine,
        endpoint: Endpoint,
        handler: Handler,
        *,
        on_request: Callable[[Connection, Request], None] | None = None,
        open_timeout: float = 10.0,
        close_timeout: float | None = None,
        greeting: bytes = b"",
        heartbeat: Heartbeat | None = None,
        tap: Tap | None = None,
    ) -> None:
        self.id = next(engine.ids)
        self.engine = engine
        self.endpoint = endpoint
        self.handler = handler
        self.heartbeat = heartbeat
        self.transport = cast("asyncio.Transport", None)
        self.tap = tap
        self.slot = 0  # where the wheel keeps us
        self.remote = "?"
        self.port = 0
        self.path = ""
        self.error: RemoteProtocolError | None = None
        self._on_request = on_request
        self._open_timeout = open_timeout
        self._close_timeout = engine.close_timeout if close_timeout is None else close_timeout
        self._greeting = greeting
        self._deadline = math.inf
        self._descriptor = -1
        self._out: list[bytes] = []
        self._held: deque[tuple[bytes, bool]] | None = None  # while the socket takes no more
        self._held_bytes = 0
        self._last_size = 0
        self._read_size = _FIRST_READ
        self._receiving = self._ended = self._lingering = self._gone = False
        self._ending_since: list[Event] | None = None  # the peer's Close, not answered yet
        self._waits = False  # for its turn to be read
        self._reading_paused = False  # by who reads from us

    # ------------------------------------------------------------------ called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket."""
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.remote, self.port = peer[0], peer[1]
        link = transport.get_extra_info("socket")
        if _DIRECT and link is not None and transport.get_extra_info("sslcontext") is None:
            self._descriptor = link.fileno()
        self.transport.set_write_buffer_limits(self._high_water)
        if self.tap is None and self.engine.tap is not None:
            self.tap = self.engine.tap(self)
        self.set_deadline(monotonic() + self._open_timeout)
        if self._greeting:
            self.write(self._greeting)
            self._greeting = b""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to: the one buffer of the engine, as much of it as we may have."""
        return self.engine.views[self._read_size]

    def buffer_updated(self, nbytes: int) -> None:
        """Octets came: deal with all of them, and write all answers at once."""
        engine = self.engine
        octets = engine.buffer[:nbytes]
        data = octets if nbytes >= _LENT else octets.tobytes()
        begin = monotonic()
        engine.bytes_in += nbytes
        if self.tap is not None:
            data = bytes(data)
            self.tap("in", begin, data)
        if self.heartbeat is not None:
            self.heartbeat.last_heard = begin
        if self._lingering:
            return
        self._receiving = True
        try:
            self._receive(self.endpoint.receive_data(data), begin)
        finally:
            self._receiving = False
        self.flush()
        if self._ended:
            self._finish()
            return
        self._pace(nbytes, monotonic() - begin)

    def _receive(self, events: list[Event], now: float) -> None:
        """Hand events to whom they concern, then add the answers that the protocol demands."""
        endpoint = self.endpoint
        if events:
            first = events[0]
            if type(first) is RequestReceived:
                self._answer_request(first.request)
            else:
                if type(first) is Opened:
                    self._start(self.handler, self.heartbeat)
                if self.heartbeat is not None and self.heartbeat.outstanding:
                    self._match_pongs(events, now)
                self._call_handler(events)
        if endpoint.state is _ENDING and self.handler.is_busy(self):
            self._ending_since = events
            self.set_deadline(now + min(_LINGER, self._close_timeout))
            return
        self._answer(events)

    def _answer(self, events: Sequence[Event]) -> None:
        """Add the answers that the protocol demands: Pongs, and a Close that ends it."""
        replies = self.endpoint.data_to_send()
        if replies:
            self.write(replies)
        state = self.endpoint.state
        if state is not _OPEN and state is not _CONNECTING:
            self._note_end(events)

    def _call_handler(self, events: list[Event]) -> None:
        try:
            self.handler.on_events(self, events)
        except Exception:
            # Our own mistake must not take the server down: it costs this connection.
            log.exception("handler failed connection=%d", self.id)
            self.close(1011, "internal error")

    def _answer_request(self, request: Request) -> None:
        if self._on_request is None:
            self.reject(HandshakeError("nothing is served here", status=404))
            return
        try:
            self._on_request(self, request)
        except Exception:
            log.exception("request failed connection=%d", self.id)
            if self.endpoint.state is _CONNECTING:
                self.reject(HandshakeError("our mistake", status=500))

    def _match_pongs(self, events: list[Event], now: float) -> None:
        heartbeat = self.heartbeat
        for event in events:
            if type(event) is Pong and heartbeat is not None:
                heartbeat.received_pong(event.payload, now)

    def _pace(self, nbytes: int, seconds: float) -> None:
        """Let the next read be smaller after a costly one, and larger after a full cheap one.

        Who has come to reads smaller than the first is read from when its turn comes: of those
        there may be many.
        """
        size = self._read_size
        if seconds > _COSTLY:
            if size > _SMALLEST_READ and nbytes > size // 4:
                self._read_size = size // 4
        elif nbytes == size < _LARGEST_READ and seconds < _COSTLY / 8:
            self._read_size = size * 4
        elif size >= _FIRST_READ:
            return
        if seconds > _COSTLY / 8 and not self._reading_paused and self._held is None:
            self._waits = True
            self.transport.pause_reading()
            self.engine.make_wait(self)

    def take_turn(self) -> None:
        """Our turn to be read has come."""
        self._waits = False
        self._resume_reading()

    def _resume_reading(self) -> None:
        if self._waits or self._reading_paused or self._held is not None:
            return
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def eof_received(self) -> bool:
        """The peer sends no more."""
        self._receiving = True
        try:
            self._receive(self.endpoint.receive_eof(), monotonic())
        finally:
            self._receiving = False
        self.flush()
        return False  # asyncio closes the socket once all is written

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        if self.endpoint.state is not _CLOSED:
            self._receive(self.endpoint.receive_eof(), monotonic())
        self._note_end([])
        self._descriptor = -1
        self._gone = True
        self.engine.wheel.forget(self)
        self._out.clear()
        self._held = None
        self._held_bytes = 0
        self.handler.on_lost(self)

    def pause_writing(self) -> None:
        """The peer reads too slowly: hold back what we write, and what it asks for."""
        if self._held is None:
            self._held = deque()
            self._last_size = 1 << 62
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer has read: write what was held back, as much as the socket takes again."""
        held = self._held
        if self.heartbeat is not None:
            self.heartbeat.last_heard = monotonic()
        while held:
            pieces = []
            size = 0
            while held and size < _PORTION:
                piece, _ = held.popleft()
                pieces.append(piece)
                size += len(piece)
            self._held_bytes -= size
            self._write_out(b"".join(pieces))
            if self.transport.get_write_buffer_size() > self._high_water:
                return  # asyncio will call again
        self._held = None
        self._resume_reading()
        if self._ended:
            self._finish()
        else:
            self.handler.on_drained(self)

    # ------------------------------------------------------------------ what handlers call

    def accept(
        self,
        handler: Handler,
        subprotocol: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """Agree to a WebSocket (server): write the 101 and go on with this handler.

        A request that is no proper upgrade is refused with the fitting status.
        """
        try:
            data = self.endpoint.accept(subprotocol, headers)
        except HandshakeError as error:
            self.reject(error)
            return
        self.write(data)
        if not handler.keeps_handshake:
            self.endpoint.request = self.endpoint.response = None
        self._start(handler, heartbeat)
        early = self.endpoint.receive_data(b"")
        if early:
            self._receive(early, monotonic())

    def _start(self, handler: Handler, heartbeat: Heartbeat | None) -> None:
        """The handshake is done."""
        now = monotonic()
        self.handler = handler
        self.heartbeat = heartbeat
        self.engine.stats.opened += 1
        self._on_request = None
        self._deadline = math.inf
        self.engine.wheel.forget(self)
        if heartbeat is not None:
            heartbeat.last_heard = now
            self.engine.wheel.wake(self, heartbeat.next_event_at(now))
        handler.on_open(self)

    def reject(self, answer: HandshakeError | Response) -> None:
        """Refuse a WebSocket, or serve a plain page (server); then the connection ends."""
        if isinstance(answer, HandshakeError):
            self.engine.stats.refused += 1
            log.debug("refused connection=%d status=%d why=%r", self.id, answer.status, str(answer))
        self.write(self.endpoint.reject(answer))
        if not self._receiving:
            self._note_end([])
            self.flush()
            self._finish()

    def turn_away(self, error: HandshakeError) -> None:
        """Refuse a client before it has said a word (server)."""
        self.engine.stats.refused += 1
        self.endpoint.receive_eof()
        self.write(error_response(error).to_bytes())
        self._note_end([])
        self.flush()
        self.transport.close()

    def write(self, data: bytes, droppable: bool = False) -> None:
        """Have whole frames written: at the end of this read, or of this turn of the loop.

        After the end (``on_end``) nothing is written any more.

        While the peer takes no more, they wait, up to the engine's ``queue_limit``. Past it,
        waiting ``droppable`` ones are dropped, the oldest first, and if that does not help the
        connection is closed with 1013: one slow reader must not fill our memory.

        Args:
            data: frames that the endpoint, or ``build_frame``, has made.
            droppable: whether they may be lost, as a "typing" may, and a message may not.
        """
        if self._ended:
            return
        if self._held is not None:
            self._hold(data, droppable)
            return
        out = self._out
        if not out and not self._receiving:
            self.engine.mark(self)
        out.append(data)

    def write_at_once(self, data: bytes) -> bool:
        """Write whole frames that are all of this turn already: quicker, for one among many.

        Returns:
            Whether that was possible. If not, since the peer reads too slowly, nothing was
            written, and ``write`` decides what may wait.
        """
        if self._held is not None:
            return False
        if self._out or self._receiving or self._ended:
            self.write(data)
        else:
            self._write_out(data)
        return True

    def send(self, data: str | bytes, *, compress: bool | None = None) -> None:
        """Send one message.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        if isinstance(data, str):
            self.write(self.endpoint.send_text(data, compress=compress))
        else:
            self.write(self.endpoint.send_binary(data, compress=compress))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say Close and wait for the peer's, until the close deadline; harmless if that is done."""
        state = self.endpoint.state
        if state is _OPEN:
            self.write(self.endpoint.close(code, reason))
            self._note_end([])
        elif state is _CONNECTING:
            self.abort()

    def finish_ending(self) -> None:
        """The handler has answered all that came before the peer's Close: now answer that."""
        events, self._ending_since = self._ending_since, None
        if events is not None:
            self._answer(events)
            self.flush()
            self._finish()

    def abort(self) -> None:
        """End it at once, without a word."""
        if self.transport is not None:
            self.transport.abort()

    def set_deadline(self, at: float) -> None:
        """Call the handler's ``on_deadline`` at this monotonic time; infinity calls it off."""
        self._deadline = at
        if at < math.inf:
            self.engine.wheel.wake(self, at)

    def pause_reading(self) -> None:
        """Take no more from the peer, until ``resume_reading``."""
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        if self._reading_paused:
            self._reading_paused = False
            self._resume_reading()

    @property
    def queued(self) -> int:
        """Octets that wait for the peer to read."""
        waiting = self._held_bytes + sum(map(len, self._out))
        return waiting + (self.transport.get_write_buffer_size() if self.transport else 0)

    @property
    def ended(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._ended

    @property
    def congested(self) -> bool:
        """Whether the peer reads too slowly at the moment."""
        return self._held is not None

    @property
    def latency(self) -> float | None:
        """Seconds of the last round trip of the heartbeat."""
        trips = self.heartbeat.round_trips if self.heartbeat is not None else None
        return None if trips is None else trips.last

    # ------------------------------------------------------------------ writing

    @property
    def _high_water(self) -> int:
        """How much may wait in the transport before asyncio tells us to pause.

        Nothing at all, so that what waits does so with us, where it is counted and may be
        dropped. But asyncio's TLS takes 0 for "always".
        """
        return 0 if self._descriptor >= 0 else _PORTION

    def flush(self) -> None:
        """Write what has gathered."""
        out = self._out
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        if self._held is not None:
            self._hold(data, False)
        else:
            self._write_out(data)

    def _write_out(self, data: bytes) -> None:
        self.engine.bytes_out += len(data)
        if self.tap is not None:
            self.tap("out", monotonic(), data)
        if self._held is None and self._descriptor >= 0:
            # Nothing waits in the transport, so this is what it would do, only quicker; and the
            # rest, or the error, it gets.
            try:
                sent = os.write(self._descriptor, data)
            except OSError:
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        self.transport.write(data)

    def _hold(self, data: bytes, droppable: bool) -> None:
        held = self._held
        if held is None:
            return
        held.append((data, droppable))
        self._held_bytes += len(data)
        if self._held_bytes + self.transport.get_write_buffer_size() > self.engine.queue_limit:
            self._overflow(held)

    def _overflow(self, held: deque[tuple[bytes, bool]]) -> None:
        """Too much waits: drop what may be dropped, else give the slow reader up."""
        limit = self.engine.queue_limit - self.transport.get_write_buffer_size()
        kept: deque[tuple[bytes, bool]] = deque()
        excess = self._held_bytes - limit
        for data, droppable in held:
            if droppable and excess > 0:
                excess -= len(data)
                self._held_bytes -= len(data)
                self.engine.stats.dropped += 1
            else:
                kept.append((data, droppable))
        held.clear()
        if excess <= 0:
            held.extend(kept)
            return
        self.engine.stats.slow_closed += 1
        log.info("slow reader connection=%d queued=%d", self.id, self._held_bytes)
        self._held_bytes = 0
        if self.endpoint.state is _OPEN:
            # Past what the socket holds already, this is all that it will get.
            self._write_out(self.endpoint.close(1013, "you read too slowly"))
        self._note_end([])

    # ------------------------------------------------------------------ time

    def on_wake(self, now: float) -> None:
        """The wheel has come to us."""
        if self._gone:
            return
        if now >= self._deadline:
            self._deadline = math.inf
            self._on_deadline()
        heartbeat = self.heartbeat
        if heartbeat is not None and self.endpoint.state is _OPEN:
            self._beat(heartbeat, now)
        at = self._deadline
        if heartbeat is not None and self.endpoint.state is _OPEN:
            at = min(at, heartbeat.next_event_at(now))
        if at < math.inf and not self.transport.is_closing():
            self.engine.wheel.wake(self, at)

    def _on_deadline(self) -> None:
        state = self.endpoint.state
        if self._ending_since is not None:
            self.finish_ending()
        elif state is _OPEN:
            self.handler.on_deadline(self)
        else:
            self.engine.stats.timed_out += 1
            log.info("deadline connection=%d state=%s", self.id, state.value)
            self.abort()

    def _beat(self, heartbeat: Heartbeat, now: float) -> None:
        if self._reading_paused:
            heartbeat.last_heard = now  # it may well answer, it is us who do not listen
        elif self._held is not None:
            # It cannot answer what it has not read yet; but as long as it reads, it lives.
            size = self.transport.get_write_buffer_size()
            if size < self._last_size:
                heartbeat.last_heard = now
            self._last_size = size
        verdict = heartbeat.verdict(now)
        if verdict is Verdict.SILENT:
            self.engine.stats.silent_closed += 1
            log.info("silent peer connection=%d for=%.3f", self.id, heartbeat.silent_for(now))
            self.abort()
            return
        if verdict is Verdict.WE_WERE_LATE:
            self.engine.stats.we_were_late += 1
            log.warning("our own loop was late connection=%d", self.id)
        payload = heartbeat.ping_due(now)
        if payload is not None:
            self.write(self.endpoint.ping(payload))

    # ------------------------------------------------------------------ the end

    def _note_end(self, events: Sequence[Event]) -> None:
        """From now on nothing is sent; the socket follows, at the latest at the deadline."""
        last = events[-1] if events else None
        if type(last) is Failed:
            self.error = last.error
            self.engine.stats.failed += 1
        if self._ended:
            return
        self._ended = True
        self.set_deadline(monotonic() + self._close_timeout)
        self.handler.on_end(self)

    def _finish(self) -> None:
        """Close TCP if it is for us to do so."""
        endpoint, transport = self.endpoint, self.transport
        if self._lingering or transport.is_closing() or not endpoint.close_transport:
            return
        if self._held:
            return  # the last of it is still to be written
        if self.error is None or not transport.can_write_eof():
            transport.close()
            return
        # The peer may still be sending. If we closed now, with octets unread, TCP would answer
        # with a reset, and the peer might never see our Close (RFC 6455 §7.1.1).
        self._lingering = True
        transport.write_eof()
        self.set_deadline(monotonic() + min(_LINGER, self._close_timeout))
