"""The access policy of a server: from where, by which name, from which page one may come."""

from __future__ import annotations

import logging
from hmac import compare_digest
from typing import Final

from goim_edu.errors import HandshakeError
from goim_edu.serving.access import AllowedHosts, AllowedOrigins
from goim_edu.serving.config import ServerConfig
from goim_edu.serving.visitor import TrustedProxies, Visitor
from goim_edu.websocket.handshake import Request, check_origin, offered_subprotocols
from goim_edu.websocket.http11 import quoted

__all__ = ["AccessPolicy"]

log = logging.getLogger("goim_edu.server")

_HINT: Final = (
    "if this page is yours, name it in the setting origins (on the command line --allow-origin), "
    "or let the proxy pass on the Host that the browser sent and name that in hosts (--allow-host)"
)


class AccessPolicy:
    """Decides which clients may come in, by the settings of a server.

    Args:
        config: the settings.
        page_key: a subprotocol that a page of any origin may offer to be let in; it is a secret, so
            only a page that was told it can, and it is never chosen. Empty: there is none.
        tls: whether connections are encrypted; default: as the settings say.

    Attributes:
        hosts: the names by which browsers may reach the server.
        proxies: those whose word on their clients is believed.

    >>> "192.0.2.1" in AccessPolicy(ServerConfig(trusted_proxies=("192.0.2.0/24",))).proxies
    True
    """

    def __init__(
        self, config: ServerConfig, page_key: str = "", *, tls: bool | None = None
    ) -> None:
        self.hosts = AllowedHosts(config.hosts, config.origins, beyond=not config.is_loopback)
        self._origins = AllowedOrigins(config.origins)
        self.proxies = TrustedProxies(config.trusted_proxies)
        self._tls = config.tls_cert is not None if tls is None else tls
        self._page_key = page_key.encode("ascii")

    def identify(self, peer: str, request: Request) -> Visitor:
        """The client behind a request of this peer."""
        return self.proxies.visitor(peer, request, tls=self._tls)

    def check_page(self, request: Request, visitor: Visitor) -> None:
        """Refuse a WebSocket to the page of a stranger; the log says which it was.

        A page may connect to the server that it came from, told by its name. But anybody can let a
        name lead here ("DNS rebinding"), so it must be one of our names.

        Raises:
            HandshakeError: status 403.
        """
        if self._page_key and self._has_key(request):
            return
        ours = request.authority in self.hosts
        try:
            check_origin(request, self._origins, same_host=ours, secure=visitor.secure)
        except HandshakeError:
            origin, host = quoted(request.headers.get("origin")), quoted(request.authority)
            log.info("refused origin=%s host=%s hint=%r", origin, host, _HINT)
            raise

    def _has_key(self, request: Request) -> bool:
        offered = [name.encode("latin-1") for name in offered_subprotocols(request)]
        return any(compare_digest(self._page_key, name) for name in offered)
