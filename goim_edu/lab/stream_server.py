"""A server of the lab: asyncio streams in a loop beside the caller, one task a connection."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, Self

from goim_edu.lab.raw_client import HOST
from goim_edu.runtime import platform
from goim_edu.transport.memory_network import running_loop
from goim_edu.transport.memory_socket import lend

__all__ = ["StreamServer"]

_START: Final = 10.0  # seconds until it must listen
_END: Final = 10.0  # seconds until all must have ended


class StreamServer:
    """It listens on a free port of this machine; a subclass says what it does with a client.

    Attributes:
        port: where it listens.
    """

    port: int

    def __init__(self) -> None:
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._closed = False
        lend()
        self._background = platform().background(type(self).__name__)
        try:
            self._background.run(self._listen(), _START)
        except BaseException:
            self._background.close()
            raise

    async def _listen(self) -> None:
        running_loop()
        self._listener = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(reader, writer))
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, TimeoutError):  # it hangs up, or is silent for long
                await self.serve(reader, writer)
        finally:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to a client until one of the two is done."""
        raise NotImplementedError

    async def _end(self) -> None:
        self._listener.close()
        clients = tuple(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await asyncio.sleep(0)  # the writers are closed in the next turn

    def close(self) -> None:
        """Accept no more connections, and end the open ones; twice does no harm."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(RuntimeError):  # its loop has ended already
                self._background.run(self._end(), _END)
            self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
