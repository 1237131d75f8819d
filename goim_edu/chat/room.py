"""A room: its members, the order of messages, and the fan-out to the members.

The order is that of the store: it numbers messages, and answers those of one room in the order
of their numbers. The room hands each on once, in that order, to every member.

All that happens in one turn of the event loop goes to each member in one piece: a hundred
messages of one group commit are encoded once, joined once, and written once per member.

A member that joins with ``since`` is first told what it missed. What is said while the store looks
that up is its backlog: it waits, and is handed on next, without what the store has told already.
So a member sees every number once, and each is higher than the last (promises 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, Protocol

from goim_edu.chat.broadcast import Broadcast, WireFormat
from goim_edu.chat.ports import StoredMessage
from goim_edu.chat.vocabulary import ChatMessage, Presence, ReadBy, TypingBy
from goim_edu.transport import Connection

__all__ = ["Member", "Room"]

Backlog = list[Broadcast]
"""What is said in the room while a newcomer waits to be told its past."""

_LONGEST_BACKLOG: Final = 10_000  # broadcasts


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
        self._members: dict[WireFormat, dict[Member, Connection]] = {}
        self._users: dict[str, int] = {}  # how many sessions each has here
        self._outbox: list[Broadcast] = []
        self._arriving: dict[Member, list[Broadcast]] = {}  # until their past has been looked up
        self._marks: dict[str, int] = {}  # how far each has read, as far as we were told
        self._fresh: dict[Member, int] = {}  # what their past has told them already

    # ------------------------------------------------------------------ members

    @property
    def empty(self) -> bool:
        """Whether nobody is there, and no message waits for the store."""
        return not self._users and not self.pending

    @property
    def users(self) -> list[str]:
        """The names of the users in the room, sorted."""
        return sorted(self._users)

    def __len__(self) -> int:
        return sum(self._users.values())

    def enter(self, member: Member) -> Backlog:
        """Let a member in that hears nothing yet: ``settle`` follows, with this backlog."""
        self.flush()
        users = self._users
        users[member.user_id] = users.get(member.user_id, 0) + 1
        backlog = self._arriving[member] = []
        if users[member.user_id] == 1:
            self._tell_presence(member, "joined")
        return backlog

    def hold(self, member: Member) -> Backlog:
        """A member asks for its past again: it waits like a newcomer."""
        self.flush()
        self._remove_member(member)
        backlog = self._arriving[member] = []
        return backlog

    def is_arriving(self, member: Member, backlog: Backlog | None = None) -> bool:
        """Whether it waits to be settled, with this very backlog."""
        waiting = self._arriving.get(member)
        return waiting is not None and (backlog is None or waiting is backlog)

    def settle(self, member: Member, backlog: Backlog, told: int) -> None:
        """From now on the member hears what is said, and first what was said since ``enter``.

        Args:
            member: the newcomer.
            backlog: what ``enter`` or ``hold`` gave.
            told: the highest number that it knows already.
        """
        self.flush()
        if not self.is_arriving(member, backlog):
            return
        del self._arriving[member]
        self._members.setdefault(member.wire_format, {})[member] = member.connection
        self._fresh[member] = told
        self._hand_over(member, backlog)

    def _remove_member(self, member: Member) -> None:
        self._fresh.pop(member, None)
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
        self._users[user_id] -= 1
        if not self._users[user_id]:
            del self._users[user_id]
            self._tell_presence(member, "left")

    # ------------------------------------------------------------------ what is said

    def publish(self, stored: StoredMessage) -> None:
        """A message has been stored: every member gets it."""
        self._put(Broadcast(chat_message(stored), stored.seq))

    def tell_typing(self, member: Member) -> None:
        """A member is writing: tell the others."""
        told = TypingBy(self.room_id, member.user_id)
        self._put(Broadcast(told, but=member))

    def mark_read(self, member: Member, seq: int) -> bool:
        """A member has read up to ``seq``: tell the others; False if they know already."""
        if self._marks.get(member.user_id, 0) >= seq:
            return False
        self._marks[member.user_id] = seq
        told = ReadBy(self.room_id, member.user_id, seq)
        self._put(Broadcast(told, but=member))
        return True

    def _tell_presence(self, member: Member, state: Literal["joined", "left"]) -> None:
        told = Presence(self.room_id, member.user_id, state)
        self._put(Broadcast(told, but=member))

    def _put(self, broadcast: Broadcast) -> None:
        if not self._outbox:
            self._at_end_of_turn(self.flush)
        self._outbox.append(broadcast)

    # ------------------------------------------------------------------ fan-out

    def flush(self) -> None:
        """Hand on what was said in this turn."""
        broadcasts = self._outbox
        if not broadcasts:
            return
        self._outbox = []
        special = {broadcast.but for broadcast in broadcasts if broadcast.but is not None}
        droppable = all(broadcast.droppable for broadcast in broadcasts)
        if not droppable:
            special |= self._fresh.keys()
        # Copies, since a slow reader that is given up leaves the room during the loop.
        for wire_format, members in tuple(self._members.items()):
            piece = b"".join([broadcast.frame(wire_format) for broadcast in broadcasts])
            for member, connection in tuple(members.items()):
                if (special and member in special) or not connection.write_at_once(piece):
                    self._hand_over(member, broadcasts)
        for member, waiting in tuple(self._arriving.items()):
            waiting += [broadcast for broadcast in broadcasts if broadcast.but is not member]
            if len(waiting) > _LONGEST_BACKLOG:
                member.connection.close(1013, "the room is faster than the store")
        if not droppable:
            self.last_seq = max(self.last_seq or 0, *(broadcast.seq for broadcast in broadcasts))

    def _hand_over(self, member: Member, broadcasts: Iterable[Broadcast]) -> None:
        """Write them one by one, to a member that does not get all of them in one piece."""
        told = self._fresh.get(member, 0)
        for broadcast in broadcasts:
            if broadcast.but is member or 0 < broadcast.seq <= told:
                continue
            if broadcast.seq:
                self._fresh.pop(member, None)
            member.connection.write(broadcast.frame(member.wire_format), broadcast.droppable)
