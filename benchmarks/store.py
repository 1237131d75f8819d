"""The store in figures: group commit against single inserts, history with and without its index.

All on a real single-node replica set with majority and journal, started here. The methods run in
turn, round after round, so that other load of the machine hits all alike. Each writes to a new
database with the same indexes, so that none pays for what the others have stored. The figures are
medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pymongo
from pymongo import AsyncMongoClient, MongoClient
from pymongo.write_concern import WriteConcern

from benchmarks.rows import OURS, Progress, Row, in_turns
from goim_edu.mongod import LocalMongod
from goim_edu.storage.backend_mongodb import DURABLE
from goim_edu.storage.documents import StoredMessage, message_key, to_document
from goim_edu.store import MessageStore, create_indexes, open_store

TEXT = "The quick brown fox jumps over the lazy dog. " * 2  # 90 characters, a usual chat message
NUMBERS = count(1)


@dataclass
class Result:
    """Messages per second, and how long each sender waited for its answer, in seconds."""

    rate: float
    waits: list[float]

    def quantile(self, share: float) -> float:
        return sorted(self.waits)[min(len(self.waits) - 1, int(share * len(self.waits)))]


Method = Callable[[str, str, float], Result]
"""A way to write: takes the URI, the name of a database with its indexes, and seconds."""


def document(room: str) -> dict[str, Any]:
    """What a program without a store would insert."""
    number = next(NUMBERS)
    message = StoredMessage(room, number, f"user{number % 997}", f"m{number}", TEXT, now())
    return to_document(message_key(message.user_id, message.client_msg_id), message)


def now() -> datetime:
    return datetime.now(UTC)


async def closed_loop(
    senders: int, seconds: float, send: Callable[[int], Awaitable[Any]]
) -> Result:
    """So many senders, each of which sends its next message when the last one is acknowledged."""
    waits: list[float] = []
    end = time.perf_counter() + seconds

    async def sender(number: int) -> None:
        clock = time.perf_counter
        begin = clock()
        while begin < end:
            await send(number)
            done = clock()
            waits.append(done - begin)
            begin = done

    begin = time.perf_counter()
    await asyncio.gather(*(sender(number) for number in range(senders)))
    return Result(len(waits) / (time.perf_counter() - begin), waits)


async def callbacks(
    senders: int, seconds: float, submit: Callable[[int], asyncio.Future[Any]]
) -> Result:
    """The same as callbacks without tasks: so the sessions of the chat server use the store."""
    waits: list[float] = []
    clock = time.perf_counter
    start = clock()
    end = start + seconds
    left = senders
    finished = asyncio.get_running_loop().create_future()

    def send(number: int) -> None:
        begin = clock()

        def saved(future: asyncio.Future[Any]) -> None:
            nonlocal left
            future.result()
            now = clock()
            waits.append(now - begin)
            if now < end:
                send(number)
            else:
                left -= 1
                if not left:
                    finished.set_result(None)

        submit(number).add_done_callback(saved)

    for number in range(senders):
        send(number)
    await finished
    return Result(len(waits) / (clock() - start), waits)


def messages_in(client: MongoClient[dict[str, Any]], database: str) -> Any:
    """The collection, as durable as the store's."""
    return client[database].get_collection("messages", write_concern=DURABLE)


def group_commit(senders: int, rooms: int = 1) -> Method:
    """Through the store, from an event loop, as the chat server does."""

    def run(uri: str, database: str, seconds: float) -> Result:
        with open_store(uri, database=database) as store:
            return through(store, senders, rooms, seconds)

    return run


def through(store: MessageStore, senders: int, rooms: int, seconds: float) -> Result:
    """So many senders, in so many rooms."""

    def submit(number: int) -> asyncio.Future[Any]:
        room = f"group {number % rooms}"
        return store.submit_async(room, f"user{number}", TEXT, client_msg_id=f"g{next(NUMBERS)}")

    return asyncio.run(callbacks(senders, seconds, submit))


def one_by_one_sync(uri: str, database: str, seconds: float) -> Result:
    """insert_one in a loop."""
    waits: list[float] = []
    with MongoClient[dict[str, Any]](uri) as client:
        messages = messages_in(client, database)
        begin = time.perf_counter()
        while (start := time.perf_counter()) < begin + seconds:
            messages.insert_one(document("single sync"))
            waits.append(time.perf_counter() - start)
        return Result(len(waits) / (time.perf_counter() - begin), waits)


def ceiling(uri: str, database: str, seconds: float) -> Result:
    """The most that mongod takes: a thousand at once, one call after the other, nobody waits."""
    waits: list[float] = []
    with MongoClient[dict[str, Any]](uri) as client:
        messages = messages_in(client, database)
        while sum(waits) < seconds:
            batch = [document("ceiling") for _ in range(1000)]
            begin = time.perf_counter()
            messages.insert_many(batch, ordered=False)
            waits.append(time.perf_counter() - begin)
    return Result(1000 * len(waits) / sum(waits), waits)


