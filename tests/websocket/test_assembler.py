"""Messages: fragments put together, by hand and beyond the bounds."""

from __future__ import annotations

import tracemalloc

import pytest

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.assembler import MessageAssembler, invalid_utf8
from goim_edu.websocket.decoder import Part
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from goim_edu.websocket.events import BinaryMessage, TextMessage
from goim_edu.websocket.frames import Opcode, build_frame, parse_header


def part(
    payload: bytes, opcode: int, fin: bool = True, *, rsv1: bool = False, of: bytes = b""
) -> Part:
    """A part of a frame that is the first and last, or (``of`` given) one that is cut."""
    header = parse_header(build_frame(of or payload, opcode, fin, rsv1=rsv1))
    return Part(header, payload, True, not of)


def assembler(max_message_size: int = 1000, max_fragments: int = 10) -> MessageAssembler:
    return MessageAssembler(max_message_size=max_message_size, max_fragments=max_fragments)


def test_one_frame_is_one_message() -> None:
    messages = assembler()
    assert messages.add(part(b"Hello", Opcode.TEXT)) == TextMessage("Hello")
    assert messages.add(part(b"\xff", Opcode.BINARY)) == BinaryMessage(b"\xff")
    assert messages.add(part(b"", Opcode.TEXT)) == TextMessage("")
    assert messages.add(part(b"", Opcode.BINARY)) == BinaryMessage(b"")
    assert messages.opcode is Opcode.CONTINUATION


def test_characters_may_be_cut_anywhere() -> None:
    octets = "a消😀".encode()
    messages = assembler()
    assert messages.add(part(octets[:2], Opcode.TEXT, False)) is None
    assert messages.opcode is Opcode.TEXT
    for octet in octets[2:]:
        assert messages.add(part(bytes([octet]), Opcode.CONTINUATION, False)) is None
    assert messages.add(part(b"", Opcode.CONTINUATION)) == TextMessage("a消😀")


def test_parts_of_one_frame() -> None:
    messages = assembler()
    first = part(b"\x00\x01", Opcode.BINARY, of=bytes(5))
    assert messages.add(first) is None
    rest = Part(first.header, memoryview(b"\x02\x03\x04"), False, True)
    assert messages.add(rest) == BinaryMessage(bytes(range(5)))


@pytest.mark.parametrize(
    "octets",
    [b"\xff", b"\xc0", b"\xe0\x80", b"\xed\xa0", b"\xf0\x80", b"\xf4\x90", b"\xf5", b"\x80"],
)
def test_what_cannot_become_utf8_fails_at_once(octets: bytes) -> None:
    messages = assembler()
    for octet in octets[:-1]:
        opcode = Opcode.CONTINUATION if messages.opcode else Opcode.TEXT
        assert messages.add(part(bytes([octet]), opcode, False)) is None
    with pytest.raises(RemoteProtocolError) as caught:
        messages.add(part(octets[-1:], Opcode.CONTINUATION if messages.opcode else 1, False))
    assert (caught.value.close_code, caught.value.section) == (1007, "RFC 6455 §8.1")


def test_a_surrogate_pair_is_told_from_what_is_near_it() -> None:
    messages = assembler()
    assert messages.add(part(b"\xed\x9f", Opcode.TEXT, False)) is None
    assert messages.add(part(b"\xbf", Opcode.CONTINUATION)) == TextMessage("\ud7ff")


def test_a_message_ends_with_a_whole_character() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        assembler().add(part(b"\xe6\xb6", Opcode.TEXT))
    assert caught.value.close_code == 1007
    assert str(invalid_utf8("so")) == "a text message is not valid UTF-8: so (RFC 6455 §8.1)"


def test_the_order_of_frames() -> None:
    with pytest.raises(RemoteProtocolError, match="no message is under way"):
        assembler().add(part(b"x", Opcode.CONTINUATION))
    messages = assembler()
    messages.add(part(b"x", Opcode.TEXT, False))
    with pytest.raises(RemoteProtocolError, match="before the last one was complete"):
        messages.add(part(b"x", Opcode.BINARY))


def test_the_bound_on_octets_holds_before_they_come() -> None:
    messages = assembler()
    messages.add(part(bytes(600), Opcode.BINARY, False))
    with pytest.raises(RemoteProtocolError) as caught:
        messages.add(part(b"", Opcode.CONTINUATION, of=bytes(401)))
    assert caught.value.close_code == 1009
    messages = assembler()
    assert messages.add(part(bytes(1000), Opcode.BINARY)) == BinaryMessage(bytes(1000))
    assert messages.add(part(bytes(1000), Opcode.BINARY)) is not None  # it counts anew


def test_the_bound_on_fragments() -> None:
    messages = assembler(max_fragments=3)
    for opcode in (Opcode.TEXT, Opcode.CONTINUATION, Opcode.CONTINUATION):
        messages.add(part(b"", opcode, False))
    with pytest.raises(RemoteProtocolError) as caught:
        messages.add(part(b"", Opcode.CONTINUATION))
    assert (caught.value.close_code, caught.value.section) == (1008, "RFC 6455 §10.4")


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_many_small_pieces_cost_what_they_hold(opcode: Opcode) -> None:
    messages = assembler(max_message_size=1 << 20, max_fragments=1 << 20)
    messages.add(part(b"ab", opcode, False))
    piece = part(b"ab", Opcode.CONTINUATION, False)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            messages.add(piece)
        assert tracemalloc.get_traced_memory()[0] < 40_000 + 4_096 * 70
    finally:
        tracemalloc.stop()
    message = messages.add(part(b"", Opcode.CONTINUATION))
    assert message is not None
    assert len(message.data) == 40_002


@pytest.mark.parametrize("fragments", [1, 3])
def test_compressed_messages(fragments: int) -> None:
    params = DeflateParams()
    sender, receiver = PerMessageDeflate(params, False), PerMessageDeflate(params, True)
    messages = MessageAssembler(max_message_size=300, max_fragments=9, deflate=receiver)
    text = "消息" * 50  # 300 octets
    for _ in range(2):
        octets = sender.compress(text.encode())
        size = len(octets) // fragments + 1
        for start in range(0, len(octets), size):
            last = start + size >= len(octets)
            opcode = Opcode.CONTINUATION if start else Opcode.TEXT
            frame = part(octets[start : start + size], opcode, last, rsv1=not start)
            assert messages.add(frame) == (TextMessage(text) if last else None)
    assert messages.add(part(b"plain", Opcode.TEXT)) == TextMessage("plain")
    with pytest.raises(RemoteProtocolError) as caught:
        messages.add(part(sender.compress(bytes(301)), Opcode.BINARY, rsv1=True))
    assert caught.value.close_code == 1009
