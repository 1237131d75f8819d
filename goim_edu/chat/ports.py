"""All that the chat knows of where messages are kept: what it asks, and what it gets back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol

__all__ = ["Past", "SavedMessage", "Store", "Stored"]


class Stored(Protocol):
    """A message as the store gives it back."""

    @property
    def room_id(self) -> str:
        """The room."""
        ...

    @property
    def seq(self) -> int:
        """Its number in the room."""
        ...

    @property
    def user_id(self) -> str:
        """Who said it."""
        ...

    @property
    def client_msg_id(self) -> str:
        """The sender's name for it."""
        ...

    @property
    def text(self) -> str:
        """What was said."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was stored, UTC."""
        ...


Past = tuple[int, Sequence[Stored], bool]
"""The last number that is known, what was missed, and whether that is not all of it."""


class SavedMessage(Protocol):
    """The store's answer to a message."""

    @property
    def message(self) -> Stored:
        """As it is stored."""
        ...

    @property
    def duplicate(self) -> bool:
        """Whether it had been stored before."""
        ...


class Store(Protocol):
    """Where messages are kept.

    ``submit_async`` answers futures of one room in the order of their numbers; the others block,
    and are called by ``run`` in a thread.
    """

    def submit_async(
        self, room_id: str, user_id: str, client_msg_id: str, text: str
    ) -> asyncio.Future[Any]:
        """Have it stored; the future gives a SavedMessage or raises StoreError."""
        ...

    def history(
        self,
        room_id: str,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> Sequence[Stored]:
        """A page, ascending: the last below, or the first above a number."""
        ...

    def last_seq(self, room_id: str) -> int:
        """The highest number of the room, 0 if there is none."""
        ...

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Keep how far somebody has read."""
        ...

    def run(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call it in a thread."""
        ...
