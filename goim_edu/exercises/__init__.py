"""Exercises: ask for one, answer it, be told at once, take a hint, see the solution, see how far.

    from goim_edu.exercises import check, hint, predict, progress, solution, starter, statement

    predict("03.1")                 # the question; predict("03.1", "b") answers it
    starter("03.2")                 # what to begin with
    check("03.2", read_start)       # tries your function at once
    hint("03.2")                    # one step; again for the next
    solution("03.2")
    progress()                      # what is done, and where to go on

An exercise of your own is made of the same parts, and found under a number such as ``my.1``::

    from goim_edu.exercises import Case, Function, Text, add

    add(Function(id="my.1", text=Text(title=..., statement=...), reference=..., cases=[Case(...)]))
    add("my_exercises.md")          # or all of a file

What is done is kept in ``.progress.txt`` beside the notebooks, in plain text.
"""

from __future__ import annotations

import inspect
from string import ascii_lowercase

from goim_edu.exercises import progress_file
from goim_edu.exercises.catalogue import (
    find,
    on_page,
    own_exercises,
    title,
)
from goim_edu.exercises.in_notebook import is_untouched, put_below
from goim_edu.exercises.judge import judge_safely
from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Case, Exercise, Function, Measure, Predict, Wrong, source_of
from goim_edu.exercises.own import add, complete
from goim_edu.exercises.pages import PAGES, page_after, page_of
from goim_edu.exercises.predictions import ask, judge_prediction
from goim_edu.exercises.prose import Section, Text
from goim_edu.feedback.card import Card
from goim_edu.feedback.sandbox import call
from goim_edu.feedback.wording import a_type

__all__ = [
    "Card",
    "Case",
    "Choices",
    "Exercise",
    "Function",
    "Measure",
    "Predict",
    "Section",
    "Text",
    "Wrong",
    "add",
    "check",
    "hint",
    "predict",
    "progress",
    "solution",
    "starter",
    "statement",
]

_shown_hints: dict[str, int] = {}


def _find(exercise: str | Exercise) -> Exercise | str:
    return complete(exercise) if isinstance(exercise, Exercise) else find(exercise)


def check(exercise: str | Exercise, answer: object = ...) -> Card:
    """Try an answer and say at once what came of it.

    Args:
        exercise: its number, such as ``"03.2"``; or one of your own that was not added.
        answer: your function, without parentheses; your prediction; your measurement.

    Returns:
        A card that shows itself in a notebook and prints as text; it is true if all is right.

    >>> bool(check("03.2", lambda data: None))
    False
    """
    found = _find(exercise)
    if isinstance(found, str):
        return Card(found)
    if _is_blank(answer):
        return statement(exercise)
    if isinstance(found, Predict):
        card = judge_prediction(found, answer)
    elif isinstance(found, Measure):
        card = _judge_measurement(found, answer)
    elif not callable(answer):
        return _not_callable(found, answer)
    elif inspect.iscoroutinefunction(answer) or inspect.isasyncgenfunction(answer):
        return _is_async(found)
    elif is_untouched(found, answer):
        return statement(exercise).say("The function is still as it was. Change it, then run this.")
    else:
        card = judge_safely(found, answer)
    if card.passed:
        card.say(progress_file.mark_done(found.id)).say(_way_on(found))
    return card


def _is_blank(answer: object) -> bool:
    """Whether nothing was filled in yet: ``...`` alone, or as each value of a dictionary.

    >>> _is_blank(...), _is_blank({"keep": ..., "set": ...}), _is_blank({"keep": 10, "set": ...})
    (True, True, False)
    """
    values = list(answer.values()) if isinstance(answer, dict) else [answer]
    return bool(values) and all(value is ... for value in values)


def predict(exercise: str | Exercise, answer: object = ...) -> Card:
    """Say what a cell will show, before it runs; without an answer, see the question.

    Args:
        exercise: its number, or one of your own.
        answer: the letter of your choice, or the output itself.

    >>> predict("03.1", "z").passed
    False
    """
    return check(exercise, answer)


def statement(exercise: str | Exercise) -> Card:
    """What is to be done.

    Args:
        exercise: its number, or one of your own.
    """
    found = _find(exercise)
    if isinstance(found, str):
        return Card(found)
    card = Card(found.heading).say(found.text.statement)
    if isinstance(found, Predict):
        return ask(found, card)
    return card.say(f'Begin with `starter("{found.id}")`.')


def starter(exercise: str | Exercise) -> Card:
    """What to begin with; in a notebook it stands in a fresh cell below, and your own code stays.

    Args:
        exercise: its number, or one of your own.

    >>> print(starter("03.8").title)
    03.8 Frames from a stream
    """
    found = _find(exercise)
    if isinstance(found, str):
        return Card(found)
    if isinstance(found, Predict):
        return statement(exercise)
    use = found.name if isinstance(found, Function) else "answer"
    code = f'{found.start}\n\ncheck("{found.id}", {use})'
    if put_below(code):
        return Card(found.heading).say("It is in the cell below this one.")
    return Card(found.heading).code(code)


