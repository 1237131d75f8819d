"""The notebooks as files: executed, normalised, marked rightly, written in small cells."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tools import notebooks as tool
from tools.tasks import TAG

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MARKERS = {"nbval-ignore-output", "nbval-raises-exception", "nbval-skip", "nbval-check-output"}
TAGS = MARKERS | {"raises-exception"}
MOST_MARKED = 0.10  # of the code cells
MOST_WORDS = 100  # in a cell of prose
MOST_LINES = 30  # in a cell of code

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def cells(path: Path, kind: str) -> list[Any]:
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def words(source: str) -> int:
    """The words of running prose: no tables, no code, no folded solutions, no headings."""
    source = re.sub(r"<details>.*?</details>|```.*?```", " ", source, flags=re.DOTALL)
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("|", "#"))]
    return len(re.findall(r"\w[\w'’-]*", re.sub(r"\]\([^)]*\)", "]", "\n".join(lines))))


def is_marked(cell: Any) -> bool:
    return bool(TAGS & set(cell.metadata.get("tags", [])))


def test_every_code_cell_was_executed_in_order(path: Path) -> None:
    counts = [cell.execution_count for cell in cells(path, "code")]
    assert counts == [*range(1, len(counts) + 1)]


def test_what_is_saved_is_normalised(path: Path) -> None:
    assert tool.is_normal(path), "run `make notebooks`"


def test_no_output_is_an_error_unless_it_is_meant(path: Path) -> None:
    for cell in cells(path, "code"):
        if any(output.output_type == "error" for output in cell.outputs):
            assert is_marked(cell), cell.source
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text


def test_no_trailing_semicolons(path: Path) -> None:
    """They hide an output in a browser, but nbval compares it all the same."""
    for cell in cells(path, "code"):
        assert not cell.source.rstrip().endswith(";"), cell.source


def test_markers_are_tags_and_spelled_right(path: Path) -> None:
    """A marker as a line is noise to a beginner; one spelled otherwise is off in silence."""
    for cell in cells(path, "code"):
        assert not re.search(r"nb[-_ ]?val", cell.source, re.IGNORECASE), cell.source
        for tag in cell.metadata.get("tags", []):
            assert "nbval" not in tag or tag in MARKERS, tag


def test_few_cells_are_ignored_and_prose_says_why(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    marked = [cell for cell in code if is_marked(cell)]
    assert len(marked) <= MOST_MARKED * len(code)
    for cell in marked:
        before = notebook.cells[notebook.cells.index(cell) - 1]
        assert before.cell_type == "markdown", cell.source
        assert re.search(r"differs?\b|depends?\b|your machine|error", before.source), before.source


def test_cells_are_small(path: Path) -> None:
    code = [len(cell.source.splitlines()) for cell in cells(path, "code")]
    assert statistics.median(code or [0]) <= 3
    assert max(code, default=0) <= MOST_LINES
    for cell in cells(path, "markdown"):
        if TAG not in cell.metadata.get("tags", []):
            assert words(cell.source) <= MOST_WORDS, cell.source


def test_a_passage_on_the_notes_stands_apart(path: Path) -> None:
    """A reader may skip it: a block quote in a cell of its own, and its code right behind."""
    before = ""
    for cell in nbformat.read(path, as_version=4).cells:
        tagged = "notes" in cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            assert not tagged or before == "notes", cell.source
        else:
            assert tagged == cell.source.startswith("> 📓 **The notes**"), cell.source
            if tagged:
                assert all(line.startswith(">") for line in cell.source.splitlines())
        before = "notes" if tagged else ""


def test_it_opens_with_a_question_and_says_where_to_go_next(path: Path) -> None:
    prose = [cell.source for cell in cells(path, "markdown")]
    assert prose[0].startswith("# ")
    assert "?" in prose[0]
    assert "minutes" in prose[0]
    assert any("Where to go next" in source for source in prose[-2:])


def test_links_to_notebooks_resolve(path: Path) -> None:
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\(([^)#]+\.ipynb)", cell.source):
            assert (path.parent / target).is_file(), target


def test_every_picture_says_in_words_what_it_shows(path: Path) -> None:
    for cell in cells(path, "code"):
        for output in cell.outputs:
            html = output.get("data", {}).get("text/html", "")
            for picture in re.findall(
                r'<(?:svg(?! [^>]*aria-hidden)|div class="goim goim-fit")[^>]*>', html
            ):
                assert 'role="img"' in picture
                assert re.search(r'aria-label="[^"]{20,}', picture)
            assert "image/png" not in output.get("data", {}), "draw it as SVG, with alt text"


def test_nothing_of_one_machine_is_saved(path: Path) -> None:
    text = path.read_text("utf-8")
    for trace in ("/home/", "/Users/", "/root/", "/tmp/", str(ROOT)):
        assert trace not in text


def test_the_next_step_is_the_next_file(path: Path) -> None:
    following = NOTEBOOKS[NOTEBOOKS.index(path) + 1 :]
    cells = [cell.source for cell in nbformat.read(path, 4).cells]
    [onward] = [source for source in cells if "Where to go next" in source]
    if following:
        assert re.findall(r"\]\(([\w-]+\.ipynb)", onward)[0] == following[0].name


def test_the_sections_are_numbered_in_their_order(path: Path) -> None:
    """Each number once, ascending; the second part of a chapter goes on with the first one's."""
    prose = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
    found = re.findall(r"^## (\d+)\.(\d+) ", "\n".join(prose), re.MULTILINE)
    numbers = [int(number) for _, number in found]
    assert numbers == [number + numbers[0] for number in range(len(numbers))]
    assert {f"{chapter:0>2}" for chapter, _ in found} <= {tool.chapter_of(path)}
