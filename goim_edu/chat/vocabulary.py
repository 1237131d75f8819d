"""The words of the chat: one schema for both subprotocols, strict, with reasons that help.

Each message is a struct with a ``type``. ``goim.v1.json`` writes it as one JSON object in a text
message, ``goim.v1.bson`` as one BSON document in a binary message. Times are RFC 3339 with
milliseconds in JSON, and dates in BSON.

What a client sends is checked field by field: a missing, unknown, empty or too long field is
refused with a reason that names it.

>>> JSON.decode('{"type": "join", "room_id": "lobby"}')
Join(room_id='lobby', since=None, ref=None)
>>> JSON.decode('{"type": "join", "room": "lobby"}')
Traceback (most recent call last):
...
goim_edu.errors.VocabularyError: join: Object contains unknown field `room`
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import bson
import msgspec
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from msgspec import Struct
from msgspec.structs import replace

from goim_edu.chat.ports import Saved
from goim_edu.chat.requests import (
    MAX_HISTORY,
    MAX_MEMBERS,
    Hello,
    History,
    Join,
    Leave,
    Members,
    Read,
    Request,
    Send,
    Typing,
)
from goim_edu.errors import VocabularyError

__all__ = [
    "BSON",
    "ERROR_CODES",
    "JSON",
    "MAX_HISTORY",
    "MAX_MEMBERS",
    "SUBPROTOCOLS",
    "Ack",
    "ChatMessage",
    "Codec",
    "Draining",
    "Error",
    "ErrorCode",
    "Hello",
    "History",
    "HistoryPage",
    "Join",
    "Joined",
    "Leave",
    "Left",
    "Members",
    "MembersPage",
    "Presence",
    "Read",
    "ReadBy",
    "Reply",
    "Request",
    "Send",
    "Typing",
    "TypingBy",
    "VocabularyError",
    "Welcome",
    "ack_of",
    "ref_of",
]

_LONGEST_REFUSED: Final = 32 * 1024  # octets: a text of 4,096 characters, each escaped, and room

ErrorCode = Literal[
    "bad_message",
    "unauthenticated",
    "forbidden",
    "not_joined",
    "too_long",
    "rate_limited",
    "unavailable",
    "room_full",
    "internal",
]
ERROR_CODES: Final[tuple[ErrorCode, ...]] = ErrorCode.__args__  # type: ignore[attr-defined]


# ---------------------------------------------------------------------- what the server says


class HeartbeatTimes(Struct):
    """Seconds between pings, and until a silent peer is given up."""

    interval: float
    timeout: float


class WelcomeLimits(Struct):
    """Characters of a text, rooms of a session, requests a second."""

    text: int
    rooms: int
    rate: float


class Welcome(Struct, tag="welcome", omit_defaults=True):
    """The answer to ``hello``."""

    session_id: str
    user_id: str
    server_time: datetime
    heartbeat: HeartbeatTimes
    limits: WelcomeLimits
    ref: str | None = None


class Joined(Struct, tag="joined", omit_defaults=True):
    """The answer to ``join``; missed messages follow it."""

    room_id: str
    last_seq: int
    members: list[str]
    member_count: int
    truncated: bool
    ref: str | None = None


class Ack(Struct, tag="ack", omit_defaults=True):
    """The answer to ``send``: the store has it."""

    room_id: str
    client_msg_id: str
    seq: int
    created_at: datetime
    duplicate: bool
    ref: str | None = None


class ChatMessage(Struct, tag="message"):
    """A message that was stored, told to every member of its room."""

    room_id: str
    seq: int
    user_id: str
    client_msg_id: str
    text: str
    created_at: datetime


class HistoryPage(Struct, tag="history", omit_defaults=True):
    """The answer to ``history``, ascending by seq."""

    room_id: str
    messages: list[ChatMessage]
    has_more: bool
    ref: str | None = None


class MembersPage(Struct, tag="members", omit_defaults=True):
    """The answer to ``members``, sorted."""

    room_id: str
    members: list[str]
    member_count: int
    has_more: bool
    ref: str | None = None


class Left(Struct, tag="left", omit_defaults=True):
    """The answer to ``leave``."""

    room_id: str
    ref: str | None = None


class Presence(Struct, tag="presence"):
    """The users that came and went since the last one, and how many are there now."""

    room_id: str
    joined: list[str]
    left: list[str]
    member_count: int


class TypingBy(Struct, tag="typing"):
    """Somebody is writing."""

    room_id: str
    user_id: str


class ReadBy(Struct, tag="read"):
    """Somebody has read up to this number."""

    room_id: str
    user_id: str
    seq: int


class Draining(Struct, tag="draining"):
    """The server is about to close; come back after this many milliseconds."""

    reconnect_after_ms: int


class Error(Struct, tag="error", omit_defaults=True):
    """A request was refused, and nothing has changed."""

    code: ErrorCode
    reason: str
    ref: str | None = None


Reply = (
    Welcome
    | Joined
    | Ack
    | ChatMessage
    | HistoryPage
    | MembersPage
    | Left
    | Presence
    | TypingBy
    | ReadBy
    | Draining
    | Error
)

# ---------------------------------------------------------------------- the two codecs


def rfc3339(moment: datetime) -> str:
    """A time as text: UTC with milliseconds (RFC 3339 §5.6).

    >>> rfc3339(datetime(2026, 11, 23, 13, 56, 0, 249000, tzinfo=UTC))
    '2026-11-23T13:56:00.249Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class Codec:
    """How messages are written in one of the two subprotocols.

    Attributes:
        name: the subprotocol as it is negotiated.
        binary: whether it uses binary messages.
    """

    name: str
    binary: bool

    def encode(self, message: Struct) -> bytes:
        """The payload of a message, a request or a reply."""
        raise NotImplementedError

    def decode(self, data: str | bytes) -> Request:
        """What a client sent.

        Raises:
            VocabularyError: it is not a request of this vocabulary.
        """
        raise NotImplementedError

    def decode_reply(self, data: str | bytes) -> Reply:
        """What a server sent, for clients; unknown fields are passed over.

        Raises:
            VocabularyError: it is not a reply of this vocabulary.
        """
        raise NotImplementedError


