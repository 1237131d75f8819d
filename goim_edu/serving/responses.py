"""Answers over plain HTTP, each of which ends its connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from goim_edu.websocket.http11 import REASONS, Headers, Response

__all__ = ["make_response"]


def make_response(
    body: str | bytes,
    status: int = 200,
    kind: str = "text/plain; charset=utf-8",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
) -> Response:
    r"""A response over plain HTTP, such as ``process_request`` may give.

    Args:
        body: what it says; a str is written in UTF-8.
        status: the HTTP status (RFC 9110 §15).
        kind: its content type.
        headers: more header fields, as a mapping or pairs.

    >>> make_response("OK\n").to_bytes().splitlines()[0]
    b'HTTP/1.1 200 OK'
    """
    octets = body.encode() if isinstance(body, str) else body
    fields = [
        ("Content-Type", kind),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(octets))),
        ("Connection", "close"),
        *(headers.items() if isinstance(headers, Mapping) else headers),
    ]
    return Response(status, REASONS.get(status, "Status"), Headers(fields), octets)
