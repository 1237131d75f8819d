r"""A BSON document taken apart: which byte is a type, a name, a length, a value (bsonspec.org).

A document is its own length in 4 bytes, then its elements, then a byte 00. An element is a byte
for its type, its name up to a byte 00, and its value. Numbers have their lowest byte first.
``bson.decode`` gives the values only; pictures and BsonLab need the bytes that each came from.

>>> rows, error = read_bson(bytes.fromhex("0c 00 00 00 10 61 00 07 00 00 00 00"))
>>> [(row.name, row.type, row.value) for row in rows]
[('', 'document', 12), ('a', 'int32', 7), ('', 'end', None)]
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

__all__ = ["Piece", "Row", "in_words", "read_bson"]

_DEEPEST: Final = 100  # MongoDB's own bound on nesting (manual: "MongoDB Limits and Thresholds")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes that belong together.

    Attributes:
        kind: ``"length"``, ``"type"``, ``"name"``, ``"value"``, ``"end"`` or ``"unread"``.
        start: number of its first byte in the document.
        data: its bytes.
    """

    kind: str
    start: int
    data: bytes


@dataclass(slots=True)
class Row:
    """One element, or the start or the end of a document.

    Attributes:
        depth: how many documents it lies in.
        path: the names that lead to it, joined by dots.
        name: of the element.
        type: of its value, as bsonspec.org calls it.
        value: as Python holds it; of a document its length.
        remark: what is worth knowing of these bytes.
        pieces: its bytes.
    """

    depth: int
    path: str
    name: str
    type: str
    value: Any = None
    remark: str = ""
    pieces: list[Piece] = field(default_factory=list)


def read_bson(data: bytes) -> tuple[list[Row], str]:
    """Read a document and keep where each byte belongs.

    Args:
        data: its bytes.

    Returns:
        The rows as far as they can be read, in the order of their bytes, and what is wrong, in
        words; every byte lies in exactly one piece.
    """
    reader = _Reader(data)
    try:
        for row in reader.document(0, "", Row(0, "", "", "document", pieces=[])):
            reader.rows.append(row)
        if reader.position < len(data):
            raise ValueError(f"{len(data) - reader.position} bytes stand behind its end")
    except (ValueError, struct.error) as error:
        start = reader.rows_end()
        if start < len(data):
            piece = Piece("unread", start, data[start:])
            reader.rows.append(Row(0, "", "", "unread", pieces=[piece]))
        return reader.rows, f"byte {reader.position}: {error}"
    return reader.rows, ""


