"""A network in memory: names to listen on and to connect to, without a port of this machine.

For tests without ports, and for a browser, whose event loop opens no socket. A loop is *equipped*
with a network; then ``create_server``, ``create_connection``, ``open_connection`` and our own
server and client work in it unchanged. Two loops may share a network if they take turns in one
thread.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Self

from goim_edu.runtime import platform
from goim_edu.transport.memory import MemoryTransport, joined

__all__ = [
    "MemoryListener",
    "MemoryNetwork",
    "equip",
    "network_of",
    "running_loop",
    "running_network",
]

_BACKLOG: Final = 2048  # connections that may wait to be accepted
_HERE: Final = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "", None)  # noqa: S104 - names for here


class _Accepted:
    """A connection that waits for its protocol: what ``accept`` gives in place of a socket."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def send(self, data: bytes) -> int:
        """Write without a protocol, as for a refusal."""
        self.transport.write(data)
        return len(data)

    def close(self) -> None:
        """Hang up."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MemoryListener(asyncio.AbstractServer):
    """A name on which connections come in; what ``create_server`` gives, and a listening socket.

    Attributes:
        sockets: itself, so that ``sockets[0].getsockname()`` says where it listens.
    """

    def __init__(self, network: MemoryNetwork, address: tuple[str, int]) -> None:
        self._network, self._address = network, (address[0], address[1])
        self._waiting: deque[MemoryTransport] = deque()
        self._wanted: deque[asyncio.Future[None]] = deque()
        self._take: Callable[[MemoryTransport], None] | None = None

    @property
    def sockets(self) -> tuple[MemoryListener, ...]:
        """Itself."""
        return (self,) if self.is_serving() else ()

    def getsockname(self) -> tuple[str, int]:
        """Where it listens: host and port."""
        return self._address

    def fileno(self) -> int:
        """As of a socket that is closed: there is no file."""
        return -1

    def take_with(self, take: Callable[[MemoryTransport], None]) -> None:
        """Give each connection to a function instead of keeping it for ``accept``."""
        self._take = take

    def arrive(self, transport: MemoryTransport) -> None:
        """A connection comes in."""
        if self._take is not None:
            self._take(transport)
            return
        if len(self._waiting) >= _BACKLOG:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "too many connections wait")
        self._waiting.append(transport)
        while self._wanted:
            future = self._wanted.popleft()
            if not future.done():
                future.set_result(None)
                break

    async def accept(self) -> tuple[_Accepted, tuple[str, int]]:
        """Wait for a connection; return it and where it comes from."""
        while not self._waiting:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._wanted.append(future)
            await future
        transport = self._waiting.popleft()
        return _Accepted(transport), transport.get_extra_info("peername")

    def close(self) -> None:
        """Take no more; those that wait are reset."""
        self._network.forget(self)
        while self._waiting:
            self._waiting.popleft().reset()

    def is_serving(self) -> bool:
        """Whether it listens."""
        return self._network.has(self)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """As of asyncio."""
        return asyncio.get_running_loop()

    async def start_serving(self) -> None:
        """It does already."""

    async def serve_forever(self) -> None:
        """Wait until the task is cancelled; then close."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.close()

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class _Name(NamedTuple):
    host: str
    port: int


