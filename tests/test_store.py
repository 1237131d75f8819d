"""The store: one suite over every home that this machine has, then each home's own promises."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo import _csot
from pymongo.errors import OperationFailure, WriteError
from pymongo.write_concern import WriteConcern

from goim_edu.errors import DuplicateMessage, StoreError, StoreUnavailable
from goim_edu.lab.mongo import LocalMongod, LocalReplicaSet
from goim_edu.store import (
    MemoryHome,
    MessageStore,
    MongoHome,
    Saved,
    StoredMessage,
    close_mongo,
    connect_mongodb,
    create_indexes,
    get_mongo,
    insert_one_message,
    lifecycle,
    open_store,
    shared_store,
)
from goim_edu.store.documents import MAX_TEXT_BYTES, message_key, utc_now
from goim_edu.store.home import Refusal, Taken, Unsure
from goim_edu.store.mongodb import _refusals
from tests.conftest import require_mongod

NUMBERS = count(1)


@pytest.fixture
def room() -> str:
    """A room that no other test writes in."""
    return f"room {next(NUMBERS)}"


@pytest.fixture
def user() -> str:
    return f"user {next(NUMBERS)}"


def mongo_store(uri: str, **settings: Any) -> MessageStore:
    """A store in the test's own database."""
    home = MongoHome(connect_mongodb(uri), database="goim_test")
    return MessageStore(home, **settings)


@pytest.fixture(scope="module", params=["memory", "standalone", "replica set"])
def store(request: pytest.FixtureRequest) -> Iterator[MessageStore]:
    """The same interface in each home."""
    if request.param == "memory":
        opened = open_store("memory")
    elif request.param == "standalone":
        opened = mongo_store(request.getfixturevalue("mongod").uri)
    else:
        opened = mongo_store(request.getfixturevalue("replica_set").uri)
    with opened:
        yield opened


@pytest.fixture
def real(mongod: LocalMongod) -> Iterator[MessageStore]:
    """A store on a real mongod, for what mongomock cannot do."""
    with mongo_store(mongod.uri) as opened:
        yield opened


