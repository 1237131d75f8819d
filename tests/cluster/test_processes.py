"""Three server processes of one chat: frozen in mid batch, out of reach, with readers that move."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from goim_edu.lab.bus_process import BusProcess
from goim_edu.lab.history import Record
from goim_edu.lab.link import Link
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalMongod, LocalReplicaSet
from goim_edu.store import connect_mongodb
from tests.chatting import RawClient, run, until
from tests.cluster.processes import (
    Witness,
    figure,
    judge,
    on_the_primary,
    processes,
)
from tests.conftest import require_mongod

ALONE: Sequence[str] = ()


# ---------------------------------------------------------------------- a server that stands still


@contextmanager
def without_majority(members: LocalReplicaSet) -> Iterator[None]:
    """The primary takes what comes, and nobody copies it."""
    primary = members.wait_for_primary()
    with ExitStack() as held:
        for member in members.members:
            if member is not primary:
                held.enter_context(members.held_up(member))
        yield


@pytest.mark.timeout(120)
def test_a_server_is_frozen_with_a_batch_under_way(
    replica_set: LocalReplicaSet, database: str, tmp_path: Path
) -> None:
    """Its messages are sent again by another server before it wakes up, and are the same ones."""
    rounds, each = 4, 30
    history: list[Record] = []

    async def test(first: ServerProcess, second: ServerProcess, third: ServerProcess) -> None:
        readers = [
            await Witness.enter(server, f"reader {number}", history)
            for number, server in enumerate((first, second, third))
        ]
        lisa = await Witness.enter(first, "lisa", history)
        tom = await Witness.enter(third, "tom", history)
        stored = 0
        for number in range(rounds):
            keys = [f"m{number} {key}" for key in range(each)]
            with without_majority(replica_set):
                await lisa.shout(keys)
                await until(lambda: on_the_primary(replica_set, database) > stored)  # noqa: B023
                first.freeze()
            again = await Witness.enter(second, "lisa", history)
            await again.shout(keys)
            await tom.shout([f"t{number} {key}" for key in range(each)])
            saved = await again.acked(keys)
            assert any(ack["duplicate"] for ack in saved)  # what was under way has arrived
            first.thaw()
            assert [ack["seq"] for ack in await lisa.acked(keys)] == [ack["seq"] for ack in saved]
            await tom.acked([f"t{number} {key}" for key in range(each)])
            again.leave()
            stored += 2 * each
        for person in (*readers, lisa, tom):
            await person.hear_all(stored)
        assert judge(history, replica_set, database) == stored

    with processes(replica_set, database, tmp_path, [ALONE] * 3) as (first, second, third):
        run(test(first, second, third), 100)


class SmallOplog(LocalMongod):
    """A member that remembers little of what was written."""

    def _command(self, binary: Path, *, replica_set: bool = True) -> list[str]:
        command = super()._command(binary, replica_set=replica_set)
        # A member keeps what it has not written into a checkpoint: one a second.
        return [*("8" if part == "256" else part for part in command), "--syncdelay", "1"]


def fill_the_oplog(members: LocalReplicaSet) -> None:
    """Write more than it holds, until every member has let go of what is in it now."""
    with ExitStack() as opened:
        clients = [opened.enter_context(connect_mongodb(one.uri)) for one in members.members]
        oplogs = [client["local"]["oplog.rs"] for client in clients]
        now = [oplog.find().sort("$natural", -1).limit(1).next()["ts"] for oplog in oplogs]
        end = time.monotonic() + 60
        with connect_mongodb(members.uri) as client:
            while any(
                oplog.find().sort("$natural", 1).limit(1).next()["ts"] <= ts
                for oplog, ts in zip(oplogs, now, strict=True)
            ):
                assert time.monotonic() < end
                client["other"]["ballast"].insert_many(
                    {"octets": b"x" * 500_000} for _ in range(20)
                )


@pytest.mark.timeout(180)
def test_a_server_slept_longer_than_the_oplog_reaches_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB's error 286: what was said meanwhile is read from the store."""
    require_mongod()
    monkeypatch.setattr("goim_edu.mongod.replica_set.LocalMongod", SmallOplog)
    history: list[Record] = []

    async def test(members: LocalReplicaSet, first: ServerProcess, second: ServerProcess) -> None:
        reader = await Witness.enter(second, "reader", history)
        lisa = await Witness.enter(first, "lisa", history)
        keys = [f"m{key}" for key in range(60)]
        await lisa.shout(keys[:10])
        await reader.hear_all(10)
        second.freeze()
        for begin in range(10, 60, 10):  # the answer that is under way tells the first of them
            await lisa.shout(keys[begin : begin + 10])
            await lisa.acked(keys[begin : begin + 10])
        await asyncio.to_thread(fill_the_oplog, members)
        second.thaw()
        await reader.hear_all(60)
        await lisa.hear_all(60)
        await until(lambda: "change stream lost" in (tmp_path / "log1").read_text(), 30)
        assert judge(history, members, "small") == 60

    with (
        LocalReplicaSet(3) as members,
        processes(members, "small", tmp_path, [ALONE] * 2) as (first, second),
    ):
        run(test(members, first, second), 120)


# ---------------------------------------------------------------------- readers


