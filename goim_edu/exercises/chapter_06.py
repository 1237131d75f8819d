"""Exercises of chapter 06: the heartbeat (RFC 6455 §5.5.2, §5.5.3)."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from goim_edu.draw.wrong_bit import frame_fields
from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.websocket.frames import Opcode, build_frame, parse_frame
from goim_edu.websocket.heartbeat import Heartbeat, Verdict

__all__ = ["noticed_after"]

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
    answer=30,
    experiment="""
        from goim_edu.exercises.chapter_06 import noticed_after
        round(max(noticed_after(20, 10, cut / 10) for cut in range(1, 1_000)))
    """,
)

# ---------------------------------------------------------------------- 06.2


def answer_ping(data: bytes) -> bytes:
    """The Pong of a server to a client's Ping (RFC 6455 §5.5.3)."""
    ping, _ = parse_frame(data)
    return build_frame(ping.payload, Opcode.PONG)


_ANSWER = Function(
    id="06.2",
    needs="from goim_edu.protocol import Opcode, build_frame, parse_frame",
    starter="""
        def answer_ping(data):
            ping, consumed = parse_frame(data)
            return ...
    """,
    reference=answer_ping,
    fields=frame_fields,
    cases=(
        (build_frame(b"Hello", Opcode.PING, mask_key=_KEY),),
        (build_frame(b"", Opcode.PING, mask_key=_KEY),),
        (build_frame(bytes(range(125)), Opcode.PING, mask_key=_KEY),),
    ),
    make=lambda c: (build_frame(c.octets(0, 20), Opcode.PING, mask_key=bytes(c.octets(4, 4))),),
    wrong=(
        ("ping.payload", 'b""'),
        ("Opcode.PONG", "Opcode.PING"),
        ("Opcode.PONG)", "Opcode.PONG, mask_key=ping.mask_key)"),
        ("ping, _ = parse_frame(data)", "ping = parse_frame(data)[0]._replace(payload=data[6:])"),
    ),
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
    kind="mend",
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
        ([("ping", b"1", 100), ("pong", b"1", 130)],),
        ([("ping", b"1", 0), ("ping", b"2", 10), ("pong", b"1", 25), ("pong", b"2", 26)],),
        ([("pong", b"x", 5)],),
        ([("ping", b"1", 0), ("pong", b"1", 20), ("pong", b"1", 900)],),
        ([("ping", b"1", 0), ("ping", b"2", 10), ("pong", b"2", 30)],),
        ([],),
        ([("ping", b"1", 0), ("pong", b"1", 20), ("pong", b"1", 20)],),
    ),
    make=_pulse,
    wrong=(
        ("started = sent.pop(payload, None)", "started = max(sent.values(), default=None)"),
        ("sent.pop(payload, None)", "sent.get(payload)"),
        ("sent.pop(payload, None)", "sent.pop(payload)"),
        (
            "found.append(None if started is None else now - started)",
            "found.append(0 if started is None else now - started)",
        ),
    ),
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
        ([(20, "ping sent")], 25, 10),
        ([(20, "ping sent")], 30, 10),
        ([(20, "ping sent"), (21, "pong")], 39, 10),
        ([(20, "ping sent"), (21, "text")], 35, 10),
        ([(20, "ping sent"), (26, "ping sent")], 31, 10),
        ([], 1_000, 10),
        ([(20, "ping sent"), (21, "pong"), (40, "ping sent")], 50, 10),
        ([(20, "ping sent"), (20, "pong"), (20, "ping sent")], 30, 10),
    ),
    make=_log,
    wrong=(
        (
            'if what != "ping sent":',
            'if what == "pong":',
            "elif waiting_since",
            'elif what == "ping sent" and waiting_since',
        ),
        ("elif waiting_since is None:", "else:"),
        ("now - waiting_since >= timeout", "now - waiting_since > timeout"),
        """
            def is_silent(log, now, timeout):
                heard = [at for at, what in log if what != "ping sent"]
                pinged = [at for at, what in log if what == "ping sent"]
                last = max(heard, default=0)
                first = min((at for at in pinged if at > last), default=last)
                return now - first >= timeout
        """,
    ),
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
    starter="""
        from goim_edu.exercises.chapter_06 import noticed_after

        answer = {}
        for interval in (5, 20, 60):
            answer[interval] = round(noticed_after(interval, 10, cut=interval))
    """,
    solved=(
        "answer[interval] = round(noticed_after(interval, 10, cut=interval))",
        (
            "times = [noticed_after(interval, 10, cut / 10) for cut in range(1, 1500)]\n"
            "    answer[interval] = round(max(times))"
        ),
    ),
    judge=_judge_longest,
    wrong=(
        ({5: 10, 20: 10, 60: 10}, "one lucky cut"),
        ({5: 15, 20: 30, 60: 65}, "enough moments"),
        ({5: 15, 20: 30}, "60 seconds is missing"),
        ({5: "long", 20: 30, 60: 70}, "a number is wanted"),
        (15, "dictionary"),
    ),
)

# ---------------------------------------------------------------------- 06.6

_RULES = Predict(id="06.6", right="d")

# ---------------------------------------------------------------------- 06.7

_COST = Predict(
    id="06.7",
    answer=30_000,
    experiment="""
        from goim_edu.protocol import Opcode, build_frame
        len(build_frame(b"1234", Opcode.PING)) * 100_000 // 20
    """,
)
