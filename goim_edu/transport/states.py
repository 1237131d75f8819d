"""The life of a connection, from its socket to the end of TCP: states, steps, and the table.

The rules (RFC 6455 §4, §7.1), which the table below writes down:

* A connection is NEW until it has a socket. Then it is CONNECTING until both sides agree on a
  WebSocket. If the application refuses, or serves a plain page, it is FINISHING.
* While it is OPEN, both sides send.
* If we say Close first, we send nothing more, but we listen: it is CLOSING until the peer's end
  is heard. That is its Close, a broken rule, or the end of its TCP.
* If the peer's end is heard first, what came before it may still be answered: it is ENDING until
  our Close follows. After a handshake that failed, the answer is an HTTP error.
* When it is FINISHING, all is said. The last octets are written, then TCP ends. The server ends
  it; the client waits a little for that (§7.1.1).
* A peer that broke a rule may still be sending. If we closed the socket now, TCP would answer with
  a reset, and the peer might never see our Close. So we end our half only: the connection is
  LINGERING, and what still comes is thrown away.
* When the socket is gone it is CLOSED (§7.1.4). Each connection is FINISHING before, so that its
  handler hears of the end before it hears of the loss.

Up to CLOSING and ENDING these are the states of the endpoint (``goim_edu.websocket.states``). What
is CLOSED there is FINISHING, LINGERING or CLOSED here, since a socket outlives its protocol.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from goim_edu.errors import GoimError

__all__ = ["CONNECTION_TRANSITIONS", "ConnectionState", "ConnectionStep", "IllegalStep"]


class ConnectionState(Enum):
    """Where a connection is in its life."""

    __hash__ = object.__hash__  # Enum hashes the name, in Python: that made handshakes slower

    NEW = "new"
    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    ENDING = "ending"
    FINISHING = "finishing"
    LINGERING = "lingering"
    CLOSED = "closed"


class ConnectionStep(Enum):
    """What moves a connection on."""

    __hash__ = object.__hash__

    CONNECT = "there is a socket"
    AGREE = "the handshake is done"
    REFUSE = "the application refuses, or serves a page"
    SAY_CLOSE = "we say Close"
    HEAR_END = "the peer says Close, breaks a rule, or ends TCP"
    LAST_WORDS = "our last octets are handed out"
    SHUT_DOWN = "we end our half of TCP"
    LOSE = "the socket is gone"


CONNECTION_TRANSITIONS: Final[dict[ConnectionState, dict[ConnectionStep, ConnectionState]]] = {
    ConnectionState.NEW: {
        ConnectionStep.CONNECT: ConnectionState.CONNECTING,
    },
    ConnectionState.CONNECTING: {
        ConnectionStep.AGREE: ConnectionState.OPEN,
        ConnectionStep.REFUSE: ConnectionState.FINISHING,
        ConnectionStep.HEAR_END: ConnectionState.ENDING,
    },
    ConnectionState.OPEN: {
        ConnectionStep.SAY_CLOSE: ConnectionState.CLOSING,
        ConnectionStep.HEAR_END: ConnectionState.ENDING,
    },
    ConnectionState.CLOSING: {
        ConnectionStep.HEAR_END: ConnectionState.FINISHING,
    },
    ConnectionState.ENDING: {
        ConnectionStep.LAST_WORDS: ConnectionState.FINISHING,
    },
    ConnectionState.FINISHING: {
        ConnectionStep.SHUT_DOWN: ConnectionState.LINGERING,
        ConnectionStep.LOSE: ConnectionState.CLOSED,
    },
    ConnectionState.LINGERING: {
        ConnectionStep.LOSE: ConnectionState.CLOSED,
    },
    ConnectionState.CLOSED: {},
}
"""From each state, where each step leads; a step that is not listed cannot happen there."""


class IllegalStep(GoimError, RuntimeError):
    """A step that cannot happen in this state, so the code that takes it is wrong.

    >>> raise IllegalStep(ConnectionState.CLOSED, ConnectionStep.SAY_CLOSE)
    Traceback (most recent call last):
    ...
    goim_edu.transport.states.IllegalStep: a closed connection cannot take the step 'we say Close'
    """

    def __init__(self, state: ConnectionState, step: ConnectionStep) -> None:
        super().__init__(f"a {state.value} connection cannot take the step {step.value!r}")
