"""Polling, long polling, event stream and WebSocket: news from one real server in four ways.

``News`` is that server, on real sockets of this machine. ``race`` lets a client listen in all four
ways at the same time and records every byte. ``Wire`` is one connection to the server, for lessons
that write the bytes themselves.
"""

import asyncio
import contextlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from time import monotonic
from typing import Final, NamedTuple, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from goim_edu.capture import Record
from goim_edu.errors import RemoteProtocolError
from goim_edu.lab.raw_client import HOST, Heard, Wire, count
from goim_edu.lab.stream_server import StreamServer
from goim_edu.runtime import platform
from goim_edu.transport.memory_network import running_loop
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.frames import Frame, Opcode, build_frame
from goim_edu.websocket.handshake import Response, build_request, generate_accept, generate_key

__all__ = ["BROWSER", "Lane", "News", "Wire", "race"]

T = TypeVar("T")

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


class News(StreamServer):
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

    def __init__(self) -> None:
        self.published: list[tuple[float, str]] = []
        self.connections = 0
        self._changed: set[asyncio.Event] = set()
        self._listeners: list[Callable[[str], None]] = []
        super().__init__()

    def publish(self, text: str) -> None:
        """Tell it to all clients that listen, and to all that ask later."""
        self._background.call(lambda: self.tell(text))

    def tell(self, text: str) -> None:
        """The same, inside the server's loop."""
        self.published.append((monotonic(), text))
        for listener in tuple(self._listeners):
            listener(text)
        for event in self._changed:
            event.set()

    async def since(self, number: int, patience: float = 0.0) -> list[str]:
        """Return the news after the first ``number``; wait for it up to ``patience`` seconds."""
        event = asyncio.Event()
        self._changed.add(event)
        try:
            async with asyncio.timeout(patience):
                while len(self.published) <= number and patience:
                    event.clear()
                    await event.wait()
        except TimeoutError:
            pass  # then there is none
        finally:
            self._changed.discard(event)
        return [text for _, text in self.published[number:]]

    @contextlib.contextmanager
    def listening(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Call ``listener`` with each message from now on, inside the server's loop."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def wire(self) -> Wire:
        """Open a connection to it."""
        return Wire(self.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while await _Answering(self, reader, writer).one():
                pass

    def __repr__(self) -> str:
        return "<News: /poll, /long-poll, /events and /websocket>"


class _Head(BaseHTTPRequestHandler):
    """The head of a request, read by the standard library, and the head of its answer."""

    protocol_version = "HTTP/1.1"

    def __init__(self, head: bytes) -> None:
        self.client_address = (HOST, 0)
        self.wfile = self.octets = io.BytesIO()
        line, _, fields = head.partition(b"\n")
        self.raw_requestline = line + b"\n"
        self.rfile = io.BytesIO(fields)
        self.close_connection = True
        self.is_good = self.parse_request()

    def answer(self, status: int, fields: Mapping[str, str], body: bytes = b"") -> bytes:
        """Return the octets of an answer; 101 has none of the usual fields."""
        self.wfile = octets = io.BytesIO()
        (self.send_response_only if status == 101 else self.send_response)(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        return octets.getvalue() + body

    def version_string(self) -> str:
        """The value of ``Server``: the same on every machine, so that bytes can be compared."""
        return "news"

    def log_message(self, *_: object) -> None:
        """Write no log: it would appear in the middle of a lesson."""


class _Answering:
    """One request to ``News``, and its answer."""

    def __init__(
        self, news: News, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._news, self._reader, self._writer = news, reader, writer

    async def one(self) -> bool:
        """Answer the next request; return whether another may follow."""
        self._head = head = _Head(await self._reader.readuntil(b"\r\n\r\n"))
        if not head.is_good or head.command not in ("GET", "POST"):
            self._writer.write(head.octets.getvalue())
            return False
        stays = await (self._get() if head.command == "GET" else self._post())
        await self._writer.drain()
        return stays and not head.close_connection

    async def _get(self) -> bool:
        """Answer a question for news."""
        url = urlsplit(self._head.path)
        asked = parse_qs(url.query).get("since", ["0"])[0]
        since = int(asked) if asked.isdecimal() else 0
        key = self._head.headers["Sec-WebSocket-Key"]
        if url.path == "/poll":
            self._say(200, json.dumps(await self._news.since(since)))
        elif url.path == "/long-poll":
            self._say(200, json.dumps(await self._news.since(since, _LONGEST_WAIT)))
        elif url.path == "/events":
            return await self._stream_events()
        elif url.path == "/websocket" and key:
            return await self._open_websocket(generate_accept(key))
        else:
            self._say(404, '"there is nothing here"')
        return True

    async def _post(self) -> bool:
        """Publish the body; refuse one that is too large before it has come."""
        length = self._head.headers.get("Content-Length", "0")
        left = int(length) if length.isdecimal() else 0
        if left > _LARGEST_BODY:
            self._say(413, f'"{left} bytes are too many"')
            while left > 0 and (piece := await self._reader.read(min(left, _READ))):
                left -= len(piece)
        else:
            text = (await self._reader.readexactly(left)).decode(errors="replace")
            if self._head.path == "/say":
                self._news.tell(text)
            self._say(200, '"heard"')
        return True

    def _say(self, status: int, body: str) -> None:
        data = body.encode()
        fields = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        self._writer.write(self._head.answer(status, fields, data))

    async def _stream_events(self) -> bool:
        """Send an event for each message until the client hangs up (WHATWG HTML)."""
        fields = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache",
            "Connection": "close",
        }
        self._writer.write(self._head.answer(200, fields))

        def tell(text: str) -> None:
            lines = "".join(f"data: {line}\n" for line in text.split("\n"))
            self._writer.write(f"{lines}\n".encode())

        with self._news.listening(tell):
            while await self._reader.read(_READ):
                pass  # a client that listens to events has nothing more to say
        return False

    async def _open_websocket(self, accept: str) -> bool:
        fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
        self._writer.write(self._head.answer(101, fields))
        decoder = FrameDecoder(masked=True)
        with (
            self._news.listening(lambda text: self._writer.write(build_frame(text))),
            contextlib.suppress(RemoteProtocolError),  # a broken client: that is the end of it
        ):
            while piece := await self._reader.read(_READ):
                for frame in decoder.feed(piece):
                    if frame.opcode is Opcode.TEXT:
                        self._news.tell(frame.payload.decode())
                    elif frame.opcode is Opcode.CLOSE:
                        self._writer.write(build_frame(frame.payload, Opcode.CLOSE))
                        return False
        return False


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
        return count(self.records, "in") + count(self.records, "out")


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
    background = platform().background("race")
    try:
        longest = _PATIENCE + max(moments[-1], polls * interval)
        return background.run(_race(news, moments, polls, interval), longest)
    finally:
        background.close()


async def _race(news: News, moments: Sequence[float], polls: int, interval: float) -> list[Lane]:
    running_loop()
    course = _Course(len(news.published), len(moments), polls, interval)
    racers = [await _Racer.at(news.port) for _ in _WAYS]
    ways = [
        asyncio.create_task(listen(racer, course))
        for listen, racer in zip(_WAYS.values(), racers, strict=True)
    ]
    try:
        await course.line_up()
        start = monotonic()
        for number, moment in enumerate(moments, 1):
            await asyncio.sleep(max(0.0, start + moment - monotonic()))
            news.publish(f"message {number} of {len(moments)}")
        heard = await asyncio.gather(*ways)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for racer in racers:
            racer.close()
    appeared = [when for when, _ in news.published[course.since :]]
    return [
        Lane(way, racer.records, [at - when for at, when in zip(times, appeared, strict=False)])
        for way, racer, times in zip(_WAYS, racers, heard, strict=True)
    ]


class _Course:
    """The course of a race: the same for all listeners."""

    def __init__(self, since: int, count: int, polls: int, interval: float) -> None:
        self.since = since
        self.count = count
        self.polls = polls
        self.interval = interval
        self._expected = len(_WAYS) + 1
        self._ready = asyncio.Event()

    async def line_up(self) -> None:
        """Wait until all are ready."""
        self._expected -= 1
        if not self._expected:
            self._ready.set()
        await self._ready.wait()


class _Racer:
    """A connection like ``Wire``, for a task."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._heard = Heard()
        self.records: list[Record] = []

    @classmethod
    async def at(cls, port: int) -> Self:
        """Connect to a server of this machine."""
        return cls(*await asyncio.open_connection(HOST, port))

    def send(self, data: str | bytes) -> None:
        data = data.encode() if isinstance(data, str) else data
        self.records.append(Record(1, "in", monotonic(), data))
        self._writer.write(data)

    async def answer(self) -> Response:
        return await self._next(self._heard.answer)

    async def until(self, mark: str) -> str:
        return await self._next(lambda: self._heard.until(mark))

    async def frame(self) -> Frame:
        return await self._next(self._heard.frame)

    async def _next(self, take: Callable[[], T | None]) -> T:
        while (found := take()) is None:
            async with asyncio.timeout(_PATIENCE):
                data = await self._reader.read(_READ)
            if not data:
                raise ConnectionError("the server has ended the connection")
            self.records.append(Record(1, "out", monotonic(), data))
            self._heard.feed(data)
        return found

    def close(self) -> None:
        self._writer.close()


def _get(path: str, *fields: tuple[str, str]) -> str:
    lines = [f"{name}: {value}\r\n" for name, value in (("Host", "localhost"), *BROWSER, *fields)]
    return f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n"


async def _ask(racer: _Racer, path: str) -> list[str]:
    """Return the news that one request brings."""
    racer.send(_get(path))
    texts: list[str] = json.loads((await racer.answer()).body)
    return texts


async def _poll(racer: _Racer, course: _Course) -> list[float]:
    await course.line_up()
    start, heard = monotonic(), list[float]()
    for number in range(course.polls):
        await asyncio.sleep(max(0.0, start + number * course.interval - monotonic()))
        texts = await _ask(racer, f"/poll?since={course.since + len(heard)}")
        heard += [monotonic()] * len(texts)
    return heard


async def _long_poll(racer: _Racer, course: _Course) -> list[float]:
    await course.line_up()
    heard: list[float] = []
    while len(heard) < course.count:
        texts = await _ask(racer, f"/long-poll?since={course.since + len(heard)}")
        heard += [monotonic()] * len(texts)
    return heard


async def _events(racer: _Racer, course: _Course) -> list[float]:
    racer.send(_get("/events", ("Accept", "text/event-stream")))
    await racer.until("\r\n\r\n")
    await course.line_up()
    heard = []
    for _ in range(course.count):
        await racer.until("\n\n")
        heard.append(monotonic())
    return heard


async def _websocket(racer: _Racer, course: _Course) -> list[float]:
    racer.send(build_request("localhost", "/websocket", generate_key(), headers=BROWSER))
    await racer.until("\r\n\r\n")
    await course.line_up()
    heard = []
    for _ in range(course.count):
        await racer.frame()
        heard.append(monotonic())
    return heard


_WAYS: Final = {
    "polling": _poll,
    "long polling": _long_poll,
    "event stream": _events,
    "WebSocket": _websocket,
}
