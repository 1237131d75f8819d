"""The picture of a compressed message: its plain octets, and which bits on the wire say them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from goim_edu.draw.inflate_tokens import Token, plain_of, read_deflate
from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import (
    MARGIN,
    PAGE,
    heading,
    label,
    legend,
    rows_shown,
    swatch,
    tooltip,
)
from goim_edu.draw.svg import element, rect, text, text_width
from goim_edu.palette import OKABE_ITO
from goim_edu.websocket.frames import Frame
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["compression"]

_LEFT: Final = 76.0
_CELL: Final = 26.5  # pixels of a plain octet, 32 in a row
_BIT: Final = 13.25  # pixels of a bit on the wire, 64 in a row
_COLOURS: Final = {
    "literal": "green",
    "stored": "green",
    "copy": "orange",
    "tables": "purple",
    "block": "sky",
    "end": "sky",
    "padding": "grey",
    "flush": "grey",
}
_SAID: Final = {
    "literal": "a literal octet",
    "copy": "a copy of what stands further back",
    "stored": "octets as they are",
    "tables": "the codes of this block",
    "block": "the start of a block",
    "end": "the end of a block",
    "padding": "filled up to a whole octet",
    "flush": "the head of an empty block; its 00 00 ff ff is not sent",
}


def compression(
    compressed: Octets | Frame, *, history: Octets = b"", plain_rows: int = 5, wire_rows: int = 6
) -> Picture:
    """Draw a compressed message beside its plain octets (RFC 7692, RFC 1951).

    Above stand the plain octets: green ones were sent as literals, orange ones as copies. Below
    stand all bits on the wire, each code with what it says. Every code is read from the real bits,
    and what they give is compared with zlib before anything is drawn.

    Args:
        compressed: the payload of a message with RSV1 set, or its only frame.
        history: the plain octets of the messages before it on this connection and in this
            direction, to which copies may reach back; empty with ``no_context_takeover``.
        plain_rows: rows of 32 plain octets that are drawn at most.
        wire_rows: rows of 8 octets on the wire that are drawn at most.

    Raises:
        ValueError: the octets are not a compressed message, or it is longer than 65,536 octets.

    >>> from goim_edu.websocket.deflate import deflate_shared
    >>> picture = compression(deflate_shared(b"tick tick tick"))
    >>> [field["plain"] for field in picture.fields if field["kind"] == "copy"]
    [b'ick tick']
    """
    data = compressed.payload if isinstance(compressed, Frame) else as_octets(compressed)
    history = as_octets(history)
    tokens = read_deflate(data, history[-32_768:])
    plain = plain_of(tokens)
    _compare_with_zlib(data, history, plain)
    said = _sizes(data, plain, tokens)
    markup, y = heading("A compressed message", said)
    top, y = _draw_plain(plain, history, tokens, y + 6, plain_rows)
    bottom, y = _draw_wire(data, tokens, y + 10, wire_rows)
    legend, y = _draw_legend(tokens, y)
    return Picture(
        markup + top + bottom + legend,
        PAGE,
        y + 4,
        title=f"A compressed message: {said}",
        alt=_words(said, tokens, history),
        fields=[{**token._asdict(), "octets": len(token.plain)} for token in tokens],
    )


def _compare_with_zlib(data: bytes, history: bytes, plain: bytes) -> None:
    """So that a wrong code cannot be drawn."""
    inflater = zlib.decompressobj(-15, zdict=history[-32_768:])
    try:
        theirs = inflater.decompress(data + b"\0\0\xff\xff")
    except zlib.error as error:
        raise ValueError(f"these bits are not DEFLATE: {error}") from None
    if not plain.startswith(theirs):
        raise ValueError("zlib reads something else from these bits")


def _sizes(data: bytes, plain: bytes, tokens: Sequence[Token]) -> str:
    literals = sum(len(token.plain) for token in tokens if token.kind in ("literal", "stored"))
    copies = sum(token.kind == "copy" for token in tokens)
    share = f" ({len(data) / len(plain):.0%})" if plain else ""
    return (
        f"{len(plain):,} plain octets go as {len(data):,} on the wire{share}: {literals:,} as "
        f"literals, {len(plain) - literals:,} in {copies:,} cop{'y' if copies == 1 else 'ies'}"
    )


def _words(said: str, tokens: Sequence[Token], history: bytes) -> str:
    pieces = []
    for token in tokens[:200]:
        what = _SAID[token.kind]
        if token.kind == "literal":
            what = f"the literal {_show(token.plain)}"
        elif token.kind == "copy":
            what = f"a copy of {len(token.plain)} octets from {token.distance} octets back"
            what += f", {_show(token.plain)}"
        elif token.kind == "block":
            what = f"a block begins, {token.note}"
        pieces.append(f"{what} ({token.bits} bit{'s'[: token.bits != 1]})")
    if len(tokens) > 200:
        pieces.append(f"and {len(tokens) - 200:,} more codes")
    before = f" Copies may reach into {len(history):,} octets sent before." if history else ""
    return f"{said}.{before} In order of the bits: {'; '.join(pieces)}."


def _show(octets: bytes, most: int = 40) -> str:
    """Return octets as text in quotation marks where they are text, else as hex."""
    cut = octets[:most]
    shown = f"'{cut.decode('ascii')}'" if _is_text(cut) else cut.hex(" ")
    return shown + (" …" if len(octets) > most else "")


def _is_text(octets: bytes) -> bool:
    return all(0x20 <= octet < 0x7F for octet in octets)


# ---------------------------------------------------------------------- the plain octets


def _draw_plain(
    plain: bytes, history: bytes, tokens: Sequence[Token], y: float, limit: int
) -> tuple[str, float]:
    out = []
    copied = _copied_before(tokens)
    if copied:
        drawn, y = _draw_history(history, copied, y)
        out.append(drawn)
    owners = {at: token for token in tokens for at in range(token.at, token.at + len(token.plain))}
    out.append(text(MARGIN, y + 14, "plain", "t b"))
    rows = rows_shown(-(-len(plain) // 32), limit)
    for row, left_out in _with_gaps([row for row in rows if row is not None]):
        if left_out:
            out.append(text(_LEFT, y + 14, f"⋮  {32 * left_out:,} octets not drawn", "s"))
            y += 22
        out.append(_draw_plain_row(plain, 32 * row, owners, y))
        y += 42
    return "".join(out), y


def _with_gaps(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield each row with the number of rows that are left out before it.

    >>> list(_with_gaps([0, 1, 7]))
    [(0, 0), (1, 0), (7, 5)]
    """
    expected = 0
    for row in rows:
        yield row, row - expected
        expected = row + 1


