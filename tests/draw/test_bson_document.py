"""The picture of a BSON document: what it reads is what ``bson.decode`` reads, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.draw.bson_document import Row, bson_document, walk_bson
from tests.pictures import SVG, check_picture, root_of, texts

WHEN = datetime(2026, 11, 23, 13, 56, 0, 249_000, tzinfo=UTC)
MESSAGE = {"_id": "4:lisa:m1", "room_id": "lobby", "seq": 7, "text": "你好, hello", "at": WHEN}
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=40)
    | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
        lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000, tzinfo=UTC)
    )
    | st.binary(min_size=12, max_size=12).map(bson.ObjectId)
)
documents = st.dictionaries(
    names,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=6,
)


def rebuild(rows: list[Row]) -> Any:
    """Put the values of the rows together again."""
    stack: list[Any] = []
    for row in rows:
        value: Any = row.value
        if row.type in ("document", "array"):
            value = {} if row.type == "document" else []
        elif row.type == "end":
            done = stack.pop()
            if not stack:
                return done
            continue
        if stack and isinstance(stack[-1], list):
            stack[-1].append(value)
        elif stack:
            stack[-1][row.name] = value
        if row.type in ("document", "array"):
            stack.append(value)
    raise AssertionError("the document does not end")


def check_pieces(data: bytes, rows: list[Row]) -> None:
    """Each byte lies in exactly one piece, in order."""
    position = 0
    for row in rows:
        for piece in row.pieces:
            assert piece.start == position
            assert piece.data == data[position : position + len(piece.data)]
            position += len(piece.data)
    assert position == len(data)


@settings(max_examples=60, deadline=None)
@given(documents)
def test_it_reads_what_bson_reads(document: dict[str, Any]) -> None:
    data = bson.encode(document)
    rows, error = walk_bson(data)
    assert error == ""
    assert rebuild(rows) == bson.decode(data, OPTIONS)
    check_pieces(data, rows)


@settings(max_examples=60, deadline=None)
@given(documents, st.data())
def test_damage_is_told_and_no_byte_is_lost(document: dict[str, Any], draw: st.DataObject) -> None:
    data = bytearray(bson.encode(document))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    rows, error = walk_bson(bytes(data))
    check_pieces(bytes(data), rows)
    assert bool(error) == (rows[-1].type == "unread")


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


RARE: Mapping[str, Any] = {
    "regex": bson.Regex("a+", "i"),
    "timestamp": bson.Timestamp(1_700_000_000, 3),
    "decimal": bson.Decimal128("1.50"),
    "code": bson.Code("1+1"),
    "scoped": bson.Code("x", {"x": 1}),
    "pointer": bson.DBRef("rooms", bson.ObjectId(b"0123456789ab")),
    "min": bson.MinKey(),
    "max": bson.MaxKey(),
    "old binary": bson.Binary(b"abc", 2),
    "uuid": bson.Binary(bytes(16), 4),
}


@pytest.mark.parametrize("name", RARE)
def test_rare_types(name: str) -> None:
    data = bson.encode({name: RARE[name]})
    rows, error = walk_bson(data)
    assert error == ""
    check_pieces(data, rows)
    check_picture(bson_document(data))


def test_values_of_rare_types() -> None:
    rows, _ = walk_bson(bson.encode(RARE))
    values = {row.name: row.value for row in rows}
    assert values["regex"] == ("a+", "i")
    assert values["timestamp"] == (1_700_000_000, 3)
    assert values["decimal"] == bson.Decimal128("1.50")
    assert (values["code"], values["scoped"]) == ("1+1", "x")


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


def test_documents_without_end_in_each_other() -> None:
    data = b"\x05\0\0\0\0"
    for _ in range(120):
        body = b"\x03a\0" + data + b"\0"
        data = (len(body) + 4).to_bytes(4, "little") + body
    _, error = walk_bson(data)
    assert "more than 100 deep" in error


def test_dates_beyond_python() -> None:
    rows, error = walk_bson(bytes.fromhex("10000000 09 6100 ffffffffffffff7f 00".replace(" ", "")))
    assert error == ""
    assert rows[1].value == 2**63 - 1
