"""The readers of a store: turns, bounds, deadlines, and askers that have left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from goim_edu.errors import StoreUnavailable
from goim_edu.storage.readers import Readers


class Frozen:
    """One reader, whose database does not answer until it is thawed."""

    def __init__(self, **settings: float) -> None:
        self.thawed = threading.Event()
        self.asked: list[str] = []
        self.entered = threading.Event()
        self.readers = Readers(threads=1, **settings)  # type: ignore[arg-type]
        self.first = self.readers.ask("first", self._freeze)
        assert self.entered.wait(20)

    def _freeze(self) -> None:
        self.entered.set()
        self.thawed.wait(20)

    def ask(self, asker: str, name: str) -> Future[str]:
        def answer() -> str:
            self.asked.append(name)
            return name

        return self.readers.ask(asker, answer)


@pytest.fixture
def frozen() -> Iterator[Callable[..., Frozen]]:
    made: list[Frozen] = []

    def make(**settings: float) -> Frozen:
        made.append(Frozen(**settings))
        return made[-1]

    yield make
    for one in made:
        one.thawed.set()
        one.readers.close()


def test_askers_take_turns(frozen: Callable[..., Frozen]) -> None:
    """One that has asked a hundred things makes another one wait for one of them only."""
    database = frozen()
    last = [database.ask("greedy", f"g{number}") for number in range(100)][-1]
    honest = [database.ask("honest", f"h{number}") for number in range(2)]
    database.thawed.set()
    assert [one.result(20) for one in (*honest, last)] == ["h0", "h1", "g99"]
    assert database.asked[:5] == ["g0", "h0", "g1", "h1", "g2"]


def test_what_an_asker_that_has_left_wanted_is_not_asked(frozen: Callable[..., Frozen]) -> None:
    database = frozen()
    gone = [database.ask(f"gone {n % 4}", "gone") for n in range(100)]
    stays = database.ask("stays", "here")
    for number in range(4):
        database.readers.forget(f"gone {number}")
    assert all(future.cancelled() for future in gone)
    assert database.readers.waiting == 1
    database.thawed.set()
    assert stays.result(20) == "here"
    assert database.asked == ["here"]


def test_a_cancelled_question_is_not_asked(frozen: Callable[..., Frozen]) -> None:
    database = frozen()
    cancelled = database.ask("one", "cancelled")
    kept = database.ask("one", "kept")
    assert cancelled.cancel()
    database.thawed.set()
    assert kept.result(20) == "kept"
    assert database.asked == ["kept"]


def test_one_asker_may_have_only_so_many(frozen: Callable[..., Frozen]) -> None:
    database = frozen(max_each=3)
    for number in range(3):
        database.ask("one", str(number))
    with pytest.raises(StoreUnavailable, match="3 of your questions"):
        database.ask("one", "too many")
    database.ask("another", "is not in its way")
    assert database.readers.waiting == 4


def test_when_the_queue_is_full_the_greediest_loses(frozen: Callable[..., Frozen]) -> None:
    database = frozen(max_waiting=4)
    greedy = [database.ask("greedy", f"g{number}") for number in range(4)]
    with pytest.raises(StoreUnavailable, match="too many"):
        database.ask("greedy", "one more")
    honest = [database.ask("honest", "h0"), database.ask("honest", "h1")]
    with pytest.raises(StoreUnavailable, match="too many"):
        database.ask("honest", "more than its share")
    for lost in greedy[2:]:
        with pytest.raises(StoreUnavailable, match="too many"):
            lost.result(20)
    database.thawed.set()
    assert [one.result(20) for one in (*honest, *greedy[:2])] == ["h0", "h1", "g0", "g1"]


def test_a_question_is_answered_at_its_deadline(frozen: Callable[..., Frozen]) -> None:
    """The one that is being asked, and the ones behind it, which are not asked any more."""
    database = frozen(patience=0.05)
    behind = [database.ask("one", "behind") for _ in range(5)]
    futures: list[Future[Any]] = [database.first, *behind]
    for future in futures:
        with pytest.raises(StoreUnavailable, match=r"did not answer in 0\.05 s"):
            future.result(20)
    assert database.readers.waiting == 0
    database.thawed.set()
    database.readers.close()
    assert database.asked == []


def test_an_error_is_the_askers(frozen: Callable[..., Frozen]) -> None:
    readers = Readers()
    with pytest.raises(ZeroDivisionError):
        readers.ask("one", lambda: 1 // 0).result(20)
    assert readers.ask("one", lambda: "goes on").result(20) == "goes on"
    readers.close()


def test_close_cancels_what_waits(frozen: Callable[..., Frozen]) -> None:
    database = frozen()
    waits = database.ask("one", "waits")
    closer = threading.Thread(target=database.readers.close)
    closer.start()
    with pytest.raises(CancelledError):
        waits.result(20)
    with pytest.raises(StoreUnavailable, match="closed"):
        database.ask("another", "late")
    database.thawed.set()
    closer.join(20)
    assert database.first.result(0) is None
