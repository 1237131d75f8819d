"""Incoming: where the fast path and the plain one take turns."""

from __future__ import annotations

import pytest

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.close import build_close
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from goim_edu.websocket.events import BinaryMessage, CloseReceived, Event, Ping, Pong, TextMessage
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.websocket.limits import Limits
from goim_edu.websocket.reader import MessageReader

KEY = b"\x11\x22\x33\x44"


def said(payload: bytes | str, opcode: int = Opcode.TEXT, fin: bool = True) -> bytes:
    return build_frame(payload, opcode, fin, KEY)


def read(reader: MessageReader, data: bytes) -> tuple[list[Event], bool]:
    events: list[Event] = []
    to_answer = reader.read(data, events)
    return events, to_answer


def test_simple_messages_need_no_decoder() -> None:
    reader = MessageReader(True, Limits())
    assert read(reader, b"") == ([], False)
    assert read(reader, said("one") + said("two")) == (
        [TextMessage("one"), TextMessage("two")],
        False,
    )
    assert reader._decoder is None


def test_the_paths_take_turns() -> None:
    reader = MessageReader(True, Limits())
    octets = said("a") + said(b"p", Opcode.PONG) + said("b") + said("c", fin=False)
    octets += said(b"?", Opcode.PING) + said("d", Opcode.CONTINUATION) + said(b"e", Opcode.BINARY)
    events, to_answer = read(reader, octets + said("cut")[:-1])
    assert events == [
        TextMessage("a"),
        Pong(b"p"),
        TextMessage("b"),
        Ping(b"?"),
        TextMessage("cd"),
        BinaryMessage(b"e"),
    ]
    assert to_answer
    assert read(reader, said("cut")[-1:]) == ([TextMessage("cut")], False)
    assert read(reader, said(b"", Opcode.PONG)) == ([Pong(b"")], False)


def test_behind_a_close_nothing_is_read() -> None:
    events, to_answer = read(
        MessageReader(True, Limits()), said(build_close(1001), Opcode.CLOSE) + b"\xff\xff"
    )
    assert (events, to_answer) == ([CloseReceived(1001, "")], True)


def test_what_was_early_comes_first() -> None:
    reader = MessageReader(True, Limits(), early=said("early")[:4])
    assert read(reader, said("early")[4:] + said("then")) == (
        [TextMessage("early"), TextMessage("then")],
        False,
    )


@pytest.mark.parametrize("good", [b"", said("good"), said(b"", Opcode.PONG)])
def test_good_events_before_an_error_are_there(good: bytes) -> None:
    events: list[Event] = []
    with pytest.raises(RemoteProtocolError):
        MessageReader(True, Limits()).read(good + b"\x83\x80", events)
    assert len(events) == bool(good)


def test_compressed_messages_on_both_paths() -> None:
    sender = PerMessageDeflate(DeflateParams(), False)
    reader = MessageReader(True, Limits(), PerMessageDeflate(DeflateParams(), True))
    texts = ["again and again"] * 20
    frames = [build_frame(sender.compress(t.encode()), mask_key=KEY, rsv1=True) for t in texts]
    octets = b"".join(frames)
    told = read(reader, octets[:50])[0] + read(reader, octets[50:])[0]
    assert told == [TextMessage(text) for text in texts]
