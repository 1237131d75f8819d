"""One connected client: hello, requests, rate limit, and its end.

A request that is wrong in any way is answered with ``error`` and changes nothing; the session goes
on. The server ends a session for three reasons: there was no valid ``hello`` (4401), it did not
come in time (4408), or the client keeps on flooding after a warning (4429).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from functools import partial
from time import monotonic, time
from typing import Any, ClassVar, Final

from msgspec import Struct

from goim_edu.chat.auth import Identity, Unauthenticated
from goim_edu.chat.broadcast import frame_reply, wire_format_of
from goim_edu.chat.errands import Errand, Errands, RequestRefused
from goim_edu.chat.hub import Hub
from goim_edu.chat.past import (
    Asker,
    catch_up,
    greet_again,
    last_number,
    page_of_history,
    page_of_members,
    portion_of,
)
from goim_edu.chat.ports import Saved
from goim_edu.chat.room import Backlog, Room
from goim_edu.chat.vocabulary import (
    Ack,
    Draining,
    Error,
    ErrorCode,
    HeartbeatTimes,
    Hello,
    History,
    Join,
    Leave,
    Left,
    Members,
    Read,
    Request,
    Send,
    Typing,
    VocabularyError,
    Welcome,
    WelcomeLimits,
)
from goim_edu.errors import DuplicateMessage, StoreError, StoreUnavailable
from goim_edu.printable import quoted
from goim_edu.transport import Connection, ConnectionState, Handler
from goim_edu.websocket.events import BinaryMessage, Event, TextMessage

__all__ = ["HELLO_TOO_LATE", "KEPT_FLOODING", "NO_HELLO", "Session"]

_LONGEST_REFUSED: Final = 32 * 1024  # octets: a text of 4,096 characters, each escaped, and room

log = logging.getLogger("goim_edu.chat")

_OPEN: Final = ConnectionState.OPEN
_ENDING: Final = ConnectionState.ENDING

NO_HELLO = 4401
HELLO_TOO_LATE = 4408
KEPT_FLOODING = 4429


class Session(Handler):
    """What one client says and is told.

    Args:
        hub: where sessions, rooms and the store are.
        connection: its connection.
        subprotocol: the agreed one, a key of ``SUBPROTOCOLS``.

    Attributes:
        session_id: an unguessable name, told in ``welcome``.
        user_id: the user; empty before ``hello``.
        rooms: the rooms that it is in, by name.
        wire_format: how replies to it are written.
    """

    __slots__ = (
        "_errands",
        "_expires",
        "_hub",
        "_last_refill",
        "_may_enter",
        "_tokens",
        "connection",
        "rooms",
        "session_id",
        "user_id",
        "wire_format",
    )

    connection: Connection

    def __init__(self, hub: Hub, connection: Connection, subprotocol: str) -> None:
        self.session_id = ""
        self.user_id = ""
        self.connection = connection
        self.rooms: dict[str, Room] = {}
        self.wire_format = wire_format_of(subprotocol, None)
        self._hub = hub
        self._errands: Errands | None = None  # until it asks for the first
        self._may_enter: frozenset[str] | None = None
        self._expires = False
        self._tokens = float(hub.limits.burst)
        self._last_refill = monotonic()

    # ------------------------------------------------------------------ called by the connection

    def on_open(self, connection: Connection) -> None:
        """Wait for the hello, until its deadline."""
        self.wire_format = wire_format_of(self.wire_format.codec.name, connection.deflate)
        self._hub.sessions.add(self)
        connection.set_deadline(monotonic() + self._hub.limits.hello_timeout)

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        """Requests came."""
        self._refill()
        for event in events:
            kind = type(event)
            if kind is TextMessage:
                self._take(event.data, False)  # type: ignore[union-attr]
            elif kind is BinaryMessage:
                self._take(event.data, True)  # type: ignore[union-attr]

    def on_deadline(self, connection: Connection) -> None:
        """No hello came, or the token has expired."""
        if self._expires:
            self._give_up(NO_HELLO, "unauthenticated", "your token has expired")
        elif not self.user_id:
            self._give_up(HELLO_TOO_LATE, "unauthenticated", "hello came too late")

    def on_drained(self, connection: Connection) -> None:
        """The client reads: tell it what it asked for meanwhile."""
        if self._errands is not None:
            self._errands.go_on()

    def on_end(self, connection: Connection) -> None:
        """Leave every room."""
        if self._errands is not None:
            self._errands.end()
            self._hub.store.forget(self._errands)
        self._hub.sessions.discard(self)
        for room in tuple(self.rooms.values()):
            self._leave_room(room)
        if self.user_id and log.isEnabledFor(logging.INFO):
            details = connection.id, quoted(self.user_id)
            log.info("gone connection=%d user=%s", *details, extra={"client": connection.remote})

    # ------------------------------------------------------------------ requests

    def _refill(self) -> None:
        limits = self._hub.limits
        now = monotonic()
        tokens = self._tokens + (now - self._last_refill) * limits.rate
        self._tokens = tokens if tokens < limits.burst else float(limits.burst)
        self._last_refill = now

    def _take(self, data: str | bytes, binary: bool) -> None:
        """One message of the client: pay for it, read it, do what it asks."""
        state = self.connection.state
        if state is not _OPEN and state is not _ENDING:
            return
        self._tokens -= 1.0
        if self._tokens < 0.0:
            self._flooded(data)
            return
        ref = None
        try:
            if binary is not self.wire_format.codec.binary:
                kind = "binary" if self.wire_format.codec.binary else "text"
                raise RequestRefused(
                    "bad_message", f"{self.wire_format.codec.name} uses {kind} messages"
                )
            request = self.wire_format.codec.decode(data)
            ref = request.ref
            if not self.user_id and type(request) is not Hello:
                raise RequestRefused("unauthenticated", "say hello first")
            self._ACTIONS[type(request)](self, request)
            return
        except VocabularyError as error:
            self._refuse("bad_message", str(error), error.ref)
        except RequestRefused as refused:
            self._refuse(refused.code, refused.reason, ref)
        if not self.user_id:
            self.connection.close(NO_HELLO, "no valid hello")

    def _flooded(self, data: str | bytes) -> None:
        """Too many requests: tell the client which one, and close if it keeps on."""
        limits = self._hub.limits
        self._hub.stats.rate_limited += 1
        if self._tokens < -limits.burst:
            self._give_up(KEPT_FLOODING, "rate_limited", "you kept flooding")
        else:
            why = f"more than {limits.rate:g} requests a second"
            self._refuse("rate_limited", why, self._ref_of(data))

    def _ref_of(self, data: str | bytes) -> str | None:
        """The ``ref`` of a request that is not granted, so that the client knows which it is.

        A message that is longer than any request needs is not read: a flood must stay cheap.
        """
        if len(data) > _LONGEST_REFUSED:
            return None
        try:
            return self.wire_format.codec.decode(data).ref
        except VocabularyError as error:
            return error.ref

    def _hello(self, request: Hello) -> None:
        if self.user_id:
            raise RequestRefused("bad_message", "you have said hello already")
        hub, connection = self._hub, self.connection
        try:
            identity = hub.authenticate(request.user_id, request.token)
        except Unauthenticated as error:
            raise RequestRefused("unauthenticated", str(error)) from None
        self._admit(identity)
        heartbeat = connection.heartbeat
        times = HeartbeatTimes(0, 0)
        if heartbeat is not None:
            times = HeartbeatTimes(heartbeat.interval, heartbeat.timeout)
        limits = WelcomeLimits(hub.limits.max_text, hub.limits.max_rooms, hub.limits.rate)
        self.reply(Welcome(self.session_id, self.user_id, hub.now(), times, limits, request.ref))

    def _admit(self, identity: Identity) -> None:
        self.session_id = secrets.token_hex(8)
        self.user_id = identity.user_id
        self._may_enter = identity.rooms
        self._expires = identity.expires is not None
        self.connection.set_deadline(
            float("inf") if identity.expires is None else monotonic() + identity.expires - time()
        )
        if log.isEnabledFor(logging.INFO):
            details = self.connection.id, self.session_id, quoted(self.user_id)
            client = {"client": self.connection.remote}
            log.info("hello connection=%d session=%s user=%s", *details, extra=client)

    def _join(self, request: Join) -> None:
        room_id = request.room_id
        self._line.check()
        if self._may_enter is not None and room_id not in self._may_enter:
            raise RequestRefused("forbidden", "your token does not let you into this room")
        room = self.rooms.get(room_id)
        if room is None:
            room = self._enter(room_id)
            backlog = room.enter(self)
            backlog.sends = [] if request.since is None else None
        elif room.is_arriving(self):
            raise RequestRefused("bad_message", "you are on your way into this room already")
        elif request.since is None:
            self._line.add(greet_again(self._asker, room, self, request), request.ref)
            return
        else:
            backlog = room.hold(self)
        self._line.add(self._catch_up(room, backlog, request), request.ref, backlog)

    def _catch_up(self, room: Room, backlog: Backlog, request: Join) -> Errand:
        most = self._hub.limits.missed
        try:
            yield from catch_up(self._asker, room, self, backlog, request, most)
        except RequestRefused as refused:
            self._leave_room(room)
            self._refuse(refused.code, refused.reason, request.ref)
        self._let_speak(backlog)

    def _let_speak(self, backlog: Backlog) -> None:
        """Send what waited until we were in the room; also if we are leaving before that."""
        sends, backlog.sends = backlog.sends, None
        for send in sends or ():
            try:
                self._send(send)
            except RequestRefused as refused:
                self._refuse(refused.code, refused.reason, send.ref)

    def _enter(self, room_id: str) -> Room:
        """The room, if there is a place for it and in it."""
        hub = self._hub
        if len(self.rooms) >= hub.limits.max_rooms:
            raise RequestRefused(
                "forbidden", f"you are in {len(self.rooms)} rooms, the most allowed"
            )
        room = hub.room(room_id)
        if len(room) >= hub.limits.max_members:
            raise RequestRefused("room_full", f"{len(room)} are in this room, the most allowed")
        self.rooms[room_id] = room
        return room

    def _send(self, request: Send) -> None:
        hub = self._hub
        room = self._in_room(request.room_id)
        if (backlog := room.backlog(self)) is not None and backlog.sends is not None:
            backlog.sends.append(request)
            return
        if len(request.text) > hub.limits.max_text:
            raise RequestRefused(
                "too_long",
                f"the text has {len(request.text)} characters, {hub.limits.max_text} are allowed",
            )
        if hub.draining:
            raise RequestRefused(
                "unavailable", "the server is closing, send it again to the next one"
            )
        try:
            future = hub.store.submit_async(
                request.room_id, self.user_id, request.text, client_msg_id=request.client_msg_id
            )
        except StoreUnavailable as error:
            raise RequestRefused("unavailable", str(error)) from None
        except (TypeError, ValueError) as error:
            raise RequestRefused("bad_message", str(error)) from None
        room.pending += 1
        ref = request.ref
        future.add_done_callback(lambda done: self._stored(room, done, ref))

    def _stored(self, room: Room, future: asyncio.Future[Any], ref: str | None) -> None:
        """The store has answered: acknowledge, then hand on; the sender may be gone by now."""
        hub = self._hub
        room.pending -= 1
        try:
            saved: Saved = future.result()
        except DuplicateMessage as error:
            self._refuse("bad_message", f"{error}, in another room", ref)
        except StoreUnavailable as error:
            hub.stats.unavailable += 1
            self._refuse("unavailable", str(error), ref)
        except StoreError as error:  # it may be stored: only asking again can tell
            self._refuse("internal", str(error), ref)
        else:
            stored = saved.message
            self.reply(
                Ack(
                    room.room_id,
                    stored.client_msg_id,
                    stored.seq,
                    stored.created_at,
                    saved.duplicate,
                    ref,
                )
            )
            hub.stats.acknowledged += 1
            if not saved.duplicate:
                room.publish(stored)
        if room.empty:
            hub.release(room)

    def _history(self, request: History) -> None:
        self._in_room(request.room_id)
        self._run(page_of_history(self._asker, request), request.ref)

    def _members(self, request: Members) -> None:
        room = self._in_room(request.room_id)
        self._run(page_of_members(self._asker, room, request), request.ref)

    def _run(self, errand: Errand, ref: str | None) -> None:
        """Have it done when its time comes: not while the client does not read."""
        self._line.check()
        self._line.add(errand, ref)

    @property
    def _line(self) -> Errands:
        if self._errands is None:
            self._errands = Errands(self._hub, self.connection, self._refuse_errand)
        return self._errands

    def _refuse_errand(self, refused: RequestRefused, ref: str | None) -> None:
        self._refuse(refused.code, refused.reason, ref)

    @property
    def _asker(self) -> Asker:
        return Asker(self._hub.store, self.reply, portion_of(self._hub.engine.queue_limit))

    def _leave(self, request: Leave) -> None:
        room = self._in_room(request.room_id)
        self._leave_room(room)
        self.reply(Left(request.room_id, request.ref))

    def _leave_room(self, room: Room) -> None:
        backlog = room.backlog(self)
        if backlog is not None:
            self._let_speak(backlog)
            self._line.drop(backlog)
        del self.rooms[room.room_id]
        room.exit(self)
        self._hub.release(room)

    def _typing(self, request: Typing) -> None:
        self._in_room(request.room_id).tell_typing(self, self._last_refill)

    def _read(self, request: Read) -> None:
        room = self._in_room(request.room_id)
        if room.last_seq is None:
            mark = partial(self._mark_read, room, request)
            self._run(last_number(self._asker, room, mark), request.ref)
        else:
            self._mark_read(room, request, room.last_seq)

    def _mark_read(self, room: Room, request: Read, last: int) -> None:
        if request.seq > last:
            raise RequestRefused("bad_message", f"seq {request.seq} is beyond the last, {last}")
        if room.mark_read(self, request.seq):
            self._hub.mark_read(room.room_id, self.user_id, request.seq)

    def _in_room(self, room_id: str) -> Room:
        room = self.rooms.get(room_id)
        if room is None:
            raise RequestRefused("not_joined", "join this room first")
        return room

    _ACTIONS: ClassVar[dict[type[Request], Callable[[Session, Any], None]]] = {
        Hello: _hello,
        Join: _join,
        Send: _send,
        History: _history,
        Members: _members,
        Leave: _leave,
        Typing: _typing,
        Read: _read,
    }

    # ------------------------------------------------------------------ what it is told

    def reply(self, message: Struct) -> None:
        """Tell the client something that concerns it alone."""
        self.connection.write(frame_reply(message, self.wire_format))

    def _refuse(self, code: ErrorCode, reason: str, ref: str | None) -> None:
        self._hub.stats.errors[code] += 1
        self.reply(Error(code, reason, ref))

    def _give_up(self, close_code: int, code: ErrorCode, reason: str) -> None:
        self._refuse(code, reason, None)
        self.connection.close(close_code, reason)

    def drain(self, reconnect_after_ms: int) -> None:
        """Tell the client that the server is about to close."""
        if self.user_id:
            self.reply(Draining(reconnect_after_ms))
