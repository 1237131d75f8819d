"""Exercises of chapter 08: the endpoint, bytes in and events out (RFC 6455 §5, §7)."""

from __future__ import annotations

from typing import Any, Final

from goim_edu.draw.wrong_bit import frame_fields
from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.protocol import (
    BinaryMessage,
    CloseReceived,
    Endpoint,
    Event,
    Opcode,
    Ping,
    Pong,
    Side,
    TextMessage,
    build_close,
    build_frame,
)

__all__ = ["recorded"]

_KEY: Final = bytes.fromhex("37 fa 21 3d")

# ---------------------------------------------------------------------- 08.1

_EVENTS = Predict(
    id="08.1",
    right="d",
    experiment="""
        from goim_edu.protocol import Endpoint, Opcode, Side, build_frame

        key = bytes.fromhex("37 fa 21 3d")
        read = build_frame(b"", Opcode.PING, mask_key=key) + build_frame("Hi", mask_key=key)
        server = Endpoint(Side.SERVER, already_open=True)
        [type(event).__name__ for event in server.receive_data(read)]
    """,
)

# ---------------------------------------------------------------------- 08.2


def reply(event: Event) -> bytes:
    """What a server must answer to an event by itself (RFC 6455 §5.5)."""
    if isinstance(event, Ping):
        return build_frame(event.payload, Opcode.PONG)
    if isinstance(event, CloseReceived):
        return build_frame(build_close(event.code), Opcode.CLOSE)
    return b""


_REPLY = Function(
    id="08.2",
    needs="""
        from goim_edu.protocol import (
            BinaryMessage, CloseReceived, Opcode, Ping, Pong, TextMessage, build_close, build_frame,
        )
    """,
    starter="""
        def reply(event):
            if isinstance(event, Ping):
                return ...
            return b""
    """,
    reference=reply,
    fields=frame_fields,
    cases=(
        (Ping(b"alive?"),),
        (TextMessage("Hi"),),
        (CloseReceived(1000, "bye"),),
        (CloseReceived(1005, ""),),
        (Pong(b"alive?"),),
        (BinaryMessage(b"\x00"),),
    ),
    make=lambda c: (
        c.pick(
            (
                TextMessage("Hi"),
                Ping(c.octets(0, 6)),
                Pong(c.octets(0, 6)),
                CloseReceived(c.pick((1000, 1001, 1005, 3000, 4999)), c.text(0, 2)),
            )
        ),
    ),
    wrong=(
        ("build_close(event.code)", 'event.code.to_bytes(2, "big")'),
        ("if isinstance(event, Ping):", "if isinstance(event, (Ping, Pong)):"),
        ("build_close(event.code)", "build_close(1001)"),
        ("if isinstance(event, CloseReceived):", "if False:"),
    ),
)

# ---------------------------------------------------------------------- 08.3


def next_state(state: str, step: str) -> str:
    """Where a step leads in the life of a connection (RFC 6455 §4, §7)."""
    transitions = {
        ("connecting", "handshake done"): "open",
        ("connecting", "handshake refused"): "closed",
        ("connecting", "TCP ends"): "closed",
        ("open", "we say Close"): "closing",
        ("open", "they say Close"): "closed",
        ("open", "they break a rule"): "closed",
        ("open", "TCP ends"): "closed",
        ("closing", "they say Close"): "closed",
        ("closing", "they break a rule"): "closed",
        ("closing", "TCP ends"): "closed",
    }
    if (state, step) not in transitions:
        raise ValueError(f"{step} cannot happen while {state}")
    return transitions[state, step]


_STATES: Final = ("connecting", "open", "closing", "closed")
_STEPS: Final = (
    "handshake done",
    "handshake refused",
    "we say Close",
    "they say Close",
    "they break a rule",
    "TCP ends",
)
_STATE = Function(
    id="08.3",
    kind="mend",
    starter="""
        def next_state(state, step):
            if step == "handshake done":
                return "open"
            return "closed"
    """,
    reference=next_state,
    cases=(
        ("connecting", "handshake done"),
        ("connecting", "handshake refused"),
        ("open", "we say Close"),
        ("closing", "they say Close"),
        ("open", "they say Close"),
        ("closing", "we say Close"),
        ("connecting", "they say Close"),
        ("open", "handshake done"),
        ("closed", "TCP ends"),
    ),
    make=lambda c: (c.pick(_STATES), c.pick(_STEPS)),
    wrong=(
        ('("open", "we say Close"): "closing"', '("open", "we say Close"): "closed"'),
        ('("open", "they say Close"): "closed"', '("open", "they say Close"): "closing"'),
        (
            '("closing", "they say Close"): "closed",',
            '("closing", "they say Close"): "closed", ("closing", "we say Close"): "closing",',
        ),
        ("if (state, step) not in transitions:", "if False:"),
        ('raise ValueError(f"{step} cannot happen while {state}")', 'return "closed"'),
    ),
)

# ---------------------------------------------------------------------- 08.4

