"""What the chat asks of a store and of the other servers.

``goim_edu.storage`` fits the ports of a store, ``goim_edu.cluster`` that of the other servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

__all__ = ["Company", "Moves", "Peers", "Saved", "Store", "StoredMessage", "Whereabouts"]

_Answer = TypeVar("_Answer")


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
    """Where messages are kept: what a store of one's own promises to the chat.

    *Numbers.* The messages of a room are numbered 1, 2, 3 and so on, and a number is given once.
    ``submit_async`` answers the futures of one room in the order of their numbers, those of
    duplicates aside. What was answered is stored: the sender is told at once, and the room after
    it. What one sender submits in a room is stored in that order.

    *Fresh.* ``history`` and ``last_seq`` know all that the store has answered before they were
    asked, and all that the other servers (``Peers``) have told before.

    *Once.* The same ``(user_id, client_msg_id)`` again gives the first message, with ``duplicate``
    true. A key that is stored in another room is a DuplicateMessage.

    *Errors.* StoreUnavailable says that nothing was saved, and the client sends it again under the
    same ``client_msg_id``. With any other error, raised at once or by the future, nobody knows what
    was saved, and the client gets the error ``internal`` for that request. So does a result of the
    wrong type. Only TypeError and ValueError raised by ``submit_async`` itself say that the message
    cannot be stored as it is.

    *Threads.* ``submit_async``, ``run`` and ``forget`` are called in the event loop and do not
    block. The others may block: ``run`` calls them in threads of the store's own, several at once.
    Every future that was given is answered one day, also when the store is closed.
    """

    def submit_async(
        self, room_id: str, user_id: str, text: str, *, client_msg_id: str
    ) -> asyncio.Future[Any]:
        """Have it stored; the future, of the running loop, gives a Saved or raises StoreError.

        It is a future of ``Any`` since a future of one class of Saved is not one of another.
        """
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

    def run(
        self, function: Callable[..., _Answer], *args: object, asker: object = None
    ) -> Future[_Answer]:
        """Call it in a thread when it is this asker's turn; one that is cancelled is not asked."""
        ...

    def forget(self, asker: object) -> None:
        """Ask nothing more for an asker that has left."""
        ...


class Whereabouts(NamedTuple):
    """The users of a room at another server.

    Args:
        server: its name.
        number: of what it has told last about the room; what it tells later has higher ones.
        names: the users; empty if it tells their number only.
        member_count: how many they are, where there are no names.
    """

    server: str
    number: int
    names: Sequence[str]
    member_count: int = 0


class Moves(NamedTuple):
    """What has moved in a room at another server: users that have come, and users that have gone.

    Args:
        server: its name.
        number: of what it tells; one with a lower number than another is older.
        came: users.
        went: users.
        member_count: how many are there, if it tells no names.
    """

    server: str
    number: int
    came: Sequence[str] = ()
    went: Sequence[str] = ()
    member_count: int = 0


Company = Sequence[Whereabouts]
"""The users of a room at the other servers."""


class Peers(Protocol):
    """The other servers of the same chat: what a room tells them, and asks.

    What they tell comes to the hub: ``Hub.arrived`` for messages, and the methods of a ``Room``.
    All but ``company`` are called in the event loop, and do not block.
    """

    @property
    def alone(self) -> bool:
        """Whether there are none, and cannot be."""
        ...

    @property
    def fill_delay(self) -> float:
        """Seconds to wait before a gap is filled: where messages may overtake each other."""
        ...

    def stored(self, message: StoredMessage) -> None:
        """This server has stored a message, or has found that it is stored."""
        ...

    def opened(self, room_id: str) -> None:
        """There is a room of this name here now: what is told about it is of interest."""
        ...

    def closed(self, room_id: str) -> None:
        """The room is empty here, and forgotten."""
        ...

    def company(self, room_id: str) -> Company:
        """The users of the room at the others; it blocks, and raises StoreError."""
        ...

    def came(self, room_id: str, user_id: str) -> None:
        """A user is in the room at this server now."""
        ...

    def went(self, room_id: str, user_id: str) -> None:
        """A user is no longer in the room at this server."""
        ...

    def typing(self, room_id: str, user_id: str) -> None:
        """A user is typing here."""
        ...

    def read(self, room_id: str, user_id: str, seq: int) -> None:
        """A user has read up to this number here."""
        ...
