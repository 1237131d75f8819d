"""A server with very many clients closes, and all of them come back to the others at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from goim_edu.client import Backoff, ChatClient
from goim_edu.lab.history import Acked, Heard, Joined, Record, Sent, check_history
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from goim_edu.store import connect_mongodb
from tests.chatting import run, until
from tests.cluster.processes import figure, processes
from tools.nemesis import read_majority

CLIENTS = 2000
ROOMS = 40
SAID = 10  # messages in each room before the storm, and as many while it lasts
AT_ONCE = 100  # clients that come at the same time at first


def reads(members: LocalReplicaSet) -> int:
    """How many queries all members together have answered."""
    number = 0
    with ExitStack() as opened:
        for member in members.members:
            client = opened.enter_context(connect_mongodb(member.uri))
            number += client.admin.command("serverStatus")["opcounters"]["query"]
    return number


class Crowd:
    """Clients in many rooms; what they hear and say is written down."""

    def __init__(self, servers: Sequence[ServerProcess]) -> None:
        self.urls = [server.chat for server in servers]
        self.history: list[Record] = []
        self.clients: list[ChatClient] = []
        self._coming = asyncio.Semaphore(AT_ONCE)

    async def come(self, number: int, running: AsyncExitStack) -> None:
        begin = number % len(self.urls)
        name, room = f"user {number}", f"room {number // len(self.urls) % ROOMS}"
        client = ChatClient(
            [*self.urls[begin:], *self.urls[:begin]],
            name,
            {room: 0},
            backoff=Backoff(0.2, 2.0),
            compression=False,
            heartbeat_interval=None,
        )
        async with self._coming:
            await running.enter_async_context(client)
        self.history.append(Joined(name, room, 0))
        self.clients.append(client)

    async def listen(self, client: ChatClient) -> None:
        name = client.user_id
        async for one in client:
            ids = one.user_id, one.client_msg_id, one.text
            self.history.append(Heard(name, one.room_id, one.seq, *ids))

    async def say(self, first: int) -> None:
        """In each room somebody says something, several times."""

        async def speak(client: ChatClient, number: int) -> None:
            (room,) = client.rooms
            name, key = client.user_id, f"m{number}"
            self.history.append(Sent(name, room, name, key, key))
            ack = await client.send(room, key, client_msg_id=key)
            self.history.append(Acked(name, name, key, ack.seq))

        speakers = {next(iter(client.rooms)): client for client in self.clients}
        assert len(speakers) == ROOMS
        for number in range(first, first + SAID):
            await asyncio.gather(*(speak(client, number) for client in speakers.values()))
            await asyncio.sleep(0.2)

    def know(self, seq: int) -> bool:
        """Whether all were told this number."""
        return all(set(client.rooms.values()) == {seq} for client in self.clients)


@pytest.mark.timeout(240)
def test_all_come_back_and_the_store_is_hardly_asked(
    replica_set: LocalReplicaSet,
    database: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def test(servers: Sequence[ServerProcess]) -> None:
        crowd = Crowd(servers)
        async with AsyncExitStack() as running, asyncio.TaskGroup() as group:
            await asyncio.gather(*(crowd.come(number, running) for number in range(CLIENTS)))
            listening = [group.create_task(crowd.listen(one)) for one in crowd.clients]
            await crowd.say(0)
            await until(lambda: crowd.know(SAID), 60)
            at_the_first = await asyncio.to_thread(figure, servers[0], "goim_sessions")
            before = await asyncio.to_thread(reads, replica_set)
            begin = time.monotonic()
            closing = asyncio.create_task(asyncio.to_thread(servers[0].stop))
            await crowd.say(SAID)
            assert await closing == 0
            await until(lambda: crowd.know(2 * SAID), 90)
            took = time.monotonic() - begin
            asked = await asyncio.to_thread(reads, replica_set) - before
            for task in listening:
                task.cancel()
        lost = sum(client.losses for client in crowd.clients)
        with capsys.disabled():
            print(
                f"\n{at_the_first:.0f} of {CLIENTS} clients came back to other servers within "
                f"{took:.1f} s; {asked} queries"
            )
        assert lost >= at_the_first
        for server in servers[1:]:  # 4429 comes after a warning
            warned = 'goim_errors_total{code="rate_limited"}'
            assert await asyncio.to_thread(figure, server, warned, 0.0) == 0
        rooms = [f"room {number}" for number in range(ROOMS)]
        stored = read_majority(replica_set.uri, database)(rooms)
        violations = check_history(crowd.history, stored)
        assert violations == [], "\n".join(map(str, violations[:20]))
        assert len(stored) == 2 * SAID * ROOMS
        assert asked < at_the_first / 2

    with processes(replica_set, database, tmp_path, [()] * 3) as servers:
        run(test(servers), 200)
