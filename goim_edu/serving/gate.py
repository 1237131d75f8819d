"""The gate of the server: from where, by which name, and from which page a client may come."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

from goim_edu.errors import HandshakeError
from goim_edu.serving.access import AllowedHosts, AllowedOrigins
from goim_edu.serving.config import ServerConfig
from goim_edu.serving.visitor import TrustedProxies, Visitor
from goim_edu.websocket.handshake import Request, check_origin
from goim_edu.websocket.http11 import quoted

__all__ = ["Gate"]

log = logging.getLogger("goim_edu.server")

_HINT: Final = (
    "if this page is yours, name it with --allow-origin, or let the proxy pass on the Host that "
    "the browser sent and name that with --allow-host"
)


class Gate:
    """Decides which clients may come in, by the settings of a server.

    Args:
        config: the settings.

    Attributes:
        hosts: the names by which browsers may reach the server.

    >>> gate = Gate(ServerConfig(max_per_ip=1))
    >>> gate.enter("192.0.2.1"), gate.enter("192.0.2.2"), gate.enter("192.0.2.1")
    (True, True, False)
    """

    def __init__(self, config: ServerConfig) -> None:
        self.hosts = AllowedHosts(config.hosts, config.origins, beyond=not config.is_loopback)
        self._origins = AllowedOrigins(config.origins)
        self._proxies = TrustedProxies(config.trusted_proxies)
        self._tls = config.tls_cert is not None
        self._most = config.max_per_ip
        self._count: Counter[str] = Counter()

    # ------------------------------------------------------------------ connections per address

    def enter(self, address: str) -> bool:
        """Count a connection from this address; returns whether it may stay.

        That of a trusted proxy may: for whom it stands is told with the request.
        """
        self._count[address] += 1
        return self._count[address] <= self._most or address in self._proxies

    def leave(self, address: str) -> None:
        """A connection from this address is gone."""
        self._count[address] -= 1
        if self._count[address] <= 0:
            del self._count[address]

    def identify(self, peer: str, request: Request) -> Visitor:
        """The client behind a request of this peer."""
        return self._proxies.visitor(peer, request, tls=self._tls)

    def rename(self, proxy: str, address: str) -> bool:
        """Count a proxy's connection for the client that it named; whether that one may stay."""
        if proxy not in self._proxies:
            return True
        self.leave(proxy)
        self._count[address] += 1
        return self._count[address] <= self._most

    # ------------------------------------------------------------------ pages

    def check_page(self, request: Request, visitor: Visitor) -> None:
        """Refuse a WebSocket to the page of a stranger; the log says which it was.

        A page may connect to the server that it came from, told by its name. But anybody can let a
        name lead here ("DNS rebinding"), so it must be one of our names.

        Raises:
            HandshakeError: status 403.
        """
        ours = request.authority in self.hosts
        try:
            check_origin(request, self._origins, same_host=ours, secure=visitor.secure)
        except HandshakeError:
            origin, host = quoted(request.headers.get("origin")), quoted(request.authority)
            log.info("refused origin=%s host=%s hint=%r", origin, host, _HINT)
            raise
