"""Exercises of chapter 06: the heartbeat (RFC 6455 §5.5.2, §5.5.3)."""

from __future__ import annotations

from functools import cache
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
from goim_edu.websocket.frames import Opcode, build_frame, parse_frame
from goim_edu.websocket.heartbeat import Heartbeat, Verdict

__all__ = ["EXERCISES", "noticed_after"]

_KEY: Final = bytes.fromhex("37 fa 21 3d")


def noticed_after(interval: float, timeout: float, cut: float) -> float:
    """How long a cut goes unnoticed; until then the peer answers each ping at once.

    Args:
        interval: seconds from one ping to the next.
        timeout: seconds of silence after a ping until the peer counts as gone.
        cut: when the link is cut, in seconds after the start.

    Returns:
        Seconds from the cut to the verdict.

    >>> round(noticed_after(20, 10, cut=39), 1)
    11.0
    """
    heartbeat = Heartbeat(interval, timeout)
    now = heartbeat.next_event_at(0.0)
    while heartbeat.verdict(now) is not Verdict.SILENT:
        payload = heartbeat.ping_due(now)
        if payload is not None and now < cut:
            heartbeat.received_pong(payload, now + 0.001)
        now = heartbeat.next_event_at(now)
    return now - cut


# ---------------------------------------------------------------------- 06.1

_WORST = Predict(
    id="06.1",
    title="The worst moment to pull the plug",
    statement="""A server pings every 20 seconds and calls a client silent when nothing came for
        10 seconds after a ping. The link is cut at the worst possible moment. After how many
        seconds, at most, is that noticed?""",
    answer=30,
    wrong={
        10: "10 seconds are waited after a ping. But the cut may come long before the next ping.",
        20: "After up to 20 seconds the next ping is *sent*. Its answer is waited for, too.",
        40: "That would be two pings without an answer. One is enough here.",
        15: "That is about the middle. The worst case is asked for.",
    },
    otherwise="First the next ping must be due, then its answer must stay away long enough.",
    experiment=code("""
        from goim_edu.exercises.chapter_06 import noticed_after
        round(max(noticed_after(20, 10, cut / 10) for cut in range(1, 1_000)))
    """),
    hints=(
        "Worst is a cut right after a Pong came: the next ping is a whole interval away.",
        "Add up: interval and timeout.",
    ),
)

# ---------------------------------------------------------------------- 06.2


def answer_ping(data: bytes) -> bytes:
    """The Pong of a server to a client's Ping (RFC 6455 §5.5.3)."""
    ping, _ = parse_frame(data)
    return build_frame(ping.payload, Opcode.PONG)


_ANSWER = Function(
    id="06.2",
    title="Answer a Ping",
    statement="""A client's Ping comes in as the bytes of one masked frame. Write
        `answer_ping(data)`: the bytes of the frame with which a *server* answers.""",
    needs="from goim_edu.protocol import Opcode, build_frame, parse_frame",
    starter="""
        def answer_ping(data):
            ping, consumed = parse_frame(data)
            return ...
    """,
    reference=answer_ping,
    fields=frame_fields,
    cases=(
        Case(
            (build_frame(b"Hello", Opcode.PING, mask_key=_KEY),),
            "a Ping with `Hello` (RFC 6455 §5.7)",
            """A Pong (opcode 10) carries the very same data as its Ping (§5.5.3), unmasked: a
                server masks nothing.""",
        ),
        Case(
            (build_frame(b"", Opcode.PING, mask_key=_KEY),),
            "a Ping without data",
            "A Ping need not carry data, and then its Pong carries none (§5.5.2).",
        ),
        Case(
            (build_frame(bytes(range(125)), Opcode.PING, mask_key=_KEY),),
            "a Ping with 125 bytes, the most that it may have",
            "All 125 bytes go back.",
        ),
    ),
    make=lambda c: (build_frame(c.octets(0, 20), Opcode.PING, mask_key=bytes(c.octets(4, 4))),),
    hints=(
        "`ping.payload` is unmasked already.",
        "`build_frame(payload, opcode)` without a `mask_key` makes a server's frame.",
    ),
    wrong=(
        Wrong(
            "the very same data",
            "ping.payload",
            'b""',
            tip="the Pong is empty. Then the other side cannot tell which Ping it answers.",
        ),
        Wrong(
            "opcode",
            "Opcode.PONG",
            "Opcode.PING",
            tip="the answer is a Ping again, which the client must answer, and so on for ever.",
        ),
        Wrong(
            "a server masks nothing",
            "Opcode.PONG)",
            "Opcode.PONG, mask_key=ping.mask_key)",
            tip="the answer is masked. A client must close the connection then (§5.1).",
        ),
        Wrong(
            "the very same data",
            "ping, _ = parse_frame(data)",
            "ping = parse_frame(data)[0]._replace(payload=data[6:])",
            tip="the payload is sent back as it came, still masked.",
        ),
    ),
    after="An `Endpoint` does this by itself: after `receive_data` it is in `data_to_send()`.",
)

