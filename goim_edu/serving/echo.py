"""What answers at ``/echo``: every message comes back."""

from __future__ import annotations

import math
from time import monotonic
from typing import Final

from goim_edu.transport import Connection, ConnectionState, Handler
from goim_edu.transport.pace import Allowance
from goim_edu.websocket.events import BinaryMessage, Event, TextMessage

__all__ = ["Echo"]

_OPEN: Final = ConnectionState.OPEN
_ENDING: Final = ConnectionState.ENDING

_AT_ONCE: Final = 4.0  # seconds of the rate
_MESSAGE: Final = 1024  # octets that a message counts more than it has: small ones cost, too


class Echo(Handler):
    """Sends every message back as it came; one that sends too much is read more slowly.

    Args:
        rate: octets a second; each message counts as 1 KiB more than it has.
    """

    __slots__ = ("_allowance",)

    def __init__(self, rate: float = math.inf) -> None:
        self._allowance = Allowance(rate, _AT_ONCE * rate, monotonic())

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        """Answer all messages of one read in one write; after our own Close, none."""
        state = connection.state
        if state is not _OPEN and state is not _ENDING:
            return
        messages = [
            event.data
            for event in events
            if type(event) is TextMessage or type(event) is BinaryMessage
        ]
        if messages:
            connection.send_many(messages)
            allowance = self._allowance
            allowance.left -= sum(map(len, messages)) + _MESSAGE * len(messages)
            if allowance.left < 0:
                connection.rest(allowance.spend(0, monotonic()))
