"""The files of the chat page, and answers to requests for pages."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from goim_edu.websocket.handshake import (
    Headers,
    Response,
)
from goim_edu.websocket.http11 import REASONS

__all__ = ["page_files"]


_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


_POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


_PAGE_HEADERS: Final = (
    ("Cache-Control", "no-cache"),
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


@cache
def page_files() -> dict[str, tuple[bytes, str]]:
    """The files of the chat page by path, each with its content type; ``/`` is index.html.

    >>> page_files()["/"][1]
    'text/html; charset=utf-8'
    """
    files = {}
    for file in resources.files("goim_edu.serving").joinpath("page").iterdir():
        kind = _KINDS.get(Path(file.name).suffix)
        if kind is not None:
            files["/" if file.name == "index.html" else f"/{file.name}"] = file.read_bytes(), kind
    return files


def page_response(body: bytes, kind: str, status: int = 200, head: bool = False) -> Response:
    """A plain answer over HTTP; then the connection ends."""
    headers = Headers(
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *_PAGE_HEADERS,
        ]
    )
    return Response(status, REASONS[status], headers, b"" if head else body)
