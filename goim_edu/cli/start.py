"""Make a copy of the course to learn in: ``goim-edu start DIR``."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from goim_edu.cli.command import CommandError, Subparsers, say
from goim_edu.cli.copying import bring, course_of_package, shown
from goim_edu.cli.course import is_copy

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "start",
        help="make your own copy of the course",
        description="Make your own copy of the course: the notebooks without their answers. What "
        "you change there stays; goim-edu update brings what is newer.",
    )
    parser.set_defaults(run=_run)
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="where: a folder that is empty or not there yet"
    )
    parser.add_argument(
        "--with-answers", action="store_true", help="a copy with all outputs, for teachers"
    )


def _run(args: argparse.Namespace) -> int:
    folder: Path = args.folder
    name = shown(folder)
    if is_copy(folder):
        raise CommandError(
            f"your copy of the course is in {folder} already: goim-edu update {name} brings it "
            f"up to date, goim-edu lab {name} opens it"
        )
    done = bring(
        course_of_package(), folder, say, answers=args.with_answers, instead="name another folder"
    )
    say(f"  {len(done.written)} notebooks, of which 00-start-here.ipynb is the first")
    if find_spec("jupyterlab") is None:
        say("JupyterLab is not installed here: pip install 'goim-edu[lab]'")
    say(f"goim-edu lab {name} opens them in JupyterLab")
    return 0
