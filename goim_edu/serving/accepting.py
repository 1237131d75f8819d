"""Taking new connections from the listening socket: they are counted first, then comes TLS.

``asyncio.Server`` tells of a connection only when its TLS handshake is done. Until then it costs as
much as any other, so here it counts from the moment when TCP hands it to us.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Container
from time import monotonic
from typing import Any, Final

from goim_edu.errors import HandshakeError
from goim_edu.serving.handshakes import come_later
from goim_edu.serving.tally import ALONE, Others
from goim_edu.serving.tls_link import BUFFER_SIZE, begin_tls
from goim_edu.transport import Connection, ConnectionState
from goim_edu.transport.engine import EngineStats
from goim_edu.websocket.handshake import error_response

__all__ = ["Acceptor", "Admission", "Newcomer", "too_busy"]

log = logging.getLogger("goim_edu.server")

_ACCEPTS_PER_TURN: Final = 8  # so that a crowd of new clients does not hold up the others
_CROWDED: Final = "too many connections from your address"
_RETRY: Final = 0.5  # seconds until we try again, where the system has no file left for a socket
_QUIET: Final = 60.0  # seconds for which that is logged once


class Newcomer(Connection):
    """A connection that was let in.

    Attributes:
        counted_as: the host under which it is counted; empty if it is not.
    """

    __slots__ = ("counted_as",)

    counted_as: str


class Admission:
    """How many connections there are, in all and from one host, and how many there may be.

    Args:
        most: connections in all.
        most_per_host: connections from one host.
        unlimited: hosts without a bound of their own, such as trusted proxies. Each of their
            connections stands for a client, which the request names.
        others: the connections of other workers on this machine, for which the bounds are, too.

    Attributes:
        total: connections that are in.

    >>> admission = Admission(most=10, most_per_host=1)
    >>> admission.enter("192.0.2.1"), admission.enter("192.0.2.1")
    (None, 'too many connections from your address')
    >>> admission.leave("192.0.2.1")
    >>> admission.enter("192.0.2.1")
    """

    def __init__(
        self,
        most: int,
        most_per_host: int,
        unlimited: Container[str] = (),
        others: Others = ALONE,
    ) -> None:
        self.total = 0
        self.others = others
        self._most = most
        self._most_per_host = most_per_host
        self._unlimited = unlimited
        self._per_host: Counter[str] = Counter()

    def enter(self, host: str) -> str | None:
        """Let a connection in and count it, or say why it cannot come in."""
        if self.total + self.others.total() >= self._most:
            return "the server is full"
        if self._from(host) >= self._most_per_host and host not in self._unlimited:
            return _CROWDED
        self._count(host)
        return None

    def rename(self, newcomer: Newcomer, host: str) -> str | None:
        """Count a proxy's connection for the client that it named, or say why it cannot stay."""
        self.leave(newcomer.counted_as)
        self._count(host)
        newcomer.counted_as = host
        return _CROWDED if self._from(host) > self._most_per_host else None

    def leave(self, host: str) -> None:
        """A connection that was let in from this host is gone."""
        self.total -= 1
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]
        self.others.note(self.total, host, -1)

    def _count(self, host: str) -> None:
        self.total += 1
        self._per_host[host] += 1
        self.others.note(self.total, host, 1)

    def _from(self, host: str) -> int:
        return self._per_host[host] + self.others.from_host(host)


