"""The example handshake of RFC 6455 §1.2, and whole heads read at once."""

from __future__ import annotations

from goim_edu.websocket.http11 import (
    HandshakeLimits,
    Request,
    Response,
    parse_request,
    parse_response,
)

# RFC 6455 §1.2, both halves as printed there.
RFC_REQUEST = b"""GET /chat HTTP/1.1\r
Host: server.example.com\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
Origin: http://example.com\r
Sec-WebSocket-Protocol: chat, superchat\r
Sec-WebSocket-Version: 13\r
\r
"""
RFC_RESPONSE = b"""HTTP/1.1 101 Switching Protocols\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
Sec-WebSocket-Protocol: chat\r
\r
"""


def parsed(data: bytes, limits: HandshakeLimits | None = None) -> Request:
    result = parse_request(data, limits) if limits else parse_request(data)
    assert result is not None
    assert result[1] == len(data)
    return result[0]


def answered(data: bytes) -> Response:
    result = parse_response(data)
    assert result is not None
    return result[0]
