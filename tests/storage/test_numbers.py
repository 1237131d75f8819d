"""The numbers of a room: without gaps and in order, however many servers write to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from goim_edu.lab.history import Sent, check_history
from goim_edu.mongod import LocalMongod, LocalReplicaSet
from goim_edu.storage.documents import StoredMessage, message_key, to_document
from goim_edu.storage.heads import Heads
from goim_edu.storage.mongodb_answers import UNSURE_CODES
from goim_edu.store import MessageStore, Saved, connect_mongodb, open_store
from tests.storing import NUMBERS, intercept, mongo_store, send

BATCH = 5


class TestHeads:
    def test_they_are_read_once(self) -> None:
        asked: list[str] = []

        def read(room_id: str) -> int:
            asked.append(room_id)
            return 10

        heads = Heads(read)
        for expected in ([11, 12, 11, 13, 12], [14, 15, 13, 16, 14]):
            batch = documents("aabab")
            heads.number(batch)
            assert [document["seq"] for document in batch] == expected
            heads.settle(batch, len(batch))
        assert asked == ["a", "b"]

    def test_an_unknown_outcome_makes_the_head_unknown(self) -> None:
        answers = iter([10, 12])
        heads = Heads(lambda _: next(answers))
        heads.number(documents("aa"))  # and no answer comes
        batch = documents("a")
        heads.number(batch)
        assert batch[0]["seq"] == 13

    def test_only_the_room_that_was_refused_is_read_again(self) -> None:
        asked, heads = empty_rooms()
        batch = documents("abbc")
        heads.number(batch)
        heads.settle(batch, 2)  # the second one of b was refused
        asked.clear()
        again = documents("abc")
        heads.number(again)
        assert asked == ["b"]
        assert [document["seq"] for document in again] == [2, 1, 1]

    def test_only_so_many_are_kept(self) -> None:
        asked, heads = empty_rooms(most=2)
        for room_id in "abac":
            batch = documents(room_id)
            heads.number(batch)
            heads.settle(batch, 1)
        asked.clear()
        heads.number(documents("acb"))
        assert asked == ["b"]


def empty_rooms(most: int = 100) -> tuple[list[str], Heads]:
    """The heads of rooms without messages, and the rooms that were asked for."""
    asked: list[str] = []

    def read(room_id: str) -> int:
        asked.append(room_id)
        return 0

    return asked, Heads(read, most)


def documents(rooms: str) -> list[dict[str, Any]]:
    return [{"room_id": room_id, "seq": 0} for room_id in rooms]


@contextmanager
def two_servers(uri: str) -> Iterator[tuple[MessageStore, MessageStore]]:
    """Two stores with clients of their own; the first waits until it has a whole batch."""
    with mongo_store(uri, linger=0.2, max_batch=BATCH) as one, mongo_store(uri) as other:
        yield one, other


def texts(store: MessageStore, room: str, user: str) -> list[str]:
    """What one sender has said, in the order of the room."""
    return [m.text for m in store.history(room, limit=10_000) if m.user_id == user]


def numbers(store: MessageStore, room: str) -> list[int]:
    return [message.seq for message in store.history(room, limit=10_000)]


SAID = [f"text {i}" for i in range(BATCH)]


class TestTwoServers:
    def test_old_numbers_are_fenced_off(self, mongod: LocalMongod, room: str, user: str) -> None:
        """A server that was away writes behind what the other one has stored meanwhile."""
        with two_servers(mongod.uri) as (one, other):
            assert one.submit(room, f"{user}!", "x", client_msg_id="first").result(20).seq == 1
            send(other, room, f"{user}?", 2)
            saved = send(one, room, user, BATCH)
            assert [answer.seq for answer in saved] == [4, 5, 6, 7, 8]
            assert not any(answer.duplicate for answer in saved)
            assert one.stats.conflicts == 1
            assert texts(other, room, user) == SAID

    def test_without_order_the_fence_has_holes(
        self, mongod: LocalMongod, room: str, user: str
    ) -> None:
        """The counter-example: unordered, a batch squeezes past the numbers that are taken."""

        def unordered(database: Any, command: dict[str, Any]) -> Any:
            return database.command({**command, "ordered": False})

        with two_servers(mongod.uri) as (one, other):
            intercept(one, unordered)
            one.submit(room, f"{user}!", "x", client_msg_id="first").result(20)
            send(other, room, f"{user}?", 2)
            send(one, room, user, BATCH)
            history = [
                Sent(f"{user}!", room, f"{user}!", "first", "x"),
                *(Sent(f"{user}?", room, f"{user}?", f"m{n}", f"text {n}") for n in range(2)),
                *(Sent(user, room, user, f"m{n}", f"text {n}") for n in range(BATCH)),
            ]
            violations = check_history(history, other.history(room, limit=100))
            assert {violation.kind for violation in violations} == {"out of order"}

    def test_a_resent_message_in_the_middle_while_the_other_server_writes(
        self, mongod: LocalMongod, room: str, user: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with two_servers(mongod.uri) as (one, other):
            other.submit(room, user, "text 2", client_msg_id="m2").result(20)
            send(one, room, f"{user}!", 1)
            look_up, rounds = one.backend.find_committed, count()

            def meanwhile(keys: Sequence[str]) -> dict[str, StoredMessage]:
                send(other, room, f"{user}/{next(rounds)}", 3)
                return look_up(keys)

            monkeypatch.setattr(one.backend, "find_committed", meanwhile)
            saved = send(one, room, user, BATCH)
            assert [answer.duplicate for answer in saved] == [False, False, True, False, False]
            assert [answer.seq for answer in saved] == [3, 4, 1, 8, 9]
            assert numbers(other, room) == list(range(1, 10))

    @pytest.mark.parametrize("code", [*sorted(UNSURE_CODES), 0, 424242])
    def test_a_lost_answer_while_the_other_server_writes(
        self, mongod: LocalMongod, room: str, user: str, code: int
    ) -> None:
        """The insert arrives, but is answered as by a mongos that lost its shard, or not at all."""
        calls = count()

        def lose_the_answer(database: Any, command: dict[str, Any]) -> Any:
            answer = database.command(command)
            if next(calls):
                return answer
            send(other, room, f"{user}!", 2)
            if not code:
                raise AutoReconnect("connection closed")
            raise OperationFailure("lost the shard", code)

        with two_servers(mongod.uri) as (one, other):
            intercept(one, lose_the_answer)
            saved = send(one, room, user, BATCH)
            assert [(answer.seq, answer.duplicate) for answer in saved] == [
                (number, False) for number in range(1, BATCH + 1)
            ]
            assert numbers(other, room) == list(range(1, BATCH + 3))

    def test_the_stream_tells_them_in_the_order_of_their_numbers(
        self, replica_set: LocalReplicaSet, room: str, user: str
    ) -> None:
        senders, each = 6, 60

        def talk(store: MessageStore, name: str) -> None:
            for number in range(each):
                store.submit(room, name, f"text {number}", client_msg_id=str(number)).result(20)

        with mongo_store(replica_set.uri) as one, mongo_store(replica_set.uri) as other:
            stream = other.watch(room, wait=0.1)
            assert next(stream) is None
            threads = [
                threading.Thread(target=talk, args=(store, f"{user} {number}"))
                for number, store in enumerate([one, other] * (senders // 2))
            ]
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 60
            told: list[int] = []
            while len(told) < senders * each and time.monotonic() < deadline:
                change = next(stream)
                if change is not None:
                    told.append(change.message.seq)
            for thread in threads:
                thread.join(20)
            stream.close()  # type: ignore[attr-defined]
            assert told == list(range(1, senders * each + 1))
            for number in range(senders):
                assert texts(one, room, f"{user} {number}") == [f"text {n}" for n in range(each)]

    @pytest.mark.parametrize("rooms", [1, 5, 40])
    def test_many_rooms_in_one_batch(self, mongod: LocalMongod, user: str, rooms: int) -> None:
        names = [f"room {next(NUMBERS)}" for _ in range(rooms)]
        with mongo_store(mongod.uri) as one, mongo_store(mongod.uri) as other:
            futures = [
                store.submit(
                    name, f"{user} {id(store)}", f"text {part}", client_msg_id=f"{name}/{part}"
                )
                for part in range(400 // rooms)
                for name in names
                for store in (one, other)
            ]
            answers: list[Saved] = [future.result(20) for future in futures]
            assert not any(answer.duplicate for answer in answers)
            for name in names:
                assert numbers(one, name) == list(range(1, 2 * (400 // rooms) + 1))
                for store in (one, other):
                    said = texts(one, name, f"{user} {id(store)}")
                    assert said == [f"text {part}" for part in range(400 // rooms)]


def test_a_database_of_version_0_1_is_opened_as_it_is(mongod: LocalMongod) -> None:
    """Its rooms may have gaps; its counters may be ahead, or behind after a failover."""
    client = connect_mongodb(mongod.uri)
    client.drop_database("goim_0_1")
    old = client["goim_0_1"]
    when = datetime(2026, 11, 1, tzinfo=UTC)
    stored = {"ahead": [1, 2, 5, 9], "behind": [1, 2, 3]}
    counters = [{"_id": "ahead", "last_seq": 20}, {"_id": "behind", "last_seq": 2}]
    old["rooms"].insert_many(counters)
    for room, seqs in stored.items():
        for seq in seqs:
            message = StoredMessage(room, seq, "lisa", f"{room} {seq}", "hello", when)
            old["messages"].insert_one(to_document(message_key("lisa", f"{room} {seq}"), message))
    with client, open_store(client=client, database="goim_0_1") as store:
        for room, seqs in stored.items():
            assert numbers(store, room) == seqs
            again = store.submit(room, "lisa", "hello", client_msg_id=f"{room} {seqs[-1]}").result(
                20
            )
            assert (again.duplicate, again.seq) == (True, seqs[-1])
            assert [answer.seq for answer in send(store, room, room, 3)] == [
                seqs[-1] + n for n in (1, 2, 3)
            ]
        assert list(store.database["rooms"].find()) == counters
        store.database.client.drop_database("goim_0_1")
