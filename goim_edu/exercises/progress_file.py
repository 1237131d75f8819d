"""What a learner has done: one line of text per exercise, in a file beside the notebooks."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["FILE_NAME", "mark_done", "read_done", "where"]

FILE_NAME = ".progress.txt"
VARIABLE = "GOIM_PROGRESS"
"""Names another file, if a learner (or a test) asks for one."""

_LINE = re.compile(r"(\w+\.\d+) done\b")
_in_memory: set[str] = set()


def where() -> Path | None:
    """Return the file, or None where there are no notebooks to keep it beside.

    It is ``$GOIM_PROGRESS`` if that is set; else it stands in the working directory if that holds
    notebooks, as it does inside a notebook; else in its folder ``course``, the learner's copy, or
    ``notebooks``.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    try:
        here = Path.cwd()
    except FileNotFoundError:  # somebody has removed it
        return None
    for folder in (here, here / "course", here / "notebooks"):
        if next(folder.glob("*.ipynb"), None) is not None:
            return folder / FILE_NAME
    return None


def read_done() -> set[str]:
    """The exercises that are done; other lines are skipped."""
    path = where()
    if path is None:
        return set(_in_memory)
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return set(_in_memory)
    found = (_LINE.match(line) for line in text.splitlines())
    return {match[1] for match in found if match} | _in_memory


def mark_done(name: str) -> str:
    """Record that an exercise is done.

    Returns:
        "", or in one sentence why it could not be written; then it is remembered until Python ends.
    """
    if name in read_done():
        return ""
    path = where()
    if path is None:
        _in_memory.add(name)
        return "There is no notebook here, so this is remembered only until Python ends."
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{name} done\n")  # appended, so that two notebooks can do it at once
    except OSError as error:
        _in_memory.add(name)
        reason = error.strerror or type(error).__name__
        return f"{path.name} cannot be written ({reason}): this is remembered until Python ends."
    return ""
