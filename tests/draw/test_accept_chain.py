"""The picture of ``Sec-WebSocket-Accept``: a true chain for any key."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.draw.accept_chain import accept_chain
from goim_edu.errors import HandshakeError
from goim_edu.websocket.handshake import (
    GUID,
    generate_accept,
)
from tests.pictures import check_picture, texts

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_the_chain_is_true_for_any_key(octets: bytes) -> None:
    key = base64.b64encode(octets).decode()
    steps = {field["step"]: field["value"] for field in accept_chain(key).fields}
    assert steps["key and GUID"] == key + GUID
    assert steps["SHA-1"] == hashlib.sha1((key + GUID).encode()).digest()
    assert steps["Base64"] == generate_accept(key)


def test_the_chain_is_drawn_as_it_is() -> None:
    picture = accept_chain(KEY, ACCEPT)
    check_picture(picture)
    drawn = texts(picture)
    digest = bytes.fromhex("b37a4f2cc0624f1690f64606cf385945b2bec4ea")
    assert [line for line in drawn if len(line) == 2] == [f"{octet:02x}" for octet in digest]
    letters = [line for line in drawn if len(line) == 1 and line != "+"]
    assert "".join(letters) == ACCEPT.replace("+", "")
    with pytest.raises(HandshakeError):
        accept_chain("too short")
