"""The recording: any cutting of the bytes gives the same frames, and nothing is invented."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.capture.recording import Capture, Direction, Record
from goim_edu.errors import RemoteProtocolError
from goim_edu.protocol import Endpoint, RequestReceived, Side
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.frames import Frame, Opcode, build_frame

ENDS: tuple[tuple[Direction, Side], ...] = (("in", Side.CLIENT), ("out", Side.SERVER))
KEY = bytes.fromhex("37fa213d")
REQUEST = b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"
RESPONSE = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def recorded(*pieces: tuple[Direction, bytes], head: bool = True) -> Capture:
    """A recording of one connection; the n-th piece passes n seconds after the beginning."""
    capture = Capture()
    tap = capture.tap(1)
    heads: list[tuple[Direction, bytes]] = [("in", REQUEST), ("out", RESPONSE)] if head else []
    for second, (direction, data) in enumerate([*heads, *pieces]):
        tap(direction, 100.0 + second, data)
    return capture


def conversation(messages: list[str | bytes], *, deflate: bool) -> list[tuple[Direction, bytes]]:
    """What two real endpoints write when the server echoes ``messages``."""
    config = DeflateConfig() if deflate else None
    client = Endpoint(Side.CLIENT, compression=config, mask_source=lambda _: KEY)
    server = Endpoint(Side.SERVER, compression=config)
    wire: list[tuple[Direction, bytes]] = [("in", client.connect("x", "/echo"))]
    (request,) = server.receive_data(wire[0][1])
    assert isinstance(request, RequestReceived)
    wire.append(("out", server.accept()))
    client.receive_data(wire[1][1])
    for message in messages:
        for direction, side in ENDS:
            end = client if side is Side.CLIENT else server
            if isinstance(message, str):
                wire.append((direction, end.send_text(message)))
            else:
                wire.append((direction, end.send_binary(message)))
    return wire


def test_frames_of_both_sides_in_order_with_times() -> None:
    capture = recorded(
        ("in", build_frame("Hello", mask_key=KEY)),
        ("out", build_frame("Hello")),
        ("out", build_frame(b"", Opcode.PING)),
    )
    frames = capture.frames()
    assert [(f.name, f.sender, f.time, f.text) for f in frames] == [
        ("TEXT", "client", 2.0, "Hello"),
        ("TEXT", "server", 3.0, "Hello"),
        ("PING", "server", 4.0, ""),
    ]
    assert frames[0].data == build_frame("Hello", mask_key=KEY)
    assert frames[0].frame == Frame(Opcode.TEXT, b"Hello", mask_key=KEY)
    assert frames[0].message == "Hello"
    assert frames[2].message is None


@settings(deadline=None)
@given(
    st.lists(st.text(max_size=300) | st.binary(max_size=300), max_size=6),
    st.booleans(),
    st.integers(1, 50),
)
def test_however_the_bytes_are_cut(messages: list[str | bytes], deflate: bool, size: int) -> None:
    wire = conversation(messages, deflate=deflate)
    capture = Capture()
    tap = capture.tap(7)
    for direction, data in wire:
        for at in range(0, len(data), size):
            tap(direction, 0.0, data[at : at + size])
    for sender in ("client", "server"):
        assert [f.message for f in capture.frames(sender=sender)] == messages
    for direction, sender in (("in", "client"), ("out", "server")):
        frames = b"".join(f.data for f in capture.frames(sender=sender))  # type: ignore[arg-type]
        sent = b"".join(data for way, data in wire[2:] if way == direction)
        assert frames == sent


def test_a_message_in_fragments_stands_at_its_last_frame() -> None:
    capture = recorded(
        ("in", build_frame("Hel", fin=False, mask_key=KEY)),
        ("in", build_frame(b"", Opcode.PING, mask_key=KEY)),
        ("in", build_frame("lo", Opcode.CONTINUATION, mask_key=KEY)),
    )
    assert [frame.message for frame in capture.frames()] == [None, None, "Hello"]
    assert [frame.name for frame in capture.find("Hello")] == ["CONTINUATION"]


def test_the_tap_of_a_client_is_understood_also_when_it_is_asked_for_anew() -> None:
    capture = Capture()
    for direction, data in conversation(["red apple"], deflate=False):
        capture.tap(1)(direction, 0.0, data)
        capture.tap(2)("in" if direction == "out" else "out", 0.0, data)
    senders = ["client", "server"]
    assert [[f.sender for f in capture.frames(connection=n)] for n in (1, 2)] == [senders] * 2


def test_a_direction_is_in_or_out() -> None:
    with pytest.raises(ValueError, match="'in' or 'out', not 'sent'"):
        Capture().tap(1)("sent", 0.0, b"")  # type: ignore[arg-type]


def test_finding_by_text_also_in_what_was_compressed() -> None:
    capture = Capture()
    tap = capture.tap(1)
    for direction, data in conversation(["red apple", "green apple", "pear"], deflate=True):
        tap(direction, 0.0, data)
    assert [f.text for f in capture.find("apple", sender="client")] == ["red apple", "green apple"]
    assert len(capture.find("apple")) == 4
    assert capture.find("plum") == []


def test_a_broken_frame_is_shown_and_the_next_one_is_read() -> None:
    capture = recorded(
        ("in", build_frame("good", mask_key=KEY)),
        ("in", bytes.fromhex("83 80") + KEY),
        ("in", build_frame("read on", mask_key=KEY)),
        ("out", build_frame(b"\x03\xea", Opcode.CLOSE)),
    )
    good, broken, following, close = capture.frames()
    assert good.error is None
    assert broken.name == "?"
    assert broken.error is not None
    assert broken.error.close_code == 1002
    assert "opcode 3 is reserved" in repr(broken)
    assert (following.message, following.error) == ("read on", None)
    assert close.name == "CLOSE"
    with pytest.raises(RemoteProtocolError):
        _ = broken.frame


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (build_frame("unmasked"), "the client did not mask"),
        (build_frame(b"\xff", mask_key=KEY), "not valid UTF-8"),
        (build_frame(b"", Opcode.CONTINUATION, mask_key=KEY), "no message is under way"),
    ],
)
def test_what_a_server_would_refuse_is_marked(data: bytes, message: str) -> None:
    (frame,) = recorded(("in", data)).frames()
    assert frame.error is not None
    assert message in str(frame.error)


def test_plain_http_has_a_handshake_but_no_frames() -> None:
    capture = Capture()
    tap = capture.tap(1)
    tap("in", 0.0, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert capture.handshakes()[0].upgraded is None
    tap("out", 0.0, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    (handshake,) = capture.handshakes()
    assert handshake.request is not None
    assert handshake.request.target == "/healthz"
    assert handshake.upgraded is False
    assert capture.frames() == []


def test_what_is_no_http_is_left_alone() -> None:
    capture = recorded(("in", b"\x16\x03\x01 no HTTP\r\n\r\n"), head=False)
    assert capture.frames() == []


def test_frames_that_come_before_the_answer_wait_for_it() -> None:
    capture = Capture()
    tap = capture.tap(1)
    tap("in", 0.0, REQUEST + build_frame("early", mask_key=KEY))
    assert capture.frames() == []
    tap("out", 1.0, RESPONSE)
    assert [frame.text for frame in capture.frames()] == ["early"]


def test_connections_are_kept_apart() -> None:
    capture = Capture()
    taps = [capture.tap(number) for number in (1, 2)]
    for data, direction in ((REQUEST, "in"), (RESPONSE, "out")):
        for tap in taps:
            tap(direction, 0.0, data)  # type: ignore[arg-type]
    halves = [build_frame(name, mask_key=KEY) for name in ("first", "second")]
    for tap, data in zip(taps, halves, strict=True):
        tap("in", 0.0, data[:4])
    for tap, data in zip(taps, halves, strict=True):
        tap("in", 0.0, data[4:])
    assert [f.text for f in capture.frames(connection=2)] == ["second"]
    assert len(capture.frames()) == 2


def test_a_full_recording_says_so() -> None:
    capture = Capture(max_bytes=10)
    capture.record(Record(1, "in", 0.0, bytes(8)))
    assert [capture.full, len(capture)] == [False, 1]
    capture.record(Record(1, "in", 0.0, bytes(8)))
    assert [capture.full, len(capture)] == [True, 1]
    capture.clear()
    assert [capture.full, len(capture)] == [False, 0]
    assert repr(capture) == "<Capture: 0 records, 0 bytes>"


def test_one_thread_may_write_while_another_reads() -> None:
    capture = recorded()
    tap = capture.tap(1)
    frame = build_frame("x", mask_key=KEY)

    def write() -> None:
        for _ in range(2000):
            tap("in", 0.0, frame)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        capture.frames()
    writer.join()
    assert len(capture.frames()) == 2000


def test_a_hundred_thousand_frames_are_taken_apart_once() -> None:
    capture = recorded(("in", build_frame("x", mask_key=KEY) * 100_000))
    first = capture.frames()
    assert len(first) == 100_000
    assert capture.frames()[-1] is first[-1]
