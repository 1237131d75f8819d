"""Bounded calls: what runs too long is stopped, what is raised is told in one line."""

from __future__ import annotations

import time
from typing import Any

import pytest

from goim_edu.feedback.sandbox import call


def loop_for_ever(data: bytes) -> None:
    while True:
        pass


def loop_in_spite_of_everything(data: bytes) -> None:
    while True:
        try:  # noqa: SIM105
            len(data)
        except:  # noqa: E722
            pass


def print_for_ever(data: bytes) -> None:
    while True:
        print("again and again")


@pytest.mark.parametrize("endless", [loop_for_ever, loop_in_spite_of_everything, print_for_ever])
def test_an_endless_loop_is_stopped(endless: Any) -> None:
    started = time.monotonic()
    outcome = call(endless, (b"",), seconds=0.1)
    assert outcome.stopped
    assert len(outcome.printed) <= 2_000
    assert time.monotonic() - started < 10


def test_a_sleeping_function_does_not_keep_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goim_edu.feedback.sandbox._WALL", 0.1)
    assert call(time.sleep, (0.6,)).stopped


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()])
def test_what_a_function_raises_is_kept(error: BaseException) -> None:
    def fails() -> None:
        raise error

    assert call(fails, ()).error is error


def test_an_error_is_told_in_one_line_with_the_learners_own_line() -> None:
    def learner(data: bytes) -> int:
        return data[9]

    outcome = call(learner, (b"",))
    assert outcome.error_line == "IndexError: index out of range"
    assert outcome.place.endswith("`return data[9]`")


def test_no_address_and_no_line_end_gets_into_an_error_line() -> None:
    def fails() -> None:
        raise ValueError(f"bad\n{object()!r} " + "long " * 100)

    line = call(fails, ()).error_line
    assert "0x" not in line
    assert "\n" not in line
    assert len(line) < 250
