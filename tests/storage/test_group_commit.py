"""The writer, with backends that fail on demand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from typing import Any

import pytest

from goim_edu.errors import StoreError, StoreUnavailable
from goim_edu.storage.backend import Refusal, Unsure
from goim_edu.store import MemoryBackend, MessageStore, Saved
from tests.storing import send


class FailingBackend(MemoryBackend):
    """A backend whose next calls do what a test wants; afterwards it works."""

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
            return step(lambda: super(FailingBackend, self).insert(documents))  # type: ignore[no-any-return]
        return super().insert(documents)


def lost_answer(insert: Callable[[], Any]) -> Any:
    """The write arrives, its answer does not."""
    insert()
    raise Unsure("the answer was lost")


def lost_request(insert: Callable[[], Any]) -> Any:
    """The write does not arrive, and nobody can know."""
    raise Unsure("the request was lost")


@pytest.fixture
def failing() -> Iterator[tuple[FailingBackend, MessageStore]]:
    backend = FailingBackend()
    with MessageStore(backend, patience=0.3, max_waiting=10, flush_timeout=2) as store:
        yield backend, store
        backend.gate.set()


class TwoWriters(MemoryBackend):
    """A backend whose numbers for one room wait at a gate."""

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
    backend = TwoWriters("held")
    with MessageStore(backend, flush_timeout=5) as store:
        rooms = [f"room {n}" for n in range(64)]
        other = next(r for r in rooms if store._writers.of(r) is not store._writers.of("held"))
        waiting = [store.submit("held", "u", f"h{n}", "x") for n in range(5)]
        free = [store.submit(other, "u", f"o{n}", "x").result(5).seq for n in range(5)]
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
    futures = [store.submit(f"room {n}", "u", f"m{n}", "x") for n in range(20)]
    store.close()
    assert [future.result(0).seq for future in futures] == [1] * 20
    with pytest.raises(StoreUnavailable, match="closed"):
        store.submit("room 1", "u", "late", "x")


Failing = tuple[FailingBackend, MessageStore]


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

        def half(insert: Callable[[], Any]) -> Any:
            documents = batches[-1]
            MemoryBackend.insert(backend, documents[::2])
            raise Unsure("the primary died")

        batches: list[Sequence[dict[str, Any]]] = []
        whole = backend.insert

        def insert(documents: Sequence[dict[str, Any]]) -> dict[int, Refusal]:
            batches.append(documents)
            return whole(documents)

        backend.insert = insert  # type: ignore[method-assign]
        backend.plan = [half]
        backend.gate.clear()
        futures = [store.submit("r", "u", f"m{i}", "x") for i in range(9)]
        for future in futures:
            future.add_done_callback(lambda done: answered.append(done.result().seq))
        backend.gate.set()
        assert all(not future.result(20).duplicate for future in futures)
        assert store.count("r") == 9
        assert answered == sorted(answered)

    def test_a_full_queue_pushes_back(self, failing: Failing) -> None:
        backend, store = failing
        backend.gate.clear()
        first = store.submit("r", "u", "first", "x")
        assert backend.entered.wait(20)
        queued = [store.submit("r", "u", f"m{i}", "x") for i in range(10)]
        with pytest.raises(StoreUnavailable, match="10 messages wait"):
            store.submit("r", "u", "one too many", "x")
        assert store.stats.waiting == 11
        backend.gate.set()
        assert {future.result(20).duplicate for future in [first, *queued]} == {False}
        assert store.count("r") == 11

    def test_the_queue_is_bounded_in_bytes_too(self) -> None:
        backend = FailingBackend()
        backend.gate.clear()
        with MessageStore(backend, max_waiting_bytes=1000) as store:
            store.submit("r", "u", "first", "x")
            assert backend.entered.wait(20)
            store.submit("r", "u", "m1", "x" * 900)
            with pytest.raises(StoreUnavailable, match="try again later"):
                store.submit("r", "u", "m2", "x" * 101)
            backend.gate.set()

    def test_what_waits_too_long_is_given_back_unsaved(self, failing: Failing) -> None:
        backend, store = failing
        backend.grants_fail = True
        begin = time.monotonic()
        futures = [store.submit("r", "u", f"m{i}", "x") for i in range(5)]
        for future in futures:
            with pytest.raises(StoreUnavailable, match="nothing was saved: no primary"):
                future.result(20)
        assert 0.2 < time.monotonic() - begin < 5
        backend.grants_fail = False
        assert [saved.duplicate for saved in send(store, "r", "u", 5)] == [False] * 5

    def test_what_waits_behind_an_unknown_outcome_is_given_back(self, failing: Failing) -> None:
        backend, store = failing
        stuck = threading.Event()

        def not_yet(insert: Callable[[], Any]) -> Any:
            if not stuck.is_set():
                backend.plan.append(not_yet)
            raise Unsure("nobody answers")

        backend.plan = [not_yet]
        unknown = store.submit("r", "u", "unknown", "x")
        assert backend.entered.wait(20)
        behind = store.submit("r", "u", "behind", "x")
        with pytest.raises(StoreUnavailable, match="nothing was saved: nobody answers"):
            behind.result(20)
        assert not unknown.done()
        stuck.set()
        assert not unknown.result(20).duplicate
        assert store.count("r") == 1

    def test_what_waits_behind_a_slow_write_is_written(self, failing: Failing) -> None:
        backend, store = failing
        backend.gate.clear()
        slow = store.submit("r", "u", "slow", "x")
        assert backend.entered.wait(20)
        behind = store.submit("r", "u", "behind", "x")
        time.sleep(0.4)  # longer than its patience, which is for a database that fails
        backend.gate.set()
        assert (slow.result(20).seq, behind.result(20).seq) == (1, 2)

    def test_close_answers_everyone(self) -> None:
        backend = FailingBackend()
        store = MessageStore(backend, flush_timeout=0.2)
        backend.plan = [lost_request] * 1000
        unknown = store.submit("r", "u", "m1", "x")
        assert backend.entered.wait(20)
        behind = store.submit("r", "u", "m2", "x")
        store.close()
        with pytest.raises(StoreUnavailable, match="send it again with the same client_msg_id"):
            unknown.result(0)
        with pytest.raises(StoreUnavailable):
            behind.result(0)

    def test_close_writes_what_waits_and_takes_no_more(self) -> None:
        backend = FailingBackend()
        store = MessageStore(backend)
        backend.gate.clear()
        futures = [store.submit("r", "u", f"m{i}", "x") for i in range(5)]
        threading.Timer(0.1, backend.gate.set).start()
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
        backend, store = failing
        backend.gate.clear()
        store.submit("r", "u", "first", "x")
        assert backend.entered.wait(20)
        cancelled = store.submit("r", "u", "m1", "x")
        wanted_twice = [store.submit("r", "u", "m2", "x") for _ in range(2)]
        assert cancelled.cancel()
        assert wanted_twice[0].cancel()
        backend.gate.set()
        assert wanted_twice[1].result(20).seq == 2
        assert store.flush(20)
        assert [m.client_msg_id for m in store.history("r")] == ["first", "m2"]

    def test_a_refused_document_harms_no_other(self, failing: Failing) -> None:
        backend, store = failing

        def refuse_second(insert: Callable[[], Any]) -> Any:
            insert()
            return {1: StoreError("MongoDB refused it: Document failed validation")}

        backend.gate.clear()
        store.submit("r", "u", "first", "x")
        assert backend.entered.wait(20)
        backend.plan = [lambda insert: insert(), refuse_second]
        futures = [store.submit("r", "u", f"m{i}", "x") for i in range(3)]
        backend.gate.set()
        assert futures[0].result(20).seq == 2
        with pytest.raises(StoreError, match="failed validation"):
            futures[1].result(20)
        assert futures[2].result(20).seq == 4

    def test_an_unexpected_error_reaches_those_who_wait(self, failing: Failing) -> None:
        backend, store = failing

        def explode(insert: Callable[[], Any]) -> Any:
            raise ZeroDivisionError("a bug")

        backend.plan = [explode]
        with pytest.raises(StoreError, match="ZeroDivisionError: a bug"):
            store.submit("r", "u", "m1", "x").result(20)
        assert store.submit("r", "u", "m2", "x").result(20)

    def test_linger_gathers_company(self) -> None:
        with MessageStore(MemoryBackend(), linger=0.2, max_batch=5) as store:
            wait([store.submit("r", "u", f"m{i}", "x") for i in range(5)], 20)
            assert store.stats.batches == 1
            begin = time.monotonic()
            store.submit("r", "u", "alone", "x").result(20)
            assert time.monotonic() - begin > 0.15

    def test_a_loop_that_has_ended_stops_nobody(self, failing: Failing) -> None:
        backend, store = failing
        backend.gate.clear()

        async def leave() -> asyncio.Future[Saved]:
            return store.submit_async("r", "u", "m1", "x")

        asyncio.run(leave())
        backend.gate.set()
        assert store.submit("r", "u", "m2", "x").result(20).seq == 2
