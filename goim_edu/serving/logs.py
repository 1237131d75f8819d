"""Log lines on stderr, written by a thread of their own: no reader of them can stop the server.

A terminal that is stopped (Ctrl-S), a pager, a full pipe: whatever writes to them waits. So the
event loop only puts a line into a queue, and a thread writes it. When the queue is full, lines are
left out and counted; the count is the first line that comes after the gap.

A client can cause lines, too, and as many as it likes. So of each kind of line a client gets only
some in a while, and what was left out is told as a number.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from logging.handlers import QueueHandler
from queue import SimpleQueue
from time import monotonic, sleep
from typing import Any, Final, TextIO

__all__ = ["FewOfAKind", "LineQueue", "log_to_stderr"]

log = logging.getLogger("goim_edu.log")

FORMAT: Final = "%(asctime)s level=%(levelname)s logger=%(name)s %(message)s"
MOST_WAITING: Final = 10_000  # lines in the queue
_MOST_KINDS: Final = 20_000  # of lines and clients that are told apart
LONGEST_FLUSH: Final = 1.0  # seconds to wait at the end, for a reader that has stopped


@contextlib.contextmanager
def log_to_stderr(level: str) -> Iterator[None]:
    """Log to stderr while the block runs.

    Args:
        level: what is logged: ``debug``, ``info``, ``warning`` or ``error``. At ``debug`` every
            line is written.
    """
    lines = LineQueue(_descriptor(sys.stderr))
    lines.setFormatter(logging.Formatter(FORMAT))
    if level != "debug":
        lines.addFilter(FewOfAKind())
    root = logging.getLogger()
    before = root.level
    root.addHandler(lines)
    root.setLevel(level.upper())
    try:
        yield
    finally:
        root.removeHandler(lines)
        root.setLevel(before)
        lines.close()


def _descriptor(stream: TextIO | None) -> int:
    """The number of an open file; -1 if it is closed, or lives in Python alone."""
    try:
        return -1 if stream is None else stream.fileno()
    except (OSError, ValueError):
        return -1


class LineQueue(QueueHandler):
    """A handler that never waits: it gives its lines to a thread.

    Args:
        descriptor: the file to write to; below 0 nothing is written.
        most: lines that may wait; what comes beyond them is left out and counted.

    Attributes:
        left_out: lines that found no place, so far.
    """

    # A put may be interrupted by another one, as when garbage is collected that logs its end.
    queue: SimpleQueue[str | threading.Event | None]

    def __init__(self, descriptor: int, most: int = MOST_WAITING) -> None:
        super().__init__(SimpleQueue())
        self.left_out = 0
        self._told = 0  # of those left out
        self._most = most
        self._descriptor = descriptor
        threading.Thread(target=self._write_lines, name="log", daemon=True).start()

    def prepare(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return self.format(record)

    def enqueue(self, record: Any) -> None:
        """Let a line, as ``prepare`` has made it, wait for the thread, if there is a place."""
        if self.queue.qsize() >= self._most:
            self.left_out += 1
            return
        if self.left_out > self._told:
            self._tell_gap()
        self.queue.put(record)

    def _tell_gap(self) -> None:
        gap, self._told = self.left_out - self._told, self.left_out
        self.queue.put(self.format(_remark("log lines left out lines=%d why='stderr waits'", gap)))

    def flush(self) -> None:
        """Wait until the lines so far are written, but not for long."""
        if self._descriptor < 0:
            return
        written = threading.Event()
        self.queue.put(written)
        written.wait(LONGEST_FLUSH)

    def close(self) -> None:
        """Write what waits, as far as its reader takes it; then nothing more is written."""
        for one in self.filters:
            if isinstance(one, FewOfAKind):
                for record in one.take_remarks():
                    self.emit(record)
        if self.left_out > self._told:
            self._tell_gap()
        self.flush()
        self._descriptor = -1
        self.queue.put(None)
        super().close()

    # ------------------------------------------------------------------ the thread

    def _write_lines(self) -> None:
        while (item := self.queue.get()) is not None:
            if isinstance(item, str):
                self._write(item + "\n")
            else:
                item.set()

    def _write(self, text: str) -> None:
        """Write to the file itself: a buffer of Python has a lock, which the end would wait for."""
        data = memoryview(text.encode(errors="backslashreplace"))
        while data and self._descriptor >= 0:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                sleep(0.05)  # another program has made it non-blocking
            except OSError:
                return  # nobody reads it any more


class FewOfAKind(logging.Filter):
    """Lets only so many lines of a kind through in a while, for each client; the rest is counted.

    A kind is a text before its values are filled in. The client is the attribute ``client`` of a
    record, ``extra={"client": ...}``, if there is one.

    Args:
        most: lines of a kind, for a client, in each period.
        period: seconds.

    >>> few = FewOfAKind(most=1, period=60)
    >>> lines = [logging.makeLogRecord({"msg": "hello user=%r", "args": (n,)}) for n in range(3)]
    >>> [few.filter(line) for line in lines]
    [True, False, False]
    >>> [remark.getMessage() for remark in few.take_remarks()]
    ["log lines left out lines=2 kind='hello user=%r'"]
    """

    def __init__(self, most: int = 20, period: float = 10.0) -> None:
        super().__init__()
        self._most = most
        self._period = period
        self._ends = 0.0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write this line."""
        now = monotonic()
        if now >= self._ends:
            self._ends = now + self._period
            self._counts.clear()
            for remark in self.take_remarks():
                log.handle(remark)
        kind = str(record.msg).partition("\n")[0][:80]  # asyncio adds lines with names of objects
        client = getattr(record, "client", "") if len(self._counts) < _MOST_KINDS else ""
        key = kind, client
        self._counts[key] += 1
        if self._counts[key] <= self._most:
            return True
        self._left_out[kind] += 1
        return False

    def take_remarks(self) -> list[logging.LogRecord]:
        """Records that say how many lines were left out since the last call, by kind."""
        left_out, self._left_out = self._left_out, Counter()
        return [
            _remark("log lines left out lines=%d kind=%r", count, kind)
            for kind, count in left_out.items()
        ]


def _remark(text: str, *values: object) -> logging.LogRecord:
    level = logging.WARNING
    return logging.LogRecord(log.name, level, __file__, 0, text, values, None)
