"""The process that removes temporary folders when their owner has ended; see ``temporary``.

It is run as a script and imports nothing of ours. Its standard input has the folders, one a line,
and ends with its owner.

Usage: sweeper.py
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import sys
import time

PATIENCE = 60.0  # seconds for the mongods to end; their watchdogs kill them after 30


def main() -> int:
    """Read until the owner has ended, then remove what is left."""
    folders = [line.rstrip("\n") for line in sys.stdin]
    deadline = time.monotonic() + PATIENCE
    while left := [folder for folder in folders if os.path.isdir(folder)]:
        for folder in left:
            if not in_use(folder) or time.monotonic() > deadline:
                shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > deadline:
            return 1
        time.sleep(0.05)
    return 0


def in_use(folder: str) -> bool:
    """Whether a mongod runs in it: then its watchdog holds a lock."""
    name = glob.escape(folder)
    return any(is_locked(path) for path in glob.glob(f"{name}/lock") + glob.glob(f"{name}/*/lock"))


def is_locked(path: str) -> bool:
    """Whether somebody has a lock on the file."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # it was removed meanwhile
    return False


if __name__ == "__main__":
    sys.exit(main())
