"""What an exercise does with the cells of a notebook: it fills a fresh one, or reads one."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from textwrap import dedent
from typing import Any

from goim_edu.exercises.model import Function

__all__ = ["is_untouched", "put_below"]


def put_below(code: str) -> bool:
    """Put code into a fresh cell below the one that runs; whether there is a notebook to do so."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    shell.set_next_input(code, replace=False)
    return True


def is_untouched(exercise: Function, answer: Callable[..., Any]) -> bool:
    """Whether a function is still the starter, under whatever name."""
    try:
        theirs = _body(dedent(inspect.getsource(answer)))
        return theirs is not None and theirs == _body(exercise.start, exercise.name)
    except (OSError, TypeError, SyntaxError, ValueError):
        return False  # it has no text that could be read, as built-in functions have none


def _body(source: str, name: str | None = None) -> str | None:
    """The arguments and the lines of a function, without what does not count."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and name in (None, node.name):
            return ast.dump(node.args) + "".join(map(ast.dump, node.body))
    return None
