"""A MongoDB that is no replica set: one server serves it, and a second one is told by whom."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from goim_edu.cluster.lease import Lease, LeaseHeld
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalMongod
from goim_edu.storage.mongodb_client import Database
from goim_edu.store import connect_mongodb, open_store
from tests.chatting import run, running_server


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
    database["lease"].update_one({}, {"$set": {"host": "elsewhere", "pid": 1}})
    with pytest.raises(LeaseHeld, match="process 1 on elsewhere"):
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
        with pytest.raises(RuntimeError, match=rf"process {first.pid} on") as refused:
            second.start()
        told = [line for line in str(refused.value).splitlines() if "goim_edu: a MongoDB" in line]
        assert len(told) == 1
        assert "Traceback" not in str(refused.value)
        first.kill()
        with second:  # the first one is dead, and was on this machine: no need to wait
            pass


def test_one_that_was_stopped_for_long_ends_itself(
    mongod: LocalMongod, database: Database, tmp_path: Path
) -> None:
    with ServerProcess(tmp_path / "one", uri_of(mongod, database)) as first:
        Lease(database, stale_after=-1.0).take("ws://two/chat")  # as if its time was over
        process = first._process
        assert process is not None
        assert process.wait(20) == 1
        log = (tmp_path / "one").read_text()
        assert "closing why=" in log
        assert "ws://two/chat" in log
