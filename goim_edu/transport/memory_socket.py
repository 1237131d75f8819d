"""A blocking socket of the network in memory: for code that waits, where there is no other network.

It can what a client needs that is written with ``socket``: connect, send, receive, end a direction,
be a file. It waits on the platform's background loop, so a server in that loop answers meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import select
import socket
from typing import Any, Final, Self, TypeVar, cast

from goim_edu.runtime import platform
from goim_edu.saved_cells import offer
from goim_edu.transport.memory_network import running_loop

__all__ = ["MemorySocket", "dial", "is_readable", "lend"]

T = TypeVar("T")

_real: Final = socket.create_connection
_FOREVER: Final = 3600.0  # seconds, where no time-out is set
_PIECE: Final = 65_536  # octets of a look ahead


class MemorySocket:
    """A connection of the network in memory, used like a socket that blocks.

    Args:
        address: host and port.
        timeout: seconds for connecting, and then for each call; None: as long as it takes.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, address: tuple[str, int], timeout: float | None = None) -> None:
        self._background = platform().background("MemorySocket")
        self._timeout = timeout
        self._early = b""  # what is_readable has taken
        self._reader, self._writer = self._wait(self._open(address))

    async def _open(
        self, address: tuple[str, int]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        running_loop()
        return await asyncio.open_connection(*address)

    def _wait(self, work: Any) -> Any:
        return self._background.run(work, _FOREVER if self._timeout is None else self._timeout)

    def settimeout(self, timeout: float | None) -> None:
        """Wait at most so many seconds from now on."""
        self._timeout = timeout

    def setsockopt(self, *_: Any) -> None:
        """There is nothing to set."""

    def sendall(self, data: bytes) -> None:
        """Send all of it; wait for a reader that reads too slowly."""

        async def send() -> None:
            self._writer.write(data)
            await self._writer.drain()

        self._wait(send())

    def recv(self, size: int) -> bytes:
        """Return what has come, at most so many octets; ``b""`` at the end."""
        if not self._early:
            self._early = self._wait(self._reader.read(size))
        data, self._early = self._early[:size], self._early[size:]
        return data

    def recv_into(self, buffer: Any) -> int:
        """The same, into a buffer; return how many octets."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def is_readable(self, seconds: float) -> bool:
        """Whether ``recv`` would return at once, now or within so many seconds."""
        if not self._early and not self._reader.at_eof():
            try:
                self._early = self._background.run(self._reader.read(_PIECE), max(seconds, 0.001))
            except TimeoutError:
                return False
        return True

    def shutdown(self, how: int) -> None:
        """End our direction."""
        self._background.call(self._writer.write_eof)

    def close(self) -> None:
        """Hang up; twice does no harm."""
        self._background.call(self._writer.close)

    def makefile(self, mode: str = "r", buffering: int = -1, **text: Any) -> Any:
        """Return a file that reads or writes it, as of ``socket``."""
        raw = _Raw(self)
        file: Any
        if "w" in mode:
            file = io.BufferedRWPair(raw, raw) if "r" in mode else io.BufferedWriter(raw)
        else:
            file = io.BufferedReader(raw)
        return file if "b" in mode else io.TextIOWrapper(file, **text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Raw(io.RawIOBase):
    """The octets of a socket as a file."""

    def __init__(self, link: MemorySocket) -> None:
        self._link = link

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._link.recv_into(buffer)

    def write(self, data: Any) -> int:
        self._link.sendall(bytes(data))
        return len(data)


def dial(address: tuple[str, int], timeout: float | None = None) -> socket.socket:
    """Connect to a server of this machine, with a socket or in memory; like ``create_connection``.

    Args:
        address: host and port.
        timeout: seconds for connecting and for each call that follows.

    Raises:
        OSError: nobody listens there.
    """
    if platform().sockets:
        return _real(address, timeout)
    return cast("socket.socket", MemorySocket(address, timeout))


def is_readable(link: socket.socket, seconds: float) -> bool:
    """Whether something has come on this connection, or comes within so many seconds."""
    looked: object = link  # by its type it is a socket
    if isinstance(looked, MemorySocket):
        return looked.is_readable(seconds)
    return bool(select.select([link], [], [], seconds)[0])


def lend() -> None:
    """Let code that uses ``socket`` or the running loop by itself connect in memory, too.

    For the cells of a notebook, where the platform has no sockets; elsewhere it changes nothing.
    """
    offer()
    if platform().sockets:
        return
    socket.create_connection = _create_connection
    with contextlib.suppress(RuntimeError):  # no loop runs here: there is none to equip
        running_loop()


def _create_connection(address: Any, timeout: Any = None, *rest: Any, **more: Any) -> Any:
    """In place of the one of ``socket``."""
    if platform().sockets:
        return _real(address, timeout, *rest, **more)
    return dial(address, timeout if isinstance(timeout, int | float) else None)
