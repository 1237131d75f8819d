"""Temporary folders: they are removed when this process has ended, however it ended.

A small process of its own, the *sweeper*, is told each folder through a pipe that only we hold. The
kernel closes the pipe when we die, also by ``kill -9`` or when a notebook's kernel is shut down in
the middle of a cell. The sweeper then waits for each ``mongod`` in the folders to end, and removes
them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

__all__ = ["new_temporary", "remove_temporary", "temporary"]

_SWEEPER = str(Path(__file__).with_name("sweeper.py"))
_lock = threading.Lock()
_sweeper: subprocess.Popen[str] | None = None
_owner = 0


def new_temporary(prefix: str) -> Path:
    """A new folder for this process alone, which goes with it.

    Args:
        prefix: the beginning of its name.
    """
    return temporary(Path(tempfile.mkdtemp(prefix=prefix)))


def temporary(folder: Path) -> Path:
    """Have a folder removed when this process has ended; it is made if it is not there.

    Args:
        folder: where it is to be. Each ``mongod`` in it holds a lock on the file ``lock``, in the
            folder itself or one below.

    Returns:
        The folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock:
        _tell(str(folder.absolute()))
    return folder


def remove_temporary(folder: Path) -> None:
    """Remove it now, since nothing in it is needed any more."""
    shutil.rmtree(folder, ignore_errors=True)


def _tell(folder: str) -> None:
    """Tell the sweeper; each process has one of its own, a forked one, too."""
    global _sweeper, _owner
    for _ in range(2):  # somebody may have ended it
        if _sweeper is None or _sweeper.stdin is None or _owner != os.getpid():
            _sweeper = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-I", "-S", _SWEEPER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C, and the signals of Jupyter, are not for it
            )
            _owner = os.getpid()
        pipe = _sweeper.stdin
        with contextlib.suppress(BrokenPipeError):
            if pipe is not None:
                pipe.write(f"{folder}\n")
                pipe.flush()
                return
        _sweeper = None
