"""The picture of the first wrong bit: where two runs of bytes differ, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.svg import rect, text, text_width
from goim_edu.palette import FIELD_ROLES
from goim_edu.websocket.explain import Field, explain

__all__ = ["compare", "first_wrong_bit", "frame_fields", "point_at"]

_CELL: Final = 22.0  # pixels a bit
_LEFT: Final = 92.0
_SHOWN: Final = 4  # bytes
_ROW: Final = 46.0


def frame_fields(data: bytes) -> tuple[Field, ...]:
    """The fields of the frame at the start of ``data``.

    >>> [field.name for field in frame_fields(bytes.fromhex("81 00"))][4:]
    ['opcode', 'MASK', 'Payload length']
    """
    return explain(data, kind="frame", compression=True).fields


def first_wrong_bit(want: bytes, got: bytes) -> int | None:
    """The number of the first bit that differs, or None; where one ends, its next bit differs.

    >>> first_wrong_bit(bytes([0x81, 0x05]), bytes([0x81, 0x85])), first_wrong_bit(b"a", b"a")
    (8, None)
    """
    for index, (right, yours) in enumerate(zip(want, got, strict=False)):
        if right != yours:
            return index * 8 + 8 - (right ^ yours).bit_length()
    if len(want) != len(got):
        return 8 * min(len(want), len(got))
    return None


def compare(want: bytes, got: bytes, fields: Sequence[Field] = ()) -> Picture | None:
    """Draw the bytes around the first wrong bit, the right ones above the learner's.

    Args:
        want: the right bytes.
        got: the learner's bytes.
        fields: what the bits of ``want`` are called.

    Returns:
        The picture, or None if there is no wrong bit, or nothing at all is right.

    >>> compare(b"Hi", b"hi").alt
    'The first wrong bit is bit 2 (byte 0): it should be 0, yours is 1.'
    """
    wrong = first_wrong_bit(want, got)
    if wrong is None or not want:
        return None
    name = next((f.name for f in fields if f.start_bit <= wrong < f.start_bit + f.bit_length), "")
    place = f"bit {wrong} ({name + ', ' if name else ''}byte {wrong // 8})"
    right, yours = _bit(want, wrong), _bit(got, wrong)
    if yours == "":
        said = f"Yours ends too early: {place} is missing."
    elif right == "":
        said = f"Yours goes on too long: nothing should follow byte {wrong // 8 - 1}."
    else:
        said = f"The first wrong bit is {place}: it should be {right}, yours is {yours}."
    rows = [("should be", want), ("yours", got)]
    found = {"bit": wrong, "field": name, "want": right, "got": yours}
    return _picture(rows, fields, wrong, 1, said, found)


def point_at(data: bytes, field: Field, fields: Sequence[Field] = ()) -> Picture:
    """Draw the bytes that were read, with the field that was read wrongly framed.

    >>> point_at(bytes.fromhex("81 05"), Field("opcode", 4, 4)).alt
    'Look at bits 4 to 7, opcode: 0001.'
    """
    start, length = field.start_bit, field.bit_length
    end = min(start + length, 8 * len(data))
    shown = "".join(_bit(data, at) for at in range(start, min(end, start + 16)))
    bits = f"bit {start}" if length == 1 else f"bits {start} to {end - 1}"
    said = f"Look at {bits}, {field.name}: {shown}{' ...' if length > 16 else ''}."
    found = {"bit": start, "field": field.name, "length": length}
    return _picture([("read", data)], fields, start, length, said, found)


def _bit(data: bytes, at: int) -> str:
    return str(data[at // 8] >> (7 - at % 8) & 1) if at // 8 < len(data) else ""


def _picture(
    rows: Sequence[tuple[str, bytes]],
    fields: Sequence[Field],
    start: int,
    length: int,
    said: str,
    found: dict[str, object],
) -> Picture:
    """Draw each row of bytes, the names above, a frame around ``length`` bits from ``start``."""
    first = max(0, start // 8 - 1)
    window = range(first * 8, (first + _SHOWN) * 8)
    out = [_names(fields, window)]
    y = 42.0
    for label, data in rows:
        out.append(text(_LEFT - 10, y + 17, label, "t b end"))
        out += [_byte(data, first + index, index, y) for index in range(_SHOWN)]
        y += _ROW
    end = min(start + length, window.stop)
    x = _LEFT + (start - window.start) * _CELL
    width = (end - start) * _CELL
    out.append(rect(x + 1, 39, width - 2, _ROW * len(rows) - 16, "bad", rx=3))
    out.append(text(_LEFT, y + 12, said, "t b"))
    right = _LEFT + _SHOWN * 8 * _CELL + 12
    return Picture(
        "".join(out),
        max(right, _LEFT + text_width(said, 12, bold=True) + 12),
        y + 24,
        title="The first wrong bit" if len(rows) == 2 else "Where to look",
        alt=said,
        fields=[found],
    )


def _names(fields: Sequence[Field], window: range) -> str:
    """Draw the names of the fields in the window, and the numbers of its bytes."""
    out = []
    for index in range(_SHOWN):
        x = _LEFT + (index * 8 + 4) * _CELL
        out.append(text(x, 12, f"byte {window.start // 8 + index}", "s mid"))
    for field in fields:
        start = max(field.start_bit, window.start)
        end = min(field.start_bit + field.bit_length, window.stop)
        if start >= end:
            continue
        x = _LEFT + (start - window.start) * _CELL
        width = (end - start) * _CELL
        role = FIELD_ROLES.get(field.name, "payload")
        out.append(rect(x, 18, width, 18, f"box r-{role}"))
        words = (field.name, field.name.split()[0], field.name[:1])
        name = next((word for word in words if text_width(word, 10, bold=True) < width - 3), "")
        style = "font-size:11px"
        out.append(text(x + width / 2, 31, name, f"on-{role} b mid", style=style))
    return "".join(out)


def _byte(data: bytes, number: int, index: int, y: float) -> str:
    """Draw eight bits and their hex; a dashed box where the bytes have ended."""
    x = _LEFT + index * 8 * _CELL
    if number >= len(data):
        return rect(x + 2, y, 8 * _CELL - 4, 24, "gap")
    out = [rect(x, y, 8 * _CELL, 24, "box", fill="none")]
    for bit in range(8):
        shown = _bit(data, number * 8 + bit)
        at = x + (bit + 0.5) * _CELL
        out.append(text(at, y + 17, shown, "t m mid", style="font-size:14px"))
    middle = x + 4 * _CELL
    out.append(text(middle, y + 38, f"0x{data[number]:02x}", "s m mid", style="font-size:11px"))
    return "".join(out)
