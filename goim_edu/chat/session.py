"""One connected client: hello, requests, rate limit, and its end.

A request that is wrong in any way is answered with ``error`` and changes nothing; the session goes
on. The server ends a session for three reasons: there was no valid ``hello`` (4401), it did not
come in time (4408), or the client keeps on flooding after a warning (4429).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, ClassVar, Final

from goim_edu.chat.errands import Errand, Errands, RequestRefused, refusal
from goim_edu.chat.guest import HELLO_TOO_LATE, NO_HELLO, Guest
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
    Draining,
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
    ack_of,
    ref_of,
)
from goim_edu.errors import DuplicateMessage, StoreError, StoreUnavailable
from goim_edu.printable import quoted
from goim_edu.transport import Connection, ConnectionState
from goim_edu.websocket.events import BinaryMessage, Event, TextMessage

__all__ = ["HELLO_TOO_LATE", "KEPT_FLOODING", "NO_HELLO", "Session"]

log = logging.getLogger("goim_edu.chat")

_OPEN: Final = ConnectionState.OPEN
_ENDING: Final = ConnectionState.ENDING

KEPT_FLOODING = 4429


class Session(Guest):
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

    __slots__ = ("_errands", "_last_refill", "_tokens", "rooms")

    def __init__(self, hub: Hub, connection: Connection, subprotocol: str) -> None:
        super().__init__(hub, connection, subprotocol)
        self.rooms: dict[str, Room] = {}
        self._errands: Errands | None = None  # until it asks for the first
        self._tokens = float(hub.limits.burst)
        self._last_refill = monotonic()

    # ------------------------------------------------------------------ called by the connection

    def on_open(self, connection: Connection) -> None:
        """Wait for the hello, until its deadline."""
        super().on_open(connection)
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

    def on_drained(self, connection: Connection) -> None:
        """The client reads: tell it what it asked for meanwhile."""
        if self._errands is not None:
            self._errands.go_on()

    def on_end(self, connection: Connection) -> None:
        """Leave every room."""
        if self._check is not None:
            self._check.cancel()
            connection.resume_reading()  # else the peer's Close would not be heard
        if self._errands is not None:
            self._errands.end()
            self._hub.tell(self._hub.store.forget, self._errands)
        self._hub.sessions.discard(self)
        for room in tuple(self.rooms.values()):
            self._leave_room(room, lost=True)
        if not self.user_id:
            return
        if (hooks := self._hub.hooks) is not None:
            self._hub.tell(hooks.on_gone, self.user_id)
        if log.isEnabledFor(logging.INFO):
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
        if self._check is None:
            self._grant(data, binary)
        else:
            self._check.waiting.append((data, binary))

    def _grant(self, data: str | bytes, binary: bool) -> None:
        """Read one message, and do what it asks."""
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
        except Exception as error:  # noqa: BLE001 - _fail logs it
            self._fail(error, ref)

    def _flooded(self, data: str | bytes) -> None:
        """Too many requests: tell the client which one, and close if it keeps on."""
        limits = self._hub.limits
        self._hub.stats.rate_limited += 1
        if self._tokens < -limits.burst:
            self._give_up(KEPT_FLOODING, "rate_limited", "you kept flooding")
        else:
            why = f"more than {limits.rate:g} requests a second"
            self._refuse("rate_limited", why, ref_of(self.wire_format.codec, data))

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
        except Exception as error:  # noqa: BLE001 - _fail logs it
            self._leave_room(room)
            self._fail(error, request.ref)
        self._let_speak(backlog)

    def _let_speak(self, backlog: Backlog) -> None:
        """Send what waited until we were in the room; also if we are leaving before that."""
        sends, backlog.sends = backlog.sends, None
        for send in sends or ():
            try:
                self._send(send)
            except Exception as error:  # noqa: BLE001 - _fail logs it
                self._fail(error, send.ref)

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
        except StoreError as error:
            raise refusal(error) from None
        except (TypeError, ValueError) as error:
            raise RequestRefused("bad_message", str(error)) from None
        if not asyncio.isfuture(future):
            raise TypeError(f"submit_async must give an asyncio.Future, not {future!r}")
        room.pending += 1
        ref, key = request.ref, (self.user_id, request.client_msg_id)
        hub.in_flight.add(key)
        future.add_done_callback(lambda done: self._stored(room, done, ref, key))

    def _stored(
        self, room: Room, future: asyncio.Future[Any], ref: str | None, key: tuple[str, str]
    ) -> None:
        """The store has answered: acknowledge, then hand on; the sender may be gone by now."""
        hub = self._hub
        hub.in_flight.discard(key)
        room.pending -= 1
        try:
            saved: Saved = future.result()
            ack = ack_of(room.room_id, saved, ref)
        except DuplicateMessage as error:
            self._refuse("bad_message", f"{error}, in another room", ref)
        except StoreError as error:  # unless unavailable it may be stored: only asking again tells
            hub.stats.unavailable += isinstance(error, StoreUnavailable)
            self._fail(refusal(error), ref)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - _fail logs it
            self._fail(error, ref)
        else:
            self.reply(ack)
            hub.stats.acknowledged += 1
            if hub.hooks is not None and not saved.duplicate:
                hub.tell(hub.hooks.on_message, saved.message)
            # Also a duplicate: the server that stored it may have died before it told anyone.
            room.gate.arrived(saved.message)
            hub.peers.stored(saved.message)
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

    def _leave_room(self, room: Room, *, lost: bool = False) -> None:
        backlog = room.backlog(self)
        if backlog is not None:
            self._let_speak(backlog)
            self._line.drop(backlog)
        del self.rooms[room.room_id]
        room.exit(self, lost=lost)
        self._hub.release(room)

    def _typing(self, request: Typing) -> None:
        self._in_room(request.room_id).tell_typing(self, self._last_refill)

    def _read(self, request: Read) -> None:
        room = self._in_room(request.room_id)
        if request.seq > room.gate.highest:  # another server may have told the client more
            mark = partial(self._mark_read, room, request)
            self._run(last_number(self._asker, room, mark), request.ref)
        else:
            self._mark_read(room, request, room.gate.highest)

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
        Hello: Guest._hello,
        Join: _join,
        Send: _send,
        History: _history,
        Members: _members,
        Leave: _leave,
        Typing: _typing,
        Read: _read,
    }

    # ------------------------------------------------------------------ what it is told

    def drain(self, reconnect_after_ms: int) -> None:
        """Tell the client that the server is about to close."""
        if self.user_id:
            self.reply(Draining(reconnect_after_ms))
