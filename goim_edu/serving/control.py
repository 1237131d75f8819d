"""The line between the parent and a worker: questions and answers, one JSON object a line."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

__all__ = ["ControlLine"]

log = logging.getLogger("goim_edu.server")

_MOST: Final = 16 << 20  # octets of a line

Answer = Callable[[str], Awaitable[Any]]


class ControlLine:
    """One end of the line; both may ask at any time.

    Args:
        link: a socket that is connected to the other end.
        answer: is given what the other end asks for, and returns what JSON can say.
        patience: seconds for an answer of the other end.
    """

    def __init__(self, link: socket.socket, answer: Answer, patience: float) -> None:
        self._link = link
        self._patience = patience
        self._answer = answer
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> asyncio.Task[None]:
        """Begin to answer; the task ends when the other end is gone."""
        reader, self._writer = await asyncio.open_connection(sock=self._link, limit=_MOST)
        return asyncio.get_running_loop().create_task(self._run(reader, self._writer))

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self._take(json.loads(line))
        except (ConnectionError, ValueError) as error:
            log.debug("control line broke why=%r", str(error))
        finally:
            for future in self._open.values():
                future.cancel()
            writer.close()
            self._writer = None

    def _take(self, message: dict[str, Any]) -> None:
        if "ask" in message:
            task = asyncio.get_running_loop().create_task(self._reply(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        future = self._open.pop(message["number"], None)
        if future is not None and not future.done():
            future.set_result(message["answer"])

    async def _reply(self, message: dict[str, Any]) -> None:
        answer = await self._answer(message["ask"])
        self._write({"number": message["number"], "answer": answer})

    def _write(self, message: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def ask(self, what: str) -> Any:
        """Ask the other end.

        Returns:
            The answer; None if there was none in time, or the other end is gone.
        """
        if self._writer is None:
            return None
        number = next(self._numbers)
        future = self._open[number] = asyncio.get_running_loop().create_future()
        self._write({"number": number, "ask": what})
        try:
            return await asyncio.wait_for(future, self._patience)
        except (TimeoutError, asyncio.CancelledError):
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return None
        finally:
            self._open.pop(number, None)
