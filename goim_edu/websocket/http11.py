r"""HTTP/1.1 heads as octets and as objects: as much of RFC 9112 as a handshake needs.

How a head is read: it is decoded once, and one regular expression takes all its fields at once.
If it did not take *every* line, some line is wrong, and only then do we look for it. So the common
case is quick, and the uncommon one gets an exact answer.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.headers import Headers
from goim_edu.websocket.limits import HandshakeLimits
from goim_edu.websocket.octets import as_octets

__all__ = [
    "REASONS",
    "TCHAR",
    "TOKEN",
    "VCHAR",
    "HandshakeLimits",
    "Headers",
    "Request",
    "Response",
    "method_not_allowed",
    "parse_request",
    "parse_response",
    "quoted",
    "write_head",
]

TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"  # RFC 9110 §5.6.2
VCHAR = r"\t\x20-\x7e\x80-\xff"  # RFC 9110 §5.5: VCHAR, obs-text, SP and HTAB
TOKEN = re.compile(rf"[{TCHAR}]+")
_FIELD = re.compile(rf"\r\n([{TCHAR}]+):[ \t]*([{VCHAR}]*)(?=\r\n)")
_REQUEST_LINE = re.compile(rf"([{TCHAR}]+) ([\x21-\x7e]+) (HTTP/[0-9]\.[0-9])(?=\r\n)")
_ABSOLUTE = re.compile(r"(?i:https?|wss?)://([^/?#]*)")  # RFC 9112 §3.2.2
_STATUS_LINE = re.compile(rf"HTTP/1\.[0-9] ([1-9][0-9][0-9])(?: ([{VCHAR}]*))?(?=\r\n)")

REASONS = {
    101: "Switching Protocols",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    414: "URI Too Long",
    421: "Misdirected Request",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


def quoted(text: str, most: int = 60) -> str:
    """The beginning of a peer's text for a log or an answer: escaped, and at most one line long."""
    shown = repr(text if len(text) <= most else text[: most - 3] + "...")
    return shown if len(shown) <= 2 * most else f"{shown[: 2 * most - 4]}...{shown[-1]}"


class Request(NamedTuple):
    """One HTTP request without a body (RFC 9112 §3).

    Args:
        method: such as "GET".
        target: as it was sent: a path with its query, or a whole URI.
        version: such as "HTTP/1.1".
        headers: its fields.

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
        target = self.target
        absolute = None if target[:1] == "/" else _ABSOLUTE.match(target)
        if absolute is None:
            return target.partition("?")[0]
        return target[absolute.end() :].partition("?")[0] or "/"

    @property
    def authority(self) -> str:
        """The host that is asked, and its port if it is named; empty if HTTP/1.0 names none.

        An absolute target names it, whatever Host says (RFC 9112 §3.2.2).

        >>> host = Headers([("Host", "a.example")])
        >>> Request("GET", "http://b.example:81/", "HTTP/1.1", host).authority
        'b.example:81'
        """
        absolute = None if self.target[:1] == "/" else _ABSOLUTE.match(self.target)
        return absolute[1] if absolute else self.headers.get("host")

    @property
    def query(self) -> str:
        """The target after the question mark, still percent-encoded."""
        return self.target.partition("?")[2]

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """What is offered in Sec-WebSocket-Protocol, the most wanted first (RFC 6455 §4.1).

        >>> offer = Headers([("Sec-WebSocket-Protocol", "v2.example, v1.example")])
        >>> Request("GET", "/", "HTTP/1.1", offer).subprotocols
        ('v2.example', 'v1.example')
        """
        offered = self.headers.get("sec-websocket-protocol").split(",")
        return tuple(name for item in offered if (name := item.strip(" \t")))

    @property
    def wants_upgrade(self) -> bool:
        """Whether it asks for a WebSocket, well or badly: ``check_request`` judges that."""
        return self.headers.has_token("upgrade", "websocket")


class Response(NamedTuple):
    r"""One HTTP response (RFC 9112 §4).

    Args:
        status: three digits.
        reason: the words behind them.
        headers: its fields; nothing is added to them.
        body: its content.

    >>> Response(404, "Not Found", Headers(), b"no such page\n").to_bytes()
    b'HTTP/1.1 404 Not Found\r\n\r\nno such page\n'
    """

    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """The octets to write.

        Raises:
            LocalProtocolError: a name or a value could not be written without changing the
                meaning of the head, for example one with CR LF in it (response splitting).
        """
        head = write_head(f"HTTP/1.1 {self.status} {self.reason}", self.headers)
        return head + self.body


_DEFAULT_LIMITS = HandshakeLimits()


def parse_request(
    data: bytes, limits: HandshakeLimits = _DEFAULT_LIMITS
) -> tuple[Request, int] | None:
    r"""Read one request from the start of the octets (RFC 9112 §3).

    It judges only the HTTP; ``check_request`` judges whether this is a good upgrade.

    Args:
        data: all octets received so far.
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
    data = as_octets(data)
    start = 2 if data[:2] == b"\r\n" else 0  # RFC 9112 §2.2: one empty line before is ignored
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        _check_partial(data, start, limits)
        return None
    head = _decode_head(data, start, end, limits)
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise HandshakeError(
            f"the first line is {quoted(head.partition(chr(13))[0])}, not 'METHOD target HTTP/x.y'",
            section="RFC 9112 §3",
        )
    method, target, version = line.groups()
    request = Request(method, target, version, _parse_fields(head, line.end(), limits))
    _refuse_body(request)
    return request, end + 4


