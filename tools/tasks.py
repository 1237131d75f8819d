"""What a notebook says of its exercises by rule: the tasks, and which cells answer a prediction.

``tools/notebooks.py`` applies both, each time that it executes a notebook. A cell with the tag
``task`` stands before each cell where an exercise is answered; its words come from
``goim_edu/exercises/texts``, so they stand once. The tag ``outcome`` is on each cell that shows
what was to be predicted, so that a site can fold it.
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

__all__ = ["OUTCOME", "TAG", "answered_in", "mark_outcomes", "put_tasks", "task_of"]

TAG: Final = "task"
OUTCOME: Final = "outcome"
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


def mark_outcomes(notebook: Any) -> None:
    """Tag the cell that shows the outcome of each prediction, and no other.

    It is the next code cell of the same section. A widget is not folded, since the learner uses
    it to find out; nor is an exercise, since it shows nothing before it is done.
    """
    waiting = False
    for cell in notebook.cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if tag != OUTCOME]
        if cell.cell_type == "markdown":
            if re.search(r"^## ", cell.source, re.MULTILINE):
                waiting = False
            waiting = waiting or "**Predict" in cell.source
        elif re.search(r'^predict\("\d\d\.\d+"', cell.source, re.MULTILINE):
            waiting = True
        elif waiting:
            waiting = False
            if "goim_edu.widgets" not in cell.source and not any(answered_in(cell)):
                tags.append(OUTCOME)
        if tags:
            cell.metadata["tags"] = tags
        else:
            cell.metadata.pop("tags", None)


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
    """One call and its result: the first that fits in a line, or else the shortest."""
    if exercise.drive is not None:
        return
    lines = []
    for args in exercise.cases:
        try:
            result = exercise.reference(*copy.deepcopy(args))
        except exercise.errors:
            continue
        lines.append(f"`{exercise.show_use(args)}` gives `{show(result)}`")
    if lines:
        first = next((line for line in lines if len(line) <= _LONGEST), min(lines, key=len))
        yield f"For example, {first}."
