"""lab.Cluster: one chat at several servers, which may die, and nothing of which stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goim_edu.client import ChatClient, connect
from goim_edu.errors import HandshakeError
from goim_edu.lab import Cluster
from goim_edu.store import open_store
from tests.conftest import require_mongod


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    require_mongod()
    with Cluster(servers=3, members=1, name="tests") as running:
        yield running


def until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def hear(chat: ChatClient, number: int) -> list[tuple[int, str]]:
    async with asyncio.timeout(40):
        heard = [await anext(aiter(chat)) for _ in range(number)]
    return [(message.seq, message.text) for message in heard]


def test_what_is_said_at_one_is_heard_at_all(cluster: Cluster) -> None:
    async def talk() -> list[list[tuple[int, str]]]:
        async with (
            asyncio.timeout(60),
            cluster.client(0, "ada", ["all"]) as ada,
            cluster.client(1, "lin", ["all"]) as lin,
            cluster.client(2, "kim", ["all"]) as kim,
        ):
            await ada.send("all", "one")
            await lin.send("all", "two")
            await kim.send("all", "three")
            return [await hear(chat, 3) for chat in (ada, lin, kim)]

    assert asyncio.run(talk()) == [[(1, "one"), (2, "two"), (3, "three")]] * 3
    assert len(set(cluster.urls)) == 3


def test_a_client_goes_on_at_the_next_server_when_its_own_is_killed(cluster: Cluster) -> None:
    async def talk() -> list[tuple[int, str]]:
        async with (
            asyncio.timeout(90),
            cluster.client(0, "ada", ["killed"]) as ada,
            cluster.client(1, "lin", ["killed"]) as lin,
        ):
            await ada.send("killed", "before")
            cluster.kill(0)
            await lin.send("killed", "meanwhile")
            await ada.send("killed", "after")
            assert ada.losses == 1
            assert lin.losses == 0
            assert await hear(ada, 3) == await hear(lin, 3)
        with open_store(cluster.members.uri) as store:
            return [(one.seq, one.text) for one in store.history("killed")]

    assert asyncio.run(talk()) == [(1, "before"), (2, "meanwhile"), (3, "after")]
    assert repr(cluster) == "<Cluster of 1 mongod and 3 servers: 2 running>"
    address = cluster.urls[0]
    cluster.restart(0)
    cluster.restart(0)
    assert cluster.urls[0] == address
    assert all(server.running for server in cluster.servers)


def test_a_client_of_one_server_only_waits_for_it(cluster: Cluster) -> None:
    async def talk() -> int:
        async with asyncio.timeout(90), cluster.client(2, "ada", ["waits"], only=True) as ada:
            cluster.kill(2)
            saying = asyncio.create_task(ada.send("waits", "hello"))
            await asyncio.sleep(1.0)
            assert not saying.done()
            await asyncio.to_thread(cluster.restart, 2)
            return (await saying).seq

    assert asyncio.run(talk()) == 1


def test_the_number_of_a_frozen_server_is_taken_meanwhile(cluster: Cluster) -> None:
    async def talk() -> list[int]:
        async with (
            asyncio.timeout(90),
            cluster.client(0, "ada", ["frozen"], only=True) as ada,
            cluster.client(1, "lin", ["frozen"]) as lin,
        ):
            first = await ada.send("frozen", "first")
            with cluster.freeze(0):
                saying = asyncio.create_task(ada.send("frozen", "from the frozen one"))
                second = await lin.send("frozen", "meanwhile")
                await asyncio.sleep(0.3)
                assert not saying.done()
            return [first.seq, second.seq, (await saying).seq]

    assert asyncio.run(talk()) == [1, 2, 3]


def test_a_panel_in_jupyterlab_is_let_in_and_a_page_of_the_web_is_not(cluster: Cluster) -> None:
    async def knock(origin: str) -> None:
        chat = connect(cluster.urls[0], origin=origin, subprotocols=["goim.v1.json"])
        async with asyncio.timeout(20), chat:
            pass

    asyncio.run(knock("http://localhost:8888"))
    with pytest.raises(HandshakeError, match="403"):
        asyncio.run(knock("https://example.com"))


def test_a_new_one_of_the_same_name_closes_the_old_one(capsys: pytest.CaptureFixture[str]) -> None:
    require_mongod()
    old = Cluster(servers=1, members=1, name="again").start()
    process = old.servers[0]
    with Cluster(servers=1, members=1, name="again") as new:
        assert not process.running
        assert new.servers[0].running
    assert not new.servers
    new.close()
    line = "starting 1 mongod and 1 server ... ready\n"
    assert capsys.readouterr().out == line * 2


def test_a_frozen_one_is_closed_as_well() -> None:
    require_mongod()
    cluster = Cluster(servers=1, members=1, name="frozen at the end").start()
    server = cluster.servers[0]
    server.freeze()
    begin = time.monotonic()
    cluster.close()
    assert not server.running
    assert time.monotonic() - begin < 60


def test_it_needs_a_server() -> None:
    with pytest.raises(ValueError, match="1 server or more, not 0"):
        Cluster(servers=0)


def test_what_does_not_start_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    require_mongod()
    cluster = Cluster(servers=1, members=1, options=["--rate", "many"], name="wrong")
    with pytest.raises(RuntimeError, match="invalid"):
        cluster.start()
    assert cluster.members.members == []
    assert cluster.servers == []
    assert "ready" not in capsys.readouterr().out


STARTED = """
import os, time
from goim_edu.lab import Cluster
cluster = Cluster(servers=2, members=1).start()
pids = [server.pid for server in cluster.servers] + [cluster.members.members[0].pid]
with cluster.freeze(1):
    print("pids", *pids, flush=True)
    time.sleep(600)
"""


def test_nothing_stays_when_its_kernel_is_killed(tmp_path: Path) -> None:
    """Not even a server that is frozen at that moment."""
    require_mongod()
    kernel = subprocess.Popen(
        [sys.executable, "-c", STARTED],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert kernel.stdout is not None
    try:
        line = next(line for line in kernel.stdout if line.startswith("pids"))
        pids = [int(word) for word in line.split()[1:]]
        assert all(map(is_alive, pids))
    finally:
        kernel.send_signal(signal.SIGKILL)
        kernel.wait()
        kernel.stdout.close()
    until(lambda: not any(map(is_alive, pids)))
    until(lambda: not list(tmp_path.iterdir()))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
