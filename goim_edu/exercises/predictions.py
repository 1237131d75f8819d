"""Predictions: show a question, and answer each wrong guess with what it overlooks."""

from __future__ import annotations

import ast
import re
from string import ascii_lowercase
from typing import Any

from goim_edu.exercises.model import Predict
from goim_edu.feedback.card import Card

__all__ = ["ask", "judge_prediction", "normal"]


def normal(answer: Any) -> str:
    """An answer in one form, however it was typed.

    >>> normal("0x81"), normal(129), normal(b"Hi"), normal("  48 69 "), normal("(1, 'a')")
    ('129', '129', '48 69', '48 69', '(1, a)')
    """
    if isinstance(answer, bytes | bytearray):
        return answer.hex(" ")
    if isinstance(answer, int):  # True and False too
        return str(int(answer))
    if isinstance(answer, float) and answer.is_integer():
        return str(int(answer))
    if isinstance(answer, list | tuple):
        return "(" + ", ".join(normal(part) for part in answer) + ")"
    if not isinstance(answer, str):
        return str(answer).lower()
    text = " ".join(answer.split()).strip("`. ")
    try:  # what Python shows, typed as it shows it
        value = ast.literal_eval(re.sub(r"(?<=\d),(?=\d{3}\b)", "", text))
    except (ValueError, SyntaxError):
        return {"true": "1", "false": "0"}.get(text.lower(), text.lower())
    return normal(value)


def ask(exercise: Predict, card: Card) -> Card:
    """Add the question: what will be shown, and how to answer."""
    card.code(exercise.cell)
    if not exercise.right:
        return card.say(f'Type what it will show: `predict("{exercise.id}", ...)`')
    rows = [
        (f"{letter})", option.title)
        for letter, option in zip(ascii_lowercase, exercise.text.options, strict=False)
    ]
    return card.table(rows).say(f'Choose: `predict("{exercise.id}", "a")`')


def judge_prediction(exercise: Predict, answer: Any) -> Card:
    """Say whether a prediction is right, or what it overlooks."""
    right, words = _judge_choice(exercise, answer) if exercise.right else _judge(exercise, answer)
    title = "right" if right else "not yet"
    card = Card(f"{exercise.heading}: {title}", passed=right).say(words)
    if not right:
        return card.say(exercise.next_step)
    if exercise.experiment:
        card.say("Now run it and see:").code(exercise.cell)
    return card.say(exercise.text.source).say(exercise.text.after)


def _judge_choice(exercise: Predict, answer: Any) -> tuple[bool, str]:
    given = normal(answer)
    letters = ascii_lowercase[: len(exercise.text.options)]
    for letter, option in zip(letters, exercise.text.options, strict=True):
        if given in {letter, f"{letter})", normal(option.title)}:
            return letter == exercise.right, option.text
    return False, f"Choose one of the letters {', '.join(letters[:-1])} and {letters[-1]}."


def _judge(exercise: Predict, answer: Any) -> tuple[bool, str]:
    given = normal(answer)
    if given == normal(exercise.answer):
        return True, ""
    if given in map(normal, exercise.same):
        return True, f"Python writes it as `{exercise.answer!r}`."
    for guess in exercise.text.guesses:
        if given == normal(guess.title):
            return False, guess.text
    return False, exercise.text.otherwise
