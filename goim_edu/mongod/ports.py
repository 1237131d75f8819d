"""Ports of this machine's loopback: which one is free, and whether a server listens."""

from __future__ import annotations

import contextlib
import random
import socket

from goim_edu.errors import GoimError, StoreUnavailable

__all__ = ["HOST", "PortInUse", "free_port", "lasting_port", "listens", "require_free"]

HOST = "127.0.0.1"
_LASTING = range(20_000, 32_768)
"""Below the ports that systems give to connections, and to servers that ask for any port."""


class PortInUse(GoimError):
    """Another program listens on the port."""

    def __init__(self, message: str = "another program listens on the port") -> None:
        super().__init__(message)


def require_free(port: int) -> int:
    """Return a port that is free at this moment: this one, or any for 0.

    Raises:
        PortInUse: it is not free, or it is not a port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            raise PortInUse from None
        return int(probe.getsockname()[1])


def free_port(preferred: int) -> int:
    """Return ``preferred`` if it is free, else any free port.

    >>> 0 < free_port(0) < 65_536
    True
    """
    for port in (preferred, 0):
        with contextlib.suppress(PortInUse):
            return require_free(port)
    raise StoreUnavailable(f"there is no free port on {HOST}")


def lasting_port() -> int:
    """Return a free port that is most likely still free when its server is started again.

    A system gives none of these ports away by itself, so no connection takes it meanwhile.

    >>> lasting_port() < 32_768
    True
    """
    for port in random.sample(_LASTING, 100):
        with contextlib.suppress(PortInUse):
            return require_free(port)
    return free_port(0)


def listens(port: int) -> bool:
    """Whether a server accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
