"""The picture of how ``Sec-WebSocket-Accept`` is made of the key (RFC 6455 §4.2.2 item 5.4)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, Final

from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import MARGIN, PAGE, arrow, label, swatch, verdict
from goim_edu.draw.svg import text
from goim_edu.websocket.handshake import GUID, generate_accept

__all__ = ["accept_chain", "chain_steps", "chain_words", "draw_chain"]

_LEFT: Final = 128.0
_GROUP: Final = 114.0  # three octets, four characters
_CHAR: Final = 8.2


def accept_chain(key: str, accept: str | None = None) -> Picture:
    """Draw how ``Sec-WebSocket-Accept`` is made of the key (RFC 6455 §4.2.2 item 5.4).

    Args:
        key: the ``Sec-WebSocket-Key``: 24 characters that decode to 16 octets.
        accept: what the server answered, to compare.

    Raises:
        HandshakeError: the key is not the Base64 of 16 octets.

    >>> accept_chain("dGhlIHNhbXBsZSBub25jZQ==").fields[-1]["value"]
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    steps = chain_steps(key, accept)
    body, y = draw_chain(steps, 8)
    title = f"Sec-WebSocket-Accept of {key}"
    return Picture(body, PAGE, y + 4, title=title, alt=chain_words(steps), fields=steps)


def chain_steps(key: str, accept: str | None) -> list[dict[str, Any]]:
    """Return the steps of the computation; the last one is checked against ``generate_accept``."""
    expected = generate_accept(key)
    digest = hashlib.sha1((key + GUID).encode("ascii"), usedforsecurity=False).digest()
    encoded = base64.b64encode(digest).decode("ascii")
    if encoded != expected:
        raise ValueError(f"this chain leads to {encoded}, the handshake computes {expected}")
    steps: list[dict[str, Any]] = [
        {"part": "chain", "step": "key", "value": key},
        {"part": "chain", "step": "key and GUID", "value": key + GUID},
        {"part": "chain", "step": "SHA-1", "value": digest},
        {"part": "chain", "step": "Base64", "value": encoded},
    ]
    if accept is not None:
        steps.append({"part": "chain", "step": "answered", "value": accept})
    return steps


def _value(steps: Sequence[dict[str, Any]], name: str) -> Any:
    return next((step["value"] for step in steps if step["step"] == name), None)


def chain_words(steps: Sequence[dict[str, Any]]) -> str:
    """Return the steps in a sentence, and whether the server answered the same."""
    answered = _value(steps, "answered")
    encoded = _value(steps, "Base64")
    digest = _value(steps, "SHA-1").hex(" ")
    said = (
        f"How Sec-WebSocket-Accept is made: the key {_value(steps, 'key')} and the GUID {GUID} are "
        f"joined; SHA-1 makes of these 60 characters the 20 octets {digest}; "
        f"Base64 writes them as the 28 characters {encoded}."
    )
    if answered is not None:
        same = "the same" if answered == encoded else "something else"
        said += f" The server answered {same}: {answered}."
    return said


def draw_chain(steps: Sequence[dict[str, Any]], y: float) -> tuple[str, float]:
    """Draw the steps below ``y``; return the markup and where it ends."""
    out = [text(MARGIN, y + 15, "How Sec-WebSocket-Accept is made", "t b", style="font-size:14px")]
    out.append(_draw_joined(_value(steps, "key"), y + 30))
    y += 78
    out.append(_draw_step("SHA-1", "makes 20 octets of any text, and they look like chance", y))
    y += 30
    out.append(_draw_octets(_value(steps, "SHA-1"), y))
    y += 34
    out.append(
        _draw_step("Base64", "writes 3 octets as 4 characters of 6 bits; = fills up the rest", y)
    )
    y += 30
    encoded = _value(steps, "Base64")
    out.append(_draw_characters(encoded, y))
    y += 32
    answered = _value(steps, "answered")
    if answered is None:
        return "".join(out), y
    same = answered == encoded
    said = "✓ the server answered just that" if same else f"✗ the server answered {answered}"
    colour = "green" if same else "vermillion"
    box, height = verdict(MARGIN, y + 4, PAGE - 2 * MARGIN, said, colour)
    return "".join([*out, box]), y + 4 + height


def _draw_joined(key: str, y: float) -> str:
    """Draw key and GUID side by side."""
    width = 24 * _CHAR
    guid = 36 * _CHAR
    x = _LEFT + width + 34
    return "".join(
        [
            text(_LEFT - 12, y + 16, "key and GUID", "t end"),
            swatch(_LEFT, y, width, 24, "purple", tint=True),
            text(_LEFT + width / 2, y + 16.5, key, "t m mid"),
            text(_LEFT + width + 17, y + 17, "+", "t b mid", style="font-size:16px"),
            swatch(x, y, guid, 24, "grey", tint=True),
            text(x + guid / 2, y + 16.5, GUID, "t m mid"),
            text(_LEFT, y + 40, "24 characters as sent, not decoded", "s"),
            text(x, y + 40, "36 characters, the same in every handshake (RFC 6455 §1.3)", "s"),
        ]
    )


def _draw_step(name: str, said: str, y: float) -> str:
    x = _LEFT + (_GROUP - 8) / 2
    words = text(x + 14, y + 15, name, "t b") + text(x + 72, y + 15, said, "s")
    return arrow(x, y, x, y + 24) + words


def _draw_octets(digest: bytes, y: float) -> str:
    out = [text(_LEFT - 12, y + 16, "20 octets", "t end")]
    cell = (_GROUP - 8) / 3
    for at, octet in enumerate(digest):
        x = _LEFT + at // 3 * _GROUP + at % 3 * cell
        out.append(swatch(x, y, cell, 24, "sky"))
        out.append(label(x + cell / 2, y + 16.5, f"{octet:02x}", "sky", mono=True))
    return "".join(out)


def _draw_characters(encoded: str, y: float) -> str:
    out = [text(_LEFT - 12, y + 16, "28 characters", "t end")]
    cell = (_GROUP - 8) / 4
    for at, char in enumerate(encoded):
        x = _LEFT + at // 4 * _GROUP + at % 4 * cell
        out.append(swatch(x, y, cell, 24, "purple"))
        out.append(label(x + cell / 2, y + 16.5, char, "purple", size=13, mono=True))
    return "".join(out)
