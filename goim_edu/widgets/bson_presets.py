"""Documents to start from: a message as it is stored, every common type, and damaged ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import bson

__all__ = ["PRESETS", "Preset"]


class Preset(NamedTuple):
    """A document worth looking at.

    Args:
        name: short, and unlike all others.
        data: its bytes.
        broken: whether it is damaged.
    """

    name: str
    data: bytes
    broken: bool = False


_ID: Final = bson.ObjectId("6923c1d09d3e4f5a6b7c8d9e")
_WHEN: Final = datetime(2026, 11, 23, 13, 56, 0, 249_000, tzinfo=UTC)
_MESSAGE: Final = {
    "_id": _ID,
    "room_id": "lobby",
    "seq": 7,
    "user_id": "lisa",
    "text": "Hello, 世界!",
    "created_at": _WHEN,
}
_TYPES: Final = {
    "double": 1.5,
    "string": "Grüße",
    "document": {"a": 1},
    "array": ["x", "y"],
    "binary": bson.Binary(b"\x00\xff", 0),
    "ObjectId": _ID,
    "boolean": True,
    "datetime": _WHEN,
    "null": None,
    "regex": bson.Regex("^a+", "i"),
    "int32": 7,
    "timestamp": bson.Timestamp(1_763_906_160, 3),
    "int64": bson.Int64(7),
    "decimal128": bson.Decimal128("1.50"),
}
_NESTED: Final = {
    "room_id": "lobby",
    "read_by": ["tom", {"user_id": "ann", "seq": 2**33}],
    "counts": {"members": {"now": 3, "most": 12}},
}
_SMALL: Final = {"text": "Hello", "seq": 7, "read": True}


def _damaged(document: Mapping[str, Any], after: bytes, skip: int, octet: int) -> bytes:
    """Return a document with one byte changed, ``skip`` bytes behind where ``after`` ends."""
    data = bytearray(bson.encode(document))
    data[data.index(after) + len(after) + skip] = octet
    return bytes(data)


PRESETS: Final[tuple[Preset, ...]] = (
    Preset("a chat message", bson.encode(_MESSAGE)),
    Preset("every common type", bson.encode(_TYPES)),
    Preset("documents in documents", bson.encode(_NESTED)),
    Preset("an ObjectId", bson.encode({"_id": _ID})),
    Preset("an empty document", bson.encode({})),
    Preset("a type that does not exist", _damaged(_SMALL, b"Hello\0", 0, 0x55), broken=True),
    Preset("a string that lies about its length", _damaged(_SMALL, b"text\0", 0, 60), broken=True),
    Preset("a string without its closing 00", _damaged(_SMALL, b"Hello", 0, 0x21), broken=True),
    Preset("a text that is not UTF-8", _damaged(_SMALL, b"He", 0, 0xFF), broken=True),
    Preset("a boolean of 2", _damaged(_SMALL, b"read\0", 0, 2), broken=True),
    Preset("cut off", bson.encode(_SMALL)[:-9], broken=True),
    Preset("an inner length one too small", _damaged(_NESTED, b"now\0", -9, 0x17), broken=True),
    Preset("bytes behind the end", bson.encode(_SMALL) + b"\x00\x00", broken=True),
)
"""In the order of the menu: the good ones first."""
