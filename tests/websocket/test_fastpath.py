"""The fast path against the plain one: the same events, errors, answers and state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import goim_edu.websocket.masking
from goim_edu.protocol import (
    BinaryMessage,
    DeflateConfig,
    Endpoint,
    Event,
    Failed,
    Limits,
    Opcode,
    RemoteProtocolError,
    Side,
    TextMessage,
    build_frame,
)
from goim_edu.websocket.fastpath import join_text_frames, take_messages
from tests.strategies import CUTS, cut, damaged, messages, streams

KEY = b"\x11\x22\x33\x44"


def describe(endpoint: Endpoint, events: list[Event]) -> tuple[object, ...]:
    shown = [(str(e.error), e.error.close_code) if type(e) is Failed else e for e in events]
    kinds = [type(event) for event in events]
    return kinds, shown, endpoint.data_to_send(), endpoint.state, endpoint.close_code


def outcome(pieces: list[bytes], make: Callable[[], Endpoint]) -> list[tuple[object, ...]]:
    """What an endpoint says to each piece, and at its end."""
    endpoint = make()
    told = [describe(endpoint, endpoint.receive_data(piece)) for piece in pieces]
    return [*told, describe(endpoint, endpoint.receive_eof())]


def outcome_of_lent(pieces: list[bytes], make: Callable[[], Endpoint]) -> list[tuple[object, ...]]:
    """The same if each piece is lent only, and its memory used for something else right after."""
    endpoint = make()
    told = []
    for piece in pieces:
        lent = bytearray(piece)
        events = endpoint.receive_data(memoryview(lent))
        lent[:] = bytes(len(lent))
        told.append(describe(endpoint, events))
    return [*told, describe(endpoint, endpoint.receive_eof())]


def same_both_ways(pieces: list[bytes], make: Callable[[], Endpoint]) -> None:
    fast = outcome(pieces, make)
    assert outcome_of_lent(pieces, make) == fast
    assert outcome(pieces, lambda: plain(make())) == fast


def plain(endpoint: Endpoint) -> Endpoint:
    """The same endpoint, whose fast path takes nothing: each message is too large for it."""
    assert endpoint.reader is not None
    endpoint.reader._max_size = 0
    return endpoint


@pytest.fixture(params=["numpy", "no numpy"])
def numpy_or_not(request: pytest.FixtureRequest) -> Iterator[None]:
    """With NumPy, and as if it were not installed."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "no numpy":
            patch.setattr(goim_edu.websocket.masking, "_numpy", lambda: None)
        yield


FIXTURED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("numpy_or_not")
@FIXTURED
@given(st.data(), st.sampled_from(Side), CUTS, st.sampled_from([10, 100, 1030, 1 << 20]))
def test_both_paths_agree(data: st.DataObject, side: Side, places: list[int], most: int) -> None:
    masked = side is Side.SERVER
    stream = data.draw(streams(masked) | damaged(masked))
    limits = Limits(max(125, most), most, max_fragments=3)
    same_both_ways(
        cut(stream, places),
        lambda: Endpoint(side, already_open=True, limits=limits, mask_source=bytes),
    )


