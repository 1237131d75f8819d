"""Heartbeat: when to ping, what a pong tells, when a silent peer is dead; no clock, no socket.

A TCP connection whose other end vanished looks the same as one on which nothing is sent
(RFC 9293 §3.5.1, "half-open"). Ping and Pong (RFC 6455 §5.5.2, §5.5.3) tell the two apart, and
they keep the bindings of NATs and proxies on the way alive. The RFC sets no interval: that is
our policy, and either side may ping.

The rules here:

* A ping is due every ``interval`` seconds. Several may be unanswered at a time; a pong answers
  the ping with its payload and all before it, since a peer may answer only the latest.
* A pong that answers no ping is legal, but it measures nothing.
* Any octet from the peer is a sign of life, not only a pong.
* If nothing at all came for ``timeout`` seconds after a ping, the peer is silent. But if we
  ourselves looked too late, because our event loop was blocked or the machine slept, then we
  cannot blame the peer: it gets a new ping and the whole time again, once per silence.

The application passes the time at each call, in seconds on a clock that never goes back
(``time.monotonic`` or ``loop.time``)::

    at = heartbeat.next_event_at(now)        # sleep until then
    verdict = heartbeat.verdict(now)         # SILENT: close the connection
    payload = heartbeat.ping_due(now)        # not None: send a Ping with it
"""

from __future__ import annotations

import enum
import math
from typing import NamedTuple

__all__ = ["Heartbeat", "RoundTrips", "Verdict"]

_MAX_PENDING = 16
_MAX_GRACE = 1.0


class Verdict(enum.Enum):
    """What the silence of a peer means; the value is a phrase for a log line."""

    ALIVE = "the peer is alive"
    SILENT = "the peer is silent"
    WE_WERE_LATE = "we were late ourselves"


class RoundTrips(NamedTuple):
    """Statistics on the time from ping to pong, in seconds.

    They include the waiting at both ends: a busy event loop makes a fast line look slow.
    ``jitter`` is the mean difference of one round trip to the next; after sixteen of them it is
    smoothed as in RFC 3550 §6.4.1, where a new one counts for a sixteenth.
    """

    pongs: int
    last: float
    min: float
    mean: float
    max: float
    jitter: float

    def add(self, rtt: float) -> RoundTrips:
        """The statistics after one more round trip of ``rtt`` seconds.

        >>> RoundTrips.of(0.25).add(0.75).mean
        0.5
        """
        pongs = self.pongs + 1
        return RoundTrips(
            pongs,
            rtt,
            min(self.min, rtt),
            self.mean + (rtt - self.mean) / pongs,
            max(self.max, rtt),
            self.jitter + (abs(rtt - self.last) - self.jitter) / min(self.pongs, 16),
        )

    @classmethod
    def of(cls, rtt: float) -> RoundTrips:
        """The statistics of a first round trip of ``rtt`` seconds."""
        return cls(1, rtt, rtt, rtt, rtt, 0.0)


class Heartbeat:
    """The heartbeat of one connection.

    Args:
        interval: seconds from one ping to the next, more than 0.
        timeout: seconds without any octet after a ping until the peer counts as silent.
        late_after: how many seconds after the timeout we may look without calling ourselves
            late; by default a quarter of the timeout, at most one second.

    Raises:
        ValueError: a time is not a positive, finite number.

    >>> heartbeat = Heartbeat(interval=20, timeout=10)
    >>> heartbeat.next_event_at(now=100.0)
    120.0
    >>> heartbeat.ping_due(now=120.0)
    b'hb1'
    >>> round(heartbeat.received_pong(b"hb1", now=120.25), 3)
    0.25
    >>> heartbeat.next_event_at(now=120.25), heartbeat.verdict(now=139.0).name
    (140.0, 'ALIVE')
    """

    __slots__ = (
        "_excused",
        "_first",
        "_next_ping",
        "_pending",
        "_waiting_since",
        "interval",
        "last_heard",
        "late_after",
        "round_trips",
        "timeout",
    )

    def __init__(self, interval: float, timeout: float, late_after: float | None = None) -> None:
        if late_after is None:
            late_after = min(timeout / 4, _MAX_GRACE)
        times = {"interval": interval, "timeout": timeout, "late_after": late_after}
        for name, value in times.items():
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}: a heartbeat needs more than 0 seconds")
        self.interval = interval
        self.timeout = timeout
        self.late_after = late_after
        self.last_heard = -math.inf
        self.round_trips: RoundTrips | None = None
        self._first = 1  # the number of the oldest pending ping
        self._pending: tuple[float, ...] = ()  # when the pending pings were sent
        self._next_ping: float | None = None
        self._waiting_since: float | None = None  # the first ping after the last octet
        self._excused = False

    def next_event_at(self, now: float) -> float:
        """When to call ``verdict`` and ``ping_due`` next; the first call starts the clock."""
        if self._next_ping is None:
            self._next_ping = now + self.interval
        waiting = self._waiting_since
        if waiting is None or waiting < self.last_heard:
            return self._next_ping
        return min(self._next_ping, waiting + self.timeout)

    def ping_due(self, now: float) -> bytes | None:
        """The payload of a ping to send now, or None if it is not yet time."""
        if self._next_ping is None:
            self._next_ping = now + self.interval
        if now < self._next_ping:
            return None
        self._next_ping = now + self.interval
        if self._waiting_since is None or self._waiting_since < self.last_heard:
            self._waiting_since = now
            self._excused = False
        self._pending = (*self._pending, now)
        if len(self._pending) > _MAX_PENDING:
            self._pending = self._pending[1:]
            self._first += 1
        return b"hb%d" % (self._first + len(self._pending) - 1)

    def received_data(self, now: float) -> None:
        """Octets came from the peer, whatever they say."""
        self.last_heard = now

    def received_pong(self, payload: bytes, now: float) -> float | None:
        """A pong came.

        Args:
            payload: its application data.
            now: when it came.

        Returns:
            The round-trip time in seconds, or None if it answers no ping of this heartbeat.
        """
        self.last_heard = now
        for index, sent in enumerate(self._pending):
            if payload == b"hb%d" % (self._first + index):
                rtt = max(0.0, now - sent)
                self._first += index + 1
                self._pending = self._pending[index + 1 :]
                stats = self.round_trips
                self.round_trips = RoundTrips.of(rtt) if stats is None else stats.add(rtt)
                return rtt
        return None

    def verdict(self, now: float) -> Verdict:
        """Whether the peer lives.

        After WE_WERE_LATE a ping is due at once, and the peer's time starts anew.
        """
        waiting = self._waiting_since
        if waiting is None or waiting < self.last_heard:
            return Verdict.ALIVE
        late = now - waiting - self.timeout
        if late < 0:
            return Verdict.ALIVE
        if late > self.late_after and not self._excused:
            self._excused = True
            self._waiting_since = self._next_ping = now
            return Verdict.WE_WERE_LATE
        return Verdict.SILENT

    def silent_for(self, now: float) -> float:
        """Seconds since the last octet; infinite if none came yet."""
        return now - self.last_heard

    @property
    def outstanding(self) -> int:
        """How many pings wait for their pong."""
        return len(self._pending)
