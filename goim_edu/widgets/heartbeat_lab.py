"""HeartbeatLab: a real connection over a link that you make bad, and what its heartbeat sees."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import traitlets

from goim_edu import draw
from goim_edu.websocket.heartbeat import Heartbeat, RoundTrips, Verdict
from goim_edu.widgets.base import Lab, script, style
from goim_edu.widgets.heartbeat_run import HasLink, Run, State

__all__ = ["HeartbeatLab"]

_SHOWN: Final = 150  # pings that the browser draws
_KNOBS: Final = ("delay", "jitter", "rate", "interval", "timeout")
_FAULTS: Final = ("delay", "jitter", "rate")
_LOOPBACK: Final = 0.0004  # seconds of a round trip in a forecast without delay
_MOST_STEPS: Final = 2000  # of a forecast
_ALIVE: Final = "the peer is alive"


class HeartbeatLab(Lab):
    """Watch the round trips of a real connection, make its link bad, and see who notices when.

    ``start`` connects to the live server through a link of its own. The heartbeat is the one of
    our transport: it pings every ``interval`` seconds, and when after a ping nothing at all has
    come for ``timeout`` seconds, the server counts as silent and the connection is given up. A
    run lasts at most 300 seconds or 600 pings, in a thread that ends with it, with ``close`` and
    with the kernel.

    Args:
        server: a live server.
        interval: seconds from ping to ping.
        timeout: seconds of silence after a ping until the verdict.

    Attributes:
        delay: seconds that every piece is under way, each way.
        jitter: up to this many seconds more, by chance.
        rate: octets a second that pass each way; None for no limit.
        interval, timeout: of the heartbeat. All five can be set at any time.

    >>> from goim_edu.lab import LiveServer
    >>> with LiveServer("memory", name="example") as live:
    ...     lab = HeartbeatLab(live, interval=0.05, timeout=0.2)
    ...     lab.start()
    ...     lab.wait(pongs=2)
    ...     lab.silence()
    ...     lab.wait()
    ...     lab.verdict.name
    'running'
    'silent'
    'SILENT'
    """

    _esm = script("heartbeat_lab")
    _css = style("heartbeat_lab")

    delay = traitlets.Float(0.0, min=0.0, max=2.0)
    jitter = traitlets.Float(0.0, min=0.0, max=1.0)
    rate = traitlets.Float(None, allow_none=True, min=20.0)
    interval = traitlets.Float(0.5, min=0.02, max=10.0)
    timeout = traitlets.Float(1.0, min=0.02, max=30.0)

    def __init__(self, server: HasLink, interval: float = 0.5, timeout: float = 1.0) -> None:
        super().__init__(interval=interval, timeout=timeout)
        self._server = server
        self._run: Run | None = None
        self._silenced = False
        self.observe(self._turn, list(_KNOBS))
        self._refresh()

    # ------------------------------------------------------------------ what Python can do

    def start(self) -> None:
        """Connect and let the heart beat, with a new record; a run before it is ended.

        Raises:
            OSError: there is no such server.
        """
        self.stop()
        self._silenced = False
        faults = {name: getattr(self, name) for name in _FAULTS}
        self._run = Run(self._server, self.interval, self.timeout, **faults)
        self._tell()

    def stop(self) -> None:
        """End the run; its record stays."""
        if self._run is not None:
            self._run.stop()
            self._tell()

    def reset(self) -> None:
        """End the run, forget its record, and take all faults off the link."""
        self.stop()
        self._run = None
        self._silenced = False
        self.delay, self.jitter, self.rate = 0.0, 0.0, None
        self._tell()

    def silence(self) -> None:
        """Let nothing pass any more, and tell nobody: a pulled cable, a NAT that has forgotten.

        Raises:
            RuntimeError: there is no connection to silence.
        """
        self._running().silence(True)
        self._silenced = True
        self._tell()

    def restore(self) -> None:
        """Let everything pass again; what was sent meanwhile arrives late, as TCP repeats it."""
        if self._silenced and self._run is not None and not self._run.ended:
            self._run.silence(False)
        self._silenced = False
        self._tell()

    def cut(self) -> None:
        """End the connection with a TCP reset, as a router or a firewall may.

        Raises:
            RuntimeError: there is no connection to cut.
        """
        self._running().cut()
        self._tell()

    def wait(self, pongs: int | None = None, seconds: float = 10.0) -> State:
        """Wait until this many pongs came, or the run has ended; return its state.

        Args:
            pongs: None: only for the end.
            seconds: to wait at most.
        """
        run = self._run
        if run is None:
            return "ready"

        def enough() -> bool:
            trips = run.heartbeat.round_trips
            return run.ended or (pongs is not None and trips is not None and trips.pongs >= pongs)

        run.wait(enough, seconds)
        return run.state

    def close(self) -> None:
        """End the run, and the widget."""
        if getattr(self, "_run", None) is not None:
            self.stop()
        super().close()

    @property
    def state(self) -> State:
        """How far the run has come, or how it ended."""
        return "ready" if self._run is None else self._run.state

    @property
    def round_trips(self) -> list[tuple[float, float | None]]:
        """When each ping was sent, and how long its pong took; None: it has not come."""
        return [] if self._run is None else list(self._run.pings)

    @property
    def statistics(self) -> RoundTrips | None:
        """Fastest, mean, slowest and jitter; None before the first pong."""
        return None if self._run is None else self._run.heartbeat.round_trips

    @property
    def verdicts(self) -> list[tuple[float, Verdict]]:
        """When the heartbeat said that the peer is silent, or that we were late ourselves."""
        return [] if self._run is None else list(self._run.verdicts)

    @property
    def verdict(self) -> Verdict | None:
        """What the heartbeat thinks of the server; None before there was a connection."""
        if self._run is None or self._run.state in ("connecting", "failed"):
            return None
        verdicts = self.verdicts
        return Verdict.SILENT if Verdict.SILENT in [v for _, v in verdicts] else Verdict.ALIVE

    @property
    def said(self) -> str:
        """What has happened, in a sentence."""
        return _sentence(self._run) if self._run else "not started yet"

    def picture(self) -> draw.Picture:
        """Return the run so far as a picture; without one, what the settings let expect."""
        if not self.round_trips:
            return self.forecast()
        return draw.round_trips(self.round_trips, verdicts=self.verdicts)

    def forecast(self) -> draw.Picture:
        """Return what a run with these settings looks like if the link falls silent.

        The real heartbeat goes through it without waiting: it owns no clock.
        """
        heartbeat, trip = Heartbeat(self.interval, self.timeout), 2 * self.delay + _LOOPBACK
        silent_from, now = 6.5 * self.interval, 0.0
        pings: dict[bytes, tuple[float, float | None]] = {}
        pongs: deque[tuple[float, bytes]] = deque()
        for _ in range(_MOST_STEPS):
            at = heartbeat.next_event_at(now)
            if pongs and pongs[0][0] <= at:
                now, answered = pongs.popleft()
                rtt = heartbeat.received_pong(answered, now)
                if rtt is not None:
                    pings[answered] = pings[answered][0], rtt
                continue
            now = max(now, at) + 1e-6
            if heartbeat.verdict(now) is Verdict.SILENT:
                return draw.round_trips(pings.values(), verdicts=[(now, Verdict.SILENT)])
            payload = heartbeat.ping_due(now)
            if payload is not None:
                pings[payload] = now, None
                if now + trip < silent_from:
                    pongs.append((now + trip, payload))
        return draw.round_trips(pings.values())

    # ------------------------------------------------------------------ the knobs

    def _running(self) -> Run:
        if self._run is None or self._run.ended:
            raise RuntimeError("there is no connection: lab.start() makes one")
        return self._run

    def _turn(self, change: Any) -> None:
        """A knob was turned: it holds at once, also for what is under way."""
        name, run = change["name"], self._run
        if run is not None and not run.ended:
            if name in _FAULTS:
                setattr(run.link, name, getattr(self, name))
            else:
                fresh = Heartbeat(self.interval, self.timeout)
                run.heartbeat.interval, run.heartbeat.timeout = fresh.interval, fresh.timeout
                run.heartbeat.late_after = fresh.late_after
        self._refresh()

    def _refresh(self) -> None:
        self.view = {name: getattr(self, name) for name in _KNOBS}

    # ------------------------------------------------------------------ what the browser sees

    def _tell(self) -> None:
        self.send({"type": "pulse", **self._pulse()})

    def _pulse(self) -> dict[str, Any]:
        """What is plotted: the last pings, and what happened since the first of them."""
        run, state = self._run, self.state
        pings = self.round_trips[-_SHOWN:]
        since = pings[0][0] if len(pings) == _SHOWN else 0.0
        return {
            "state": state,
            "said": self.said,
            "silenced": self._silenced,
            "seconds": 0.0 if run is None else run.seconds,
            "since": since,
            "pings": pings,
            "waits": self.timeout,
            "marks": [] if run is None else [m for m in run.marks if m[0] >= since],
            "verdicts": [(at, v.name, v.value) for at, v in self.verdicts if at >= since],
            "statistics": self.statistics._asdict() if self.statistics else None,
        }

    def _do(self, content: dict[str, Any]) -> None:
        match content:
            case {"type": "poll"}:
                self._tell()
            case {"type": "do", "what": "start" | "stop" | "reset" | "restore" as what}:
                getattr(self, what)()
            case {"type": "do", "what": "silence" | "cut" as what}:
                if self._run is not None and not self._run.ended:
                    getattr(self, what)()
            case {"type": "set", "name": str(name), "value": value} if name in _KNOBS:
                setattr(self, name, None if value is None else float(value))

    def __repr__(self) -> str:
        return f"HeartbeatLab(interval={self.interval:g}, timeout={self.timeout:g})"

    def _stand_in(self) -> str:
        # Not the measured times: a notebook's saved output must not change from run to run.
        note = "Expected with these settings; run this cell to measure a real connection."
        caption = f"<figcaption><small>{note}</small></figcaption>"
        return f'<figure style="margin:0">{self.forecast().svg()}{caption}</figure>'


def _sentence(run: Run) -> str:
    """What has happened on a run."""
    state = run.state
    if state == "silent":
        return _silent(run)
    if state == "failed":
        return f"no connection: {run.why}"
    late = sum(verdict is Verdict.WE_WERE_LATE for _, verdict in run.verdicts)
    alive = f"{_ALIVE}{f', we were late ourselves {late} times' if late else ''}"
    return {
        "connecting": "connecting through the link",
        "running": alive,
        "lost": "the connection broke: a reset is noticed at once, without any ping",
        "stopped": f"stopped by us; until then {alive}",
        "full": f"this run has reached its bounds; until then {alive}",
    }.get(state, state)


def _silent(run: Run) -> str:
    at = next(at for at, verdict in run.verdicts if verdict is Verdict.SILENT)
    silenced = [when for when, said in run.marks if said == "silenced" and when <= at]
    interval, timeout = run.heartbeat.interval, run.heartbeat.timeout
    if not silenced:
        return (
            f"the peer counts as silent, though it lives: no octet came for {timeout:g} s after a "
            "ping, the round trip takes longer"
        )
    return (
        f"the peer is silent: noticed {at - silenced[-1]:.2f} s after the link fell silent, "
        f"interval + timeout: {interval + timeout:g} s, and we may be a little late"
    )
