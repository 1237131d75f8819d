"""What the chat asks of a store, and what it gets back; ``goim_edu.storage`` fits these ports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol

__all__ = ["Saved", "Store", "StoredMessage"]


class StoredMessage(Protocol):
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
        """Its sender."""
        ...

    @property
    def client_msg_id(self) -> str:
        """The sender's name for it."""
        ...

    @property
    def text(self) -> str:
        """Its text."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was stored, UTC."""
        ...


class Saved(Protocol):
    """The store's answer to a message."""

    @property
    def message(self) -> StoredMessage:
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
        self, room_id: str, user_id: str, text: str, *, client_msg_id: str
    ) -> asyncio.Future[Any]:
        """Have it stored; the future gives a Saved or raises StoreError."""
        ...

    def history(
        self,
        room_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> Sequence[StoredMessage]:
        """A page, ascending: the last below, or the first above a number."""
        ...

    def last_seq(self, room_id: str) -> int:
        """The highest number of the room, 0 if there is none."""
        ...

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Keep how far a user has read."""
        ...

    def run(self, function: Callable[..., Any], *args: Any, asker: object = None) -> Future[Any]:
        """Call it in a thread when it is this asker's turn."""
        ...

    def forget(self, asker: object) -> None:
        """Ask nothing more for an asker that has left."""
        ...
