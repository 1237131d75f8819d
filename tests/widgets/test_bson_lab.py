"""BsonLab's Python side: JSON and bytes both ways, elements and their bytes, what is damaged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.draw.bson_elements import read_bson
from goim_edu.widgets import BsonLab
from goim_edu.widgets.bson_presets import PRESETS
from tests.draw.test_bson_elements import documents
from tests.widgets.test_widgets import VIEW, Browser

SEVEN = {"seq": 7}


@settings(max_examples=60, deadline=None)
@given(documents)
def test_json_and_bytes_lead_to_each_other(document: dict[str, Any]) -> None:
    lab = BsonLab(document)
    data = lab.value
    assert data == bson.encode(document)
    assert lab.problem == ""
    if lab.view["note"]:
        return  # names such as $oid: JSON takes them for its own
    for way in ("json", "hex"):
        other = BsonLab({})
        setattr(other, way, getattr(lab, way))
        assert other.value == data


@settings(max_examples=60, deadline=None)
@given(documents, st.data())
def test_elements_and_bytes_are_what_the_walker_finds(
    document: dict[str, Any], draw: st.DataObject
) -> None:
    lab = BsonLab(document)
    if draw.draw(st.booleans()):
        at = draw.draw(st.integers(0, len(lab.value) - 1))
        lab.put(at, draw.draw(st.integers(0, 255)))
    rows, error = read_bson(lab.value)
    assert lab.elements == rows
    assert lab.problem == error or (not error and lab.problem.startswith("bson.decode refuses"))
    assert bytes(lab.view["octets"]) == lab.value[:1024]
    shown = lab.view["rows"]
    covered = [at for row in shown for at in range(row["first"], row["last"] + 1)]
    assert covered == list(range(len(covered)))
    for row in shown:
        assert sum(p["last"] + 1 - p["first"] for p in row["pieces"]) == row["size"]


@pytest.mark.parametrize("preset", PRESETS, ids=[preset.name for preset in PRESETS])
def test_each_preset_is_what_it_says(preset: Any) -> None:
    lab = BsonLab(preset.name)
    assert lab.value == preset.data
    assert bool(lab.problem) is preset.broken
    assert lab.view["state"] == ("wrong" if preset.broken else "good")
    if preset.broken:
        assert 0 <= lab.view["wrongAt"] < len(lab.value)
        assert lab.view["json"] == ""
        with pytest.raises(ValueError, match=r"^byte \d+: "):
            lab.document
    else:
        assert lab.document == bson.decode(preset.data, lab_options())
        assert lab.view["note"] == ""
        lab.json = lab.json
        assert lab.value == preset.data, "over JSON and back"


def lab_options() -> bson.CodecOptions[dict[str, Any]]:
    return bson.CodecOptions(tz_aware=True)


def test_every_common_type_is_among_the_presets() -> None:
    types = {row.type for row in BsonLab("every common type").elements}
    common = {"double", "string", "document", "array", "binary", "ObjectId", "boolean", "null"}
    assert common | {"UTC datetime", "int32", "int64", "decimal128", "timestamp"} <= types
    with pytest.raises(KeyError, match="no preset"):
        BsonLab("no such")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a type that does not exist", "byte 20: there is no type 0x55"),
        ("a string that lies about its length", "byte 14: 60 bytes are announced, 23 are there"),
        ("a string without its closing 00", "byte 19: a string without its closing 00"),
        ("a text that is not UTF-8", "byte 16: a text that is not UTF-8: invalid start byte"),
        ("a boolean of 2", "byte 35: a boolean is 00 or 01, not 02"),
        ("cut off", "byte 0: a document of 37 bytes does not fit here"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(name: str, problem: str) -> None:
    lab = BsonLab(name)
    assert lab.problem == lab.view["verdict"] == problem
    assert lab.view["wrongAt"] == int(problem[5:].partition(":")[0])
    last = lab.view["rows"][-1]
    assert last["kind"] == "unread"
    assert last["first"] <= lab.view["wrongAt"] <= last["last"]


def test_what_the_walker_reads_and_bson_refuses_is_said_too() -> None:
    inner = bytes.fromhex("0c000000 55 6100 07000000 00")
    code = b"\x0fcode\0" + (4 + 4 + 2 + len(inner)).to_bytes(4, "little") + b"\x02\0\0\0x\0" + inner
    lab = BsonLab((len(code) + 5).to_bytes(4, "little") + code + b"\0")
    assert lab.problem.startswith("bson.decode refuses it: ")
    assert lab.view["wrongAt"] == -1


def test_an_int64_stays_one_on_the_way_over_json() -> None:
    lab = BsonLab({"small": bson.Int64(7), "in": [bson.Int64(-1)], "large": 2**40, "seq": 7})
    before = lab.value
    lab.json = lab.json
    assert lab.value == before
    assert [row.type for row in lab.elements if row.name == "small"] == ["int64"]


def test_times_that_no_datetime_holds_are_read() -> None:
    lab = BsonLab({"at": bson.DatetimeMS(10**17), "then": datetime(2026, 1, 1, tzinfo=UTC)})
    assert lab.problem == ""
    assert '"$numberLong": "100000000000000000"' in lab.json
    assert '"2026-01-01T00:00:00Z"' in lab.json


def test_json_that_cannot_say_it_all_says_so() -> None:
    lab = BsonLab(bytes.fromhex("13000000 10 6100 01000000 10 6100 02000000 00"))
    assert lab.problem == ""
    assert lab.document == {"a": 2}
    assert "JSON cannot say all of this" in lab.view["note"]
    assert "JSON cannot say all" in BsonLab({"x": {"$oid": 5}}).view["note"]


def test_sizes_are_compared() -> None:
    lab = BsonLab(SEVEN)
    assert lab.sizes == {"BSON": 14, "JSON": 9}
    verdict = "14 bytes hold 1 element, 5 more than compact JSON, which takes 9"
    assert lab.view["verdict"] == verdict
    assert "fewer than" in BsonLab("an ObjectId").view["verdict"]


def test_an_element_is_chosen_and_left_when_it_is_gone() -> None:
    lab = BsonLab({"a": {"b": 1}, "c": 2})
    lab.select(2)
    assert lab.element is not None
    assert (lab.element.path, lab.element.value) == ("a.b", 1)
    assert [row["until"] for row in lab.view["rows"][:2]] == [len(lab.value) - 1, 18]
    assert [row["text"] for row in lab.view["rows"][1:3]] == ["a: 12 bytes", "b = 1"]
    with pytest.raises(IndexError, match="element 6: there are 6"):
        lab.select(6)
    lab.value = bson.encode({})
    assert (lab.selected, BsonLab({}).element) == (-1, None)


def test_a_byte_is_replaced() -> None:
    lab = BsonLab(SEVEN)
    lab.put(9, 8)
    assert lab.document == {"seq": 8}
    with pytest.raises(IndexError, match="byte 14: the document has 14"):
        lab.put(14, 0)
    with pytest.raises(ValueError):
        lab.put(0, 256)


def test_what_the_browser_does_in_the_bson_lab() -> None:
    lab = BsonLab()
    browser = Browser(lab)
    lab._handle_custom_msg({"type": "json", "text": '{"seq": 7}'}, [])
    assert lab.document == SEVEN
    lab._handle_custom_msg({"type": "select", "number": 1}, [])
    assert lab.selected == 1
    lab._handle_custom_msg({"type": "put", "at": 9, "octet": 9}, [])
    lab._handle_custom_msg({"type": "put", "at": 99, "octet": 9}, [])  # a click that came late
    assert lab.document == {"seq": 9}
    lab._handle_custom_msg({"type": "select", "number": 99}, [])
    assert lab.selected == -1
    lab._handle_custom_msg({"type": "hex", "text": "05 00\n00 00 00"}, [])
    assert lab.document == {}
    lab._handle_custom_msg({"type": "load", "name": "cut off"}, [])
    assert lab.problem
    assert browser.got == [], "nothing was refused"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,\n "b"}', "line 2, column 5"),
        ("[1]", "a document stands in braces, this is a list"),
        ('{"a": {"$oid": "xyz"}}', "24-character hex string"),
        ('{"a": {"$numberDecimal": "x"}}', "this is not a document"),
        ('{"a": {"$binary": 5}}', "this is not a document"),
        ('{"a": 99999999999999999999}', "8-byte ints"),
        ('{"a\\u0000": 1}', "NULL byte"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        ('{"a":' * 9000 + "1" + "}" * 9000, "too deep"),
        ('{"a":' * 101 + "1" + "}" * 101, "100 levels"),
        ('{"a": "' + "x" * 70_000 + '"}', "65,536"),
    ],
)
def test_what_is_no_document_is_said(text: str, said: str) -> None:
    lab = BsonLab(SEVEN)
    answer = Browser(lab).does(type="json", text=text)
    assert answer["type"] == "refused"
    assert said in answer["text"]
    assert lab.document == SEVEN


def test_hex_digits_come_in_pairs() -> None:
    lab = BsonLab(SEVEN)
    assert "pairs of hex digits" in Browser(lab).does(type="hex", text="0")["text"]
    assert lab.document == SEVEN


def test_a_long_document_is_shown_in_part_and_says_so() -> None:
    lab = BsonLab({"list": list(range(2000))})
    view = lab.view
    assert (len(view["octets"]), view["more"]) == (1024, len(lab.value) - 1024)
    assert (len(view["rows"]), view["moreRows"]) == (300, 2004 - 300)
    assert repr(lab).endswith("...)")


def test_a_bson_lab_leaves_a_picture_where_no_kernel_runs() -> None:
    lab = BsonLab(SEVEN)
    data, _ = lab._repr_mimebundle_()
    assert VIEW in data
    assert data["text/plain"] == "BsonLab(0e00000010736571000700000000)"
    assert data["text/html"] == lab.picture().svg()
    lab.load("a boolean of 2")
    assert "not 02" in lab.picture().alt
    assert BsonLab(b"").picture().svg()


def test_a_hundred_levels_are_allowed() -> None:
    lab = BsonLab(SEVEN)
    lab._handle_custom_msg({"type": "json", "text": '{"a":' * 99 + "[1]" + "}" * 99}, [])
    assert lab.document != SEVEN
