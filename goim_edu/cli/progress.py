"""``python -m goim_edu progress``: which exercises are done, and where to go on."""

from __future__ import annotations

import argparse

from goim_edu.cli.command import Subparsers

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    what = "show which exercises are done, and where to go on"
    progress = commands.add_parser("progress", help=what, description=f"{what.capitalize()}.")
    progress.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> int:
    from goim_edu.exercises import progress

    print(progress().plain())
    return 0
