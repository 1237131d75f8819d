"""The real backend: any MongoDB that pymongo reaches, from one node to a sharded cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pymongo
from bson.errors import InvalidDocument
from bson.objectid import ObjectId
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from goim_edu.errors import StoreError
from goim_edu.storage.backend import Change, DuplicateKey, Page, Plan, Refusal, Span, Unsure
from goim_edu.storage.documents import (
    DATABASE,
    MESSAGES,
    READ_MARKS,
    ROOMS,
    StoredMessage,
    message_key,
    to_message,
)
from goim_edu.storage.indexes import create_indexes
from goim_edu.storage.mongodb_client import Client, Document, connect, reading, unavailable
from goim_edu.storage.mongodb_queries import page_filter, page_options, span_filter, to_plan

__all__ = ["DURABLE", "MongoBackend", "connect"]

DURABLE = WriteConcern("majority", j=True)
"""The default: a majority of the members has it in the journal before anyone is told."""
MAJORITY = ReadConcern("majority")
DUPLICATE_KEY = 11000
UNSATISFIABLE = 100
_COUNTING: dict[str, Any] = {"w": 1}
# Codes of one write's error that leave open whether it will last: the primary stepped down, is
# shutting down or gave up waiting (manual: "Error Codes").
UNSURE_CODES = frozenset({50, 64, 91, 189, 262, 10107, 11600, 11602, 13435, 13436})


class MongoBackend:
    """Messages in a real MongoDB.

    Args:
        client: one from :func:`connect`, whose ping was answered.
        database: the name of the database.
        write_concern: default majority with journal, unless the URI names one.
        on_close: called after the client is closed, to stop a server of our own.
    """

    durable = True
    writers = 2  # measured: a third adds nothing, since mongod and this process are busy by then

    def __init__(
        self,
        client: Client,
        *,
        database: str = DATABASE,
        write_concern: WriteConcern | None = None,
        on_close: Callable[[], None] | None = None,
        name: str | None = None,
    ) -> None:
        self._client = client
        self._on_close = on_close
        if write_concern is None:
            named = client.write_concern
            write_concern = DURABLE if named.is_server_default else named
        self.database: Any = client[database]
        create_indexes(self.database)
        self._messages = self.database.get_collection(MESSAGES, write_concern=write_concern)
        self._committed = self._messages.with_options(
            read_concern=MAJORITY if write_concern.document.get("w") == "majority" else None
        )
        # A counter needs no majority of its own: the oplog is one sequence, so when a message is on
        # a majority, the counter's step before it is too. A step that a failover took back is found
        # by the unique index room_seq, and lift_counter() repairs it. Read marks may be lost.
        quick = WriteConcern(**_COUNTING)
        self._rooms: Any = self.database.get_collection(ROOMS, write_concern=quick)
        self._marks = self.database.get_collection(READ_MARKS, write_concern=quick)
        self._write_concern = write_concern.document
        self.description = f"{name or 'MongoDB'} {self._version()} at {self._where()}"

    def _version(self) -> str:
        with reading("MongoDB does not say its version"):
            return str(self._client.server_info()["version"])

    def _where(self) -> str:
        nodes = sorted(f"{host}:{port}" for host, port in self._client.nodes)
        return ", ".join(nodes) or "an unknown address"

    def ping(self) -> float:
        """Seconds until a ping was answered."""
        begin = time.perf_counter()
        with reading("MongoDB does not answer"):
            self._client.admin.command("ping")
        return time.perf_counter() - begin

    def grant(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """Reserve numbers from the counters in ``rooms``, in one step per room."""
        with reading("no sequence numbers to be had"):
            if len(wanted) <= 2:
                return {room_id: self._grant_one(room_id, n) for room_id, n in wanted.items()}
            return self._grant_many(wanted)

    def _grant_one(self, room_id: str, number: int) -> int:
        answer = self.database.command(
            {
                "findAndModify": ROOMS,
                "query": {"_id": room_id},
                "update": {"$inc": {"last_seq": number}},
                "upsert": True,
                "new": True,
                "writeConcern": _COUNTING,
            }
        )
        last: int = answer["value"]["last_seq"]
        return last - number + 1

    def _grant_many(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """All rooms in one update command and one find, instead of a round trip for each.

        Every step leaves its own token. A counter that still bears ours shows the number we were
        given; one that another server has moved on meanwhile is asked again on its own (the numbers
        of our first step are then a gap, which is allowed).
        """
        token = ObjectId()
        steps = [
            {
                "q": {"_id": room_id},
                "u": {"$inc": {"last_seq": number}, "$set": {"granted_to": token}},
                "upsert": True,
            }
            for room_id, number in wanted.items()
        ]
        self.database.command(
            {"update": ROOMS, "updates": steps, "ordered": False, "writeConcern": _COUNTING}
        )
        found = self._rooms.find({"_id": {"$in": list(wanted)}, "granted_to": token})
        last = {counter["_id"]: int(counter["last_seq"]) for counter in found}
        return {
            room_id: last[room_id] - number + 1
            if room_id in last
            else self._grant_one(room_id, number)
            for room_id, number in wanted.items()
        }

    def insert(self, documents: Sequence[Document]) -> dict[int, Refusal]:
        """Insert all in one unordered command; the order is in ``seq``, not in arrival.

        It is a command and not ``insert_many``: the driver's retryable writes would cost the server
        a record of each write. The writer knows each message by its key and retries better: as
        often as needed, on standalone servers too.
        """
        try:
            answer = self.database.command(
                {
                    "insert": MESSAGES,
                    "documents": documents,
                    "ordered": False,
                    "writeConcern": self._write_concern,
                }
            )
        except ServerSelectionTimeoutError as error:
            raise unavailable(error, "no primary") from None  # nothing was sent
        except ConnectionFailure as error:
            raise Unsure(str(unavailable(error, "the connection broke while writing"))) from None
        except (DocumentTooLarge, InvalidDocument) as error:
            raise StoreError(f"the message cannot be stored: {error}") from None
        except PyMongoError as error:
            if error.timeout or getattr(error, "code", None) in UNSURE_CODES:
                raise Unsure(str(unavailable(error, "no answer in time"))) from None
            raise unavailable(error, "MongoDB refused to write") from None
        return _refusals(answer)

    def find_committed(self, keys: Sequence[str]) -> dict[str, StoredMessage]:
        """Read with ``majority``: what a failover could still roll back does not count."""
        with reading("no look at what is stored"):
            found = self._committed.find({"_id": {"$in": list(keys)}})
            return {document["_id"]: to_message(document) for document in found}

    def lift_counter(self, room_id: str) -> None:
        """Bring the room's counter up to its highest stored seq."""
        with reading("the counter cannot be repaired"):
            newest = self._messages.find_one({"room_id": room_id}, sort=[("seq", -1)])
            if newest is not None:
                self._rooms.update_one(
                    {"_id": room_id}, {"$max": {"last_seq": newest["seq"]}}, upsert=True
                )

    def page(self, page: Page) -> list[StoredMessage]:
        """One page of a room by seq, from the index ``room_seq``."""
        with reading("the history cannot be read"):
            found = self._committed.find(page_filter(page), **page_options(page))
            return [to_message(document) for document in found]

    def span(self, span: Span) -> list[StoredMessage]:
        """Messages by time, newest first, from one of the three indexes of the notes."""
        with reading("the messages cannot be read"):
            found = self._committed.find(
                span_filter(span), sort=[("created_at", -1)], limit=span.limit
            )
            return [to_message(document) for document in found]

    def explain(self, query: Page | Span) -> Plan:
        """How the server answers that query, and how much it really looked at."""
        if isinstance(query, Page):
            command = {"filter": page_filter(query), **page_options(query)}
        else:
            command = {
                "filter": span_filter(query),
                "sort": [("created_at", -1)],
                "limit": query.limit,
            }
        command["sort"] = dict(command["sort"])
        with reading("the query cannot be explained"):
            answer = self.database.command(
                "explain", {"find": MESSAGES, **command}, verbosity="executionStats"
            )
        return to_plan(answer)

    def last_seq(self, room_id: str) -> int:
        """The highest stored seq, one key of the index ``room_seq``."""
        with reading("the last number cannot be read"):
            newest = self._committed.find_one(
                {"room_id": room_id}, {"_id": 0, "seq": 1}, sort=[("seq", -1)]
            )
        return int(newest["seq"]) if newest else 0

    def count(self, room_id: str) -> int:
        """How many messages the room has, counted in the index ``room_seq``."""
        with reading("the messages cannot be counted"):
            return int(self._messages.count_documents({"room_id": room_id}, hint="room_seq"))

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Keep the highest seq that a user has read."""
        with reading("the read mark cannot be kept"):
            self._marks.update_one(
                {"_id": message_key(room_id, user_id)},
                {"$max": {"seq": seq}, "$set": {"room_id": room_id, "user_id": user_id}},
                upsert=True,
            )

    def read_marks(self, room_id: str) -> dict[str, int]:
        """The read marks of a room by user."""
        with reading("the read marks cannot be read"):
            found = self._marks.find({"room_id": room_id})
            return {mark["user_id"]: int(mark["seq"]) for mark in found}

    def watch(
        self, room_id: str | None, resume_after: Mapping[str, Any] | None, wait: float
    ) -> Iterator[Change | None]:
        """Messages in the order in which a majority has them (manual: "Change Streams")."""
        match: Document = {"operationType": "insert"}
        if room_id is not None:
            match["fullDocument.room_id"] = room_id
        try:
            with self._messages.watch(
                [{"$match": match}],
                resume_after=resume_after,
                max_await_time_ms=max(1, int(wait * 1000)),
            ) as stream:
                yield None
                while stream.alive:
                    # The time-out of the client is for commands that answer at once; this one may
                    # wait. Around this call only: a generator shares its caller's context.
                    with pymongo.timeout(None):
                        change = stream.try_next()
                    if change is None:
                        yield None
                    else:
                        yield Change(to_message(change["fullDocument"]), change["_id"])
        except OperationFailure as error:
            raise StoreError(_watch_failure(error)) from None
        except PyMongoError as error:
            raise unavailable(error, "the change stream broke") from None

    def close(self) -> None:
        """Close the client, then stop a server that was started for it."""
        self._client.close()
        if self._on_close is not None:
            self._on_close()


def _watch_failure(error: OperationFailure) -> str:
    if error.code == 40573:
        return "change streams need a replica set; this MongoDB is a standalone server"
    if error.code in (260, 286):
        return f"this resume token cannot be used, read the history instead: {error.details}"
    return f"the change stream cannot be opened: {error}"


def _refusals(answer: Mapping[str, Any]) -> dict[int, Refusal]:
    """What the answer to an insert says of each document; raises Unsure when it says too little."""
    concern = answer.get("writeConcernError")
    if concern:
        if concern.get("code") == UNSATISFIABLE:
            raise StoreError(f"nobody can acknowledge this: {concern.get('errmsg')}")
        raise Unsure(f"written, but not yet as safely as asked: {concern.get('errmsg')}")
    refused: dict[int, Refusal] = {}
    for problem in answer.get("writeErrors", ()):
        code = problem.get("code")
        if code in UNSURE_CODES:
            raise Unsure(f"the primary gave up: {problem.get('errmsg')}")
        if code == DUPLICATE_KEY:
            by_id = "_id" in (problem.get("keyPattern") or {"_id": 1})
            refused[problem["index"]] = DuplicateKey.ID if by_id else DuplicateKey.ROOM_SEQ
        else:
            refused[problem["index"]] = StoreError(f"MongoDB refused it: {problem.get('errmsg')}")
    return refused
