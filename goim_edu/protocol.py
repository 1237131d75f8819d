r"""The endpoint: octets in, events out, and octets to write; no socket, no clock, no thread.

    endpoint = Endpoint(Side.SERVER)              endpoint = Endpoint(Side.CLIENT)
                                                  write(endpoint.connect("example.com", "/chat"))

    for event in endpoint.receive_data(octets):   # what the peer said
        answer(event)                             # write(endpoint.send_text("Hello")), ...
    write(endpoint.data_to_send())                # what the protocol itself demands: Pong, Close

Whatever the peer does, ``receive_data`` raises nothing: exactly one last event says how it ended,
``Closed`` or ``Failed``, and nothing comes after it. If *you* break a rule, that is a
``LocalProtocolError``, and nothing has changed. Write octets in the order in which you get them,
and call ``data_to_send`` after the events of a read are dealt with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

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
    ClientHandshake,
    ExtensionOffer,
    HandshakeLimits,
    HandshakeResult,
    Headers,
    Request,
    Response,
    ServerHandshake,
    generate_accept,
)
from goim_edu.websocket.limits import Limits
from goim_edu.websocket.octets import Octets, as_view
from goim_edu.websocket.reader import MessageReader
from goim_edu.websocket.states import (
    COMMANDS,
    TRANSITIONS,
    Lifecycle,
    Side,
    State,
    Step,
    state_diagram,
)
from goim_edu.websocket.wanted import HeaderFields, wanted
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
    "Octets",
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

_DEFAULT_LIMITS: Final = Limits()
_Handshake = TypeVar("_Handshake", ServerHandshake, ClientHandshake)

# Looking up a member of an enumeration takes a while, and these are looked up for each message.
_OPEN: Final = State.OPEN
_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY


class Endpoint(Lifecycle):
    """One side of one WebSocket connection, without I/O; for one thread or task at a time.

    Args:
        side: client or server.
        limits: the bounds on what the peer may make us keep.
        compression: whether to agree on permessage-deflate, or how.
        already_open: start after the opening handshake, as if it had agreed on nothing.
        mask_source: gives that many unpredictable octets (§5.3); None takes ``os.urandom``.

    Attributes:
        state: where the connection is in its life.
        reader: what reads the frames; None before the handshake and after the end.
        request: the client's request, once a server has received it.
        response: the server's response, once it is sent or received.
        subprotocol: the agreed subprotocol, or None.
        extensions: the agreed extensions.
        deflate: the agreed compression at work, or None.
        close_code: the peer's code, 1005 if its Close gave none, 1006 if none came, None before.
        close_reason: the peer's reason.

    >>> server = Endpoint(Side.SERVER, already_open=True)
    >>> server.receive_data(bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58"))
    [TextMessage(data='Hello')]
    """

    __slots__ = (
        "_handshake",
        "_writer",
        "deflate",
        "extensions",
        "limits",
        "reader",
        "request",
        "response",
        "subprotocol",
    )

    def __init__(
        self,
        side: Side,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        compression: DeflateConfig | bool | None = None,
        already_open: bool = False,
        mask_source: Callable[[int], bytes] | None = None,
    ) -> None:
        super().__init__(side, State.OPEN if already_open else State.CONNECTING)
        wanted(limits, Limits, "limits is a Limits")
        self.limits = limits
        self.request: Request | None = None
        self.response: Response | None = None
        self.subprotocol: str | None = None
        self.extensions: tuple[ExtensionOffer, ...] = ()
        self.deflate: PerMessageDeflate | None = None
        server = self.side is Side.SERVER
        self._writer = MessageWriter(None if server else mask_source or os.urandom, None)
        kind: type[ServerHandshake | ClientHandshake] = (
            ServerHandshake if server else ClientHandshake
        )
        self._handshake = kind(limits.handshake, compression)
        self.reader = MessageReader(server, limits) if already_open else None

    # ------------------------------------------------------------------ octets in, events out

    def receive_data(self, data: Octets) -> list[Event]:
        """Take the octets of one read from the socket, however the network has cut them.

        After ``accept`` call it once with ``b""``: the client may have sent frames already.

        Args:
            data: the octets. A memoryview that can be written to lends them: they may be changed
                (unmasked where they stand), and nothing of them is kept.

        Returns:
            The events, in order. If the peer broke a rule, nothing is raised: the last event is
            ``Failed``, and ``data_to_send`` has the Close or the HTTP error for it.
        """
        data = data if type(data) is bytes else as_view(data)
        if (reader := self.reader) is None:
            return self._receive_handshake(bytes(data), eof=False)
        events: list[Event] = []
        try:
            if reader.read(data, events):
                self._answer(events)
        except RemoteProtocolError as error:
            self.fail(error, events)
        return events

    def receive_eof(self) -> list[Event]:
        """TCP has ended: the peer sends no more.

        Returns:
            ``Closed`` with 1006, ``Failed`` if a client awaited its 101, or none after the end.
        """
        if self.state is State.ENDING:
            self._send_last_close()
        if self.state is State.CLOSED:
            return []
        if self.state is State.CONNECTING and self.side is Side.CLIENT:
            return self._receive_handshake(b"", eof=True)
        self._end(Step.END, 1006, "")
        return [Closed(1006, "", clean=False)]

    def data_to_send(self) -> bytes:
        """The octets that the protocol itself demands: Pong, Close or an HTTP error.

        If the end was reported, they end with our Close: answer first what came before the end.
        """
        if self.state is State.ENDING:
            self._send_last_close()
        writer = self._writer
        return writer.after_replies(b"") if writer.replies else b""

    # ------------------------------------------------------------------ the opening handshake

    def connect(
        self,
        host: str,
        target: str = "/",
        *,
        subprotocols: Sequence[str] = (),
        headers: HeaderFields = (),
        origin: str | None = None,
        key: str | None = None,
    ) -> bytes:
        """The request with which a client starts (RFC 6455 §4.1).

        Args:
            host: the ``Host`` field, with the port if it is not 80 (443 for TLS).
            target: path and query.
            subprotocols: those that we speak, the most wanted first.
            headers: more fields, such as ``Authorization``: a mapping, or pairs in order.
            origin: the page that asks; only browsers must name it.
            key: the ``Sec-WebSocket-Key``; a fresh one unless a lesson needs a known one.

        Raises:
            LocalProtocolError: we are a server, or one of them cannot be written.
        TypeError: one of them is of a wrong type.
        """
        handshake = self._handshake_as(ClientHandshake, "connect")
        return handshake.request(host, target, subprotocols, headers, origin, key)

    def accept(self, subprotocol: str | None = None, headers: HeaderFields = ()) -> bytes:
        """The 101 with which a server accepts; then the connection is OPEN (RFC 6455 §4.2.2).

        Args:
            subprotocol: one that the client offered (``select_subprotocol``), or None.
            headers: more fields, such as ``Set-Cookie``.

        Raises:
            HandshakeError: the request is not a proper upgrade; ``reject`` it with this error.
            LocalProtocolError: there is no request, or the 101 cannot be written.
        """
        result = self._handshake_as(ServerHandshake, "accept").accept(subprotocol, headers)
        self._open(result)
        return result.octets

    def reject(self, answer: HandshakeError | Response) -> bytes:
        """The HTTP response with which a server refuses, or serves a page (RFC 6455 §4.2.2).

        Raises:
            LocalProtocolError: there is no request, or the response cannot be written.
        """
        self.response, octets = self._handshake_as(ServerHandshake, "reject").reject(answer)
        self._end(Step.REFUSE, None, "")
        return octets

    def _handshake_as(self, kind: type[_Handshake], command: str) -> _Handshake:
        self._require(command)
        if not isinstance(self._handshake, kind):
            raise LocalProtocolError("a client connects, a server accepts or rejects")
        return self._handshake

    def _receive_handshake(self, data: bytes, *, eof: bool) -> list[Event]:
        if self.state is not State.CONNECTING:
            return []  # the end was reported
        try:
            found = self._handshake.receive(data, eof=eof)
        except HandshakeError as error:
            return [self._fail_handshake(error)]
        if found is None:
            return []
        if isinstance(found, Request):
            self.request = found
            return [RequestReceived(found)]
        self._open(found)
        return [Opened(found.response, *found.agreement), *self.receive_data(b"")]

    def _open(self, result: HandshakeResult) -> None:
        self.response, agreement, self.deflate, early, _ = result
        self.subprotocol, self.extensions = agreement
        self._writer.deflate = self.deflate
        masked = self.side is Side.SERVER  # §5.1
        self.reader = MessageReader(masked, self.limits, self.deflate, early)
        self._move(Step.AGREE)

    def _fail_handshake(self, error: HandshakeError) -> Failed:
        """The handshake is not valid: a server answers why (RFC 6455 §4.2.2)."""
        self.response, octets = self._handshake.fail(error)
        self._writer.replies.append(octets)
        self._end(Step.REFUSE, None, "")
        return Failed(error)

    def _answer(self, events: list[Event]) -> None:
        """A Ping and a Close demand an answer (RFC 6455 §5.5)."""
        for event in events:
            if type(event) is Ping and self.state is _OPEN:  # after our Close we send nothing
                self._writer.reply_pong(event.payload, self.limits.max_pending_control)
        last = events[-1]
        if type(last) is CloseReceived:
            code, reason = last
            events.append(Closed(code, reason, clean=True))
            # §5.5.1: the answer repeats the code that came. It may stand within a message (§5.4).
            self._finish(Step.HEAR_CLOSE, code, reason, build_close(code))

    def fail(self, error: RemoteProtocolError, events: list[Event]) -> None:
        """The peer broke a rule, or a bound of yours: append ``Failed`` (RFC 6455 §7.1.7)."""
        if events:
            self._answer(events)
        reason = str(error).encode()[:123].decode(errors="ignore")
        events.append(Failed(error))
        self._finish(Step.FAIL, 1006, "", build_close(error.close_code, reason))

    # ------------------------------------------------------------------ frames that go

    def send_text(self, data: str, *, compress: bool | None = None, fin: bool = True) -> bytes:
        """A text message, or its first fragment; write it to the socket (RFC 6455 §5.6).

        Args:
            data: the text.
            compress: whether to compress it; None compresses if that was agreed on.
            fin: False if ``continue_message`` brings the rest.

        Raises:
            LocalProtocolError: not OPEN, another message is not complete, the text has no UTF-8
                form, or compression was not agreed on.
            TypeError: ``data`` is neither text nor octets.
        """
        if self.state is not _OPEN:
            self._require("send")
        return self._writer.begin_message(_TEXT, data, compress, fin)

    def send_binary(self, data: Octets, *, compress: bool | None = None, fin: bool = True) -> bytes:
        """A binary message, or its first fragment; as ``send_text``."""
        if self.state is not _OPEN:
            self._require("send")
        return self._writer.begin_message(_BINARY, data, compress, fin)

    def continue_message(self, data: str | Octets, *, fin: bool = True) -> bytes:
        """The next fragment of the message that was begun with ``fin=False`` (RFC 6455 §5.4).

        It raises what ``send_text`` raises, and if no message is under way.
        """
        self._require("send")
        return self._writer.continue_message(data, fin)

    def send_many(self, messages: Sequence[str | Octets], *, compress: bool | None = None) -> bytes:
        """Many whole messages in one piece: a text for each str, a binary for each bytes.

        It is much quicker than sending them one by one. It raises what ``send_text`` raises, and
        then none of them counts as sent.
        """
        if self.state is not _OPEN:
            self._require("send")
        return self._writer.many(messages, compress)

    def ping(self, payload: Octets = b"") -> bytes:
        """A Ping; the peer answers with the same octets, at most 125 (RFC 6455 §5.5.2)."""
        self._require("ping")
        return self._writer.control_frame(Opcode.PING, payload)

    def pong(self, payload: Octets = b"") -> bytes:
        """A Pong that was not asked for, a heartbeat in one direction (RFC 6455 §5.5.3)."""
        self._require("pong")
        return self._writer.control_frame(Opcode.PONG, payload)

    def close(self, code: int = 1000, reason: str = "") -> bytes:
        """A Close; go on reading until the peer's Close comes (RFC 6455 §5.5.1, §7.1.2).

        Args:
            code: 1000 to 1003, 1007 to 1014, 3000 to 4999; or 1005 to give none.
            reason: at most 123 octets of UTF-8.

        Raises:
            LocalProtocolError: not OPEN, or code or reason may not be sent.
        """
        self._require("close")
        body = build_close(code, reason)
        octets = self._writer.control_frame(Opcode.CLOSE, body)
        self._own_close = body
        self._move(Step.SAY_CLOSE)
        return octets

    def _finish(self, step: Step, code: int, reason: str, close_body: bytes) -> None:
        """The peer is done: our Close is still to be sent, unless it was sent before."""
        if self.state is not _OPEN:
            self._end(step, code, reason)
            return
        self._move(step)
        self.reader = None
        self.close_code, self.close_reason, self._own_close = code, reason, close_body

    def _send_last_close(self) -> None:
        self._writer.reply_close(self._own_close or b"")
        self._end(Step.LAST_WORDS, self.close_code, self.close_reason)

    def _end(self, step: Step, code: int | None, reason: str) -> None:
        """CLOSED: nothing that is half received or half sent is kept."""
        self._move(step)
        self.close_code, self.close_reason = code, reason
        self.reader = self.deflate = None
