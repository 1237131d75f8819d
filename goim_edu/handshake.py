r"""The opening handshake as bytes and as objects: one HTTP request, one answer, then frames.

RFC 6455 §4 says what has to be in them, RFC 9112 how HTTP/1.1 writes them down.
Nothing here opens a socket. A server goes

    parse_request -> check_request, check_origin, select_subprotocol -> accept_response
                  \-> HandshakeError -> error_response

and a client goes ``build_request -> parse_response -> check_response``.

How a head is read: it is decoded once, and one regular expression takes all its fields at once.
If it did not take *every* line, some line is wrong, and only then we look for which one and why.
So the common case is quick, and the uncommon one gets an exact answer.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from goim_edu.errors import HandshakeError, LocalProtocolError

__all__ = [
    "GUID",
    "VERSION",
    "Agreement",
    "ExtensionOffer",
    "HandshakeLimits",
    "Headers",
    "Request",
    "Response",
    "WebSocketURI",
    "accept_response",
    "build_request",
    "check_host",
    "check_origin",
    "check_request",
    "check_response",
    "error_response",
    "format_extensions",
    "generate_accept",
    "generate_key",
    "offered_extensions",
    "offered_subprotocols",
    "parse_extensions",
    "parse_request",
    "parse_response",
    "parse_uri",
    "select_subprotocol",
]

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""The fixed string that both sides append to the key (RFC 6455 §1.3)."""

VERSION = "13"
"""The only version of the protocol that was ever standardised (RFC 6455 §4.1 item 9)."""

_TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"  # RFC 9110 §5.6.2
_VCHAR = r"\t\x20-\x7e\x80-\xff"  # RFC 9110 §5.5: VCHAR, obs-text, SP and HTAB
_TOKEN = re.compile(rf"[{_TCHAR}]+")
_FIELD = re.compile(rf"\r\n([{_TCHAR}]+):[ \t]*([{_VCHAR}]*)(?=\r\n)")
_REQUEST_LINE = re.compile(rf"([{_TCHAR}]+) ([\x21-\x7e]+) (HTTP/[0-9]\.[0-9])(?=\r\n)")
_STATUS_LINE = re.compile(rf"HTTP/1\.[0-9] ([1-9][0-9][0-9])(?: ([{_VCHAR}]*))?(?=\r\n)")
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")  # what 16 octets look like in Base64
_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")

_REASONS = {
    101: "Switching Protocols",
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    414: "URI Too Long",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}

_LONGEST_CACHED = 256  # so that nobody can fill our memory with curious extension lists


