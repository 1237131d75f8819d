"""The client's request: written, taken apart and judged (RFC 6455 §4.1, §4.2.1)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.extensions import ExtensionOffer, format_extensions, parse_extensions
from goim_edu.websocket.handshake_key import check_key
from goim_edu.websocket.http11 import (
    TOKEN,
    Headers,
    Request,
    method_not_allowed,
    quoted,
    write_head,
)
from goim_edu.websocket.origin import normal_origin
from goim_edu.websocket.wanted import HeaderFields, items, pairs, wanted

__all__ = [
    "VERSION",
    "build_request",
    "check_extra_headers",
    "check_host",
    "check_origin",
    "check_request",
    "check_target",
    "offered_extensions",
    "offered_subprotocols",
    "select_subprotocol",
]

VERSION = "13"
"""The only version of the protocol that was ever standardised (RFC 6455 §4.1 item 9)."""

_READING = "RFC 6455 §4.2.1"  # "Reading the Client's Opening Handshake"

_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


# ---------------------------------------------------------------------- what a client writes


def build_request(
    host: str,
    target: str,
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    extensions: Sequence[ExtensionOffer] = (),
    origin: str | None = None,
    headers: HeaderFields = (),
) -> bytes:
    """The request with which a client asks for a WebSocket (RFC 6455 §4.1).

    Args:
        host: the ``Host`` field, with the port if it is not the usual one.
        target: path and query, starting with ``/``.
        key: a fresh ``generate_key()``.
        subprotocols: those that the client speaks, the most wanted first.
        extensions: the offers, the most wanted first.
        origin: the page that asks; only browsers must name it.
        headers: more fields, such as ``Authorization``: a mapping, or pairs in their order.

    Raises:
        LocalProtocolError: one of them cannot be written into a request.
        TypeError: one of them is of a wrong type.

    >>> build_request("example.com", "/chat", "dGhlIHNhbXBsZSBub25jZQ==").splitlines()[0]
    b'GET /chat HTTP/1.1'
    """
    for name, value in (("host", host), ("target", target), ("key", key), ("origin", origin or "")):
        wanted(value, str, f"{name} is a str")
    if not re.fullmatch(r"/[\x21-\x7e]*", target) or "#" in target:
        raise LocalProtocolError(
            f"{target!r} is not a target: it must be a path that starts with /, without a fragment"
        )
    if not _HOST.fullmatch(host):
        raise LocalProtocolError(f"{host!r} is not a valid Host")
    fields = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", VERSION),
    ]
    if origin is not None:
        fields.append(("Origin", origin))
    if subprotocols := items(subprotocols, str, "subprotocols is a list of names"):
        _check_own_subprotocols(subprotocols)
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    if extensions:
        fields.append(("Sec-WebSocket-Extensions", format_extensions(extensions)))
    return write_head(f"GET {target} HTTP/1.1", [*fields, *check_extra_headers(headers)])


def _check_own_subprotocols(subprotocols: Sequence[str]) -> None:
    for name in subprotocols:
        if not TOKEN.fullmatch(name):
            raise LocalProtocolError(f"{name!r} is not a subprotocol name (RFC 6455 §4.1 item 10)")
    if len(set(subprotocols)) != len(subprotocols):
        raise LocalProtocolError("a subprotocol is offered twice (RFC 6455 §4.1 item 10)")


_WRITTEN_BY_US = frozenset(
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


def check_extra_headers(headers: HeaderFields) -> list[tuple[str, str]]:
    """The fields that an application adds; none may be one that the handshake itself writes.

    Raises:
        LocalProtocolError: one is.
        TypeError: they are neither a mapping nor pairs of ``str``.

    >>> check_extra_headers([("Authorization", "Bearer 1")])
    [('Authorization', 'Bearer 1')]
    """
    if headers == ():
        return []
    fields = pairs(headers, "headers is a mapping, or pairs of name and value")
    for name, _ in fields:
        if name.lower() in _WRITTEN_BY_US:
            raise LocalProtocolError(f"{name} is written by the handshake itself")
    return fields


# ---------------------------------------------------------------------- the server's checks


def check_host(request: Request) -> str:
    """There is exactly one valid Host (RFC 9112 §3.2: any other HTTP/1.1 request gets a 400).

    HTTP/1.0 had no Host, and health checks still speak it: there it may be missing.

    Returns:
        The host that is asked, and its port if it is named: ``request.authority``.

    Raises:
        HandshakeError: status 400.

    >>> check_host(Request("GET", "/healthz", "HTTP/1.0", Headers()))
    ''
    """
    count = request.headers.count("host")
    if count != 1 and (count or request.version != "HTTP/1.0"):
        raise HandshakeError(
            f"there are {count} Host fields, there must be one", section="RFC 9112 §3.2"
        )
    authority = request.authority
    for host in {request.headers.get("host"), authority}:  # nearly always the same
        if (count or host) and not _HOST.fullmatch(host):
            raise HandshakeError(f"Host {quoted(host)} is not a host", section="RFC 9112 §3.2")
    return authority


def check_target(request: Request) -> None:
    """The target is a path or a URI, without a fragment (RFC 9112 §3.2.1, §3.2.2).

    Raises:
        HandshakeError: status 400.
    """
    if not request.path.startswith("/"):
        raise HandshakeError(
            f"the target {quoted(request.target)} is neither a path nor a URI", section=_READING
        )
    if "#" in request.target:
        raise HandshakeError("the target has a fragment (#)", section="RFC 6455 §3")


def check_request(request: Request) -> str:
    """Every check of RFC 6455 §4.2.1 on a client's opening handshake.

    ``check_origin`` checks the Origin, since only the application knows which it allows.

    Returns:
        The key; ``generate_accept`` makes the answer to it.

    Raises:
        HandshakeError: status 400, 405 or 426, and what was wrong.

    >>> check_request(Request("PUT", "/", "HTTP/1.1", Headers()))
    Traceback (most recent call last):
    ...
    goim_edu.errors.HandshakeError: the method is 'PUT', only GET can open a WebSocket ...
    """
    if request.method != "GET":
        raise method_not_allowed(request.method)
    if request.version < "HTTP/1.1":  # one digit each, so text compares as the numbers do
        raise HandshakeError(
            f"the HTTP version is {request.version}, we need HTTP/1.1 or higher", section=_READING
        )
    check_target(request)
    check_host(request)
    headers = request.headers
    if not headers.has_token("upgrade", "websocket"):
        raise HandshakeError(
            "this address speaks WebSocket: ask with 'Upgrade: websocket'",
            status=426,
            section=_READING,
        )
    if not headers.has_token("connection", "upgrade"):
        raise HandshakeError("the Connection field must list 'Upgrade'", section=_READING)
    _check_version(headers)
    if headers.count("sec-websocket-key") != 1:
        raise HandshakeError("there must be exactly one Sec-WebSocket-Key", section=_READING)
    key = headers["sec-websocket-key"]
    check_key(key)
    offered_subprotocols(request)
    offered_extensions(request)
    return key


def _check_version(headers: Headers) -> None:
    """§4.4: the refusal of another version names ours, so that the client can try again."""
    ours = (("Sec-WebSocket-Version", VERSION),)
    if headers.count("sec-websocket-version") != 1:
        raise HandshakeError(
            "there must be exactly one Sec-WebSocket-Version", section=_READING, headers=ours
        )
    version = headers["sec-websocket-version"]
    if version != VERSION:
        raise HandshakeError(
            f"Sec-WebSocket-Version is {quoted(version)}, we speak {VERSION}",
            status=426,
            section="RFC 6455 §4.4",
            headers=ours,
        )


def check_origin(
    request: Request,
    allowed: Collection[str | None] | None,
    *,
    same_host: bool = False,
    secure: bool | None = None,
) -> None:
    """Refuse the page of a stranger: its script would act with our user's cookies (§10.2).

    Args:
        request: the client's request.
        allowed: origins such as ``"https://chat.example.com"``; None among them allows clients
            that send none (all but browsers). None instead of a collection allows every page.
            Written as browsers do: in lower case, and without the default port.
        same_host: also allow a page that came from the very host and port that it now calls.
        secure: whether it calls by ``wss://``; the page of the same host came by ``https://`` then.
            None: that is not known, such as behind a proxy.

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
    normal = normal_origin(origin) if origin else None
    if origin in allowed or (normal is not None and normal in allowed):
        return
    schemes = ("http", "https") if secure is None else ("https" if secure else "http",)
    own = {normal_origin(f"{scheme}://{request.authority}") for scheme in schemes}
    if same_host and normal is not None and normal in own:
        return
    shown = "no Origin" if origin is None else f"the Origin {quoted(origin)}"
    raise HandshakeError(f"{shown} is not allowed here", status=403, section="RFC 6455 §10.2")


# ---------------------------------------------------------------------- what a client offers


def offered_subprotocols(request: Request) -> tuple[str, ...]:
    """The subprotocols that a client offers, the most wanted first (RFC 6455 §4.1 item 10).

    Raises:
        HandshakeError: status 400: a name is not a token, or comes twice.
    """
    if "sec-websocket-protocol" not in request.headers:
        return ()
    names = request.subprotocols
    for name in names:
        if not TOKEN.fullmatch(name):
            raise HandshakeError(
                f"Sec-WebSocket-Protocol lists {quoted(name)}, which is not a token",
                section="RFC 6455 §4.1",
            )
    if len(set(names)) != len(names):
        raise HandshakeError("Sec-WebSocket-Protocol lists a name twice", section="RFC 6455 §4.1")
    return names


def select_subprotocol(request: Request, supported: Collection[str]) -> str | None:
    """Of the subprotocols that we support, the one that the client wants most, or None (§4.2.2).

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
