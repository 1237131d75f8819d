"""The lower half of a connection: octets in and out of one socket, and nothing of WebSocket.

What was read is dealt with before the next socket is read, so all share one buffer. What is
written gathers until the end of the read or of the turn, and goes out in one system call.
"""

from __future__ import annotations

import asyncio
import os
from time import monotonic
from typing import Final, cast

from goim_edu.runtime import thread_time
from goim_edu.transport.engine import Engine, Tap
from goim_edu.transport.pace import COSTLY, FIRST_READ, next_read
from goim_edu.transport.progress import acknowledged
from goim_edu.transport.slow_reader import PORTION, SlowReader
from goim_edu.transport.states import (
    CONNECTION_TRANSITIONS,
    ConnectionState,
    ConnectionStep,
    IllegalStep,
)

__all__ = ["Stream"]

# Looking up a member of an enumeration takes a while, and these are looked up for each write.
_NEW: Final = ConnectionState.NEW
_CONNECTING: Final = ConnectionState.CONNECTING
_OPEN: Final = ConnectionState.OPEN
_ENDING: Final = ConnectionState.ENDING
_LINGERING: Final = ConnectionState.LINGERING

_CONNECT: Final = ConnectionStep.CONNECT
_LOSE: Final = ConnectionStep.LOSE

_LENT: Final = 1024  # octets of a read from which on it costs less to lend them than to copy them
_DIRECT: Final = os.name == "posix"  # elsewhere a socket is not a file