def _show(text: str) -> str:
    """Text of the peer, fit for a log line or an answer: escaped, and never longer than a line."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


class Headers:
    """HTTP header fields: any case finds them, and their order and spelling are kept.

    A field that comes several times reads as one list, joined by ", " (RFC 9110 §5.3);
    ``get_all`` gives its lines one by one. Iterating gives the ``(name, value)`` pairs as sent.

    Args:
        fields: the pairs in order.

    >>> headers = Headers([("Host", "example.com"), ("Via", "1.1 a"), ("via", "1.1 b")])
    >>> headers["HOST"], headers["Via"], headers.get_all("VIA")
    ('example.com', '1.1 a, 1.1 b', ['1.1 a', '1.1 b'])
    """

    __slots__ = ("_fields", "_index", "_repeated")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple(fields)
        index = self._index = {name.lower(): value for name, value in self._fields}
        self._repeated = len(index) != len(self._fields)
        if self._repeated:
            for key in index:
                index[key] = ", ".join(self.get_all(key))

    def get_all(self, name: str) -> list[str]:
        """Every line of this name, in order; an empty list if there is none."""
        key = name.lower()
        return [value for field, value in self._fields if field.lower() == key]

    def get(self, name: str, default: str = "") -> str:
        """The value of this name, lines joined by ", ", or the default."""
        return self._index.get(name.lower(), default)

    def count(self, name: str) -> int:
        """How many lines carry this name."""
        if self._repeated:
            return len(self.get_all(name))
        return int(name.lower() in self._index)

    def __getitem__(self, name: str) -> str:
        return self._index[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"


class Request(NamedTuple):
    """One HTTP request without a body (RFC 9112 §3).

    >>> request = Request("GET", "/chat?room=1", "HTTP/1.1", Headers([("Host", "example.com")]))
    >>> request.path, request.query, request.wants_upgrade
    ('/chat', 'room=1', False)
    """

    method: str
    target: str
    version: str
    headers: Headers

    @property
    def path(self) -> str:
        """The target up to the question mark; an absolute URI loses its scheme and host."""
        target = self.target.partition("?")[0]
        _, mark, rest = target.partition("://")
        return target if target[:1] == "/" or not mark else "/" + rest.partition("/")[2]

    @property
    def query(self) -> str:
        """The target after the question mark, still percent-encoded."""
        return self.target.partition("?")[2]

    @property
    def wants_upgrade(self) -> bool:
        """Whether it asks for a WebSocket, be it well or badly: ``check_request`` judges that."""
        return _lists_token(self.headers, "upgrade", "websocket")


class Response(NamedTuple):
    r"""One HTTP response (RFC 9112 §4).

    >>> Response(404, "Not Found", Headers(), b"no such page\n").to_bytes()
    b'HTTP/1.1 404 Not Found\r\n\r\nno such page\n'
    """

    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """The bytes to write.

        Raises:
            LocalProtocolError: a name or a value could not be written without changing the
                meaning of the head, for example one with CR LF in it (response splitting).
        """
        head = _write_head(f"HTTP/1.1 {self.status} {self.reason}", self.headers)
        return head + self.body


class ExtensionOffer(NamedTuple):
    """One extension of an offer or an answer: its name and parameters (RFC 6455 §9.1).

    A parameter without a value has ``None``. Parameters are a tuple, since an offer may repeat
    one by mistake, and the extension has to see that.
    """

    name: str
    params: tuple[tuple[str, str | None], ...] = ()


class Agreement(NamedTuple):
    """What both sides agreed on: one subprotocol or none, and the extensions in their order."""

    subprotocol: str | None
    extensions: tuple[ExtensionOffer, ...]


class WebSocketURI(NamedTuple):
    """A ``ws://`` or ``wss://`` address taken apart (RFC 6455 §3)."""

    secure: bool
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """The Host field: the port only where it is not the usual one (RFC 6455 §4.1 item 4)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HandshakeLimits:
    """Bounds on a head, in octets and lines; each is checked before more is buffered.

    Args:
        max_line: the longest line, the request line included.
        max_headers: the most header fields.
        max_total: the whole head with its empty line.
        max_body: how much of the body of a refusal a client keeps, to show it.
    """

    max_line: int = 8_192
    max_headers: int = 100
    max_total: int = 32_768
    max_body: int = 65_536


_DEFAULT_LIMITS = HandshakeLimits()


# ---------------------------------------------------------------------- key and accept


def generate_key(random_source: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh ``Sec-WebSocket-Key``: 16 random octets in Base64 (RFC 6455 §4.1 item 7).

    >>> generate_key(lambda size: b"the sample nonce")
    'dGhlIHNhbXBsZSBub25jZQ=='
    """
    return base64.b64encode(random_source(16)).decode("ascii")


