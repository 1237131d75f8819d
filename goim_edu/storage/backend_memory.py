"""The backend in memory: mongomock in this process, which forgets everything at its end."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from pymongo.errors import DuplicateKeyError

from goim_edu.errors import StoreError
from goim_edu.storage.backend import Change, DuplicateKey, Inserted, Page, Plan, Span
from goim_edu.storage.documents import (
    COLLECTIONS,
    DATABASE,
    Collections,
    StoredMessage,
    message_key,
    to_message,
)
from goim_edu.storage.indexes import message_indexes
from goim_edu.storage.mongodb_client import Database, check_database

__all__ = ["MemoryBackend"]

_SEQ = attrgetter("seq")


class MemoryBackend:
    """Messages in a mongomock collection, with an index of rooms beside it.

    mongomock uses no index for a find: twenty messages out of 50,000 take about 90 ms. So the
    documents go into its collection, where a lesson can look at them, and reads are answered from
    lists per room, which only this object's own writes fill. mongomock does not make an operation
    atomic; the lock of this object does.

    Args:
        remark: joined to the description, such as how to get a real MongoDB.
        database: the name of the database.
        collections: how the two collections are called.
        read_only: whether nothing is written, so that it stays empty.

    All methods may be called from any thread.
    """

    durable = False
    writers = 1  # all is done in this process, one after the other
    description = "mongomock in this process (forgets everything when it ends)"

    def __init__(
        self,
        remark: str = "",
        *,
        database: str | None = None,
        collections: Collections = COLLECTIONS,
        read_only: bool = False,
    ) -> None:
        if remark:
            self.description = f"{self.description}; {remark}"
        import mongomock  # not needed by a store on a real MongoDB

        name = DATABASE if database is None else database
        check_database(name)
        self.read_only = read_only
        client: Any = mongomock.MongoClient(tz_aware=True)
        self.database: Database = client[name]
        self._messages = self.database[collections.messages]
        self.collections = collections
        self._messages.create_indexes(message_indexes(unique=False))
        self._marks = self.database[collections.read_marks]
        self._lock = threading.RLock()
        self._rooms: dict[str, list[StoredMessage]] = {}
        self._by_key: dict[str, StoredMessage] = {}

    def ping(self) -> float:
        """Seconds that mongomock took to answer."""
        begin = time.perf_counter()
        with self._lock:
            self.database.command("ping")
        return time.perf_counter() - begin

    def insert(self, documents: Sequence[dict[str, Any]]) -> Inserted:
        """Number and insert one by one, as mongomock does anyway."""
        with self._lock:
            for stored, document in enumerate(documents):
                document["seq"] = self.last_seq(document["room_id"]) + 1
                try:
                    self._messages.insert_one(document)
                except DuplicateKeyError:
                    return Inserted(stored, DuplicateKey.ID)
                self._remember(document["_id"], to_message(document))
        return Inserted(len(documents))

    def _remember(self, key: str, message: StoredMessage) -> None:
        self._rooms.setdefault(message.room_id, []).append(message)
        self._by_key[key] = message

    def find_committed(self, keys: Sequence[str]) -> dict[str, StoredMessage]:
        """Look the keys up; nothing is ever rolled back here."""
        with self._lock:
            return {key: self._by_key[key] for key in keys if key in self._by_key}

    def page(self, page: Page) -> list[StoredMessage]:
        """One page of a room by seq, by bisection."""
        with self._lock:
            room = self._rooms.get(page.room_id, [])
            low = 0 if page.above is None else bisect_right(room, page.above, key=_SEQ)
            high = len(room) if page.below is None else bisect_left(room, page.below, key=_SEQ)
            if page.newest_first:
                return room[max(low, high - page.limit) : high][::-1]
            return room[low : min(high, low + page.limit)]

    def span(self, span: Span) -> list[StoredMessage]:
        """Messages by time, newest first, by walking through all of them."""

        def wanted(message: StoredMessage) -> bool:
            return (
                (span.user_id is None or message.user_id == span.user_id)
                and (span.since is None or message.created_at >= span.since)
                and (span.until is None or message.created_at < span.until)
            )

        with self._lock:
            source = (
                self._by_key.values() if span.room_id is None else self._rooms.get(span.room_id, [])
            )
            found = [message for message in source if wanted(message)]
        found.sort(key=attrgetter("created_at"), reverse=True)
        return found[: span.limit]

    def explain(self, query: Page | Span) -> Plan:
        """Not here: mongomock plans nothing."""
        raise StoreError("mongomock has no explain(); ask a real mongod (--mongo local)")

    def last_seq(self, room_id: str) -> int:
        """The highest stored seq, 0 for an empty room."""
        with self._lock:
            room = self._rooms.get(room_id)
            return room[-1].seq if room else 0

    def count(self, room_id: str) -> int:
        """How many messages the room has."""
        with self._lock:
            return len(self._rooms.get(room_id, []))

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Keep the highest seq that a user has read."""
        with self._lock:
            self._marks.update_one(
                {"_id": message_key(room_id, user_id)},
                {"$max": {"seq": seq}, "$set": {"room_id": room_id, "user_id": user_id}},
                upsert=True,
            )

    def read_marks(self, room_id: str) -> dict[str, int]:
        """The read marks of a room by user."""
        with self._lock:
            found = self._marks.find({"room_id": room_id})
            return {mark["user_id"]: mark["seq"] for mark in found}

    def watch(
        self, room_id: str | None, resume_after: Mapping[str, object] | None, wait: float
    ) -> Iterator[Change | None]:
        """Not here: a change stream reads the oplog of a replica set."""
        raise StoreError(
            "mongomock has no change streams; they need a replica set (--mongo local is one)"
        )

    @property
    def is_shared(self) -> bool:
        """Other processes do not see it."""
        return False

    @property
    def is_exclusive(self) -> bool:
        """Nobody else can try."""
        return False

    @property
    def moment(self) -> None:
        """There is only now."""
        return None

    def reach(self, moment: object) -> None:
        """It is always there."""

    def close(self) -> None:
        """There is nothing to close."""
