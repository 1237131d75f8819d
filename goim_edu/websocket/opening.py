"""The opening handshake as each side goes through it: bounds, checks, what was agreed on.

``handshake`` knows how requests and responses look and which are good, ``deflate`` which offers of
compression are; here they come together, once for the server and once for the client.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.deflate import (
    DeflateConfig,
    PerMessageDeflate,
    accept_client,
    negotiate_server,
    offer_client,
)
from goim_edu.websocket.handshake import (
    ExtensionOffer,
    HandshakeLimits,
    Request,
    Response,
    accept_response,
    build_request,
    check_response,
    generate_key,
    offered_extensions,
    parse_request,
    parse_response,
)

__all__ = ["Agreed", "ClientOpening", "ServerOpening"]


class Agreed(NamedTuple):
    """What a handshake has led to.

    Args:
        response: the 101.
        subprotocol: the one that both speak, or None.
        extensions: those that both use.
        deflate: the compression at work, or None.
        rest: what came behind the head: the first frames.
        octets: what a server has to write.
    """

    response: Response
    subprotocol: str | None
    extensions: tuple[ExtensionOffer, ...]
    deflate: PerMessageDeflate | None
    rest: bytes
    octets: bytes = b""


class ServerOpening:
    """A server's handshake: one request in, one response out.

    Args:
        limits: the bounds on the request.
        config: how to compress, or None.

    Attributes:
        request: the request, once it is there.
    """

    __slots__ = ("_buffer", "_config", "_limits", "request")

    def __init__(self, limits: HandshakeLimits, config: DeflateConfig | None) -> None:
        self._limits = limits
        self._config = config
        self._buffer = b""
        self.request: Request | None = None

    def receive(self, data: bytes) -> Request | None:
        """Take what came; returns the request if it is complete with that.

        Raises:
            HandshakeError: it is no request, or a bound is broken.
        """
        self._buffer += data
        if self.request is not None:  # a client should wait for our 101 before its first frame
            if len(self._buffer) > self._limits.max_total:
                raise HandshakeError("too much was sent before the 101", section="RFC 6455 §4.1")
            return None
        found = parse_request(self._buffer, self._limits)
        if found is None:
            return None
        self.request, used = found
        self._buffer = self._buffer[used:]
        return self.request

    def pending_request(self) -> Request:
        """The request that waits for an answer.

        Raises:
            LocalProtocolError: there is none yet.
        """
        if self.request is None:
            raise LocalProtocolError("no request has come yet")
        return self.request

    def accept(self, subprotocol: str | None, headers: Iterable[tuple[str, str]]) -> Agreed:
        """The answer that agrees (RFC 6455 §4.2.2).

        Raises:
            HandshakeError: the request is no proper upgrade.
            LocalProtocolError: there is no request, or the answer cannot be written.
        """
        request = self.pending_request()
        deflate = None
        extensions: tuple[ExtensionOffer, ...] = ()
        if self._config is not None:
            params, answer = negotiate_server(offered_extensions(request), self._config)
            if params is not None and answer is not None:
                deflate = PerMessageDeflate(params, True, self._config)
                extensions = (answer,)
        response = accept_response(request, subprotocol, extensions, headers)
        octets = response.to_bytes()
        rest, self._buffer, self.request = self._buffer, b"", None
        return Agreed(response, subprotocol, extensions, deflate, rest, octets)


class ClientOpening:
    """A client's handshake: one request out, one response in.

    Args:
        limits: the bounds on the response.
        config: how to compress, or None.

    Attributes:
        response: the response, once it is there, be it good or bad.
    """

    __slots__ = ("_buffer", "_config", "_key", "_limits", "_subprotocols", "response")

    def __init__(self, limits: HandshakeLimits, config: DeflateConfig | None) -> None:
        self._limits = limits
        self._config = config
        self._buffer = b""
        self._key = ""
        self._subprotocols: tuple[str, ...] = ()
        self.response: Response | None = None

    def request(
        self,
        host: str,
        target: str,
        subprotocols: Sequence[str],
        headers: Iterable[tuple[str, str]],
        origin: str | None,
        key: str | None,
    ) -> bytes:
        """The request to write (RFC 6455 §4.1).

        Raises:
            LocalProtocolError: it was made already, or something of it cannot be written.
        """
        if self._key:
            raise LocalProtocolError("the request was made already")
        key = generate_key() if key is None else key
        octets = build_request(
            host,
            target,
            key,
            subprotocols=subprotocols,
            extensions=self._offers(),
            origin=origin,
            headers=headers,
        )
        self._key, self._subprotocols = key, tuple(subprotocols)
        return octets

    def _offers(self) -> tuple[ExtensionOffer, ...]:
        return () if self._config is None else offer_client(self._config)

    def receive(self, data: bytes, *, eof: bool = False) -> Agreed | None:
        """Take what came; returns what was agreed on if the response is complete with that.

        Args:
            data: octets.
            eof: whether TCP has ended behind them.

        Raises:
            HandshakeError: the server refused, or its answer is not good.
        """
        if not self._key:
            raise HandshakeError("the server spoke before it was asked", status=502)
        self._buffer += data
        found = parse_response(self._buffer, self._limits, eof=eof)
        if found is None:
            if eof:
                raise HandshakeError("TCP ended within the handshake", status=502)
            return None
        response, used = found
        self.response = response
        agreed = check_response(response, self._key, self._subprotocols, self._offers())
        deflate = None
        if self._config is not None:
            params = accept_client(agreed.extensions, self._config)
            if params is not None:
                deflate = PerMessageDeflate(params, False, self._config)
        rest, self._buffer = self._buffer[used:], b""
        return Agreed(response, agreed.subprotocol, agreed.extensions, deflate, rest)
