"""Exercises of chapter 01: why WebSocket (RFC 9110, RFC 9112, RFC 6202, RFC 6455 §1.1)."""

from __future__ import annotations

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
from goim_edu.websocket.frames import build_frame

__all__ = ["EXERCISES", "POLL_REQUEST", "POLL_RESPONSE"]

POLL_REQUEST: Final = (
    b"GET /messages?since=41 HTTP/1.1\r\n"
    b"Host: chat.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
    b"Accept: application/json\r\n"
    b"Accept-Language: en\r\n"
    b"Cookie: session=4f2a9c1b7d3e8f60\r\n"
    b"\r\n"
)
"""One poll of a page, shorter than most browsers write it."""

POLL_RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\n"
    b"Date: Mon, 23 Nov 2026 13:56:00 GMT\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: 2\r\n"
    b"\r\n"
    b"[]"
)
"""The answer when there is nothing new."""

# ---------------------------------------------------------------------- 01.1

_AFTERWARDS = Predict(
    id="01.1",
    title="After the answer",
    statement="""A client sends an HTTP/1.1 request without any `Connection` header, and the
        server answers. What becomes of the TCP connection?""",
    options=(
        Option(
            "The server closes it; each request needs a new one.",
            "So it was in HTTP/1.0. The notes say this, and the opposite in their next line.",
        ),
        Option(
            "It stays open only if the request had `Connection: keep-alive`.",
            "That header was an addition for HTTP/1.0. Version 1.1 does not need it.",
        ),
        Option(
            "It stays open for further requests.",
            "In HTTP/1.1 connections persist unless one side says `Connection: close`.",
            right=True,
        ),
        Option(
            "It becomes a WebSocket.",
            "Only after a request with `Upgrade: websocket` and an answer with status 101.",
        ),
    ),
    source="RFC 9112 §9.3.",
    hints=(
        "What changed from HTTP/1.0 to HTTP/1.1?",
        "Which header would *end* it?",
    ),
)

# ---------------------------------------------------------------------- 01.2

_WAIT = Predict(
    id="01.2",
    title="How late is polling?",
    statement="""A page polls every 4 seconds. Messages appear at any moment. How many seconds
        does one wait on average until a poll fetches it? (The network takes no time here.)""",
    answer=2,
    wrong={
        4: "That is the worst case: a message that appears right after a poll.",
        0: "That is the best case: a message that appears right before a poll.",
        1: "Shorter than average. Messages wait between 0 and 4 seconds, all equally likely.",
    },
    otherwise="Between 0 and 4 seconds, and each moment is equally likely: what is the middle?",
    experiment=code("""
        waits = [4 - moment / 1000 for moment in range(1, 4001)]
        round(sum(waits) / len(waits))
    """),
    hints=(
        "A message right after a poll waits 4 seconds, one right before it none.",
        "The average is half of the interval.",
    ),
    after="Half the interval is the price in time; 01.6 measures the price in bytes.",
)

# ---------------------------------------------------------------------- 01.3


def delays(times: list[int], interval: int) -> list[int]:
    """How long each message waits for its poll; polls at ``interval``, twice that, and so on."""
    return [-time % interval for time in times]


_DELAYS = Function(
    id="01.3",
    title="Play polling through",
    statement="""A page polls at `interval`, 2 · `interval`, 3 · `interval` ... milliseconds.
        Write `delays(times, interval)`: for each time at which a message appears, how long it
        waits for the next poll. A message that appears at the very moment of a poll is fetched
        by it.""",
    starter="""
        def delays(times, interval):
            return [interval / 2 for time in times]
    """,
    reference=delays,
    cases=(
        Case(([1_000], 4_000), "a message at 1 s, polls every 4 s", "The poll at 4 s fetches it."),
        Case(
            ([4_001], 4_000),
            "a message just after a poll",
            "It has to wait for the next poll, at 8,000: that is the worst case.",
        ),
        Case(
            ([4_000], 4_000),
            "a message at the moment of a poll",
            "This poll still fetches it, so it does not wait at all.",
        ),
        Case(
            ([100, 100, 5_000], 4_000),
            "three messages, two at the same time",
            "One delay for each message, in the same order.",
        ),
        Case(([], 4_000), "no message", "No delay."),
    ),
    make=lambda c: (c.some(0, 5, lambda: c.integer(1, 20_000)), c.integer(1, 5_000)),
    hints=(
        "How far is it from `time` to the next multiple of `interval`?",
        "`time % interval` is how long the last poll is over; `interval` minus that is missing.",
        "For a moment on a poll that gives `interval` and should give 0: `% interval` once more.",
    ),
    wrong=(
        Wrong(
            "does not wait at all",
            "-time % interval",
            "interval - time % interval",
            tip="a message at the very moment of a poll waits for the next one.",
        ),
        Wrong(
            "The poll at 4 s fetches it",
            "-time % interval",
            "time % interval",
            tip="this is the time since the last poll, not until the next.",
        ),
        Wrong(
            "next poll, at 8,000",
            "-time % interval",
            "max(0, interval - time)",
            tip="only the first poll is reckoned with.",
        ),
    ),
    after="WebSocket has no such wait: the server speaks when it has something to say.",
)

