"""What an exercise is: its kinds, its cases, its wrong answers; the chapters are made of these."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import dedent
from typing import Any, Literal

from goim_edu.exercises.samples import Maker
from goim_edu.feedback.wording import show, show_call
from goim_edu.websocket.explain import Field

__all__ = [
    "Case",
    "Exercise",
    "Function",
    "Measure",
    "Option",
    "Predict",
    "Wrong",
    "code",
    "source_of",
]


_NOTE = re.compile(r"  # (?:noqa|type: ignore).*")


def code(text: str) -> str:
    """Code without the indentation of the module that it stands in.

    >>> code('''
    ...     x = 1
    ... ''')
    'x = 1'
    """
    return dedent(text).strip("\n")


def source_of(function: Callable[..., Any]) -> str:
    """The code of a function, as it stands in its module, without words to our own tools."""
    return _NOTE.sub("", dedent(inspect.getsource(function)).strip("\n"))


@dataclass(frozen=True)
class Case:
    """One thing that a learner's function is called with.

    Args:
        args: the arguments.
        name: what is special about them, in a few words.
        why: the rule that decides it, in one or two sentences that help.
    """

    args: tuple[Any, ...]
    name: str
    why: str


@dataclass(frozen=True)
class Wrong:
    """A plausible wrong answer, which the tests give and must see refused.

    Args:
        names: words that the refusal must contain, so that it names the fault.
        old: a piece of the solution ...
        new: ... and what stands there in the wrong answer.
        whole: the whole wrong answer, where a small change of the solution cannot say it.
        tip: said to learners whose function does the same as this one, on every input.
    """

    names: str
    old: str = ""
    new: str = ""
    whole: str = ""
    tip: str = ""

    def source(self, solution: str) -> str:
        """The code of the wrong answer.

        Raises:
            ValueError: the piece to change is not in the solution.
        """
        if self.whole:
            return code(self.whole)
        if self.old not in solution:
            raise ValueError(f"{self.old!r} is not in the solution")
        return solution.replace(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class _Base:
    id: str
    title: str
    statement: str
    hints: tuple[str, ...]
    after: str = ""  # said when it is done: what to look at now

    @property
    def heading(self) -> str:
        """Its number and its title."""
        return f"{self.id} {self.title}"


@dataclass(frozen=True, kw_only=True)
class Function(_Base):
    """Write a function, or mend a broken one.

    Args:
        reference: the solution; the package's own function where that is the answer.
        starter: what the learner begins with: an empty function, or a broken one.
        cases: what it is tried on first, the simplest first.
        wrong: at least three plausible wrong answers.
        kind: "write" or "mend".
        called: what the function is called, if not as the reference.
        package: the package's own function for this, shown beside the solution.
        needs: the imports that starter and solution stand on.
        helpers: functions that the reference calls, shown with it.
        make: makes up further inputs.
        parts: what the parts of a returned tuple are called.
        reads: name of a part -> name of the frame's field that it is read from, for a picture.
        fields: names the bits of the bytes that are returned, for a picture.
        shows_fault: the first argument is a frame; draw what is wrong with it.
        errors: the classes that may be raised on purpose, the most special first.
        drive: how to use the function, if not by one call; gets it and the arguments.
        usage: what is shown instead of the call, with {0}, {1} ... for the arguments.
        compare: where several results are right: gets the right one, the learner's and the
            arguments, and gives "" or what is wrong with the learner's.
    """

    reference: Callable[..., Any]
    starter: str
    cases: tuple[Case, ...]
    wrong: tuple[Wrong, ...]
    kind: Literal["write", "mend"] = "write"
    called: str = ""
    package: Callable[..., Any] | None = None
    needs: str = ""
    helpers: tuple[Callable[..., Any], ...] = ()
    make: Maker | None = None
    parts: tuple[str, ...] = ()
    reads: Mapping[str, str] = field(default_factory=dict)
    fields: Callable[[bytes], Sequence[Field]] | None = None
    shows_fault: bool = False
    errors: tuple[type[Exception], ...] = (ValueError,)
    drive: Callable[..., Any] | None = None
    usage: str = ""
    compare: Callable[[Any, Any, tuple[Any, ...]], str] | None = None

    @property
    def name(self) -> str:
        """What the function is called."""
        return self.called or self.reference.__name__

    @cached_property
    def solution(self) -> str:
        """The code of the reference, with the imports and helpers that it stands on."""
        functions = [source_of(part) for part in (*self.helpers, self.reference)]
        body = re.sub(rf"\b{self.reference.__name__}\b", self.name, "\n\n\n".join(functions))
        return f"{code(self.needs)}\n\n\n{body}" if self.needs else body

    @property
    def start(self) -> str:
        """What the learner begins with, with its imports."""
        body = code(self.starter)
        return f"{code(self.needs)}\n\n\n{body}" if self.needs else body

    def show_use(self, args: Sequence[Any]) -> str:
        """How the function is used on these arguments, as code."""
        if self.usage:
            return self.usage.format(*(show(argument) for argument in args))
        return show_call(self.name, args)

    def load(self, source: str) -> Callable[..., Any]:
        """Run ``source`` and return the function of this exercise that it defines."""
        namespace: dict[str, Any] = {"__name__": "answer"}
        exec(compile(source, f"<{self.id}>", "exec"), namespace)  # noqa: S102 (our own text)
        function: Callable[..., Any] = namespace[self.name]
        return function


@dataclass(frozen=True)
class Option:
    """One of the answers to choose from.

    Args:
        text: as it is shown.
        says: what it is answered with; for a wrong one what it overlooks, not what is right.
        right: whether it is the one.
    """

    text: str
    says: str
    right: bool = False


@dataclass(frozen=True, kw_only=True)
class Predict(_Base):
    """Say what a cell will show, before it runs.

    Args:
        options: to choose from by letter; or none, then the answer is typed.
        answer: what is to be typed.
        wrong: typed answers that are often given, and what each overlooks.
        otherwise: said to any other wrong answer.
        experiment: the cell to run afterwards; its last line must show the answer.
        source: where the answer stands, if no cell can show it.
    """

    options: tuple[Option, ...] = ()
    answer: object = None
    wrong: Mapping[object, str] = field(default_factory=dict)
    otherwise: str = ""
    experiment: str = ""
    source: str = ""
    kind: Literal["predict"] = "predict"


@dataclass(frozen=True, kw_only=True)
class Measure(_Base):
    """Find a figure by measuring; it is compared with a measurement that is made on the spot.

    Args:
        starter: the cell to complete.
        judge: None if the answer is right, else what is wrong with it, in words that help.
        solution: a cell whose name ``answer`` holds a right answer at the end.
        wrong: wrong answers, each with words that the refusal must contain.
    """

    starter: str
    judge: Callable[[Any], str | None]
    solution: str
    wrong: tuple[tuple[Any, str], ...]
    kind: Literal["measure"] = "measure"


Exercise = Function | Predict | Measure
