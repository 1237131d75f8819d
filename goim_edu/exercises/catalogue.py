"""All exercises by number: one module per chapter, loaded when its first exercise is asked for."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Final

from goim_edu.exercises.model import Exercise

__all__ = ["CHAPTERS", "all_exercises", "chapter", "find"]

CHAPTERS: Final = {
    "01": "why WebSocket",
    "02": "the handshake",
    "03": "frames",
    "04": "masking",
    "05": "messages",
    "06": "the heartbeat",
    "07": "compression",
    "08": "the endpoint",
    "09": "the chat server",
    "10": "documents and BSON",
    "11": "indexes",
    "12": "storing messages",
    "13": "the replica set",
    "14": "sharding",
}
"""Number and title of the chapters that have exercises."""

_NUMBER: Final = re.compile(r"0?(\d{1,2})\s*[.,-]\s*0?(\d{1,2})")


@cache
def chapter(number: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter, in their order.

    >>> chapter("03")[0].id
    '03.1'
    """
    module = import_module(f"goim_edu.exercises.chapter_{number}")
    exercises: tuple[Exercise, ...] = module.EXERCISES
    return exercises


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course, in its order."""
    return tuple(exercise for number in CHAPTERS for exercise in chapter(number))


def find(name: object) -> Exercise | str:
    """The exercise of this number; if there is none, a sentence that says which there are.

    >>> find("3.1").id, find("03.99").startswith("There is no exercise 03.99")
    ('03.1', True)
    """
    match = _NUMBER.fullmatch(str(name).strip())
    if not match:
        return f"`{name}` is no number of an exercise: they look like `03.2`."
    number, wanted = f"{int(match[1]):02}", f"{int(match[1]):02}.{int(match[2])}"
    if number not in CHAPTERS:
        chapters = ", ".join(CHAPTERS)
        return f"There is no exercise {wanted}; chapters with exercises: {chapters}."
    for exercise in chapter(number):
        if exercise.id == wanted:
            return exercise
    first, last = chapter(number)[0].id, chapter(number)[-1].id
    return f"There is no exercise {wanted}; chapter {number} has {first} to {last}."
