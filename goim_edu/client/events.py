"""What a chat client tells its user: what is said and done in the rooms, remarks and refusals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from goim_edu.chat.vocabulary import (
    Ack,
    ChatMessage,
    Error,
    HistoryPage,
    Join,
    Joined,
    Left,
    MembersPage,
    Presence,
    ReadBy,
    Request,
    Send,
    TypingBy,
)
from goim_edu.errors import ChatRefused
from goim_edu.printable import printable_name

__all__ = ["ChatEvent", "ChatRefused", "ChatState", "Note", "Outcome", "RefusedRequest", "listed"]


class ChatState(StrEnum):
    """Where a chat client is in its life."""

    CLOSED = "closed"
    """Not yet entered, left, or ended for good."""
    CONNECTING = "connecting"
    """There is no connection, or it is not yet in all its rooms; it tries until it is."""
    ONLINE = "online"
    """It is in its rooms."""


def listed(names: Iterable[str], count: int = 0, most: int = 5) -> str:
    """Names in one line, sorted, at most so many.

    Args:
        names: those that are known.
        count: how many there are, if more than are known.
        most: how many to name.

    >>> listed({"tom", "lisa"}), listed("abc", count=200, most=2)
    ('lisa, tom', 'a, b and 198 others')
    """
    known = sorted(names)
    named = [printable_name(name) for name in known[:most]]
    others = max(count, len(known)) - len(named)
    words = "" if not others else " and 1 other" if others == 1 else f" and {others:,} others"
    return ", ".join(named) + words


@dataclass(frozen=True, slots=True)
class Note:
    """A remark for the user: who came in, or what was missed."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """The server did not grant a request.

    Args:
        error: the code and the reason.
        request: what was asked, or None if the server did not say.
        again: whether it will be asked again without further ado.
    """

    error: Error
    request: Request | None
    again: bool = False

    @property
    def text(self) -> str:
        """The refusal in words for the user."""
        reason = self.error.reason
        match self.request:
            case Send() if self.again:
                return f"not stored yet, sent again soon: {reason}"
            case Send():
                return f"not sent ({reason}): {self.request.text}"
            case Join() if self.again:
                return f"not yet in {printable_name(self.request.room_id)}: {reason}"
            case Join():
                return f"you cannot go into {printable_name(self.request.room_id)}: {reason}"
        return f"refused: {reason}"


ChatEvent = ChatMessage | Presence | TypingBy | ReadBy
"""What happens in a room: a message; users came or left; one is writing; one has read so far."""

Outcome = ChatEvent | Ack | Joined | Left | HistoryPage | MembersPage | Note | RefusedRequest
"""What ``Conversation.receive`` yields: what happens in the rooms, answers, remarks, refusals."""
