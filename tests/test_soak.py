"""A soak: many clients who talk, come, go, vanish and come back, with a real mongod.

By default it is short. The full run takes 60 seconds and 500 clients:

    GOIM_SOAK_SECONDS=60 GOIM_SOAK_CLIENTS=500 pytest -s tests/test_soak.py
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import psutil

from goim_edu.client import Backoff, ChatClient
from goim_edu.mongod import LocalMongod
from goim_edu.store import open_store
from tests.chatting import until
from tests.serving import ServerProcess
from tests.test_server import scrape

SECONDS = float(os.environ.get("GOIM_SOAK_SECONDS", "3"))
CLIENTS = int(os.environ.get("GOIM_SOAK_CLIENTS", "40"))
ROOMS = 20
PAUSE = 1.0  # seconds between two things that somebody says, on the average

Key = tuple[str, str]


@dataclass
class Run:
    """What all clients together have done and seen."""

    uri: str
    end: float
    acknowledged: dict[Key, int] = field(default_factory=dict)
    views: int = 0
    losses: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Guest:
    """Somebody who lives in one room, off and on; what it has heard it knows over all visits."""

    run: Run
    name: str
    room: str
    dice: random.Random
    last: int | None = None
    first: int | None = None
    heard: list[int] = field(default_factory=list)
    said: int = 0

    async def live(self) -> None:
        while monotonic() < self.run.end:
            await self.visit(min(self.run.end, monotonic() + self.dice.expovariate(1 / 8)))
            await asyncio.sleep(self.dice.random() * 0.3)

    async def visit(self, end: float) -> None:
        rooms = [self.room] if self.last is None else {self.room: self.last}
        chat = ChatClient(self.run.uri, self.name, rooms, backoff=Backoff(0.05, 0.5))
        async with chat:
            listening = asyncio.create_task(self.listen(chat))
            talking = asyncio.create_task(self.talk(chat, end))
            await asyncio.sleep(max(0.0, end - monotonic()))
            await talking
            await asyncio.sleep(0.05)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
        self.run.losses += chat.losses

    async def talk(self, chat: ChatClient, end: float) -> None:
        """Say things, now and then cut the connection in the middle of it."""
        while monotonic() < end:
            self.said += 1
            key = f"{self.name}-{self.said}"
            said = chat.send(self.room, f"{key} says hello", client_msg_id=key)
            saying = asyncio.create_task(said)
            if self.dice.random() < 0.1 and chat._ws is not None:
                await asyncio.sleep(self.dice.random() * 0.002)
                chat._ws.connection.abort()
            ack = await saying
            self.run.acknowledged[self.name, key] = ack.seq
            if self.last is None and self.first is None:
                self.first = ack.seq
            await asyncio.sleep(self.dice.expovariate(1 / PAUSE))

    async def listen(self, chat: ChatClient) -> None:
        async for message in chat:
            if self.last is not None and message.seq <= self.last:
                self.run.wrong.append(f"{self.name} heard {message.seq} after {self.last}")
            self.last = message.seq
            self.heard.append(message.seq)
            self.run.views += 1


async def soak(run: Run, memory: list[int], pid: int) -> list[Guest]:
    guests = [
        Guest(run, f"soaker{number}", f"soak{number % ROOMS}", random.Random(number))
        for number in range(CLIENTS)
    ]
    lives = [asyncio.create_task(guest.live()) for guest in guests]
    while monotonic() < run.end:
        memory.append(psutil.Process(pid).memory_info().rss)
        await asyncio.sleep(SECONDS / 10)
    await asyncio.gather(*lives)
    return guests


def check_views(guests: list[Guest], stored: dict[str, list[int]]) -> None:
    """Everybody heard everything of its room from its first number on, once, in order."""
    for guest in guests:
        if guest.heard:
            wanted = [seq for seq in stored[guest.room] if seq >= guest.heard[0]]
            assert guest.heard == wanted[: len(guest.heard)], guest.name


def own_files(process: psutil.Process, mongo: int) -> int:
    """Open files and sockets; not those to the database, whose pool the driver grows."""
    links = [link for link in process.net_connections() if link.raddr and link.raddr.port == mongo]
    return process.num_fds() - len(links)


def test_soak(mongod: LocalMongod, tmp_path: Path) -> None:
    options = ("--log-level", "warning", "--rate", "1000")
    with (
        open_store(mongod.uri) as store,
        ServerProcess(tmp_path / "log", mongod.uri, *options) as server,
    ):
        for number in range(ROOMS):
            if store.database.messages.count_documents({"room_id": f"soak{number}"}):
                raise RuntimeError("this mongod has been soaked already")
        process = psutil.Process(server.pid)
        scrape(server.port)
        files = own_files(process, mongod.port)
        memory: list[int] = []
        run = Run(server.chat, monotonic() + SECONDS)
        guests = asyncio.run(soak(run, memory, server.pid))
        asyncio.run(until(lambda: scrape(server.port)["goim_connections",] == 1))
        asyncio.run(until(lambda: scrape(server.port)["goim_rooms",] == 0))  # after the grace
        assert scrape(server.port)["goim_sessions",] == 0
        assert own_files(process, mongod.port) == files
        assert run.wrong == []
        documents = list(store.database.messages.find({"room_id": {"$regex": "^soak"}}))
        times = Counter((one["user_id"], one["client_msg_id"]) for one in documents)
        assert set(times.values()) <= {1}
        seqs = {(one["user_id"], one["client_msg_id"]): one["seq"] for one in documents}
        assert {key: seqs.get(key) for key in run.acknowledged} == run.acknowledged
        stored = defaultdict(list)
        for one in documents:
            stored[one["room_id"]].append(one["seq"])
        check_views(guests, {room: sorted(numbers) for room, numbers in stored.items()})
        assert run.views > len(run.acknowledged)
        print(
            f"\n{CLIENTS} clients, {SECONDS:g} s: {len(run.acknowledged)} messages acknowledged, "
            f"{run.views} heard, {run.losses} connections lost; memory of the server in MiB: "
            + " ".join(f"{size / (1 << 20):.0f}" for size in memory)
        )
