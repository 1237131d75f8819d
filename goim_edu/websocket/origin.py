"""Origins: the page that asks, as scheme, host and port (RFC 6454)."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

__all__ = ["host_of", "normal_origin"]

_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+\-.]*)://(\[[0-9a-f:.]+\]|[a-z0-9\-._~!$&'()*+,;=%]+)(?::([0-9]{0,5}))?"
)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def normal_origin(origin: str) -> str | None:
    """The one way in which this module writes an origin, so that equal ones are equal texts.

    Scheme and host are in lower case, and the default port is left out (RFC 6454 §4, §5; RFC 9110
    §4.2.3).

    Args:
        origin: as a browser or a person has written it.

    Returns:
        The text, or None if it is not a scheme, a host and perhaps a port: such as ``null``.

    >>> normal_origin("HTTPS://Chat.example.com:443"), normal_origin("http://[0:0::1]:8765")
    ('https://chat.example.com', 'http://[::1]:8765')
    """
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    if host.startswith("["):
        try:
            host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            return None
    port = (port or "").lstrip("0")
    if port and port != _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}:{port}"
    return f"{scheme}://{host}"


def host_of(authority: str) -> str:
    """The host of ``host:port``, in lower case.

    >>> host_of("Chat.example.com:8765"), host_of("[::1]:80"), host_of("localhost")
    ('chat.example.com', '[::1]', 'localhost')
    """
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower()
