"""One connection with a heartbeat, beside the notebook, and the record of its times."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Literal, Protocol

from goim_edu.client import connect
from goim_edu.errors import HandshakeError
from goim_edu.runtime import platform
from goim_edu.websocket.heartbeat import Heartbeat, Verdict

__all__ = ["ENDED", "BadLink", "HasLink", "Run", "State"]

State = Literal["ready", "connecting", "running", "silent", "lost", "stopped", "full", "failed"]
"""``ready`` is before the first run, ``full`` after one that has reached its bounds."""

ENDED: Final = ("silent", "lost", "stopped", "full", "failed")
_MOST_SECONDS: Final = 300.0
_MOST_PINGS: Final = 600
_MOST_MARKS: Final = 100
_OPEN_TIMEOUT: Final = 5.0  # seconds for the handshake, through a link that may be slow
_CLOSE_TIMEOUT: Final = 0.5  # seconds for the closing handshake
_JOIN_TIMEOUT: Final = 10.0  # seconds for all of it to end


class BadLink(Protocol):
    """What a run needs of a link that fails on demand."""

    delay: float
    jitter: float
    rate: float | None

    def through(self, url: str) -> str:
        """Return ``url`` with the link in place of its host and port."""
        ...

    def silence(self) -> None:
        """Let nothing pass any more, and tell nobody."""
        ...

    def restore(self) -> None:
        """Let everything pass again."""
        ...

    def cut(self) -> int:
        """End all connections with a TCP reset."""
        ...

    def close(self) -> None:
        """End the link."""
        ...


class HasLink(Protocol):
    """A live server that can be reached through a bad link."""

    @property
    def echo_url(self) -> str:
        """An address that answers."""
        ...

    def link(self, *_: Any, **faults: Any) -> BadLink:
        """Return a new link to this server."""
        ...


class _Recording(Heartbeat):
    """The heartbeat of the transport, with a record of all that it does."""

    def __init__(self, interval: float, timeout: float, run: Run) -> None:
        super().__init__(interval, timeout)
        self._run = run

    def ping_due(self, now: float) -> bytes | None:
        payload = super().ping_due(now)
        if payload is not None:
            self._run.note_ping(payload, now)
        return payload

    def received_pong(self, payload: bytes, now: float) -> float | None:
        rtt = super().received_pong(payload, now)
        if rtt is not None:
            self._run.note_pong(payload, rtt)
        return rtt

    def verdict(self, now: float) -> Verdict:
        verdict = super().verdict(now)
        if verdict is not Verdict.ALIVE:
            self._run.note_verdict(verdict, now)
        return verdict


class Run:
    """A real connection to a live server, through a link, until it ends in one way or another.

    It lasts at most 300 seconds or 600 pings, and ends with the process.

    Args:
        server: to connect to.
        interval: seconds from ping to ping.
        timeout: seconds without any octet after a ping until the server counts as silent.
        faults: of the link, from the start.

    Attributes:
        link: what the connection goes through; gone when the run has ended.
        heartbeat: the pulse of the connection; its times may be changed on the way.
        state: how far it has come, or how it ended.
        why: in words, where it failed.
        pings: when each ping was sent, in seconds from the opening, and its round-trip time, None
            without a pong.
        verdicts: when the heartbeat said what, but that the peer is alive.
        marks: when somebody turned which knob.
    """

    def __init__(self, server: HasLink, interval: float, timeout: float, **faults: Any) -> None:
        self.heartbeat: Heartbeat = _Recording(interval, timeout, self)
        self.state: State = "connecting"
        self.why = ""
        self.pings: list[tuple[float, float | None]] = []
        self.verdicts: list[tuple[float, Verdict]] = []
        self.marks: list[tuple[float, str]] = []
        self._began = monotonic()
        self._ended_after: float | None = None
        self._last_state: State = "stopped"  # if it is asked to end
        self._silenced = False
        self._server = server
        self.link = server.link(**faults)
        self._background = platform().background("HeartbeatLab")
        loop = self._background.loop
        self._task = self._background.call(lambda: loop.create_task(self._work()))

    # ------------------------------------------------------------------ called by the widget

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return monotonic() - self._began if self._ended_after is None else self._ended_after

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in ENDED

    def silence(self, silent: bool) -> None:
        """Let nothing pass any more, or everything again."""
        self._silenced = silent
        (self.link.silence if silent else self.link.restore)()
        self.mark("silenced" if silent else "restored")

    def cut(self) -> None:
        """End the connection with a TCP reset."""
        self.mark("cut")
        self.link.cut()

    def mark(self, said: str) -> None:
        """Take down that a knob was turned."""
        if len(self.marks) < _MOST_MARKS:
            self.marks.append((self.seconds, said))

    def stop(self) -> None:
        """End it, and wait until it has ended; twice does no harm."""
        self._ask_to_end("stopped")
        self.wait(self._task.done, _JOIN_TIMEOUT)
        self._background.close()

    def wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until this is so; return whether it is."""
        return self._background.wait_for(done, seconds)

    def _ask_to_end(self, state: State) -> None:
        if not self.ended:
            self._last_state = state
            with contextlib.suppress(RuntimeError):  # its loop has ended already
                self._background.loop.call_soon_threadsafe(self._task.cancel)

    # ------------------------------------------------------------------ called by the heartbeat

    def note_ping(self, payload: bytes, now: float) -> None:
        """A ping goes out."""
        self.pings.append((now - self._began, None))
        if len(self.pings) >= _MOST_PINGS:
            self._ask_to_end("full")

    def note_pong(self, payload: bytes, rtt: float) -> None:
        """Its pong came; the payload is ``hb`` and the number of the ping, from 1."""
        number = int(payload[2:]) - 1
        self.pings[number] = (self.pings[number][0], rtt)

    def note_verdict(self, verdict: Verdict, now: float) -> None:
        """The heartbeat has judged."""
        self.verdicts.append((now - self._began, verdict))

    # ------------------------------------------------------------------ in its loop

    async def _work(self) -> None:
        try:
            await self._live()
        except (OSError, HandshakeError) as error:
            self.why = str(error) or "it took too long"
        finally:
            self.link.close()
            self._end("failed")
            self._background.close()

    def _end(self, state: State) -> None:
        if not self.ended:
            self._ended_after = self.seconds
            self.state = state

    async def _live(self) -> None:
        try:
            ws = await connect(
                self.link.through(self._server.echo_url),
                compression=False,
                heartbeat_interval=0,  # ours takes its place
                open_timeout=_OPEN_TIMEOUT,
                close_timeout=_CLOSE_TIMEOUT,
            )
        except asyncio.CancelledError:
            self._end(self._last_state)
            return
        self._began = monotonic()
        self.state = "running"
        connection = ws.connection
        connection.heartbeat = self.heartbeat
        self.heartbeat.last_heard = self._began
        connection.engine.wheel.wake(connection, self.heartbeat.next_event_at(self._began))
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                await ws.wait_closed()
            told = [verdict for _, verdict in self.verdicts]
            self._end("silent" if Verdict.SILENT in told else "lost")
        except TimeoutError:
            self._end("full")
        except asyncio.CancelledError:
            self._end(self._last_state)
        finally:
            if self._silenced:
                connection.abort()  # its Close would not arrive
            await ws.close()
