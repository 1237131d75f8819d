"""The life of a connection: its states, what leads from one to the next, and what is allowed.

The rules (RFC 6455 §4, §5.5.1, §7), which the two tables below write down:

* A connection is CONNECTING until the server's 101 has been sent, or received and found good.
  A refusal, or a handshake that is wrong, ends it there.
* While it is OPEN both sides may send what they like, when they like.
* Either side may say Close. Who has said it sends nothing more, but goes on listening: it is
  CLOSING until the other's Close comes. Messages that arrive meanwhile still count.
* Who hears Close first listens no more, and answers it with the same code. But what came before
  it is still to be answered, and a Close is the last that one may send: so the connection is
  ENDING, and may send, until that answer is handed out. Then it is CLOSED.
* Who meets a broken rule does the same, with a code that says what was wrong.
* When it is CLOSED, the server closes TCP. The client waits a little for that, so that it is not
  the server that has to remember the connection for minutes (TIME_WAIT, §7.1.1).
* If TCP ends without both Closes, the connection is CLOSED, but not cleanly: code 1006.

RFC 6455 has one name, CLOSING, for what is CLOSING and ENDING here (§7.1.3).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["COMMANDS", "TRANSITIONS", "Side", "State", "Step", "state_diagram"]


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
"""From each state, where each step leads; a step that does not stand here cannot happen there."""

COMMANDS: Final[dict[State, frozenset[str]]] = {
    State.CONNECTING: frozenset({"connect", "accept", "reject"}),
    State.OPEN: frozenset({"send", "ping", "pong", "close"}),
    State.CLOSING: frozenset(),
    State.ENDING: frozenset({"send", "ping", "pong"}),
    State.CLOSED: frozenset(),
}
"""What the application may do in each state."""


def state_diagram() -> str:
    """The states and their steps as the text of a Mermaid diagram, made from the table.

    Steps that lead from one state to the same other one share an arrow.

    >>> print(state_diagram().splitlines()[2])
        connecting --> open: 101 is sent or received
    """
    lines = ["stateDiagram-v2", "    [*] --> connecting"]
    for state, steps in TRANSITIONS.items():
        for target in dict.fromkeys(steps.values()):
            words = ", or ".join(step.value for step in steps if steps[step] is target)
            lines.append(f"    {state.value} --> {target.value}: {words}")
    return "\n".join([*lines, "    closed --> [*]", ""])
