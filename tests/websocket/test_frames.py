"""Frames: the examples of the RFC, every rule with the octets that break it, and any cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.errors import IncompleteFrame, LocalProtocolError, RemoteProtocolError
from goim_edu.websocket.close import CLOSE_CODES, build_close, parse_close
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.frames import (
    Frame,
    Header,
    Opcode,
    build_frame,
    build_header,
    check_header,
    encode_text,
    parse_frame,
    parse_header,
)
from tests.strategies import CUTS, KEYS, cut, damaged, streams

KEY = bytes.fromhex("37 fa 21 3d")

# RFC 6455 §5.7, in its order.
EXAMPLES = [
    ("81 05 48 65 6c 6c 6f", Frame(Opcode.TEXT, b"Hello")),
    ("81 85 37 fa 21 3d 7f 9f 4d 51 58", Frame(Opcode.TEXT, b"Hello", mask_key=KEY)),
    ("01 03 48 65 6c", Frame(Opcode.TEXT, b"Hel", fin=False)),
    ("80 02 6c 6f", Frame(Opcode.CONTINUATION, b"lo")),
    ("89 05 48 65 6c 6c 6f", Frame(Opcode.PING, b"Hello")),
    ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", Frame(Opcode.PONG, b"Hello", mask_key=KEY)),
    ("82 7e 01 00" + "2a" * 256, Frame(Opcode.BINARY, b"*" * 256)),
    ("82 7f 00 00 00 00 00 01 00 00" + "2a" * 65536, Frame(Opcode.BINARY, b"*" * 65536)),
]
EXAMPLE_IDS = ["text", "masked", "first", "last", "ping", "pong", "256", "65536"]


@pytest.mark.parametrize(("octets", "frame"), EXAMPLES, ids=EXAMPLE_IDS)
def test_the_examples_of_the_rfc(octets: str, frame: Frame) -> None:
    data = bytes.fromhex(octets)
    assert parse_frame(data) == (frame, len(data))
    assert build_frame(frame.payload, frame.opcode, frame.fin, frame.mask_key) == data


# What the notes' parse_frame made of each of these stands in the comment.
INCOMPLETE = [
    ("", 2),  # IndexError
    ("81", 1),  # IndexError
    ("81 7e 01", 1),  # struct.error
    ("81 7f 00 00 00", 5),
    ("81 05 48 65", 3),  # a message of two octets, silently
    ("81 85", 4),  # an empty message
    ("81 80 37 fa", 2),  # an empty message
    ("81 fe 01 00", 4),
    ("81 85 37 fa 21 3d 7f", 4),
]


@pytest.mark.parametrize(("octets", "missing"), INCOMPLETE)
def test_what_is_cut_says_how_much_is_missing(octets: str, missing: int) -> None:
    with pytest.raises(IncompleteFrame) as caught:
        parse_frame(bytes.fromhex(octets))
    assert caught.value.missing == missing


def test_of_two_frames_the_second_is_left(  # the notes' parse_frame lost it
) -> None:
    frame, consumed = parse_frame(bytes.fromhex("81 01 41 82 01 42"))
    assert (frame, consumed) == (Frame(Opcode.TEXT, b"A"), 3)


# Octets, what to demand of them, close code, section, and a word of the message.
BAD: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("83 00", {}, 1002, "RFC 6455 §5.2", "opcode 3"),  # accepted by the notes
    ("87 00", {}, 1002, "RFC 6455 §5.2", "opcode 7"),
    ("8b 00", {}, 1002, "RFC 6455 §5.2", "opcode 11"),
    ("8f 00", {}, 1002, "RFC 6455 §5.2", "opcode 15"),
    ("c1 00", {}, 1002, "RFC 6455 §5.2", "RSV1"),  # ignored by the notes
    ("a1 00", {}, 1002, "RFC 6455 §5.2", "RSV2"),
    ("91 00", {}, 1002, "RFC 6455 §5.2", "RSV3"),
    ("a1 00", {"allow_rsv1": True}, 1002, "RFC 6455 §5.2", "RSV2"),
    ("c0 00", {"allow_rsv1": True}, 1002, "RFC 7692 §6", "CONTINUATION"),
    ("c9 00", {"allow_rsv1": True}, 1002, "RFC 7692 §6", "PING"),
    ("09 00", {}, 1002, "RFC 6455 §5.5", "fragmented"),
    ("89 7e 00 7e" + "00" * 126, {}, 1002, "RFC 6455 §5.5", "125"),  # accepted by the notes
    ("88 7f", {}, 1002, "RFC 6455 §5.5", "125"),
    ("81 7e 00 05" + "41" * 5, {}, 1002, "RFC 6455 §5.2", "7 would do"),  # accepted
    ("81 7e 00 7d", {}, 1002, "RFC 6455 §5.2", "7 would do"),
    ("81 7f 00 00 00 00 00 00 ff ff", {}, 1002, "RFC 6455 §5.2", "fewer would do"),
    ("81 7f 80 00 00 00 00 00 00 00", {}, 1002, "RFC 6455 §5.2", "highest bit"),  # empty message
    ("81 7f ff ff ff ff ff ff ff ff", {}, 1002, "RFC 6455 §5.2", "highest bit"),
    ("81 00", {"masked": True}, 1002, "RFC 6455 §5.1", "did not mask"),  # accepted by the notes
    ("81 80 00 00 00 00", {"masked": False}, 1002, "RFC 6455 §5.1", "server masked"),
    ("82 0b", {"max_frame_size": 10}, 1009, "RFC 6455 §7.4.1", "we take 10"),
    ("82 7f 00 00 01 00 00 00 00 00", {"max_frame_size": 10}, 1009, "RFC 6455 §7.4.1", "we take"),
]


def feed_one_by_one(decoder: FrameDecoder, data: bytes) -> None:
    for octet in data:
        decoder.feed(bytes([octet]))


@pytest.mark.parametrize(("octets", "demands", "code", "section", "word"), BAD)
def test_bad_octets(
    octets: str, demands: dict[str, Any], code: int, section: str, word: str
) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(RemoteProtocolError) as caught:
        parse_frame(data, **demands)
    assert not isinstance(caught.value, IncompleteFrame)
    assert (caught.value.close_code, caught.value.section) == (code, section)
    assert word in caught.value.message

    decoder = FrameDecoder(**demands)
    with pytest.raises(RemoteProtocolError, match=word):
        feed_one_by_one(decoder, data)
    assert decoder.error is not None
    assert decoder.error.args == caught.value.args


@pytest.mark.parametrize(("octets", "demands", "code", "section", "word"), BAD)
def test_check_header_judges_as_parse_frame(
    octets: str, demands: dict[str, Any], code: int, section: str, word: str
) -> None:
    header = parse_header(bytes.fromhex(octets) + bytes(12))
    with pytest.raises(RemoteProtocolError, match=word) as caught:
        check_header(header, **demands)
    assert (caught.value.close_code, caught.value.section) == (code, section)


def test_a_good_header_passes() -> None:
    check_header(parse_header(b"\xc1\x00"), masked=False, allow_rsv1=True, max_frame_size=0)


def test_the_layout_of_a_header() -> None:
    data = b"..." + bytes.fromhex("71 fe 01 02 0a 0b 0c 0d")
    assert parse_header(data, 3) == Header(
        fin=False,
        rsv1=True,
        rsv2=True,
        rsv3=True,
        opcode=1,
        masked=True,
        length_code=126,
        length=258,
        mask_key=b"\n\x0b\x0c\r",
        size=8,
    )


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, "82 00"),
        (125, "82 7d"),
        (126, "82 7e 00 7e"),
        (65_535, "82 7e ff ff"),
        (65_536, "82 7f 00 00 00 00 00 01 00 00"),
    ],
)
def test_the_shortest_form_of_a_length_is_written(length: int, head: str) -> None:
    assert build_header(0x82, length, masked=False) == bytes.fromhex(head)
    octets = build_frame(bytes(length), Opcode.BINARY)
    assert octets == bytes.fromhex(head) + bytes(length)
    assert parse_frame(octets) == (Frame(Opcode.BINARY, bytes(length)), len(octets))


@given(
    st.binary(max_size=300),
    st.sampled_from([Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY]),
    st.booleans(),
    st.none() | KEYS,
    st.booleans(),
)
def test_what_is_built_is_parsed(
    payload: bytes, opcode: Opcode, fin: bool, key: bytes | None, rsv1: bool
) -> None:
    rsv1 = rsv1 and opcode is not Opcode.CONTINUATION
    frame, consumed = parse_frame(
        build_frame(payload, opcode, fin, key, rsv1) + b"rest", allow_rsv1=True
    )
    assert frame == Frame(opcode, payload, fin, key, rsv1)
    assert consumed == len(build_frame(payload, opcode, fin, key, rsv1))
    assert frame.masked == (key is not None)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"opcode": 3}, "reserved"),
        ({"opcode": 16}, "reserved"),
        ({"opcode": Opcode.PING, "fin": False}, "fragmented"),
        ({"payload": bytes(126), "opcode": Opcode.CLOSE}, "125"),
        ({"opcode": Opcode.CONTINUATION, "rsv1": True}, "RSV1"),
        ({"opcode": Opcode.PONG, "rsv1": True}, "RSV1"),
        ({"mask_key": b"123"}, "4 octets"),
        ({"payload": "text", "opcode": Opcode.BINARY}, "bytes"),
        ({"payload": "\ud83d"}, "no UTF-8"),
    ],
)
def test_what_must_not_be_built(arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(LocalProtocolError, match=word):
        build_frame(**{"payload": b"", **arguments})


def test_text_may_be_a_str_in_any_fragment() -> None:
    assert build_frame("消", Opcode.CONTINUATION) == b"\x80\x03" + encode_text("消")


def test_opcodes_and_frames_show_themselves() -> None:
    assert [opcode for opcode in Opcode if opcode.is_control] == [8, 9, 10]
    assert repr(Frame(Opcode.TEXT, b"Hi")) == "Frame(TEXT, b'Hi')"
    long = Frame(Opcode.BINARY, bytes(50), False, KEY, True, False, True)
    assert repr(long).endswith("... 50 octets, fin=False, mask_key=37fa213d, rsv1=True, rsv3=True)")
    assert repr(Frame(3, b"")) == "Frame(opcode 3, b'')"  # type: ignore[arg-type]


# ---------------------------------------------------------------------- the body of a Close


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4999])
def test_codes_that_may_be_sent(code: int) -> None:
    assert parse_close(build_close(code, "why")) == (code, "why")


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
def test_codes_that_may_not_be_sent(code: int) -> None:
    with pytest.raises(RemoteProtocolError, match="may not be sent") as caught:
        parse_close(code.to_bytes(2))
    assert (caught.value.close_code, caught.value.section) == (1002, "RFC 6455 §7.4")
    if code != 1005:
        with pytest.raises(LocalProtocolError):
            build_close(code)


def test_a_close_without_a_code() -> None:
    assert parse_close(b"") == (1005, "")
    assert build_close(1005) == b""
    with pytest.raises(LocalProtocolError, match="needs a code"):
        build_close(1005, "because")


@pytest.mark.parametrize(
    ("body", "code", "section"),
    [
        (b"\x03", 1002, "RFC 6455 §5.5.1"),
        (b"\x03\xe8\xff", 1007, "RFC 6455 §5.5.1"),
        (b"\x03\xe8\xed\xa0\x80", 1007, "RFC 6455 §5.5.1"),
    ],
)
def test_bad_bodies_of_a_close(body: bytes, code: int, section: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_close(body)
    assert (caught.value.close_code, caught.value.section) == (code, section)


def test_a_reason_has_at_most_123_octets() -> None:
    assert len(build_close(1000, "é" * 61)) == 124
    with pytest.raises(LocalProtocolError, match="123"):
        build_close(1000, "é" * 62)


def test_each_code_has_a_meaning() -> None:
    assert CLOSE_CODES[1009] == "message too big"


# ---------------------------------------------------------------------- the decoder


@given(streams(), CUTS)
def test_any_cut_gives_the_same_frames(stream: bytes, places: list[int]) -> None:
    whole = FrameDecoder(masked=True).feed(stream)
    decoder = FrameDecoder(masked=True)
    frames = [frame for piece in cut(stream, places) for frame in decoder.feed(piece)]
    assert frames == whole
    position, one_by_one = 0, []
    for _ in whole:
        frame, consumed = parse_frame(stream[position:])
        position += consumed
        one_by_one.append(frame)
    assert one_by_one == whole


@given(damaged() | st.binary(max_size=60), CUTS)
def test_damage_raises_only_what_it_may(stream: bytes, places: list[int]) -> None:
    """Nothing but RemoteProtocolError, and never more kept than a control frame has."""
    decoder = FrameDecoder(masked=True, max_frame_size=2000)
    for piece in cut(stream, places):
        try:
            frames = decoder.feed(piece)
        except RemoteProtocolError:
            break
        assert all(len(frame.payload) <= 2000 for frame in frames)
        assert len(decoder.data) <= 131


def test_good_frames_come_before_the_error() -> None:
    decoder = FrameDecoder(masked=False)
    assert decoder.feed(bytes.fromhex("81 01 41 83 00 81 01 42")) == [Frame(Opcode.TEXT, b"A")]
    assert decoder.error is not None
    for data in (b"", b"\x81\x00"):
        with pytest.raises(RemoteProtocolError, match="opcode 3"):
            decoder.feed(data)


def test_a_frame_too_long_is_refused_by_its_header() -> None:
    decoder = FrameDecoder(max_frame_size=1000)
    with pytest.raises(RemoteProtocolError) as caught:
        decoder.feed(bytes.fromhex("82 7e 03 e9"))
    assert caught.value.close_code == 1009


def test_parts_come_as_they_are_read() -> None:
    data = build_frame(b"x" * 2000, Opcode.BINARY, mask_key=KEY)
    decoder = FrameDecoder(masked=True)
    assert decoder.at_header
    assert decoder.idle
    seen = b""
    for start in range(0, len(data), 1501):
        decoder.push(data[start : start + 1501])
        part = decoder.next_part()
        assert part is not None
        assert (part.first, part.last) == (start == 0, start > 0)
        assert decoder.at_header == part.last
        seen += bytes(part.payload)
        assert decoder.next_part() is None
    assert seen == b"x" * 2000
    assert decoder.idle


def test_a_control_frame_waits_until_it_is_whole() -> None:
    data = build_frame(b"beat", Opcode.PING)
    decoder = FrameDecoder()
    for end in range(1, len(data)):
        assert decoder.feed(data[end - 1 : end]) == []
        assert decoder.at_header
        assert not decoder.idle
    assert decoder.feed(data[-1:]) == [Frame(Opcode.PING, b"beat")]
