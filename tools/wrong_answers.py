"""Hunt for wrong answers that pass: change each exercise's solution in small ways, and check it.

    python -m tools.wrong_answers              # every exercise
    python -m tools.wrong_answers 03 09.7      # a chapter, an exercise

A changed solution that passes is a survivor. Either it does the same as the solution, which is for
a person to say, or the exercise has a hole that a further case must close.
"""

from __future__ import annotations

import argparse
import ast
import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Final

from goim_edu.exercises.catalogue import all_exercises
from goim_edu.exercises.judge import passes
from goim_edu.exercises.model import Function

__all__ = ["Hunt", "WrongAnswer", "exercises", "hunt", "wrong_answers"]


@dataclass(frozen=True)
class WrongAnswer:
    """A solution that was changed.

    Attributes:
        what: the change in words, such as ``line 3: < for <=``.
        code: the whole program.
    """

    what: str
    code: str


@dataclass(frozen=True)
class Hunt:
    """What came of all wrong answers of one exercise."""

    exercise: Function
    tried: int
    survivors: list[WrongAnswer]
    seconds: float


# ---------------------------------------------------------------------- changes of one node

_Way = tuple[str, Any]  # what is changed, in words; and the node, or the statements, instead

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: Final[dict[type[ast.operator], tuple[type[ast.operator], ...]]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr, ast.BitAnd),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.Pow: (ast.Mult,),
}
_NAMES: Final = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sorted": "list",
    "startswith": "endswith",
    "lower": "strip",
    "append": "extend",
    "ceil": "floor",
}
_PASSED_THROUGH: Final = {"sorted", "reversed", "set", "int", "bytes", "bool", "abs", "dict"}
_METHODS_OF_SELF: Final = {"strip", "lower", "upper", "casefold", "rstrip", "lstrip", "copy"}


def _of_comparison(node: ast.Compare) -> Iterator[_Way]:
    if len(node.ops) != 1:
        return
    for other in _COMPARISONS.get(type(node.ops[0]), ()):
        changed = copy.deepcopy(node)
        changed.ops = [other()]
        yield f"{other.__name__} for {type(node.ops[0]).__name__}", changed


def _of_conditions(node: ast.BoolOp) -> Iterator[_Way]:
    swapped = copy.deepcopy(node)
    swapped.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield f"{type(swapped.op).__name__} for {type(node.op).__name__}", swapped
    for number, value in enumerate(node.values, 1):
        rest = [other for other in node.values if other is not value]
        one = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        yield f"without condition {number}", copy.deepcopy(one)


def _of_operation(node: ast.BinOp) -> Iterator[_Way]:
    for operator in _OPERATORS.get(type(node.op), ()):
        changed = copy.deepcopy(node)
        changed.op = operator()
        yield f"{operator.__name__} for {type(node.op).__name__}", changed
    yield "only the left side", copy.deepcopy(node.left)


def _of_sign(node: ast.UnaryOp) -> Iterator[_Way]:
    yield f"without {type(node.op).__name__}", copy.deepcopy(node.operand)


def _of_constant(node: ast.Constant) -> Iterator[_Way]:
    for other in _others(node.value):
        yield f"{other!r} for {node.value!r}", ast.Constant(other)


def _of_choice(node: ast.IfExp) -> Iterator[_Way]:
    yield "always the first", copy.deepcopy(node.body)
    yield "always the second", copy.deepcopy(node.orelse)


def _of_slice(node: ast.Subscript) -> Iterator[_Way]:
    if not isinstance(node.slice, ast.Slice):
        return
    yield "without the slice", copy.deepcopy(node.value)
    for bound in ("lower", "upper"):
        if getattr(node.slice, bound) is not None:
            changed = copy.deepcopy(node)
            setattr(changed.slice, bound, None)
            yield f"without the {bound} bound", changed


def _of_comprehension(node: ast.comprehension) -> Iterator[_Way]:
    if node.ifs:
        loose = copy.deepcopy(node)
        loose.ifs = []
        yield "without the if", loose


