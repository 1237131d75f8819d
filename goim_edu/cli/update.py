"""Bring a copy of the course up to date: ``goim-edu update DIR``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from goim_edu.cli.command import CommandError, Subparsers, here, say
from goim_edu.cli.copying import FIRST, add_fresh, bring, course_of_package, shown
from goim_edu.cli.course import is_copy

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "update",
        help="bring your copy of the course up to date",
        description="Bring your copy of the course to the version of the package that is "
        "installed. What you did not change is replaced; beside what you changed the newer one is "
        "laid, as 03-frames.new.ipynb. What you have done stays.",
    )
    parser.set_defaults(run=_run)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="where it is (default: the working directory)",
    )
    add_fresh(parser)


def _run(args: argparse.Namespace) -> int:
    folder: Path = args.folder or here()
    if not is_copy(folder) and not os.path.isfile(folder / FIRST):
        raise CommandError(
            f"there is no copy of the course in {folder}: goim-edu start {shown(folder)} makes one"
        )
    done = bring(
        course_of_package(), folder, say, fresh=args.fresh, instead="nothing else was changed"
    )
    for name in done.written:
        say(f"  {name} is new")
    if not (done.written or done.kept or done.gone):
        say("  nothing is newer")
    say("  what you have done is as it was")
    return 0
