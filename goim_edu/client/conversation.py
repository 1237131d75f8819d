"""The state of a chat client: replies go in, events to show and requests to send come out.

It owns no socket, no clock and no screen. What is said is kept until the server has acknowledged
it, and is sent again under its old ``client_msg_id`` after a lost connection. Each room is joined
again with ``since``, the last number that was shown. So nothing is lost and nothing is shown twice.

The terminal shows the events; ``ChatClient`` hands them to a script.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

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
from goim_edu.client.events import ChatEvent, Note, RefusedRequest, listed
from goim_edu.printable import printable_name

__all__ = ["Conversation", "RoomView"]

TYPING_SHOWN: Final = 5.0  # seconds for which a user counts as writing
RETRY_AFTER: Final = 1.0  # seconds, where the server could not take something just now
TYPING_REF: Final = "typing"  # of all of them, since they have no answer
PASSING: Final = frozenset({"unavailable", "rate_limited", "internal"})  # asking again helps


@dataclass(slots=True)
class RoomView:
    """What this client knows of a room.

    ``early`` keeps the messages that wait until the history before them is there; it is None when
    nothing has to wait. ``asked`` is the ``ref`` of the last ``join``, or of the last ``history``
    that ``early`` waits for. ``members`` are the names that we know, of ``member_count``.
    """

    shown_to: int | None = None
    shown_from: int | None = None
    has_more: bool = False
    members: set[str] = field(default_factory=set)
    member_count: int = 0
    joined: bool = False
    early: list[ChatMessage] | None = field(default_factory=list)
    asked: str = ""


class Conversation:
    """The chat as one user sees it: replies go in, events and requests come out.

    Args:
        user_id: our name.
        room_ids: the rooms to be in; the first one is the current one.
        token: for a server that wants one.
        history: messages of a room to show at first, 0 to 200.
        since: the numbers up to which rooms are known already.
        fill_gaps: whether to fetch all that was missed before showing what came later; else the
            user can ask for it.

    Attributes:
        current: the room that is written to.
        rooms: those that we are in or want to be in.
        outbox: what is not yet stored, by client_msg_id, in the order of writing.
        requests: what is to be sent while there is a connection.
        online: whether the server has welcomed us.
        retry_at: when to call ``retry``, by the clock ``time.monotonic``; None for never.
        pause_hint: seconds that the server asks us to wait before the next connection.

    Raises:
        ValueError: a name or the token cannot be written as UTF-8.

    >>> chat = Conversation("lisa", "lobby")
    >>> key = chat.say("hello")                  # no connection yet: it is kept
    >>> chat.outbox[key].text, list(chat.requests)
    ('hello', [])
    """

    def __init__(
        self,
        user_id: str,
        *room_ids: str,
        token: str | None = None,
        history: int = 20,
        since: Mapping[str, int] | None = None,
        fill_gaps: bool = False,
    ) -> None:
        _check_text(user_id, token or "", *room_ids, *(since or ()))
        self.user_id = user_id
        self.current = room_ids[0] if room_ids else ""
        self.rooms = {room_id: RoomView() for room_id in room_ids}
        for room_id, seq in (since or {}).items():
            self.rooms[room_id] = RoomView(shown_to=seq, early=None)
        self.outbox: dict[str, Send] = {}
        self.requests: deque[Request] = deque()
        self.online = False
        self.retry_at: float | None = None
        self.pause_hint = 0.0
        self._token = token
        self._history = history
        self._fill_gaps = fill_gaps
        self._asked: dict[str, Request] = {}  # by ref, until they are answered
        self._typing: dict[tuple[str, str], float] = {}
        self._counts: Counter[str] = Counter()  # requests so far, by kind

    # ------------------------------------------------------------------ what the user does

    def hello(self) -> Hello:
        """The first request of a connection."""
        ref = self._ref("hello")
        hello = self._asked[ref] = Hello(self.user_id, self._token, ref)
        return hello

    def say(self, text: str, room_id: str | None = None, client_msg_id: str | None = None) -> str:
        """Say ``text``: now, or as soon as there is a connection.

        Args:
            text: what to say.
            room_id: where; default: in the current room.
            client_msg_id: the id of the message; default: a new one.

        Returns:
            The id of the message.

        Raises:
            ValueError: one of them cannot be written as UTF-8.
        """
        key = secrets.token_hex(12) if client_msg_id is None else client_msg_id
        room_id = self.current if room_id is None else room_id
        _check_text(room_id, key, text)
        message = Send(room_id, key, text, self._ref("send"))
        self.outbox[key] = message
        if self._may_send(room_id):
            self._ask(message)
        return key

    def join(self, room_id: str) -> None:
        """Go into a room, or back to one.

        Raises:
            ValueError: its name cannot be written as UTF-8.
        """
        _check_text(room_id)
        self.current = room_id
        if room_id not in self.rooms:
            self.rooms[room_id] = RoomView()
            if self.online:
                self._ask_in(room_id)

    def leave(self) -> bool:
        """Leave the current room for the next; False if there is no other."""
        if len(self.rooms) == 1:
            return False
        del self.rooms[self.current]
        if self.online:
            self._ask(Leave(self.current, self._ref("leave")))
        self.current = next(iter(self.rooms))
        return True

    def ask_earlier(self, count: int) -> bool:
        """Ask for earlier messages of this room; False if there are none."""
        room = self.rooms[self.current]
        if not (room.has_more and room.joined and room.shown_from):
            return False
        limit = max(1, min(count, MAX_HISTORY))
        self._ask(History(self.current, room.shown_from, limit, self._ref("history")))
        return True

    def tell_typing(self) -> None:
        """Let the others know that we are writing."""
        room = self.rooms.get(self.current)
        if self.online and room is not None and room.joined:
            self.requests.append(Typing(self.current, TYPING_REF))

    def typists(self, now: float) -> list[str]:
        """The users who write in the current room; ``now`` by the clock ``time.monotonic``."""
        return [
            user
            for (room, user), until in self._typing.items()
            if room == self.current and until > now
        ]

    @property
    def settled(self) -> bool:
        """Whether we are in all our rooms."""
        return self.online and all(room.joined for room in self.rooms.values())

    # ------------------------------------------------------------------ what the server says

    def receive(self, reply: Reply, now: float = 0.0) -> Iterator[ChatEvent]:
        """Take in a reply of the server, and yield what it means for the user, in order.

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
                yield Note("the server is restarting")
            case Error():
                yield from self._refused(reply, request, now)
            case Ack():
                self.outbox.pop(reply.client_msg_id, None)
                yield reply
            case Left():
                yield Note(f"you have left {printable_name(reply.room_id)}")
            case _:
                room = self.rooms.get(reply.room_id)
                if room is not None:
                    yield from self._in_room(room, reply, request, now)

    def _in_room(
        self, room: RoomView, reply: Reply, request: Request | None, now: float
    ) -> Iterator[ChatEvent]:
        match reply:
            case Joined():
                yield from self._entered(room, reply)
            case HistoryPage():
                yield from self._page(room, reply, request)
            case ChatMessage():
                yield from self._message(room, reply)
            case Presence():
                yield from self._presence(room, reply)
            case TypingBy():
                self._typing[reply.room_id, reply.user_id] = now + TYPING_SHOWN

    def disconnected(self) -> None:
        """The connection is gone: what was not answered will be asked again on the next."""
        self.online = False
        self.retry_at = None
        self.requests.clear()
        self._asked.clear()
        self._typing.clear()
        for room in self.rooms.values():
            room.joined = False
            room.early = [] if room.shown_to is None else None  # ``join`` brings it again

    def retry(self) -> None:
        """Ask again for what the server could not do a moment ago."""
        self.retry_at = None
        if not self.online:
            return
        for room_id, room in self.rooms.items():
            if room.asked in self._asked:
                continue  # not yet answered
            if not room.joined:
                self._ask_in(room_id)
            elif room.early is not None:
                self._ask_before(room_id, room)
        self._send_outbox()

    def _welcomed(self) -> None:
        self.online = True
        for room_id in self.rooms:
            self._ask_in(room_id)
        self._send_outbox()

    def _entered(self, room: RoomView, reply: Joined) -> Iterator[ChatEvent]:
        room.joined, room.members = True, set(reply.members)
        room.member_count = reply.member_count
        if reply.last_seq < (room.shown_to or 0):
            room.shown_to, room.shown_from, room.early = None, None, []
            yield Note("the server no longer has the earlier messages")
        if room.shown_to is None and not self._history:
            room.shown_to, room.early = reply.last_seq, None
        if reply.truncated and self._fill_gaps:
            room.early = []
        elif reply.truncated:
            room.shown_from, room.has_more = None, True
            yield Note("you missed very many messages; /history shows the earlier ones")
        if room.early is not None:
            self._ask_before(reply.room_id, room)
        company = listed(room.members - {self.user_id}, room.member_count - 1) or "nobody else"
        yield Note(f"you are in {printable_name(reply.room_id)}, with {company}")
        self._send_outbox()

    def _page(
        self, room: RoomView, reply: HistoryPage, request: Request | None
    ) -> Iterator[ChatEvent]:
        room.has_more = reply.has_more
        if reply.messages:
            room.shown_from = reply.messages[0].seq
        if room.early is not None:
            yield from self._fill(room, reply)
            return
        if not isinstance(request, History):
            return
        yield Note("earlier:")
        yield from reply.messages
        yield Note("now:" if room.has_more else "that was the beginning; now:")

    def _fill(self, room: RoomView, page: HistoryPage) -> Iterator[ChatEvent]:
        """Put a page before what waits; show all of it unless more is wanted.

        The server gives fewer messages than it was asked for if they are long.
        """
        early = room.early = [*page.messages, *(room.early or ())]
        first = page.messages[0].seq if page.messages else 0
        if room.shown_to is None:
            is_short = len(early) < self._history
        else:
            is_short = first > room.shown_to + 1
        if is_short and page.has_more and first:
            self._ask_before(page.room_id, room, first)
            return
        room.early, room.shown_to = None, room.shown_to or 0
        for message in sorted(early, key=lambda message: message.seq):
            yield from self._message(room, message)  # which passes over what comes twice

    def _message(self, room: RoomView, message: ChatMessage) -> Iterator[ChatEvent]:
        self._typing.pop((message.room_id, message.user_id), None)
        if message.user_id == self.user_id and message.client_msg_id in self.outbox:
            # It is stored, even if its ack was lost; this is what sending it again would bring.
            del self.outbox[message.client_msg_id]
            yield Ack(message.room_id, message.client_msg_id, message.seq, message.created_at, True)
        if room.early is not None:
            room.early.append(message)
            if room.shown_to is not None and len(room.early) == 1:
                self._ask_before(message.room_id, room)
        elif message.seq > (room.shown_to or 0):
            room.shown_to = message.seq
            room.shown_from = room.shown_from or message.seq
            yield message

    def _presence(self, room: RoomView, reply: Presence) -> Iterator[Note]:
        came, left = set(reply.joined) - room.members - {self.user_id}, set(reply.left)
        room.members = (room.members | came) - left
        room.member_count = reply.member_count
        here = reply.room_id == self.current
        where = "" if here else f" ({printable_name(reply.room_id)})"
        for users, what in (came, "come in"), (left, "left"):
            if users:
                yield Note(f"{listed(users)} {'has' if len(users) == 1 else 'have'} {what}{where}")

    def _refused(self, error: Error, request: Request | None, now: float) -> Iterator[ChatEvent]:
        if error.ref == TYPING_REF:
            return
        again = error.code in PASSING and self._is_retried(request)
        if again:
            self.retry_at = now + RETRY_AFTER if self.retry_at is None else self.retry_at
        elif isinstance(request, Send):
            self.outbox.pop(request.client_msg_id, None)
        elif isinstance(request, Join):
            self._shut_out(request.room_id)
        yield RefusedRequest(error, request, again)

    def _is_retried(self, request: Request | None) -> bool:
        if isinstance(request, History):
            room = self.rooms.get(request.room_id)
            return room is not None and room.early is not None
        return isinstance(request, Hello | Join | Send)  # Hello: on the next connection

    def _shut_out(self, room_id: str) -> None:
        if len(self.rooms) > 1:
            self.rooms.pop(room_id, None)
        if self.current not in self.rooms:
            self.current = next(iter(self.rooms))

    # ------------------------------------------------------------------ requests

    def _may_send(self, room_id: str) -> bool:
        """Whether to send to a room now; for one that is not ours the server has the answer."""
        room = self.rooms.get(room_id)
        return self.online and (room is None or room.joined)

    def _send_outbox(self) -> None:
        """Send what is not stored, unless its answer is still to come."""
        for message in self.outbox.values():
            if message.ref not in self._asked and self._may_send(message.room_id):
                self._ask(message)

    def _ask_in(self, room_id: str) -> None:
        room = self.rooms[room_id]
        room.asked = self._ref("join")
        self._ask(Join(room_id, room.shown_to, room.asked))

    def _ask_before(self, room_id: str, room: RoomView, before: int | None = None) -> None:
        """Ask for the history before what waits in ``early``; at first for the newest."""
        limit = self._history - len(room.early or ()) if before else self._history
        if room.shown_to is not None:
            if not room.early:
                return  # the first message after the gap will say where it ends
            before, limit = room.early[0].seq, MAX_HISTORY
        room.asked = self._ref("history")
        self._ask(History(room_id, before, limit, room.asked))

    def _ask(self, request: Request) -> None:
        self._asked[request.ref or ""] = request
        self.requests.append(request)

    def _ref(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"{kind} {self._counts[kind]}"


def _check_text(*texts: str) -> None:
    """Raise a ValueError for lone surrogates now, not when the text is sent."""
    "".join(texts).encode()
