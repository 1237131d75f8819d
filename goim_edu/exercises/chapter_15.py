"""Exercises of chapter 15b: several servers (MongoDB manual, "Change Streams")."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict

__all__ = ["broken_promise", "gate"]

# ---------------------------------------------------------------------- 15.1

_INVERSION = Predict(id="15.1", right="b")

# ---------------------------------------------------------------------- 15.2


def gate(last: int, arrived: Sequence[int]) -> list[int | str]:
    """What a gate does with numbers that arrive in any order: it hands on, holds, and asks."""
    held: set[int] = set()
    steps: list[int | str] = []
    for seq in arrived:
        if seq <= last:
            continue
        new_gap = not held or seq == last + 1
        held.add(seq)
        while last + 1 in held:
            last += 1
            held.discard(last)
            steps.append(last)
        if held and new_gap:
            steps.append("fill")
    return steps


def _arrivals(c: Choices) -> tuple[int, list[int]]:
    last = c.integer(0, 3)
    return last, c.some(0, 8, lambda: c.integer(1, 9))


_GATE = Function(
    id="15.2",
    starter="""
        def gate(last, arrived):
            return arrived
    """,
    reference=gate,
    cases=(
        (10, [11, 12, 13]),
        (10, [11, 11, 12]),
        (10, [12, 11]),
        (10, [9, 10, 11]),
        (10, [12, 13]),
        (10, [13, 12, 11, 14]),
        (10, [12, 14, 11, 13]),
        (10, [12, 12, 11, 12, 13]),
        (0, []),
    ),
    make=_arrivals,
    wrong=(
        """
            def gate(last, arrived):
                steps = []
                for seq in arrived:
                    if seq > last:
                        last = seq
                        steps.append(seq)
                return steps
        """,
        """
            def gate(last, arrived):
                return sorted({seq for seq in arrived if seq > last})
        """,
        """
            def gate(last, arrived):
                steps = []
                for seq in arrived:
                    if seq == last + 1:
                        last = seq
                        steps.append(seq)
                    elif seq > last:
                        steps.append("fill")
                return steps
        """,
        ("while last + 1 in held:", "if last + 1 in held:"),
        ("if held and new_gap:", "if held:"),
        ("not held or seq == last + 1", "not held"),
        ("if held and new_gap:", "if False:"),
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

_PROTECTIONS: Final[dict[str, tuple[object, str]]] = {
    "numbers": (
        "insert",
        "A counter grants a number before the message is stored, so another server may be faster.",
    ),
    "fence": (True, "Two servers that have read the same head store the same number."),
    "once": (True, "A server whose answer was lost inserts its message for the second time."),
    "head": (
        "majority",
        "What one member has may be taken back by a failover. Then the next number is a hole.",
    ),
}
"""What each protection has to be, and what happens without it."""


def _judge_rules(answer: Any) -> str | None:
    wanted = (*_PROTECTIONS, "ordered", "batch", "faults")
    if not all(hasattr(answer, name) for name in wanted):
        return "The rules are wanted: `answer = rules`."
    if (answer.batch, answer.faults) != (1, 2):
        return "Leave `batch=1` and `faults=2` as they are: the protections are to be chosen."
    for name, (needed, without) in _PROTECTIONS.items():
        if getattr(answer, name) != needed:
            return f"{without} `explore` finds that with `{name}={getattr(answer, name)!r}`."
    if answer.ordered:
        return """Nothing goes wrong any more. But one protection does nothing here, since each
            insert has one message only: try without it."""
    return None


def _rules(**changes: object) -> SimpleNamespace:
    """Rules as the right answer has them, but for some."""
    right = {name: needed for name, (needed, _) in _PROTECTIONS.items()}
    return SimpleNamespace(**right | {"ordered": False, "batch": 1, "faults": 2} | changes)


_MEND = Measure(
    id="15.4",
    starter="""
        from goim_edu.lab.interleavings import Rules, explore, writers

        rules = Rules(
            numbers="counter", head="local", ordered=False, fence=False, once=False,
            batch=1, faults=2,
        )
        print(explore(writers([["a1", "a2"], ["b1"]], rules)))
        answer = rules
    """,
    solved=(
        *('numbers="counter"', 'numbers="insert"', 'head="local"', 'head="majority"'),
        *("fence=False", "fence=True", "once=False", "once=True"),
    ),
    judge=_judge_rules,
    wrong=(
        (_rules(numbers="counter"), "another server may be faster"),
        (_rules(fence=False), "store the same number"),
        (_rules(once=False), "for the second time"),
        (_rules(head="local"), "is a hole"),
        (_rules(ordered=True), "does nothing here"),
        (_rules(faults=0), "as they are"),
        (5, "rules are wanted"),
    ),
)
