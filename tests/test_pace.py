"""The pace: what a chapter says of its minutes is what its words, cells and exercises take."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tools import notebooks as files
from tools import pace

CHAPTERS = sorted(files.FOLDER.glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_says_its_minutes_and_has_places_to_stop(path: Path) -> None:
    notebook = files.read(path)
    chapter = pace.measure(notebook)
    assert pace.sentence(chapter) in notebook.cells[0].source, "run python -m tools.pace --write"
    assert pace.rounded(chapter.core) <= 60  # an hour, as the first cell rounds it
    assert max(chapter.stretches) <= 45  # about half an hour


def test_both_maps_of_the_course_say_the_same() -> None:
    first = files.read(CHAPTERS[0])
    [table] = [cell.source for cell in first.cells if cell.source.startswith(pace.MAP)]
    readme = pace.README.read_text("utf-8")
    for path in CHAPTERS:
        minutes = pace.column(pace.measure(files.read(path)))
        for text in (table, readme) if path is not CHAPTERS[0] else (readme,):
            [row] = [line for line in text.splitlines() if f"{path.name})" in line and "| " in line]
            assert row.endswith(f" | {minutes} |"), "run python -m tools.pace --write"


def test_words_cells_and_second_round_are_counted() -> None:
    new = nbformat.v4
    notebook = new.new_notebook(
        cells=[
            new.new_markdown_cell("# A question\n\n" + "word " * 118),
            new.new_code_cell("1 + 1"),
            new.new_markdown_cell("## More (second round)"),
            new.new_code_cell("2 + 2"),
            new.new_markdown_cell("### A part of it"),
            new.new_code_cell("3 + 3"),
            new.new_markdown_cell("## Back again"),
            new.new_code_cell('check("01.3", ...)'),
        ]
    )
    chapter = pace.measure(notebook)
    assert chapter.core == pytest.approx(1 + 0.5 + 5, abs=0.1)
    assert chapter.later == pytest.approx(1, abs=0.1)
