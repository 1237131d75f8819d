"""``connect``: a WebSocket client for scripts, tests and notebooks.

    async with connect("ws://127.0.0.1:8765/echo") as ws:
        await ws.send("Hello")
        print(await ws.recv())

It may also be awaited, and iterated: then it connects again and again, with a pause that grows
and is partly chance, so that a thousand clients do not come back at once after a crash:

    async for ws in connect("ws://127.0.0.1:8765/echo"):
        with suppress(ConnectionClosed):
            async for message in ws:
                ...

``ChatClient`` does that for the chat: it resumes its rooms, and neither loses nor repeats anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import ssl as tls
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

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
from goim_edu.deflate import DeflateConfig
from goim_edu.errors import HandshakeError, LocalProtocolError
from goim_edu.handshake import WebSocketURI, parse_uri
from goim_edu.heartbeat import Heartbeat
from goim_edu.protocol import Endpoint, Limits, Side, State
from goim_edu.transport import Connection, ConnectionClosed, Engine, Tap, WebSocket

__all__ = ["Backoff", "ChatClient", "ChatRefused", "Connect", "connect"]

_NO_LIMIT: Final = 1 << 62  # ``send`` waits while the peer reads too slowly, so nothing piles up

_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = WeakKeyDictionary()


def _engine() -> Engine:
    """What all clients of this loop share."""
    loop = asyncio.get_running_loop()
    engine = _engines.get(loop)
    if engine is None:
        engine = _engines[loop] = Engine(granularity=0.005, queue_limit=_NO_LIMIT)
    return engine


class Backoff:
    """How long to wait before the next attempt: doubled each time, half of it by chance.

    Args:
        first: seconds before the first attempt, at most.
        longest: seconds that the pause may grow to.
        steady: a connection that lived so many seconds starts the pauses anew.

    >>> backoff = Backoff(first=1, longest=8, chance=lambda: 1.0)
    >>> [backoff.next() for _ in range(5)]
    [1.0, 2.0, 4.0, 8.0, 8.0]
    """

    def __init__(
        self,
        first: float = 0.5,
        longest: float = 30.0,
        steady: float = 5.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.first = first
        self.longest = longest
        self.steady = steady
        self._chance = chance
        self._attempts = 0

    def next(self) -> float:
        """Seconds to wait now."""
        ceiling = min(self.longest, self.first * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return ceiling * (0.5 + self._chance() / 2)

    def lived(self, seconds: float) -> None:
        """A connection has lived so long."""
        if seconds >= self.steady:
            self._attempts = 0


class Connect:
    """A connection about to be made: ``await`` it, use it in ``async with``, or iterate over it."""

    def __init__(
        self,
        uri: str,
        tap: Tap | None,
        ssl: tls.SSLContext | None,
        backoff: Backoff,
        **settings: Any,
    ) -> None:
        self._uri: WebSocketURI = parse_uri(uri)
        self._tap = tap
        self._ssl = ssl
        self._settings = settings
        self._backoff = backoff
        self._ws: WebSocket | None = None

    def __await__(self) -> Generator[Any, None, WebSocket]:
        return self._open().__await__()

    async def __aenter__(self) -> WebSocket:
        self._ws = await self._open()
        return self._ws

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ws is not None:
            await self._ws.__aexit__(kind, error, trace)

    async def __aiter__(self) -> AsyncIterator[WebSocket]:
        """Connect, and each time that the loop comes round connect again.

        A refusal that will not change by itself (HTTP 400 to 499) is raised.
        """
        while True:
            began = monotonic()
            try:
                ws = await self._open()
            except HandshakeError as error:
                if 400 <= error.status < 500:
                    raise
            except OSError:
                pass  # nobody there, or the time was up: that may change
            else:
                try:
                    yield ws
                finally:
                    await ws.close()
                self._backoff.lived(monotonic() - began)
            await asyncio.sleep(self._backoff.next())

    async def _open(self) -> WebSocket:
        uri, settings = self._uri, self._settings
        open_timeout = settings["open_timeout"]
        endpoint = Endpoint(
            Side.CLIENT,
            limits=Limits(
                max_frame_size=settings["max_message_size"],
                max_message_size=settings["max_message_size"],
            ),
            deflate=settings["deflate"],
            mask_source=settings["mask_source"],
        )
        greeting = endpoint.connect(
            uri.host_header,
            uri.target,
            subprotocols=settings["subprotocols"],
            headers=settings["headers"],
            origin=settings["origin"],
        )
        interval, timeout = settings["heartbeat_interval"], settings["heartbeat_timeout"]
        ws = WebSocket(settings["max_waiting"])
        connection = Connection(
            _engine(),
            endpoint,
            ws,
            open_timeout=open_timeout,
            close_timeout=settings["close_timeout"],
            greeting=greeting,
            heartbeat=Heartbeat(interval, timeout) if interval else None,
            tap=self._tap,
        )
        try:
            async with asyncio.timeout(open_timeout):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    uri.host,
                    uri.port,
                    ssl=self._tls(),
                    server_hostname=uri.host if uri.secure else None,
                )
                await ws.wait_open()
        except BaseException:
            connection.abort()
            raise
        return ws

    def _tls(self) -> tls.SSLContext | None:
        if not self._uri.secure:
            return None
        return self._ssl or tls.create_default_context()


def connect(
    uri: str,
    *,
    subprotocols: Sequence[str] = (),
    compression: bool | DeflateConfig = True,
    headers: Iterable[tuple[str, str]] | None = None,
    origin: str | None = None,
    ssl: tls.SSLContext | None = None,
    open_timeout: float = 10.0,
    close_timeout: float = 10.0,
    heartbeat_interval: float = 20.0,
    heartbeat_timeout: float = 20.0,
    max_message_size: int = 1 << 20,
    max_waiting: int = 64,
    tap: Tap | None = None,
    mask_source: Callable[[int], bytes] | None = None,
    backoff: Backoff | None = None,
) -> Connect:
    """Open a WebSocket.

    Args:
        uri: ``ws://host:port/path`` or ``wss://...``.
        subprotocols: those that we speak, the most wanted first.
        compression: whether to offer permessage-deflate, or how.
        headers: more header fields, such as ``Authorization``.
        origin: the Origin to send, as browsers do.
        ssl: how to check the server's certificate; by default as the system does.
        open_timeout: seconds for TCP, TLS and handshake together.
        close_timeout: seconds for the closing handshake.
        heartbeat_interval: seconds between our pings; 0 for none.
        heartbeat_timeout: seconds until a silent server is given up.
        max_message_size: octets of a message that we take.
        max_waiting: messages that may wait to be received before we read no more.
        tap: is given every read and write.
        mask_source: gives that many unpredictable octets; only a lesson needs other ones.
        backoff: how long to wait before each new attempt, when iterated over.

    Returns:
        Something to ``await`` (gives a ``WebSocket``), to use in ``async with``, or to iterate
        over with ``async for``, which connects again after each end.

    Raises:
        LocalProtocolError: the address is none.
        HandshakeError: (when awaited) the server refused; ``status`` says how.
        TimeoutError: (when awaited) the time was up.
        OSError: (when awaited) nobody is there.

    >>> connect("http://127.0.0.1")
    Traceback (most recent call last):
    ...
    goim_edu.errors.LocalProtocolError: 'http://127.0.0.1' is no address such as ...
    """
    if max_waiting < 1:
        raise LocalProtocolError("max_waiting must be at least 1")
    deflate = compression if isinstance(compression, DeflateConfig) else DeflateConfig()
    return Connect(
        uri,
        tap,
        ssl,
        backoff or Backoff(),
        subprotocols=tuple(subprotocols),
        deflate=deflate if compression else None,
        headers=tuple(headers or ()),
        origin=origin,
        open_timeout=open_timeout,
        close_timeout=close_timeout,
        heartbeat_interval=heartbeat_interval,
        heartbeat_timeout=heartbeat_timeout,
        max_message_size=max_message_size,
        max_waiting=max_waiting,
        mask_source=os.urandom if mask_source is None else mask_source,
    )


# ---------------------------------------------------------------------- the chat


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
        if self._ws is not None and self._ws.connection.endpoint.state is State.OPEN:
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
