"""Open the course in JupyterLab: ``python -m goim_edu lab``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from goim_edu.cli.command import CommandError, Subparsers, say
from goim_edu.cli.start import Copied, copy_course
from goim_edu.errors import MissingExtra

__all__ = ["add", "command", "find_notebooks", "run", "trust"]

FIRST: Final = "00-start-here.ipynb"

# JupyterLab asks about news on the first day, over the lower right corner of the notebook.
_SETTINGS: Final = Path(__file__).with_name("jupyter")


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
    return [sys.executable, "-m", "jupyterlab", first, *arguments]


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
    """Bring the learner's copy up to date, start JupyterLab in it, and return its exit code.

    Args:
        arguments: our options, and those of JupyterLab.

    Raises:
        CommandError: there are no notebooks here, or they cannot be copied.
        MissingExtra: JupyterLab is not installed.
    """
    options = _options()
    if {"-h", "--help"} & set(arguments):
        say(f"{options.format_help()}\nAll other options go to JupyterLab: jupyter lab --help")
        return 0
    ours, others = options.parse_known_args(arguments)
    source = find_notebooks()
    if source is None:
        raise CommandError("there are no notebooks here: run this in the folder of the project")
    if find_spec("jupyterlab") is None:
        raise MissingExtra("lab", "jupyterlab")
    folder = ours.course or source.with_name(f"course{'-with-answers' * ours.with_answers}")
    try:
        done = copy_course(source, folder, answers=ours.with_answers, fresh=ours.fresh)
        if ours.with_answers:
            trust(folder)
    except OSError as error:
        raise CommandError(
            f"cannot write the copy of the course in {folder}: {error.strerror}; "
            "name another folder with --course"
        ) from None
    except ValueError as error:
        raise CommandError(str(error)) from None
    _tell(done, folder)
    words = command(others)
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        filter(None, [str(_SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH")])
    )
    sys.stdout.flush()
    if os.name == "posix":
        # It takes the place of this process: signals reach it, and nothing is left behind.
        os.chdir(folder)
        os.execv(words[0], words)  # noqa: S606 (our own Python, no shell)
    return subprocess.run(words, cwd=folder, check=False).returncode  # noqa: S603 (likewise)


def _tell(done: Copied, folder: Path) -> None:
    """Say what is new in the copy."""
    say(f"your copy of the course: {folder}", error=True)
    for name in done.moved:
        say(f"  what you had is now {name}", error=True)
    for name in done.kept:
        chapter = name.split("-")[0]
        say(
            f"  {name} stays as you changed it; --fresh {chapter} gets the course's newer one",
            error=True,
        )


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        *("python -m goim_edu lab", None, "Open your own copy of the course in JupyterLab."),
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--fresh",
        metavar="CHAPTER",
        action="append",
        default=[],
        help="get a chapter anew: 03 with all parts, 03b one; yours goes to earlier/",
    )
    parser.add_argument(
        "--with-answers", action="store_true", help="a copy with all outputs, for teachers"
    )
    parser.add_argument("--course", metavar="DIR", type=Path, help="where the copy is")
    return parser


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    # "+" begins no option: every word that is not ours goes to JupyterLab as it is.
    parser = commands.add_parser(
        "lab",
        help="open the course in JupyterLab",
        prefix_chars="+",
        description="Open your own copy of the course in JupyterLab. What you change stays.",
    )
    parser.set_defaults(run=lambda args: run(args.words))
    parser.add_argument(
        "words",
        nargs="*",
        metavar="OPTION",
        help="--fresh CHAPTER gets a chapter anew (03 with all parts, 03b one; yours goes to "
        "earlier/); --with-answers opens "
        "a copy with all outputs, for teachers; --course DIR says where the copy is; all "
        "others are JupyterLab's, such as --no-browser",
    )
