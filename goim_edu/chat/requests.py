"""What a chat client may ask for: one struct for each request, each field with its bounds.

A field that is missing, unknown, empty or too long is refused by the codecs of ``vocabulary``,
with a reason that names it.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

__all__ = [
    "MAX_HISTORY",
    "MAX_MEMBERS",
    "Hello",
    "History",
    "Join",
    "Leave",
    "Members",
    "Read",
    "Request",
    "Send",
    "Typing",
]

MAX_HISTORY: Final = 200
"""The most messages of one ``history`` page."""
MAX_MEMBERS: Final = 200
"""The most users of one ``members`` page, and of ``joined``."""

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Ref = Annotated[str, Meta(max_length=64)]
Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Hello(Struct, tag="hello", forbid_unknown_fields=True):
    """The first message: who I am, with a token where the server wants one."""

    user_id: Name
    token: Annotated[str, Meta(max_length=8192)] | None = None
    ref: Ref | None = None

    def __repr__(self) -> str:
        """All but the token, which is a secret."""
        token = "None" if self.token is None else "..."
        return f"Hello(user_id={self.user_id!r}, token={token}, ref={self.ref!r})"


class Join(Struct, tag="join", forbid_unknown_fields=True):
    """Let me in; with ``since`` also what I missed after that number."""

    room_id: Name
    since: Seq | None = None
    ref: Ref | None = None


class Send(Struct, tag="send", forbid_unknown_fields=True):
    """Say this in the room; the same ``client_msg_id`` again means the same message."""

    room_id: Name
    client_msg_id: Name
    text: str
    ref: Ref | None = None


class History(Struct, tag="history", forbid_unknown_fields=True):
    """Show me the last messages, or those before a number."""

    room_id: Name
    before_seq: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_HISTORY)] = 50
    ref: Ref | None = None


class Members(Struct, tag="members", forbid_unknown_fields=True):
    """Show me the users of the room, the first ones or those after a name."""

    room_id: Name
    after: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_MEMBERS)] = MAX_MEMBERS
    ref: Ref | None = None


class Leave(Struct, tag="leave", forbid_unknown_fields=True):
    """Let me out."""

    room_id: Name
    ref: Ref | None = None


class Typing(Struct, tag="typing", forbid_unknown_fields=True):
    """I am writing something."""

    room_id: Name
    ref: Ref | None = None


class Read(Struct, tag="read", forbid_unknown_fields=True):
    """I have read up to this number."""

    room_id: Name
    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    ref: Ref | None = None


Request = Hello | Join | Send | History | Members | Leave | Typing | Read
