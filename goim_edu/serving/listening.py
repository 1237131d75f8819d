"""The socket that a server listens on."""

from __future__ import annotations

import os
import socket
from typing import Final

__all__ = ["listen"]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; of several addresses of a name it takes the first IPv4 one.

    Raises:
        OSError: it cannot listen there.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] is not socket.AF_INET)
    # Accepted sockets inherit the protocol number, and asyncio turns off Nagle's algorithm only for
    # those that say TCP. With it on, a reply may wait 40 ms for an acknowledgement.
    link = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere two servers could share the port
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        link.bind(address)
        link.listen(BACKLOG)
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    return link


BACKLOG: Final = 2048  # connections that may wait to be accepted
