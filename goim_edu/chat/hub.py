"""The hub: all sessions and rooms of a server, their limits, and the way to the store."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ParamSpec, Protocol

from goim_edu.chat.auth import Authenticate, anybody
from goim_edu.chat.hooks import ServerHooks
from goim_edu.chat.limits import ChatLimits
from goim_edu.chat.news import NewsTurns
from goim_edu.chat.ports import Store
from goim_edu.chat.room import Room
from goim_edu.errors import StoreError
from goim_edu.transport import Engine

__all__ = ["ChatStats", "Hub"]

log = logging.getLogger("goim_edu.chat")

P = ParamSpec("P")


class Client(Protocol):
    """What the hub knows of a session."""

    def drain(self, reconnect_after_ms: int) -> None:
        """Tell it that the server is about to close."""
        ...


@dataclass(slots=True)
class ChatStats:
    """What has happened so far."""

    acknowledged: int = 0
    unavailable: int = 0
    rate_limited: int = 0
    errors: Counter[str] = field(default_factory=Counter)


class Hub:
    """What all sessions of a server share.

    Args:
        store: where messages are kept.
        engine: of the loop that all connections live in.
        limits: what one client may ask for.
        authenticate: checks the name of a user.
        hooks: is told of users and messages.

    Attributes:
        sessions: all that are connected.
        rooms: those that are not empty, by name.
        draining: whether the server is about to close and takes no more messages.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        limits: ChatLimits | None = None,
        authenticate: Authenticate = anybody,
        hooks: ServerHooks | None = None,
    ) -> None:
        self.store = store
        self.engine = engine
        self.limits = limits or ChatLimits()
        self.authenticate = authenticate
        self.hooks = hooks
        self.sessions: set[Client] = set()
        self.rooms: dict[str, Room] = {}
        self.draining = False
        self.stats = ChatStats()
        self._news = NewsTurns(engine, self.limits.news)
        self._marks: dict[tuple[str, str], int] = {}  # waiting to be stored
        self._marking = False

    @staticmethod
    def now() -> datetime:
        """The time of the server."""
        return datetime.now(UTC)

    # ------------------------------------------------------------------ rooms

    def room(self, room_id: str) -> Room:
        """The room of this name."""
        room = self.rooms.get(room_id)
        if room is None:
            room = self.rooms[room_id] = Room(room_id, self.engine.at_end_of_turn, self._news.wait)
        return room

    def release(self, room: Room) -> None:
        """Forget a room that is empty; the store keeps its messages."""
        if room.empty and self.rooms.get(room.room_id) is room:
            del self.rooms[room.room_id]

    # ------------------------------------------------------------------ the store

    def ask(
        self, asker: object, question: Callable[[], Any], then: Callable[[Any], None]
    ) -> Future[Any] | None:
        """Ask the store something that blocks; ``then`` gets the answer, or the StoreError.

        The askers take turns. One that has left (``store.forget``) gets no answer.

        Returns:
            What can be cancelled: then it may not be asked, and ``then`` may not be called.
        """
        loop = self.engine.loop
        try:
            future = self.store.run(question, asker=asker)
        except Exception as error:  # noqa: BLE001 - it is logged below
            loop.call_soon(then, _as_store_error(error))
            return None
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(_answer, done, then))
        return future

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Keep how far a user has read.

        Marks are stored one after the other; of those that wait for one user, only the last.
        """
        self._marks[room_id, user_id] = seq
        if not self._marking:
            self._store_marks()

    def _store_marks(self) -> None:
        marks, self._marks = self._marks, {}
        self._marking = bool(marks)
        if marks:
            self.ask(self, lambda: self._mark_all(marks), self._marks_stored)

    def _mark_all(self, marks: dict[tuple[str, str], int]) -> None:
        for (room_id, user_id), seq in marks.items():
            self.store.mark_read(room_id, user_id, seq)

    def _marks_stored(self, answer: Any) -> None:
        if isinstance(answer, StoreError):
            log.warning("read marks were not stored why=%r", str(answer))
        self._store_marks()

    # ------------------------------------------------------------------ life

    def tell(self, hook: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call a hook, or something else of the operator's; its mistakes are not ours."""
        try:
            hook(*args, **kwargs)
        except Exception:
            log.exception("a hook or the store failed")

    def drain(self, reconnect_after_ms: int) -> None:
        """Take no more messages, and tell all sessions."""
        self.draining = True
        for session in tuple(self.sessions):
            session.drain(reconnect_after_ms)


def _answer(done: Future[Any], then: Callable[[Any], None]) -> None:
    if done.cancelled():
        return
    try:
        answer = done.result()
    except Exception as error:  # noqa: BLE001 - it is logged below
        answer = _as_store_error(error)
    then(answer)


def _as_store_error(error: Exception) -> StoreError:
    """What a store has raised; if it is not an error of a store, it is a mistake and logged."""
    if isinstance(error, StoreError):
        return error
    log.error("the store failed", exc_info=error)
    return StoreError(f"the store failed: {type(error).__name__}")
