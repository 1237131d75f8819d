r"""The picture of a BSON document: which byte is a type, a name, a length, a value (bsonspec.org).

A document is its own length in 4 bytes, then its elements, then a byte 00. An element is a byte
for its type, its name up to a byte 00, and its value. Numbers have their lowest byte first.

>>> rows, error = walk_bson(bytes.fromhex("0c 00 00 00 10 61 00 07 00 00 00 00"))
>>> [(row.name, row.type, row.value) for row in rows]
[('', 'document', 12), ('a', 'int32', 7), ('', 'end', None)]
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import (
    LINE,
    MARGIN,
    PAGE,
    fit,
    heading,
    label,
    legend,
    paragraph,
    tooltip,
    verdict,
)
from goim_edu.draw.svg import element, rect, text
from goim_edu.palette import OKABE_ITO
from goim_edu.printable import printable

__all__ = ["PIECE_COLOURS", "Piece", "Row", "bson_document", "reading", "walk_bson"]

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


def bson_document(document: bytes | Mapping[str, Any], *, lines: int = 40) -> Picture:
    """Draw a BSON document byte by byte.

    A damaged document is drawn as far as it can be read, with what is wrong below it.

    Args:
        document: its bytes, or a mapping, which is encoded by ``bson`` first.
        lines: how many lines of bytes are drawn at most.

    >>> picture = bson_document({"room_id": "lobby", "seq": 7})
    >>> [(field["name"], field["value"]) for field in picture.fields if field["name"]]
    [('room_id', 'lobby'), ('seq', 7)]
    """
    import bson

    data = bson.encode(document) if isinstance(document, Mapping) else bytes(document)
    rows, error = walk_bson(data)
    elements = sum(1 for row in rows if row.name)
    said = f"{len(data):,} bytes hold {elements:,} element{'s'[: elements != 1]}"
    markup, y = heading("A BSON document", said)
    drawn, y = _draw_rows(rows, y + 6, lines)
    markup += drawn
    if error:
        box, height = verdict(MARGIN, y + 4, PAGE - 2 * MARGIN, f"✗ {error}", "vermillion")
        markup, y = markup + box, y + 4 + height
    markup += legend(_LEFT, y + 10, {PIECE_COLOURS[kind]: said for kind, said in _LEGEND.items()})
    return Picture(
        markup,
        PAGE,
        y + 32,
        title=f"A BSON document: {said}",
        alt=_words(rows, said, error),
        fields=[_plain(row) for row in rows],
    )


def _plain(row: Row) -> dict[str, Any]:
    return {
        "path": row.path,
        "name": row.name,
        "type": row.type,
        "value": row.value,
        "depth": row.depth,
        "start": row.pieces[0].start,
        "bytes": b"".join(piece.data for piece in row.pieces),
        "pieces": [(piece.kind, piece.start, piece.data) for piece in row.pieces],
    }


def _words(rows: Sequence[Row], said: str, error: str) -> str:
    lines = []
    for row in rows:
        data = b"".join(piece.data for piece in row.pieces)
        shown = data[:24].hex(" ") + (" …" if len(data) > 24 else "")
        remark = f", {row.remark}" if row.remark else ""
        lines.append(f"byte {row.pieces[0].start}: {shown}: {reading(row)}{remark}")
    wrong = f" It cannot be read on: {error}." if error else ""
    return printable(f"A BSON document: {said}. {'; '.join(lines)}.{wrong}")


# ---------------------------------------------------------------------- reading


def walk_bson(data: bytes) -> tuple[list[Row], str]:
    """Read a document and keep where each byte belongs.

    Args:
        data: its bytes.

    Returns:
        The rows as far as they can be read, in the order of their bytes, and what is wrong, in
        words; every byte lies in exactly one piece.
    """
    walker = _Walker(data)
    try:
        for row in walker.document(0, "", Row(0, "", "", "document", pieces=[])):
            walker.rows.append(row)
        if walker.position < len(data):
            raise ValueError(f"{len(data) - walker.position} bytes stand behind its end")
    except (ValueError, struct.error) as error:
        start = walker.rows_end()
        if start < len(data):
            piece = Piece("unread", start, data[start:])
            walker.rows.append(Row(0, "", "", "unread", pieces=[piece]))
        return walker.rows, f"byte {walker.position}: {error}"
    return walker.rows, ""


class _Walker:
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
            raise ValueError(f"a text that is no UTF-8: {error.reason}") from None


_Reader = Callable[[_Walker, Row], tuple[Any, str]]


def _read_string(walker: _Walker, row: Row) -> tuple[Any, str]:
    value = walker.string(row)
    octets = len(value.encode()) + 1
    return value, f"length {octets}: its UTF-8 and a closing 00"


def _read_double(walker: _Walker, row: Row) -> tuple[Any, str]:
    return walker.number("<d", "value", row), "IEEE 754, 64 bits, lowest byte first"


def _read_int32(walker: _Walker, row: Row) -> tuple[Any, str]:
    return walker.number("<i", "value", row), "lowest byte first"


def _read_int64(walker: _Walker, row: Row) -> tuple[Any, str]:
    return walker.number("<q", "value", row), "lowest byte first"


def _read_date(walker: _Walker, row: Row) -> tuple[Any, str]:
    milliseconds = walker.number("<q", "value", row)
    remark = f"{milliseconds:,} ms since 1970 in UTC, lowest byte first"
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds), remark
    except OverflowError:
        return milliseconds, remark + ": beyond what Python's datetime holds"


def _read_object_id(walker: _Walker, row: Row) -> tuple[Any, str]:
    from bson import ObjectId

    value = ObjectId(walker.take(12, "value", row))
    return value, "4 bytes of time, 5 of chance, 3 of a counter; highest byte first"


def _read_bool(walker: _Walker, row: Row) -> tuple[Any, str]:
    octet = walker.take(1, "value", row)[0]
    if octet > 1:
        walker.position -= 1
        raise ValueError(f"a boolean is 00 or 01, not {octet:02x}")
    return bool(octet), "01 is true" if octet else "00 is false"


def _read_binary(walker: _Walker, row: Row) -> tuple[Any, str]:
    length = walker.number("<i", "length", row)
    subtype = walker.take(1, "type", row)[0]
    return walker.take(length, "value", row), f"length, subtype 0x{subtype:02x}, then the bytes"


def _read_nothing(_walker: _Walker, _row: Row) -> tuple[Any, str]:
    return None, "type and name say it all"


def _read_regex(walker: _Walker, row: Row) -> tuple[Any, str]:
    pattern, flags = walker.cstring("value", row), walker.cstring("value", row)
    return (pattern, flags), "pattern and flags, each with a closing 00"


def _read_pointer(walker: _Walker, row: Row) -> tuple[Any, str]:
    namespace = walker.string(row)
    return f"{namespace} {_read_object_id(walker, row)[0]}", "deprecated"


def _read_scoped_code(walker: _Walker, row: Row) -> tuple[Any, str]:
    walker.number("<i", "length", row)
    code = walker.string(row)
    (length,) = struct.unpack_from("<i", walker.data, walker.position)
    walker.take(length, "value", row)
    return code, "deprecated: code, then a document of its variables"


def _read_timestamp(walker: _Walker, row: Row) -> tuple[Any, str]:
    increment = walker.number("<I", "value", row)
    seconds = walker.number("<I", "value", row)
    return (seconds, increment), "a counter, then seconds since 1970; MongoDB's own use"


def _read_decimal(walker: _Walker, row: Row) -> tuple[Any, str]:
    from bson.decimal128 import Decimal128

    return Decimal128.from_bid(walker.take(16, "value", row)), "IEEE 754 decimal, 128 bits"


_TYPES: Final[dict[int, tuple[str, _Reader | None]]] = {
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


# ---------------------------------------------------------------------- drawing

_LEFT: Final = 58.0
_CELL: Final = 22.0
_PER_LINE: Final = 22
_READ_X: Final = _LEFT + _PER_LINE * _CELL + 14
_CELL_LINE: Final = 37.0
_INDENT: Final = 14.0
_TEXTS: Final = {"string", "JavaScript", "symbol", "regular expression"}
PIECE_COLOURS: Final[dict[str, str]] = {
    "type": "orange",
    "name": "sky",
    "length": "purple",
    "value": "green",
    "end": "grey",
    "unread": "vermillion",
}
"""Kind of a piece to the name of its colour."""
_LEGEND: Final = {
    "length": "length",
    "type": "type",
    "name": "name and 00",
    "value": "value",
    "end": "end of a document",
}


def _draw_rows(rows: Sequence[Row], y: float, lines: int) -> tuple[str, float]:
    out = []
    for number, row in enumerate(rows):
        if lines <= 0:
            start = row.pieces[0].start
            last = rows[-1].pieces[-1]
            rest = last.start + len(last.data) - start
            out.append(
                text(_LEFT, y + 14, f"⋮  {rest:,} bytes not drawn, from byte {start:,}", "s")
            )
            return "".join(out), y + 22
        drawn, height, used = _draw_row(row, y, lines)
        out.append(drawn)
        lines -= used
        y += height + (3 if number + 1 < len(rows) else 0)
    return "".join(out), y


def _draw_row(row: Row, y: float, limit: int) -> tuple[str, float, int]:
    """Draw one element; return markup, height and how many lines of bytes it took."""
    start = row.pieces[0].start
    placed = [
        (piece, at, octet)
        for piece in row.pieces
        for at, octet in enumerate(piece.data, piece.start - start)
    ]
    needed = -(-len(placed) // _PER_LINE)
    used = min(needed, max(1, min(limit, 3)))
    fits = used * _PER_LINE
    shown = placed if len(placed) <= fits else placed[: fits - 3]
    indent = min(row.depth, 6) * _INDENT
    out = [text(_LEFT - 8, y + 15, str(start), "s m end")]
    signs = _signs(row)
    out += [
        _draw_byte(piece, at, octet, signs.get(start + at, ""), y) for piece, at, octet in shown
    ]
    out += _borders(row, start, len(shown), y)
    if len(shown) < len(placed):
        x = _LEFT + (fits - 3) % _PER_LINE * _CELL
        said = f"… {len(placed) - len(shown):,} more"
        out.append(text(x + 4, y + (used - 1) * _CELL_LINE + 16, said, "s", style="font-size:11px"))
    words, height = _draw_reading(row, _READ_X + indent, y)
    return "".join([*out, words]), max(used * _CELL_LINE, height + 4), used


def _signs(row: Row) -> dict[int, str]:
    """Return the characters of names and texts, each at its first byte."""
    signs = {}
    for piece in row.pieces:
        if piece.kind == "name" or (piece.kind == "value" and row.type in _TEXTS):
            at = piece.start
            for char in piece.data.rstrip(b"\0").decode(errors="replace"):
                signs[at] = char if char.isprintable() and not char.isspace() else ""
                at += len(char.encode())
    return signs


def _draw_byte(piece: Piece, at: int, octet: int, sign: str, y: float) -> str:
    """Draw a byte of an element, ``at`` bytes from its start."""
    x, top = _LEFT + at % _PER_LINE * _CELL, y + at // _PER_LINE * _CELL_LINE
    colour = PIECE_COLOURS[piece.kind]
    out = [
        tooltip(f"{piece.kind}, from byte {piece.start}"),
        rect(x, top, _CELL, 20, "", fill=OKABE_ITO[colour]),
        label(x + _CELL / 2, top + 14.5, f"{octet:02x}", colour, mono=True, bold=False),
    ]
    if sign:
        out.append(text(x + _CELL / 2, top + 32, sign, "s m mid"))
    return element("g", "".join(out), class_="byte", data_kind=piece.kind)


def _borders(row: Row, start: int, shown: int, y: float) -> Iterator[str]:
    """Yield a frame around each piece, one for each line that it stands in."""
    for piece in row.pieces:
        first = piece.start - start
        end = min(first + len(piece.data), shown)
        while first < end:
            stop = min(end, (first // _PER_LINE + 1) * _PER_LINE)
            x, top = _LEFT + first % _PER_LINE * _CELL, y + first // _PER_LINE * _CELL_LINE
            width = (stop - first) * _CELL
            yield rect(x, top, width, 20, "box", fill="none", stroke_width=1.4)
            first = stop


def _draw_reading(row: Row, x: float, y: float) -> tuple[str, float]:
    """Draw what the bytes say: name and value, then type and remark."""
    width = PAGE - MARGIN - x
    out = [text(x, y + 14, fit(reading(row), width, bold=True), "t b")]
    said = f"{row.type}: {row.remark}" if row.name else row.remark
    words, height = paragraph(x, y + LINE - 1, said, width, "s", size=11) if said else ("", 0.0)
    return "".join([*out, words]), LINE + height


def reading(row: Row) -> str:
    """Return in words what a row says.

    >>> reading(Row(1, "seq", "seq", "int32", 7))
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
