"""The promises of the chat protocol, with real clients, while server and database are killed.

The clients are those of the ``websockets`` library; the server is ``python -m goim_edu serve`` in a
process of its own; MongoDB is real. The figures of the full runs are set by environment variables:
GOIM_SERVER_KILLS (20 in full) and GOIM_FREEZE_SECONDS (20 in full).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from goim_edu.mongod import LocalMongod, LocalReplicaSet
from goim_edu.store import MessageStore, StoredMessage, open_store
from tests.conftest import require_mongod

SERVER_KILLS = int(os.environ.get("GOIM_SERVER_KILLS", "4"))
FREEZE_SECONDS = float(os.environ.get("GOIM_FREEZE_SECONDS", "3"))
CLIENTS = 20
ROOMS = 4


class Served:
    """One process of ``python -m goim_edu serve``; it may be killed and started again."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.starts = 0

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "goim_edu", "serve", "--port", "0"),
                *("--rate", "100000", "--log-level", "warning", *self._arguments),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on ws://"), line
        self.url = line.split()[-1]
        self.starts += 1

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait until the process is gone, answer its exit code."""
        process = self.process
        assert process is not None
        assert process.stdout is not None
        process.send_signal(number)
        code = process.wait(60)
        process.stdout.close()
        self.process = None
        return code


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    server = Served(*arguments)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None:
            assert server.end(signal.SIGTERM) == 0


class Client:
    """Sends one message after the other, each until it is acknowledged, over any connection."""

    def __init__(self, number: int, server: Served, stop: asyncio.Event) -> None:
        self.user = f"user{number}"
        self.room = f"room{number % ROOMS}"
        self._server = server
        self._stop = stop
        self.sent: dict[str, str] = {}
        self.acks: dict[str, list[dict[str, Any]]] = {}
        self.seen: list[list[dict[str, Any]]] = []
        self.unavailable = 0
        self.disconnected = 0

    async def run(self) -> None:
        """Until told to stop, and then until the last message is acknowledged."""
        while not (self._stop.is_set() and len(self.acks) == len(self.sent)):
            try:
                async with connect(
                    self._server.url + "/chat",
                    subprotocols=[Subprotocol("goim.v1.json")],
                    ping_interval=None,
                ) as connection:
                    await self._talk(connection)
            except (OSError, ConnectionClosed, TimeoutError):
                self.disconnected += 1
                await asyncio.sleep(0.05)

    async def _talk(self, connection: ClientConnection) -> None:
        self.seen.append([])
        await self._ask(connection, "welcome", type="hello", user_id=self.user)
        await self._ask(connection, "joined", type="join", room_id=self.room)
        while True:
            unacknowledged = [key for key in self.sent if key not in self.acks]
            if not unacknowledged:
                if self._stop.is_set():
                    return
                key = f"{self.user}-{len(self.sent)}"
                self.sent[key] = f"{self.user} says {len(self.sent)}"
                unacknowledged = [key]
            for key in unacknowledged:
                await self._send(connection, key)

    async def _send(self, connection: ClientConnection, key: str) -> None:
        answer = await self._ask(
            *(connection, "ack"),
            type="send",
            room_id=self.room,
            client_msg_id=key,
            text=self.sent[key],
        )
        if answer["type"] == "ack":
            assert answer["client_msg_id"] == key
            self.acks.setdefault(key, []).append(answer)
        else:
            assert answer["code"] == "unavailable", answer
            self.unavailable += 1
            await asyncio.sleep(0.05)

    async def _ask(self, connection: ClientConnection, kind: str, **request: Any) -> dict[str, Any]:
        """One request and its answer; what the room says meanwhile is kept."""
        await connection.send(json.dumps(request))
        while True:
            async with asyncio.timeout(90):
                answer: dict[str, Any] = json.loads(await connection.recv())
            if answer["type"] == "message":
                self.seen[-1].append(answer)
            elif answer["type"] in (kind, "error"):
                return answer


class Crowd:
    """Twenty clients in four rooms, and what they must have seen in the end."""

    def __init__(self, server: Served) -> None:
        self.stop = asyncio.Event()
        self.clients = [Client(number, server, self.stop) for number in range(CLIENTS)]

    @property
    def acknowledged(self) -> int:
        return sum(len(client.acks) for client in self.clients)

    async def wait_for_acks(self, number: int, seconds: float = 60) -> float:
        """Until so many more messages were acknowledged; the seconds until the first of them."""
        before, begin, first = self.acknowledged, time.monotonic(), 0.0
        while self.acknowledged < before + number:
            if not first and self.acknowledged > before:
                first = time.monotonic() - begin
            assert time.monotonic() < begin + seconds, f"{self.acknowledged - before} acknowledged"
            await asyncio.sleep(0.01)
        return first

    def check(self, stored: list[StoredMessage]) -> None:
        """Promises 1, 2 and 3."""
        by_key = {(message.user_id, message.client_msg_id): message for message in stored}
        assert len(by_key) == len(stored), "a message is stored twice"
        assert len({(message.room_id, message.seq) for message in stored}) == len(stored)
        for client in self.clients:
            for key, acks in client.acks.items():
                message = by_key[client.user, key]  # KeyError: acknowledged, and lost
                assert {ack["seq"] for ack in acks} == {message.seq}
                assert message.text == client.sent[key]
            for seen in client.seen:
                assert all(a["seq"] < b["seq"] for a, b in pairwise(seen)), "order or repeats"
                for told in seen:
                    message = by_key[told["user_id"], told["client_msg_id"]]
                    assert (message.seq, message.text) == (told["seq"], told["text"])


def everything(store: MessageStore) -> list[StoredMessage]:
    """All messages of the crowd's rooms, page by page."""
    found: list[StoredMessage] = []
    for number in range(ROOMS):
        last = 0
        while page := store.history(f"room{number}", after_seq=last, limit=5000):
            found += page
            last = page[-1].seq
    return found