# ---------------------------------------------------------------------- 01.4


def stays_open(version: str, connection: str) -> bool:
    """Whether a connection persists after this request (RFC 9112 §9.3)."""
    words = [word.strip() for word in connection.lower().split(",")]
    if "close" in words:
        return False
    return version >= "HTTP/1.1" or "keep-alive" in words


_KEEP_ALIVE = Function(
    id="01.4",
    title="Mend what the notes say about HTTP",
    kind="mend",
    statement="""The notes say that a connection only persists with a Keep-Alive header. Mend
        `stays_open(version, connection)`, for the version of HTTP and the text of the
        `Connection` header (empty if there is none): `close` always ends it; HTTP/1.1 else
        keeps it open, and HTTP/1.0 only if `keep-alive` is listed.""",
    starter="""
        def stays_open(version, connection):
            return connection == "keep-alive"
    """,
    reference=stays_open,
    cases=(
        Case(
            ("HTTP/1.1", ""),
            "HTTP/1.1 without the header",
            "In HTTP/1.1 connections persist by default (RFC 9112 §9.3).",
        ),
        Case(("HTTP/1.0", ""), "HTTP/1.0 without the header", "In HTTP/1.0 they did not."),
        Case(
            ("HTTP/1.0", "keep-alive"),
            "HTTP/1.0 with `keep-alive`",
            "For HTTP/1.0 that was the way to ask for it.",
        ),
        Case(("HTTP/1.1", "close"), "HTTP/1.1 with `close`", "`close` ends it in any version."),
        Case(
            ("HTTP/1.0", "Keep-Alive"),
            "HTTP/1.0 with `Keep-Alive`",
            "These words are compared without regard to capital letters.",
        ),
        Case(
            ("HTTP/1.1", "upgrade, close"),
            "HTTP/1.1 with `upgrade, close`",
            "The header is a list, and `close` stands in it.",
        ),
        Case(
            ("HTTP/1.0", "keep-alive, close"),
            "both words at once",
            "`close` wins (RFC 9112 §9.3 asks for it first).",
        ),
    ),
    make=lambda c: (
        c.pick(("HTTP/1.1", "HTTP/1.0")),
        c.pick(("", "close", "keep-alive", "Close", "KEEP-ALIVE, x", "x, close", "te")),
    ),
    hints=(
        "Ask for `close` first, then for the version.",
        'The words of the header: `connection.lower().split(",")`, each stripped.',
    ),
    wrong=(
        Wrong(
            "persist by default",
            'version >= "HTTP/1.1" or "keep-alive" in words',
            '"keep-alive" in words',
            tip="HTTP/1.1 needs no header to keep a connection.",
        ),
        Wrong(
            "ends it in any version",
            'if "close" in words:\n        return False',
            "pass",
            tip="`close` is not looked for.",
        ),
        Wrong(
            "capital letters",
            "connection.lower()",
            "connection",
            tip="capital letters make a difference in yours.",
        ),
        Wrong(
            "header is a list",
            'if "close" in words:',
            'if connection.lower() == "close":',
            tip="`close` is only found if it stands alone.",
        ),
        Wrong(
            "did not",
            'return version >= "HTTP/1.1" or "keep-alive" in words',
            "return True",
            tip="HTTP/1.0 is taken for HTTP/1.1.",
        ),
    ),
    after="So WebSocket's gain is not the connection that is kept. It is who may speak first.",
)