def generate_accept(key: str) -> str:
    """The ``Sec-WebSocket-Accept`` that answers a key (RFC 6455 §4.2.2 item 5.4).

    It proves that the server read the handshake. It authenticates nobody.

    Args:
        key: the ``Sec-WebSocket-Key`` as sent: 24 characters that decode to 16 octets.

    Returns:
        28 characters: the Base64 of the SHA-1 of key and GUID.

    Raises:
        HandshakeError: the key is no Base64 of 16 octets (RFC 6455 §4.2.1 item 5).

    >>> generate_accept("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    if not _KEY.fullmatch(key):
        raise HandshakeError(f"Sec-WebSocket-Key {_show(key)} is not the Base64 of 16 octets")
    digest = hashlib.sha1((key + GUID).encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


# ---------------------------------------------------------------------- reading a head


def parse_request(
    data: bytes, limits: HandshakeLimits = _DEFAULT_LIMITS
) -> tuple[Request, int] | None:
    r"""Read one request from the start of the bytes (RFC 9112 §3).

    It judges only the HTTP: whether it is a good upgrade is for ``check_request``.

    Args:
        data: everything received so far.
        limits: the bounds; a head that must break one is refused before it is complete.

    Returns:
        The request and how many octets it took, or None: read more and call again.

    Raises:
        HandshakeError: status 400, 405, 414 or 431, and a message that says where and why.

    >>> request, used = parse_request(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\n")
    >>> request.method, request.target, request.headers["host"], used
    ('GET', '/chat', 'example.com', 41)
    >>> parse_request(b"GET /chat HTTP/1.1\r\nHost") is None
    True
    """
    start = 2 if data[:2] == b"\r\n" else 0  # RFC 9112 §2.2: forgive one empty line before
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        _check_partial(data, start, limits)
        return None
    head = _take_head(data, start, end, limits)
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise HandshakeError(
            f"the first line is {_show(head.partition(chr(13))[0])}, not 'METHOD target HTTP/x.y'",
            section="RFC 9112 §3",
        )
    method, target, version = line.groups()
    request = Request(method, target, version, _take_fields(head, line.end(), limits))
    _refuse_body(request)
    return request, end + 4


def parse_response(
    data: bytes, limits: HandshakeLimits = _DEFAULT_LIMITS, *, eof: bool = False
) -> tuple[Response, int] | None:
    r"""Read the answer from the start of the bytes (RFC 9112 §4).

    Interim answers such as 103 are passed over (RFC 9110 §15.2). A refusal's body is read as far
    as ``Content-Length`` says, at most ``limits.max_body`` octets: it is only there to be shown.
    After a 101 everything that follows the head is frames.

    Args:
        data: everything received so far.
        limits: the bounds.
        eof: the peer sends no more, so a body that is cut is as complete as it gets.

    Returns:
        The response and how many octets it took, or None: read more and call again.

    Raises:
        HandshakeError: this is no HTTP response, or a bound is broken; nothing can be answered.

    >>> response, used = parse_response(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00")
    >>> response.status, used
    (101, 36)
    """
    start = 0
    while True:
        end = data.find(b"\r\n\r\n", start)
        if end < 0:
            _check_partial(data, start, limits)
            return None
        head = _take_head(data, start, end, limits)
        line = _STATUS_LINE.match(head)
        if line is None:
            raise HandshakeError(
                f"the status line is {_show(head.partition(chr(13))[0])}, not 'HTTP/1.1 101 ...'",
                status=502,
                section="RFC 9112 §4",
            )
        status = int(line[1])
        headers = _take_fields(head, line.end(), limits)
        start = end + 4
        if status == 101 or status >= 200:
            break
    body = _take_body(data, start, status, headers, limits, eof)
    if body is None:
        return None
    return Response(status, line[2] or "", headers, body), start + len(body)


def _take_head(data: bytes, start: int, end: int, limits: HandshakeLimits) -> str:
    """The head up to and with the CR LF of its last line, as text; its size is checked."""
    if end + 4 - start > limits.max_total:
        raise _too_large(f"the head has {end + 4 - start} octets, we take {limits.max_total}")
    if end - start > limits.max_line:
        for number, line in enumerate(data[start:end].split(b"\r\n")):
            _check_line_length(number, len(line), limits)
    return data[start : end + 2].decode("latin-1")


def _take_fields(head: str, position: int, limits: HandshakeLimits) -> Headers:
    """All header fields from ``position`` on; every line must have been one."""
    count = head.count("\r\n", position) - 1
    if count > limits.max_headers:
        raise _too_large(f"{count} header fields, we take {limits.max_headers}")
    fields = _FIELD.findall(head, position)
    if len(fields) != count:
        raise _blame_line(head[position + 2 : -2])
    return Headers([(name, value.rstrip(" \t")) for name, value in fields])


def _take_body(
    data: bytes, start: int, status: int, headers: Headers, limits: HandshakeLimits, eof: bool
) -> bytes | None:
    """The body of a refusal as far as we want it; None while the rest is still to come."""
    if status in (101, 204, 304):
        return b""
    length = headers.get("content-length")
    body = data[start : start + limits.max_body]
    if eof or not (length.isascii() and length.isdigit()) or len(length) > 18:
        return body
    wanted = min(int(length), limits.max_body)
    return body[:wanted] if len(body) >= wanted else None


def _blame_line(lines: str) -> HandshakeError:
    """Some line is no header field: say which one, and what is wrong with it."""
    line = next(text for text in lines.split("\r\n") if not _FIELD.match(f"\r\n{text}\r\n"))
    name, colon, _ = line.partition(":")
    if line[:1] in (" ", "\t"):
        why = "starts with white space: folded lines are obsolete (§5.2)"
    elif not colon:
        why = "has no colon"
    elif not _TOKEN.fullmatch(name):
        why = "has a name that is no token (a space before the colon is one cause)"
    else:
        why = "has a control character in its value, such as NUL, a bare CR or a bare LF"
    return HandshakeError(f"the header line {_show(line)} {why}", section="RFC 9112 §5")


def _check_partial(data: bytes, start: int, limits: HandshakeLimits) -> None:
    """Refuse a head that is not complete yet, but that can only become a bad one."""
    if len(data) - start > limits.max_total:
        raise _too_large(f"the head is longer than the {limits.max_total} octets that we take")
    head = data[start:].removesuffix(b"\r")  # that may be half of a line's end
    if head and (head[0] <= 0x20 or head[0] >= 0x7F):
        hint = " (a TLS client hello? then the address should be wss://)" if head[0] == 22 else ""
        raise HandshakeError(
            f"this is no HTTP: it starts with octet 0x{head[0]:02x}{hint}", section="RFC 9112 §2.1"
        )
    lines = head.split(b"\r\n")
    for number, line in enumerate(lines):
        _check_line_length(number, len(line), limits)
        if b"\n" in line or b"\0" in line:
            raise HandshakeError(
                "a line of the head has a NUL or a bare LF in it; lines end with CR LF",
                section="RFC 9112 §2.2",
            )
    if len(lines) - 2 > limits.max_headers:
        raise _too_large(f"more than the {limits.max_headers} header fields that we take")


def _check_line_length(number: int, length: int, limits: HandshakeLimits) -> None:
    """A request line that is too long is a 414, any other line a 431."""
    if length <= limits.max_line:
        return
    if number == 0:
        raise HandshakeError(
            f"the first line is longer than the {limits.max_line} octets that we take",
            status=414,
            section="RFC 9112 §3",
        )
    raise _too_large(f"header line {number} is longer than {limits.max_line} octets")


def _too_large(message: str) -> HandshakeError:
    return HandshakeError(message, status=431, section="RFC 6585 §5")


def _refuse_body(request: Request) -> None:
    """No request here has a body, and one that we skipped could smuggle a second request in."""
    headers = request.headers
    if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
        return
    if request.method != "GET":
        raise _only_get(request.method)
    raise HandshakeError("a request with a body is not taken here", section="RFC 9110 §9.3.1")


def _only_get(method: str) -> HandshakeError:
    return HandshakeError(
        f"the method is {_show(method)}, only GET can open a WebSocket",
        status=405,
        section="RFC 6455 §4.2.1",
        headers=(("Allow", "GET"),),
    )


# ---------------------------------------------------------------------- writing a head


def _write_head(first_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A head with its empty line; nothing in a value can start a line of its own."""
    lines = [first_line]
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise LocalProtocolError(f"{name!r} is no header name (RFC 9110 §5.1)")
        lines.append(f"{name}: {value}")
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\r") != breaks or text.count("\n") != breaks or "\0" in text:
        raise LocalProtocolError("CR, LF and NUL cannot stand in a header field (RFC 9110 §5.5)")
    try:
        return f"{text}\r\n\r\n".encode("latin-1")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(
            f"{error.object[error.start]!r} cannot stand in a header field (RFC 9110 §5.5)"
        ) from None


def build_request(
    host: str,
    target: str,
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    extensions: Sequence[ExtensionOffer] = (),
    origin: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """The bytes with which a client asks for a WebSocket (RFC 6455 §4.1).

    Args:
        host: the ``Host`` field, with the port where it is not the usual one.
        target: path and query, starting with ``/``.
        key: a fresh ``generate_key()``.
        subprotocols: those that the client speaks, the most wanted first.
        extensions: the offers, the most wanted first.
        origin: the page that asks, which only browsers must tell.
        headers: more fields, such as ``Authorization``.

    Raises:
        LocalProtocolError: something of it cannot be written into a request.

    >>> build_request("example.com", "/chat", "dGhlIHNhbXBsZSBub25jZQ==").splitlines()[0]
    b'GET /chat HTTP/1.1'
    """
    if not re.fullmatch(r"/[\x21-\x7e]*", target) or "#" in target:
        raise LocalProtocolError(f"{target!r} is no target: a path that starts with /, no fragment")
    if not _HOST.fullmatch(host):
        raise LocalProtocolError(f"{host!r} is no Host")
    fields = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", VERSION),
    ]
    if origin is not None:
        fields.append(("Origin", origin))
    if subprotocols:
        _check_own_subprotocols(subprotocols)
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    if extensions:
        fields.append(("Sec-WebSocket-Extensions", format_extensions(extensions)))
    return _write_head(f"GET {target} HTTP/1.1", [*fields, *_own_fields(headers)])


def _check_own_subprotocols(subprotocols: Sequence[str]) -> None:
    for name in subprotocols:
        if not _TOKEN.fullmatch(name):
            raise LocalProtocolError(f"{name!r} is no subprotocol name (RFC 6455 §4.1 item 10)")
    if len(set(subprotocols)) != len(subprotocols):
        raise LocalProtocolError("a subprotocol is offered twice (RFC 6455 §4.1 item 10)")


_OURS = frozenset(
    (
        "host",
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
    )
)


def _own_fields(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The caller's own fields, none of which may be one that the handshake itself writes."""
    fields = list(headers)
    for name, _ in fields:
        if name.lower() in _OURS:
            raise LocalProtocolError(f"{name} is written by the handshake itself")
    return fields


def error_response(error: HandshakeError, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """The answer to a failed handshake; its body says what was wrong (RFC 6455 §4.2.2).

    A 426 names the version that we speak, a 405 the method that we take: the error brings
    these fields along.

    >>> answer = error_response(HandshakeError("no such room", status=404))
    >>> answer.status, answer.body.decode().splitlines()
    (404, ['404 Not Found', 'no such room (RFC 6455 §4.2.1)'])
    """
    reason = _REASONS.get(error.status, "Error")
    body = f"{error.status} {reason}\n{error}\n".encode("utf-8", "backslashreplace")
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    if error.status == 426:  # RFC 9110 §15.5.22: it must say to what
        fields[-1:] = [("Upgrade", "websocket"), ("Connection", "Upgrade, close")]
    return Response(error.status, reason, Headers([*fields, *error.headers, *headers]), body)


# ---------------------------------------------------------------------- the server's checks


def _lists_token(headers: Headers, name: str, token: str) -> bool:
    """Whether a comma list has this token, in any case."""
    value = headers.get(name).lower()
    return value == token or token in (item.strip(" \t") for item in value.split(","))


def check_host(request: Request) -> str:
    """Exactly one valid Host (RFC 9112 §3.2: any HTTP/1.1 request without it gets a 400).

    Returns:
        Its value.

    Raises:
        HandshakeError: status 400.
    """
    headers = request.headers
    count = headers.count("host")
    if count != 1:
        raise HandshakeError(
            f"there are {count} Host fields, there must be one", section="RFC 9112 §3.2"
        )
    host = headers["host"]
    if not _HOST.fullmatch(host):
        raise HandshakeError(f"Host {_show(host)} is no host", section="RFC 9112 §3.2")
    return host


def check_request(request: Request) -> str:
    """Every check of RFC 6455 §4.2.1 on a client's opening handshake.

    Origin is checked by ``check_origin``, since only the application knows whom it allows.

    Returns:
        The key, to be answered with ``generate_accept``.

    Raises:
        HandshakeError: status 400, 405 or 426, and what was wrong.

    >>> check_request(Request("PUT", "/", "HTTP/1.1", Headers()))
    Traceback (most recent call last):
    ...
    goim_edu.errors.HandshakeError: the method is 'PUT', only GET can open a WebSocket ...
    """
    if request.method != "GET":
        raise _only_get(request.method)
    if request.version < "HTTP/1.1":  # one digit each, so text compares as the numbers do
        raise HandshakeError(f"the HTTP version is {request.version}, we need HTTP/1.1 or higher")
    if not request.target.startswith(("/", "http://", "https://", "ws://", "wss://")):
        raise HandshakeError(f"the target {_show(request.target)} is neither a path nor a URI")
    if "#" in request.target:
        raise HandshakeError("the target has a fragment (#)", section="RFC 6455 §3")
    check_host(request)
    headers = request.headers
    if not _lists_token(headers, "upgrade", "websocket"):
        raise HandshakeError(
            "this address speaks WebSocket: ask with 'Upgrade: websocket'", status=426
        )
    if not _lists_token(headers, "connection", "upgrade"):
        raise HandshakeError("the Connection field must list 'Upgrade'")
    _check_version(headers)
    if headers.count("sec-websocket-key") != 1:
        raise HandshakeError("there must be exactly one Sec-WebSocket-Key")
    key = headers["sec-websocket-key"]
    if not _KEY.fullmatch(key):
        raise HandshakeError(f"Sec-WebSocket-Key {_show(key)} is not the Base64 of 16 octets")
    offered_subprotocols(request)
    offered_extensions(request)
    return key


def _check_version(headers: Headers) -> None:
    """Another version is told which one we speak, so that its client can try again (§4.4)."""
    speak = (("Sec-WebSocket-Version", VERSION),)
    if headers.count("sec-websocket-version") != 1:
        raise HandshakeError("there must be exactly one Sec-WebSocket-Version", headers=speak)
    version = headers["sec-websocket-version"]
    if version != VERSION:
        raise HandshakeError(
            f"Sec-WebSocket-Version is {_show(version)}, we speak {VERSION}",
            status=426,
            section="RFC 6455 §4.4",
            headers=speak,
        )


def check_origin(
    request: Request, allowed: Collection[str | None] | None, *, same_host: bool = False
) -> None:
    """Refuse a page of a stranger, whose script would act with our user's cookies (§10.2).

    Args:
        request: the client's request.
        allowed: origins such as ``"https://chat.example.com"``; None among them allows clients
            that send none (all but browsers). None for the whole argument allows everybody.
        same_host: allow a page that came from the very host and port that it now calls, too.

    Raises:
        HandshakeError: status 403; 400 if there are several Origin fields.
    """
    if allowed is None:
        return
    headers = request.headers
    count = headers.count("origin")
    if count > 1:
        raise HandshakeError("there are several Origin fields", section="RFC 6454 §7.3")
    origin = headers["origin"].lower() if count else None
    if origin in allowed:
        return
    if same_host and origin and origin.partition("://")[2] == headers.get("host").lower():
        return
    shown = "no Origin" if origin is None else f"the Origin {_show(origin)}"
    raise HandshakeError(f"{shown} is not allowed here", status=403, section="RFC 6455 §10.2")


# ---------------------------------------------------------------------- subprotocols, extensions


def offered_subprotocols(request: Request) -> tuple[str, ...]:
    """The subprotocols that a client offers, the most wanted first (RFC 6455 §4.1 item 10).

    Raises:
        HandshakeError: status 400: a name that is no token, or one that comes twice.
    """
    value = request.headers.get("sec-websocket-protocol")
    if not value:
        return ()
    names = tuple(name for item in value.split(",") if (name := item.strip(" \t")))
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise HandshakeError(
                f"Sec-WebSocket-Protocol lists {_show(name)}, which is no token",
                section="RFC 6455 §4.1",
            )
    if len(set(names)) != len(names):
        raise HandshakeError("Sec-WebSocket-Protocol lists a name twice", section="RFC 6455 §4.1")
    return names


def select_subprotocol(request: Request, supported: Collection[str]) -> str | None:
    """The client's most wanted subprotocol that we support too, or None (RFC 6455 §4.2.2).

    >>> offer = Headers([("Sec-WebSocket-Protocol", "goim.v1.bson, goim.v1.json")])
    >>> select_subprotocol(Request("GET", "/", "HTTP/1.1", offer), ["goim.v1.json"])
    'goim.v1.json'
    """
    return next((name for name in offered_subprotocols(request) if name in supported), None)


def offered_extensions(request: Request) -> tuple[ExtensionOffer, ...]:
    """The extensions that a client offers, the most wanted first (RFC 6455 §9.1).

    Raises:
        HandshakeError: status 400: the field does not follow the grammar.
    """
    value = request.headers.get("sec-websocket-extensions")
    return parse_extensions(value) if value else ()


_EXTENSION_PIECE = re.compile(
    rf'[ \t]*(?:([{_TCHAR}]+)|"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[{_VCHAR}])*)"|([;,=]))[ \t]*'
)


def parse_extensions(value: str) -> tuple[ExtensionOffer, ...]:
    """Read a ``Sec-WebSocket-Extensions`` value by its grammar (RFC 6455 §9.1).

    A value in quotes must be a token once the quotes are gone. Empty list elements are passed
    over (RFC 9110 §5.6.1). Repeated and unknown parameters are kept: the extension judges them.

    Raises:
        HandshakeError: status 400: it does not follow the grammar.

    >>> for offer in parse_extensions('permessage-deflate; client_max_window_bits, zip; level="9"'):
    ...     print(offer.name, offer.params)
    permessage-deflate (('client_max_window_bits', None),)
    zip (('level', '9'),)
    """
    if len(value) <= _LONGEST_CACHED:
        return _parse_cached(value)
    return _parse_extensions(value)


def _parse_extensions(value: str) -> tuple[ExtensionOffer, ...]:
    offers = []
    pieces = _extension_pieces(value)
    position = 0
    while pieces[position] != ("", "end"):
        if pieces[position] == ("", ","):
            position += 1
            continue
        offer, position = _take_extension(value, pieces, position)
        offers.append(offer)
    if not offers:
        raise _bad_extensions(value, "it names none")
    return tuple(offers)


_parse_cached = lru_cache(maxsize=64)(_parse_extensions)


def _extension_pieces(value: str) -> list[tuple[str, str]]:
    """Words and separators: (word, kind) with kind "token", "quoted", ";", ",", "=" or "end"."""
    pieces = []
    position = 0
    while position < len(value):
        match = _EXTENSION_PIECE.match(value, position)
        if match is None:
            raise _bad_extensions(value, f"character {position} does not fit")
        token, quoted, separator = match.groups()
        if token is not None:
            pieces.append((token, "token"))
        elif separator is not None:
            pieces.append(("", separator))
        else:
            pieces.append((re.sub(r"\\(.)", r"\1", quoted), "quoted"))
        position = match.end()
    pieces.append(("", "end"))
    return pieces


def _take_extension(
    value: str, pieces: list[tuple[str, str]], position: int
) -> tuple[ExtensionOffer, int]:
    """``token *( ";" token [ "=" ( token / quoted-string ) ] )`` from this position on."""
    name, kind = pieces[position]
    if kind != "token":
        raise _bad_extensions(value, "an extension starts with its name")
    position += 1
    params: list[tuple[str, str | None]] = []
    while pieces[position][1] == ";":
        param, kind = pieces[position + 1]
        if kind != "token":
            raise _bad_extensions(value, "a parameter has to follow each ';'")
        position += 2
        content = None
        if pieces[position][1] == "=":
            content, kind = pieces[position + 1]
            if kind not in ("token", "quoted") or not _TOKEN.fullmatch(content):
                raise _bad_extensions(value, f"the value of {param} is no token")
            position += 2
        params.append((param, content))
    if pieces[position][1] not in (",", "end"):
        raise _bad_extensions(value, "a ',' or ';' is missing")
    return ExtensionOffer(name, tuple(params)), position


def _bad_extensions(value: str, why: str) -> HandshakeError:
    return HandshakeError(
        f"Sec-WebSocket-Extensions {_show(value)} does not follow the grammar: {why}",
        section="RFC 6455 §9.1",
    )


def format_extensions(extensions: Iterable[ExtensionOffer]) -> str:
    """The value of a ``Sec-WebSocket-Extensions`` field (RFC 6455 §9.1).

    >>> format_extensions([ExtensionOffer("bzip2", (("level", "9"), ("fast", None)))])
    'bzip2; level=9; fast'
    """
    return ", ".join(
        "; ".join([name, *(p if v is None else f"{p}={v}" for p, v in params)])
        for name, params in extensions
    )


# ---------------------------------------------------------------------- the two answers


def accept_response(
    request: Request,
    subprotocol: str | None = None,
    extensions: Sequence[ExtensionOffer] | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """The 101 that accepts a request (RFC 6455 §4.2.2 item 5).

    Args:
        request: the client's request; all its checks are made here once more.
        subprotocol: one that the client offered, or None.
        extensions: the answers to its offers, in the order in which they work.
        headers: more fields, such as ``Set-Cookie``.

    Raises:
        HandshakeError: the request is no proper upgrade.
        LocalProtocolError: a subprotocol that was not offered, or a field that cannot be written.
    """
    accept = generate_accept(check_request(request))
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    if subprotocol is not None:
        if subprotocol not in offered_subprotocols(request):
            raise LocalProtocolError(f"the client did not offer the subprotocol {subprotocol!r}")
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    if extensions:
        fields.append(("Sec-WebSocket-Extensions", format_extensions(extensions)))
    return Response(101, "Switching Protocols", Headers([*fields, *_own_fields(headers)]))


def check_response(
    response: Response,
    key: str,
    offered_subprotocols: Collection[str] = (),
    offered_extensions: Iterable[ExtensionOffer] = (),
) -> Agreement:
    """Every check that a client makes on the answer (RFC 6455 §4.1, "Once the client's ...").

    Args:
        response: what the server answered.
        key: the key that was sent.
        offered_subprotocols: what was offered.
        offered_extensions: what was offered; whether the parameters of an answer are good is for
            the extension to judge.

    Returns:
        What was agreed on.

    Raises:
        HandshakeError: the handshake failed. ``status`` is the server's own status where it
            refused, and 502 where its 101 was wrong.
    """
    headers = response.headers
    if response.status != 101:
        raise HandshakeError(
            f"the server answered {response.status} {response.reason}, not 101",
            status=response.status,
            section="RFC 6455 §4.1",
            headers=tuple(headers),
        )
    if headers.get("upgrade").lower() != "websocket":
        raise _bad_answer("its Upgrade field is not 'websocket'")
    if not _lists_token(headers, "connection", "upgrade"):
        raise _bad_answer("its Connection field does not list 'Upgrade'")
    expected = generate_accept(key)
    if headers.get_all("sec-websocket-accept") != [expected]:
        got = _show(headers.get("sec-websocket-accept"))
        raise _bad_answer(f"its Sec-WebSocket-Accept is {got}, not {expected!r}")
    value = headers.get("sec-websocket-extensions")
    try:
        extensions = parse_extensions(value) if value else ()
    except HandshakeError as error:
        raise _bad_answer(error.message) from None
    offered = {offer.name for offer in offered_extensions}
    for extension in extensions:
        if extension.name not in offered:
            raise _bad_answer(f"it uses the extension {_show(extension.name)}, nobody offered that")
    subprotocols = headers.get_all("sec-websocket-protocol")
    if len(subprotocols) > 1 or (subprotocols and subprotocols[0] not in offered_subprotocols):
        raise _bad_answer(f"its subprotocol {_show(', '.join(subprotocols))} was not offered")
    return Agreement(subprotocols[0] if subprotocols else None, extensions)


def _bad_answer(why: str) -> HandshakeError:
    return HandshakeError(
        f"the server's 101 is not valid: {why}", status=502, section="RFC 6455 §4.1"
    )


# ---------------------------------------------------------------------- addresses

_URI = re.compile(
    r"(wss?)://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9\-._~]+))(?::([0-9]{1,5}))?([/?][\x21-\x7e]*)?",
    re.IGNORECASE,
)


def parse_uri(uri: str) -> WebSocketURI:
    """Take a WebSocket address apart (RFC 6455 §3).

    Raises:
        LocalProtocolError: it is no ``ws://`` or ``wss://`` address, or it has a fragment.

    >>> parse_uri("ws://127.0.0.1:8765/chat?room=1")
    WebSocketURI(secure=False, host='127.0.0.1', port=8765, target='/chat?room=1')
    >>> parse_uri("wss://[::1]").host_header
    '[::1]'
    """
    match = _URI.fullmatch(uri)
    if match is None or "#" in uri:
        raise LocalProtocolError(f"{uri!r} is no address such as ws://host:port/path (RFC 6455 §3)")
    scheme, literal, name, port, target = match.groups()
    secure = scheme.lower() == "wss"
    number = int(port) if port else (443 if secure else 80)
    if not 0 < number < 65536:
        raise LocalProtocolError(f"{number} is no port: 1 to 65535")
    target = target or "/"
    return WebSocketURI(
        secure, literal or name, number, target if target[0] == "/" else "/" + target
    )