def ack_of(room_id: str, saved: Saved, ref: str | None) -> Ack:
    """The answer to a ``send`` that the store has taken."""
    stored = saved.message
    return Ack(
        *(room_id, stored.client_msg_id, stored.seq, stored.created_at, saved.duplicate, ref)
    )


def ref_of(codec: Codec, data: str | bytes) -> str | None:
    """The ``ref`` of a request that is not granted, so that the client knows which it is.

    A message that is longer than any request needs is not read: a flood must stay cheap.
    """
    if len(data) > _LONGEST_REFUSED:
        return None
    try:
        return codec.decode(data).ref
    except VocabularyError as error:
        return error.ref


def _explain(error: Exception, loose: object) -> VocabularyError:
    """Put the library's words and what we can make out of the message together."""
    ref = kind = None
    if isinstance(loose, Mapping):
        ref, kind = loose.get("ref"), loose.get("type")
    ref = ref if isinstance(ref, str) and len(ref) <= 64 else None
    reason = str(error)[:300]  # it may quote a field name as long as the message
    if "`$.type`" in reason or not isinstance(kind, str):
        if isinstance(kind, str):
            reason = f"there is no type {kind[:40]!r}"
        return VocabularyError(reason, ref)
    return VocabularyError(reason, ref, kind[:40])


_TIME_FIELDS: Final[dict[type[Struct], str]] = {
    Welcome: "server_time",
    Ack: "created_at",
    ChatMessage: "created_at",
}


def _with_time_as_text(message: Struct, field: str) -> Struct:
    """A copy that is good for the JSON encoder only, which would write six digits of a second."""
    return replace(message, **{field: rfc3339(getattr(message, field))})


class _Json(Codec):
    name = "goim.v1.json"
    binary = False

    def __init__(self) -> None:
        self._requests = msgspec.json.Decoder(Request)
        self._replies = msgspec.json.Decoder(Reply)
        self._encode = msgspec.json.Encoder().encode

    def encode(self, message: Struct) -> bytes:
        field = _TIME_FIELDS.get(type(message))
        if field is not None:
            message = _with_time_as_text(message, field)
        elif type(message) is HistoryPage:
            message = replace(
                message,
                messages=[_with_time_as_text(one, "created_at") for one in message.messages],
            )
        return self._encode(message)

    def decode(self, data: str | bytes) -> Request:
        try:
            request: Request = self._requests.decode(data)
        except msgspec.MsgspecError as error:
            raise self._blame(error, data) from None
        return request

    def decode_reply(self, data: str | bytes) -> Reply:
        try:
            reply: Reply = self._replies.decode(data)
        except msgspec.MsgspecError as error:
            raise self._blame(error, data) from None
        return reply

    def _blame(self, error: Exception, data: str | bytes) -> VocabularyError:
        try:
            loose = msgspec.json.decode(data)
        except (msgspec.MsgspecError, RecursionError):
            loose = None
        return _explain(error, loose)


_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, tzinfo=UTC)


class _Bson(Codec):
    name = "goim.v1.bson"
    binary = True

    def encode(self, message: Struct) -> bytes:
        return bson.encode(msgspec.to_builtins(message, builtin_types=(datetime,)))

    def decode(self, data: str | bytes) -> Request:
        found: Request = self._convert(data, Request)
        return found

    def decode_reply(self, data: str | bytes) -> Reply:
        found: Reply = self._convert(data, Reply)
        return found

    def _convert(self, data: str | bytes, into: Any) -> Any:
        try:
            loose = bson.decode(data, _AWARE)  # type: ignore[arg-type]
        except (BSONError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise VocabularyError(f"BSON is malformed: {error}") from None
        try:
            return msgspec.convert(loose, into)
        except msgspec.MsgspecError as error:
            raise _explain(error, loose) from None


JSON: Final[Codec] = _Json()
"""``goim.v1.json``: one JSON object per text message."""
BSON: Final[Codec] = _Bson()
"""``goim.v1.bson``: one BSON document per binary message."""
SUBPROTOCOLS: Final = {codec.name: codec for codec in (JSON, BSON)}
"""The subprotocols by name, the one that a server likes best first."""
