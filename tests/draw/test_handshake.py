"""The picture of the opening handshake: lines and verdicts of ``explain``."""

from __future__ import annotations

import pytest

from goim_edu.capture import Handshake
from goim_edu.draw.handshake import handshake
from goim_edu.errors import HandshakeError
from goim_edu.websocket.explain import explain
from goim_edu.websocket.handshake import (
    Response,
    accept_response,
    build_request,
    check_request,
    error_response,
    parse_request,
)
from tests.pictures import check_picture, texts

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
REQUEST = build_request(
    "example.com",
    "/chat?room=1",
    KEY,
    subprotocols=["goim.v1.json"],
    origin="http://example.com",
    headers=[("X-Long", "a value <&> " * 40)],
)


def answer(request: bytes = REQUEST) -> Response:
    parsed = parse_request(request)
    assert parsed is not None
    return accept_response(parsed[0], "goim.v1.json")


def test_lines_and_meanings_are_those_of_explain() -> None:
    response = answer().to_bytes()
    picture = handshake(REQUEST, response)
    check_picture(picture)
    expected = [*explain(REQUEST).fields, *explain(response, key=KEY).fields]
    drawn = [field for field in picture.fields if field["part"] != "chain"]
    assert [(f["name"], f["value"], f["meaning"]) for f in drawn] == [
        (f.name, f.value, f.meaning) for f in expected
    ]
    assert [f["name"] for f in drawn if f["required"] and f["part"] == "response"] == [
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Accept",
    ]
    assert not any(f["wrong"] for f in drawn)
    assert "✓ the server answered just that" in texts(picture)


def test_objects_and_captures_give_the_same_picture() -> None:
    parsed = parse_request(REQUEST)
    assert parsed is not None
    from_bytes = handshake(REQUEST, answer().to_bytes())
    assert handshake(parsed[0], answer()).svg() == from_bytes.svg()
    assert handshake(Handshake(1, parsed[0], answer())).svg() == from_bytes.svg()
    with pytest.raises(ValueError, match="no request"):
        handshake(Handshake(1))


def test_a_refused_request_shows_the_line_that_is_wrong() -> None:
    bad = REQUEST.replace(b"Version: 13", b"Version: 8")
    parsed = parse_request(bad)
    assert parsed is not None
    with pytest.raises(HandshakeError) as caught:
        check_request(parsed[0])
    picture = handshake(bad, error_response(caught.value))
    check_picture(picture)
    assert [f["name"] for f in picture.fields if f.get("wrong")] == ["Sec-WebSocket-Version"]
    assert picture.svg().count('class="bad"') == 1
    assert "the server refuses with 426: the connection stays HTTP" in texts(picture)
    assert not [f for f in picture.fields if f["part"] == "chain"], "it was not computed"


def test_a_false_accept_is_seen() -> None:
    false = answer().to_bytes().replace(ACCEPT.encode(), b"t" + ACCEPT[1:].encode())
    picture = handshake(REQUEST, false)
    check_picture(picture)
    assert [f["name"] for f in picture.fields if f.get("wrong")] == ["Sec-WebSocket-Accept"]
    assert "something else" in picture.alt
