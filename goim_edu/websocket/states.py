"""The life of a connection: its states, what leads from one to the next, and what is allowed.

The rules (RFC 6455 §4, §5.5.1, §7), which the two tables below write down:

* A connection is CONNECTING until the server's 101 has been sent, or received and found good.
  A refusal, or a handshake that is wrong, ends it there.
* While it is OPEN both sides may send what they like, when they like.
* Either side may send a Close. From then on it sends nothing more, but goes on listening: it is
  CLOSING until the peer's Close comes. Messages that arrive meanwhile still count.
* A side that receives a Close first reads nothing more, and answers it with the same code. But what
  came before the Close may still be answered, and nothing may be sent behind our own: so the
  connection is ENDING, and may send, until that answer is handed out. Then it is CLOSED.
* A side that meets a broken rule does the same, with a code that says what was wrong.
* When it is CLOSED, the server closes TCP. The client waits a little for that: the side that closes
  first has to remember the connection for minutes (TIME_WAIT, §7.1.1), and a server has many.
* If TCP ends without both Closes, the connection is CLOSED, but not cleanly: code 1006.

RFC 6455 has one name, CLOSING, for both CLOSING and ENDING (§7.1.3).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from goim_edu.errors import LocalProtocolError
from goim_edu.websocket.close import Close, parse_close

__all__ = ["COMMANDS", "TRANSITIONS", "Lifecycle", "Side", "State", "Step", "state_diagram"]


class Side(Enum):
    """Which end of the connection we are."""

    CLIENT = "client"
    SERVER = "server"


class State(Enum):
    """Where a connection is in its life."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    ENDING = "ending"
    CLOSED = "closed"


class Step(Enum):
    """What moves a connection on."""

    AGREE = "101 is sent or received"
    REFUSE = "the handshake is refused or wrong"
    SAY_CLOSE = "we say Close"
    HEAR_CLOSE = "the peer says Close"
    FAIL = "the peer breaks a rule"
    LAST_WORDS = "our last Close is handed out"
    END = "TCP ends"


TRANSITIONS: Final[dict[State, dict[Step, State]]] = {
    State.CONNECTING: {
        Step.AGREE: State.OPEN,
        Step.REFUSE: State.CLOSED,
        Step.END: State.CLOSED,
    },
    State.OPEN: {
        Step.SAY_CLOSE: State.CLOSING,
        Step.HEAR_CLOSE: State.ENDING,
        Step.FAIL: State.ENDING,
        Step.END: State.CLOSED,
    },
    State.CLOSING: {
        Step.HEAR_CLOSE: State.CLOSED,
        Step.FAIL: State.CLOSED,
        Step.END: State.CLOSED,
    },
    State.ENDING: {
        Step.LAST_WORDS: State.CLOSED,
    },
    State.CLOSED: {},
}
"""For each state, where each step leads; a step that is missing cannot happen there."""

COMMANDS: Final[dict[State, frozenset[str]]] = {
    State.CONNECTING: frozenset({"connect", "accept", "reject"}),
    State.OPEN: frozenset({"send", "ping", "pong", "close"}),
    State.CLOSING: frozenset(),
    State.ENDING: frozenset({"send", "ping", "pong"}),
    State.CLOSED: frozenset(),
}
"""What the application may do in each state."""


class Lifecycle:
    """One connection on its way through the tables.

    Attributes:
        side: client or server.
        state: where the connection is in its life.
        close_code: the peer's code, 1005 if its Close gave none, 1006 if none came, None before.
        close_reason: the peer's reason.
    """

    __slots__ = ("_own_close", "close_code", "close_reason", "side", "state")

    def __init__(self, side: Side, state: State) -> None:
        if not isinstance(side, Side):  # whatever else is not the server would be a client
            raise ValueError(f"side is Side.SERVER or Side.CLIENT, not {side!r}")
        self.side = side
        self.state = state
        self.close_code: int | None = None
        self.close_reason = ""
        self._own_close: bytes | None = None  # the body of our last Close

    @property
    def close_received(self) -> Close | None:
        """What the peer's Close said, or None if none came (yet)."""
        code = self.close_code
        return None if code is None or code == 1006 else Close(code, self.close_reason)

    @property
    def close_sent(self) -> Close | None:
        """What our own Close said, or None if we sent none (yet)."""
        if self._own_close is None or self.state is State.ENDING:
            return None
        return Close(*parse_close(self._own_close))

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lstrip('_')} {self.side.value} {self.state.value}>"

    @property
    def ending(self) -> bool:
        """Whether the end was reported, but you may still answer what came before it."""
        return self.state is State.ENDING

    @property
    def close_transport(self) -> bool:
        """Whether to close TCP once all is written.

        A server closes it when CLOSED. A client closes it after a failure; after a clean closing
        handshake it gives the server a moment to do it first (RFC 6455 §7.1.1).
        """
        if self.state is not State.CLOSED:
            return False
        return self.side is Side.SERVER or self.close_code in (None, 1006)

    def _require(self, command: str) -> None:
        """Refuse a command that the table does not allow."""
        if command not in COMMANDS[self.state]:
            raise LocalProtocolError(f"cannot {command}: the connection is {self.state.value}")

    def _move(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state][step]


def state_diagram() -> str:
    """The states and their steps as the text of a Mermaid diagram, drawn from the table.

    Steps between the same two states share an arrow.

    >>> print(state_diagram().splitlines()[2])
        connecting --> open: 101 is sent or received
    """
    lines = ["stateDiagram-v2", "    [*] --> connecting"]
    for state, steps in TRANSITIONS.items():
        for target in dict.fromkeys(steps.values()):
            words = ", or ".join(step.value for step in steps if steps[step] is target)
            lines.append(f"    {state.value} --> {target.value}: {words}")
    return "\n".join([*lines, "    closed --> [*]", ""])