# ---------------------------------------------------------------------- 01.5


def sse_messages(stream: str) -> list[str]:
    """The messages in a text/event-stream (WHATWG HTML, "Server-sent events")."""
    messages: list[str] = []
    data: list[str] = []
    for line in stream.split("\n")[:-1]:
        if not line and data:
            messages.append("\n".join(data))
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
    return messages


def _sse(c: Choices) -> tuple[str]:
    lines = c.some(0, 7, lambda: c.pick(("", "data: a", "data:b", ": ping", "data:", "id: 7", "")))
    return ("".join(f"{line}\n" for line in lines) + c.pick(("", "\n", "data: cut")),)


_SSE = Function(
    id="01.5",
    title="Read server-sent events",
    statement="""In an event stream a line `data: text` carries a line of a message, and an
        empty line ends the message. Write `sse_messages(stream)`: the list of the messages that
        are complete. Several `data:` lines make one message of several lines; one space behind
        `data:` does not count; all other lines, such as `: comment` or `id: 7`, are passed
        over.""",
    starter="""
        def sse_messages(stream):
            messages = []
            for line in stream.split("\\n"):
                if line.startswith("data:"):
                    messages.append(line[5:])
            return messages
    """,
    kind="mend",
    reference=sse_messages,
    cases=(
        Case(
            ("data: hello\n\n",),
            "one message",
            "One space behind the colon belongs to the format, not to the message.",
        ),
        Case(
            ("data: one\ndata: two\n\n",),
            "a message of two lines",
            "Up to the empty line it is one message; its lines are joined with a line end.",
        ),
        Case(("data: a\n\ndata: b\n\n",), "two messages", "Each empty line ends one."),
        Case(
            (": still here\n\ndata: a\n\n",),
            "a comment, which keeps proxies awake",
            "A comment and an empty line make no message: nothing without `data:` does.",
        ),
        Case(
            ("data: a\n\ndata: b\n",),
            "a message whose empty line has not come yet",
            "It is not complete: more lines of it may follow.",
        ),
        Case(("data:   x\n\n",), "three spaces", "One space goes, the others are the message's."),
        Case(
            ("data:\n\n",),
            "an empty `data:` line",
            "That is a message, an empty one: `['']`.",
        ),
    ),
    make=_sse,
    hints=(
        "Collect the `data:` lines in a list; at an empty line join them, and begin anew.",
        "`removeprefix(' ')` takes one space off, if it is there.",
        '`stream.split("\\n")[:-1]` leaves the part behind the last line end out.',
    ),
    wrong=(
        Wrong(
            "One space",
            '.removeprefix(" ")',
            "",
            tip="the space behind the colon is still there.",
        ),
        Wrong(
            "the message's",
            '.removeprefix(" ")',
            ".strip()",
            tip="all spaces are taken off; only the first one belongs to the format.",
        ),
        Wrong(
            "nothing without `data:`",
            "if not line and data:",
            "if not line:",
            tip="each empty line makes a message, even if there was no `data:`.",
        ),
        Wrong(
            "One space",
            'for line in stream.split("\\n")[:-1]:\n        if not line and data:',
            'for line in stream.split("\\n"):\n        if not line:',
            tip="each empty line makes a message, and so does the nothing behind the last one.",
        ),
        Wrong(
            "joined with a line end",
            '"\\n".join(data)',
            '"".join(data)',
            tip="the lines of a message are glued together.",
        ),
        Wrong(
            "not complete",
            "return messages",
            'return messages + (["\\n".join(data)] if data else [])',
            tip="what has no empty line yet is given out as well.",
        ),
    ),
    after="Server-sent events are a good answer, too, where only the server has news to tell.",
)

# ---------------------------------------------------------------------- 01.6

_NEWS: Final = '{"type":"message","seq":42,"text":"Hello"}'


