"""Servers of one chat in this process, each with a store of its own, on a real replica set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from goim_edu.mongod import LocalReplicaSet
from goim_edu.server import ChatServer
from goim_edu.store import MessageStore, connect_mongodb, open_store
from tests.chatting import running_server, until

Cluster = Callable[..., Any]


@pytest.fixture
def database(replica_set: LocalReplicaSet) -> Iterator[str]:
    """The name of a database for one test."""
    name = f"cluster_{uuid4().hex[:10]}"
    yield name
    with connect_mongodb(replica_set.uri) as client:
        client.drop_database(name)


@pytest.fixture
def cluster(replica_set: LocalReplicaSet, database: str) -> Cluster:
    """Starts so many servers; each knows the others when it is entered."""

    @asynccontextmanager
    async def start(number: int = 2, **settings: Any) -> AsyncIterator[list[ChatServer]]:
        async with AsyncExitStack() as running:
            servers = []
            for _ in range(number):
                store = await asyncio.to_thread(open_store, replica_set.uri, database=database)
                running.push_async_callback(asyncio.to_thread, store.close)
                servers.append(await running.enter_async_context(running_server(store, **settings)))
            await until(lambda: all(len(node(one).peers) == number - 1 for one in servers))
            yield servers

    return start


def node(server: ChatServer) -> Any:
    """The server as one of several."""
    assert server.node is not None
    return server.node


def store_of(server: ChatServer) -> MessageStore:
    """Its store."""
    assert isinstance(server.store, MessageStore)
    return server.store
