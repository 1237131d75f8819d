"""Events: what an endpoint reports about the octets that it was given.

An event is a tuple with named fields, so it can be taken apart:

>>> match TextMessage("Hello"):
...     case TextMessage(data):
...         print(data)
Hello

Events of different classes are never equal, whatever is in them:

>>> Ping(b"1") == Ping(b"1"), Ping(b"1") == Pong(b"1")
(True, False)
"""

from typing import NamedTuple

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.event_type import event
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
]


@event
class RequestReceived(NamedTuple):
    """A server got a whole HTTP request: ``accept`` it or ``reject`` it (RFC 6455 §4.2).

    Args:
        request: its method, target and headers.
    """

    request: Request


@event
class Opened(NamedTuple):
    """A client's handshake succeeded: from now on messages may be sent (RFC 6455 §4.1).

    Args:
        response: the server's 101.
        subprotocol: the one that the server chose, or None.
        extensions: those that both sides use.
    """

    response: Response
    subprotocol: str | None
    extensions: tuple[ExtensionOffer, ...]


@event
class TextMessage(NamedTuple):
    """A whole text message (RFC 6455 §5.6).

    Args:
        data: its text, all fragments together.
    """

    data: str


@event
class BinaryMessage(NamedTuple):
    """A whole binary message (RFC 6455 §5.6).

    Args:
        data: its octets, all fragments together.
    """

    data: bytes


@event
class Ping(NamedTuple):
    """The peer asks for a Pong; it is among ``data_to_send`` already (RFC 6455 §5.5.2).

    Args:
        payload: 0 to 125 octets, which the Pong repeats.
    """

    payload: bytes


@event
class Pong(NamedTuple):
    """The peer answered a Ping, or sent this without being asked (RFC 6455 §5.5.3).

    Args:
        payload: 0 to 125 octets: those of the Ping that it answers.
    """

    payload: bytes


@event
class CloseReceived(NamedTuple):
    """The peer's Close came (RFC 6455 §5.5.1).

    Args:
        code: the peer's code, 1005 if its Close gave none (RFC 6455 §7.1.5).
        reason: the peer's reason, or "".
    """

    code: int
    reason: str


@event
class Closed(NamedTuple):
    """The last event of a connection that did not fail.

    Args:
        code: the peer's code, 1005 if its Close gave none, 1006 if it sent no Close at all.
        reason: the peer's reason, or "".
        clean: whether both sides have sent a Close (RFC 6455 §7.1.4).
    """

    code: int
    reason: str
    clean: bool


@event
class Failed(NamedTuple):
    """The last event of a connection on which the peer broke a rule (RFC 6455 §7.1.7).

    Args:
        error: the rule, its section and the close code that answers it.
    """

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
"""What an endpoint reports: all that ``match`` has to tell apart."""