def _copied_before(tokens: Sequence[Token]) -> set[int]:
    """Return which octets of earlier messages are copied, counted back from the start."""
    copied: set[int] = set()
    for token in tokens:
        first = token.distance - token.at
        if first > 0:
            copied |= set(range(max(1, first - len(token.plain) + 1), first + 1))
    return copied


def _draw_history(history: bytes, copied: set[int], y: float) -> tuple[str, float]:
    """Draw the end of what was sent before, with what is copied from it coloured."""
    shown = history[-96:]
    rows = -(-len(shown) // 32)
    out = [text(MARGIN, y + 14, "before", "s")]
    for place, octet in enumerate(shown, 32 * rows - len(shown)):
        x, top = _LEFT + place % 32 * _CELL, y + place // 32 * 22
        if 32 * rows - place in copied:
            fill = OKABE_ITO["orange"]
            out.append(rect(x, top, _CELL, 20, "tint", fill=fill))
        out += [rect(x, top, _CELL, 20, "gap"), _octet_text(octet, x, top + 14.5, "t")]
    said = "sent before; what is copied from it is coloured"
    if len(history) > len(shown):
        said = f"the last {len(shown)} of {len(history):,} octets {said}"
    out.append(text(_LEFT, y + rows * 22 + 12, said, "s"))
    return "".join(out), y + rows * 22 + 26


def _draw_plain_row(plain: bytes, first: int, owners: dict[int, Token], y: float) -> str:
    out, at, end = [], first, min(first + 32, len(plain))
    while at < end:
        token = owners[at]
        stop = min(token.at + len(token.plain), end)
        x, width = _LEFT + (at - first) * _CELL, (stop - at) * _CELL
        colour = _COLOURS[token.kind]
        said = _SAID[token.kind]
        if token.kind == "copy":
            said = f"{len(token.plain)} octets from {token.distance} octets back"
            if at == _widest_piece(token):
                out.append(_copy_label(token, x, width, y + 20))
        box = swatch(x, y, width, 20, colour, tint=token.kind != "copy")
        letters = [
            _letter(plain[i], _LEFT + (i - first) * _CELL, y, token) for i in range(at, stop)
        ]
        out.append(element("g", tooltip(said) + box + "".join(letters)))
        at = stop
    return "".join(out)


def _widest_piece(token: Token) -> int:
    """Return where the longest piece of a copy begins, if rows of 32 octets break it.

    >>> _widest_piece(Token("copy", 0, 0, at=30, plain=bytes(10), distance=1))
    32
    """
    end = token.at + len(token.plain)
    starts: list[int] = [token.at, *range(token.at // 32 * 32 + 32, end, 32)]
    return max(starts, key=lambda start: min(start // 32 * 32 + 32, end) - start)


def _letter(octet: int, x: float, y: float, token: Token) -> str:
    if token.kind == "copy":
        shown = _sign(octet)
        size = 14 if len(shown) == 1 else 11
        return label(x + _CELL / 2, y + 14.5, shown, "orange", size=size, mono=True, bold=False)
    return _octet_text(octet, x, y + 14.5, "t")


def _sign(octet: int) -> str:
    """Return an octet as its ASCII character, a space made visible, or as hex.

    >>> _sign(0x41), _sign(0x20), _sign(0xE4)
    ('A', '␣', 'e4')
    """
    if octet == 0x20:
        return "␣"
    return chr(octet) if 0x20 < octet < 0x7F else f"{octet:02x}"


def _octet_text(octet: int, x: float, y: float, class_: str) -> str:
    shown = _sign(octet)
    style = f"font-size:{14 if len(shown) == 1 else 11}px"
    return text(x + _CELL / 2, y, shown, f"{class_} m mid", style=style)


def _copy_label(copy: Token, x: float, width: float, y: float) -> str:
    """Write below a copy from where it comes, as far as there is room."""
    back = f"{copy.distance} back"
    choices = (f"{len(copy.plain)} from {back}", back, f"−{copy.distance}")
    said = next((one for one in choices if text_width(one, 11) <= width + 8), choices[-1])
    return text(x + width / 2, y + 13, said, "t mid", style="font-size:11px")


# ---------------------------------------------------------------------- the bits on the wire


def _draw_wire(data: bytes, tokens: Sequence[Token], y: float, limit: int) -> tuple[str, float]:
    out = [text(MARGIN, y + 14, "wire", "t b")]
    note = "each octet from its lowest bit (left) to its highest: so DEFLATE fills them"
    out.append(text(_LEFT, y + 14, note, "s"))
    y += 24
    for row, left_out in _with_gaps(_wire_rows(-(-len(data) // 8), tokens, limit)):
        if left_out:
            out.append(text(_LEFT, y + 10, f"⋮  {8 * left_out:,} octets not drawn", "s"))
            y += 20
        out.append(text(_LEFT - 10, y + 30, str(8 * row), "s m end"))
        out += [_draw_code(token, data, 64 * row, y) for token in tokens if _is_in(token, row)]
        out += list(_octets(data[8 * row : 8 * row + 8], y + 38))
        y += 66
    return "".join(out), y


def _wire_rows(total: int, tokens: Sequence[Token], limit: int) -> list[int]:
    """Return the rows to draw: of a block's codes only the first and the last one."""
    dull: set[int] = set()
    for token in tokens:
        if token.kind in ("tables", "stored"):
            dull |= set(range(token.start // 64 + 1, (token.start + token.bits) // 64))
    rows = [row for row in range(total) if row not in dull]
    return [rows[place] for place in rows_shown(len(rows), limit) if place is not None]


def _is_in(token: Token, row: int) -> bool:
    return token.start < 64 * row + 64 and token.start + token.bits > 64 * row


def _draw_code(token: Token, data: bytes, first: int, y: float) -> str:
    """Draw the bits of one token that stand in the row that begins with bit ``first``."""
    start, end = max(token.start, first), min(token.start + token.bits, first + 64)
    x, width = _LEFT + (start - first) * _BIT, (end - start) * _BIT
    colour = _COLOURS[token.kind]
    out = [
        tooltip(f"{_SAID[token.kind]} {token.note}".strip()),
        swatch(x, y, width, 16, colour),
        swatch(x, y + 16, width, 20, colour, tint=True),
    ]
    name = next(
        (one for one in _code_names(token) if text_width(one, 11, bold=True) <= width - 2), ""
    )
    if start == token.start or width > 60:
        out.append(label(x + width / 2, y + 12, name, colour, size=11))
    for bit in range(start, end):
        shown = str(data[bit // 8] >> bit % 8 & 1)
        middle = _LEFT + (bit - first + 0.5) * _BIT
        out.append(text(middle, y + 30.5, shown, "t m mid", data_bit=bit))
    return element("g", "".join(out), class_="code", data_kind=token.kind)


def _code_names(token: Token) -> tuple[str, ...]:
    """Return what may stand over a code, the fullest first."""
    if token.kind == "literal":
        octet = token.plain[0]
        return (f"'{chr(octet)}'" if 0x20 <= octet < 0x7F else f"{octet:02x}",)
    if token.kind == "copy":
        back = f"{token.distance} back"
        return f"copy {len(token.plain)} from {back}", f"{len(token.plain)} from {back}", back
    if token.kind == "block":
        return f"block: {token.note}", "block"
    names = {"end": "end", "flush": "flush", "padding": "fill"}
    return names.get(token.kind, _SAID[token.kind]), "codes"


def _octets(data: bytes, y: float) -> Iterator[str]:
    for place, octet in enumerate(data):
        x = _LEFT + place * 8 * _BIT
        path = f"M{x + 3:g} {y:g}v4h{8 * _BIT - 6:g}v-4"
        yield element("path", d=path, class_="line", fill="none")
        yield text(x + 4 * _BIT, y + 16, f"0x{octet:02x}", "s m mid", style="font-size:11px")


def _draw_legend(tokens: Sequence[Token], y: float) -> tuple[str, float]:
    names = {
        "green": "literal",
        "orange": "copy",
        "purple": "codes of the block",
        "sky": "start and end of a block",
        "grey": "filling",
    }
    used = {_COLOURS[token.kind] for token in tokens}
    shown = {colour: name for colour, name in names.items() if colour in used}
    return legend(_LEFT, y, shown), y + 18
