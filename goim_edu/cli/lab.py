"""Open the course in JupyterLab: ``python -m goim_edu lab``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from goim_edu.cli.command import CommandError, Subparsers

__all__ = ["add", "command", "find_notebooks", "run", "trust"]

FIRST: Final = "00-start-here.ipynb"

# On the first day JupyterLab asks about news and looks for updates; a learner needs neither.
_QUIET: Final = [
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]


def find_notebooks(here: Path | None = None) -> Path | None:
    """Return the folder of the course, or None: below ``here``, or beside this package.

    Args:
        here: where to look first; default: the working directory.
    """
    beside = Path(__file__).resolve().parents[2]
    for folder in (here or Path.cwd(), beside):
        for notebooks in (folder, folder / "notebooks"):
            if (notebooks / FIRST).is_file():
                return notebooks
    return None


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command that opens the first notebook; ``arguments`` go to JupyterLab.

    The address that it prints leads to that notebook too, for a browser on another machine.
    """
    first = f"--LabApp.default_url=/lab/tree/{FIRST}"
    return [sys.executable, "-m", "jupyterlab", *_QUIET, first, *arguments]


def trust(folder: Path) -> None:
    """Sign the notebooks of the course, so that their pictures show before a cell is run.

    JupyterLab strips SVG from the outputs of a notebook that this user has never run, unless it
    is signed (Jupyter Server manual, "Security in notebook documents").
    """
    from nbformat import NO_CONVERT, read
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in sorted(folder.glob("*.ipynb")):
        notary.sign(read(path, NO_CONVERT))
    notary.close()


def run(arguments: Sequence[str]) -> int:
    """Start JupyterLab in the folder of the course and return its exit code when it ends.

    Raises:
        FileNotFoundError: there are no notebooks here.
    """
    folder = find_notebooks()
    if folder is None:
        raise FileNotFoundError(
            "there are no notebooks here: run this in the folder of the project"
        )
    trust(folder)
    words = command(arguments)
    sys.stdout.flush()
    if os.name == "posix":
        # It takes the place of this process: signals reach it, and nothing is left behind.
        os.chdir(folder)
        os.execv(words[0], words)  # noqa: S606 (our own Python, no shell)
    return subprocess.run(words, cwd=folder, check=False).returncode  # noqa: S603 (likewise)


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    # "+" begins our options, of which there are none: every word goes to JupyterLab as it is.
    parser = commands.add_parser("lab", help="open the course in JupyterLab", prefix_chars="+")
    parser.set_defaults(run=_run)
    parser.add_argument("words", nargs="*", help="options of JupyterLab, such as --no-browser")


def _run(args: argparse.Namespace) -> int:
    try:
        return run(args.words)
    except FileNotFoundError as error:
        raise CommandError(str(error)) from None
