"""The limits: bounds on what a peer may make us keep."""

from typing import Final, NamedTuple

from goim_edu.websocket.checked import checked
from goim_edu.websocket.wanted import wanted

__all__ = ["HandshakeLimits", "Limits"]

_LEAST: Final = {"max_frame_size": 125, "max_headers": 0, "max_body": 0}


def _check(limits: "HandshakeLimits | Limits") -> None:
    for name, value in limits._asdict().items():
        if name == "handshake":
            wanted(value, HandshakeLimits, "handshake is a HandshakeLimits")
            continue
        wanted(value, int, f"{name} is an int")
        if value < (least := _LEAST.get(name, 1)):
            raise ValueError(f"{name} must be at least {least}")


@checked(_check)
class HandshakeLimits(NamedTuple):
    """Bounds on a head; each is checked before more is buffered.

    Args:
        max_line: octets of the longest line, the request line included; at least 1.
        max_headers: the most header fields.
        max_total: octets of the whole head with its empty line; at least 1.
        max_body: octets of the body of a refusal that a client keeps, to show them.

    Raises:
        TypeError: a bound is not an ``int``.
        ValueError: a bound is too small.

    >>> HandshakeLimits(max_line=0)
    Traceback (most recent call last):
    ...
    ValueError: max_line must be at least 1
    """

    max_line: int = 8_192
    max_headers: int = 100
    max_total: int = 32_768
    max_body: int = 65_536


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
        TypeError: a bound is not an ``int``.
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
