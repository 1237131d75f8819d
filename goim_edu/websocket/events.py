"""Events: what an endpoint tells about the octets that it was given.

Each is a tuple with named fields, so it is cheap, and it can be taken apart:

>>> match TextMessage("Hello"):
...     case TextMessage(data):
...         print(data)
Hello

Events of different kinds are never equal, whatever is in them:

>>> Ping(b"1") == Ping(b"1"), Ping(b"1") == Pong(b"1")
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, cast

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.extensions import ExtensionOffer
from goim_edu.websocket.http11 import Request, Response

__all__ = [
    "BinaryMessage",
    "CloseReceived",
    "Closed",
    "Event",
    "Failed",
    "Opened",
    "Ping",
    "Pong",
    "RequestReceived",
    "TextMessage",
    "maker_of",
]

_T = TypeVar("_T")


class _EventType(type):
    """The type of the event classes."""

    _check_fields: Callable[..., Any]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._check_fields(cls, *args, **kwargs)


def _event(fields: type[_T]) -> type[_T]:
    """Make an event class of a NamedTuple.

    A NamedTuple has a ``__new__`` in Python, which checks the fields, but which costs more than
    all the rest of making a small message. Here it is called from outside only (``_EventType``),
    and ``maker_of`` goes around it.
    """

    def equal(self: Any, other: Any) -> bool:
        return type(self) is type(other) and bool(tuple.__eq__(self, other))

    def differ(self: Any, other: object) -> bool:
        return not equal(self, other)

    def reduce(self: Any) -> tuple[Any, ...]:  # for copy and pickle
        return type(self), tuple(self)

    body = dict(vars(fields))
    body["_check_fields"] = body.pop("__new__")
    body |= {"__eq__": equal, "__ne__": differ, "__hash__": tuple.__hash__, "__reduce__": reduce}
    return cast("type[_T]", _EventType(fields.__name__, (tuple,), body))


def maker_of(event: type[_T]) -> Callable[[Iterable[Any]], _T]:
    """A quick way to make many events: it takes their fields as a tuple, and does not check them.

    >>> list(map(maker_of(Ping), [(b"1",), (b"2",)]))
    [Ping(payload=b'1'), Ping(payload=b'2')]
    """
    return cast("Callable[[Iterable[Any]], _T]", type.__call__.__get__(event))


@_event
class RequestReceived(NamedTuple):
    """A server got a whole HTTP request: ``accept`` it or ``reject`` it."""

    request: Request


@_event
class Opened(NamedTuple):
    """A client's handshake succeeded: from now on messages may be sent."""

    response: Response
    subprotocol: str | None
    extensions: tuple[ExtensionOffer, ...]


@_event
class TextMessage(NamedTuple):
    """A whole text message."""

    data: str


@_event
class BinaryMessage(NamedTuple):
    """A whole binary message."""

    data: bytes


@_event
class Ping(NamedTuple):
    """The peer asked whether we live; the Pong is among ``data_to_send`` already."""

    payload: bytes


@_event
class Pong(NamedTuple):
    """The peer answered a Ping, or sent this without being asked (RFC 6455 §5.5.3)."""

    payload: bytes


@_event
class CloseReceived(NamedTuple):
    """The peer's Close came; code 1005 if it gave none (RFC 6455 §7.1.5)."""

    code: int
    reason: str


@_event
class Closed(NamedTuple):
    """The last event of a connection that did not fail.

    Args:
        code: the peer's code, 1005 if its Close gave none, 1006 if it sent no Close at all.
        reason: the peer's reason.
        clean: whether both sides have sent a Close (RFC 6455 §7.1.4).
    """

    code: int
    reason: str
    clean: bool


@_event
class Failed(NamedTuple):
    """The last event of a connection on which the peer broke a rule (RFC 6455 §7.1.7)."""

    error: RemoteProtocolError


Event = (
    RequestReceived
    | Opened
    | TextMessage
    | BinaryMessage
    | Ping
    | Pong
    | CloseReceived
    | Closed
    | Failed
)