@pytest.mark.usefixtures("numpy_or_not")
@FIXTURED
@given(
    st.lists(messages() | st.just("x"), max_size=30),
    st.integers(0, 1 << 30),
    st.sampled_from([5, 200, 1 << 20]),
    CUTS,
)
def test_both_paths_agree_on_compressed_messages(
    sent: list[str | bytes], damage: int, most: int, places: list[int]
) -> None:
    def opened(limits: Limits) -> tuple[Endpoint, Endpoint]:
        config = DeflateConfig()
        client = Endpoint(Side.CLIENT, compression=config)
        server = Endpoint(Side.SERVER, compression=config, limits=limits)
        server.receive_data(client.connect("example.com"))
        client.receive_data(server.accept())
        return client, server

    client, _ = opened(Limits())
    octets = bytearray(client.send_many(sent))
    if damage % 2 and octets:
        octets[damage // 16 % len(octets)] ^= 1 << damage // 2 % 8
    limits = Limits(max(125, most), most)
    same_both_ways(cut(bytes(octets), places), lambda: opened(limits)[1])


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("count", [1, 2, 11, 12, 40])
@pytest.mark.parametrize(
    "payload", [b"", b"Hi", b"x" * 125, b"x" * 126, b"x" * 70_000, "消息".encode(), b"bad \xff"]
)
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.usefixtures("numpy_or_not")
def test_what_is_taken(opcode: Opcode, payload: bytes, count: int, masked: bool) -> None:
    frame = build_frame(payload, opcode, mask_key=KEY if masked else None)
    before = build_frame(b"skip" * 5, Opcode.PONG, mask_key=KEY if masked else None)
    for prefix in (b"", before, before * (count + 200)):
        events: list[Event] = []
        data = prefix + frame * count + before
        end = take_messages(data, len(prefix), events, masked, 1 << 20)
        if opcode is Opcode.TEXT and payload.endswith(b"\xff"):
            assert (events, end) == ([], len(prefix))
        elif opcode is Opcode.TEXT:
            assert events == [TextMessage(payload.decode())] * count
        else:
            assert events == [BinaryMessage(payload)] * count
        if events:
            assert end == len(prefix) + len(frame) * count


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("before", [b"", build_frame("skip", mask_key=KEY)])
def test_one_text_at_the_end(before: bytes, masked: bool) -> None:
    key = KEY if masked else None
    long = [b"x" * 65_535, b"x" * 65_536, "é".encode() * 40_000, b"x" * 70_000 + b"\xff"]
    for payload in (b"", b"Hi", "é".encode() * 62, b"x" * 126, b"\xff", *long):
        events: list[Event] = []
        data = before + build_frame(payload, mask_key=key)
        end = take_messages(data, len(before), events, masked, 1 << 20)
        good = not payload.endswith(b"\xff")
        assert events == [TextMessage(payload.decode(errors="ignore"))] * good
        assert end == (len(data) if good else len(before))


@pytest.mark.usefixtures("numpy_or_not")
@pytest.mark.parametrize("payload", [b"x" * 699, b"x" * 700, "é".encode() * 800, b"x" * 65_540])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("count", [1, 3, 14])
def test_lent_octets_are_not_kept(opcode: Opcode, payload: bytes, count: int) -> None:
    frames = build_frame(payload, opcode, mask_key=KEY) * count
    lent = bytearray(frames + b"\x81")
    events: list[Event] = []
    end = take_messages(memoryview(lent)[: len(frames)], 0, events, True, 1 << 20)
    assert end == len(frames)
    assert lent[end:] == b"\x81"
    lent[:] = bytes(len(lent))
    whole = TextMessage(payload.decode()) if opcode is Opcode.TEXT else BinaryMessage(payload)
    assert events == [whole] * count


@pytest.mark.parametrize("hand_over", [bytearray, memoryview])
def test_what_is_not_lent_stays_as_it_is(hand_over: Callable[[bytes], Any]) -> None:
    frame = build_frame("x" * 1001, mask_key=KEY)
    data = hand_over(frame)
    events: list[Event] = []
    assert take_messages(data, 0, events, True, 1 << 20) == len(frame)
    assert (events, bytes(data)) == ([TextMessage("x" * 1001)], frame)


@pytest.mark.usefixtures("numpy_or_not")
@pytest.mark.parametrize("before", [0, 1, 2])
def test_lent_octets_that_are_not_taken_are_given_back_as_they_came(before: int) -> None:
    good = build_frame(b"x" * 1001, mask_key=KEY)
    bad = build_frame(b"x" * 1001 + b"\xff", mask_key=b"abcd")
    lent = bytearray(good * before + bad)
    events: list[Event] = []
    assert take_messages(memoryview(lent), 0, events, True, 1 << 20) == before * len(good)
    assert len(events) == before
    assert lent[-len(bad) :] == bad


def test_texts_in_ascii_and_others_together() -> None:
    texts = ["plain", "消息", "", "x" * 200, "naïve"] * 5
    data = b"".join(build_frame(text, mask_key=KEY) for text in texts)
    events: list[Event] = []
    assert take_messages(data, 0, events, True, 1 << 20) == len(data)
    assert events == [TextMessage(text) for text in texts]


def test_what_is_inflated_must_be_utf8() -> None:
    config = DeflateConfig()
    client, server = (
        Endpoint(Side.CLIENT, compression=config),
        Endpoint(Side.SERVER, compression=config),
    )
    server.receive_data(client.connect("example.com"))
    client.receive_data(server.accept())
    assert client.deflate is not None
    good = build_frame(client.deflate.compress(b"good"), mask_key=KEY, rsv1=True)
    bad = build_frame(client.deflate.compress(b"\xff"), mask_key=KEY, rsv1=True)
    events: list[Event] = []
    with pytest.raises(RemoteProtocolError) as caught:
        take_messages(good + bad, 0, events, True, 1 << 20, server.deflate, 1 << 20)
    assert caught.value.close_code == 1007
    assert events == [TextMessage("good")]


@pytest.mark.parametrize("count", [3, 30])
def test_the_good_ones_before_a_bad_one_are_taken(count: int) -> None:
    good, bad = build_frame("é", mask_key=KEY), build_frame(b"\xe9", mask_key=KEY)
    events: list[Event] = []
    end = take_messages(good * count + bad + good, 0, events, True, 1 << 20)
    assert (len(events), end) == (count, count * len(good))


LEFT_ALONE: list[tuple[str, bytes, dict[str, Any]]] = [
    ("nothing", b"", {}),
    ("half a header", b"\x81", {}),
    ("a fragment", build_frame("x", fin=False), {}),
    ("a control frame", build_frame(b"x", Opcode.PING), {}),
    ("a mask where none may be", build_frame("x", mask_key=KEY), {}),
    ("no mask where one must be", build_frame("x"), {"masked": True}),
    ("cut", build_frame("Hello")[:-1], {}),
    ("cut in its length", build_frame("x" * 126)[:3], {}),
    ("more than we take", build_frame("x" * 500), {"max_size": 499}),
    ("short, but more than we take", build_frame("x" * 10), {"max_size": 9}),
    ("16 bits where 7 would do", b"\x81\x7e\x00\x01x", {}),
    ("64 bits where 16 would do", b"\x81\x7f" + (300).to_bytes(8) + b"x" * 300, {}),
    ("a length of 64 bits", b"\x81\x7f" + b"\xff" * 8 + b"x" * 300, {}),
    ("cut in its long length", build_frame("x" * 65_536)[:9], {}),
    ("more than we take, and that in 64 bits", build_frame("x" * 65_536), {"max_size": 65_535}),
    ("compressed, and nobody agreed on that", build_frame(b"x", rsv1=True), {}),
]


@pytest.mark.parametrize(
    ("data", "options"), [row[1:] for row in LEFT_ALONE], ids=[row[0] for row in LEFT_ALONE]
)
def test_what_is_left_to_the_plain_path(data: bytes, options: dict[str, Any]) -> None:
    events: list[Event] = []
    arguments = {"masked": False, "max_size": 1 << 20, **options}
    assert take_messages(data, 0, events, **arguments) == 0
    assert events == []


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["x" * 125], ["x" * 126], ["", "Hi"], ["x" * 126, "y"], ["x" * 70_000, "{}"]],
)
def test_frames_written_together(texts: list[str]) -> None:
    assert join_text_frames(texts) == b"".join(map(build_frame, texts))


@pytest.mark.parametrize("texts", [["a", "é"], ["a", b"b"], [b"b"], ["é"]])
def test_frames_that_are_written_one_by_one(texts: list[str | bytes]) -> None:
    assert join_text_frames(texts) is None
