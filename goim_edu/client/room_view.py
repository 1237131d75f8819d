"""What a chat client knows of one room."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from goim_edu.chat.vocabulary import ChatMessage

__all__ = ["RoomView"]


@dataclass(slots=True)
class RoomView:
    """What this client knows of a room.

    ``early`` keeps the messages that wait until the first page before them is there; it is None
    when nothing has to wait. ``asked`` is the ``ref`` of the last ``join``, or of the last
    ``history`` that ``early`` waits for. ``members`` are the names that we know, of
    ``member_count``. ``read_to`` is what the others are told that we have read.
    """

    shown_to: int | None = None
    shown_from: int | None = None
    has_more: bool = False
    members: set[str] = field(default_factory=set)
    member_count: int = 0
    joined: bool = False
    early: list[ChatMessage] | None = field(default_factory=list)
    asked: str = ""
    read_to: int = 0

    @classmethod
    def known_to(cls, seq: int | None) -> Self:
        """A room that is known up to a number; None for one that is new."""
        return cls(shown_to=seq, early=[] if seq is None else None)
