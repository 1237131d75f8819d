"""The command log: each command of a client once, with what it carries."""

from __future__ import annotations

from typing import Any

import pymongo
import pytest
from pymongo.write_concern import WriteConcern

from goim_edu.mongod import CommandLog, LocalMongod


def test_every_command_is_counted_once_with_its_documents(mongod: LocalMongod) -> None:
    log = CommandLog()
    client: pymongo.MongoClient[Any] = pymongo.MongoClient(mongod.uri, event_listeners=[log])
    with client:
        messages = client["goim_command_log"].get_collection(
            "messages", write_concern=WriteConcern(w=1)
        )
        for number in range(3):
            messages.insert_one({"n": number})
        messages.insert_many([{"n": number} for number in range(10)])
        assert messages.find_one({"n": 1}) is not None
        assert log.counts() == {"insert": 4, "find": 1}
        assert log.documents() == 13
        body = log.last("insert")
        assert body.keys() == {"insert", "ordered", "documents", "writeConcern"}
        assert body["writeConcern"] == {"w": 1}
        assert all(0 < command.seconds < 60 for command in log.commands)
        began = [command.began for command in log.commands]
        assert began == sorted(began)
        assert [command.documents for command in log.commands] == [1, 1, 1, 10, 0]
        with pytest.raises(LookupError, match="no update"):
            log.last("update")
        log.clear()
        assert log.counts() == {}


def test_a_command_that_fails_was_a_trip_too(mongod: LocalMongod) -> None:
    log = CommandLog()
    client: pymongo.MongoClient[Any] = pymongo.MongoClient(mongod.uri, event_listeners=[log])
    with client, pytest.raises(pymongo.errors.OperationFailure):
        client["goim_command_log"].command("noSuchCommand")
    assert log.counts()["noSuchCommand"] == 1
