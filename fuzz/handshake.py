"""Requests, responses and extension lists: they are read, or refused with a status.

The first octet says which of them the rest is.
"""

from __future__ import annotations

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.deflate import accept_client, negotiate_server
from goim_edu.websocket.explain import explain
from goim_edu.websocket.handshake import (
    HandshakeLimits,
    accept_response,
    build_request,
    check_host,
    check_origin,
    check_request,
    check_response,
    error_response,
    format_extensions,
    offered_extensions,
    offered_subprotocols,
    parse_extensions,
    parse_request,
    parse_response,
)

LIMITS = HandshakeLimits(max_line=256, max_headers=16, max_total=1_024)
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


def check(data: bytes) -> None:
    """Try one input; any exception is a find."""
    if len(data) < 2:
        return
    kind, cut, data = data[0] % 3, data[1], data[2:]
    if kind == 2:
        check_list(data)
        return
    explain(data, kind="request" if kind == 0 else "response", key=KEY)
    try:
        check_one(data, kind)
    except HandshakeError as error:
        written = error_response(error).to_bytes()
        if parse_response(written) is None:
            raise AssertionError("our own refusal cannot be read") from None
    check_start(data, cut, kind)


def check_one(data: bytes, kind: int) -> None:
    """All that is done with a head once it is there."""
    if kind == 1:
        answer = parse_response(data, LIMITS, eof=True)
        if answer is not None:
            agreed = check_response(answer[0], KEY, ["a"], parse_extensions("permessage-deflate"))
            accept_client(agreed.extensions)
        return
    found = parse_request(data, LIMITS)
    if found is None:
        if len(data) > LIMITS.max_total:
            raise AssertionError("more is kept than the bound allows")
        return
    request, used = found
    if used > len(data) or len(request.headers) > LIMITS.max_headers:
        raise AssertionError(f"{used} of {len(data)} octets, {len(request.headers)} fields")
    check_host(request)
    check_origin(request, ["http://localhost"], same_host=True)
    key = check_request(request)
    protocols = offered_subprotocols(request)
    _, answer_element = negotiate_server(offered_extensions(request))
    extensions = [answer_element] if answer_element else []
    response = accept_response(request, protocols[0] if protocols else None, extensions)
    again = parse_response(response.to_bytes())
    if again is None or again[0] != response:
        raise AssertionError(f"{response} was read as {again}")
    check_response(response, key, protocols, extensions)
    try:
        build_request(request.headers["host"], request.target, key, subprotocols=protocols)
    except LocalProtocolError:
        if request.target.startswith("/"):
            raise


def check_start(data: bytes, cut: int, kind: int) -> None:
    """What is refused when only its start is there may not be taken once all is there."""
    parse = parse_response if kind else parse_request
    try:
        parse(data[:cut], LIMITS)
    except HandshakeError:
        try:
            parse(data, LIMITS)
        except HandshakeError:
            return
        raise AssertionError("refused in part, taken as a whole") from None


def check_list(data: bytes) -> None:
    """What was read as a list of extensions is read alike once it has been written."""
    try:
        offers = parse_extensions(data.decode("latin-1"))
    except HandshakeError:
        return
    if parse_extensions(format_extensions(offers)) != offers:
        raise AssertionError(f"{offers} came back differently")
    negotiate_server(offers)


REQUEST = b"""GET /chat?a=b HTTP/1.1\r
Host: localhost:1\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r
Origin: http://localhost\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Protocol: a, b\r
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r
\r
"""
RESPONSE = b"""HTTP/1.1 101 Switching Protocols\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r
Sec-WebSocket-Protocol: a\r
Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r
\r
"""
SEEDS = [
    b"\x00\x20" + REQUEST,
    b"\x01\x20" + RESPONSE,
    b"\x01\x20HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    b'\x02\x00a; b; c=d; e="f\\g", permessage-deflate; server_max_window_bits=9',
]
