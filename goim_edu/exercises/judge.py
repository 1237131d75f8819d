"""Try an answer on its cases and on made-up inputs; say what is wrong with the first bad one."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final, cast

from goim_edu.draw import wrong_bit
from goim_edu.draw.picture import Picture
from goim_edu.exercises.made_up_inputs import made_up, smallest
from goim_edu.exercises.model import Fault, Function
from goim_edu.feedback.card import Card
from goim_edu.feedback.forked import Forked, Report, can_fork, run_forked
from goim_edu.feedback.sandbox import Outcome, call, equal
from goim_edu.feedback.wording import difference, show
from goim_edu.websocket.explain import explain

__all__ = ["judge_function", "judge_safely", "passes"]

MADE_UP: Final = 200
"""How many made-up inputs a function is tried on."""
_STOPPED: Final = Outcome(stopped=True)
_LONGEST: Final = 30.0  # seconds for all of them; they usually take a tenth of one


@dataclass(frozen=True)
class _Trouble:
    """The first input on which an answer fails."""

    args: tuple[Any, ...]
    want: Outcome
    got: Outcome
    number: int = 0  # of the case, from 1; 0: it was made up


def judge_safely(exercise: Function, answer: Callable[..., Any]) -> Card:
    """As :func:`judge_function`, in a process of its own where there can be one.

    So a function that never ends, takes all memory or ends its process leaves the notebook alive.
    """
    if not can_fork():
        return judge_function(exercise, answer)
    forked = run_forked(lambda report: judge_function(exercise, answer, report=report))
    if forked.done and isinstance(forked.value, Card):
        return forked.value
    if forked.reports == 0:  # it did not even begin: the fork itself is to blame
        return judge_function(exercise, answer)
    return _cut_short(exercise, forked)


def _cut_short(exercise: Function, forked: Forked[Card]) -> Card:
    """What to say of a function whose process had to be ended, or ended itself."""
    if forked.stuck and isinstance(forked.last, tuple):
        number, args = forked.last
        return _report(exercise, _Trouble(args, _right(exercise, args), _STOPPED, number), "")
    card = Card(f"{exercise.heading}: not yet", passed=False)
    card.say(
        "Your function was still busy after some seconds of work, so it was stopped."
        if forked.stuck
        else "Your function ended the whole process that tried it, and nothing else is broken. "
        "Does it call something like `os._exit`, or go down into itself without end?"
    )
    return card.say(exercise.next_step)


def judge_function(
    exercise: Function,
    answer: Callable[..., Any],
    *,
    tips: bool = True,
    report: Report = lambda _: None,
) -> Card:
    """Try a learner's function and say what came of it.

    Args:
        exercise: the exercise.
        answer: the learner's function.
        tips: whether to compare it with the known wrong answers.
        report: is told before each try: the number of the case, 0 for a made-up input, and the
            arguments.
    """
    trouble = _first_trouble(exercise, answer, report)
    if trouble is None:
        count = len(exercise.cases)
        tried = f"{count} case{'s' if count > 1 else ''}"
        if exercise.make is not None:
            tried += f" and {MADE_UP} made-up inputs"
        return _praise(exercise, tried)
    return _report(exercise, trouble, _tip(exercise, answer, trouble) if tips else "")


def _praise(exercise: Function, tried: str) -> Card:
    """What is said of a right answer: that it is, where it can be used, and how else it is done."""
    card = Card(f"{exercise.heading}: done", passed=True)
    card.say(f"Your `{exercise.name}` is right on {tried}.").say(exercise.text.after)
    if exercise.serves:
        card.say(
            "Run the chat on it: `from goim_edu.lab import serve_with`, then "
            f"`live = serve_with({exercise.name}={exercise.name})`."
        )
    if exercise.others:
        card.say("It can be done otherwise as well:")
    for title, trades, program in exercise.others:
        card.say(f"{title}: {trades}").code(program)
    return card


def passes(exercise: Function, answer: Callable[..., Any]) -> bool:
    """Whether an answer is right on all cases and made-up inputs, in this process, and no more.

    So it takes a part of the time of :func:`judge_safely`; ask it of our own code only.
    """
    made = made_up(exercise.make, exercise.id, MADE_UP) if exercise.make else ()
    inputs = chain(exercise.cases, (args for _, args in made))
    return all(_try(exercise, answer, args) is None for args in inputs)


def _right(exercise: Function, args: tuple[Any, ...]) -> Outcome:
    """What the reference does; it needs no watching."""
    args = copy.deepcopy(args)
    try:
        if exercise.drive is None:
            return Outcome(value=exercise.reference(*args))
        return Outcome(value=exercise.drive(exercise.reference, *args))
    except exercise.errors as error:
        return Outcome(error=error)


def _run(exercise: Function, function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
    args = copy.deepcopy(args)  # a function that changes its arguments must not spoil ours
    if exercise.drive is None:
        outcome = call(function, args)
    else:
        outcome = call(exercise.drive, (function, *args), blame=function)
    if isinstance(outcome.value, bytearray | memoryview):
        return replace(outcome, value=bytes(outcome.value))  # the same octets in another type
    return outcome


def _first_trouble(
    exercise: Function, answer: Callable[..., Any], report: Report
) -> _Trouble | None:
    for number, args in enumerate(exercise.cases, 1):
        report((number, args))
        if trouble := _try(exercise, answer, args, number):
            return trouble
    if exercise.make is None:
        return None
    end = time.monotonic() + _LONGEST
    for made, args in made_up(exercise.make, exercise.id, MADE_UP):
        report((0, args))
        trouble = _try(exercise, answer, args)
        if time.monotonic() > end:
            return _Trouble(args, _right(exercise, args), _STOPPED)
        if trouble is None:
            continue
        if trouble.got.stopped:  # each try would take a second again
            return trouble

        def still_fails(smaller: tuple[Any, ...]) -> bool:
            report((0, smaller))
            return _try(exercise, answer, smaller) is not None

        small = smallest(exercise.make, made, still_fails)
        return _try(exercise, answer, small) or trouble
    return None


def _try(
    exercise: Function, answer: Callable[..., Any], args: tuple[Any, ...], number: int = 0
) -> _Trouble | None:
    want = _right(exercise, args)
    got = _run(exercise, answer, args)
    return None if _agree(exercise, want, got, args) else _Trouble(args, want, got, number)


def _agree(exercise: Function, want: Outcome, got: Outcome, args: tuple[Any, ...]) -> bool:
    if got.stopped:
        return False
    if want.error is not None or got.error is not None:
        if want.error is None or got.error is None:
            return False
        return _kind(exercise, got.error) is _kind(exercise, want.error) is not None
    if exercise.compare is not None:
        return _compared(exercise, want, got, args) == ""
    return equal(_plain(want.value), _plain(got.value))


def _plain(value: object, depth: int = 20) -> object:
    """A value in which it does not matter whether a sequence is a list or a tuple.

    Args:
        value: what a function gave back.
        depth: how deep to look, since a list may hold itself.
    """
    if depth and type(value) in (list, tuple):
        return [_plain(part, depth - 1) for part in cast("Sequence[object]", value)]
    return value


def _compared(exercise: Function, want: Outcome, got: Outcome, args: tuple[Any, ...]) -> str:
    """What is wrong with a result, in words, by the exercise's own comparison if it has one."""
    if got.value is None and want.value is not None and _may_be_none(exercise):
        return "Your function gave `None` back; on this input that is not the answer."
    if exercise.compare is None:
        return _difference(want.value, got.value, exercise.parts)
    outcome = call(exercise.compare, (want.value, got.value, args))
    if outcome.error is not None:  # the result is not of the wanted kind
        return _difference(want.value, got.value) or "This value is not of the wanted kind."
    return str(outcome.value)


