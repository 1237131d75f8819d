"""What the pages and the metrics ask of the server, and what the server asks of its store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence, Sized
from typing import Any, Protocol

from goim_edu.chat.hub import Hub
from goim_edu.chat.ports import Store
from goim_edu.serving.config import ServerConfig
from goim_edu.serving.handshakes import HandshakeRate
from goim_edu.transport import Engine

__all__ = ["MeasuredConnection", "ObservedNode", "ObservedServer", "ServerStore"]


class ServerStore(Store, Protocol):
    """What the server needs of the store beyond the chat."""

    @property
    def description(self) -> str:
        """Where messages live, in words."""
        ...

    def ping(self) -> float:
        """Seconds until it answered; StoreUnavailable if it did not."""
        ...

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all is stored."""
        ...


class MeasuredConnection(Protocol):
    """What is asked of one connection."""

    @property
    def queued(self) -> int:
        """Octets that wait for it."""
        ...

    @property
    def latency(self) -> float | None:
        """Seconds of its last round trip."""
        ...


class ObservedNode(Protocol):
    """What is asked of a server as one of several."""

    @property
    def peers(self) -> Sized:
        """The others that are alive."""
        ...

    @property
    def follower(self) -> ObservedFollower:
        """What reads the change stream."""
        ...

    @property
    def lag(self) -> float:
        """Seconds by which it may be behind the others."""
        ...

    @property
    def trouble(self) -> str:
        """Why clients should go to another server; empty if all is well."""
        ...


class ObservedFollower(Protocol):
    """What is asked of the reader of the change stream."""

    @property
    def stats(self) -> StreamStats:
        """What it has done."""
        ...


class StreamStats(Protocol):
    """What is asked of the change stream."""

    events: int
    reopened: int


class ObservedServer(Protocol):
    """What is asked of the server."""

    config: ServerConfig
    store: ServerStore
    engine: Engine
    hub: Hub
    ask_all: Callable[[str], Awaitable[Any]] | None
    handshakes: HandshakeRate

    @property
    def node(self) -> ObservedNode | None:
        """The server as one of several; None if it is alone."""
        ...

    @property
    def draining(self) -> bool:
        """Whether it is about to close."""
        ...

    @property
    def starting(self) -> int:
        """How many connections are in their TLS handshake."""
        ...

    @property
    def uptime(self) -> float:
        """Seconds since it started to listen."""
        ...

    def connections(self) -> Sequence[MeasuredConnection]:
        """All connections as they are now."""
        ...

    def start_task(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine beside the rest, until the server closes."""
        ...
