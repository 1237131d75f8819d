"""The opening handshake: the RFC's examples, each check of §4, and heads that mean harm."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.handshake import (
    Agreement,
    ExtensionOffer,
    HandshakeLimits,
    Headers,
    Request,
    Response,
    WebSocketURI,
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
    parse_extensions,
    parse_request,
    parse_response,
    parse_uri,
    select_subprotocol,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="

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


# ---------------------------------------------------------------------- header fields


def test_headers_find_any_case_and_keep_order_and_spelling() -> None:
    headers = Headers([("X-Two", "2"), ("x-one", "1"), ("X-ONE", "uno")])
    assert list(headers) == [("X-Two", "2"), ("x-one", "1"), ("X-ONE", "uno")]
    assert headers["X-one"] == headers.get("X-ONE") == "1, uno"
    assert headers.get_all("X-One") == ["1", "uno"]
    assert (headers.count("x-one"), headers.count("x-two"), headers.count("x-three")) == (2, 1, 0)
    assert Headers([("a", "b")]).count("A") == 1
    assert len(headers) == 3
    assert "x-ONE" in headers
    assert 1 not in headers
    assert headers.get("no") == ""
    assert headers.get("no", "?") == "?"
    with pytest.raises(KeyError):
        headers["no"]
    assert headers == Headers(list(headers))
    assert headers != list(headers)
    assert hash(headers) == hash(Headers(list(headers)))
    assert repr(Headers([("a", "b")])) == "Headers([('a', 'b')])"


# ---------------------------------------------------------------------- parsing requests


def test_a_head_in_pieces_is_not_complete_until_its_last_octet() -> None:
    for cut in range(len(RFC_REQUEST)):
        assert parse_request(RFC_REQUEST[:cut]) is None
    assert parse_request(RFC_REQUEST + b"\x81\x80") == (parsed(RFC_REQUEST), len(RFC_REQUEST))


def test_one_empty_line_before_is_forgiven() -> None:
    assert parsed(b"\r\n" + RFC_REQUEST) == parsed(RFC_REQUEST)
    assert parse_request(b"\r") is None
    assert parse_request(b"\r\n") is None
    with pytest.raises(HandshakeError):
        parse_request(b"\r\n\r\n" + RFC_REQUEST)


def test_values_lose_only_the_white_space_around_them() -> None:
    request = parsed(b"GET / HTTP/1.1\r\nA:1\r\nB: \t two  words \t\r\nC:\r\nD: caf\xe9\r\n\r\n")
    assert list(request.headers) == [("A", "1"), ("B", "two  words"), ("C", ""), ("D", "café")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"GET / HTTP/1.1\r\nA: 1\r\n folded: 2", "white space"),
        (b"GET / HTTP/1.1\r\n\tfolded: 2", "white space"),
        (b"GET / HTTP/1.1\r\nA: 1\r\nno colon", "no colon"),
        (b"GET / HTTP/1.1\r\nA : 1", "no token"),
        (b"GET / HTTP/1.1\r\n: 1", "no token"),
        (b"GET / HTTP/1.1\r\n\xe9: 1", "no token"),
        (b"GET / HTTP/1.1\r\nA: \0", "control character"),
        (b"GET / HTTP/1.1\r\nA: 1\nB: 2", "control character"),
        (b"GET / HTTP/1.1\r\nA: 1\r\r\nB: 2", "control character"),
        (b"GET / HTTP/1.1\r\nA: 1\rB: 2", "control character"),
        (b"GET / HTTP/1.1\r\nA: \x7f", "control character"),
        (b"GET /\r\nHost: a", "first line"),
        (b"GET / HTTP/1.1 \r\nHost: a", "first line"),
        (b"GET  / HTTP/1.1", "first line"),
        (b"GET / HTTP/11.1", "first line"),
        (b"GET / http/1.1", "first line"),
        (b"GET /caf\xe9 HTTP/1.1", "first line"),
        (b"GET /\x00 HTTP/1.1", "first line"),
        (b"G(T / HTTP/1.1", "first line"),
        (b"GET / HTTP/1.1\n", "first line"),
        (b"A: 1", "first line"),
    ],
)
def test_a_line_that_is_none(line: bytes, why: str) -> None:
    with pytest.raises(HandshakeError, match=why) as caught:
        parse_request(line + b"\r\n\r\n")
    assert caught.value.status == 400
    assert "RFC 9112" in str(caught.value)


def test_unicode_line_separators_separate_nothing() -> None:
    request = parsed(b"GET / HTTP/1.1\r\nA: 1\x85B: 2\r\n\r\n")
    assert list(request.headers) == [("A", "1\x85B: 2")]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x16\x03\x01\x02\x00", "wss://"),
        (b"\x81\x85", "octet 0x81"),
        (b" GET", "octet 0x20"),
        (b"GET / HTTP/1.1\nHost: a\n\n", "bare LF"),
        (b"GET / HTTP/1.1\r\nA: \0", "NUL"),
    ],
)
def test_what_cannot_become_a_request_is_refused_before_it_ends(data: bytes, why: str) -> None:
    with pytest.raises(HandshakeError, match=why) as caught:
        parse_request(data)
    assert caught.value.status == 400


SMALL = HandshakeLimits(max_line=40, max_headers=3, max_total=100)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 40 + b" HTTP/1.1", 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 40, 431),
        (b"GET / HTTP/1.1\r\nA: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5", 431),
        (b"GET / HTTP/1.1" + b"\r\nA: 12345678901234567890" * 4, 431),
    ],
)
def test_bounds_hold_before_and_after_the_head_is_complete(
    head: bytes, status: int, end: bytes
) -> None:
    with pytest.raises(HandshakeError) as caught:
        parse_request(head + end, SMALL)
    assert caught.value.status == status


def test_what_is_just_within_the_bounds_is_taken() -> None:
    head = b"GET / HTTP/1.1\r\nA: " + b"a" * 37 + b"\r\nB: " + b"b" * 31 + b"\r\nC:\r\n\r\n"
    assert len(head) == SMALL.max_total
    assert len(parsed(head, SMALL).headers) == 3
    for cut in range(len(head)):
        assert parse_request(head[:cut], SMALL) is None


@pytest.mark.parametrize(
    ("method", "field", "status"),
    [
        ("GET", "Content-Length: 5", 400),
        ("GET", "Content-Length: 0, 0", 400),
        ("GET", "Transfer-Encoding: chunked", 400),
        ("POST", "Content-Length: 5", 405),
    ],
)
def test_a_request_with_a_body_is_refused(method: str, field: str, status: int) -> None:
    with pytest.raises(HandshakeError) as caught:
        parse_request(f"{method} / HTTP/1.1\r\n{field}\r\n\r\n".encode())
    assert caught.value.status == status


def test_a_body_of_no_octets_is_none() -> None:
    assert parsed(b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").method == "GET"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a/b?c=d?e", "/a/b", "c=d?e"),
        ("//x", "//x", ""),
        ("http://example.com/a?b", "/a", "b"),
        ("http://example.com", "/", ""),
        ("/a?u=http://x/y", "/a", "u=http://x/y"),
        ("*", "*", ""),
    ],
)
def test_path_and_query(target: str, path: str, query: str) -> None:
    request = Request("GET", target, "HTTP/1.1", Headers())
    assert (request.path, request.query) == (path, query)


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
        (changed(("Host", "a b")), 400, "is no host"),
        (changed(("Host", "user@host")), 400, "is no host"),
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


@pytest.mark.parametrize(
    ("value", "offers"),
    [
        ("foo", [("foo", ())]),
        ("foo,", [("foo", ())]),
        (" , foo ; a ,\t,bar", [("foo", (("a", None),)), ("bar", ())]),
        ("foo; bar; baz=2", [("foo", (("bar", None), ("baz", "2")))]),
        ('foo; a="b"', [("foo", (("a", "b"),))]),
        (r'foo; a="\b\c"', [("foo", (("a", "bc"),))]),
        ("foo; a = b", [("foo", (("a", "b"),))]),
        ("foo; a; a", [("foo", (("a", None), ("a", None)))]),
        (
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10, x-foo",
            [
                (
                    "permessage-deflate",
                    (("client_max_window_bits", None), ("server_max_window_bits", "10")),
                ),
                ("x-foo", ()),
            ],
        ),
        ("a" * 300, [("a" * 300, ())]),  # longer than what is remembered
    ],
)
def test_extension_grammar(
    value: str, offers: list[tuple[str, tuple[tuple[str, str | None], ...]]]
) -> None:
    assert parse_extensions(value) == tuple(ExtensionOffer(*offer) for offer in offers)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        ";",
        "=",
        "foo;",
        "foo; ;a",
        "foo; =b",
        "foo; a=",
        "foo; a=,",
        'foo; a=""',
        'foo; a="b c"',
        'foo; a="b',
        'foo; a="b\\',
        'foo; "a"',
        '"foo"',
        "foo bar",
        "foo; a b",
        "foo; a=b c",
        "foo=a",
        "foo; a=b=c",
        "foo@bar",
        "foo; a=é",
    ],
)
def test_not_the_extension_grammar(value: str) -> None:
    with pytest.raises(HandshakeError, match="does not follow the grammar") as caught:
        parse_extensions(value)
    assert (caught.value.status, caught.value.section) == (400, "RFC 6455 §9.1")


TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=8)
OFFERS = st.lists(
    st.builds(
        ExtensionOffer,
        TOKENS,
        st.lists(st.tuples(TOKENS, st.none() | TOKENS), max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=4,
)


@given(OFFERS)
def test_extensions_round_trip(offers: list[ExtensionOffer]) -> None:
    assert parse_extensions(format_extensions(offers)) == tuple(offers)


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


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "\u4f60"])
def test_no_name_can_either(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="no header name"):
        Response(200, "OK", Headers([(name, "1")])).to_bytes()


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
        (b"Protocol: chat", b"Extensions: bzip2", 502, "'bzip2', nobody"),
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


# ---------------------------------------------------------------------- parsing responses


def test_a_response_in_pieces() -> None:
    for cut in range(len(RFC_RESPONSE)):
        assert parse_response(RFC_RESPONSE[:cut]) is None
    assert parse_response(RFC_RESPONSE + b"\x81\x00") == (
        answered(RFC_RESPONSE),
        len(RFC_RESPONSE),
    )


def test_interim_responses_are_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    assert parse_response(early) is None
    assert parse_response(early + early + RFC_RESPONSE) == (
        answered(RFC_RESPONSE),
        2 * len(early) + len(RFC_RESPONSE),
    )


@pytest.mark.parametrize(
    ("rest", "eof", "body"),
    [
        (b"Content-Length: 5\r\n\r\nHello, more", False, b"Hello"),
        (b"Content-Length: 5\r\n\r\nHell", False, None),
        (b"Content-Length: 5\r\n\r\nHell", True, b"Hell"),
        (b"Content-Length: 0\r\n\r\n", False, b""),
        (b"Content-Length: 11\r\n\r\nHello, world", False, b"Hello, wo"),  # max_body is 9
        (b"Content-Length: 11\r\n\r\nHello, w", False, None),
        (b"Content-Length: x\r\n\r\nHello", False, b"Hello"),
        (b"Content-Length: \xb2\r\n\r\nHello", False, b"Hello"),
        (b"Content-Length: 9999999999999999999\r\n\r\nHello", False, b"Hello"),
        (b"\r\nHello", False, b"Hello"),
    ],
)
def test_the_body_of_a_refusal(rest: bytes, eof: bool, body: bytes | None) -> None:
    head = b"HTTP/1.1 403 Forbidden\r\n"
    result = parse_response(head + rest, HandshakeLimits(max_body=9), eof=eof)
    assert (result and result[0].body) == body


@pytest.mark.parametrize("status", [101, 204, 304])
def test_answers_without_a_body(status: int) -> None:
    data = f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode()
    assert parse_response(data + b"Hello") == (answered(data), len(data))


def test_a_reason_may_be_empty_or_missing() -> None:
    assert answered(b"HTTP/1.1 204 \r\n\r\n").reason == ""
    assert answered(b"HTTP/1.1 204\r\n\r\n").reason == ""


@pytest.mark.parametrize("line", [b"HTTP/2 101 x", b"HTTP/1.1 abc", b"ICY 200 OK", b"HTTP/1.1 099"])
def test_a_status_line_that_is_none(line: bytes) -> None:
    with pytest.raises(HandshakeError, match="status line"):
        parse_response(line + b"\r\n\r\n")


def test_what_cannot_become_a_response() -> None:
    with pytest.raises(HandshakeError, match="octet 0x15"):
        parse_response(b"\x15\x03\x01")


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
        ("example.com", "chat", [], "no target"),
        ("example.com", "/a b", [], "no target"),
        ("example.com", "/#top", [], "no target"),
        ("example.com", "/\r\n", [], "no target"),
        ("", "/", [], "no Host"),
        ("a b", "/", [], "no Host"),
        ("example.com", "/", ["a b"], "no subprotocol name"),
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
        "ws://user:word@example.com",
        "ws://example.com/#top",
        "ws://example.com:0",
        "ws://example.com:65536",
        "ws://example.com:x",
        "ws://example.com/a\r\nb",
    ],
)
def test_no_addresses(uri: str) -> None:
    with pytest.raises(LocalProtocolError):
        parse_uri(uri)


# ---------------------------------------------------------------------- any bytes at all

PIECES = st.lists(
    st.sampled_from(
        [b"GET ", b"/ ", b"HTTP/1.1", b"\r\n", b"\r", b"\n", b":", b" ", b"Host", b"a", b"\0"]
    )
    | st.sampled_from(
        [b"Upgrade: websocket\r\n", b"HTTP/1.1 101 \r\n", b"\xff", b"Content-Length: 3\r\n"]
    )
).map(b"".join)


@given(PIECES | st.binary(max_size=60))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    for parse in (parse_request, parse_response):
        try:
            result = parse(data)
        except HandshakeError as error:
            answered(error_response(error).to_bytes())
        else:
            assert result is None or 0 < result[1] <= len(data)


@given(PIECES, st.integers(0, 80))
def test_a_longer_start_never_changes_a_refusal_into_a_request(data: bytes, cut: int) -> None:
    try:
        parse_request(data[:cut])
    except HandshakeError:
        with pytest.raises(HandshakeError):
            parse_request(data)
