"""The picture of fragments: it joins what the real endpoint joins, and fails where it fails."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.draw.fragments import fragments
from goim_edu.protocol import Endpoint, Side
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate
from goim_edu.websocket.events import BinaryMessage, Failed, TextMessage
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from tests.pictures import check_picture, texts

KEY = bytes.fromhex("37fa213d")
frames = st.builds(
    lambda opcode, payload, fin: Frame(opcode, payload, fin or opcode >= 8, KEY),
    st.sampled_from(Opcode),
    st.sampled_from([b"", b"abc", "世".encode(), "世".encode()[:1], "世".encode()[1:]]),
    st.booleans(),
)


def wire(frame: Frame) -> bytes:
    return build_frame(frame.payload, frame.opcode, frame.fin, frame.mask_key)


@settings(max_examples=150, deadline=None)
@given(st.lists(frames, min_size=1, max_size=8))
def test_it_joins_what_an_endpoint_joins(sent: list[Frame]) -> None:
    first_close = next((at for at, one in enumerate(sent) if one.opcode == Opcode.CLOSE), len(sent))
    sent = sent[: first_close + 1]
    endpoint = Endpoint(Side.SERVER, already_open=True)
    events = endpoint.receive_data(b"".join(wire(frame) for frame in sent))
    expected = [one.data for one in events if isinstance(one, TextMessage | BinaryMessage)]
    fields = fragments(sent).fields
    assert [field["message"] for field in fields if "message" in field] == expected
    failed = [str(one.error) for one in events if isinstance(one, Failed)]
    wrong = [field["error"].split(" → ")[0] for field in fields if field.get("error")]
    assert wrong == failed


def test_a_message_with_a_ping_between() -> None:
    data = "Hello, 世界!".encode()
    picture = fragments(
        [
            Frame(Opcode.TEXT, data[:8], False, KEY),
            Frame(Opcode.PING, b"hb1", True, KEY),
            wire(Frame(Opcode.CONTINUATION, data[8:], True, KEY)),
        ]
    )
    check_picture(picture)
    assert [field.get("offset") for field in picture.fields] == [0, None, 8, None]
    assert picture.fields[-1] == {"message": "Hello, 世界!", "octets": 14}
    assert "the message, text, 14 octets: 'Hello, 世界!'" in texts(picture)
    assert r"Hello, \xe4" in texts(picture), "a character that is cut is shown as octets"


def test_a_compressed_message_is_inflated() -> None:
    params = DeflateParams()
    sent = PerMessageDeflate(params, False, DeflateConfig()).compress(b"tick " * 20)
    pieces = [
        Frame(Opcode.TEXT, sent[:4], False, rsv1=True),
        Frame(Opcode.CONTINUATION, sent[4:]),
    ]
    picture = fragments(pieces, compression=params)
    check_picture(picture)
    assert picture.fields[-1]["message"] == "tick " * 20
    assert f"100 octets, inflated from {len(sent)}" in picture.alt
    assert "RSV1 is set" in fragments(pieces).alt


def test_many_frames_are_cut_and_it_is_said() -> None:
    pieces = [Frame(Opcode.BINARY, b"ab", False)]
    pieces += [Frame(Opcode.CONTINUATION, b"cd", False)] * 98
    pieces += [Frame(Opcode.CONTINUATION, b"ef")]
    picture = fragments(pieces, rows=5)
    check_picture(picture)
    assert "⋮  95 frames not drawn" in texts(picture)
    assert picture.fields[-1]["octets"] == 200
    assert picture.height < 400


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ([Frame(Opcode.TEXT, b"a", False), Frame(Opcode.TEXT, b"b")], "a new message before"),
        ([Frame(Opcode.CONTINUATION, b"a")], "no message is under way"),
        ([Frame(Opcode.PING, b"", False)], "is fragmented"),
        ([Frame(Opcode.CLOSE, b"\x00")], "one octet"),
        ([Frame(Opcode.TEXT, b"\xff", False), Frame(Opcode.CONTINUATION, b"")], "not valid UTF-8"),
    ],
)
def test_broken_rules(sent: list[Frame], said: str) -> None:
    picture = fragments([*sent, Frame(Opcode.TEXT, b"never read")])
    check_picture(picture)
    assert said in picture.alt
    assert "not read" in picture.svg()
    assert not [field for field in picture.fields if field.get("payload") == b"never read"]


def test_what_is_not_whole_yet() -> None:
    picture = fragments([Frame(Opcode.TEXT, b"start", False)])
    check_picture(picture)
    assert "5 octets so far, the message is not whole yet" in texts(picture)
    check_picture(fragments([]))
