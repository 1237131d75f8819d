"""What a chat client tells its user: messages, acknowledgements, remarks and refusals."""

from __future__ import annotations

from dataclasses import dataclass

from goim_edu.chat.vocabulary import Ack, ChatMessage, Error, Join, Request, Send

__all__ = ["ChatEvent", "Note", "RefusedRequest"]


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
                return f"not yet in {self.request.room_id}: {reason}"
            case Join():
                return f"you cannot go into {self.request.room_id}: {reason}"
        return f"refused: {reason}"


ChatEvent = ChatMessage | Ack | Note | RefusedRequest
"""What ``Conversation.receive`` yields: a message to show, one of ours that is stored, a remark,
or a refusal."""
