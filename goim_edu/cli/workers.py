"""``serve --workers``: several processes share a port and one chat; their parent looks after them.

The parent holds the port, starts the workers, and starts one again that has died. Each worker is a
``serve`` of its own, with a socket of its own on that port: the system deals new connections out.
A line to each worker carries questions for figures. If the parent dies, the line ends, and the
workers drain.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from goim_edu.cli.command import CommandError, say, when_stdin_ends
from goim_edu.serving.config import ServerConfig
from goim_edu.serving.control import ControlLine
from goim_edu.serving.listening import host_in_url, listen, shared_socket
from goim_edu.serving.summed import Figures, sum_health, sum_metrics
from goim_edu.serving.tally import SharedTally

if TYPE_CHECKING:
    from goim_edu.server import ChatServer

__all__ = ["Place", "join_parent", "run_parent", "share"]

log = logging.getLogger("goim_edu.server")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds until a worker that died is started again
_STEADY: Final = 10.0  # seconds of life after which the pauses begin anew
_MORE: Final = 10.0  # seconds beyond drain_timeout that a worker may take to end
_PATIENCE: Final = 2.0  # seconds in which a worker answers, if it is well


@dataclass(frozen=True)
class Place:
    """What the parent hands to a worker.

    Args:
        index: which worker it is, from 0.
        workers: how many there are.
        control: the descriptor of its end of the line.
        tally: the descriptor of the memory in which connections are counted.
    """

    index: int
    workers: int
    control: int
    tally: int

    @classmethod
    def parse(cls, text: str) -> Place:
        """The place that ``str`` has written.

        >>> Place.parse(str(Place(0, 3, 5, 6)))
        Place(index=0, workers=3, control=5, tally=6)
        """
        return cls(*map(int, text.split(":")))

    def __str__(self) -> str:
        return f"{self.index}:{self.workers}:{self.control}:{self.tally}"


# ---------------------------------------------------------------------- in a worker


def share(config: ServerConfig, place: Place) -> tuple[ServerConfig, socket.socket]:
    """The settings of one of the workers, and its socket.

    It has its part of the memory and of the rate of handshakes; connections are counted over all.
    """
    part = replace(
        config,
        memory_limit=max(1, config.memory_limit // place.workers),
        handshake_rate=config.handshake_rate / place.workers,
    )
    return part, shared_socket(config.host, config.port)


async def join_parent(server: ChatServer, place: Place, on_end: Callable[[], None]) -> None:
    """Tell the parent that this worker listens, and answer what it asks; return when it is gone.

    Args:
        server: it has started.
        place: of this worker.
        on_end: is called when the parent is gone.
    """
    line = ControlLine(socket.socket(fileno=place.control), server.pages.answer, _PATIENCE + 1.0)
    server.ask_all = line.ask
    answering = await line.open()
    await line.ask("ready")
    await answering
    on_end()


# ---------------------------------------------------------------------- in the parent


class _Worker:
    """One worker, in all its lives."""

    def __init__(self, parent: _Parent, index: int) -> None:
        self.ready = asyncio.Event()  # it has listened, in this life or an earlier one
        self.figures = Figures()
        self._process: asyncio.subprocess.Process | None = None
        self._line: ControlLine | None = None
        self._listening = False
        self._renew_later = False
        self._parent = parent
        self._index = index

    async def live(self) -> None:
        """Run, and run again, until the parent is stopping."""
        pause = _FIRST_PAUSE
        parent = self._parent
        while not parent.stopping:
            begin = monotonic()
            code = await self._run_once()
            parent.tally.clear(self._index)
            self.figures.bury()
            # What ends by itself before it has ever listened would do so for ever.
            if parent.stopping or (code > 0 and not self.ready.is_set()):
                parent.ended(code)
                return
            if monotonic() - begin > _STEADY:
                pause = _FIRST_PAUSE
            self._tell_end(code, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(parent.stopped.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _tell_end(self, code: int, pause: float) -> None:
        if code == 0:  # somebody has sent SIGTERM to it alone: it drained, and is replaced
            log.info("worker ended worker=%d again_in=%.1f", self._index, pause)
        else:
            how = _how_it_ended(code)
            log.error("worker died worker=%d exit=%s again_in=%.1f", self._index, how, pause)

    async def _run_once(self) -> int:
        """One life; its exit code, below 0 for a signal."""
        self._renew_later = False
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours:
            with theirs:
                try:
                    process = await self._start(theirs)
                except OSError as error:
                    log.error("cannot start a worker why=%r", error.strerror)
                    return 1
            if self._parent.stopping:  # since a moment ago
                self.send(signal.SIGTERM)
            self._line = ControlLine(ours, self._answer, _PATIENCE)
            answering = await self._line.open()
            try:
                return await process.wait()
            finally:
                self._line = None
                self._listening = False
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)

    async def _start(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        parent = self._parent
        place = Place(self._index, parent.count, theirs.fileno(), parent.tally_descriptor)
        # A session of its own: Ctrl-C in the terminal is for the parent, which passes it on.
        self._process = await asyncio.create_subprocess_exec(
            *parent.command(place),
            stdin=subprocess.DEVNULL,
            pass_fds=(place.control, place.tally),
            env=parent.environment,
            start_new_session=True,
        )
        return self._process

    async def _answer(self, what: str) -> Any:
        if what != "ready":
            return await self._parent.ask_all(what)
        self._listening = True
        self.ready.set()
        if self._renew_later:
            self.send(signal.SIGHUP)
        return True

    async def ask(self, what: str) -> Any:
        """Ask this worker; None if it does not answer."""
        line = self._line
        answer = None if line is None else await line.ask(what)
        if line is not self._line:
            return None  # it has died since
        if what == "metrics" and answer is not None:
            self.figures.take(answer)
        return answer

    def renew(self) -> None:
        """Have it read the certificate anew; SIGHUP would end one that does not listen yet."""
        if self._listening:
            self.send(signal.SIGHUP)
        self._renew_later = not self._listening

    def send(self, number: int) -> None:
        """Pass a signal on."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


