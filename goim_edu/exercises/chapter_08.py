"""Exercises of chapter 08: the endpoint, bytes in and events out (RFC 6455 §5, §7)."""

from __future__ import annotations

from typing import Any, Final

from goim_edu.draw.wrong_bit import frame_fields
from goim_edu.exercises.model import (
    Case,
    Exercise,
    Function,
    Measure,
    Option,
    Predict,
    Wrong,
    code,
)
from goim_edu.exercises.samples import Choices
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

__all__ = ["EXERCISES", "recorded"]

_KEY: Final = bytes.fromhex("37 fa 21 3d")

# ---------------------------------------------------------------------- 08.1

_EVENTS = Predict(
    id="08.1",
    title="One read, two frames",
    statement="""One read from the socket brings a masked Ping and a masked text. Which events
        does the endpoint tell?""",
    options=(
        Option(
            "['TextMessage']",
            "The Ping is answered by itself, but it is told as well: you may want to count it.",
        ),
        Option(
            "['Ping']",
            "That would lose the text. A read may hold many frames, and all of them are taken.",
        ),
        Option(
            "['Ping', 'Pong', 'TextMessage']",
            "The Pong goes out, it does not come in. Events tell what came in.",
        ),
        Option(
            "['Ping', 'TextMessage']",
            "Both, in the order in which they came. The Pong waits in `data_to_send()`.",
            right=True,
        ),
    ),
    experiment=code("""
        from goim_edu.protocol import Endpoint, Opcode, Side, build_frame

        key = bytes.fromhex("37 fa 21 3d")
        read = build_frame(b"", Opcode.PING, mask_key=key) + build_frame("Hi", mask_key=key)
        server = Endpoint(Side.SERVER, already_open=True)
        [type(event).__name__ for event in server.receive_data(read)]
    """),
    hints=(
        "`receive_data` gives a list, one event for each thing that came.",
        "What goes *out* by itself is not told as an event.",
    ),
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
    title="What must be answered?",
    statement="""Write `reply(event)`: the bytes that an open *server* must send by itself after
        an event, or `b""`. A Ping wants a Pong with its data; a Close wants a Close with the
        same code, without a reason; all else wants nothing. `build_close(code)` makes the body
        of a Close.""",
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
        Case((Ping(b"alive?"),), "a Ping", "A Pong with the same data, unmasked (§5.5.3)."),
        Case((TextMessage("Hi"),), "a text", "The protocol asks for no answer to a text."),
        Case(
            (CloseReceived(1000, "bye"),),
            "a Close with code 1000",
            """A Close is answered with a Close of the same code (§5.5.1): its body is the code
                in two bytes.""",
        ),
        Case(
            (CloseReceived(1005, ""),),
            "a Close without a code",
            """It is told as 1005, but 1005 may never be sent (§7.4.1): the answer's body is
                empty, and `build_close(1005)` makes just that.""",
        ),
        Case(
            (Pong(b"alive?"),),
            "a Pong",
            "A Pong is never answered, or two sides would go on for ever (§5.5.3).",
        ),
        Case((BinaryMessage(b"\x00"),), "a binary message", "No answer."),
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
    hints=(
        "`build_frame(event.payload, Opcode.PONG)` is the answer to a Ping.",
        "For a Close: `build_frame(build_close(event.code), Opcode.CLOSE)`.",
    ),
    wrong=(
        Wrong(
            "1005 may never be sent",
            "build_close(event.code)",
            'event.code.to_bytes(2, "big")',
            tip="1005 goes over the wire. It only says in reports that there was no code.",
        ),
        Wrong(
            "never answered",
            "if isinstance(event, Ping):",
            "if isinstance(event, (Ping, Pong)):",
            tip="Pongs are answered, too.",
        ),
        Wrong(
            "the same code",
            "build_close(event.code)",
            "build_close(1000)",
            tip="every Close is answered with 1000, whatever code it had.",
            whole="""
                from goim_edu.protocol import CloseReceived, Opcode, Ping, build_close, build_frame

                def reply(event):
                    if isinstance(event, Ping):
                        return build_frame(event.payload, Opcode.PONG)
                    if isinstance(event, CloseReceived):
                        return build_frame(build_close(1001), Opcode.CLOSE)
                    return b""
            """,
        ),
        Wrong(
            "answered with a Close",
            "if isinstance(event, CloseReceived):",
            "if False:",
            tip="a Close is not answered, so the other side waits in vain.",
        ),
    ),
    after="An `Endpoint` does it: after each `receive_data` write what `data_to_send()` gives.",
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
    title="Mend the life of a connection",
    kind="mend",
    statement="""States: connecting, open, closing, closed. Steps: handshake done, handshake
        refused, we say Close, they say Close, they break a rule, TCP ends. Mend
        `next_state(state, step)`. When *we* say Close first, the connection is closing until
        their Close comes; a Close of theirs is answered at once, and then it is closed. What
        breaks a rule, and the end of TCP, close it. Raise `ValueError` for a step that cannot
        happen in a state: no frame comes before the handshake is done, nothing happens when all
        is closed.""",
    starter="""
        def next_state(state, step):
            if step == "handshake done":
                return "open"
            return "closed"
    """,
    reference=next_state,
    cases=(
        Case(("connecting", "handshake done"), "the handshake is done", "Now it is open."),
        Case(("connecting", "handshake refused"), "the handshake is refused", "It never opens."),
        Case(
            ("open", "we say Close"),
            "we say Close first",
            """We may send nothing more, but their messages may still be on the way: it is
                closing until their Close comes (RFC 6455 §7.1.3).""",
        ),
        Case(("closing", "they say Close"), "their Close comes", "Both have said it: closed."),
        Case(
            ("open", "they say Close"),
            "they say Close first",
            "We answer at once, and with that both have said it: closed (RFC 6455 §7.1.4).",
        ),
        Case(
            ("closing", "we say Close"),
            "we say Close twice",
            "After our Close we send nothing more, not even another Close: `ValueError`.",
        ),
        Case(
            ("connecting", "they say Close"),
            "a Close before the handshake is done",
            "Before the handshake there are no frames: `ValueError`.",
        ),
        Case(
            ("open", "handshake done"),
            "a second handshake",
            "The handshake comes once: `ValueError`.",
        ),
        Case(
            ("closed", "TCP ends"),
            "the end of TCP after all is closed",
            "Nothing follows after closed: `ValueError`.",
        ),
    ),
    make=lambda c: (c.pick(_STATES), c.pick(_STEPS)),
    hints=(
        "Write a dictionary: `(state, step)` -> next state. It has ten entries.",
        "A pair that does not stand in it cannot happen: `ValueError`.",
    ),
    wrong=(
        Wrong(
            "closing until their Close",
            '("open", "we say Close"): "closing"',
            '("open", "we say Close"): "closed"',
            tip="after our own Close nobody listens any more, so their last messages are lost.",
        ),
        Wrong(
            "both have said it",
            '("open", "they say Close"): "closed"',
            '("open", "they say Close"): "closing"',
            tip="after their Close nothing is left to wait for: our answer goes out at once.",
        ),
        Wrong(
            "not even another Close",
            '("closing", "they say Close"): "closed",',
            '("closing", "they say Close"): "closed", ("closing", "we say Close"): "closing",',
            tip="Close may be said twice.",
        ),
        Wrong(
            "KeyError",
            "if (state, step) not in transitions:",
            "if False:",
            tip="what cannot happen gives a `KeyError` by accident.",
        ),
        Wrong(
            "not even another Close",
            'raise ValueError(f"{step} cannot happen while {state}")',
            'return "closed"',
            tip="whatever cannot happen just closes the connection.",
        ),
    ),
    after="""`goim_edu.protocol.TRANSITIONS` is such a table, with one state more for the moment
        between their Close and our answer; `state_diagram()` draws it.""",
)

