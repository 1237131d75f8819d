"""Bulletins: what a server tells the others of its rooms, a few times a second at most.

Presence, typing and read marks gather until it is time, and go out in one document. So what they
cost the database does not grow with how often they happen. A bulletin may be lost: each has a
number, and where one is missing the others read the lists of that server (``presence``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

__all__ = ["MOST_OCTETS", "Bulletin", "Outbox", "RoomNews", "from_document"]

MOST_OCTETS: Final = 1 << 19
"""Of the names in one bulletin, about; the next has the rest. A bus takes 1 MiB."""


@dataclass(slots=True)
class RoomNews:
    """What is new in one room at one server.

    Attributes:
        moved: the last word on each user that has come (True) or gone.
        names: all users, if all are told; then ``moved`` is empty.
        member_count: how many they are, if they are too many to be named.
        typing: users that are typing.
        reads: how far users have read.
    """

    moved: dict[str, bool] = field(default_factory=dict)
    names: list[str] | None = None
    member_count: int = 0
    typing: list[str] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)

    @property
    def tells_presence(self) -> bool:
        """Whether users have come or gone."""
        return bool(self.moved) or self.names is not None

    def to_document(self, room_id: str) -> dict[str, Any]:
        """As it is stored; what is empty is left out."""
        document = {
            "room_id": room_id,
            "names": self.names,
            "came": [name for name, here in self.moved.items() if here],
            "went": [name for name, here in self.moved.items() if not here],
            "member_count": self.member_count,
            "typing": self.typing,
            "reads": [[name, seq] for name, seq in self.reads.items()],
        }
        return {key: value for key, value in document.items() if value or key == "names"}


class Bulletin(NamedTuple):
    """What is new at one server.

    Args:
        server: its name.
        number: 1, 2, 3 and so on.
        rooms: what is new, by room.
    """

    server: str
    number: int
    rooms: Mapping[str, RoomNews]

    def to_document(self) -> dict[str, Any]:
        """As it is stored.

        >>> news = RoomNews(moved={"lisa": True})
        >>> from_document(Bulletin("s", 3, {"lobby": news}).to_document()).rooms["lobby"].moved
        {'lisa': True}
        """
        rooms = [news.to_document(room_id) for room_id, news in self.rooms.items()]
        return {"server": self.server, "number": self.number, "rooms": rooms}


def from_document(document: Mapping[str, Any]) -> Bulletin:
    """A bulletin that was stored, or sent.

    Raises:
        ValueError: it is none; another program writes into this database.
    """
    try:
        rooms = {room["room_id"]: _room_news(room) for room in document["rooms"]}
        return Bulletin(str(document["server"]), int(document["number"]), rooms)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no bulletin: {error!r}") from None


def _room_news(room: Mapping[str, Any]) -> RoomNews:
    names = room.get("names")
    moved = dict.fromkeys(map(str, room.get("came", ())), True)
    return RoomNews(
        moved | dict.fromkeys(map(str, room.get("went", ())), False),
        None if names is None else [str(name) for name in names],
        int(room.get("member_count", 0)),
        [str(name) for name in room.get("typing", ())],
        {str(name): int(seq) for name, seq in room.get("reads", ())},
    )


class Outbox:
    """What a server has not told the others yet.

    Args:
        names_in: gives the users that this server counts in a room.
        most_named: users of a room up to which they are told by name.

    >>> outbox = Outbox(lambda room_id: ["lisa"], 200)
    >>> outbox.move("lobby", "lisa", here=True)
    >>> outbox.take("server 1", 1).rooms
    {'lobby': RoomNews(moved={'lisa': True}, names=None, member_count=0, typing=[], reads={})}
    """

    def __init__(self, names_in: Callable[[str], Sequence[str]], most_named: int) -> None:
        self._names_in = names_in
        self._most_named = most_named
        self._rooms: dict[str, RoomNews] = {}
        self._whole: dict[str, None] = {}  # rooms of which all users are to be told

    def __bool__(self) -> bool:
        return bool(self._rooms or self._whole)

    def _news(self, room_id: str) -> RoomNews:
        return self._rooms.setdefault(room_id, RoomNews())

    def move(self, room_id: str, user_id: str, *, here: bool) -> None:
        """A user has come into a room, or is gone."""
        self._news(room_id).moved[user_id] = here

    def typing(self, room_id: str, user_id: str) -> None:
        """A user is typing."""
        typing = self._news(room_id).typing
        if user_id not in typing:
            typing.append(user_id)

    def read(self, room_id: str, user_id: str, seq: int) -> None:
        """A user has read up to this number."""
        self._news(room_id).reads[user_id] = seq

    def tell_whole(self, room_id: str) -> None:
        """Tell all users of a room, whatever was told before."""
        self._whole[room_id] = None

    def take(self, server: str, number: int) -> Bulletin:
        """The next bulletin; what does not fit into it waits for another."""
        rooms: dict[str, RoomNews] = {}
        octets = 0
        for room_id in [*self._whole, *(name for name in self._rooms if name not in self._whole)]:
            if octets > MOST_OCTETS:
                break
            news = rooms[room_id] = self._rooms.pop(room_id, RoomNews())
            self._fill_in(room_id, news)
            octets += sum(len(name.encode()) for name in (room_id, *_names_of(news)))
        return Bulletin(server, number, rooms)

    def _fill_in(self, room_id: str, news: RoomNews) -> None:
        """Tell all users where that is asked for, and only their number where they are many."""
        if room_id not in self._whole and not news.moved:
            return
        names = self._names_in(room_id)
        is_whole = room_id in self._whole
        self._whole.pop(room_id, None)
        if len(names) > self._most_named:
            news.moved, news.names, news.member_count = {}, [], len(names)
        elif is_whole or len(names) + len(news.moved) > self._most_named:
            news.moved, news.names = {}, list(names)

    def put_back(self, bulletin: Bulletin) -> None:
        """It could not be told: what matters of it is told later."""
        for room_id, news in bulletin.rooms.items():
            if news.tells_presence:
                self.tell_whole(room_id)


def _names_of(news: RoomNews) -> Iterator[str]:
    yield from news.moved
    yield from news.names or ()
    yield from news.typing
    yield from news.reads
