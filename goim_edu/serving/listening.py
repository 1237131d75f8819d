"""The socket that a server listens on."""

from __future__ import annotations

import os
import socket
from typing import Final, cast

from goim_edu.transport.memory_network import running_network

__all__ = ["address_of", "host_in_url", "listen", "shared_socket"]


def listen(host: str, port: int, given: socket.socket | None = None) -> socket.socket:
    """Return a socket that listens; of several addresses of a name it takes the first IPv4 one.

    In a loop with a network in memory it is a name of that network.

    Args:
        host: a name or an address.
        port: number of the TCP port; 0 picks a free one.
        given: a socket of the caller's, bound, to be listened on instead.

    Raises:
        OSError: it cannot listen there.
    """
    network = running_network()
    if network is not None and given is None:
        return cast("socket.socket", network.listen(host, port))
    link = _bound(host, port) if given is None else given
    try:
        link.listen(BACKLOG)
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    return link


def shared_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound to a port, which others that ask for it like this have, too.

    New connections go to one of those that listen (Linux, ``SO_REUSEPORT``).

    Raises:
        OSError: the system has no such thing, or the port is taken by others.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise OSError("this system cannot share a port among processes")
    return _bound(host, port, shared=True)


def _bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] is not socket.AF_INET)
    # Accepted sockets inherit the protocol number, and asyncio turns off Nagle's algorithm only for
    # those that say TCP. With it on, a reply may wait 40 ms for an acknowledgement.
    link = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere two servers could share the port
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        link.bind(address)
    except BaseException:
        link.close()
        raise
    return link


def address_of(link: socket.socket) -> tuple[str, int]:
    """The host and port of a socket that the caller has bound, if it can be listened on.

    Returns:
        ``("localhost", 0)`` for a Unix socket.

    Raises:
        TypeError: it is not a socket.
        ValueError: it cannot be listened on, or is not bound to an address.
    """
    if not isinstance(link, socket.socket):
        raise TypeError(f"sock must be a socket.socket, not {link!r}")
    unix = link.family is getattr(socket, "AF_UNIX", None)
    if not unix and link.family not in (socket.AF_INET, socket.AF_INET6):
        raise ValueError(f"sock must be of TCP or a Unix socket, not {link.family!r}")
    if link.type is not socket.SOCK_STREAM:
        raise ValueError(f"sock must be a stream (SOCK_STREAM), not {link.type!r}")
    address = link.getsockname()
    if not address or (not unix and not address[1]):
        raise ValueError("sock is not bound to an address yet: call its bind first")
    return ("localhost", 0) if unix else (address[0], address[1])


def host_in_url(host: str) -> str:
    """A host as it stands in an address: one of IPv6 in brackets (RFC 3986 §3.2.2).

    >>> host_in_url("::1")
    '[::1]'
    """
    return f"[{host}]" if ":" in host else host


BACKLOG: Final = 2048  # connections that may wait to be accepted
