"""Addresses of WebSockets: ws:// and wss:// (RFC 6455 §3)."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["WebSocketURI", "parse_uri"]


class WebSocketURI(NamedTuple):
    """A ``ws://`` or ``wss://`` address taken apart (RFC 6455 §3)."""

    secure: bool
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """The Host field: with the port if it is not the usual one (RFC 6455 §4.1 item 4)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


_URI = re.compile(
    r"(wss?)://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9\-._~]+))(?::([0-9]{1,5}))?([/?][\x21-\x7e]*)?",
    re.IGNORECASE,
)


def parse_uri(uri: str) -> WebSocketURI:
    """Take a WebSocket address apart (RFC 6455 §3).

    Raises:
        ValueError: it is not a ``ws://`` or ``wss://`` address, or it has a fragment.

    >>> parse_uri("ws://127.0.0.1:8765/chat?room=1")
    WebSocketURI(secure=False, host='127.0.0.1', port=8765, target='/chat?room=1')
    >>> parse_uri("wss://[::1]").host_header
    '[::1]'
    """
    match = _URI.fullmatch(uri)
    if match is None or "#" in uri:
        raise ValueError(f"{uri!r} is not an address such as ws://host:port/path (RFC 6455 §3)")
    scheme, literal, name, port, target = match.groups()
    secure = scheme.lower() == "wss"
    number = int(port) if port else (443 if secure else 80)
    if not 0 < number < 65536:
        raise ValueError(f"port {number} is not 1 to 65535")
    target = target or "/"
    return WebSocketURI(
        secure, literal or name, number, target if target[0] == "/" else "/" + target
    )
