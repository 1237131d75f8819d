"""A handshake, explained: the parts of its first line, each header field, and the verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from goim_edu.errors import HandshakeError, IncompleteFrame, RemoteProtocolError
from goim_edu.websocket.explanation import Explanation, Field, Kind
from goim_edu.websocket.extensions import parse_extensions
from goim_edu.websocket.handshake_key import generate_accept
from goim_edu.websocket.handshake_request import check_request
from goim_edu.websocket.handshake_response import check_response
from goim_edu.websocket.http11 import parse_request, parse_response

__all__ = ["explain_request", "explain_response"]


_Verdict = tuple[RemoteProtocolError | None, int]  # the error, and how many octets the head has


def explain_request(data: bytes) -> Explanation:
    """Explain a client's request, line by line."""
    return _explain_head(data, "request", _judge_request(data))


def explain_response(data: bytes, key: str | None) -> Explanation:
    """Explain a server's response, line by line; ``key`` is that of the request, if known."""
    return _explain_head(data, "response", _judge_response(data, key))


def _explain_head(data: bytes, kind: Kind, verdict: _Verdict) -> Explanation:
    error, size = verdict
    data = data[:size]
    position = 2 if data.startswith(b"\r\n") else 0
    end = data.find(b"\r\n\r\n", position)
    lines = data[position : end if end >= 0 else size].split(b"\r\n")
    fields = list(_explain_first_line(lines[0], position, kind))
    for before, line in pairwise(lines):
        position += len(before) + 2
        if line:
            fields.append(_explain_line(line, position, kind))
    if end >= 0:
        meaning = "an empty line ends the head"
        fields.append(_text_field("end of head", end + 2, b"\r\n", "", meaning, "RFC 9112 §2.1"))
    if 0 <= end < size - 4:
        body = data[end + 4 :].decode("utf-8", "replace")
        meaning = "the body, for people to read"
        fields.append(_text_field("body", end + 4, data[end + 4 :], body, meaning, "RFC 9112 §6"))
    return Explanation(kind, data, tuple(fields), error, _find_culprit_line(fields, error))


def _text_field(
    name: str, position: int, raw: bytes, value: str, meaning: str, section: str
) -> Field:
    text = raw.decode("latin-1")
    shown = text if text.isprintable() and len(text) <= 60 else repr(text[:60])[1:-1]
    dots = "..." if len(text) > 60 else ""
    return Field(name, 8 * position, 8 * len(raw), shown + dots, value, meaning, section)


_REQUEST_LINE: Final = (
    ("method", "only GET can open a WebSocket", "RFC 6455 §4.1"),
    ("target", "which WebSocket of that host: a path, and perhaps a query", "RFC 6455 §4.1"),
    ("HTTP version", "HTTP/1.1 or higher", "RFC 6455 §4.1"),
)
_STATUS_LINE: Final = (
    ("HTTP version", "the version of HTTP that the server speaks", "RFC 9112 §2.3"),
    ("status", "101 goes over to WebSocket, anything else does not", "RFC 6455 §4.2.2"),
    ("reason", "the status in words, which no program reads", "RFC 9112 §4"),
)


def _explain_first_line(line: bytes, position: int, kind: Kind) -> Iterator[Field]:
    names = _REQUEST_LINE if kind == "request" else _STATUS_LINE
    for (name, meaning, section), word in zip(names, line.split(b" ", 2), strict=False):
        if word:
            text = word.decode("latin-1")
            yield _text_field(name, position, word, text, meaning, section)
        position += len(word) + 1


