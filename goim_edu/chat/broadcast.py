"""One reply for many receivers: encoded once per way of writing it, then the same bytes for all.

A way is a subprotocol and whether the receiver takes compressed messages that refer to no past
one (``server_no_context_takeover``, RFC 7692 §7.1.1.1). Short messages are not compressed: with
nothing to refer to, they hardly become shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from goim_edu.chat.vocabulary import SUBPROTOCOLS, Codec
from goim_edu.websocket.deflate import DeflateConfig, PerMessageDeflate, deflate_shared
from goim_edu.websocket.frames import Opcode, build_frame

__all__ = ["COMPRESS_FROM", "Parcel", "Way", "frame_reply"]

COMPRESS_FROM = 256
"""Octets from which on a reply is compressed."""


class Way(NamedTuple):
    """How a receiver wants it: its codec, and the window for compressed messages (0: none)."""

    codec: Codec
    window_bits: int
    config: DeflateConfig | None


@lru_cache(maxsize=64)
def _intern(name: str, window_bits: int, config: DeflateConfig | None) -> Way:
    return Way(SUBPROTOCOLS[name], window_bits, config)


def way_of(subprotocol: str, deflate: PerMessageDeflate | None) -> Way:
    """The way of a connection; equal ways are one object."""
    if deflate is None or not deflate.forgets_out:
        return _intern(subprotocol, 0, None)
    return _intern(subprotocol, deflate.params.server_max_window_bits, deflate.config)


def frame_reply(message: Struct, way: Way) -> bytes:
    r"""The frame of one reply, ready to be written.

    >>> from goim_edu.chat.vocabulary import Left
    >>> frame_reply(Left("lobby"), way_of("goim.v1.json", None))
    b'\x81!{"type":"left","room_id":"lobby"}'
    """
    payload = way.codec.encode(message)
    opcode = Opcode.BINARY if way.codec.binary else Opcode.TEXT
    if way.config is not None and len(payload) >= COMPRESS_FROM:
        payload = deflate_shared(payload, way.window_bits, way.config)
        return build_frame(payload, opcode, rsv1=True)
    return build_frame(payload, opcode)


class Parcel:
    """One reply on its way to many.

    Args:
        make: makes the reply for a codec, since the two write times differently.
        seq: its number in the room if it is a message, else 0.
        but: who does not get it.
    """

    __slots__ = ("_frames", "_make", "but", "seq")

    def __init__(
        self, make: Callable[[Codec], Struct], seq: int = 0, but: object | None = None
    ) -> None:
        self._make = make
        self._frames: dict[Way, bytes] = {}
        self.seq = seq
        self.but = but

    @property
    def droppable(self) -> bool:
        """Whether a slow reader may miss it: anything but a message."""
        return self.seq == 0

    def frame(self, way: Way) -> bytes:
        """The frame for this way; made by the first who asks."""
        frame = self._frames.get(way)
        if frame is None:
            frame = self._frames[way] = frame_reply(self._make(way.codec), way)
        return frame
