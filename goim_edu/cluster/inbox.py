"""What the follower has read, on its way into the event loop of the server.

The stream may tell of a message before our own store has answered for it, though only by a moment.
The sender is to hear of its ack first. So what the stream tells waits a little for that, and keeps
its order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

from bson.timestamp import Timestamp

from goim_edu.cluster.follower import Event, Follower

__all__ = ["Inbox"]

log = logging.getLogger("goim_edu.cluster")

_AT_ONCE: Final = 1000  # events that are handed on in one turn of the loop
_FOR_ACK, _REST = 0.05, 0.001  # seconds that what the stream tells may wait for an ack


class Inbox:
    """Hands the events of a follower on, in their order.

    Args:
        follower: has read them.
        loop: of the server.
        hear: takes each event.
        reach: is told the moment of the newest event before any of them is handed on.
        is_awaited: whether an event tells a message of which our own store will tell at once.
    """

    def __init__(
        self,
        follower: Follower,
        loop: asyncio.AbstractEventLoop,
        hear: Callable[[Event], None],
        reach: Callable[[Timestamp], None],
        is_awaited: Callable[[Event], bool],
    ) -> None:
        self._follower = follower
        self._loop = loop
        self._hear = hear
        self._reach = reach
        self._is_awaited = is_awaited
        self._events: deque[Event] = deque()
        self._resting: asyncio.TimerHandle | None = None
        self._patience = 0.0  # until then
        self._stopped = False

    def take(self) -> None:
        """Hand on what the follower has, and come back for more."""
        if self._resting is not None or self._stopped:
            return
        if not self._events:
            self._events.extend(self._follower.take(_AT_ONCE))
            self._patience = monotonic() + _FOR_ACK
        if not self._events:
            return
        self._reach(self._events[-1].moment)
        while self._events:
            if self._is_awaited(self._events[0]) and monotonic() < self._patience:
                self._resting = self._loop.call_later(_REST, self._go_on)
                return
            self._hear_safely(self._events.popleft())
        self._loop.call_soon(self.take)

    def _hear_safely(self, event: Event) -> None:
        """A document that another program wrote must not keep back those behind it."""
        try:
            self._hear(event)
        except Exception:
            log.exception("not understood collection=%s", event.collection)

    def _go_on(self) -> None:
        self._resting = None
        self.take()

    def stop(self) -> None:
        """Hand on nothing more."""
        self._stopped = True
        if self._resting is not None:
            self._resting.cancel()