def hint(exercise: str | Exercise, number: int | None = None) -> Card:
    """One step towards the answer; the next call gives the next step.

    Args:
        exercise: its number, or one of your own.
        number: which hint, from 1, to see it once more; the calls after that go on from it.

    >>> print(hint("03.2").title)
    03.2 Read the first two bytes: hint 1 of 3
    """
    found = _find(exercise)
    if isinstance(found, str):
        return Card(found)
    last = len(found.text.hints)
    if not last:
        return Card(f"{found.heading}: no hint").say(found.next_step)
    if number is None:
        number = _shown_hints.get(found.id, 0) + 1
    number = max(1, min(number, last))
    _shown_hints[found.id] = number
    card = Card(f"{found.heading}: hint {number} of {last}").say(found.text.hints[number - 1])
    if number == last:
        card.say(
            f'That was the last one; `hint("{found.id}", 1)` shows the first again, and '
            f'`solution("{found.id}")` the answer.'
        )
    return card


def solution(exercise: str | Exercise) -> Card:
    """The answer; where the package itself does this, it is the package's own code.

    Args:
        exercise: its number, or one of your own.
    """
    found = _find(exercise)
    if isinstance(found, str):
        return Card(found)
    card = Card(f"{found.heading}: solution")
    if isinstance(found, Predict):
        options = zip(ascii_lowercase, found.text.options, strict=False)
        right = next((option for letter, option in options if letter == found.right), None)
        card.say(right.title if right else f"`{found.answer}`").say(right.text if right else "")
        return card.code(found.cell).say(found.text.source)
    if isinstance(found, Measure):
        return card.code(found.solution).say(found.text.after)
    card.code(found.solution)
    if found.package is not None:
        module = found.package.__module__
        card.say(f"In the package this is `{module}.{found.package.__name__}`:")
        card.code(source_of(found.package))
    return card


def progress() -> Card:
    """What is done, and where to go on."""
    done = progress_file.read_done()
    everything = [exercise for page in PAGES for exercise in on_page(page)]
    finished = sum(exercise.id in done for exercise in everything)
    card = Card(f"{finished} of {len(everything)} exercises done")
    rows = []
    for page in PAGES:
        signs = [f"{'✓' if e.id in done else '·'} {e.id}" for e in on_page(page)]
        rows.append((f"{page} {title(page[:2])}", "  ".join(signs)))
    yours = [f"{'✓' if e.id in done else '·'} {e.id}" for e in own_exercises()]
    if yours:
        rows.append(("your own", "  ".join(yours)))
    card.table(rows, head=("chapter", "done (✓) and open (·)"))
    following = next((exercise for exercise in everything if exercise.id not in done), None)
    if following is None:
        return card.say("That is the whole course. Well done!")
    return card.say(f'Go on with {following.heading}: `statement("{following.id}")`.')


def _way_on(exercise: Exercise) -> str:
    """How many exercises of the page are done, and which is next."""
    page = page_of(exercise.id)
    if not page:
        return ""  # it is not one of the course's
    done, ours = progress_file.read_done(), on_page(page)
    words = f"{sum(one.id in done for one in ours)} of {len(ours)} in {page}."
    following = next((one for one in ours if one.id not in done), None)
    if following is None:
        later = page_after(page)
        onward = f" Next: chapter {later}, {title(later[:2])}." if later else ""
        return f"{words} That is all of {page}.{onward}"
    return f"{words} Next: {following.heading} ({following.text.minutes} min)."


def _not_callable(exercise: Function, answer: object) -> Card:
    card = Card(f"{exercise.heading}: not yet", passed=False)
    want = f'`check("{exercise.id}", {exercise.name})`'
    if answer is None:
        return card.say(f"Give the function itself, without calling it: {want}.")
    return card.say(f"This is {a_type(type(answer).__name__)}, a function is wanted: {want}.")


def _is_async(exercise: Function) -> Card:
    card = Card(f"{exercise.heading}: not yet", passed=False)
    return card.say(
        "Your function is an `async def`, so a call of it runs no line of it: it only makes a "
        f"coroutine, or an asynchronous generator. Write `def {exercise.name}(...)`, and no "
        "`await` in it: nothing here has to be waited for."
    ).say(exercise.next_step)


def _judge_measurement(exercise: Measure, answer: object) -> Card:
    outcome = call(exercise.judge, (answer,), seconds=20.0)
    if outcome.error is None and outcome.value is None and not outcome.stopped:
        return Card(f"{exercise.heading}: done", passed=True).say(exercise.text.after)
    card = Card(f"{exercise.heading}: not yet", passed=False)
    if outcome.stopped:
        card.say("The comparison with your answer took too long, so it was stopped.")
    elif outcome.error is not None:
        card.say(f"Your answer could not be read: `{outcome.error_line}`.")
    else:
        card.say(str(outcome.value))
    return card.say(exercise.next_step)
