"""What a session asks of the store: a few questions at a time, and only while its client reads.

A client may ask for more than its connection takes, and for more than is fair to the others. So
its errands wait in line. Each is a generator that yields *steps*. A step is called when the
answers before it have left for the client's side; it gives a question, which is put to the store
in a thread, and the generator is sent the answer. Between two steps the other errands of the
session have their turn.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from goim_edu.chat.vocabulary import ErrorCode
from goim_edu.errors import GoimError, StoreError, StoreUnavailable
from goim_edu.transport import Connection, ConnectionState

__all__ = [
    *("MOST_OPEN", "OUR_MISTAKE", "Errand", "Errands", "Question", "RequestRefused"),
    *("SharedQuestion", "Step", "nothing", "refusal"),
]

log = logging.getLogger("goim_edu.chat")

Question = Callable[[], Any]
"""What is called in a thread; its result is the answer, or the StoreError that it raises."""


@dataclass(frozen=True, slots=True)
class SharedQuestion:
    """A question that many ask at once: while it is open, all get its one answer.

    Args:
        about: equal for those that are the same question.
        ask: is called in a thread.
    """

    about: object
    ask: Question

    def __call__(self) -> Any:
        """The answer."""
        return self.ask()


Step = Callable[[], Question | None]
"""Gives the question when its time has come; None if the store need not be asked."""
Errand = Generator[Step, Any, None]

MOST_OPEN: Final = 4
"""Questions of a session that the store is asked at once."""

OUR_MISTAKE: Final = "the server made a mistake"
"""What a client is told where the log says more."""

_ANSWERING: Final = (ConnectionState.OPEN, ConnectionState.ENDING)
_MOST: Final = 1000  # errands of a session; a client that reads has far fewer


class RequestRefused(GoimError):
    """A request cannot be granted; the session answers with ``error``."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code: ErrorCode = code
        self.reason = reason


def refusal(error: StoreError) -> RequestRefused:
    """How a client is told that the store could not do what was asked."""
    unavailable = isinstance(error, StoreUnavailable)
    return RequestRefused("unavailable" if unavailable else "internal", str(error))


def nothing() -> None:
    """A step that only waits for its time."""


class Answerer(Protocol):
    """What the errands need of a hub."""

    def ask(
        self, asker: object, question: Question, then: Callable[[Any], None]
    ) -> Future[Any] | None:
        """Have the question answered in a thread; ``then`` gets the answer, or the StoreError."""
        ...


class _Errand(NamedTuple):
    """One in the line: its next step, and what to do with it."""

    step: Step
    run: Errand
    ref: str | None
    key: object


class Errands:
    """The errands of one session.

    Args:
        store: answers the questions.
        connection: of the session.
        refuse: is called with an error and the ``ref`` of the request that it refuses.
    """

    __slots__ = ("_connection", "_is_due", "_open", "_refuse", "_store", "_waiting")

    def __init__(
        self,
        store: Answerer,
        connection: Connection,
        refuse: Callable[[RequestRefused, str | None], None],
    ) -> None:
        self._store = store
        self._connection = connection
        self._refuse = refuse
        self._waiting: deque[_Errand] = deque()
        self._open: dict[_Errand, Future[Any] | None] = {}  # those whose question is open
        self._is_due = False  # to come back in the next turn

    def check(self) -> None:
        """See whether another one may be added.

        Raises:
            RequestRefused: there are too many.
        """
        if len(self._waiting) >= _MOST:
            raise RequestRefused("rate_limited", f"{_MOST} requests wait for you to read")

    def add(self, run: Errand, ref: str | None, key: object = None) -> None:
        """Run this errand too.

        Args:
            run: the errand.
            ref: of the request that is refused if it raises ``RequestRefused``.
            key: what ``drop`` knows it by.
        """
        self._waiting.append(_Errand(next(run), run, ref, key))
        self.go_on()

    def drop(self, key: object) -> None:
        """The errand with this key is not needed any more."""
        self._waiting = deque(errand for errand in self._waiting if errand.key is not key)
        self._withdraw([errand for errand in self._open if errand.key is key])
        self.go_on()

    def end(self) -> None:
        """The session is over: what has not been asked will not be."""
        self._waiting.clear()
        self._withdraw(list(self._open))

    def _withdraw(self, errands: Iterable[_Errand]) -> None:
        """Do not wait for these answers, and do not ask what there is still time not to ask."""
        for errand in errands:
            future = self._open.pop(errand)
            if future is not None:
                future.cancel()

    def go_on(self) -> None:
        """Take the next steps, if few questions are open and the client reads the answers."""
        while self._waiting and len(self._open) < MOST_OPEN:
            if not self._connection.has_room:
                self._wait_for_room()
                return
            errand = self._waiting.popleft()
            question = errand.step()
            if question is None:
                self._resume(errand, None)
            else:
                answered = partial(self._answered, errand)
                self._open[errand] = self._store.ask(self, question, answered)

    def _wait_for_room(self) -> None:
        """Come back in the next turn, unless ``on_drained`` of the session will tell."""
        if not self._connection.congested and not self._is_due:
            self._is_due = True
            self._connection.engine.loop.call_soon(self._come_back)

    def _come_back(self) -> None:
        self._is_due = False
        self.go_on()

    def _answered(self, errand: _Errand, answer: Any) -> None:
        """The store has answered; if it is away, the questions that wait need not be asked."""
        if errand not in self._open:
            return  # it was withdrawn
        del self._open[errand]
        self._resume(errand, answer)
        if isinstance(answer, StoreUnavailable):
            waiting, self._waiting = self._waiting, deque()
            for other in waiting:
                self._resume(other, answer)
        self.go_on()

    def _resume(self, errand: _Errand, answer: Any) -> None:
        """Let it write what it has to say, up to its next step."""
        try:
            step = errand.run.send(answer)
        except StopIteration:
            return
        except RequestRefused as refused:
            self._refuse(refused, errand.ref)
            return
        except Exception:  # such as an answer that no store may give
            log.exception("request failed connection=%d", self._connection.id)
            self._refuse(RequestRefused("internal", OUR_MISTAKE), errand.ref)
            return
        if self._connection.state in _ANSWERING:
            self._waiting.append(errand._replace(step=step))
