"""The picture of an ObjectId: its parts are those that ``bson`` sees."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.draw.object_id import object_id
from tests.pictures import check_picture, texts


@given(st.binary(min_size=12, max_size=12))
def test_the_parts_are_true(data: bytes) -> None:
    (fields,) = object_id(data).fields
    assert fields["time"] == ObjectId(data).generation_time
    rest = fields["chance"] + fields["counter"].to_bytes(3)
    assert fields["seconds"].to_bytes(4) + rest == data


def test_every_byte_is_drawn() -> None:
    picture = object_id("656f1a2b9d3e4f5a6b7c8d9e")
    check_picture(picture)
    assert [line for line in texts(picture) if len(line) == 2] == [
        f"{octet:02x}" for octet in bytes.fromhex("656f1a2b9d3e4f5a6b7c8d9e")
    ]
    assert "1,701,780,011 s  =  2023-12-05 12:40:11 UTC" in texts(picture)


def test_what_stays_the_same_is_pale() -> None:
    first, second = ObjectId(), ObjectId()
    picture = object_id(first, str(second))
    check_picture(picture)
    same = sum(a == b for a, b in zip(first.binary, second.binary, strict=True))
    assert picture.svg().count("box tint") == same >= 8
    assert picture.fields[1]["counter"] == picture.fields[0]["counter"] + 1


def test_ids_of_a_time() -> None:
    when = datetime(2026, 11, 23, 13, 56, tzinfo=UTC)
    assert object_id(ObjectId.from_datetime(when)).fields[0]["time"] == when


@pytest.mark.parametrize("wrong", ["abc", b"too short", 7])
def test_what_is_none(wrong: str) -> None:
    with pytest.raises(ValueError):
        object_id(wrong)
    with pytest.raises(ValueError, match="at least one"):
        object_id()
