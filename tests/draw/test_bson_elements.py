"""BSON taken apart: what it reads is what ``bson.decode`` reads, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import bson
from bson.codec_options import CodecOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.draw.bson_elements import Row, read_bson

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
    rows, error = read_bson(data)
    assert error == ""
    assert rebuild(rows) == bson.decode(data, OPTIONS)
    check_pieces(data, rows)


@settings(max_examples=60, deadline=None)
@given(documents, st.data())
def test_damage_is_told_and_no_byte_is_lost(document: dict[str, Any], draw: st.DataObject) -> None:
    data = bytearray(bson.encode(document))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    rows, error = read_bson(bytes(data))
    check_pieces(bytes(data), rows)
    assert bool(error) == (rows[-1].type == "unread")


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


def test_values_of_rare_types() -> None:
    rows, _ = read_bson(bson.encode(RARE))
    values = {row.name: row.value for row in rows}
    assert values["regex"] == ("a+", "i")
    assert values["timestamp"] == (1_700_000_000, 3)
    assert values["decimal"] == bson.Decimal128("1.50")
    assert (values["code"], values["scoped"]) == ("1+1", "x")


def test_documents_without_end_in_each_other() -> None:
    data = b"\x05\0\0\0\0"
    for _ in range(120):
        body = b"\x03a\0" + data + b"\0"
        data = (len(body) + 4).to_bytes(4, "little") + body
    _, error = read_bson(data)
    assert "more than 100 deep" in error


def test_dates_beyond_python() -> None:
    rows, error = read_bson(bytes.fromhex("10000000 09 6100 ffffffffffffff7f 00".replace(" ", "")))
    assert error == ""
    assert rows[1].value == 2**63 - 1
