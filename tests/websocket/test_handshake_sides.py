"""The opening handshake of each side, without an endpoint around it."""

from __future__ import annotations

import pytest

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.handshake import (
    ClientHandshake,
    HandshakeLimits,
    HandshakeResult,
    ServerHandshake,
)

LIMITS = HandshakeLimits()


def ask(client: ClientHandshake, subprotocols: tuple[str, ...] = ()) -> bytes:
    return client.request("example.com", "/", subprotocols, [], None, None)


@pytest.mark.parametrize("ours", [None, DeflateConfig()])
@pytest.mark.parametrize("theirs", [None, DeflateConfig()])
def test_both_agree(ours: DeflateConfig | None, theirs: DeflateConfig | None) -> None:
    client, server = ClientHandshake(LIMITS, ours), ServerHandshake(LIMITS, theirs)
    request = server.receive(ask(client, ("chat",)) + b"early")
    assert request is not None
    assert server.receive(b"!") is None
    answered = server.accept("chat", [])
    assert answered.early == b"early!"
    agreed = client.receive(answered.octets[:20]) or client.receive(answered.octets[20:] + b"rest")
    assert type(agreed) is HandshakeResult
    assert agreed.early == b"rest"
    assert client.response == answered.response
    both = ours is not None and theirs is not None
    for one in (answered, agreed):
        assert one.agreement.subprotocol == "chat"
        assert (one.deflate is not None) == both
        assert len(one.agreement.extensions) == both


def test_a_server_bounds_what_comes_early() -> None:
    server = ServerHandshake(HandshakeLimits(max_total=200), None)
    assert server.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") is not None
    assert server.receive(bytes(200)) is None
    with pytest.raises(HandshakeError, match="before the 101"):
        server.receive(b"x")


def test_a_server_has_nothing_to_accept_yet() -> None:
    server = ServerHandshake(LIMITS, None)
    assert server.receive(b"GET / ") is None
    with pytest.raises(LocalProtocolError, match="no request"):
        server.accept(None, [])


def test_a_request_that_was_not_accepted_can_be() -> None:
    client, server = ClientHandshake(LIMITS, None), ServerHandshake(LIMITS, DeflateConfig())
    server.receive(ask(client))
    with pytest.raises(LocalProtocolError):
        server.accept("not offered", [])
    with pytest.raises(LocalProtocolError):
        server.accept(None, [("A", "\r\n")])
    assert server.accept(None, []).deflate is None


def test_a_client_asks_once_and_first() -> None:
    client = ClientHandshake(LIMITS, None)
    with pytest.raises(HandshakeError, match="before it was asked"):
        client.receive(b"HTTP/1.1 101 ")
    with pytest.raises(LocalProtocolError):
        client.request("no host", "/", (), [], None, None)
    ask(client)
    with pytest.raises(LocalProtocolError, match="already"):
        ask(client)


def test_a_client_needs_the_whole_answer() -> None:
    client = ClientHandshake(LIMITS, None)
    ask(client)
    assert client.receive(b"HTTP/1.1 101 ") is None
    with pytest.raises(HandshakeError, match="TCP ended"):
        client.receive(b"", eof=True)
    assert client.response is None


def test_a_client_is_refused() -> None:
    client = ClientHandshake(LIMITS, DeflateConfig())
    ask(client)
    with pytest.raises(HandshakeError) as caught:
        client.receive(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert caught.value.status == 404
    assert client.response is not None
    assert client.response.status == 404
