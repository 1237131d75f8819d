"""A stream that the clock watches over: deadlines, rests, and a heartbeat."""

from __future__ import annotations

import logging
import math
from time import monotonic
from typing import Final

from goim_edu.transport.engine import Engine, Tap
from goim_edu.transport.pace import READ_SIZES
from goim_edu.transport.progress import Unread
from goim_edu.transport.states import ConnectionState
from goim_edu.transport.stream import Stream
from goim_edu.websocket.heartbeat import Heartbeat, Verdict

__all__ = ["WatchedStream"]

log = logging.getLogger("goim_edu.transport")

_COUNTED: Final = 1024  # octets of a half message; fewer are less than the connection itself takes
_SLOWEST: Final = 8 * 1024  # octets of a message for which its deadline moves by a second


class WatchedStream(Stream):
    """A stream with deadlines and a heartbeat, all kept by the wheel of its engine.

    Args:
        engine: what it shares with the others.
        heartbeat: when to ping, or None; it beats while the stream is OPEN.
        tap: is given every read and write.

    Attributes:
        heartbeat: when to ping, or None.
        slot: where the wheel keeps it.
    """

    __slots__ = ("_deadline", "_half_since", "_rest_until", "_unread", "heartbeat", "slot")

    def __init__(self, engine: Engine, heartbeat: Heartbeat | None, tap: Tap | None) -> None:
        super().__init__(engine, tap)
        self.heartbeat = heartbeat
        self.slot = 0
        self._deadline = math.inf
        self._half_since = math.inf  # when the message began that is half received
        self._rest_until = math.inf
        self._unread: Unread | None = None  # what the peer has to read before our last Ping

    # ------------------------------------------------------------------ left to the upper half

    def _on_deadline(self) -> None:
        """The deadline has come."""
        raise NotImplementedError

    def _on_late_message(self) -> None:
        """A message is half received, and its deadline has come."""
        raise NotImplementedError

    def ping(self, payload: bytes) -> None:
        """Send a Ping with at most 125 octets."""
        raise NotImplementedError

    # ------------------------------------------------------------------ time

    @property
    def latency(self) -> float | None:
        """Seconds of the last round trip of the heartbeat, None before the first."""
        trips = self.heartbeat.round_trips if self.heartbeat is not None else None
        return None if trips is None else trips.last

    def set_deadline(self, at: float) -> None:
        """Set the deadline to this monotonic time, in seconds; infinity calls it off."""
        self._deadline = at
        if at < math.inf:
            self.engine.wheel.wake(self, at)

    def _start_heartbeat(self, heartbeat: Heartbeat | None) -> None:
        """From now on it beats, and there is no deadline."""
        self.heartbeat = heartbeat
        self._deadline = math.inf
        self.engine.wheel.forget(self)
        if heartbeat is not None:
            now = monotonic()
            heartbeat.last_heard = now
            self.engine.wheel.wake(self, heartbeat.next_event_at(now))

    def on_wake(self, now: float) -> None:
        """The wheel has come to us."""
        if self.state is ConnectionState.CLOSED:
            return
        if now >= self._rest_until:
            self._stop_resting()
        if now >= self._deadline:
            self._deadline = math.inf
            self._on_deadline()
        if now >= self._half_since:
            self._watch_message(now)
        heartbeat = self.heartbeat
        if heartbeat is not None and self.state is ConnectionState.OPEN:
            self._beat(heartbeat, now)
        at = self._next_wake(now)
        if at < math.inf and not self.transport.is_closing():
            self.engine.wheel.wake(self, at)

    def _next_wake(self, now: float) -> float:
        """When there is something to do again."""
        at = min(self._deadline, self._rest_until, self._message_due)
        heartbeat = self.heartbeat
        if heartbeat is not None and self.state is ConnectionState.OPEN:
            at = min(at, heartbeat.next_event_at(now))
            if self._unread is not None:
                at = min(at, now + heartbeat.timeout / 4)
        return at

    # ------------------------------------------------------------------ half received messages

    @property
    def _message_due(self) -> float:
        """When the message must be whole: the more of it has come, the later."""
        return self._half_since + self.engine.message_timeout + self._half / _SLOWEST

    def _message_is_half(self, octets: int, new: bool, now: float) -> None:
        """More of a message is still to come.

        Args:
            octets: what is kept of it.
            new: whether it began only now.
            now: monotonic time in seconds.
        """
        if new or self._half_since == math.inf:
            self._half_since = now
            if self.engine.message_timeout < math.inf:
                self.engine.wheel.wake(self, now + self.engine.message_timeout)
        octets = octets if octets >= _COUNTED else 0
        if octets != self._half:
            self._half = octets
            self._account()

    def _message_is_whole(self) -> None:
        """Nothing is half received any more."""
        if self._half_since < math.inf:
            self._half_since = math.inf
            if self._half:
                self._half = 0
                self._account()

    def _watch_message(self, now: float) -> None:
        if self._resting or self._reading_paused or self._slow is not None:
            self._half_since = now  # it may well go on, but we do not read
        elif now >= self._message_due:
            self._on_late_message()

    # ------------------------------------------------------------------ rests

    def rest(self, seconds: float) -> None:
        """Read nothing from the peer for a while, since it has spent its allowance.

        Args:
            seconds: how long; 0 for not at all.
        """
        if seconds <= 0 or self.state is not ConnectionState.OPEN:
            return
        self._rest_until = monotonic() + seconds
        self._read_size = READ_SIZES[0]
        self._by_cpu = True
        if not self._resting:
            self._resting = True
            self.engine.stats.rests += 1
            self.transport.pause_reading()
        self.engine.wheel.wake(self, self._rest_until)

    def _stop_resting(self) -> None:
        self._rest_until = math.inf
        if self._resting:
            self._resting = False
            self._go_on_reading()

    # ------------------------------------------------------------------ the heartbeat

    def _reads_on(self) -> bool:
        """Whether the peer gives a sign of life by what it reads: it cannot answer it before."""
        unread, slow = self._unread, self._slow
        if unread is not None:
            shrinks = unread.shrinks()
            if unread.gone:
                self._unread = None
            if shrinks:
                return True
        return slow is not None and slow.reads_on(self.transport.get_write_buffer_size())

    def _beat(self, heartbeat: Heartbeat, now: float) -> None:
        # If we do not listen, it may well have answered.
        if self._reading_paused or self._resting or self._reads_on():
            heartbeat.last_heard = now
        verdict = heartbeat.verdict(now)
        if verdict is Verdict.SILENT:
            self.engine.stats.silent_closed += 1
            client = {"client": self.remote}
            silence = heartbeat.silent_for(now)
            log.info("silent peer connection=%d for=%.3f", self.id, silence, extra=client)
            self.abort()
            return
        if verdict is Verdict.WE_WERE_LATE:
            self.engine.stats.we_were_late += 1
            log.warning("our own loop was late connection=%d", self.id)
        payload = heartbeat.ping_due(now)
        if payload is not None:
            self._unread = Unread.before_ping(self.transport, self.queued)
            self.ping(payload)

    # ------------------------------------------------------------------ called by asyncio

    def resume_writing(self) -> None:
        """The peer has read, so it lives."""
        if self.heartbeat is not None:
            self.heartbeat.last_heard = monotonic()
        super().resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, and nothing is watched any more."""
        super().connection_lost(error)
        self.engine.wheel.forget(self)
