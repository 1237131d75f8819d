"""Several addresses of one chat: each attempt takes the next one, with asyncio and with threads."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from goim_edu.client import Backoff, ChatClient, connect, sync
from goim_edu.lab import LiveServer
from goim_edu.store import MemoryBackend, MessageStore
from tests.chatting import run

FAST = Backoff(first=0.001, longest=0.002)


@contextmanager
def two_servers() -> Iterator[tuple[MessageStore, LiveServer, LiveServer]]:
    """Two servers with the same messages."""
    with (
        closing(MessageStore(MemoryBackend())) as store,
        LiveServer(store, name="one") as one,
        LiveServer(store, name="other") as other,
    ):
        yield store, one, other


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"ws://127.0.0.1:{bound.getsockname()[1]}/chat"


def test_a_chat_goes_on_at_the_next_server(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "goim_edu.client")

    async def test(store: MessageStore, one: LiveServer, other: LiveServer) -> None:
        async with ChatClient([one.url, other.url], "lisa", {"r": 0}, backoff=FAST) as lisa:
            assert (await lisa.send("r", "here")).seq == 1
            await asyncio.to_thread(one.close)
            assert (await lisa.send("r", "and there")).seq == 2
            heard = [await anext(aiter(lisa)) for _ in range(2)]
            assert [message.text for message in heard] == ["here", "and there"]
            assert lisa.losses == 1
        assert f"connecting again to=127.0.0.1:{other.port}" in caplog.text

    with two_servers() as servers:
        run(test(*servers))


def test_a_chat_of_threads_goes_on_at_the_next_server() -> None:
    with (
        two_servers() as (_, one, other),
        sync.ChatClient((one.url, other.url), "lisa", {"r": 0}, backoff=FAST, timeout=20.0) as lisa,
    ):
        assert lisa.send("r", "here").seq == 1
        one.close()
        assert lisa.send("r", "and there").seq == 2
        assert [message.seq for message in itertools.islice(lisa, 2)] == [1, 2]


def test_the_first_that_is_there_is_taken(nobody: str) -> None:
    async def test(one: LiveServer) -> None:
        async with ChatClient([nobody, nobody, one.url], "lisa", ["r"], backoff=FAST) as lisa:
            assert (await lisa.send("r", "hello")).seq == 1

    with two_servers() as (_, one, _other):
        run(test(one))
        with sync.ChatClient(
            [nobody, nobody, one.url], "lisa", ["r"], backoff=FAST, timeout=20.0
        ) as lisa:
            assert lisa.send("r", "hello").seq == 2


def test_each_connection_is_to_the_next_one() -> None:
    async def ports(urls: list[str]) -> list[int]:
        found = []
        async for ws in connect(urls, subprotocols=["goim.v1.json"], backoff=FAST):
            found.append(ws.remote[1])
            if len(found) == 5:
                return found
        return []

    with two_servers() as (_, one, other):
        urls = [one.url, other.url]
        expected = [one.port, other.port, one.port, other.port, one.port]
        assert asyncio.run(ports(urls)) == expected
        found = []
        for ws in sync.reconnect(urls, subprotocols=["goim.v1.json"], backoff=FAST):
            found.append(ws.remote[1])
            if len(found) == 5:
                break
        assert found == expected


@pytest.mark.parametrize("wrong", [[], (), ["ws://a/chat", 5], ["http//no"]])
def test_addresses_that_are_none(wrong: Any) -> None:
    for kind in (ChatClient, sync.ChatClient):
        with pytest.raises((ValueError, TypeError)):
            kind(wrong, "lisa", ["r"])
