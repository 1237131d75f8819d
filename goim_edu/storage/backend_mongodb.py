"""The real backend: any MongoDB that pymongo reaches, from one node to a sharded cluster."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import pymongo
import pymongo.uri_parser
from bson.errors import InvalidDocument
from bson.objectid import ObjectId
from pymongo.errors import (
    CollectionInvalid,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from goim_edu.errors import StoreError, StoreUnavailable
from goim_edu.storage.backend import Change, Page, Plan, Refusal, Span, Taken, Unsure
from goim_edu.storage.documents import (
    DATABASE,
    MESSAGE_SCHEMA,
    MESSAGES,
    READ_MARKS,
    ROOMS,
    StoredMessage,
    message_indexes,
    message_key,
    to_message,
)

__all__ = ["DURABLE", "MongoBackend", "connect", "create_indexes", "unavailable"]

Document = dict[str, Any]
Client = pymongo.MongoClient[Document]

DURABLE = WriteConcern("majority", j=True)
"""The default: a majority of the members has it in the journal before anyone is told."""
MAJORITY = ReadConcern("majority")
INDEX_SECONDS = 600.0
"""How long making an index on a large collection may take."""
DUPLICATE_KEY = 11000
NAMESPACE_EXISTS = 48
UNSATISFIABLE = 100
_COUNTING: dict[str, Any] = {"w": 1}
# Codes of one write's error that leave open whether it will last: the primary stepped down, is
# shutting down or gave up waiting (manual: "Error Codes").
UNSURE_CODES = frozenset({50, 64, 91, 189, 262, 10107, 11600, 11602, 13435, 13436})


def unavailable(error: Exception, what: str) -> StoreUnavailable:
    """One clear line for a driver's error; the passwords of a URI never appear in it.

    >>> str(unavailable(ConnectionFailure("db:1: refused, Topology Description: <...>"), "no ping"))
    'no ping: db:1: refused'
    """
    text = str(error).split(", Timeout: ")[0].split(", Topology Description")[0]
    text = text.split(", full error:")[0].replace("\n", " ").strip()
    text = re.sub(r"//[^/@\s]*@", "//***@", text)
    text = re.sub(r" \(configured timeouts: [^)]*\)", "", text)
    return StoreUnavailable(f"{what}: {text[:400]}")


def _in_one_line(record: logging.LogRecord) -> bool:
    """Tell without a traceback what the driver met in the background, such as a frozen mongod."""
    if record.exc_info and record.exc_info[1]:
        record.msg, record.args = f"{record.getMessage()} {record.exc_info[1]}", ()
        record.exc_info = None
    return True


def connect(uri: str, *, timeout: float = 10.0, selection_timeout: float = 5.0) -> Client:
    """A client for ``uri`` whose server has answered a ping.

    Args:
        uri: ``mongodb://...`` or ``mongodb+srv://...``; options in it win over ours.
        timeout: seconds that connecting, and each operation with its retries, may take.
        selection_timeout: seconds to wait for a server that can answer (for a primary, say).

    Raises:
        StoreUnavailable: wrong URI, nobody there, not allowed in.

    Source: manual, "Connection String Options"; pool of 100 and 10 as in the notes.

    >>> connect("mongo://localhost:27017")
    Traceback (most recent call last):
    ...
    goim_edu.errors.StoreUnavailable: 'mongo://...' is no MongoDB URI: the scheme must be ...
    """
    logging.getLogger("pymongo.client").addFilter(_in_one_line)
    scheme = uri.partition("://")[0]
    if scheme not in ("mongodb", "mongodb+srv"):
        shown = f"{scheme}://..." if "://" in uri else uri[:40]
        raise StoreUnavailable(
            f"{shown!r} is no MongoDB URI: the scheme must be mongodb:// (or mongodb+srv://)"
        )
    try:
        if scheme == "mongodb":
            # MongoClient would only warn of an option that it cannot read, and then ignore it.
            pymongo.uri_parser.parse_uri(uri, warn=False)
        client: Client = pymongo.MongoClient(
            uri,
            tz_aware=True,
            tzinfo=UTC,
            **_settings(uri, timeout=timeout, selection_timeout=selection_timeout),
        )
    except (InvalidURI, ConfigurationError, ValueError, TypeError) as error:
        raise unavailable(error, "this MongoDB URI cannot be used") from None
    try:
        # Under timeoutMS alone the driver would go on looking for a server until that is over.
        with pymongo.timeout(client.options.server_selection_timeout):
            client.admin.command("ping")
    except PyMongoError as error:
        client.close()
        raise unavailable(error, "no MongoDB answered") from None
    return client


def _settings(uri: str, *, timeout: float, selection_timeout: float) -> dict[str, Any]:
    """Our settings, without those that the URI sets itself."""
    ours = {
        "maxPoolSize": 100,
        "minPoolSize": 10,
        "connectTimeoutMS": int(timeout * 1000),
        "serverSelectionTimeoutMS": int(selection_timeout * 1000),
        "timeoutMS": int(timeout * 1000),
        "appName": "goim_edu",
    }
    named = {option.partition("=")[0].lower() for option in uri.partition("?")[2].split("&")}
    return {name: value for name, value in ours.items() if name.lower() not in named}


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn the driver's errors of a read into ours."""
    try:
        yield
    except PyMongoError as error:
        raise unavailable(error, what) from None


