"""What all commands of the command line share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from goim_edu.errors import GoimError

__all__ = [
    "CommandError",
    "Subparsers",
    "give_streams",
    "here",
    "reason_of",
    "say",
    "stop_writing",
    "when_stdin_ends",
]

Subparsers = Any  # argparse has no public name for it


class CommandError(GoimError):
    """The command cannot be carried out; the text is the one line that the user gets."""


def give_streams() -> None:
    """Put nothing in place of streams that were closed before we started, as by ``>&-``."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def here() -> Path:
    """Return the working directory.

    Raises:
        CommandError: somebody has removed it.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise CommandError("the working directory is gone: cd to one that is there") from None


def reason_of(error: OSError) -> str:
    """Say what the system says of a failure.

    >>> reason_of(PermissionError(13, "Permission denied", "/a"))
    'Permission denied'
    """
    return error.strerror or str(error) or type(error).__name__


def say(text: str, *, error: bool = False) -> None:
    """Write a line that may be missed: nothing depends on whether it is read.

    Args:
        text: the line.
        error: whether it goes to stderr, and not to stdout.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        # In one piece: else a line of the log may come between the text and its end.
        stream.write(f"{text}\n")
        stream.flush()
    except OSError:  # a pipe that nobody reads, a full disk
        stop_writing(stream)


def stop_writing(stream: TextIO) -> None:
    """Send to nowhere what is still to be written, so that Python does not stumble over it later.

    Args:
        stream: stdout or stderr, whose file takes no more.
    """
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def when_stdin_ends(do: Callable[[], object]) -> None:
    """Do something when standard input ends: the process that started us is gone, in whatever way.

    What can be read there is thrown away. It is called in a running event loop.
    """
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            do()

    loop.add_reader(0, look)
