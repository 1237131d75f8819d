r"""The endpoint: octets in, events out, and octets to write; no socket, no clock, no thread.

    endpoint = Endpoint(Side.SERVER)              endpoint = Endpoint(Side.CLIENT)
                                                  write(endpoint.connect("example.com", "/chat"))

    for event in endpoint.receive_data(octets):   # what the peer said
        answer(event)                             # write(endpoint.send_text("Hello")), ...
    write(endpoint.data_to_send())                # what the protocol itself demands: Pong, Close

The floors that it stands on, from the top; each can be used alone:

    states      the life of a connection, as two tables          RFC 6455 §7
    opening     the handshake of a server, of a client           RFC 6455 §4
    outgoing    messages -> octets                               RFC 6455 §6.1
    incoming    octets -> messages and control frames            RFC 6455 §6.2
    fastpath    ... the short way: many small messages in bulk
    messages    ... the plain way: order, bounds, UTF-8          RFC 6455 §5.4, §5.6
    deflate     permessage-deflate                               RFC 7692
    frames      octets -> frames: every rule of the header       RFC 6455 §5.2, §5.5
    masking     XOR, without a loop over the octets              RFC 6455 §5.3
    handshake   HTTP requests and responses                      RFC 9112

Whatever the peer does, ``receive_data`` raises nothing: exactly one last event says how it ended,
``Closed`` or ``Failed``, and nothing comes after it. What *you* may not do is a
``LocalProtocolError``, and then nothing has changed. Write octets in the order in which you get
them, and call ``data_to_send`` after the events of a read are dealt with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from goim_edu.errors import (
    HandshakeError,
    IncompleteFrame,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
)
from goim_edu.websocket.close import CLOSE_CODES, build_close, parse_close
from goim_edu.websocket.decoder import FrameDecoder, Part
from goim_edu.websocket.deflate import DeflateConfig, PerMessageDeflate
from goim_edu.websocket.events import (
    BinaryMessage,
    Closed,
    CloseReceived,
    Event,
    Failed,
    Opened,
    Ping,
    Pong,
    RequestReceived,
    TextMessage,
)
from goim_edu.websocket.explain import Explanation, explain
from goim_edu.websocket.frames import (
    Frame,
    Header,
    Opcode,
    apply_mask,
    build_frame,
    check_header,
    parse_frame,
    parse_header,
)
from goim_edu.websocket.handshake import (
    ExtensionOffer,
    HandshakeLimits,
    Headers,
    Request,
    Response,
    error_response,
    generate_accept,
)
from goim_edu.websocket.limits import Limits
from goim_edu.websocket.opening import Agreed, ClientOpening, ServerOpening
from goim_edu.websocket.reader import MessageReader
from goim_edu.websocket.states import COMMANDS, TRANSITIONS, Side, State, Step, state_diagram
from goim_edu.websocket.writer import MessageWriter

__all__ = [
    "CLOSE_CODES",
    "COMMANDS",
    "TRANSITIONS",
    "BinaryMessage",
    "CloseReceived",
    "Closed",
    "DeflateConfig",
    "Endpoint",
    "Event",
    "Explanation",
    "ExtensionOffer",
    "Failed",
    "Frame",
    "FrameDecoder",
    "HandshakeError",
    "HandshakeLimits",
    "Header",
    "Headers",
    "IncompleteFrame",
    "Limits",
    "LocalProtocolError",
    "Opcode",
    "Opened",
    "Part",
    "Ping",
    "Pong",
    "ProtocolError",
    "RemoteProtocolError",
    "Request",
    "RequestReceived",
    "Response",
    "Side",
    "State",
    "Step",
    "TextMessage",
    "apply_mask",
    "build_close",
    "build_frame",
    "check_header",
    "explain",
    "generate_accept",
    "parse_close",
    "parse_frame",
    "parse_header",
    "state_diagram",
]

# Looking up a member of an enumeration takes a while, and these are looked up for each message.
_OPEN: Final = State.OPEN
_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY


_DEFAULT_LIMITS: Final = Limits()


class Endpoint:
    """One side of one WebSocket connection.

    Args:
        side: which one.
        limits: the bounds on what the peer may make us keep.
        deflate: how to compress; None agrees on no compression.
        already_open: start after the opening handshake, as if it had agreed on nothing.
        mask_source: gives that many unpredictable octets; a client masks with them (§5.3).

    Attributes:
        state: where it is in its life.
        request: the client's request, once a server has it.
        response: the server's response, once it is made or received.
        subprotocol: what was agreed on, or None.
        extensions: what was agreed on.
        deflate: the agreed compression at work, or None.
        close_code: the peer's code, 1005 if its Close gave none, 1006 if none came, None before.
        close_reason: the peer's reason.

    >>> server = Endpoint(Side.SERVER, already_open=True)
    >>> server.receive_data(bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58"))
    [TextMessage(data='Hello')]
    """

    __slots__ = (
        "_is_server",
        "_last_words",
        "_mask_source",
        "_opening",
        "_pongs",
        "_reader",
        "_replies",
        "_writer",
        "close_code",
        "close_reason",
        "deflate",
        "extensions",
        "limits",
        "request",
        "response",
        "side",
        "state",
        "subprotocol",
    )

    def __init__(
        self,
        side: Side,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        deflate: DeflateConfig | None = None,
        already_open: bool = False,
        mask_source: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.side = side
        self.limits = limits
        self.state = State.OPEN if already_open else State.CONNECTING
        self.request: Request | None = None
        self.response: Response | None = None
        self.subprotocol: str | None = None
        self.extensions: tuple[ExtensionOffer, ...] = ()
        self.deflate: PerMessageDeflate | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self._is_server = side is Side.SERVER
        self._mask_source = None if self._is_server else mask_source
        self._writer = MessageWriter(self._mask_source, None)
        self._opening: ServerOpening | ClientOpening = (
            ServerOpening(limits.handshake, deflate)
            if self._is_server
            else ClientOpening(limits.handshake, deflate)
        )
        self._reader: MessageReader | None = None  # there while we listen for frames
        if already_open:
            self._reader = MessageReader(self._is_server, limits)
        self._replies: list[bytes] = []
        self._pongs = 0  # how many of the replies are Pongs
        self._last_words = b""  # the body of our last Close

    # ------------------------------------------------------------------ octets in, events out

    def receive_data(self, data: bytes | memoryview) -> list[Event]:
        """Take what the socket gave, in whatever pieces it comes.

        After ``accept`` call it once with ``b""``: the client may have sent frames already.

        Args:
            data: the octets. A memoryview that can be written to lends them: they may be changed
                (unmasked where they stand), and nothing of them is kept.

        Returns:
            What it meant, in order. Nothing is raised for what a peer did: the last event is
            then ``Failed``, and ``data_to_send`` has the Close or the HTTP error for it.
        """
        reader = self._reader
        if reader is None:
            return self._receive_handshake(bytes(data), eof=False)
        events: list[Event] = []
        try:
            if reader.read(data, events):
                self._answer(events)
        except RemoteProtocolError as error:
            self._break_off(error, events)
        return events

    def receive_eof(self) -> list[Event]:
        """Take the end of TCP: the peer sends no more.

        Returns:
            ``Closed`` with code 1006, or ``Failed`` if a client waited for its handshake; nothing
            if the end was reported already.
        """
        if self.state is State.ENDING:
            self._say_last_words()
        if self.state is State.CLOSED:
            return []
        if self.state is State.CONNECTING and not self._is_server:
            return self._receive_handshake(b"", eof=True)
        self._end(Step.END, 1006, "")
        return [Closed(1006, "", clean=False)]

    def data_to_send(self) -> bytes:
        """What the protocol itself demands to be written, since the last call.

        If the end of the connection was reported, it ends with our Close: answer what came before
        the end first.
        """
        if self.state is State.ENDING:
            self._say_last_words()
        return self._behind_replies(b"") if self._replies else b""

    @property
    def ending(self) -> bool:
        """Whether the end was reported, but you may still answer what came before it."""
        return self.state is State.ENDING

    @property
    def close_transport(self) -> bool:
        """Whether to close TCP once all is written.

        A server does so when it is CLOSED. A client does so after a failure, but after a clean
        closing handshake it gives the server a moment to do it first (RFC 6455 §7.1.1).
        """
        if self.state is not State.CLOSED:
            return False
        return self.side is Side.SERVER or self.close_code in (None, 1006)

    # ------------------------------------------------------------------ the opening handshake

    def connect(
        self,
        host: str,
        target: str = "/",
        *,
        subprotocols: Sequence[str] = (),
        headers: Iterable[tuple[str, str]] = (),
        origin: str | None = None,
        key: str | None = None,
    ) -> bytes:
        """The request with which a client starts (RFC 6455 §4.1).

        Args:
            host: the ``Host`` field, with the port where it is not 80 (443 for TLS).
            target: path and query.
            subprotocols: those that we speak, the most wanted first.
            headers: more fields, such as ``Authorization``.
            origin: the page that asks, which only browsers must tell.
            key: the ``Sec-WebSocket-Key``; a fresh one unless a lesson needs a known one.

        Raises:
            LocalProtocolError: we are a server, or something of it cannot be written.
        """
        self._require("connect")
        if not isinstance(self._opening, ClientOpening):
            raise LocalProtocolError("a client connects, a server accepts or rejects")
        return self._opening.request(host, target, subprotocols, headers, origin, key)

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> bytes:
        """The 101 with which a server agrees; then the connection is OPEN (RFC 6455 §4.2.2).

        Args:
            subprotocol: one that the client offered (``select_subprotocol``), or None.
            headers: more fields, such as ``Set-Cookie``.

        Raises:
            HandshakeError: the request is no proper upgrade; ``reject`` it with this error.
            LocalProtocolError: there is no request, or the answer cannot be written.
        """
        agreed = self._server_opening("accept").accept(subprotocol, headers)
        self._agree(agreed)
        return agreed.octets

    def reject(self, answer: HandshakeError | Response) -> bytes:
        """The HTTP answer with which a server refuses, or serves a plain page (RFC 6455 §4.2.2).

        Raises:
            LocalProtocolError: there is no request, or the answer cannot be written.
        """
        self._server_opening("reject").pending_request()
        response = answer if isinstance(answer, Response) else error_response(answer)
        octets = response.to_bytes()
        self.response = response
        self._end(Step.REFUSE, None, "")
        return octets

    def _server_opening(self, command: str) -> ServerOpening:
        self._require(command)
        if not isinstance(self._opening, ServerOpening):
            raise LocalProtocolError("a client connects, a server accepts or rejects")
        return self._opening

    def _receive_handshake(self, data: bytes, *, eof: bool) -> list[Event]:
        if self.state is not State.CONNECTING:
            return []  # the end was reported
        try:
            if isinstance(self._opening, ClientOpening):
                agreed = self._opening.receive(data, eof=eof)
                if agreed is None:
                    return []
                self._agree(agreed)
                opened = Opened(agreed.response, agreed.subprotocol, agreed.extensions)
                return [opened, *self.receive_data(b"")]
            request = self._opening.receive(data)
        except HandshakeError as error:
            return [self._refuse(error)]
        if request is None:
            return []
        self.request = request
        return [RequestReceived(request)]

    def _agree(self, agreed: Agreed) -> None:
        self.response, self.subprotocol, self.extensions, self.deflate, early, _ = agreed
        self._writer = MessageWriter(self._mask_source, self.deflate)
        self._reader = MessageReader(self._is_server, self.limits, self.deflate, early)
        self._move(Step.AGREE)

    def _refuse(self, error: HandshakeError) -> Failed:
        """What came is no good handshake: a server says why (RFC 6455 §4.2.2)."""
        if isinstance(self._opening, ClientOpening):
            self.response = self._opening.response
        else:
            self.response = error_response(error)
            self._replies.append(self.response.to_bytes())
        self._end(Step.REFUSE, None, "")
        return Failed(error)

    # ------------------------------------------------------------------ what came is answered

    def _answer(self, events: list[Event]) -> None:
        """Ping and Close demand an answer (RFC 6455 §5.5)."""
        for event in events:
            if type(event) is Ping and self.state is _OPEN:  # after our Close we send nothing
                self._answer_ping(event.payload)
        last = events[-1]
        if type(last) is CloseReceived:
            code, reason = last
            events.append(Closed(code, reason, clean=True))
            # §5.5.1: the answer repeats the code that came. It may come within a message (§5.4).
            self._finish(Step.HEAR_CLOSE, code, reason, build_close(code))

    def _answer_ping(self, payload: bytes) -> None:
        """§5.5.2, §5.5.3: a Pong with the same octets; if too many wait, for the latest only."""
        pong = self._writer.control(Opcode.PONG, payload)
        if self._pongs < self.limits.max_pending_control:
            self._pongs += 1
            self._replies.append(pong)
        else:
            self._replies[-1] = pong

    def _break_off(self, error: RemoteProtocolError, events: list[Event]) -> None:
        """RFC 6455 §7.1.7: a rule is broken, so say which, and listen no more."""
        if events:
            self._answer(events)
        reason = str(error).encode()[:123].decode(errors="ignore")
        events.append(Failed(error))
        self._finish(Step.FAIL, 1006, "", build_close(error.close_code, reason))

    # ------------------------------------------------------------------ frames that go

    def send_text(self, data: str, *, compress: bool | None = None, fin: bool = True) -> bytes:
        """A text message, or with ``fin=False`` its first fragment; write it to the socket.

        Args:
            data: the text.
            compress: whether to compress it; None does so if that was agreed on.
            fin: False if ``continue_message`` brings the rest.

        Raises:
            LocalProtocolError: not OPEN, another message is not complete, the text has no UTF-8
                form, or ``compress`` was not agreed on.
        """
        if self.state is not _OPEN:
            self._require("send")
        octets = self._writer.begin(_TEXT, data, compress, fin)
        return self._behind_replies(octets) if self._replies else octets

    def send_binary(self, data: bytes, *, compress: bool | None = None, fin: bool = True) -> bytes:
        """A binary message, or its first fragment; as ``send_text``."""
        if self.state is not _OPEN:
            self._require("send")
        octets = self._writer.begin(_BINARY, data, compress, fin)
        return self._behind_replies(octets) if self._replies else octets

    def continue_message(self, data: str | bytes, *, fin: bool = True) -> bytes:
        """The next fragment of the message that was begun with ``fin=False`` (RFC 6455 §5.4).

        Raises:
            LocalProtocolError: not OPEN, or no message is under way.
        """
        self._require("send")
        return self._behind_replies(self._writer.go_on(data, fin))

    def send_many(self, messages: Sequence[str | bytes], *, compress: bool | None = None) -> bytes:
        """Many whole messages in one piece, text for each str, binary for each bytes.

        It is much quicker than to send them one by one. Raises as ``send_text`` does, and then
        none of them counts as sent.
        """
        if self.state is not _OPEN:
            self._require("send")
        octets = self._writer.many(messages, compress)
        return self._behind_replies(octets) if self._replies else octets

    def ping(self, payload: bytes = b"") -> bytes:
        """A Ping; the peer answers with the same octets, at most 125 (RFC 6455 §5.5.2)."""
        self._require("ping")
        return self._behind_replies(self._writer.control(Opcode.PING, payload))

    def pong(self, payload: bytes = b"") -> bytes:
        """A Pong that nobody asked for, a heartbeat in one direction (RFC 6455 §5.5.3)."""
        self._require("pong")
        return self._behind_replies(self._writer.control(Opcode.PONG, payload))

    def close(self, code: int = 1000, reason: str = "") -> bytes:
        """Say Close; go on listening until the peer's Close comes (RFC 6455 §7.1.2).

        Args:
            code: 1000 to 1003, 1007 to 1014, 3000 to 4999; or 1005 to give none.
            reason: at most 123 octets of UTF-8.

        Raises:
            LocalProtocolError: not OPEN, or code or reason may not be sent.
        """
        self._require("close")
        octets = self._writer.control(Opcode.CLOSE, build_close(code, reason))
        self._move(Step.SAY_CLOSE)
        return self._behind_replies(octets)

    def _behind_replies(self, octets: bytes) -> bytes:
        """The answers that are due go first, so that they need not wait for a message of ours."""
        octets = b"".join((*self._replies, octets))
        self._replies.clear()
        self._pongs = 0
        return octets

    # ------------------------------------------------------------------ the life

    def _require(self, command: str) -> None:
        """Refuse what the table does not allow."""
        if command not in COMMANDS[self.state]:
            raise LocalProtocolError(f"cannot {command}: the connection is {self.state.value}")

    def _move(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state][step]

    def _finish(self, step: Step, code: int, reason: str, last_words: bytes) -> None:
        """The end was heard: if we have not said Close yet, that is still to be done."""
        if self.state is not _OPEN:
            self._end(step, code, reason)
            return
        self._move(step)
        self._reader = None
        self.close_code, self.close_reason, self._last_words = code, reason, last_words

    def _say_last_words(self) -> None:
        self._replies.append(self._writer.control(Opcode.CLOSE, self._last_words))
        self._end(Step.LAST_WORDS, self.close_code, self.close_reason)

    def _end(self, step: Step, code: int | None, reason: str) -> None:
        """CLOSED: nothing half received or half sent is kept."""
        self._move(step)
        self.close_code, self.close_reason = code, reason
        self._reader = self.deflate = None
