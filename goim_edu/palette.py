"""The colours of every picture and widget: Okabe and Ito's eight, and what each one stands for.

Okabe and Ito chose these eight so that people with any common colour blindness can tell them
apart ("Color Universal Design", 2008). No picture relies on colour alone: each coloured area
also carries its name, and the fills differ in lightness, so that a print in grey stays legible.
"""

from __future__ import annotations

from typing import Final

__all__ = ["FIELD_ROLES", "OKABE_ITO", "ROLES", "THEMES", "contrast", "ink_on"]

OKABE_ITO: Final[dict[str, str]] = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#9A9A9A",
}
"""Name to colour; ``grey`` is ours, for what is reserved or absent."""

ROLES: Final[dict[str, str]] = {
    "fin": OKABE_ITO["yellow"],
    "rsv": OKABE_ITO["grey"],
    "opcode": OKABE_ITO["orange"],
    "mask": OKABE_ITO["purple"],
    "length": OKABE_ITO["sky"],
    "payload": OKABE_ITO["green"],
    "code": OKABE_ITO["blue"],
    "wrong": OKABE_ITO["vermillion"],
    "missing": OKABE_ITO["grey"],
}
"""What a colour stands for: the mask bit and its key share one, the two lengths share one."""

FIELD_ROLES: Final[dict[str, str]] = {
    "FIN": "fin",
    "RSV1": "rsv",
    "RSV2": "rsv",
    "RSV3": "rsv",
    "opcode": "opcode",
    "MASK": "mask",
    "Payload length": "length",
    "Extended payload length": "length",
    "Masking-key": "mask",
    "Close code": "code",
}
"""The fields of a frame (RFC 6455 §5.2) and their roles; the payload is the rest."""

THEMES: Final[dict[str, dict[str, str]]] = {
    "light": {"ink": "#1a1a1a", "faint": "#5c5c5c", "line": "#8a8a8a", "paper": "#ffffff"},
    "dark": {"ink": "#f0f0f0", "faint": "#b4b4b4", "line": "#7d7d7d", "paper": "#111111"},
}
"""Text, side remarks, hairlines and background in a light and in a dark page."""


def _luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours ``#rrggbb``, from 1 (the same) to 21.

    Source: WCAG 2.2, "contrast ratio"; 4.5 is the least for small text.

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def ink_on(colour: str) -> str:
    """Return black or white, whichever reads better on ``colour`` (``#rrggbb``).

    >>> ink_on(OKABE_ITO["yellow"]), ink_on("#222222")
    ('#000000', '#ffffff')
    """
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, colour))
