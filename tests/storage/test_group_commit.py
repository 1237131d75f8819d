"""The writer, with backends that fail on demand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Any

import pytest

from goim_edu.errors import StoreError, StoreUnavailable
from goim_edu.storage.backend import DuplicateKey, Inserted, Unsure
from goim_edu.store import MemoryBackend, MessageStore, Saved
from tests.storing import send

Documents = Sequence[dict[str, Any]]
Insert = Callable[[Documents], Inserted]
Step = Callable[[Insert, Documents], Inserted]
"""What becomes of one insert: gets the way to insert really, and the documents."""


class FailingBackend(MemoryBackend):
    """A backend whose next calls do what a test wants; afterwards it works."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[Step] = []
        self.away = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def insert(self, documents: Documents) -> Inserted:
        self.entered.set()
        self.gate.wait(20)
        if self.away:
            raise StoreUnavailable("no primary")
        if self.plan:
            return self.plan.pop(0)(super().insert, documents)
        return super().insert(documents)


def lost_answer(insert: Insert, documents: Documents) -> Inserted:
    """The write arrives, its answer does not."""
    insert(documents)
    raise Unsure("the answer was lost")


def lost_request(insert: Insert, documents: Documents) -> Inserted:
    """The write does not arrive, and nobody can know."""
    raise Unsure("the request was lost")


@pytest.fixture
def failing() -> Iterator[tuple[FailingBackend, MessageStore]]:
    backend = FailingBackend()
    with MessageStore(backend, patience=0.3, max_waiting=10, flush_timeout=2) as store:
        yield backend, store
        backend.gate.set()


class TwoWriters(MemoryBackend):
    """A backend whose inserts into one room wait at a gate."""

    writers = 2

    def __init__(self, held: str) -> None:
        super().__init__()
        self.held = held
        self.gate = threading.Event()

    def insert(self, documents: Documents) -> Inserted:
        if any(document["room_id"] == self.held for document in documents):
            self.gate.wait(20)
        return super().insert(documents)


def test_a_room_that_is_held_up_holds_up_no_room_of_the_other_writer() -> None:
    backend = TwoWriters("held")
    with MessageStore(backend, flush_timeout=5) as store:
        rooms = [f"room {n}" for n in range(64)]
        other = next(r for r in rooms if store._writers.of(r) is not store._writers.of("held"))
        waiting = [store.submit("held", "u", "x", client_msg_id=f"h{n}") for n in range(5)]
        free = [
            store.submit(other, "u", "x", client_msg_id=f"o{n}").result(5).seq for n in range(5)
        ]
        assert free == [1, 2, 3, 4, 5]
        assert not any(future.done() for future in waiting)
        assert store.stats.waiting == 5
        assert not store.flush(0.05)
        backend.gate.set()
        assert store.flush(5)
        assert [future.result(5).seq for future in waiting] == [1, 2, 3, 4, 5]
        assert (store.stats.saved, store.stats.waiting) == (10, 0)


def test_closing_writes_what_waits_for_either_writer() -> None:
    backend = TwoWriters("")
    store = MessageStore(backend, flush_timeout=5)
    futures = [store.submit(f"room {n}", "u", "x", client_msg_id=f"m{n}") for n in range(20)]
    store.close()
    assert [future.result(0).seq for future in futures] == [1] * 20
    with pytest.raises(StoreUnavailable, match="closed"):
        store.submit("room 1", "u", "x", client_msg_id="late")


