"""The chat as one of its clients knows it: replies in, lines to show and requests to send out.

It owns no socket, no clock and no screen. What is said is kept until the server has acknowledged
it, and is sent again under its old ``client_msg_id`` after a lost connection; each room is joined
again with ``since``, the last number that was shown. So nothing is lost and nothing shown twice.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from goim_edu.chat.vocabulary import (
    MAX_HISTORY,
    Ack,
    ChatMessage,
    Draining,
    Error,
    Hello,
    History,
    HistoryPage,
    Join,
    Joined,
    Leave,
    Left,
    Presence,
    Reply,
    Request,
    Send,
    Typing,
    TypingBy,
    Welcome,
)

__all__ = ["Conversation", "Line", "RoomView"]

TYPING_SHOWN: Final = 4.0  # seconds that somebody counts as writing
RETRY_AFTER: Final = 1.0  # seconds, where the server could not take something just now


@dataclass(slots=True)
class Line:
    """Something to show: what was said, a remark of the program, or trouble.

    Args:
        kind: what it is.
        text: what it says, as it came: not yet ``printable``.
        user_id: who said it.
        room_id: where.
        seq: its number there; 0 for what is no message.
        at: when.
    """

    kind: Literal["message", "note", "trouble"]
    text: str
    user_id: str = ""
    room_id: str = ""
    seq: int = 0
    at: datetime | None = None


@dataclass(slots=True)
class RoomView:
    """What this client knows of a room.

    ``early`` keeps what is said before the first page of history is there, to show it behind
    that; it is None from then on.
    """

    shown_to: int | None = None
    shown_from: int | None = None
    has_more: bool = False
    members: set[str] = field(default_factory=set)
    joined: bool = False
    early: list[ChatMessage] | None = field(default_factory=list)


class Conversation:
    """The chat as one user sees it: replies in, lines to show and requests to send out.

    Args:
        user_id: who we are.
        room_id: the first room.
        token: for a server that wants one.
        history: messages of a room to show at first, 1 to 200.

    Attributes:
        current: the room that is written to.
        rooms: those that we are in or want to be in.
        outbox: what is not yet stored, by client_msg_id, in the order of writing.
        requests: what is to be sent while there is a connection.
        online: whether the server has welcomed us.

    >>> chat = Conversation("lisa", "lobby")
    >>> chat.say("hello")                        # no connection yet: it is kept
    >>> [message.text for message in chat.outbox.values()], list(chat.requests)
    (['hello'], [])
    """

    def __init__(
        self, user_id: str, room_id: str, token: str | None = None, history: int = 20
    ) -> None:
        self.user_id = user_id
        self.current = room_id
        self.rooms: dict[str, RoomView] = {room_id: RoomView()}
        self.outbox: dict[str, Send] = {}
        self.requests: deque[Request] = deque()
        self.online = False
        self.refused = ""
        self.retry_at: float | None = None
        self.pause_hint = 0.0
        self._token = token
        self._history = history
        self._asked: dict[str, Request] = {}
        self._typing: dict[tuple[str, str], float] = {}
        self._counter = 0

    # ------------------------------------------------------------------ what the user does

    def hello(self) -> Hello:
        """The first request of a connection."""
        hello = Hello(self.user_id, self._token, self._ref())
        self._asked[hello.ref or ""] = hello
        return hello

    def say(self, text: str) -> None:
        """Say ``text`` in the current room: now, or as soon as there is a connection."""
        message = Send(self.current, secrets.token_hex(12), text, self._ref())
        self.outbox[message.client_msg_id] = message
        if self._joined(self.current):
            self._ask(message)

    def join(self, room_id: str) -> None:
        """Go into a room, or back to one."""
        self.current = room_id
        if room_id not in self.rooms:
            self.rooms[room_id] = RoomView()
            if self.online:
                self._ask(Join(room_id, None, self._ref()))

    def leave(self) -> bool:
        """Leave the current room for the next; False if there is no other."""
        if len(self.rooms) == 1:
            return False
        del self.rooms[self.current]
        if self.online:
            self._ask(Leave(self.current, self._ref()))
        self.current = next(iter(self.rooms))
        return True

    def ask_earlier(self, count: int) -> bool:
        """Ask for earlier messages of this room; False if there are none."""
        room = self.rooms[self.current]
        if not (room.has_more and room.joined and room.shown_from):
            return False
        limit = max(1, min(count, MAX_HISTORY))
        self._ask(History(self.current, room.shown_from, limit, self._ref()))
        return True

    def tell_typing(self) -> None:
        """Let the others know that we are writing."""
        if self._joined(self.current):
            self._ask(Typing(self.current, self._ref()))

    def typists(self, now: float) -> list[str]:
        """Who is writing in the current room; ``now`` by the clock ``time.monotonic``."""
        return [
            user
            for (room, user), until in self._typing.items()
            if room == self.current and until > now
        ]

    # ------------------------------------------------------------------ what the server says

    def receive(self, reply: Reply, now: float = 0.0) -> Iterator[Line]:
        """Take in what the server said; gives what is to be shown, in order.

        Args:
            reply: as the vocabulary decodes it.
            now: by the clock ``time.monotonic``.
        """
        request = self._asked.pop(getattr(reply, "ref", None) or "", None)
        match reply:
            case Welcome():
                self._welcomed()
            case Draining():
                self.pause_hint = reply.reconnect_after_ms / 1000
                yield Line("note", "the server is restarting")
            case Error():
                yield from self._error(reply, request, now)
            case Ack():
                self.outbox.pop(reply.client_msg_id, None)
            case Left():
                yield Line("note", f"you have left {reply.room_id}")
            case _:
                room = self.rooms.get(reply.room_id)
                if room is not None:
                    yield from self._in_room(room, reply, request, now)

    def _in_room(
        self, room: RoomView, reply: Reply, request: Request | None, now: float
    ) -> Iterator[Line]:
        match reply:
            case Joined():
                yield from self._entered(room, reply)
            case HistoryPage():
                yield from self._page(room, reply, request)
            case ChatMessage():
                yield from self._message(room, reply)
            case Presence():
                yield self._presence(room, reply)
            case TypingBy():
                self._typing[reply.room_id, reply.user_id] = now + TYPING_SHOWN

    def disconnected(self) -> None:
        """The connection is gone: what has no answer will be asked again."""
        self.online = False
        self.retry_at = None
        self.requests.clear()
        self._asked.clear()
        self._typing.clear()
        for room in self.rooms.values():
            room.joined = False

    def retry(self) -> None:
        """Send again what the server could not take a moment ago."""
        self.retry_at = None
        for room_id in self.rooms:
            self._send_waiting(room_id)

    def _welcomed(self) -> None:
        self.online = True
        for room_id, room in self.rooms.items():
            self._ask(Join(room_id, room.shown_to, self._ref()))

    def _entered(self, room: RoomView, reply: Joined) -> Iterator[Line]:
        room.joined, room.members = True, set(reply.members)
        if reply.last_seq < (room.shown_to or 0):
            room.shown_to, room.shown_from, room.early = None, None, []
            yield Line("note", "the server no longer has the earlier messages")
        if reply.truncated:
            room.shown_from, room.has_more = None, True
            yield Line("note", "you missed very many messages; /history shows the earlier ones")
        if room.early is not None:
            self._ask(History(reply.room_id, None, self._history, self._ref()))
        others = sorted(room.members - {self.user_id})
        company = ", ".join(others) if others else "nobody else"
        yield Line("note", f"you are in {reply.room_id}, with {company}")
        self._send_waiting(reply.room_id)

    def _page(self, room: RoomView, reply: HistoryPage, request: Request | None) -> Iterator[Line]:
        room.has_more = reply.has_more
        if reply.messages:
            room.shown_from = reply.messages[0].seq
        if not isinstance(request, History) or request.before_seq is None:
            yield from self._first_page(room, reply.messages)
            return
        yield Line("note", "earlier:")
        for message in reply.messages:
            yield _line(message)
        yield Line("note", "now:" if room.has_more else "that was the beginning; now:")

    def _first_page(self, room: RoomView, messages: list[ChatMessage]) -> Iterator[Line]:
        found = {message.seq: message for message in [*messages, *(room.early or ())]}
        room.early = None
        room.shown_to = max([room.shown_to or 0, *found])
        for seq in sorted(found):
            self._settle(found[seq])
            yield _line(found[seq])

    def _message(self, room: RoomView, message: ChatMessage) -> Iterator[Line]:
        self._typing.pop((message.room_id, message.user_id), None)
        self._settle(message)
        if room.early is not None:
            room.early.append(message)
        elif message.seq > (room.shown_to or 0):
            room.shown_to = message.seq
            room.shown_from = room.shown_from or message.seq
            yield _line(message)

    def _settle(self, message: ChatMessage) -> None:
        """Whoever sees its own message knows that it is stored, even if the ack was lost."""
        if message.user_id == self.user_id:
            self.outbox.pop(message.client_msg_id, None)

    def _presence(self, room: RoomView, reply: Presence) -> Line:
        came = reply.state == "joined"
        (room.members.add if came else room.members.discard)(reply.user_id)
        where = "" if reply.room_id == self.current else f" ({reply.room_id})"
        return Line("note", f"{reply.user_id} has {'come in' if came else 'left'}{where}")

    def _error(self, error: Error, request: Request | None, now: float) -> Iterator[Line]:
        passing = error.code in ("unavailable", "rate_limited")
        match request:
            case Hello():
                self.refused = error.reason
            case Send() if passing:
                self.retry_at = now + RETRY_AFTER
                yield Line("trouble", f"not stored yet, sent again soon: {error.reason}")
            case Send():
                self.outbox.pop(request.client_msg_id, None)
                yield Line("trouble", f"not sent ({error.reason}): {request.text}")
            case Join() if passing:
                self.retry_at = now + RETRY_AFTER
                yield Line("trouble", f"not yet in {request.room_id}: {error.reason}")
            case Join():
                self._shut_out(request.room_id)
                yield Line("trouble", f"you cannot go into {request.room_id}: {error.reason}")
            case Typing():
                return
            case _:
                yield Line("trouble", f"refused: {error.reason}")

    def _shut_out(self, room_id: str) -> None:
        if len(self.rooms) > 1:
            self.rooms.pop(room_id, None)
        if self.current not in self.rooms:
            self.current = next(iter(self.rooms))

    # ------------------------------------------------------------------ requests

    def _joined(self, room_id: str) -> bool:
        room = self.rooms.get(room_id)
        return self.online and room is not None and room.joined

    def _send_waiting(self, room_id: str) -> None:
        room = self.rooms[room_id]
        if self.online and not room.joined:
            self._ask(Join(room_id, room.shown_to, self._ref()))
            return
        for message in self.outbox.values():
            if message.room_id == room_id and self._joined(room_id):
                self._ask(message)

    def _ask(self, request: Request) -> None:
        self._asked[request.ref or ""] = request
        self.requests.append(request)

    def _ref(self) -> str:
        self._counter += 1
        return f"t{self._counter}"


def _line(message: ChatMessage) -> Line:
    return Line(
        "message",
        message.text,
        message.user_id,
        message.room_id,
        message.seq,
        message.created_at,
    )
