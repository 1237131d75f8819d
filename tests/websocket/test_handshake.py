"""The opening handshake: the RFC's examples, and each check of §4 on either side."""

from __future__ import annotations

import re

import pytest

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.handshake import (
    Agreement,
    ExtensionOffer,
    Headers,
    Request,
    accept_response,
    build_request,
    check_host,
    check_origin,
    check_request,
    check_response,
    error_response,
    format_extensions,
    generate_accept,
    generate_key,
    offered_subprotocols,
    parse_response,
    select_subprotocol,
)
from goim_edu.websocket.uri import WebSocketURI, parse_uri
from tests.rfc import RFC_REQUEST, RFC_RESPONSE, answered, parsed

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def changed(*changes: tuple[str, str | None], method: str = "GET", version: str = "1.1") -> Request:
    """The RFC's request with fields replaced, or removed where the new value is None."""
    replaced = dict(changes)
    fields = [
        (name, replaced.pop(name, value) or value)
        for name, value in parsed(RFC_REQUEST).headers
        if replaced.get(name, value) is not None
    ]
    fields += [(name, value) for name, value in replaced.items() if value is not None]
    return Request(method, "/chat", f"HTTP/{version}", Headers(fields))


def plus(*fields: tuple[str, str]) -> Request:
    """The RFC's request with more fields behind."""
    request = parsed(RFC_REQUEST)
    return request._replace(headers=Headers([*request.headers, *fields]))


# ---------------------------------------------------------------------- key, accept, examples


def test_the_example_of_the_rfc_on_both_sides() -> None:
    request = parsed(RFC_REQUEST)
    assert check_request(request) == KEY
    assert request.wants_upgrade
    assert request.path == "/chat"
    protocol = select_subprotocol(request, ["chat", "superchat"])
    assert accept_response(request, protocol).to_bytes() == RFC_RESPONSE
    agreement = check_response(answered(RFC_RESPONSE), KEY, ["chat", "superchat"])
    assert agreement == Agreement("chat", ())


def test_a_key_is_16_octets_in_base64() -> None:
    assert re.fullmatch(r"[A-Za-z0-9+/]{22}==", generate_key())
    assert generate_key() != generate_key()
    assert generate_key(bytes) == "AAAAAAAAAAAAAAAAAAAAAA=="


@pytest.mark.parametrize("key", ["", "abc", "A" * 24, "A" * 21 + "===", "A" * 20 + "é===", KEY * 2])
def test_no_accept_for_what_is_no_key(key: str) -> None:
    with pytest.raises(HandshakeError, match="16 octets"):
        generate_accept(key)


# ---------------------------------------------------------------------- §4.2.1, check by check


def refusal(request: Request) -> HandshakeError:
    with pytest.raises(HandshakeError) as caught:
        check_request(request)
    with pytest.raises(HandshakeError):
        accept_response(request)
    return caught.value


@pytest.mark.parametrize(
    "request_",
    [
        parsed(RFC_REQUEST),
        changed(("Upgrade", "h2c, WebSocket")),
        changed(("Connection", "keep-alive, uPGRADE")),
        changed(("Sec-WebSocket-Protocol", None), ("Origin", None)),
        changed(("Sec-WebSocket-Protocol", ", a,, b,")),
        changed(("Host", "[::1]:8765")),
        changed(version="1.2"),
        changed(version="2.0"),
        parsed(RFC_REQUEST)._replace(target="ws://server.example.com/chat"),
    ],
)
def test_good_requests(request_: Request) -> None:
    assert check_request(request_) == KEY


@pytest.mark.parametrize(
    ("request_", "status", "why"),
    [
        (changed(method="HEAD"), 405, "GET"),
        (changed(version="1.0"), 400, r"HTTP/1\.1"),
        (changed(version="0.9"), 400, r"HTTP/1\.1"),
        (parsed(RFC_REQUEST)._replace(target="*"), 400, "neither a path nor"),
        (parsed(RFC_REQUEST)._replace(target="/chat#top"), 400, "fragment"),
        (changed(("Host", None)), 400, "0 Host"),
        (plus(("host", "server.example.com")), 400, "2 Host"),
        (changed(("Host", "a b")), 400, "is not a host"),
        (changed(("Host", "user@host")), 400, "is not a host"),
        (changed(("Upgrade", None)), 426, "Upgrade: websocket"),
        (changed(("Upgrade", "websockets")), 426, "Upgrade: websocket"),
        (changed(("Connection", None)), 400, "Connection"),
        (changed(("Connection", "keep-alive")), 400, "Connection"),
        (changed(("Sec-WebSocket-Version", None)), 400, "Version"),
        (plus(("Sec-WebSocket-Version", "13")), 400, "Version"),
        (changed(("Sec-WebSocket-Version", "8")), 426, "we speak 13"),
        (changed(("Sec-WebSocket-Version", "013")), 426, "we speak 13"),
        (changed(("Sec-WebSocket-Key", None)), 400, "exactly one"),
        (plus(("Sec-WebSocket-Key", KEY)), 400, "exactly one"),
        (changed(("Sec-WebSocket-Key", "AAAA")), 400, "16 octets"),
        (changed(("Sec-WebSocket-Protocol", "a, a")), 400, "twice"),
        (plus(("Sec-WebSocket-Protocol", "chat")), 400, "twice"),
        (changed(("Sec-WebSocket-Protocol", "a b")), 400, "token"),
        (plus(("Sec-WebSocket-Extensions", ";")), 400, "grammar"),
    ],
)
def test_bad_requests(request_: Request, status: int, why: str) -> None:
    error = refusal(request_)
    assert error.status == status
    assert re.search(why, error.message)


