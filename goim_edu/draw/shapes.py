"""What many pictures are made of: coloured boxes, paragraphs, arrows, braces."""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, cos, sin
from typing import Final

from goim_edu.draw.svg import NARROWEST, element, rect, text, text_width, wrap
from goim_edu.palette import OKABE_ITO, ink_on
from goim_edu.printable import printable

__all__ = [
    "LINE",
    "MARGIN",
    "PAGE",
    "arrow",
    "brace",
    "fit",
    "heading",
    "label",
    "legend",
    "line",
    "paragraph",
    "rows_shown",
    "swatch",
    "three_digits",
    "tooltip",
    "verdict",
]

PAGE: Final = 960.0
"""Width of a picture in pixels, the same for all, so that their letters have one size."""
MARGIN: Final = 16.0
"""Free space at the left and the right edge, in pixels."""
LINE: Final = 17.0
"""From one line of a paragraph to the next, in pixels."""


def heading(title: str, said: str) -> tuple[str, float]:
    """Return the name of a picture with a remark below it, and where they end."""
    drawn = text(MARGIN, 22, title, "t b", style="font-size:17px")
    words, height = paragraph(MARGIN, 30, said, PAGE - 2 * MARGIN, "s")
    return drawn + words, 34 + height


def verdict(x: float, y: float, width: float, said: str, colour: str) -> tuple[str, float]:
    """Return a judgement in a box, and its height; vermillion is for what is wrong."""
    words, height = paragraph(x + 18, y + 4, said, width - 30, "t b")
    box = rect(x, y, width, height + 10, "box tint", fill=OKABE_ITO[colour], rx=4)
    return box + rect(x, y, 6, height + 10, "", fill=OKABE_ITO[colour]) + words, height + 10


def three_digits(number: float) -> str:
    """Return a number with the three digits that count, or with all that stand before the point.

    >>> three_digits(0.01234), three_digits(1.5), three_digits(1023.7)
    ('0.0123', '1.5', '1,024')
    """
    return f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"


def rows_shown(total: int, limit: int) -> list[int | None]:
    """Return the row numbers to draw, with ``None`` where rows are left out.

    >>> rows_shown(3, limit=6), rows_shown(100, limit=4)
    ([0, 1, 2], [0, 1, 2, None, 99])
    """
    if total <= limit + 1:
        return list(range(total))
    return [*range(limit - 1), None, total - 1]


def swatch(
    x: float, y: float, width: float, height: float, colour: str, *, tint: bool = False
) -> str:
    """Return a box filled with ``colour``, a name of Okabe and Ito's; pale with ``tint``.

    >>> swatch(0, 0, 8, 4, "sky")
    '<rect x="0" y="0" width="8" height="4" class="box" fill="#56B4E9"/>'
    """
    return rect(x, y, width, height, "box tint" if tint else "box", fill=OKABE_ITO[colour])


def label(
    x: float,
    y: float,
    content: str,
    colour: str,
    *,
    size: float = 12,
    mono: bool = False,
    bold: bool = True,
) -> str:
    """Return centred text for a fill of ``colour``: black or white, whichever reads better."""
    class_ = "mid" + (" m" if mono else "") + (" b" if bold else "")
    fill = ink_on(OKABE_ITO[colour])
    return text(x, y, content, class_, fill=fill, style=f"font-size:{size:g}px")


def fit(
    content: str, width: float, size: float = 12, *, mono: bool = False, bold: bool = False
) -> str:
    """Return ``content``, cut and marked with … if it is wider than ``width`` pixels.

    >>> fit("a rather long line", 60), fit("short", 60)
    ('a rather…', 'short')
    """
    # No more characters than these can fit; a megabyte of text is not measured again and again.
    content = printable(content[: int(width / (NARROWEST * size)) + 1])
    if text_width(content, size, mono=mono, bold=bold) <= width:
        return content
    while content and text_width(content + "…", size, mono=mono, bold=bold) > width:
        content = content[:-1]
    return content + "…"


def paragraph(
    x: float, y: float, content: str, width: float, class_: str = "t", *, size: float = 12
) -> tuple[str, float]:
    """Return ``content`` broken into lines of ``width`` pixels, and the height that they take.

    Args:
        x: left, in pixels.
        y: top, in pixels.
        content: one paragraph.
        width: of its lines, in pixels.
        class_: of the text; with ``m`` in it the letters are of one width.
        size: of the font, in pixels.
    """
    lines = wrap(printable(content), size, width, mono="m" in class_.split())
    style = None if size == 12 else f"font-size:{size:g}px"
    drawn = [
        text(x, y + 13 + number * LINE, one, class_, style=style)
        for number, one in enumerate(lines)
    ]
    return "".join(drawn), len(lines) * LINE


def line(x1: float, y1: float, x2: float, y2: float, **more: object) -> str:
    """Return a hairline, in the colour of the theme unless ``stroke`` says otherwise.

    >>> line(0, 0, 8, 0, stroke_width=2)
    '<line class="line" x1="0" y1="0" x2="8" y2="0" stroke-width="2"/>'
    """
    class_ = None if more.get("stroke") else "line"
    ends = {"x1": float(x1), "y1": float(y1), "x2": float(x2), "y2": float(y2)}
    return element("line", "", class_=class_, **ends, **more)


def arrow(
    x1: float, y1: float, x2: float, y2: float, *, colour: str | None = None, width: float = 1.6
) -> str:
    """Return an arrow from the first point to the second; ``colour`` None is that of the text."""
    paint = None if colour is None else OKABE_ITO[colour]
    turn = atan2(y2 - y1, x2 - x1)
    size = 5 + 2 * width
    wings = [(x2 - size * cos(turn + side), y2 - size * sin(turn + side)) for side in (0.42, -0.42)]
    head = " ".join(f"{x:.2f},{y:.2f}" for x, y in [(x2, y2), *wings])
    back_x, back_y = x2 - size * 0.7 * cos(turn), y2 - size * 0.7 * sin(turn)
    shaft = line(x1, y1, back_x, back_y, stroke_width=width, stroke=paint)
    if paint is None:
        return shaft + element("polygon", points=head, class_="s")
    return shaft + element("polygon", points=head, fill=paint)


def legend(x: float, y: float, names: Mapping[str, str]) -> str:
    """Return a line that says what each colour stands for.

    >>> legend(0, 0, {"green": "literal"}).count("<rect")
    1
    """
    out = []
    for colour, name in names.items():
        out.append(rect(x, y, 13, 13, "box", fill=OKABE_ITO[colour]))
        out.append(text(x + 19, y + 11, name, "s"))
        x += 19 + text_width(name, 12) + 14
    return "".join(out)


def brace(x: float, y: float, width: float, *, down: bool = True, depth: float = 7) -> str:
    """Return a flat bracket that holds ``width`` pixels together, open towards what it holds."""
    turn = depth if down else -depth
    path = f"M{x + 2:g} {y:g}v{turn:g}h{width - 4:g}v{-turn:g}"
    return element("path", d=path, class_="line", fill="none", stroke_width=1.3)


def tooltip(content: str) -> str:
    """Return a ``<title>``, which browsers show when the pointer rests on its parent."""
    shown = printable(content).replace("&", "&amp;").replace("<", "&lt;")
    return element("title", shown) if shown else ""