def _how_it_ended(code: int) -> str:
    """An exit code, or the name of a signal.

    >>> _how_it_ended(3), _how_it_ended(-9)
    ('3', 'SIGKILL')
    """
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return str(code)


class _Parent:
    """Starts the workers, and looks after them.

    Args:
        count: how many.
        command: the program and its arguments for a worker.
        environment: of the workers.
    """

    def __init__(
        self, count: int, command: Callable[[Place], Sequence[str]], environment: dict[str, str]
    ) -> None:
        self.count = count
        self.command = command
        self.environment = environment
        self.tally_descriptor = SharedTally.create(count)
        self.tally = SharedTally(self.tally_descriptor, count, -1)
        self.stopped = asyncio.Event()
        self._code = 0
        self._questions: dict[str, asyncio.Task[Any]] = {}
        self._workers = [_Worker(self, index) for index in range(count)]

    @property
    def stopping(self) -> bool:
        """Whether the workers are to end."""
        return self.stopped.is_set()

    def ended(self, code: int) -> None:
        """A worker has ended, and will not be started again: so do the others."""
        if code == -signal.SIGTERM:  # it had nothing to drain yet, else it would have
            code = 0
        self._code = self._code or (code if code >= 0 else 1)
        self.stop()

    def stop(self) -> None:
        """Have all workers drain."""
        if not self.stopping:
            self.stopped.set()
            self._send(signal.SIGTERM)

    def _on_signal(self) -> None:
        """The first one lets the workers drain; the second one ends them at once."""
        if self.stopping:
            log.warning("second signal: exit at once")
            self._send(signal.SIGKILL)
        self.stop()

    def _send(self, number: int) -> None:
        for worker in self._workers:
            worker.send(number)

    def renew(self) -> None:
        """Have all workers read the certificate anew; not those that are about to end."""
        if not self.stopping:
            for worker in self._workers:
                worker.renew()

    async def ask_all(self, what: str) -> Any:
        """Ask all workers; an answer that is under way is for all that ask meanwhile."""
        question = self._questions.get(what)
        if question is None:
            question = asyncio.get_running_loop().create_task(self._ask_all(what))
            self._questions[what] = question
            question.add_done_callback(lambda _: self._questions.pop(what))
        return await asyncio.shield(question)

    async def _ask_all(self, what: str) -> Any:
        """Ask all workers at once, and add up what they say."""
        each = await asyncio.gather(*(worker.ask(what) for worker in self._workers))
        if what == "health":
            return sum_health(each)
        answers = zip(self._workers, each, strict=True)
        return sum_metrics(
            text for worker, answer in answers for text in worker.figures.texts(answer)
        )

    async def run(self, address: str, patience: float, *, end_with_stdin: bool = False) -> int:
        """Run until the workers have ended.

        Args:
            address: where they listen.
            patience: seconds that they may take to end.
            end_with_stdin: whether the end of standard input is a signal, too.
        """
        if end_with_stdin:
            when_stdin_ends(self.stop)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self.renew)
        lives = [loop.create_task(worker.live()) for worker in self._workers]
        telling = loop.create_task(self._tell_when_ready(address))
        await self.stopped.wait()
        telling.cancel()
        _, pending = await asyncio.wait(lives, timeout=patience)
        if pending:
            log.error("workers did not end in time number=%d", len(pending))
            self._send(signal.SIGKILL)
            await asyncio.wait(pending)
            return 1
        return self._code

    async def _tell_when_ready(self, address: str) -> None:
        for worker in self._workers:
            await worker.ready.wait()
        say(f"listening on {address}")