def _may_be_none(exercise: Function) -> bool:
    """Whether `None` is the right answer to one of the cases."""
    outcomes = [_right(exercise, args) for args in exercise.cases]
    return any(outcome.error is None and outcome.value is None for outcome in outcomes)


def _difference(want: object, got: object, parts: Sequence[str] = ()) -> str:
    """The difference in words; "" for values that cannot even be compared."""
    outcome = call(difference, (want, got, parts))
    return str(outcome.value or "")


def _kind(exercise: Function, error: BaseException) -> type[Exception] | None:
    """Which of the exercise's errors this is; None for an accident."""
    return next((kind for kind in exercise.errors if isinstance(error, kind)), None)


def _report(exercise: Function, trouble: _Trouble, tip: str) -> Card:
    case = exercise.text.cases[trouble.number - 1] if trouble.number else None
    where = f"case {trouble.number} of {len(exercise.cases)}" if case else "a made-up input"
    card = Card(f"{exercise.heading}: not yet ({where})", passed=False)
    if case:
        card.say(f"Tried: {case.title}.")
    else:
        card.say("All cases are right. This is the smallest made-up input that still fails:")
    card.code(exercise.show_use(trouble.args))
    card.say(_fault(exercise, trouble))
    values = trouble.want.error is None and trouble.got.error is None and not trouble.got.stopped
    if values and not isinstance(trouble.got.value, Fault):
        could = "could give" if exercise.compare else "should give"
        rows = [(could, f"`{show(trouble.want.value)}`")]
        rows.append(("yours gives", f"`{show(trouble.got.value)}`"))
        card.table(rows)
    card.draw(_picture(exercise, trouble))
    if case and case.text and _explains(trouble):
        card.say(f"Why: {case.text}")
    if tip:
        card.say(f"It looks like this: {tip}")
    if trouble.got.printed:
        card.say("While it ran on this input, your function printed:")
        card.code(trouble.got.printed, "text")
    return card.say(exercise.next_step)


