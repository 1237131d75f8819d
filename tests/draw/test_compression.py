"""The picture of a compressed message: every drawn bit, and what the codes say."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goim_edu.draw.compression import compression
from goim_edu.websocket.deflate import (
    DeflateConfig,
    DeflateParams,
    PerMessageDeflate,
    deflate_shared,
)
from goim_edu.websocket.frames import Frame, Opcode
from tests.pictures import SVG, check_picture, root_of, texts

FIRST = b'{"type":"message","room_id":"lobby","text":"Hello"}'
SECOND = b'{"type":"message","room_id":"lobby","text":"Hello, Lisa"}'


@settings(max_examples=40, deadline=None)
@given(st.text("abc \n\0ä", max_size=80))
@example("aaaa a \naa\naaaaa\n a\0a  aa")
def test_a_wrong_bit_cannot_be_drawn(text: str) -> None:
    sent = deflate_shared(text.encode())
    picture = compression(sent, wire_rows=99)
    drawn = {
        int(node.attrib["data-bit"]): node.text
        for node in root_of(picture).iter(f"{SVG}text")
        if "data-bit" in node.attrib
    }
    bits = [str(octet >> bit & 1) for octet in sent for bit in range(8)]
    assert drawn == {number: bits[number] for number in drawn}
    left_out = {number for number in range(len(bits)) if number not in drawn}
    at = 0
    for field in picture.fields:  # of a block's own codes, the rows in the middle are left out
        own = range(at, at + field["bits"])
        assert not left_out & set(own) or field["kind"] == "tables"
        at += field["bits"]
    assert b"".join(field["plain"] for field in picture.fields) == text.encode()
    assert sum(field["bits"] for field in picture.fields) == 8 * len(sent)


def test_copies_from_the_message_before_are_shown_with_their_source() -> None:
    sender = PerMessageDeflate(DeflateParams(), True, DeflateConfig())
    sender.compress(FIRST)
    sent = sender.compress(SECOND)
    picture = compression(sent, history=FIRST)
    check_picture(picture)
    assert len(sent) < len(SECOND) / 2
    assert any("sent before" in line for line in texts(picture))
    copied = [field for field in picture.fields if field["kind"] == "copy"]
    assert f"a copy of {copied[0]['octets']} octets from {copied[0]['distance']}" in picture.alt
    before_and_plain = FIRST + SECOND
    for field in copied:
        start = len(FIRST) + field["at"] - field["distance"]
        assert before_and_plain[start : start + field["octets"]] == field["plain"]


def test_a_frame_and_own_codes() -> None:
    words = " ".join(str(number**3) for number in range(500)).encode()
    sent = deflate_shared(words)
    picture = compression(Frame(Opcode.TEXT, sent, rsv1=True))
    check_picture(picture)
    assert "tables" in {field["kind"] for field in picture.fields}
    assert any("octets not drawn" in line for line in texts(picture))
    assert f"{len(words):,} plain octets go as {len(sent):,}" in picture.title


def test_stored_octets_and_the_empty_message() -> None:
    maker = zlib.compressobj(0, zlib.DEFLATED, -15)
    sent = maker.compress(b"as it is") + maker.flush(zlib.Z_SYNC_FLUSH)
    picture = compression(sent.removesuffix(b"\0\0\xff\xff"))
    check_picture(picture)
    assert [field["plain"] for field in picture.fields if field["plain"]] == [b"as it is"]
    check_picture(compression(b"\0"))


def test_what_is_no_compressed_message() -> None:
    with pytest.raises(ValueError, match="no block of kind 3"):
        compression(b"\x06")
    with pytest.raises(ValueError, match="before the first one"):
        compression(bytes.fromhex("4a021100"))