def run_parent(args: argparse.Namespace, config: ServerConfig) -> int:
    """Serve with several workers, until a signal ends it.

    Args:
        args: of ``serve``.
        config: the settings in them.

    Raises:
        CommandError: it cannot be done, and why.
    """
    from goim_edu.store import database_of, open_store

    if sys.platform != "linux":
        raise CommandError("--workers needs Linux, which deals connections out to processes")
    with _reserve(config) as port:
        address = f"{config.url_scheme}://{host_in_url(config.host)}"
        number = port.getsockname()[1]
        try:
            with database_of(args.mongo, args.data_dir) as uri:
                with open_store(uri) as store:  # makes the indexes, once
                    if not store.is_shared:
                        raise CommandError(
                            "--workers needs a MongoDB that is a replica set: each worker "
                            "follows the others by its change stream"
                        )
                    say(f"messages are kept in {store.description}", error=True)
                environment = {**os.environ, "GOIM_MONGO_URI": uri}

                async def run() -> int:
                    parent = _Parent(
                        args.workers, lambda place: _command(args, place, number), environment
                    )
                    return await parent.run(
                        f"{address}:{number}",
                        config.drain_timeout + _MORE,
                        end_with_stdin=args.end_with_stdin,
                    )

                return asyncio.run(run())
        except (OSError, ValueError) as error:
            raise CommandError(f"cannot open the store: {error}") from None


def _reserve(config: ServerConfig) -> socket.socket:
    """Hold the port, so that it stays ours while workers come and go."""
    try:
        # Alone first: another server that shares its port would let us in unnoticed.
        with listen(config.host, config.port) as alone:
            port = alone.getsockname()[1]
        return shared_socket(config.host, port)
    except OSError as error:
        where = f"{config.host}:{config.port}"
        raise CommandError(f"cannot listen on {where}: {error.strerror or error}") from None


def _command(args: argparse.Namespace, place: Place, port: int) -> list[str]:
    """A worker is started with our own arguments; later ones win.

    The address of the database comes by the environment: others can read arguments, and a password
    may be in it. Nor do we start what we were started by, which may be any program.
    """
    python = [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "goim_edu"]
    named = args.mongo if "://" in args.mongo else "auto"
    words = [word.replace(named, "auto") for word in args.command_line]
    return [*python, *words, "--place", str(place), "--port", str(port), "--mongo", "auto"]
