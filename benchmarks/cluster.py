"""Several servers in figures: what another server costs, and what three of them bring.

All on a real replica set of three mongods, with server processes as an operator starts them. The
figures are medians of the rounds; ratios are of the same round. ``--sheet`` computes from them what
a chat of up to a million connections needs, and writes it to ``docs/capacity.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

import psutil
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection

from benchmarks.rows import OURS, Better, Progress, Row
from goim_edu.client import connect
from goim_edu.cluster.follower import Follower
from goim_edu.lab.bus_process import BusProcess
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from goim_edu.transport import WebSocket

ROOT: Final = Path(__file__).resolve().parent.parent
SHEET: Final = ROOT / "docs" / "capacity.md"
OPTIONS: Final = ("--rate", "1000000", "--burst", "1000000", "--log-level", "error")
PACE: Final = 400  # messages a second, where the cost of each is measured
WATCHERS: Final = 8  # followers, where the cost of each at the mongods is measured
BATCH: Final = 50  # messages of an insert there
TEXT: Final = "The quick brown fox jumps over the lazy dog. " * 2


@dataclass
class Figures:
    """What was measured; times in milliseconds or microseconds, as their names say."""

    ack_ms: float = 0.0
    same_ms: float = 0.0
    other_ms: float = 0.0
    bus_other_ms: float = 0.0
    one_process_rate: float = 0.0
    three_processes_rate: float = 0.0
    shared_room_rate: float = 0.0
    follower_us: float = 0.0
    watcher_us: float = 0.0
    idle_kib: float = 0.0
    process_mib: float = 0.0


class Talker:
    """A client that sends, and notes when its messages and those of others come."""

    def __init__(self, ws: WebSocket) -> None:
        self.ws = ws
        self.heard: dict[str, float] = {}
        self.acked: dict[str, float] = {}
        self.waiting: dict[str, asyncio.Event] = {}

    @classmethod
    async def come(cls, url: str, name: str, *rooms: str) -> Talker:
        ws = await connect(url, subprotocols=["goim.v1.json"], compression=False)
        await ws.send(json.dumps({"type": "hello", "user_id": name}))
        for room in rooms:
            await ws.send(json.dumps({"type": "join", "room_id": room}))
        talker = cls(ws)
        joined = 0
        while joined < len(rooms):
            joined += json.loads(await ws.recv())["type"] == "joined"
        return talker

    async def listen(self) -> None:
        async for data in self.ws:
            now = time.perf_counter()
            told = json.loads(data)
            if told["type"] == "message":
                self.heard[told["client_msg_id"]] = now
            elif told["type"] == "ack":
                self.acked[told["client_msg_id"]] = now
                self.waiting.pop(told["client_msg_id"]).set()

    async def say(self, room: str, key: str) -> None:
        done = self.waiting[key] = asyncio.Event()
        message = {"type": "send", "room_id": room, "client_msg_id": key, "text": TEXT}
        await self.ws.send(json.dumps(message))
        await done.wait()


async def delivery(servers: Sequence[ServerProcess], count: int) -> tuple[float, float, float]:
    """Milliseconds from sending to the ack, to a member at the same server, and at another one."""
    room = uuid4().hex
    ada = await Talker.come(servers[0].chat, "ada", room)
    same = await Talker.come(servers[0].chat, "same", room)
    other = await Talker.come(servers[1].chat, "other", room)
    sent: dict[str, float] = {}
    async with asyncio.TaskGroup() as group:
        listening = [group.create_task(one.listen()) for one in (ada, same, other)]
        for number in range(count):
            key = f"{room}-{number}"
            sent[key] = time.perf_counter()
            await ada.say(room, key)
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        for task in listening:
            task.cancel()
    for one in (ada, same, other):
        one.ws.connection.abort()
    keys = list(sent)[count // 10 :]
    return (
        _middle(ada.acked[key] - sent[key] for key in keys),
        _middle(same.heard[key] - sent[key] for key in keys),
        _middle(other.heard[key] - sent[key] for key in keys),
    )


def _middle(seconds: Iterable[float]) -> float:
    return 1000 * float(statistics.median(seconds))


async def rate(
    urls: Sequence[str], rooms: Callable[[int], str], clients: int, window: int, seconds: float
) -> float:
    """Messages a second that are acknowledged, from clients that always have some outstanding."""
    talkers = [
        await Talker.come(urls[number % len(urls)], f"user{number}", rooms(number))
        for number in range(clients)
    ]
    end = time.perf_counter() + seconds
    done = 0

    async def work(number: int, talker: Talker) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await talker.say(rooms(number), uuid4().hex)
            done += 1

    async with asyncio.TaskGroup() as group:
        listening = [group.create_task(one.listen()) for one in talkers]
        async with asyncio.TaskGroup() as working:
            for number, talker in enumerate(talkers):
                for _ in range(window):
                    working.create_task(work(number, talker))
        for task in listening:
            task.cancel()
    for talker in talkers:
        talker.ws.connection.abort()
    return done / seconds


async def paced(url: str, room: str, count: int) -> None:
    """Send so many messages, ``PACE`` a second, so that each run makes the database do the same."""
    talker = await Talker.come(url, "metronome", room)
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(talker.listen())
        async with asyncio.TaskGroup() as saying:
            for number in range(count):
                await asyncio.sleep(max(0.0, begin + number / PACE - time.perf_counter()))
                saying.create_task(talker.say(room, uuid4().hex))
        listening.cancel()
    talker.ws.connection.abort()


def cpu(*processes: psutil.Process) -> float:
    """Seconds of processor time that these have used."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@contextmanager
