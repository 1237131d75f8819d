"""A stream that the clock watches over: a deadline, and a heartbeat that finds a silent peer."""

from __future__ import annotations

import logging
import math
from time import monotonic

from goim_edu.transport.engine import Engine, Tap
from goim_edu.transport.states import ConnectionState
from goim_edu.transport.stream import Stream
from goim_edu.websocket.heartbeat import Heartbeat, Verdict

__all__ = ["WatchedStream"]

log = logging.getLogger("goim_edu.transport")


class WatchedStream(Stream):
    """A stream with a deadline and a heartbeat, both kept by the wheel of its engine.

    Args:
        engine: what it shares with the others.
        heartbeat: when to ping, or None; it beats while the stream is OPEN.
        tap: is given every read and write.

    Attributes:
        heartbeat: when to ping, or None.
        slot: where the wheel keeps it.
    """

    __slots__ = ("_deadline", "heartbeat", "slot")

    def __init__(self, engine: Engine, heartbeat: Heartbeat | None, tap: Tap | None) -> None:
        super().__init__(engine, tap)
        self.heartbeat = heartbeat
        self.slot = 0
        self._deadline = math.inf

    # ------------------------------------------------------------------ left to the upper half

    def _on_deadline(self) -> None:
        """The deadline has come."""
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
        if now >= self._deadline:
            self._deadline = math.inf
            self._on_deadline()
        heartbeat = self.heartbeat
        if heartbeat is not None and self.state is ConnectionState.OPEN:
            self._beat(heartbeat, now)
        at = self._deadline
        if heartbeat is not None and self.state is ConnectionState.OPEN:
            at = min(at, heartbeat.next_event_at(now))
        if at < math.inf and not self.transport.is_closing():
            self.engine.wheel.wake(self, at)

    def _beat(self, heartbeat: Heartbeat, now: float) -> None:
        slow = self._slow
        if self._reading_paused:
            heartbeat.last_heard = now  # it may well answer, but we do not listen
        elif slow is not None and slow.reads_on(self.transport.get_write_buffer_size()):
            heartbeat.last_heard = now  # it cannot answer what it has not read yet
        verdict = heartbeat.verdict(now)
        if verdict is Verdict.SILENT:
            self.engine.stats.silent_closed += 1
            log.info("silent peer connection=%d for=%.3f", self.id, heartbeat.silent_for(now))
            self.abort()
            return
        if verdict is Verdict.WE_WERE_LATE:
            self.engine.stats.we_were_late += 1
            log.warning("our own loop was late connection=%d", self.id)
        payload = heartbeat.ping_due(now)
        if payload is not None:
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
