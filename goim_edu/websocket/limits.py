"""The limits: bounds on what a peer may make us keep."""

from __future__ import annotations

from typing import NamedTuple

from goim_edu.websocket.checked import checked
from goim_edu.websocket.http11 import HandshakeLimits

__all__ = ["Limits"]


_LEAST = {
    "max_frame_size": 125,
    "max_message_size": 1,
    "max_fragments": 1,
    "max_pending_control": 1,
}


def _check(limits: Limits) -> None:
    for name, least in _LEAST.items():
        if getattr(limits, name) < least:
            raise ValueError(f"{name} must be at least {least}")


@checked(_check)
class Limits(NamedTuple):
    """What a peer may make us keep; each bound is checked before anything is kept.

    Args:
        max_frame_size: octets of one frame's payload, as its header declares; at least 125,
            since any control frame may have that many.
        max_message_size: octets of one message, all its fragments, after inflating.
        max_fragments: frames of one message, empty ones too; 4 MiB in pieces of 64 octets are
            65,536, and some peers end them with an empty one.
        max_pending_control: answers to Pings that wait for ``data_to_send``; of more Pings only
            the latest is answered (RFC 6455 §5.5.3 allows that).
        handshake: the bounds on the HTTP head.

    Raises:
        ValueError: a bound is too small.

    >>> Limits(max_message_size=0)
    Traceback (most recent call last):
    ...
    ValueError: max_message_size must be at least 1
    """

    max_frame_size: int = 1 << 20
    max_message_size: int = 1 << 20
    max_fragments: int = 131_072
    max_pending_control: int = 256
    handshake: HandshakeLimits = HandshakeLimits()
