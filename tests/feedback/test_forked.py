"""A function that no thread could stop is stopped, and the notebook lives on."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psutil
import pytest

from goim_edu.exercises import check
from goim_edu.feedback import forked
from goim_edu.feedback.forked import Report, can_fork, run_forked

pytestmark = pytest.mark.skipif(
    not can_fork(), reason="a process with threads is not forked on this system"
)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(forked, "CPU_SECONDS", 0.5)
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before, "a child stayed behind"


class TestRunForked:
    def test_what_it_returns(self) -> None:
        def work(report: Report) -> int:
            report("first")
            report("second")
            return 7

        assert run_forked(work) == forked.Forked(7, True, False, 2, "second")

    def test_a_large_answer(self) -> None:
        assert run_forked(lambda _: b"x" * 5_000_000).value == b"x" * 5_000_000

    def test_what_it_changes_is_gone(self) -> None:
        here: list[int] = []
        run_forked(lambda _: here.append(1))
        assert here == []

    @pytest.mark.parametrize(
        "stuck",
        [
            lambda: sum(count()),
            lambda: re.match(r"(a+)+$", "a" * 60 + "b"),
            lambda: 10 ** (10**9),
        ],
    )
    def test_a_loop_in_c(self, stuck: Callable[[], Any]) -> None:
        def work(report: Report) -> None:
            report(1)
            stuck()

        assert run_forked(work) == forked.Forked(None, False, True, 1, 1)

    def test_one_that_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(forked, "WALL_SECONDS", 0.2)
        assert run_forked(lambda _: time.sleep(60)).stuck

    @pytest.mark.parametrize(
        "end",
        [
            lambda: os._exit(0),
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            lambda: sys.exit(3),
            lambda: [][1],
        ],
    )
    def test_one_that_ends_its_process(self, end: Callable[[], Any]) -> None:
        assert run_forked(lambda _: end()) == forked.Forked(None, False, False, 0, None)

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(forked, "CPU_SECONDS", 10.0)

        def work(_: Report) -> str:
            kept = []
            try:
                while True:
                    kept.append(bytearray(50_000_000))
            except MemoryError:
                return f"{len(kept)} times"

        times = int(str(run_forked(work).value).split()[0])
        assert times <= 2 * forked.MEMORY // 50_000_000  # what was free already comes on top

    def test_a_report_that_cannot_be_sent_is_a_report_all_the_same(self) -> None:
        assert run_forked(lambda report: report(lambda: None)).reports == 1


class Loops(str):
    def __eq__(self, other: object) -> bool:
        while True:
            pass

    __hash__ = str.__hash__


class LoopsWhenShown:
    def __repr__(self) -> str:
        while True:
            pass


def nested(key: str) -> object:
    inside: object = None
    for _ in range(100_000):
        inside = [inside]
    return inside


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda key: sum(count()), "did not end, so it was stopped"),
        (lambda key: re.match(r"(a+)+$", "a" * 60 + "b"), "did not end, so it was stopped"),
        (lambda key: Loops("x"), "did not end, so it was stopped"),
        (lambda key: LoopsWhenShown(), "did not end, so it was stopped"),
        (lambda key: os._exit(0), "ended the whole process"),
        (lambda key: bytearray(10**13), "MemoryError"),
        (nested, "not yet"),
    ],
)
def test_a_check_of_it_ends(answer: Callable[[str], Any], word: str) -> None:
    card = check("02.2", answer)
    assert not card.passed
    assert word in str(card)


def test_a_right_answer_passes_as_before() -> None:
    from goim_edu.exercises import catalogue

    exercise: Any = catalogue.find("02.2")
    assert check("02.2", exercise.package).passed


def test_where_nothing_can_be_forked_a_thread_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goim_edu.exercises.judge.can_fork", lambda: False)
    assert not check("02.2", lambda key: "x").passed
