"""The socket that a server listens on."""

from __future__ import annotations

import os
import socket
from typing import Final

__all__ = ["listen"]


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; of several addresses of a name, at the first IPv4 one.

    Raises:
        OSError: it cannot.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] is not socket.AF_INET)
    # With its protocol, which accepted sockets inherit: asyncio turns Nagle's algorithm off only
    # for those that say TCP, and with it on a reply may wait 40 ms for an acknowledgement.
    link = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        link.bind(address)
        link.listen(BACKLOG)
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    return link


BACKLOG: Final = 2048  # connections that may wait to be accepted
