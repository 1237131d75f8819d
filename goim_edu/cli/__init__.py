"""The command line: ``python -m goim_edu serve`` and the other commands.

Each command is a file. Its ``add`` adds the options and sets ``run``, which returns the exit code:
0 for success, 2 for a command that cannot work, with one line on stderr that says why. Output that
nobody reads to its end is no failure. A command imports what it needs when it runs, so that
``--help`` is quick.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from typing import cast

from goim_edu import __version__
from goim_edu.cli import chat, dissect, lab, mongo, progress, serve, start, update
from goim_edu.cli.command import (
    CommandError,
    Subparsers,
    give_streams,
    reason_of,
    say,
    stop_writing,
)
from goim_edu.errors import MissingExtra, StoreError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, without the program's name; default: those of this process.

    Returns:
        The exit code.

    >>> main(["--version"])
    Traceback (most recent call last):
    ...
    SystemExit: 0
    """
    give_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may have no tick, and no 目
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()  # here, where an error can still be caught
    except BrokenPipeError:  # "... | head": the reader of our output has seen enough
        stop_writing(sys.stdout)
        return 0
    except OSError as error:  # a full disk behind our output, a folder that may not be read
        stop_writing(sys.stdout)
        what = f"{error.filename}: " if error.filename else ""
        say(f"goim_edu: {what}{reason_of(error)}", error=True)
        return 2
    except KeyboardInterrupt:
        return 130  # as shells say it


def _run(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m goim_edu", description="WebSocket, chat and MongoDB, to learn from."
    )
    parser.add_argument("--version", action="version", version=f"goim_edu {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    args = parser.parse_args(argv)
    args.command_line = sys.argv[1:] if argv is None else list(argv)
    run = cast("Callable[[argparse.Namespace], int]", args.run)
    try:
        return run(args)
    except (CommandError, MissingExtra, StoreError) as error:
        say(f"goim_edu: {error}", error=True)
        return 2


_COMMANDS: tuple[Callable[[Subparsers], None], ...] = (
    serve.add,
    chat.add,
    start.add,
    update.add,
    lab.add,
    mongo.add,
    dissect.add,
    progress.add,
)
"""Each adds one command, in the order of ``--help``."""
