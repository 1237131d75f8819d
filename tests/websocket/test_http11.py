"""HTTP heads: fields, requests and responses in pieces, bounds, and lines that mean harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.websocket.handshake import error_response
from goim_edu.websocket.http11 import (
    HandshakeLimits,
    Headers,
    Request,
    Response,
    parse_request,
    parse_response,
    quoted,
)
from tests.rfc import RFC_REQUEST, RFC_RESPONSE, answered, parsed

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
        (b"GET / HTTP/1.1\r\nA : 1", "not a token"),
        (b"GET / HTTP/1.1\r\n: 1", "not a token"),
        (b"GET / HTTP/1.1\r\n\xe9: 1", "not a token"),
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


# ---------------------------------------------------------------------- writing


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "\u4f60"])
def test_no_name_can_split_a_head(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="not a header name"):
        Response(200, "OK", Headers([(name, "1")])).to_bytes()


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "\u4f60", "a\r\n"])
def test_no_value_can_either(value: str) -> None:
    with pytest.raises(LocalProtocolError, match="cannot stand in a header field"):
        Response(200, "OK", Headers([("X", value)])).to_bytes()


def test_a_peers_text_is_quoted_in_a_line() -> None:
    assert quoted("a\r\n") == r"'a\r\n'"
    assert quoted("a" * 60) == repr("a" * 60)
    assert quoted("a" * 61) == repr("a" * 57 + "...")


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
