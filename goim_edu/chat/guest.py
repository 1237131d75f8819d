"""A client as far as its name: its hello is checked, and it is told and refused things.

The check may be a coroutine that takes its time. What the client says meanwhile waits.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from time import monotonic, time
from typing import Final

from msgspec import Struct

from goim_edu.chat.auth import Identity, Unauthenticated
from goim_edu.chat.broadcast import frame_reply, wire_format_of
from goim_edu.chat.errands import OUR_MISTAKE, RequestRefused
from goim_edu.chat.hub import Hub
from goim_edu.chat.vocabulary import (
    Error,
    ErrorCode,
    HeartbeatTimes,
    Hello,
    VocabularyError,
    Welcome,
    WelcomeLimits,
)
from goim_edu.printable import quoted
from goim_edu.transport import Connection, ConnectionState, Handler

__all__ = ["HELLO_TOO_LATE", "NO_HELLO", "OUR_FAULT", "Guest"]

log = logging.getLogger("goim_edu.chat")

_OPEN: Final = ConnectionState.OPEN

OUR_FAULT = 1011
NO_HELLO = 4401
HELLO_TOO_LATE = 4408


class _Check:
    """A name that is being checked by a coroutine.

    Args:
        answer: what the authenticator gave.
        then: is called with the future that has its result.

    Attributes:
        waiting: what the client has said since, and whether that is binary.
    """

    __slots__ = ("_future", "waiting")

    def __init__(
        self, answer: Awaitable[Identity], then: Callable[[asyncio.Future[Identity]], None]
    ) -> None:
        self.waiting: list[tuple[str | bytes, bool]] = []
        self._future: asyncio.Future[Identity] = asyncio.ensure_future(answer)
        self._future.add_done_callback(then)

    def cancel(self) -> None:
        """The client is gone: the answer is not needed."""
        self._future.cancel()


class Guest(Handler):
    """The lower half of a session.

    Args:
        hub: where sessions, rooms and the store are.
        connection: its connection.
        subprotocol: the agreed one, a key of ``SUBPROTOCOLS``.

    Attributes:
        session_id: an unguessable name, told in ``welcome``.
        user_id: the user; empty before ``hello``.
        wire_format: how replies to it are written.
    """

    __slots__ = (
        "_check",
        "_expires",
        "_hub",
        "_may_enter",
        "connection",
        "session_id",
        "user_id",
        "wire_format",
    )

    connection: Connection

    def __init__(self, hub: Hub, connection: Connection, subprotocol: str) -> None:
        self.session_id = ""
        self.user_id = ""
        self.connection = connection
        self.wire_format = wire_format_of(subprotocol, None)
        self._hub = hub
        self._check: _Check | None = None  # of its name, while that takes its time
        self._may_enter: frozenset[str] | None = None
        self._expires = False

    def _grant(self, data: str | bytes, binary: bool) -> None:
        """Read one message, and do what it asks."""
        raise NotImplementedError

    def on_open(self, connection: Connection) -> None:
        """The handshake has decided how replies are written."""
        self.wire_format = wire_format_of(self.wire_format.codec.name, connection.deflate)

    def on_deadline(self, connection: Connection) -> None:
        """No hello came, or the token has expired."""
        if self._expires:
            self._give_up(NO_HELLO, "unauthenticated", "your token has expired")
        elif self._check is not None:
            self._give_up(HELLO_TOO_LATE, "internal", "your name was not checked in time")
        elif not self.user_id:
            self._give_up(HELLO_TOO_LATE, "unauthenticated", "hello came too late")

    # ------------------------------------------------------------------ hello

    def _hello(self, request: Hello) -> None:
        if self.user_id:
            raise RequestRefused("bad_message", "you have said hello already")
        answer = self._hub.authenticate(request.user_id, request.token)
        if isawaitable(answer):
            self.connection.pause_reading()
            self._check = _Check(answer, partial(self._checked, request))
        else:
            self._greet(request, answer)

    def _checked(self, request: Hello, answer: asyncio.Future[Identity]) -> None:
        """The name was checked: go on with what has waited for that."""
        check, self._check = self._check, None
        if self.connection.state is not _OPEN or check is None:
            if not answer.cancelled():
                answer.exception()  # the client has gone: there is nothing to tell it
            return
        self.connection.resume_reading()
        try:
            self._greet(request, answer.result())
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - _fail logs it
            self._fail(error, request.ref)
        for data, binary in check.waiting:
            if self.connection.state is _OPEN:
                self._grant(data, binary)

    def _greet(self, request: Hello, answer: object) -> None:
        hub, connection = self._hub, self.connection
        self._admit(_checked_identity(answer))
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
        if (hooks := self._hub.hooks) is not None:
            self._hub.tell(hooks.on_hello, self.user_id, self.connection.remote)

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

    def _fail(self, error: BaseException, ref: str | None) -> None:
        """A request was not granted: say why; without a user the session ends."""
        code = NO_HELLO
        if isinstance(error, VocabularyError):
            self._refuse("bad_message", str(error), error.ref)
        elif isinstance(error, RequestRefused):
            self._refuse(error.code, error.reason, ref)
        elif isinstance(error, Unauthenticated):
            self._refuse("unauthenticated", str(error), ref)
        else:  # a mistake of ours, or of the operator's own store or authenticator
            log.error("request failed connection=%d", self.connection.id, exc_info=error)
            self._refuse("internal", OUR_MISTAKE, ref)
            code = OUR_FAULT
        if not self.user_id:
            self.connection.close(code, "no valid hello" if code == NO_HELLO else OUR_MISTAKE)


def _checked_identity(answer: object) -> Identity:
    """What an authenticator gave, if it is the identity of a user.

    Raises:
        TypeError: it is something else.
    """
    if not (isinstance(answer, Identity) and isinstance(answer.user_id, str) and answer.user_id):
        raise TypeError(f"authenticate must give an Identity that names a user, not {answer!r}")
    return answer
