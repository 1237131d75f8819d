"""The task of each exercise, in a cell before the one where it is answered: it stands in one text.

``tools/notebooks.py`` puts these cells in, each time that it executes a notebook, and gives them
the tag ``task``. Their words come from ``goim_edu/exercises/texts``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any, Final

import nbformat

from goim_edu.exercises.catalogue import find
from goim_edu.exercises.model import Exercise, Function, Predict, code
from goim_edu.feedback.wording import show

__all__ = ["TAG", "answered_in", "put_tasks", "task_of"]

TAG: Final = "task"
_LONGEST: Final = 120  # characters of an example


def put_tasks(notebook: Any) -> None:
    """Put the task of each exercise before its cell, in place of those that stand there."""
    cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    seen: set[str] = set()
    notebook.cells = []
    for cell in cells:
        for number in answered_in(cell):
            exercise = find(number)
            if number not in seen and not isinstance(exercise, str | Predict):
                seen.add(number)
                task = nbformat.v4.new_markdown_cell(task_of(exercise), metadata={"tags": [TAG]})
                notebook.cells.append(task)
        notebook.cells.append(cell)


def answered_in(cell: Any) -> Iterator[str]:
    """The numbers of the exercises that a cell checks."""
    if cell.cell_type == "code":
        yield from dict.fromkeys(re.findall(r'\bcheck\("(\d\d\.\d+)",', cell.source))


def task_of(exercise: Exercise) -> str:
    """The task in Markdown: what is to be done, from what to what, and how long it takes."""
    text = exercise.text
    lines = [f"**{exercise.heading}** · {text.level}, {text.minutes} minutes", text.statement]
    if isinstance(exercise, Function):
        lines += _example(exercise)
        if exercise.needs:
            lines.append(f"```python\n{code(exercise.needs)}\n```")
    lines.append(
        f'`hint("{exercise.id}")` gives one step, `starter("{exercise.id}")` a fresh cell.'
    )
    return "\n\n".join(lines)


def _example(exercise: Function) -> Iterator[str]:
    """One call and its result, the first that is short enough to read."""
    if exercise.drive is not None:
        return
    for args in exercise.cases:
        try:
            result = exercise.reference(*copy.deepcopy(args))
        except exercise.errors:
            continue
        line = f"`{exercise.show_use(args)}` gives `{show(result)}`"
        if len(line) <= _LONGEST:
            yield f"For example, {line}."
            return
