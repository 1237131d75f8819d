"""What every backend of the messages can do: mongomock and a real MongoDB behind one interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from goim_edu.errors import StoreError
from goim_edu.storage.documents import Collections, StoredMessage

if TYPE_CHECKING:
    from pymongo.database import Database

__all__ = [
    *("Backend", "Change", "DuplicateKey", "Inserted", "Page", "Plan", "Refusal", "Span", "Unsure"),
]


class DuplicateKey(Enum):
    """Why a document was not inserted: one of its two unique keys is stored already."""

    ID = "the same _id is stored already"
    ROOM_SEQ = "the same seq of this room is stored already"


Refusal = DuplicateKey | StoreError
"""Why one document of a bulk write was not inserted."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """What an insert has done: it goes in order, and stops at the first document that is refused.

    ``stored`` documents are there, counted from the first. ``refusal`` says why the next one is
    not, and is None if all are. Those behind it were not tried.
    """

    stored: int
    refusal: Refusal | None = None


class Unsure(StoreError):
    """The connection broke while writing: stored or not, only asking again will tell."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a room: seq numbers between two exclusive bounds, from one end."""

    room_id: str
    above: int | None
    below: int | None
    limit: int
    newest_first: bool


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of time: since (inclusive) until (exclusive), newest first."""

    room_id: str | None
    user_id: str | None
    since: datetime | None
    until: datetime | None
    limit: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How the server answered a query (manual: "Explain Results").

    ``stages`` from the outermost to the innermost, such as ``("LIMIT", "FETCH", "IXSCAN")``.
    """

    stages: tuple[str, ...]
    index: str | None
    keys_examined: int
    documents_examined: int
    returned: int


@dataclass(frozen=True, slots=True)
class Change:
    """One stored message as the change stream tells it, and the token to go on after it."""

    message: StoredMessage
    resume_token: Mapping[str, Any]


class Backend(Protocol):
    """A database that keeps the messages.

    Its errors are those of :mod:`goim_edu.errors`, and :class:`Unsure`. ``writers`` says how many
    threads serve it best, each with rooms of its own. It is called from several threads at once.
    """

    description: str
    durable: bool
    writers: int
    read_only: bool
    collections: Collections
    database: Database[dict[str, Any]]

    def ping(self) -> float:
        """Seconds until a ping was answered; StoreUnavailable if it was not."""
        ...

    def insert(self, documents: Sequence[dict[str, Any]]) -> Inserted:
        """Give each the next ``seq`` of its room, and insert them in order.

        Number 12 is stored only where 11 is, and after it: so a room has no gaps, and nobody can
        see 12 before 11, however many servers write to it.

        Raises:
            StoreUnavailable: nothing was stored, and trying again may help.
            StoreError: nothing was stored, since one of the documents cannot be written.
            Unsure: some may be stored.
        """
        ...

    def find_committed(self, keys: Sequence[str]) -> dict[str, StoredMessage]:
        """Those of the messages with these keys that can no longer be rolled back."""
        ...

    def page(self, page: Page) -> list[StoredMessage]:
        """One page of a room by seq."""
        ...

    def span(self, span: Span) -> list[StoredMessage]:
        """Messages by time, newest first."""
        ...

    def explain(self, query: Page | Span) -> Plan:
        """How a real server would answer that query."""
        ...

    def last_seq(self, room_id: str) -> int:
        """The highest stored seq, 0 for an empty room."""
        ...

    def count(self, room_id: str) -> int:
        """How many messages the room has."""
        ...

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Keep the highest seq that a user has read."""
        ...

    def read_marks(self, room_id: str) -> dict[str, int]:
        """The read marks of a room by user."""
        ...

    def watch(
        self, room_id: str | None, resume_after: Mapping[str, object] | None, wait: float
    ) -> Iterator[Change | None]:
        """Messages as they are stored; None whenever ``wait`` seconds passed without one."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether several servers can serve one chat from it."""
        ...

    @property
    def is_exclusive(self) -> bool:
        """Whether one server only can serve a chat from it, and another could try."""
        ...

    @property
    def moment(self) -> Any:
        """The latest moment of the database's own time that is known here; None if it has none."""
        ...

    def reach(self, moment: Any) -> None:
        """From now on pages and last numbers are read as they are then, or later."""
        ...

    def close(self) -> None:
        """Close what was opened for this backend."""
        ...
