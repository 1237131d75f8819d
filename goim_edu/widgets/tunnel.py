"""A tunnel: WebSockets of a widget's script, carried over the notebook's own channel.

Where a browser cannot reach the server, a client in the kernel speaks for it. The script's side is
``tunnel.js``, whose ``Tunnel`` is used like a ``WebSocket``. The messages, each with the ``link``:

    browser   tunnel-open (subprotocols), tunnel-send (data), tunnel-close (code)
    kernel    tunnel-opened (subprotocol), tunnel-message (data), tunnel-closed (code, reason)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from goim_edu.client import connect
from goim_edu.errors import HandshakeError
from goim_edu.runtime import Background, platform
from goim_edu.transport import ConnectionClosed, WebSocket

__all__ = ["Tunnel"]

_MOST_LINKS: Final = 32
_MOST_WAITING: Final = 1000  # messages of a link that wait to be sent
_CLOSE_TIMEOUT: Final = 1.0  # seconds for the closing handshake
_ABNORMAL: Final = 1006  # a connection that never opened has no code of its own


class Tunnel:
    """The kernel's side.

    Args:
        url: says where to connect to, each time a link is opened.
        tell: sends a message to the script; called from any thread.

    >>> tunnel = Tunnel(lambda: "ws://127.0.0.1:1/chat", print)
    >>> tunnel.receive({"type": "say", "text": "not for the tunnel"})
    False
    """

    def __init__(self, url: Callable[[], str], tell: Callable[[dict[str, Any]], object]) -> None:
        self._url = url
        self._tell = tell
        self._links: dict[str, asyncio.Queue[str | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._background: Background | None = None

    def receive(self, content: dict[str, Any]) -> bool:
        """Take a message of the script, if it is for the tunnel; return whether it was."""
        match content:
            case {"type": "tunnel-open", "link": str(link), "subprotocols": list(names)}:
                if link not in self._links and len(self._links) < _MOST_LINKS:
                    self._open(link, [str(name) for name in names])
            case {"type": "tunnel-send", "link": str(link), "data": str(data)}:
                self._pass_on(link, data)
            case {"type": "tunnel-close", "link": str(link)}:
                self._pass_on(link, None)
            case _:
                return False
        return True

    def close(self) -> None:
        """End all links; twice does no harm."""
        for link in tuple(self._links):
            self._pass_on(link, None)
        if self._background is not None:
            self._background.wait_for(lambda: not self._tasks, _CLOSE_TIMEOUT + 1)
            self._background.close()
            self._background = None

    def _open(self, link: str, subprotocols: list[str]) -> None:
        if self._background is None:
            self._background = platform().background("Tunnel")
        self._links[link] = asyncio.Queue(_MOST_WAITING)
        loop = self._background.loop

        def start() -> None:
            task = loop.create_task(self._carry(link, subprotocols))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        loop.call_soon_threadsafe(start)

    def _pass_on(self, link: str, data: str | None) -> None:
        queue, background = self._links.get(link), self._background
        if queue is None or background is None:
            return

        def put() -> None:
            if queue.full():  # a script that sends so much without waiting is cut off
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(data)

        background.loop.call_soon_threadsafe(put)

    async def _carry(self, link: str, subprotocols: list[str]) -> None:
        """One connection, from its opening to its end."""
        code, reason = _ABNORMAL, ""
        try:
            async with connect(
                self._url(),
                subprotocols=subprotocols,
                compression=False,
                close_timeout=_CLOSE_TIMEOUT,
            ) as ws:
                self._say("opened", link, subprotocol=ws.subprotocol or "")
                await self._both_ways(ws, link)
            code, reason = ws.close_code or _ABNORMAL, ws.close_reason or ""
        except (OSError, HandshakeError, ConnectionClosed) as error:
            reason = str(error)
        finally:
            self._links.pop(link, None)
            self._say("closed", link, code=code, reason=reason)

    async def _both_ways(self, ws: WebSocket, link: str) -> None:
        outgoing = self._links[link]

        async def there() -> None:
            while (data := await outgoing.get()) is not None:
                await ws.send(data)

        async def back() -> None:
            async for message in ws:
                self._say("message", link, data=message)

        tasks = {asyncio.create_task(there()), asyncio.create_task(back())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _say(self, what: str, link: str, **more: Any) -> None:
        self._tell({"type": f"tunnel-{what}", "link": link, **more})
