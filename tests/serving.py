"""The chat server as a process of its own, to be stopped, killed and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT = 30.0  # seconds until it accepts
STOP_TIMEOUT = 20.0  # seconds to drain


class ServerProcess:
    """``python -m goim_edu serve`` on a port that it picks once and keeps over restarts.

    Args:
        log: a file for what it prints.
        mongo: as ``--mongo``.
        options: further options of ``serve``.
    """

    def __init__(self, log: Path, mongo: str, *options: str) -> None:
        self.port = 0
        self._log = log
        self._options = ("--mongo", mongo, *options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def page(self) -> str:
        """The address of the chat page."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def chat(self) -> str:
        """The address of the chat's WebSocket."""
        return f"ws://127.0.0.1:{self.port}/chat"

    @property
    def pid(self) -> int:
        """The number of the process; 0 if none runs."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start it and return once it accepts."""
        command = [sys.executable, "-m", "goim_edu", "serve", "--port", str(self.port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *self._options], stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and self._process.poll() is None:
            for line in self._log.read_text().splitlines():
                if line.startswith("listening on "):
                    self.port = int(line.rpartition(":")[2])
                    return self
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the server did not start:\n{self._log.read_text()}")

    def stop(self) -> int:
        """End it in good order and return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it without a goodbye."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
