"""What the chat clients know and do without waiting: ``ChatClient`` awaits it, or blocks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Final, Protocol

from goim_edu.chat.vocabulary import (
    JSON,
    Ack,
    ChatMessage,
    History,
    HistoryPage,
    Join,
    Joined,
    Leave,
    Left,
    Members,
    MembersPage,
    Presence,
    ReadBy,
    Reply,
    Request,
    Send,
    TypingBy,
    VocabularyError,
    Welcome,
    WelcomeLimits,
)
from goim_edu.client.checks import check_number
from goim_edu.client.conversation import Conversation
from goim_edu.client.events import ChatRefused, ChatState, RefusedRequest
from goim_edu.client.heard import Heard
from goim_edu.client.options import ConnectOptions, Options, URIs, each_of
from goim_edu.transport import ConnectionClosed
from goim_edu.websocket.uri import without_secrets

__all__ = [
    "MOST_HEARD",
    "Answer",
    "ChatCore",
    "Key",
    "Waiter",
    "as_text",
    "chat_options",
    "left",
]

MOST_HEARD: Final = 1000
"""Events that wait for a script unless it says otherwise."""

_LONGEST_PAUSE: Final = 120.0  # seconds that a server may ask for

Answer = Ack | HistoryPage | MembersPage | None
Key = tuple[str, str]
"""What is waited for: ``enter``, ``send`` an id, ``join`` or ``leave`` a room, ``ask`` a ref."""


def left(*, entered: bool = True) -> ConnectionClosed:
    """What a call ends with when there is no chat any more, or not yet."""
    why = "this chat was left" if entered else "not yet entered: use it in a `with` block"
    return ConnectionClosed(None, None, why=why)


def chat_options(options: ConnectOptions) -> ConnectOptions:
    """The options of ``connect`` for a chat, to be used again and again.

    Raises:
        TypeError: a subprotocol is among them, or one has the wrong type.
        ValueError: one is out of its range.
    """
    if "subprotocols" in options:
        raise TypeError(f"a ChatClient takes no subprotocols: it speaks {JSON.name}")
    return {**options, "subprotocols": [JSON.name], "headers": Options.of(options).pairs}


def as_text(request: Request) -> str:
    """A request as the text message that carries it."""
    return JSON.encode(request).decode()


class Waiter(Protocol):
    """A future: asyncio's or that of ``concurrent.futures``."""

    def done(self) -> bool:
        """Whether nobody waits for it any more."""
        ...

    def set_result(self, result: Answer, /) -> None:
        """Hand on the answer."""
        ...

    def set_exception(self, exception: BaseException, /) -> None:
        """Say why there is none."""
        ...