# ---------------------------------------------------------------------- 06.3


def round_trips(events: list[tuple[str, bytes, int]]) -> list[int | None]:
    """For each pong the time since its ping, None if it answers none."""
    sent: dict[bytes, int] = {}
    found = []
    for kind, payload, now in events:
        if kind == "ping":
            sent[payload] = now
        else:
            started = sent.pop(payload, None)
            found.append(None if started is None else now - started)
    return found


def _pulse(c: Choices) -> tuple[list[tuple[str, bytes, int]]]:
    now, number = 0, 0
    events = []
    for _ in range(c.integer(0, 8)):
        now += c.integer(1, 50)
        if c.flag():
            events.append(("pong", b"%d" % c.integer(1, max(1, number)), now))
        else:
            number += 1
            events.append(("ping", b"%d" % number, now))
    return (events,)


_ROUND_TRIPS = Function(
    id="06.3",
    title="Mend how the notes measure a round trip",
    kind="mend",
    statement="""The notes remember one time only, so a Pong is always compared with the latest
        Ping. But several Pings may be on their way, and a Pong may come unasked. Mend
        `round_trips(events)`: `events` are `("ping", payload, time)` when we sent one and
        `("pong", payload, time)` when one came, in milliseconds; each Ping has a payload of its
        own. Give back a list with one item for each Pong: the time since the Ping that it
        answers, or `None` if it answers none, or one that was answered before.""",
    starter="""
        def round_trips(events):
            last_ping = 0
            found = []
            for kind, payload, now in events:
                if kind == "ping":
                    last_ping = now
                else:
                    found.append(now - last_ping)
            return found
    """,
    reference=round_trips,
    cases=(
        Case(
            ([("ping", b"1", 100), ("pong", b"1", 130)],),
            "one Ping, one Pong",
            "130 - 100 is 30 milliseconds.",
        ),
        Case(
            ([("ping", b"1", 0), ("ping", b"2", 10), ("pong", b"1", 25), ("pong", b"2", 26)],),
            "two Pings before the first Pong",
            """The payload says which Ping a Pong answers. Several may be unanswered at a time
                (RFC 6455 §5.5.3 speaks of just that).""",
        ),
        Case(
            ([("pong", b"x", 5)],),
            "a Pong that nobody asked for",
            """An unsolicited Pong is legal (§5.5.3). It is a sign of life, but no measurement:
                `None`.""",
        ),
        Case(
            ([("ping", b"1", 0), ("pong", b"1", 20), ("pong", b"1", 900)],),
            "the same Pong twice",
            "The second Pong with this payload answers nothing any more: `None`.",
        ),
        Case(
            ([("ping", b"1", 0), ("ping", b"2", 10), ("pong", b"2", 30)],),
            "only the latest Ping is answered",
            "A peer may answer only the latest Ping (§5.5.3). That is one Pong, and one item.",
        ),
        Case(([],), "nothing happened", "No Pong, no item."),
    ),
    make=_pulse,
    hints=(
        "Keep a dictionary: payload of a Ping -> when it was sent.",
        """`sent.pop(payload, None)` finds the time, and forgets it, and gives `None` if it is
            not there.""",
    ),
    wrong=(
        Wrong(
            "which Ping a Pong answers",
            "started = sent.pop(payload, None)",
            "started = max(sent.values(), default=None)",
            tip="every Pong is compared with the latest Ping.",
        ),
        Wrong(
            "answers nothing any more",
            "sent.pop(payload, None)",
            "sent.get(payload)",
            tip="a Ping that was answered is not forgotten, so a second Pong counts as very slow.",
        ),
        Wrong(
            "KeyError",
            "sent.pop(payload, None)",
            "sent.pop(payload)",
            tip="a Pong that nobody asked for is not reckoned with.",
        ),
        Wrong(
            "unsolicited Pong is legal",
            "found.append(None if started is None else now - started)",
            "found.append(0 if started is None else now - started)",
            tip="a Pong that answers nothing counts as a round trip of 0. It is none: `None`.",
        ),
    ),
    after="""Use `time.monotonic()` for such times: `time.time()` jumps when somebody sets the
        clock.""",
)

# ---------------------------------------------------------------------- 06.4