_LINES: Final = {
    "host": ("the host that is asked, and its port: one server may be many hosts", "RFC 9112 §3.2"),
    "upgrade": ("go over to WebSocket on this connection", "RFC 9110 §7.8"),
    "connection": ("Upgrade is meant for this hop, not for what lies behind it", "RFC 9110 §7.6.1"),
    "sec-websocket-key": ("16 fresh random octets in Base64: no secret, no login", "RFC 6455 §4.1"),
    "sec-websocket-version": ("13, the only version there is", "RFC 6455 §4.1"),
    "sec-websocket-protocol": ("subprotocols: what the messages are about", "RFC 6455 §1.9"),
    "sec-websocket-extensions": ("extensions: how frames may be used differently", "RFC 6455 §9.1"),
    "sec-websocket-accept": ("SHA-1 of key and GUID: the server read the key", "RFC 6455 §4.2.2"),
    "origin": ("which page's script asks: the server may refuse strangers", "RFC 6455 §10.2"),
    "authorization": ("who asks; browsers cannot send it for a WebSocket", "RFC 9110 §11.6.2"),
    "cookie": ("what the server once set; browsers send it along", "RFC 6265 §5.4"),
    "user-agent": ("which program asks", "RFC 9110 §10.1.5"),
    "content-length": ("how many octets of body follow the head", "RFC 9112 §6.2"),
    "content-type": ("what the body is", "RFC 9110 §8.3"),
    "date": ("when the answer was made", "RFC 9110 §6.6.1"),
}
_ORDINARY: Final = ("a field of HTTP; WebSocket gives it no meaning", "RFC 9110 §5")


def _explain_line(line: bytes, position: int, kind: Kind) -> Field:
    name, colon, value = line.decode("latin-1").partition(":")
    value = value.strip(" \t")
    if not colon:
        meaning = "without a colon this is not a header field"
        return _text_field("not a field", position, line, name, meaning, "RFC 9112 §5")
    meaning, section = _LINES.get(name.lower(), _ORDINARY)
    if name.lower() == "sec-websocket-key":
        try:
            meaning = f"{meaning}; the answer has to be {generate_accept(value)}"
        except HandshakeError as error:
            meaning = error.message
    elif name.lower() == "sec-websocket-protocol":
        meaning += ", most wanted first" if kind == "request" else ": the one that was chosen"
    return _text_field(name, position, line, value, meaning, section)


def _judge_request(data: bytes) -> _Verdict:
    """The verdict on a request."""
    try:
        parsed = parse_request(data)
        if parsed is None:
            return _cut_head(data), len(data)
        check_request(parsed[0])
    except HandshakeError as error:
        return error, _head_size(data)
    return None, parsed[1]


_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1(?!01)")


def _judge_response(data: bytes, key: str | None) -> _Verdict:
    """The verdict on a response: that of a client with this key that offered all that is in it."""
    try:
        parsed = parse_response(data, eof=True)
        if _INTERIM.match(data) and b"\r\n\r\n" in data:
            return None, _head_size(data)
        if parsed is None:
            return _cut_head(data), len(data)
        response, size = parsed
        if key is not None:
            extensions = parse_extensions(response.headers.get("sec-websocket-extensions", "x"))
            offered = response.headers.get_all("sec-websocket-protocol")
            check_response(response, key, offered, extensions)
    except HandshakeError as error:
        return error, _head_size(data)
    return None, size


def _cut_head(data: bytes) -> IncompleteFrame:
    there = next(size for size in (3, 2, 1, 0) if data.endswith(b"\r\n\r\n"[:size]))
    return IncompleteFrame(
        "the head is cut: an empty line ends it", missing=4 - there, section="RFC 9112 §2.1"
    )


def _head_size(data: bytes) -> int:
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end + 4


def _find_culprit_line(fields: list[Field], error: RemoteProtocolError | None) -> str | None:
    """The field that the error names first."""
    if error is None:
        return None
    # In "the server's 101 is not valid: its ..." the words behind the colon name the field.
    message = error.message.lower().removeprefix("the server's 101 is not valid: ")
    places = {
        place: field.name
        for field in reversed(fields)
        for words in (field.name, field.raw[:50])
        if (place := message.find(words.lower())) >= 0
    }
    return places[min(places)] if places else None