class Acceptor:
    """Takes connections, counts them, and has TLS begin; made inside the event loop.

    Args:
        link: the socket that listens; it is closed with the acceptor.
        admission: lets them in.
        make: makes what a connection is handed to.
        stats: where refusals and failures are counted.
        tls: how to begin, or None for plain TCP.
        tls_timeout: seconds for the TLS handshake.
    """

    def __init__(
        self,
        link: socket.socket,
        admission: Admission,
        make: Callable[[], Newcomer],
        stats: EngineStats,
        tls: ssl.SSLContext | None = None,
        tls_timeout: float = 10.0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._link = link
        self._admission = admission
        self._make = make
        self._stats = stats
        self._tls = tls
        self._tls_timeout = tls_timeout
        self._failures = 0  # to accept, since the last line in the log
        self._logged_at = -_QUIET
        self._starting: dict[Newcomer, asyncio.Task[None]] = {}
        self._buffer = bytearray(BUFFER_SIZE if tls is not None else 0)
        self._watching: asyncio.Task[None] | None = None
        self._retrying: asyncio.TimerHandle | None = None
        self._listen()

    def stop(self) -> tuple[asyncio.Task[None], ...]:
        """Take no more, and break off what has not finished its TLS handshake."""
        if self._retrying is not None:
            self._retrying.cancel()
        if self._watching is not None:
            self._watching.cancel()
        elif self._link.fileno() >= 0:
            self._loop.remove_reader(self._link)
        self._link.close()
        starting = tuple(self._starting.values())
        for task in starting:
            task.cancel()
        return starting

    async def close(self) -> None:
        """The same, and wait until that is done."""
        await asyncio.gather(*self.stop(), return_exceptions=True)

    def _listen(self) -> None:
        """Have the loop tell when a connection waits to be taken."""
        try:
            self._loop.add_reader(self._link, self._take_some)
        except NotImplementedError:  # the loop of Windows
            self._watching = self._loop.create_task(self._watch())

    def _take_some(self) -> None:
        try:
            for _ in range(_ACCEPTS_PER_TURN):
                self._take(*self._link.accept())
        except (BlockingIOError, ConnectionError):
            pass  # none waits; or it was given up before we took it
        except OSError as error:
            self._tell(error)
            self._loop.remove_reader(self._link)
            self._retrying = self._loop.call_later(_RETRY, self._listen)

    async def _watch(self) -> None:
        while True:
            try:
                self._take(*await self._loop.sock_accept(self._link))
            except ConnectionError:
                pass
            except OSError as error:
                self._tell(error)
                await asyncio.sleep(_RETRY)

    def _take(self, link: socket.socket, address: Any) -> None:
        link.setblocking(False)
        host = address[0] if isinstance(address, tuple) else "?"
        why = self._admission.enter(host)
        if why is not None:
            self._refuse(link, why)
            return
        newcomer = self._make()
        newcomer.remote = newcomer.counted_as = host
        self._starting[newcomer] = self._loop.create_task(self._start(link, newcomer))

    def _refuse(self, link: socket.socket, why: str) -> None:
        """Close it, with an answer if that needs no TLS handshake."""
        self._stats.refused += 1
        with link:
            if self._tls is None:
                try:
                    link.send(error_response(too_busy(why)).to_bytes())
                except OSError:
                    log.debug("refused without a word why=%r", why)

    async def _start(self, link: socket.socket, newcomer: Newcomer) -> None:
        """Hand the socket to its connection; with TLS, when the handshake is done."""
        try:
            if self._tls is None:
                await self._loop.connect_accepted_socket(lambda: newcomer, link)
            else:
                await begin_tls(link, newcomer, self._tls, self._tls_timeout, self._buffer)
        except OSError as error:
            self._stats.tls_failed += 1
            log.debug("no connection remote=%s why=%r", newcomer.remote, str(error))
        finally:
            self._starting.pop(newcomer, None)
            if newcomer.state is ConnectionState.NEW:
                self._admission.leave(newcomer.counted_as)
                newcomer.counted_as = ""

    def _tell(self, error: OSError) -> None:
        """One line in a while: this goes on for as long as the system has no file left."""
        self._failures += 1
        now = monotonic()
        if now - self._logged_at >= _QUIET:
            log.error("cannot accept why=%r times=%d", error.strerror, self._failures)
            self._logged_at = now
            self._failures = 0


def too_busy(why: str) -> HandshakeError:
    """The refusal of a connection that is one too many."""
    return come_later(why, 5, section="RFC 6455 §10.4")