class TestAnswersInASecondThread:
    """When many messages wait, the next batch goes before the last one is answered."""

    @pytest.fixture
    def crowd(self) -> Iterator[tuple[FailingBackend, MessageStore, list[Future[Saved]]]]:
        """A store at a gate, where two thousand messages wait in batches of fifty."""
        backend = FailingBackend()
        backend.gate.clear()
        with MessageStore(backend, max_batch=50, flush_timeout=5) as store:
            futures = [store.submit("r", "u", "x", client_msg_id=f"m{n}") for n in range(2000)]
            yield backend, store, futures
            backend.gate.set()

    def test_in_the_order_of_seq(self, crowd: Crowd) -> None:
        backend, store, futures = crowd
        threads: set[str] = set()
        answered: list[int] = []

        def note(future: Future[Saved]) -> None:
            threads.add(threading.current_thread().name)
            answered.append(future.result().seq)

        for future in futures:
            future.add_done_callback(note)
        backend.plan = [lost_answer, lost_request] * 5
        backend.gate.set()
        assert store.flush(20)
        assert answered == list(range(1, 2001))
        assert "goim store answers" in threads

    def test_the_writer_does_not_run_away_from_it(self, crowd: Crowd) -> None:
        backend, store, futures = crowd
        go_on = threading.Event()
        futures[0].add_done_callback(lambda _: go_on.wait(20))
        backend.gate.set()
        deadline = time.monotonic() + 20
        while store.count("r") < 150:  # one is being told, one waits, one is stored
            assert time.monotonic() < deadline
        assert store.count("r") == 150
        go_on.set()
        assert store.flush(20)
        assert store.count("r") == 2000

    def test_a_sender_may_close_the_store(self) -> None:
        backend = FailingBackend()
        backend.gate.clear()
        store = MessageStore(backend, max_batch=50, flush_timeout=0.1)
        futures = [store.submit("r", "u", "x", client_msg_id=f"m{n}") for n in range(2000)]
        futures[0].add_done_callback(lambda _: store.close())
        backend.gate.set()
        done, left = wait(futures, 20)
        assert not left
        saved = [future.result().seq for future in done if future.exception() is None]
        assert sorted(saved) == list(range(1, store.backend.count("r") + 1))
        told = {type(future.exception()) for future in done} - {type(None)}
        assert told <= {StoreUnavailable}


Failing = tuple[FailingBackend, MessageStore]
Crowd = tuple[FailingBackend, MessageStore, list[Future[Saved]]]


