"""Frames to start from: each opcode, the three lengths, and a dozen that a server must refuse."""

from __future__ import annotations

from typing import Final, NamedTuple

from goim_edu.capture import Sender
from goim_edu.websocket.close import build_close
from goim_edu.websocket.frames import Opcode, build_frame

__all__ = ["PRESETS", "Preset"]

_KEY: Final = bytes.fromhex("37fa213d")


class Preset(NamedTuple):
    """A frame worth looking at.

    Args:
        name: short, and unlike all others.
        data: its bytes.
        broken: whether a rule is broken.
        sender: who is thought to have sent it.
    """

    name: str
    data: bytes
    broken: bool = False
    sender: Sender = "client"


def _from_client(payload: bytes | str, opcode: int = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return build_frame(payload, opcode, fin, _KEY)


def _damaged(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes((value,)) + data[at + 1 :]


_HELLO: Final = _from_client("Hello")

PRESETS: Final[tuple[Preset, ...]] = (
    Preset("text: Hello", _HELLO),
    Preset("text from a server", build_frame("Hello"), sender="server"),
    Preset("text in Chinese: 你好", _from_client("你好")),
    Preset("binary", _from_client(bytes(range(8)), Opcode.BINARY)),
    Preset("first fragment", _from_client("Hel", fin=False)),
    Preset("last fragment", _from_client("lo", Opcode.CONTINUATION)),
    Preset("ping", _from_client(b"are you there?", Opcode.PING)),
    Preset("pong", _from_client(b"are you there?", Opcode.PONG)),
    Preset("close: 1000 bye", _from_client(build_close(1000, "bye"), Opcode.CLOSE)),
    Preset("length in 7 bits: 125", _from_client("x" * 125)),
    Preset("length in 16 bits: 126", _from_client("x" * 126)),
    Preset("length in 64 bits: 65,536", _from_client("x" * 65_536)),
    Preset("RSV1 without compression", _damaged(_HELLO, 0, 0xC1), broken=True),
    Preset("RSV2 set", _damaged(_HELLO, 0, 0xA1), broken=True),
    Preset("reserved opcode 3", _damaged(_HELLO, 0, 0x83), broken=True),
    Preset("reserved control opcode 11", _damaged(_HELLO, 0, 0x8B), broken=True),
    Preset("client without mask", build_frame("Hello"), broken=True),
    Preset("server with mask", _HELLO, broken=True, sender="server"),
    Preset("ping in fragments", _damaged(_from_client(b"", Opcode.PING), 0, 0x09), broken=True),
    Preset(
        "ping of 126 bytes",
        _damaged(_from_client(b"x" * 126, Opcode.BINARY), 0, 0x89),
        broken=True,
    ),
    Preset("5 written with 16 bits", b"\x81\xfe\x00\x05" + _HELLO[2:], broken=True),
    Preset("highest bit of a 64-bit length", b"\x82\xff\x80" + bytes(7) + _KEY, broken=True),
    Preset("close with one byte", _from_client(b"\x03", Opcode.CLOSE), broken=True),
    Preset("close code 1005", _from_client(b"\x03\xed", Opcode.CLOSE), broken=True),
    Preset("text that is not UTF-8", _from_client(b"caf\xe9", Opcode.TEXT), broken=True),
)
"""In the order of the menu: the good ones first."""
