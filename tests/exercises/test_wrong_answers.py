"""No wrong answer that differs a little from a solution passes the check of its exercise."""

from __future__ import annotations

from typing import Any

import pytest

from goim_edu.exercises.judge import judge_function
from goim_edu.exercises.model import Function
from tests.exercises.equivalents import EQUIVALENT
from tools.wrong_answers import exercises, hunt


# A function without an end is stopped wherever it is, perhaps in a callback of the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("exercise", exercises(()), ids=lambda exercise: exercise.id)
def test_only_what_does_the_same_passes(exercise: Function) -> None:
    survivors = {answer.what for answer in hunt(exercise).survivors}
    assert survivors == set(EQUIVALENT.get(exercise.id, {}))


def test_each_reason_belongs_to_an_exercise() -> None:
    assert set(EQUIVALENT) <= {exercise.id for exercise in exercises(())}


@pytest.mark.parametrize("number", ["03.4", "04.2", "07.2", "08.2"])
@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_in_another_type_are_right(number: str, kind: Any) -> None:
    exercise = next(it for it in exercises((number,)))
    right = exercise.load(exercise.solution)
    assert judge_function(exercise, lambda *args: kind(right(*args)))
    assert not judge_function(exercise, lambda *args: kind(right(*args) + b"\0x"))
    assert not judge_function(exercise, lambda *args: right(*args).hex())


@pytest.mark.parametrize("number", ["01.5", "09.2", "10.3", "14.2"])
def test_a_list_and_a_tuple_are_the_same_answer(number: str) -> None:
    exercise = next(it for it in exercises((number,)))
    right = exercise.load(exercise.solution)

    def turned(value: Any) -> Any:
        """Each list a tuple, each tuple a list."""
        if isinstance(value, list):
            return tuple(map(turned, value))
        return list(map(turned, value)) if isinstance(value, tuple) else value

    assert judge_function(exercise, lambda *args: turned(right(*args)))
    assert not judge_function(exercise, lambda *args: [*turned(right(*args)), 0])
