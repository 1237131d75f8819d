"""A message as a document, and what the store refuses to keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from goim_edu.errors import StoreConfigError

__all__ = [
    "COLLECTIONS",
    "DATABASE",
    "MAX_NAME",
    "MAX_TEXT_BYTES",
    "MESSAGE_SCHEMA",
    "Collections",
    "Saved",
    "StoredMessage",
    "check_message",
    "check_name",
    "message_key",
    "to_document",
    "to_message",
    "utc_now",
]

DATABASE = "GOIM"

MAX_NAME = 256
"""Longest room, user or client message id, in characters."""
MAX_TEXT_BYTES = 16 * 1024 * 1024 - 16 * 1024
"""Longest text in UTF-8 bytes: a document holds 16 MiB, other fields included."""
MAX_SEQ = 2**63 - 1
"""The largest sequence number: what a BSON int64 holds."""
_LONGEST_COLLECTION = 128  # at most 255 bytes fit together with the name of the database


@dataclass(frozen=True, slots=True)
class Collections:
    """The names of the two collections of a store.

    Args:
        messages: that of the messages; default: as in the notes.
        read_marks: that of how far each user has read.

    Raises:
        StoreConfigError: MongoDB takes no such name, or both are the same.

    Source: manual, "Naming Restrictions".

    >>> Collections(messages="chat.messages")
    Collections(messages='chat.messages', read_marks='read_marks')
    """

    messages: str = "messages"
    read_marks: str = "read_marks"

    def __post_init__(self) -> None:
        for what, name in (("messages", self.messages), ("read_marks", self.read_marks)):
            if (
                not isinstance(name, str)
                or not re.fullmatch(r"(?!system\.)[^$\0.]+(\.[^$\0.]+)*", name)
                or len(name.encode(errors="replace")) > _LONGEST_COLLECTION
            ):
                raise StoreConfigError(
                    f"{what} is {name!r}: a collection has a name of 1 to {_LONGEST_COLLECTION} "
                    "bytes without $ or NUL, which does not begin with 'system.', nor begin or end "
                    "with a dot"
                )
        if self.messages == self.read_marks:
            raise StoreConfigError(
                f"messages and read_marks are both {self.messages!r}; they need a collection each"
            )


COLLECTIONS = Collections()
"""As a store calls them if it is not told otherwise."""


@dataclass(slots=True)
class StoredMessage:
    """One message as it is stored; the field names are those of the document.

    >>> when = datetime(2026, 11, 23, 13, 56, tzinfo=UTC)
    >>> StoredMessage("lobby", 7, "lisa", "m1", "hello", when).seq
    7
    """

    room_id: str
    seq: int
    user_id: str
    client_msg_id: str
    text: str
    created_at: datetime


@dataclass(slots=True)
class Saved:
    """The store's answer: the message as stored, and whether it had been stored before."""

    message: StoredMessage
    duplicate: bool

    @property
    def seq(self) -> int:
        """The message's number in its room."""
        return self.message.seq


def utc_now() -> datetime:
    """The time as BSON keeps it: UTC, whole milliseconds.

    >>> utc_now().microsecond % 1000
    0
    """
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def message_key(user_id: str, client_msg_id: str) -> str:
    """The ``_id``: one document per pair, and no two pairs share a key.

    The length in front keeps ``("a:b", "c")`` and ``("a", "b:c")`` apart. As the idempotency key is
    the ``_id``, no second unique index is needed for it.

    >>> message_key("lisa", "m1")
    '4:lisa:m1'
    """
    return f"{len(user_id)}:{user_id}:{client_msg_id}"


def _check_text(value: object, what: str, longest: int) -> int:
    """The length of ``value`` in UTF-8 bytes, or a clear error."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{what} holds a lone surrogate at index {error.start}; it has no UTF-8 form"
            ) from None
    if size > longest:
        raise ValueError(f"{what} has {size:,} bytes; at most {longest:,} fit")
    return size


def check_name(value: object, what: str) -> None:
    """Refuse a value that is not a name: 1 to 256 characters that UTF-8 can express.

    A name may hold any character, so ``$where``, ``__proto__`` or a NUL are ordinary room names:
    they are only ever values, never operators or field names.

    Raises:
        TypeError: not a string; a document such as ``{"$ne": ""}`` would be an operator.
        ValueError: empty, too long, or with a lone surrogate.

    >>> check_name({"$ne": ""}, "room_id")
    Traceback (most recent call last):
    ...
    TypeError: room_id must be a str, not dict
    """
    _check_text(value, what, 4 * MAX_NAME)
    if not 1 <= len(value) <= MAX_NAME:  # type: ignore[arg-type]
        raise ValueError(f"{what} must have 1 to {MAX_NAME} characters, not {len(value)}")  # type: ignore[arg-type]


def check_message(room_id: str, user_id: str, client_msg_id: str, text: str) -> int:
    """Refuse what cannot be stored faithfully; return the size of the text in bytes.

    >>> check_message("lobby", "lisa", "m1", "")
    0
    """
    if (
        type(room_id) is type(user_id) is type(client_msg_id) is type(text) is str
        and (room_id + user_id + client_msg_id).isascii()
        and text.isascii()
        and 0 < len(room_id) <= MAX_NAME
        and 0 < len(user_id) <= MAX_NAME
        and 0 < len(client_msg_id) <= MAX_NAME
        and len(text) <= MAX_TEXT_BYTES
    ):
        return len(text)  # nearly every message: nothing below would complain
    check_name(room_id, "room_id")
    check_name(user_id, "user_id")
    check_name(client_msg_id, "client_msg_id")
    return _check_text(text, "text", MAX_TEXT_BYTES)


def to_document(key: str, message: StoredMessage) -> dict[str, Any]:
    """The document of a message, fields in the order in which they are stored."""
    return {
        "_id": key,
        "room_id": message.room_id,
        "seq": message.seq,
        "user_id": message.user_id,
        "client_msg_id": message.client_msg_id,
        "text": message.text,
        "created_at": message.created_at,
    }


def to_message(document: Mapping[str, Any]) -> StoredMessage:
    """The message of a document.

    >>> when = datetime(2026, 11, 23, tzinfo=UTC)
    >>> message = StoredMessage("lobby", 1, "lisa", "m1", "hello", when)
    >>> to_message(to_document("4:lisa:m1", message)) == message
    True
    """
    return StoredMessage(
        document["room_id"],
        document["seq"],
        document["user_id"],
        document["client_msg_id"],
        document["text"],
        document["created_at"],
    )


_NAME = {"bsonType": "string", "minLength": 1, "maxLength": MAX_NAME}
MESSAGE_SCHEMA: dict[str, Any] = {
    "bsonType": "object",
    "title": "a chat message",
    "required": ["room_id", "seq", "user_id", "client_msg_id", "text", "created_at"],
    "properties": {
        "_id": {"bsonType": "string"},
        "room_id": _NAME,
        "seq": {"bsonType": ["int", "long"], "minimum": 1},
        "user_id": _NAME,
        "client_msg_id": _NAME,
        "text": {"bsonType": "string"},
        "created_at": {"bsonType": "date"},
    },
}
"""What the server checks on every write (manual: "Schema Validation", ``$jsonSchema``)."""
