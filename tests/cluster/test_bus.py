"""Servers that tell each other by NATS: as the stream does, and the stream while NATS is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from goim_edu.cluster.addresses import bus_servers
from goim_edu.lab.bus_process import BusProcess
from goim_edu.lab.link import Link
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from tests.chatting import Person, run, until
from tests.cluster.conftest import Cluster, node


@pytest.fixture
def bus() -> Iterator[BusProcess]:
    with BusProcess() as running:
        yield running


@pytest.mark.timeout(90)
def test_by_the_bus_then_by_the_stream_then_by_the_bus_again(
    cluster: Cluster, bus: BusProcess
) -> None:
    async def test() -> None:
        async with cluster(bus=bus.url) as servers:
            one, other = servers
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            await lisa.hear("presence", joined=["bo"])

            async def both_hear(first: int) -> None:
                for number in range(first, first + 10):
                    speaker = lisa if number % 2 else bo
                    await speaker.say("hi", f"m{number}")
                for person in (lisa, bo):
                    seqs = [(await person.hear("message"))["seq"] for _ in range(10)]
                    assert seqs == list(range(first, first + 10))

            def follows() -> set[bool]:
                return {node(server).follower.running for server in servers}

            await until(lambda: follows() == {False}, within=20)
            await both_hear(1)
            await bo.tell(type="typing", room_id="lobby")
            assert (await lisa.hear("typing"))["user_id"] == "bo"
            await asyncio.to_thread(bus.kill)
            await both_hear(11)
            await until(lambda: follows() == {True})
            await bo.ask(type="leave", room_id="lobby")
            assert (await lisa.hear("presence"))["left"] == ["bo"]
            await bo.join()
            await asyncio.to_thread(bus.start)
            await until(lambda: follows() == {False}, within=20)
            await both_hear(21)

    run(test())


@pytest.mark.timeout(90)
def test_what_the_bus_loses_is_found(cluster: Cluster, bus: BusProcess) -> None:
    """Nothing is published: the heads, told every two seconds, say that something is missing."""

    async def test() -> None:
        async with cluster(bus=bus.url) as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            await until(lambda: not node(other).follower.running, within=20)
            await asyncio.sleep(1)  # its last answer may be on the way
            node(one)._publish = node(one)._new.clear
            await lisa.say("lost", "m1")
            assert (await bo.hear("message"))["seq"] == 1
            assert other.hub.stats.fills["head"] == 1, other.hub.stats.fills

    run(test())


@pytest.mark.timeout(90)
def test_a_long_text_goes_as_well(cluster: Cluster, bus: BusProcess) -> None:
    async def test() -> None:
        settings = {"max_text": 900_000, "max_message_size": 1 << 22, "queue_limit": 1 << 23}
        async with cluster(bus=bus.url, **settings) as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            await until(lambda: not node(other).follower.running, within=20)
            await lisa.say("x" * 800_000, "m1")  # more than NATS takes: only its number is told
            assert len((await bo.hear("message"))["text"]) == 800_000

    run(test())


def test_two_chats_at_one_bus_hear_nothing_of_each_other(
    replica_set: LocalReplicaSet, bus: BusProcess
) -> None:
    from goim_edu.store import connect_mongodb, open_store
    from tests.chatting import running_server
    from tests.cluster.conftest import store_of

    async def test() -> None:
        with (
            open_store(replica_set.uri, database="chat_one") as first,
            open_store(replica_set.uri, database="chat_two") as second,
        ):
            async with (
                running_server(first, bus=bus.url) as one,
                running_server(second, bus=bus.url) as other,
            ):
                await until(lambda: node(one)._tells_by_bus and node(other)._tells_by_bus)
                lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
                await lisa.join()
                await bo.join()
                await lisa.say("for us only", "m1")
                assert (await bo.say("alone", "m1"))["seq"] == 1
                assert (await bo.hear("message"))["text"] == "alone"
                assert len(node(one).peers) == 0
                assert [m.text for m in store_of(other).history("lobby")] == ["alone"]

    try:
        run(test())
    finally:
        with connect_mongodb(replica_set.uri) as client:
            for name in ("chat_one", "chat_two"):
                client.drop_database(name)


@pytest.mark.timeout(60)
def test_a_server_ends_in_good_order_when_its_bus_is_silent(
    replica_set: LocalReplicaSet, bus: BusProcess, tmp_path: Path
) -> None:
    with Link(bus.port) as link:
        url = f"nats://127.0.0.1:{link.port}"
        with ServerProcess(tmp_path / "log", replica_set.uri, "--bus", url) as server:
            deadline = 200
            while "bus connected" not in (tmp_path / "log").read_text() and deadline:
                deadline -= 1
                asyncio.run(asyncio.sleep(0.05))
            link.silence()
            assert server.stop() == 0, (tmp_path / "log").read_text()


@pytest.mark.parametrize("bus", ["nats:/x", "http://x", "nats://", "nats://a,,b"])
def test_a_bus_that_is_none(bus: str) -> None:
    from goim_edu.server import ServerConfig

    with pytest.raises(ValueError, match="bus must be addresses such as nats://"):
        ServerConfig(bus=bus)


def test_the_addresses_of_a_bus_may_stand_in_a_file(tmp_path: Path) -> None:
    """A password in it is for nobody else, neither in the arguments nor in a message."""
    file = tmp_path / "bus"
    file.write_text("nats://ada:secret@a:4222,b\nmore\n")
    assert bus_servers(f"@{file}") == ["nats://ada:secret@a:4222", "nats://b"]
    file.write_text("http://ada:secret@a")
    with pytest.raises(ValueError, match="not 'a'"):
        bus_servers(f"@{file}")
    with pytest.raises(ValueError, match=r"bus: .*none has no address: No such file"):
        bus_servers(f"@{tmp_path / 'none'}")
