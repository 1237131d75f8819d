"""The picture of a conversation: real times, all steps, and the states that follow from them."""

from __future__ import annotations

import pytest

from goim_edu.capture import Capture, Record
from goim_edu.draw.conversation import Said, conversation
from goim_edu.websocket.close import build_close
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from goim_edu.websocket.handshake import (
    accept_response,
    build_request,
    parse_request,
    parse_response,
)
from tests.pictures import check_picture, texts

KEY = bytes.fromhex("37fa213d")
REQUEST = build_request(
    "x", "/chat", "dGhlIHNhbXBsZSBub25jZQ==", subprotocols=["goim.v1.json", "goim.v1.bson"]
)


def response(extensions: str = "") -> bytes:
    parsed = parse_request(REQUEST)
    assert parsed is not None
    head = accept_response(parsed[0], "goim.v1.json").to_bytes()
    line = f"Sec-WebSocket-Extensions: {extensions}\r\n".encode() if extensions else b""
    return head[:-2] + line + b"\r\n"


def opened(capture: Capture, connection: int, time: float) -> None:
    capture.tap(connection)("in", time, REQUEST)
    capture.tap(connection)("out", time + 0.001, response())


def test_a_whole_life_from_a_recording() -> None:
    capture = Capture()
    opened(capture, 1, 100.0)
    tap = capture.tap(1)
    tap("in", 100.002, build_frame("Hel", fin=False, mask_key=KEY))
    tap("in", 100.002, build_frame(b"hb1", Opcode.PING, mask_key=KEY))
    tap("out", 100.0025, build_frame(b"hb1", Opcode.PONG))
    tap("in", 100.003, build_frame("lo", Opcode.CONTINUATION, mask_key=KEY))
    tap("out", 120.003, build_frame(build_close(1001, "bye"), Opcode.CLOSE))
    tap("in", 120.004, build_frame(build_close(1001), Opcode.CLOSE, mask_key=KEY))
    picture = conversation(capture)
    check_picture(picture)
    assert [(f["kind"], f["sender"], f["state"]) for f in picture.fields] == [
        ("GET", "client", "connecting"),
        ("101", "server", "open"),
        ("TEXT", "client", "open"),
        ("PING", "client", "open"),
        ("PONG", "server", "open"),
        ("CONTINUATION", "client", "open"),
        ("CLOSE", "server", "closing"),
        ("CLOSE", "client", "closed"),
    ]
    assert [round(f["time"], 4) for f in picture.fields][:5] == [0, 0.001, 0.002, 0.002, 0.0025]
    drawn = texts(picture)
    assert "⋮  20.00 s of silence" in drawn
    assert "'lo', so the message is 'Hello'" in drawn
    assert "1001 bye" in drawn
    assert "/chat and offers goim.v1.json, goim.v1.bson" in drawn
    assert "+500 µs" in drawn


def test_several_clients_have_lanes_of_their_own() -> None:
    capture = Capture()
    for number in (1, 2):
        opened(capture, number, number / 100)
    capture.tap(2)("in", 0.05, build_frame("to all", mask_key=KEY))
    for number in (1, 2):
        capture.tap(number)("out", 0.06, build_frame("to all"))
    picture = conversation(capture, names={1: "lisa"})
    check_picture(picture)
    assert texts(picture).count("lisa") == 1
    assert "client 2" in texts(picture)
    assert "client 2 to server: TEXT 'to all'" in picture.alt
    alone = conversation(capture, connection=2)
    assert {field["connection"] for field in alone.fields} == {2}
    assert "client" in texts(alone)


def test_compressed_messages_are_shown_inflated() -> None:
    capture = Capture()
    tap = capture.tap(1)
    tap("in", 0.0, REQUEST)
    tap("out", 0.0, response("permessage-deflate"))
    sent = PerMessageDeflate(DeflateParams(), False, DeflateConfig()).compress(b"tick " * 9)
    tap("in", 1.0, build_frame(sent, Opcode.TEXT, mask_key=KEY, rsv1=True))
    field = conversation(capture).fields[-1]
    assert field["detail"] == f"'{'tick ' * 9}' (compressed)"
    assert field["octets"] == len(sent) + 6


def test_a_broken_frame_is_marked() -> None:
    capture = Capture()
    opened(capture, 1, 0.0)
    capture.tap(1)("in", 0.1, build_frame("not masked"))
    picture = conversation(capture)
    check_picture(picture)
    assert picture.fields[-1]["wrong"]
    assert "the client did not mask a frame" in picture.fields[-1]["detail"]
    assert "✗ TEXT" in texts(picture), "also where there is no colour"


def test_a_list_of_what_was_said() -> None:
    asked, answered = parse_request(REQUEST), parse_response(response())
    assert asked is not None
    assert answered is not None
    said: list[Said] = [
        (0.5, "client", asked[0]),
        (0.6, "server", answered[0]),
        (0.7, "client", Frame(Opcode.BINARY, b"\x00\xff")),
        (0.8, "server", "TCP ends"),
    ]
    picture = conversation(said)
    check_picture(picture)
    assert [field["detail"] for field in picture.fields[2:]] == ["00 ff", "TCP ends"]
    assert picture.fields[0]["time"] == 0
    with pytest.raises(TypeError, match="not 7"):
        conversation([(0.0, "client", 7)])  # type: ignore[list-item]


def test_long_conversations_are_cut_and_it_is_said() -> None:
    ping = Frame(Opcode.PING, b"")
    picture = conversation([(float(n), "server", ping) for n in range(100)], rows=5)
    check_picture(picture)
    assert "⋮  95 steps not drawn" in texts(picture)
    assert len(picture.fields) == 100
    assert picture.height < 450
    with pytest.raises(ValueError, match="nothing was said"):
        conversation([])


def test_refusals_and_odd_closes() -> None:
    parsed = parse_response(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert parsed is not None
    refused = conversation([(0.0, "server", parsed[0])])
    assert refused.fields[0]["state"] == "closed"
    odd = conversation([(0.0, "client", Frame(Opcode.CLOSE, b"\x00"))])
    assert "one octet" in odd.fields[0]["detail"]


def test_a_page_before_the_upgrade_on_the_same_connection() -> None:
    capture = Capture()
    tap = capture.tap(1)
    tap("in", 0.0, b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
    tap("out", 0.1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    opened(capture, 1, 0.2)
    picture = conversation(capture)
    assert [(f["kind"], f["state"]) for f in picture.fields] == [
        ("GET", "connecting"),
        ("200", "closed"),
        ("GET", "connecting"),
        ("101", "open"),
    ]


def test_what_is_missing_from_a_recording_is_a_remark() -> None:
    capture = Capture()
    opened(capture, 1, 0.0)
    data = build_frame("a" * 100)
    capture.record(Record(1, "out", 0.1, data[:50]))
    capture.record(Record(1, "out", 0.2, data[60:], missing=10))
    picture = conversation(capture)
    check_picture(picture)
    *_, remark, frame = picture.fields
    assert (remark["kind"], remark["detail"]) == (
        "",
        "10 bytes are missing from the recording here",
    )
    assert frame["detail"].endswith("(10 bytes of its payload are missing from the recording)")
