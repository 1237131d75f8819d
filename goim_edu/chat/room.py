"""A room: its members, the order of messages, and the fan-out to the members.

The order is that of the store: it numbers messages, and answers those of one room in the order
of their numbers. The room hands each on once, in that order, to every member.

All that is said in one turn of the event loop goes to each member in one piece: a hundred
messages of one group commit are encoded once, joined once, and written once per member. So does
the news of the room, when its turn has come (``chat/news.py``).

A member that joins with ``since`` is first told what it missed, in portions. What is said while the
store looks up the last of them is its backlog: it waits, and is handed on next, without what the
store has told already. So a member sees every number once, and each is higher than the last
(promises 3 and 4).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final, Protocol

from goim_edu.chat.broadcast import Broadcast, WireFormat
from goim_edu.chat.news import News
from goim_edu.chat.ports import StoredMessage
from goim_edu.chat.vocabulary import ChatMessage, Presence, ReadBy, Send, TypingBy
from goim_edu.transport import Connection

__all__ = ["Member", "Room"]

_LONGEST_BACKLOG: Final = 10_000  # broadcasts
_ALL: Final = 1 << 64  # more than any seq


class Member(Protocol):
    """What a room knows of a session that is in it."""

    @property
    def user_id(self) -> str:
        """The user of this session."""
        ...

    @property
    def connection(self) -> Connection:
        """Where replies to it are written to."""
        ...

    @property
    def wire_format(self) -> WireFormat:
        """How replies to it are written."""
        ...


class Backlog:
    """What is said in the room while the store is asked what a newcomer missed.

    Attributes:
        broadcasts: what was said since ``listen``; None while the store has still to be asked.
        first: the number of what was said first since it asked to come in; 0 if nothing was.
        sends: what it wants to say itself, if that waits until it is in: else it would not hear
            that; None if it need not wait.
    """

    __slots__ = ("broadcasts", "first", "sends")

    def __init__(self) -> None:
        self.broadcasts: list[Broadcast] | None = []
        self.first = 0
        self.sends: list[Send] | None = None

    def known(self, last_seq: int) -> int:
        """What a newcomer that wants nothing of the past knows: all that was said before it asked.

        Args:
            last_seq: the last number now, which may be later.
        """
        return min(last_seq, self.first - 1) if self.first else last_seq

    def listen(self) -> None:
        """The store is asked now: what is said from now on may be missing in its answer."""
        self.broadcasts = []

    def rest(self) -> None:
        """The store will be asked later: what is said until then will be in its answer."""
        self.broadcasts = None


def chat_message(stored: StoredMessage) -> ChatMessage:
    """A stored message as the reply that tells it."""
    return ChatMessage(
        stored.room_id,
        stored.seq,
        stored.user_id,
        stored.client_msg_id,
        stored.text,
        stored.created_at,
    )


class Room:
    """One room of a hub.

    Args:
        room_id: its name.
        at_end_of_turn: calls a function when this turn of the loop ends.
        wait_for_news: sees to it that ``tell_news`` of this room is called when it may be.

    Attributes:
        last_seq: the highest number that was handed on, or that the store had at the start;
            None until that is known.
        pending: messages that the store has not answered yet.
    """

    __slots__ = (
        "_arriving",
        "_at_end_of_turn",
        "_fresh",
        "_marks",
        "_members",
        "_names",
        "_newcomers",
        "_news",
        "_outbox",
        "_sessions",
        "_users",
        "_wait_for_news",
        "last_seq",
        "pending",
        "room_id",
    )

    def __init__(
        self,
        room_id: str,
        at_end_of_turn: Callable[[Callable[[], None]], None],
        wait_for_news: Callable[[Room], None],
    ) -> None:
        self.room_id = room_id
        self.last_seq: int | None = None
        self.pending = 0
        self._at_end_of_turn = at_end_of_turn
        self._wait_for_news = wait_for_news
        self._members: dict[WireFormat, dict[Member, Connection]] = {}
        self._users: dict[str, int] = {}  # how many sessions each has here
        self._names: list[str] = []  # of the users, sorted
        self._sessions = 0
        self._outbox: list[Broadcast] = []
        self._arriving: dict[Member, Backlog] = {}  # until they have been told their past
        self._marks: dict[str, int] = {}  # how far each has read, as far as we were told
        self._fresh: dict[Member, int] = {}  # what their past has told them already
        self._news = News()
        self._newcomers: dict[Member, int] = {}  # how much of the news their ``joined`` has told

    # ------------------------------------------------------------------ members

    @property
    def empty(self) -> bool:
        """Whether nobody is there, and no message waits for the store."""
        return not self._users and not self.pending

    @property
    def member_count(self) -> int:
        """How many users are in the room; one with two sessions counts once."""
        return len(self._names)

    def __len__(self) -> int:
        return self._sessions

    def users(self, after: str | None, limit: int) -> tuple[list[str], bool]:
        """The names of users in the room, sorted, and whether there are more.

        Args:
            after: only those after this name; None for the first.
            limit: at most so many.
        """
        start = 0 if after is None else bisect_right(self._names, after)
        return self._names[start : start + limit], start + limit < len(self._names)

    def enter(self, member: Member) -> Backlog:
        """Let a member in that hears nothing yet: ``settle`` follows, with this backlog."""
        self.flush()
        user_id = member.user_id
        sessions = self._users.get(user_id, 0)
        self._users[user_id] = sessions + 1
        self._sessions += 1
        if not sessions:
            insort(self._names, user_id)
            self._news.came(user_id)
            self._wait_for_news(self)
        backlog = self._arriving[member] = Backlog()
        return backlog

    def hold(self, member: Member) -> Backlog:
        """A member asks for its past again: it waits like a newcomer."""
        self.flush()
        backlog = self._arriving[member] = Backlog()
        return backlog

    def greet(self, member: Member) -> None:
        """The newcomer has been told just now who is here: from now on it hears the news."""
        if member not in self._arriving:
            return  # it is gone already
        self._members.setdefault(member.wire_format, {})[member] = member.connection
        if self._news.tells_presence:
            self._newcomers[member] = self._news.changes

    def is_arriving(self, member: Member, backlog: Backlog | None = None) -> bool:
        """Whether it waits to be settled, with this very backlog."""
        waiting = self._arriving.get(member)
        return waiting is not None and (backlog is None or waiting is backlog)

    def backlog(self, member: Member) -> Backlog | None:
        """The backlog of a member that is not settled yet."""
        return self._arriving.get(member)

    def settle(self, member: Member, backlog: Backlog, told: int) -> None:
        """From now on the member hears what is said, and first what its backlog has.

        Args:
            member: the newcomer.
            backlog: what ``enter`` or ``hold`` gave.
            told: the highest number that it knows already.
        """
        self.flush()
        if not self.is_arriving(member, backlog):
            return
        if member not in self._members.get(member.wire_format, ()):
            self.greet(member)
        del self._arriving[member]
        self._fresh[member] = told
        self._hand_over(member, backlog.broadcasts or ())

    def _remove_member(self, member: Member) -> None:
        self._fresh.pop(member, None)
        self._newcomers.pop(member, None)
        members = self._members.get(member.wire_format)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._members[member.wire_format]

    def exit(self, member: Member) -> None:
        """A member leaves, or is gone."""
        self.flush()
        self._arriving.pop(member, None)
        self._remove_member(member)
        user_id = member.user_id
        self._sessions -= 1
        self._users[user_id] -= 1
        if not self._users[user_id]:
            del self._users[user_id]
            del self._names[bisect_left(self._names, user_id)]
            self._marks.pop(user_id, None)
            self._news.went(user_id)
            self._wait_for_news(self)

    # ------------------------------------------------------------------ what is said

    def publish(self, stored: StoredMessage) -> None:
        """A message has been stored: every member gets it at the end of this turn."""
        if not self._outbox:
            self._at_end_of_turn(self.flush)
        self._outbox.append(Broadcast(chat_message(stored), stored.seq))
        self._news.said(stored.user_id)

    def tell_typing(self, member: Member, now: float) -> None:
        """A member is writing: tell the others, unless they have heard so just now.

        Args:
            member: the one that writes.
            now: by the clock ``time.monotonic``.
        """
        self._news.typing(member.user_id, member, now)
        if self._news:
            self._wait_for_news(self)

    def mark_read(self, member: Member, seq: int) -> bool:
        """A member has read up to ``seq``: tell the others; False if they know already."""
        if self._marks.get(member.user_id, 0) >= seq:
            return False
        self._marks[member.user_id] = seq
        self._news.read(member.user_id, seq, member)
        self._wait_for_news(self)
        return True

    # ------------------------------------------------------------------ fan-out

    def flush(self) -> None:
        """Hand on the messages of this turn."""
        broadcasts = self._outbox
        if not broadcasts:
            return
        self._outbox = []
        self._fan_out(broadcasts, self._fresh.keys() | self._arriving.keys())
        for member, backlog in tuple(self._arriving.items()):
            backlog.first = backlog.first or broadcasts[0].seq
            if backlog.broadcasts is None:
                continue
            backlog.broadcasts += broadcasts
            if len(backlog.broadcasts) > _LONGEST_BACKLOG:
                member.connection.close(1013, "the room is faster than the store")
        self.last_seq = max(self.last_seq or 0, *(broadcast.seq for broadcast in broadcasts))

    def tell_news(self) -> None:
        """Tell the members what is new, or some of it."""
        self.flush()  # nobody reads a message, or leaves, before it was said
        if not self._members:
            self._news.clear()
        broadcasts = list(self._take_news())
        if not broadcasts:
            return
        special = {member for broadcast in broadcasts for member in broadcast.but}
        self._fan_out(broadcasts, special)
        if self._news:
            self._wait_for_news(self)
        if not self._news.tells_presence:
            self._newcomers.clear()

    def _take_news(self) -> Iterable[Broadcast]:
        """The next news as replies; a newcomer is not told what its ``joined`` has told."""
        news, room_id = self._news, self.room_id
        for user_id, (seq, member) in news.take_reads().items():
            yield Broadcast(ReadBy(room_id, user_id, seq), but={member})
        for user_id, member in news.take_typing().items():
            yield Broadcast(TypingBy(room_id, user_id), but={member})
        if news.tells_presence:  # last: clients forget what a user that is gone was typing
            knowing = {m for m, told in self._newcomers.items() if told == news.changes}
            joined, left = news.take_presence()
            yield Broadcast(Presence(room_id, joined, left, self.member_count), but=knowing)

    def _fan_out(self, broadcasts: Sequence[Broadcast], special: Container[object]) -> None:
        """Write them to every member, in one piece to all but the special ones."""
        # Copies, since a slow reader that is given up leaves the room during the loop.
        for wire_format, members in tuple(self._members.items()):
            piece = b"".join([broadcast.frame(wire_format) for broadcast in broadcasts])
            for member, connection in tuple(members.items()):
                if member in special or not connection.write_at_once(piece):
                    self._hand_over(member, broadcasts)

    def _hand_over(self, member: Member, broadcasts: Iterable[Broadcast]) -> None:
        """Write them one by one, to a member that does not get all of them in one piece."""
        told = self._fresh.get(member, 0)
        if member in self._arriving:
            told = _ALL  # for now
        for broadcast in broadcasts:
            if member in broadcast.but or 0 < broadcast.seq <= told:
                continue
            if broadcast.seq:
                self._fresh.pop(member, None)
            member.connection.write(broadcast.frame(member.wire_format), broadcast.droppable)
