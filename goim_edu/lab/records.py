"""What a history is made of: what happened at the clients of a chat, with its times."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

__all__ = ["Acked", "Heard", "Joined", "Left", "Record", "Refused", "Sent"]


@dataclass(frozen=True, slots=True)
class Record:
    """Something that happened at a client.

    Args:
        at: seconds, by a clock that all records of a history share; default: ``monotonic`` now. An
            operation begins before its octets leave and ends after its answer is there.
    """

    at: float = field(default_factory=monotonic, kw_only=True)


@dataclass(frozen=True, slots=True)
class Sent(Record):
    """A message left, for the first time or again.

    Args:
        session: names the connection.
        room_id: the room that it is for.
        user_id: the user who says it.
        client_msg_id: the number that the client gave it.
        text: what is said.
        at: as in ``Record``.
    """

    session: str
    room_id: str
    user_id: str
    client_msg_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Acked(Record):
    """An acknowledgement came: the message is stored.

    Args:
        session: names the connection.
        user_id: the user who said it.
        client_msg_id: the number that the client gave it.
        seq: its number in the room.
        at: as in ``Record``.
    """

    session: str
    user_id: str
    client_msg_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Refused(Record):
    """An ``error`` came.

    Args:
        session: names the connection.
        user_id: the user who said it.
        client_msg_id: the number that the client gave it.
        code: the one of the chat protocol.
        at: as in ``Record``.
    """

    session: str
    user_id: str
    client_msg_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Joined(Record):
    """A reader is in a room from now on and hears what comes after number ``since``.

    With None it hears what is said from now on. A reader that joins again, over a new connection,
    begins a new stream.

    Args:
        reader: names it.
        room_id: the room.
        since: the number, 0 or more; None for what is said from now on.
        at: as in ``Record``.
    """

    reader: str
    room_id: str
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Heard(Record):
    """A reader was told a message.

    Args:
        reader: names it.
        room_id: the room.
        seq: the number of the message.
        user_id: the user who said it.
        client_msg_id: the number that the client gave it.
        text: what was said.
        at: as in ``Record``.
    """

    reader: str
    room_id: str
    seq: int
    user_id: str
    client_msg_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Left(Record):
    """A reader left the room: it need not have heard the rest.

    Args:
        reader: names it.
        room_id: the room.
        at: as in ``Record``.
    """

    reader: str
    room_id: str