class _Reader:
    """Goes through the bytes once, from the first to the last."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.rows: list[Row] = []

    def rows_end(self) -> int:
        if not self.rows:
            return 0
        last = self.rows[-1].pieces[-1]
        return last.start + len(last.data)

    def document(self, depth: int, path: str, row: Row) -> Iterator[Row]:
        """Yield the row that opens a document, its elements, and the row that ends it."""
        if depth > _DEEPEST:
            raise ValueError(f"documents lie in each other more than {_DEEPEST} deep")
        start = self.position
        length = self.number("<i", "length", row)
        if length < 5 or start + length > len(self.data):
            self.position = start
            raise ValueError(f"a document of {length} bytes does not fit here")
        row.value = length
        row.remark = "its length, this number and the closing 00 included"
        yield row
        while self.peek():
            yield from self.element(depth + 1, path)
        end = Row(depth, path, "", "end")
        self.take(1, "end", end)
        if self.position != start + length:
            raise ValueError(f"a document of {length} bytes ends after {self.position - start}")
        yield end

    def element(self, depth: int, path: str) -> Iterator[Row]:
        row = Row(depth, path, "", "")
        code = self.take(1, "type", row)[0]
        if code not in _TYPES:
            self.position -= 1
            raise ValueError(f"there is no type 0x{code:02x}")
        row.name = self.cstring("name", row)
        row.path = f"{path}.{row.name}" if path else row.name
        row.type, read = _TYPES[code]
        if read is None:
            yield from self.document(depth, row.path, row)
            return
        row.value, row.remark = read(self, row)
        yield row

    def peek(self) -> int:
        if self.position >= len(self.data):
            raise ValueError("the document ends without its closing 00")
        return self.data[self.position]

    def take(self, size: int, kind: str, row: Row) -> bytes:
        piece = Piece(kind, self.position, self.data[self.position : self.position + size])
        if size < 0 or len(piece.data) < size:
            raise ValueError(f"{size} bytes are announced, {len(piece.data)} are there")
        row.pieces.append(piece)
        self.position += size
        return piece.data

    def number(self, form: str, kind: str, row: Row) -> Any:
        (value,) = struct.unpack(form, self.take(struct.calcsize(form), kind, row))
        return value

    def cstring(self, kind: str, row: Row) -> str:
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise ValueError("a name without its closing 00")
        start = self.position
        return self.text(self.take(end + 1 - start, kind, row)[:-1], start)

    def string(self, row: Row) -> str:
        length = self.number("<i", "length", row)
        start = self.position
        data = self.take(length, "value", row)
        if length < 1 or data[-1]:
            self.position = max(self.position - 1, start)
            raise ValueError("a string without its closing 00")
        return self.text(data[:-1], start)

    def text(self, data: bytes, start: int) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            self.position = start + error.start
            raise ValueError(f"a text that is not UTF-8: {error.reason}") from None


_ReadValue = Callable[[_Reader, Row], tuple[Any, str]]


def _read_string(reader: _Reader, row: Row) -> tuple[Any, str]:
    value = reader.string(row)
    octets = len(value.encode()) + 1
    return value, f"length {octets}: its UTF-8 and a closing 00"


def _read_double(reader: _Reader, row: Row) -> tuple[Any, str]:
    return reader.number("<d", "value", row), "IEEE 754, 64 bits, lowest byte first"


def _read_int32(reader: _Reader, row: Row) -> tuple[Any, str]:
    return reader.number("<i", "value", row), "lowest byte first"


def _read_int64(reader: _Reader, row: Row) -> tuple[Any, str]:
    return reader.number("<q", "value", row), "lowest byte first"


def _read_date(reader: _Reader, row: Row) -> tuple[Any, str]:
    milliseconds = reader.number("<q", "value", row)
    remark = f"{milliseconds:,} ms since 1970 in UTC, lowest byte first"
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds), remark
    except OverflowError:
        return milliseconds, remark + ": beyond what Python's datetime holds"


def _read_object_id(reader: _Reader, row: Row) -> tuple[Any, str]:
    from bson import ObjectId

    value = ObjectId(reader.take(12, "value", row))
    return value, "4 bytes of time, 5 of chance, 3 of a counter; highest byte first"


def _read_bool(reader: _Reader, row: Row) -> tuple[Any, str]:
    octet = reader.take(1, "value", row)[0]
    if octet > 1:
        reader.position -= 1
        raise ValueError(f"a boolean is 00 or 01, not {octet:02x}")
    return bool(octet), "01 is true" if octet else "00 is false"


def _read_binary(reader: _Reader, row: Row) -> tuple[Any, str]:
    length = reader.number("<i", "length", row)
    subtype = reader.take(1, "type", row)[0]
    return reader.take(length, "value", row), f"length, subtype 0x{subtype:02x}, then the bytes"


def _read_nothing(_reader: _Reader, _row: Row) -> tuple[Any, str]:
    return None, "type and name say it all"


def _read_regex(reader: _Reader, row: Row) -> tuple[Any, str]:
    pattern, flags = reader.cstring("value", row), reader.cstring("value", row)
    return (pattern, flags), "pattern and flags, each with a closing 00"


def _read_pointer(reader: _Reader, row: Row) -> tuple[Any, str]:
    namespace = reader.string(row)
    return f"{namespace} {_read_object_id(reader, row)[0]}", "deprecated"


def _read_scoped_code(reader: _Reader, row: Row) -> tuple[Any, str]:
    reader.number("<i", "length", row)
    code = reader.string(row)
    (length,) = struct.unpack_from("<i", reader.data, reader.position)
    reader.take(length, "value", row)
    return code, "deprecated: code, then a document of its variables"


def _read_timestamp(reader: _Reader, row: Row) -> tuple[Any, str]:
    increment = reader.number("<I", "value", row)
    seconds = reader.number("<I", "value", row)
    return (seconds, increment), "a counter, then seconds since 1970; MongoDB's own use"


def _read_decimal(reader: _Reader, row: Row) -> tuple[Any, str]:
    from bson.decimal128 import Decimal128

    return Decimal128.from_bid(reader.take(16, "value", row)), "IEEE 754 decimal, 128 bits"


_TYPES: Final[dict[int, tuple[str, _ReadValue | None]]] = {
    0x01: ("double", _read_double),
    0x02: ("string", _read_string),
    0x03: ("document", None),
    0x04: ("array", None),
    0x05: ("binary", _read_binary),
    0x06: ("undefined", _read_nothing),
    0x07: ("ObjectId", _read_object_id),
    0x08: ("boolean", _read_bool),
    0x09: ("UTC datetime", _read_date),
    0x0A: ("null", _read_nothing),
    0x0B: ("regular expression", _read_regex),
    0x0C: ("DBPointer", _read_pointer),
    0x0D: ("JavaScript", _read_string),
    0x0E: ("symbol", _read_string),
    0x0F: ("JavaScript with scope", _read_scoped_code),
    0x10: ("int32", _read_int32),
    0x11: ("timestamp", _read_timestamp),
    0x12: ("int64", _read_int64),
    0x13: ("decimal128", _read_decimal),
    0x7F: ("max key", _read_nothing),
    0xFF: ("min key", _read_nothing),
}


def in_words(row: Row) -> str:
    """Return in words what a row says.

    >>> in_words(Row(1, "seq", "seq", "int32", 7))
    'seq = 7'
    """
    if row.type in ("document", "array"):
        name = f"{row.name}: a" if row.name else "A"
        name += "n array" if row.type == "array" else " document"
        return f"{name} of {row.value:,} bytes"
    if row.type == "end":
        return f"end of {row.path or 'the document'}"
    if row.type == "unread":
        return "not read"
    if row.type == "regular expression":
        return f"{row.name} = /{'/'.join(row.value)}"
    return f"{row.name} = {_show(row.value)}"


def _show(value: object) -> str:
    """Return a value as it is written in a program, times as ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return str(value)