class TestWriter:
    @pytest.mark.parametrize(
        "plan", [[lost_answer], [lost_request], [lost_answer] * 3, [lost_request, lost_answer]]
    )
    def test_an_unknown_outcome_is_found_out(self, failing: Failing, plan: list[Any]) -> None:
        backend, store = failing
        backend.plan = list(plan)
        saved = send(store, "r", "u", 8)
        assert [answer.duplicate for answer in saved] == [False] * 8
        stored = {m.client_msg_id: m for m in store.history("r")}
        assert len(stored) == store.count("r") == 8
        assert [stored[f"m{i}"] for i in range(8)] == [answer.message for answer in saved]

    def test_half_a_batch_arrived(self, failing: Failing) -> None:
        backend, store = failing
        answered: list[int] = []

        def half(insert: Insert, documents: Documents) -> Inserted:
            insert(documents[: len(documents) // 2])
            raise Unsure("the primary died")

        backend.plan = [half]
        backend.gate.clear()
        futures = [store.submit("r", "u", "x", client_msg_id=f"m{i}") for i in range(9)]
        for future in futures:
            future.add_done_callback(lambda done: answered.append(done.result().seq))
        backend.gate.set()
        assert all(not future.result(20).duplicate for future in futures)
        assert [m.client_msg_id for m in store.history("r")] == [f"m{i}" for i in range(9)]
        assert answered == list(range(1, 10))

    def test_a_full_queue_pushes_back(self, failing: Failing) -> None:
        backend, store = failing
        backend.gate.clear()
        first = store.submit("r", "u", "x", client_msg_id="first")
        assert backend.entered.wait(20)
        queued = [store.submit("r", "u", "x", client_msg_id=f"m{i}") for i in range(10)]
        with pytest.raises(StoreUnavailable, match="10 messages wait"):
            store.submit("r", "u", "x", client_msg_id="one too many")
        assert store.stats.waiting == 11
        backend.gate.set()
        assert {future.result(20).duplicate for future in [first, *queued]} == {False}
        assert store.count("r") == 11

    def test_the_queue_is_bounded_in_bytes_too(self) -> None:
        backend = FailingBackend()
        backend.gate.clear()
        with MessageStore(backend, max_waiting_bytes=1000) as store:
            store.submit("r", "u", "x", client_msg_id="first")
            assert backend.entered.wait(20)
            store.submit("r", "u", "x" * 900, client_msg_id="m1")
            with pytest.raises(StoreUnavailable, match="try again later"):
                store.submit("r", "u", "x" * 101, client_msg_id="m2")
            backend.gate.set()

    def test_what_waits_too_long_is_given_back_unsaved(self, failing: Failing) -> None:
        backend, store = failing
        backend.away = True
        begin = time.monotonic()
        futures = [store.submit("r", "u", "x", client_msg_id=f"m{i}") for i in range(5)]
        for future in futures:
            with pytest.raises(StoreUnavailable, match="nothing was saved: no primary"):
                future.result(20)
        assert 0.2 < time.monotonic() - begin < 5
        backend.away = False
        assert [saved.duplicate for saved in send(store, "r", "u", 5)] == [False] * 5

    def test_what_waits_behind_an_unknown_outcome_is_given_back(self, failing: Failing) -> None:
        backend, store = failing
        stuck = threading.Event()

        def not_yet(insert: Insert, documents: Documents) -> Inserted:
            if not stuck.is_set():
                backend.plan.append(not_yet)
            raise Unsure("nobody answers")

        backend.plan = [not_yet]
        unknown = store.submit("r", "u", "x", client_msg_id="unknown")
        assert backend.entered.wait(20)
        behind = store.submit("r", "u", "x", client_msg_id="behind")
        with pytest.raises(StoreUnavailable, match="nothing was saved: nobody answers"):
            behind.result(20)
        assert not unknown.done()
        stuck.set()
        assert not unknown.result(20).duplicate
        assert store.count("r") == 1

    def test_what_waits_behind_a_slow_write_is_written(self, failing: Failing) -> None:
        backend, store = failing
        backend.gate.clear()
        slow = store.submit("r", "u", "x", client_msg_id="slow")
        assert backend.entered.wait(20)
        behind = store.submit("r", "u", "x", client_msg_id="behind")
        time.sleep(0.4)  # longer than its patience, which is for a database that fails
        backend.gate.set()
        assert (slow.result(20).seq, behind.result(20).seq) == (1, 2)

    def test_close_answers_everyone(self) -> None:
        backend = FailingBackend()
        store = MessageStore(backend, flush_timeout=0.2)
        backend.plan = [lost_request] * 1000
        unknown = store.submit("r", "u", "x", client_msg_id="m1")
        assert backend.entered.wait(20)
        behind = store.submit("r", "u", "x", client_msg_id="m2")
        store.close()
        with pytest.raises(StoreError, match="send it again with the same client_msg_id") as fate:
            unknown.result(0)
        # ``unavailable`` would promise that nothing was saved.
        assert not isinstance(fate.value, StoreUnavailable)
        with pytest.raises(StoreError):
            behind.result(0)

    def test_close_writes_what_waits_and_takes_no_more(self) -> None:
        backend = FailingBackend()
        store = MessageStore(backend)
        backend.gate.clear()
        futures = [store.submit("r", "u", "x", client_msg_id=f"m{i}") for i in range(5)]
        threading.Timer(0.1, backend.gate.set).start()
        store.close()
        assert [future.result(0).seq for future in futures] == [1, 2, 3, 4, 5]
        for refused in (
            lambda: store.submit("r", "u", "x", client_msg_id="late"),
            store.ping,
            lambda: store.run(store.count, "r"),
        ):
            with pytest.raises(StoreUnavailable, match="closed"):
                refused()
        store.close()

    def test_a_cancelled_message_is_not_stored(self, failing: Failing) -> None:
        backend, store = failing
        backend.gate.clear()
        store.submit("r", "u", "x", client_msg_id="first")
        assert backend.entered.wait(20)
        cancelled = store.submit("r", "u", "x", client_msg_id="m1")
        wanted_twice = [store.submit("r", "u", "x", client_msg_id="m2") for _ in range(2)]
        assert cancelled.cancel()
        assert wanted_twice[0].cancel()
        backend.gate.set()
        assert wanted_twice[1].result(20).seq == 2
        assert store.flush(20)
        assert [m.client_msg_id for m in store.history("r")] == ["first", "m2"]

    def test_a_refused_document_harms_no_other(self, failing: Failing) -> None:
        backend, store = failing

        def refuse_second(insert: Insert, documents: Documents) -> Inserted:
            insert(documents[:1])
            return Inserted(1, StoreError("MongoDB refused it: Document failed validation"))

        backend.gate.clear()
        store.submit("r", "u", "x", client_msg_id="first")
        assert backend.entered.wait(20)
        backend.plan = [lambda insert, documents: insert(documents), refuse_second]
        futures = [store.submit("r", "u", "x", client_msg_id=f"m{i}") for i in range(3)]
        backend.gate.set()
        assert futures[0].result(20).seq == 2
        with pytest.raises(StoreError, match="failed validation"):
            futures[1].result(20)
        assert futures[2].result(20).seq == 3  # without a gap

    def test_an_unexpected_error_reaches_those_who_wait(self, failing: Failing) -> None:
        backend, store = failing

        def explode(insert: Insert, documents: Documents) -> Inserted:
            raise ZeroDivisionError("a bug")

        backend.plan = [explode]
        with pytest.raises(StoreError, match="ZeroDivisionError: a bug"):
            store.submit("r", "u", "x", client_msg_id="m1").result(20)
        assert store.submit("r", "u", "x", client_msg_id="m2").result(20)

    def test_linger_gathers_company(self) -> None:
        with MessageStore(MemoryBackend(), linger=0.2, max_batch=5) as store:
            wait([store.submit("r", "u", "x", client_msg_id=f"m{i}") for i in range(5)], 20)
            assert store.stats.batches == 1
            begin = time.monotonic()
            store.submit("r", "u", "x", client_msg_id="alone").result(20)
            assert time.monotonic() - begin > 0.15

    def test_a_loop_that_has_ended_stops_nobody(self, failing: Failing) -> None:
        backend, store = failing
        backend.gate.clear()

        async def leave() -> asyncio.Future[Saved]:
            return store.submit_async("r", "u", "x", client_msg_id="m1")

        asyncio.run(leave())
        backend.gate.set()
        assert store.submit("r", "u", "x", client_msg_id="m2").result(20).seq == 2


def batch_of(
    store: MessageStore, backend: FailingBackend, number: int, answered: list[int] | None = None
) -> list[Future[Saved]]:
    """So many messages of one sender, inserted together; notes the numbers as they are answered."""
    backend.gate.clear()
    backend.entered.clear()
    first = store.submit("other room", "u", "x", client_msg_id="first")
    assert backend.entered.wait(20)
    futures = [store.submit("r", "u", "x", client_msg_id=f"m{i}") for i in range(number)]
    if answered is not None:
        for future in futures:
            future.add_done_callback(lambda done: answered.append(done.result().seq))
    backend.gate.set()
    first.result(20)
    return futures


def go_on(insert: Insert, documents: Documents) -> Inserted:
    return insert(documents)


class TestOrder:
    """What happens to a batch never changes its order, and leaves no gap."""

    def test_another_server_took_the_number(self, failing: Failing) -> None:
        backend, store = failing

        def lose(insert: Insert, documents: Documents) -> Inserted:
            insert(documents[:2])
            return Inserted(2, DuplicateKey.ROOM_SEQ)

        backend.plan = [go_on, lose, lose, lose]
        futures = batch_of(store, backend, 7)
        assert [future.result(20).seq for future in futures] == [1, 2, 3, 4, 5, 6, 7]
        assert [m.client_msg_id for m in store.history("r")] == [f"m{i}" for i in range(7)]
        assert store.stats.conflicts == 3

    def test_a_room_that_others_fill_all_the_time(self, failing: Failing) -> None:
        backend, store = failing

        def lose(insert: Insert, documents: Documents) -> Inserted:
            backend.plan.append(lose)
            return Inserted(0, DuplicateKey.ROOM_SEQ)

        backend.plan = [lose]
        with pytest.raises(StoreUnavailable, match="nothing was saved: other servers write"):
            store.submit("r", "u", "x", client_msg_id="m1").result(20)

    def test_a_message_in_the_middle_was_stored_before(self, failing: Failing) -> None:
        """Its answer leaves first: its number is lower than those of the rest."""
        backend, store = failing
        again = {"m2": 1, "m4": 2}
        for key in again:
            store.submit("r", "u", "x", client_msg_id=key).result(20)
        for writer in store._writers._all:
            writer._recent.clear()
        answered: list[int] = []
        futures = batch_of(store, backend, 6, answered)
        answers = {f"m{i}": future.result(20) for i, future in enumerate(futures)}
        assert {key: answers[key].seq for key in again} == again
        assert {key for key, saved in answers.items() if saved.duplicate} == set(again)
        assert [answers[f"m{i}"].seq for i in (0, 1, 3, 5)] == [3, 4, 5, 6]
        assert answered == [1, 2, 3, 4, 5, 6]

    def test_a_late_first_attempt_counts_as_ours(self, failing: Failing) -> None:
        """It is stored while the second one is under way."""
        backend, store = failing
        late: list[Documents] = []

        def leave(insert: Insert, documents: Documents) -> Inserted:
            late.append([dict(document) for document in documents])
            for number, document in enumerate(documents, 1):
                document["seq"] = number  # what a backend with heads would have sent
            raise Unsure("no answer in time")

        def arrive(insert: Insert, documents: Documents) -> Inserted:
            insert(late[0][:2])
            return insert(documents)

        backend.plan = [go_on, leave, arrive]
        saved = [future.result(20) for future in batch_of(store, backend, 4)]
        assert [(answer.seq, answer.duplicate) for answer in saved] == [
            (number, False) for number in (1, 2, 3, 4)
        ]

    def test_what_no_majority_has_yet_is_not_answered(
        self, failing: Failing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another server has stored the same message, and it may still be rolled back."""
        backend, store = failing
        store.submit("r", "u", "x", client_msg_id="m1").result(20)
        for writer in store._writers._all:
            writer._recent.clear()
        asked = threading.Event()

        def nothing(keys: Sequence[str]) -> dict[str, Any]:
            asked.set()
            return {}

        with monkeypatch.context() as patch:
            patch.setattr(backend, "find_committed", nothing)
            again = store.submit("r", "u", "x", client_msg_id="m1")
            assert asked.wait(20)
            time.sleep(0.5)  # longer than the patience of this store
            assert not again.done()
        assert (again.result(20).seq, again.result(20).duplicate) == (1, True)

    def test_a_document_that_spoils_the_command_fails_alone(self, failing: Failing) -> None:
        backend, store = failing

        def spoil(insert: Insert, documents: Documents) -> Inserted:
            backend.plan.append(spoil)
            if any(document["client_msg_id"] == "m2" for document in documents):
                raise StoreError("the message cannot be stored")
            return insert(documents)

        backend.plan = [go_on, spoil]
        futures = batch_of(store, backend, 5)
        with pytest.raises(StoreError, match="cannot be stored"):
            futures[2].result(20)
        assert [futures[i].result(20).seq for i in (0, 1, 3, 4)] == [1, 2, 3, 4]

    def test_nothing_overtakes_what_goes_again_one_by_one(self, failing: Failing) -> None:
        backend, store = failing

        def spoil(insert: Insert, documents: Documents) -> Inserted:
            raise StoreError("one of them cannot be stored")

        def away(insert: Insert, documents: Documents) -> Inserted:
            raise StoreUnavailable("no primary")

        def lose(insert: Insert, documents: Documents) -> Inserted:
            return Inserted(0, DuplicateKey.ROOM_SEQ)

        backend.plan = [go_on, spoil, go_on, away, spoil, go_on, lose]
        futures = batch_of(store, backend, 5)
        assert [future.result(20).seq for future in futures] == [1, 2, 3, 4, 5]
        assert backend.plan == []

    def test_each_room_of_a_batch_stands_together(self, failing: Failing) -> None:
        backend, store = failing
        sent: list[list[str]] = []

        def look(insert: Insert, documents: Documents) -> Inserted:
            sent.append([document["room_id"] for document in documents])
            return insert(documents)

        backend.plan = [look, look]
        backend.gate.clear()
        store.submit("x", "u", "x", client_msg_id="first")
        assert backend.entered.wait(20)
        futures = [store.submit("ab"[i % 2], "u", "x", client_msg_id=f"m{i}") for i in range(6)]
        backend.gate.set()
        assert [future.result(20).seq for future in futures] == [1, 1, 2, 2, 3, 3]
        assert sent == [["x"], ["a", "a", "a", "b", "b", "b"]]