def running(
    members: LocalReplicaSet, number: int, folder: Path, *options: str
) -> Iterator[list[ServerProcess]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                ServerProcess(folder / f"{uuid4().hex}", members.uri, *OPTIONS, *options)
            )
            for _ in range(number)
        ]


def measure(members: LocalReplicaSet, folder: Path, seconds: float) -> Figures:
    """One round."""
    found = Figures()
    room = uuid4().hex
    with running(members, 2, folder) as servers:
        time.sleep(1)
        found.ack_ms, found.same_ms, found.other_ms = asyncio.run(delivery(servers, 150))
    with BusProcess() as bus, running(members, 2, folder, "--bus", bus.url) as servers:
        time.sleep(7)  # until the stream is closed
        _, _, found.bus_other_ms = asyncio.run(delivery(servers, 150))
    with running(members, 1, folder) as servers:
        urls = [server.chat for server in servers]
        own = f"{room}-a"
        found.one_process_rate = asyncio.run(rate(urls, lambda n: f"{own}{n}", 24, 4, seconds))
        process = psutil.Process(servers[0].pid)
        before = process.memory_info().rss
        found.process_mib = before / (1 << 20)
        found.idle_kib = asyncio.run(_idle(urls[0], process, before))
    with running(members, 3, folder) as servers:
        urls = [server.chat for server in servers]
        own = f"{room}-b"
        found.three_processes_rate = asyncio.run(rate(urls, lambda n: f"{own}{n}", 24, 4, seconds))
        shared = asyncio.run(rate(urls, lambda n: room, 24, 4, seconds))
        found.shared_room_rate = shared
    found.follower_us = _following(members, folder, seconds)
    found.watcher_us = _watching(members, seconds)
    return found


async def _idle(url: str, process: psutil.Process, before: int) -> float:
    """KiB of a joined connection that says nothing, at the server."""
    talkers = [await Talker.come(url, f"idle{n}", f"room{n % 50}") for n in range(500)]
    await asyncio.sleep(1)
    grown = process.memory_info().rss - before
    for talker in talkers:
        talker.ws.connection.abort()
    return grown / 1024 / len(talkers)


def _following(members: LocalReplicaSet, folder: Path, seconds: float) -> float:
    """Microseconds that a message costs a server with no member in its room."""
    with running(members, 4, folder) as servers:
        asyncio.run(paced(servers[0].chat, uuid4().hex, PACE))  # for warming up
        watchers = [psutil.Process(server.pid) for server in servers[1:]]
        used, sent = cpu(*watchers), int(PACE * 2 * seconds)
        asyncio.run(paced(servers[0].chat, uuid4().hex, sent))
        time.sleep(0.5)
        return 1e6 * (cpu(*watchers) - used) / sent / len(watchers)


