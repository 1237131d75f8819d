"""The threads that read from the database: their queue is bounded and fair, and has deadlines.

Many sessions ask, and a few threads read. Each asker has a queue of its own, and the threads serve
the askers in turn, so a session that asks a thousand things makes another one wait for one of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, TypeVar

from goim_edu.errors import StoreUnavailable
from goim_edu.runtime import platform

__all__ = ["Readers"]

T = TypeVar("T")

_GONE: Final = "the store is closed"
_FULL: Final = "too many questions wait for the database"


class _Question:
    """What one asker wants to know, until when, and where the answer goes."""

    __slots__ = ("asker", "function", "future", "until")

    def __init__(self, asker: object, function: Callable[[], Any], until: float) -> None:
        self.asker = asker
        self.function = function
        self.future: Future[Any] = Future()
        self.until = until


class Readers:
    """A few threads that answer the questions of many askers, in turn.

    Args:
        threads: questions that are asked of the database at a time, 1 or more.
        max_waiting: questions that may wait in all, 1 or more.
        max_each: questions of one asker that may wait, 1 or more.
        patience: seconds from a question to its answer, if the database does not answer earlier.

    When the queue is full, the asker with the most waiting questions loses its newest one. All
    methods may be called from any thread.

    >>> readers = Readers()
    >>> readers.ask("lisa", lambda: 6 * 7).result()
    42
    >>> readers.close()
    """

    def __init__(
        self,
        threads: int = 4,
        max_waiting: int = 4096,
        max_each: int = 128,
        patience: float = 10.0,
    ) -> None:
        self._threads = threads
        self._max_waiting = max_waiting
        self._max_each = max_each
        self._patience = patience
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._queues: OrderedDict[object, deque[_Question]] = OrderedDict()
        self._waiting = 0
        self._open: dict[_Question, None] = {}  # not answered yet, the oldest first
        self._pool: ThreadPoolExecutor | None = None
        self._serving = 0
        self._watching = self._closed = False

    @property
    def waiting(self) -> int:
        """How many questions wait for a thread."""
        return self._waiting

    # ------------------------------------------------------------------ asked from outside

    def ask(self, asker: object, function: Callable[[], T]) -> Future[T]:
        """Call a function in one of the threads when it is this asker's turn.

        Args:
            asker: where the question comes from: anything that can be a key of a dict.
            function: blocks until it knows the answer.

        Returns:
            A future of the answer. One that is cancelled in time is not asked.

        Raises:
            StoreUnavailable: too many questions wait; or the store is closed.
        """
        question = _Question(asker, function, monotonic() + self._patience)
        with self._lock:
            if self._closed:
                raise StoreUnavailable(_GONE)
            loser = self._make_room(asker)
            self._queues.setdefault(asker, deque()).append(question)
            self._waiting += 1
            self._open[question] = None
            self._start_threads()
        if loser is not None:
            _refuse(loser, _FULL)
        if not platform().threads:
            self._serve()
        return question.future

    def forget(self, asker: object) -> None:
        """Ask nothing more for this asker: what still waits is cancelled."""
        with self._lock:
            waiting = self._queues.pop(asker, deque())
            self._waiting -= len(waiting)
            for question in waiting:
                del self._open[question]
        for question in waiting:
            question.future.cancel()

    def close(self) -> None:
        """Take no more, cancel what waits, and wait for what is being asked."""
        with self._lock:
            self._closed = True
            askers = tuple(self._queues)
            self._changed.notify_all()
        for asker in askers:
            self.forget(asker)
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    # ------------------------------------------------------------------ the queues; under the lock

    def _make_room(self, asker: object) -> _Question | None:
        """Find a place for one more; returns the question that has lost its own, if one has."""
        queue = self._queues.get(asker, ())
        if len(queue) >= self._max_each:
            raise StoreUnavailable(f"{len(queue)} of your questions wait for the database")
        if self._waiting < self._max_waiting:
            return None
        longest = max(self._queues.values(), key=len)
        if len(longest) <= len(queue) + 1:
            raise StoreUnavailable(_FULL)
        loser = longest[-1]
        self._drop(loser)
        return loser

    def _drop(self, question: _Question) -> None:
        """A question will not be asked any more."""
        self._open.pop(question, None)
        queue = self._queues.get(question.asker)
        if queue is not None and question in queue:
            queue.remove(question)
            self._waiting -= 1
            if not queue:
                del self._queues[question.asker]

    def _start_threads(self) -> None:
        if not platform().threads:
            return  # the caller that asks finds out at once
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "goim store reader")
        if self._serving < self._threads:
            self._serving += 1
            self._pool.submit(self._serve)
        if not self._watching:
            self._watching = True
            # A script that just ends must not wait for this one.
            threading.Thread(target=self._watch, name="goim store deadlines", daemon=True).start()

    # ------------------------------------------------------------------ in the threads

    def _serve(self) -> None:
        """Answer question after question, until none waits."""
        while (question := self._next()) is not None:
            try:
                answer = question.function()
            except BaseException as error:  # noqa: BLE001 - it is the asker's
                if self._settles(question):
                    question.future.set_exception(error)
            else:
                if self._settles(question):
                    question.future.set_result(answer)
            del question  # an idle thread keeps no answer

    def _next(self) -> _Question | None:
        """The next question of the asker whose turn it is."""
        with self._lock:
            while self._queues:
                asker, queue = next(iter(self._queues.items()))
                question = queue.popleft()
                self._waiting -= 1
                if queue:
                    self._queues.move_to_end(asker)
                else:
                    del self._queues[asker]
                if question.future.set_running_or_notify_cancel():
                    return question
                del self._open[question]
            self._serving -= 1
            return None

    def _settles(self, question: _Question) -> bool:
        """Whether this answer is the one that counts: the deadline may have been quicker."""
        with self._lock:
            return self._open.pop(question, self) is None

    def _watch(self) -> None:
        """Answer what is not answered at its deadline, until nothing is open."""
        while (late := self._late()) is not None:
            for question in late:
                _refuse(question, f"the database did not answer in {self._patience:g} s")

    def _late(self) -> list[_Question] | None:
        """Wait until a question is late; returns all that are, or None if no more will be."""
        with self._lock:
            while self._open and not self._closed:
                now = monotonic()
                late = [question for question in self._open if question.until <= now]
                if late:
                    for question in late:
                        self._drop(question)
                    return late
                self._changed.wait(next(iter(self._open)).until - now)
            self._watching = False
            return None


def _refuse(question: _Question, why: str) -> None:
    """Tell the asker why nothing was found out, unless it has cancelled the question."""
    future = question.future
    if future.running() or future.set_running_or_notify_cancel():
        future.set_exception(StoreUnavailable(why))
