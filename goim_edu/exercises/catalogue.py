"""All exercises by number: a chapter is loaded when its first exercise is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from string import ascii_lowercase
from typing import Final

from goim_edu.exercises.model import Exercise, Function, Predict
from goim_edu.exercises.pages import PAGES
from goim_edu.exercises.prose import Text, load

__all__ = [
    "CHAPTERS",
    "all_exercises",
    "chapter",
    "find",
    "on_page",
    "own_exercises",
    "register",
    "title",
    "with_texts",
]

CHAPTERS: Final = tuple(f"{number:02}" for number in range(1, 16))
"""The chapters that have exercises."""

_own: dict[str, Exercise] = {}

_NUMBER: Final = re.compile(r"0?(\d{1,2})\s*[.,-]\s*0?(\d{1,2})")


@cache
def chapter(number: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter, in their order: their code, each with its text.

    >>> chapter("03")[0].heading
    '03.1 Two letters on the wire'
    """
    module = import_module(f"goim_edu.exercises.chapter_{number}")
    exercises = [value for value in vars(module).values() if isinstance(value, Exercise)]
    return with_texts(exercises, load(number).texts)


@cache
def on_page(page: str) -> tuple[Exercise, ...]:
    """The exercises of a page, in the order in which one meets them.

    >>> on_page("03b")[0].heading
    '03.8 Frames from a stream'
    """
    known = {exercise.id: exercise for exercise in chapter(page[:2])}
    return tuple(known[number] for number in PAGES[page])


def title(number: str) -> str:
    """The title of a chapter.

    >>> title("03")
    'frames'
    """
    return load(number).title


def with_texts(exercises: Sequence[Exercise], texts: Mapping[str, Text]) -> tuple[Exercise, ...]:
    """Give each exercise the text that belongs to it.

    Raises:
        ValueError: code without text, text without code, or text that does not fit the code; the
            message begins with file and line where there is a text.
    """
    missing = [exercise.id for exercise in exercises if exercise.id not in texts]
    if missing:
        raise ValueError(f"exercises with code and without text: {', '.join(missing)}")
    known = {exercise.id for exercise in exercises}
    for number, text in texts.items():
        if number not in known:
            raise ValueError(f"{text.place}: exercise {number} has text and no code")
    for exercise in exercises:
        text = texts[exercise.id]
        if misfit := _misfit(exercise, text):
            place = f"{text.place}: " if text.place else ""
            raise ValueError(f"{place}exercise {exercise.id} {misfit}")
    return tuple(replace(exercise, text=texts[exercise.id]) for exercise in exercises)


def _misfit(exercise: Exercise, text: Text) -> str:
    """What does not fit, or ""."""
    given = {
        "option": len(text.options),
        "guess": len(text.guesses),
        "otherwise": int(text.otherwise != ""),
        "case": len(text.cases),
        "wrong": len(text.wrong),
    }
    wanted = dict.fromkeys(given, 0)
    if isinstance(exercise, Function):
        wanted |= {"case": len(exercise.cases), "wrong": len(exercise.wrong)}
    elif isinstance(exercise, Predict) and exercise.right:
        wanted["option"] = max(given["option"], ascii_lowercase.index(exercise.right) + 1)
    elif isinstance(exercise, Predict):
        wanted |= {"guess": max(given["guess"], 1), "otherwise": 1}
    if text.also and not isinstance(exercise, Function):
        return "is not a function, so it has no sections 'also'"
    for kind, count in wanted.items():
        if given[kind] != count:
            return f"has {given[kind]} sections '{kind}' and needs {count}"
    return ""


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course, in its order."""
    return tuple(exercise for number in CHAPTERS for exercise in chapter(number))


def register(exercise: Exercise) -> None:
    """Let an exercise of one's own be found; one with the same number makes way for it."""
    _own[exercise.id] = exercise


def own_exercises() -> tuple[Exercise, ...]:
    """Every exercise of one's own, in the order in which they were added."""
    return tuple(_own.values())


def find(name: object) -> Exercise | str:
    """The exercise of this number; if there is none, a sentence that says which there are.

    >>> find("3.1").id, find("03.99").startswith("There is no exercise 03.99")
    ('03.1', True)
    """
    if (own := _own.get(str(name).strip())) is not None:
        return own
    match = _NUMBER.fullmatch(str(name).strip())
    if not match:
        yours = f"; yours are {', '.join(_own)}" if _own else ""
        return f"`{name}` is not the number of an exercise: they look like `03.2`{yours}."
    number, wanted = f"{int(match[1]):02}", f"{int(match[1]):02}.{int(match[2])}"
    if number not in CHAPTERS:
        chapters = ", ".join(CHAPTERS)
        return f"There is no exercise {wanted}; chapters with exercises: {chapters}."
    for exercise in chapter(number):
        if exercise.id == wanted:
            return exercise
    first, last = chapter(number)[0].id, chapter(number)[-1].id
    return f"There is no exercise {wanted}; chapter {number} has {first} to {last}."
