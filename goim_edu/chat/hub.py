"""The hub: all sessions and rooms of a server, their limits, and the way to the store."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, ParamSpec, Protocol

from goim_edu.chat.alone import NO_PEERS
from goim_edu.chat.auth import Authenticate, anybody
from goim_edu.chat.errands import SharedQuestion
from goim_edu.chat.gate import TailMemory
from goim_edu.chat.hooks import ServerHooks
from goim_edu.chat.limits import ChatLimits
from goim_edu.chat.news import NewsTurns
from goim_edu.chat.ports import Peers, Store, StoredMessage
from goim_edu.chat.room import House, Room
from goim_edu.errors import StoreError
from goim_edu.transport import Engine

__all__ = ["ChatStats", "Hub"]

log = logging.getLogger("goim_edu.chat")

_FILL: Final = 200  # messages that are read at once where some are missing
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds until a store that was away is asked again
_CHECK_WITHIN, _CHECK_EACH = 5.0, 0.005  # seconds for all rooms, and for each at most

P = ParamSpec("P")


class Client(Protocol):
    """What the hub knows of a session."""

    def drain(self, reconnect_after_ms: int) -> None:
        """Tell it that the server is about to close."""
        ...


class _Waiting(NamedTuple):
    """One of those who wait for the same answer; its future is never done but by cancelling."""

    asker: object
    future: Future[Any]
    then: Callable[[Any], None]


@dataclass(slots=True)
class ChatStats:
    """What has happened so far."""

    acknowledged: int = 0
    unavailable: int = 0
    rate_limited: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    fills: Counter[str] = field(default_factory=Counter)


class Hub:
    """What all sessions of a server share.

    Args:
        store: where messages are kept.
        engine: of the loop that all connections live in.
        limits: what one client may ask for.
        authenticate: checks the name of a user.
        hooks: is told of users and messages.
        peers: the other servers of the same chat.

    Attributes:
        sessions: all that are connected.
        rooms: those that are not empty, by name.
        in_flight: the sender and id of each message that waits for the store.
        draining: whether the server is about to close and takes no more messages.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        limits: ChatLimits | None = None,
        authenticate: Authenticate = anybody,
        hooks: ServerHooks | None = None,
        peers: Peers = NO_PEERS,
    ) -> None:
        self.store = store
        self.engine = engine
        self.limits = limits or ChatLimits()
        self.authenticate = authenticate
        self.hooks = hooks
        self.sessions: set[Client] = set()
        self.rooms: dict[str, Room] = {}
        self.in_flight: set[tuple[str, str]] = set()
        self.draining = False
        self.stats = ChatStats()
        self.peers = peers
        self._house = House(
            engine.at_end_of_turn,
            NewsTurns(engine, self.limits.news).wait,
            engine.loop.call_later,
            self._fill,
            self.release,
            peers,
            TailMemory(),
            self.limits.presence_grace,
            self.limits.presence_limit,
        )
        self._shared: dict[object, list[_Waiting]] = {}
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
            room = self.rooms[room_id] = Room(room_id, self._house)
            self.peers.opened(room_id)
        return room

    def arrived(self, messages: Iterable[StoredMessage]) -> None:
        """Other servers have stored these: the rooms that are here hand them on."""
        for message in messages:
            room = self.rooms.get(message.room_id)
            if room is not None:
                room.gate.arrived(message)

    def release(self, room: Room) -> None:
        """Forget a room that is empty; the store keeps its messages."""
        if room.empty and self.rooms.get(room.room_id) is room:
            del self.rooms[room.room_id]
            room.gate.forget()
            self.peers.closed(room.room_id)

    def hear_head(self, room_id: str, seq: int) -> None:
        """Another server says that a room has a message of this number."""
        room = self.rooms.get(room_id)
        if room is not None:
            room.gate.expect(seq)

    def check(self, why: str, room_id: str | None = None) -> None:
        """Messages may have been missed on their way from other servers: look into the store.

        Args:
            why: for the figures, such as ``reopened``.
            room_id: of the room; None: of all, one after the other in the next seconds.
        """
        if room_id is not None:
            room = self.rooms.get(room_id)
            if room is not None:
                room.gate.check(why)
            return
        pause = min(_CHECK_WITHIN / max(1, len(self.rooms)), _CHECK_EACH)
        for number, name in enumerate(tuple(self.rooms)):
            self.engine.loop.call_later(number * pause, self.check, why, name)

    def _fill(self, room: Room, why: str) -> None:
        """Ask the store what comes after the last message of a room."""
        delay = self.peers.fill_delay
        if delay and room.gate.is_behind:
            self.engine.loop.call_later(delay, self._ask_if_behind, room, why)
        else:
            self.stats.fills[why] += 1
            self._ask_on(room, _FIRST_PAUSE)

    def _ask_if_behind(self, room: Room, why: str) -> None:
        """Some time has passed: what was missing may have come."""
        if not room.gate.is_behind:
            room.gate.filled((), complete=True)
            return
        self.stats.fills[why] += 1
        self._ask_on(room, _FIRST_PAUSE)

    def _ask_on(self, room: Room, pause: float) -> None:
        gate, loop = room.gate, self.engine.loop

        def filled(answer: Any) -> None:
            if not isinstance(answer, StoreError):
                gate.filled(answer, len(answer) < _FILL)
            elif self.rooms.get(room.room_id) is room:
                loop.call_later(pause, self._ask_on, room, min(2 * pause, _LONGEST_PAUSE))
            else:
                gate.failed()

        if self.rooms.get(room.room_id) is not room:
            gate.failed()
            return
        question = partial(self.store.history, room.room_id, after_seq=gate.last or 0, limit=_FILL)
        self.ask(room, question, filled)

    # ------------------------------------------------------------------ the store

    def ask(
        self, asker: object, question: Callable[[], Any], then: Callable[[Any], None]
    ) -> Future[Any] | None:
        """Ask the store something that blocks; ``then`` gets the answer, or the StoreError.

        The askers take turns. One that has left (``store.forget``) gets no answer.

        Returns:
            What can be cancelled: then it may not be asked, and ``then`` may not be called.
        """
        if isinstance(question, SharedQuestion):
            return self._ask_together(asker, question, then)
        loop = self.engine.loop
        try:
            future = self.store.run(question, asker=asker)
        except Exception as error:  # noqa: BLE001 - it is logged below
            loop.call_soon(then, _as_store_error(error))
            return None
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(_answer, done, then))
        return future

    def _ask_together(
        self, asker: object, question: SharedQuestion, then: Callable[[Any], None]
    ) -> Future[Any]:
        """Ask it when the first asker's turn comes; all who ask meanwhile get the answer."""
        mine: Future[Any] = Future()
        waiting = self._shared.setdefault(question.about, [])
        waiting.append(_Waiting(asker, mine, then))
        if len(waiting) == 1:
            self._ask_first(question)
        return mine

    def _ask_first(self, question: SharedQuestion) -> None:
        """Ask in the name of the first who still waits; if it leaves, of the next one."""
        waiting = [one for one in self._shared.pop(question.about) if not one.future.cancelled()]
        if not waiting:
            return
        self._shared[question.about] = waiting
        loop, first = self.engine.loop, waiting[0]

        def answered(answer: Any) -> None:
            for one in self._shared.pop(question.about, ()):
                if not one.future.cancelled():
                    one.then(answer)

        def ended(done: Future[Any]) -> None:
            if done.cancelled():
                loop.call_soon_threadsafe(self._ask_first, question)

        asked = self.ask(first.asker, question.ask, answered)
        if asked is not None:
            asked.add_done_callback(ended)
            first.future.add_done_callback(lambda mine: asked.cancel())

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

    def drain(self, reconnect_after_ms: Callable[[], int]) -> None:
        """Take no more messages, and tell all sessions.

        Args:
            reconnect_after_ms: when to come back, asked for each session.
        """
        self.draining = True
        for session in tuple(self.sessions):
            session.drain(reconnect_after_ms())


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
