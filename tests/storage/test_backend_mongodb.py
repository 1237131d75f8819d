"""A real MongoDB: indexes, validation, numbers, change streams, and what its answers mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pymongo
import pytest
from bson.errors import InvalidDocument
from pymongo import _csot
from pymongo.errors import (
    AutoReconnect,
    DocumentTooLarge,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteError,
)
from pymongo.write_concern import WriteConcern

from goim_edu.errors import StoreConfigError, StoreError, StoreUnavailable
from goim_edu.mongod import LocalMongod, LocalReplicaSet
from goim_edu.storage.backend import DuplicateKey, Inserted, Unsure
from goim_edu.storage.mongodb_answers import UNSURE_CODES, inserted, write_failure
from goim_edu.store import MessageStore, MongoBackend, connect_mongodb, create_indexes, open_store
from tests.storing import NUMBERS, mongo_store, send


class TestIndexes:
    def test_names_and_keys_are_those_of_the_notes(self, real: MessageStore) -> None:
        found = {
            index["name"]: (list(index["key"].items()), index.get("unique", False))
            for index in real.database["messages"].list_indexes()
        }
        assert found == {
            "_id_": ([("_id", 1)], False),
            "room_created_desc": ([("room_id", 1), ("created_at", -1)], False),
            "user_created_desc": ([("user_id", 1), ("created_at", -1)], False),
            "created_at_desc": ([("created_at", -1)], False),
            "room_seq": ([("room_id", 1), ("seq", 1)], True),
        }

    @pytest.mark.parametrize(
        ("index", "explain"),
        [
            ("room_seq", lambda s, r, u: s.explain_history(r, limit=20)),
            ("room_seq", lambda s, r, u: s.explain_history(r, before_seq=300, limit=20)),
            ("room_seq", lambda s, r, u: s.explain_history(r, after_seq=100, limit=20)),
            ("room_created_desc", lambda s, r, u: s.explain_recent(room_id=r, limit=20)),
            ("user_created_desc", lambda s, r, u: s.explain_recent(user_id=u, limit=20)),
            ("created_at_desc", lambda s, r, u: s.explain_recent(limit=20)),
        ],
    )
    def test_each_index_serves_a_query_and_looks_at_no_more_than_it_returns(
        self, real: MessageStore, index: str, explain: Callable[..., Any]
    ) -> None:
        room, user = f"room {next(NUMBERS)}", f"user {next(NUMBERS)}"
        send(real, room, user, 400)
        send(real, f"{room}!", f"{user}!", 400)
        plan = explain(real, room, user)
        assert (plan.index, plan.returned, plan.documents_examined) == (index, 20, 20)
        assert plan.keys_examined <= 21
        assert "SORT" not in plan.stages

    def test_the_id_index_answers_the_resend(self, real: MessageStore) -> None:
        answer = real.database.command(
            "explain",
            {"find": "messages", "filter": {"_id": {"$in": ["1:a:b", "1:c:d"]}}},
            verbosity="queryPlanner",
        )
        plan = answer["queryPlanner"]["winningPlan"]
        assert (plan["inputStage"]["stage"], plan["inputStage"]["indexName"]) == ("IXSCAN", "_id_")

    def test_making_them_again_changes_nothing(self, real: MessageStore) -> None:
        assert create_indexes(real.database) == [
            *("room_created_desc", "user_created_desc", "created_at_desc", "room_seq")
        ]

    def test_one_that_cannot_be_made_stops_the_start(self, mongod: LocalMongod) -> None:
        client = connect_mongodb(mongod.uri)
        client["goim_conflict"]["messages"].create_index("text", name="room_seq")
        with pytest.raises(StoreConfigError, match="indexes of the messages cannot be made"):
            MongoBackend(client, database="goim_conflict")
        client.drop_database("goim_conflict")
        client.close()

    def test_double_numbers_from_elsewhere_stop_the_start(self, mongod: LocalMongod) -> None:
        client = connect_mongodb(mongod.uri)
        client["goim_double"]["messages"].insert_many([{"room_id": "r", "seq": 1}] * 1)
        client["goim_double"]["messages"].insert_one({"room_id": "r", "seq": 1})
        with pytest.raises(StoreConfigError, match="duplicate key"):
            MongoBackend(client, database="goim_double")
        client.drop_database("goim_double")
        client.close()


class TestValidation:
    GOOD = {
        "_id": "1:u:m",
        "room_id": "validated",
        "seq": 1,
        "user_id": "u",
        "client_msg_id": "m",
        "text": "",
        "created_at": datetime(2026, 11, 23, tzinfo=UTC),
    }

    @pytest.mark.parametrize(
        "change",
        [{"seq": 0}, {"seq": "1"}, {"room_id": ""}, {"text": None}, {"created_at": "today"}],
    )
    def test_the_server_refuses_what_is_no_message(
        self, real: MessageStore, change: dict[str, Any]
    ) -> None:
        with pytest.raises(WriteError, match="failed validation"):
            real.database["messages"].insert_one({**self.GOOD, **change})

    @pytest.mark.parametrize("name", ["seq", "created_at", "client_msg_id"])
    def test_no_field_may_be_missing(self, real: MessageStore, name: str) -> None:
        document = {key: value for key, value in self.GOOD.items() if key != name}
        with pytest.raises(WriteError, match="failed validation"):
            real.database["messages"].insert_one(document)

    def test_other_fields_are_allowed(self, real: MessageStore) -> None:
        real.database["messages"].insert_one({**self.GOOD, "edited": True})
        assert real.history("validated")[0].text == ""
        real.database["messages"].delete_one({"_id": self.GOOD["_id"]})

    def test_an_older_validation_is_renewed(self, real: MessageStore) -> None:
        real.database.command("collMod", "messages", validator={})
        create_indexes(real.database)
        with pytest.raises(WriteError):
            real.database["messages"].insert_one({"text": "hello"})


class TestWatch:
    def test_a_change_stream_tells_each_message_and_resumes(
        self, replica_set: LocalReplicaSet, room: str, user: str
    ) -> None:
        with mongo_store(replica_set.uri) as store:
            stream = store.watch(room, wait=0.1)
            assert next(stream) is None
            send(store, room, user, 5)
            send(store, f"{room}!", user + "!", 2)
            changes = take(stream, 3)
            assert [change.message.seq for change in changes] == [1, 2, 3]
            stream.close()  # type: ignore[attr-defined]
            resumed = store.watch(room, resume_after=changes[-1].resume_token, wait=0.1)
            assert [change.message.seq for change in take(resumed, 2)] == [4, 5]
            everything = store.watch(resume_after=changes[-1].resume_token, wait=0.1)
            assert len({c.message.room_id for c in take(everything, 4)}) == 2
            resumed.close()  # type: ignore[attr-defined]
            everything.close()  # type: ignore[attr-defined]

    def test_an_idle_stream_yields_none(self, replica_set: LocalReplicaSet, room: str) -> None:
        with mongo_store(replica_set.uri) as store:
            stream = store.watch(room, wait=0.05)
            assert [next(stream), next(stream)] == [None, None]
            with pymongo.timeout(5):
                next(stream)
                assert _csot.get_timeout() == 5  # the caller's own limits stay as they are
            stream.close()  # type: ignore[attr-defined]

    def test_a_standalone_server_cannot(self, real: MessageStore) -> None:
        with pytest.raises(StoreError, match="need a replica set"):
            next(real.watch())

    def test_a_wrong_token_is_named(self, replica_set: LocalReplicaSet) -> None:
        with (
            mongo_store(replica_set.uri) as store,
            pytest.raises(StoreError, match=r"resume token|change stream"),
        ):
            next(store.watch(resume_after={"_data": "00"}))


def take(stream: Iterator[Any], number: int) -> list[Any]:
    """The next so many changes of a stream, within twenty seconds."""
    found: list[Any] = []
    deadline = time.monotonic() + 20
    while len(found) < number and time.monotonic() < deadline:
        change = next(stream)
        if change is not None:
            found.append(change)
    return found


def test_mongodb_itself_refuses_operators_in_the_wrong_place(real: MessageStore) -> None:
    """What our checks keep away from the driver would indeed have been an operator."""
    with pytest.raises(OperationFailure, match="unknown operator"):
        real.database["messages"].find_one({"room_id": {"$nonsense": 1}})


class TestWhatMongoAnswers:
    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            ({"writeConcernError": {"code": 64, "errmsg": "waiting timed out"}}, Unsure),
            ({"writeConcernError": {"code": 100, "errmsg": "not enough nodes"}}, StoreError),
            ({"writeConcernError": {"code": 79, "errmsg": "no such mode"}}, StoreError),
            (
                {
                    "writeErrors": [{"index": 2, "code": 11000, "keyPattern": {"_id": 1}}],
                    "writeConcernError": {"code": 91, "errmsg": "shutting down"},
                },
                Unsure,
            ),
            *(
                ({"writeErrors": [{"index": 0, "code": code, "errmsg": "lost"}]}, Unsure)
                for code in sorted(UNSURE_CODES)
            ),
        ],
    )
    def test_an_open_outcome_is_no_answer(
        self, answer: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error) as caught:
            inserted(answer, 5)
        assert type(caught.value) is error

    @pytest.mark.parametrize(
        ("problem", "refusal"),
        [
            ({"code": 11000, "keyPattern": {"_id": 1}}, DuplicateKey.ID),
            ({"code": 11000, "keyPattern": {"room_id": 1, "seq": 1}}, DuplicateKey.ROOM_SEQ),
            (
                {
                    "code": 11000,
                    "errmsg": 'E11000 ... index: _id_ dup key: { : "index: room_seq" }',
                },
                DuplicateKey.ID,
            ),
            (
                {"code": 11000, "errmsg": 'E11000 ... index: room_seq dup key: { : "_id", : 7 }'},
                DuplicateKey.ROOM_SEQ,
            ),
        ],
    )
    def test_an_ordered_insert_stops_at_the_first(
        self, problem: dict[str, Any], refusal: DuplicateKey
    ) -> None:
        assert inserted({"n": 3, "writeErrors": [{"index": 3, **problem}]}, 5) == Inserted(
            3, refusal
        )
        assert inserted({"n": 5}, 5) == Inserted(5, None)

    def test_a_document_that_is_refused_is_named(self) -> None:
        invalid = {"index": 1, "code": 121, "errmsg": "Document failed validation"}
        found = inserted({"n": 1, "writeErrors": [invalid]}, 5)
        assert found.stored == 1
        assert isinstance(found.refusal, StoreError)
        assert "failed validation" in str(found.refusal)

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            *((OperationFailure("lost", code), Unsure) for code in sorted(UNSURE_CODES)),
            (
                OperationFailure("new", 424242, {"errorLabels": ["RetryableWriteError"]}),
                Unsure,
            ),
            (AutoReconnect("connection closed"), Unsure),
            (NotPrimaryError("not primary"), Unsure),
            (NetworkTimeout("timed out"), Unsure),
            (ServerSelectionTimeoutError("no primary"), StoreUnavailable),
            (OperationFailure("not authorized", 13), StoreUnavailable),
            (DocumentTooLarge("too large"), StoreError),
            (InvalidDocument("cannot encode"), StoreError),
        ],
    )
    def test_each_error_of_the_driver(
        self, error: PyMongoError | InvalidDocument, kind: type[Exception]
    ) -> None:
        assert type(write_failure(error)) is kind

    def test_the_table_is_that_of_the_specification(self) -> None:
        """MongoDB specification "Retryable Writes", "Determining Retryable Errors"."""
        assert {6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436} <= (
            UNSURE_CODES
        )

    def test_a_write_concern_that_nobody_can_fulfil_is_an_error(
        self, replica_set: LocalReplicaSet, room: str, user: str
    ) -> None:
        five = WriteConcern(5)
        with (
            open_store(replica_set.uri, database="goim_test", write_concern=five) as store,
            pytest.raises(StoreError, match="nobody can acknowledge"),
        ):
            store.submit(room, user, "x", client_msg_id="m1").result(20)

    def test_a_server_that_does_not_let_us_write(
        self, mongod: LocalMongod, room: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with mongo_store(mongod.uri, patience=0.2) as store:
            monkeypatch.setattr(store.backend, "_write_concern", {"w": 2})
            with pytest.raises(StoreUnavailable, match="nothing was saved: MongoDB refused"):
                store.submit(room, "u", "x", client_msg_id="refused").result(20)
        with pytest.raises(StoreUnavailable):
            store.ping()
