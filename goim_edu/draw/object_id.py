"""The picture of an ObjectId: 4 bytes of time, 5 of chance, 3 of a counter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import MARGIN, PAGE, brace, heading, label, paragraph, swatch
from goim_edu.draw.svg import text

if TYPE_CHECKING:
    from bson import ObjectId

__all__ = ["object_id"]

_PARTS: Final = (("time", 0, 4, "blue"), ("chance", 4, 9, "orange"), ("counter", 9, 12, "green"))
_LEFT: Final = MARGIN
_CELL: Final = 74.0
_GAP: Final = 18.0
_TOLD: Final = {
    "time": "seconds since 1970 in UTC, highest byte first: so ids sort by the time they were made",
    "chance": "drawn once per process: so two machines do not make the same id",
    "counter": "starts at random, one more for each id: so ids of one second differ",
}


def object_id(*ids: ObjectId | str | bytes) -> Picture:
    """Draw one or several ObjectIds taken apart (bsonspec.org; manual: "ObjectId()").

    From the second one on, bytes that are the same as in the one above it are pale.

    Args:
        ids: ObjectIds, or their 24 hexadecimal digits, or their 12 bytes; one at least.

    Raises:
        ValueError: none is given, or it is none.

    >>> picture = object_id("656f1a2b9d3e4f5a6b7c8d9e")
    >>> picture.fields[0]["time"].isoformat()
    '2023-12-05T12:40:11+00:00'
    """
    taken = [_take_apart(one) for one in ids]
    if not taken:
        raise ValueError("object_id needs at least one ObjectId")
    said = "12 bytes: when it was made, by which process, and which one it was"
    markup, y = heading("An ObjectId" if len(taken) == 1 else f"{len(taken)} ObjectIds", said)
    head, y = _draw_head(y + 4)
    markup += head
    for number, fields in enumerate(taken):
        above = taken[number - 1]["bytes"] if number else None
        markup += _draw_one(fields, above, y)
        y += 66
    return Picture(
        markup,
        PAGE,
        y,
        title="ObjectId " + ", ".join(fields["hex"] for fields in taken),
        alt=_words(taken),
        fields=taken,
    )


def _take_apart(one: ObjectId | str | bytes) -> dict[str, Any]:
    from bson import ObjectId
    from bson.errors import InvalidId

    if one is None:  # of which ObjectId would make a new one
        raise TypeError("an ObjectId, its digits or its bytes are wanted, not None")
    try:
        data = ObjectId(one).binary
    except (InvalidId, TypeError) as error:
        raise ValueError(str(error)) from None
    seconds = int.from_bytes(data[:4])
    return {
        "hex": data.hex(),
        "bytes": data,
        "seconds": seconds,
        "time": datetime.fromtimestamp(seconds, UTC),
        "chance": data[4:9],
        "counter": int.from_bytes(data[9:]),
    }


def _reading(fields: dict[str, Any], name: str) -> tuple[str, str]:
    """Return what a part says, in two lines."""
    if name == "time":
        return f"{fields['seconds']:,} s", f"{fields['time']:%Y-%m-%d %H:%M:%S} UTC"
    if name == "chance":
        return fields["chance"].hex(), "of this process"
    return f"{fields['counter']:,}", "of its counter"


def _words(taken: Sequence[dict[str, Any]]) -> str:
    said = []
    for fields in taken:
        values = (f"{name} {' = '.join(_reading(fields, name))}" for name, *_ in _PARTS)
        said.append(f"{fields['hex']}: {'; '.join(values)}")
    told = "; ".join(f"{name}: {why}" for name, why in _TOLD.items())
    return f"ObjectId. {'. '.join(said)}. {told}."


def _x(byte: int) -> float:
    """Return where a byte begins; there is a gap between the parts."""
    return _LEFT + byte * _CELL + sum(_GAP for _, start, *_ in _PARTS[1:] if byte >= start)


def _draw_head(y: float) -> tuple[str, float]:
    """Draw the names of the three parts and what each is for."""
    out, heights = [], []
    for name, start, end, colour in _PARTS:
        x, width = _x(start), (end - start) * _CELL
        size = f"{end - start} bytes"
        out += [swatch(x, y, width, 22, colour), label(x + width / 2, y + 15.5, name, colour)]
        words, height = paragraph(x, y + 24, f"{size}: {_TOLD[name]}", width, "s", size=11)
        out.append(words)
        heights.append(height)
    return "".join(out), y + 36 + max(heights)


def _draw_one(fields: dict[str, Any], above: bytes | None, y: float) -> str:
    out = []
    for name, start, end, colour in _PARTS:
        for byte in range(start, end):
            octet = fields["bytes"][byte]
            same = above is not None and above[byte] == octet
            out.append(_draw_byte(_x(byte), y, octet, colour, pale=same))
        x, width = _x(start), (end - start) * _CELL
        out.append(brace(x, y + 29, width, depth=5))
        first, second = _reading(fields, name)
        line = f"{first}  =  {second}" if name == "time" else f"{first}  {second}"
        out.append(text(x + width / 2, y + 50, line, "t mid"))
    return "".join(out)


def _draw_byte(x: float, y: float, octet: int, colour: str, *, pale: bool) -> str:
    shown = f"{octet:02x}"
    if pale:
        box = swatch(x, y, _CELL, 26, colour, tint=True)
        return box + text(x + _CELL / 2, y + 18, shown, "t m mid", style="font-size:15px")
    box = swatch(x, y, _CELL, 26, colour)
    return box + label(x + _CELL / 2, y + 18, shown, colour, size=15, mono=True)
