"""What sessions ask of the store: in turn, not for those that have left, health beside it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from goim_edu.chat.errands import MOST_OPEN
from goim_edu.server import ChatServer
from goim_edu.storage.backend_memory import MemoryBackend
from goim_edu.store import MessageStore
from tests.chatting import Person, http, run, running_server, until


class Frozen(MessageStore):
    """A store whose database answers no question until it is thawed."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.thawed = threading.Event()
        self.asked: list[str] = []
        self.pings = 0

    def last_seq(self, room_id: str) -> int:
        self.asked.append(room_id)
        self.thawed.wait(60)
        return super().last_seq(room_id)

    def history(self, room_id: str, **bounds: Any) -> list[Any]:
        self.asked.append(room_id)
        self.thawed.wait(60)
        return super().history(room_id, **bounds)

    def ping(self) -> float:
        self.pings += 1
        self.thawed.wait(60)
        return super().ping()


@asynccontextmanager
async def frozen_server(**settings: Any) -> AsyncIterator[tuple[ChatServer, Frozen]]:
    """A server on such a store; all readers of it are busy for now."""
    store = Frozen()
    try:
        async with running_server(store, **settings) as server:
            early = await Person.come(server, "early")
            for number in range(4):
                await early.tell(type="join", room_id=f"early {number}")
            await until(lambda: len(store.asked) == 4)
            try:
                yield server, store
            finally:
                store.thawed.set()
    finally:
        await asyncio.to_thread(store.close)


def test_what_clients_that_left_have_asked_is_not_asked() -> None:
    async def test() -> None:
        async with frozen_server() as (server, store):
            for number in range(10):
                gone = await Person.come(server, f"gone {number}")
                for room in range(45):
                    await gone.tell(type="join", room_id=f"gone {room}")
                await until(lambda: store.questions == MOST_OPEN)
                gone.go()
                await until(lambda: store.questions == 0)
            honest = await Person.come(server, "honest")
            await honest.tell(type="join", room_id="honest")
            await until(lambda: store.questions == 1)
            store.thawed.set()
            assert (await honest.hear("joined"))["room_id"] == "honest"
            assert store.asked[4:] == ["honest"]

    run(test())


def test_sessions_take_turns() -> None:
    async def test() -> None:
        async with frozen_server() as (server, store):
            greedy = await Person.come(server, "greedy")
            for room in range(40):
                await greedy.tell(type="join", room_id=f"greedy {room}")
            await until(lambda: store.questions == MOST_OPEN)
            honest = await Person.come(server, "honest")
            await honest.tell(type="join", room_id="honest")
            await until(lambda: store.questions == MOST_OPEN + 1)
            store.thawed.set()
            await honest.hear("joined")
            assert store.asked.index("honest") <= 5

    run(test())


def test_a_session_that_asks_too_much_is_told_so() -> None:
    async def test() -> None:
        async with frozen_server(max_rooms=5000, burst=5000) as (server, store):
            greedy = await Person.come(server, "greedy")
            for room in range(1200):
                await greedy.tell(type="join", room_id=f"greedy {room}")
            error = await greedy.hear("error")
            assert error["code"] == "rate_limited"
            assert "1000 requests wait" in error["reason"]
            assert store.questions == MOST_OPEN
            honest = await Person.come(server, "honest")
            await honest.tell(type="join", room_id="honest")
            store.thawed.set()
            assert (await honest.hear("joined"))["room_id"] == "honest"

    run(test())


def test_health_is_not_behind_the_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And many that ask for it share one ping."""
    monkeypatch.setattr("goim_edu.serving.pages._PATIENCE", 0.05)

    async def test() -> None:
        async with frozen_server() as (server, store):
            for answer in await asyncio.gather(*(http(server.port, "/healthz") for _ in range(20))):
                status, _, body = answer
                assert status == 503
                assert json.loads(body)["why"] == "no answer in time"
            assert store.questions <= 1
            store.thawed.set()
            await until(lambda: store.questions == 0)
            assert (await http(server.port, "/healthz"))[0] == 200
            assert store.pings <= 2

    run(test())


def test_draining_is_not_behind_the_readers() -> None:
    async def test() -> None:
        async with frozen_server(close_timeout=0.1) as (server, _):
            await server.drain(5)
            assert not server._connections

    run(test())
