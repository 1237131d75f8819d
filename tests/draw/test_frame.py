"""The picture of a frame: every bit of it, and the fields and verdict of ``explain``."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu import draw
from goim_edu.capture import Capture, CapturedFrame
from goim_edu.websocket.close import build_close
from goim_edu.websocket.explain import explain
from goim_edu.websocket.frames import Frame, Opcode, apply_mask, build_frame

SVG = "{http://www.w3.org/2000/svg}"
KEY = bytes.fromhex("37fa213d")
FRAMES = {
    "masked hello": bytes.fromhex("818537fa213d7f9f4d5158"),
    "plain hello": bytes.fromhex("810548656c6c6f"),
    "126": build_frame("x" * 126),
    "65,536": build_frame(bytes(65_536), Opcode.BINARY, mask_key=KEY),
    "Chinese": build_frame("你好，世界\n", mask_key=KEY),
    "close": build_frame(build_close(1000, "bye"), Opcode.CLOSE, mask_key=KEY),
    "rsv1": bytes.fromhex("c10548656c6c6f"),
    "reserved opcode": bytes.fromhex("8300"),
    "roundabout length": bytes.fromhex("817e000548656c6c6f"),
    "highest bit": bytes.fromhex("82ff800000000000000037fa213d"),
    "no UTF-8": build_frame(b"ab\xff\xfe"),
    "cut header": bytes.fromhex("818537fa"),
    "cut payload": bytes.fromhex("81054865"),
    "one byte": b"\x81",
    "nothing": b"",
}


def parsed(picture: draw.Picture) -> ET.Element:
    return ET.fromstring(picture.svg())


def drawn_bits(picture: draw.Picture) -> dict[int, str]:
    found = [node for node in parsed(picture).iter(f"{SVG}text") if "data-bit" in node.attrib]
    bits = {int(node.attrib["data-bit"]): node.text or "" for node in found}
    assert len(bits) == len(found), "a bit is drawn twice"
    return bits


def drawn_boxes(picture: draw.Picture) -> list[tuple[str, int, int]]:
    groups = [node for node in parsed(picture).iter(f"{SVG}g") if "data-start" in node.attrib]
    return [
        (n.attrib["data-name"], int(n.attrib["data-start"]), int(n.attrib["data-length"]))
        for n in groups
    ]


def check_bits(data: bytes, picture: draw.Picture) -> None:
    """Every drawn bit is the bit of the data; what is not there is a question mark."""
    for number, shown in drawn_bits(picture).items():
        octet = number // 8
        expected = f"{data[octet]:08b}"[number % 8] if octet < len(data) else "?"
        assert shown == expected, f"bit {number}"


def check_boxes(data: bytes, picture: draw.Picture) -> None:
    """Every drawn box lies in the field of its name, and each drawn bit in exactly one box."""
    fields = {field.name: field for field in explain(data, kind="frame").fields}
    covered: list[int] = []
    for name, start, length in drawn_boxes(picture):
        covered += range(start, start + length)
        if name != "missing":
            field = fields[name]
            assert field.start_bit <= start
            assert start + length <= field.start_bit + field.bit_length
    assert sorted(covered) == sorted(drawn_bits(picture))


@pytest.mark.parametrize("name", FRAMES)
def test_a_wrong_bit_cannot_be_drawn(name: str) -> None:
    picture = draw.frame(FRAMES[name])
    check_bits(FRAMES[name], picture)
    check_boxes(FRAMES[name], picture)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_can_be_drawn_and_are_drawn_right(data: bytes) -> None:
    picture = draw.frame(data)
    check_bits(data, picture)
    check_boxes(data, picture)


def test_every_bit_of_a_short_frame_is_drawn() -> None:
    for name in ("masked hello", "Chinese", "close"):
        assert sorted(drawn_bits(draw.frame(FRAMES[name]))) == [*range(len(FRAMES[name]) * 8)]


@pytest.mark.parametrize("name", FRAMES)
def test_the_fields_are_those_of_explain(name: str) -> None:
    explained = explain(FRAMES[name], kind="frame")
    fields = draw.frame(FRAMES[name]).fields
    assert [
        (f["name"], f["start_bit"], f["bit_length"], f["value"], f["meaning"]) for f in fields
    ] == [(f.name, f.start_bit, f.bit_length, f.value, f.meaning) for f in explained.fields]
    assert [f["name"] for f in fields if f["wrong"]] == [n for n in [explained.culprit] if n]


@pytest.mark.parametrize("name", FRAMES)
def test_words_say_the_verdict_and_every_field(name: str) -> None:
    explained = explain(FRAMES[name], kind="frame")
    picture = draw.frame(FRAMES[name])
    assert explained.verdict in picture.alt
    for field in explained.fields:
        assert f"{field.name} (" in picture.alt
    assert parsed(picture).attrib["aria-label"] == picture.alt
    assert parsed(picture).attrib["role"] == "img"


def test_the_unmasked_payload_is_written_under_each_byte() -> None:
    drawn = [node.text for node in parsed(draw.frame(FRAMES["masked hello"])).iter(f"{SVG}text")]
    for wire, key, plain in zip(apply_mask(b"Hello", KEY), KEY + KEY, b"Hello", strict=False):
        assert f"0x{wire:02x} ⊕ 0x{key:02x} = 0x{plain:02x} ‘{chr(plain)}’" in drawn


def test_characters_of_several_bytes_stand_at_their_first_byte() -> None:
    drawn = [node.text or "" for node in parsed(draw.frame(FRAMES["Chinese"])).iter(f"{SVG}text")]
    for char in "你好":
        assert sum(line.endswith(f"‘{char}’") for line in drawn) == 1
    assert any(line.endswith("‘\\n’") for line in drawn)


def test_long_payloads_are_cut_and_it_is_said_by_how_much() -> None:
    picture = draw.frame(FRAMES["65,536"], rows=6)
    bits = drawn_bits(picture)
    total = len(FRAMES["65,536"])
    left_out = total - len(bits) // 8
    assert f"{left_out:,} bytes not drawn" in picture.svg()
    assert max(bits) == total * 8 - 1
    assert picture.height < 1000


def test_the_wrong_field_is_framed_and_no_other() -> None:
    for name, wrong in {"rsv1": "RSV1", "reserved opcode": "opcode", "masked hello": None}.items():
        groups = [
            n for n in parsed(draw.frame(FRAMES[name])).iter(f"{SVG}g") if "data-name" in n.attrib
        ]
        framed = {
            group.attrib["data-name"]
            for group in groups
            if any(node.attrib.get("class") == "bad" for node in group)
        }
        assert framed == ({wrong} if wrong else set())


def test_the_name_of_one_wrong_bit_is_drawn_over_its_frame() -> None:
    groups = parsed(draw.frame(FRAMES["rsv1"])).iter(f"{SVG}g")
    [rsv1] = [list(group) for group in groups if group.get("data-name") == "RSV1"]
    frame = next(at for at, node in enumerate(rsv1) if node.get("class") == "bad")
    name = next(at for at, node in enumerate(rsv1) if node.text == "RSV1")
    assert frame < name


def test_only_the_bytes_from_the_bad_one_on_are_framed() -> None:
    groups = parsed(draw.frame(FRAMES["no UTF-8"])).iter(f"{SVG}g")
    framed = [
        int(g.attrib["data-start"]) // 8
        for g in groups
        if any(n.attrib.get("class") == "bad" for n in g)
    ]
    assert framed == [4, 5]


def test_who_sent_it_decides_about_the_mask() -> None:
    assert draw.frame(FRAMES["plain hello"], sender="server").alt.count("a good frame") == 1
    unmasked = draw.frame(FRAMES["plain hello"], sender="client")
    assert [field["name"] for field in unmasked.fields if field["wrong"]] == ["MASK"]
    assert unmasked.title == "Text frame from the client"


def test_bytes_behind_the_frame_are_mentioned() -> None:
    picture = draw.frame(FRAMES["plain hello"] + b"\x89\x00")
    assert "2 more bytes follow: the next frame begins at byte 7" in picture.alt
    assert max(drawn_bits(picture)) == 7 * 8 - 1


STEPS = [(), "FIN", ("FIN", "opcode"), ("fin", "MASK", "Payload length"), ["Payload data"]]


@pytest.mark.parametrize("only", STEPS, ids=str)
def test_only_some_fields_are_named_and_every_bit_is_there(only: Any) -> None:
    data = FRAMES["masked hello"]
    picture = draw.frame(data, only=only)
    wanted = [only] if isinstance(only, str) else only
    names = {"fin": "FIN"}
    chosen = {names.get(name, name) for name in wanted}
    check_bits(data, picture)
    assert sorted(drawn_bits(picture)) == [*range(len(data) * 8)]
    assert {field["name"] for field in picture.fields} == chosen
    boxes = drawn_boxes(picture)
    assert {name for name, _, _ in boxes} == chosen | {""}
    named = {bit for name, at, size in boxes if name for bit in range(at, at + size)}
    whole = {field.name: field for field in explain(data, kind="frame").fields}
    assert named == {
        bit
        for name in chosen
        for bit in range(whole[name].start_bit, whole[name].start_bit + whole[name].bit_length)
    }
    said = [name for name in whole if f"\n{name} (" in picture.alt]
    assert set(said) == chosen
    written = {node.text for node in parsed(picture).iter(f"{SVG}text")}
    assert not written & (whole.keys() - chosen)
    assert "continued" not in " ".join(text or "" for text in written)


def test_a_verdict_is_told_when_the_field_that_is_wrong_is_named() -> None:
    assert "RSV1 is set" in draw.frame(FRAMES["rsv1"], only="RSV1").alt
    assert "RSV1 is set" not in draw.frame(FRAMES["rsv1"], only="FIN").svg()
    assert "cut" in draw.frame(FRAMES["cut payload"], only="FIN").alt


@pytest.mark.parametrize("only", ["fins", ["FIN", "Masking-key"], ""])
def test_a_name_that_the_frame_has_not_is_refused_with_those_it_has(only: Any) -> None:
    with pytest.raises(ValueError, match=r"no field '(fins|Masking-key|)'; it has FIN, RSV1, "):
        draw.frame(FRAMES["plain hello"], only=only)


def test_the_ruler_says_what_it_counts_and_from_where() -> None:
    written = [
        node.text or "" for node in parsed(draw.frame(FRAMES["masked hello"])).iter(f"{SVG}text")
    ]
    at = written.index("bit")
    assert "counted from the left" in written[at - 1]
    assert written[at + 1 : at + 33] == [str(bit) for bit in range(32)]
    assert written.count("byte") == 3, "one for each row"


@pytest.mark.parametrize("rsv", [{}, {"rsv1": True}, {"rsv2": True}, {"rsv3": True}])
def test_a_frame_object_is_drawn_with_all_its_bits(rsv: dict[str, bool]) -> None:
    picture = draw.frame(Frame(Opcode.BINARY, b"abc", fin=False, mask_key=KEY, **rsv))
    first = "".join(drawn_bits(picture)[number] for number in range(8))
    flags = "".join(str(int(rsv.get(name, False))) for name in ("rsv1", "rsv2", "rsv3"))
    assert first == f"0{flags}0010"


def test_a_captured_frame_knows_its_sender() -> None:
    capture = Capture()
    tap = capture.tap(1)
    tap("in", 0.0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    tap("out", 0.0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    tap("in", 0.0, FRAMES["plain hello"])
    captured: CapturedFrame = capture.frames()[0]
    assert [f["name"] for f in draw.frame(captured).fields if f["wrong"]] == ["MASK"]