class Stream(asyncio.BufferedProtocol):
    """One socket of asyncio, with backpressure, pacing, and a tap.

    Args:
        engine: what it shares with the others.
        tap: is given every read and write.

    Attributes:
        id: its number, as it stands in logs and captures.
        state: where it is in its life.
        kept: octets that are kept for the peer, as ``engine.memory`` counts them.
        remote: the peer's host, ``"?"`` before there is one.
        port: the peer's port.
    """

    __slots__ = (
        "_awaits_turn",
        "_by_cpu",
        "_descriptor",
        "_half",
        "_out",
        "_read_size",
        "_reading_paused",
        "_receiving",
        "_resting",
        "_slow",
        "engine",
        "id",
        "kept",
        "port",
        "remote",
        "state",
        "tap",
        "transport",
    )

    def __init__(self, engine: Engine, tap: Tap | None = None) -> None:
        self.id = next(engine.ids)
        self.engine = engine
        self.state = _NEW
        self.tap = tap
        self.transport = cast("asyncio.Transport", None)
        self.remote = "?"
        self.port = 0
        self._descriptor = -1
        self._out: list[bytes] = []
        self._slow: SlowReader | None = None  # there while the socket takes no more
        self._read_size = FIRST_READ
        self._by_cpu = False  # a read has taken long, so the CPU clock measures the next
        self._receiving = False
        self._awaits_turn = False
        self._resting = False  # the peer has spent its allowance
        self._reading_paused = False  # by the handler
        self._half = 0  # octets of a half received message
        self.kept = 0

    # ------------------------------------------------------------------ left to the upper half

    def _receive(self, data: bytes | memoryview, now: float) -> None:
        """Deal with octets that came; all that it writes goes out in one piece."""
        raise NotImplementedError

    def _finish(self) -> None:
        """End TCP, if all is said and it is for us to do so."""
        raise NotImplementedError

    def _give_up_reader(self, queued: int) -> None:
        """The peer reads too slowly: so many octets that waited for it are dropped."""
        raise NotImplementedError

    # ------------------------------------------------------------------ called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket."""
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.remote, self.port = peer[0], peer[1]
        link = transport.get_extra_info("socket")
        if _DIRECT and link is not None and transport.get_extra_info("sslcontext") is None:
            self._descriptor = link.fileno()
        self.transport.set_write_buffer_limits(self._high_water)
        self._move(_CONNECT)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to: the one buffer of the engine, as much of it as we may have."""
        return self.engine.views[self._read_size]

    def buffer_updated(self, nbytes: int) -> None:
        """Octets came: deal with all of them, and write all answers at once."""
        engine = self.engine
        octets = engine.buffer[:nbytes]
        data = octets if nbytes >= _LENT else octets.tobytes()
        begin = monotonic()
        cpu = thread_time() if self._by_cpu else None
        engine.bytes_in += nbytes
        if self.tap is not None:
            data = bytes(data)
            self.tap("in", begin, data)
        if self.state is _LINGERING:
            return
        self._receiving = True
        try:
            self._receive(data, begin)
        finally:
            self._receiving = False
        self.flush()
        state = self.state
        if state is not _OPEN and state is not _CONNECTING:
            self._finish()
            return
        seconds = monotonic() - begin if cpu is None else thread_time() - cpu
        if self._by_cpu or seconds > COSTLY or nbytes == self._read_size:
            self._pace(nbytes, seconds)

    def pause_writing(self) -> None:
        """The peer reads too slowly: hold back what we write, and read no more of its requests."""
        if self._slow is None:
            self._slow = SlowReader(acknowledged(self.transport))
            self.transport.pause_reading()
            self._account()

    def resume_writing(self) -> None:
        """The peer has read: write what was held back, as much as the socket takes again."""
        slow = self._slow
        while slow is not None and slow.size:
            self._write_out(slow.take())
            if self.transport.get_write_buffer_size() > self._high_water:
                self._account()
                return  # asyncio will call again
        self._slow = None
        self._account()
        self._go_on_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        self._move(_LOSE)
        self._descriptor = -1
        self._out.clear()
        self._slow = None
        self._half = 0
        self._account()

    # ------------------------------------------------------------------ reading

    def _pace(self, nbytes: int, seconds: float) -> None:
        """Let the next read be smaller or larger than this one, and wait for its turn.

        On a busy machine most reads that take long only had to wait for another process or thread.
        So such a read is no reason yet for small ones, but the next is measured by the CPU clock.
        """
        size, waits = next_read(self._read_size, nbytes, seconds)
        if waits and not self._by_cpu:
            size = min(self._read_size, FIRST_READ)
        self._read_size = size
        self._by_cpu = waits or size < FIRST_READ
        if waits and not self._reading_paused and self._slow is None:
            self._awaits_turn = True
            self.transport.pause_reading()
            self.engine.stats.costly_reads += 1
            self.engine.turns.wait(self)

    def take_turn(self) -> None:
        """Our turn to be read has come."""
        self._awaits_turn = False
        self._go_on_reading()

    def pause_reading(self) -> None:
        """Take no more from the peer, until ``resume_reading``."""
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        if self._reading_paused:
            self._reading_paused = False
            self._go_on_reading()

    def _go_on_reading(self) -> None:
        if self._awaits_turn or self._resting or self._reading_paused or self._slow is not None:
            return
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # ------------------------------------------------------------------ writing

    def write(self, data: bytes, droppable: bool = False) -> None:
        """Have whole frames written: at the end of this read, or of this turn of the loop.

        From CLOSING or FINISHING on, nothing is written any more.

        While the peer takes no more, they wait, up to the engine's ``queue_limit``. Past it,
        waiting ``droppable`` ones are dropped, the oldest first, and if that does not help the
        connection is closed with 1013: one slow reader must not fill our memory.

        Args:
            data: whole frames.
            droppable: whether they may be lost, as a "typing" may, and a message may not.
        """
        state = self.state
        if state is not _OPEN and state is not _CONNECTING and state is not _ENDING:
            return
        if self._slow is not None:
            self._hold(self._slow, data, droppable)
            return
        out = self._out
        if not out and not self._receiving:
            self.engine.mark(self)
        out.append(data)

    def write_at_once(self, data: bytes) -> bool:
        """Write whole frames that are all of this turn already: quicker, for one among many.

        Returns:
            Whether that was possible. If not, since the peer reads too slowly, nothing was
            written, and ``write`` decides what may wait.
        """
        if self._slow is not None:
            return False
        if self._out or self._receiving or self.state is not _OPEN:
            self.write(data)
        else:
            self._write_out(data)
        return True

    def flush(self) -> None:
        """Write what has gathered."""
        out = self._out
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        if self._slow is not None:
            self._hold(self._slow, data, False)
        else:
            self._write_out(data)

    def _write_out(self, data: bytes) -> None:
        self.engine.bytes_out += len(data)
        if self.tap is not None:
            self.tap("out", monotonic(), data)
        if self._slow is None and self._descriptor >= 0:
            # Nothing waits in the transport, so this is what it would do, only quicker; the rest is
            # for the transport. An error is the end: given more to write, asyncio logs each time.
            try:
                sent = os.write(self._descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.transport.abort()
                return
            if sent == len(data):
                return
            data = data[sent:]
        self.transport.write(data)

    def _hold(self, slow: SlowReader, data: bytes, droppable: bool) -> None:
        """Let it wait; if too much waits, drop what may be dropped, else give up the reader."""
        slow.hold(data, droppable)
        limit = self.engine.queue_limit - self.transport.get_write_buffer_size()
        if slow.size > limit:
            self.engine.stats.dropped += slow.drop(slow.size - limit)
        if slow.size > limit and not self._catches_up(slow):
            queued = slow.size
            slow.clear()
            self._give_up_reader(queued)
        self._account()

    def _catches_up(self, slow: SlowReader) -> bool:
        """Whether the peer only has a long way to go, as after a long absence."""
        if slow.size > self.engine.queue_limit:
            return False
        return slow.catches_up(acknowledged(self.transport), monotonic())

    def _account(self) -> None:
        """Have the octets counted that are kept for the peer."""
        kept = self._half
        if self._slow is not None:
            kept += self._slow.size + self.transport.get_write_buffer_size()
        if kept != self.kept:
            self.engine.memory.account(self, kept)

    def give_way(self) -> None:
        """Keep nothing more for the peer: the server has no memory left."""
        raise NotImplementedError

    @property
    def _high_water(self) -> int:
        """How much may wait in the transport before asyncio tells us to pause.

        Nothing at all, so that what waits does so with us, where it is counted and may be
        dropped. But asyncio's TLS takes 0 for "always".
        """
        return 0 if self._descriptor >= 0 else PORTION

    @property
    def queued(self) -> int:
        """Octets that wait for the peer to read."""
        waiting = sum(map(len, self._out)) + (self._slow.size if self._slow is not None else 0)
        return waiting + (self.transport.get_write_buffer_size() if self.transport else 0)

    @property
    def has_room(self) -> bool:
        """Whether the peer keeps up, so that what can wait need not: see ``Handler.on_drained``."""
        return self._slow is None and sum(map(len, self._out)) < PORTION

    @property
    def congested(self) -> bool:
        """Whether the peer reads too slowly at the moment."""
        return self._slow is not None

    # ------------------------------------------------------------------ life

    def _move(self, step: ConnectionStep) -> None:
        try:
            self.state = CONNECTION_TRANSITIONS[self.state][step]
        except KeyError:
            raise IllegalStep(self.state, step) from None

    def abort(self) -> None:
        """End it at once, without a word."""
        if self.transport is not None:
            self.transport.abort()
