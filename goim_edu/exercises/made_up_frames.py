"""Made-up frames for several chapters, built with the package's own functions."""

from __future__ import annotations

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.websocket.frames import Opcode, build_frame

__all__ = ["frame", "key", "stream"]

_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION)
_CONTROL = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)


def key(choices: Choices) -> bytes | None:
    """A masking key, or none."""
    return bytes(choices.integer(0, 255) for _ in range(4)) if choices.flag() else None


def frame(choices: Choices, most: int = 300) -> bytes:
    """A good frame of up to ``most`` bytes of payload."""
    if choices.integer(0, 3) == 3:
        payload = choices.octets(0, 4)
        return build_frame(payload, choices.pick(_CONTROL), mask_key=key(choices))
    fin = not choices.flag()
    opcode = choices.pick(_DATA)
    return build_frame(choices.octets(0, most), opcode, fin, key(choices))


def stream(choices: Choices) -> list[bytes]:
    """Some frames, joined, and cut again as a network might."""
    octets = b"".join(choices.some(0, 4, lambda: frame(choices, 8)))
    pieces = []
    while octets:
        size = choices.integer(1, max(1, len(octets)))
        pieces.append(octets[:size])
        octets = octets[size:]
    return pieces
