"""The picture of a BSON document: every byte is drawn, and damage is told."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from hypothesis import given, settings

from goim_edu.draw.bson_document import bson_document
from goim_edu.draw.bson_elements import read_bson
from tests.draw.test_bson_elements import RARE, check_pieces, documents
from tests.pictures import SVG, check_picture, root_of, texts

WHEN = datetime(2026, 11, 23, 13, 56, 0, 249_000, tzinfo=UTC)
MESSAGE = {"_id": "4:lisa:m1", "room_id": "lobby", "seq": 7, "text": "你好, hello", "at": WHEN}


@settings(max_examples=20, deadline=None)
@given(documents)
def test_a_wrong_byte_cannot_be_drawn(document: dict[str, Any]) -> None:
    data = bson.encode(document)
    picture = bson_document(data, lines=10_000)
    drawn = [
        next(node.iter(f"{SVG}text")).text
        for node in root_of(picture).iter(f"{SVG}g")
        if node.attrib.get("class") == "byte"
    ]
    if not any("more" in line for line in texts(picture)):
        assert drawn == [f"{octet:02x}" for octet in data]


@pytest.mark.parametrize("name", RARE)
def test_rare_types(name: str) -> None:
    data = bson.encode({name: RARE[name]})
    rows, error = read_bson(data)
    assert error == ""
    check_pieces(data, rows)
    check_picture(bson_document(data))


def test_the_picture_of_a_message() -> None:
    picture = bson_document(MESSAGE)
    check_picture(picture)
    drawn = texts(picture)
    assert "room_id = 'lobby'" in drawn
    assert "at = 2026-11-23T13:56:00.249Z" in drawn
    assert "你" in drawn, "a character stands below its first byte"
    assert f"{len(bson.encode(MESSAGE))} bytes hold 5 elements" in drawn
    assert "string, " not in picture.alt
    assert "seq = 7, lowest byte first" in picture.alt


def test_long_values_and_many_elements_are_cut_and_it_is_said() -> None:
    picture = bson_document({"blob": bytes(1000)})
    assert any(re.fullmatch(r"… \d+ more", line) for line in texts(picture))
    many = bson_document({str(number): number for number in range(100)}, lines=10)
    check_picture(many)
    assert any("bytes not drawn, from byte" in line for line in texts(many))
    assert many.height < 600
    assert len(many.fields) == 102


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("", "4 bytes are announced, 0 are there"),
        ("ff 00 00 00 00", "a document of 255 bytes does not fit here"),
        ("05 00 00 00 00 00", "1 bytes stand behind its end"),
        ("08 00 00 00 55 61 00 00", "there is no type 0x55"),
        ("09 00 00 00 08 61 00 02 00", "a boolean is 00 or 01, not 02"),
        ("0d 00 00 00 02 61 00 00 00 00 00 00 00", "a string without its closing 00"),
        ("06 00 00 00 00 00", "a document of 6 bytes ends after 5"),
        ("07 00 00 00 0a 61 62", "a name without its closing 00"),
    ],
)
def test_what_is_wrong_is_said(damaged: str, said: str) -> None:
    picture = bson_document(bytes.fromhex(damaged))
    assert said in picture.alt
    if damaged:
        check_picture(picture)
