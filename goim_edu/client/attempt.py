"""One attempt to open a WebSocket, without I/O: where to go, what to say, where a redirect leads.

``connect`` with asyncio and ``connect`` with threads both follow it; only their sockets differ.
"""

from __future__ import annotations

import os
import ssl as tls
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urljoin

from goim_edu.client.options import Options, URIs, each_of
from goim_edu.client.proxy import Proxy, find_proxy
from goim_edu.client.retry import Attempts, Backoff
from goim_edu.errors import HandshakeError
from goim_edu.protocol import Endpoint, Limits, Side
from goim_edu.websocket.heartbeat import Heartbeat
from goim_edu.websocket.uri import WebSocketURI, parse_uri

__all__ = ["Attempt"]

_REDIRECTS: Final = (301, 302, 303, 307, 308)  # RFC 9110 §15.4
_LEAST_FRAME: Final = 125  # octets; any control frame may have so many
_WEBSOCKET: Final = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, repr=False)
class Attempt:
    """One opening handshake to come.

    Args:
        uri: where to.
        options: how.
        redirects: how many may still be followed.
        at_home: whether this is the origin that the caller named; another one is told neither our
            own header fields nor a password.
    """

    uri: WebSocketURI
    options: Options
    redirects: int
    at_home: bool = True

    @classmethod
    def to(cls, uri: str, options: Options) -> Attempt:
        """The first attempt to reach an address.

        Args:
            uri: ``ws://host:port/path`` or ``wss://...``, perhaps with a user and a password.
            options: how.

        Raises:
            ValueError: it is not an address, or names a user where ``headers`` does.
        """
        found = parse_uri(uri)
        if found.credentials and _has_authorization(options.pairs):
            raise ValueError("headers has an Authorization, and the address a user: give one only")
        return cls(found, options, options.max_redirects)

    @classmethod
    def to_each(cls, uri: URIs, options: Options) -> list[Attempt]:
        """The first attempts to reach the servers of one chat, in the order of their addresses.

        Raises:
            TypeError: there is something else than addresses.
            ValueError: there is none, or one is wrong.
        """
        return [cls.to(one, options) for one in each_of(uri)]

    def endpoint(self) -> tuple[Endpoint, bytes]:
        """A new endpoint, and the octets with which it asks for the WebSocket.

        Raises:
            LocalProtocolError: an option cannot be written into a request.
        """
        uri, options = self.uri, self.options
        size = options.max_message_size
        endpoint = Endpoint(
            Side.CLIENT,
            limits=Limits(max_frame_size=max(size, _LEAST_FRAME), max_message_size=size),
            compression=options.deflate,
            mask_source=options.mask_source or os.urandom,
        )
        fields = list(options.pairs) if self.at_home else []
        if uri.credentials is not None and not _has_authorization(fields):
            fields.append(("Authorization", uri.credentials.basic))
        greeting = endpoint.connect(
            uri.host_header,
            uri.target,
            subprotocols=options.subprotocols,
            headers=fields,
            origin=options.origin,
        )
        return endpoint, greeting

    def attempts(self, backoff: Backoff, others: Iterable[Attempt] = ()) -> Attempts:
        """The pauses of a loop that connects again and again.

        Args:
            backoff: how long they are.
            others: to further servers, each in its turn.

        Raises:
            ValueError: there is a socket for one connection only.
        """
        options = self.options
        if options.sock is not None:
            raise ValueError("sock is for one connection: it cannot be connected again")
        # Without path and query, where some servers want a token.
        elsewhere = [one.uri.host_header for one in others]
        return Attempts(self.uri.host_header, backoff, options.retry, options.log, elsewhere)

    def heartbeat(self) -> Heartbeat | None:
        """When to ping, or None."""
        interval = self.options.heartbeat_interval
        return Heartbeat(interval, self.options.heartbeat_timeout) if interval else None

    @property
    def tls(self) -> tls.SSLContext | None:
        """How to check the server's certificate; None without TLS."""
        if not self.uri.secure:
            return None
        return self.options.ssl or tls.create_default_context()

    @property
    def server_hostname(self) -> str | None:
        """The name that the certificate must have; None without TLS."""
        if not self.uri.secure:
            return None
        named = self.options.server_hostname if self.at_home else None
        return named or self.uri.server_name

    @property
    def proxy(self) -> Proxy | None:
        """The proxy to go through, or None."""
        options = self.options
        if options.sock is not None or options.unix is not None:
            return None
        return find_proxy(options.proxy, self.uri, os.environ)

    def redirected(self, error: HandshakeError) -> Attempt:
        """The attempt that follows a redirect.

        Args:
            error: the refusal that came.

        Raises:
            HandshakeError: this refusal, if it is not a redirect that may be followed; or that
                where it leads to may not be followed.
        """
        location = next((value for name, value in error.headers if name.lower() == "location"), "")
        if not self.redirects or error.status not in _REDIRECTS or not location:
            raise error
        if self.options.sock is not None:
            raise self._astray(error, "our own socket leads to one place only")
        base = f"{'wss' if self.uri.secure else 'ws'}://{self.uri.host_header}{self.uri.target}"
        scheme, mark, rest = urljoin(base, location.partition("#")[0]).partition("://")
        try:
            uri = parse_uri(f"{_WEBSOCKET.get(scheme.lower(), scheme)}{mark}{rest}")
        except ValueError as why:
            raise self._astray(error, str(why)) from None
        if self.uri.secure and not uri.secure:
            raise self._astray(error, "it leads from wss:// to ws://")
        same = uri.origin == self.uri.origin
        if self.options.unix is not None and not same:
            raise self._astray(error, "our Unix socket leads to one place only")
        if same and uri.credentials is None:
            uri = uri._replace(credentials=self.uri.credentials)
        return replace(self, uri=uri, redirects=self.redirects - 1, at_home=self.at_home and same)

    @staticmethod
    def _astray(error: HandshakeError, why: str) -> HandshakeError:
        """The refusal, with the reason why its redirect is not followed."""
        return HandshakeError(
            f"{error.message}; the redirect is not followed: {why}",
            status=error.status,
            section="RFC 9110 §15.4",
            headers=error.headers,
            body=error.body,
        )


def _has_authorization(fields: Iterable[tuple[str, str]]) -> bool:
    return any(name.lower() == "authorization" for name, _ in fields)
