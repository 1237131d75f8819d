"""From a URI or nothing to an open store, and to its end with the process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.write_concern import WriteConcern

from goim_edu import store as store_face
from goim_edu.errors import StoreConfigError, StoreUnavailable
from goim_edu.mongod import LocalMongod
from goim_edu.store import (
    MongoBackend,
    close_mongo,
    connect_mongodb,
    get_mongo,
    insert_one_message,
    open_store,
    shared_store,
)
from tests.conftest import require_mongod


@pytest.fixture
def nobody() -> str:
    """A URI where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"mongodb://lisa:secret@127.0.0.1:{port}/?serverSelectionTimeoutMS=300"


class TestConnecting:
    def test_the_scheme_of_the_notes_is_put_right(self) -> None:
        with pytest.raises(StoreConfigError, match="the scheme must be mongodb://"):
            connect_mongodb("mongo://localhost:27017")
        with pytest.raises(StoreConfigError, match="the scheme must be mongodb://"):
            open_store("mongo://localhost")

    @pytest.mark.parametrize(
        "uri",
        [
            "mongodb://",
            "mongodb://localhost:99999",
            "mongodb://a:b:c@localhost",
            "mongodb://localhost/?w=1&maxPoolSize=many",
            "mongodb://localhost/?poolsize=1",
            "mongodb://localhost/?serverSelectionTimeoutMS=soon",
        ],
    )
    def test_a_wrong_uri_is_one_clear_line(self, uri: str) -> None:
        with pytest.raises(StoreConfigError) as caught:
            open_store(uri)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500

    @pytest.mark.parametrize(
        "name",
        ["a.b", "a%2Fb", "a/b", "a b", "a$b", "%22", "a*", "x" * 64, "%F0%9F%99%82" * 16, "a%00"],
    )
    def test_a_database_that_mongodb_does_not_take(self, nobody: str, name: str) -> None:
        uri = nobody.replace("/?", f"/{name}?")
        for opening in (open_store, connect_mongodb, get_mongo):
            with pytest.raises(
                StoreConfigError, match="cannot be the name of a database"
            ) as caught:
                opening(uri)
            assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("name", ["admin", "config", "local"])
    def test_a_database_that_is_mongodbs_own(self, nobody: str, name: str) -> None:
        with pytest.raises(StoreConfigError, match=f"authSource={name}"):
            open_store(nobody.replace("/?", f"/{name}?"))

    def test_the_database_of_the_uri_is_used(self, mongod: LocalMongod, room: str) -> None:
        with open_store(mongod.uri.replace("/?", "/school?")) as store:
            assert store.database.name == "school"
            store.submit(room, "lisa", "hello", client_msg_id="m1").result(20)
        with open_store(mongod.uri) as store:
            assert store.database.name == "GOIM"
            assert store.last_seq(room) == 0
            assert store.database.client["school"]["messages"].count_documents({}) == 1
            store.database.client.drop_database("school")

    def test_nobody_there(self, nobody: str) -> None:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"no MongoDB answered: .*refused") as caught:
            open_store(nobody)
        assert time.monotonic() - begin < 5
        assert "secret" not in str(caught.value)
        assert "Topology" not in str(caught.value)

    def test_no_such_backend(self) -> None:
        with pytest.raises(StoreConfigError, match="'redis' names no store"):
            open_store("redis")

    def test_the_settings_of_the_notes(self, mongod: LocalMongod) -> None:
        with connect_mongodb(mongod.uri) as client:
            pool = client.options.pool_options
            assert (pool.max_pool_size, pool.min_pool_size, pool.connect_timeout) == (100, 10, 10)
            assert client.options.server_selection_timeout == 5
            assert client.options.timeout == 10
        with connect_mongodb(f"{mongod.uri}&maxPoolSize=3&minpoolsize=1") as client:
            pool = client.options.pool_options
            assert (pool.max_pool_size, pool.min_pool_size) == (3, 1)

    @pytest.mark.parametrize(
        ("options", "explicit", "expected"),
        [
            ("", None, {"w": "majority", "j": True}),
            ("&w=1", None, {"w": 1}),
            ("&wtimeoutMS=9000", None, {"w": "majority", "j": True, "wtimeout": 9000}),
            ("", WriteConcern(1, j=False), {"w": 1, "j": False}),
        ],
    )
    def test_majority_and_journal_unless_asked_otherwise(
        self,
        mongod: LocalMongod,
        options: str,
        explicit: WriteConcern | None,
        expected: dict[str, object],
    ) -> None:
        with open_store(mongod.uri + options, write_concern=explicit) as store:
            assert isinstance(store.backend, MongoBackend)
            assert store.backend._messages.write_concern.document == expected

    def test_auto_follows_the_variable(
        self, mongod: LocalMongod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOIM_MONGO_URI", mongod.uri)
        with open_store("auto") as store:
            assert store.durable
            assert str(mongod.port) in store.description

    def test_auto_without_any_mongod(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GOIM_MONGO_URI", raising=False)
        monkeypatch.setattr(store_face, "_why_no_mongod", lambda: "there is none")
        with open_store("auto") as store:
            assert not store.durable
            assert store.description.endswith("for a real MongoDB: there is none")


class TestLocal:
    def test_finds_its_messages_again(self, tmp_path: Path) -> None:
        require_mongod()
        with open_store("local", tmp_path) as store:
            first = store.insert_one_message("lobby", "lisa", "hello", client_msg_id="m1")
            assert str(tmp_path) in store.description
        with open_store("local", tmp_path) as store:
            assert store.history("lobby") == [first]
            assert store.submit("lobby", "lisa", "hello", client_msg_id="m1").result(20).duplicate
            assert store.submit("lobby", "lisa", "hello", client_msg_id="m2").result(20).seq > 1
            with pytest.raises(StoreUnavailable, match=f"in use by process {os.getpid()}"):
                open_store("local", tmp_path)

    def test_a_mongod_that_dies_is_started_again(self, tmp_path: Path) -> None:
        require_mongod()
        with open_store("local", tmp_path) as store:
            store.insert_one_message("lobby", "lisa", "before")
            os.kill(int((tmp_path / "db" / "mongod.lock").read_text()), signal.SIGKILL)
            after = store.submit("lobby", "lisa", "after", client_msg_id="m1").result(60)
            assert not after.duplicate
            assert [m.text for m in store.history("lobby")] == ["before", "after"]


@pytest.fixture
def process_store(mongod: LocalMongod, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's own store on the test's mongod, closed afterwards."""
    monkeypatch.setenv("GOIM_MONGO_URI", mongod.uri)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    close_mongo()
    signal.signal(signal.SIGTERM, handler)


class TestProcessStore:
    def test_many_threads_get_one(self, process_store: None) -> None:
        barrier = threading.Barrier(20)

        def get(_: int) -> Any:
            barrier.wait(20)
            return get_mongo()

        with ThreadPoolExecutor(20) as pool:
            found = list(pool.map(get, range(20)))
        assert all(database is found[0] for database in found)
        assert found[0].name == "GOIM"

    def test_a_failure_leaves_nothing_half_made(
        self, process_store: None, nobody: str, mongod: LocalMongod
    ) -> None:
        with pytest.raises(StoreUnavailable):
            get_mongo(nobody)
        assert get_mongo(mongod.uri).command("ping")["ok"] == 1

    def test_closing_is_harmless_before_and_twice(self, process_store: None) -> None:
        close_mongo()
        store = shared_store()
        close_mongo()
        close_mongo()
        with pytest.raises(StoreUnavailable, match="closed"):
            store.ping()
        assert shared_store() is not store

    def test_insert_one_message(self, process_store: None, room: str) -> None:
        assert insert_one_message(room, "lisa", "hello").seq == 1
        assert get_mongo()["messages"].count_documents({"room_id": room}) == 1

    def test_a_fork_gets_its_own(self, process_store: None, room: str) -> None:
        mine = shared_store()
        store_face._store_pid -= 1  # what a child sees after a fork: made by another process
        other = shared_store()
        assert other is not mine
        mine.close()

    @pytest.mark.parametrize(
        ("end", "code"), [("os.kill(os.getpid(), 15); time.sleep(30)", 143), ("pass", 0)]
    )
    def test_the_end_of_the_process_flushes_and_closes(
        self, mongod: LocalMongod, room: str, end: str, code: int
    ) -> None:
        script = f"""
import os, time
from goim_edu import store as store_face
from goim_edu.store import shared_store
store = shared_store({str(mongod.uri)!r})
for i in range(3000):
    store.submit({room!r}, "u", "x", client_msg_id={room!r} + str(i))
{end}
"""
        begin = time.monotonic()
        done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
        assert done.returncode == code
        assert time.monotonic() - begin < 25
        with pymongo.MongoClient[Any](mongod.uri) as client:
            assert client["GOIM"]["messages"].count_documents({"room_id": room}) == 3000
