"""The server's response: the 101 or a refusal, written and judged (RFC 6455 §4.2.2, §4.1)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.extensions import ExtensionOffer, format_extensions, parse_extensions
from goim_edu.websocket.handshake_key import generate_accept
from goim_edu.websocket.handshake_request import (
    check_extra_headers,
    check_request,
    offered_subprotocols,
)
from goim_edu.websocket.http11 import REASONS, Headers, Request, Response, quoted
from goim_edu.websocket.wanted import HeaderFields

__all__ = ["Agreement", "accept_response", "check_response", "error_response"]


class Agreement(NamedTuple):
    """What both sides agreed on: one subprotocol or none, and the extensions in their order."""

    subprotocol: str | None
    extensions: tuple[ExtensionOffer, ...]


def accept_response(
    request: Request,
    subprotocol: str | None = None,
    extensions: Sequence[ExtensionOffer] | None = None,
    headers: HeaderFields = (),
) -> Response:
    """The 101 that accepts a request (RFC 6455 §4.2.2 item 5).

    Args:
        request: the client's request; it is checked here once more.
        subprotocol: one that the client offered, or None.
        extensions: the answers to its offers, in the order in which they work.
        headers: more fields, such as ``Set-Cookie``.

    Raises:
        HandshakeError: the request is not a proper upgrade.
        LocalProtocolError: the subprotocol was not offered, or a field cannot be written.
    """
    accept = generate_accept(check_request(request))
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    if subprotocol is not None:
        if subprotocol not in offered_subprotocols(request):
            raise LocalProtocolError(f"the client did not offer the subprotocol {subprotocol!r}")
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    if extensions:
        fields.append(("Sec-WebSocket-Extensions", format_extensions(extensions)))
    return Response(101, "Switching Protocols", Headers([*fields, *check_extra_headers(headers)]))


def error_response(error: HandshakeError, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """The answer to a failed handshake; its body says what was wrong (RFC 6455 §4.2.2).

    A 426 names the version that we speak, a 405 the method that we take: these fields come with
    the error.

    >>> error = HandshakeError("no such room", status=404, section="RFC 9110 §15.5.5")
    >>> response = error_response(error)
    >>> response.status, response.body.decode().splitlines()
    (404, ['404 Not Found', 'no such room (RFC 9110 §15.5.5)'])
    """
    reason = REASONS.get(error.status, "Error")
    body = f"{error.status} {reason}\n{error}\n".encode("utf-8", "backslashreplace")
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    if error.status == 426:  # RFC 9110 §15.5.22: it names the protocol to upgrade to
        fields[-1:] = [("Upgrade", "websocket"), ("Connection", "Upgrade, close")]
    return Response(error.status, reason, Headers([*fields, *error.headers, *headers]), body)


def check_response(
    response: Response,
    key: str,
    offered_subprotocols: Collection[str] = (),
    offered_extensions: Iterable[ExtensionOffer] = (),
) -> Agreement:
    """Every check that a client makes on the response (RFC 6455 §4.1, the second list).

    Args:
        response: the server's response.
        key: the key that was sent.
        offered_subprotocols: those that the request offered.
        offered_extensions: those that the request offered. The extension itself judges the
            parameters of the answer.

    Returns:
        What was agreed on.

    Raises:
        HandshakeError: the handshake failed. ``status`` is the server's own status if it
            refused, and 502 if its 101 is wrong.
    """
    headers = response.headers
    if response.status != 101:
        raise _refusal(response)
    if headers.get("upgrade").lower() != "websocket":
        raise _bad_response("its Upgrade field is not 'websocket'")
    if not headers.has_token("connection", "upgrade"):
        raise _bad_response("its Connection field does not list 'Upgrade'")
    expected = generate_accept(key)
    if headers.get_all("sec-websocket-accept") != [expected]:
        got = quoted(headers.get("sec-websocket-accept"))
        raise _bad_response(f"its Sec-WebSocket-Accept is {got}, not {expected!r}")
    value = headers.get("sec-websocket-extensions")
    try:
        extensions = parse_extensions(value) if value else ()
    except HandshakeError as error:
        raise _bad_response(error.message) from None
    offered = {offer.name for offer in offered_extensions}
    for extension in extensions:
        if extension.name not in offered:
            raise _bad_response(
                f"it uses the extension {quoted(extension.name)}, which was not offered"
            )
    subprotocols = headers.get_all("sec-websocket-protocol")
    if len(subprotocols) > 1 or (subprotocols and subprotocols[0] not in offered_subprotocols):
        raise _bad_response(f"its subprotocol {quoted(', '.join(subprotocols))} was not offered")
    return Agreement(subprotocols[0] if subprotocols else None, extensions)


def _refusal(response: Response) -> HandshakeError:
    """What a client is told of an answer that is not a 101, with the words of its body."""
    status, body = response.status, _content(response)
    said = f": {quoted(words, 200)}" if (words := _words(response, body)) else ""
    return HandshakeError(
        f"the server answered {status} {quoted(response.reason)[1:-1]}, not 101{said}",
        status=status,
        section="RFC 6455 §4.1",
        headers=tuple(response.headers),
        # RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4, RFC 9110 §15.6
        passing=status in (408, 425, 429) or 500 <= status < 600,
        body=body,
    )


def _content(response: Response) -> bytes:
    """The body as far as it has come, without the framing of its transfer (RFC 9112 §7)."""
    chunked = response.headers.has_token("transfer-encoding", "chunked")
    return _joined_chunks(response.body) if chunked else response.body


def _words(response: Response, body: bytes) -> str:
    """The body as text, on one line; nothing of one that is compressed.

    What repeats the status, as a title of many servers does, is left out.
    """
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return ""
    words = " ".join(body.decode("utf-8", "replace").split())
    return words.removeprefix(f"{response.status} {response.reason}").lstrip()


def _joined_chunks(body: bytes) -> bytes:
    """The content of a chunked body, as far as it has come (RFC 9112 §7.1)."""
    content = b""
    while True:
        size, end, body = body.partition(b"\r\n")
        digits = size.partition(b";")[0].strip()
        if not (end and re.fullmatch(rb"[0-9A-Fa-f]{1,8}", digits)) or int(digits, 16) == 0:
            return content
        content += body[: int(digits, 16)]
        body = body[int(digits, 16) + 2 :]


def _bad_response(why: str) -> HandshakeError:
    return HandshakeError(
        f"the server's 101 is not valid: {why}", status=502, section="RFC 6455 §4.1"
    )