def one_by_one_async(tasks: int) -> Method:
    """insert_one in so many tasks of one AsyncMongoClient."""

    async def main(uri: str, database: str, seconds: float) -> Result:
        async with AsyncMongoClient[dict[str, Any]](uri) as client:
            messages = client[database].get_collection("messages", write_concern=DURABLE)
            await asyncio.gather(  # open the pool before the clock runs
                *(messages.insert_one(document("warm up")) for _ in range(tasks))
            )
            return await closed_loop(
                tasks, seconds, lambda number: messages.insert_one(document("single async"))
            )

    return lambda uri, database, seconds: asyncio.run(main(uri, database, seconds))


METHODS: dict[str, Method] = {
    "one by one, sync": one_by_one_sync,
    "one by one, 1 task": one_by_one_async(1),
    "one by one, 50 tasks": one_by_one_async(50),
    "one by one, 500 tasks": one_by_one_async(500),
    "group commit, 1 sender": group_commit(1),
    "group commit, 50 senders": group_commit(50),
    "group commit, 500 senders": group_commit(500),
    "group commit, 500 senders, 20 rooms": group_commit(500, 20),
    "group commit, 2000 senders": group_commit(2000),
    "group commit, 2000 senders, 20 rooms": group_commit(2000, 20),
    "insert_many of 1000, in turn": ceiling,
}


WHO: dict[str, tuple[str, str]] = {
    "group commit, 1 sender": ("1 sender", OURS),
    "one by one, sync": ("1 sender", "insert_one, sync"),
    "one by one, 1 task": ("1 sender", "insert_one, async"),
    "group commit, 50 senders": ("50 senders", OURS),
    "one by one, 50 tasks": ("50 senders", "insert_one, async"),
    "group commit, 500 senders": ("500 senders", OURS),
    "group commit, 500 senders, 20 rooms": ("500 senders", f"{OURS} 20 rooms"),
    "one by one, 500 tasks": ("500 senders", "insert_one, async"),
    "group commit, 2000 senders": ("2,000 senders", OURS),
    "group commit, 2000 senders, 20 rooms": ("2,000 senders", f"{OURS} 20 rooms"),
    "insert_many of 1000, in turn": ("2,000 senders", "insert_many of 1,000"),
}
"""For the report: which task a method is for, and which program does it."""


def on_a_new_database(server: LocalMongod, method: Method, seconds: float) -> Result:
    """Measure one method, and leave nothing behind, nor a disk that still has to be written to."""
    with MongoClient[dict[str, Any]](server.uri) as client:
        create_indexes(client["bench"])
        client.admin.command("fsync")
        try:
            return method(server.uri, "bench", seconds)
        finally:
            client.drop_database("bench")


def write_in_turns(server: LocalMongod, rounds: int, seconds: float) -> dict[str, list[Result]]:
    """What each method gave in each round, after a first one for warming up."""
    for method in METHODS.values():
        on_a_new_database(server, method, min(seconds, 0.5))
    turns = {
        name: partial(on_a_new_database, server, method, seconds)
        for name, method in METHODS.items()
    }
    return in_turns(turns, rounds)


def writing(server: LocalMongod, rounds: int, seconds: float) -> None:
    """Durable messages per second, all methods in turn."""
    results = write_in_turns(server, rounds, seconds)
    rates = {n: statistics.median(r.rate for r in rs) for n, rs in results.items()}
    print(f"{'durable (majority, journal)':38}{'messages/s':>12}{'p50 ms':>9}{'p99 ms':>9}")
    p99 = {}
    for name, found in results.items():
        middle = statistics.median(result.quantile(0.5) for result in found) * 1000
        p99[name] = statistics.median(result.quantile(0.99) for result in found) * 1000
        print(f"{name:38}{rates[name]:12,.0f}{middle:9.2f}{p99[name]:9.2f}")
    best = max(rate for name, rate in rates.items() if name.startswith("group"))
    alone = rates["one by one, 50 tasks"]
    print(
        f"best group commit {best:,.0f}/s (aim 40,000), {best / alone:.1f} times one by one "
        f"with 50 tasks (aim 10)"
    )
    print(
        f"p99 to the ack at 50 senders: {p99['group commit, 50 senders']:.2f} ms, "
        f"{p99['group commit, 50 senders'] / p99['one by one, sync']:.2f} times that of a "
        "single insert (aim < 3)"
    )


def fill(server: LocalMongod, number: int) -> None:
    """A room of that many messages, without waiting for the disk."""
    client = MongoClient[dict[str, Any]](server.uri)
    create_indexes(client["history"])
    messages = client["history"].get_collection("messages", write_concern=WriteConcern(1, j=False))
    when = now()
    for begin in range(0, number, 10_000):
        batch = [
            to_document(
                f"k{seq}", StoredMessage("big", seq, f"u{seq % 997}", f"m{seq}", TEXT, when)
            )
            for seq in range(begin + 1, min(begin + 10_000, number) + 1)
        ]
        messages.insert_many(batch, ordered=False)
    client.close()


