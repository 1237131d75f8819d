"""One wheel of timers for all connections of a loop, in place of a timer each."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from time import monotonic
from typing import Final, Protocol

__all__ = ["TimerWheel", "Wakeable"]

_WAKES_PER_TURN: Final = 8


class Wakeable(Protocol):
    """What the wheel can wake.

    Attributes:
        slot: where the wheel keeps it, 0 at first; only the wheel changes it.
    """

    slot: int

    def on_wake(self, now: float) -> None:
        """Its time has come."""
        ...


class TimerWheel:
    """Wake-ups for many connections: buckets of time, and one timer of the loop for the next one.

    Args:
        loop: the event loop.
        granularity: seconds per bucket; a wake-up is at most that much late.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, granularity: float) -> None:
        self._loop = loop
        self._granularity = granularity
        self._buckets: dict[int, set[Wakeable]] = {}
        self._order: list[int] = []
        self._due: deque[Wakeable] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = math.inf

    def wake(self, sleeper: Wakeable, at: float) -> None:
        """Call ``sleeper.on_wake`` at this monotonic time, unless it is to wake earlier."""
        slot = int(at / self._granularity) + 1
        if sleeper.slot:
            if sleeper.slot <= slot:
                return
            self.forget(sleeper)
        sleeper.slot = slot
        bucket = self._buckets.get(slot)
        if bucket is None:
            bucket = self._buckets[slot] = set()
            heapq.heappush(self._order, slot)
            if slot < self._armed_for:
                self._arm()
        bucket.add(sleeper)

    def forget(self, sleeper: Wakeable) -> None:
        """Do not wake it."""
        bucket = self._buckets.get(sleeper.slot)
        if bucket is not None:
            bucket.discard(sleeper)
        sleeper.slot = 0

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
            for sleeper in bucket:
                sleeper.slot = 0
                self._due.append(sleeper)

    def _wake_some(self) -> None:
        """A few per turn, so that a thousand that are due at once hold up nothing else."""
        now = monotonic()
        for _ in range(min(len(self._due), _WAKES_PER_TURN)):
            self._due.popleft().on_wake(now)
        if self._due:
            self._loop.call_soon(self._wake_some)

    def stop(self) -> None:
        """Wake nothing any more."""
        self._order.clear()
        self._buckets.clear()
        self._due.clear()
        self._arm()
