"""Polling, long polling, event stream and WebSocket: news from one real server in four ways.

``News`` is that server, on real sockets of this machine. ``race`` lets a client listen in all four
ways at the same time and records every byte. ``Wire`` is one connection to the server, for lessons
that write the bytes themselves.
"""

import contextlib
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from time import monotonic
from typing import Final, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from goim_edu.capture import Record
from goim_edu.lab.raw_client import HOST, Wire
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.websocket.handshake import build_request, generate_accept, generate_key

__all__ = ["BROWSER", "Lane", "News", "Wire", "race"]

_Request = socket.socket | tuple[bytes, socket.socket]  # as socketserver has it

BROWSER: Final = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
    ("Accept-Language", "en"),
    ("Cookie", "session=4f2a9c1b7d3e8f60"),
)
"""A few of the header fields that a browser adds to each request; most browsers add more."""

_PATIENCE: Final = 10.0  # seconds for what must come
_READ: Final = 65_536  # bytes at once
_LONGEST_WAIT: Final = 30.0  # seconds until a long poll is answered with no news
_LARGEST_BODY: Final = 1_000  # bytes; more are refused before they come


class News(socketserver.ThreadingTCPServer):
    r"""A web server of this machine that has news, and four ways to hear it.

    ``GET /poll?since=0`` answers at once with a list of the news after that number, ``/long-poll``
    as soon as there is one, ``/events`` is an event stream, and ``/websocket`` opens a WebSocket.
    ``POST /say`` publishes its body, and so does a text frame. Any other ``POST`` of more than
    1,000 bytes is refused at once, while its body is still on the way.

    Attributes:
        port: where it listens.
        published: when each message appeared, on the monotonic clock, and its text.
        connections: how many connections it was asked for.

    >>> with News() as news, news.wire() as wire:
    ...     news.publish("hello")
    ...     wire.send("GET /poll?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    ...     wire.answer().body
    b'["hello"]'
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.published: list[tuple[float, str]] = []
        self.connections = 0
        self._changed = threading.Condition()
        self._listeners: list[Callable[[str], None]] = []
        super().__init__((HOST, 0), _NewsHandler)
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), name="News", daemon=True).start()

    def publish(self, text: str) -> None:
        """Tell it to all clients that listen, and to all that ask later."""
        with self._changed:
            self.published.append((monotonic(), text))
            for listener in self._listeners:
                with contextlib.suppress(OSError):  # the client has just left
                    listener(text)
            self._changed.notify_all()

    def since(self, number: int, patience: float = 0.0) -> list[str]:
        """Return the news after the first ``number``; wait for it up to ``patience`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.published) > number, patience)
            return [text for _, text in self.published[number:]]

    @contextlib.contextmanager
    def listening(
        self, greet: Callable[[], None], listener: Callable[[str], None]
    ) -> Iterator[None]:
        """Call ``listener`` with each message from now on; ``greet`` goes before them."""
        with self._changed:
            greet()
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._changed:
                self._listeners.remove(listener)

    def wire(self) -> Wire:
        """Open a connection to it."""
        return Wire(self.port)

    def close(self) -> None:
        """Accept no more connections; twice does no harm."""
        self.shutdown()
        self.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def process_request(self, request: _Request, client_address: object) -> None:
        """Count it, and let a thread answer it."""
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: _Request, client_address: object) -> None:
        """Say nothing: a client that hangs up in the middle is nothing special."""

    def __repr__(self) -> str:
        return "<News: /poll, /long-poll, /events and /websocket>"


class _NewsHandler(BaseHTTPRequestHandler):
    """One connection to ``News``: its requests, one after the other."""

    server: News
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece

    def do_GET(self) -> None:
        """Answer a question for news."""
        url = urlsplit(self.path)
        asked = parse_qs(url.query).get("since", ["0"])[0]
        since = int(asked) if asked.isdecimal() else 0
        if url.path == "/poll":
            self._answer(200, json.dumps(self.server.since(since)))
        elif url.path == "/long-poll":
            self._answer(200, json.dumps(self.server.since(since, _LONGEST_WAIT)))
        elif url.path == "/events":
            self._stream_events()
        elif url.path == "/websocket" and "Sec-WebSocket-Key" in self.headers:
            self._open_websocket(generate_accept(self.headers["Sec-WebSocket-Key"]))
        else:
            self._answer(404, '"there is nothing here"')

    def do_POST(self) -> None:
        """Publish the body; refuse one that is too large before it has come."""
        length = self.headers.get("Content-Length", "0")
        left = int(length) if length.isdecimal() else 0
        if left > _LARGEST_BODY:
            self._answer(413, f'"{left} bytes are too many"')
            self.wfile.flush()
            while left > 0 and (piece := self.rfile.read(min(left, _READ))):
                left -= len(piece)
        else:
            text = self.rfile.read(left).decode(errors="replace")
            if self.path == "/say":
                self.server.publish(text)
            self._answer(200, '"heard"')

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def _stream_events(self) -> None:
        """Send an event for each message until the client hangs up (WHATWG HTML)."""

        def greet() -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-cache")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.flush()

        def tell(text: str) -> None:
            lines = "".join(f"data: {line}\n" for line in text.split("\n"))
            self.connection.sendall(f"{lines}\n".encode())

        self.close_connection = True
        with self.server.listening(greet, tell):
            while self.connection.recv(_READ):
                pass  # a client that listens to events has nothing more to say

    def _open_websocket(self, accept: str) -> None:
        def greet() -> None:
            self.send_response_only(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", accept)
            self.end_headers()
            self.wfile.flush()

        def tell(text: str) -> None:
            self.connection.sendall(build_frame(text))

        self.close_connection = True
        decoder = FrameDecoder(masked=True)
        with self.server.listening(greet, tell):
            while piece := self.rfile.read1(_READ):
                for frame in decoder.feed(piece):
                    if frame.opcode is Opcode.TEXT:
                        self.server.publish(frame.payload.decode())
                    elif frame.opcode is Opcode.CLOSE:
                        self.connection.sendall(build_frame(frame.payload, Opcode.CLOSE))
                        return

    def version_string(self) -> str:
        """The value of ``Server``: the same on every machine, so that bytes can be compared."""
        return "news"

    def log_message(self, *_: object) -> None:
        """Write no log: it would appear in the middle of a lesson."""


# ------------------------------------------------------------------ all four at the same time


class Lane(NamedTuple):
    """What one way to listen took in a race.

    Args:
        way: its name.
        records: its writes and reads, with their times.
        delays: seconds from the appearance of each message until the client had it.
    """

    way: str
    records: list[Record]
    delays: list[float]

    @property
    def requests(self) -> int:
        """How often the client had to ask."""
        return sum(record.direction == "in" for record in self.records)

    @property
    def bytes(self) -> int:
        """How many bytes went over the connection, both ways."""
        return sum(len(record.data) for record in self.records)


def race(
    news: News, moments: Sequence[float], *, polls: int = 16, interval: float = 0.2
) -> list[Lane]:
    """Let a client listen in each of the four ways while messages appear, and record every byte.

    Args:
        news: the server.
        moments: seconds from the start at which a message appears, in order.
        polls: how often the client that polls asks; the last poll must come after the last message.
        interval: seconds from one poll to the next.

    Returns:
        A lane for each way.

    Raises:
        ValueError: the polls end before the messages do.
        TimeoutError: a client has not heard everything in time.
    """
    if not moments or moments[-1] >= (polls - 1) * interval:
        raise ValueError("the last poll must come after the last message")
    course = _Course(len(news.published), len(moments), polls, interval)
    with ThreadPoolExecutor(len(_WAYS)) as pool, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(news.wire()) for _ in _WAYS]
        running = [
            pool.submit(listen, wire, course)
            for listen, wire in zip(_WAYS.values(), wires, strict=True)
        ]
        course.ready.wait(_PATIENCE)
        start = monotonic()
        for number, moment in enumerate(moments, 1):
            time.sleep(max(0.0, start + moment - monotonic()))
            news.publish(f"message {number} of {len(moments)}")
        heard = [one.result(_PATIENCE + polls * interval) for one in running]
    appeared = [when for when, _ in news.published[course.since :]]
    return [
        Lane(way, wire.records, [at - when for at, when in zip(times, appeared, strict=False)])
        for way, wire, times in zip(_WAYS, wires, heard, strict=True)
    ]


class _Course:
    """The course of a race: the same for all listeners."""

    def __init__(self, since: int, count: int, polls: int, interval: float) -> None:
        self.since = since
        self.count = count
        self.polls = polls
        self.interval = interval
        self.ready = threading.Barrier(len(_WAYS) + 1)


def _get(path: str, *fields: tuple[str, str]) -> str:
    lines = [f"{name}: {value}\r\n" for name, value in (("Host", "localhost"), *BROWSER, *fields)]
    return f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n"


def _ask(wire: Wire, path: str) -> list[str]:
    """Return the news that one request brings."""
    wire.send(_get(path))
    answer = wire.answer()
    return json.loads(answer.body) if answer else []


def _poll(wire: Wire, course: _Course) -> list[float]:
    course.ready.wait(_PATIENCE)
    start, heard = monotonic(), list[float]()
    for number in range(course.polls):
        time.sleep(max(0.0, start + number * course.interval - monotonic()))
        texts = _ask(wire, f"/poll?since={course.since + len(heard)}")
        heard += [monotonic()] * len(texts)
    return heard


def _long_poll(wire: Wire, course: _Course) -> list[float]:
    course.ready.wait(_PATIENCE)
    heard: list[float] = []
    while len(heard) < course.count:
        texts = _ask(wire, f"/long-poll?since={course.since + len(heard)}")
        heard += [monotonic()] * len(texts)
    return heard


def _events(wire: Wire, course: _Course) -> list[float]:
    wire.send(_get("/events", ("Accept", "text/event-stream")))
    wire.until("\r\n\r\n")
    course.ready.wait(_PATIENCE)
    return [monotonic() for _ in range(course.count) if wire.until("\n\n")]


def _websocket(wire: Wire, course: _Course) -> list[float]:
    wire.send(build_request("localhost", "/websocket", generate_key(), headers=BROWSER))
    wire.until("\r\n\r\n")
    course.ready.wait(_PATIENCE)
    return [monotonic() for _ in range(course.count) if wire.frame()]


_WAYS: Final = {
    "polling": _poll,
    "long polling": _long_poll,
    "event stream": _events,
    "WebSocket": _websocket,
}
