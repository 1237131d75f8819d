"""A chat client for scripts: it sends, hears, and comes back after a lost connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Any, Self

from goim_edu.chat.vocabulary import (
    JSON,
    Ack,
    ChatMessage,
    Request,
    Send,
)
from goim_edu.client.connect import Backoff, connect
from goim_edu.client.conversation import Conversation
from goim_edu.client.events import RefusedRequest
from goim_edu.errors import GoimError
from goim_edu.transport import ConnectionClosed, WebSocket

__all__ = ["ChatClient", "ChatRefused", "converse"]

log = logging.getLogger("goim_edu.client")


class ChatRefused(GoimError):
    """The server did not grant a request, and will not if it is asked again.

    Attributes:
        code: one of the error codes of the chat protocol.
        reason: why.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class ChatClient:
    """The chat for scripts: each message is sent once and heard once, whatever the link does.

    It is a loop around ``Conversation``: it connects again after each loss, joins its rooms with
    ``since``, asks for what is still missing, and sends again what was not acknowledged, under its
    old ``client_msg_id``.

        async with ChatClient("ws://127.0.0.1:8765/chat", "lisa", ["lobby"]) as chat:
            ack = await chat.send("lobby", "hello")
            async for message in chat:
                print(message.user_id, message.text)

    Args:
        uri: of the chat.
        user_id: our name.
        rooms: the rooms to be in; a mapping also says up to which number each is known already.
        token: for a server that wants one.
        backoff: how long to wait between attempts.
        **options: of ``connect``.

    Attributes:
        losses: how many connections have been lost.

    Raises:
        ValueError: a name or the token cannot be written as UTF-8.
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
        self._connect = connect(uri, subprotocols=[JSON.name], backoff=backoff, **options)
        if isinstance(rooms, str):
            raise TypeError(f"rooms is a sequence of names, not the str {rooms!r}")
        since = rooms if isinstance(rooms, Mapping) else None
        self._talk = Conversation(
            user_id, *rooms, token=token, history=0, since=since, fill_gaps=True
        )
        self._answers: dict[str, list[asyncio.Future[Ack]]] = {}  # by client_msg_id
        self._heard: asyncio.Queue[ChatMessage | None] = asyncio.Queue()
        self._settled = asyncio.Event()
        self._wake = asyncio.Event()
        self._ws: WebSocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._problem: Exception | None = None  # why no further connection will come

    async def __aenter__(self) -> Self:
        """Come in, and wait until all rooms are joined.

        Raises:
            ChatRefused: the server does not let us in.
            HandshakeError: this is not a chat.
            VocabularyError: this is another chat.
            ssl.SSLError: its certificate is not trusted.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())
        settled = asyncio.get_running_loop().create_task(self._settled.wait())
        try:
            await asyncio.wait({self._task, settled}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:  # cancelled: then ``__aexit__`` will not be called
            if self._ws is not None:
                self._ws.connection.abort()  # there is no time for a closing handshake
            await self._stop()
            raise
        finally:
            settled.cancel()
        if self._problem is not None:
            raise self._problem
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            if self._ws is not None:
                await self._ws.close()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def send(self, room_id: str, text: str, client_msg_id: str | None = None) -> Ack:
        """Say something, and wait until it is stored; over as many connections as that takes.

        Args:
            room_id: where; the server refuses a room that we are not in.
            text: what to say.
            client_msg_id: the id of the message; default: a new one.

        Raises:
            ChatRefused: the server will not take it.
            ConnectionClosed: this chat was left before it was stored.
            HandshakeError: likewise, since the server no longer lets us in.
            ValueError: it cannot be written as UTF-8.
            TypeError: one of them is not text.
        """
        if self._problem is not None:
            raise self._problem
        if self._task is None or self._task.done():
            raise ConnectionClosed(None, None, why="this chat was left, or not yet entered")
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        key = self._talk.say(text, room_id, client_msg_id)
        self._answers.setdefault(key, []).append(answer)
        self._wake.set()
        return await answer

    async def __aiter__(self) -> AsyncIterator[ChatMessage]:
        """Everything that is said in our rooms, each room in the order of its numbers.

        It ends when this chat is left, and raises what ``send`` raises when the server no longer
        lets us in.
        """
        while (message := await self._heard.get()) is not None:
            yield message
        self._heard.put_nowait(None)  # for the next loop: it has ended, too
        if self._problem is not None:
            raise self._problem

    # ------------------------------------------------------------------ the loop

    async def _run(self) -> None:
        try:
            async with aclosing(aiter(self._connect)) as connections:
                async for ws in connections:
                    self._ws = ws
                    with contextlib.suppress(ConnectionClosed):
                        await converse(ws, self._talk, self._wake, self._take)
                    self.losses += 1
        except Exception as error:  # noqa: BLE001 (it is raised where the caller waits)
            log.warning("the chat has ended why=%r", str(error))
            self._problem = error
            self._give_up(error)
        finally:
            self._give_up(ConnectionClosed(None, None, why="this chat was left"))
            self._heard.put_nowait(None)

    def _give_up(self, error: Exception) -> None:
        """No further connection will come: tell the callers of ``send`` that wait."""
        for key in tuple(self._answers):
            self._answer(key, error)

    def _take(self, data: str | bytes) -> None:
        for event in self._talk.receive(JSON.decode_reply(data), monotonic()):
            if isinstance(event, ChatMessage):
                self._heard.put_nowait(event)
            elif isinstance(event, Ack):
                self._answer(event.client_msg_id, event)
            elif isinstance(event, RefusedRequest):
                self._refused(event)
        if self._talk.settled:
            self._settled.set()

    def _refused(self, refused: RefusedRequest) -> None:
        if refused.again or refused.request is None:
            return
        error = ChatRefused(refused.error.code, refused.error.reason)
        if not isinstance(refused.request, Send):
            raise error
        self._answer(refused.request.client_msg_id, error)

    def _answer(self, key: str, result: Ack | Exception) -> None:
        for answer in self._answers.pop(key, ()):
            if answer.done():
                continue  # its caller no longer waits
            if isinstance(result, Ack):
                answer.set_result(result)
            else:
                answer.set_exception(result)


# ---------------------------------------------------------------------- one connection


async def converse(
    ws: WebSocket,
    talk: Conversation,
    wake: asyncio.Event,
    take: Callable[[str | bytes], None],
) -> None:
    """Carry a conversation over one connection, from the hello until the connection ends.

    Args:
        ws: the connection, open.
        talk: gives the requests; it is told when the connection has ended.
        wake: to be set whenever there may be new requests.
        take: is given each message that comes.

    Raises:
        ConnectionClosed: the connection broke off.
        Exception: whatever ``take`` raises.
    """
    sending = asyncio.create_task(_send_requests(ws, talk, wake))  # nothing before the welcome
    try:
        await ws.send(_text(talk.hello()))
        async for data in ws:
            take(data)
            wake.set()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        talk.disconnected()


async def _send_requests(ws: WebSocket, talk: Conversation, wake: asyncio.Event) -> None:
    """Send what the conversation asks for, in its order; and again what was put off."""
    while True:
        while talk.requests:
            await ws.send(_text(talk.requests.popleft()))
        wake.clear()
        pause = None if talk.retry_at is None else max(0.0, talk.retry_at - monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await wake.wait()
        if talk.retry_at is not None and talk.retry_at <= monotonic():
            talk.retry()


def _text(request: Request) -> str:
    return JSON.encode(request).decode()