def _others(value: object) -> list[Any]:
    """Other constants for this one."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 2]
    if isinstance(value, str):
        return [other for other in ("", value.upper(), value + "x") if other != value]
    if isinstance(value, bytes):
        return [other for other in (b"", value + b"x") if other != value]
    return [0] if value is None else []


def _of_call(node: ast.Call) -> Iterator[_Way]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in _NAMES:
        other = copy.deepcopy(node)
        if isinstance(other.func, ast.Name):
            other.func.id = _NAMES[name]
        elif isinstance(other.func, ast.Attribute):
            other.func.attr = _NAMES[name]
        yield f"{_NAMES[name]} for {name}", other
    if name in _PASSED_THROUGH and isinstance(node.func, ast.Name) and len(node.args) == 1:
        yield f"without {name}", copy.deepcopy(node.args[0])
    if name in _METHODS_OF_SELF and isinstance(node.func, ast.Attribute):
        yield f"without {name}", copy.deepcopy(node.func.value)
    if name == "isinstance":
        yield "isinstance is True", ast.Constant(True)
    for number, keyword in enumerate(node.keywords):
        less = copy.deepcopy(node)
        del less.keywords[number]
        yield f"without {keyword.arg}=", less
    if len(node.args) > 1:
        fewer = copy.deepcopy(node)
        fewer.args.pop()
        yield "without the last argument", fewer


def _of_if(node: ast.If) -> Iterator[_Way]:
    yield "the if always", copy.deepcopy(node.body)
    yield "the if never", copy.deepcopy(node.orelse) or [ast.Pass()]


def _of_return(node: ast.Return) -> Iterator[_Way]:
    if node.value is not None:
        yield "return None", [ast.Return(ast.Constant(None))]


def _of_raise(_: ast.Raise) -> Iterator[_Way]:
    yield "no raise", [ast.Pass()]
    error = ast.Call(ast.Name("ArithmeticError", ast.Load()), [], [])
    yield "another error", [ast.Raise(error)]


def _of_loop(node: ast.For | ast.While) -> Iterator[_Way]:
    first = copy.deepcopy(node)
    first.body.append(ast.Break())
    yield "only the first turn", [first]
    yield "no turn", [ast.Pass()]


def _of_break(_: ast.Break) -> Iterator[_Way]:
    yield "continue for break", [ast.Continue()]


def _of_continue(_: ast.Continue) -> Iterator[_Way]:
    yield "break for continue", [ast.Break()]


def _of_block(node: ast.Try | ast.With | ast.AsyncWith) -> Iterator[_Way]:
    yield f"without {type(node).__name__.lower()}", copy.deepcopy(node.body)


def _of_assignment(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> Iterator[_Way]:
    yield "left out", [ast.Pass()]
    if isinstance(node, ast.AugAssign):
        plain = ast.Assign([copy.deepcopy(node.target)], copy.deepcopy(node.value))
        yield "= for an operator", [plain]


def _of_line(node: ast.Expr) -> Iterator[_Way]:
    if isinstance(node.value, ast.Call | ast.Await):
        yield "left out", [ast.Pass()]


_WAYS: Final[dict[type[ast.AST], Callable[[Any], Iterator[_Way]]]] = {
    ast.Compare: _of_comparison,
    ast.BoolOp: _of_conditions,
    ast.BinOp: _of_operation,
    ast.UnaryOp: _of_sign,
    ast.Constant: _of_constant,
    ast.IfExp: _of_choice,
    ast.Call: _of_call,
    ast.Subscript: _of_slice,
    ast.comprehension: _of_comprehension,
    ast.If: _of_if,
    ast.Return: _of_return,
    ast.Raise: _of_raise,
    ast.For: _of_loop,
    ast.While: _of_loop,
    ast.Break: _of_break,
    ast.Continue: _of_continue,
    ast.Try: _of_block,
    ast.With: _of_block,
    ast.AsyncWith: _of_block,
    ast.Assign: _of_assignment,
    ast.AnnAssign: _of_assignment,
    ast.AugAssign: _of_assignment,
    ast.Expr: _of_line,
}


# ---------------------------------------------------------------------- changes of the whole


@dataclass(frozen=True)
class _Habit:
    """A way to go wrong that has nothing to do with the text of the solution.

    Attributes:
        body: what stands around the right function.
        on: whether it makes a difference to such arguments.
    """

    body: str
    on: Callable[[tuple[Any, ...]], bool]


def _has(*kinds: type) -> Callable[[tuple[Any, ...]], bool]:
    return lambda args: any(type(arg) in kinds for arg in args)


def _first_has(*kinds: type) -> Callable[[tuple[Any, ...]], bool]:
    return lambda args: bool(args) and type(args[0]) in kinds


_HABITS: Final = {
    "remembers its first result": _Habit(
        "if not kept: kept.append(right(*arguments, **named))\nreturn kept[0]", lambda _: True
    ),
    "remembers by its first argument": _Habit(
        "key = repr(arguments[:1])\n"
        "if key not in seen: seen[key] = right(*arguments, **named)\n"
        "return seen[key]",
        lambda args: len(args) > 1,
    ),
    "remembers by the size of its first argument": _Habit(
        "key = len(arguments[0])\n"
        "if key not in seen: seen[key] = right(*arguments, **named)\n"
        "return seen[key]",
        _first_has(str, bytes, list, tuple, dict),
    ),
    "reads at most 125": _Habit(
        "return right(arguments[0][:125], *arguments[1:], **named)",
        _first_has(bytes),
    ),
    "reads at most 255": _Habit(
        "return right(arguments[0][:255], *arguments[1:], **named)",
        _first_has(bytes),
    ),
    "lower case": _Habit(
        "return right(*[a.lower() if isinstance(a, str) else a for a in arguments], **named)",
        _has(str),
    ),
    "stripped": _Habit(
        "return right(*[a.strip() if isinstance(a, str) else a for a in arguments], **named)",
        _has(str),
    ),
    "only Latin-1": _Habit(
        'return right(*[a.encode("latin-1", "replace").decode("latin-1")'
        " if isinstance(a, str) else a for a in arguments], **named)",
        _has(str),
    ),
    "sorts its first argument": _Habit(
        "return right(type(arguments[0])(sorted(arguments[0], key=repr)), *arguments[1:], **named)",
        _first_has(list, tuple),
    ),
    "each element once": _Habit(
        "first = arguments[0]\n"
        "first = type(first)(x for n, x in enumerate(first) if x not in first[:n])\n"
        "return right(first, *arguments[1:], **named)",
        _first_has(list, tuple),
    ),
    "absolute numbers": _Habit(
        "return right(*[abs(a) if type(a) in (int, float) else a for a in arguments], **named)",
        _has(int, float),
    ),
    "whole numbers": _Habit(
        "return right(*[int(a) if type(a) is float else a for a in arguments], **named)",
        _has(float),
    ),
}


def _wrapped(exercise: Function) -> Iterator[WrongAnswer]:
    """The solution behind a function that goes wrong in its own way."""
    tree = ast.parse(exercise.solution)
    is_function = any(
        isinstance(node, ast.FunctionDef) and node.name == exercise.name for node in tree.body
    )
    if not is_function:
        return
    for what, habit in _HABITS.items():
        if not any(map(habit.on, exercise.cases)):
            continue
        lines = indent(habit.body, "    ")
        yield WrongAnswer(
            what,
            f"{exercise.solution}\n\n\nright, kept, seen = {exercise.name}, [], {{}}\n\n\n"
            f"def {exercise.name}(*arguments, **named):\n{lines}\n",
        )


def _constants(exercise: Function) -> Iterator[WrongAnswer]:
    """The right result of one case, whatever is asked."""
    if exercise.drive is not None:
        return
    seen: set[str] = set()
    for number, args in enumerate(exercise.cases, 1):
        try:
            result = repr(exercise.reference(*copy.deepcopy(args)))
            ast.parse(result)
        except Exception:  # noqa: BLE001 (an error, or a result that has no literal)
            continue
        if result not in seen:
            seen.add(result)
            yield WrongAnswer(
                f"always the result of case {number}",
                f"{exercise.solution}\n\n\n"
                f"def {exercise.name}(*arguments, **named):\n    return {result}\n",
            )


# ---------------------------------------------------------------------- the hunt


def wrong_answers(exercise: Function) -> Iterator[WrongAnswer]:
    """The solution with one change each, and each only once."""
    solution = exercise.solution
    seen = {ast.unparse(ast.parse(solution))}
    for answer in _changed(solution):
        if answer.code not in seen:
            seen.add(answer.code)
            yield answer
    yield from _constants(exercise)
    yield from _wrapped(exercise)


def _changed(solution: str) -> Iterator[WrongAnswer]:
    count = sum(1 for _ in ast.walk(ast.parse(solution)))
    for index in range(count):
        number = 0
        while True:
            tree = ast.parse(solution)
            what = _change(tree, index, number)
            if what is None:
                break
            number += 1
            if what:
                yield WrongAnswer(what, ast.unparse(ast.fix_missing_locations(tree)))


def _change(tree: ast.Module, index: int, number: int) -> str | None:
    """Change the node of this index in its ``number``-th way; None if it has no such way."""
    node = list(ast.walk(tree))[index]
    parent, name, place = _where(tree, node)
    if type(node) not in _WAYS or parent is None or _means_nothing(tree, node, parent):
        return None
    changes = list(_WAYS[type(node)](node))
    if number >= len(changes):
        return None
    line = getattr(node, "lineno", 0)
    what, new = changes[number]
    if place is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[place : place + 1] = new if isinstance(new, list) else [new]
    return f"line {line}: {what}"


def _means_nothing(tree: ast.AST, node: ast.AST, parent: ast.AST) -> bool:
    """Whether a change of it cannot be wrong: types, docstrings, the words of an error."""
    if isinstance(node, ast.Constant) and isinstance(parent, ast.Expr):
        return True
    return any(part is node for place in _free(tree) for part in ast.walk(place))


def _free(tree: ast.AST) -> Iterator[ast.AST]:
    """The parts in which a learner may write what they like."""
    for part in ast.walk(tree):
        for name in ("annotation", "returns"):
            if isinstance(place := getattr(part, name, None), ast.AST):
                yield place
        if isinstance(part, ast.Raise) and part.exc is not None:
            yield part.exc


def _where(tree: ast.AST, wanted: ast.AST) -> tuple[ast.AST | None, str, int | None]:
    """The parent of a node, the field that holds it, and its place if that is a list."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is wanted:
                return parent, name, None
            if isinstance(value, list):
                for place, item in enumerate(value):
                    if item is wanted:
                        return parent, name, place
    return None, "", None


