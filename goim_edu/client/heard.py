"""What a chat client has heard and its script has not yet taken: bounded, and nothing is lost.

Messages are kept in order up to a bound. Beyond it only the number is kept after which a room goes
on: a *gap*, which is filled from the history when the script comes to it. What a long absence
left out is such a gap, too. News (presence, typing, read marks) may be lost, so beyond the bound,
and while their room has a gap, they are passed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from goim_edu.chat.vocabulary import ChatMessage
from goim_edu.client.events import ChatEvent

__all__ = ["Gap", "Heard"]


@dataclass(slots=True)
class Gap:
    """Messages of a room that are not kept: those after a number, up to another one."""

    room_id: str
    after: int
    last: int


class Heard:
    """The events that wait for the script, and how far it has come.

    Args:
        most: how many may wait.

    Attributes:
        positions: the last number of each room that the script was given, or that it begins after;
            None for a room that is not yet entered.

    >>> from goim_edu.chat.vocabulary import TypingBy
    >>> heard = Heard(most=1)
    >>> heard.put(TypingBy("lobby", "lisa"))
    >>> heard.put(TypingBy("lobby", "tom"))              # no room for it
    >>> heard.take(), heard.take()
    (TypingBy(room_id='lobby', user_id='lisa'), None)
    """

    def __init__(self, most: int) -> None:
        self.positions: dict[str, int | None] = {}
        self._most = most
        self._events: deque[ChatEvent] = deque()
        self._gaps: dict[str, Gap] = {}
        self._kept_to: dict[str, int] = {}  # what comes next is behind it

    def begin(self, room_id: str, since: int | None) -> None:
        """We want to be in a room, and know it up to a number; None: we want nothing of its past.

        A room that was begun already stays as it is.
        """
        if room_id not in self.positions:
            self.positions[room_id] = since
            if since is not None:
                self._kept_to[room_id] = since

    def enter(self, room_id: str, last: int, *, is_truncated: bool) -> None:
        """We are in a room.

        Args:
            room_id: the room.
            last: its last number.
            is_truncated: whether some messages up to there will not come by themselves.
        """
        known = self._kept_to.get(room_id)
        if known is None or last < known:  # new here, or the store has lost the rest
            self.positions[room_id] = self._kept_to[room_id] = last
            self._gaps.pop(room_id, None)
        if is_truncated:
            self._pass_over(room_id, last)

    def forget(self, room_id: str) -> None:
        """We have left a room: nothing more of it is given out."""
        for kept in (self.positions, self._gaps, self._kept_to):
            kept.pop(room_id, None)
        self._events = deque(event for event in self._events if event.room_id != room_id)

    def put(self, event: ChatEvent) -> None:
        """Take in what has just been heard."""
        room_id, seq = event.room_id, event.seq if isinstance(event, ChatMessage) else None
        if seq is not None and seq <= self._kept_to.get(room_id, 0):
            return  # the page that filled a gap had it, too
        if room_id in self._gaps or len(self._events) >= self._most:
            if seq is not None:
                self._pass_over(room_id, seq)
            return
        self._events.append(event)
        if seq is not None:
            self._kept_to[room_id] = seq

    def _pass_over(self, room_id: str, last: int) -> None:
        gap = self._gaps.setdefault(room_id, Gap(room_id, self._kept_to.get(room_id, 0), last))
        gap.last = max(gap.last, last)

    def take(self) -> ChatEvent | None:
        """Give out the next event; None if none is kept: then see ``gap``."""
        if not self._events:
            return None
        event = self._events.popleft()
        if isinstance(event, ChatMessage):
            self.positions[event.room_id] = event.seq
        return event

    @property
    def gap(self) -> Gap | None:
        """What is to be filled next."""
        return next(iter(self._gaps.values()), None)

    def fill(self, gap: Gap, messages: Sequence[ChatMessage]) -> None:
        """Keep the first messages of a gap; it is closed when no more are missing.

        Args:
            gap: as ``gap`` gave it.
            messages: those behind ``gap.after``, from the history; none if there are none.
        """
        if self._gaps.get(gap.room_id) is not gap:
            return  # the room was left meanwhile
        self._events.extend(messages)
        gap.after = messages[-1].seq if messages else gap.last
        self._kept_to[gap.room_id] = gap.after
        if gap.after >= gap.last:
            del self._gaps[gap.room_id]