@pytest.fixture
def nobody() -> str:
    """A URI where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"mongodb://lisa:secret@127.0.0.1:{port}/?serverSelectionTimeoutMS=300"


def send(store: MessageStore, room: str, user: str, number: int) -> list[Saved]:
    futures = [store.submit(room, user, f"m{i}", f"text {i}") for i in range(number)]
    return [future.result(20) for future in futures]


# Every home.


class TestSaveAndRead:
    def test_what_is_saved_comes_back_as_it_was(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        saved = store.submit(room, user, "m1", "hello").result(20)
        assert not saved.duplicate
        assert saved.message == StoredMessage(
            room, 1, user, "m1", "hello", saved.message.created_at
        )
        assert before <= saved.message.created_at <= datetime.now(UTC)
        assert saved.message.created_at.microsecond % 1000 == 0
        assert store.history(room) == [saved.message]

    def test_the_document_has_the_fields_of_the_notes(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        store.submit(room, user, "m1", "hello").result(20)
        document = store.database["messages"].find_one({"room_id": room})
        assert list(document) == [
            *("_id", "room_id", "seq", "user_id", "client_msg_id", "text", "created_at")
        ]
        assert document["_id"] == message_key(user, "m1")

    def test_numbers_grow_by_one_in_the_order_of_submission(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        saved = send(store, room, user, 300)
        assert [answer.seq for answer in saved] == list(range(1, 301))
        assert [answer.message.text for answer in saved] == [f"text {i}" for i in range(300)]
        assert store.last_seq(room) == 300
        assert store.count(room) == 300

    def test_rooms_are_numbered_apart(self, store: MessageStore, room: str, user: str) -> None:
        futures = [store.submit(f"{room}/{i % 7}", user, f"m{i}", "x") for i in range(70)]
        wait(futures, 20)
        for part in range(7):
            assert [f.result().seq for f in futures[part::7]] == list(range(1, 11))

    def test_twenty_senders_at_once(self, store: MessageStore, room: str, user: str) -> None:
        def sender(number: int) -> list[int]:
            return [
                store.submit(room, f"{user}/{number}", f"m{i}", f"{number} {i}").result(20).seq
                for i in range(25)
            ]

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(sender, range(20)))
        assert all(earlier < later for own in answers for earlier, later in pairwise(own))
        assert sorted(seq for own in answers for seq in own) == list(range(1, 501))
        stored = {m.seq: m.text for m in store.history(room, limit=1000)}
        for number, own in enumerate(answers):
            assert [stored[seq] for seq in own] == [f"{number} {i}" for i in range(25)]

    def test_an_empty_room(self, store: MessageStore, room: str) -> None:
        assert store.history(room) == []
        assert (store.last_seq(room), store.count(room), store.read_marks(room)) == (0, 0, {})

    def test_insert_one_message_waits_and_makes_up_an_id(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        first = store.insert_one_message(room, user, "same")
        second = store.insert_one_message(room, user, "same")
        assert (first.seq, second.seq) == (1, 2)
        assert first.client_msg_id != second.client_msg_id

    def test_from_a_coroutine(self, store: MessageStore, room: str, user: str) -> None:
        async def main() -> list[Saved]:
            futures = [store.submit_async(room, user, f"m{i % 5}", "x") for i in range(10)]
            return await asyncio.wait_for(asyncio.gather(*futures), 20)

        saved = asyncio.run(main())
        assert [answer.seq for answer in saved] == [1, 2, 3, 4, 5] * 2
        assert [answer.duplicate for answer in saved] == [False] * 5 + [True] * 5

    def test_reads_in_a_thread_of_the_store(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        send(store, room, user, 2)
        assert [m.seq for m in store.run(store.history, room, limit=1).result(20)] == [2]

    def test_ping_says_seconds(self, store: MessageStore) -> None:
        assert 0 < store.ping() < 5
        assert store.description


@pytest.fixture(scope="module")
def full(store: MessageStore) -> str:
    """A room of a thousand messages, most of which share a millisecond with others."""
    room = f"room {next(NUMBERS)}"
    user = f"user {next(NUMBERS)}"
    saved = send(store, room, user, 500)
    while utc_now() <= saved[-1].message.created_at:
        pass
    saved += [store.submit(room, user, f"later {i}", "x").result(20) for i in range(20)]
    saved += [f.result(20) for f in [store.submit(room, user, f"l{i}", "x") for i in range(480)]]
    assert len({answer.message.created_at for answer in saved}) < 500
    return room


class TestHistory:
    def test_pages_backwards_lose_nothing(self, store: MessageStore, full: str) -> None:
        pages: list[StoredMessage] = []
        while page := store.history(full, before_seq=pages[0].seq if pages else None, limit=64):
            assert [m.seq for m in page] == sorted(m.seq for m in page)
            pages = page + pages
        assert [m.seq for m in pages] == list(range(1, 1001))

    def test_pages_forwards_lose_nothing(self, store: MessageStore, full: str) -> None:
        pages: list[StoredMessage] = []
        while page := store.history(full, after_seq=pages[-1].seq if pages else 0, limit=64):
            pages += page
        assert [m.seq for m in pages] == list(range(1, 1001))

    def test_bounds_are_exclusive(self, store: MessageStore, full: str) -> None:
        def seqs(**bounds: int) -> list[int]:
            return [m.seq for m in store.history(full, **bounds)]

        assert seqs(limit=3) == [998, 999, 1000]
        assert seqs(before_seq=4, limit=2) == [2, 3]
        assert seqs(after_seq=4, limit=2) == [5, 6]
        assert seqs(after_seq=4, before_seq=7, limit=9) == [5, 6]
        assert seqs(before_seq=1) == []
        assert seqs(after_seq=1000) == []
        assert seqs(after_seq=2**62) == []

    def test_by_time(self, store: MessageStore, full: str) -> None:
        messages = store.history(full, limit=1000)
        newest = messages[-1].created_at
        half = messages[500].created_at
        found = store.recent(room_id=full, since=half, limit=1000)
        assert {m.seq for m in found} == {m.seq for m in messages if m.created_at >= half}
        assert [m.created_at for m in found] == sorted((m.created_at for m in found), reverse=True)
        assert store.recent(room_id=full, since=newest + timedelta(seconds=1)) == []
        assert {m.created_at < half for m in store.recent(room_id=full, until=half)} == {True}
        user = messages[0].user_id
        assert len(store.recent(user_id=user, limit=1000)) == 1000
        assert store.recent(limit=1)[0].created_at >= newest

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            (lambda store: store.history("r", before_seq={"$gt": 0}), TypeError),
            (lambda store: store.history("r", limit=0), ValueError),
            (lambda store: store.history("r", limit=10_001), ValueError),
            (lambda store: store.history("r", after_seq=-1), ValueError),
            (lambda store: store.history("r", after_seq=2**63), ValueError),
            (lambda store: store.history({"$ne": ""}), TypeError),
            (lambda store: store.history(""), ValueError),
            (lambda store: store.recent(user_id={"$ne": ""}), TypeError),
            (lambda store: store.recent(since=datetime(2026, 1, 1)), ValueError),
            (lambda store: store.mark_read("r", "u", True), TypeError),
            (lambda store: store.read_marks(["r"]), TypeError),
            (lambda store: store.last_seq({"$gt": ""}), TypeError),
            (lambda store: store.watch({"$gt": ""}), TypeError),
        ],
    )
    def test_bad_questions_are_refused(
        self, store: MessageStore, call: Callable[[MessageStore], object], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            call(store)

    def test_read_marks_never_move_back(self, store: MessageStore, room: str) -> None:
        store.mark_read(room, "lisa", 5)
        store.mark_read(room, "lisa", 3)
        store.mark_read(room, "a.$b", 2**40)
        store.mark_read(f"{room}!", "lisa", 9)
        assert store.read_marks(room) == {"lisa": 5, "a.$b": 2**40}


class TestOncePerKey:
    def test_a_resend_gets_the_first_answer(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        first = store.submit(room, user, "m1", "hello").result(20)
        again = store.submit(room, user, "m1", "other words").result(20)
        assert (again.duplicate, again.message) == (True, first.message)
        assert store.submit(room, user, "m2", "next").result(20).seq == 2
        assert [m.text for m in store.history(room)] == ["hello", "next"]

    def test_also_for_a_store_that_does_not_remember(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        first = [saved.message for saved in send(store, room, user, 10)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store.home, "close", lambda: None)
            with MessageStore(store.home) as other:
                again = send(other, room, user, 12)
        assert [saved.duplicate for saved in again] == [True] * 10 + [False] * 2
        assert [saved.message for saved in again[:10]] == first
        assert again[10].seq > 10
        assert store.count(room) == 12

    def test_two_at_the_same_time(self, store: MessageStore, room: str, user: str) -> None:
        futures = [store.submit(room, user, "m1", "hello") for _ in range(50)]
        saved = [future.result(20) for future in futures]
        assert [answer.duplicate for answer in saved].count(False) == 1
        assert {answer.seq for answer in saved} == {1}
        assert store.count(room) == 1

    def test_the_key_belongs_to_the_user(self, store: MessageStore, room: str, user: str) -> None:
        pairs = [(f"{user}a:b", "c"), (f"{user}a", "b:c"), (f"{user}a", "c"), (f"{user}b", "c")]
        saved = [store.submit(room, *pair, "x").result(20) for pair in pairs]
        assert [answer.duplicate for answer in saved] == [False] * 4

    @pytest.mark.parametrize("remembered", [True, False])
    def test_the_same_key_in_another_room_is_an_error(
        self, store: MessageStore, room: str, user: str, remembered: bool
    ) -> None:
        store.submit(room, user, "m1", "hello").result(20)
        if not remembered:
            for writer in store._writers._all:
                writer._recent.clear()
        with pytest.raises(DuplicateMessage) as caught:
            store.submit(f"{room}!", user, "m1", "hello").result(20)
        assert (caught.value.user_id, caught.value.client_msg_id, caught.value.seq) == (
            *(user, "m1"),
            1,
        )
        assert store.count(f"{room}!") == 0


ODD_NAMES = [
    *("__proto__", "$where", "$gt", "a.b", ".", "a\0b", "constructor", "房间", "e\u0301", "\u200f"),
    *("🙂" * 256, " ", "'; drop", "\ufffe", '{"$gt": ""}'),
]
ODD_TEXTS = ["", "\0", "a\0b", "$set", '{"$where": "1"}', "\ud7ff\ue000\U0010ffff", "x" * 1_000_000]


class TestBadInput:
    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_any_name_is_only_a_value(self, store: MessageStore, name: str) -> None:
        saved = store.submit(name, name, name, name).result(20)
        again = store.submit(name, name, name, name).result(20)
        assert again.duplicate
        assert store.history(name) == [saved.message]
        assert store.recent(room_id=name) == store.recent(user_id=name) == [saved.message]
        assert store.history(f"{name[:200]}?") == []
        store.mark_read(name, name, 1)
        assert store.read_marks(name) == {name: 1}

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_any_text_comes_back(
        self, store: MessageStore, room: str, user: str, text: str
    ) -> None:
        store.submit(room, user, "m1", text).result(20)
        assert store.history(room)[0].text == text

    def test_the_longest_text(self, store: MessageStore, room: str, user: str) -> None:
        text = "é" * (MAX_TEXT_BYTES // 2)
        longest_name = "🙂" * 256
        store.submit(room, longest_name, f"{user}{longest_name}"[:256], text).result(20)
        assert store.history(room)[0].text == text
        with pytest.raises(ValueError, match="16,777,216 bytes; at most"):
            store.submit(room, user, "m1", "x" * (16 * 1024 * 1024))

    @pytest.mark.parametrize("place", range(4))
    @pytest.mark.parametrize(
        ("value", "error"),
        [
            ("\ud800", "lone surrogate"),
            ("ok \udfff", "lone surrogate at index 3"),
            ({"$ne": ""}, "must be a str, not dict"),
            (None, "must be a str, not NoneType"),
            (b"bytes", "must be a str, not bytes"),
        ],
    )
    def test_what_is_no_text_is_refused(
        self, store: MessageStore, room: str, place: int, value: Any, error: str
    ) -> None:
        arguments: list[Any] = [room, "u", "m", "x"]
        arguments[place] = value
        with pytest.raises((TypeError, ValueError), match=error):
            store.submit(*arguments)
        assert store.history(room) == []

    @pytest.mark.parametrize("place", range(3))
    @pytest.mark.parametrize("value", ["", "x" * 257])
    def test_names_have_1_to_256_characters(
        self, store: MessageStore, place: int, value: str
    ) -> None:
        arguments = ["r", "u", "m", "x"]
        arguments[place] = value
        with pytest.raises(ValueError, match="1 to 256 characters"):
            store.submit(*arguments)


# The writer, with homes that fail on demand.


class FailingHome(MemoryHome):
    """A home whose next calls do what a test wants; afterwards it works."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[Callable[[Callable[[], Any]], Any]] = []
        self.grants_fail = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def grant(self, wanted: Mapping[str, int]) -> dict[str, int]:
        if self.grants_fail:
            raise StoreUnavailable("no primary")
        return super().grant(wanted)

    def insert(self, documents: Sequence[dict[str, Any]]) -> dict[int, Refusal]:
        self.entered.set()
        self.gate.wait(20)
        if self.plan:
            step = self.plan.pop(0)
            return step(lambda: super(FailingHome, self).insert(documents))  # type: ignore[no-any-return]
        return super().insert(documents)


