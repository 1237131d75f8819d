"""The gate of a room: in order, each once, and what is missing is read, never guessed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.chat.gate import MOST_HELD, TAIL, Gate, TailMemory
from goim_edu.store import StoredMessage
from tests.rooms import NOW


def message(seq: int, text: str = "hi") -> StoredMessage:
    return StoredMessage("lobby", seq, "lisa", f"m{seq}", text, NOW)


class Door:
    """A gate, what has passed, and a store that it may ask."""

    def __init__(self, stored: Sequence[int] = (), memory: TailMemory | None = None) -> None:
        self.passed: list[int] = []
        self.asked: list[str] = []
        self.stored = list(stored)
        self.gate = Gate(lambda one: self.passed.append(one.seq), self.asked.append, memory)

    def arrive(self, *seqs: int) -> None:
        for seq in seqs:
            self.gate.arrived(message(seq))

    def answer(self, limit: int = 200) -> None:
        """What the store answers now to the question that is open."""
        last = self.gate.last or 0
        found = [message(seq) for seq in self.stored if seq > last][:limit]
        self.gate.filled(found, complete=len(found) < limit)


def test_what_comes_in_order_passes_at_once() -> None:
    door = Door()
    door.gate.open(4)
    door.arrive(5, 6, 7)
    assert (door.passed, door.asked, door.gate.last) == ([5, 6, 7], [], 7)


def test_what_comes_twice_passes_once() -> None:
    door = Door()
    door.gate.open(0)
    door.arrive(1, 1, 2, 1, 2)
    assert (door.passed, door.asked) == ([1, 2], [])


def test_a_gap_costs_one_question_and_nothing_is_guessed() -> None:
    door = Door(stored=[1, 2, 3, 4])
    door.gate.open(0)
    door.arrive(2, 4, 3)
    assert (door.passed, door.asked) == ([], ["gap"])
    door.answer()
    assert (door.passed, door.asked, door.gate.held) == ([1, 2, 3, 4], ["gap"], 0)


def test_what_was_missing_comes_while_the_store_is_asked() -> None:
    door = Door(stored=[1, 2])
    door.gate.open(0)
    door.arrive(2, 1)
    assert door.passed == [1, 2]
    door.answer()
    assert (door.passed, door.asked) == ([1, 2], ["gap"])


def test_nothing_passes_before_it_is_known_where_to_begin() -> None:
    door = Door()
    door.arrive(7, 8, 9)
    assert door.passed == []
    door.gate.open(8)
    assert (door.passed, door.asked) == ([9], [])
    door.gate.open(3)  # a second answer changes nothing
    assert door.gate.last == 9


def test_holes_of_old_rooms_are_passed_over() -> None:
    door = Door(stored=[1, 5, 6])
    door.gate.open(1)
    door.arrive(5)
    door.answer()
    assert door.passed == [5, 6]


def test_a_long_gap_is_read_in_pages() -> None:
    door = Door(stored=range(1, 501))
    door.gate.open(0)
    door.arrive(500)
    while door.gate.is_behind:
        door.answer()
    assert door.passed == list(range(1, 501))
    assert door.asked == ["gap", "more", "more"]


def test_a_store_that_does_not_answer_is_asked_again() -> None:
    door = Door(stored=[1, 2])
    door.gate.open(0)
    door.arrive(2)
    door.gate.failed()
    assert door.passed == []
    door.gate.check("again")
    door.answer()
    assert (door.passed, door.asked) == ([1, 2], ["gap", "again"])


def test_what_waits_is_bounded_and_not_lost() -> None:
    many = MOST_HELD + 500
    door = Door(stored=range(1, many + 2))
    door.gate.open(0)
    door.arrive(*range(2, many + 2))
    assert door.gate.held <= MOST_HELD
    while door.gate.is_behind:
        door.answer()
    assert door.passed == list(range(1, many + 2))


def test_a_check_finds_what_nobody_has_told() -> None:
    door = Door(stored=[1, 2, 3])
    door.gate.open(1)
    door.gate.check("reopened")
    door.gate.check("reopened")  # one question is enough
    door.answer()
    assert (door.passed, door.asked) == ([2, 3], ["reopened"])


def test_who_comes_back_soon_needs_no_store() -> None:
    door = Door()
    door.gate.open(10, [message(9), message(10)])
    door.arrive(11, 12)
    assert [door.gate.covers(since) for since in (7, 8, 10, 12, 13)] == [
        *(False, True, True, True, False)
    ]
    assert [one.seq for one in door.gate.after(8)] == [9, 10, 11, 12]
    assert door.gate.after(12) == []


@pytest.mark.parametrize("text", ["", "x" * 4000])
def test_what_is_remembered_is_bounded(text: str) -> None:
    memory = TailMemory(most=100_000)
    gates = [Gate(lambda one: None, print, memory) for _ in range(5)]
    for gate in gates:
        gate.open(0)
        for seq in range(1, 1000):
            gate.arrived(message(seq, text))
        assert len(gate.after(0)) <= TAIL
        assert memory.octets <= memory.most
    for gate in gates:
        gate.forget()
    assert memory.octets == 0


@settings(max_examples=300)
@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.sampled_from(["arrive", "answer", "fail", "check"]), st.integers(1, 30))),
)
def test_in_order_and_each_once_whatever_comes(begin: int, steps: list[tuple[str, int]]) -> None:
    """A store that takes no number before the one below, and news in any order, also never."""
    door = Door(stored=range(1, 31))
    door.gate.open(begin)
    open_questions = 0
    for step, seq in steps:
        asked = len(door.asked)
        if step == "arrive":
            door.arrive(seq)
        elif step == "check":
            door.gate.check("check")
        elif open_questions and step == "answer":
            open_questions -= 1
            door.answer(limit=7)
        elif open_questions and step == "fail":
            open_questions -= 1
            door.gate.failed()
        open_questions += len(door.asked) - asked
        assert open_questions <= 1
    if not open_questions:
        door.gate.check("end")
    for _ in range(10):
        door.answer(limit=7)
    assert door.passed == list(range(begin + 1, 31))
