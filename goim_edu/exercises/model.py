"""What an exercise is: its kinds, and what each kind needs; the chapters are made of these."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import dedent
from typing import Any, Literal, Self

from goim_edu.exercises.made_up_inputs import Maker
from goim_edu.exercises.prose import Text
from goim_edu.feedback.wording import show, show_call
from goim_edu.websocket.explain import Field

__all__ = [
    "Case",
    "Change",
    "Exercise",
    "Fault",
    "Function",
    "Measure",
    "Predict",
    "Wrong",
    "changed",
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
    """The code of a function, as it stands in its module, without comments for our own tools."""
    return _NOTE.sub("", dedent(inspect.getsource(function)).strip("\n"))


Change = str | tuple[str, ...]
"""A program made from another: the whole of it, or what to replace and by what, in turn."""


def changed(source: str, change: Change) -> str:
    """Apply a change to ``source``.

    Args:
        source: the program to change.
        change: a whole program that takes its place, or ``(old, new, old, new ...)``.

    Raises:
        ValueError: a piece to replace is not in it.

    >>> changed("a = 1", ("1", "2")), changed("a = 1", "b = 3")
    ('a = 2', 'b = 3')
    """
    if isinstance(change, str):
        return code(change)
    for old, new in zip(change[::2], change[1::2], strict=True):
        if old not in source:
            raise ValueError(f"{old!r} is not in the program to change")
        source = source.replace(old, new)
    return source


class Case(tuple[Any, ...]):
    r"""The arguments of one case, with what a card says of it.

    Args:
        arguments: what the function is called with.
        title: what is special about it; default: the call.
        why: the rule that decides it.

    >>> Case(b"\x81", title="a cut header", why="A header has two bytes at least.")
    (b'\x81',)
    """

    title: str
    why: str

    def __new__(cls, *arguments: object, title: str = "", why: str = "") -> Self:
        """Keep the words beside the arguments."""
        case = super().__new__(cls, arguments)
        case.title, case.why = title, why
        return case


class Wrong(tuple[str, ...]):
    """A plausible wrong answer, with what a card says to learners who gave it.

    Args:
        change: a whole program, or what to replace in the solution and by what, in turn.
        words: what the refusal of it must contain, so that it is refused for the right reason.
        tip: what learners who made this mistake overlook.

    >>> Wrong("2 * number", "2 + number", tip="This adds two.")
    ('2 * number', '2 + number')
    """

    words: str
    tip: str

    def __new__(cls, *change: str, words: str = "", tip: str = "") -> Self:
        """Keep the words beside the change."""
        wrong = super().__new__(cls, change)
        wrong.words, wrong.tip = words, tip
        return wrong


class Fault(str):
    """What a driver found wrong with a function, as a sentence; it stands for the result."""


@dataclass(frozen=True, kw_only=True)
class _Base:
    id: str
    text: Text = field(default_factory=Text)

    @property
    def next_step(self) -> str:
        """What to do after a wrong answer."""
        if self.text.hints:
            return f'One step at a time: `hint("{self.id}")`'
        return f'If you are stuck: `solution("{self.id}")`'

    @property
    def heading(self) -> str:
        """Its number and its title."""
        return f"{self.id} {self.text.title}"


@dataclass(frozen=True, kw_only=True)
class Function(_Base):
    """Write a function, or mend a broken one.

    Args:
        id: its number, such as "03.2"; of your own exercises such as "my.1".
        text: what it says.
        reference: the solution; the package's own function where that is the answer.
        cases: the arguments that it is tried on first, the simplest first: tuples, or ``Case``.
        starter: what the learner begins with: an empty function (the default), or a broken one.
        wrong: plausible wrong answers, as changes of the solution, or ``Wrong``; the course has
            three or more of each.
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
        source: the code of the solution, where it cannot be found at the reference.
        serves: ``goim_edu.lab.serve_with`` takes such a function under this name.

    >>> def twice(number):
    ...     return 2 * number
    >>> Function(id="my.1", reference=twice, cases=((3,), (0,))).name
    'twice'
    """

    reference: Callable[..., Any]
    cases: Sequence[tuple[Any, ...]]
    starter: str = ""
    wrong: Sequence[Change] = ()
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
    source: str = ""
    serves: bool = False

    @property
    def name(self) -> str:
        """What the function is called."""
        return self.called or self.reference.__name__

    @property
    def others(self) -> list[tuple[str, str, str]]:
        """Other right answers: what each is called, what it trades, and its program."""
        also = enumerate(self.text.also, 1)
        return [(one.title, one.text, self.text.code[f"also {n}"]) for n, one in also]

    @cached_property
    def solution(self) -> str:
        """The code of the reference, with the imports and helpers that it stands on."""
        if self.source:
            return self.source
        functions = [source_of(part) for part in (*self.helpers, self.reference)]
        body = re.sub(rf"\b{self.reference.__name__}\b", self.name, "\n\n\n".join(functions))
        return self._with_imports(body)

    @property
    def start(self) -> str:
        """What the learner begins with, with its imports."""
        return self._with_imports(code(self.starter))

    @property
    def mistakes(self) -> list[str]:
        """The code of each wrong answer."""
        return [
            self._with_imports(code(it)) if isinstance(it, str) else changed(self.solution, it)
            for it in self.wrong
        ]

    def _with_imports(self, body: str) -> str:
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


@dataclass(frozen=True, kw_only=True)
class Predict(_Base):
    """Say what a cell will show, before it runs.

    Args:
        id: its number.
        text: what it says, and the options to choose from.
        right: the letter of the right option; or none, then the answer is typed.
        answer: what is to be typed.
        same: other ways to write it, which are right as well.
        experiment: the cell to run afterwards; its last line must show the answer.
        kind: "predict".
    """

    right: str = ""
    answer: object = None
    same: tuple[object, ...] = ()
    experiment: str = ""
    kind: Literal["predict"] = "predict"

    @property
    def cell(self) -> str:
        """The cell to run afterwards."""
        return code(self.experiment)


@dataclass(frozen=True, kw_only=True)
class Measure(_Base):
    """Find a figure by measuring; it is compared with a measurement that is made on the spot.

    Args:
        id: its number.
        text: what it says.
        starter: the cell to complete.
        judge: None if the answer is right, else what is wrong with it, in words that help.
        solved: a cell whose name ``answer`` holds a right answer at the end, as a change of the
            starter.
        wrong: wrong answers, each with words that the refusal must contain.
        kind: "measure".
    """

    starter: str
    judge: Callable[[Any], str | None]
    solved: Change
    wrong: tuple[tuple[Any, str], ...]
    kind: Literal["measure"] = "measure"

    @property
    def start(self) -> str:
        """The cell to complete."""
        return code(self.starter)

    @property
    def solution(self) -> str:
        """The completed cell."""
        return changed(self.start, self.solved)


Exercise = Function | Predict | Measure
"""What can be asked."""
