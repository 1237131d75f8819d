"""The news of rooms: presence, typing and read marks, which may come late and may be lost.

One request for news makes a frame for each member. So what it costs is limited, and not how often
it comes: news gathers, the last word on each user counts, and the rooms of a server take turns at
telling it, for a share of the time. While that suffices, news is told at the end of the turn of
the loop that brought it, once for all who came and went in that turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from goim_edu.transport import Engine

__all__ = ["TYPING_EVERY", "News", "NewsTurns"]

TYPING_EVERY: Final = 3.0
"""Seconds in which a room tells once that a user is typing."""

_MOST_OCTETS: Final = 16 * 1024  # of the names in what is told at once
_MOST_TYPING: Final = 20  # users; nobody reads more
_AHEAD: Final = 0.05  # seconds by which news may be early
_LONGEST_PAUSE: Final = 2.0  # seconds; what took so long was not the news alone


class News:
    """What a room has not told its members yet.

    Attributes:
        changes: how many times a user has come or gone so far.

    >>> news = News()
    >>> news.came("lisa"), news.came("tom"), news.went("lisa")
    (None, None, None)
    >>> news.take_presence()
    (['tom'], ['lisa'])
    """

    __slots__ = ("_presence", "_reads", "_typed", "_typing", "changes")

    def __init__(self) -> None:
        self.changes = 0
        self._presence: dict[str, bool] = {}  # the last word on each: whether it is here
        self._typing: dict[str, object] = {}  # by which session
        self._reads: dict[str, tuple[int, object]] = {}
        self._typed: dict[str, float] = {}  # when it was told last

    def __bool__(self) -> bool:
        return bool(self._presence or self._typing or self._reads)

    def came(self, user_id: str) -> None:
        """A user has come in."""
        self._presence[user_id] = True
        self.changes += 1

    def went(self, user_id: str) -> None:
        """A user is gone."""
        self._presence[user_id] = False
        self.changes += 1
        self._typed.pop(user_id, None)

    def typing(self, user_id: str, member: object, now: float) -> bool:
        """A user is typing, in the session of this member; told once in ``TYPING_EVERY``.

        Returns:
            Whether it is news.
        """
        if now - self._typed.get(user_id, -TYPING_EVERY) < TYPING_EVERY:
            return False
        self._typed[user_id] = now
        self._typing[user_id] = member
        return True

    def said(self, user_id: str) -> None:
        """What a user was typing has come."""
        self._typing.pop(user_id, None)
        self._typed.pop(user_id, None)

    def read(self, user_id: str, seq: int, member: object) -> None:
        """A user has read up to this number, in the session of this member."""
        self._reads[user_id] = seq, member

    def clear(self) -> None:
        """Nobody is there to be told."""
        for news in self._presence, self._typing, self._reads, self._typed:
            news.clear()

    # ------------------------------------------------------------------ to be told

    @property
    def tells_presence(self) -> bool:
        """Whether users have come or gone."""
        return bool(self._presence)

    def take_presence(self) -> tuple[list[str], list[str]]:
        """The users that have come and those that are gone; the rest if there are very many."""
        names = list(_some(self._presence))
        states = [(name, self._presence.pop(name)) for name in names]
        return [name for name, here in states if here], [n for n, here in states if not here]

    def take_typing(self) -> dict[str, object]:
        """The users that are typing, and their sessions; only some if there are many."""
        typing, self._typing = self._typing, {}
        for user_id in tuple(typing)[_MOST_TYPING:]:
            del typing[user_id]
            self._typed.pop(user_id, None)
        return typing

    def take_reads(self) -> dict[str, tuple[int, object]]:
        """The users that have read on; the rest if there are very many."""
        return {name: self._reads.pop(name) for name in tuple(_some(self._reads))}


def _some(names: Iterable[str]) -> Iterator[str]:
    """The first names, as many as may be told at once."""
    octets = 0
    for name in names:
        octets += len(name.encode())
        yield name
        if octets > _MOST_OCTETS:
            return


class Teller(Protocol):
    """A room, as far as its news goes."""

    def tell_news(self) -> None:
        """Tell the news, or some of it."""
        ...


class NewsTurns:
    """Rooms take turns at telling their news, for a share of the time.

    Args:
        engine: of the loop that the rooms live in.
        share: of the time, above 0, at most 1.
    """

    def __init__(self, engine: Engine, share: float) -> None:
        self._engine = engine
        self._share = share
        self._rooms: dict[Teller, None] = {}  # in the order of their turns
        self._paid_until = 0.0  # when the share is kept again
        self._is_due = False

    def wait(self, room: Teller) -> None:
        """A room has news: it tells it at the end of this turn of the loop, or when it may."""
        self._rooms[room] = None
        if not self._is_due:
            self._is_due = True
            self._engine.at_end_of_turn(self._tell)

    def _tell(self) -> None:
        """Let rooms tell their news until that has taken long enough for now."""
        waiting, self._rooms = self._rooms, {}
        time = self._engine.loop.time
        begin = time()
        while waiting and self._paid_until <= begin + _AHEAD:
            room = next(iter(waiting))
            del waiting[room]
            room.tell_news()
            now = time()
            pause = min((now - begin) / self._share, _LONGEST_PAUSE)
            self._paid_until = max(self._paid_until, now) + pause
            begin = now
        self._rooms = waiting | self._rooms  # a room with more news waits behind the others
        self._is_due = bool(self._rooms)
        if self._is_due:  # but not in this turn again
            self._engine.loop.call_at(self._paid_until - _AHEAD, self._tell)
