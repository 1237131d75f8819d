"""Write SVG as text: elements, text widths and line breaks, for the pictures of this package."""

from __future__ import annotations

import unicodedata
from xml.sax.saxutils import escape, quoteattr

from goim_edu.printable import printable

__all__ = ["NARROWEST", "element", "rect", "text", "text_width", "wrap"]

# Advance widths of DejaVu Sans in 1/1000 of the font size, rounded up: it is the widest of the
# fonts in our stack, so what fits by this table fits in Helvetica, Arial and Segoe UI too.
_NARROW = dict.fromkeys("ijlI.,:;'!|()[]{}/ ", 400) | dict.fromkeys('frt-"', 440)
_WIDE = dict.fromkeys("mwMWQ@%", 960) | dict.fromkeys("⊕→=+<>§", 840)
_ADVANCE = _NARROW | _WIDE
_CAPITAL, _OTHER, _FULL, _MONO, _BOLD = 720, 630, 1020, 0.61, 1.1
NARROWEST = 0.4
"""Width of the narrowest character, in units of the font size."""


def text_width(content: str, size: float, *, mono: bool = False, bold: bool = False) -> float:
    """Return the width in pixels that ``content`` needs at most at font size ``size`` (pixels).

    >>> text_width("ill", 10) < text_width("MMM", 10)
    True
    """
    wide = sum(_advance(char) for char in content) / 1000
    if mono:
        wide = sum(2 if _advance(char) == _FULL else 1 for char in content) * _MONO
    return wide * size * (_BOLD if bold and not mono else 1)


def _advance(char: str) -> int:
    if unicodedata.east_asian_width(char) in "WF":
        return _FULL
    return _ADVANCE.get(char, _CAPITAL if char.isupper() else _OTHER)


def wrap(content: str, size: float, width: float, *, mono: bool = False) -> list[str]:
    """Break ``content`` into lines of at most ``width`` pixels at font size ``size``.

    Breaks at spaces; a word that is too long by itself is broken inside.

    >>> wrap("one two three", 10, 50)
    ['one two', 'three']
    """
    lines: list[str] = []
    line = ""
    for word in content.split():
        joined = f"{line} {word}" if line else word
        if text_width(joined, size, mono=mono) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *pieces, line = _break_word(word, size, width, mono=mono)
        lines += pieces
    return [*lines, line] if line else lines


def _break_word(word: str, size: float, width: float, *, mono: bool) -> list[str]:
    pieces, piece = [], ""
    for char in word:
        if piece and text_width(piece + char, size, mono=mono) > width:
            pieces.append(piece)
            piece = ""
        piece += char
    return [*pieces, piece]


def element(name: str, content: str = "", **attributes: object) -> str:
    """Return one SVG element; ``content`` is markup, attribute values are escaped.

    A trailing underscore is dropped and other underscores become hyphens, so that ``class_`` and
    ``data_bit`` can be written in Python.

    >>> element("rect", x=1.50, class_="box", data_bit=3)
    '<rect x="1.5" class="box" data-bit="3"/>'
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None:
            shown = f"{round(value, 2):g}" if isinstance(value, float) else str(value)
            parts.append(f" {key.rstrip('_').replace('_', '-')}={quoteattr(shown)}")
    parts.append(f">{content}</{name}>" if content else "/>")
    return "".join(parts)


def rect(x: float, y: float, width: float, height: float, class_: str, **more: object) -> str:
    """Return a rectangle; lengths in pixels.

    >>> rect(0.0, 0.0, 8.0, 4.0, "box")
    '<rect x="0" y="0" width="8" height="4" class="box"/>'
    """
    return element(
        "rect",
        "",
        x=float(x),
        y=float(y),
        width=float(width),
        height=float(height),
        class_=class_,
        **more,
    )


def text(x: float, y: float, content: str, class_: str = "t", **more: object) -> str:
    """Return a line of text with its baseline at ``y``; control characters are made visible.

    >>> text(1, 2, "a < b", "t m")
    '<text x="1" y="2" class="t m">a &lt; b</text>'
    """
    shown = escape(printable(content))
    return element("text", shown, x=float(x), y=float(y), class_=class_, **more)
