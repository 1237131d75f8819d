"""Exercises of chapter 09: the chat server and its promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict

__all__ = ["encode"]

# ---------------------------------------------------------------------- 09.1

_AGAIN = Predict(
    id="09.1",
    right="b",
    experiment="""
        from goim_edu.store import open_store

        with open_store("memory") as store:
            first = store.submit("lobby", "lisa", "Hello", client_msg_id="m1").result()
            again = store.submit("lobby", "lisa", "Hello!", client_msg_id="m1").result()
        first.seq == again.seq, again.duplicate, again.message.text
    """,
)

# ---------------------------------------------------------------------- 09.2


def number(sends: list[tuple[str, str, str]]) -> list[tuple[int, bool]]:
    """For each send its number in its room, and whether it had been there before."""
    last: dict[str, int] = {}
    known: dict[tuple[str, str], int] = {}
    answers = []
    for room_id, user_id, client_msg_id in sends:
        key = (user_id, client_msg_id)
        duplicate = key in known
        if not duplicate:
            last[room_id] = last.get(room_id, 0) + 1
            known[key] = last[room_id]
        answers.append((known[key], duplicate))
    return answers


def _sends(c: Choices) -> tuple[list[tuple[str, str, str]]]:
    def one() -> tuple[str, str, str]:
        room_id = c.pick(("lobby", "tea"))
        # an id is used in one room only: the same id in two rooms is an error of its own
        return room_id, c.pick(("lisa", "max")), f"{room_id[0]}{c.integer(1, 3)}"

    return (c.some(0, 6, one),)


_NUMBER = Function(
    id="09.2",
    starter="""
        def number(sends):
            answers = []
            for room_id, user_id, client_msg_id in sends:
                answers.append((len(answers) + 1, False))
            return answers
    """,
    reference=number,
    cases=(
        ([("lobby", "lisa", "m1")],),
        ([("lobby", "lisa", "m1"), ("lobby", "max", "n1")],),
        ([("lobby", "lisa", "m1"), ("tea", "lisa", "m2")],),
        ([("lobby", "lisa", "m1"), ("lobby", "lisa", "m1")],),
        ([("lobby", "lisa", "1"), ("lobby", "max", "1")],),
        ([("lobby", "lisa", "m1"), ("lobby", "lisa", "m1"), ("lobby", "lisa", "m2")],),
    ),
    make=_sends,
    wrong=(
        (
            "last[room_id] = last.get(room_id, 0) + 1\n            known[key] = last[room_id]",
            'last[""] = last.get("", 0) + 1\n            known[key] = last[""]',
        ),
        ("key = (user_id, client_msg_id)", 'key = ("", client_msg_id)'),
        ("duplicate = key in known", "duplicate = False"),
        (
            "        if not duplicate:\n",
            "",
            "    last[room_id] =",
            "last[room_id] =",
            "    known[key] = last[room_id]",
            "known.setdefault(key, last[room_id])",
        ),
    ),
)

# ---------------------------------------------------------------------- 09.3


def allowed(times: list[int], rate: int, burst: int) -> list[bool]:
    """Which requests a token bucket lets through."""
    tokens, last = burst, 0
    answers = []
    for now in times:
        tokens = min(burst, tokens + (now - last) * rate)
        last = now
        answers.append(tokens >= 1)
        if tokens >= 1:
            tokens -= 1
    return answers


_BUCKET = Function(
    id="09.3",
    starter="""
        def allowed(times, rate, burst):
            return [True for now in times]
    """,
    reference=allowed,
    cases=(
        ([0, 0, 0], 1, 2),
        ([0, 0, 1], 1, 2),
        ([0, 0, 0, 1], 1, 2),
        ([100, 100, 100], 1, 2),
        ([0, 0, 0, 3, 3, 3], 1, 3),
        ([], 1, 2),
    ),
    make=lambda c: (c.times(10, (0, 0, 1, 5)), c.integer(1, 3), c.integer(1, 5)),
    wrong=(
        ("min(burst, tokens + (now - last) * rate)", "tokens + (now - last) * rate"),
        ("if tokens >= 1:\n            tokens -= 1", "tokens -= 1"),
        ("(now - last) * rate", "(rate if now > last else 0)"),
        ("tokens, last = burst, 0", "tokens, last = 0, 0"),
    ),
)

# ---------------------------------------------------------------------- 09.4


def catch_up(missed: list[int], live: list[int], since: int) -> list[int]:
    """The numbers to show after a reconnect: each once, in order, only new ones."""
    return sorted({seq for seq in missed + live if seq > since})


_CATCH_UP = Function(
    id="09.4",
    kind="mend",
    starter="""
        def catch_up(missed, live, since):
            return missed + live
    """,
    reference=catch_up,
    cases=(
        ([8, 9], [10], 7),
        ([8, 9, 10], [10, 11], 7),
        ([6, 7, 8], [], 7),
        ([9], [8], 7),
        ([9], [12], 7),
        ([], [], 7),
    ),
    make=lambda c: (
        sorted(c.some(0, 5, lambda: c.integer(1, 12))),
        sorted(c.some(0, 5, lambda: c.integer(1, 12))),
        c.integer(0, 8),
    ),
    wrong=(
        (
            "sorted({seq for seq in missed + live if seq > since})",
            "sorted(seq for seq in missed + live if seq > since)",
        ),
        (" if seq > since", ""),
        ("seq > since", "seq >= since"),
        (
            "sorted({seq for seq in missed + live if seq > since})",
            "list(dict.fromkeys(seq for seq in missed + live if seq > since))",
        ),
    ),
)

# ---------------------------------------------------------------------- 09.5


def what_to_do(queued: int, size: int, kind: str, limit: int) -> str:
    """What to do with one more frame for a reader whose queue holds ``queued`` bytes."""
    if queued + size <= limit:
        return "send"
    return "drop" if kind in ("typing", "presence") else "close"


_SLOW = Function(
    id="09.5",
    starter="""
        def what_to_do(queued, size, kind, limit):
            return "send"
    """,
    reference=what_to_do,
    cases=(
        (0, 100, "message", 1_000),
        (900, 100, "message", 1_000),
        (950, 100, "message", 1_000),
        (950, 100, "typing", 1_000),
        (950, 100, "presence", 1_000),
        (950, 100, "ack", 1_000),
        (0, 100, "typing", 1_000),
        (950, 100, "history", 1_000),
    ),
    make=lambda c: (
        c.integer(0, 1_000),
        c.integer(1, 200),
        c.pick(("message", "ack", "typing", "presence", "joined", "read")),
        c.integer(500, 1_000),
    ),
    wrong=(
        ("queued + size <= limit", "queued + size < limit"),
        ('return "drop" if kind in ("typing", "presence") else "close"', 'return "drop"'),
        ('return "drop" if kind in ("typing", "presence") else "close"', 'return "close"'),
        ('kind in ("typing", "presence")', 'kind != "message"'),
        ("queued + size <= limit", "queued <= limit"),
    ),
)

# ---------------------------------------------------------------------- 09.6


def encode(message: dict[str, Any]) -> bytes:
    """A message as JSON bytes, as the wire has it.

    >>> encode({"type": "typing"})
    b'{"type":"typing"}'
    """
    import json

    return json.dumps(message, separators=(",", ":")).encode()


_MEMBERS: Final = 500


def _judge_fan_out(answer: Any) -> str | None:
    if not callable(answer):
        return "Your function itself is wanted: `answer = fan_out`."
    calls = 0

    def counting(message: dict[str, Any]) -> bytes:
        nonlocal calls
        calls += 1
        return encode(message)

    message = {"type": "message", "room_id": "lobby", "seq": 1, "text": "Hello"}
    queues: list[list[bytes]] = [[] for _ in range(_MEMBERS)]
    answer(message, queues, counting)
    if any(queue != [encode(message)] for queue in queues):
        return "Each member's queue should hold the bytes of the message once, and nothing else."
    if calls > 1:
        return f"The message was encoded {calls} times. The bytes are the same for all members."
    if any(queue[0] is not queues[0][0] for queue in queues):
        return "The bytes were copied for each member. The very same object can be in all queues."
    return None


_FAN_OUT = Measure(
    id="09.6",
    starter="""
        def fan_out(message, queues, encode):
            for queue in queues:
                queue.append(encode(message))

        answer = fan_out
    """,
    solved=(
        "    for queue",
        "    data = encode(message)\n    for queue",
        "append(encode(message))",
        "append(data)",
    ),
    judge=_judge_fan_out,
    wrong=(
        (1, "function itself"),
        (lambda message, queues, encode: None, "once, and nothing else"),
        (lambda message, queues, encode: [q.append(encode(message)) for q in queues], "500 times"),
        (lambda message, queues, encode: _copy_to_all(encode(message), queues), "very same object"),
    ),
)


def _copy_to_all(data: bytes, queues: list[list[bytes]]) -> None:
    for queue in queues:
        queue.append(bytes(bytearray(data)))


# ---------------------------------------------------------------------- 09.7


def handle(send: Callable[..., None], store: Callable[..., int], text: str) -> list[int]:
    """Persist, then acknowledge, then fan out; returns the numbers that were acknowledged."""
    seq = store(text)
    send("ack", seq)
    send("message", seq)
    return [seq]


def _with_a_log(
    function: Callable[..., Any], text: str, works: bool, number: int = 7
) -> tuple[str, ...]:
    """What happened, in order; the store works or is down."""
    log: list[str] = []

    def store(what: str) -> int:
        if not works:
            log.append("store fails")
            raise RuntimeError("the store is down")
        log.append(f"stored {what!r}")
        return number

    def send(kind: str, seq: int | None = None) -> None:
        log.append(kind if seq is None else f"{kind} {seq}")

    try:
        function(send, store, text)
    except RuntimeError:
        log.append("error raised")
    return tuple(log)


_IN_ORDER = Function(
    id="09.7",
    kind="mend",
    starter="""
        def handle(send, store, text):
            send("ack", 7)
            send("message", 7)
            store(text)
    """,
    reference=handle,
    drive=_with_a_log,
    usage="handle(send, store, {0})  # the store works: {1}; its number: {2}",
    cases=(("Hello", True, 7), ("Hello", False, 7), (" again 😀 ", True, 12)),
    wrong=(
        (
            'seq = store(text)\n    send("ack", seq)\n    send("message", seq)',
            'send("ack", 7)\n    seq = store(text)\n    send("message", seq)',
        ),
        (
            'send("ack", seq)\n    send("message", seq)',
            'send("message", seq)\n    send("ack", seq)',
        ),
        (
            "seq = store(text)",
            "try:\n        seq = store(text)\n    except RuntimeError:\n        seq = 0",
        ),
        ('send("message", seq)', "pass"),
        (
            'seq = store(text)\n    send("ack", seq)\n    send("message", seq)',
            'store(text)\n    send("ack", 7)\n    send("message", 7)',
            "return [seq]",
            "return [7]",
        ),
    ),
)