def is_silent(log: list[tuple[int, str]], now: int, timeout: int) -> bool:
    """Whether nothing at all came for ``timeout`` seconds after a ping."""
    waiting_since = None
    for at, what in log:
        if what != "ping sent":
            waiting_since = None
        elif waiting_since is None:
            waiting_since = at
    return waiting_since is not None and now - waiting_since >= timeout


def _log(c: Choices) -> tuple[list[tuple[int, str]], int, int]:
    now = 0
    log = []
    for _ in range(c.integer(0, 6)):
        now += c.integer(1, 20)
        log.append((now, c.pick(("ping sent", "pong", "text"))))
    return log, now + c.integer(0, 30), 10


_SILENT = Function(
    id="06.4",
    title="Is anybody there?",
    statement="""Write `is_silent(log, now, timeout)`. `log` lists what happened on a
        connection, as `(seconds, what)`: `"ping sent"` by us, and `"pong"` or `"text"` that
        came. The peer is silent if we sent a ping, nothing at all has come since, and `timeout`
        seconds or more have passed since the *first* such ping.""",
    starter="""
        def is_silent(log, now, timeout):
            last_pong = 0
            for at, what in log:
                if what == "pong":
                    last_pong = at
            return now - last_pong >= timeout
    """,
    reference=is_silent,
    cases=(
        Case(([(20, "ping sent")], 25, 10), "five seconds after a ping", "There is time left."),
        Case(
            ([(20, "ping sent")], 30, 10),
            "ten seconds after a ping",
            "`timeout` seconds have passed, and nothing came.",
        ),
        Case(
            ([(20, "ping sent"), (21, "pong")], 39, 10),
            "long after a ping that was answered",
            "The ping was answered. Silence without an open ping proves nothing.",
        ),
        Case(
            ([(20, "ping sent"), (21, "text")], 35, 10),
            "a text came instead of a Pong",
            "Any byte is a sign of life: a client that talks is there, whatever its Pong does.",
        ),
        Case(
            ([(20, "ping sent"), (26, "ping sent")], 31, 10),
            "two pings, both unanswered",
            """The wait counts from the first of them: a new ping must not give new time, or a
                dead peer that is pinged often would live for ever.""",
        ),
        Case(([], 1_000, 10), "nothing ever happened", "Nobody asked, so nobody owes an answer."),
        Case(
            ([(20, "ping sent"), (21, "pong"), (40, "ping sent")], 50, 10),
            "the second ping stays unanswered",
            "What came before this ping does not answer it.",
        ),
    ),
    make=_log,
    hints=(
        "Go through the log and keep one number: since when we wait, or `None`.",
        "A ping sets it if it is `None`; anything that came sets it back to `None`.",
    ),
    wrong=(
        Wrong(
            "Any byte is a sign of life",
            whole="""
                def is_silent(log, now, timeout):
                    waiting_since = None
                    for at, what in log:
                        if what == "pong":
                            waiting_since = None
                        elif what == "ping sent" and waiting_since is None:
                            waiting_since = at
                    return waiting_since is not None and now - waiting_since >= timeout
            """,
            tip="only a Pong counts as life. Who sends texts all the time is called dead.",
        ),
        Wrong(
            "counts from the first",
            "elif waiting_since is None:",
            "else:",
            tip="each new ping gives the peer the whole time again.",
        ),
        Wrong(
            "seconds have passed",
            "now - waiting_since >= timeout",
            "now - waiting_since > timeout",
            tip="one moment too late: at exactly `timeout` seconds it is silent.",
        ),
        Wrong(
            "without an open ping",
            whole="""
                def is_silent(log, now, timeout):
                    heard = [at for at, what in log if what != "ping sent"]
                    pinged = [at for at, what in log if what == "ping sent"]
                    last = max(heard, default=0)
                    first = min((at for at in pinged if at > last), default=last)
                    return now - first >= timeout
            """,
            tip="silence counts without an open ping, too.",
        ),
    ),
    after="""`goim_edu.websocket.heartbeat.Heartbeat` knows one thing more: if our own loop was
        late, the peer is not blamed (`Verdict.WE_WERE_LATE`).""",
)

# ---------------------------------------------------------------------- 06.5


@cache
def _longest_times() -> dict[int, int]:
    """Interval -> the longest time that a cut goes unnoticed, in seconds."""
    return {
        interval: round(max(noticed_after(interval, 10, cut / 10) for cut in range(1, 1_500)))
        for interval in (5, 20, 60)
    }


