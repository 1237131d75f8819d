"""A socket for threads, with TLS or without: it never waits, and says when to try again.

TLS is done in memory, on octets that were read or are to be written: so it can stand within
another TLS (that of a proxy), and no thread is inside of it while it waits for the network.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl as tls
from time import monotonic
from typing import Final

__all__ = ["Wire", "seconds_left"]

_READ: Final = 65_536  # octets of one read


def seconds_left(deadline: float | None) -> float | None:
    """Seconds until a deadline, or None if there is none.

    Args:
        deadline: monotonic time in seconds, or None.

    Raises:
        TimeoutError: it has passed.
    """
    if deadline is None:
        return None
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the server does not answer")
    return left


class _Layer:
    """One TLS: octets as they are on the wire on one side, as they are meant on the other."""

    def __init__(self, context: tls.SSLContext, name: str | None) -> None:
        self._incoming, self._outgoing = tls.MemoryBIO(), tls.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def feed(self, data: bytes, ended: bool) -> None:
        """Take what came from the wire, and whether that is all."""
        self._incoming.write(data)
        if ended:
            self._incoming.write_eof()

    def to_send(self) -> bytes:
        """What is to be written to the wire."""
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        """Go on with the handshake; returns whether it is done."""
        try:
            self._tls.do_handshake()
        except tls.SSLWantReadError:
            return False
        return True

    def decrypt(self, data: bytes, ended: bool) -> tuple[bytes, bool]:
        """What the octets mean, as far as that can be told, and whether it is all."""
        self.feed(data, ended)
        pieces = []
        try:
            while piece := self._tls.read(_READ):
                pieces.append(piece)
        except tls.SSLWantReadError:
            return b"".join(pieces), False
        except tls.SSLError:  # it ends without a word: the Close of WebSocket is what counts
            pass
        return b"".join(pieces), True

    def encrypt(self, data: bytes) -> bytes:
        """The octets as they are to be written."""
        self._tls.write(data)
        return self.to_send()

    def end(self) -> bytes:
        """The last octets."""
        with contextlib.suppress(tls.SSLError):
            self._tls.unwrap()
        return self.to_send()


class Wire:
    """A connected socket that never waits but in ``wait``, ``read_before`` and ``start_tls``.

    ``wait`` belongs to one thread; all else is for one thread at a time.

    Args:
        sock: connected; it is closed with the wire.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._layers: list[_Layer] = []  # the first is the nearest to the socket
        self._out = bytearray()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._watched = 0
        self._ended = False  # nothing will come any more, though the last octets did not say so

    @property
    def peer(self) -> tuple[str, int]:
        """The host and the port of the other end, "?" and 0 where it has none."""
        with contextlib.suppress(OSError):
            name = self._sock.getpeername()
            if isinstance(name, tuple):
                return name[0], name[1]
        return "?", 0

    def get_extra_info(self, name: str) -> socket.socket | None:
        """The socket, as a transport of asyncio gives it."""
        return self._sock if name == "socket" else None

    @property
    def unsent(self) -> int:
        """Octets that the socket has not taken yet."""
        return len(self._out)

    def read(self) -> bytes | None:
        """What has come; None if nothing has, b"" if nothing will come any more."""
        if self._ended:
            return b""
        try:
            data = self._sock.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            data = b""  # a reset is an end, too
        ended = not data
        for layer in self._layers:
            data, ended = layer.decrypt(data, ended)
        self._ended = ended
        return data if data or ended else None

    def write(self, data: bytes) -> None:
        """Write octets, as many as the socket takes; ``flush`` goes on with the rest."""
        self._write(data, len(self._layers))

    def _write(self, data: bytes, level: int) -> None:
        for layer in reversed(self._layers[:level]):
            data = layer.encrypt(data) if data else b""
        self._out += data
        self.flush()

    def flush(self) -> bool:
        """Write what waits, as much as the socket takes; returns whether it took any."""
        before = len(self._out)
        try:
            while self._out:
                with memoryview(self._out) as view:
                    sent = self._sock.send(view)
                del self._out[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._out.clear()  # the end, which ``read`` will see
            return False
        return len(self._out) < before

    def wait(self, *, reading: bool, timeout: float | None) -> None:
        """Wait until there is something to do, or the bell is rung.

        Args:
            reading: whether octets that come are something to do.
            timeout: seconds, or None for as long as it takes.
        """
        if reading and self._ended:
            return
        wanted = selectors.EVENT_READ if reading else 0
        wanted |= selectors.EVENT_WRITE if self._out else 0
        if wanted != self._watched:
            if not self._watched:
                self._selector.register(self._sock, wanted)
            elif not wanted:
                self._selector.unregister(self._sock)
            else:
                self._selector.modify(self._sock, wanted)
            self._watched = wanted
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._ear:
                self._ear.recv(_READ)

    def ring(self) -> None:
        """Let ``wait`` return in its thread: there is something new to do."""
        with contextlib.suppress(OSError):  # it was rung often enough, or there is no wire any more
            self._bell.send(b"!")

    def read_before(self, deadline: float | None) -> bytes:
        """Wait for octets; b"" if none will come.

        Args:
            deadline: monotonic time in seconds, or None.

        Raises:
            TimeoutError: none came.
        """
        while (data := self.read()) is None:
            self.wait(reading=True, timeout=seconds_left(deadline))
            self.flush()
        return data

    def start_tls(self, context: tls.SSLContext, name: str | None, deadline: float | None) -> None:
        """From now on all is encrypted, once more if it is already.

        Args:
            context: how to check the certificate.
            name: the name that the certificate must have.
            deadline: monotonic time in seconds, or None.

        Raises:
            ssl.SSLError: the certificate is not trusted, or it is not TLS that is spoken there.
            TimeoutError: it took too long.
        """
        layer, level = _Layer(context, name), len(self._layers)
        try:
            while not layer.shake_hands():
                self._write(layer.to_send(), level)
                data = self.read_before(deadline)
                layer.feed(data, not data)
        finally:
            self._write(layer.to_send(), level)  # our last word, or why we give up
        self._layers.append(layer)

    def end(self) -> None:
        """Write nothing more, so that the peer sees the end; what it says is still read."""
        if not self._layers:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket, and all that belongs to it."""
        for level in reversed(range(len(self._layers))):
            self._write(self._layers[level].end(), level)
        self._selector.close()
        for one in (self._sock, self._bell, self._ear):
            one.close()