def stored_messages(uri: str) -> list[StoredMessage]:
    with open_store(uri) as store:
        return everything(store)


def run_crowd(server: Served, events: Callable[[Crowd], Awaitable[None]]) -> Crowd:
    """Let the crowd chat while something happens; then let each get its last answer."""

    async def main() -> Crowd:
        crowd = Crowd(server)
        async with asyncio.TaskGroup() as group:
            for client in crowd.clients:
                group.create_task(client.run())
            try:
                await events(crowd)
            finally:
                crowd.stop.set()
        return crowd

    return asyncio.run(main())


def empty(uri: str) -> None:
    """Forget what other tests wrote."""
    with open_store(uri) as store:
        for name in ("messages", "read_marks"):
            store.database[name].delete_many({})


def test_the_primary_is_killed_twice_under_twenty_clients(
    replica_set: LocalReplicaSet, capsys: pytest.CaptureFixture[str]
) -> None:
    empty(replica_set.uri)
    gaps = []

    async def kill_twice(crowd: Crowd) -> None:
        for _ in range(2):
            await crowd.wait_for_acks(300)
            killed = await asyncio.to_thread(replica_set.kill, "primary")
            try:
                gaps.append(await crowd.wait_for_acks(300))
            finally:
                await asyncio.to_thread(replica_set.restart, killed)

    with served("--mongo", replica_set.uri) as server:
        crowd = run_crowd(server, kill_twice)
    crowd.check(stored_messages(replica_set.uri))
    assert sum(client.disconnected for client in crowd.clients) == 0
    with capsys.disabled():
        print(
            f"\n{crowd.acknowledged:,} acknowledged, 0 lost, 0 twice; nobody disconnected; "
            f"no ack for {gaps[0]:.1f} s and {gaps[1]:.1f} s"
        )
    assert max(gaps) < 30


def test_the_server_is_killed_in_the_middle_of_bursts(mongod: LocalMongod) -> None:
    empty(mongod.uri)

    with served("--mongo", mongod.uri) as server:

        async def kill_often(crowd: Crowd) -> None:
            for _ in range(SERVER_KILLS):
                await crowd.wait_for_acks(200)
                await asyncio.to_thread(server.end, signal.SIGKILL)
                stored = await asyncio.to_thread(stored_messages, mongod.uri)
                crowd.check(stored)
                await asyncio.to_thread(server.start)
            await crowd.wait_for_acks(100)

        crowd = run_crowd(server, kill_often)
        assert server.starts == SERVER_KILLS + 1
    stored = stored_messages(mongod.uri)
    crowd.check(stored)
    assert len(stored) == sum(len(client.sent) for client in crowd.clients)
    # Some acknowledgements were lost on the way: their messages were sent again, and known.
    assert sum(client.disconnected for client in crowd.clients) >= CLIENTS * SERVER_KILLS


def test_the_server_and_its_own_mongod_come_back_together(tmp_path: Path) -> None:
    """With ``--mongo local`` mongod ends with its server; the next one finds the messages."""
    require_mongod()
    with served("--mongo", "local", "--data-dir", str(tmp_path)) as server:

        async def kill_once(crowd: Crowd) -> None:
            await crowd.wait_for_acks(200)
            await asyncio.to_thread(server.end, signal.SIGKILL)
            await asyncio.to_thread(server.start)
            await crowd.wait_for_acks(200)

        crowd = run_crowd(server, kill_once)
        assert server.end(signal.SIGTERM) == 0
    with open_store("local", tmp_path) as store:
        crowd.check(everything(store))


def test_a_frozen_mongod_disconnects_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -STOP of the server's own mongod: answers come late, or say *unavailable*."""
    require_mongod()

    async def freeze(crowd: Crowd) -> None:
        await crowd.wait_for_acks(200)
        mongod = psutil.Process(int((tmp_path / "db" / "mongod.lock").read_text()))
        mongod.suspend()
        try:
            before = crowd.acknowledged
            await asyncio.sleep(FREEZE_SECONDS)
            assert crowd.acknowledged <= before + CLIENTS
        finally:
            mongod.resume()
        await crowd.wait_for_acks(200)

    with served("--mongo", "local", "--data-dir", str(tmp_path)) as server:
        crowd = run_crowd(server, freeze)
    assert sum(client.disconnected for client in crowd.clients) == 0
    with open_store("local", tmp_path) as store:
        stored = everything(store)
    crowd.check(stored)
    assert len(stored) == sum(len(client.sent) for client in crowd.clients)
    with capsys.disabled():
        print(
            f"\nfrozen for {FREEZE_SECONDS:g} s: {crowd.acknowledged:,} acknowledged, "
            f"{sum(client.unavailable for client in crowd.clients)} told unavailable"
        )