_GOOD_THEN_BAD = Predict(
    id="08.4",
    right="b",
    experiment="""
        from goim_edu.protocol import Endpoint, Side, build_frame

        read = build_frame("Hi", mask_key=b"abcd") + bytes.fromhex("83 80 00 00 00 00")
        server = Endpoint(Side.SERVER, already_open=True)
        [type(event).__name__ for event in server.receive_data(read)]
    """,
)

# ---------------------------------------------------------------------- 08.5


def recorded() -> bytes:
    """What a client sent in a short conversation: fragments, a Ping, two texts and a Close.

    >>> len(recorded())
    51
    """
    return b"".join(
        (
            build_frame("Hel", fin=False, mask_key=_KEY),
            build_frame(b"alive?", Opcode.PING, mask_key=_KEY),
            build_frame("lo, 好", Opcode.CONTINUATION, mask_key=_KEY),
            build_frame("bye", mask_key=_KEY),
            build_frame(build_close(1000), Opcode.CLOSE, mask_key=_KEY),
        )
    )


def _judge_cuts(answer: Any) -> str | None:
    if not isinstance(answer, dict) or set(answer) != {"cuts", "outcomes"}:
        return "A dictionary with the keys `cuts` and `outcomes` is wanted."
    data = recorded()
    places = range(len(data) + 1)
    if answer["cuts"] not in (len(data) - 1, len(places)):
        return (
            f"You tried {answer['cuts']!r} cuts. Cut behind each byte of `recorded()`, which has "
            f"{len(data)} bytes."
        )
    outcomes = set()
    for at in places:
        server = Endpoint(Side.SERVER, already_open=True)
        outcomes.add(str(server.receive_data(data[:at]) + server.receive_data(data[at:])))
    if answer["outcomes"] != len(outcomes):
        return (
            f"You found {answer['outcomes']!r} different outcomes. Join the events of both reads "
            "into one list, take a new endpoint for each cut, and count the different lists."
        )
    return None


_CUTS = Measure(
    id="08.5",
    starter="""
        from goim_edu.exercises.chapter_08 import recorded
        from goim_edu.protocol import Endpoint, Side

        data = recorded()
        outcomes = set()
        for at in range(1, len(data)):
            server = Endpoint(Side.SERVER, already_open=True)
            first = server.receive_data(data[:at])
            outcomes.add(str(first))
        answer = {"cuts": len(data) - 1, "outcomes": len(outcomes)}
    """,
    solved=(
        "first = server.receive_data(data[:at])",
        "events = server.receive_data(data[:at]) + server.receive_data(data[at:])",
        "str(first)",
        "str(events)",
    ),
    judge=_judge_cuts,
    wrong=(
        ({"cuts": len(recorded()) - 1, "outcomes": 5}, "the different lists"),
        ({"cuts": 3, "outcomes": 1}, "Cut behind each byte"),
        (1, "dictionary"),
    ),
)

# ---------------------------------------------------------------------- 08.6


def texts(pieces: list[bytes]) -> list[str]:
    """All text messages in what a client sent, however the network has cut it."""
    server = Endpoint(Side.SERVER, already_open=True)
    found: list[str] = []
    for piece in pieces:
        events = server.receive_data(piece)
        found += [event.data for event in events if isinstance(event, TextMessage)]
    return found


def _conversation(c: Choices) -> tuple[list[bytes]]:
    kinds = (
        build_frame("Hi", mask_key=_KEY),
        build_frame(b"", Opcode.PING, mask_key=_KEY),
        build_frame("ab", fin=False, mask_key=_KEY)
        + build_frame("c", Opcode.CONTINUATION, mask_key=_KEY),
        build_frame(b"\x00", Opcode.BINARY, mask_key=_KEY),
    )
    data = b"".join(c.some(0, 4, lambda: c.pick(kinds)))
    pieces = []
    while data:
        size = c.integer(1, len(data))
        pieces.append(data[:size])
        data = data[size:]
    return (pieces,)


_HI: Final = build_frame("Hi", mask_key=_KEY)
_TEXTS = Function(
    id="08.6",
    kind="mend",
    needs="from goim_edu.protocol import Endpoint, Side, TextMessage",
    starter="""
        def texts(pieces):
            found = []
            for piece in pieces:
                server = Endpoint(Side.SERVER, already_open=True)
                event = server.receive_data(piece)[0]
                found.append(event.data)
            return found
    """,
    reference=texts,
    cases=(
        ([_HI],),
        ([_HI + _HI],),
        ([_HI[:3], _HI[3:]],),
        ([build_frame(b"", Opcode.PING, mask_key=_KEY) + _HI],),
        ([],),
    ),
    make=_conversation,
    wrong=(
        ("server.receive_data", "Endpoint(Side.SERVER, already_open=True).receive_data"),
        ("events = server.receive_data(piece)", "events = server.receive_data(piece)[:1]"),
        (
            "event.data for event in events if isinstance(event, TextMessage)",
            'getattr(event, "data", "") for event in events',
        ),
        ("return found", 'return "".join(found)'),
    ),
)
