"""A chat client for scripts: it sends, hears, asks, and comes back after a lost connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Self, Unpack, cast

from goim_edu.chat.vocabulary import (
    MAX_HISTORY,
    Ack,
    ChatMessage,
    History,
    Members,
)
from goim_edu.client.connect import connect
from goim_edu.client.conversation import Conversation
from goim_edu.client.core import (
    MOST_HEARD,
    Answer,
    ChatCore,
    Key,
    as_text,
    left,
)
from goim_edu.client.events import ChatEvent, ChatRefused, ChatState
from goim_edu.client.heard import Gap
from goim_edu.client.options import ConnectOptions, URIs
from goim_edu.client.paging import Page, Question, Whole, read_history, read_members
from goim_edu.transport import ConnectionClosed, WebSocket
from goim_edu.transport.misuse import EnteredNotAwaited

__all__ = ["ChatClient", "converse"]


class ChatClient(ChatCore, EnteredNotAwaited):
    """The chat for scripts: each message is sent once and heard once, whatever the link does.

    It is a loop around ``Conversation``: it connects again after each loss, joins its rooms with
    ``since``, and asks and sends again what was not answered, a message under its old
    ``client_msg_id``. Each attempt is a line in the log ``goim_edu.client``, with its reason.

        async with ChatClient("ws://127.0.0.1:8765/chat", "lisa", ["lobby"]) as chat:
            ack = await chat.send("lobby", "hello")
            async for message in chat:
                print(message.user_id, message.text)

    What is awaited lasts as long as it takes, over as many connections as it takes; it ends with
    an error when the chat is left or when no further attempt can succeed. ``asyncio.timeout``
    gives it a bound. A call that is cancelled is no longer waited for, but what was said is said:
    see ``send``, ``join`` and ``leave``.

    What is heard waits for ``events`` or ``async for``. If nothing iterates, ``max_heard`` events
    are kept, and of what comes after them only the numbers: messages are then read from the
    history as soon as they are asked for, other events are lost.

    One event loop owns a client; its tasks may call everything at any time. It is not for use by
    other threads: ``goim_edu.client.sync`` has a client that needs no loop.

    Args:
        uri: of the chat; of several servers of the same chat, each attempt takes the next one.
        user_id: our name.
        rooms: the rooms to be in; a mapping also says up to which number each is known already,
            as ``rooms`` of an earlier client does.
        token: for a server that wants one.
        on_state: is called with each new ``state``.
        max_heard: events that may wait for this script, 1 or more; 1000 unless you say otherwise.
        **options: of ``connect``, but for ``subprotocols``.

    Attributes:
        losses: how many connections have been lost.
        limits: what the server has said of itself at the last welcome: characters of a ``text``,
            ``rooms`` of a session, requests a second (``rate``); None before the first.

    Raises:
        ValueError: a name or the token cannot be written as UTF-8, or a number is out of its range.
        TypeError: one of them is not text, or ``rooms`` is a single str.
    """

    def __init__(
        self,
        uri: URIs,
        user_id: str,
        rooms: Iterable[str] | Mapping[str, int | None] = (),
        *,
        token: str | None = None,
        on_state: Callable[[ChatState], object] | None = None,
        max_heard: int = MOST_HEARD,
        **options: Unpack[ConnectOptions],
    ) -> None:
        super().__init__(uri, user_id, rooms, token, on_state, max_heard, options)
        self._connect = connect(uri, **self._options)
        self._wake = asyncio.Event()
        self._ws: WebSocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving = False
        self._news = asyncio.Event()  # there is more to take, or nothing more will come
        self._taking = asyncio.Lock()

    # ------------------------------------------------------------------ coming and going

    async def __aenter__(self) -> Self:
        """Come in, and wait until all rooms are joined.

        Raises:
            ChatRefused: the server does not let us in.
            HandshakeError: this is not a chat.
            VocabularyError: this is another chat.
            ssl.SSLError: its certificate is not trusted.
            RuntimeError: this client was entered or closed before.
        """
        if self._task is not None or self._leaving:
            raise RuntimeError("a ChatClient is entered once: make a new one with its `rooms`")
        self._turn(ChatState.CONNECTING)
        self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            await self._answer(("enter", ""))
        except BaseException:  # cancelled or refused: then ``__aexit__`` will not be called
            if self._ws is not None:
                self._ws.connection.abort()  # there is no time for a closing handshake
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the chat; what still waits for an answer gets a ``ConnectionClosed``.

        What was heard can still be taken; ``rooms`` says how far it was.
        """
        self._leaving = True
        try:
            if self._ws is not None:
                await self._ws.close()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    # ------------------------------------------------------------------ what it can do

    async def send(self, room_id: str, text: str, *, client_msg_id: str | None = None) -> Ack:
        """Say something, and wait until it is stored; over as many connections as that takes.

        To cancel it does not take the message back: it is stored as soon as that is possible. A
        script that wants to know the outcome sends it again, under the same ``client_msg_id``, and
        gets the same ``seq``; under another id it would be a second message.

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
        self._check_entered()
        key = self._talk.say(text, room_id, client_msg_id)
        return cast("Ack", await self._answer(("send", key)))

    async def join(self, room_id: str, *, since: int | None = None) -> None:
        """Go into a room; when it returns we are in it. To cancel it does not undo it: ``leave``.

        Args:
            room_id: the room; nothing happens if we are in it already.
            since: the number up to which it is known already: the messages behind it come first.
                Default: nothing of its past.

        Raises:
            ChatRefused: the server does not let us in, or the room was left meanwhile.
            ConnectionClosed: this chat was left.
            ValueError: the name cannot be written as UTF-8, or the number is out of its range.
        """
        if not self._join(room_id, since):
            await self._answer(("join", room_id))

    async def leave(self, room_id: str) -> None:
        """Leave a room: nothing more of it is heard, also if this call is cancelled.

        Raises:
            ChatRefused: we are not in it.
            ConnectionClosed: this chat was left.
        """
        if self._leave(room_id):
            await self._answer(("leave", room_id))

    async def members(self, room_id: str) -> list[str]:
        """The names of all that are in a room of ours, sorted.

        Raises:
            ChatRefused: we are not in it.
            ConnectionClosed: this chat was left.
        """
        self._check_ours(room_id)
        return await self._follow(read_members(room_id))

    async def history(
        self,
        room_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> list[ChatMessage]:
        """Messages of a room of ours, ascending by seq; fewer than ``limit`` if there are no more.

        Args:
            room_id: the room.
            before_seq: only lower numbers; the last of them.
            after_seq: only higher numbers; the first of them.
            limit: how many, 1 or more; with neither bound they are the newest.

        Raises:
            ChatRefused: we are not in it.
            ConnectionClosed: this chat was left.
            ValueError: a number is out of its range.
        """
        self._check_ours(room_id)
        return await self._follow(read_history(room_id, before_seq, after_seq, limit))

    async def mark_read(self, room_id: str, seq: int) -> None:
        """Let the others know that we have read a room of ours up to a number.

        It does not wait: the highest number is told now, or as soon as there is a connection, and
        again on each new one, since the server does not answer. What it refuses, such as a number
        that is not yet there, is a line in the log.

        Raises:
            ChatRefused: we are not in the room.
            ConnectionClosed: this chat was left.
            ValueError: the number is out of its range.
        """
        self._mark_read(room_id, seq)
        self._wake.set()

    async def typing(self, room_id: str) -> None:
        """Let the others in a room of ours know that we are writing, if there is a connection.

        They show it for some seconds; call it again while the writing goes on.

        Raises:
            ChatRefused: we are not in the room.
            ConnectionClosed: this chat was left.
        """
        self._tell_typing(room_id)
        self._wake.set()

    async def _answer(self, key: Key) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        self._wake.set()
        return await future

    async def _follow(self, reading: Generator[Question, Page, Whole]) -> Whole:
        """Put the questions of a reading, one after the other."""
        try:
            question = next(reading)
            while True:
                question = reading.send(cast("Page", await self._ask(question)))
        except StopIteration as end:
            return cast("Whole", end.value)

    async def _ask(self, question: History | Members) -> Answer:
        self._check_entered()
        ref = self._talk.ask(question)
        try:
            return await self._answer(("ask", ref))
        finally:
            self._talk.questions.pop(ref, None)  # cancelled: it need not be asked again

    # ------------------------------------------------------------------ what is heard

    async def events(self) -> AsyncIterator[ChatEvent]:
        """All that happens in our rooms: ``ChatMessage``, ``Presence``, ``TypingBy``, ``ReadBy``.

            async for event in chat.events():
                match event:
                    case ChatMessage(user_id=user, text=text):
                        print(f"{user}: {text}")
                    case Presence(joined=came):
                        print("hello", *came)

        The messages of a room come in the order of their numbers. Each event is given to one loop
        only, if there are several. The loop ends when this chat is left, and raises what ``send``
        raises when the server no longer lets us in.
        """
        while (event := await self._next()) is not None:
            yield event

    async def __aiter__(self) -> AsyncIterator[ChatMessage]:
        """All that is said in our rooms: ``events`` without those that are not messages."""
        async for event in self.events():
            if isinstance(event, ChatMessage):
                yield event

    async def _next(self) -> ChatEvent | None:
        """The next event; None when none will come."""
        if self._task is None:
            self._check_entered()
        async with self._taking:
            while (event := self._heard.take()) is None:
                if self._state is ChatState.CLOSED:
                    if self._problem is not None:
                        raise self._problem
                    return None
                gap = self._heard.gap
                if gap is None:
                    self._news.clear()
                    await self._news.wait()
                else:
                    await self._fill(gap)
            return event

    async def _fill(self, gap: Gap) -> None:
        try:
            page = await self.history(gap.room_id, after_seq=gap.after, limit=MAX_HISTORY)
        except (ConnectionClosed, ChatRefused):
            if self._state is not ChatState.CLOSED and self._heard.gap is gap:
                raise
        else:
            self._heard.fill(gap, page)

    # ------------------------------------------------------------------ the loop

    async def _run(self) -> None:
        end: Exception = left()
        try:
            async with aclosing(aiter(self._connect)) as connections:
                async for ws in connections:
                    self._ws = ws
                    await self._converse(ws)
                    if self._leaving:
                        break
                    self._lost()
                    await asyncio.sleep(self._asked_pause())
        except Exception as error:  # noqa: BLE001 (it is raised where the caller waits)
            self._log.warning("the chat has ended why=%r", str(error))
            self._problem = end = error
        finally:
            self._give_up(end)
            self._news.set()

    async def _converse(self, ws: WebSocket) -> None:
        """Talk until the connection ends; a server that does not answer the hello is given up."""

        def take(data: str | bytes) -> None:
            self._take(data)
            self._news.set()
            if self._talk.online and limit.when() is not None:
                limit.reschedule(None)

        with contextlib.suppress(ConnectionClosed):
            try:
                async with asyncio.timeout(self._settings.open_timeout) as limit:
                    await converse(ws, self._talk, self._wake, take)
            except TimeoutError:
                self._log.info("the server does not answer the hello")
                ws.connection.abort()


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
        await ws.send(as_text(talk.hello()))
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
            await ws.send(as_text(talk.requests.popleft()))
        wake.clear()
        pause = None if talk.retry_at is None else max(0.0, talk.retry_at - monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await wake.wait()
        if talk.retry_at is not None and talk.retry_at <= monotonic():
            talk.retry()
