"""Bits as the RFCs print them: rows of 32, each field a named box, and a table that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape

from goim_edu.draw.shapes import rows_shown, tooltip
from goim_edu.draw.svg import element, rect, text, text_width, wrap
from goim_edu.printable import printable

__all__ = [
    "BITS",
    "FITTED",
    "WIDE",
    "Box",
    "DrawnField",
    "Layout",
    "boxes_in_row",
    "draw_rows",
    "draw_table",
    "table_rows",
]

BITS: Final = 32
"""Bits in a row, as in every diagram of the RFCs, where there is room for them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are laid out in a certain width.

    Attributes:
        bits: in a row; a multiple of 8.
        cell: pixels a bit.
        left: room for the numbers of the octets.
        right: free space behind the last bit.
        brief: whether the markup says only what is seen, so that it stays short.
        tooltips: whether a field says what it is where the mouse rests.
    """

    bits: int = BITS
    cell: float = 28.0
    left: float = 48.0
    right: float = 16.0
    brief: bool = False
    tooltips: bool = True

    @property
    def width(self) -> float:
        """Of the whole picture, in pixels."""
        return self.left + self.bits * self.cell + self.right

    @property
    def inner(self) -> float:
        """Of a row, in pixels."""
        return self.bits * self.cell

    def x(self, bit: float) -> float:
        """Where a bit of the frame begins in its row."""
        return self.left + bit % self.bits * self.cell


WIDE: Final = Layout()
"""The picture as a file: it has the width of all the others."""
FITTED: Final = {
    700: Layout(32, 20.0, 40.0, 20.0, brief=True),
    400: Layout(16, 22.0, 40.0, 8.0, brief=True, tooltips=False),
    0: Layout(8, 30.0, 40.0, 20.0, brief=True, tooltips=False),
}
"""The layouts of a page, by the least room in pixels that each needs."""
_SMALL: Final = 11.0  # no letter is smaller
_NAME, _BITS, _VALUE, _HEX = 17.0, 22.0, 18.0, 24.0  # heights of the strips of a row
_LETTER: Final = 10.5  # from one letter to the next in a name that is written downwards
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

    @property
    def end(self) -> int:
        """The number of the bit after its last."""
        return self.start + self.width


def boxes_in_row(fields: Sequence[DrawnField], row: int, bits: int = BITS) -> Iterator[Box]:
    """Yield the boxes of row number ``row``, from left to right.

    >>> key = DrawnField("Masking-key", start=16, length=32)
    >>> [(box.start, box.width) for row in (0, 1) for box in boxes_in_row([key], row)]
    [(16, 16), (32, 16)]
    """
    first, last = row * bits, (row + 1) * bits
    for field in fields:
        start, end = max(field.start, first), min(field.end, last)
        step = 8 if field.bytewise else bits
        for at in range(start, end, step):
            yield Box(field, at, min(step, end - at))


def draw_rows(
    data: bytes,
    fields: Sequence[DrawnField],
    notes: Callable[[int], str],
    layout: Layout = WIDE,
    *,
    y: float,
    limit: int = 8,
) -> tuple[str, float]:
    """Draw the rows below ``y`` and return the markup and where it ends.

    Args:
        data: the octets; a field with the role ``"missing"`` may reach beyond them.
        fields: the fields, in order, without holes.
        notes: tells, by number of the octet, the line under the bits of a bytewise field.
        layout: how wide a row is.
        y: top, in pixels.
        limit: rows of 32 bits drawn at most, apart from the marked gap; narrower ones hold as much.
    """
    total = -(-max((field.end for field in fields), default=0) // layout.bits)
    limit *= BITS // layout.bits
    drawn = _Rows(data, notes, layout)
    ruler, y = drawn.ruler(y)
    out = [ruler]
    for row in rows_shown(total, limit):
        if row is None:
            left_out = (total - limit) * layout.bits // 8
            out.append(drawn.gap(y, left_out, first=(limit - 1) * layout.bits // 8))
            y += _GAP
            continue
        markup, y = drawn.row(list(boxes_in_row(fields, row, layout.bits)), row, y)
        out.append(markup)
    return "".join(out), y


@dataclass(frozen=True, slots=True)
class _Rows:
    """Draws the parts of rows in one layout."""

    data: bytes
    notes: Callable[[int], str]
    layout: Layout

    def ruler(self, y: float) -> tuple[str, float]:
        layout = self.layout
        said = "bits, counted from the left: in its byte, bit 0 is worth 128, bit 7 is worth 1"
        out = []
        for line in wrap(said, _SMALL, layout.inner):
            out.append(_small(layout.left, y + 9, line, "s"))
            y += 14
        out.append(_small(layout.left - 8, y + 10, "bit", "s end"))
        out += [
            _small(layout.x(bit + 0.5), y + 10, str(bit), "s m mid") for bit in range(layout.bits)
        ]
        return "".join(out), y + 18

    def gap(self, y: float, left_out: int, first: int) -> str:
        layout = self.layout
        middle = layout.left + layout.inner / 2
        zigzag = " ".join(
            f"{layout.left + step * layout.cell:g},{y + (4 if step % 2 else 9):g}"
            for step in range(layout.bits + 1)
        )
        full = f"{left_out:,} bytes not drawn (from byte {first:,} on)"
        said = _fitting([full, f"{left_out:,} bytes not drawn"], layout.inner, 12)
        half = text_width(said, 12) / 2 + 10
        lower = {"class_": "line", "fill": "none", "transform": "translate(0 8)"}
        return (
            element("polyline", points=zigzag, class_="line", fill="none")
            + element("polyline", points=zigzag, **lower)
            + rect(middle - half, y, 2 * half, 22, "paper")
            + text(middle, y + 15, said, "s mid")
        )

    def row(self, boxes: list[Box], row: int, y: float) -> tuple[str, float]:
        """One row; its names need more room where a box is too narrow to write across."""
        layout = self.layout
        narrow = [len(box.field.name) for box in boxes if _is_narrow(box)]
        strip = max([_NAME, *(count * _LETTER + 5 for count in narrow)])
        number = str(row * layout.bits // 8)
        out = [text(layout.left - 8, y + strip + 15, number, "s m end")]
        if row == 0 or not layout.brief:
            out.append(_small(layout.left - 8, y + strip - 1, "byte", "s end"))
        for _, alike in groupby(boxes, key=lambda box: box.field if layout.brief else box):
            out.append(self.area(list(alike), y, strip))
        out += [self.box(box, y, strip) for box in boxes]
        out += self.bits(boxes, y + strip + 17)
        out.append(self.octets(row, y + strip + _BITS + _VALUE))
        return "".join(out), y + strip + _BITS + _VALUE + _HEX

    def area(self, boxes: list[Box], y: float, strip: float) -> str:
        """The ground of neighbouring boxes of one field, with lines between them."""
        role, layout = boxes[0].field.role, self.layout
        x, width = layout.x(boxes[0].start), (boxes[-1].end - boxes[0].start) * layout.cell
        height = strip + _BITS + _VALUE
        if role == "missing":
            return rect(x + 2, y + 2, width - 4, height - 4, "gap")
        if role == "blank":
            return rect(x, y, width, height, "box tint r-missing")
        out = rect(x, y, width, height, f"box tint r-{role}")
        out += rect(x, y, width, strip, f"box r-{role}")
        lines = "".join(f"M{layout.x(box.start):g} {y:g}v{height:g}" for box in boxes[1:])
        return out + (element("path", d=lines, class_="line") if lines else "")

    def box(self, box: Box, y: float, strip: float) -> str:
        """What is written in a box, and the frame around it if it is wrong."""
        field, layout = box.field, self.layout
        x, width = layout.x(box.start), box.width * layout.cell
        height = strip + _BITS + _VALUE
        out = []
        if layout.tooltips and not (layout.brief and box.start > field.start):
            out.append(tooltip(_tooltip(field)))
        # Under the name, which reaches into the frame where a box is one bit wide.
        if field.wrong and box.start >= field.start + field.sound:
            out.append(rect(x + 1.5, y + 1.5, width - 3, height - 3, "bad"))
        out.append(_name(box, x, y, width))
        note = self.note(box, width - 4)
        if note:
            out.append(_small(x + width / 2, y + strip + _BITS + 12, note, "t m mid"))
        if layout.brief:
            return element("g", "".join(out)) if len(out) > 2 else "".join(out)
        where = {"data_name": field.name, "data_start": box.start, "data_length": box.width}
        return element("g", "".join(out), class_="field", **where)

    def note(self, box: Box, width: float) -> str:
        """What stands under the bits: the fullest that there is room for, or nothing."""
        said = self.notes(box.start // 8) if box.field.bytewise else _value(box)
        choices = (said, said.replace("0x", ""))
        fits = (one for one in choices if text_width(one, _SMALL, mono=True) <= width)
        return next(fits, "")

    def bits(self, boxes: list[Box], y: float) -> Iterator[str]:
        """The bits of a row; in brief, neighbours that look alike are one text."""
        shown = [(self.bit(at, box), at) for box in boxes for at in range(box.start, box.end)]
        style = "font-size:15px"
        if not self.layout.brief:
            for (class_, bit), at in shown:
                x = self.layout.x(at + 0.5)
                yield text(x, y, bit, f"{class_} m mid", data_bit=at, style=style)
            return
        for class_, alike in groupby(shown, key=lambda one: one[0][0]):
            run = list(alike)
            places = " ".join(f"{self.layout.x(at + 0.5):g}" for _, at in run)
            said = "".join(bit for (_, bit), _ in run)
            yield element("text", said, x=places, y=y, class_=f"{class_} m mid", style=style)

    def bit(self, at: int, box: Box) -> tuple[str, str]:
        """The colour of a bit and its sign."""
        if at // 8 >= len(self.data):
            return "s", "?"
        return "s" if box.field.role == "blank" else "t", str(
            self.data[at // 8] >> (7 - at % 8) & 1
        )

    def octets(self, row: int, y: float) -> str:
        """A bracket below each octet, open where its value stands."""
        layout = self.layout
        each = layout.bits // 8
        path, out = "", []
        side = 4 * layout.cell - 23
        for octet in range(row * each, min(row * each + each, len(self.data))):
            x = layout.x(octet * 8)
            path += f"M{x + 3:g} {y + 3:g}v4h{side:g}m40 0h{side:g}v-4"
            out.append(_small(x + 4 * layout.cell, y + 11, f"0x{self.data[octet]:02x}", "s m mid"))
        return element("path", d=path, class_="line", fill="none") + "".join(out) if path else ""


def _small(x: float, y: float, content: str, class_: str) -> str:
    return text(x, y, content, f"q {class_}")


def _is_narrow(box: Box) -> bool:
    return box.width == 1 and box.field.role != "missing"


def _name(box: Box, x: float, y: float, width: float) -> str:
    """The name of a box, in one of one bit letter below letter, as the RFC writes it."""
    class_ = "s mid" if box.field.role == "missing" else f"on-{box.field.role} b mid"
    middle = x + width / 2
    if _is_narrow(box):
        # Written as one text, so that it is read as one word.
        name = box.field.name
        downwards = {"y": " ".join(f"{y + 11 + _LETTER * at:g}" for at in range(len(name)))}
        places = " ".join([f"{middle:g}"] * len(name))
        written = element("text", name, x=places, class_=f"q {class_}", **downwards)
        return written if name else ""
    name = _fitting(_box_names(box), width, _SMALL, bold=True)
    return _small(middle, y + 12.5, name, class_) if name else ""


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


def _fitting(choices: Sequence[str], width: float, size: float, *, bold: bool = False) -> str:
    for choice in choices:
        if text_width(choice, size, bold=bold) <= width:
            return choice
    return choices[-1]


def _value(box: Box) -> str:
    first, worth = box.start == box.field.start, box.field.length > 1
    return box.field.value if first and worth else ""


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
                out.append(text(WIDE.left + x, y + 14 + number * _LINE, line, style))
        swatch = "gap" if field.role == "missing" else f"box r-{field.role}"
        out.append(rect(WIDE.left, y + 4, 13, 13, swatch))
        if field.wrong:
            out.append(rect(WIDE.left - 1.5, y + 2.5, 16, 16, "bad"))
        out.append(text(WIDE.width - 16, y + 14, _section(field), "s end"))
        y += lines * _LINE + 5
    return "".join(out), y


def table_rows(fields: Sequence[DrawnField]) -> str:
    """The same table as rows of HTML, which break their lines where the page wants it."""
    out = []
    for field in fields:
        cells = (("n", field.name), ("p", field.place), ("m", field.value), ("w", field.meaning))
        marked = " bad" if field.wrong else ""
        swatch = "gap" if field.role == "missing" else f"r-{field.role}"
        out.append(f'<tr><td class="k {swatch}{marked}">')
        out += [f'<td class="{class_}">{escape(printable(said))}' for class_, said in cells]
        out.append(f'<td class="c">{escape(_section(field))}')
    return "".join(out)


def _section(field: DrawnField) -> str:
    """Where the rule stands; the RFC that all this is about goes without saying."""
    return field.section.removeprefix("RFC 6455 ")
