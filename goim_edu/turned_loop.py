"""An asyncio loop that another loop turns, or synchronous code by hand: where there is one thread.

It has timers, tasks and callbacks, and no socket: it never waits for the system. The code that
turns it decides when. The loop of a notebook in a browser turns it whenever something is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack, cast

__all__ = ["Turned", "TurnedLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LONGEST_SLEEP: Final = 0.05  # seconds between two looks at whether the answer is there
_NEVER: Final = float("inf")
_INSIDE: Final = "this waits for the loop that it runs in: await it instead"


class _Nothing:
    """In place of a selector: there is nothing to watch, so waiting is sleeping.

    Attributes:
        longest: seconds that it sleeps at most.
        called: set when another thread has called something in, where there are threads.
    """

    def __init__(self, threads: bool) -> None:
        self.longest = 0.0
        self.called = threading.Event() if threads else None

    def select(self, timeout: float | None = None) -> list[Any]:
        """Sleep until a timer is due."""
        pause = self.longest if timeout is None else min(max(timeout, 0.0), self.longest)
        if pause > 0:
            if self.called is None:
                time.sleep(pause)
            else:
                self.called.wait(pause)
                self.called.clear()
        return []

    def close(self) -> None:
        """There is nothing to close."""


class TurnedLoop(asyncio.BaseEventLoop):
    """The loop.

    Args:
        host: the loop that turns it; None if nobody does but :meth:`turn` (and ``run_forever``).
        threads: whether other threads may call something in, and wake it.

    Attributes:
        turning: whether it is being turned right now.

    >>> loop = TurnedLoop()
    >>> said = []
    >>> loop.call_soon(said.append, "hello")
    <Handle ...>
    >>> loop.turn(lambda: bool(said), timeout=1)
    True
    >>> loop.close()
    """

    def __init__(
        self, host: asyncio.AbstractEventLoop | None = None, *, threads: bool = True
    ) -> None:
        super().__init__()
        self._selector = _Nothing(threads)
        self._selector.longest = _LONGEST_SLEEP
        self._host = host
        self.turning = False
        self._wake_at = _NEVER
        self._waker: asyncio.TimerHandle | asyncio.Handle | None = None

    # ------------------------------------------------------------------ what asyncio asks of a loop

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Another thread has called something in."""
        if self._selector.called is not None:
            self._selector.called.set()

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """As of asyncio; the host is told that there is something to do."""
        handle = super().call_soon(callback, *args, context=context)
        self._ask_host(0.0)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """The same; a loop that sleeps is woken."""
        handle = self.call_soon(callback, *args, context=context)
        self._write_to_self()
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As of asyncio; the host is told when."""
        timer = super().call_at(when, callback, *args, context=context)
        self._ask_host(when)
        return timer

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Call it here: there is no thread that could."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is raised where the caller waits
            future.set_exception(error)
        return future

    # ------------------------------------------------------------------ turned by the host

    def _ask_host(self, when: float) -> None:
        """Have the host turn us at that time; 0: as soon as it can."""
        if self._host is None or self.turning or when >= self._wake_at:
            return
        if self._waker is not None:
            self._waker.cancel()
        self._wake_at = when
        if when:
            self._waker = self._host.call_later(max(0.0, when - self.time()), self._turned_by_host)
        else:
            self._waker = self._host.call_soon(self._turned_by_host)

    def _turned_by_host(self) -> None:
        self._wake_at, self._waker = _NEVER, None
        if not self.is_closed() and not self.turning:
            with self._at_work(0.0):
                self._once()
        self._plan()

    def _plan(self) -> None:
        """Have the host come again when something is due."""
        if self.is_closed():
            return
        inner = cast("Any", self)
        if inner._ready:
            self._ask_host(0.0)
        elif inner._scheduled:
            self._ask_host(inner._scheduled[0].when())

    # ------------------------------------------------------------------ turned by hand

    def turn(self, done: Callable[[], bool], timeout: float) -> bool:
        """Turn until this is so.

        Args:
            done: looked at between two turns.
            timeout: seconds.

        Returns:
            Whether it is so.

        Raises:
            RuntimeError: the loop is being turned already: this was called inside of it.
        """
        if self.turning:
            raise RuntimeError(_INSIDE)
        end = self.time() + timeout
        with self._at_work(_LONGEST_SLEEP):
            while not done():
                left = end - self.time()
                if left <= 0:
                    return done()
                self._selector.longest = min(_LONGEST_SLEEP, left)
                self._once()
        self._plan()
        return True

    def _once(self) -> None:
        cast("Any", self)._run_once()

    @contextlib.contextmanager
    def _at_work(self, longest: float) -> Iterator[None]:
        """Be the running loop for a while, although another one may be at work."""
        outer = events._get_running_loop()
        swap = getattr(asyncio.tasks, "_swap_current_task", None)  # from Python 3.12 on
        task = swap(outer, None) if swap is not None and outer is not None else None
        before, self._selector.longest = self._selector.longest, longest
        self.turning = True
        events._set_running_loop(self)
        try:
            yield
        finally:
            events._set_running_loop(outer)
            self.turning = False
            self._selector.longest = before
            if swap is not None and outer is not None:
                swap(outer, task)


class Turned:
    """The one :class:`goim_edu.runtime.Background` of a browser."""

    def __init__(self) -> None:
        try:
            self.host: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self.host = None
        self.loop = TurnedLoop(self.host, threads=False)

    def run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run a coroutine and wait for it."""
        if self.loop.turning:
            work.close()
            raise RuntimeError(_INSIDE)
        task = self.loop.create_task(work)
        if not self.wait_for(task.done, timeout, task):
            task.cancel()
            self.wait_for(task.done, 1.0, task)
            raise TimeoutError(f"it took more than {timeout:g} s")
        return task.result()

    def call(self, act: Callable[[], T], timeout: float = 1.0) -> T:
        """Call a function: it is the loop's own thread already."""
        return act()

    def wait_for(
        self, done: Callable[[], bool], timeout: float, task: asyncio.Task[Any] | None = None
    ) -> bool:
        """Wait by stack switching where that can be done, else by turning the loop by hand."""
        run_sync = _stack_switching()
        if run_sync is None or self.host is None or self.loop.turning:
            return self.loop.turn(done, timeout)
        run_sync(self._until(done, timeout, task))
        return done()

    async def _until(
        self, done: Callable[[], bool], timeout: float, task: asyncio.Task[Any] | None
    ) -> None:
        """In the host's loop."""
        end = time.monotonic() + timeout
        if task is not None:
            ended = asyncio.Event()
            task.add_done_callback(lambda _: ended.set())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), timeout)
            return
        while not done() and time.monotonic() < end:  # noqa: ASYNC110 - nothing would tell
            await asyncio.sleep(0.002)

    def close(self) -> None:
        """It stays: others use it, too."""

    def end(self) -> None:
        """Cancel what still runs, and close the loop; what is nobody's any more."""
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.turn(lambda: all(task.done() for task in tasks), 1.0)
        self.loop.close()


def _stack_switching() -> Callable[[Coroutine[Any, Any, Any]], Any] | None:
    """Pyodide's ``run_sync``, where the browser can do it and we were called so that it can."""
    try:
        from pyodide.ffi import can_run_sync, run_sync
    except ImportError:
        return None
    return cast("Any", run_sync) if can_run_sync() else None