@pytest.mark.timeout(120)
def test_readers_move_from_server_to_server_amid_a_burst(
    replica_set: LocalReplicaSet, database: str, tmp_path: Path
) -> None:
    moves, each = 25, 400
    history: list[Record] = []
    dice = random.Random(1)

    async def test(servers: Sequence[ServerProcess]) -> None:
        over = asyncio.Event()

        async def move(number: int) -> int:
            """Come, hear a little, vanish, and come to another server; how often."""
            name, moved, last = f"mover {number}", 0, 0
            while True:
                at = servers[(number + moved) % len(servers)]
                person = await Witness.enter(at, name, history, since=last, reader=name)
                if over.is_set() and moved >= moves:
                    await person.hear_all(2 * each)
                    return moved
                for _ in range(dice.randrange(1, 60)):
                    if person.last < 2 * each:
                        await person.listen()
                person.go()
                last, moved = person.last, moved + 1

        async def speak(person: Witness) -> None:
            keys = [f"m{key}" for key in range(each)]
            for begin in range(0, each, 10):
                await person.shout(keys[begin : begin + 10])
                await person.acked(keys[begin : begin + 10])
            person.leave()

        people = [await Witness.enter(servers[at], f"user {at}", history) for at in (0, 2)]
        movers = [asyncio.create_task(move(number)) for number in range(6)]
        await asyncio.gather(*map(speak, people))
        over.set()
        for moved in await asyncio.gather(*movers):
            assert moved >= moves
        assert judge(history, replica_set, database) == 2 * each

    with processes(replica_set, database, tmp_path, [ALONE] * 3) as servers:
        run(test(servers), 100)


@pytest.mark.timeout(120)
def test_a_reader_that_stops_holds_up_nobody(
    replica_set: LocalReplicaSet, database: str, tmp_path: Path
) -> None:
    """Nor does the follower of its server wait for it."""
    number = 3000
    history: list[Record] = []

    async def test(first: ServerProcess, second: ServerProcess) -> None:
        deaf = await RawClient.come(second.port, "/chat", "Sec-WebSocket-Protocol: goim.v1.json")
        deaf.send_text('{"type":"hello","user_id":"deaf"}')
        deaf.send_text('{"type":"join","room_id":"lobby","since":0}')
        others = [
            await Witness.enter(server, f"reader {place}", history)
            for place, server in enumerate((first, second, second))
        ]
        lisa = await Witness.enter(first, "lisa", history)
        for begin in range(0, number, 100):
            keys = [f"m{key}" for key in range(begin, begin + 100)]
            await lisa.shout(keys, "." * 2000)
            await lisa.acked(keys)
        for person in (lisa, *others):
            await person.hear_all(number)
        events = await asyncio.to_thread(figure, second, "goim_stream_events_total")
        assert events >= number
        back = await Witness.enter(second, "deaf", history, since=number - 900)
        await back.hear_all(number)
        assert judge(history, replica_set, database) == number

    with processes(replica_set, database, tmp_path, [ALONE] * 2) as (first, second):
        run(test(first, second), 100)


# ---------------------------------------------------------------------- the bus


async def until_the_bus_is_all(
    server: ServerProcess, say: Callable[[int, int], Awaitable[None]]
) -> None:
    """Until a server hears by the bus what is said, and no longer by the stream too."""
    for number in range(60):
        before = await asyncio.to_thread(figure, server, "goim_stream_events_total")
        await say(number, number + 1)
        await asyncio.sleep(0.5)
        if await asyncio.to_thread(figure, server, "goim_stream_events_total") == before:
            return
    raise AssertionError("it still follows the stream")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("harm", ["silence", "kill"])
def test_a_bus_that_is_silent_or_dead_is_done_without(
    harm: str, replica_set: LocalReplicaSet, database: str, tmp_path: Path
) -> None:
    """The change stream takes over by itself, and the bus again when it is back."""
    history: list[Record] = []

    async def test(
        bus: BusProcess, link: Link, first: ServerProcess, second: ServerProcess
    ) -> None:
        reader = await Witness.enter(second, "reader", history)
        lisa = await Witness.enter(first, "lisa", history)

        async def say(begin: int, end: int) -> None:
            keys = [f"m{key}" for key in range(begin, end)]
            await lisa.shout(keys)
            await lisa.acked(keys)
            async with asyncio.timeout(60):
                while reader.last < end:
                    # Nothing is heard while it is not noticed yet that the bus is silent.
                    try:
                        await reader.listen()
                    except TimeoutError:
                        assert harm == "silence"

        await until_the_bus_is_all(second, say)
        begin = reader.last
        link.silence() if harm == "silence" else bus.kill()
        await say(begin, begin + 40)
        link.restore() if harm == "silence" else bus.start()
        await until(lambda: "bus connected" in (tmp_path / "log1").read_text(), 30)
        await say(begin + 40, begin + 80)
        await lisa.hear_all(begin + 80)
        assert judge(history, replica_set, database) == begin + 80

    with BusProcess() as bus, Link(bus.port) as link:
        ways = [["--bus", bus.url], ["--bus", f"nats://127.0.0.1:{link.port}"]]
        with processes(replica_set, database, tmp_path, ways) as (first, second):
            run(test(bus, link, first, second), 150)
