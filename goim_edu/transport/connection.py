"""One socket, one endpoint, one handler: handshake, events, deadlines, heartbeat, and the end.

A ``Connection`` calls its ``Handler`` back once per read, with the events of that read.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from time import monotonic
from typing import ClassVar, Final

from goim_edu.errors import HandshakeError, RemoteProtocolError
from goim_edu.protocol import Endpoint, State
from goim_edu.transport.endpoint_stream import EndpointStream
from goim_edu.transport.engine import Engine, Tap
from goim_edu.transport.pace import Allowance
from goim_edu.transport.slow_reader import PORTION
from goim_edu.transport.states import ConnectionState, ConnectionStep
from goim_edu.websocket.events import Event, Failed, Opened, Pong, RequestReceived
from goim_edu.websocket.handshake import Request, Response
from goim_edu.websocket.heartbeat import Heartbeat
from goim_edu.websocket.reader import MessageReader
from goim_edu.websocket.wanted import HeaderFields

__all__ = ["Connection", "Handler"]

log = logging.getLogger("goim_edu.transport")

_CONNECTING: Final = ConnectionState.CONNECTING
_OPEN: Final = ConnectionState.OPEN
_ENDING: Final = ConnectionState.ENDING
_FINISHING: Final = ConnectionState.FINISHING
_LINGERING: Final = ConnectionState.LINGERING
_HEARING: Final = (ConnectionState.CONNECTING, ConnectionState.OPEN, ConnectionState.CLOSING)
_ENDPOINT_OPEN: Final = State.OPEN
_ENDPOINT_ENDING: Final = State.ENDING
_ENDPOINT_CLOSED: Final = State.CLOSED

_AGREE: Final = ConnectionStep.AGREE
_HEAR_END: Final = ConnectionStep.HEAR_END
_LAST_WORDS: Final = ConnectionStep.LAST_WORDS

_TRY_AGAIN: Final = 1013  # the peer has not broken a rule, so it may come back
_CONTROLS_AT_ONCE: Final = 5.0  # seconds of the rate of control frames
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


class Connection(EndpointStream):
    """One socket, one endpoint, one handler; ``state`` says where it is in its life.

    Thread safety: it belongs to its event loop; from another thread call
    ``loop.call_soon_threadsafe``. No method waits, so there is nothing to cancel.

    Args:
        engine: what it shares with the others.
        endpoint: the protocol at work.
        handler: is called back; on a server the first one answers the request.
        on_request: on a server: called with the request; it calls ``accept`` or ``reject``.
        open_timeout: seconds for the opening handshake.
        close_timeout: seconds from our Close, or the peer's, to the end of TCP; default: the
            engine's.
        greeting: what to write at once: a client's request.
        heartbeat: a client's heartbeat, which starts when the connection is open.
        tap: is given every read and write.

    Attributes:
        path: the path that was asked for, without its query.
        handler: is called back.
        error: the rule that the peer broke, or None.
    """

    __slots__ = (
        "_close_timeout",
        "_controls",
        "_greeting",
        "_on_request",
        "_open_timeout",
        "error",
        "handler",
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
        super().__init__(engine, endpoint, heartbeat, tap)
        self.handler = handler
        if greeting:
            self.path = greeting.split(b" ", 2)[1].partition(b"?")[0].decode()
        self.error: RemoteProtocolError | None = None
        self._on_request = on_request
        self._open_timeout = open_timeout
        self._close_timeout = engine.close_timeout if close_timeout is None else close_timeout
        self._greeting = greeting
        self._controls: Allowance | None = None

    # ------------------------------------------------------------------ called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket."""
        super().connection_made(transport)
        if self._endpoint.state is _ENDPOINT_OPEN:  # it was made to start after the handshake
            self._move(_AGREE)
        self.set_deadline(monotonic() + self._open_timeout)
        if self._greeting:
            self.write(self._greeting)
            self._greeting = b""

    def eof_received(self) -> bool:
        """The peer sends no more."""
        self._receiving = True
        try:
            self._receive_eof()
        finally:
            self._receiving = False
        self.flush()
        return False  # asyncio closes the socket once all is written

    def resume_writing(self) -> None:
        """The peer has read: write what was held back, as much as the socket takes again."""
        super().resume_writing()
        if self._slow is not None:
            return
        if self.state is _OPEN or self.state is _ENDING:
            self.handler.on_drained(self)
        else:
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        if self.state is not _FINISHING and self.state is not _LINGERING:
            self._receive_eof()
        super().connection_lost(error)
        self.handler.on_lost(self)

    # ------------------------------------------------------------------ what came

    def _receive(self, data: bytes | memoryview, now: float) -> None:
        """Hand the events to the handler, then add the answers that the protocol demands."""
        endpoint = self._endpoint
        heartbeat = self.heartbeat
        if heartbeat is not None:
            heartbeat.last_heard = now
        events = endpoint.receive_data(data)
        reader = endpoint.reader
        if reader is None or self.state is not _OPEN or endpoint.state is not _ENDPOINT_OPEN:
            self._receive_edge(events, now)
        elif not reader.plain:
            if events:
                self._call_handler(events)
        else:
            self._receive_plain(reader, events, now)

    def _receive_plain(self, reader: MessageReader, events: list[Event], now: float) -> None:
        """The same where the plain path was taken, which alone brings control frames."""
        if events:
            if self.heartbeat is not None:
                self._match_pongs(self.heartbeat, events, now)
            self._call_handler(events)
        replies = self._endpoint.data_to_send()
        if replies:
            self.write(replies)
        if self._endpoint.reader is reader:
            self._watch_reading(reader, events, now)

    def _watch_reading(self, reader: MessageReader, events: list[Event], now: float) -> None:
        """Look at what only the plain path brings: half received messages and control frames."""
        controls = reader.controls
        if reader.idle:
            self._message_is_whole()
        else:  # it is a new one if a message before it has ended
            self._message_is_half(reader.kept, len(events) > controls, now)
        rate = self.engine.control_rate
        if controls and rate < math.inf:
            if self._controls is None:
                self._controls = Allowance(rate, _CONTROLS_AT_ONCE * rate, now)
            self.rest(self._controls.spend(controls, now))

    def _receive_edge(self, events: list[Event], now: float) -> None:
        """The same at both edges of a life: a handshake, or the closing of a connection."""
        state = self._endpoint.state
        if events:
            first, last = events[0], events[-1]
            if type(first) is RequestReceived:
                self._answer_request(first.request)
                return
            if type(first) is Opened:
                self._move(_AGREE)
                self._follow_endpoint()
                self._start(self.handler, self.heartbeat)
            if type(last) is Failed:
                self.error = last.error
                self.engine.stats.failed += 1
        self._follow_endpoint()
        reader = self._endpoint.reader
        if reader is not None and reader.plain:
            self._watch_reading(reader, events, now)
        if events:
            if self.heartbeat is not None:
                self._match_pongs(self.heartbeat, events, now)
            self._call_handler(events)
        if self.state is _ENDING and state is _ENDPOINT_ENDING and self.handler.is_busy(self):
            self.set_deadline(now + min(_LINGER, self._close_timeout))
            return
        self._say_last_words()

    def _receive_eof(self) -> None:
        """The peer's TCP has ended."""
        self._receive_edge(self._endpoint.receive_eof(), monotonic())

    def _call_handler(self, events: list[Event]) -> None:
        try:
            self.handler.on_events(self, events)
        except Exception:
            # Our own mistake must not take the server down: it costs this connection.
            log.exception("handler failed connection=%d", self.id)
            self.close(1011, "internal error")

    def _answer_request(self, request: Request) -> None:
        if self._on_request is None:
            self.reject(
                HandshakeError("nothing is served here", status=404, section="RFC 6455 §4.2.2")
            )
            return
        try:
            self._on_request(self, request)
        except Exception:
            log.exception("request failed connection=%d", self.id)
            if self.state is _CONNECTING:
                self.reject(HandshakeError("our mistake", status=500, section="RFC 9110 §15.6.1"))

    @staticmethod
    def _match_pongs(heartbeat: Heartbeat, events: list[Event], now: float) -> None:
        for event in events:
            if type(event) is Pong:
                heartbeat.received_pong(event.payload, now)

    # ------------------------------------------------------------------ the opening handshake

    def accept(
        self,
        handler: Handler,
        subprotocol: str | None = None,
        headers: HeaderFields = (),
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """Agree to a WebSocket (server): write the 101 and go on with this handler.

        A request that is not a proper upgrade is refused with the fitting status.
        """
        try:
            data = self._endpoint.accept(subprotocol, headers)
        except HandshakeError as error:
            self.reject(error)
            return
        self.write(data)
        if not handler.keeps_handshake:
            self._endpoint.request = self._endpoint.response = None
        self._move(_AGREE)
        self._start(handler, heartbeat)
        early = self._endpoint.receive_data(b"")
        reader = self._endpoint.reader
        if early or (reader is not None and not reader.idle):
            self._receive_edge(early, monotonic())

    def _start(self, handler: Handler, heartbeat: Heartbeat | None) -> None:
        """The handshake is done."""
        self.handler = handler
        self.engine.stats.opened += 1
        self._on_request = None
        self._start_heartbeat(heartbeat)
        handler.on_open(self)

    def reject(self, answer: HandshakeError | Response) -> None:
        """Refuse a WebSocket, or serve a plain page (server); then the connection ends."""
        if isinstance(answer, HandshakeError):
            self.engine.stats.refused += 1
            log.debug("refused connection=%d status=%d why=%r", self.id, answer.status, str(answer))
        self.write(self._endpoint.reject(answer))
        self._end(ConnectionStep.REFUSE)
        if not self._receiving:
            self.flush()
            self._finish()

    # ------------------------------------------------------------------ the end

    def _on_deadline(self) -> None:
        if self.state is _OPEN:
            self.handler.on_deadline(self)
        elif self.state is _ENDING:
            self.finish_ending()
        else:
            self.engine.stats.timed_out += 1
            client = {"client": self.remote}
            log.info("deadline connection=%d state=%s", self.id, self.state.value, extra=client)
            self.abort()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say Close and wait for the peer's, until the close deadline; harmless if that is done."""
        if self.state is _OPEN:
            self.write(self._endpoint.close(code, reason))
            self._end(ConnectionStep.SAY_CLOSE)
        elif self.state is _CONNECTING:
            self.abort()

    def finish_ending(self) -> None:
        """The handler has answered all that came before the peer's Close: now answer that."""
        if self.state is _ENDING:
            self._say_last_words()
            self.flush()
            self._finish()

    def _follow_endpoint(self) -> None:
        """Move on if the endpoint has heard the end of what the peer sends."""
        state = self._endpoint.state
        if (state is _ENDPOINT_ENDING or state is _ENDPOINT_CLOSED) and self.state in _HEARING:
            self._move(_HEAR_END)

    def _say_last_words(self) -> None:
        """Write what the protocol demands; where that was all, the connection ends."""
        replies = self._endpoint.data_to_send()
        if replies:
            self.write(replies)
        if self.state is _ENDING:
            self._end(_LAST_WORDS)

    def _end(self, step: ConnectionStep) -> None:
        """From now on nothing is sent; the socket follows, at the latest at the deadline."""
        self._move(step)
        self.set_deadline(monotonic() + self._close_timeout)
        self._stop_resting()
        self.handler.on_end(self)

    def fail(self, code: int, why: str) -> None:
        """The peer has not kept a bound of ours: say so, read nothing more, and end it.

        Args:
            code: of our Close.
            why: its reason.
        """
        if self._endpoint.reader is None:
            self.abort()
            return
        error = RemoteProtocolError(why, close_code=code, section="RFC 6455 §10.4")
        events: list[Event] = []
        self._endpoint.fail(error, events)
        self._message_is_whole()  # nothing of it is kept
        self._receive_edge(events, monotonic())
        if not self._receiving:
            self.flush()
            self._finish()

    def _on_late_message(self) -> None:
        self.engine.stats.half_messages += 1
        log.info("half a message connection=%d octets=%d", self.id, self._half)
        self.fail(_TRY_AGAIN, "a message did not arrive in time")

    def give_way(self) -> None:
        """Keep nothing more for the peer: the server has no memory left, and we keep most."""
        self.engine.stats.gave_way += 1
        log.info("no memory left connection=%d kept=%d", self.id, self.kept)
        slow = self._slow
        if slow is None:
            self.fail(_TRY_AGAIN, "the server has no memory left")
        elif self.transport.get_write_buffer_size() <= PORTION and self.state is _OPEN:
            slow.clear()
            self._give_up_reader(self.kept)
        else:
            self.abort()  # behind so much no Close would arrive in time
        self.engine.memory.account(self, 0)

    def _give_up_reader(self, queued: int) -> None:
        """The peer reads too slowly: past what its socket holds, a Close is all that it gets."""
        self.engine.stats.slow_closed += 1
        client = {"client": self.remote}
        log.info("slow reader connection=%d queued=%d", self.id, queued, extra=client)
        if self.state is _OPEN:
            self._write_out(self._endpoint.close(_TRY_AGAIN, "you read too slowly"))
            self._end(ConnectionStep.SAY_CLOSE)
        elif self.state is _ENDING:
            self._write_out(self._endpoint.data_to_send())
            self._end(_LAST_WORDS)
        elif self.state is _CONNECTING:
            self.abort()

    def _finish(self) -> None:
        """End TCP, if all is said and written and it is for us to do so."""
        transport = self.transport
        if self.state is not _FINISHING or transport.is_closing():
            return
        if not self._endpoint.close_transport or (self._slow is not None and self._slow.size):
            return
        if self.error is None or not transport.can_write_eof():
            transport.close()
            return
        self._move(ConnectionStep.SHUT_DOWN)
        transport.write_eof()
        self.set_deadline(monotonic() + min(_LINGER, self._close_timeout))