def lost_answer(insert: Callable[[], Any]) -> Any:
    """The write arrives, its answer does not."""
    insert()
    raise Unsure("the answer was lost")


def lost_request(insert: Callable[[], Any]) -> Any:
    """The write does not arrive, and nobody can know."""
    raise Unsure("the request was lost")


@pytest.fixture
def failing() -> Iterator[tuple[FailingHome, MessageStore]]:
    home = FailingHome()
    with MessageStore(home, patience=0.3, max_waiting=10, flush_timeout=2) as store:
        yield home, store
        home.gate.set()


class TwoWriters(MemoryHome):
    """A home whose numbers for one room wait at a gate."""

    writers = 2

    def __init__(self, held: str) -> None:
        super().__init__()
        self.held = held
        self.gate = threading.Event()

    def grant(self, wanted: Mapping[str, int]) -> dict[str, int]:
        if self.held in wanted:
            self.gate.wait(20)
        return super().grant(wanted)


def test_a_room_that_is_held_up_holds_up_no_room_of_the_other_writer() -> None:
    home = TwoWriters("held")
    with MessageStore(home, flush_timeout=5) as store:
        rooms = [f"room {n}" for n in range(64)]
        other = next(r for r in rooms if store._writers.of(r) is not store._writers.of("held"))
        waiting = [store.submit("held", "u", f"h{n}", "x") for n in range(5)]
        free = [store.submit(other, "u", f"o{n}", "x").result(5).seq for n in range(5)]
        assert free == [1, 2, 3, 4, 5]
        assert not any(future.done() for future in waiting)
        assert store.stats.waiting == 5
        assert not store.flush(0.05)
        home.gate.set()
        assert store.flush(5)
        assert [future.result(5).seq for future in waiting] == [1, 2, 3, 4, 5]
        assert (store.stats.saved, store.stats.waiting) == (10, 0)