def hunt(exercise: Function, tell: Callable[[str], None] = lambda _: None) -> Hunt:
    """Check every wrong answer of an exercise.

    Args:
        exercise: the exercise.
        tell: is told of each survivor.
    """
    begin, tried, survivors = time.monotonic(), 0, []
    for answer in wrong_answers(exercise):
        try:
            function = exercise.load(answer.code)
        except Exception:  # noqa: BLE001 (the change broke the module itself: no answer)
            continue
        tried += 1
        if passes(exercise, function):
            survivors.append(answer)
            tell(f"  {exercise.id} {answer.what}")
    return Hunt(exercise, tried, survivors, time.monotonic() - begin)


def exercises(words: Sequence[str]) -> list[Function]:
    """The function exercises of these chapters or numbers; all if none is named."""
    return [
        exercise
        for exercise in all_exercises()
        if isinstance(exercise, Function)
        and (not words or exercise.id in words or exercise.id.split(".")[0] in words)
    ]


def main() -> int:
    """Hunt, and print what survives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="NUMBER", help="such as 03 or 09.7")
    for exercise in exercises(parser.parse_args().words):
        found = hunt(exercise, lambda line: print(line, flush=True))
        passed = f"{len(found.survivors)} of {found.tried} wrong answers pass"
        print(f"{exercise.id} {exercise.name}: {passed} ({found.seconds:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