def parse_response(
    data: bytes, limits: HandshakeLimits = _DEFAULT_LIMITS, *, eof: bool = False
) -> tuple[Response, int] | None:
    r"""Read the response from the start of the octets (RFC 9112 §4).

    Interim responses such as 103 are skipped (RFC 9110 §15.2). A refusal's body is read as far
    as ``Content-Length`` says, at most ``limits.max_body`` octets: it is only there to be shown.
    After a 101 everything that follows the head is frames.

    Args:
        data: all octets received so far.
        limits: the bounds.
        eof: the peer sends no more, so a body that is cut will not become complete.

    Returns:
        The response and how many octets it took, or None: read more and call again.

    Raises:
        HandshakeError: this is not an HTTP response, or a bound is broken. A client gives up then.

    >>> response, used = parse_response(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00")
    >>> response.status, used
    (101, 36)
    """
    data = as_octets(data)
    start = 0
    while True:
        end = data.find(b"\r\n\r\n", start)
        if end < 0:
            _check_partial(data, start, limits)
            return None
        head = _decode_head(data, start, end, limits)
        line = _STATUS_LINE.match(head)
        if line is None:
            raise HandshakeError(
                f"the status line is {quoted(head.partition(chr(13))[0])}, not 'HTTP/1.1 101 ...'",
                status=502,
                section="RFC 9112 §4",
            )
        status = int(line[1])
        headers = _parse_fields(head, line.end(), limits)
        start = end + 4
        if status == 101 or status >= 200:
            break
    body = _read_body(data, start, status, headers, limits, eof)
    if body is None:
        return None
    return Response(status, line[2] or "", headers, body), start + len(body)


def _decode_head(data: bytes, start: int, end: int, limits: HandshakeLimits) -> str:
    """The head, including the CR LF of its last line, as text; its size is checked."""
    if end + 4 - start > limits.max_total:
        raise _too_large(f"the head has {end + 4 - start} octets, we take {limits.max_total}")
    if end - start > limits.max_line:
        for number, line in enumerate(data[start:end].split(b"\r\n")):
            _check_line_length(number, len(line), limits)
    return data[start : end + 2].decode("latin-1")


def _parse_fields(head: str, position: int, limits: HandshakeLimits) -> Headers:
    """All header fields from ``position`` on; every line must be one."""
    count = head.count("\r\n", position) - 1
    if count > limits.max_headers:
        raise _too_large(f"{count} header fields, we take {limits.max_headers}")
    fields = _FIELD.findall(head, position)
    if len(fields) != count:
        raise _bad_line(head[position + 2 : -2])
    return Headers([(name, value.rstrip(" \t")) for name, value in fields])


def _read_body(
    data: bytes, start: int, status: int, headers: Headers, limits: HandshakeLimits, eof: bool
) -> bytes | None:
    """The body of a refusal, as much as we keep; None while the rest is still to come."""
    if status in (101, 204, 304):
        return b""
    length = headers.get("content-length")
    body = data[start : start + limits.max_body]
    if eof or not (length.isascii() and length.isdigit()) or len(length) > 18:
        return body
    wanted = min(int(length), limits.max_body)
    return body[:wanted] if len(body) >= wanted else None


def _bad_line(lines: str) -> HandshakeError:
    """Some line is not a header field: say which one, and what is wrong with it."""
    line = next(text for text in lines.split("\r\n") if not _FIELD.match(f"\r\n{text}\r\n"))
    name, colon, _ = line.partition(":")
    if line[:1] in (" ", "\t"):
        why = "starts with white space: folded lines are obsolete (§5.2)"
    elif not colon:
        why = "has no colon"
    elif not TOKEN.fullmatch(name):
        why = "has a name that is not a token (a space before the colon is one cause)"
    else:
        why = "has a control character in its value, such as NUL, a bare CR or a bare LF"
    return HandshakeError(f"the header line {quoted(line)} {why}", section="RFC 9112 §5")


def _check_partial(data: bytes, start: int, limits: HandshakeLimits) -> None:
    """Refuse a head that is not complete yet, but can only become a bad one."""
    if len(data) - start > limits.max_total:
        raise _too_large(f"the head is longer than the {limits.max_total} octets that we take")
    head = data[start:].removesuffix(b"\r")  # that may be half of a line's end
    if head and (head[0] <= 0x20 or head[0] >= 0x7F):
        hint = " (a TLS client hello? then the address should be wss://)" if head[0] == 22 else ""
        raise HandshakeError(
            f"this is not HTTP: it starts with octet 0x{head[0]:02x}{hint}", section="RFC 9112 §2.1"
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
    """An opening request has no body; one that we skipped could hide a second request."""
    headers = request.headers
    if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
        return
    if request.method != "GET":
        raise method_not_allowed(request.method)
    raise HandshakeError("a request with a body is not taken here", section="RFC 9110 §9.3.1")


def method_not_allowed(method: str) -> HandshakeError:
    """The refusal of any method but GET; it names the allowed one (RFC 9110 §15.5.6)."""
    return HandshakeError(
        f"the method is {quoted(method)}, only GET can open a WebSocket",
        status=405,
        section="RFC 6455 §4.2.1",
        headers=(("Allow", "GET"),),
    )


def write_head(first_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A head with its empty line; no value can start a line of its own.

    Raises:
        LocalProtocolError: a name is not a token, or a value holds CR, LF, NUL or no Latin-1.
    """
    lines = [first_line]
    for name, value in headers:
        if not TOKEN.fullmatch(name):
            raise LocalProtocolError(f"{name!r} is not a header name (RFC 9110 §5.1)")
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