# ---------------------------------------------------------------------- 08.4

_GOOD_THEN_BAD = Predict(
    id="08.4",
    title="A good frame and a bad one",
    statement="""One read brings a good text and behind it a frame with a reserved opcode. Which
        events does a server's endpoint tell?""",
    options=(
        Option(
            "['Failed']",
            "The text came before the fault, and it was good. Why should it be lost?",
        ),
        Option(
            "['TextMessage', 'Failed']",
            """What was good before the fault is handed on; then the connection is failed, with
                1002.""",
            right=True,
        ),
        Option(
            "['TextMessage']",
            "The bad frame must not go unnoticed: a reserved opcode fails the connection (§5.2).",
        ),
        Option(
            "['TextMessage', 'Closed']",
            "`Closed` is told after a closing handshake, or when TCP ends. Here a rule was broken.",
        ),
    ),
    experiment=code("""
        from goim_edu.protocol import Endpoint, Side, build_frame

        read = build_frame("Hi", mask_key=b"abcd") + bytes.fromhex("83 80 00 00 00 00")
        server = Endpoint(Side.SERVER, already_open=True)
        [type(event).__name__ for event in server.receive_data(read)]
    """),
    hints=(
        "The bytes are read from the front, frame by frame.",
        "The last event says how it ended: `Closed` or `Failed`.",
    ),
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
    title="Does it matter where the network cuts?",
    statement="""`recorded()` is what a client sent. Cut it in two at every place, give both
        pieces to a new server endpoint, and note the list of all its events. How many cuts did
        you try, and how many different lists came out? The answer is a dictionary with `cuts`
        and `outcomes`.""",
    starter=code("""
        from goim_edu.exercises.chapter_08 import recorded
        from goim_edu.protocol import Endpoint, Side

        data = recorded()
        outcomes = set()
        for at in range(1, len(data)):
            server = Endpoint(Side.SERVER, already_open=True)
            first = server.receive_data(data[:at])
            outcomes.add(str(first))
        answer = {"cuts": len(data) - 1, "outcomes": len(outcomes)}
    """),
    solution=code("""
        from goim_edu.exercises.chapter_08 import recorded
        from goim_edu.protocol import Endpoint, Side

        data = recorded()
        outcomes = set()
        for at in range(1, len(data)):
            server = Endpoint(Side.SERVER, already_open=True)
            events = server.receive_data(data[:at]) + server.receive_data(data[at:])
            outcomes.add(str(events))
        answer = {"cuts": len(data) - 1, "outcomes": len(outcomes)}
    """),
    judge=_judge_cuts,
    wrong=(
        ({"cuts": len(recorded()) - 1, "outcomes": 5}, "the different lists"),
        ({"cuts": 3, "outcomes": 1}, "Cut behind each byte"),
        (1, "dictionary"),
    ),
    hints=(
        "The starter forgets the second piece: `server.receive_data(data[at:])`.",
        "`first + second` joins the lists; `str(...)` of it goes into the set.",
    ),
    after="One outcome: that is what makes a decoder of a stream. The tests do it for all streams.",
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
    title="Mend a reader that believes in reads",
    kind="mend",
    statement="""`pieces` is what a server's socket gave, read by read. `texts(pieces)` shall
        give back all text messages in it. This one believes that each read is one message. Mend
        it.""",
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
        Case(([_HI],), "one text in one read", "One event, and it is a `TextMessage`."),
        Case(([_HI + _HI],), "two texts in one read", "`receive_data` may give several events."),
        Case(
            ([_HI[:3], _HI[3:]],),
            "one text in two reads",
            """Nothing is complete after the first read, so it gives no event. The endpoint
                remembers what it has got, so it must be the same one for all reads.""",
        ),
        Case(
            ([build_frame(b"", Opcode.PING, mask_key=_KEY) + _HI],),
            "a Ping before the text",
            "Other events come, too: take the `TextMessage`s only.",
        ),
        Case(([],), "no read at all", "No text."),
    ),
    make=_conversation,
    hints=(
        "Make one endpoint before the loop.",
        "An inner loop goes through all events of a read.",
        "`isinstance(event, TextMessage)` picks the texts.",
    ),
    wrong=(
        Wrong(
            "the same one for all reads",
            whole="""
                from goim_edu.protocol import Endpoint, Side, TextMessage

                def texts(pieces):
                    found = []
                    for piece in pieces:
                        server = Endpoint(Side.SERVER, already_open=True)
                        for event in server.receive_data(piece):
                            if isinstance(event, TextMessage):
                                found.append(event.data)
                    return found
            """,
            tip="there is a new endpoint for each read, so what was cut is forgotten.",
        ),
        Wrong(
            "several events",
            "events = server.receive_data(piece)",
            "events = server.receive_data(piece)[:1]",
            tip="only the first event of each read is taken.",
        ),
        Wrong(
            "TextMessage`s only",
            "event.data for event in events if isinstance(event, TextMessage)",
            'getattr(event, "data", "") for event in events',
            tip="every event is taken for a text.",
        ),
        Wrong(
            "a `list` is wanted",
            "return found",
            'return "".join(found)',
            tip="the texts are glued together.",
        ),
    ),
    after="That is the whole trick of sans-I/O: the endpoint knows no socket, only bytes.",
)

EXERCISES: tuple[Exercise, ...] = (
    _EVENTS,
    _REPLY,
    _STATE,
    _GOOD_THEN_BAD,
    _CUTS,
    _TEXTS,
)
