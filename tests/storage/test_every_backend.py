"""One suite over every backend: mongomock, a standalone mongod, a replica set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from goim_edu.errors import DuplicateMessage
from goim_edu.storage.documents import MAX_TEXT_BYTES, message_key, utc_now
from goim_edu.store import MessageStore, Saved, StoredMessage
from tests.storing import NUMBERS, send


class TestSaveAndRead:
    def test_what_is_saved_comes_back_as_it_was(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        saved = store.submit(room, user, "hello", client_msg_id="m1").result(20)
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
        store.submit(room, user, "hello", client_msg_id="m1").result(20)
        document = store.database["messages"].find_one({"room_id": room}) or {}
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
        futures = [
            store.submit(f"{room}/{i % 7}", user, "x", client_msg_id=f"m{i}") for i in range(70)
        ]
        wait(futures, 20)
        for part in range(7):
            assert [f.result().seq for f in futures[part::7]] == list(range(1, 11))

    def test_twenty_senders_at_once(self, store: MessageStore, room: str, user: str) -> None:
        def sender(number: int) -> list[int]:
            return [
                store.submit(room, f"{user}/{number}", f"{number} {i}", client_msg_id=f"m{i}")
                .result(20)
                .seq
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
            futures = [
                store.submit_async(room, user, "x", client_msg_id=f"m{i % 5}") for i in range(10)
            ]
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
    saved += [
        store.submit(room, user, "x", client_msg_id=f"later {i}").result(20) for i in range(20)
    ]
    saved += [
        f.result(20)
        for f in [store.submit(room, user, "x", client_msg_id=f"l{i}") for i in range(480)]
    ]
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
        first = store.submit(room, user, "hello", client_msg_id="m1").result(20)
        again = store.submit(room, user, "other words", client_msg_id="m1").result(20)
        assert (again.duplicate, again.message) == (True, first.message)
        assert store.submit(room, user, "next", client_msg_id="m2").result(20).seq == 2
        assert [m.text for m in store.history(room)] == ["hello", "next"]

    def test_also_for_a_store_that_does_not_remember(
        self, store: MessageStore, room: str, user: str
    ) -> None:
        first = [saved.message for saved in send(store, room, user, 10)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store.backend, "close", lambda: None)
            with MessageStore(store.backend) as other:
                again = send(other, room, user, 12)
        assert [saved.duplicate for saved in again] == [True] * 10 + [False] * 2
        assert [saved.message for saved in again[:10]] == first
        assert again[10].seq > 10
        assert store.count(room) == 12

    def test_two_at_the_same_time(self, store: MessageStore, room: str, user: str) -> None:
        futures = [store.submit(room, user, "hello", client_msg_id="m1") for _ in range(50)]
        saved = [future.result(20) for future in futures]
        assert [answer.duplicate for answer in saved].count(False) == 1
        assert {answer.seq for answer in saved} == {1}
        assert store.count(room) == 1

    def test_the_key_belongs_to_the_user(self, store: MessageStore, room: str, user: str) -> None:
        pairs = [(f"{user}a:b", "c"), (f"{user}a", "b:c"), (f"{user}a", "c"), (f"{user}b", "c")]
        saved = [store.submit(room, u, "x", client_msg_id=key).result(20) for u, key in pairs]
        assert [answer.duplicate for answer in saved] == [False] * 4

    @pytest.mark.parametrize("remembered", [True, False])
    def test_the_same_key_in_another_room_is_an_error(
        self, store: MessageStore, room: str, user: str, remembered: bool
    ) -> None:
        store.submit(room, user, "hello", client_msg_id="m1").result(20)
        if not remembered:
            for writer in store._writers._all:
                writer._recent.clear()
        with pytest.raises(DuplicateMessage) as caught:
            store.submit(f"{room}!", user, "hello", client_msg_id="m1").result(20)
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
        saved = store.submit(name, name, name, client_msg_id=name).result(20)
        again = store.submit(name, name, name, client_msg_id=name).result(20)
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
        store.submit(room, user, text, client_msg_id="m1").result(20)
        assert store.history(room)[0].text == text

    def test_the_longest_text(self, store: MessageStore, room: str, user: str) -> None:
        text = "é" * (MAX_TEXT_BYTES // 2)
        longest_name = "🙂" * 256
        store.submit(room, longest_name, text, client_msg_id=f"{user}{longest_name}"[:256]).result(
            20
        )
        assert store.history(room)[0].text == text
        with pytest.raises(ValueError, match="16,777,216 bytes; at most"):
            store.submit(room, user, "x" * (16 * 1024 * 1024), client_msg_id="m1")

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
        *names, key = [value if n == place else f"{room} {n}" for n in range(4)]
        with pytest.raises((TypeError, ValueError), match=error):
            store.submit(*names, client_msg_id=key)
        assert store.history(room) == []

    @pytest.mark.parametrize("place", [0, 1, 3])
    @pytest.mark.parametrize("value", ["", "x" * 257])
    def test_names_have_1_to_256_characters(
        self, store: MessageStore, place: int, value: str
    ) -> None:
        *names, key = [value if n == place else "x" for n in range(4)]
        with pytest.raises(ValueError, match="1 to 256 characters"):
            store.submit(*names, client_msg_id=key)
