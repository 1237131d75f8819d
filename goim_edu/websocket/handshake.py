r"""The opening handshake as bytes and as objects: one HTTP request, one answer, then frames.

RFC 6455 §4 says what has to be in them, RFC 9112 how HTTP/1.1 writes them down.
Nothing here opens a socket. A server goes

    parse_request -> check_request, check_origin, select_subprotocol -> accept_response
                  \-> HandshakeError -> error_response

and a client goes ``build_request -> parse_response -> check_response``.

The HTTP of it is in ``heads``, the list of extensions in ``extensions``; their names are here too.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.extensions import ExtensionOffer, format_extensions, parse_extensions
from goim_edu.websocket.http11 import (
    REASONS,
    TOKEN,
    HandshakeLimits,
    Headers,
    Request,
    Response,
    only_get,
    parse_request,
    parse_response,
    quoted,
    write_head,
)

__all__ = [
    "GUID",
    "VERSION",
    "Agreement",
    "ExtensionOffer",
    "HandshakeLimits",
    "Headers",
    "Request",
    "Response",
    "accept_response",
    "build_request",
    "check_host",
    "check_origin",
    "check_request",
    "check_response",
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

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""The fixed string that both sides append to the key (RFC 6455 §1.3)."""

VERSION = "13"
"""The only version of the protocol that was ever standardised (RFC 6455 §4.1 item 9)."""

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")  # what 16 octets look like in Base64
_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


class Agreement(NamedTuple):
    """What both sides agreed on: one subprotocol or none, and the extensions in their order."""

    subprotocol: str | None
    extensions: tuple[ExtensionOffer, ...]


# ---------------------------------------------------------------------- key and accept


