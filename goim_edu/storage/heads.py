"""The numbers of a room: each message gets the one behind the head, the highest number stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

__all__ = ["MOST", "Heads"]

MOST = 10_000
"""Rooms whose head is remembered; that of another room is read again when it is needed."""


class Heads:
    """The heads of the rooms that were written to lately.

    A head is remembered only while it is certain. ``number`` takes it away, since from then on a
    write is under way; ``settle`` gives it back once the outcome is known. After any error it is
    simply unknown, and read again.

    Args:
        read: asks the database for the head of a room, 0 for an empty one. It must answer with what
            a majority has: a number that a failover takes back would be given twice, and what
            stands behind it would come before it.
        most: how many rooms to remember; 0 where what was acknowledged may be rolled back.

    Each room is numbered by one thread at a time; different rooms may be by several.

    >>> heads = Heads(lambda room_id: 6)
    >>> batch = [{"room_id": "lobby", "seq": 0}, {"room_id": "lobby", "seq": 0}]
    >>> heads.number(batch)
    >>> [document["seq"] for document in batch]
    [7, 8]
    """

    def __init__(self, read: Callable[[str], int], most: int = MOST) -> None:
        self._read = read
        self._most = most
        self._known: dict[str, int] = {}  # the room written to last stands at the end
        self._lock = threading.Lock()  # two writers, each with rooms of its own

    def number(self, documents: Sequence[dict[str, Any]]) -> None:
        """Give each document the next number of its room.

        Raises:
            StoreUnavailable: a head is unknown and cannot be read.
        """
        taken: dict[str, int] = {}
        for document in documents:
            room_id = document["room_id"]
            head = taken.get(room_id)
            if head is None:
                head = self._take(room_id)
            taken[room_id] = document["seq"] = head + 1

    def _take(self, room_id: str) -> int:
        with self._lock:
            head = self._known.pop(room_id, None)
        return self._read(room_id) if head is None else head

    def settle(self, documents: Sequence[dict[str, Any]], stored: int) -> None:
        """Remember what an insert that was answered has shown.

        Args:
            documents: those that ``number`` numbered.
            stored: how many of them are stored, counted from the first. The next one was refused;
                what its room holds is not certain then. Those behind it were not tried.
        """
        heads = {document["room_id"]: document["seq"] for document in documents[:stored]}
        for document in islice(documents, stored, None):
            heads.setdefault(document["room_id"], document["seq"] - 1)
        if stored < len(documents):
            del heads[documents[stored]["room_id"]]
        with self._lock:
            self._known.update(heads)
            surplus = len(self._known) - self._most
            for room_id in list(islice(self._known, max(0, surplus))):
                del self._known[room_id]