def _explains(trouble: _Trouble) -> bool:
    """Whether the reason of a case can help: the first one's not where nothing came back."""
    want, got = trouble.want, trouble.got
    if trouble.number > 1:
        return True  # the cases before it are right, so what is special about this one matters
    if got.stopped or got.value is ...:
        return False
    if got.error is not None:
        return not got.elsewhere
    return got.value is not None or want.error is not None


def _fault(exercise: Function, trouble: _Trouble) -> str:
    """What is wrong, in a sentence."""
    want, got = trouble.want, trouble.got
    if isinstance(got.value, Fault):
        return str(got.value)
    if got.stopped:
        return (
            "Your function did not end, so it was stopped, and nothing is broken. Is there a loop "
            "whose end is never reached, a very long way round, or a wait for something that "
            "never comes, such as a lock that nobody gives back? (`with lock:` gives it back, even "
            "after an error.)"
        )
    if got.error is None and want.error is None:
        return _compared(exercise, want, got, trouble.args)
    if got.error is None:
        wanted = _kind(exercise, want.error) if want.error else None
        name = wanted.__name__ if wanted else "an error"
        return f"Your function gave back `{show(got.value)}`; here it should raise `{name}`."
    place = f", in {got.place}" if got.place else ""
    raised = f"Your function raised `{got.error_line}`{place}."
    if got.elsewhere and exercise.drive is not None:
        raised = (
            f"The check met `{got.error_line}` when it called your function or used what it gave "
            "back; no line of yours raised it. Does it take and give back what it should?"
        )
    if want.error is None:
        return f"{raised} It should give back `{show(want.value)}`."
    wanted = _kind(exercise, want.error)
    name = wanted.__name__ if wanted else "another error"
    return f"{raised} Here `{name}` should be raised, on purpose."


def _picture(exercise: Function, trouble: _Trouble) -> Picture | None:
    want, got = trouble.want.value, trouble.got.value
    if trouble.want.error is not None and exercise.shows_fault:
        return _drawn_fault(trouble.args[0])
    if isinstance(want, bytes) and isinstance(got, bytes) and exercise.compare is None:
        return wrong_bit.compare(want, got, exercise.fields(want) if exercise.fields else ())
    if not (exercise.reads and isinstance(want, tuple) and isinstance(got, tuple)):
        return None
    names = exercise.parts or getattr(want, "_fields", ())
    for name, right, yours in zip(names, want, got, strict=False):
        if not equal(right, yours) and name in exercise.reads:
            fields = wrong_bit.frame_fields(trouble.args[0])
            found = next((f for f in fields if f.name == exercise.reads[name]), None)
            return wrong_bit.point_at(trouble.args[0], found, fields) if found else None
    return None


def _drawn_fault(data: bytes) -> Picture | None:
    """Point at the field of a frame that breaks a rule, or that is cut."""
    explained = explain(data, kind="frame")
    if explained.ok or not explained.fields:
        return None
    fields = wrong_bit.frame_fields(data)
    name = explained.culprit or fields[-1].name
    found = next((field for field in fields if field.name == name), None)
    return wrong_bit.point_at(data, found, fields) if found else None


def _tip(exercise: Function, answer: Callable[..., Any], trouble: _Trouble) -> str:
    """The tip for the known wrong answer that does the same as this one, or ""."""
    if trouble.got.stopped:
        return ""
    inputs = [*exercise.cases, trouble.args]
    theirs = [_run(exercise, answer, args) for args in inputs]
    if any(outcome.stopped for outcome in theirs):
        return ""
    for source, wrong in zip(exercise.mistakes, exercise.text.wrong, strict=True):
        if not wrong.text:
            continue
        slip = exercise.load(source)
        if all(
            _does_the_same(exercise, _run(exercise, slip, args), outcome, args)
            for args, outcome in zip(inputs, theirs, strict=True)
        ):
            return wrong.text
    return ""


def _does_the_same(exercise: Function, one: Outcome, other: Outcome, args: tuple[Any, ...]) -> bool:
    """Whether two functions did the same, their accidents included."""
    if one.error is not None and other.error is not None:
        return type(one.error) is type(other.error)
    if exercise.compare is not None and one.error is None and other.error is None:
        return equal(one.value, other.value)
    return _agree(exercise, one, other, args)
