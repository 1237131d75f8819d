"""The picture of the opening handshake: each line, why it is there, and where that is written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final
from xml.sax.saxutils import escape

from goim_edu.capture import Handshake
from goim_edu.draw.accept_chain import chain_steps, chain_words, draw_chain
from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import (
    LINE,
    MARGIN,
    PAGE,
    heading,
    legend,
    paragraph,
    verdict,
)
from goim_edu.draw.svg import element, rect, text, wrap
from goim_edu.palette import OKABE_ITO
from goim_edu.printable import printable
from goim_edu.websocket.explain import Explanation, Field, explain
from goim_edu.websocket.handshake import Headers, Request, Response
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["handshake"]

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
    request: Octets | Request | Handshake, response: Octets | Response | None = None
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
        answer = response.to_bytes() if isinstance(response, Response) else as_octets(response)
        heads.append(explain(answer, kind="response", key=key if asked.ok else None))
    said = "; ".join(head.verdict for head in heads)
    body, y = heading("The opening handshake", "One HTTP request, one answer, then frames.")
    for head in heads:
        block, y = _draw_block(head, y + 6)
        body += block
    steps = chain_steps(key, _accept_of(heads)) if key is not None and asked.ok else []
    if steps:
        chain, y = draw_chain(steps, y + 12)
        body += chain
    body += legend(MARGIN, y + 8, _used_groups(heads))
    return Picture(
        body,
        PAGE,
        y + 30,
        title=f"The opening handshake: {said}",
        alt="\n".join(
            [*(_words(head) for head in heads), *([chain_words(steps)] if steps else [])]
        ),
        fields=[*(_plain(field, head) for head in heads for field in head.fields), *steps],
    )


def _captured(both: Handshake) -> Request:
    if both.request is None:
        raise ValueError("this handshake has no request yet")
    return both.request


def _request_bytes(request: Octets | Request) -> bytes:
    if not isinstance(request, Request):
        return as_octets(request)
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
