"""Arguments of a wrong type: each is refused in a sentence of ours, not somewhere deep inside."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import os
from array import array
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

from goim_edu import capture, draw, protocol
from goim_edu.capture import Capture, Record
from goim_edu.protocol import (
    DeflateConfig,
    Endpoint,
    FrameDecoder,
    HandshakeLimits,
    Headers,
    Limits,
    Side,
    apply_mask,
    build_close,
    build_frame,
    check_header,
    explain,
    generate_accept,
    parse_close,
    parse_frame,
    parse_header,
)

KEY = bytes.fromhex("37fa213d")
SOME: dict[str, Any] = {
    "None": None,
    "int": 5,
    "float": 3.5,
    "str": "abc",
    "list": [1],
    "dict": {1: 2},
    "object": object(),
    "bytes": b"abc",
}
OCTETS = {"bytes"}
NUMBER = {"int"}


def opened() -> Endpoint:
    return Endpoint(Side.SERVER, already_open=True)


def asked() -> Endpoint:
    server = Endpoint(Side.SERVER)
    server.receive_data(client().connect("example.com"))
    return server


def client() -> Endpoint:
    return Endpoint(Side.CLIENT)


def absent(read: Callable[[Any], object], name: Any) -> None:
    """Read a file; that there is none with this name is not a wrong type."""
    with contextlib.suppress(FileNotFoundError):
        read(name)


# What is called -> how, and which of the values above it may take (others must be refused).
CALLS: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "Endpoint(limits)": (lambda x: Endpoint(Side.SERVER, limits=x), set()),
    "Endpoint(mask_source)": (lambda x: Endpoint(Side.CLIENT, mask_source=x), {"None"}),
    "Endpoint(compression)": (lambda x: Endpoint(Side.SERVER, compression=x), {"None"}),
    "receive_data": (lambda x: opened().receive_data(x), OCTETS),
    "receive_data of a request": (lambda x: Endpoint(Side.SERVER).receive_data(x), OCTETS),
    "connect(host)": (lambda x: client().connect(x), {"str"}),
    "connect(target)": (lambda x: client().connect("h", x), set()),
    "connect(subprotocols)": (lambda x: client().connect("h", subprotocols=x), set()),
    "connect(headers)": (lambda x: client().connect("h", headers=x), set()),
    "connect(origin)": (lambda x: client().connect("h", origin=x), {"None", "str"}),
    "connect(key)": (lambda x: client().connect("h", key=x), {"None", "str"}),
    "accept(subprotocol)": (lambda x: asked().accept(x), {"None"}),
    "accept(headers)": (lambda x: asked().accept(None, x), set()),
    "reject": (lambda x: asked().reject(x), set()),
    "send_text": (lambda x: opened().send_text(x), {"str"}),
    "send_binary": (lambda x: opened().send_binary(x), OCTETS),
    "send_many": (lambda x: opened().send_many(x), set()),
    "send_many([...])": (lambda x: opened().send_many([x]), {"str", "bytes"}),
    "ping": (lambda x: opened().ping(x), OCTETS),
    "pong": (lambda x: opened().pong(x), OCTETS),
    "close(code)": (lambda x: opened().close(x), set()),
    "close(reason)": (lambda x: opened().close(1000, x), {"str"}),
    "Limits": (lambda x: Limits(x), set()),
    "Limits(handshake)": (lambda x: Limits(handshake=x), set()),
    "HandshakeLimits": (lambda x: HandshakeLimits(x), NUMBER),
    "DeflateConfig": (lambda x: DeflateConfig(x), {"None"}),
    "DeflateConfig(level)": (lambda x: DeflateConfig(level=x), NUMBER),
    "Headers": (lambda x: Headers(x), set()),
    "FrameDecoder.feed": (lambda x: FrameDecoder().feed(x), set()),
    "apply_mask(payload)": (lambda x: apply_mask(x, KEY), OCTETS),
    "apply_mask(mask_key)": (lambda x: apply_mask(b"abc", x), set()),
    "build_close(code)": (lambda x: build_close(x), set()),
    "build_close(reason)": (lambda x: build_close(1000, x), {"str"}),
    "parse_close": (lambda x: parse_close(x), set()),
    "build_frame(payload)": (lambda x: build_frame(x), {"str", "bytes"}),
    "build_frame(opcode)": (lambda x: build_frame(b"a", x), set()),
    "build_frame(mask_key)": (lambda x: build_frame("a", mask_key=x), {"None"}),
    "check_header": (lambda x: check_header(x), set()),
    "check_header(masked)": (
        lambda x: check_header(parse_header(b"\x81\0"), masked=x),
        {"None"},
    ),
    "parse_header": (lambda x: parse_header(x), OCTETS),
    "parse_frame": (lambda x: parse_frame(x), set()),
    "parse_frame(masked)": (lambda x: parse_frame(b"\x81\0", masked=x), {"None"}),
    "parse_frame(max_frame_size)": (
        lambda x: parse_frame(b"\x81\0", max_frame_size=x),
        {"None", "int"},
    ),
    "generate_accept": (lambda x: generate_accept(x), set()),
    "explain": (lambda x: explain(x), OCTETS),
    "explain(kind)": (lambda x: explain(b"\x81\0", kind=x), {"None"}),
    "explain(sender)": (lambda x: explain(b"\x81\0", sender=x), {"None"}),
    "Capture": (lambda x: Capture(x), NUMBER),
    "Capture.tap": (lambda x: Capture().tap(x), NUMBER),
    "Capture.tap(side)": (lambda x: Capture().tap(1, side=x), {"None"}),
    "Capture.tap(...)(data)": (lambda x: Capture().tap(1)("in", 0.0, x), OCTETS),
    "Capture.record": (lambda x: Capture().record(x), set()),
    "Capture.frames(sender)": (lambda x: Capture().frames(sender=x), {"None"}),
    "Capture.find": (lambda x: Capture().find(x), {"str", "bytes"}),
    "take_apart": (lambda x: list(capture.take_apart(x)), set()),
    "describe": (lambda x: list(capture.describe(x)), set()),
    "read_capture": (lambda x: absent(capture.read_capture, x), {"str"}),
    "read_records": (lambda x: absent(lambda y: list(capture.read_records(y)), x), {"str"}),
    "write_capture": (lambda x: capture.write_capture(x, os.devnull), set()),
    "write_capture(path)": (
        lambda x: capture.write_capture([], os.devnull if x == "abc" else x),
        {"str"},
    ),
    "draw.accept_chain": (draw.accept_chain, set()),
    "draw.bars": (draw.bars, set()),
    "draw.bars({...})": (lambda x: draw.bars({"a": x}), set()),
    "draw.bson_document": (draw.bson_document, {"bytes"}),
    "draw.compression": (draw.compression, set()),
    "draw.conversation": (draw.conversation, set()),
    "draw.fragments": (draw.fragments, set()),
    "draw.fragments([...])": (lambda x: draw.fragments([x]), OCTETS),
    "draw.frame": (draw.frame, OCTETS),
    "draw.growth": (draw.growth, set()),
    "draw.growth({...})": (lambda x: draw.growth({"a": x}), set()),
    "draw.handshake": (draw.handshake, OCTETS),
    "draw.handshake(response)": (lambda x: draw.handshake(b"GET", x), {"None", "bytes"}),
    "draw.masking": (lambda x: draw.masking(x, KEY), {"str", "bytes"}),
    "draw.masking(mask_key)": (lambda x: draw.masking("abc", x), set()),
    "draw.object_id": (draw.object_id, set()),
    "draw.queue_bytes": (draw.queue_bytes, set()),
    "draw.queue_bytes({...})": (lambda x: draw.queue_bytes({"a": x}), set()),
    "draw.replica_roles": (draw.replica_roles, set()),
    "draw.round_trips": (draw.round_trips, set()),
    "draw.scans": (draw.scans, set()),
    "draw.shards": (draw.shards, set()),
    "draw.story": (draw.story, set()),
    "draw.traffic": (draw.traffic, set()),
    "draw.trips": (draw.trips, set()),
    "draw.trips({...})": (lambda x: draw.trips({"a": x}), set()),
}
NOT_CALLED = {
    "state_diagram",  # takes nothing
}


def raised_in(trace: TracebackType | None) -> str:
    """The line at which an error was raised."""
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip()


@pytest.mark.parametrize("value", SOME)
@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_type_is_refused_in_words(name: str, value: str) -> None:
    call, right = CALLS[name]
    if value in right:
        call(SOME[value])
        return
    with pytest.raises((TypeError, ValueError, protocol.ProtocolError)) as caught:
        call(SOME[value])
    assert raised_in(caught.tb).startswith("raise "), caught.value
    assert "\n" not in str(caught.value)


def test_every_function_of_the_faces_is_among_them() -> None:
    called = " ".join(CALLS)
    for face in (protocol, capture, draw):
        for name in face.__all__:
            if inspect.isroutine(getattr(face, name)) and name not in NOT_CALLED:
                assert name in called, name


@pytest.mark.parametrize("items", ["B", "H", "I", "d"])
def test_all_octets_count_whatever_the_items_of_a_buffer(items: str) -> None:
    """Its ``len`` counts items, and the length of a frame counts octets."""
    octets = array(items, [1, 2, 3]).tobytes()
    for view in (memoryview(array(items, [1, 2, 3])), bytearray(octets), array(items, [1, 2, 3])):
        frame = build_frame(octets, 2)
        assert build_frame(view, 2) == frame  # type: ignore[arg-type]
        assert opened().send_binary(view) == frame  # type: ignore[arg-type]
        assert opened().send_many([view]) == frame  # type: ignore[list-item]
        assert apply_mask(view, KEY) == apply_mask(octets, KEY)  # type: ignore[arg-type]
        (event,) = Endpoint(Side.CLIENT, already_open=True).receive_data(frame)
        assert event == protocol.BinaryMessage(octets)
        cut = memoryview(frame + bytes(-len(frame) % 8)).cast("Q")
        assert parse_frame(cut)[0].payload == octets
        assert draw.frame(cut).fields[-1]["value"] == draw.frame(frame).fields[-1]["value"]
        capture_ = Capture()
        capture_.tap(1)("in", 0.0, cut)
        assert capture_.records == [Record(1, "in", 0.0, cut.tobytes())]
