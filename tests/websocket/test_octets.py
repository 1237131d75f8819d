"""Every length counts octets, whatever buffer they come in; what is not a buffer is refused."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from goim_edu.errors import LocalProtocolError
from goim_edu.protocol import Endpoint, FrameDecoder, Side, build_close, parse_close, parse_frame
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate, deflate_shared
from goim_edu.websocket.frames import Opcode, apply_mask, build_frame, parse_header
from goim_edu.websocket.http11 import parse_request, parse_response
from goim_edu.websocket.octets import as_octets, as_view
from goim_edu.websocket.writer import MessageWriter

OCTETS = bytes.fromhex("81 06 48 69 20 79 6f 75")  # the text "Hi you", in a frame
WORDS = array("I", OCTETS)
BUFFERS: dict[str, Any] = {
    "bytearray": bytearray(OCTETS),
    "memoryview": memoryview(OCTETS),
    "array of words": WORDS,
    "view of words": memoryview(WORDS),
    "signed": memoryview(OCTETS).cast("b"),
    "characters": memoryview(OCTETS).cast("c"),
    "every second octet": memoryview(bytes(b for octet in OCTETS for b in (octet, 9)))[::2],
    "backwards": memoryview(OCTETS[::-1])[::-1],
    "two dimensions": memoryview(OCTETS).cast("B", (2, 4)),
    "ctypes": (ctypes.c_uint32 * 2).from_buffer_copy(OCTETS),
}
NOT_OCTETS: list[Any] = [None, 0, 3, 1.5, True, {}, [1, 2], (1, 2), {1}, object()]


def kind(data: object) -> str:
    """The name of a case; the text of an object would hold its address."""
    return type(data).__name__


Entry = Callable[[Any], object]


def endpoint(side: Side = Side.SERVER) -> Endpoint:
    return Endpoint(side, already_open=True, mask_source=bytes)


def deflating() -> PerMessageDeflate:
    return PerMessageDeflate(DeflateParams(), server=True)


def continued(data: Any) -> bytes:
    one = endpoint()
    one.send_binary(b"", fin=False)
    return one.continue_message(data)


ENTRIES: dict[str, Entry] = {
    "as_octets": as_octets,
    "send_binary of a server": lambda data: endpoint().send_binary(data),
    "send_binary of a client": lambda data: endpoint(Side.CLIENT).send_binary(data),
    "continue_message": continued,
    "send_many": lambda data: endpoint().send_many([data, data]),
    "send_many of a client": lambda data: endpoint(Side.CLIENT).send_many([data]),
    "ping": lambda data: endpoint().ping(data),
    "pong of a client": lambda data: endpoint(Side.CLIENT).pong(data),
    "compressed": lambda data: MessageWriter(None, deflating()).many([data], None),
    "compress": lambda data: deflating().compress(data),
    "deflate_shared": deflate_shared,
    "build_frame": lambda data: build_frame(data, Opcode.BINARY, mask_key=b"abcd"),
    "apply_mask": lambda data: apply_mask(data, b"abcd"),
    "receive_data": lambda data: endpoint(Side.CLIENT).receive_data(data),
    "feed": lambda data: FrameDecoder().feed(data),
    "parse_frame": parse_frame,
    "parse_header": parse_header,
}
MORE_ENTRIES: dict[str, Entry] = {
    "parse_close": parse_close,
    "parse_request": parse_request,
    "parse_response": parse_response,
    "receive_data of a handshake": lambda data: Endpoint(Side.SERVER).receive_data(data),
    "send_text": lambda data: endpoint().send_text(data),
    "close reason": lambda data: endpoint().close(1000, data),
    "build_close reason": lambda data: build_close(1000, data),
    "mask key": lambda data: apply_mask(b"Hi", data),
}


@pytest.mark.parametrize("data", BUFFERS.values(), ids=BUFFERS)
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_buffer_is_worth_its_octets(entry: Entry, data: Any) -> None:
    assert entry(data) == entry(OCTETS)


@pytest.mark.parametrize("data", NOT_OCTETS, ids=kind)
@pytest.mark.parametrize("entry", (ENTRIES | MORE_ENTRIES).values(), ids=ENTRIES | MORE_ENTRIES)
def test_what_is_not_a_buffer_is_refused_by_its_type(entry: Entry, data: Any) -> None:
    with pytest.raises(TypeError, match=type(data).__name__):
        entry(data)


@pytest.mark.parametrize("code", [None, "1000", 1000.0, [1000], {}], ids=kind)
def test_a_close_code_is_a_whole_number(code: Any) -> None:
    server = endpoint()
    with pytest.raises(TypeError, match=type(code).__name__):
        server.close(code)
    assert server.close(1000)  # nothing has changed


@pytest.mark.parametrize("messages", [None, 0, {}, "text", {"a"}, iter(())], ids=kind)
def test_many_messages_are_a_list(messages: Any) -> None:
    with pytest.raises(TypeError, match=type(messages).__name__):
        endpoint().send_many(messages)


def test_text_and_octets_are_not_mixed_up() -> None:
    for data in (b"Hi", bytearray(b"Hi"), memoryview(b"Hi")):
        with pytest.raises(LocalProtocolError, match="str"):
            endpoint().send_text(data)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="bytes"):
        endpoint().send_binary("Hi")  # type: ignore[arg-type]


def test_what_was_refused_leaves_no_trace() -> None:
    writer = MessageWriter(None, deflating())
    with pytest.raises(TypeError):
        writer.begin_message(Opcode.BINARY, None, None, fin=False)  # type: ignore[arg-type]
    untouched = MessageWriter(None, deflating())
    assert writer.many([b"Hello"], None) == untouched.many([b"Hello"], None)


def test_a_plain_view_is_not_copied() -> None:
    view = memoryview(bytearray(OCTETS))
    assert as_view(view) is view
    assert as_view(view[2:]).obj is view.obj  # type: ignore[union-attr]
    assert as_view(view[::2]) == OCTETS[::2]
