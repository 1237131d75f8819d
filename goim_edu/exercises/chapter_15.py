"""Exercises of chapter 15b: several servers (MongoDB manual, "Change Streams")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Predict

__all__ = ["broken_promise", "handed_on"]

# ---------------------------------------------------------------------- 15.1

_INVERSION = Predict(id="15.1", right="b")

# ---------------------------------------------------------------------- 15.2


def handed_on(last: int, arrived: Sequence[int]) -> list[int]:
    """What a gate hands on, in order and each once, of the numbers that arrive in some order."""
    held: set[int] = set()
    passed = []
    for seq in arrived:
        held.add(seq)
        while last + 1 in held:
            last += 1
            passed.append(last)
    return passed


def _arrivals(c: Choices) -> tuple[int, list[int]]:
    last = c.integer(0, 3)
    return last, c.some(0, 8, lambda: c.integer(1, 7))


_GATE = Function(
    id="15.2",
    starter="""
        def handed_on(last, arrived):
            return arrived
    """,
    reference=handed_on,
    cases=(
        (10, [11, 12, 13]),
        (10, [11, 11, 12]),
        (10, [12, 11]),
        (10, [9, 10, 11]),
        (10, [12, 13]),
        (10, [13, 12, 11, 14]),
        (0, []),
        (10, [12, 11, 12, 13]),
    ),
    make=_arrivals,
    wrong=(
        """
            def handed_on(last, arrived):
                passed = []
                for seq in arrived:
                    if seq > last:
                        last = seq
                        passed.append(seq)
                return passed
        """,
        """
            def handed_on(last, arrived):
                return sorted({seq for seq in arrived if seq > last})
        """,
        """
            def handed_on(last, arrived):
                passed = []
                for seq in arrived:
                    if seq == last + 1:
                        last = seq
                        passed.append(seq)
                return passed
        """,
        ("while last + 1 in held:", "if last + 1 in held:"),
    ),
)

# ---------------------------------------------------------------------- 15.3


def broken_promise(stored: Sequence[str], heard: Sequence[int]) -> str | None:
    """What is wrong with what a reader heard of a room that it was in from the beginning."""
    expected = 1
    for seq in heard:
        if seq < expected:
            return "repeated"
        if seq > len(stored):
            return "invented"
        if seq > expected:
            return "out of order" if expected in heard else "missed"
        expected += 1
    return "missed" if expected <= len(stored) else None


_FOUR: Final = ["hi", "ho", "hi", "bye"]


def _history(c: Choices) -> tuple[list[str], list[int]]:
    stored = _FOUR[: c.integer(0, 4)]
    heard = list(range(1, len(stored) + 1))
    if heard and c.integer(0, 3):
        at = c.integer(0, len(heard) - 1)
        change = c.pick(("drop", "repeat", "swap", "invent"))
        if change == "drop":
            del heard[at]
        elif change == "repeat":
            heard.insert(at, heard[max(0, at - 1)])
        elif change == "swap":
            heard[0], heard[at] = heard[at], heard[0]
        else:
            heard.append(len(stored) + 1)
    return stored, heard


_BROKEN = Function(
    id="15.3",
    starter="""
        def broken_promise(stored, heard):
            return None
    """,
    reference=broken_promise,
    cases=(
        (_FOUR, [1, 2, 3, 4]),
        (_FOUR, [1, 2, 4]),
        (_FOUR, [1, 2, 2, 3, 4]),
        (_FOUR, [1, 3, 2, 4]),
        (_FOUR, [1, 2, 3, 4, 5]),
        (_FOUR, [1, 2, 3]),
        ([], []),
        (_FOUR, []),
    ),
    make=_history,
    wrong=(
        """
            def broken_promise(stored, heard):
                if len(heard) < len(stored):
                    return "missed"
                if len(heard) > len(stored):
                    return "invented"
                return None if heard == sorted(heard) else "out of order"
        """,
        ('return "out of order" if expected in heard else "missed"', 'return "missed"'),
        ('return "missed" if expected <= len(stored) else None', "return None"),
        ("if seq > len(stored):", "if seq > len(stored) + 1:"),
    ),
)

# ---------------------------------------------------------------------- 15.4


def holes(numbers: Sequence[int]) -> list[int]:
    """The numbers that are missing from 1 to the highest."""
    there = set(numbers)
    return [seq for seq in range(1, max(there, default=0) + 1) if seq not in there]


_HOLES = Function(
    id="15.4",
    starter="""
        def holes(numbers):
            return [numbers[0] + 1]
    """,
    reference=holes,
    cases=(
        ([1, 2, 4],),
        ([1, 2, 3],),
        ([4, 1, 2],),
        ([3],),
        ([1, 6],),
        ([],),
        ([2, 2, 1, 4],),
    ),
    make=lambda c: (c.some(0, 6, lambda: c.integer(1, 8)),),
    wrong=(
        """
            def holes(numbers):
                return [a + 1 for a, b in zip(numbers, numbers[1:]) if b > a + 1]
        """,
        """
            def holes(numbers):
                return sorted(set(range(min(numbers, default=1), max(numbers, default=0) + 1))
                    - set(numbers))
        """,
        """
            def holes(numbers):
                return [seq for seq in range(1, len(numbers) + 1) if seq not in numbers]
        """,
    ),
)
