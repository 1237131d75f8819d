"""What a platform offers: sockets, threads, processes, and a way to wait for a loop's answer.

CPython on a machine of one's own has all of it. In a browser (Pyodide) there is one thread, whose
event loop belongs to the notebook: no socket can be opened, no thread and no process be started.
What the rest of the package must know of that stands here, and nowhere else.

Work that goes on beside a notebook runs on a :class:`Background`: an event loop in a thread of its
own, or one that is turned by the notebook's loop and, while synchronous code waits, by hand.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio

    from goim_edu.turned_loop import Turned

__all__ = ["Background", "Browser", "Native", "Platform", "platform", "thread_time", "use"]

T = TypeVar("T")

thread_time: Final[Callable[[], float]] = getattr(time, "thread_time", time.perf_counter)
"""Seconds of work of this thread; in a browser, which does not tell, seconds on the clock."""

_START: Final = 10.0  # seconds until a thread must have its loop
_END: Final = 10.0  # seconds until it must have ended
_PAGE: Final = 65_536  # octets, of WebAssembly
_LOOK: Final = 0.002  # seconds between two looks at whether something has come about


class Background(Protocol):
    """An event loop that works while synchronous code goes on."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop."""
        ...

    def run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run a coroutine in the loop and wait for what it returns.

        Args:
            work: the coroutine.
            timeout: seconds, more than 0; then it is cancelled.

        Raises:
            TimeoutError: it took longer.
            RuntimeError: the loop is closed; or this is called inside it.
        """
        ...

    def call(self, act: Callable[[], T], timeout: float = _START) -> T:
        """Call a function inside the loop and wait for what it returns."""
        ...

    def wait_for(self, done: Callable[[], bool], timeout: float) -> bool:
        """Wait until this is so, while the loop works; returns whether it is."""
        ...

    def close(self) -> None:
        """Give it back: what runs in it should have ended; twice does no harm."""
        ...


class Platform(Protocol):
    """What there is.

    Attributes:
        name: in words, for a message.
        sockets: whether a program can connect and listen.
        threads: whether threads can be started.
        processes: whether other programs can be started.
    """

    name: str
    sockets: bool
    threads: bool
    processes: bool

    def background(self, name: str) -> Background:
        """Return a loop that works beside the caller.

        Args:
            name: of its thread.
        """
        ...


class Native:
    """CPython on a machine: all there is."""

    name = "Python on a machine"
    sockets = True
    threads = True
    processes = True

    def background(self, name: str) -> Background:
        """Return a loop in a thread of its own."""
        return _Thread(name)


class _Thread:
    """An event loop in a thread, which ends with it."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, name: str) -> None:
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        self._started.result(_START)

    def _work(self) -> None:
        import asyncio

        asyncio.run(self._serve())

    async def _serve(self) -> None:
        import asyncio

        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._started.set_result(None)
        await self._stop.wait()

    def run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run a coroutine in the loop and wait for what it returns."""
        import asyncio

        if threading.current_thread() is self._thread or not self._thread.is_alive():
            work.close()
            raise RuntimeError("this loop is closed, or it is the one that asks")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def call(self, act: Callable[[], T], timeout: float = _START) -> T:
        """Call a function inside the loop and wait for what it returns."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(act())
            except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
                done.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return done.result(timeout)

    def wait_for(self, done: Callable[[], bool], timeout: float) -> bool:
        """Wait until this is so; returns whether it is."""
        end = time.monotonic() + timeout
        while not done() and time.monotonic() < end:
            time.sleep(_LOOK)
        return done()

    def close(self) -> None:
        """End the loop and its thread."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self.loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(_END)


class Browser:
    """Pyodide in a browser: one thread, and a loop of ours that the notebook's loop turns.

    Synchronous code waits by stack switching (JSPI) where the browser has it, so that the tasks of
    the notebook go on meanwhile. Elsewhere it turns our loop by hand until the answer is there. All
    backgrounds are the same loop.
    """

    name = "Python in a browser"
    sockets = False
    threads = False
    processes = False

    def __init__(self) -> None:
        self._turned: Turned | None = None
        _complete_resource()

    def background(self, name: str) -> Background:
        """Return the loop."""
        if self._turned is None:
            from goim_edu.turned_loop import Turned

            self._turned = Turned()
        return self._turned

    def close(self) -> None:
        """Close the loop; a browser is closed with its tab, only a test needs this."""
        if self._turned is not None:
            self._turned.end()


def _complete_resource() -> None:
    """JupyterLite has a ``resource`` of its own, without what prometheus_client asks it for."""
    module: Any = sys.modules.get("resource")
    if module is not None and not hasattr(module, "getpagesize"):
        module.getpagesize = lambda: _PAGE


_used: list[Platform] = []


@cache
def _here() -> Platform:
    return Browser() if sys.platform == "emscripten" else Native()


def platform() -> Platform:
    """Return what there is here.

    >>> platform().threads
    True
    """
    return _used[-1] if _used else _here()


@contextlib.contextmanager
def use(chosen: Platform) -> Iterator[Platform]:
    """Take another platform in a ``with`` block: a test can be in a browser without one.

    Args:
        chosen: the platform.

    >>> with use(Browser()):
    ...     platform().name
    'Python in a browser'
    """
    _used.append(chosen)
    try:
        yield chosen
    finally:
        _used.remove(chosen)
