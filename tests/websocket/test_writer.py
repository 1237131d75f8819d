"""Outgoing: what we write, and what we refuse to write."""

from __future__ import annotations

import pytest

from goim_edu.errors import LocalProtocolError
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from goim_edu.websocket.frames import Frame, Opcode
from goim_edu.websocket.writer import MessageWriter


def writer(*, client: bool = False, deflate: bool = False) -> MessageWriter:
    """A writer whose masks mask nothing."""
    agreed = PerMessageDeflate(DeflateParams(), not client) if deflate else None
    return MessageWriter(bytes if client else None, agreed)


def frames(octets: bytes) -> list[Frame]:
    return FrameDecoder(allow_rsv1=True).feed(octets)


def test_whole_messages() -> None:
    assert writer().begin_message(Opcode.TEXT, "Hi", None, True) == b"\x81\x02Hi"
    assert writer().begin_message(Opcode.BINARY, b"Hi", False, True) == b"\x82\x02Hi"
    assert writer(client=True).begin_message(Opcode.TEXT, "Hi", None, True) == b"\x81\x82\0\0\0\0Hi"
    assert writer(client=True).control_frame(Opcode.PING, b"?") == b"\x89\x81\0\0\0\0?"
    assert writer().control_frame(Opcode.PONG, b"?") == b"\x8a\x01?"


@pytest.mark.parametrize("client", [False, True])
def test_fragments(client: bool) -> None:
    out = writer(client=client)
    octets = out.begin_message(Opcode.BINARY, b"1", None, False) + out.control_frame(
        Opcode.PING, b""
    )
    octets += out.continue_message(b"2", False) + out.continue_message(b"3", True)
    shape = [(frame.opcode, frame.fin, frame.payload) for frame in frames(octets)]
    assert shape == [
        (Opcode.BINARY, False, b"1"),
        (Opcode.PING, True, b""),
        (Opcode.CONTINUATION, False, b"2"),
        (Opcode.CONTINUATION, True, b"3"),
    ]
    assert out.begin_message(Opcode.TEXT, "", None, True)


def test_compressed_fragments_have_rsv1_on_the_first() -> None:
    out = writer(deflate=True)
    inflater = PerMessageDeflate(DeflateParams(), False)
    for _ in range(2):
        octets = out.begin_message(Opcode.TEXT, "one", None, False) + out.continue_message(
            "", False
        )
        octets += out.continue_message(" two", True)
        got = frames(octets)
        assert [frame.rsv1 for frame in got] == [True, False, False]
        pieces = [inflater.decompress(frame.payload, frame.fin, 99) for frame in got]
        assert b"".join(pieces) == b"one two"
    octets = out.begin_message(Opcode.TEXT, "not", False, False) + out.continue_message(
        " this", True
    )
    assert octets == b"\x01\x03not\x80\x05 this"


def test_many() -> None:
    mixed: list[str | bytes] = ["a", b"b", "é", "x" * 300]
    for client in (False, True):
        octets = writer(client=client).many(mixed, None)
        kinds = [(frame.opcode, frame.payload) for frame in frames(octets)]
        assert kinds == [
            (Opcode.TEXT, b"a"),
            (Opcode.BINARY, b"b"),
            (Opcode.TEXT, "é".encode()),
            (Opcode.TEXT, b"x" * 300),
        ]
    assert writer().many(["a", "b"], None) == b"\x81\x01a\x81\x01b"
    assert writer(deflate=True).many(["a", "b"], False) == b"\x81\x01a\x81\x01b"
    assert all(frame.rsv1 for frame in frames(writer(deflate=True).many(["a", "b"], None)))


def test_what_is_refused() -> None:
    out = writer()
    with pytest.raises(LocalProtocolError, match="no message is under way"):
        out.continue_message("x", True)
    with pytest.raises(LocalProtocolError, match="no compression"):
        out.begin_message(Opcode.TEXT, "x", True, True)
    with pytest.raises(LocalProtocolError, match="made of str"):
        out.begin_message(Opcode.TEXT, b"x", None, True)
    with pytest.raises(LocalProtocolError, match="made of bytes"):
        out.begin_message(Opcode.BINARY, "x", None, True)
    with pytest.raises(LocalProtocolError, match="no UTF-8"):
        out.begin_message(Opcode.TEXT, "\udc80", None, False)
    out.begin_message(Opcode.TEXT, "x", None, False)  # none of that has begun a message
    with pytest.raises(LocalProtocolError, match="not complete"):
        out.begin_message(Opcode.TEXT, "x", None, True)
    with pytest.raises(LocalProtocolError, match="not complete"):
        out.many(["x"], None)
    with pytest.raises(LocalProtocolError, match="made of str"):
        out.continue_message(b"x", True)
    assert out.continue_message("y", True) == b"\x80\x01y"


def test_what_is_refused_leaves_the_compressor_alone() -> None:
    """Else the peer's window would miss what was never sent."""
    out = writer(deflate=True)
    with pytest.raises(LocalProtocolError):
        out.many(["first", "\udc80"], None)
    (frame,) = frames(out.begin_message(Opcode.TEXT, "first", None, True))
    inflater = PerMessageDeflate(DeflateParams(), False)
    assert inflater.decompress(frame.payload, True, 99) == b"first"