def create_indexes(database: Any) -> list[str]:
    """Make the collection, its validation and its indexes; safe to repeat. Answers their names.

    Raises:
        StoreUnavailable: one of them cannot be made. Without ``room_seq`` two messages could share
            a number, so a store that lacks it must not start.

    Source: manual, ``createIndexes`` and ``collMod``.
    """
    validator = {"$jsonSchema": MESSAGE_SCHEMA}
    try:
        with pymongo.timeout(INDEX_SECONDS):
            try:
                database.create_collection(MESSAGES, validator=validator)
            except (CollectionInvalid, OperationFailure) as error:
                if isinstance(error, OperationFailure) and error.code != NAMESPACE_EXISTS:
                    raise
                _renew_validator(database, validator)
            made: list[str] = database[MESSAGES].create_indexes(message_indexes())
            database[READ_MARKS].create_index("room_id", name="room")
    except PyMongoError as error:
        raise unavailable(error, "the indexes of the messages cannot be made") from None
    return made


def _renew_validator(database: Any, validator: Document) -> None:
    """Change the validation of an existing collection, if it differs."""
    options = database[MESSAGES].options()
    if options.get("validator") != validator:
        database.command("collMod", MESSAGES, validator=validator)


class MongoBackend:
    """Messages in a real MongoDB.

    Args:
        client: whose ping was answered, see :func:`connect`.
        database: the name of the database.
        write_concern: default majority with journal, unless the URI names one.
        on_close: called after the client is closed, to stop a server of our own.
    """

    durable = True
    writers = 2  # measured: a third adds nothing, since mongod and this process then have no rest

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
        with _reading("MongoDB does not say its version"):
            return str(self._client.server_info()["version"])

    def _where(self) -> str:
        nodes = sorted(f"{host}:{port}" for host, port in self._client.nodes)
        return ", ".join(nodes) or "an unknown address"

    def ping(self) -> float:
        """Seconds that a question and its answer took."""
        begin = time.perf_counter()
        with _reading("MongoDB does not answer"):
            self._client.admin.command("ping")
        return time.perf_counter() - begin

    def grant(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """Reserve numbers from the counters in ``rooms``, in one step per room."""
        with _reading("no sequence numbers to be had"):
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

        As a command and not as ``insert_many``: the driver's retryable writes would cost the
        server a record of each write, and the writer, who knows each message by its key, retries
        better: as often as needed, on standalone servers too.
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
        """Ask a majority: what a failover could still take back is not an answer."""
        with _reading("no look at what is stored"):
            found = self._committed.find({"_id": {"$in": list(keys)}})
            return {document["_id"]: to_message(document) for document in found}

    def lift_counter(self, room_id: str) -> None:
        """Bring the room's counter up to its highest stored seq."""
        with _reading("the counter cannot be repaired"):
            newest = self._messages.find_one({"room_id": room_id}, sort=[("seq", -1)])
            if newest is not None:
                self._rooms.update_one(
                    {"_id": room_id}, {"$max": {"last_seq": newest["seq"]}}, upsert=True
                )

    def page(self, page: Page) -> list[StoredMessage]:
        """One page of a room by seq, from the index ``room_seq``."""
        with _reading("the history cannot be read"):
            found = self._committed.find(_page_filter(page), **_page_options(page))
            return [to_message(document) for document in found]

    def span(self, span: Span) -> list[StoredMessage]:
        """Messages by time, newest first, from one of the three indexes of the notes."""
        with _reading("the messages cannot be read"):
            found = self._committed.find(
                _span_filter(span), sort=[("created_at", -1)], limit=span.limit
            )
            return [to_message(document) for document in found]

    def explain(self, query: Page | Span) -> Plan:
        """How the server answers that query, with what it really looked at."""
        if isinstance(query, Page):
            command = {"filter": _page_filter(query), **_page_options(query)}
        else:
            command = {
                "filter": _span_filter(query),
                "sort": [("created_at", -1)],
                "limit": query.limit,
            }
        command["sort"] = dict(command["sort"])
        with _reading("the query cannot be explained"):
            answer = self.database.command(
                "explain", {"find": MESSAGES, **command}, verbosity="executionStats"
            )
        return _plan(answer)

    def last_seq(self, room_id: str) -> int:
        """The highest stored seq, one key of the index ``room_seq``."""
        with _reading("the last number cannot be read"):
            newest = self._committed.find_one(
                {"room_id": room_id}, {"_id": 0, "seq": 1}, sort=[("seq", -1)]
            )
        return int(newest["seq"]) if newest else 0

    def count(self, room_id: str) -> int:
        """How many messages the room has, counted in the index ``room_seq``."""
        with _reading("the messages cannot be counted"):
            return int(self._messages.count_documents({"room_id": room_id}, hint="room_seq"))

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        """Keep the highest seq that a user has read."""
        with _reading("the read mark cannot be kept"):
            self._marks.update_one(
                {"_id": message_key(room_id, user_id)},
                {"$max": {"seq": seq}, "$set": {"room_id": room_id, "user_id": user_id}},
                upsert=True,
            )

    def read_marks(self, room_id: str) -> dict[str, int]:
        """The read marks of a room by user."""
        with _reading("the read marks cannot be read"):
            found = self._marks.find({"room_id": room_id})
            return {mark["user_id"]: int(mark["seq"]) for mark in found}

    def watch(
        self, room_id: str | None, resume_after: Mapping[str, Any] | None, wait: float
    ) -> Iterator[Change | None]:
        """Messages as a majority has them (manual: "Change Streams")."""
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
                    # The time-out of the client is for questions; this one may wait. Only around
                    # the call, since a generator shares its caller's context.
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
        """Close the client, then stop a server that is ours."""
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
    """What an insert's answer says of each document; Unsure when it says too little."""
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
            pattern = problem.get("keyPattern") or {"_id": 1}
            refused[problem["index"]] = Taken.KEY if "_id" in pattern else Taken.SEQ
        else:
            refused[problem["index"]] = StoreError(f"MongoDB refused it: {problem.get('errmsg')}")
    return refused


def _page_filter(page: Page) -> Document:
    bounds = {}
    if page.above is not None:
        bounds["$gt"] = page.above
    if page.below is not None:
        bounds["$lt"] = page.below
    return {"room_id": page.room_id, "seq": bounds} if bounds else {"room_id": page.room_id}


def _page_options(page: Page) -> Document:
    return {"sort": [("seq", -1 if page.newest_first else 1)], "limit": page.limit}


def _span_filter(span: Span) -> Document:
    query: Document = {}
    if span.room_id is not None:
        query["room_id"] = span.room_id
    if span.user_id is not None:
        query["user_id"] = span.user_id
    bounds = {}
    if span.since is not None:
        bounds["$gte"] = span.since
    if span.until is not None:
        bounds["$lt"] = span.until
    if bounds:
        query["created_at"] = bounds
    return query


def _plan(answer: Mapping[str, Any]) -> Plan:
    """The plan of an explain answer; behind mongos, that of the first shard."""
    planner = answer["queryPlanner"]["winningPlan"]
    planner = planner.get("queryPlan", planner)
    if "shards" in planner:
        planner = planner["shards"][0]["winningPlan"]
        planner = planner.get("queryPlan", planner)
    stages, index = [], None
    while planner:
        stages.append(planner["stage"])
        index = planner.get("indexName", index)
        planner = planner.get("inputStage")
    stats = answer["executionStats"]
    return Plan(
        tuple(stages),
        index,
        stats["totalKeysExamined"],
        stats["totalDocsExamined"],
        stats["nReturned"],
    )