def test_closing_writes_what_waits_for_either_writer() -> None:
    home = TwoWriters("")
    store = MessageStore(home, flush_timeout=5)
    futures = [store.submit(f"room {n}", "u", f"m{n}", "x") for n in range(20)]
    store.close()
    assert [future.result(0).seq for future in futures] == [1] * 20
    with pytest.raises(StoreUnavailable, match="closed"):
        store.submit("room 1", "u", "late", "x")


Failing = tuple[FailingHome, MessageStore]


class TestWriter:
    @pytest.mark.parametrize(
        "plan", [[lost_answer], [lost_request], [lost_answer] * 3, [lost_request, lost_answer]]
    )
    def test_an_unknown_outcome_is_found_out(self, failing: Failing, plan: list[Any]) -> None:
        home, store = failing
        home.plan = list(plan)
        saved = send(store, "r", "u", 8)
        assert [answer.duplicate for answer in saved] == [False] * 8
        stored = {m.client_msg_id: m for m in store.history("r")}
        assert len(stored) == store.count("r") == 8
        assert [stored[f"m{i}"] for i in range(8)] == [answer.message for answer in saved]

    def test_half_a_batch_arrived(self, failing: Failing) -> None:
        home, store = failing
        answered: list[int] = []

        def half(insert: Callable[[], Any]) -> Any:
            documents = batches[-1]
            MemoryHome.insert(home, documents[::2])
            raise Unsure("the primary died")

        batches: list[Sequence[dict[str, Any]]] = []
        whole = home.insert

        def insert(documents: Sequence[dict[str, Any]]) -> dict[int, Refusal]:
            batches.append(documents)
            return whole(documents)

        home.insert = insert  # type: ignore[method-assign]
        home.plan = [half]
        home.gate.clear()
        futures = [store.submit("r", "u", f"m{i}", "x") for i in range(9)]
        for future in futures:
            future.add_done_callback(lambda done: answered.append(done.result().seq))
        home.gate.set()
        assert all(not future.result(20).duplicate for future in futures)
        assert store.count("r") == 9
        assert answered == sorted(answered)

    def test_a_full_queue_pushes_back(self, failing: Failing) -> None:
        home, store = failing
        home.gate.clear()
        first = store.submit("r", "u", "first", "x")
        assert home.entered.wait(20)
        queued = [store.submit("r", "u", f"m{i}", "x") for i in range(10)]
        with pytest.raises(StoreUnavailable, match="10 messages wait"):
            store.submit("r", "u", "one too many", "x")
        assert store.stats.waiting == 11
        home.gate.set()
        assert {future.result(20).duplicate for future in [first, *queued]} == {False}
        assert store.count("r") == 11

    def test_the_queue_is_bounded_in_bytes_too(self) -> None:
        home = FailingHome()
        home.gate.clear()
        with MessageStore(home, max_waiting_bytes=1000) as store:
            store.submit("r", "u", "first", "x")
            assert home.entered.wait(20)
            store.submit("r", "u", "m1", "x" * 900)
            with pytest.raises(StoreUnavailable, match="try again later"):
                store.submit("r", "u", "m2", "x" * 101)
            home.gate.set()

    def test_what_waits_too_long_is_given_back_unsaved(self, failing: Failing) -> None:
        home, store = failing
        home.grants_fail = True
        begin = time.monotonic()
        futures = [store.submit("r", "u", f"m{i}", "x") for i in range(5)]
        for future in futures:
            with pytest.raises(StoreUnavailable, match="nothing was saved: no primary"):
                future.result(20)
        assert 0.2 < time.monotonic() - begin < 5
        home.grants_fail = False
        assert [saved.duplicate for saved in send(store, "r", "u", 5)] == [False] * 5

    def test_what_waits_behind_an_unknown_outcome_is_given_back(self, failing: Failing) -> None:
        home, store = failing
        stuck = threading.Event()

        def not_yet(insert: Callable[[], Any]) -> Any:
            if not stuck.is_set():
                home.plan.append(not_yet)
            raise Unsure("nobody answers")

        home.plan = [not_yet]
        unknown = store.submit("r", "u", "unknown", "x")
        assert home.entered.wait(20)
        behind = store.submit("r", "u", "behind", "x")
        with pytest.raises(StoreUnavailable, match="nothing was saved: nobody answers"):
            behind.result(20)
        assert not unknown.done()
        stuck.set()
        assert not unknown.result(20).duplicate
        assert store.count("r") == 1

    def test_close_answers_everyone(self) -> None:
        home = FailingHome()
        store = MessageStore(home, flush_timeout=0.2)
        home.plan = [lost_request] * 1000
        unknown = store.submit("r", "u", "m1", "x")
        assert home.entered.wait(20)
        behind = store.submit("r", "u", "m2", "x")
        store.close()
        with pytest.raises(StoreUnavailable, match="send it again with the same client_msg_id"):
            unknown.result(0)
        with pytest.raises(StoreUnavailable):
            behind.result(0)

    def test_close_writes_what_waits_and_takes_no_more(self) -> None:
        home = FailingHome()
        store = MessageStore(home)
        home.gate.clear()
        futures = [store.submit("r", "u", f"m{i}", "x") for i in range(5)]
        threading.Timer(0.1, home.gate.set).start()
        store.close()
        assert [future.result(0).seq for future in futures] == [1, 2, 3, 4, 5]
        for refused in (
            lambda: store.submit("r", "u", "late", "x"),
            store.ping,
            lambda: store.run(store.count, "r"),
        ):
            with pytest.raises(StoreUnavailable, match="closed"):
                refused()
        store.close()

    def test_a_cancelled_message_is_not_stored(self, failing: Failing) -> None:
        home, store = failing
        home.gate.clear()
        store.submit("r", "u", "first", "x")
        assert home.entered.wait(20)
        cancelled = store.submit("r", "u", "m1", "x")
        wanted_twice = [store.submit("r", "u", "m2", "x") for _ in range(2)]
        assert cancelled.cancel()
        assert wanted_twice[0].cancel()
        home.gate.set()
        assert wanted_twice[1].result(20).seq == 2
        assert store.flush(20)
        assert [m.client_msg_id for m in store.history("r")] == ["first", "m2"]

    def test_a_refused_document_harms_no_other(self, failing: Failing) -> None:
        home, store = failing

        def refuse_second(insert: Callable[[], Any]) -> Any:
            insert()
            return {1: StoreError("MongoDB refused it: Document failed validation")}

        home.gate.clear()
        store.submit("r", "u", "first", "x")
        assert home.entered.wait(20)
        home.plan = [lambda insert: insert(), refuse_second]
        futures = [store.submit("r", "u", f"m{i}", "x") for i in range(3)]
        home.gate.set()
        assert futures[0].result(20).seq == 2
        with pytest.raises(StoreError, match="failed validation"):
            futures[1].result(20)
        assert futures[2].result(20).seq == 4

    def test_an_unexpected_error_reaches_those_who_wait(self, failing: Failing) -> None:
        home, store = failing

        def explode(insert: Callable[[], Any]) -> Any:
            raise ZeroDivisionError("a bug")

        home.plan = [explode]
        with pytest.raises(StoreError, match="ZeroDivisionError: a bug"):
            store.submit("r", "u", "m1", "x").result(20)
        assert store.submit("r", "u", "m2", "x").result(20)

    def test_linger_gathers_company(self) -> None:
        with MessageStore(MemoryHome(), linger=0.2, max_batch=5) as store:
            wait([store.submit("r", "u", f"m{i}", "x") for i in range(5)], 20)
            assert store.stats.batches == 1
            begin = time.monotonic()
            store.submit("r", "u", "alone", "x").result(20)
            assert time.monotonic() - begin > 0.15

    def test_a_loop_that_has_ended_stops_nobody(self, failing: Failing) -> None:
        home, store = failing
        home.gate.clear()

        async def leave() -> asyncio.Future[Saved]:
            return store.submit_async("r", "u", "m1", "x")

        asyncio.run(leave())
        home.gate.set()
        assert store.submit("r", "u", "m2", "x").result(20).seq == 2


