"""The state of a chat client: replies go in, what they mean and requests to send come out.

It owns no socket, no clock and no screen. What is said is kept until the server has acknowledged
it, and is sent again under its old ``client_msg_id`` after a lost connection. Each room is joined
again with ``since``, the last number that was shown. So nothing is lost and nothing is shown twice.

The terminal shows what comes out; the two ``ChatClient`` hand it to a script.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Iterator, Mapping
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
    Members,
    MembersPage,
    Presence,
    Read,
    ReadBy,
    Reply,
    Request,
    Send,
    Typing,
    TypingBy,
    Welcome,
)
from goim_edu.client.checks import check_text
from goim_edu.client.events import Note, Outcome, RefusedRequest, listed
from goim_edu.client.room_view import RoomView
from goim_edu.printable import printable_name

__all__ = ["Conversation"]

TYPING_SHOWN: Final = 5.0  # seconds for which a user counts as writing
RETRY_AFTER: Final = 1.0  # seconds, where the server could not take something just now
TYPING_REF: Final = "typing"  # of all of them, since they have no answer
READ_REF: Final = "read"  # likewise
PASSING: Final = frozenset({"unavailable", "rate_limited", "internal"})  # asking again helps


class Conversation:
    """The chat as one user sees it: replies go in, what they mean and requests come out.

    Args:
        user_id: our name.
        room_ids: the rooms to be in; the first one is the current one.
        token: for a server that wants one.
        history: messages of a room to show at first, 0 to 200.
        since: the numbers up to which rooms are known already, None for those that are new.
        keep_one: whether the last room stays, as a screen needs a current one.

    Attributes:
        current: the room that is written to.
        rooms: those that we are in or want to be in.
        outbox: what is not yet stored, by client_msg_id, in the order of writing.
        questions: what ``ask`` was given and is not yet answered, by ref.
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
        since: Mapping[str, int | None] | None = None,
        keep_one: bool = True,
    ) -> None:
        check_text(user_id, token or "", *room_ids, *(since or ()))
        self.user_id = user_id
        self.current = room_ids[0] if room_ids else ""
        self.rooms = {room_id: RoomView() for room_id in room_ids}
        for room_id, seq in (since or {}).items():
            self.rooms[room_id] = RoomView.known_to(seq)
        self.outbox: dict[str, Send] = {}
        self.questions: dict[str, History | Members] = {}
        self.requests: deque[Request] = deque()
        self.online = False
        self.retry_at: float | None = None
        self.pause_hint = 0.0
        self._token = token
        self._history = history
        self._keep_one = keep_one
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
        check_text(room_id, key, text)
        message = Send(room_id, key, text, self._ref("send"))
        self.outbox[key] = message
        if self._may_send(room_id):
            self._ask(message)
        return key

    def join(self, room_id: str, since: int | None = None) -> None:
        """Go into a room, or back to one.

        Args:
            room_id: the room.
            since: the number up to which it is known already, if we are not in it.

        Raises:
            ValueError: its name cannot be written as UTF-8.
        """
        check_text(room_id)
        self.current = room_id
        if room_id not in self.rooms:
            self.rooms[room_id] = RoomView.known_to(since)
            if self.online:
                self._ask_in(room_id)

    def leave(self, room_id: str | None = None) -> bool:
        """Leave a room of ours, the current one unless another is named.

        Returns:
            False if it stays, since it is the only one.
        """
        room_id = self.current if room_id is None else room_id
        if self._keep_one and len(self.rooms) == 1:
            return False
        del self.rooms[room_id]
        if self.online:
            self._ask(Leave(room_id, self._ref("leave")))
        self._choose_current()
        return True

    def ask(self, question: History | Members) -> str:
        """Ask for a page, over as many connections as its answer takes; give the ``ref`` of both.

        The answer comes out of ``receive``. ``questions.pop(ref)`` takes the question back.
        """
        ref = question.ref = self._ref("ask")
        self.questions[ref] = question
        if self._may_send(question.room_id):
            self._ask(question)
        return ref

    def ask_earlier(self, count: int) -> bool:
        """Ask for earlier messages of this room; False if there are none."""
        room = self.rooms[self.current]
        if not (room.has_more and room.joined and room.shown_from):
            return False
        limit = max(1, min(count, MAX_HISTORY))
        self._ask(History(self.current, room.shown_from, limit, self._ref("history")))
        return True

    def tell_typing(self, room_id: str | None = None) -> None:
        """Let the others know that we are writing, in the current room unless another is named."""
        room_id = self.current if room_id is None else room_id
        if room_id in self.rooms and self._may_send(room_id):
            self.requests.append(Typing(room_id, TYPING_REF))

    def mark_read(self, room_id: str, seq: int) -> None:
        """Let the others know how far we have read a room of ours; now, and on each connection."""
        room = self.rooms[room_id]
        if seq > room.read_to:
            room.read_to = seq
            self._tell_read(room_id, room)

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

    def receive(self, reply: Reply, now: float = 0.0) -> Iterator[Outcome]:
        """Take in a reply of the server, and yield what it means for the user, in order.

        Args:
            reply: as the vocabulary decodes it.
            now: by the clock ``time.monotonic``.
        """
        ref = getattr(reply, "ref", None) or ""
        request = self._asked.pop(ref, None)
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
                yield reply
            case HistoryPage() | MembersPage() if ref.startswith("ask "):
                self.questions.pop(ref, None)
                yield reply
            case _:
                room = self.rooms.get(reply.room_id)
                if room is not None:
                    yield from self._in_room(room, reply, request, now)

    def _in_room(
        self, room: RoomView, reply: Reply, request: Request | None, now: float
    ) -> Iterator[Outcome]:
        match reply:
            case Joined() if request is None or request.ref == room.asked:
                yield from self._entered(room, reply)  # else of a stay that has ended
            case HistoryPage():
                yield from self._page(room, reply, request)
            case ChatMessage():
                yield from self._message(room, reply)
            case Presence():
                yield reply
                yield from self._presence(room, reply)
            case TypingBy():
                self._typing[reply.room_id, reply.user_id] = now + TYPING_SHOWN
                yield reply
            case ReadBy():
                yield reply

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
            else:
                self._tell_read(room_id, room)
                if room.early is not None:
                    self._ask_before(room_id, room)
        self._send_kept()

    def _welcomed(self) -> None:
        self.online = True
        for room_id in self.rooms:
            self._ask_in(room_id)
        self._send_kept()

    def _entered(self, room: RoomView, reply: Joined) -> Iterator[Outcome]:
        room.joined, room.members = True, set(reply.members)
        room.member_count = reply.member_count
        if reply.last_seq < (room.shown_to or 0):
            room.shown_to, room.shown_from, room.early = None, None, []
            yield Note("the server no longer has the earlier messages")
        if room.shown_to is None and not self._history:
            room.shown_to, room.early = reply.last_seq, None
        if reply.truncated:
            room.shown_from, room.has_more = None, True
            yield Note("you missed very many messages; /history shows the earlier ones")
        if room.early is not None:
            self._ask_before(reply.room_id, room)
        company = listed(room.members - {self.user_id}, room.member_count - 1) or "nobody else"
        yield Note(f"you are in {printable_name(reply.room_id)}, with {company}")
        yield reply
        self._tell_read(reply.room_id, room)
        self._send_kept()

    def _page(
        self, room: RoomView, reply: HistoryPage, request: Request | None
    ) -> Iterator[Outcome]:
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

    def _fill(self, room: RoomView, page: HistoryPage) -> Iterator[Outcome]:
        """Put a page before what waits; show all of it unless more is wanted.

        The server gives fewer messages than it was asked for if they are long.
        """
        early = room.early = [*page.messages, *(room.early or ())]
        if page.messages and page.has_more and len(early) < self._history:
            self._ask_before(page.room_id, room, page.messages[0].seq)
            return
        room.early, room.shown_to = None, 0
        for message in sorted(early, key=lambda message: message.seq):
            yield from self._message(room, message)  # which passes over what comes twice

    def _message(self, room: RoomView, message: ChatMessage) -> Iterator[Outcome]:
        self._typing.pop((message.room_id, message.user_id), None)
        if message.user_id == self.user_id and message.client_msg_id in self.outbox:
            # It is stored, even if its ack was lost; this is what sending it again would bring.
            del self.outbox[message.client_msg_id]
            yield Ack(message.room_id, message.client_msg_id, message.seq, message.created_at, True)
        if room.early is not None:
            room.early.append(message)
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

    def _refused(self, error: Error, request: Request | None, now: float) -> Iterator[Outcome]:
        if error.ref == TYPING_REF:
            return
        is_kept = error.ref == READ_REF or self._is_retried(request)
        again = error.code in PASSING and is_kept
        if again:
            self.retry_at = now + RETRY_AFTER if self.retry_at is None else self.retry_at
        elif isinstance(request, Send):
            self.outbox.pop(request.client_msg_id, None)
        elif isinstance(request, Join):
            self._shut_out(request)
        elif isinstance(request, History | Members):
            self.questions.pop(request.ref or "", None)
        yield RefusedRequest(error, request, again)

    def _is_retried(self, request: Request | None) -> bool:
        if isinstance(request, History | Members):
            room = self.rooms.get(request.room_id)
            return request.ref in self.questions or (room is not None and room.early is not None)
        return isinstance(request, Hello | Join | Send)  # Hello: on the next connection

    def _shut_out(self, request: Join) -> None:
        room = self.rooms.get(request.room_id)
        if room is None or room.asked != request.ref or (self._keep_one and len(self.rooms) == 1):
            return
        del self.rooms[request.room_id]
        self._choose_current()

    def _choose_current(self) -> None:
        if self.current not in self.rooms:
            self.current = next(iter(self.rooms), "")

    # ------------------------------------------------------------------ requests

    def _may_send(self, room_id: str) -> bool:
        """Whether to send to a room now; for one that is not ours the server has the answer."""
        room = self.rooms.get(room_id)
        return self.online and (room is None or room.joined)

    def _send_kept(self) -> None:
        """Send what is not stored or not answered, unless its answer is still to come."""
        for request in (*self.outbox.values(), *self.questions.values()):
            if request.ref not in self._asked and self._may_send(request.room_id):
                self._ask(request)

    def _tell_read(self, room_id: str, room: RoomView) -> None:
        if room.read_to and self._may_send(room_id):
            self.requests.append(Read(room_id, room.read_to, READ_REF))

    def _ask_in(self, room_id: str) -> None:
        room = self.rooms[room_id]
        room.asked = self._ref("join")
        self._ask(Join(room_id, room.shown_to, room.asked))

    def _ask_before(self, room_id: str, room: RoomView, before: int | None = None) -> None:
        """Ask for the newest messages, or for those that the first page still lacks."""
        limit = self._history - len(room.early or ()) if before else self._history
        room.asked = self._ref("history")
        self._ask(History(room_id, before, limit, room.asked))

    def _ask(self, request: Request) -> None:
        self._asked[request.ref or ""] = request
        self.requests.append(request)

    def _ref(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"{kind} {self._counts[kind]}"
