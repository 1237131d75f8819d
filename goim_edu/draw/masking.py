"""The picture of masking: payload bits over key bits over what goes on the wire (RFC 6455 §5.3)."""

from __future__ import annotations

from typing import Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import LINE, PAGE, heading, label, paragraph, rows_shown, swatch
from goim_edu.draw.svg import rect, text
from goim_edu.palette import OKABE_ITO
from goim_edu.websocket.frames import Frame, apply_mask
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["masking"]

_LEFT: Final = 106.0
_CELL: Final = 26.0  # pixels a bit
_OCTET: Final = 8 * _CELL
_STRIP, _BITS, _SPACE = 17.0, 22.0, 7.0
_BAND: Final = _STRIP + _BITS + _SPACE
_GAP: Final = 16.0
_QUOTED: Final = "'{}' = "
_COLOURS: Final = {"payload": "green", "key": "purple", "result": "sky"}


def masking(
    payload: Octets | str | Frame, mask_key: Octets | None = None, *, limit: int = 4
) -> Picture:
    """Draw how a masking key turns bits over, octet by octet (RFC 6455 §5.3).

    Each row has four octets, so the key stands in each row once: it repeats. The bits of the
    result come from ``frames.apply_mask``.

    Args:
        payload: the octets before masking, a text as UTF-8, or a frame that was masked.
        mask_key: four octets; a frame brings its own.
        limit: rows of four octets that are drawn at most.

    Raises:
        ValueError: no octets, or no key.
        LocalProtocolError: the key has not four octets.

    >>> masking("Hello", bytes.fromhex("37fa213d"))
    <Picture: Masking: 5 octets of payload, key 37 fa 21 3d>
    """
    if isinstance(payload, Frame):
        mask_key = mask_key or payload.mask_key
        payload = payload.payload
    data = payload.encode() if isinstance(payload, str) else as_octets(payload)
    if not data or mask_key is None:
        raise ValueError("masking needs a masking key and at least one octet of payload")
    mask_key = as_octets(mask_key)
    columns = _columns(data, mask_key)
    said = f"{len(data):,} octet{'s'[: len(data) != 1]} of payload, key {mask_key.hex(' ')}"
    head, top = heading("Masking", said)
    body, height = _draw(columns, limit, top + 6)
    return Picture(
        head + body,
        PAGE,
        height,
        title=f"Masking: {said}",
        alt=_words(columns),
        fields=columns,
    )


def _columns(data: bytes, mask_key: bytes) -> list[dict[str, Any]]:
    """Return a dictionary for each octet: the octet, its part of the key, the result."""
    masked = apply_mask(data, mask_key)
    return [
        {"octet": i, "payload": data[i], "key_octet": i % 4, "key": mask_key[i % 4], "result": one}
        for i, one in enumerate(masked)
    ]


def _words(columns: list[dict[str, Any]], most: int = 16) -> str:
    said = [
        f"octet {c['octet']}: {c['payload']:08b}{_character(c['payload'], ' ({})')} "
        f"XOR key octet {c['key_octet']} {c['key']:08b} = {c['result']:08b}"
        for c in columns[:most]
    ]
    if len(columns) > most:
        said.append(f"and so on, {len(columns):,} octets in all")
    rule = "Each octet of the payload is combined with one of the four octets of the key by XOR"
    return f"{rule}: where the key has a 1, the bit turns over. {'; '.join(said)}."


def _character(octet: int, form: str) -> str:
    return form.format(chr(octet)) if 0x20 <= octet < 0x7F else ""


def _draw(columns: list[dict[str, Any]], limit: int, y: float) -> tuple[str, float]:
    out = []
    for row in rows_shown(-(-len(columns) // 4), limit):
        if row is None:
            first, last = 4 * (limit - 1), (len(columns) - 1) // 4 * 4
            said = f"⋮   {last - first:,} octets not drawn, with the same key again and again"
            out.append(text(_LEFT + 2 * _OCTET, y + 6, said, "s mid"))
            y += LINE + _GAP - 6
            continue
        out.append(_draw_row(columns[4 * row : 4 * row + 4], y))
        y += 3 * _BAND + _GAP
    rule = (
        "⊕ is XOR: where the key has a 1 (boxed), the bit turns over; where it has a 0, the bit "
        "stays. The same key again turns the result back into the payload."
    )
    words, height = paragraph(_LEFT, y - 10, rule, 4 * _OCTET, "s")
    return "".join([*out, words]), y + height + 2


def _draw_row(columns: list[dict[str, Any]], y: float) -> str:
    names = {"payload": "payload", "key": "⊕  masking key", "result": "=  on the wire"}
    out = []
    for number, (name, said) in enumerate(names.items()):
        top = y + number * _BAND
        out.append(text(_LEFT - 10, top + _STRIP + 15, said, "t end"))
        for column in columns:
            x = _LEFT + column["octet"] % 4 * _OCTET
            out.append(_draw_octet(name, column, x, top))
    return "".join(out)


def _draw_octet(name: str, column: dict[str, Any], x: float, y: float) -> str:
    colour = _COLOURS[name]
    octet = column[name]
    titles = {
        "payload": f"octet {column['octet']}: {_character(octet, _QUOTED)}0x{octet:02x}",
        "key": f"key octet {column['key_octet']}: 0x{octet:02x}",
        "result": f"0x{octet:02x}",
    }
    out = [
        swatch(x, y, _OCTET, _STRIP, colour),
        label(x + _OCTET / 2, y + 12.5, titles[name], colour, size=11),
        swatch(x, y + _STRIP, _OCTET, _BITS, colour, tint=True),
    ]
    for bit in range(8):
        turned = name != "payload" and column["key"] >> 7 - bit & 1
        out.append(_draw_bit(x + bit * _CELL, y + _STRIP, octet >> 7 - bit & 1, bool(turned)))
    return "".join(out)


def _draw_bit(x: float, y: float, bit: int, turned: bool) -> str:
    middle = x + _CELL / 2
    if not turned:
        return text(middle, y + 16.5, str(bit), "t m mid", style="font-size:15px")
    fill = OKABE_ITO["blue"]
    box = rect(x + 3, y + 2, _CELL - 6, _BITS - 4, "", fill=fill, rx=3)
    return box + label(middle, y + 16.5, str(bit), "blue", size=15, mono=True)
