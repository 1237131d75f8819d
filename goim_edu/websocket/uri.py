"""Addresses of WebSockets: ws:// and wss:// (RFC 6455 §3)."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import unquote

__all__ = ["Credentials", "WebSocketURI", "parse_authority", "parse_uri", "without_secrets"]


class Credentials(NamedTuple):
    """A user and a password, as an address carries them; the text of it shows neither.

    >>> Credentials("Aladdin", "open sesame").basic
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    >>> Credentials("Aladdin", "open sesame")
    Credentials(***)
    """

    user: str
    password: str

    @property
    def basic(self) -> str:
        """The value of ``Authorization`` or ``Proxy-Authorization`` (RFC 7617 §2)."""
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    def __repr__(self) -> str:
        return "Credentials(***)"


class WebSocketURI(NamedTuple):
    """A ``ws://`` or ``wss://`` address taken apart (RFC 6455 §3).

    Args:
        secure: whether it is ``wss://``.
        host: name or IP address; a link-local one may end with ``%`` and the network interface.
        port: 1 to 65535.
        target: path and query.
        credentials: the user and the password that stand in it, decoded, or None.
    """

    secure: bool
    host: str
    port: int
    target: str
    credentials: Credentials | None = None

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What must be the same for a password to be meant for it (RFC 6454 §4)."""
        return self.secure, self.host.lower(), self.port

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


_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)([^#]*)(#?)", re.DOTALL)
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)(?:%25([A-Za-z0-9\-._~]+))?\]|([^:@\[\]%\\]+))(?::(.*))?", re.DOTALL
)
_NAME = re.compile(r"(?:[A-Za-z0-9\-_~]{1,63}\.)*[A-Za-z0-9\-_~]{1,63}\.?")
_SPACE = re.compile(r"[\x00-\x20\x7f]")
_TARGET = re.compile(r"[\x21-\x7e]*")
_USER_INFO = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})+")


def parse_uri(uri: str) -> WebSocketURI:
    """Take a WebSocket address apart (RFC 6455 §3).

    A user and a password may stand in it, percent-encoded (RFC 3986 §3.2.1): they are sent as
    ``Authorization`` (RFC 7617).

    Raises:
        ValueError: it is not a ``ws://`` or ``wss://`` address; the text says why, and repeats no
            password and no query.
        TypeError: it is not text.

    >>> parse_uri("ws://127.0.0.1:8765/chat?room=1").target
    '/chat?room=1'
    >>> parse_uri("wss://[::1]").host_header
    '[::1]'
    >>> parse_uri("ws://bücher.example/").host
    'xn--bcher-kva.example'
    >>> parse_uri("ws://lisa:secret@example.com/#top")
    Traceback (most recent call last):
    ...
    ValueError: 'ws://***@example.com/#top' is not an address such as ws://host:port/path: ...
    """
    if not isinstance(uri, str):
        raise TypeError(f"the address is a str, not {type(uri).__name__}")
    try:
        scheme, authority, target = _parts(uri)
        host, port, credentials = parse_authority(authority, 443 if scheme == "wss" else 80)
    except ValueError as error:
        raise ValueError(
            f"{without_secrets(uri)!r} is not an address such as ws://host:port/path: {error}"
        ) from None
    target = target if target[:1] == "/" else f"/{target}"
    return WebSocketURI(scheme == "wss", host, port, target, credentials)


def _parts(uri: str) -> tuple[str, str, str]:
    """Scheme, authority and target; a ``ValueError`` says what is wrong with one of them."""
    if _SPACE.search(uri):
        raise ValueError("it has a space or a control character in it (RFC 3986 §2)")
    parts = _PARTS.match(uri)
    if parts is None:
        raise ValueError("it does not begin with ws:// or wss://")
    scheme, authority, target, fragment = parts.groups()
    scheme = scheme.lower()
    if scheme not in ("ws", "wss"):
        instead = {"http": ", perhaps ws", "https": ", perhaps wss"}.get(scheme, "")
        raise ValueError(f"its scheme is {scheme}, not ws or wss{instead}")
    if fragment:
        raise ValueError(
            "it has a fragment, which is for pages; a # that is meant is %23 (RFC 6455 §3)"
        )
    if not _TARGET.fullmatch(target):
        raise ValueError("its path or query has letters that must be percent-encoded (RFC 3986)")
    return scheme, authority, target


def parse_authority(authority: str, default_port: int) -> tuple[str, int, Credentials | None]:
    """The host, the port, and the credentials of an address (RFC 3986 §3.2).

    Args:
        authority: what stands between ``//`` and the path.
        default_port: the port if none is named.

    Raises:
        ValueError: what is wrong with it; nothing of it is repeated but the name of the host.

    >>> host, port, credentials = parse_authority("lisa:p%40ss@[::1]:8080", 80)
    >>> host, port, credentials.password
    ('::1', 8080, 'p@ss')
    """
    info, at, place = authority.rpartition("@")
    credentials = _credentials(info) if at else None
    found = _HOST.fullmatch(place)
    if found is None:
        if re.fullmatch("(?::[0-9]*)?", place):
            raise ValueError("it names no host")
        raise ValueError("its host is neither a name nor an IP address; IPv6 stands in [ ]")
    literal, zone, name, port = found.groups()
    # The port is not repeated: it may be a password that is not percent-encoded.
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise ValueError("its port is not a number from 1 to 65535")
    host = f"{literal}%{zone}" if zone else literal or _ascii_name(name)
    return host, int(port) if port else default_port, credentials


def _credentials(info: str) -> Credentials:
    """The user and the password before the ``@``, decoded (RFC 3986 §3.2.1)."""
    if not _USER_INFO.fullmatch(info):
        raise ValueError(
            "the user and password before its @ are empty, or not percent-encoded: "
            "@ is %40, / is %2F, # is %23 (RFC 3986 §3.2.1)"
        )
    try:
        user, password = (unquote(part, errors="strict") for part in info.partition(":")[::2])
    except UnicodeDecodeError:
        raise ValueError("its user or password is not UTF-8") from None
    if ":" in user or not (user + password).isprintable():
        raise ValueError("its user or password has a character that cannot be sent (RFC 7617 §2)")
    return Credentials(user, password)


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
