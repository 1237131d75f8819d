"""Call a learner's function safely: bounded in time, its prints kept, its errors in one line."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import io
import linecache
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import Any, Final

from goim_edu.runtime import platform

__all__ = ["Outcome", "call", "equal"]

SECONDS: Final = 1.0
"""Seconds of work that one call may take; any exercise needs a thousandth of it."""
_WALL: Final = 8.0  # seconds on the clock, for a function that sleeps or waits
_LOOK: Final = 0.02  # seconds between two looks at the clock
_LONGEST_PRINT: Final = 2_000  # characters
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Outcome:
    """What came of one call.

    Args:
        value: what was returned, if ``error`` is None.
        error: what was raised, or None.
        stopped: it ran too long and was stopped.
        printed: what it wrote with ``print`` meanwhile.
        place: the learner's line that raised, such as ``line 3: x = data[1]``, or "".
        elsewhere: the error came from no line of the learner's: it arose around their function.
    """

    value: Any = None
    error: BaseException | None = None
    stopped: bool = False
    printed: str = ""
    place: str = ""
    elsewhere: bool = False

    @property
    def error_line(self) -> str:
        """The error in one line, without addresses that change from run to run.

        >>> Outcome(error=IndexError("index out of range")).error_line
        'IndexError: index out of range'
        """
        words = " ".join(str(self.error).split())
        words = _ADDRESS.sub("", words if len(words) <= 200 else words[:200] + " ...")
        kind = type(self.error)
        ours = kind.__module__ == "builtins" or kind.__module__.startswith(("goim_edu", "__main__"))
        name = kind.__name__ if ours else f"{kind.__module__}.{kind.__name__}"
        return f"{name}: {words}" if words else name


class _Stop(BaseException):
    """Raised inside a learner's function that runs too long; no ``except Exception`` stops it."""


class _Prints(io.StringIO):
    """Keeps the beginning of what is printed: an endless loop may print endlessly."""

    def write(self, text: str) -> int:
        room = _LONGEST_PRINT - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)


class _Worker(threading.Thread):
    """Runs one call, so that the caller can watch the time."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], blame: object) -> None:
        super().__init__(name="exercise", daemon=True)
        self._file = getattr(getattr(blame, "__code__", None), "co_filename", "")
        self._function = function
        self._args = args
        self.outcome: Outcome | None = None
        self._ended = False
        self._clock: int | None = None
        self._since = time.monotonic()

    def run(self) -> None:
        with contextlib.suppress(_Stop):  # it may strike just after the call has ended
            if hasattr(time, "pthread_getcpuclockid"):
                self._clock = time.pthread_getcpuclockid(threading.get_ident())
            try:
                self.outcome = Outcome(value=self._function(*self._args))
            except _Stop:
                pass
            except BaseException as error:  # noqa: BLE001 (the learner's error is what we report)
                self.outcome = _outcome_of(error, self._file)
            finally:
                self._ended = True

    def too_long(self, seconds: float) -> bool:
        """Whether the call has worked for ``seconds``, or waited for much longer."""
        waited = time.monotonic() - self._since
        if self._clock is None:
            return waited > 3 * seconds
        with contextlib.suppress(OSError):  # the thread has ended, and its clock with it
            if time.clock_gettime(self._clock) > seconds:
                return True
        return waited > _WALL

    def stop(self) -> None:
        """Raise _Stop in the thread, again and again if a bare ``except`` catches it."""
        give_up = time.monotonic() + 2.0
        while self.is_alive() and time.monotonic() < give_up and self.ident is not None:
            if not self._ended:
                thread = ctypes.c_ulong(self.ident)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_Stop))
            self.join(0.05)


def _watched(
    function: Callable[..., Any], args: tuple[Any, ...], blame: object, seconds: float
) -> Outcome:
    """Let a thread do it, and watch the time meanwhile."""
    worker = _Worker(function, args, blame)
    worker.start()
    try:
        worker.join(_LOOK)
        while worker.is_alive():
            if worker.too_long(seconds):
                worker.stop()
                break
            worker.join(_LOOK)
    except KeyboardInterrupt:  # the learner's own "stop" button
        worker.stop()
        raise
    return worker.outcome or Outcome(stopped=True)


def _traced(
    function: Callable[..., Any], args: tuple[Any, ...], blame: object, seconds: float
) -> Outcome:
    """Do it here, and look at the clock at each line: where there is one thread only."""
    file = getattr(getattr(blame, "__code__", None), "co_filename", "")
    end = time.monotonic() + seconds

    def look(frame: FrameType, event: str, arg: object) -> Any:
        if time.monotonic() > end:
            raise _Stop
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        return Outcome(value=function(*args))
    except _Stop:
        return Outcome(stopped=True)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 (the learner's error is what we report)
        return _outcome_of(error, file)
    finally:
        sys.settrace(before)


def _outcome_of(error: BaseException, file: str) -> Outcome:
    trace = error.__traceback__
    elsewhere = bool(file) and not _passes(trace, file)
    return Outcome(error=error, place=_place(trace, file), elsewhere=elsewhere)


def call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    seconds: float = SECONDS,
    blame: object = None,
    keep_prints: bool = True,
) -> Outcome:
    """Call ``function(*args)`` and say what came of it; never raises what the function raised.

    Args:
        function: anybody's.
        args: its arguments.
        seconds: of processor time until it is stopped; without threads, on the clock. A loop
            inside C code, such as ``sum(itertools.count())``, cannot be stopped.
        blame: the learner's function, if ``function`` only calls it.
        keep_prints: keep what it prints, which turns ``sys.stdout`` for the whole process; say no
            where other threads may do the same.

    >>> call(lambda data: data[5], (b"Hi",)).error_line
    'IndexError: index out of range'
    """
    prints = _Prints()
    watched = _watched if platform().threads else _traced
    with contextlib.redirect_stdout(prints) if keep_prints else contextlib.nullcontext():
        outcome = watched(function, args, blame or function, seconds)
    if inspect.iscoroutine(outcome.value):
        outcome.value.close()  # else Python warns on stderr that nobody has awaited it
    return replace(outcome, printed=prints.getvalue().rstrip())


def equal(one: object, other: object) -> bool:
    """Whether two values are equal; values that cannot be compared are not.

    >>> equal(1, True), equal(b"a", "a")
    (True, False)
    """
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 (a learner's __eq__ may do anything)
        return False


def _passes(trace: TracebackType | None, file: str) -> bool:
    """Whether any line of the learner's cell or file was at work when the error came."""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            return True
        trace = trace.tb_next
    return False


def _place(trace: TracebackType | None, file: str) -> str:
    """The deepest line that stands in the learner's cell or file."""
    found = ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = linecache.getline(file, trace.tb_lineno, trace.tb_frame.f_globals).strip()
            found = f"line {trace.tb_lineno}: `{line}`" if line else ""
        trace = trace.tb_next
    return found
