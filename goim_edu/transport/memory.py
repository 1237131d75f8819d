"""Two transports of asyncio, joined in memory without a socket.

What TCP does and a program can notice is the same: octets come in order and in pieces, a reader
that stops makes the writer wait, one direction can end before the other, an end that is closed with
octets unread, or written to, resets the connection. There is no TLS, no loss, and no delay but that
of the loop. ``memory_network`` gives them names to listen on.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

__all__ = ["MemoryTransport", "joined"]

log = logging.getLogger("asyncio")  # the words are asyncio's own, too

WINDOW: Final = 65_536
"""Octets that an end keeps for a reader which does not read; then the writer has to wait."""
_HIGH: Final = 65_536  # octets that may wait in a transport before the protocol is told to pause
_PIECE: Final = 262_144  # octets of one ``data_received``, as with a socket
_WARN_AT: Final = 5  # writes to an end that is gone until it is logged, as asyncio does


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory; :func:`joined` makes two.

    It is used like a transport of a socket. ``attach`` gives it a protocol, once; until then what
    comes is kept.

    Args:
        mine, theirs: the address of this end and of the other.
    """

    _other: MemoryTransport

    def __init__(self, mine: tuple[str, int], theirs: tuple[str, int]) -> None:
        super().__init__({"sockname": mine, "peername": theirs})
        self._loop: asyncio.AbstractEventLoop | None = None
        self._protocol: asyncio.BaseProtocol | None = None
        self._inbox = bytearray()  # what has come and is not read
        self._end: Exception | bool = False  # True: theirs has ended; an error: it was reset
        self._outbox = bytearray()  # what the other end has no room for
        self._high, self._low = _HIGH, _HIGH // 4
        self._writer_paused = self._reader_paused = False
        self._closing = self._eof_written = self._told_end = False
        self._lost = 0  # more than 0: nothing can be written, and this often it was tried
        self._gone = False  # connection_lost is on its way
        self._due = False

    # ------------------------------------------------------------------ what asyncio asks of it

    def attach(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol) -> None:
        """Give it its protocol, which hears of the connection in the next turn of the loop."""
        self._loop, self._protocol = loop, protocol
        loop.call_soon(protocol.connection_made, self)
        self._wake()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As of asyncio."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """As of asyncio."""
        return cast("asyncio.BaseProtocol", self._protocol)

    def is_closing(self) -> bool:
        """As of asyncio."""
        return self._closing

    def is_reading(self) -> bool:
        """As of asyncio."""
        return not self._reader_paused and not self._closing

    def pause_reading(self) -> None:
        """As of asyncio: what comes waits; beyond the window the other end waits, too."""
        self._reader_paused = True

    def resume_reading(self) -> None:
        """As of asyncio."""
        self._reader_paused = False
        self._wake()

    def can_write_eof(self) -> bool:
        """As of asyncio."""
        return True

    def get_write_buffer_size(self) -> int:
        """As of asyncio."""
        return len(self._outbox)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """As of asyncio."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As of asyncio."""
        if high is None:
            high = _HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._maybe_pause()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """As of asyncio."""
        if not isinstance(cast("object", data), bytes | bytearray | memoryview):
            kind = type(data).__name__
            raise TypeError(f"data argument must be a bytes-like object, not {kind!r}")
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._lost:
            self._lost += 1
            if self._lost > _WARN_AT:
                log.warning("socket.send() raised exception.")
            return
        self._outbox += data
        self._push()
        self._maybe_pause()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """As of asyncio."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """As of asyncio: this direction ends when all is written."""
        if not self._closing and not self._eof_written:
            self._eof_written = True
            self._push()

    def close(self) -> None:
        """As of asyncio: what is written still goes."""
        if not self._closing:
            self._closing = True
            self._push()

    def abort(self) -> None:
        """As of asyncio: what was not taken by the other end is lost."""
        self._drop(None)

    def reset(self) -> None:
        """End it with a reset, as a cut through the wire would: the other end gets an error."""
        self._other._hear_end(_reset_error())
        self._drop(None)

    # ------------------------------------------------------------------ our octets

    def _push(self) -> None:
        """Hand on what the other end has room for; end what is to be ended behind it."""
        other = self._other
        if self._outbox:
            if other._gone:  # it has closed: TCP answers with a reset, a moment later
                self._outbox.clear()
                self._hear_end(_reset_error())
                return
            room = WINDOW - len(other._inbox)
            if room > 0:
                other._inbox += self._outbox[:room]
                del self._outbox[:room]
                other._wake()
        if self._outbox:
            return
        if (self._eof_written or self._closing) and not self._told_end:
            self._told_end = True
            other._hear_end(True)
        if self._closing and not self._gone:
            self._lost += 1
            self._leave(None)

    def _maybe_pause(self) -> None:
        if not self._writer_paused and len(self._outbox) > self._high:
            self._writer_paused = True
            self._call(cast("asyncio.Protocol", self._protocol).pause_writing)

    def _maybe_resume(self) -> None:
        if self._writer_paused and len(self._outbox) <= self._low:
            self._writer_paused = False
            self._call(cast("asyncio.Protocol", self._protocol).resume_writing)

    def _call(self, tell: Callable[[], None]) -> None:
        """Tell the protocol; its mistake must not stop the transport."""
        try:
            tell()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as asyncio: the loop reports it
            self._report("protocol.pause_writing() or resume_writing() failed", error)

    def _report(self, message: str, error: BaseException) -> None:
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
        )

    # ------------------------------------------------------------------ theirs

    def _hear_end(self, end: Exception | bool) -> None:
        """Their direction has ended, or all of it was reset."""
        if not isinstance(self._end, Exception):
            self._end = end
        self._wake()

    def _wake(self) -> None:
        """Have what has come delivered in the next turn of the loop."""
        if not self._due and self._loop is not None and not self._loop.is_closed():
            self._due = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._due = False
        if self._gone or self._reader_paused:
            return
        if self._closing and not isinstance(self._end, Exception):
            return  # as with a socket: what comes after our close is not read
        if self._inbox:
            try:
                self._give(self._protocol)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as asyncio: the connection is over
                self._report("Fatal error: protocol.data_received() call failed.", error)
                self._drop(error if isinstance(error, Exception) else None)
                return
            self._other._on_room()
            self._wake()
        elif isinstance(self._end, Exception):
            self._drop(self._end)
        elif self._end:
            self._end = False  # it is told once
            if not cast("asyncio.Protocol", self._protocol).eof_received():
                self.close()

    def _give(self, protocol: asyncio.BaseProtocol | None) -> None:
        if isinstance(protocol, asyncio.BufferedProtocol):
            room = memoryview(protocol.get_buffer(-1))
            size = min(len(room), len(self._inbox))
            if not size:
                raise RuntimeError("get_buffer() returned an empty buffer")
            room[:size] = self._inbox[:size]
            del self._inbox[:size]
            protocol.buffer_updated(size)
        else:
            data = bytes(self._inbox[:_PIECE])
            del self._inbox[:_PIECE]
            cast("asyncio.Protocol", protocol).data_received(data)

    def _on_room(self) -> None:
        """The other end has read."""
        if self._outbox and not self._gone:
            self._push()
            self._maybe_resume()

    # ------------------------------------------------------------------ the end

    def _drop(self, error: Exception | None) -> None:
        """End both directions now."""
        if self._gone:
            return
        self._outbox.clear()
        self._closing = True
        self._lost += 1
        if not self._told_end:
            self._told_end = True
            self._other._hear_end(True)
        self._leave(error)

    def _leave(self, error: Exception | None) -> None:
        self._gone = True
        if self._inbox:  # closed with octets unread: TCP resets
            self._inbox.clear()
            self._other._hear_end(_reset_error())
        if self._other._outbox:
            self._other._push()  # it finds out that nobody reads
        if self._loop is not None and self._protocol is not None:
            self._loop.call_soon(self._tell_lost, error)

    def _tell_lost(self, error: Exception | None) -> None:
        cast("asyncio.BaseProtocol", self._protocol).connection_lost(error)

    def __repr__(self) -> str:
        state = "closed" if self._gone else "closing" if self._closing else "open"
        return f"<MemoryTransport {self.get_extra_info('sockname')} {state}>"


def _reset_error() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def joined(
    one: tuple[str, int] = ("127.0.0.1", 1), other: tuple[str, int] = ("127.0.0.1", 2)
) -> tuple[MemoryTransport, MemoryTransport]:
    """Return two transports, each the end of the other; ``attach`` a protocol to each.

    Args:
        one: the address of the first, host and port.
        other: that of the second.

    >>> here, there = joined()
    >>> here.get_extra_info("peername") == there.get_extra_info("sockname")
    True
    """
    here, there = MemoryTransport(one, other), MemoryTransport(other, one)
    here._other, there._other = there, here
    return here, there