def test_mongomock_stays_quick() -> None:
    with open_store("memory") as store:
        for part in range(5):
            wait([store.submit("r", "u", f"{part}/{i}", "x" * 50) for i in range(2000)], 60)
        begin = time.perf_counter()
        for number in range(100):
            store.submit("r", "u", f"one by one {number}", "x").result(20)
        assert time.perf_counter() - begin < 9  # mongomock's own index takes 90 ms for each
        begin = time.perf_counter()
        assert len(store.history("r", before_seq=5000)) == 50
        assert time.perf_counter() - begin < 1
        assert store.database["messages"].count_documents({}) == 10_100


def test_mongomock_says_what_it_cannot() -> None:
    with open_store("memory") as store:
        assert not store.durable
        assert "forgets" in store.description
        with pytest.raises(StoreError, match="change streams"):
            store.watch()
        with pytest.raises(StoreError, match=r"explain\(\)"):
            store.explain_history("r")


# A real MongoDB.


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
        with pytest.raises(StoreUnavailable, match="indexes of the messages cannot be made"):
            MongoHome(client, database="goim_conflict")
        client.drop_database("goim_conflict")
        client.close()

    def test_double_numbers_from_elsewhere_stop_the_start(self, mongod: LocalMongod) -> None:
        client = connect_mongodb(mongod.uri)
        client["goim_double"]["messages"].insert_many([{"room_id": "r", "seq": 1}] * 1)
        client["goim_double"]["messages"].insert_one({"room_id": "r", "seq": 1})
        with pytest.raises(StoreUnavailable, match="duplicate key"):
            MongoHome(client, database="goim_double")
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


