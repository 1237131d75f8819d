"""What all connections of one event loop share: read buffer, flush, timers, and turns.

A connection that is idle should cost little, and one that is busy should not make others wait.
So there is no task, no timer and no buffer per connection. There is one of each per loop.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from goim_edu.transport.budget import Memory
from goim_edu.transport.pace import READ_SIZES, Turns
from goim_edu.transport.timer_wheel import TimerWheel

__all__ = ["Direction", "Engine", "EngineStats", "Flushable", "Tap"]

Direction = Literal["in", "out"]
Tap = Callable[[Direction, float, bytes], None]
"""Called at each read and write with direction, monotonic time in seconds, and the bytes."""


class Flushable(Protocol):
    """What gathers octets during a turn of the loop, and writes them at its end."""

    def flush(self) -> None:
        """Write what has gathered."""
        ...


@dataclass(slots=True)
class EngineStats:
    """What has happened so far on all connections of an engine.

    Args:
        opened: handshakes that succeeded.
        refused: requests that were refused.
        tls_failed: connections whose TLS was not agreed on.
        failed: connections on which the peer broke a rule.
        slow_closed: closed with 1013, since the peer read too slowly.
        dropped: messages that slow readers did not get.
        silent_closed: closed, since the peer did not answer pings.
        we_were_late: pongs that we could not look for in time ourselves.
        timed_out: connections that did not open or close in time.
        costly_reads: reads that took so long that the next one had to wait.
        half_messages: messages that did not arrive in time.
        gave_way: connections that were closed, since the memory was spent.
        rests: times that a peer had to wait, since it sent too many control frames.
    """

    opened: int = 0
    refused: int = 0
    tls_failed: int = 0
    failed: int = 0
    slow_closed: int = 0
    dropped: int = 0
    silent_closed: int = 0
    we_were_late: int = 0
    timed_out: int = 0
    costly_reads: int = 0
    half_messages: int = 0
    gave_way: int = 0
    rests: int = 0


class Engine:
    """What all connections of one event loop share; made inside that loop.

    Args:
        granularity: seconds by which a timer may be late.
        queue_limit: octets that may wait for one connection before it is closed with 1013.
        close_timeout: seconds from our Close, or from the peer's, to the end of TCP.
        message_timeout: seconds for a message to arrive; one more for each 8 KiB that have come.
        memory_limit: octets that half received messages and slow readers may take in all.
        control_rate: Pings and Pongs a second that a peer may send.

    Attributes:
        loop: the event loop.
        stats: what has happened.
        ids: the numbers of connections to come.
        bytes_in: octets read.
        bytes_out: octets written.
        buffer: where every connection reads to.
        views: the beginning of it in each of the ``READ_SIZES``.
        memory: counts what is kept for peers.
        wheel: wakes connections at their deadlines.
        turns: the connections that wait for their turn to be read.

    >>> async def main() -> int:
    ...     engine = Engine(queue_limit=1000)
    ...     return len(engine.views[4096])
    >>> asyncio.run(main())
    4096
    """

    def __init__(
        self,
        *,
        granularity: float = 0.05,
        queue_limit: int = 1 << 20,
        close_timeout: float = 10.0,
        message_timeout: float = math.inf,
        memory_limit: float = math.inf,
        control_rate: float = math.inf,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.queue_limit = queue_limit
        self.close_timeout = close_timeout
        self.message_timeout = message_timeout
        self.control_rate = control_rate
        self.memory = Memory(memory_limit)
        self.stats = EngineStats()
        self.ids = itertools.count(1)
        self.bytes_in = self.bytes_out = 0
        self.buffer = memoryview(bytearray(READ_SIZES[-1]))
        self.views = {size: self.buffer[:size] for size in READ_SIZES}
        self.wheel = TimerWheel(self.loop, granularity)
        self.turns = Turns(self.loop)
        self._dirty: list[Flushable] = []
        self._end_of_turn: list[Callable[[], None]] = []
        self._flush_is_due = False

    def mark(self, writer: Flushable) -> None:
        """Flush this at the end of the turn."""
        self._dirty.append(writer)
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
        while self._end_of_turn:  # a callback may add another
            callbacks, self._end_of_turn = self._end_of_turn, []
            for callback in callbacks:
                callback()
        self._flush_is_due = False
        dirty, self._dirty = self._dirty, []
        for writer in dirty:
            writer.flush()
