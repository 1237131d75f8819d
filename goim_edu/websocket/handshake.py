r"""The opening handshake: one HTTP request, one response, then frames (RFC 6455 §4).

A server goes ``receive``, then ``accept`` or a refusal; a client ``request``, then ``receive``.
Nothing here opens a socket. The steps of each side are functions that can be used alone; all their
names are here, too:

    handshake_key       key and accept                           §1.3
    handshake_request   build_request, the checks of a server    §4.1, §4.2.1
    handshake_response  the 101, refusals, the client's checks   §4.2.2, §4.1
    extensions          the list of extensions                   §9.1
    http11              requests and responses of HTTP/1.1       RFC 9112
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.deflate import (
    DeflateConfig,
    PerMessageDeflate,
    accept_client,
    negotiate_server,
    offer_client,
)
from goim_edu.websocket.deflate_config import as_config
from goim_edu.websocket.extensions import ExtensionOffer, format_extensions, parse_extensions
from goim_edu.websocket.handshake_key import GUID, check_key, generate_accept, generate_key
from goim_edu.websocket.handshake_request import (
    VERSION,
    build_request,
    check_host,
    check_origin,
    check_request,
    check_target,
    offered_extensions,
    offered_subprotocols,
    select_subprotocol,
)
from goim_edu.websocket.handshake_response import (
    Agreement,
    accept_response,
    check_response,
    error_response,
)
from goim_edu.websocket.http11 import (
    HandshakeLimits,
    Headers,
    Request,
    Response,
    parse_request,
    parse_response,
)
from goim_edu.websocket.wanted import HeaderFields, wanted

__all__ = [
    "GUID",
    "VERSION",
    "Agreement",
    "ClientHandshake",
    "ExtensionOffer",
    "HandshakeLimits",
    "HandshakeResult",
    "Headers",
    "Request",
    "Response",
    "ServerHandshake",
    "accept_response",
    "build_request",
    "check_host",
    "check_key",
    "check_origin",
    "check_request",
    "check_response",
    "check_target",
    "error_response",
    "format_extensions",
    "generate_accept",
    "generate_key",
    "offered_extensions",
    "offered_subprotocols",
    "parse_extensions",
    "parse_request",
    "parse_response",
    "select_subprotocol",
]


class HandshakeResult(NamedTuple):
    """What a handshake has led to.

    Args:
        response: the 101.
        agreement: the subprotocol and the extensions that both sides use.
        deflate: the agreed permessage-deflate at work, or None.
        early: octets that came behind the head: the first frames.
        octets: what a server has to write, empty for a client.
    """

    response: Response
    agreement: Agreement
    deflate: PerMessageDeflate | None
    early: bytes
    octets: bytes = b""


class ServerHandshake:
    """A server's handshake: one request in, one response out.

    Args:
        limits: the bounds on the request.
        compression: whether to agree on permessage-deflate, or how.

    Attributes:
        request: the request while it waits for an answer, else None.
    """

    __slots__ = ("_buffer", "_config", "_limits", "request")

    def __init__(self, limits: HandshakeLimits, compression: DeflateConfig | bool | None) -> None:
        self._limits = limits
        self._config = as_config(compression)
        self._buffer = b""
        self.request: Request | None = None

    def receive(self, data: bytes, *, eof: bool = False) -> Request | None:
        """Take the next octets; returns the request if they complete it.

        Args:
            data: octets.
            eof: whether TCP has ended behind them; a server then has nobody to answer.

        Raises:
            HandshakeError: this is not a request, or a bound is broken.
        """
        self._buffer += data
        if self.request is not None:  # §4.1: a client waits for our 101 before its first frame
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

    def accept(self, subprotocol: str | None, headers: HeaderFields) -> HandshakeResult:
        """The 101 that accepts the request (RFC 6455 §4.2.2).

        Raises:
            HandshakeError: the request is not a proper upgrade.
            LocalProtocolError: there is no request, or the 101 cannot be written.
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
        early, self._buffer, self.request = self._buffer, b"", None
        agreement = Agreement(subprotocol, extensions)
        return HandshakeResult(response, agreement, deflate, early, octets)

    def reject(self, answer: HandshakeError | Response) -> tuple[Response, bytes]:
        """The response that refuses the request, and its octets (RFC 6455 §4.2.2).

        Raises:
            LocalProtocolError: there is no request, or the response cannot be written.
        """
        head = self.pending_request().method == "HEAD"
        wanted(answer, (HandshakeError, Response), "a refusal is a HandshakeError or a Response")
        response = answer if isinstance(answer, Response) else error_response(answer)
        return _without_content(response) if head else (response, response.to_bytes())

    def fail(self, error: HandshakeError) -> tuple[Response, bytes]:
        """The response to octets that are not a valid request: it says why."""
        response = error_response(error)
        if self.request is None:  # it could not be read to its end, but perhaps its method
            head = self._buffer.lstrip(b"\r\n").startswith(b"HEAD ")
        else:
            head = self.request.method == "HEAD"
        return _without_content(response) if head else (response, response.to_bytes())


def _without_content(response: Response) -> tuple[Response, bytes]:
    """The answer to HEAD: the fields of the answer to GET, and no content (RFC 9110 §9.3.2)."""
    bare = response._replace(body=b"")
    return bare, bare.to_bytes()


class ClientHandshake:
    """A client's handshake: one request out, one response in.

    Args:
        limits: the bounds on the response.
        compression: whether to agree on permessage-deflate, or how.

    Attributes:
        response: the response once it has come, good or bad.
    """

    __slots__ = ("_buffer", "_config", "_key", "_limits", "_subprotocols", "response")

    def __init__(self, limits: HandshakeLimits, compression: DeflateConfig | bool | None) -> None:
        self._limits = limits
        self._config = as_config(compression)
        self._buffer = b""
        self._key = ""
        self._subprotocols: tuple[str, ...] = ()
        self.response: Response | None = None

    def request(
        self,
        host: str,
        target: str,
        subprotocols: Sequence[str],
        headers: HeaderFields,
        origin: str | None,
        key: str | None,
    ) -> bytes:
        """The request to write (RFC 6455 §4.1).

        Raises:
            LocalProtocolError: it was written already, or one of its parts cannot be written.
        """
        if self._key:
            raise LocalProtocolError("the request was written already")
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

    def receive(self, data: bytes, *, eof: bool = False) -> HandshakeResult | None:
        """Take the next octets; returns the result if they complete the response.

        Args:
            data: octets.
            eof: whether TCP has ended behind them.

        Raises:
            HandshakeError: the server refused, or its response is not valid.
        """
        if not self._key:
            raise HandshakeError(
                "the server spoke before it was asked", status=502, section="RFC 6455 §4.1"
            )
        self._buffer += data
        found = parse_response(self._buffer, self._limits, eof=eof)
        if found is None:
            if eof:
                raise HandshakeError(
                    "TCP ended within the handshake",
                    status=502,
                    section="RFC 6455 §4.1",
                    passing=True,
                )
            return None
        self.response, used = found
        agreement = check_response(self.response, self._key, self._subprotocols, self._offers())
        deflate = None
        if self._config is not None:
            params = accept_client(agreement.extensions, self._config)
            if params is not None:
                deflate = PerMessageDeflate(params, False, self._config)
        early, self._buffer = self._buffer[used:], b""
        return HandshakeResult(self.response, agreement, deflate, early)

    def fail(self, error: HandshakeError) -> tuple[Response | None, bytes]:
        """The response that was refused or not valid, if one came; there is no answer to it."""
        return self.response, b""
