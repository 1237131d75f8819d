"""Fairness among connections: how much one read may take, when the next comes, and allowances.

A read that cost much is followed by a smaller one, and a cheap one that filled its buffer by a
larger one. Of the connections that cost much, only one is read in each turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

__all__ = [
    "COSTLY",
    "FIRST_READ",
    "LONGEST_REST",
    "READ_SIZES",
    "Allowance",
    "TurnTaker",
    "Turns",
    "next_read",
]

READ_SIZES: Final = (256, 1024, 4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024)
"""Octets that one read may take, each four times the one before."""
FIRST_READ: Final = READ_SIZES[2]
"""Octets that the first read of a connection may take."""
COSTLY: Final = 0.0004
"""Seconds that a read may cost, with all that it causes, before the next one is smaller."""
LONGEST_REST: Final = 2.0
"""Seconds for which a peer that has spent its allowance is not read; its end is not seen either."""

_SMALLEST: Final = READ_SIZES[0]
_LARGEST: Final = READ_SIZES[-1]
_CHEAP: Final = COSTLY / 4  # four times as many octets would not be costly either
_TRIFLE: Final = COSTLY / 8


def next_read(size: int, nbytes: int, seconds: float) -> tuple[int, bool]:
    """How to go on after a read.

    A connection whose reads have become smaller than the first one waits for its turn even if this
    read did not cost much: there may be many such connections.

    Args:
        size: octets that the read was allowed to take, one of ``READ_SIZES``.
        nbytes: octets that it took.
        seconds: what it cost, with all that it caused.

    Returns:
        Octets that the next read may take, and whether it waits for its turn.

    >>> next_read(4096, 4096, seconds=0.00001)
    (16384, False)
    >>> next_read(4096, 4096, seconds=0.01)
    (1024, True)
    """
    if seconds > COSTLY:
        if size > _SMALLEST and nbytes > size // 4:
            return size // 4, True
        return size, True
    if seconds < _CHEAP and nbytes == size < _LARGEST:
        return size * 4, False
    return size, size < FIRST_READ and seconds > _TRIFLE


class Allowance:
    """How much a peer may have us do: so much at once, and so much a second in the long run.

    Args:
        rate: of whatever is counted, a second.
        burst: at once.
        now: seconds of a clock that never goes back.

    Attributes:
        left: what may be taken without asking; below 0, ``spend`` says how long to wait.

    >>> allowance = Allowance(rate=10, burst=20, now=100.0)
    >>> allowance.spend(20, now=100.0), allowance.spend(5, now=100.0)
    (0.0, 0.5)
    """

    __slots__ = ("_at", "_burst", "_rate", "left")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self.left = self._burst = burst
        self._at = now

    def spend(self, amount: float, now: float) -> float:
        """Take this much of it.

        Args:
            amount: of what is counted.
            now: seconds of the same clock.

        Returns:
            Seconds until that is made up for: 0 if it was there, and ``LONGEST_REST`` at most.
        """
        if amount <= self.left:  # what has come to it meanwhile can be added later
            self.left -= amount
            return 0.0
        left = min(self._burst, self.left + (now - self._at) * self._rate) - amount
        self._at = now
        self.left = max(left, -LONGEST_REST * self._rate)
        return max(0.0, -self.left / self._rate)


class TurnTaker(Protocol):
    """What waits for its turn."""

    def take_turn(self) -> None:
        """Its turn has come."""
        ...


class Turns:
    """A queue that is served once in each turn of the loop.

    Args:
        loop: the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[TurnTaker] = deque()
        self._is_due = False

    def wait(self, taker: TurnTaker) -> None:
        """Call ``taker.take_turn`` once, after those that wait already."""
        self._waiting.append(taker)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._waiting.popleft().take_turn()
        if self._waiting:
            self._loop.call_soon(self._next)
        else:
            self._is_due = False
