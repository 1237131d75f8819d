"""Whether a peer reads on, as TCP tells it: what its side has acknowledged (RFC 9293 §3.4).

A peer whose window is closed acknowledges more only after it has read. So as long as octets of ours
wait for it and more of them are acknowledged, it reads, however slowly. Only Linux tells (tcp(7)).
"""

from __future__ import annotations

import socket
import sys
from typing import Any, Final, Protocol

__all__ = ["Carrier", "Unread", "acknowledged"]

_ACKNOWLEDGED: Final = slice(120, 128)  # tcpi_bytes_acked of struct tcp_info in linux/tcp.h
_INT: Final = 4  # octets


class Carrier(Protocol):
    """What tells of its socket: a transport of asyncio, or the wire of a thread."""

    def get_extra_info(self, name: str) -> Any:
        """The socket if that is the name, None if there is none."""
        ...


def acknowledged(transport: Carrier) -> int | None:
    """Octets of this connection that the peer's TCP has acknowledged so far; None if unknown."""
    link = transport.get_extra_info("socket")
    if sys.platform != "linux" or link is None:
        return None
    try:
        info = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.stop)
    except OSError:
        return None
    octets = info[_ACKNOWLEDGED]
    return int.from_bytes(octets, sys.byteorder) if len(octets) == 8 else None


def _in_the_kernel(transport: Carrier) -> int:
    """Octets that our own TCP holds: not sent yet, or not acknowledged (tcp(7), SIOCOUTQ)."""
    link = transport.get_extra_info("socket")
    if sys.platform != "linux" or link is None:
        return 0
    import fcntl
    import termios

    try:
        held = fcntl.ioctl(link.fileno(), termios.TIOCOUTQ, bytes(_INT))
    except OSError:
        return 0
    return int.from_bytes(held, sys.byteorder)


class Unread:
    """What stands before a Ping: the peer cannot answer it until it has read all of that.

    Args:
        transport: of the connection.
        end: how many octets of this connection the peer has acknowledged when all is read.
        seen: how many it has acknowledged already.
    """

    __slots__ = ("_end", "_seen", "_transport")

    def __init__(self, transport: Carrier, end: int, seen: int) -> None:
        self._transport = transport
        self._end = end
        self._seen = seen

    @classmethod
    def before_ping(cls, transport: Carrier, queued: int) -> Unread | None:
        """What stands before a Ping that is written now; None if nothing does, or it is not known.

        Args:
            transport: of the connection.
            queued: octets that wait with us.
        """
        before = queued + _in_the_kernel(transport)
        seen = acknowledged(transport) if before else None
        return None if seen is None else cls(transport, seen + before, seen)

    @property
    def gone(self) -> bool:
        """Whether the peer's side had taken all of it at the last look."""
        return self._seen >= self._end

    def shrinks(self) -> bool:
        """Look again: whether the peer's side has taken some of it since the last look."""
        if self.gone:
            return False
        seen = acknowledged(self._transport) or 0
        shrinks = seen > self._seen
        self._seen = max(seen, self._seen)
        return shrinks
