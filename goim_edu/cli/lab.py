"""Open the course in JupyterLab: ``python -m goim_edu lab``."""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from goim_edu.cli.command import CommandError, Subparsers, here, reason_of, say
from goim_edu.cli.copying import FIRST, add_fresh, bring, course_of_package, course_of_project
from goim_edu.cli.course import is_copy
from goim_edu.errors import MissingExtra

__all__ = ["add", "command", "places", "run", "trust"]

# JupyterLab asks about news on the first day, over the lower right corner of the notebook.
_SETTINGS: Final = Path(__file__).with_name("jupyter")

# What names a folder that otherwise is in the user's home.
_PLACES: Final = {"JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"} | {
    f"XDG_{what}" for what in ("CACHE_HOME", "CONFIG_HOME", "DATA_HOME", "RUNTIME_DIR")
}


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
        CommandError: there is no copy here, or it cannot be written.
        MissingExtra: JupyterLab is not installed.
    """
    options = _options()
    if {"-h", "--help"} & set(arguments):
        say(f"{options.format_help()}\nAll other options go to JupyterLab: jupyter lab --help")
        return 0
    ours, others = options.parse_known_args(arguments)
    if ours.course is None:
        ours.course = next((Path(word) for word in others if is_copy(Path(word))), None)
        others = [word for word in others if Path(word) != ours.course]
    source, folder = places(here(), ours.course, answers=ours.with_answers)
    if find_spec("jupyterlab") is None:
        raise MissingExtra("lab", "jupyterlab")
    bring(
        *(source, folder, _tell),
        answers=ours.with_answers or None,
        fresh=ours.fresh,
        instead="name another folder with --course",
    )
    _find_a_home(folder)
    if ours.with_answers:
        trust(folder)
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


def _tell(line: str) -> None:
    say(line, error=True)


def places(working: Path, named: Path | None = None, *, answers: bool = False) -> tuple[Path, Path]:
    """Return the folder of the course, and that of the copy.

    Args:
        working: the working directory: a copy, a clone of the project, or another folder.
        named: the folder of the copy, if it is said.
        answers: whether it is the one with the answers.

    Raises:
        CommandError: there is neither a copy here nor a clone.
    """
    source = course_of_project(working)
    if named is not None:
        return source or course_of_package(), named
    if is_copy(working):
        return course_of_package(), working
    if source is None:
        source = course_of_package()
        if source.name != "notebooks":  # in a wheel, beside which nobody keeps a copy
            raise CommandError(
                "there is no copy of the course here: goim-edu start DIR makes one, and "
                "goim-edu lab DIR opens it"
            )
    return source, source.with_name(f"course{'-with-answers' * answers}")


def _find_a_home(folder: Path) -> None:
    """Give JupyterLab a home in the copy where the user's cannot be written, for it needs one."""
    from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir

    for place in map(Path, (jupyter_config_dir(), jupyter_data_dir(), jupyter_runtime_dir())):
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(place, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            home = folder.resolve() / ".home"
            home.mkdir(mode=0o700, exist_ok=True)
            why = f"{place} cannot be written ({reason_of(error)})"
            _tell(f"  {why}: JupyterLab and MongoDB keep their files in {home}")
            for name in _PLACES & os.environ.keys():
                del os.environ[name]
            os.environ["HOME"] = str(home)
            return


def _folder(text: str) -> Path:
    """A folder, also as in ``make lab COURSE=~/course``, which no shell has looked at."""
    return Path(os.path.expanduser(text))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        *("python -m goim_edu lab", None, "Open your own copy of the course in JupyterLab."),
        add_help=False,
        allow_abbrev=False,
    )
    add_fresh(parser)
    parser.add_argument(
        "--with-answers", action="store_true", help="a copy with all outputs, for teachers"
    )
    parser.add_argument("--course", metavar="DIR", type=_folder, help="where the copy is")
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
        "a copy with all outputs, for teachers; --course DIR, or DIR alone, says where the copy "
        "is; all others are JupyterLab's, such as --no-browser",
    )
