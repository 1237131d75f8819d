"""The picture of a BSON document: which byte is a type, a name, a length, a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from goim_edu.draw.bson_elements import Piece, Row, in_words, read_bson
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
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["PIECE_COLOURS", "bson_document"]


def bson_document(document: Octets | Mapping[str, Any], *, lines: int = 40) -> Picture:
    """Draw a BSON document byte by byte.

    A damaged document is drawn as far as it can be read, with what is wrong below it.

    Args:
        document: its bytes, or a mapping, which is encoded by ``bson`` first.
        lines: how many lines of bytes are drawn at most.

    Raises:
        TypeError: it is neither octets nor a mapping.
        ValueError: a value or a name of the mapping cannot stand in a document.

    >>> picture = bson_document({"room_id": "lobby", "seq": 7})
    >>> [(field["name"], field["value"]) for field in picture.fields if field["name"]]
    [('room_id', 'lobby'), ('seq', 7)]
    """
    import bson

    try:
        data = bson.encode(document) if isinstance(document, Mapping) else as_octets(document)
    except bson.InvalidDocument as refusal:
        raise ValueError(f"this cannot be a document: {refusal}") from None
    rows, error = read_bson(data)
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
        lines.append(f"byte {row.pieces[0].start}: {shown}: {in_words(row)}{remark}")
    wrong = f" It cannot be read on: {error}." if error else ""
    return printable(f"A BSON document: {said}. {'; '.join(lines)}.{wrong}")


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
    out = [text(x, y + 14, fit(in_words(row), width, bold=True), "t b")]
    said = f"{row.type}: {row.remark}" if row.name else row.remark
    words, height = paragraph(x, y + LINE - 1, said, width, "s", size=11) if said else ("", 0.0)
    return "".join([*out, words]), LINE + height
