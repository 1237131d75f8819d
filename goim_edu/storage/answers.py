"""A second thread beside a writer: it tells the senders while the next batch is written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue

from goim_edu.storage.pending import Pending

__all__ = ["Answers"]


class Answers:
    """Batches whose senders are told in a thread of its own, one batch after the other.

    Telling them, and what they do then, needs the interpreter. The writer keeps it until its next
    batch is sent; so this thread works while the database does, and neither waits for the other. If
    it lags, the writer waits for it with the second batch at the latest.

    Args:
        tell: sets the futures of a batch.

    Only the writer calls the methods.
    """

    def __init__(self, tell: Callable[[list[Pending]], None]) -> None:
        self._tell = tell
        self._batches: Queue[list[Pending] | None] = Queue(maxsize=1)
        self._handed = self._told = 0
        self.thread: threading.Thread | None = None

    @property
    def idle(self) -> bool:
        """Whether all batches are told."""
        return self._handed == self._told

    def put(self, batch: list[Pending]) -> None:
        """Have a batch told."""
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="goim store answers", daemon=True)
            self.thread.start()
        self._handed += 1
        self._batches.put(batch)

    def close(self) -> None:
        """Wait until all are told."""
        if self.thread is not None:
            self._batches.put(None)
            self.thread.join()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._tell(batch)
            self._told += 1
