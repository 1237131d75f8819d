"""The real backend: any MongoDB that pymongo reaches, from one node to a sharded cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import pymongo
from bson.codec_options import CodecOptions
from bson.errors import InvalidDocument
from bson.timestamp import Timestamp
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from goim_edu.errors import StoreError
from goim_edu.storage.backend import Change, Inserted, Page, Plan, Span
from goim_edu.storage.documents import (
    COLLECTIONS,
    DATABASE,
    Collections,
    StoredMessage,
    message_key,
    to_message,
)
from goim_edu.storage.heads import MOST, Heads
from goim_edu.storage.indexes import check_indexes
from goim_edu.storage.indexes import create_indexes as make_indexes
from goim_edu.storage.mongodb_answers import inserted, write_failure
from goim_edu.storage.mongodb_client import (
    Client,
    Database,
    Document,
    check_database,
    connect,
    must_be,
    reading,
    topology_of,
    unavailable,
    version_of,
)
from goim_edu.storage.mongodb_queries import page_filter, page_options, span_filter, to_plan

__all__ = ["DURABLE", "MongoBackend", "connect"]

DURABLE = WriteConcern("majority", j=True)
"""The default: a majority of the members has it in the journal before anyone is told."""
MAJORITY = ReadConcern("majority")
QUICK = WriteConcern(w=1)
"""Of read marks, which may be lost."""
CODEC = CodecOptions(document_class=dict[str, Any], tz_aware=True, tzinfo=UTC)
"""How documents are read, whatever the client of a caller has set."""


class MongoBackend:
    """Messages in a real MongoDB.

    Args:
        client: of a real MongoDB. It stays open; its codec options do not matter, its time-outs
            hold.
        database: the name of the database; default: the one that the client's URI names, or GOIM.
        collections: how the two collections are called.
        write_concern: default majority with journal, unless the client names one.
        create_indexes: whether collections, validation and indexes are made where they are missing.
            For a store that writes the index ``room_seq`` must be there otherwise.
        read_only: whether nothing is made or written; the role ``read`` is enough then.
        name: of the server, for the description.

    All methods may be called from any thread.

    Attributes:
        collections: how the collections are called.
        topology: ``standalone``, ``replica set`` or ``sharded``.
        on_close: called when the store is closed, to close what was opened for it.

    Raises:
        TypeError: ``client`` is something else, such as one of mongomock or an async one.
        StoreConfigError: the names are wrong, we are not allowed in, an index cannot be made.
        StoreUnavailable: nobody answers.
    """

    durable = True
    writers = 2  # measured: a third adds nothing, since mongod and this process are busy by then

    def __init__(
        self,
        client: Client,
        *,
        database: str | None = None,
        collections: Collections = COLLECTIONS,
        write_concern: WriteConcern | None = None,
        create_indexes: bool = True,
        read_only: bool = False,
        name: str | None = None,
    ) -> None:
        self._client = client
        self.on_close: Callable[[], None] | None = None
        self.read_only = read_only
        self.database: Database = _database(client, database)
        self.description = f"{name or 'MongoDB'} {version_of(client)} at {_where(client)}"
        if create_indexes and not read_only:
            make_indexes(self.database, collections)
        elif not read_only:
            check_indexes(self.database, collections)
        if write_concern is None:
            named = client.write_concern
            durable = WriteConcern(**{**DURABLE.document, **named.document})
            write_concern = named if "w" in named.document else durable
        self._messages: Collection[Document] = self.database.get_collection(
            collections.messages, write_concern=write_concern
        )
        w = write_concern.document.get("w")
        self._is_majority = w == "majority"
        self._moment: Timestamp | None = None
        self._committed = self._messages.with_options(
            read_concern=MAJORITY if self._is_majority else None
        )
        # The writer asks the primary: a member that lags would only make it ask again. With one
        # member's word (the lesson of chapter 13) nothing is certain, and it reads what it wrote.
        self._certain = self._messages.with_options(
            read_concern=None if w in (0, 1) else MAJORITY, read_preference=ReadPreference.PRIMARY
        )
        self._heads = Heads(self._head, MOST if self._is_majority else 0)
        self._marks: Collection[Document] = self.database.get_collection(
            collections.read_marks, write_concern=QUICK
        )
        self.collections = collections
        self.topology = topology_of(client)
        self._write_concern = write_concern.document

    def ping(self) -> float:
        """Seconds until a ping was answered."""
        begin = time.perf_counter()
        with reading("MongoDB does not answer"):
            self._client.admin.command("ping")
        return time.perf_counter() - begin

    def insert(self, documents: Sequence[Document]) -> Inserted:
        """Number all behind the heads of their rooms, and insert them in one ordered command.

        A number that another server has taken meanwhile is refused by the unique index
        ``room_seq``: so the index settles who is first, and it fences off a server that was away
        and wakes up with old numbers.

        It is a command and not ``insert_many``: the driver's retryable writes would cost the server
        a record of each write. The writer knows each message by its key and retries better: as
        often as needed, on standalone servers too.
        """
        self._heads.number(documents)
        try:
            answer = self.database.command(
                {
                    "insert": self._messages.name,
                    "documents": documents,
                    "ordered": True,
                    "writeConcern": self._write_concern,
                }
            )
        except (PyMongoError, InvalidDocument) as error:
            raise write_failure(error) from None
        done = inserted(answer, len(documents))
        self._heads.settle(documents, done.stored)
        self.reach(answer.get("operationTime"))
        return done

    @property
    def is_shared(self) -> bool:
        """Whether several servers can serve one chat from it: each can follow the others."""
        return self.topology != "standalone" and self._is_majority and not self.read_only

    @property
    def is_exclusive(self) -> bool:
        """Whether one server only can serve a chat from it, since others could not follow it."""
        return self.topology == "standalone" and not self.read_only

    @property
    def moment(self) -> Timestamp | None:
        """The latest moment in the set's own time that we know of; None on a standalone server."""
        return self._moment

    def reach(self, moment: Timestamp | None) -> None:
        """From now on pages are read as they are at this moment, or later.

        A primary that was frozen, and does not know yet that there is another, would answer a
        majority read with what was true then; asked for a later moment, it does not answer
        (manual: "Causal Consistency and Read and Write Concerns").

        Args:
            moment: the operation time of an answer, or the cluster time of a change that we were
                told; None is none.
        """
        if moment is not None and self._is_majority:
            known = self._moment
            if known is None or moment > known:
                self._moment = moment

    @contextmanager
    def _caught_up(self) -> Iterator[ClientSession | None]:
        """A session in which one reads nothing older than what we know."""
        moment = self._moment
        if moment is None:
            yield None
            return
        with self._client.start_session(causal_consistency=True) as session:
            session.advance_operation_time(moment)
            yield session

    def find_committed(self, keys: Sequence[str]) -> dict[str, StoredMessage]:
        """Read with ``majority``: what a failover could still roll back does not count."""
        with reading("no look at what is stored"):
            found = self._certain.find({"_id": {"$in": list(keys)}})
            return {document["_id"]: to_message(document) for document in found}

    def page(self, page: Page) -> list[StoredMessage]:
        """One page of a room by seq, from the index ``room_seq``."""
        with reading("the history cannot be read"), self._caught_up() as session:
            found = self._committed.find(page_filter(page), session=session, **page_options(page))
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
                "explain", {"find": self._messages.name, **command}, verbosity="executionStats"
            )
        return to_plan(answer)

    def last_seq(self, room_id: str) -> int:
        """The highest stored seq, one key of the index ``room_seq``."""
        with reading("the last number cannot be read"), self._caught_up() as session:
            return _newest(self._committed, room_id, session)

    def _head(self, room_id: str) -> int:
        with reading("the last number cannot be read"):
            return _newest(self._certain, room_id)

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
        self, room_id: str | None, resume_after: Mapping[str, object] | None, wait: float
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
        """Close what was opened for this backend; a client of the caller's own stays open."""
        if self.on_close is not None:
            self.on_close()


def _database(client: Client, name: str | None) -> Database:
    """The database of that name, else the one that the client's URI names, else GOIM."""
    must_be(client, pymongo.MongoClient, "client")
    if name is None:
        name = client.get_default_database(DATABASE).name
    check_database(name)
    return client.get_database(name, codec_options=CODEC)


def _where(client: Client) -> str:
    nodes = sorted(f"{host}:{port}" for host, port in client.nodes)
    return ", ".join(nodes) or "an unknown address"


def _newest(
    messages: Collection[Document], room_id: str, session: ClientSession | None = None
) -> int:
    newest = messages.find_one(
        *({"room_id": room_id}, {"_id": 0, "seq": 1}),
        sort=[("seq", pymongo.DESCENDING)],
        session=session,
    )
    return int(newest["seq"]) if newest else 0


def _watch_failure(error: OperationFailure) -> str:
    if error.code == 40573:
        return "change streams need a replica set; this MongoDB is a standalone server"
    if error.code in (260, 286):
        return f"this resume token cannot be used, read the history instead: {error.details}"
    return f"the change stream cannot be opened: {error}"
