"""A room: who is there, in which order things are said, and who gets them.

The order is that of the store: it numbers messages, and answers those of one room in the order
of their numbers. The room hands each on once, in that order, to every member.

Whatever happens in one turn of the event loop goes to each member in one piece: a hundred
messages of one group commit are encoded once, joined once, and written once per member.

Who joins with ``since`` is first told what it missed. What is said while the store looks that up
waits for it, and is handed on behind it, without what the store has told already. So a member
sees every number once, and only ever a higher one (promises 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from goim_edu.chat.broadcast import Parcel, Way
from goim_edu.chat.ports import Stored
from goim_edu.chat.vocabulary import ChatMessage, Codec, Presence, ReadBy, TypingBy
from goim_edu.transport import Connection

__all__ = ["Member", "Room"]

Ticket = list[Parcel]
"""What a newcomer gets: the list of what is said until it is told its past."""

_MOST_WAITING = 10_000  # parcels that may wait for one member while the store looks up its past


class Member(Protocol):
    """Who may be in a room: one session of a user."""

    @property
    def user_id(self) -> str:
        """Who it is."""
        ...

    @property
    def connection(self) -> Connection:
        """Where it is written to."""
        ...

    @property
    def way(self) -> Way:
        """How it wants to be written to."""
        ...


def chat_message(stored: Stored, codec: Codec) -> ChatMessage:
    """A stored message as the wire has it."""
    return ChatMessage(
        stored.room_id,
        stored.seq,
        stored.user_id,
        stored.client_msg_id,
        stored.text,
        codec.time(stored.created_at),
    )


class Room:
    """One room of a hub.

    Args:
        room_id: its name.
        at_end_of_turn: calls a function when this turn of the loop ends.

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
        "_outbox",
        "_users",
        "last_seq",
        "pending",
        "room_id",
    )

    def __init__(self, room_id: str, at_end_of_turn: Callable[[Callable[[], None]], None]) -> None:
        self.room_id = room_id
        self.last_seq: int | None = None
        self.pending = 0
        self._at_end_of_turn = at_end_of_turn
        self._members: dict[Way, dict[Member, Connection]] = {}
        self._users: dict[str, int] = {}  # how many sessions each has here
        self._outbox: list[Parcel] = []
        self._arriving: dict[Member, list[Parcel]] = {}  # until their past has been looked up
        self._marks: dict[str, int] = {}  # how far each has read, as far as we were told
        self._fresh: dict[Member, int] = {}  # what their past has told them already

    # ------------------------------------------------------------------ who is there

    @property
    def empty(self) -> bool:
        """Whether nobody is there and nothing is on its way."""
        return not self._users and not self.pending

    @property
    def users(self) -> list[str]:
        """The names of those who are there, sorted."""
        return sorted(self._users)

    def __len__(self) -> int:
        return sum(self._users.values())

    def enter(self, member: Member) -> Ticket:
        """Let somebody in, who hears nothing yet: ``settle`` follows, with this ticket."""
        self.flush()
        users = self._users
        users[member.user_id] = users.get(member.user_id, 0) + 1
        ticket = self._arriving[member] = []
        if users[member.user_id] == 1:
            self._tell_presence(member, "joined")
        return ticket

    def hold(self, member: Member) -> Ticket:
        """Somebody who is there already asks for its past again: it waits like a newcomer."""
        self.flush()
        self._remove_member(member)
        ticket = self._arriving[member] = []
        return ticket

    def is_arriving(self, member: Member, ticket: Ticket | None = None) -> bool:
        """Whether it waits to be settled, with this very ticket."""
        waiting = self._arriving.get(member)
        return waiting is not None and (ticket is None or waiting is ticket)

    def settle(self, member: Member, ticket: Ticket, told: int) -> None:
        """From now on it hears what is said, first of all what was said since ``enter``.

        Args:
            member: who came in.
            ticket: what ``enter`` or ``hold`` gave.
            told: the highest number that it knows already.
        """
        self.flush()
        if not self.is_arriving(member, ticket):
            return
        del self._arriving[member]
        self._members.setdefault(member.way, {})[member] = member.connection
        self._fresh[member] = told
        self._hand_over(member, ticket)

    def _remove_member(self, member: Member) -> None:
        self._fresh.pop(member, None)
        members = self._members.get(member.way)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._members[member.way]

    def exit(self, member: Member) -> None:
        """Somebody leaves, or is gone."""
        self.flush()
        self._arriving.pop(member, None)
        self._remove_member(member)
        user_id = member.user_id
        self._users[user_id] -= 1
        if not self._users[user_id]:
            del self._users[user_id]
            self._tell_presence(member, "left")

    # ------------------------------------------------------------------ what is said

    def publish(self, stored: Stored) -> None:
        """A message has been stored: every member gets it."""
        self._put(Parcel(lambda codec: chat_message(stored, codec), stored.seq))

    def tell_typing(self, member: Member) -> None:
        """Somebody is writing: the others get to know."""
        told = TypingBy(self.room_id, member.user_id)
        self._put(Parcel(lambda _: told, but=member))

    def mark_read(self, member: Member, seq: int) -> bool:
        """Somebody has read: the others get to know; False if that is no news."""
        if self._marks.get(member.user_id, 0) >= seq:
            return False
        self._marks[member.user_id] = seq
        told = ReadBy(self.room_id, member.user_id, seq)
        self._put(Parcel(lambda _: told, but=member))
        return True

    def _tell_presence(self, member: Member, state: str) -> None:
        told = Presence(self.room_id, member.user_id, "joined" if state == "joined" else "left")
        self._put(Parcel(lambda _: told, but=member))

    def _put(self, parcel: Parcel) -> None:
        if not self._outbox:
            self._at_end_of_turn(self.flush)
        self._outbox.append(parcel)

    # ------------------------------------------------------------------ who gets it

    def flush(self) -> None:
        """Hand on what was said in this turn."""
        parcels = self._outbox
        if not parcels:
            return
        self._outbox = []
        special = {parcel.but for parcel in parcels if parcel.but is not None}
        droppable = all(parcel.droppable for parcel in parcels)
        if not droppable:
            special |= self._fresh.keys()
        # Copies, since a slow reader that is given up leaves the room while we are at it.
        for way, members in tuple(self._members.items()):
            piece = b"".join([parcel.frame(way) for parcel in parcels])
            for member, connection in tuple(members.items()):
                if (special and member in special) or not connection.write_at_once(piece):
                    self._hand_over(member, parcels)
        for member, waiting in tuple(self._arriving.items()):
            waiting += [parcel for parcel in parcels if parcel.but is not member]
            if len(waiting) > _MOST_WAITING:
                member.connection.close(1013, "the room is faster than the store")
        if not droppable:
            self.last_seq = max(self.last_seq or 0, *(parcel.seq for parcel in parcels))

    def _hand_over(self, member: Member, parcels: Iterable[Parcel]) -> None:
        """One by one to a member who is not to get all of them in one piece."""
        told = self._fresh.get(member, 0)
        for parcel in parcels:
            if parcel.but is member or 0 < parcel.seq <= told:
                continue
            if parcel.seq:
                self._fresh.pop(member, None)
            member.connection.write(parcel.frame(member.way), parcel.droppable)