@dataclass
class Pages:
    """Seconds for a page of fifty of a large room, and how many documents were looked at."""

    newest: float
    middle: float
    no_index: float
    skipping: float
    examined: int
    examined_without: int


def read_pages(server: LocalMongod, number: int) -> Pages:
    """The last fifty of a large room, and fifty in its middle, with the index and without."""
    fill(server, number)
    big = {"room_id": "big"}
    with open_store(server.uri, database="history") as store:
        raw: Any = store.database["messages"]
        natural = store.database.command(
            "explain",
            {
                "find": "messages",
                "filter": big,
                "sort": {"seq": -1},
                "limit": 50,
                "hint": {"$natural": 1},
            },
            verbosity="executionStats",
        )["executionStats"]

        def without_index() -> list[Any]:
            return list(raw.find(big).hint([("$natural", 1)]).sort("seq", -1).limit(50))

        def skipping() -> list[Any]:
            return list(raw.find(big).sort("seq", -1).skip(number // 2).limit(50))

        return Pages(
            repeat(lambda: store.history("big", limit=50), 400),
            repeat(lambda: store.history("big", before_seq=number // 2, limit=50), 400),
            repeat(without_index, 3),
            repeat(skipping, 3),
            store.explain_history("big").documents_examined,
            natural["totalDocsExamined"],
        )


def reading(server: LocalMongod, number: int) -> None:
    """Print what the pages of a large room cost."""
    pages = read_pages(server, number)
    print(f"\nlast 50 of a room of {number:,}       median ms   documents examined")
    print(f"index room_seq{pages.newest * 1000:29.3f}{pages.examined:21,}   (aim < 1 ms, 50)")
    print(f"the 50 in the middle, by seq{pages.middle * 1000:15.3f}{50:21,}")
    print(f"the 50 in the middle, by skip{pages.skipping * 1000:14.0f}")
    print(f"no index{pages.no_index * 1000:35.0f}{pages.examined_without:21,}")


def repeat(function: Callable[[], object], times: int) -> float:
    """The median time of a call, in seconds."""
    function()
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        found.append(time.perf_counter() - begin)
    return statistics.median(found)


def embedded(stored: int, seconds: float) -> None:
    """mongomock, when it holds that many documents already."""
    with open_store("memory", max_waiting=stored + 1) as store:
        for number in range(stored):
            store.submit("group 0", "u", TEXT, client_msg_id=f"fill{number}")
        store.flush()
        result = through(store, 50, 1, seconds)
        page = repeat(lambda: store.history("group 0", before_seq=stored // 2), 200)
        raw = repeat(lambda: list(store.database["messages"].find({"room_id": "x"}).limit(50)), 3)
    print(f"\nmongomock holding {stored:,}: {result.rate:,.0f} messages/s (aim 1,000)")
    print(f"a page of 50: {page * 1000:.3f} ms; mongomock's own find: {raw * 1000:.0f} ms")


def rows(quick: bool, progress: Progress) -> list[Row]:
    """One round of all ways to write, and the pages of a room of 100,000."""
    with (
        tempfile.TemporaryDirectory(prefix="goim-bench-") as folder,
        LocalMongod(Path(folder), replica_set="goim", cache_mb=None) as server,
    ):
        progress("store: writing")
        results = write_in_turns(server, 1, 0.8)
        progress("store: reading")
        pages = read_pages(server, 100_000)
    found = []
    for name, (what, who) in WHO.items():
        rate = results[name][0].rate
        found.append(Row("store: writing", what, who, "durable messages per second", (rate,)))
        if not name.startswith("insert_many"):
            wait = 1000 * results[name][0].quantile(0.99)
            unit = "ms to the acknowledgement, p99"
            found.append(Row("store: writing", what, who, unit, (wait,), "lower"))
    for what, who, seconds in (
        ("the last 50 of 100,000", OURS, pages.newest),
        ("the last 50 of 100,000", "no index", pages.no_index),
        ("50 in the middle of 100,000", OURS, pages.middle),
        ("50 in the middle of 100,000", "skip and limit", pages.skipping),
    ):
        found.append(Row("store: reading", what, who, "ms", (1000 * seconds,), "lower"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all methods (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds per method and round")
    parser.add_argument("--room", type=int, default=1_000_000, help="messages in the large room")
    parser.add_argument("--only", choices=["writing", "reading", "mongomock"])
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, pymongo {pymongo.version}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory(prefix="goim-bench-") as folder:
        if options.only != "mongomock":
            with LocalMongod(Path(folder), replica_set="goim", cache_mb=None) as server:
                if options.only != "reading":
                    writing(server, options.rounds, options.seconds)
                if options.only != "writing":
                    reading(server, options.room)
        if options.only in (None, "mongomock"):
            embedded(50_000, options.seconds)


if __name__ == "__main__":
    main()
