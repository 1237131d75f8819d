"""The picture of masking: every drawn bit against ``apply_mask``."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.draw.masking import masking
from goim_edu.errors import LocalProtocolError
from goim_edu.websocket.frames import Frame, Opcode, apply_mask, parse_frame
from tests.pictures import check_picture, texts

KEY = bytes.fromhex("37fa213d")


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=16), st.binary(min_size=4, max_size=4))
def test_a_wrong_bit_cannot_be_drawn(payload: bytes, key: bytes) -> None:
    picture = masking(payload, key)
    columns = picture.fields
    assert bytes(column["payload"] for column in columns) == payload
    assert bytes(column["result"] for column in columns) == apply_mask(payload, key)
    assert all(column["key"] == key[column["octet"] % 4] for column in columns)
    drawn = "".join(line for line in texts(picture) if line in ("0", "1"))
    expected = "".join(
        f"{octet:08b}"
        for row in range(0, len(payload), 4)
        for name in ("payload", "key", "result")
        for octet in [column[name] for column in columns[row : row + 4]]
    )
    assert drawn == expected


def test_a_frame_brings_its_key() -> None:
    frame, _ = parse_frame(bytes.fromhex("818537fa213d7f9f4d5158"))
    picture = masking(frame)
    check_picture(picture)
    assert picture.fields == masking("Hello", KEY).fields
    assert "octet 1: 01100101 (e) XOR key octet 1 11111010 = 10011111" in picture.alt


def test_turned_bits_are_boxed() -> None:
    picture = masking(b"\x00", b"\x81\x00\x00\x00")
    assert picture.svg().count('rx="3"') == 4, "two in the key, two in the result"


def test_a_long_payload_is_cut_and_says_so() -> None:
    picture = masking(bytes(1000), KEY)
    check_picture(picture)
    assert len(picture.fields) == 1000
    assert any("984 octets not drawn" in line for line in texts(picture))
    assert "1,000 octets in all" in picture.alt


def test_what_cannot_be_masked() -> None:
    with pytest.raises(LocalProtocolError, match="4 octets"):
        masking("Hello", b"abc")
    with pytest.raises(ValueError, match="needs a masking key"):
        masking(Frame(Opcode.TEXT, b"Hello"))
    with pytest.raises(ValueError, match="at least one octet"):
        masking(b"", KEY)
