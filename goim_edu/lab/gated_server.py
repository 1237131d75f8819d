"""GatedServer: a live chat server whose store can be held up, and can be away."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

from goim_edu.errors import StoreUnavailable
from goim_edu.lab.live_server import LiveServer
from goim_edu.storage.backend import Inserted
from goim_edu.storage.backend_memory import MemoryBackend
from goim_edu.store import MessageStore

__all__ = ["GatedServer"]

_LONGEST: Final = 20.0  # seconds that the gate stays shut if nobody opens it


class _Gated(MemoryBackend):
    """The backend in memory, with a gate before each insert."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.away = False

    def insert(self, documents: Sequence[dict[str, Any]]) -> Inserted:
        self.gate.wait(_LONGEST)
        if self.away:
            raise StoreUnavailable("the database is away")
        return super().insert(documents)


class GatedServer(LiveServer):
    """A :class:`LiveServer` with a gate between the server and its store, which is in memory.

    Its methods may be called from any thread. The gate is open at first. A message that comes while
    it is shut waits in front of it, 20 seconds at most, and ``close()`` opens it.

    Args:
        name: a new server replaces the one of the same name.
        settings: as of :class:`LiveServer`.

    Raises:
        StoreUnavailable: it could not be started.

    >>> with GatedServer(name="example") as gated:
    ...     gated.shut()
    ...     saved = gated.store.submit("lobby", "lisa", "Hello", client_msg_id="m1")
    ...     before = saved.done()
    ...     gated.open()
    ...     before, saved.result(5).seq
    (False, 1)
    """

    def __init__(self, *, name: str = "gated", **settings: Any) -> None:
        self._backend = _Gated()
        super().__init__(MessageStore(self._backend, patience=0.2), name=name, **settings)

    def shut(self) -> None:
        """Let no message into the store from now on."""
        self._backend.gate.clear()

    def open(self) -> None:
        """Let all in that wait."""
        self._backend.gate.set()

    def take_away(self) -> None:
        """Let the store fail from now on, as a database that cannot be reached."""
        self._backend.away = True

    def bring_back(self) -> None:
        """Let the store work again."""
        self._backend.away = False

    def close(self) -> None:
        """Open the gate, so that what waits can be stored, and close the server."""
        self.open()
        super().close()
