"""Two writers, one room: the order of the stream, what a newcomer reads, and what breaks both."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import count
from types import SimpleNamespace
from typing import Any

import pymongo
import pytest
from pymongo import ReturnDocument
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from goim_edu.lab.history import Acked, Heard, Joined, Record, Sent, check_history
from goim_edu.mongod import LocalMongod, LocalReplicaSet
from goim_edu.server import ChatServer
from goim_edu.storage.backend_mongodb import MongoBackend
from goim_edu.store import MessageStore, open_store
from tests.chatting import run, running_server
from tests.cluster.processes import LOBBY, Witness
from tests.storing import intercept, mongo_store
from tools.nemesis import read_majority

SECONDS = 5.0
PIECE = 5  # messages that a writer says at once


class Counter:
    """The counter-example: each number comes from a counter, and is stored a moment later."""

    def __init__(self, store: MessageStore) -> None:
        self._counters = store.database["counters"]

    def number(self, documents: Sequence[dict[str, Any]]) -> None:
        for document in documents:
            counter = self._counters.find_one_and_update(
                {"_id": document["room_id"]},
                {"$inc": {"last": 1}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            assert counter is not None
            document["seq"] = counter["last"]

    def settle(self, documents: Sequence[dict[str, Any]], stored: int) -> None:
        """Nothing is ever taken by others."""


class Talk:
    """Two stores write to one room for a while, and what they say is written down."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.history: list[Record] = [Joined("the stream", room, 0)]
        self.pieces = Counts[str]()
        self._end = time.monotonic() + SECONDS

    def say(self, store: MessageStore, user: str) -> None:
        """Some messages, until all of them are stored; and again."""
        for number in count(0, PIECE):
            if time.monotonic() > self._end:
                return
            keys = [f"m{key}" for key in range(number, number + PIECE)]
            saved = []
            for key in keys:
                self.history.append(Sent(user, self.room, user, key, key))
                saved.append(store.submit(self.room, user, key, client_msg_id=key))
            for key, one in zip(keys, saved, strict=True):
                self.history.append(Acked(user, user, key, one.result(20).seq))
            self.pieces[user] += 1

    def late(self, other: str) -> Callable[[Any, dict[str, Any]], Any]:
        """An insert that comes, now and then, after the next one of the other store."""
        number = count(1)

        def insert(database: Any, command: dict[str, Any]) -> Any:
            if next(number) % 5 == 0:
                before = self.pieces[other]
                while self.pieces[other] < before + 2 and time.monotonic() < self._end:
                    time.sleep(0.001)
            return database.command(command)

        return insert


@pytest.mark.timeout(120)
@pytest.mark.parametrize("numbers", ["ordered insert", "counter"])
def test_the_order_of_the_stream_is_that_of_the_numbers(
    numbers: str, replica_set: LocalReplicaSet, room: str, user: str
) -> None:
    names = f"{user} one", f"{user} other"
    with mongo_store(replica_set.uri) as one, mongo_store(replica_set.uri) as other:
        if numbers == "counter":
            for store in (one, other):
                backend: Any = store.backend
                backend._heads = Counter(store)
        stream = other.watch(room, wait=0.1)
        assert next(stream) is None
        talk = Talk(room)
        intercept(one, talk.late(names[1]))
        writers = [
            threading.Thread(target=talk.say, args=pair)
            for pair in zip((one, other), names, strict=True)
        ]
        for writer in writers:
            writer.start()
        told = 0
        stored = None
        deadline = time.monotonic() + 60
        while (stored is None or told < len(stored)) and time.monotonic() < deadline:
            change = next(stream)
            if change is not None:
                told += 1
                said = change.message
                ids = said.user_id, said.client_msg_id, said.text
                talk.history.append(Heard("the stream", room, said.seq, *ids))
            elif not any(writer.is_alive() for writer in writers):
                stored = read_majority(replica_set.uri, "goim_test")([room])
        stream.close()  # type: ignore[attr-defined]
        assert stored is not None
        violations = check_history(talk.history, stored)
        found = Counts(violation.kind for violation in violations)
        assert len(stored) == PIECE * sum(talk.pieces.values())
        if numbers == "counter":
            assert found["out of order"] > 0
            return
        assert violations == [], "\n".join(map(str, violations[:20]))
        assert one.stats.conflicts > 0