def _watching(members: LocalReplicaSet, seconds: float) -> float:
    """Microseconds that a message costs the mongods for each server that follows.

    The messages come in batches as the store writes them, and many followers make the difference
    larger than what a commit more or less costs. None and many are measured in turns.
    """
    mongods = [psutil.Process(member.pid) for member in members.members if member.pid]
    durable = WriteConcern("majority", j=True)
    with MongoClient[dict[str, Any]](members.uri) as client, ExitStack() as stack:
        database = client[f"watched-{uuid4().hex}"]
        messages = database.get_collection("messages", write_concern=durable)
        messages.insert_one({"_id": "first"})
        costs: dict[int, list[float]] = {0: [], WATCHERS: []}
        stack.callback(client.drop_database, database.name)
        for count in (0, WATCHERS, 0, WATCHERS):
            with ExitStack() as running_ones:
                for _ in range(count):
                    running_ones.enter_context(_Follower(members.uri, database.name))
                time.sleep(1)
                used = cpu(*mongods)
                sent = _write_in_batches(messages, seconds)
                time.sleep(0.5)
                costs[count].append((cpu(*mongods) - used) / sent)
        more = statistics.mean(costs[WATCHERS]) - statistics.mean(costs[0])
    return 1e6 * more / WATCHERS


def _write_in_batches(messages: Collection[dict[str, Any]], seconds: float) -> int:
    """Batches of ``BATCH``, ten a second."""
    begin = time.perf_counter()
    for number in range(int(10 * seconds)):
        time.sleep(max(0.0, begin + number / 10 - time.perf_counter()))
        room = f"room{number % 50}"
        messages.insert_many(
            [{"_id": uuid4().hex, "room_id": room, "text": TEXT} for _ in range(BATCH)]
        )
    return int(10 * seconds) * BATCH


class _Follower:
    """What a server follows with, and nothing else: it throws away what it reads."""

    def __init__(self, uri: str, database: str) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri)
        self._follower = Follower(
            self._client[database], ["messages"], self._throw_away, lambda is_new: None
        )

    def _throw_away(self) -> None:
        while self._follower.take(1000):
            pass

    def __enter__(self) -> Self:
        self._follower.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._follower.stop()
        self._client.close()


def print_figures(rounds: Sequence[Figures]) -> Figures:
    """Print the medians, and return them."""
    names = asdict(rounds[0])
    middle = Figures(**{n: statistics.median(asdict(one)[n] for one in rounds) for n in names})
    more = statistics.median(one.other_ms - one.same_ms for one in rounds)
    by_bus = statistics.median(one.bus_other_ms - one.same_ms for one in rounds)
    ratio = statistics.median(one.three_processes_rate / one.one_process_rate for one in rounds)
    print(f"ack {middle.ack_ms:.2f} ms, heard at the same server {middle.same_ms:.2f} ms")
    print(f"heard at another server by the stream {middle.other_ms:.2f} ms ({more:+.2f} ms)")
    print(f"heard at another server by the bus {middle.bus_other_ms:.2f} ms ({by_bus:+.2f} ms)")
    print(f"one process {middle.one_process_rate:,.0f} messages/s, three with rooms of their own")
    print(f"    {middle.three_processes_rate:,.0f} ({ratio:.2f} times), one room shared by three")
    print(f"    {middle.shared_room_rate:,.0f}")
    print(f"following costs {middle.follower_us:.0f} us a message at each server, and")
    print(f"    {middle.watcher_us:.0f} us at the mongods for each server")
    print(
        f"an idle connection takes {middle.idle_kib:.1f} KiB, "
        f"a process {middle.process_mib:.0f} MiB"
    )
    return middle


# ---------------------------------------------------------------------- the capacity sheet

ROOMS_EACH: Final = 3
ONLINE_IN_ROOM: Final = 25
SAID: Final = 0.02  # messages a second of a user, at the peak
EACH_PROCESS: Final = 25_000  # connections
SPARE: Final = 0.5  # of a core: what following may take, at a server and at the mongods


