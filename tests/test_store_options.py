"""What a program of one's own asks of a store: its client, its names, its rights, its process."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mongomock
import pymongo
import pytest
from bson.son import SON

from goim_edu.errors import StoreConfigError, StoreError, StoreUnavailable
from goim_edu.mongod import LocalMongod
from goim_edu.store import (
    Collections,
    MessageStore,
    close_mongo,
    connect_mongodb,
    create_indexes,
    get_mongo,
    open_store,
    shared_store,
)

OWN = "goim_own"


@pytest.fixture
def client(mongod: LocalMongod) -> Iterator[pymongo.MongoClient[Any]]:
    """A client as others make it: naive times, documents of another class."""
    with pymongo.MongoClient[Any](mongod.uri, tz_aware=False, document_class=SON) as client:
        yield client
        client.drop_database(OWN)


class TestOwnClient:
    def test_its_codec_options_do_not_matter(
        self, client: pymongo.MongoClient[Any], room: str
    ) -> None:
        with open_store(client=client, database=OWN) as store:
            stored = store.insert_one_message(room, "lisa", "hello")
            assert store.history(room) == store.recent(room_id=room) == [stored]
            again = store.submit(room, "lisa", "hello", client_msg_id=stored.client_msg_id)
            assert again.result(20).message == stored
            store.mark_read(room, "tom", 1)
            assert store.read_marks(room) == {"tom": 1}
            document = store.database["messages"].find_one() or {}
            assert (type(document), document["created_at"]) == (dict, stored.created_at)

    def test_it_stays_open(self, client: pymongo.MongoClient[Any]) -> None:
        for _ in range(2):
            open_store(client=client, database=OWN).close()
        assert client.admin.command("ping")["ok"] == 1

    def test_its_uri_names_the_database(self, mongod: LocalMongod) -> None:
        uri = mongod.uri.replace("/?", f"/{OWN}?")
        with pymongo.MongoClient[Any](uri) as client, open_store(client=client) as store:
            assert store.database.name == OWN
            client.drop_database(OWN)

    @pytest.mark.parametrize("other", [mongomock.MongoClient(), 5, "mongodb://localhost"])
    def test_another_kind_of_client(self, other: Any) -> None:
        with pytest.raises(TypeError, match=r"client must be a pymongo\.MongoClient, not a"):
            open_store(client=other)

    def test_either_a_client_or_a_spec(self, client: pymongo.MongoClient[Any]) -> None:
        with pytest.raises(StoreConfigError, match="either a spec or a client"):
            open_store("memory", client=client)

    def test_nobody_answers_it(self) -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            port = deaf.getsockname()[1]
            with (
                pymongo.MongoClient[Any](
                    port=port, serverSelectionTimeoutMS=200, connect=False
                ) as client,
                pytest.raises(StoreUnavailable, match="no MongoDB answered"),
            ):
                open_store(client=client)


class TestNames:
    @pytest.mark.parametrize("real", [True, False], ids=["mongod", "memory"])
    def test_they_are_used(
        self, mongod: LocalMongod, client: pymongo.MongoClient[Any], room: str, real: bool
    ) -> None:
        own = Collections(messages="chat.said", read_marks="chat.read")
        spec = mongod.uri if real else "memory"
        with open_store(spec, database=OWN, collections=own) as store:
            stored = store.insert_one_message(room, "lisa", "hello")
            store.mark_read(room, "lisa", 1)
            assert store.history(room) == [stored]
            assert store.count(room) == store.last_seq(room) == 1
            assert sorted(store.database.list_collection_names()) == ["chat.read", "chat.said"]
            assert store.database.name == OWN
            if real:
                assert store.explain_history(room).index == "room_seq"
        assert create_indexes(client[OWN], own)[-1] == "room_seq"

    @pytest.mark.parametrize("name", ["", "a$", "system.views", ".a", "a.", "a..b", "a\0", 5])
    def test_a_name_that_mongodb_does_not_take(self, name: Any) -> None:
        with pytest.raises(StoreConfigError, match="messages is "):
            Collections(messages=name)

    def test_two_collections_have_two_names(self) -> None:
        with pytest.raises(StoreConfigError, match="both 'messages'"):
            Collections(read_marks="messages")

    @pytest.mark.parametrize("spec", ["memory", "mongodb://127.0.0.1:1/?connectTimeoutMS=1"])
    @pytest.mark.parametrize("name", ["", "a.b", "admin"])
    def test_a_database_that_mongodb_does_not_take(
        self, client: pymongo.MongoClient[Any], spec: str, name: str
    ) -> None:
        with pytest.raises(StoreConfigError, match="database"):
            open_store("memory", database=name)
        with pytest.raises(StoreConfigError, match="database"):
            open_store(client=client, database=name)


@pytest.fixture
def reader(mongod: LocalMongod, client: pymongo.MongoClient[Any]) -> Iterator[str]:
    """The URI of a user who may only read."""
    client[OWN].command("createUser", "reader", pwd="secret", roles=[{"role": "read", "db": OWN}])
    yield f"mongodb://reader:secret@127.0.0.1:{mongod.port}/{OWN}"
    client[OWN].command("dropUser", "reader")


class TestReadOnly:
    def test_the_role_read_suffices(self, mongod: LocalMongod, reader: str, room: str) -> None:
        with open_store(mongod.uri, database=OWN) as writer:
            stored = writer.insert_one_message(room, "lisa", "hello")
            writer.mark_read(room, "tom", 1)
        with open_store(reader, read_only=True) as store:
            assert store.history(room) == store.recent(user_id="lisa") == [stored]
            assert (store.last_seq(room), store.count(room)) == (1, 1)
            assert store.read_marks(room) == {"tom": 1}
            assert store.explain_history(room).index == "room_seq"
            assert "read only" in repr(store)
            assert "secret" not in repr(store)

    def test_without_it_the_role_is_too_little(self, reader: str) -> None:
        with pytest.raises(StoreConfigError, match="not authorized") as caught:
            open_store(reader)
        assert "secret" not in str(caught.value)

    def test_a_wrong_password_is_not_asked_again(self, reader: str) -> None:
        with pytest.raises(StoreConfigError, match="Authentication failed") as caught:
            open_store(reader.replace("secret", "guessed"))
        assert "guessed" not in str(caught.value)

    def test_nothing_is_made(self, mongod: LocalMongod, client: pymongo.MongoClient[Any]) -> None:
        with open_store(mongod.uri, database=OWN, read_only=True) as store:
            assert (store.history("lobby"), store.last_seq("lobby")) == ([], 0)
            assert store.count("lobby") == 0
        assert client[OWN].list_collection_names() == []

    @pytest.mark.parametrize(
        "write",
        [
            lambda store: store.submit("lobby", "lisa", "hello", client_msg_id="m1"),
            lambda store: store.insert_one_message("lobby", "lisa", "hello"),
            lambda store: store.mark_read("lobby", "lisa", 1),
            lambda store: asyncio.run(store.ainsert_one_message("lobby", "lisa", "hello")),
            lambda store: asyncio.run(store.amark_read("lobby", "lisa", 1)),
        ],
    )
    @pytest.mark.parametrize("real", [True, False], ids=["mongod", "memory"])
    def test_a_write_is_refused_in_words(
        self, mongod: LocalMongod, real: bool, write: Callable[[MessageStore], object]
    ) -> None:
        spec = mongod.uri if real else "memory"
        with (
            open_store(spec, database=OWN, read_only=True) as store,
            pytest.raises(StoreError, match="opened with read_only=True") as caught,
        ):
            write(store)
        assert type(caught.value) is StoreError  # trying again does not help


class TestIndexes:
    def test_a_store_that_writes_needs_them(
        self, mongod: LocalMongod, client: pymongo.MongoClient[Any], room: str
    ) -> None:
        with pytest.raises(StoreConfigError, match="lacks the unique index room_seq"):
            open_store(mongod.uri, database=OWN, create_indexes=False)
        create_indexes(client[OWN])
        with open_store(mongod.uri, database=OWN, create_indexes=False) as store:
            assert store.insert_one_message(room, "lisa", "hello").seq == 1

    @pytest.mark.parametrize(
        "other", [mongomock.MongoClient()["GOIM"], pymongo.MongoClient[Any](connect=False), None]
    )
    def test_something_else_than_a_database(self, other: Any) -> None:
        with pytest.raises(TypeError, match=r"database, .*must be a pymongo\.Database, not a"):
            create_indexes(other)


class TestSettings:
    @pytest.mark.parametrize("spec", ["", None, 5, "redis", "mongdb://localhost", "mongodb://"])
    def test_a_wrong_spec_is_not_to_be_tried_again(self, spec: Any) -> None:
        with pytest.raises(ValueError) as caught:
            open_store(spec)
        assert type(caught.value) is StoreConfigError

    @pytest.mark.parametrize("uri", [5, b"mongodb://localhost", ["localhost"]])
    def test_a_uri_is_text(self, uri: Any) -> None:
        with pytest.raises(StoreConfigError, match="not a str such as"):
            connect_mongodb(uri)

    @pytest.mark.parametrize("timeout", [0, -1, "1", None, True, float("nan"), float("inf")])
    def test_a_timeout_is_seconds(self, timeout: Any) -> None:
        with pytest.raises(StoreConfigError, match="not a number of seconds from"):
            connect_mongodb(timeout=timeout)
        with pytest.raises(StoreConfigError, match="not a number of seconds from"):
            open_store("mongodb://localhost", timeout=timeout)

    def test_the_timeout_is_the_callers(self, mongod: LocalMongod) -> None:
        """It holds for each thing that one may wait for: a connection, a server, an answer."""
        named = f"{mongod.uri}&serverSelectionTimeoutMS=700"
        for uri, seconds in ((mongod.uri, 0.5), (named, 0.7)):
            with connect_mongodb(uri, timeout=0.5) as client:
                options = client.options
                assert options.server_selection_timeout == seconds
                assert (options.timeout, options.pool_options.connect_timeout) == (0.5, 0.5)
            with open_store(uri, timeout=0.5) as store:
                assert store.database.client.options.server_selection_timeout == seconds

    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("max_bach", 3, TypeError),
            ("max_batch", 0, ValueError),
            ("max_batch", 2.5, TypeError),
            ("max_waiting", True, TypeError),
            ("linger", -0.1, ValueError),
            ("patience", float("nan"), ValueError),
            ("patience", "15", TypeError),
        ],
    )
    def test_a_wrong_setting_is_named(self, name: str, value: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match=name):
            open_store("memory", **{name: value})


VERBS: dict[str, Callable[[MessageStore], object]] = {
    "submit": lambda store: store.submit("lobby", "lisa", "hello", client_msg_id="m1"),
    "insert_one_message": lambda store: store.insert_one_message("lobby", "lisa", "hello"),
    "history": lambda store: store.history("lobby"),
    "recent": lambda store: store.recent(),
    "explain_history": lambda store: store.explain_history("lobby"),
    "explain_recent": lambda store: store.explain_recent(),
    "last_seq": lambda store: store.last_seq("lobby"),
    "count": lambda store: store.count("lobby"),
    "mark_read": lambda store: store.mark_read("lobby", "lisa", 1),
    "read_marks": lambda store: store.read_marks("lobby"),
    "watch": lambda store: store.watch(),
    "ping": lambda store: store.ping(),
    "run": lambda store: store.run(store.history, "lobby"),
    "with": lambda store: store.__enter__(),
    "ahistory": lambda store: asyncio.run(store.ahistory("lobby")),
    "async with": lambda store: asyncio.run(store.__aenter__()),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize("real", [True, False], ids=["mongod", "memory"])
def test_a_closed_store_says_so(
    mongod: LocalMongod, real: bool, verb: Callable[[MessageStore], object]
) -> None:
    store = open_store(mongod.uri if real else "memory")
    store.close()
    with pytest.raises(StoreUnavailable) as caught:
        verb(store)
    assert str(caught.value) == "the store is closed"
    assert repr(store).startswith("<MessageStore closed: ")
    store.close()


class TestProcess:
    @pytest.fixture(autouse=True)
    def as_before(self) -> Iterator[None]:
        """What a store changes in the process is as it was when the store is closed."""
        before = self.state()
        yield
        assert self.state() == before

    @staticmethod
    def state() -> tuple[object, ...]:
        logger = logging.getLogger("pymongo.client")
        return signal.getsignal(signal.SIGTERM), tuple(logger.filters)

    def test_a_store_of_ones_own(self, mongod: LocalMongod) -> None:
        with open_store(mongod.uri):
            assert logging.getLogger("pymongo.client").filters

    def test_nothing_remembers_a_closed_store(self) -> None:
        """As ``atexit`` would."""
        store = open_store("memory")
        store.insert_one_message("lobby", "lisa", "hello")
        seen = weakref.ref(store)
        store.close()
        del store
        gc.collect()
        assert seen() is None

    def test_a_store_that_could_not_be_opened(self, mongod: LocalMongod) -> None:
        with pytest.raises(StoreUnavailable):
            open_store("mongodb://127.0.0.1:1", timeout=0.2)
        with pytest.raises(TypeError):
            open_store(mongod.uri, max_bach=3)  # type: ignore[call-arg]

    def test_a_client(self, mongod: LocalMongod) -> None:
        connect_mongodb(mongod.uri).close()

    @pytest.mark.parametrize("real", [True, False], ids=["mongod", "memory"])
    def test_the_store_of_the_process(self, mongod: LocalMongod, real: bool) -> None:
        for _ in range(2):
            store = shared_store(mongod.uri if real else "memory")
            assert get_mongo() is store.database
            assert store.insert_one_message("lobby", "lisa", "hello").seq >= 1
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            close_mongo()

    def test_a_handler_of_the_callers_stays(self) -> None:
        def handler(number: int, frame: object) -> None:
            raise AssertionError(number)

        old = signal.signal(signal.SIGTERM, handler)
        try:
            get_mongo("memory")
            assert signal.getsignal(signal.SIGTERM) is handler
            close_mongo()
            assert signal.getsignal(signal.SIGTERM) is handler
        finally:
            signal.signal(signal.SIGTERM, old)


class TestAwaited:
    def test_each_verb_has_its_twin(self, mongod: LocalMongod, room: str) -> None:
        async def main() -> None:
            async with open_store(mongod.uri) as store:
                stored = await store.ainsert_one_message(room, "lisa", "hello", client_msg_id=room)
                saved = await store.submit_async(room, "lisa", "hello", client_msg_id=room)
                assert (saved.message, saved.duplicate) == (stored, True)
                assert await store.ahistory(room, limit=5) == [stored]
                assert await store.arecent(room_id=room) == [stored]
                assert await store.alast_seq(room) == await store.acount(room) == 1
                await store.amark_read(room, "tom", 1)
                assert await store.aread_marks(room) == {"tom": 1}
                assert 0 < await store.aping() < 5
                with pytest.raises(TypeError, match="positional"):
                    await store.ahistory(room, 20)  # type: ignore[call-arg]
            with pytest.raises(StoreUnavailable, match="closed"):
                await store.ahistory(room)

        asyncio.run(main())

    def test_a_thousand_at_once_are_answered(self) -> None:
        async def main() -> None:
            async with open_store("memory") as store:
                pages = await asyncio.gather(*(store.ahistory("lobby") for _ in range(1000)))
                assert pages == [[]] * 1000

        asyncio.run(main())

    def test_help_knows_them(self) -> None:
        assert MessageStore.ahistory.__name__ == "ahistory"
        assert MessageStore.ahistory.__doc__ == "Like :meth:`history`, to be awaited."


def test_a_store_shows_where_it_is_and_no_password(mongod: LocalMongod, tmp_path: Path) -> None:
    with open_store(mongod.uri) as store:
        assert repr(store).startswith("<MessageStore open: MongoDB ")
        password = mongod.uri.partition("@")[0].rpartition(":")[2]
        assert len(password) > 8
        for shown in (repr(store), repr(store.database), str(store.backend), store.description):
            assert password not in shown
