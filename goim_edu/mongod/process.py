"""A mongod process behind its watchdog: start it, ask whether it runs, signal it, see it end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from goim_edu.errors import GoimError, StoreUnavailable
from goim_edu.mongod.data_folder import DataFolder
from goim_edu.mongod.diagnosis import why_no_start

__all__ = ["FolderInUse", "WatchedProcess"]

_LONGEST_PAUSING = 5.0


class FolderInUse(GoimError):
    """Another mongod has the data folder; ``owner`` is the process id of the Python behind it."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


class WatchedProcess:
    """A mongod that was started through a watchdog, which ends it when this process ends.

    The watchdog has a session of its own, so that Ctrl-C at the terminal is not for mongod.

    Args:
        folder: where its data, lock and console output are.
        command: the program and its arguments.

    Attributes:
        pid: the process id of mongod itself.
        watchdog: the process in between.

    Raises:
        FolderInUse: another mongod has the folder.
        StoreUnavailable: the program cannot be run.
    """

    def __init__(self, folder: DataFolder, command: list[str]) -> None:
        watchdog = str(Path(__file__).with_name("watchdog.py"))
        files = (str(folder.lock), str(folder.console))
        self.watchdog = subprocess.Popen(  # noqa: S603 - our own script, a mongod of the user's choice
            [sys.executable, "-I", "-S", watchdog, *files, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        said = self._first_line()
        if "pid" not in said:
            self.wait_for_end()
            if said.get("error") == "locked":
                raise FolderInUse(str(said.get("holder", "")))
            raise StoreUnavailable(f"{command[0]} cannot be run: {why_no_start(said)}")
        self.pid = int(said["pid"])

    def _first_line(self) -> dict[str, Any]:
        line = self.watchdog.stdout.readline() if self.watchdog.stdout is not None else ""
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            return {"error": "watchdog"}
        return said

    @property
    def running(self) -> bool:
        """Whether the process lives (it may be frozen)."""
        return self.watchdog.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to mongod, if it lives."""
        # While the watchdog lives, it has not reaped mongod: the number is not another process.
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def freeze(self) -> None:
        """Send SIGSTOP and wait until all threads have stopped.

        When the signal is sent, threads that are at work have not stopped yet, and one of them
        could still answer a question.
        """
        self.signal(signal.SIGSTOP)
        deadline = time.monotonic() + _LONGEST_PAUSING
        while self.running and not _is_frozen(self.pid) and time.monotonic() < deadline:
            time.sleep(0.001)

    def ask_to_stop(self) -> None:
        """Close the pipe that the watchdog reads: it then stops mongod."""
        if self.watchdog.stdin is not None:
            self.watchdog.stdin.close()

    def stop(self, timeout: float) -> None:
        """Stop it cleanly, after ``timeout`` seconds with SIGKILL, and wait for its end."""
        self.ask_to_stop()
        try:
            self.watchdog.wait(timeout)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.watchdog.wait()
        self.wait_for_end()

    def wait_for_end(self) -> None:
        """Wait until both processes have ended, and close the pipes."""
        self.watchdog.wait(60.0)
        for pipe in (self.watchdog.stdin, self.watchdog.stdout):
            if pipe is not None:
                pipe.close()


def _is_frozen(pid: int) -> bool:
    """Whether all threads of a process have stopped (proc(5)); True where that cannot be read."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            # The name in brackets may have brackets of its own; the state follows the last one.
            if not stat.read_text().rpartition(") ")[2].startswith(("T", "Z", "X")):
                return False
    return True
