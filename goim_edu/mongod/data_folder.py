"""The folder of one mongod: its data, its log, its lock, and the port of its last run."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod.credentials import Credentials
from goim_edu.mongod.diagnosis import LEAST_DISK

__all__ = ["DataFolder"]

NEEDED_DISK = 64 * 1024 * 1024
"""What an empty database takes, in bytes, with some room for what comes into it."""
LONGEST_LOG = 20 * 1024 * 1024


class DataFolder:
    """Where a mongod keeps its files.

    Args:
        path: the folder; it need not exist yet.

    >>> DataFolder(Path("somewhere")).log_file.name
    'mongod.log'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = path / "db"
        self.log_file = path / "mongod.log"
        self.console = path / "console"
        self.lock = path / "lock"
        self._port = path / "port"

    def prepare(self, credentials: Credentials) -> None:
        """Create it, and check that it can be written and that the disk has room.

        Args:
            credentials: are made, too, where they are missing.

        Raises:
            StoreUnavailable: one line that says what is wrong.
        """
        try:
            self.db.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK):
                raise PermissionError(errno.EACCES, "not writable")
            credentials.prepare()
            if self.log_size() > LONGEST_LOG:
                self.log_file.unlink()
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise StoreUnavailable(
                f"the data folder {self.path} cannot be used: {error.strerror}"
            ) from None
        needed = LEAST_DISK if self._port.exists() else NEEDED_DISK
        if free < needed:
            raise StoreUnavailable(
                f"the disk of {self.path} is full: {free >> 20} MiB are free, "
                f"MongoDB needs {needed >> 20} MiB"
            )

    def is_new(self) -> bool:
        """Whether no mongod has written data here yet."""
        return not any(self.db.iterdir())

    def log_size(self) -> int:
        """How many bytes the log has."""
        return self.log_file.stat().st_size if self.log_file.exists() else 0

    def last_port(self) -> int:
        """The port of the last run, 0 if there was none."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._port.read_text())
        return 0

    def remember_port(self, port: int) -> None:
        """Keep the port for the next run: the configuration of a replica set names it."""
        self._port.write_text(f"{port}\n")
