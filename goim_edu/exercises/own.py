"""Exercises of one's own: made of the same parts as the course's, in Python or in Markdown.

Their numbers are a word, a dot and a number, such as ``my.1``. The course's are digits only, so
that the two can never be mistaken for each other.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Final

from goim_edu.exercises.catalogue import register, with_texts
from goim_edu.exercises.judge import judge_function
from goim_edu.exercises.model import Case, Exercise, Function, Predict, Wrong
from goim_edu.exercises.prose import Section, Text, read
from goim_edu.feedback.card import Card

__all__ = ["add", "complete"]

_ID: Final = re.compile(r"[a-z]\w*\.\d+")


def add(exercise: Exercise | str | PathLike[str]) -> Card:
    r"""Add an exercise of your own, or all of a Markdown file, until Python ends.

    Then ``check``, ``predict``, ``starter``, ``hint`` and ``solution`` know its number. Added again
    under the same number, it takes the place of the old one, so a cell can be run twice.

    Args:
        exercise: a ``Function``, ``Predict`` or ``Measure``; or the name of a Markdown file in the
            format of the course's texts (``goim_edu.exercises.prose`` describes it). The code in it
            is run: add only files that you trust.

    Returns:
        A card that names what was added.

    Raises:
        OSError: the file cannot be read.
        TypeError: it is not an exercise.
        ValueError: its number is not one of your own (``my.1``), or it is not complete; for a file
            the message begins with its name and line. Then nothing is added.

    >>> def twice(number):
    ...     return 2 * number
    >>> print(add(Function(
    ...     id="my.1",
    ...     text=Text(title="Twice", statement="Write `twice(number)`."),
    ...     reference=twice,
    ...     source="def twice(number):\n    return 2 * number",
    ...     cases=[Case(3, why="Twice 3 is 6."), Case(0, why="Twice nothing is nothing.")],
    ...     wrong=[Wrong("2 *", "2 +", tip="This adds two.")],
    ... )))
    Added: my.1 Twice
    Begin with `statement("my.1")`.
    """
    if isinstance(exercise, str | PathLike):
        path = Path(exercise)
        made = _of_markdown(path.read_text("utf-8"), path.name)
    else:
        made = [complete(exercise)]
    for one in made:
        register(one)
    card = Card("Added: " + ", ".join(one.heading for one in made))
    return card.say(f'Begin with `statement("{made[0].id}")`.')


def complete(exercise: Exercise) -> Exercise:
    """An exercise with all that was left out, checked as those of the course are.

    Raises:
        TypeError: it is not an exercise.
        ValueError: its number is not one of one's own; a part is missing or does not fit; or a
            wrong answer is right, or is refused without the words that it names.
    """
    if not isinstance(exercise, Exercise):
        raise TypeError(
            f"an exercise is a Function, a Predict or a Measure, not {type(exercise).__name__}"
        )
    if not _ID.fullmatch(exercise.id):
        raise ValueError(
            f"exercise {exercise.id!r}: a number of your own is a word, a dot and a number, such "
            "as 'my.1'; those like '03.2' are the course's"
        )
    if isinstance(exercise, Function):
        exercise = _complete_function(exercise)
    if not exercise.text.title or not exercise.text.statement:
        raise ValueError(f"exercise {exercise.id} has a text without title or statement")
    (exercise,) = with_texts([exercise], {exercise.id: exercise.text})
    if isinstance(exercise, Function):
        _check_other_answers(exercise)
        _check_wrong_answers(exercise)
    return exercise


def _complete_function(exercise: Function) -> Function:
    """Move what cases and wrong answers say to the texts, and write what can be worked out."""
    if not exercise.cases:
        raise ValueError(f"exercise {exercise.id} has no case")
    try:
        solution = exercise.source or exercise.solution
    except OSError:
        raise ValueError(
            f"exercise {exercise.id}: the code of {exercise.name} is not in a file or cell, so "
            "give it as source"
        ) from None
    text = exercise.text
    if not text.cases:
        text = replace(text, cases=tuple(_words_of(exercise, case) for case in exercise.cases))
    if not text.wrong:
        text = replace(text, wrong=tuple(_words_of_wrong(change) for change in exercise.wrong))
    return replace(
        exercise,
        text=text,
        source=solution,
        starter=exercise.starter or _starter_of(exercise),
        cases=tuple(tuple(case) for case in exercise.cases),
        wrong=tuple(change[0] if len(change) == 1 else change for change in exercise.wrong),
    )


def _words_of(exercise: Function, case: tuple[Any, ...]) -> Section:
    title, why = (case.title, case.why) if isinstance(case, Case) else ("", "")
    return Section(title or f"`{exercise.show_use(case)}`", why)


def _words_of_wrong(change: str | tuple[str, ...]) -> Section:
    return Section(change.words, change.tip) if isinstance(change, Wrong) else Section("", "")


def _starter_of(exercise: Function) -> str:
    names = ", ".join(inspect.signature(exercise.reference).parameters)
    return f"def {exercise.name}({names}):\n    ..."


def _check_other_answers(exercise: Function) -> None:
    for number, section in enumerate(exercise.text.also, 1):
        if f"also {number}" not in exercise.text.code:
            raise ValueError(
                f"exercise {exercise.id}: {section.title!r} has no code 'also {number}'"
            )
    for title, _, program in exercise.others:
        if not judge_function(exercise, exercise.load(program), tips=False):
            raise ValueError(f"exercise {exercise.id}: the other answer {title!r} is not right")


def _check_wrong_answers(exercise: Function) -> None:
    wrong = zip(exercise.mistakes, exercise.text.wrong, strict=True)
    for number, (source, said) in enumerate(wrong, 1):
        card = judge_function(exercise, exercise.load(source), tips=False)
        if card.passed:
            raise ValueError(
                f"exercise {exercise.id}: wrong answer {number} is right on each case; add a case "
                "on which it fails"
            )
        if said.title not in card.plain():
            raise ValueError(
                f"exercise {exercise.id}: the refusal of wrong answer {number} does not say "
                f"{said.title!r}, but: {' '.join(card.plain().split())}"
            )


# ---------------------------------------------------------------------- out of Markdown


def _of_markdown(markdown: str, file: str) -> list[Exercise]:
    """The exercises of a file; an error begins with file and line."""
    chapter = read(markdown, file, own=True)
    made: list[Exercise] = []
    for number, text in chapter.texts.items():
        make = _function_of if "reference" in text.code else _prediction_of
        try:
            made.append(complete(make(number, text)))
        except ValueError as error:
            raise ValueError(f"{text.place}: {error}") from error
    if not made:
        raise ValueError(f"{file}:1: there is no exercise in it, such as '## my.1 Twice'")
    return made


def _function_of(number: str, text: Text) -> Function:
    source = text.code["reference"]
    namespace: dict[str, Any] = {"__name__": number}
    try:
        tree = ast.parse(source)
        exec(compile(tree, f"<{number}>", "exec"), namespace)  # noqa: S102 (the teacher's own text)
    except Exception as error:
        raise ValueError(f"the reference of {number} does not run: {error!r}") from error
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not names:
        raise ValueError(f"the reference of {number} does not define a function")
    reference: Callable[..., Any] = namespace[names[-1]]
    return Function(
        id=number,
        text=text,
        reference=reference,
        source=source,
        starter=text.code.get("starter", ""),
        cases=tuple(
            _arguments(text.code.get(f"case {n}", ""), names[-1], namespace, f"case {n}")
            for n in range(1, len(text.cases) + 1)
        ),
        wrong=tuple(_program(text.code, f"wrong {n}") for n in range(1, len(text.wrong) + 1)),
    )


def _arguments(call: str, name: str, namespace: dict[str, Any], place: str) -> tuple[Any, ...]:
    """The arguments of the call that a case shows."""
    try:
        node = ast.parse(call, mode="eval").body
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name and not node.keywords:
            listed = ast.Expression(ast.Tuple(node.args, ast.Load()))
            code = compile(ast.fix_missing_locations(listed), f"<{place}>", "eval")
            return tuple(eval(code, dict(namespace)))  # noqa: S307 (the teacher's own text)
    except Exception as error:
        raise ValueError(f"{place} cannot be called: {error!r}") from error
    raise ValueError(f"the code of {place} is a call such as {name}(...), not {call!r}")


def _program(code: Mapping[str, str], place: str) -> str:
    if place not in code:
        raise ValueError(f"{place} has no code: it is a whole program that gives a wrong answer")
    return code[place]


def _prediction_of(number: str, text: Text) -> Predict:
    if not text.answer:
        raise ValueError(f"{number} has neither '### reference' with code nor '### answer'")
    experiment = text.code.get("experiment", "")
    if not text.options:
        return Predict(id=number, text=text, answer=text.answer, experiment=experiment)
    letters = ascii_lowercase[: len(text.options)]
    if text.answer not in letters:
        raise ValueError(f"the answer is one of the options {letters!r}, not {text.answer!r}")
    return Predict(id=number, text=text, right=text.answer, experiment=experiment)