# ---------------------------------------------------------------------- a member that is behind


@contextmanager
def reading_from(
    member: LocalMongod, members: LocalReplicaSet, store: MessageStore
) -> Iterator[None]:
    """The store reads its pages from this member."""

    def only_it(servers: list[Any]) -> list[Any]:
        return [one for one in servers if one.address == ("127.0.0.1", member.port)]

    backend: Any = store.backend
    client = pymongo.MongoClient[dict[str, Any]](
        members.uri,
        readPreference="secondaryPreferred",
        server_selector=only_it,
        heartbeatFrequencyMS=500,
        serverSelectionTimeoutMS=2000,  # to end its sessions it looks for a primary
        tz_aware=True,
    )
    before = backend._client, backend._committed
    backend._client = client
    backend._committed = client[backend.database.name].get_collection(
        "messages", read_concern=ReadConcern("majority")
    )
    try:
        yield
    finally:
        backend._client, backend._committed = before
        client.close()


def write(store: MessageStore, history: list[Record], first: int, number: int) -> None:
    saved = []
    for key in (f"m{number}" for number in range(first, first + number)):
        history.append(Sent("writer", LOBBY, "writer", key, key))
        saved.append((key, store.submit(LOBBY, "writer", key, client_msg_id=key)))
    for key, one in saved:
        history.append(Acked("writer", "writer", key, one.result(20).seq))


async def come(server: ChatServer, history: list[Record]) -> Witness:
    """A newcomer; one that is refused, since the member is behind, tries again."""
    while True:
        try:
            return await Witness.enter(server, "newcomer", history)
        except AssertionError:
            await asyncio.sleep(0.1)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("reads", ["causal", "stale"])
def test_a_newcomer_is_told_no_less_than_the_room_has_passed(
    reads: str, replica_set: LocalReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The member that answers its ``join`` is behind the stream."""
    before, meanwhile = 100, 300
    history: list[Record] = []
    primary = ReadPreference.PRIMARY
    monkeypatch.setattr(
        "goim_edu.cluster.follower.ReadPreference", SimpleNamespace(SECONDARY_PREFERRED=primary)
    )
    if reads == "stale":
        monkeypatch.setattr(MongoBackend, "_caught_up", lambda _: nullcontext(None))

    async def test(writer: MessageStore, store: MessageStore) -> None:
        await asyncio.to_thread(write, writer, history, 0, before)
        behind = replica_set.member("secondary")
        async with running_server(store) as server:
            first = await Witness.enter(server, "first", history)
            await first.hear_all(before)
            with reading_from(behind, replica_set, store):
                with replica_set.held_up(behind):
                    await asyncio.to_thread(write, writer, history, before, meanwhile)
                    await first.hear_all(before + meanwhile)
                    coming = asyncio.create_task(come(server, history))
                    await asyncio.wait({coming}, timeout=1.5)
                    is_told_at_once = coming.done()
                newcomer = await coming
                if reads == "causal":
                    await newcomer.hear_all(before + meanwhile)
            await asyncio.to_thread(write, writer, history, before + meanwhile, 1)
            for person in (first, newcomer):
                await person.hear_all(before + meanwhile + 1)
        stored = read_majority(replica_set.uri, database)([LOBBY])
        violations = check_history(history, stored)
        if reads == "stale":
            assert "missed" in {violation.kind for violation in violations}
        else:
            assert violations == [], "\n".join(map(str, violations[:20]))
            assert not is_told_at_once

    with (
        open_store(replica_set.uri, database=database) as writer,
        open_store(replica_set.uri, database=database) as store,
    ):
        run(test(writer, store))