def test_a_refusal_says_what_was_wrong_and_what_would_be_right() -> None:
    error = refusal(changed(("Sec-WebSocket-Version", "8")))
    response = error_response(error, [("Date", "Mon, 23 Nov 2026 12:00:00 GMT")])
    assert response.status == 426
    assert response.headers["Sec-WebSocket-Version"] == "13"
    assert response.headers["Upgrade"] == "websocket"
    assert response.headers["Content-Length"] == str(len(response.body))
    assert response.body.decode() == f"426 Upgrade Required\n{error}\n"
    again = parse_response(response.to_bytes())
    assert again == (response, len(response.to_bytes()))
    only_get = error_response(refusal(changed(method="POST")))
    assert (only_get.status, only_get.headers["Allow"]) == (405, "GET")
    assert only_get.headers["Connection"] == "close"
    assert error_response(HandshakeError("?", status=599)).reason == "Error"
    assert (
        error_response(HandshakeError("full", status=503))
        .to_bytes()
        .startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    )


def test_what_the_peer_sent_is_escaped_and_cut_in_the_answer() -> None:
    error = refusal(changed(("Sec-WebSocket-Key", "\x1b[31m<script>" + "x" * 1_000)))
    assert "\\x1b[31m" in str(error)
    assert len(str(error)) < 200


def test_host_is_for_every_request() -> None:
    assert check_host(parsed(RFC_REQUEST)) == "server.example.com"
    with pytest.raises(HandshakeError, match="0 Host"):
        check_host(parsed(b"GET / HTTP/1.1\r\n\r\n"))


# ---------------------------------------------------------------------- Origin


@pytest.mark.parametrize(
    ("origin", "allowed", "same_host", "good"),
    [
        ("http://evil.example", None, False, True),
        ("http://example.com", ["http://example.com"], False, True),
        ("HTTP://Example.Com", ["http://example.com"], False, True),
        ("http://example.com.evil", ["http://example.com"], False, False),
        ("https://example.com", ["http://example.com"], False, False),
        ("null", ["http://example.com"], False, False),
        (None, ["http://example.com"], False, False),
        (None, ["http://example.com", None], False, True),
        (None, [None], True, True),
        ("http://server.example.com", [], True, True),
        ("http://server.example.com:81", [], True, False),
        ("http://evil.example", [], True, False),
        ("", [], True, False),
    ],
)
def test_origin(
    origin: str | None, allowed: list[str | None] | None, same_host: bool, good: bool
) -> None:
    request = changed(("Origin", None))
    if origin is not None:
        request = request._replace(headers=Headers([*request.headers, ("Origin", origin)]))
    if good:
        check_origin(request, allowed, same_host=same_host)
    else:
        with pytest.raises(HandshakeError, match="is not allowed here") as caught:
            check_origin(request, allowed, same_host=same_host)
        assert caught.value.status == 403


def test_two_origins_are_nobodys() -> None:
    with pytest.raises(HandshakeError, match="several") as caught:
        check_origin(plus(("Origin", "http://example.com")), ["http://example.com"])
    assert caught.value.status == 400


# ---------------------------------------------------------------------- subprotocols, extensions


def test_subprotocols_go_by_the_clients_wish() -> None:
    request = parsed(RFC_REQUEST)
    assert offered_subprotocols(request) == ("chat", "superchat")
    assert select_subprotocol(request, ["superchat", "chat"]) == "chat"
    assert select_subprotocol(request, ["superchat"]) == "superchat"
    assert select_subprotocol(request, ["other"]) is None
    assert select_subprotocol(changed(("Sec-WebSocket-Protocol", None)), ["chat"]) is None


# ---------------------------------------------------------------------- the two answers


def test_the_answer_carries_what_was_agreed_on() -> None:
    offer = ExtensionOffer("permessage-deflate", (("server_max_window_bits", "12"),))
    request = plus(("Sec-WebSocket-Extensions", format_extensions([offer])))
    response = accept_response(request, "superchat", [offer], [("Set-Cookie", "a=b")])
    again = answered(response.to_bytes())
    assert again == response
    assert again.headers["set-cookie"] == "a=b"
    assert check_response(again, KEY, ["superchat"], [offer]) == Agreement("superchat", (offer,))


