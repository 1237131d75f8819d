"""A chat client for scripts: it sends, hears, and comes back after a lost connection."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Self

from goim_edu.chat.vocabulary import (
    JSON,
    MAX_HISTORY,
    Ack,
    ChatMessage,
    Error,
    Hello,
    History,
    HistoryPage,
    Join,
    Joined,
    Reply,
    Request,
    Send,
    Welcome,
)
from goim_edu.client.connect import Backoff, connect
from goim_edu.errors import HandshakeError
from goim_edu.transport import ConnectionClosed, ConnectionState, WebSocket

__all__ = ["ChatClient", "ChatRefused"]


class ChatRefused(Exception):
    """The server did not grant a request, and will not if it is asked again.

    Attributes:
        code: one of the error codes of the chat protocol.
        reason: why.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class _Past:
    """What is known of a room: the last number, and what waits until a gap before it is filled."""

    __slots__ = ("gap", "last", "waiting")

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.gap = False
        self.waiting: list[ChatMessage] = []


class ChatClient:
    """The chat for scripts: says each thing once, hears each thing once, whatever the link does.

    It connects again after each loss. Then it joins its rooms with ``since``, asks for what is
    still missing, and sends again what was not acknowledged, under its old ``client_msg_id``.

        async with ChatClient("ws://127.0.0.1:8765/chat", "lisa", ["lobby"]) as chat:
            ack = await chat.send("lobby", "hello")
            async for message in chat:
                print(message.user_id, message.text)

    Args:
        uri: of the chat.
        user_id: who we are.
        rooms: where to be; a mapping also says up to which number each is known already.
        token: for a server that wants one.
        backoff: how long to wait between attempts.
        **options: of ``connect``.

    Attributes:
        losses: how many connections have been lost.
    """

    def __init__(
        self,
        uri: str,
        user_id: str,
        rooms: Iterable[str] | Mapping[str, int] = (),
        *,
        token: str | None = None,
        backoff: Backoff | None = None,
        **options: Any,
    ) -> None:
        self.losses = 0
        self._hello = Hello(user_id, token, "hello")
        self._connect = connect(uri, subprotocols=[JSON.name], backoff=backoff, **options)
        since = dict(rooms) if isinstance(rooms, Mapping) else {}
        self._rooms = {room_id: _Past(since.get(room_id)) for room_id in rooms}
        self._unacknowledged: dict[str, tuple[Send, asyncio.Future[Ack]]] = {}
        self._heard: asyncio.Queue[ChatMessage | None] = asyncio.Queue()
        self._inside = asyncio.Event()
        self._arriving: set[str] = set()
        self._ws: WebSocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._number = 0

    async def __aenter__(self) -> Self:
        """Come in, and wait until all rooms are joined.

        Raises:
            ChatRefused: the server does not let us in.
            HandshakeError: this is no chat.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())
        inside = asyncio.get_running_loop().create_task(self._inside.wait())
        await asyncio.wait({self._task, inside}, return_when=asyncio.FIRST_COMPLETED)
        inside.cancel()
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._ws is not None:
            await self._ws.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ChatRefused, HandshakeError):
                await self._task

    async def send(self, room_id: str, text: str, client_msg_id: str | None = None) -> Ack:
        """Say something, and wait until it is stored; over as many connections as that takes.

        Raises:
            ChatRefused: the server will not take it.
            ConnectionClosed: this chat was left before it was stored.
        """
        if self._task is None or self._task.done():
            raise ConnectionClosed(1006, "this chat was left, or not yet entered")
        self._number += 1
        key = client_msg_id or f"{self._number}-{os.urandom(8).hex()}"
        message = Send(room_id, key, text, f"send {self._number}")
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._unacknowledged[key] = message, answer
        if room_id not in self._arriving:
            self._tell(message)
        return await answer

    async def __aiter__(self) -> AsyncIterator[ChatMessage]:
        """Everything that is said in our rooms, each room in the order of its numbers."""
        while (message := await self._heard.get()) is not None:
            yield message

    # ------------------------------------------------------------------ the link

    async def _run(self) -> None:
        try:
            async for ws in self._connect:
                self._ws = ws
                self._arriving = set(self._rooms)
                self._tell(self._hello)
                with contextlib.suppress(ConnectionClosed):
                    async for data in ws:
                        self._hear(JSON.decode_reply(data))
                self.losses += 1
        except (ChatRefused, HandshakeError) as error:
            self._give_up(error)
            raise
        finally:
            self._give_up(ConnectionClosed(1006, "this chat was left"))
            self._heard.put_nowait(None)

    def _give_up(self, error: Exception) -> None:
        """No connection will come any more: tell those who wait."""
        for _, answer in self._unacknowledged.values():
            if not answer.done():
                answer.set_exception(error)

    def _tell(self, request: Request) -> None:
        """Say it now if there is a connection; if not, it will be said on the next."""
        if self._ws is not None and self._ws.state is ConnectionState.OPEN:
            self._ws.connection.send(JSON.encode(request).decode())

    def _hear(self, reply: Reply) -> None:
        if isinstance(reply, ChatMessage):
            self._message(reply)
        elif isinstance(reply, Ack):
            _, answer = self._unacknowledged.pop(reply.client_msg_id, (None, None))
            if answer is not None and not answer.done():
                answer.set_result(reply)
        elif isinstance(reply, Welcome):
            for room_id, past in self._rooms.items():
                past.gap, past.waiting = False, []
                self._tell(Join(room_id, past.last, "join"))
            self._arrived("")
        elif isinstance(reply, Joined):
            self._joined(reply)
        elif isinstance(reply, HistoryPage):
            self._fill(reply)
        elif isinstance(reply, Error):
            self._refused(reply)

    def _refused(self, error: Error) -> None:
        if error.ref == "hello":
            raise ChatRefused(error.code, error.reason)
        for message, answer in self._unacknowledged.values():
            if error.ref != message.ref:
                continue
            if error.code in ("unavailable", "rate_limited"):
                asyncio.get_running_loop().call_later(0.5, self._again, message)
            elif not answer.done():
                del self._unacknowledged[message.client_msg_id]
                answer.set_exception(ChatRefused(error.code, error.reason))
            return
        if error.ref == "join":
            raise ChatRefused(error.code, error.reason)

    def _again(self, message: Send) -> None:
        if message.client_msg_id in self._unacknowledged:
            self._tell(message)

    # ------------------------------------------------------------------ rooms

    def _joined(self, reply: Joined) -> None:
        past = self._rooms[reply.room_id]
        if past.last is None or reply.last_seq < past.last:
            past.last = reply.last_seq  # we are new here, or its numbers have started anew
        past.gap = reply.truncated
        self._arrived(reply.room_id)

    def _arrived(self, room_id: str) -> None:
        """We are in a room: say there what has not been acknowledged."""
        self._arriving.discard(room_id)
        for message, _ in self._unacknowledged.values():
            if message.room_id == room_id:
                self._tell(message)
        if not self._arriving:
            self._inside.set()

    def _message(self, message: ChatMessage) -> None:
        past = self._rooms.get(message.room_id)
        if past is None:
            return
        if past.gap:
            if not past.waiting:
                self._ask_before(message)
            past.waiting.append(message)
        elif past.last is None or message.seq > past.last:
            past.last = message.seq
            self._heard.put_nowait(message)

    def _ask_before(self, message: ChatMessage) -> None:
        self._tell(History(message.room_id, message.seq, MAX_HISTORY, "gap"))

    def _fill(self, page: HistoryPage) -> None:
        """One more page of a gap; once it is closed, all that waited behind it is heard."""
        past = self._rooms.get(page.room_id)
        if past is None or not past.gap:
            return
        past.waiting[:0] = page.messages
        last = past.last or 0
        if page.has_more and page.messages and page.messages[0].seq > last + 1:
            self._ask_before(page.messages[0])
            return
        waiting, past.waiting, past.gap = past.waiting, [], False
        for message in waiting:
            self._message(message)
