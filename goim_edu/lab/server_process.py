"""The chat server as a process of its own, to be stopped, killed, frozen and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from goim_edu.mongod.ports import lasting_port

__all__ = ["ServerProcess"]

_START_TIMEOUT: Final = 30.0  # seconds until it accepts
_POLL: Final = 0.02


class ServerProcess:
    """``python -m goim_edu serve`` on a port that it picks once and keeps over restarts.

    Args:
        log: a file for what it prints; each start writes on at its end.
        mongo: as ``--mongo``. An address goes through the environment, since a password may be in
            it, and others can read the arguments of a process.
        options: further options of ``serve``.
        environment: further variables of its environment.

    Attributes:
        port: where it listens; 0 before its first start.
        environment: all variables of its environment.

    >>> server = ServerProcess(Path("server.log"), "memory", "--rate", "5")
    >>> server.running
    False
    """

    def __init__(
        self,
        log: Path,
        mongo: str,
        *options: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = 0
        self._log = log
        self.environment = {**os.environ, **(environment or {})}
        if mongo.startswith("mongodb"):
            self.environment["GOIM_MONGO_URI"] = mongo
            mongo = "auto"
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
    def command(self) -> list[str]:
        """The program and its arguments."""
        command = [sys.executable, "-m", "goim_edu", "serve", "--port", str(self.port)]
        return [*command, *self._options]

    @property
    def pid(self) -> int:
        """The number of the process; 0 if there is none."""
        return 0 if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives (it may be frozen)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and return once it accepts; one that runs goes on.

        Raises:
            RuntimeError: it ended, or did not accept within 30 s; with what it printed.
        """
        if self.running:
            return self
        self.port = self.port or lasting_port()
        begin = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own package
                [*self.command, "--end-with-stdin"],
                stdin=subprocess.PIPE,  # which ends with us, however we end
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )
        end = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < end and self._process.poll() is None:
            for line in self._printed(begin).splitlines():
                if line.startswith("listening on "):
                    self.port = int(line.rpartition(":")[2])
                    return self
            time.sleep(_POLL)
        self.kill()
        raise RuntimeError(f"the server did not start:\n{self._printed(begin)}")

    def _printed(self, begin: int) -> str:
        with self._log.open("rb") as log:
            log.seek(begin)
            return log.read().decode(errors="replace")

    def last_words(self, lines: int = 5) -> list[str]:
        """The last lines that it has printed."""
        return self._printed(0).splitlines()[-lines:]

    def stop(self, timeout: float = 20.0) -> int:
        """End it in good order (SIGTERM) and return its exit code; 0 if there was none.

        Raises:
            TimeoutExpired: it took longer than ``timeout`` seconds, and was killed.
        """
        return self._end(signal.SIGTERM, timeout)

    def kill(self) -> int:
        """End it without a goodbye: ``kill -9``."""
        return self._end(signal.SIGKILL, 20.0)

    def freeze(self) -> None:
        """Let it stand still (SIGSTOP): its connections stay open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals, timeout: float) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdin is not None:
                process.stdin.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
