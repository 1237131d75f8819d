"""A recording of real bytes: who sent what and when, taken apart into handshakes and frames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from goim_edu.errors import HandshakeError, IncompleteFrame, RemoteProtocolError
from goim_edu.websocket.assembler import MessageAssembler
from goim_edu.websocket.decoder import Part
from goim_edu.websocket.deflate import DeflateConfig, PerMessageDeflate, accept_client
from goim_edu.websocket.extensions import parse_extensions
from goim_edu.websocket.frames import Frame, Header, Opcode, apply_mask, check_header, parse_header
from goim_edu.websocket.http11 import Request, Response, parse_request, parse_response, quoted

__all__ = [
    "Capture",
    "CapturedFrame",
    "CapturedHead",
    "Direction",
    "Handshake",
    "Record",
    "Sender",
    "take_apart",
]

Direction = Literal["in", "out"]
"""As the server sees it: ``"in"`` came from the client."""
Sender = Literal["client", "server"]

# What was agreed on has passed already: here nothing is bounded but by the recording itself.
_ANY_DEFLATE: Final = DeflateConfig(server_max_window_bits=15, client_max_window_bits=15)
_MOST: Final = 1 << 40
_NAMES: Final = {int(opcode): opcode.name for opcode in Opcode}
_SENDERS: Final[dict[Direction, Sender]] = {"in": "client", "out": "server"}


class Record(NamedTuple):
    """What one read or one write of a socket carried.

    Args:
        connection: number of the connection.
        direction: ``"in"`` from the client, ``"out"`` from the server.
        time: seconds of a monotonic clock.
        data: the bytes, as they were on the wire.
    """

    connection: int
    direction: Direction
    time: float
    data: bytes


class CapturedFrame(NamedTuple):
    """One frame of a recording, as it was on the wire.

    Args:
        connection: number of the connection.
        sender: who sent it.
        time: when its last byte passed, in seconds since the recording began.
        data: its bytes, header and all.
        header: its header, taken apart; ``None`` if a broken stream could not be read on.
        payload: unmasked, and compressed if it was sent so.
        message: the message that this frame completes, inflated; ``None`` if it completes none.
        error: the rule that it breaks, or ``None``.
    """

    connection: int
    sender: Sender
    time: float
    data: bytes
    header: Header | None
    payload: bytes = b""
    message: str | bytes | None = None
    error: RemoteProtocolError | None = None

    @property
    def name(self) -> str:
        """What kind of frame it is, in capitals; ``"?"`` for a reserved opcode."""
        return _NAMES.get(self.header.opcode, "?") if self.header else "?"

    @property
    def text(self) -> str:
        """The message, or else the payload, as text; a sign stands for what is not UTF-8."""
        if isinstance(self.message, str):
            return self.message
        return (self.payload if self.message is None else self.message).decode(errors="replace")

    @property
    def frame(self) -> Frame:
        """The frame as an object.

        Raises:
            RemoteProtocolError: it is broken.
        """
        if self.error is not None or self.header is None:
            raise self.error or RemoteProtocolError(
                "the stream cannot be read on from here", section="RFC 6455 §7.1.7"
            )
        head = self.header
        return Frame(
            Opcode(head.opcode),
            self.payload,
            head.fin,
            head.mask_key,
            head.rsv1,
            head.rsv2,
            head.rsv3,
        )

    def __repr__(self) -> str:
        wrong = f" ✗ {self.error.message}" if self.error else ""
        who = f"{self.name} from {self.sender} {self.connection}"
        return f"<{who}, {len(self.data)} bytes: {quoted(self.text)}{wrong}>"


class CapturedHead(NamedTuple):
    """A request or a response of HTTP, as it was on the wire.

    Args:
        connection: number of the connection.
        sender: who sent it.
        time: when its last byte passed, in seconds since the recording began.
        data: its bytes.
        parsed: what it says.
    """

    connection: int
    sender: Sender
    time: float
    data: bytes
    parsed: Request | Response

    @property
    def name(self) -> str:
        """``"REQUEST"`` or ``"RESPONSE"``."""
        return "REQUEST" if isinstance(self.parsed, Request) else "RESPONSE"

    @property
    def text(self) -> str:
        """Its first line, in short."""
        if isinstance(self.parsed, Request):
            return f"{self.parsed.method} {self.parsed.target}"
        return f"{self.parsed.status} {self.parsed.reason}"


@dataclass(slots=True)
class Handshake:
    """The HTTP part of one conversation; ``None`` for what has not come yet."""

    connection: int
    request: Request | None = None
    response: Response | None = None

    @property
    def upgraded(self) -> bool | None:
        """Whether the answer was 101, so that frames follow; ``None`` while there is none."""
        return None if self.response is None else self.response.status == 101


@dataclass(slots=True)
class _Conversation:
    """One connection while it is being taken apart: what of each direction is not yet read."""

    handshake: Handshake
    compressed: bool = False
    waiting: dict[Direction, bytearray] = field(
        default_factory=lambda: {"in": bytearray(), "out": bytearray()}
    )
    messages: dict[Direction, MessageAssembler] = field(default_factory=dict)
    stuck: set[Direction] = field(default_factory=set)
    heads: list[CapturedHead] = field(default_factory=list)

    def read(self, record: Record, began: float) -> Iterator[CapturedFrame]:
        """Take in the next bytes and yield the frames that they complete."""
        self.waiting[record.direction] += record.data
        if not self.handshake.upgraded:
            self._read_handshake(record.time - began)
        if self.handshake.upgraded:
            for direction in ("in", "out"):
                yield from self._read_frames(direction, record.time - began)

    def _read_handshake(self, time: float) -> None:
        try:
            if self.handshake.request is None:
                asked = parse_request(bytes(self.waiting["in"]))
                if asked is not None:
                    self.handshake.request = asked[0]
                    self._keep_head("in", time, *asked)
            if self.handshake.response is None and self.waiting["out"]:
                answered = parse_response(bytes(self.waiting["out"]))
                if answered is not None:
                    self.handshake.response = answered[0]
                    self._keep_head("out", time, *answered)
                    self._agree(answered[0])
        except HandshakeError:
            self.stuck |= {"in", "out"}  # no HTTP: there is nothing to take apart

    def _keep_head(
        self, direction: Direction, time: float, parsed: Request | Response, size: int
    ) -> None:
        waiting = self.waiting[direction]
        connection, sender = self.handshake.connection, _SENDERS[direction]
        self.heads.append(CapturedHead(connection, sender, time, bytes(waiting[:size]), parsed))
        del waiting[:size]

    def _agree(self, response: Response) -> None:
        """Make ready to put messages together, inflating them if that was agreed on."""
        extensions = response.headers.get("Sec-WebSocket-Extensions", "")
        params = accept_client(parse_extensions(extensions), _ANY_DEFLATE) if extensions else None
        for direction in ("in", "out"):
            deflate = PerMessageDeflate(params, direction == "in") if params else None
            self.messages[direction] = MessageAssembler(
                max_message_size=_MOST, max_fragments=_MOST, deflate=deflate
            )
        self.compressed = params is not None

    def _read_frames(self, direction: Direction, time: float) -> Iterator[CapturedFrame]:
        waiting = self.waiting[direction]
        while waiting and direction not in self.stuck:
            try:
                header = parse_header(bytes(waiting[:14]))
            except IncompleteFrame:
                return
            end = header.size + header.length
            error = self._judge(header, direction)
            if error is None and len(waiting) < end:
                return
            data = bytes(waiting[:end])
            del waiting[:end]
            frame = self._make_frame(header, direction, time, data, error)
            if frame.error is not None:
                # The connection fails here: what follows cannot be told apart any more.
                self.stuck.add(direction)
            yield frame

    def _judge(self, header: Header, direction: Direction) -> RemoteProtocolError | None:
        try:
            check_header(header, expect_masked=direction == "in", allow_rsv1=self.compressed)
        except RemoteProtocolError as error:
            return error
        return None

    def _make_frame(
        self,
        header: Header,
        direction: Direction,
        time: float,
        data: bytes,
        error: RemoteProtocolError | None,
    ) -> CapturedFrame:
        payload = data[header.size :]
        if header.mask_key is not None:
            payload = apply_mask(payload, header.mask_key)
        message: str | bytes | None = None
        if error is None and header.opcode < Opcode.CLOSE:
            try:
                done = self.messages[direction].add(Part(header, payload, first=True, last=True))
                message = None if done is None else done.data
            except RemoteProtocolError as wrong:
                error = wrong
        sender = _SENDERS[direction]
        number = self.handshake.connection
        return CapturedFrame(number, sender, time, data, header, payload, message, error)


def _conversation_of(record: Record, known: dict[int, _Conversation]) -> _Conversation:
    """Return the conversation that a record belongs to, a new one for a new connection."""
    if record.connection not in known:
        known[record.connection] = _Conversation(Handshake(record.connection))
    return known[record.connection]


def take_apart(records: Iterable[Record]) -> Iterator[tuple[float, Handshake | CapturedFrame]]:
    r"""Yield handshakes and frames with their times, while the records are read.

    Nothing is kept that is done with, so the recording may be larger than memory. A handshake
    comes when its request is there, and again when its response is.

    >>> head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    >>> [(time, found.request.target) for time, found in take_apart([Record(1, "in", 7.0, head)])]
    [(0.0, '/')]
    """
    known: dict[int, _Conversation] = {}
    began: float | None = None
    for record in records:
        began = record.time if began is None else began
        conversation = _conversation_of(record, known)
        handshake = conversation.handshake
        before = (handshake.request, handshake.response)
        frames = list(conversation.read(record, began))
        conversation.heads.clear()
        if (handshake.request, handshake.response) != before:
            yield record.time - began, handshake
        for frame in frames:
            yield frame.time, frame


def _contains(frame: CapturedFrame, wanted: bytes) -> bool:
    message = frame.message.encode() if isinstance(frame.message, str) else frame.message
    return wanted in frame.payload or wanted in (message or b"")


class Capture:
    r"""Record connections and take them apart.

    Recording is one ``append`` a read, so that it can stay on; the bytes are taken apart when
    somebody asks. It may be written by one thread and read by another.

    Args:
        max_bytes: past this many the recording stops, and ``full`` says so; nothing is lost in
            silence.

    Attributes:
        full: whether bytes came after the recording had stopped.

    >>> capture = Capture()
    >>> tap = capture.tap(1)
    >>> tap("in", 0.0, b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
    >>> tap("out", 0.1, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    >>> tap("in", 0.2, bytes.fromhex("818537fa213d7f9f4d5158"))
    >>> capture.find("Hello")
    [<TEXT from client 1, 11 bytes: 'Hello'>]
    """

    def __init__(self, max_bytes: int = 64 << 20) -> None:
        self.max_bytes = max_bytes
        self._forget()
        self._lock = threading.Lock()  # for readers: taking apart keeps state between calls

    def _forget(self) -> None:
        self.full = False
        self._size = 0
        self._records: list[Record] = []
        self._read = 0
        self._conversations: dict[int, _Conversation] = {}
        self._frames: list[CapturedFrame] = []
        self._entries: list[CapturedHead | CapturedFrame] = []

    def tap(self, connection: int) -> Callable[[Direction, float, bytes], None]:
        """Return the function that a connection calls with direction, time and bytes."""

        def record(direction: Direction, time: float, data: bytes) -> None:
            self.record(Record(connection, direction, time, bytes(data)))

        return record

    def record(self, record: Record) -> None:
        """Add a record; the order of the calls is the order of the recording."""
        if self._size + len(record.data) > self.max_bytes:
            self.full = True
            return
        self._size += len(record.data)
        self._records.append(record)

    def clear(self) -> None:
        """Forget what was recorded; connections that are open now cannot be taken apart later."""
        with self._lock:
            self._forget()

    @property
    def records(self) -> list[Record]:
        """What was recorded, oldest first."""
        return list(self._records)

    def frames(
        self, *, connection: int | None = None, sender: Sender | None = None
    ) -> list[CapturedFrame]:
        """Return the frames so far, oldest first: all, or those of a connection or a sender."""
        with self._lock:
            self._take_apart()
            return [
                frame
                for frame in self._frames
                if connection in (None, frame.connection) and sender in (None, frame.sender)
            ]

    def entries(self) -> list[CapturedHead | CapturedFrame]:
        """Return requests, responses and frames so far, oldest first."""
        with self._lock:
            self._take_apart()
            return list(self._entries)

    def handshakes(self) -> list[Handshake]:
        """Return the HTTP part of every connection, oldest first."""
        with self._lock:
            self._take_apart()
            return [conversation.handshake for conversation in self._conversations.values()]

    def find(self, text: str | bytes, *, sender: Sender | None = None) -> list[CapturedFrame]:
        """Return the frames whose payload, or whose message, contains ``text``, oldest first."""
        wanted = text.encode() if isinstance(text, str) else text
        return [frame for frame in self.frames(sender=sender) if _contains(frame, wanted)]

    def _take_apart(self) -> None:
        end = len(self._records)
        for record in self._records[self._read : end]:
            conversation = _conversation_of(record, self._conversations)
            frames = list(conversation.read(record, self._records[0].time))
            if conversation.heads:
                self._entries += conversation.heads
                conversation.heads.clear()
            self._frames += frames
            self._entries += frames
        self._read = end

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"<Capture: {len(self._records)} records, {self._size} bytes>"
