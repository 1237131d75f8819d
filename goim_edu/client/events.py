"""What a chat client tells its user: messages, acknowledgements, remarks and refusals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from goim_edu.chat.vocabulary import Ack, ChatMessage, Error, Join, Request, Send
from goim_edu.printable import printable_name

__all__ = ["ChatEvent", "Note", "RefusedRequest", "listed"]


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


ChatEvent = ChatMessage | Ack | Note | RefusedRequest
"""What ``Conversation.receive`` yields: a message to show, one of ours that is stored, a remark,
or a refusal."""
