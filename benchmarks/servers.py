"""Start the servers of a benchmark, each in its process, and read its CPU time and its memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks import other_peers
from benchmarks.rows import OURS, Missing

ROOT: Final = Path(__file__).resolve().parent.parent
BARE: Final = "bare"
PEERS: Final = ("websockets", "aiohttp", "picows")
WITHOUT_LOOP: Final = (BARE, *other_peers.COMMANDS)
EVERYBODY: Final = ("goim", *PEERS, *WITHOUT_LOOP)
LOOPS: Final = ("asyncio", "uvloop")


@dataclass
class Server:
    """One server that runs.

    Attributes:
        name: "goim", or that of a peer.
        loop: "asyncio" or "uvloop"; empty for what has no loop of Python.
        process: it.
        port: where it listens.
        chat: whether its chat room is measured, and not a handler that only hands on.
    """

    name: str
    loop: str
    process: subprocess.Popen[str]
    port: int
    chat: bool = False

    @property
    def label(self) -> str:
        name = self.name.replace("goim", OURS) + (" chat" if self.chat else "")
        return f"{name}/{self.loop}" if self.loop else name

    def cpu(self) -> float:
        """Seconds by the CPU clock of the process, as clock_getcpuclockid(3) would name it.

        That counts nanoseconds; what /proc tells are hundredths of a second.
        """
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def memory(self) -> int:
        return int(psutil.Process(self.process.pid).memory_full_info().uss)


def command(name: str, loop: str, compression: bool) -> list[str]:
    """How to start a server; each prints its port, and ends when its standard input does."""
    if name in other_peers.COMMANDS:
        start = other_peers.COMMANDS[name]()
    else:
        start = [sys.executable, "-m", "benchmarks.server_peers", name]
        start += ["--loop", loop] if loop else []
    return [*start, "--compression"] if compression else start


@contextmanager
def running(name: str, loop: str = "", compression: bool = False) -> Iterator[Server]:
    """A server, until the end of the block.

    Raises:
        Missing: what this peer needs is not here.
    """
    with all_running([(name, loop)], compression) as (server,):
        yield server


@contextmanager
def all_running(
    names: Sequence[tuple[str, str]], compression: bool = False
) -> Iterator[list[Server]]:
    """Servers by name and loop, until the end of the block; they start at the same time."""
    with ExitStack() as stack:
        processes = [
            (name, loop, stack.enter_context(_process(command(name, loop, compression))))
            for name, loop in names
        ]
        yield [Server(name, loop, process, _port(process)) for name, loop, process in processes]


def _port(process: subprocess.Popen[str]) -> int:
    if process.stdout is None:
        raise RuntimeError("no pipe")
    return int(process.stdout.readline())


@contextmanager
def _process(start: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that ends when its standard input does."""
    with subprocess.Popen(
        start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def starts(names: Sequence[str] = EVERYBODY, loops: Sequence[str] = LOOPS) -> list[tuple[str, str]]:
    """Name and loop of all that are to be started."""
    return [
        (name, loop)
        for name in names
        for loop in (("",) if name in WITHOUT_LOOP else loops)
        if not why_missing(name)
    ]


def why_missing(name: str) -> str:
    """Why a peer cannot take part; empty if it can."""
    try:
        command(name, "", compression=False)
    except Missing as missing:
        return f"{name}: {missing}"
    return ""