class MemoryNetwork:
    """Hosts and ports that exist in this process only.

    All names of this machine are one host; any other name exists while something listens on it.

    >>> network = MemoryNetwork()
    >>> listener = network.listen("chat.example", 80)
    >>> listener.getsockname()
    ('chat.example', 80)
    >>> listener.close()
    """

    def __init__(self) -> None:
        self._listeners: dict[_Name, MemoryListener] = {}
        self._ports = itertools.count(49_152)  # RFC 6335 §6: where dynamic ports begin

    def listen(self, host: str | None, port: int | None) -> MemoryListener:
        """Listen on a name.

        Args:
            host: any name.
            port: number; 0 picks a free one.

        Raises:
            OSError: somebody listens there already.
        """
        name = _name(host, port or next(self._ports))
        if name in self._listeners:
            raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: {name.port}")
        self._listeners[name] = listener = MemoryListener(self, name)
        return listener

    def connect(self, host: str | None, port: int) -> MemoryTransport:
        """Connect to a name; return our end, without a protocol.

        Raises:
            ConnectionRefusedError: nobody listens on this port.
            OSError: there is no such host.
        """
        name = _name(host, port)
        listener = self._listeners.get(name)
        if listener is None:
            if name.host not in (_HERE[0], *(one.host for one in self._listeners)):
                raise socket.gaierror(socket.EAI_NONAME, f"there is no host {name.host!r} here")
            why = f"Connect call failed {tuple(name)!r}"
            raise ConnectionRefusedError(errno.ECONNREFUSED, why)
        ours, theirs = joined((name.host, next(self._ports)), (name.host, name.port))
        listener.arrive(theirs)
        return ours

    def has(self, listener: MemoryListener) -> bool:
        """Whether this one listens."""
        return self._listeners.get(_Name(*listener.getsockname())) is listener

    def forget(self, listener: MemoryListener) -> None:
        """It listens no more."""
        if self.has(listener):
            del self._listeners[_Name(*listener.getsockname())]


def _name(host: str | None, port: int) -> _Name:
    return _Name("127.0.0.1" if host in _HERE else str(host), port)


# ---------------------------------------------------------------------- a loop that uses it


class _Equipment:
    """The methods that a loop is given."""

    def __init__(self, loop: asyncio.AbstractEventLoop, network: MemoryNetwork) -> None:
        self.loop, self.network = loop, network

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        **_: Any,
    ) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        """As of asyncio, in memory."""
        _refuse(ssl, sock)
        transport, protocol = self.network.connect(host, port or 0), protocol_factory()
        transport.attach(self.loop, protocol)
        await asyncio.sleep(0)  # connection_made first
        return transport, protocol

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        **_: Any,
    ) -> MemoryListener:
        """As of asyncio, in memory."""
        _refuse(ssl, sock)
        listener = self.network.listen(host, port)
        listener.take_with(lambda transport: transport.attach(self.loop, protocol_factory()))
        return listener

    async def sock_accept(self, sock: MemoryListener) -> tuple[_Accepted, tuple[str, int]]:
        """As of asyncio, for what :meth:`MemoryNetwork.listen` gave."""
        return await sock.accept()

    async def connect_accepted_socket(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], sock: _Accepted, **_: Any
    ) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        """As of asyncio, for what ``sock_accept`` gave."""
        protocol = protocol_factory()
        sock.transport.attach(self.loop, protocol)
        await asyncio.sleep(0)
        return sock.transport, protocol


def _refuse(ssl: Any, sock: Any) -> None:
    if ssl or sock is not None:
        raise NotImplementedError("the network in memory has neither TLS nor sockets")


_MARK: Final = "_goim_memory_network"


def equip(loop: asyncio.AbstractEventLoop, network: MemoryNetwork) -> asyncio.AbstractEventLoop:
    """Let a loop connect and listen in a network in memory, and nowhere else.

    Args:
        loop: of asyncio, which is changed; return it.
        network: may be shared by loops that take turns in one thread.
    """
    equipment = _Equipment(loop, network)
    for name in ("create_connection", "create_server", "sock_accept", "connect_accepted_socket"):
        setattr(loop, name, getattr(equipment, name))
    setattr(loop, _MARK, network)
    return loop


def network_of(loop: asyncio.AbstractEventLoop) -> MemoryNetwork | None:
    """Return the network that a loop is equipped with; None: it has the machine's own."""
    network: MemoryNetwork | None = getattr(loop, _MARK, None)
    return network


_here: Final = MemoryNetwork()  # where the platform has no other


def running_network() -> MemoryNetwork | None:
    """Return the network in memory of the running loop; None: there is none, or no loop."""
    try:
        return network_of(running_loop())
    except RuntimeError:
        return None


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop, able to connect and listen wherever the platform is."""
    loop = asyncio.get_running_loop()
    if not platform().sockets and network_of(loop) is None:
        equip(loop, _here)
    return loop
