"""How long a chapter takes: its words, its cells and its exercises, for a first and a second round.

    python -m tools.pace            every chapter
    python -m tools.pace 03 --sections
    python -m tools.pace --write    and put the minutes where the course says them

A learner whose English is second-hand reads 120 words a minute, and spends half a minute on a code
cell; an exercise takes the minutes that its text says. A section whose heading ends in "(second
round)" may wait for later. The first cell of a chapter says its minutes, rounded to five.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from goim_edu.exercises.catalogue import find
from tools import notebooks as files
from tools.tasks import TAG, answered_in

__all__ = [
    "MAP",
    "README",
    "Chapter",
    "Section",
    "column",
    "measure",
    "rounded",
    "said_in",
    "sentence",
]

README: Final = Path(__file__).resolve().parent.parent / "README.md"
MAP: Final = "| chapter | its question |"

_WORDS: Final = 120  # a minute
_CELL: Final = 0.5  # minutes
_LATER: Final = "(second round)"
_PREDICTED: Final = re.compile(r'^predict\("(\d\d\.\d+)"', re.MULTILINE)
_SAID: Final = re.compile(
    r"\*About (\d+) minutes with the exercises(?:; second round: (\d+) more)?\.\*"
)
_HEADING: Final = re.compile(r"^(##+) (.*)$", re.MULTILINE)
_STOP: Final = "**A good place to stop.**"


@dataclass
class Section:
    """One section: what it takes in minutes, and whether it belongs to the second round."""

    title: str
    later: bool
    minutes: float = 0.0


@dataclass
class Chapter:
    """The sections of one notebook, and the minutes between two places to stop."""

    sections: list[Section] = field(default_factory=list)
    stretches: list[float] = field(default_factory=list)

    @property
    def core(self) -> float:
        """Minutes of the first round."""
        return sum(one.minutes for one in self.sections if not one.later)

    @property
    def later(self) -> float:
        """Minutes of the second round."""
        return sum(one.minutes for one in self.sections if one.later)


def measure(notebook: Any) -> Chapter:
    """How long a notebook takes."""
    chapter = Chapter([Section("the beginning", later=False)])
    stretch, level = 0.0, 0
    for cell in notebook.cells:
        headings = _HEADING.findall(cell.source) if cell.cell_type == "markdown" else []
        for marks, title in headings:
            later = title.endswith(_LATER)
            inherits = chapter.sections[-1].later and level and len(marks) > level
            if not inherits:
                level = len(marks) if later else 0
            chapter.sections.append(Section(title, later or bool(inherits)))
        minutes = sum(_minutes(cell))
        section = chapter.sections[-1]
        section.minutes += minutes
        if not section.later:
            stretch += minutes
        if _STOP in cell.source:
            chapter.stretches.append(stretch)
            stretch = 0.0
    chapter.stretches.append(stretch)
    return chapter


def _minutes(cell: Any) -> Iterator[float]:
    """What one cell takes; the task of an exercise is part of the exercise."""
    if cell.cell_type == "markdown":
        if TAG not in cell.metadata.get("tags", []):
            yield len(re.findall(r"\w+", cell.source)) / _WORDS
        return
    numbers = [*answered_in(cell), *_PREDICTED.findall(cell.source)]
    for number in numbers:
        exercise = find(number)
        if not isinstance(exercise, str):
            yield exercise.text.minutes
    if not numbers:
        yield _CELL


def said_in(notebook: Any) -> tuple[int, int] | None:
    """The minutes that its first cell says, of both rounds; None if it says none."""
    said = _SAID.search(notebook.cells[0].source)
    return None if said is None else (int(said[1]), int(said[2] or 0))


def rounded(minutes: float) -> int:
    """To five minutes, and never to none."""
    return max(5, 5 * round(minutes / 5))


def sentence(chapter: Chapter) -> str:
    """What the first cell of a chapter says."""
    later = f"; second round: {rounded(chapter.later)} more" if chapter.later else ""
    return f"*About {rounded(chapter.core)} minutes with the exercises{later}.*"


def column(chapter: Chapter) -> str:
    """What a map of the course says of a chapter."""
    later = f" + {rounded(chapter.later)}" if chapter.later else ""
    return f"{rounded(chapter.core)}{later}"


def with_minutes(table: str, chapters: dict[str, Chapter]) -> str:
    """A map of the course with the minutes of each chapter as its last column."""
    lines = []
    for line in table.splitlines():
        named = re.search(r"\]\((?:notebooks/)?([0-9][\w-]*)\.ipynb\)", line)
        if line.startswith("| ") and named and named[1] in chapters:
            cells = line.strip("| ").split(" | ")
            line = f"| {' | '.join(cells[:2])} | {column(chapters[named[1]])} |"
        lines.append(line)
    return "\n".join(lines) + "\n" * table.endswith("\n")


def write(chapters: dict[str, Chapter]) -> None:
    """Put the minutes where the course says them."""
    README.write_text(with_minutes(README.read_text("utf-8"), chapters), "utf-8")
    for name, chapter in chapters.items():
        path = files.FOLDER / f"{name}.ipynb"
        notebook = files.read(path)
        first = notebook.cells[0]
        first.source = _SAID.sub(sentence(chapter), first.source, count=1)
        if name.startswith("00"):
            for cell in notebook.cells:
                if cell.source.startswith(MAP):
                    cell.source = with_minutes(cell.source, chapters)
        files.write(path, notebook)


def main() -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="beginnings of file names; default: all")
    parser.add_argument("--write", action="store_true", help="put the minutes where they are said")
    parser.add_argument("--sections", action="store_true", help="each section by itself")
    arguments = parser.parse_args()
    paths: list[Path] = sorted(files.FOLDER.glob("[0-9]*.ipynb"))
    if arguments.write:
        write({path.stem: measure(files.read(path)) for path in paths})
    for path in paths:
        if not path.name.startswith(tuple(arguments.names) or ""):
            continue
        notebook = files.read(path)
        chapter = measure(notebook)
        later = f", second round {chapter.later:.0f}" if chapter.later else ""
        print(f"{path.stem}: {chapter.core:.0f} minutes{later}; it says {said_in(notebook)}")
        for one in chapter.sections if arguments.sections else ():
            print(f"    {one.minutes:5.1f} {'later' if one.later else '     '} {one.title}")
        if arguments.sections:
            print(f"    from stop to stop: {', '.join(f'{one:.0f}' for one in chapter.stretches)}")


if __name__ == "__main__":
    main()
