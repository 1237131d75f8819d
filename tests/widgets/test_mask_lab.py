"""MaskLab's Python side: what it masks, flips and refuses, what it shows without a browser."""

from __future__ import annotations

from typing import Any

import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.errors import LocalProtocolError
from goim_edu.websocket.frames import Frame, Opcode, parse_frame
from goim_edu.websocket.masking import apply_mask
from goim_edu.widgets import MaskLab
from tests.widgets.test_widgets import VIEW, Browser

KEY = bytes.fromhex("37fa213d")
keys = st.binary(min_size=4, max_size=4)


@settings(deadline=None)
@given(st.binary(max_size=40), keys)
def test_what_is_shown_is_what_apply_mask_makes(payload: bytes, key: bytes) -> None:
    lab = MaskLab(payload, key)
    assert lab.masked == apply_mask(payload, key)
    assert lab.again == payload
    assert bytes(lab.view["wire"]) == lab.masked[:16]
    assert bytes(lab.view["again"]) == payload[:16]
    assert lab.view["total"] == len(payload)
    frame, consumed = parse_frame(lab.value, masked=True)
    assert (frame, consumed) == (lab.frame, len(lab.value))
    assert (frame.payload, frame.mask_key) == (payload, key)


def test_the_example_of_the_rfc_is_where_it_starts() -> None:
    lab = MaskLab()
    assert (lab.payload, lab.key) == (b"Hello", KEY)
    assert lab.value.hex() == "818537fa213d7f9f4d5158"
    assert lab.verdict.startswith("23 of 40 bits turn over")


def test_a_bit_of_the_payload_turns_one_bit_on_the_wire() -> None:
    lab = MaskLab("Hello")
    before = lab.masked
    lab.flip(39)
    assert lab.payload == b"Helln"
    assert [a ^ b for a, b in zip(before, lab.masked, strict=True)] == [0, 0, 0, 0, 1]
    lab.flip(39)
    assert lab.masked == before


def test_a_bit_of_the_key_turns_every_fourth_octet() -> None:
    lab = MaskLab("Hello, you")
    before = lab.masked
    lab.flip_key(0)
    assert lab.key == bytes.fromhex("b7fa213d")
    changed = [n for n, pair in enumerate(zip(before, lab.masked, strict=True)) if len({*pair}) > 1]
    assert changed == [0, 4, 8]
    assert lab.again == b"Hello, you"


@pytest.mark.parametrize("bit", [-1, 40])
def test_the_payload_has_only_so_many_bits(bit: int) -> None:
    with pytest.raises(IndexError, match="the payload has bits 0 to 39"):
        MaskLab("Hello").flip(bit)


def test_neither_the_key_nor_nothing_has_more_bits() -> None:
    with pytest.raises(IndexError, match="the key has bits 0 to 31"):
        MaskLab("Hello").flip_key(32)
    with pytest.raises(IndexError, match="the payload has no bits"):
        MaskLab("").flip(0)


@pytest.mark.parametrize("size", [0, 3, 5])
def test_a_key_has_four_octets(size: int) -> None:
    lab = MaskLab()
    with pytest.raises(LocalProtocolError, match=f"4 octets, not {size}"):
        lab.key = bytes(size)
    with pytest.raises(LocalProtocolError):
        MaskLab("Hello", bytes(size))
    assert lab.key == KEY


def test_a_text_is_taken_as_utf_8() -> None:
    lab = MaskLab()
    lab.payload = "你好"
    assert lab.payload == "你好".encode()
    assert lab.view["text"] == "你好"
    with pytest.raises(traitlets.TraitError, match="bytes or a text"):
        lab.payload = 7  # type: ignore[assignment]
    lab.payload = b"\xff\x00"
    assert lab.view["text"] is None
    assert lab.view["lines"][0] == {"name": "payload", "hex": "ff 00", "text": "not UTF-8"}
    assert lab.frame == Frame(Opcode.BINARY, b"\xff\0", mask_key=KEY)


def test_without_a_mask_the_decoder_refuses_the_frame() -> None:
    lab = MaskLab("Hello")
    lab.masking = False
    assert lab.masked == lab.again == b"Hello"
    assert lab.value == b"\x81\x05Hello"
    assert lab.view["state"] == "wrong"
    assert lab.verdict.startswith("fails the connection with 1002: the client did not mask")


def test_a_key_of_zeros_and_an_empty_payload_are_told() -> None:
    lab = MaskLab("Hello", bytes(4))
    assert lab.masked == b"Hello"
    assert "key is all 0" in lab.verdict
    lab.payload = ""
    assert "no payload" in lab.verdict
    assert lab.view["state"] == "good"


def test_a_fresh_key_comes_from_the_system_or_from_who_is_named() -> None:
    lab = MaskLab()
    assert lab.fresh_key() == lab.key
    assert lab.key != KEY, "one chance in four thousand million"
    assert lab.fresh_key(lambda size: b"abcdefgh"[:size]) == b"abcd"


def test_what_the_browser_does_in_the_mask_lab() -> None:
    lab = MaskLab("Hello")
    browser = Browser(lab)
    for content in (
        {"type": "flip", "of": "payload", "bit": 0},
        {"type": "flip", "of": "key", "bit": 31},
        {"type": "key", "octet": 1, "hex": "0A"},
        {"type": "twice", "value": True},
    ):
        lab._handle_custom_msg(content, [])
    assert (lab.payload, lab.key, lab.twice) == (b"\xc8ello", bytes.fromhex("370a213c"), True)
    lab._handle_custom_msg({"type": "payload", "text": "é", "asHex": False}, [])
    assert lab.payload == "é".encode()
    lab._handle_custom_msg({"type": "payload", "text": "00 ff", "asHex": True}, [])
    assert lab.payload == b"\x00\xff"
    lab._handle_custom_msg({"type": "fresh"}, [])
    lab._handle_custom_msg({"type": "masking", "value": False}, [])
    assert not lab.view["masking"]
    assert browser.got == [], "nothing was refused"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"type": "payload", "text": "8z", "asHex": True}, "pairs of hex digits"),
        ({"type": "payload", "text": "x" * 200_000, "asHex": False}, "131,072"),
        ({"type": "key", "octet": 0, "hex": "x1"}, "pairs of hex digits"),
        ({"type": "key", "octet": 0, "hex": ""}, "4 octets, not 3"),
    ],
)
def test_what_cannot_be_masked_is_said(content: dict[str, Any], said: str) -> None:
    lab = MaskLab("Hello")
    answer = Browser(lab).does(**content)
    assert answer["type"] == "refused"
    assert said in answer["text"]
    assert (lab.payload, lab.key) == (b"Hello", KEY)


def test_a_long_payload_is_shown_in_part_and_says_so() -> None:
    lab = MaskLab("x" * 5000)
    assert len(lab.view["payload"]) == 16
    assert lab.view["total"] == 5000
    assert lab.view["long"]
    assert lab.view["text"] is None
    assert lab.view["lines"][0]["hex"].endswith(" …")
    assert repr(lab).endswith("..., key=37fa213d)")


def test_a_mask_lab_leaves_a_picture_where_no_kernel_runs() -> None:
    lab = MaskLab("Hello")
    data, _ = lab._repr_mimebundle_()
    assert VIEW in data
    assert data["text/plain"] == "MaskLab(48656c6c6f, key=37fa213d)"
    assert data["text/html"] == lab.picture().svg()
    lab.masking = False
    assert repr(lab) == "MaskLab(48656c6c6f, key=37fa213d, not masked)"
    assert "did not mask" in lab.picture().alt
    assert MaskLab("").picture().svg()
