"""One reply for many receivers: encoded once per wire format, then the same bytes for all.

A wire format is a subprotocol, and the window of compressed messages that refer to no past one
(``server_no_context_takeover``, RFC 7692 §7.1.1.1), where the receiver takes such messages. Short
messages are not compressed: with nothing to refer to, they hardly become shorter.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct

from goim_edu.chat.vocabulary import SUBPROTOCOLS, Codec
from goim_edu.websocket.deflate import DeflateConfig, PerMessageDeflate, deflate_shared
from goim_edu.websocket.frames import Opcode, build_frame

__all__ = ["COMPRESS_FROM", "Broadcast", "WireFormat", "frame_reply", "wire_format_of"]

COMPRESS_FROM: Final = 256
"""Octets from which on a reply is compressed."""


class WireFormat(NamedTuple):
    """How replies are written for a receiver.

    Args:
        codec: of its subprotocol.
        window_bits: the window of compressed messages, 0 where replies are not compressed.
        config: how to compress, None where replies are not compressed.
    """

    codec: Codec
    window_bits: int
    config: DeflateConfig | None


@lru_cache(maxsize=64)
def _intern(name: str, window_bits: int, config: DeflateConfig | None) -> WireFormat:
    return WireFormat(SUBPROTOCOLS[name], window_bits, config)


def wire_format_of(subprotocol: str, deflate: PerMessageDeflate | None) -> WireFormat:
    """The wire format of a connection; equal ones are one object.

    Args:
        subprotocol: the agreed one, a key of ``SUBPROTOCOLS``.
        deflate: the agreed compression, or None.

    >>> wire_format_of("goim.v1.bson", None).codec.binary
    True
    """
    if deflate is None or not deflate.local_no_context_takeover:
        return _intern(subprotocol, 0, None)
    return _intern(subprotocol, deflate.params.server_max_window_bits, deflate.config)


def frame_reply(message: Struct, wire_format: WireFormat) -> bytes:
    r"""The frame of one reply, ready to be written.

    >>> from goim_edu.chat.vocabulary import Left
    >>> frame_reply(Left("lobby"), wire_format_of("goim.v1.json", None))
    b'\x81!{"type":"left","room_id":"lobby"}'
    """
    codec, window_bits, config = wire_format
    payload = codec.encode(message)
    opcode = Opcode.BINARY if codec.binary else Opcode.TEXT
    if config is not None and len(payload) >= COMPRESS_FROM:
        payload = deflate_shared(payload, window_bits, config)
        return build_frame(payload, opcode, rsv1=True)
    return build_frame(payload, opcode)


class Broadcast:
    """One reply on its way to many.

    Args:
        message: the reply.
        seq: its number in the room if it is a chat message, else 0.
        but: the members that do not get it.

    >>> from goim_edu.chat.vocabulary import Left
    >>> Broadcast(Left("lobby")).droppable
    True
    """

    __slots__ = ("_frames", "_message", "but", "seq")

    def __init__(self, message: Struct, seq: int = 0, but: Collection[object] = ()) -> None:
        self._message = message
        self._frames: dict[WireFormat, bytes] = {}
        self.seq = seq
        self.but = but

    @property
    def droppable(self) -> bool:
        """Whether a slow reader may miss it: true for all but chat messages."""
        return self.seq == 0

    def frame(self, wire_format: WireFormat) -> bytes:
        """The frame in this wire format; it is built when it is asked for first."""
        frame = self._frames.get(wire_format)
        if frame is None:
            frame = self._frames[wire_format] = frame_reply(self._message, wire_format)
        return frame
