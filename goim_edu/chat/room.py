"""A room: its members, the order of messages, and the fan-out to the members.

The order is that of the store, which numbers messages. The gate of the room (``chat/gate.py``)
lets each pass once, in that order, wherever it comes from; the room hands it on to every member.

All that is said in one turn of the event loop goes to each member in one piece: a hundred
messages of one group commit are encoded once, joined once, and written once per member. So does
the news of the room, when its turn has come (``chat/news.py``).

A member that joins with ``since`` is first told what it missed, in portions. What is said while the
store looks up the last of them is its backlog: it waits, and is handed on next, without what the
store has told already. So a member sees every number once, and each is higher than the last
(promises 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from goim_edu.chat.alone import NO_PEERS
from goim_edu.chat.broadcast import Broadcast, WireFormat
from goim_edu.chat.gate import Gate, TailMemory
from goim_edu.chat.news import News
from goim_edu.chat.ports import Company, Moves, Peers, StoredMessage
from goim_edu.chat.roster import Changes, Roster
from goim_edu.chat.vocabulary import ChatMessage, Presence, ReadBy, Send, TypingBy
from goim_edu.transport import Connection

__all__ = ["COUNT_EVERY", "House", "Member", "Room"]

_LONGEST_BACKLOG: Final = 10_000  # broadcasts
_ALL: Final = 1 << 64  # more than any seq
COUNT_EVERY: Final = 10.0
"""Seconds in which a room of very many tells once how many they are."""


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


class House(NamedTuple):
    """What the rooms of a server share.

    Args:
        at_end_of_turn: calls a function when this turn of the loop ends.
        wait_for_news: sees to it that ``tell_news`` of this room is called when it may be.
        after: calls a function after so many seconds.
        fill: asks the store for what the gate of a room misses, and is told why.
        release: forgets a room if it is empty.
        peers: the other servers.
        memory: what the gates remember.
        grace: seconds for which a user is still here whose connection was lost.
        presence_limit: users up to which a room tells who comes and goes by name.
    """

    at_end_of_turn: Callable[[Callable[[], None]], None]
    wait_for_news: Callable[[Room], None]
    after: Callable[[float, Callable[[], None]], object]
    fill: Callable[[Room, str], None]
    release: Callable[[Room], None]
    peers: Peers = NO_PEERS
    memory: TailMemory = TailMemory()
    grace: float = 0.0
    presence_limit: int = 1 << 31


class Room:
    """One room of a hub.

    Args:
        room_id: its name.
        house: what it shares with the others.

    Attributes:
        gate: what passes into it.
        roster: who is in it.
        pending: messages that the store has not answered yet.
    """

    __slots__ = (
        *("_arriving", "_counts", "_early", "_fresh", "_house", "_marks", "_members"),
        *("_newcomers", "_news", "_outbox", "gate", "pending", "room_id", "roster"),
    )

    def __init__(self, room_id: str, house: House) -> None:
        self.room_id = room_id
        self.gate = Gate(self._publish, partial(house.fill, self), house.memory)
        self.roster = Roster()
        self.pending = 0
        self._house = house
        self._members: dict[WireFormat, dict[Member, Connection]] = {}
        self._outbox: list[Broadcast] = []
        self._arriving: dict[Member, Backlog] = {}  # until they have been told their past
        self._marks: dict[str, int] = {}  # how far each has read, as far as we were told
        self._fresh: dict[Member, int] = {}  # what their past has told them already
        self._news = News()
        self._newcomers: dict[Member, int] = {}  # how much of the news their ``joined`` has told
        self._early: list[Moves] | None = []  # what others told before we asked them
        self._counts = False  # whether it will tell how many they are

    # ------------------------------------------------------------------ members

    @property
    def empty(self) -> bool:
        """Whether nobody is there or may come back, and no message waits for the store."""
        return self.roster.empty and not self.pending

    @property
    def member_count(self) -> int:
        """How many users are in the room; one with two sessions counts once."""
        return len(self.roster)

    def __len__(self) -> int:
        return self.roster.sessions

    def enter(self, member: Member) -> Backlog:
        """Let a member in that hears nothing yet: ``settle`` follows, with this backlog."""
        self.flush()
        user_id = member.user_id
        was_here = self.roster.is_local(user_id)
        if self.roster.enter(user_id):
            self._tell_presence(user_id, here=True)
        if not was_here:
            self._house.peers.came(self.room_id, user_id)
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

    def exit(self, member: Member, *, lost: bool = False) -> None:
        """A member leaves, or is lost: then its user has a while to come back."""
        self.flush()
        self._arriving.pop(member, None)
        self._remove_member(member)
        user_id, house, roster = member.user_id, self._house, self.roster
        is_last = roster.sessions_of(user_id) == 1
        somebody_cares = roster.sessions > 1 or not house.peers.alone
        wait = lost and is_last and somebody_cares and house.grace > 0
        self._after_exit(user_id, roster.exit(user_id, wait=wait))
        if wait:
            house.after(house.grace, partial(self._stop_waiting, user_id))

    def _stop_waiting(self, user_id: str) -> None:
        """A user that was lost has come back, or is gone now."""
        self._after_exit(user_id, self.roster.stop_waiting(user_id))
        self._house.release(self)

    def _after_exit(self, user_id: str, is_gone: bool) -> None:
        if is_gone:
            self._tell_presence(user_id, here=False)
        if not self.roster.is_local(user_id):
            self._marks.pop(user_id, None)
            self._house.peers.went(self.room_id, user_id)

    # ------------------------------------------------------------------ at other servers

    def company(self) -> Company:
        """Ask who is in the room at other servers; it blocks."""
        return self._house.peers.company(self.room_id)

    def meet(self, company: Company) -> None:
        """Learn who is in the room at other servers."""
        for where in company:
            self._tell_changes(self.roster.meet(where))
        early, self._early = self._early or (), None
        for moves in early:
            self.hear_moves(moves)

    def hear_moves(self, moves: Moves) -> None:
        """Users have come or gone at another server."""
        if self._early is not None:  # ``meet`` comes first
            self._early.append(moves)
            return
        self._tell_changes(self.roster.move(moves))

    def forget_server(self, server: str) -> None:
        """Another server is gone, and its users with it."""
        self._tell_changes(self.roster.forget(server))

    def _tell_changes(self, changes: Changes) -> None:
        for user_id in changes.came:
            self._tell_presence(user_id, here=True)
        for user_id in changes.went:
            self._tell_presence(user_id, here=False)
        if changes.counted:
            self._tell_count_later()

    def _tell_presence(self, user_id: str, *, here: bool) -> None:
        """A user has come or gone: tell the name, or in a large room only how many are left."""
        if len(self.roster) > self._house.presence_limit:
            self._tell_count_later()
            return
        (self._news.came if here else self._news.went)(user_id)
        self._house.wait_for_news(self)

    def _tell_count_later(self) -> None:
        if not self._counts:
            self._counts = True
            self._house.after(COUNT_EVERY, self._tell_count)

    def _tell_count(self) -> None:
        self._counts = False
        self.flush()
        self._fan_out([Broadcast(Presence(self.room_id, [], [], len(self.roster)))], ())

    # ------------------------------------------------------------------ what is said

    def _publish(self, stored: StoredMessage) -> None:
        """A message has passed the gate: every member gets it at the end of this turn."""
        if not self._outbox:
            self._house.at_end_of_turn(self.flush)
        self._outbox.append(Broadcast(chat_message(stored), stored.seq))
        self._news.said(stored.user_id)

    def tell_typing(self, member: Member, now: float) -> None:
        """A member is writing: tell the others, unless they have heard so just now.

        Args:
            member: the one that writes.
            now: by the clock ``time.monotonic``.
        """
        if self._news.typing(member.user_id, member, now):
            self._house.peers.typing(self.room_id, member.user_id)
        if self._news:
            self._house.wait_for_news(self)

    def hear_typing(self, user_id: str, now: float) -> None:
        """A user is writing at another server."""
        if self._news.typing(user_id, None, now):
            self._house.wait_for_news(self)

    def mark_read(self, member: Member, seq: int) -> bool:
        """A member has read up to ``seq``: tell the others; False if they know already."""
        if not self.hear_read(member.user_id, seq, member):
            return False
        self._house.peers.read(self.room_id, member.user_id, seq)
        return True

    def hear_read(self, user_id: str, seq: int, member: Member | None = None) -> bool:
        """A user has read up to ``seq``, here or at another server; False if we knew."""
        if self._marks.get(user_id, 0) >= seq:
            return False
        self._marks[user_id] = seq
        self._news.read(user_id, seq, member)
        self._house.wait_for_news(self)
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
            self._house.wait_for_news(self)
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
