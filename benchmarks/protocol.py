"""What the protocol costs, without sockets, beside other libraries: parse, build, mask, deflate.

Each line of the table is one task that several libraries do. They take turns, some milliseconds
each, for many rounds, and what is shown is the median over the rounds of their ratio to
``websockets`` (which has its C part in) within one round: so whatever else the machine is doing
falls on all alike. Twice as quick is 2.00. Time is the CPU time of this thread.

    python -m benchmarks.protocol [--rounds 11] [--only parse]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import random
import socket
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from itertools import chain
from time import thread_time
from typing import Any

import picows.picows as picows_parts
import wsproto.events
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from websockets.extensions.permessage_deflate import PerMessageDeflate as PeerDeflate
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask as peer_mask
from wsproto import ConnectionType, WSConnection
from wsproto.extensions import Extension
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate

from benchmarks.rows import OURS, Progress, Row, in_turns, times_as_good
from goim_edu.protocol import (
    DeflateConfig,
    Endpoint,
    Limits,
    Side,
    TextMessage,
    apply_mask,
    build_frame,
)
from goim_edu.websocket.masking import mask_in_place

BASE = "websockets"
LIBRARIES = (OURS, BASE, "picows", "aiohttp", "wsproto")
FEED = 65_536
UNIT = "ns of CPU for one item"
REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\nOrigin: http://127.0.0.1:8765\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept-Encoding: gzip, deflate\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)

Task = Callable[[], int]  # does it some times, and says how many
Case = tuple[str, dict[str, Task]]
Feeds = list[bytes]


# ---------------------------------------------------------------------- the material


def make_feeds(texts: list[str], size: int = FEED) -> Feeds:
    """The frames of a client that says these texts, cut as reads from a socket are."""
    stream = b"".join(build_frame(text, mask_key=os.urandom(4)) for text in texts)
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def texts_of(size: int, total: int = 1_500_000) -> list[str]:
    return ["x" * size] * max(2, total // (size + 30))


def chat_texts() -> list[str]:
    """10 to 200 octets, every fifth message in Chinese."""
    source = random.Random(20_261_123)
    return [
        "消" * source.randrange(3, 60) if number % 5 == 4 else "x" * source.randrange(10, 200)
        for number in range(12_000)
    ]


# ---------------------------------------------------------------------- who takes part


def parse_ours(feeds: Feeds) -> int:
    endpoint = Endpoint(Side.SERVER, already_open=True, limits=Limits(1 << 26, 1 << 26))
    count = 0
    for feed in feeds:
        for event in endpoint.receive_data(feed):
            if type(event) is TextMessage:
                count += 1
    return count


def peer_protocol(deflate: bool = False) -> ServerProtocol:
    protocol = ServerProtocol(max_size=None)
    protocol.receive_data(REQUEST)
    (request,) = protocol.events_received()
    protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]
    protocol.data_to_send()
    if deflate:
        protocol.extensions = [PeerDeflate(False, False, 12, 12, {"memLevel": 5})]
    return protocol


def parse_websockets(feeds: Feeds, deflate: bool = False) -> int:
    protocol = peer_protocol(deflate)
    count = 0
    for feed in feeds:
        protocol.receive_data(feed)
        for frame in protocol.events_received():
            str(frame.data, "utf-8")  # type: ignore[union-attr]
            count += 1
    return count


def wsproto_connection(deflate: bool = False) -> WSConnection:
    connection = WSConnection(ConnectionType.SERVER)
    connection.receive_data(REQUEST)
    list(connection.events())
    extensions: list[Extension] = [WsprotoDeflate()] if deflate else []
    connection.send(wsproto.events.AcceptConnection(extensions=extensions))
    return connection


def parse_wsproto(feeds: Feeds, deflate: bool = False) -> int:
    connection = wsproto_connection(deflate)
    count = 0
    parts: list[str] = []
    for feed in feeds:
        connection.receive_data(feed)
        for event in connection.events():
            if not isinstance(event, wsproto.events.TextMessage):
                continue
            parts.append(event.data)
            if event.message_finished:
                "".join(parts)
                parts.clear()
                count += 1
    return count


class _Pausing:
    """What an aiohttp queue wants of a connection."""

    _reading_paused = False

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        self._reading_paused = False


def parse_aiohttp(feeds: Feeds, loop: asyncio.AbstractEventLoop, deflate: bool = False) -> int:
    connection: Any = _Pausing()
    queue: Any = WebSocketDataQueue(connection, 1 << 28, loop=loop)
    reader = WebSocketReader(queue, 0, deflate, True)
    count = 0
    for feed in feeds:
        reader.feed_data(feed)
        count += len(queue._buffer)
        queue._buffer.clear()
    return count


class _Texts(picows_parts.WSListener):
    count = 0

    def on_ws_frame(self, _transport: Any, frame: Any) -> None:
        frame.get_payload_as_utf8_text()
        self.count += 1


class PicowsDriver:
    """picows has no protocol without a socket: so one is there, and what it reads is put in."""

    def __init__(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.peer = socket.create_connection(listener.getsockname())
        self.socket, _ = listener.accept()
        listener.close()
        self.texts = _Texts()
        strategy = picows_parts.WSAutoPingStrategy.PING_WHEN_IDLE
        self.protocol: Any = picows_parts.WSProtocol(  # type: ignore[attr-defined]
            *(None, None, False, lambda _request: self.texts),
            *(logging.getLogger("picows"), True, None),
            *(False, 10, 10, strategy, True, 1 << 26, None, FEED),
        )
        self.protocol.connection_made(self)
        self.put(REQUEST)

    def get_extra_info(self, name: str) -> object:
        return self.socket if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, octets: bytes) -> None:
        self.socket.send(octets)

    def put(self, octets: bytes) -> None:
        while octets:
            buffer = self.protocol.get_buffer(-1)
            size = min(len(buffer), len(octets))
            buffer[:size] = octets[:size]
            self.protocol.buffer_updated(size)
            octets = octets[size:]

    def parse(self, feeds: Feeds) -> int:
        self.texts.count = 0
        for feed in feeds:
            self.put(feed)
        return self.texts.count


# ---------------------------------------------------------------------- the tasks


def parse_cases(loop: asyncio.AbstractEventLoop) -> Iterator[Case]:
    driver = PicowsDriver()
    for name, texts, size in [
        ("16 B", texts_of(16), FEED),
        ("125 B", texts_of(125), FEED),
        ("1 KiB", texts_of(1024), FEED),
        ("1 MiB", texts_of(1 << 20, 8 << 20), FEED),
        ("10 to 200 B, 1 in 5 Chinese", chat_texts(), FEED),
        ("32 B, 64 by each read", ["x" * 32] * 12_800, 64 * 38),
        ("32 B, 1 by each read", ["x" * 32] * 4_000, 38),
    ]:
        feeds = make_feeds(texts, size)
        tasks: dict[str, Task] = {
            OURS: partial(parse_ours, feeds),
            BASE: partial(parse_websockets, feeds),
            "picows": partial(driver.parse, feeds),
            "aiohttp": partial(parse_aiohttp, feeds, loop),
            "wsproto": partial(parse_wsproto, feeds),
        }
        for library, task in tasks.items():
            if task() != len(texts):
                raise SystemExit(f"{library} does not find the {len(texts)} texts of {name}")
        yield f"parse {name}", tasks


def build_ours(endpoint: Endpoint, texts: list[str]) -> int:
    for text in texts:
        endpoint.send_text(text)
    return len(texts)


def build_many(endpoint: Endpoint, texts: list[str]) -> int:
    for start in range(0, len(texts), 64):
        endpoint.send_many(texts[start : start + 64])
    return len(texts)


def build_websockets(protocol: ServerProtocol, payloads: list[bytes]) -> int:
    for payload in payloads:
        protocol.send_text(payload)
        protocol.data_to_send()
    return len(payloads)


def build_wsproto(connection: WSConnection, texts: list[str]) -> int:
    for text in texts:
        connection.send(wsproto.events.TextMessage(text))
    return len(texts)


def build_cases() -> Iterator[Case]:
    for size in (16, 125, 1024):
        texts = ["x" * size] * 1_920
        payloads = [text.encode() for text in texts]
        endpoint = Endpoint(Side.SERVER, already_open=True)
        peers: dict[str, Task] = {
            BASE: partial(build_websockets, peer_protocol(), payloads),
            "wsproto": partial(build_wsproto, wsproto_connection(), texts),
        }
        yield f"build {size} B", {OURS: partial(build_ours, endpoint, texts), **peers}
        yield f"build {size} B, 64 at once", {OURS: partial(build_many, endpoint, texts), **peers}


def repeat(count: int, function: Callable[[Any, bytes], object], data: object) -> int:
    for _ in range(count):
        function(data, b"\x37\xfa\x21\x3d")
    return count


def mask_cases() -> Iterator[Case]:
    for name, size in (("125 B", 125), ("1 KiB", 1 << 10), ("64 KiB", 1 << 16), ("1 MiB", 1 << 20)):
        octets = os.urandom(size)
        count = max(20, min(4_000, (8 << 20) // size))
        peer: dict[str, Task] = {BASE: partial(repeat, count, peer_mask, octets)}
        yield f"mask {name}", {OURS: partial(repeat, count, apply_mask, octets), **peer}
        if size > 1 << 10:
            place = partial(repeat, count, mask_in_place, bytearray(octets))
            yield f"mask {name}, in place", {OURS: place, **peer}


def handshake_cases() -> Iterator[Case]:
    def ours() -> int:
        for _ in range(200):
            endpoint = Endpoint(Side.SERVER)
            endpoint.receive_data(REQUEST)
            endpoint.accept()
        return 200

    def peer() -> int:
        for _ in range(200):
            peer_protocol()
        return 200

    def third() -> int:
        for _ in range(200):
            wsproto_connection()
        return 200

    yield "handshake", {OURS: ours, BASE: peer, "wsproto": third}


def deflate_pair() -> tuple[Endpoint, Endpoint]:
    """A client and a server of ours that compress as ``websockets`` does by default."""
    config = DeflateConfig(server_max_window_bits=12, client_max_window_bits=12, mem_level=5)
    client, server = (
        Endpoint(Side.CLIENT, compression=config),
        Endpoint(Side.SERVER, compression=config),
    )
    server.receive_data(client.connect("127.0.0.1"))
    client.receive_data(server.accept())
    return client, server


def chat_lines(size: int) -> list[str]:
    """Lines of JSON of this size that differ as messages do."""
    return [
        f'{{"type":"message","room":"r{i % 7}","seq":{i},"text":"'.ljust(size, "x")
        for i in range(500)
    ]


def deflate_cases() -> Iterator[Case]:
    for size in (64, 1024):
        lines = chat_lines(size)
        octets = [line.encode() for line in lines]
        _, server = deflate_pair()
        peer = peer_protocol(deflate=True)

        yield (
            f"deflate {size} B",
            {
                OURS: partial(build_ours, server, lines),
                BASE: partial(build_websockets, peer, octets),
            },
        )
        yield f"inflate {size} B", inflate_tasks(lines)


def inflate_tasks(lines: list[str]) -> dict[str, Task]:
    client, _ = deflate_pair()
    stream = b"".join(map(client.send_text, lines))
    feeds = [stream[start : start + FEED] for start in range(0, len(stream), FEED)]

    def inflate_ours() -> int:
        count = 0
        _, server = deflate_pair()
        for feed in feeds:
            count += len(server.receive_data(feed))
        return count

    return {
        OURS: inflate_ours,
        BASE: partial(parse_websockets, feeds, deflate=True),
        "wsproto": partial(parse_wsproto, feeds, deflate=True),
    }


# ---------------------------------------------------------------------- the measuring


def all_cases(loop: asyncio.AbstractEventLoop) -> Iterator[Case]:
    return chain(
        *(parse_cases(loop), build_cases(), mask_cases(), handshake_cases(), deflate_cases())
    )


def nanoseconds(task: Task) -> float:
    """CPU time of this thread for one item."""
    begin = thread_time()
    count = task()
    return (thread_time() - begin) / count * 1e9


def measure(name: str, tasks: dict[str, Task], rounds: int) -> list[Row]:
    """A row for each library."""
    times = in_turns({who: partial(nanoseconds, task) for who, task in tasks.items()}, rounds)
    kind, _, what = name.partition(" ")
    group = f"protocol: {kind}"
    return [Row(group, what or name, who, UNIT, tuple(own), "lower") for who, own in times.items()]


async def run(rounds: int, only: str, tell: Callable[[str, list[Row]], object]) -> None:
    """picows wants a running loop to be made in; nothing is awaited."""
    for name, tasks in all_cases(asyncio.get_running_loop()):
        if only in name:
            tell(name, measure(name, tasks, rounds))


def rows(quick: bool, progress: Progress) -> list[Row]:
    """Some rounds of all cases; all are quick."""
    found: list[Row] = []

    def keep(name: str, measured: list[Row]) -> None:
        progress(name)
        found.extend(measured)

    asyncio.run(run(2, "", keep))
    return found


def show(name: str, measured: list[Row]) -> None:
    cells = [f"{name:36}"]
    by_library = {row.subject: row for row in measured}
    for library in LIBRARIES:
        if row := by_library.get(library):
            ratio = times_as_good(row, by_library[BASE])
            cells.append(f"{ratio:6.2f} {row.median:9.0f}")
        else:
            cells.append(f"{'-':>6} {'':9}")
    print(" | ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="the cost of the protocol, beside other libraries")
    parser.add_argument("--rounds", type=int, default=11, help="at least 5 (default: 11)")
    parser.add_argument("--only", default="", help="only the rows whose name holds this")
    options = parser.parse_args()
    rounds = max(5, options.rounds)
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES[1:])
    print(f"Python {platform.python_version()}, {versions}; medians of {rounds} rounds")
    print("For each library: times as quick as websockets, and nanoseconds of CPU for one item.")
    print(" | ".join([" " * 36, *(f"{library:^16}" for library in LIBRARIES)]))
    asyncio.run(run(rounds, options.only, show))


if __name__ == "__main__":
    main()