def _judge_poll(answer: Any) -> str | None:
    if not isinstance(answer, dict) or set(answer) != {"poll", "frame", "ratio"}:
        return "A dictionary with the keys `poll`, `frame` and `ratio` is wanted."
    poll = len(POLL_REQUEST) + len(POLL_RESPONSE)
    frame = len(build_frame(_NEWS))
    if answer["poll"] in (len(POLL_REQUEST), len(POLL_RESPONSE)):
        return "`poll` has one half only: the request and the answer both go over the wire."
    if answer["poll"] != poll:
        return f"`poll` is {answer['poll']!r} in yours. Add the lengths of request and answer."
    if answer["frame"] == len(_NEWS):
        return "`frame` is the text alone. `build_frame(text)` puts a header before it."
    if answer["frame"] == len(build_frame(_NEWS, mask_key=bytes(4))):
        return "`frame` is masked in yours. This message goes from the server to the client."
    if answer["frame"] != frame:
        return f"`frame` is {answer['frame']!r} in yours. Measure `build_frame(text)`."
    if not isinstance(answer["ratio"], int | float) or abs(answer["ratio"] - poll / frame) > 0.5:
        return "`ratio` is how many times as many bytes a poll takes: `poll / frame`."
    return None


_POLL = Measure(
    id="01.6",
    title="An empty poll against a full frame",
    statement="""`POLL_REQUEST` and `POLL_RESPONSE` are one poll that brings nothing. How many
        bytes go over the wire for it (`poll`), how many for a frame in which the server sends a
        real message (`frame`), and how many times as many are the first (`ratio`)? The answer
        is a dictionary.""",
    starter=code("""
        from goim_edu.exercises.chapter_01 import POLL_REQUEST, POLL_RESPONSE
        from goim_edu.protocol import build_frame

        text = '{"type":"message","seq":42,"text":"Hello"}'
        answer = {"poll": len(POLL_REQUEST), "frame": len(text), "ratio": ...}
    """),
    solution=code("""
        from goim_edu.exercises.chapter_01 import POLL_REQUEST, POLL_RESPONSE
        from goim_edu.protocol import build_frame

        text = '{"type":"message","seq":42,"text":"Hello"}'
        poll = len(POLL_REQUEST) + len(POLL_RESPONSE)
        frame = len(build_frame(text))
        answer = {"poll": poll, "frame": frame, "ratio": poll / frame}
    """),
    judge=_judge_poll,
    wrong=(
        ({"poll": len(POLL_REQUEST), "frame": 44, "ratio": 5}, "one half only"),
        (
            {"poll": len(POLL_REQUEST + POLL_RESPONSE), "frame": len(_NEWS), "ratio": 5},
            "text alone",
        ),
        (
            {"poll": len(POLL_REQUEST + POLL_RESPONSE), "frame": len(_NEWS) + 6, "ratio": 5},
            "masked in yours",
        ),
        (
            {"poll": len(POLL_REQUEST + POLL_RESPONSE), "frame": len(_NEWS) + 2, "ratio": 0.1},
            "`poll / frame`",
        ),
        (7, "dictionary"),
    ),
    hints=(
        "`len(...)` counts bytes; a poll is a request and an answer.",
        "`len(build_frame(text))`: a server's frame, without a mask.",
    ),
    after="And most polls bring nothing. HTTP/2 would shorten the headers, but not the asking.",
)

# ---------------------------------------------------------------------- 01.7

_DUPLEX = Predict(
    id="01.7",
    title="Half duplex?",
    statement="""The notes say that HTTP is half duplex on TCP, so that only one side may send
        at a time. While a client still uploads a large body, may an HTTP/1.1 server begin its
        answer?""",
    options=(
        Option(
            "No, TCP carries bytes in one direction at a time.",
            "TCP is full duplex: both directions at once. WebSocket runs on the very same TCP.",
        ),
        Option(
            "No, HTTP forbids it.",
            "It does not. A server may answer early, for example to refuse the upload.",
        ),
        Option(
            "Yes. What HTTP lacks is something else: an answer without a question.",
            "HTTP is an exchange that the client begins. WebSocket takes that rule away.",
            right=True,
        ),
    ),
    source="RFC 9110 §3.3 and §3.4; RFC 9112 §9.5 on answers that come early.",
    hints=(
        "Think of an upload that the server refuses because it is too large.",
        "What exactly can an HTTP server not do, if the client asks nothing?",
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    _AFTERWARDS,
    _WAIT,
    _DELAYS,
    _KEEP_ALIVE,
    _SSE,
    _POLL,
    _DUPLEX,
)