def test_a_subprotocol_that_nobody_offered_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="did not offer"):
        accept_response(parsed(RFC_REQUEST), "other")


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "\u4f60", "a\r\n"])
def test_no_value_can_split_the_answer(value: str) -> None:
    with pytest.raises(LocalProtocolError, match="cannot stand in a header field"):
        accept_response(parsed(RFC_REQUEST), headers=[("X", value)]).to_bytes()
    with pytest.raises(LocalProtocolError, match="cannot stand in a header field"):
        build_request("example.com", "/", KEY, headers=[("X", value)])


@pytest.mark.parametrize("name", ["upgrade", "Sec-WebSocket-Accept", "Content-Length"])
def test_the_fields_of_the_handshake_are_its_own(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="by the handshake itself"):
        accept_response(parsed(RFC_REQUEST), headers=[(name, "1")])


@pytest.mark.parametrize(
    ("old", "new", "status", "why"),
    [
        (b"101 Switching Protocols", b"200 OK", 200, "answered 200 OK"),
        (b"101 Switching Protocols", b"302 Found\r\nLocation: /x", 302, "answered 302 Found"),
        (b"Upgrade: websocket", b"X: y", 502, "Upgrade field"),
        (b"Upgrade: websocket", b"Upgrade: h2c", 502, "Upgrade field"),
        (b"Connection: Upgrade", b"Connection: close", 502, "Connection field"),
        (b"s3pP", b"S3pP", 502, "Sec-WebSocket-Accept is"),
        (b"Sec-WebSocket-Accept", b"Sec-WebSocket--Accept", 502, "Sec-WebSocket-Accept is"),
        (b"Protocol: chat", b"Protocol: other", 502, "'other' was not offered"),
        (b"Protocol: chat", b"Protocol: chat\r\nsec-websocket-protocol: chat", 502, "offered"),
        (b"Protocol: chat", b"Extensions: bzip2", 502, "'bzip2', which was not offered"),
        (b"Protocol: chat", b"Extensions: a=", 502, "grammar"),
    ],
)
def test_a_client_checks_the_answer(old: bytes, new: bytes, status: int, why: str) -> None:
    assert old in RFC_RESPONSE
    with pytest.raises(HandshakeError, match=why) as caught:
        check_response(answered(RFC_RESPONSE.replace(old, new, 1)), KEY, ["chat"])
    assert caught.value.status == status


def test_a_client_may_be_answered_without_subprotocol() -> None:
    answer = RFC_RESPONSE.replace(b"Sec-WebSocket-Protocol: chat\r\n", b"")
    assert check_response(answered(answer), KEY, ["chat"]) == Agreement(None, ())


# ---------------------------------------------------------------------- building requests


def test_a_request_that_we_build_is_one_that_we_take() -> None:
    data = build_request(
        "example.com:8765",
        "/chat?room=1",
        KEY,
        subprotocols=["goim.v1.json", "goim.v1.bson"],
        extensions=[ExtensionOffer("permessage-deflate", (("client_max_window_bits", None),))],
        origin="http://example.com",
        headers=[("Authorization", "Bearer x")],
    )
    request = parsed(data)
    assert check_request(request) == KEY
    assert request.query == "room=1"
    assert offered_subprotocols(request) == ("goim.v1.json", "goim.v1.bson")
    assert request.headers["authorization"] == "Bearer x"
    assert request.headers["origin"] == "http://example.com"
    assert b"permessage-deflate; client_max_window_bits\r\n" in data


@pytest.mark.parametrize(
    ("host", "target", "subprotocols", "why"),
    [
        ("example.com", "chat", [], "is not a target"),
        ("example.com", "/a b", [], "is not a target"),
        ("example.com", "/#top", [], "is not a target"),
        ("example.com", "/\r\n", [], "is not a target"),
        ("", "/", [], "is not a valid Host"),
        ("a b", "/", [], "is not a valid Host"),
        ("example.com", "/", ["a b"], "is not a subprotocol name"),
        ("example.com", "/", ["a", "a"], "twice"),
    ],
)
def test_a_request_that_cannot_be(
    host: str, target: str, subprotocols: list[str], why: str
) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        build_request(host, target, KEY, subprotocols=subprotocols)


# ---------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("uri", "parts", "header"),
    [
        ("ws://example.com", (False, "example.com", 80, "/"), "example.com"),
        ("WSS://example.com", (True, "example.com", 443, "/"), "example.com"),
        ("wss://example.com:80/a", (True, "example.com", 80, "/a"), "example.com:80"),
        ("ws://[::1]:8765/?a=b", (False, "::1", 8765, "/?a=b"), "[::1]:8765"),
        ("ws://localhost?a=b", (False, "localhost", 80, "/?a=b"), "localhost"),
    ],
)
def test_addresses(uri: str, parts: tuple[bool, str, int, str], header: str) -> None:
    address = parse_uri(uri)
    assert address == WebSocketURI(*parts)
    assert address.host_header == header


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.com",
        "example.com",
        "ws://",
        "ws://a b/",
        "ws://example.com/#top",
        "ws://example.com:0",
        "ws://example.com:65536",
        "ws://example.com:x",
        "ws://example.com/a\r\nb",
    ],
)
def test_no_addresses(uri: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_uri(uri)
