"""The tasks and the folded outcomes in the notebooks are what the tool puts there."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from goim_edu.exercises.catalogue import CHAPTERS, chapter
from goim_edu.exercises.model import Predict
from goim_edu.exercises.pages import PAGES
from tools import notebooks as tool
from tools.tasks import OUTCOME, TAG, answered_in, mark_outcomes, put_tasks

NOTEBOOKS = sorted(tool.FOLDER.glob("*.ipynb"))
_v4: Any = nbformat.v4  # it has no types
code, prose = _v4.new_code_cell, _v4.new_markdown_cell


def seen(notebook: Any) -> list[tuple[str, str, list[str]]]:
    """Each cell: its kind, its text, its tags."""
    return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]


def outcomes(*cells: Any) -> list[bool]:
    notebook = _v4.new_notebook(cells=list(cells))
    mark_outcomes(notebook)
    return [OUTCOME in cell.metadata.get("tags", []) for cell in notebook.cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_tasks_and_outcomes_are_those_of_the_tool(path: Path) -> None:
    notebook = tool.read(path)
    before = seen(copy.deepcopy(notebook))
    put_tasks(notebook)
    mark_outcomes(notebook)
    assert seen(notebook) == before, f"run `python -m tools.notebooks {path.name[:2]}`"


@pytest.mark.parametrize("number", CHAPTERS)
def test_every_exercise_has_a_cell_to_write_in_and_its_task_before_it(number: str) -> None:
    parts = [path for path in NOTEBOOKS if tool.chapter_of(path) == number]
    cells = [cell for path in parts for cell in tool.read(path).cells]
    first: dict[str, int] = {}
    for at, cell in enumerate(cells):
        for exercise in answered_in(cell):
            first.setdefault(exercise, at)
    wanted = {one.id for one in chapter(number) if not isinstance(one, Predict)}
    assert set(first) == wanted
    for exercise, at in first.items():
        assert cells[at - 1].source.startswith(f"**{exercise} "), exercise
        assert TAG in cells[at - 1].metadata.tags


def test_the_pages_have_their_exercises_in_this_order() -> None:
    """After an exercise a learner is sent to the next one below, not to a later page."""
    met: dict[str, list[str]] = {}
    for path in NOTEBOOKS:
        page = path.name.partition("-")[0]
        for cell in tool.read(path).cells:
            if cell.cell_type == "code":
                for number in re.findall(r'\b(?:check|predict)\("(\d\d\.\d+)"', cell.source):
                    if number[:2] == page[:2] and number not in met.setdefault(page, []):
                        met[page].append(number)
    assert {page: tuple(numbers) for page, numbers in met.items() if numbers} == PAGES


def test_a_task_that_is_out_of_date_is_replaced() -> None:
    old = prose("**03.8 Old words**", metadata={"tags": [TAG]})
    notebook = _v4.new_notebook(cells=[old, code('check("03.8", take_frames)')])
    put_tasks(notebook)
    task, answer = notebook.cells
    assert task.source.startswith("**03.8 Frames from a stream**")
    assert answer.source == 'check("03.8", take_frames)'


def test_the_outcome_is_the_next_code_cell_of_the_section() -> None:
    assert outcomes(prose("**Predict:** how many?"), code("1"), code("2")) == [False, True, False]
    assert outcomes(code('predict("03.1")'), prose("So:"), code("1")) == [False, False, True]
    asked = prose("**Predict** it:"), code('predict("03.1")'), code("1")
    assert outcomes(*asked) == [False, False, True]


def test_what_shows_no_outcome_is_not_folded() -> None:
    ask = prose("**Predict:** how many?")
    assert outcomes(ask, prose("Well.\n\n## Another section"), code("1")) == [False] * 3
    assert outcomes(ask, code('def f(): ...\n\ncheck("03.8", f)'), code("1")) == [False] * 3
    assert outcomes(ask, code("from goim_edu.widgets import FrameLab"), code("1")) == [False] * 3
    assert outcomes(code("1", metadata={"tags": [OUTCOME]})) == [False]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_what_a_task_tells_to_call_was_imported_before(path: Path) -> None:
    """A learner who follows it must not meet a NameError."""
    known: set[str] = set()
    for cell in tool.read(path).cells:
        if cell.cell_type == "code":
            for names in re.findall(r"^from goim_edu\.exercises import (.+)$", cell.source, re.M):
                known |= set(names.split(", "))
        elif TAG in cell.metadata.get("tags", []):
            called = set(re.findall(r"`(\w+)\(\"\d\d\.\d+\"", cell.source))
            assert called
            assert called <= known, cell.source
