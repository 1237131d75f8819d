"""A peer that reads too slowly: what waits for it, and what of that may be dropped.

TCP takes octets as fast as the peer reads them (RFC 9293 §3.8.6). When the socket takes no more,
what is written waits here, where it is counted, and not in the transport. A ``SlowReader`` exists
only until the socket has taken all of it, so a connection that keeps up pays nothing for it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["PORTION", "SlowReader"]

PORTION: Final = 64 * 1024
"""Octets from which on no more is handed to a socket at once."""

_PATIENCE: Final = 5.0  # seconds in which a peer that catches up reads a portion


class SlowReader:
    """What waits for a peer until it has read what was written before.

    Args:
        acknowledged: octets that its TCP has acknowledged so far, or None if that is not known.

    Attributes:
        size: octets that wait.

    >>> slow = SlowReader()
    >>> slow.hold(b"a message", droppable=False)
    >>> slow.hold(b"typing", droppable=True)
    >>> slow.drop(excess=1), slow.size
    (1, 9)
    >>> slow.take(), slow.size
    (b'a message', 0)
    """

    __slots__ = ("_acknowledged", "_buffered", "_moved_at", "_pieces", "size")

    def __init__(self, acknowledged: int | None = None) -> None:
        self._acknowledged = acknowledged
        self._moved_at = -1.0  # the last time that it had read a portion
        self._pieces: deque[tuple[bytes, bool]] = deque()
        self._buffered = 1 << 62  # more than a transport can hold
        self.size = 0

    def hold(self, data: bytes, droppable: bool) -> None:
        """Let whole frames wait.

        Args:
            data: the frames.
            droppable: whether they may be lost, as a "typing" may, and a message may not.
        """
        self._pieces.append((data, droppable))
        self.size += len(data)

    def take(self) -> bytes:
        """The oldest pieces, up to the one that completes a portion; they wait no more."""
        pieces = []
        size = 0
        while self._pieces and size < PORTION:
            piece, _ = self._pieces.popleft()
            pieces.append(piece)
            size += len(piece)
        self.size -= size
        return b"".join(pieces)

    def drop(self, excess: int) -> int:
        """Drop droppable pieces, the oldest first, until so many octets are gone.

        Returns:
            How many pieces were dropped. They may be too few: then ``size`` tells.
        """
        kept: deque[tuple[bytes, bool]] = deque()
        before = len(self._pieces)
        for data, droppable in self._pieces:
            if droppable and excess > 0:
                excess -= len(data)
                self.size -= len(data)
            else:
                kept.append((data, droppable))
        self._pieces = kept
        return before - len(kept)

    def clear(self) -> None:
        """Drop all of it."""
        self._pieces.clear()
        self.size = 0

    def reads_on(self, buffered: int) -> bool:
        """Whether the peer has read since the last call: slow is not dead.

        Args:
            buffered: octets that the transport still holds.
        """
        reads_on = buffered < self._buffered
        self._buffered = buffered
        return reads_on

    def catches_up(self, acknowledged: int | None, now: float) -> bool:
        """Whether the peer reads a portion every few seconds: then it may owe us more.

        The first call gives it as long to begin.

        Args:
            acknowledged: octets that its TCP has acknowledged by now, or None if that is not known.
            now: monotonic time in seconds.
        """
        if acknowledged is None or self._acknowledged is None:
            return False
        if acknowledged - self._acknowledged >= PORTION or self._moved_at < 0:
            self._acknowledged = acknowledged
            self._moved_at = now
        return now - self._moved_at < _PATIENCE
