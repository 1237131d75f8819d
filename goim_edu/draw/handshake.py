"""Pictures of the opening handshake: each line and why it is there, and how Accept is made."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final
from xml.sax.saxutils import escape

from goim_edu.capture import Handshake
from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import (
    LINE,
    MARGIN,
    PAGE,
    arrow,
    heading,
    label,
    legend,
    paragraph,
    swatch,
    verdict,
)
from goim_edu.draw.svg import element, rect, text, wrap
from goim_edu.palette import OKABE_ITO
from goim_edu.printable import printable
from goim_edu.websocket.explain import Explanation, Field, explain
from goim_edu.websocket.handshake import GUID, Headers, Request, Response, generate_accept

__all__ = ["accept_chain", "handshake"]

_GROUPS: Final = {
    "sky": "HTTP",
    "yellow": "leave HTTP on this connection",
    "purple": "proof that the server read the key",
    "green": "what both will speak",
    "orange": "who asks",
}
_COLOURS: Final = {
    "status": "yellow",
    "upgrade": "yellow",
    "connection": "yellow",
    "sec-websocket-key": "purple",
    "sec-websocket-accept": "purple",
    "sec-websocket-version": "green",
    "sec-websocket-protocol": "green",
    "sec-websocket-extensions": "green",
    "origin": "orange",
    "authorization": "orange",
    "cookie": "orange",
    "user-agent": "orange",
}
_FIRST_LINE: Final = ("method", "target", "HTTP version", "status", "reason")
_REQUIRED: Final = {
    "request": {"host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"},
    "response": {"upgrade", "connection", "sec-websocket-accept"},
}
_MONO_WIDTH: Final = 400.0
_WHY_X, _WHY_WIDTH = 452.0, 336.0


def handshake(
    request: bytes | Request | Handshake, response: bytes | Response | None = None
) -> Picture:
    """Draw a handshake line by line: what it says, why it is there, and where that is written.

    Lines, meanings and verdicts come from ``explain``, so a wrong handshake is drawn with the
    line that is wrong in a frame, and with what the real check says about it.

    Args:
        request: the client's request, or a captured handshake with both.
        response: the server's answer, if there is one yet.

    >>> from goim_edu.websocket.handshake import build_request
    >>> handshake(build_request("example.com", "/chat", "dGhlIHNhbXBsZSBub25jZQ=="))
    <Picture: The opening handshake: a good request>
    """
    if isinstance(request, Handshake):
        response = response or request.response
        request = _captured(request)
    asked = explain(_request_bytes(request), kind="request")
    key = str(asked["Sec-WebSocket-Key"].value) if "Sec-WebSocket-Key" in asked else None
    heads = [asked]
    if response is not None:
        answer = response.to_bytes() if isinstance(response, Response) else bytes(response)
        heads.append(explain(answer, kind="response", key=key if asked.ok else None))
    said = "; ".join(head.verdict for head in heads)
    body, y = heading("The opening handshake", "One HTTP request, one answer, then frames.")
    for head in heads:
        block, y = _draw_block(head, y + 6)
        body += block
    steps = _steps(key, _accept_of(heads)) if key is not None and asked.ok else []
    if steps:
        chain, y = _draw_chain(steps, y + 12)
        body += chain
    body += legend(MARGIN, y + 8, _used_groups(heads))
    return Picture(
        body,
        PAGE,
        y + 30,
        title=f"The opening handshake: {said}",
        alt="\n".join(
            [*(_words(head) for head in heads), *([_chain_words(steps)] if steps else [])]
        ),
        fields=[*(_plain(field, head) for head in heads for field in head.fields), *steps],
    )


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
    steps = _steps(key, accept)
    body, y = _draw_chain(steps, 8)
    title = f"Sec-WebSocket-Accept of {key}"
    return Picture(body, PAGE, y + 4, title=title, alt=_chain_words(steps), fields=steps)


def _captured(both: Handshake) -> Request:
    if both.request is None:
        raise ValueError("this handshake has no request yet")
    return both.request


def _request_bytes(request: bytes | Request) -> bytes:
    if not isinstance(request, Request):
        return bytes(request)
    headers: Headers = request.headers
    lines = [f"{request.method} {request.target} {request.version}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def _accept_of(heads: Sequence[Explanation]) -> str | None:
    answer = heads[-1]
    if answer.kind != "response" or "Sec-WebSocket-Accept" not in answer:
        return None
    return str(answer["Sec-WebSocket-Accept"].value)


def _plain(field: Field, head: Explanation) -> dict[str, Any]:
    return {
        "part": head.kind,
        **field._asdict(),
        "required": field.name.lower() in _REQUIRED[head.kind],
        "wrong": field.name == head.culprit,
    }


def _words(head: Explanation) -> str:
    who = "The client asks" if head.kind == "request" else "The server answers"
    lines = [f"{printable(field.raw)}: {field.meaning} ({field.section})" for field in head.fields]
    return f"{who}. {'; '.join(lines)}. Verdict: {head.verdict}."


def _used_groups(heads: Sequence[Explanation]) -> dict[str, str]:
    used = {_colour(field) for head in heads for field in head.fields}
    return {colour: name for colour, name in _GROUPS.items() if colour in used}


def _colour(field: Field) -> str:
    return _COLOURS.get(field.name.lower(), "sky")


# ---------------------------------------------------------------------- the lines


def _draw_block(head: Explanation, y: float) -> tuple[str, float]:
    """Draw one of the two heads, its verdict below."""
    who = "→  the client asks" if head.kind == "request" else "←  the server answers"
    out = [
        text(MARGIN, y + 15, who, "t b", style="font-size:14px"),
        text(_WHY_X, y + 15, "why it is there", "s"),
        text(PAGE - MARGIN, y + 15, "written in", "s end"),
    ]
    y += 24
    for first, group in groupby(head.fields, lambda field: field.name in _FIRST_LINE):
        fields = list(group)
        for row in [fields] if first else [[field] for field in fields]:
            drawn, y = _draw_line(row, head, y)
            out.append(drawn)
    said, height = verdict(
        MARGIN, y + 4, PAGE - 2 * MARGIN, _judgement(head), _verdict_colour(head)
    )
    return "".join([*out, said]), y + height + 12


def _refuses(head: Explanation) -> bool:
    """Whether it is a proper answer that opens no WebSocket."""
    return head.kind == "response" and head.ok and head["status"].value != "101"


def _verdict_colour(head: Explanation) -> str:
    if _refuses(head):
        return "grey"
    return "green" if head.ok else "vermillion"


def _judgement(head: Explanation) -> str:
    if _refuses(head):
        return f"the server refuses with {head['status'].raw}: the connection stays HTTP"
    return f"{'✓' if head.ok else '✗'} {head.verdict}"


def _draw_line(fields: Sequence[Field], head: Explanation, y: float) -> tuple[str, float]:
    """Draw one line of a head; the first line consists of three fields."""
    name = "" if len(fields) > 1 else f"{fields[0].name}:"
    lines = _lines(fields, head)
    out = [
        _mono_line(line, "" if at else name, y + 16 + at * LINE) for at, line in enumerate(lines)
    ]
    height = 0.0
    for field in fields:
        why = f"{field.name}: {field.meaning}" if len(fields) > 1 else field.meaning
        room = _WHY_WIDTH if _is_required(fields, head) else _WHY_WIDTH + 46
        drawn, taken = paragraph(_WHY_X, y + 3 + height, why, room)
        out.append(drawn)
        height += taken
    out += _right_column(fields, head, y)
    height = max(height, len(lines) * LINE) + 7
    colour = OKABE_ITO[next((c for c in map(_colour, fields) if c != "sky"), "sky")]
    band = rect(MARGIN, y + 1, 8, height - 2, "box", fill=colour)
    shade = rect(MARGIN, y + 1, _WHY_X - MARGIN - 12, height - 2, "tint", fill=colour)
    if any(field.name == head.culprit for field in fields):
        out.append(rect(MARGIN - 3, y - 1, PAGE - 2 * MARGIN + 6, height + 2, "bad"))
    return shade + band + "".join(out), y + height


def _lines(fields: Sequence[Field], head: Explanation, most: int = 4) -> list[str]:
    """Return what stands on the wire, broken into at most ``most`` lines."""
    first, last = fields[0], fields[-1]
    octets = head.data[first.start_bit // 8 : (last.start_bit + last.bit_length) // 8]
    content = octets.decode("utf-8" if first.name == "body" else "latin-1", "replace")
    lines = wrap(printable(content), 12, _MONO_WIDTH, mono=True)
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][:-1] + "…"]


def _mono_line(line: str, name: str, y: float) -> str:
    """Return a line of a head with the name of the field in bold."""
    bold = element("tspan", escape(name), class_="b") if name and line.startswith(name) else ""
    rest = escape(line[len(name) :] if bold else line)
    return element("text", bold + rest, x=MARGIN + 16, y=y, class_="t m")


def _is_required(fields: Sequence[Field], head: Explanation) -> bool:
    return fields[0].name.lower() in _REQUIRED[head.kind] and not _refuses(head)


def _right_column(fields: Sequence[Field], head: Explanation, y: float) -> list[str]:
    """Return where it is written, and whether it has to be there."""
    section = fields[0].section if len(fields) == 1 else fields[-2].section
    out = [text(PAGE - MARGIN, y + 16, section.removeprefix("RFC 6455 "), "s end")]
    if _is_required(fields, head):
        out.append(text(PAGE - MARGIN - 116, y + 16, "must", "t b end"))
    return out


# ---------------------------------------------------------------------- from key to accept


def _steps(key: str, accept: str | None) -> list[dict[str, Any]]:
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


def _chain_words(steps: Sequence[dict[str, Any]]) -> str:
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


_CHAIN_LEFT: Final = 128.0
_GROUP: Final = 114.0  # three octets, four characters
_CHAR: Final = 8.2


def _draw_chain(steps: Sequence[dict[str, Any]], y: float) -> tuple[str, float]:
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
    x = _CHAIN_LEFT + width + 34
    return "".join(
        [
            text(_CHAIN_LEFT - 12, y + 16, "key and GUID", "t end"),
            swatch(_CHAIN_LEFT, y, width, 24, "purple", tint=True),
            text(_CHAIN_LEFT + width / 2, y + 16.5, key, "t m mid"),
            text(_CHAIN_LEFT + width + 17, y + 17, "+", "t b mid", style="font-size:16px"),
            swatch(x, y, guid, 24, "grey", tint=True),
            text(x + guid / 2, y + 16.5, GUID, "t m mid"),
            text(_CHAIN_LEFT, y + 40, "24 characters as sent, not decoded", "s"),
            text(x, y + 40, "36 characters, the same in every handshake (RFC 6455 §1.3)", "s"),
        ]
    )


def _draw_step(name: str, said: str, y: float) -> str:
    x = _CHAIN_LEFT + (_GROUP - 8) / 2
    words = text(x + 14, y + 15, name, "t b") + text(x + 72, y + 15, said, "s")
    return arrow(x, y, x, y + 24) + words


def _draw_octets(digest: bytes, y: float) -> str:
    out = [text(_CHAIN_LEFT - 12, y + 16, "20 octets", "t end")]
    cell = (_GROUP - 8) / 3
    for at, octet in enumerate(digest):
        x = _CHAIN_LEFT + at // 3 * _GROUP + at % 3 * cell
        out.append(swatch(x, y, cell, 24, "sky"))
        out.append(label(x + cell / 2, y + 16.5, f"{octet:02x}", "sky", mono=True))
    return "".join(out)


def _draw_characters(encoded: str, y: float) -> str:
    out = [text(_CHAIN_LEFT - 12, y + 16, "28 characters", "t end")]
    cell = (_GROUP - 8) / 4
    for at, char in enumerate(encoded):
        x = _CHAIN_LEFT + at // 4 * _GROUP + at % 4 * cell
        out.append(swatch(x, y, cell, 24, "purple"))
        out.append(label(x + cell / 2, y + 16.5, char, "purple", size=13, mono=True))
    return "".join(out)
