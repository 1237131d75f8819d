"""Exercises of chapter 09: the chat server and its promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

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

__all__ = ["EXERCISES", "encode"]

# ---------------------------------------------------------------------- 09.1

_AGAIN = Predict(
    id="09.1",
    title="The lost acknowledgement",
    statement="""A client sends `m1`; the message is stored, but the ack is lost. The client
        sends `m1` once more, with another text by mistake. What does the store say: has the
        second answer the same `seq` as the first, is it called a duplicate, and which text is
        kept?""",
    options=(
        Option(
            "(False, False, 'Hello!')",
            """That would be a second message. The pair of user and `client_msg_id` is the
                same, so it is the same message.""",
        ),
        Option(
            "(True, True, 'Hello')",
            "The first one stands, and its number is given again: sending twice does no harm.",
            right=True,
        ),
        Option(
            "(True, False, 'Hello!')",
            "A stored message is not overwritten: others may have read it already.",
        ),
        Option(
            "(False, True, 'Hello')",
            "If it is a duplicate, what number could it have but that of the first?",
        ),
    ),
    experiment=code("""
        from goim_edu.store import open_store

        with open_store("memory") as store:
            first = store.submit("lobby", "lisa", "m1", "Hello").result()
            again = store.submit("lobby", "lisa", "m1", "Hello!").result()
        first.seq == again.seq, again.duplicate, again.message.text
    """),
    hints=(
        "Promise 2 of the chat protocol: exactly one message per user and `client_msg_id`.",
        "What must the client learn, so that it can go on as if the first ack had come?",
    ),
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
    title="One order for each room",
    statement="""Write `number(sends)`. Each send is `(room_id, user_id, client_msg_id)`. Give
        back for each `(seq, duplicate)`: in each room the numbers go 1, 2, 3 and so on. A pair
        of `user_id` and `client_msg_id` that was there before is a duplicate: it gets the
        number of the first, and takes no new one.""",
    starter="""
        def number(sends):
            answers = []
            for room_id, user_id, client_msg_id in sends:
                answers.append((len(answers) + 1, False))
            return answers
    """,
    reference=number,
    cases=(
        Case(([("lobby", "lisa", "m1")],), "the first message", "Numbers begin at 1."),
        Case(
            ([("lobby", "lisa", "m1"), ("lobby", "max", "n1")],),
            "two messages in one room",
            "The second one has the next number.",
        ),
        Case(
            ([("lobby", "lisa", "m1"), ("tea", "lisa", "m2")],),
            "two rooms",
            "Each room counts for itself.",
        ),
        Case(
            ([("lobby", "lisa", "m1"), ("lobby", "lisa", "m1")],),
            "the same message twice",
            "It is the same message, so it has the same number, and is called a duplicate.",
        ),
        Case(
            ([("lobby", "lisa", "1"), ("lobby", "max", "1")],),
            "two users who number their messages alike",
            "The id is the client's own: only together with the user it is one of a kind.",
        ),
        Case(
            (
                [
                    ("lobby", "lisa", "m1"),
                    ("lobby", "lisa", "m1"),
                    ("lobby", "lisa", "m2"),
                ],
            ),
            "a repetition, and then a new message",
            "The repetition takes no number, so the new message has number 2.",
        ),
    ),
    make=_sends,
    hints=(
        "Two dictionaries: room -> last number, and (user, id) -> its number.",
        "Look into the second one first; only if it is not there, count up.",
    ),
    wrong=(
        Wrong(
            "Each room counts for itself",
            "last[room_id] = last.get(room_id, 0) + 1\n            known[key] = last[room_id]",
            'last[""] = last.get("", 0) + 1\n            known[key] = last[""]',
            tip="all rooms share one counter.",
        ),
        Wrong(
            "together with the user",
            "key = (user_id, client_msg_id)",
            'key = ("", client_msg_id)',
            tip="only the `client_msg_id` is looked at, so one user's message hides another's.",
        ),
        Wrong(
            "duplicate",
            "duplicate = key in known",
            "duplicate = False",
            tip="nobody looks whether a message was there before.",
        ),
        Wrong(
            "takes no number",
            whole="""
                def number(sends):
                    last, known, answers = {}, {}, []
                    for room_id, user_id, client_msg_id in sends:
                        last[room_id] = last.get(room_id, 0) + 1
                        key = (user_id, client_msg_id)
                        duplicate = key in known
                        seq = known.setdefault(key, last[room_id])
                        answers.append((seq, duplicate))
                    return answers
            """,
            tip="the counter goes up before it is known whether the message is new.",
        ),
    ),
    after="In the server one writer thread of the store does this, for a whole batch in one step.",
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


def _requests(c: Choices) -> tuple[list[int], int, int]:
    now = 0
    times = []
    for _ in range(c.integer(0, 10)):
        now += c.pick((0, 0, 1, 5))
        times.append(now)
    return times, c.integer(1, 3), c.integer(1, 5)


_BUCKET = Function(
    id="09.3",
    title="A bucket of tokens",
    statement="""Each session has a bucket for `burst` tokens, full at time 0. Every second
        `rate` tokens are added, but never more than it holds. A request takes one token, or is
        refused if there is none. Write `allowed(times, rate, burst)`: for the times of the
        requests, in whole seconds and ascending, whether each is let through.""",
    starter="""
        def allowed(times, rate, burst):
            return [True for now in times]
    """,
    reference=allowed,
    cases=(
        Case(([0, 0, 0], 1, 2), "three at once, two tokens", "The third finds an empty bucket."),
        Case(
            ([0, 0, 1], 1, 2),
            "two at once, and one a second later",
            "After a second one token is back.",
        ),
        Case(
            ([0, 0, 0, 1], 1, 2),
            "one was refused, one comes a second later",
            "A refused request takes no token.",
        ),
        Case(
            ([100, 100, 100], 1, 2),
            "three at once after a long silence",
            "The bucket never holds more than `burst` tokens, however long it was quiet.",
        ),
        Case(
            ([0, 0, 0, 3, 3, 3], 1, 3),
            "a burst, three seconds of rest, and a burst again",
            "Tokens grow with the time that has passed: three seconds bring three.",
        ),
        Case(([], 1, 2), "no request", "No answer."),
    ),
    make=_requests,
    hints=(
        "Remember two numbers: the tokens, and the time of the last request.",
        "`tokens = min(burst, tokens + (now - last) * rate)`",
    ),
    wrong=(
        Wrong(
            "never holds more",
            "min(burst, tokens + (now - last) * rate)",
            "tokens + (now - last) * rate",
            tip="the bucket has no rim: after a quiet hour a flood may pass.",
        ),
        Wrong(
            "takes no token",
            "if tokens >= 1:\n            tokens -= 1",
            "tokens -= 1",
            tip="refused requests take tokens, too, so a client that is too fast stays locked out.",
        ),
        Wrong(
            "with the time that has passed",
            "(now - last) * rate",
            "(rate if now > last else 0)",
            tip="each request adds one second's tokens, however long it was quiet.",
        ),
        Wrong(
            "should give",
            "tokens, last = burst, 0",
            "tokens, last = 0, 0",
            tip="the bucket is empty at the start; it should be full.",
        ),
    ),
    after="The server's rule: 100 a second, bursts of 500, and Close 4429 for who keeps on.",
)

# ---------------------------------------------------------------------- 09.4


def catch_up(missed: list[int], live: list[int], since: int) -> list[int]:
    """The numbers to show after a reconnect: each once, in order, only new ones."""
    return sorted({seq for seq in missed + live if seq > since})


_CATCH_UP = Function(
    id="09.4",
    title="Mend a reconnect",
    kind="mend",
    statement="""A client has shown all messages up to `since` when its connection broke. After
        it has joined again, the numbers `missed` come from the history and `live` arrive as
        they are said; the same message may be in both, and the history may begin too early.
        Mend `catch_up(missed, live, since)`: the numbers to show, ascending, each once. Gaps
        are no fault: a crash may leave some (promise 3).""",
    starter="""
        def catch_up(missed, live, since):
            return missed + live
    """,
    reference=catch_up,
    cases=(
        Case(([8, 9], [10], 7), "two missed, one live", "Here they fit together."),
        Case(
            ([8, 9, 10], [10, 11], 7),
            "number 10 is in both",
            "A message is shown once, even if it comes on two ways.",
        ),
        Case(
            ([6, 7, 8], [], 7),
            "the history begins too early",
            "What is up to `since` has been shown already.",
        ),
        Case(
            ([9], [8], 7),
            "a live message overtakes the history",
            "The room has one order, and that is by number.",
        ),
        Case(([9], [12], 7), "gaps", "Gaps are no fault, and nothing is to be waited for."),
        Case(([], [], 7), "nothing was missed", "Nothing to show."),
    ),
    make=lambda c: (
        sorted(c.some(0, 5, lambda: c.integer(1, 12))),
        sorted(c.some(0, 5, lambda: c.integer(1, 12))),
        c.integer(0, 8),
    ),
    hints=("A `set` holds each number once.", "`sorted({... if seq > since})`"),
    wrong=(
        Wrong(
            "shown once",
            "sorted({seq for seq in missed + live if seq > since})",
            "sorted(seq for seq in missed + live if seq > since)",
            tip="what came on two ways is shown twice.",
        ),
        Wrong(
            "shown already",
            " if seq > since",
            "",
            tip="`since` is not looked at.",
        ),
        Wrong(
            "shown already",
            "seq > since",
            "seq >= since",
            tip="the message `since` itself is shown again.",
        ),
        Wrong(
            "one order",
            "sorted({seq for seq in missed + live if seq > since})",
            "list(dict.fromkeys(seq for seq in missed + live if seq > since))",
            tip="they are shown in the order in which they came.",
        ),
    ),
    after="The server's own room does this, so its clients never see a number twice.",
)

# ---------------------------------------------------------------------- 09.5


def what_to_do(queued: int, size: int, kind: str, limit: int) -> str:
    """What to do with one more frame for a reader whose queue holds ``queued`` bytes."""
    if queued + size <= limit:
        return "send"
    return "drop" if kind in ("typing", "presence") else "close"


_SLOW = Function(
    id="09.5",
    title="A reader that does not read",
    statement="""For each member the server keeps a queue of at most `limit` bytes. Write
        `what_to_do(queued, size, kind, limit)`, when `queued` bytes wait and a frame of `size`
        bytes is added: `"send"` if both fit; else `"drop"` for a frame of kind `"typing"` or
        `"presence"`, which is soon out of date, and `"close"` (1013) for all others: a message
        must never be missing in between.""",
    starter="""
        def what_to_do(queued, size, kind, limit):
            return "send"
    """,
    reference=what_to_do,
    cases=(
        Case((0, 100, "message", 1_000), "an empty queue", "It fits."),
        Case((900, 100, "message", 1_000), "it fits exactly", "1,000 bytes are not too many."),
        Case(
            (950, 100, "message", 1_000),
            "a message that does not fit",
            """A message may not be left out, for the member would never know. So the member is
                closed, and comes back with `since`.""",
        ),
        Case(
            (950, 100, "typing", 1_000),
            "a `typing` that does not fit",
            "Who misses that somebody typed has missed nothing: it is dropped.",
        ),
        Case((950, 100, "presence", 1_000), "a `presence` that does not fit", "Dropped as well."),
        Case(
            (950, 100, "ack", 1_000),
            "an `ack` that does not fit",
            "Only typing and presence may be dropped. An ack is waited for.",
        ),
        Case((0, 100, "typing", 1_000), "a `typing` with room enough", "It fits, so it is sent."),
    ),
    make=lambda c: (
        c.integer(0, 1_000),
        c.integer(1, 200),
        c.pick(("message", "ack", "typing", "presence")),
        c.integer(500, 1_000),
    ),
    hints=("Ask first whether it fits.", '`kind in ("typing", "presence")`'),
    wrong=(
        Wrong(
            "not too many",
            "queued + size <= limit",
            "queued + size < limit",
            tip="what fits exactly is refused.",
        ),
        Wrong(
            "may not be left out",
            'return "drop" if kind in ("typing", "presence") else "close"',
            'return "drop"',
            tip="messages are dropped, and nobody will ever notice.",
        ),
        Wrong(
            "it is dropped",
            'return "drop" if kind in ("typing", "presence") else "close"',
            'return "close"',
            tip="a member is thrown out for a frame that nobody needs any more.",
        ),
        Wrong(
            "An ack is waited for",
            'kind in ("typing", "presence")',
            'kind != "message"',
            tip="everything but messages is dropped, acks too.",
        ),
        Wrong(
            "does not fit",
            "queued + size <= limit",
            "queued <= limit",
            tip="the frame itself is not counted, so the limit is overrun by one frame.",
        ),
    ),
    after="Promise 5: one slow reader harms nobody. Its queue stands in `/metrics`.",
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
    title="Encode once",
    statement="""A message goes to 500 members. Make `fan_out(message, queues, encode)`, which
        puts the bytes of the message into each queue (a list), so that `encode` is called only
        once. Calls are counted, not seconds. The answer is your function.""",
    starter=code("""
        def fan_out(message, queues, encode):
            for queue in queues:
                queue.append(encode(message))

        answer = fan_out
    """),
    solution=code("""
        def fan_out(message, queues, encode):
            data = encode(message)
            for queue in queues:
                queue.append(data)

        answer = fan_out
    """),
    judge=_judge_fan_out,
    wrong=(
        (1, "function itself"),
        (lambda message, queues, encode: None, "once, and nothing else"),
        (
            lambda message, queues, encode: [q.append(encode(message)) for q in queues],
            "500 times",
        ),
        (
            lambda message, queues, encode: _copy_to_all(encode(message), queues),
            "very same object",
        ),
    ),
    hints=(
        "What in the loop does not depend on the queue?",
        "Call `encode` before the loop.",
    ),
    after="""The server goes further: all messages of one turn are joined, and each member gets
        them in one write.""",
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


def _with_a_log(function: Callable[..., Any], text: str, works: bool) -> tuple[str, ...]:
    """What happened, in order; the store works or is down."""
    log: list[str] = []

    def store(what: str) -> int:
        if not works:
            log.append("store fails")
            raise RuntimeError("the store is down")
        log.append("stored")
        return 7

    def send(kind: str, seq: int | None = None) -> None:
        log.append(kind if seq is None else f"{kind} {seq}")

    try:
        function(send, store, text)
    except RuntimeError:
        log.append("error raised")
    return tuple(log)


_IN_ORDER = Function(
    id="09.7",
    title="Mend the order of things",
    kind="mend",
    statement="""This server acknowledges at once and stores later, which is fast, and wrong:
        what was acknowledged may be lost. Mend `handle(send, store, text)`: `store(text)`
        stores and gives the number, `send("ack", seq)` tells the sender, `send("message", seq)`
        tells all members. Persist, then acknowledge, then fan out. If `store` raises, let it:
        nothing may be sent then. (What happens is written down; that is what you see compared.)""",
    starter="""
        def handle(send, store, text):
            send("ack", 7)
            send("message", 7)
            store(text)
    """,
    reference=handle,
    drive=_with_a_log,
    usage="handle(send, store, {0})  # the store works: {1}",
    cases=(
        Case(
            ("Hello", True),
            "the store works",
            """First stored, then the ack to the sender, then the message to all: what is
                acknowledged is never lost.""",
        ),
        Case(
            ("Hello", False),
            "the store is down",
            "Nothing was saved, so neither an ack nor the message may go out.",
        ),
    ),
    hints=(
        "`store` gives the number, so it has to come first anyway.",
        "If it raises, the lines behind it are not run: that is just right.",
    ),
    wrong=(
        Wrong(
            "First stored",
            'seq = store(text)\n    send("ack", seq)\n    send("message", seq)',
            'send("ack", 7)\n    seq = store(text)\n    send("message", seq)',
            tip="the ack goes out before the message is stored.",
        ),
        Wrong(
            "then the ack to the sender",
            'send("ack", seq)\n    send("message", seq)',
            'send("message", seq)\n    send("ack", seq)',
            tip="all others hear it before its sender has an ack.",
        ),
        Wrong(
            "neither an ack",
            whole="""
                def handle(send, store, text):
                    try:
                        seq = store(text)
                    except RuntimeError:
                        seq = 0
                    send("ack", seq)
                    send("message", seq)
            """,
            tip="the store's failure is swallowed, and an ack goes out all the same.",
        ),
        Wrong(
            "then the message to all",
            'send("message", seq)',
            "pass",
            tip="the members never hear of it.",
        ),
    ),
    after="`goim_edu/chat/session.py` and `room.py` follow this rule; promise 1 hangs on it.",
)

EXERCISES: tuple[Exercise, ...] = (
    _AGAIN,
    _NUMBER,
    _BUCKET,
    _CATCH_UP,
    _SLOW,
    _FAN_OUT,
    _IN_ORDER,
)
