"""Do some work in a forked process: whatever it runs into, this process goes on.

A thread can be stopped between two instructions of Python. A loop in C, such as
``sum(itertools.count())`` or a regular expression that never ends, has none: only a process can be
ended there. A fork has all that the notebook has, so a learner's function finds its variables, and
what it changes is gone with it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

__all__ = ["Forked", "can_fork", "run_forked"]

T = TypeVar("T")
Report = Callable[[object], None]

CPU_SECONDS: Final = 4.0
"""Seconds of work without a report after which the process is ended."""
WALL_SECONDS: Final = 15.0
"""Seconds on the clock without a report, for what waits."""
MEMORY: Final = 1 << 30
"""Octets that the process may take beyond what the notebook has: then comes a MemoryError."""
_POLL: Final = 0.05
_LENGTH: Final = struct.Struct("!I")


@dataclass(frozen=True)
class Forked(Generic[T]):
    """What came of it.

    Args:
        value: what ``work`` returned, or None.
        done: whether it returned at all.
        stuck: it was ended since it did not report any more.
        reports: how many reports came.
        last: the last one, or None.
    """

    value: T | None
    done: bool
    stuck: bool
    reports: int
    last: object


def can_fork() -> bool:
    """Whether a process with threads may be forked here.

    On macOS the system's own libraries do not survive that, and Windows has no fork.
    """
    return sys.platform == "linux"


def run_forked(work: Callable[[Report], T]) -> Forked[T]:
    """Call ``work(report)`` in a forked process.

    Args:
        work: what it returns and reports travels back by pickle. It should report before each
            step; a process that has not done so for ``CPU_SECONDS`` of work is ended.

    Returns:
        What came of it; an error inside counts as not done.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python warns that a lock of another thread may be held in the child for ever. If that is
        # so, the child is stuck, and ended like any other.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _child(work, writing)
    os.close(writing)
    try:
        return _follow(child, reading)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _child(work: Callable[[Report], Any], pipe: int) -> None:
    """The forked process; it never returns, since all above it belongs to the notebook."""

    def send(kind: str, value: object) -> None:
        try:
            data = pickle.dumps((kind, value))
        except Exception:  # noqa: BLE001 - a value of the learner's, whose pickling may do anything
            data = pickle.dumps((kind, None))
        view = memoryview(_LENGTH.pack(len(data)) + data)
        while view:
            view = view[os.write(pipe, view) :]

    try:
        _limit_memory()
        send("done", work(lambda value: send("report", value)))
    except BaseException:  # noqa: BLE001 - nothing of it may reach the notebook's own code
        os._exit(1)
    os._exit(0)


def _limit_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _follow(child: int, pipe: int) -> Forked[Any]:
    """Read what the child tells until it is done, gone or stuck."""
    reports, last = 0, None
    for kind, value in _messages(child, pipe):
        if kind == "done":
            return Forked(value, True, False, reports, last)
        if kind == "stuck":
            return Forked(None, False, True, reports, last)
        reports, last = reports + 1, value
    return Forked(None, False, False, reports, last)


def _messages(child: int, pipe: int) -> Iterator[tuple[str, Any]]:
    """What the child sends, and ``stuck`` when it has not sent anything for too long."""
    buffer = b""
    worked, since = _work(child), time.monotonic()
    while True:
        while len(buffer) >= 4 and len(buffer) >= 4 + _LENGTH.unpack_from(buffer)[0]:
            end = 4 + _LENGTH.unpack_from(buffer)[0]
            message, buffer = pickle.loads(buffer[4:end]), buffer[end:]  # noqa: S301 - our own child
            yield message
        if select.select([pipe], [], [], _POLL)[0]:
            if not (data := os.read(pipe, 1 << 16)):
                return
            buffer += data
            worked, since = _work(child), time.monotonic()
        elif _work(child) - worked > CPU_SECONDS or time.monotonic() - since > WALL_SECONDS:
            yield "stuck", None
            return


def _work(child: int) -> float:
    """Seconds that the child has worked, by the clock that clock_getcpuclockid(3) names."""
    with contextlib.suppress(OSError):
        return time.clock_gettime(~child << 3 | 2)
    return 0.0
