"""One wheel of timers for all connections of a loop, in place of a timer each."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from goim_edu.transport.connection import Connection

__all__ = ["TimerWheel"]


_WAKES_PER_TURN: Final = 8


class TimerWheel:
    """Wake-ups for many connections: buckets of time, and one timer of the loop for the next one.

    Args:
        loop: whose timer.
        granularity: seconds per bucket; a wake-up is at most that much late.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, granularity: float) -> None:
        self._loop = loop
        self._granularity = granularity
        self._buckets: dict[int, set[Connection]] = {}
        self._order: list[int] = []
        self._due: deque[Connection] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = math.inf

    def wake(self, connection: Connection, at: float) -> None:
        """Call ``connection.on_wake`` at this monotonic time, unless it is to wake earlier."""
        slot = int(at / self._granularity) + 1
        if connection.slot:
            if connection.slot <= slot:
                return
            self.forget(connection)
        connection.slot = slot
        bucket = self._buckets.get(slot)
        if bucket is None:
            bucket = self._buckets[slot] = set()
            heapq.heappush(self._order, slot)
            if slot < self._armed_for:
                self._arm()
        bucket.add(connection)

    def forget(self, connection: Connection) -> None:
        """Do not wake it."""
        bucket = self._buckets.get(connection.slot)
        if bucket is not None:
            bucket.discard(connection)
        connection.slot = 0

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = math.inf
        if self._order:
            self._armed_for = self._order[0]
            delay = self._armed_for * self._granularity - monotonic()
            self._timer = self._loop.call_later(max(0.0, delay), self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = monotonic()
        due = []
        while self._order and self._order[0] * self._granularity <= now:
            due.append(self._buckets.pop(heapq.heappop(self._order)))
        self._arm()
        if not self._due:
            self._loop.call_soon(self._wake_some)
        for bucket in due:
            for connection in bucket:
                connection.slot = 0
                self._due.append(connection)

    def _wake_some(self) -> None:
        """Some per turn, so that a thousand that were to wake at once hold nobody up."""
        now = monotonic()
        for _ in range(min(len(self._due), _WAKES_PER_TURN)):
            self._due.popleft().on_wake(now)
        if self._due:
            self._loop.call_soon(self._wake_some)

    def stop(self) -> None:
        """Wake nobody any more."""
        self._order.clear()
        self._buckets.clear()
        self._due.clear()
        self._arm()
