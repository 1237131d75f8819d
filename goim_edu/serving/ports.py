"""What the pages and the metrics ask of the server, and what the server asks of its store."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Protocol

from goim_edu.chat.hub import Hub
from goim_edu.chat.ports import Store
from goim_edu.serving.config import ServerConfig
from goim_edu.transport import Engine

__all__ = ["MeasuredConnection", "ObservedServer", "ServerStore"]


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


class ObservedServer(Protocol):
    """What is asked of the server."""

    config: ServerConfig
    store: ServerStore
    engine: Engine
    hub: Hub

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
