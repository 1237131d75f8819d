"""A collection of MongoDB as exercises need it: in memory, its trips counted, its faults wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymongo.errors import AutoReconnect, DuplicateKeyError
from pymongo.results import UpdateResult

__all__ = ["Collection"]


class Collection:
    """A collection in memory that counts the trips to it; it knows five methods of pymongo's.

    Args:
        rival: what another server stores as soon as we write, whatever we have read before.
        breaks: the connection breaks while we write, and nothing is stored.

    Attributes:
        trips: how often it was asked something.

    >>> collection = Collection()
    >>> collection.insert_one({"_id": 1}), collection.trips
    (None, 1)
    """

    def __init__(self, rival: dict[str, Any] | None = None, breaks: bool = False) -> None:
        self.documents: dict[Any, dict[str, Any]] = {}
        self.trips = 0
        self._rival = rival
        self._breaks = breaks

    def insert_one(self, document: dict[str, Any]) -> None:
        """Insert a document.

        Raises:
            DuplicateKeyError: its ``_id`` is there already (error 11000).
        """
        self.trips += 1
        self._insert(document)

    def insert_many(self, documents: list[dict[str, Any]]) -> None:
        """Insert several documents in one trip."""
        self.trips += 1
        for document in documents:
            self._insert(document)

    def find_one(self, query: dict[str, Any] | str) -> Any:
        """The document with this ``_id``, or with the ``_id`` of the query, or None."""
        self.trips += 1
        return self.documents.get(query["_id"] if isinstance(query, dict) else query)

    def find(self, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """As :meth:`find_one`, one by one."""
        found = self.find_one(query)
        return iter([] if found is None else [found])

    def update_one(
        self, query: dict[str, Any], update: dict[str, Any], upsert: bool = False
    ) -> UpdateResult:
        """Insert ``update["$setOnInsert"]``, if ``upsert`` and the ``_id`` is new."""
        self.trips += 1
        self._meet()
        key = query["_id"]
        known = key in self.documents
        if upsert and not known:
            self.documents[key] = {"_id": key, **update.get("$setOnInsert", {})}
        result = {"n": int(known or upsert), "nModified": 0, "updatedExisting": known}
        return UpdateResult(result if known or not upsert else result | {"upserted": key}, True)

    def _meet(self) -> None:
        """What happens while we write: a rival is faster, or the connection breaks."""
        if self._breaks:
            raise AutoReconnect("connection closed")
        if self._rival is not None:
            self.documents.setdefault(self._rival["_id"], self._rival)

    def _insert(self, document: dict[str, Any]) -> None:
        self._meet()
        key = {"_id": document["_id"]}
        if document["_id"] in self.documents:
            raise DuplicateKeyError("E11000 duplicate key", 11000, {"keyValue": key})
        self.documents[document["_id"]] = dict(document)