_SHEET: Final = """# Capacity

How many servers a chat needs, computed by `make bench-cluster ARGS=--sheet` from the figures that
the benchmark has measured. Nobody has run the larger ones: read them as an estimate.

Assumed: {rooms} rooms for each user, {online} members of a room online, {said:g} messages a second
of each user at the peak, and {each:,} connections a process.

| measured | |
|---|---|
| memory of an idle connection | {idle:.1f} KiB |
| memory of a process | {process:.0f} MiB |
| following the change stream, at each server | {follower:.0f} us a message |
| following, at the mongods for each server | {watcher:.0f} us a message |
| messages acknowledged by one process | {rate:,.0f} a second |

| connections | processes | memory | messages/s | deliveries/s | a server follows | mongods | by |
|---:|---:|---:|---:|---:|---:|---:|---|
{table}

"A server follows" and "mongods" say what following the change streams takes of a core, at each
server and at the mongods. Where one of them is more than {spare:.0%}, the servers should tell each
other by NATS, which hands a message only to the servers that have its room. What the sheet does not
know: the network, TLS (it belongs to the proxy), and how long a database of that size takes to
search. Above some 5,000 messages a second shard the messages by room.
"""


def sheet(figures: Figures) -> str:
    """The capacity sheet, as Markdown."""
    sizes = (1_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
    return _SHEET.format(
        rooms=ROOMS_EACH,
        online=ONLINE_IN_ROOM,
        said=SAID,
        each=EACH_PROCESS,
        idle=figures.idle_kib,
        process=figures.process_mib,
        follower=figures.follower_us,
        watcher=figures.watcher_us,
        rate=figures.one_process_rate,
        table="\n".join(_row(figures, connections) for connections in sizes),
        spare=SPARE,
    )


def _row(figures: Figures, connections: int) -> str:
    """What so many connections need."""
    processes = max(1, math.ceil(connections / EACH_PROCESS))
    said = SAID * connections
    gib = connections * figures.idle_kib / (1 << 20) + processes * figures.process_mib / 1024
    at_server = said * figures.follower_us / 1e6 if processes > 1 else 0.0
    at_mongods = said * processes * figures.watcher_us / 1e6 if processes > 1 else 0.0
    streams_go = at_server <= SPARE and at_mongods <= SPARE
    by = "nothing" if processes == 1 else "change streams" if streams_go else "NATS"
    cells = (
        *(f"{connections:,}", str(processes), f"{gib:.1f} GiB", f"{said:,.0f}"),
        *(f"{said * ONLINE_IN_ROOM:,.0f}", f"{at_server:.0%}", f"{at_mongods:.0%}", by),
    )
    return f"| {' | '.join(cells)} |"


_ROWS: Final[dict[str, tuple[str, str, Better]]] = {
    "ack_ms": ("acknowledged", "ms", "lower"),
    "same_ms": ("heard at the same server", "ms", "lower"),
    "other_ms": ("heard at another server, by the change stream", "ms", "lower"),
    "bus_other_ms": ("heard at another server, by the bus", "ms", "lower"),
    "one_process_rate": ("one process", "messages per second", "higher"),
    "three_processes_rate": ("three processes, own rooms", "messages per second", "higher"),
    "shared_room_rate": ("three processes, one room", "messages per second", "higher"),
    "follower_us": ("following, at each server", "us of CPU for one message", "lower"),
    "watcher_us": (
        "following, at the mongods for each server",
        "us of CPU for one message",
        "lower",
    ),
    "idle_kib": ("an idle member", "KiB", "lower"),
    "process_mib": ("a process", "MiB", "lower"),
}


def rows(quick: bool, progress: Progress) -> list[Row]:
    """One round, on a replica set of its own."""
    progress("several servers")
    with LocalReplicaSet(3) as members, tempfile.TemporaryDirectory(prefix="goim-bench-") as folder:
        found = asdict(measure(members, Path(folder), 2.0))
    return [
        Row("several servers", what, OURS, unit, (found[name],), better)
        for name, (what, unit, better) in _ROWS.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each rate")
    parser.add_argument("--sheet", action="store_true", help="write docs/capacity.md")
    args = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    rounds = []
    with LocalReplicaSet(3) as members, tempfile.TemporaryDirectory(prefix="goim-bench-") as folder:
        for number in range(1, args.rounds + 1):
            rounds.append(measure(members, Path(folder), args.seconds))
            print(f"round {number} of {args.rounds}", flush=True)
    figures = print_figures(rounds)
    if args.sheet:
        SHEET.write_text(sheet(figures), "utf-8")
        print(f"{SHEET.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
