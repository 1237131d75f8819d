"""One direction of HTTP/1.1 as it was recorded: its heads, read leniently; bodies are passed over.

A recording shows what two other programs have agreed to read. So a head is taken if its first line
is HTTP and it ends, whatever its other lines look like: a server's limits do not apply here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from goim_edu.errors import GoimError
from goim_edu.websocket.http11 import Headers, Request, Response

__all__ = ["HttpStream", "NotHttp", "starts_head"]

_MOST_HEAD: Final = 1 << 20  # octets
_MOST_LINE: Final = 1 << 16  # octets of a line between two chunks
_UNTIL_CLOSE: Final = 1 << 62
_END: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) (\S.*) (HTTP/[0-9]\.[0-9])\s*")
_RESPONSE: Final = re.compile(rb"HTTP/[0-9]\.[0-9] ([1-9][0-9][0-9])(?: (.*))?")
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}(?: |\Z)")
_LIKELY: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|PATCH) [/*a-z0-9]")
_CHUNK: Final = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\Z")


class NotHttp(GoimError):
    """The octets are not HTTP/1."""


class HttpStream:
    r"""The heads of one direction.

    Args:
        responses: whether it is the server's direction.

    Attributes:
        waiting: octets that are not read yet.

    >>> stream = HttpStream(responses=False)
    >>> stream.feed(b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\n\r\n")
    >>> head, data = stream.next_head()
    >>> stream.pass_body(head.headers)
    >>> stream.next_head()[0].target
    '/b'
    """

    def __init__(self, *, responses: bool) -> None:
        self.waiting = bytearray()
        self._responses = responses
        self._body = 0  # octets of the body that are still to come
        self._chunks = self._trailer = False
        self._searched = 0  # up to here, there is no end of the head
        self._begun = False  # whether the first line is that of HTTP

    def feed(self, data: bytes) -> None:
        """Take the next octets."""
        self.waiting += data

    def next_head(self) -> tuple[Request | Response, bytes] | None:
        """Return the next head, parsed and as it was, or None if more octets have to come first.

        Raises:
            NotHttp: there is something else.
        """
        self.pass_over()
        if self._body or self._chunks or self._trailer:
            return None
        while self.waiting.startswith(
            (b"\r", b"\n")
        ):  # RFC 9112 §2.2: empty lines before a request
            del self.waiting[:1]
        found = _END.search(self.waiting, max(0, self._searched - 3))
        if found is None:
            self._check_beginning()
            self._searched = len(self.waiting)
            return None
        data = bytes(self.waiting[: found.end()])
        parsed = _parse(data, self._responses)
        del self.waiting[: len(data)]
        self._searched, self._begun = 0, False
        return parsed, data

    def _check_beginning(self) -> None:
        """Raise NotHttp if these octets cannot become a head."""
        waiting = self.waiting
        if len(waiting) > _MOST_HEAD:
            raise NotHttp("a head of more than 1 MiB")
        if self._begun or not waiting:
            return
        if self._responses:
            good = b"HTTP/"[: len(waiting)] == waiting[:5]
        else:
            good = _METHOD.match(waiting[:65]) is not None
        end = waiting.find(b"\n", self._searched)
        self._begun = end >= 0
        if not good or (self._begun and not _first_line(bytes(waiting[:end]), self._responses)):
            raise NotHttp("the first line is not that of HTTP/1")

    def pass_body(self, headers: Headers, *, until_close: bool = False) -> None:
        """Pass over the body that follows the head with these fields (RFC 9112 §6.3).

        Args:
            headers: the fields of the head.
            until_close: whether a body without a length lasts until the connection ends.
        """
        length = headers.get("Content-Length").split(",")[0].strip()
        if headers.has_token("Transfer-Encoding", "chunked"):
            self._chunks = True
        elif length.isascii() and length.isdigit() and len(length) < 18:
            self._body = int(length)
        elif until_close:
            self._body = _UNTIL_CLOSE

    def pass_over(self) -> None:
        """Drop what is there of the body."""
        while True:
            passed = min(self._body, len(self.waiting))
            self._body -= passed
            del self.waiting[:passed]
            if self._body or not (self._chunks or self._trailer):
                return
            at = self.waiting.find(b"\n")
            if at < 0:
                if len(self.waiting) > _MOST_LINE:
                    raise NotHttp("a chunk has no size")
                return
            line = bytes(self.waiting[:at])
            del self.waiting[: at + 1]
            self._read_line(line)

    def _read_line(self, line: bytes) -> None:
        """A line between chunks: a size (RFC 9112 §7.1), or one of the trailer (§7.1.2)."""
        if self._trailer:
            self._trailer = line.strip() != b""
            return
        size = _CHUNK.match(line)
        if size is None:
            if line.strip():
                raise NotHttp("a chunk has no size")
            return  # the end of the chunk before
        self._body = int(size[1], 16)
        if self._body == 0:
            self._chunks, self._trailer = False, True

    def lose(self, count: int) -> bool:
        """Go on behind a gap of so many octets; return False if it is not all in a body."""
        if self._body < count:
            return False
        self._body -= count
        return True


def starts_head(data: bytes, *, responses: bool) -> bool:
    """Whether these octets look like the beginning of a head, and not of anything else."""
    line, end, _ = data[:_MOST_LINE].partition(b"\n")
    if end:
        return _first_line(line, responses) is not None
    return line.startswith(b"HTTP/1.") if responses else _LIKELY.match(line) is not None


def _first_line(line: bytes, responses: bool) -> re.Match[bytes] | None:
    return (_RESPONSE if responses else _REQUEST).fullmatch(line.rstrip(b"\r"))


def _parse(data: bytes, responses: bool) -> Request | Response:
    first, *lines = data.strip(b"\r\n").split(b"\n")
    found = _first_line(first, responses)
    if found is None:
        raise NotHttp("the first line is not that of HTTP/1")
    words = [(word or b"").decode("latin-1") for word in found.groups()]
    headers = Headers(_fields(lines))
    if responses:
        return Response(int(words[0]), words[1], headers)
    return Request(words[0], words[1], words[2], headers)


def _fields(lines: list[bytes]) -> Iterator[tuple[str, str]]:
    """Names and values; a folded line belongs to the one before (RFC 9112 §5.2)."""
    text = b"\n".join(lines).decode("latin-1")
    unfolded = re.sub(r"\r?\n[ \t]+", " ", text)
    for line in unfolded.split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()