class ChatCore:
    """A chat client without its way of waiting.

    Attributes:
        losses: how many connections have been lost.
        limits: what the server has said of itself at the last welcome: characters of a ``text``,
            ``rooms`` of a session, requests a second (``rate``); None before the first.
    """

    def __init__(
        self,
        uri: URIs,
        user_id: str,
        rooms: Iterable[str] | Mapping[str, int | None],
        token: str | None,
        on_state: Callable[[ChatState], object] | None,
        max_heard: int,
        options: ConnectOptions,
    ) -> None:
        if isinstance(rooms, str):
            raise TypeError(f"rooms is a sequence of names, not the str {rooms!r}")
        check_number("max_heard", max_heard, 1)
        self._options = chat_options(options)
        self._settings = Options.of(self._options)
        self._log = self._settings.log
        since = dict(rooms) if isinstance(rooms, Mapping) else dict.fromkeys(rooms)
        for seq in since.values():
            if seq is not None:
                check_number("the number of a room", seq, 0)
        self.losses = 0
        self._uris = each_of(uri)
        self._state = ChatState.CLOSED
        self._on_state = on_state
        self._talk = Conversation(
            user_id, *since, token=token, history=0, since=since, keep_one=False
        )
        self._heard = Heard(max_heard)
        for room_id, seq in since.items():
            self._heard.begin(room_id, seq)
        self._waiting: dict[Key, list[Waiter]] = {}
        self._problem: Exception | None = None  # why no further connection will come
        self._entered = False
        self.limits: WelcomeLimits | None = None

    def __repr__(self) -> str:
        where = ", ".join(map(without_secrets, self._uris))
        who, rooms = self._talk.user_id, ", ".join(map(repr, self._talk.rooms))
        return f"<ChatClient {who!r} {self._state.value} {where} rooms [{rooms}]>"

    @property
    def state(self) -> ChatState:
        """Where this client is in its life."""
        return self._state

    @property
    def user_id(self) -> str:
        """Our name."""
        return self._talk.user_id

    @property
    def rooms(self) -> dict[str, int | None]:
        """Our rooms, each with the number of the last message that was handed out.

        It is what a later ``ChatClient`` takes as its ``rooms``, to go on just there; None stands
        for a room that we were never in. A message counts as soon as it is handed out, not when
        your loop is done with it: keep the numbers after your work. A copy.
        """
        return dict(self._heard.positions)

    # ------------------------------------------------------------------ what is asked for

    def _check_entered(self) -> None:
        """Raise what ended this chat, if something has."""
        if self._problem is not None:
            raise self._problem
        if self._state is ChatState.CLOSED:
            raise left(entered=self._entered)

    def _check_ours(self, room_id: str) -> None:
        self._check_entered()
        if room_id not in self._talk.rooms:
            raise ChatRefused("not_joined", f"we are not in the room {room_id!r}: join it first")

    def _join(self, room_id: str, since: int | None) -> bool:
        """Want to be in a room; whether we are already."""
        self._check_entered()
        if since is not None:
            check_number("since", since, 0)
        self._talk.join(room_id, since)
        self._heard.begin(room_id, since)
        return self._talk.rooms[room_id].joined

    def _leave(self, room_id: str) -> bool:
        """Want to be out of a room; whether the server has to be told first."""
        self._check_ours(room_id)
        self._talk.leave(room_id)
        self._heard.forget(room_id)
        left = ChatRefused("not_joined", f"the room {room_id!r} was left before we were in it")
        self._settle(("join", room_id), left)
        return self._talk.online

    def _mark_read(self, room_id: str, seq: int) -> None:
        self._check_ours(room_id)
        check_number("seq", seq, 1)
        self._talk.mark_read(room_id, seq)

    def _tell_typing(self, room_id: str) -> None:
        self._check_ours(room_id)
        self._talk.tell_typing(room_id)

    # ------------------------------------------------------------------ what comes

    def _take(self, data: str | bytes) -> None:
        """Take in one message of the server."""
        for outcome in self._talk.receive(self._decode(data), monotonic()):
            match outcome:
                case ChatMessage() | Presence() | TypingBy() | ReadBy():
                    self._heard.put(outcome)
                case Ack():
                    self._settle(("send", outcome.client_msg_id), outcome)
                case Joined():
                    last, truncated = outcome.last_seq, outcome.truncated
                    self._heard.enter(outcome.room_id, last, is_truncated=truncated)
                    self._settle(("join", outcome.room_id), None)
                case Left():
                    self._settle(("leave", outcome.room_id), None)
                case HistoryPage() | MembersPage():
                    self._settle(("ask", outcome.ref or ""), outcome)
                case RefusedRequest():
                    self._refused(outcome)
        if self._talk.settled:
            self._turn(ChatState.ONLINE)
            self._settle(("enter", ""), None)

    def _decode(self, data: str | bytes) -> Reply:
        try:
            reply = JSON.decode_reply(data)
        except VocabularyError as error:
            raise VocabularyError(f"what answers there does not speak this chat: {error}") from None
        if isinstance(reply, Welcome):
            self.limits = reply.limits
        return reply

    def _refused(self, refused: RefusedRequest) -> None:
        request = refused.request
        if refused.again:
            return
        if request is None:
            self._log.warning("the server refused something why=%r", refused.text)
            return
        error = ChatRefused(refused.error.code, refused.error.reason)
        if isinstance(request, Send):
            self._settle(("send", request.client_msg_id), error)
        elif isinstance(request, Leave):  # then we are out of it, too
            self._settle(("leave", request.room_id), None)
        elif isinstance(request, Join) and ("join", request.room_id) in self._waiting:
            self._heard.forget(request.room_id)
            self._settle(("join", request.room_id), error)
        elif isinstance(request, History | Members):
            self._settle(("ask", request.ref or ""), error)
        else:
            raise error

    def _settle(self, key: Key, result: Answer | Exception) -> None:
        """Hand an answer to those that wait for it."""
        for waiter in self._waiting.pop(key, ()):
            if waiter.done():
                continue  # its caller no longer waits
            if isinstance(result, Exception):
                waiter.set_exception(result)
            else:
                waiter.set_result(result)

    def _lost(self) -> None:
        """A connection has ended, and with it our stay in the rooms that we were leaving."""
        self.losses += 1
        for key in [key for key in self._waiting if key[0] == "leave"]:
            self._settle(key, None)
        self._turn(ChatState.CONNECTING)

    def _asked_pause(self) -> float:
        """Seconds for which the server has asked us to stay away, since it is restarting."""
        pause, self._talk.pause_hint = min(self._talk.pause_hint, _LONGEST_PAUSE), 0.0
        if pause:
            self._log.info("the server asks us to stay away for=%.2f", pause)
        return pause

    def _give_up(self, error: Exception) -> None:
        """No further connection will come: tell all that wait."""
        for key in tuple(self._waiting):
            self._settle(key, error)
        self._turn(ChatState.CLOSED)

    def _turn(self, state: ChatState) -> None:
        if state is self._state:
            return
        self._state = state
        self._entered = True
        if self._on_state is None:
            return
        try:
            self._on_state(state)
        except Exception:  # noqa: BLE001 (it is told in the log)
            self._log.exception("on_state has failed state=%s", state.value)
