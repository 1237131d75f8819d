"""A MongoDB that is no replica set: one server serves it, and a second one is told which."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from goim_edu.client import connect
from goim_edu.cluster.lease import Lease, LeaseHeld
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalMongod
from goim_edu.storage.mongodb_client import Database
from goim_edu.store import connect_mongodb, open_store
from goim_edu.transport import ConnectionClosed
from tests.chatting import run, running_server, until


@pytest.fixture
def database(mongod: LocalMongod) -> Iterator[Database]:
    with connect_mongodb(mongod.uri) as client:
        name = f"lease_{uuid4().hex[:8]}"
        yield client[name]
        client.drop_database(name)


def uri_of(mongod: LocalMongod, database: Database) -> str:
    hosts, _, options = mongod.uri.partition("/?")
    return f"{hosts.rstrip('/')}/{database.name}?{options}"


def test_the_second_is_told_who_is_first(database: Database) -> None:
    first, second = Lease(database), Lease(database)
    first.take("ws://one/chat")
    with pytest.raises(LeaseHeld, match=r"serves one chat server, and that is ws://one/chat \(pro"):
        second.take("ws://two/chat")
    first.take("ws://one:1/chat")  # renewed
    with pytest.raises(LeaseHeld, match="ws://one:1/chat"):
        second.take("ws://two/chat")
    first.give_back()
    second.take("ws://two/chat")
    with pytest.raises(LeaseHeld, match="ws://two/chat"):
        first.take("ws://one/chat")
    first.give_back()  # it has none, so nothing happens
    with pytest.raises(LeaseHeld):
        first.take("ws://one/chat")


def test_one_that_is_silent_is_followed(database: Database) -> None:
    first, second = Lease(database), Lease(database, stale_after=0.5)
    first.take("ws://one/chat")
    with pytest.raises(LeaseHeld):
        second.take("ws://two/chat")
    time.sleep(0.7)
    second.take("ws://two/chat")
    with pytest.raises(LeaseHeld, match="ws://two/chat"):  # it wakes up, and learns of it
        first.take("ws://one/chat")


def test_a_lease_from_another_machine_is_waited_for(database: Database) -> None:
    Lease(database).take("ws://one/chat")
    elsewhere = {"host": "elsewhere", "pid": 1, "machine": "another"}
    database["lease"].update_one({}, {"$set": elsewhere})
    with pytest.raises(LeaseHeld, match="process 1 on elsewhere"):
        Lease(database).take("ws://two/chat")


def test_so_is_one_of_a_container_with_the_same_name_and_number(database: Database) -> None:
    Lease(database).take("ws://one/chat")
    database["lease"].update_one({}, {"$set": {"machine": "another", "owner": "one of there"}})
    with pytest.raises(LeaseHeld, match=f"process {os.getpid()} on {socket.gethostname()}"):
        Lease(database).take("ws://two/chat")


def test_one_whose_process_has_died_here_is_followed_at_once(database: Database) -> None:
    Lease(database).take("ws://one/chat")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    database["lease"].update_one({}, {"$set": {"pid": dead.pid, "owner": "the dead"}})
    Lease(database).take("ws://two/chat")


def test_one_whose_process_lives_here_is_waited_for(database: Database) -> None:
    Lease(database).take("ws://one/chat")
    for pid in (os.getppid(), 1):  # the second may be of another user
        database["lease"].update_one({}, {"$set": {"pid": pid, "owner": "the living"}})
        with pytest.raises(LeaseHeld, match=f"process {pid} on"):
            Lease(database).take("ws://two/chat")


def test_a_dollar_in_an_address_is_only_a_dollar(database: Database) -> None:
    Lease(database).take("$$NOW")
    with pytest.raises(LeaseHeld, match=r"\$\$NOW"):
        Lease(database).take("ws://two/chat")


def test_two_servers_in_one_process(mongod: LocalMongod, database: Database) -> None:
    async def test() -> None:
        with (
            open_store(mongod.uri, database=database.name) as one,
            open_store(mongod.uri, database=database.name) as other,
        ):
            async with running_server(one) as server:
                with pytest.raises(LeaseHeld, match=re.escape(f"127.0.0.1:{server.port}") + "|:0/"):
                    async with running_server(other):
                        pass
            async with running_server(other):
                pass

    run(test())


def test_a_second_process_ends_with_one_line(
    mongod: LocalMongod, database: Database, tmp_path: Path
) -> None:
    uri = uri_of(mongod, database)
    with ServerProcess(tmp_path / "one", uri) as first:
        second = ServerProcess(tmp_path / "two", uri)
        ended = subprocess.run(
            second.command, env=second.environment, capture_output=True, text=True, timeout=30
        )
        assert ended.returncode == 2
        assert ended.stdout == ""
        told = ended.stderr.splitlines()[-1]
        assert told.startswith("goim_edu: a MongoDB that is no replica set serves one chat server")
        assert f"127.0.0.1:{first.port}/chat (process {first.pid} on" in told
        assert "Traceback" not in ended.stderr
        first.kill()
        with second:  # the first one is dead, and was on this machine: no need to wait
            pass


def test_one_that_was_stopped_in_order_leaves_its_place(
    mongod: LocalMongod, database: Database, tmp_path: Path
) -> None:
    uri = uri_of(mongod, database)
    with ServerProcess(tmp_path / "one", uri):
        assert database["lease"].count_documents({}) == 1
    assert database["lease"].count_documents({}) == 0
    with ServerProcess(tmp_path / "two", uri):
        pass


def test_one_that_was_frozen_for_long_ends_itself(
    mongod: LocalMongod, database: Database, tmp_path: Path
) -> None:
    with ServerProcess(tmp_path / "one", uri_of(mongod, database)) as first:
        first.freeze()
        second = Lease(database, stale_after=0.5)
        take_soon(second)
        first.thaw()
        process = first._process
        assert process is not None
        assert process.wait(20) == 1
        log = (tmp_path / "one").read_text()
        assert "closing why=" in log
        assert "ws://two/chat" in log
        assert "Traceback" not in log
    with pytest.raises(LeaseHeld, match="ws://two/chat"):  # it did not give back what it had lost
        Lease(database).take("ws://three/chat")


def take_soon(lease: Lease) -> None:
    """Take it as soon as it is stale."""
    end = time.monotonic() + 20
    while True:
        try:
            lease.take("ws://two/chat")
        except LeaseHeld:
            assert time.monotonic() < end
            time.sleep(0.1)
        else:
            return


def test_one_that_has_lost_it_ends_in_good_order(
    mongod: LocalMongod, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goim_edu.cluster.keeper.RENEW_EVERY", 0.05)

    async def test() -> None:
        with open_store(mongod.uri, database=database.name) as store:
            async with running_server(store) as server, connect(f"{server.base_url}/echo") as ws:
                await asyncio.to_thread(Lease(database, stale_after=-1.0).take, "ws://two/chat")
                with pytest.raises(ConnectionClosed) as closed:
                    await ws.recv()
                assert closed.value.code == 1001
                await server.wait_closed()
                assert server._ending is not None
                await server._ending  # it was not cut short

    run(test())


def test_a_database_that_is_away_for_a_while_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("goim_edu.cluster.keeper.RENEW_EVERY", 0.05)

    async def test() -> None:
        with LocalMongod(tmp_path) as mongod, open_store(mongod.uri, timeout=1.0) as store:
            async with running_server(store) as server:
                mongod.pause()
                await until(lambda: "lease not renewed" in caplog.text)
                mongod.resume()
                leases = cast("Any", store).database["lease"]

                def now() -> datetime:
                    found = leases.find_one({})
                    return cast("datetime", found["renewed"])

                first = await asyncio.to_thread(now)
                await until(lambda: now() > first)
                assert not server.draining

    run(test())
