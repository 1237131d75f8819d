"""What ``lab``, ``start`` and ``update`` share: where the course is, what was done to a copy."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from goim_edu.cli.command import CommandError, here, reason_of
from goim_edu.cli.course import Copied, copy_course, is_copy

__all__ = [
    "FIRST",
    "add_fresh",
    "bring",
    "course_of_package",
    "course_of_project",
    "is_somebody_elses",
    "shown",
]

FIRST: Final = "00-start-here.ipynb"
_PACKAGE: Final = Path(__file__).resolve().parents[1]


def course_of_project(folder: Path) -> Path | None:
    """Return the notebooks of a clone of the project, or None: ``folder``, or those in it.

    Args:
        folder: that of the project, or of its notebooks.
    """
    for notebooks in (folder, folder / "notebooks"):
        if os.path.isfile(notebooks / FIRST) and not is_copy(notebooks):
            return notebooks
    return None


def course_of_package() -> Path:
    """Return the notebooks that belong to this package: in a wheel within it, in a clone beside it.

    Raises:
        CommandError: there are none.
    """
    for notebooks in (_PACKAGE / "course", _PACKAGE.parent / "notebooks"):
        if os.path.isfile(notebooks / FIRST):
            return notebooks
    raise CommandError(f"there are no notebooks in {_PACKAGE}: install goim-edu anew")


def add_fresh(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--fresh``."""
    parser.add_argument(
        "--fresh",
        metavar="CHAPTER",
        action="append",
        default=[],
        help="get a chapter anew: 03 with all parts, 03b one; yours goes to earlier/",
    )


def is_somebody_elses(folder: Path) -> bool:
    """Whether there are files in a folder, and they are not a copy of the course.

    Files whose names begin with a dot do not count: a repository or an environment may be there.

    Raises:
        OSError: it is no folder, or cannot be read.
    """
    try:
        if is_copy(folder) or os.path.isfile(folder / FIRST):
            return False
        return any(not path.name.startswith(".") for path in folder.iterdir())
    except FileNotFoundError:
        return False


def bring(
    source: Path,
    folder: Path,
    tell: Callable[[str], object],
    *,
    answers: bool | None = None,
    fresh: Iterable[str] = (),
    instead: str,
) -> Copied:
    """Bring a copy up to date, and say what was done to it.

    Args:
        source: the folder of the course.
        folder: that of the copy.
        tell: is called with each line.
        answers: whether outputs are copied, too; default: as the copy was made.
        fresh: chapters to get anew.
        instead: what to do if this folder cannot be used.

    Raises:
        CommandError: it cannot be done, and why.
    """
    try:
        if is_somebody_elses(folder):
            raise CommandError(
                f"there are other files in {folder}, and no copy of the course: {instead}"
            )
        done = copy_course(source, folder, answers=answers, fresh=fresh)
    except OSError as error:
        raise CommandError(
            f"cannot write the copy of the course in {folder}: {reason_of(error)}; {instead}"
        ) from None
    except ValueError as error:
        raise CommandError(str(error)) from None
    tell(f"your copy of the course: {folder}")
    for line in _lines(done):
        tell(f"  {line}")
    return done


def _lines(done: Copied) -> Iterable[str]:
    """What is new in the copy, in words."""
    for name in done.moved:
        yield f"what you had is now {name}"
    for name in done.gone:
        yield f"the course has no {name} any more"
    laid = set(done.beside)
    for name in done.kept:
        newer = f"{Path(name).stem}.new.ipynb"
        chapter = name.split("-")[0]
        if newer in laid:
            yield f"{name} stays as you changed it; the course's newer one is {newer} beside it"
        else:
            yield f"{name} stays as you changed it; --fresh {chapter} gets the course's newer one"


def shown(folder: Path) -> str:
    """The way to a folder as one types it in a shell, from the working directory where it is in it.

    >>> shown(Path("/a b"))
    "'/a b'"
    """
    with contextlib.suppress(ValueError):
        folder = folder.relative_to(here())
    return shlex.quote(str(folder))
