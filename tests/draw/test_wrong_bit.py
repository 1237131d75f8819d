"""The picture of the first wrong bit names the bit that is wrong."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from goim_edu.draw import wrong_bit
from goim_edu.websocket.explain import explain
from goim_edu.websocket.frames import build_frame


@pytest.mark.parametrize("bit", range(11 * 8))
def test_the_picture_marks_the_bit_that_was_flipped(bit: int) -> None:
    want = build_frame(b"Hello", mask_key=b"\x37\xfa\x21\x3d")
    got = bytearray(want)
    got[bit // 8] ^= 0x80 >> bit % 8
    picture = wrong_bit.compare(want, bytes(got), wrong_bit.frame_fields(want))
    assert picture
    (found,) = picture.fields
    assert found["bit"] == bit
    assert found["want"] != found["got"]
    name = next(
        field.name
        for field in explain(want).fields
        if field.start_bit <= bit < field.start_bit + field.bit_length
    )
    assert found["field"] == name
    assert name in picture.alt


def test_what_is_missing_or_too_much_is_said() -> None:
    short = wrong_bit.compare(b"ab", b"a")
    long = wrong_bit.compare(b"a", b"ab")
    assert short is not None
    assert long is not None
    assert "too early: bit 8" in short.alt
    assert "nothing should follow byte 0" in long.alt
    assert wrong_bit.compare(b"a", b"a") is None


def test_pictures_are_good_svg_with_words() -> None:
    picture = wrong_bit.compare(b"ab", b"xy")
    assert picture
    svg = ElementTree.fromstring(picture.svg())
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == picture.alt
