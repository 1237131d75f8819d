"""A chat client for programs without an event loop: the same as ``ChatClient``, but it blocks."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from threading import Event, get_ident
from time import monotonic
from typing import Self, Unpack, cast

from goim_edu.chat.vocabulary import (
    MAX_HISTORY,
    Ack,
    ChatMessage,
)
from goim_edu.client.attempt import Attempt
from goim_edu.client.core import (
    MOST_HEARD,
    Answer,
    ChatCore,
    Key,
    as_text,
    left,
)
from goim_edu.client.events import ChatEvent, ChatState
from goim_edu.client.heard import Gap
from goim_edu.client.options import ConnectOptions, URIs
from goim_edu.client.paging import Page, Question, Whole, read_history, read_members
from goim_edu.client.retry import Backoff
from goim_edu.client.sync_connect import WebSocket, connect
from goim_edu.protocol import State
from goim_edu.transport import ConcurrencyError, ConnectionClosed

__all__ = ["ChatClient"]


class ChatClient(ChatCore):
    """The chat for scripts that block: each message is sent once and heard once.

    It has the methods, the promises and the errors of the client that awaits,
    ``goim_edu.client.ChatClient``:

        with ChatClient("ws://127.0.0.1:8765/chat", "lisa", ["lobby"]) as chat:
            ack = chat.send("lobby", "hello")
            for message in chat:
                print(message.user_id, message.text)

    It takes in messages, and connects again, while one of its calls waits. Between two calls its
    connection answers the server, and no more; if it is lost meanwhile, the next call comes back
    with ``since``, so nothing is lost by that either.

    A call that takes longer than ``timeout`` ends with ``TimeoutError``. What was said is said all
    the same, and is stored during later calls: to wait for it again, send it again under the same
    ``client_msg_id``. A question is not asked again.

    It is for one thread at a time: another one gets a ``ConcurrencyError`` while a call waits. Only
    ``close`` may be called from any thread; it ends the call that waits, and the loop.

    Args:
        uri: of the chat; of several servers of the same chat, each attempt takes the next one.
        user_id: our name.
        rooms: the rooms to be in; a mapping also says up to which number each is known already,
            as ``rooms`` of an earlier client does.
        timeout: seconds that a call may take; None for as long as it takes.
        token: for a server that wants one.
        on_state: is called with each new ``state``.
        max_heard: events that may wait for this script, 1 or more; 1000 unless you say otherwise.
        **options: of ``goim_edu.client.sync.connect``, but for ``subprotocols``.

    Attributes:
        losses: how many connections have been lost.
        limits: what the server has said of itself at the last welcome: characters of a ``text``,
            ``rooms`` of a session, requests a second (``rate``); None before the first.
        timeout: as given; it can be changed at any time.

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
        timeout: float | None = 60.0,
        token: str | None = None,
        on_state: Callable[[ChatState], object] | None = None,
        max_heard: int = MOST_HEARD,
        **options: Unpack[ConnectOptions],
    ) -> None:
        super().__init__(uri, user_id, rooms, token, on_state, max_heard, options)
        self.timeout = timeout
        backoff = self._settings.backoff or Backoff()
        first_attempts = Attempt.to_each(uri, self._settings)
        self._attempts = first_attempts[0].attempts(backoff, first_attempts[1:])
        self._turns = itertools.cycle(self._uris)
        self._next_attempt = 0.0  # by the clock ``time.monotonic``
        self._began = 0.0
        self._welcome_by: float | None = None
        self._ws: WebSocket | None = None
        self._was_entered = False
        self._leaving = Event()
        self._thread: int | None = None  # the one that waits

    # ------------------------------------------------------------------ coming and going

    def __enter__(self) -> Self:
        """Come in, and wait until all rooms are joined.

        Raises:
            ChatRefused: the server does not let us in.
            HandshakeError: this is not a chat.
            VocabularyError: this is another chat.
            ssl.SSLError: its certificate is not trusted.
            TimeoutError: it took longer than ``timeout``.
            RuntimeError: this client was entered or closed before.
        """
        if self._was_entered or self._leaving.is_set():
            raise RuntimeError("a ChatClient is entered once: make a new one with its `rooms`")
        self._was_entered = True
        self._turn(ChatState.CONNECTING)
        try:
            self._answer(("enter", ""))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the chat. What was heard can still be taken; ``rooms`` says how far it was."""
        self._leaving.set()
        ws, self._ws = self._ws, None
        try:
            if ws is not None:
                ws.close()
                if self._thread is None:
                    self._take_rest(ws)
        finally:
            self._give_up(self._problem or left())

    def _check_entered(self) -> None:
        if self._thread not in (None, get_ident()):
            raise ConcurrencyError("another thread waits in this chat already: let them take turns")
        super()._check_entered()

    def _take_rest(self, ws: WebSocket) -> None:
        """Take in what has come before the end."""
        with contextlib.suppress(ConnectionClosed):
            while self._problem is None:
                self._take(ws.recv(0))

    # ------------------------------------------------------------------ what it can do

    def send(self, room_id: str, text: str, *, client_msg_id: str | None = None) -> Ack:
        """Say something, and wait until it is stored; over as many connections as that takes.

        Args:
            room_id: where; the server refuses a room that we are not in.
            text: what to say.
            client_msg_id: the id of the message; default: a new one.

        Raises:
            ChatRefused: the server will not take it.
            ConnectionClosed: this chat was left.
            HandshakeError: the server no longer lets us in.
            TimeoutError: it took longer than ``timeout``; it will be stored during a later call.
            ValueError: it cannot be written as UTF-8.
            TypeError: one of them is not text.
        """
        self._check_entered()
        key = self._talk.say(text, room_id, client_msg_id)
        return cast("Ack", self._answer(("send", key)))

    def join(self, room_id: str, *, since: int | None = None) -> None:
        """Go into a room; when it returns we are in it.

        Args:
            room_id: the room; nothing happens if we are in it already.
            since: the number up to which it is known already: the messages behind it come first.
                Default: nothing of its past.

        Raises:
            ChatRefused: the server does not let us in.
            ConnectionClosed: this chat was left.
            TimeoutError: it took longer than ``timeout``; to undo it, ``leave``.
            ValueError: the name cannot be written as UTF-8, or the number is out of its range.
        """
        if not self._join(room_id, since):
            self._answer(("join", room_id))

    def leave(self, room_id: str) -> None:
        """Leave a room: nothing more of it is heard.

        Raises:
            ChatRefused: we are not in it.
            ConnectionClosed: this chat was left.
            TimeoutError: the server has not answered within ``timeout``.
        """
        if self._leave(room_id):
            self._answer(("leave", room_id))

    def members(self, room_id: str) -> list[str]:
        """The names of all that are in a room of ours, sorted.

        Raises:
            ChatRefused: we are not in it.
            ConnectionClosed: this chat was left.
            TimeoutError: a page of them took longer than ``timeout``.
        """
        self._check_ours(room_id)
        return self._follow(read_members(room_id))

    def history(
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
            TimeoutError: a page of them took longer than ``timeout``.
            ValueError: a number is out of its range.
        """
        self._check_ours(room_id)
        return self._follow(read_history(room_id, before_seq, after_seq, limit))

    def mark_read(self, room_id: str, seq: int) -> None:
        """Let the others know that we have read a room of ours up to a number.

        It does not wait for a connection: without one it is told during a later call, and again
        on each new connection, since the server does not answer.

        Raises:
            ChatRefused: we are not in the room.
            ConnectionClosed: this chat was left.
            ValueError: the number is out of its range.
        """
        self._mark_read(room_id, seq)
        self._flush()

    def typing(self, room_id: str) -> None:
        """Let the others in a room of ours know that we are writing, if there is a connection.

        Raises:
            ChatRefused: we are not in the room.
            ConnectionClosed: this chat was left.
        """
        self._tell_typing(room_id)
        self._flush()

    def _answer(self, key: Key) -> Answer:
        future: Future[Answer] = Future()
        self._waiting.setdefault(key, []).append(future)
        end = None if self.timeout is None else monotonic() + self.timeout
        try:
            while not future.done():
                self._step(end)
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def _follow(self, reading: Generator[Question, Page, Whole]) -> Whole:
        """Put the questions of a reading, one after the other."""
        try:
            question = next(reading)
            while True:
                ref = self._talk.ask(question)
                try:
                    page = self._answer(("ask", ref))
                finally:
                    self._talk.questions.pop(ref, None)
                question = reading.send(cast("Page", page))
        except StopIteration as end:
            return cast("Whole", end.value)

    # ------------------------------------------------------------------ what is heard

    def events(self, *, timeout: float | None = None) -> Iterator[ChatEvent]:
        """All that happens in our rooms: ``ChatMessage``, ``Presence``, ``TypingBy``, ``ReadBy``.

        The messages of a room come in the order of their numbers. The loop ends when this chat is
        left, and raises what ``send`` raises when the server no longer lets us in.

        Args:
            timeout: seconds to wait for each event; None for as long as it takes.

        Raises:
            TimeoutError: nothing has happened for so long; a new loop goes on.
        """
        while (event := self._next(timeout)) is not None:
            yield event

    def __iter__(self) -> Iterator[ChatMessage]:
        """All that is said in our rooms: ``events`` without those that are not messages."""
        for event in self.events():
            if isinstance(event, ChatMessage):
                yield event

    def _next(self, timeout: float | None) -> ChatEvent | None:
        """The next event; None when none will come."""
        if not self._was_entered:
            self._check_entered()
        end = None if timeout is None else monotonic() + timeout
        while (event := self._heard.take()) is None:
            if self._state is ChatState.CLOSED:
                if self._problem is not None:
                    raise self._problem
                return None
            gap = self._heard.gap
            if gap is None:
                self._step(end)
            else:
                self._fill(gap)
        return event

    def _fill(self, gap: Gap) -> None:
        self._heard.fill(gap, self.history(gap.room_id, after_seq=gap.after, limit=MAX_HISTORY))

    # ------------------------------------------------------------------ the loop

    def _step(self, end: float | None) -> None:
        """Do the next thing: connect, or send what is to be sent and take in one message.

        Args:
            end: when to give up, by the clock ``time.monotonic``.

        Raises:
            TimeoutError: it is past the end, and nothing has come.
            Exception: this chat has ended.
        """
        self._check_entered()
        self._thread = get_ident()
        came = False
        try:
            ws = self._ws
            if ws is None:
                self._reach(end)
            else:
                came = self._read(ws, end)
        except ConnectionClosed as closed:
            self._dropped(closed)
        except Exception as error:
            self._log.warning("the chat has ended why=%r", str(error))
            self._problem = error
            self.close()
            raise
        finally:
            self._thread = None
        if not came and end is not None and monotonic() >= end:
            why = f" ({self._attempts.why})" if self._ws is None and self._attempts.why else ""
            raise TimeoutError(f"the chat has not answered in time{why}; a later call goes on")

    def _reach(self, end: float | None) -> None:
        """Connect, if the time for it has come, and say hello."""
        now = monotonic()
        remaining = None if end is None else max(0.0, end - now)
        if self._next_attempt > now:
            self._leaving.wait(_least(self._next_attempt - now, remaining))
            return
        timeout = _least(self._settings.open_timeout, remaining)
        options: ConnectOptions = {**self._options, "open_timeout": timeout}
        try:
            ws = connect(next(self._turns), **options)
        except Exception as error:  # noqa: BLE001 (raised again unless it passes)
            self._next_attempt = monotonic() + self._attempts.failed(error)
            return
        self._ws, self._began = ws, monotonic()
        if self._leaving.is_set():  # another thread has closed this chat meanwhile
            self.close()
            return
        patience = self._settings.open_timeout
        self._welcome_by = None if patience is None else self._began + patience
        ws.send(as_text(self._talk.hello()))

    def _read(self, ws: WebSocket, end: float | None) -> bool:
        """Send what is to be sent, and take in one message; False if none came in time."""
        self._send_requests(ws)
        until = _least(end, self._talk.retry_at if self._talk.online else self._welcome_by)
        try:
            self._take(ws.recv(None if until is None else max(0.0, until - monotonic())))
        except TimeoutError:
            came = False
        else:
            came = True
        now = monotonic()
        if not self._talk.online and self._welcome_by is not None and self._welcome_by <= now:
            raise ConnectionClosed(None, None, why="the server does not answer the hello")
        if self._talk.retry_at is not None and self._talk.retry_at <= now:
            self._talk.retry()
        return came

    def _flush(self) -> None:
        """Send what is to be sent, if there is a connection."""
        if self._ws is None:
            return
        try:
            self._send_requests(self._ws)
        except ConnectionClosed as closed:
            self._dropped(closed)

    def _send_requests(self, ws: WebSocket) -> None:
        while self._talk.requests:
            ws.send(as_text(self._talk.requests.popleft()))

    def _dropped(self, closed: ConnectionClosed) -> None:
        """The connection has ended: what was not answered is asked again on the next one."""
        if self._leaving.is_set():
            return
        self._log.info("a connection of the chat has ended why=%r", str(closed))
        ws, self._ws = self._ws, None
        self._talk.disconnected()
        self._lost()
        if ws is not None:
            if ws.state is State.OPEN:
                self._attempts.closing(self._settings.close_timeout)
            ws.close()
            pause = self._attempts.ended(monotonic() - self._began, ws.close_code)
            self._next_attempt = monotonic() + pause + self._asked_pause()


def _least(one: float | None, other: float | None) -> float | None:
    """The lower of two numbers; None stands for no bound."""
    return min((number for number in (one, other) if number is not None), default=None)
