"""What all connections of one event loop share: read buffer, flush, timers, and fairness.

A connection that is idle should cost little, and one that is busy should not make others wait.
So there is no task, no timer and no buffer per connection. There is one of each per loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from goim_edu.transport.timer_wheel import TimerWheel

if TYPE_CHECKING:
    from goim_edu.transport.connection import Connection

__all__ = [
    "Direction",
    "Engine",
    "EngineStats",
    "Tap",
]

Direction = Literal["in", "out"]
Tap = Callable[[Direction, float, bytes], None]
"""Called at each read and write with direction, monotonic time in seconds, and the bytes."""

READ_SIZES: Final = (256, 1024, 4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024)
"""Octets that one read may take: few after one that cost much, more after full and cheap ones."""


@dataclass(slots=True)
class EngineStats:
    """What has happened so far on all connections of an engine."""

    opened: int = 0
    refused: int = 0
    failed: int = 0
    slow_closed: int = 0
    dropped: int = 0
    silent_closed: int = 0
    we_were_late: int = 0
    timed_out: int = 0
    costly_reads: int = 0


class Engine:
    """What all connections of one event loop share.

    Args:
        granularity: seconds by which a timer may be late.
        queue_limit: octets that may wait for one connection before it is closed with 1013.
        close_timeout: seconds from our Close, or from the peer's, to the end of TCP.
        tap: makes the tap of a connection, or None.

    Attributes:
        stats: what has happened.
        bytes_in: octets read.
        bytes_out: octets written.
        buffer: where every connection reads to.
        views: the first so many octets of it.
    """

    def __init__(
        self,
        *,
        granularity: float = 0.05,
        queue_limit: int = 1 << 20,
        close_timeout: float = 10.0,
        tap: Callable[[Connection], Tap | None] | None = None,
    ) -> None:
        _keep_freed_memory()
        self.loop = asyncio.get_running_loop()
        self.queue_limit = queue_limit
        self.close_timeout = close_timeout
        self.tap = tap
        self.stats = EngineStats()
        self.ids = itertools.count(1)
        self.bytes_in = self.bytes_out = 0
        self.buffer = memoryview(bytearray(READ_SIZES[-1]))
        self.views = {size: self.buffer[:size] for size in READ_SIZES}
        self.wheel = TimerWheel(self.loop, granularity)
        self._dirty: list[Connection] = []
        self._end_of_turn: list[Callable[[], None]] = []
        self._flush_is_due = False
        self._costly: deque[Connection] = deque()
        self._turn_is_due = False

    def mark(self, connection: Connection) -> None:
        """This connection has something to write at the end of the turn."""
        self._dirty.append(connection)
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush)

    def at_end_of_turn(self, callback: Callable[[], None]) -> None:
        """Call this before the connections are flushed; it may write to them."""
        self._end_of_turn.append(callback)
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        while self._end_of_turn:  # they may bring more of them
            callbacks, self._end_of_turn = self._end_of_turn, []
            for callback in callbacks:
                callback()
        self._flush_is_due = False
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()

    def make_wait(self, connection: Connection) -> None:
        """Read from this connection when its turn comes: of those that wait, one per turn."""
        self.stats.costly_reads += 1
        self._costly.append(connection)
        if not self._turn_is_due:
            self._turn_is_due = True
            self.loop.call_soon(self._next_costly)

    def _next_costly(self) -> None:
        self._costly.popleft().take_turn()
        if self._costly:
            self.loop.call_soon(self._next_costly)
        else:
            self._turn_is_due = False


_KEPT_BYTES: Final = 16 * 1024 * 1024


def _keep_freed_memory() -> None:
    """Let the C library keep some freed memory, instead of giving it back to the system.

    What one read of large messages takes is free again before the next, and to fetch its pages anew
    each time would cost more than to deal with the messages. glibc learns from the first large
    block that is freed: from then on it keeps up to twice that (mallopt(3), ``M_TRIM_THRESHOLD``).
    """
    bytes(_KEPT_BYTES // 2)