def _judge_longest(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return "A dictionary is wanted: interval -> seconds."
    for interval, right in _longest_times().items():
        if interval not in answer:
            return f"The figure for an interval of {interval} seconds is missing."
        yours = answer[interval]
        if not isinstance(yours, int | float):
            return f"For {interval} seconds a number is wanted, not {yours!r}."
        if round(yours) == right:
            continue
        if round(yours) <= 10:
            return (
                f"For {interval} seconds you found {yours:g}: that is one lucky cut. Try many "
                "moments, and take the longest time."
            )
        return (
            f"For {interval} seconds you found {yours:g}. Did you try enough moments? Cut at every "
            "tenth of a second of some minutes."
        )
    return None


_INTERVAL = Measure(
    id="06.5",
    title="Interval against patience",
    statement="""With a timeout of 10 seconds: how long does a cut go unnoticed at most, with
        pings every 5, 20 and 60 seconds? `noticed_after(interval, timeout, cut)` plays it
        through with the package's own heartbeat and a clock that is not real. The answer is a
        dictionary, interval -> the longest time, rounded to seconds.""",
    starter=code("""
        from goim_edu.exercises.chapter_06 import noticed_after

        answer = {}
        for interval in (5, 20, 60):
            answer[interval] = round(noticed_after(interval, 10, cut=interval))
    """),
    solution=code("""
        from goim_edu.exercises.chapter_06 import noticed_after

        answer = {}
        for interval in (5, 20, 60):
            times = [noticed_after(interval, 10, cut / 10) for cut in range(1, 1500)]
            answer[interval] = round(max(times))
    """),
    judge=_judge_longest,
    wrong=(
        ({5: 10, 20: 10, 60: 10}, "one lucky cut"),
        ({5: 15, 20: 30, 60: 65}, "enough moments"),
        ({5: 15, 20: 30}, "60 seconds is missing"),
        ({5: "long", 20: 30, 60: 70}, "a number is wanted"),
        (15, "dictionary"),
    ),
    hints=(
        "Call it for many moments of the cut, and take `max(...)`.",
        "`[noticed_after(interval, 10, cut / 10) for cut in range(1, 1500)]`",
    ),
    after="""A short interval finds dead peers sooner, and costs more pings: that is the whole
        trade.""",
)

# ---------------------------------------------------------------------- 06.6

_RULES = Predict(
    id="06.6",
    title="Which of these breaks a rule?",
    statement="Three of these are allowed, though the notes forbid some of them. Which one is not?",
    options=(
        Option(
            "A Ping without any data.",
            "A Ping *may* carry data, up to 125 bytes; it need not (§5.5.2).",
        ),
        Option(
            "A second Ping while the first is not answered yet.",
            "That is allowed; the peer may then answer only the latest (§5.5.3).",
        ),
        Option(
            "A Pong that nobody asked for.",
            "That is allowed, and expects no answer: a heartbeat in one direction (§5.5.3).",
        ),
        Option(
            "A Ping of 126 bytes.",
            "Control frames carry at most 125 bytes (§5.5); the connection is failed with 1002.",
            right=True,
        ),
    ),
    source="RFC 6455 §5.5, §5.5.2 and §5.5.3.",
    hints=(
        "Look for the words MUST and MAY in RFC 6455 §5.5.2 and §5.5.3.",
        "All control frames share two limits: not fragmented, and not too long.",
    ),
)

# ---------------------------------------------------------------------- 06.7

_COST = Predict(
    id="06.7",
    title="What does a heartbeat cost?",
    statement="""A server pings 100,000 idle clients every 20 seconds, with 4 bytes of data in
        each Ping. How many bytes of frames does it write per second?""",
    answer=30_000,
    wrong={
        20_000: "That is the data alone. Each frame has a header of two bytes, too.",
        600_000: "That is one round of pings. It is spread over 20 seconds.",
        50_000: "With a masking key it would be so. A server does not mask.",
        400_000: "That is the data of one round: without headers, and not per second.",
    },
    otherwise="Bytes of one frame, times 100,000, divided by 20.",
    experiment=code("""
        from goim_edu.protocol import Opcode, build_frame
        len(build_frame(b"1234", Opcode.PING)) * 100_000 // 20
    """),
    hints=(
        "A server's Ping of 4 bytes: a header of two bytes and the data.",
        "100,000 clients in 20 seconds are 5,000 pings per second.",
    ),
    after="TCP and IP add some 40 bytes to each: small frames cost more envelope than letter.",
)

EXERCISES: tuple[Exercise, ...] = (
    _WORST,
    _ANSWER,
    _ROUND_TRIPS,
    _SILENT,
    _INTERVAL,
    _RULES,
    _COST,
)
