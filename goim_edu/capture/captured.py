"""What a recording is made of, and what is found in it: records, heads, frames, notes."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.frames import Frame, Header, Opcode
from goim_edu.websocket.http11 import Request, Response, quoted

__all__ = [
    "SENDERS",
    "CapturedFrame",
    "CapturedHead",
    "CapturedNote",
    "Direction",
    "Handshake",
    "Record",
    "Sender",
]

Direction = Literal["in", "out"]
"""As the server sees it: ``"in"`` came from the client."""
Sender = Literal["client", "server"]
"""Which side sent it."""

SENDERS: Final[dict[Direction, Sender]] = {"in": "client", "out": "server"}
_NAMES: Final = {int(opcode): opcode.name for opcode in Opcode}


class Record(NamedTuple):
    """What one read or one write of a socket carried.

    Args:
        connection: number of the connection.
        direction: ``"in"`` from the client, ``"out"`` from the server.
        time: seconds of a monotonic clock.
        data: the bytes, as they were on the wire.
        missing: how many bytes of this direction are missing before them; ``None``: nobody knows,
            since the recording began when the connection was open already.
    """

    connection: int
    direction: Direction
    time: float
    data: bytes
    missing: int | None = 0


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
        note: what could not be read of it, and why; empty if everything could.
    """

    connection: int
    sender: Sender
    time: float
    data: bytes
    header: Header | None
    payload: bytes = b""
    message: str | bytes | None = None
    error: RemoteProtocolError | None = None
    note: str = ""

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
            RemoteProtocolError: it is broken, or bytes of it are missing from the recording.
        """
        if self.error is not None or self.header is None:
            raise self.error or RemoteProtocolError(
                "the stream cannot be read on from here", section="RFC 6455 §7.1.7"
            )
        head = self.header
        if len(self.payload) != head.length:
            raise RemoteProtocolError(self.note, section="RFC 6455 §5.2")
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
    """The head of a request or a response of HTTP, as it was on the wire.

    Args:
        connection: number of the connection.
        sender: who sent it.
        time: when its last byte passed, in seconds since the recording began.
        data: its bytes; a body is not kept.
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


class CapturedNote(NamedTuple):
    """A remark at its place in a connection: what is missing there, or why it is not read on.

    Args:
        connection: number of the connection.
        sender: the side whose bytes it is about.
        time: seconds since the recording began.
        text: the remark.
        foreign: the protocol that the connection speaks, if that is why it is not read on.
    """

    connection: int
    sender: Sender
    time: float
    text: str
    foreign: str = ""


@dataclass(slots=True)
class Handshake:
    """One request of HTTP and its response; ``None`` for what has not come yet, or is missing.

    Args:
        connection: its number.
        request: the client's.
        response: the server's.
    """

    connection: int
    request: Request | None = None
    response: Response | None = None

    @property
    def protocol(self) -> str | None:
        """What the connection speaks after a 101, in lower case; ``None`` if it goes on with HTTP.

        The Upgrade field of the response names it (RFC 9110 §7.8, §15.2.2).
        """
        if self.response is None or self.response.status != 101:
            return None
        asked = self.request.headers.get("Upgrade") if self.request else ""
        return (self.response.headers.get("Upgrade") or asked or "websocket").strip().lower()

    @property
    def upgraded(self) -> bool | None:
        """Whether frames of WebSocket follow; ``None`` while there is no answer."""
        if self.response is None:
            return None
        names = (self.protocol or "").split(",")
        return "websocket" in [name.strip() for name in names]