def generate_key(random_source: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh ``Sec-WebSocket-Key``: 16 random octets in Base64 (RFC 6455 §4.1 item 7).

    >>> generate_key(lambda size: b"the sample nonce")
    'dGhlIHNhbXBsZSBub25jZQ=='
    """
    return base64.b64encode(random_source(16)).decode("ascii")


def generate_accept(key: str) -> str:
    """The ``Sec-WebSocket-Accept`` that answers a key (RFC 6455 §4.2.2 item 5.4).

    It proves that the server read the handshake. It authenticates nobody.

    Args:
        key: the ``Sec-WebSocket-Key`` as sent: 24 characters that decode to 16 octets.

    Returns:
        28 characters: the Base64 of the SHA-1 of key and GUID.

    Raises:
        HandshakeError: the key is no Base64 of 16 octets (RFC 6455 §4.2.1 item 5).

    >>> generate_accept("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    if not _KEY.fullmatch(key):
        raise HandshakeError(f"Sec-WebSocket-Key {quoted(key)} is not the Base64 of 16 octets")
    digest = hashlib.sha1((key + GUID).encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


# ---------------------------------------------------------------------- the client's request


def build_request(
    host: str,
    target: str,
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    extensions: Sequence[ExtensionOffer] = (),
    origin: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """The bytes with which a client asks for a WebSocket (RFC 6455 §4.1).

    Args:
        host: the ``Host`` field, with the port where it is not the usual one.
        target: path and query, starting with ``/``.
        key: a fresh ``generate_key()``.
        subprotocols: those that the client speaks, the most wanted first.
        extensions: the offers, the most wanted first.
        origin: the page that asks, which only browsers must tell.
        headers: more fields, such as ``Authorization``.

    Raises:
        LocalProtocolError: something of it cannot be written into a request.

    >>> build_request("example.com", "/chat", "dGhlIHNhbXBsZSBub25jZQ==").splitlines()[0]
    b'GET /chat HTTP/1.1'
    """
    if not re.fullmatch(r"/[\x21-\x7e]*", target) or "#" in target:
        raise LocalProtocolError(f"{target!r} is no target: a path that starts with /, no fragment")
    if not _HOST.fullmatch(host):
        raise LocalProtocolError(f"{host!r} is no Host")
    fields = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", VERSION),
    ]
    if origin is not None:
        fields.append(("Origin", origin))
    if subprotocols:
        _check_own_subprotocols(subprotocols)
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    if extensions:
        fields.append(("Sec-WebSocket-Extensions", format_extensions(extensions)))
    return write_head(f"GET {target} HTTP/1.1", [*fields, *_own_fields(headers)])


def _check_own_subprotocols(subprotocols: Sequence[str]) -> None:
    for name in subprotocols:
        if not TOKEN.fullmatch(name):
            raise LocalProtocolError(f"{name!r} is no subprotocol name (RFC 6455 §4.1 item 10)")
    if len(set(subprotocols)) != len(subprotocols):
        raise LocalProtocolError("a subprotocol is offered twice (RFC 6455 §4.1 item 10)")


_OURS = frozenset(
    (
        "host",
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
    )
)


def _own_fields(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The caller's own fields, none of which may be one that the handshake itself writes."""
    fields = list(headers)
    for name, _ in fields:
        if name.lower() in _OURS:
            raise LocalProtocolError(f"{name} is written by the handshake itself")
    return fields


# ---------------------------------------------------------------------- the server's checks


def check_host(request: Request) -> str:
    """Exactly one valid Host (RFC 9112 §3.2: any HTTP/1.1 request without it gets a 400).

    Returns:
        Its value.

    Raises:
        HandshakeError: status 400.
    """
    headers = request.headers
    count = headers.count("host")
    if count != 1:
        raise HandshakeError(
            f"there are {count} Host fields, there must be one", section="RFC 9112 §3.2"
        )
    host = headers["host"]
    if not _HOST.fullmatch(host):
        raise HandshakeError(f"Host {quoted(host)} is no host", section="RFC 9112 §3.2")
    return host


def check_request(request: Request) -> str:
    """Every check of RFC 6455 §4.2.1 on a client's opening handshake.

    Origin is checked by ``check_origin``, since only the application knows whom it allows.

    Returns:
        The key, to be answered with ``generate_accept``.

    Raises:
        HandshakeError: status 400, 405 or 426, and what was wrong.

    >>> check_request(Request("PUT", "/", "HTTP/1.1", Headers()))
    Traceback (most recent call last):
    ...
    goim_edu.errors.HandshakeError: the method is 'PUT', only GET can open a WebSocket ...
    """
    if request.method != "GET":
        raise only_get(request.method)
    if request.version < "HTTP/1.1":  # one digit each, so text compares as the numbers do
        raise HandshakeError(f"the HTTP version is {request.version}, we need HTTP/1.1 or higher")
    if not request.target.startswith(("/", "http://", "https://", "ws://", "wss://")):
        raise HandshakeError(f"the target {quoted(request.target)} is neither a path nor a URI")
    if "#" in request.target:
        raise HandshakeError("the target has a fragment (#)", section="RFC 6455 §3")
    check_host(request)
    headers = request.headers
    if not headers.lists("upgrade", "websocket"):
        raise HandshakeError(
            "this address speaks WebSocket: ask with 'Upgrade: websocket'", status=426
        )
    if not headers.lists("connection", "upgrade"):
        raise HandshakeError("the Connection field must list 'Upgrade'")
    _check_version(headers)
    if headers.count("sec-websocket-key") != 1:
        raise HandshakeError("there must be exactly one Sec-WebSocket-Key")
    key = headers["sec-websocket-key"]
    if not _KEY.fullmatch(key):
        raise HandshakeError(f"Sec-WebSocket-Key {quoted(key)} is not the Base64 of 16 octets")
    offered_subprotocols(request)
    offered_extensions(request)
    return key


def _check_version(headers: Headers) -> None:
    """Another version is told which one we speak, so that its client can try again (§4.4)."""
    speak = (("Sec-WebSocket-Version", VERSION),)
    if headers.count("sec-websocket-version") != 1:
        raise HandshakeError("there must be exactly one Sec-WebSocket-Version", headers=speak)
    version = headers["sec-websocket-version"]
    if version != VERSION:
        raise HandshakeError(
            f"Sec-WebSocket-Version is {quoted(version)}, we speak {VERSION}",
            status=426,
            section="RFC 6455 §4.4",
            headers=speak,
        )


def check_origin(
    request: Request, allowed: Collection[str | None] | None, *, same_host: bool = False
) -> None:
    """Refuse a page of a stranger, whose script would act with our user's cookies (§10.2).

    Args:
        request: the client's request.
        allowed: origins such as ``"https://chat.example.com"``; None among them allows clients
            that send none (all but browsers). None for the whole argument allows everybody.
        same_host: allow a page that came from the very host and port that it now calls, too.

    Raises:
        HandshakeError: status 403; 400 if there are several Origin fields.
    """
    if allowed is None:
        return
    headers = request.headers
    count = headers.count("origin")
    if count > 1:
        raise HandshakeError("there are several Origin fields", section="RFC 6454 §7.3")
    origin = headers["origin"].lower() if count else None
    if origin in allowed:
        return
    if same_host and origin and origin.partition("://")[2] == headers.get("host").lower():
        return
    shown = "no Origin" if origin is None else f"the Origin {quoted(origin)}"
    raise HandshakeError(f"{shown} is not allowed here", status=403, section="RFC 6455 §10.2")


# ---------------------------------------------------------------------- what a client offers


def offered_subprotocols(request: Request) -> tuple[str, ...]:
    """The subprotocols that a client offers, the most wanted first (RFC 6455 §4.1 item 10).

    Raises:
        HandshakeError: status 400: a name that is no token, or one that comes twice.
    """
    value = request.headers.get("sec-websocket-protocol")
    if not value:
        return ()
    names = tuple(name for item in value.split(",") if (name := item.strip(" \t")))
    for name in names:
        if not TOKEN.fullmatch(name):
            raise HandshakeError(
                f"Sec-WebSocket-Protocol lists {quoted(name)}, which is no token",
                section="RFC 6455 §4.1",
            )
    if len(set(names)) != len(names):
        raise HandshakeError("Sec-WebSocket-Protocol lists a name twice", section="RFC 6455 §4.1")
    return names


def select_subprotocol(request: Request, supported: Collection[str]) -> str | None:
    """The client's most wanted subprotocol that we support too, or None (RFC 6455 §4.2.2).

    >>> offer = Headers([("Sec-WebSocket-Protocol", "goim.v1.bson, goim.v1.json")])
    >>> select_subprotocol(Request("GET", "/", "HTTP/1.1", offer), ["goim.v1.json"])
    'goim.v1.json'
    """
    return next((name for name in offered_subprotocols(request) if name in supported), None)


def offered_extensions(request: Request) -> tuple[ExtensionOffer, ...]:
    """The extensions that a client offers, the most wanted first (RFC 6455 §9.1).

    Raises:
        HandshakeError: status 400: the field does not follow the grammar.
    """
    value = request.headers.get("sec-websocket-extensions")
    return parse_extensions(value) if value else ()


# ---------------------------------------------------------------------- the answers


def accept_response(
    request: Request,
    subprotocol: str | None = None,
    extensions: Sequence[ExtensionOffer] | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """The 101 that accepts a request (RFC 6455 §4.2.2 item 5).

    Args:
        request: the client's request; all its checks are made here once more.
        subprotocol: one that the client offered, or None.
        extensions: the answers to its offers, in the order in which they work.
        headers: more fields, such as ``Set-Cookie``.

    Raises:
        HandshakeError: the request is no proper upgrade.
        LocalProtocolError: a subprotocol that was not offered, or a field that cannot be written.
    """
    accept = generate_accept(check_request(request))
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    if subprotocol is not None:
        if subprotocol not in offered_subprotocols(request):
            raise LocalProtocolError(f"the client did not offer the subprotocol {subprotocol!r}")
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    if extensions:
        fields.append(("Sec-WebSocket-Extensions", format_extensions(extensions)))
    return Response(101, "Switching Protocols", Headers([*fields, *_own_fields(headers)]))


def error_response(error: HandshakeError, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """The answer to a failed handshake; its body says what was wrong (RFC 6455 §4.2.2).

    A 426 names the version that we speak, a 405 the method that we take: the error brings
    these fields along.

    >>> answer = error_response(HandshakeError("no such room", status=404))
    >>> answer.status, answer.body.decode().splitlines()
    (404, ['404 Not Found', 'no such room (RFC 6455 §4.2.1)'])
    """
    reason = REASONS.get(error.status, "Error")
    body = f"{error.status} {reason}\n{error}\n".encode("utf-8", "backslashreplace")
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    if error.status == 426:  # RFC 9110 §15.5.22: it must say to what
        fields[-1:] = [("Upgrade", "websocket"), ("Connection", "Upgrade, close")]
    return Response(error.status, reason, Headers([*fields, *error.headers, *headers]), body)


def check_response(
    response: Response,
    key: str,
    offered_subprotocols: Collection[str] = (),
    offered_extensions: Iterable[ExtensionOffer] = (),
) -> Agreement:
    """Every check that a client makes on the answer (RFC 6455 §4.1, "Once the client's ...").

    Args:
        response: what the server answered.
        key: the key that was sent.
        offered_subprotocols: what was offered.
        offered_extensions: what was offered; whether the parameters of an answer are good is for
            the extension to judge.

    Returns:
        What was agreed on.

    Raises:
        HandshakeError: the handshake failed. ``status`` is the server's own status where it
            refused, and 502 where its 101 was wrong.
    """
    headers = response.headers
    if response.status != 101:
        raise HandshakeError(
            f"the server answered {response.status} {response.reason}, not 101",
            status=response.status,
            section="RFC 6455 §4.1",
            headers=tuple(headers),
        )
    if headers.get("upgrade").lower() != "websocket":
        raise _bad_answer("its Upgrade field is not 'websocket'")
    if not headers.lists("connection", "upgrade"):
        raise _bad_answer("its Connection field does not list 'Upgrade'")
    expected = generate_accept(key)
    if headers.get_all("sec-websocket-accept") != [expected]:
        got = quoted(headers.get("sec-websocket-accept"))
        raise _bad_answer(f"its Sec-WebSocket-Accept is {got}, not {expected!r}")
    value = headers.get("sec-websocket-extensions")
    try:
        extensions = parse_extensions(value) if value else ()
    except HandshakeError as error:
        raise _bad_answer(error.message) from None
    offered = {offer.name for offer in offered_extensions}
    for extension in extensions:
        if extension.name not in offered:
            raise _bad_answer(
                f"it uses the extension {quoted(extension.name)}, nobody offered that"
            )
    subprotocols = headers.get_all("sec-websocket-protocol")
    if len(subprotocols) > 1 or (subprotocols and subprotocols[0] not in offered_subprotocols):
        raise _bad_answer(f"its subprotocol {quoted(', '.join(subprotocols))} was not offered")
    return Agreement(subprotocols[0] if subprotocols else None, extensions)


def _bad_answer(why: str) -> HandshakeError:
    return HandshakeError(
        f"the server's 101 is not valid: {why}", status=502, section="RFC 6455 §4.1"
    )


# ---------------------------------------------------------------------- addresses
