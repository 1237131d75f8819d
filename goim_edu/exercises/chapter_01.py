"""Exercises of chapter 01: why WebSocket (RFC 9110, RFC 9112, RFC 6202, RFC 6455 §1.1)."""

from __future__ import annotations

from typing import Any, Final

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.websocket.frames import build_frame

__all__ = ["POLL_REQUEST", "POLL_RESPONSE"]

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

_AFTERWARDS = Predict(id="01.1", right="c")

# ---------------------------------------------------------------------- 01.2

_WAIT = Predict(
    id="01.2",
    answer=2,
    experiment="""
        waits = [4 - moment / 1000 for moment in range(1, 4001)]
        round(sum(waits) / len(waits))
    """,
)

# ---------------------------------------------------------------------- 01.3


def delays(times: list[int], interval: int) -> list[int]:
    """How long each message waits for its poll; polls at ``interval``, twice that, and so on."""
    return [-time % interval for time in times]


_DELAYS = Function(
    id="01.3",
    starter="""
        def delays(times, interval):
            return [interval / 2 for time in times]
    """,
    reference=delays,
    cases=(
        ([1_000], 4_000),
        ([4_001], 4_000),
        ([4_000], 4_000),
        ([100, 100, 5_000], 4_000),
        ([], 4_000),
        ([1_000], 300),
    ),
    make=lambda c: (c.some(0, 5, lambda: c.integer(1, 20_000)), c.integer(1, 5_000)),
    wrong=(
        ("-time % interval", "interval - time % interval"),
        ("-time % interval", "time % interval"),
        ("-time % interval", "max(0, interval - time)"),
    ),
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
    kind="mend",
    starter="""
        def stays_open(version, connection):
            return connection == "keep-alive"
    """,
    reference=stays_open,
    cases=(
        ("HTTP/1.1", ""),
        ("HTTP/1.0", ""),
        ("HTTP/1.0", "keep-alive"),
        ("HTTP/1.1", "close"),
        ("HTTP/1.0", "Keep-Alive"),
        ("HTTP/1.1", "upgrade, close"),
        ("HTTP/1.0", "keep-alive, close"),
    ),
    make=lambda c: (
        c.pick(("HTTP/1.1", "HTTP/1.0")),
        c.pick(("", "close", "keep-alive", "Close", "KEEP-ALIVE, x", "x, close", "te")),
    ),
    wrong=(
        ('version >= "HTTP/1.1" or "keep-alive" in words', '"keep-alive" in words'),
        ('if "close" in words:\n        return False', "pass"),
        ("connection.lower()", "connection"),
        ('if "close" in words:', 'if connection.lower() == "close":'),
        ('return version >= "HTTP/1.1" or "keep-alive" in words', "return True"),
    ),
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
        ("data: hello\n\n",),
        ("data: one\ndata: two\n\n",),
        ("data: a\n\ndata: b\n\n",),
        (": still here\n\ndata: a\n\n",),
        ("data: a\n\ndata: b\n",),
        ("data:   x\n\n",),
        ("data:\n\n",),
        ("data: Hello 好\n\n",),
    ),
    make=_sse,
    wrong=(
        ('.removeprefix(" ")', ""),
        ('.removeprefix(" ")', ".strip()"),
        ("if not line and data:", "if not line:"),
        (
            'for line in stream.split("\\n")[:-1]:\n        if not line and data:',
            'for line in stream.split("\\n"):\n        if not line:',
        ),
        ('"\\n".join(data)', '"".join(data)'),
        ("return messages", 'return messages + (["\\n".join(data)] if data else [])'),
    ),
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
    starter="""
        from goim_edu.exercises.chapter_01 import POLL_REQUEST, POLL_RESPONSE
        from goim_edu.protocol import build_frame

        text = '{"type":"message","seq":42,"text":"Hello"}'
        answer = {"poll": len(POLL_REQUEST), "frame": len(text), "ratio": ...}
    """,
    solved=(
        "answer = ",
        "poll = len(POLL_REQUEST) + len(POLL_RESPONSE)\nanswer = ",
        "answer = ",
        "frame = len(build_frame(text))\nanswer = ",
        '"poll": len(POLL_REQUEST), "frame": len(text), "ratio": ...',
        '"poll": poll, "frame": frame, "ratio": poll / frame',
    ),
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
)

# ---------------------------------------------------------------------- 01.7

_DUPLEX = Predict(id="01.7", right="c")
