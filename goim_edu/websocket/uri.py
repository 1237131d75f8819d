"""Addresses of WebSockets: ws:// and wss:// (RFC 6455 §3)."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["WebSocketURI", "parse_uri", "without_secrets"]


class WebSocketURI(NamedTuple):
    """A ``ws://`` or ``wss://`` address taken apart (RFC 6455 §3).

    Args:
        secure: whether it is ``wss://``.
        host: name or IP address; a link-local one may end with ``%`` and the network interface.
        port: 1 to 65535.
        target: path and query.
    """

    secure: bool
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """The Host field: with the port if it is not the usual one (RFC 6455 §4.1 item 4)."""
        name = self.server_name
        host = f"[{name}]" if ":" in name else name
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def server_name(self) -> str:
        """The host as the server knows it: an interface means something here only (RFC 6874 §4)."""
        return self.host.partition("%")[0]


_URI = re.compile(
    r"(wss?)://(?:\[([0-9A-Fa-f:.]+)(?:%25([A-Za-z0-9\-._~]+))?\]|([^\x00-\x20/?#@:\[\]%\\]+))"
    r"(?::([0-9]{1,5}))?([/?][\x21-\x7e]*)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:[A-Za-z0-9\-_~]{1,63}\.)*[A-Za-z0-9\-_~]{1,63}\.?")
_USER_INFO = re.compile(r"[^/?#]*//[^/?#]*@")


def parse_uri(uri: str) -> WebSocketURI:
    """Take a WebSocket address apart (RFC 6455 §3).

    Raises:
        ValueError: it is not a ``ws://`` or ``wss://`` address, or it has a fragment, or the name
            or password of a user. The text repeats no password and no query.

    >>> parse_uri("ws://127.0.0.1:8765/chat?room=1")
    WebSocketURI(secure=False, host='127.0.0.1', port=8765, target='/chat?room=1')
    >>> parse_uri("wss://[::1]").host_header
    '[::1]'
    >>> parse_uri("ws://bücher.example/").host
    'xn--bcher-kva.example'
    """
    shown = without_secrets(uri)
    if _USER_INFO.match(uri):
        raise ValueError(
            f"{shown!r} is not taken with the name or password of a user in it (RFC 6455 §3): "
            "send them as a header field, Authorization"
        )
    match = _URI.fullmatch(uri)
    if match is None or "#" in uri:
        raise ValueError(f"{shown!r} is not an address such as ws://host:port/path (RFC 6455 §3)")
    scheme, literal, zone, name, port, target = match.groups()
    secure = scheme.lower() == "wss"
    number = int(port) if port else (443 if secure else 80)
    if not 0 < number < 65536:
        raise ValueError(f"port {number} is not 1 to 65535")
    host = f"{literal}%{zone}" if zone else literal or _ascii_name(name)
    target = target or "/"
    return WebSocketURI(secure, host, number, target if target[0] == "/" else "/" + target)


def without_secrets(uri: str) -> str:
    """An address to be shown: without the name and password of a user, and without its query.

    >>> without_secrets("ws://lisa:secret@example.com/chat?token=T")
    'ws://***@example.com/chat?***'
    """
    # A password may hold "/", "?" and "#" by mistake, so all up to the last "@" may belong to it.
    before, mark, _ = re.sub("//.*@", "//***@", uri, flags=re.DOTALL).partition("?")
    return before + ("?***" if mark else "")


def _ascii_name(name: str) -> str:
    """A host name as DNS has it (RFC 3490 ToASCII, of Python).

    Python has the rules of 2003, which turn "ß" into "ss": that would be another host. So a name
    that does not survive the way there and back is refused.
    """
    try:
        found = name if name.isascii() else name.encode("idna").decode()
        good = name.isascii() or found.encode().decode("idna") == name.lower()
    except UnicodeError:
        found, good = name, False
    if not (good and _NAME.fullmatch(found)):
        raise ValueError(
            f"{name!r} is not a host name: labels of 1 to 63 letters, digits and hyphens (RFC 1034 "
            "§3.5), other letters in their form xn--... (RFC 5891)"
        )
    return found
