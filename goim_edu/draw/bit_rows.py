"""Bits as the RFCs print them: rows of 32, each field a named box, and a table that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from goim_edu.draw.shapes import rows_shown, tooltip
from goim_edu.draw.svg import element, rect, text, text_width, wrap
from goim_edu.printable import printable

__all__ = ["BITS", "Box", "DrawnField", "boxes_in_row", "draw_rows", "draw_table"]

BITS: Final = 32
"""Bits in a row, as in every diagram of the RFCs."""

CELL: Final = 28.0  # pixels a bit
LEFT: Final = 48.0  # room for the octet numbers
WIDTH: Final = LEFT + BITS * CELL + 16
_NAME, _BITS, _VALUE, _HEX = 17.0, 22.0, 18.0, 24.0  # heights of the strips of a row
_ROW: Final = _NAME + _BITS + _VALUE + _HEX
_GAP: Final = 34.0
_LINE: Final = 17.0


@dataclass(frozen=True, slots=True)
class DrawnField:
    """A field as it is drawn: where its bits lie, what they say, in which colour.

    Attributes:
        name: as the RFC spells it.
        start: number of its first bit, counted from the first bit of all.
        length: in bits.
        value, meaning, section: for the table.
        role: its colour, a key of ``palette.ROLES``; ``"missing"`` has no bits yet, and
            ``"blank"`` has bits without a name.
        wrong: whether the field breaks a rule.
        sound: how many bits from its start are right all the same.
        bytewise: whether each octet gets a box of its own, as in a payload.
    """

    name: str
    start: int
    length: int
    value: str = ""
    meaning: str = ""
    section: str = ""
    role: str = "payload"
    wrong: bool = False
    sound: int = 0
    bytewise: bool = False

    @property
    def end(self) -> int:
        """The number of the bit after the last."""
        return self.start + self.length

    @property
    def place(self) -> str:
        """Where it lies, in words: in whole octets where that is possible.

        >>> [DrawnField("", *bits).place for bits in [(0, 1), (4, 4), (48, 40)]]
        ['bit 0', 'bits 4–7', 'bytes 6–10']
        """
        if self.length == 1:
            return f"bit {self.start}"
        if self.start % 8 or self.length % 8:
            return f"bits {self.start}–{self.end - 1}"
        first, last = self.start // 8, self.end // 8 - 1
        return f"byte {first:,}" if first == last else f"bytes {first:,}–{last:,}"


@dataclass(frozen=True, slots=True)
class Box:
    """The piece of a field that lies in one row: ``width`` bits from bit number ``start``."""

    field: DrawnField
    start: int
    width: int


def boxes_in_row(fields: Sequence[DrawnField], row: int) -> Iterator[Box]:
    """Yield the boxes of row number ``row``, from left to right.

    >>> key = DrawnField("Masking-key", start=16, length=32)
    >>> [(box.start, box.width) for row in (0, 1) for box in boxes_in_row([key], row)]
    [(16, 16), (32, 16)]
    """
    first, last = row * BITS, (row + 1) * BITS
    for field in fields:
        start, end = max(field.start, first), min(field.end, last)
        step = 8 if field.bytewise else BITS
        for at in range(start, end, step):
            yield Box(field, at, min(step, end - at))


def draw_rows(
    data: bytes,
    fields: Sequence[DrawnField],
    notes: Callable[[int], str],
    *,
    y: float,
    limit: int = 8,
) -> tuple[str, float]:
    """Draw the rows below ``y`` and return the markup and where it ends.

    Args:
        data: the octets; a field with the role ``"missing"`` may reach beyond them.
        fields: the fields, in order, without holes.
        notes: tells, by number of the octet, the line under the bits of a bytewise field.
        y: top, in pixels.
        limit: rows drawn at most, apart from the marked gap.
    """
    total = -(-max((field.end for field in fields), default=0) // BITS)
    out = [_ruler(y)]
    y += 32
    for row in rows_shown(total, limit):
        if row is None:
            left_out = (total - limit) * BITS // 8
            out.append(_gap(y, left_out, first=(limit - 1) * BITS // 8))
            y += _GAP
            continue
        out.append(text(LEFT - 8, y + _NAME - 1, "byte", "s end", style="font-size:10px"))
        out.append(text(LEFT - 8, y + _NAME + 15, str(row * 4), "s m end"))
        out += [_draw_box(box, data, notes, y) for box in boxes_in_row(fields, row)]
        out.append(_octets(data, row, y + _NAME + _BITS + _VALUE))
        y += _ROW
    return "".join(out), y


def _ruler(y: float) -> str:
    said = "bits, counted from the left: in its byte, bit 0 is worth 128, bit 7 is worth 1"
    marks = [text(LEFT, y + 9, said, "s", style="font-size:10.5px")]
    marks.append(text(LEFT - 8, y + 24, "bit", "s end", style="font-size:10px"))
    for bit in range(BITS):
        x = LEFT + (bit + 0.5) * CELL
        marks.append(text(x, y + 24, str(bit), "s m mid", style="font-size:10px"))
    return "".join(marks)


def _gap(y: float, left_out: int, first: int) -> str:
    middle = LEFT + BITS * CELL / 2
    zigzag = " ".join(
        f"{LEFT + step * CELL:g},{y + (4 if step % 2 else 9):g}" for step in range(BITS + 1)
    )
    said = f"{left_out:,} bytes not drawn (from byte {first:,} on)"
    half = text_width(said, 12) / 2 + 10
    return (
        element("polyline", points=zigzag, class_="line", fill="none")
        + element("polyline", points=zigzag, class_="line", fill="none", transform="translate(0 8)")
        + rect(middle - half, y, 2 * half, 22, "paper")
        + text(middle, y + 15, said, "s mid")
    )


def _draw_box(box: Box, data: bytes, notes: Callable[[int], str], y: float) -> str:
    field = box.field
    x, width = LEFT + box.start % BITS * CELL, box.width * CELL
    missing, height = field.role == "missing", _NAME + _BITS + _VALUE
    out = [tooltip(_tooltip(field))]
    if missing:
        out.append(rect(x + 2, y + 2, width - 4, height - 4, "gap"))
    elif field.role == "blank":
        out.append(rect(x, y, width, height, "box tint r-missing"))
    else:
        out.append(rect(x, y, width, height, f"box tint r-{field.role}"))
        out.append(rect(x, y, width, _NAME, f"box r-{field.role}"))
    # Under the name, which reaches into the frame where a box is one bit wide.
    if field.wrong and box.start >= field.start + field.sound:
        out.append(rect(x + 1.5, y + 1.5, width - 3, height - 3, "bad"))
    size = 11.0 if box.width > 3 else 8.2 if field.name == "MASK" else 8.6
    name_class = "s mid" if missing else f"on-{field.role} b mid"
    if name := _fitting(_box_names(box), width, size):
        out.append(text(x + width / 2, y + 12.5, name, name_class, style=f"font-size:{size:g}px"))
    faint = field.role == "blank"
    bits = range(box.start, box.start + box.width)
    out += [_draw_bit(at, data, y, faint=faint) for at in bits]
    note = _note(box, notes)
    size = 10.5 if box.width < 7 else 12.0
    if note and text_width(note, size, mono=True) <= width - 4:
        at_y = y + _NAME + _BITS + 12
        style = f"font-size:{size:g}px"
        out.append(text(x + width / 2, at_y, note, "t m mid", style=style))
    return element(
        "g",
        "".join(out),
        class_="field",
        data_name=field.name,
        data_start=box.start,
        data_length=box.width,
    )


def _tooltip(field: DrawnField) -> str:
    said = ": ".join(piece for piece in (field.name, field.value) if piece)
    return ". ".join(piece for piece in (said, field.meaning, field.section) if piece)


def _box_names(box: Box) -> list[str]:
    """Return what may stand in the strip, the fullest first."""
    field = box.field
    if not field.name:
        return [""]
    if field.bytewise:
        return [f"{field.name}, byte {(box.start - field.start) // 8}", field.name]
    continued = "" if box.start == field.start else " continued"
    words = field.name.split()
    return [field.name + continued, field.name, " ".join(words[:2]), words[0] if words else ""]


def _fitting(choices: Sequence[str], width: float, size: float) -> str:
    for choice in choices:
        if text_width(choice, size, bold=True) <= width:
            return choice
    return choices[-1]


def _draw_bit(at: int, data: bytes, y: float, *, faint: bool) -> str:
    x = LEFT + (at % BITS + 0.5) * CELL
    known = at // 8 < len(data)
    shown = str(data[at // 8] >> (7 - at % 8) & 1) if known else "?"
    class_ = "t m mid" if known and not faint else "s m mid"
    return text(x, y + _NAME + 17, shown, class_, data_bit=at, style="font-size:15px")


def _note(box: Box, notes: Callable[[int], str]) -> str:
    if box.field.bytewise:
        return notes(box.start // 8)
    first, worth = box.start == box.field.start, box.field.length > 1
    return box.field.value if first and worth else ""


def _octets(data: bytes, row: int, y: float) -> str:
    out = []
    for octet in range(row * 4, min(row * 4 + 4, len(data))):
        x = LEFT + octet % 4 * 8 * CELL
        path = f"M{x + 3:g} {y + 3:g}v4h{8 * CELL - 6:g}v-4"
        out.append(element("path", d=path, class_="line", fill="none"))
        middle = x + 4 * CELL
        out.append(rect(middle - 20, y + 2, 40, 12, "paper"))
        shown = f"0x{data[octet]:02x}"
        out.append(text(middle, y + 11, shown, "s m mid", style="font-size:11px"))
    return "".join(out)


_COLUMNS: Final = {
    "name": (22.0, 178.0),
    "bits": (202.0, 106.0),
    "value": (310.0, 166.0),
    "meaning": (478.0, 376.0),
}


def draw_table(fields: Sequence[DrawnField], *, y: float) -> tuple[str, float]:
    """Draw a line for each field below ``y``: colour, name, place, value, meaning and source."""
    out = []
    for field in fields:
        cells = {
            "name": field.name,
            "bits": field.place,
            "value": field.value,
            "meaning": field.meaning,
        }
        lines = 1
        for column, content in cells.items():
            x, width = _COLUMNS[column]
            mono = column == "value"
            broken = wrap(printable(content), 12, width - 8, mono=mono)
            lines = max(lines, len(broken))
            style = "t m" if mono else "t b" if column == "name" else "t"
            style = "s" if column == "bits" else style
            for number, line in enumerate(broken):
                out.append(text(LEFT + x, y + 14 + number * _LINE, line, style))
        swatch = "gap" if field.role == "missing" else f"box r-{field.role}"
        out.append(rect(LEFT, y + 4, 13, 13, swatch))
        if field.wrong:
            out.append(rect(LEFT - 1.5, y + 2.5, 16, 16, "bad"))
        section = field.section.removeprefix("RFC 6455 ")  # the one that all this is about
        out.append(text(WIDTH - 16, y + 14, section, "s end"))
        y += lines * _LINE + 5
    return "".join(out), y