class TestNumbers:
    def test_a_counter_that_a_failover_took_back_is_repaired(
        self, real: MessageStore, room: str, user: str
    ) -> None:
        send(real, room, user, 10)
        real.database["rooms"].delete_one({"_id": room})
        futures = [real.submit(room, user, f"later {i}", "x") for i in range(5)]
        seqs = [future.result(20).seq for future in futures]
        assert min(seqs) > 10
        assert len(set(seqs)) == 5
        assert real.count(room) == 15

    @pytest.mark.parametrize("rooms", [1, 2, 5, 40])
    def test_two_servers_never_give_a_number_twice(
        self, real: MessageStore, mongod: LocalMongod, rooms: int
    ) -> None:
        names = [f"room {next(NUMBERS)}" for _ in range(rooms)]
        with mongo_store(mongod.uri) as other:
            futures: list[Future[Saved]] = []
            for part in range(400 // rooms):
                for name in names:
                    futures += [
                        each.submit(name, f"user {id(each)}", f"{name}/{part}", "x")
                        for each in (real, other)
                    ]
            answers = {(f.result(20).message.room_id, f.result().seq) for f in futures}
        assert len(answers) == len(futures)
        assert sum(real.count(name) for name in names) == len(futures)

    def test_a_room_that_another_server_moved_on_is_asked_again(
        self, real: MessageStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = real.home
        assert isinstance(home, MongoHome)
        names = [f"room {next(NUMBERS)}" for _ in range(4)]

        class Interrupted:
            """The counters, where another server steps in between our write and our look."""

            def find(self, question: Any) -> Any:
                rooms.update_one(
                    {"_id": names[0]}, {"$inc": {"last_seq": 7}, "$set": {"granted_to": "other"}}
                )
                return rooms.find(question)

        rooms = home._rooms
        monkeypatch.setattr(home, "_rooms", Interrupted())
        first = home.grant(dict.fromkeys(names, 5))
        assert first == {names[0]: 13, names[1]: 1, names[2]: 1, names[3]: 1}


class TestConnecting:
    def test_the_scheme_of_the_notes_is_put_right(self) -> None:
        with pytest.raises(StoreUnavailable, match="the scheme must be mongodb://"):
            connect_mongodb("mongo://localhost:27017")
        with pytest.raises(StoreUnavailable, match="the scheme must be mongodb://"):
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
        with pytest.raises(StoreUnavailable) as caught:
            open_store(uri)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500

    def test_nobody_there(self, nobody: str) -> None:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"no MongoDB answered: .*refused") as caught:
            open_store(nobody)
        assert time.monotonic() - begin < 5
        assert "secret" not in str(caught.value)
        assert "Topology" not in str(caught.value)

    def test_no_such_home(self) -> None:
        with pytest.raises(StoreUnavailable, match="'redis' names no store"):
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
            assert isinstance(store.home, MongoHome)
            assert store.home._messages.write_concern.document == expected

    def test_auto_follows_the_variable(
        self, mongod: LocalMongod, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOIM_MONGO_URI", mongod.uri)
        with open_store("auto") as store:
            assert store.durable
            assert str(mongod.port) in store.description

    def test_auto_without_any_mongod(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GOIM_MONGO_URI", raising=False)
        monkeypatch.setattr(lifecycle, "_why_no_mongod", lambda: "there is none")
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
            assert store.submit("lobby", "lisa", "m1", "hello").result(20).duplicate
            assert store.submit("lobby", "lisa", "m2", "hello").result(20).seq > 1
            with pytest.raises(StoreUnavailable, match=f"in use by process {os.getpid()}"):
                open_store("local", tmp_path)

    def test_a_mongod_that_dies_is_started_again(self, tmp_path: Path) -> None:
        require_mongod()
        with open_store("local", tmp_path) as store:
            store.insert_one_message("lobby", "lisa", "before")
            os.kill(int((tmp_path / "db" / "mongod.lock").read_text()), signal.SIGKILL)
            after = store.submit("lobby", "lisa", "m1", "after").result(60)
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
        lifecycle._store_pid -= 1  # what a child sees after a fork: made by another process
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
from goim_edu.store import shared_store
store = shared_store({mongod.uri!r})
for i in range(3000):
    store.submit({room!r}, "u", {room!r} + str(i), "x")
{end}
"""
        begin = time.monotonic()
        done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
        assert done.returncode == code
        assert time.monotonic() - begin < 25
        with pymongo.MongoClient[Any](mongod.uri) as client:
            assert client["GOIM"]["messages"].count_documents({"room_id": room}) == 3000


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
            ({"writeErrors": [{"index": 0, "code": 11602, "errmsg": "stepping down"}]}, Unsure),
        ],
    )
    def test_an_open_outcome_is_no_answer(
        self, answer: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error) as caught:
            _refusals(answer)
        assert type(caught.value) is error

    def test_each_document_has_its_own(self) -> None:
        by_key = {"index": 1, "code": 11000, "keyPattern": {"_id": 1}}
        by_seq = {"index": 3, "code": 11000, "keyPattern": {"room_id": 1, "seq": 1}}
        invalid = {"index": 4, "code": 121, "errmsg": "Document failed validation"}
        found = _refusals({"n": 2, "writeErrors": [by_key, by_seq, invalid]})
        assert (found[1], found[3]) == (Taken.KEY, Taken.SEQ)
        assert "failed validation" in str(found[4])

    def test_a_write_concern_that_nobody_can_fulfil_is_an_error(
        self, replica_set: LocalReplicaSet, room: str, user: str
    ) -> None:
        client = connect_mongodb(replica_set.uri)
        home = MongoHome(client, database="goim_test", write_concern=WriteConcern(5))
        with (
            MessageStore(home) as store,
            pytest.raises(StoreError, match="nobody can acknowledge"),
        ):
            store.submit(room, user, "m1", "x").result(20)

    def test_a_server_that_does_not_let_us_write(
        self, mongod: LocalMongod, room: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with mongo_store(mongod.uri, patience=0.2) as store:
            monkeypatch.setattr(store.home, "_write_concern", {"w": 2})
            with pytest.raises(StoreUnavailable, match="nothing was saved: MongoDB refused"):
                store.submit(room, "u", "refused", "x").result(20)
        with pytest.raises(StoreUnavailable):
            store.ping()
