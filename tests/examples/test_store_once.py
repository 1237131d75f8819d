"""Storing once and only once through a failover, and the same by hand on pymongo."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from goim_edu.mongod import LocalReplicaSet
from goim_edu.store import open_store
from tests.examples.counting import EXAMPLES, PEERS

NAME = "store_once.py"
USERS = ("lisa", "tom", "eve")
LINES = 60
KILLED_AT = 20


class Writer:
    """One run of the program. It gets its next line when the last one is stored."""

    def __init__(self, program: Path, uri: str, user: str) -> None:
        self.user = user
        self.seqs: list[int] = []
        self.process = subprocess.Popen(
            [sys.executable, str(program), "lobby", user],
            env=os.environ | {"GOIM_MONGO_URI": uri},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def write(self, begin: int, end: int) -> None:
        assert self.process.stdin
        assert self.process.stdout
        for number in range(begin, end):
            self.process.stdin.write(f"{self.user} says {number}\n")
            self.process.stdin.flush()
            self.seqs.append(int(self.process.stdout.readline()))

    def end(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0


def write_all(writers: list[Writer], begin: int, end: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=one.write, args=(begin, end)) for one in writers]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()


@pytest.mark.parametrize("folder", [EXAMPLES, PEERS], ids=["ours", "peer"])
def test_each_line_is_stored_once_though_the_primary_is_killed(
    replica_set: LocalReplicaSet, folder: Path
) -> None:
    database = f"goim_once_{folder.name}"
    uri = replica_set.uri.replace("/?", f"/{database}?")
    writers = [Writer(folder / NAME, uri, user) for user in USERS]
    try:
        join(write_all(writers, 0, KILLED_AT))
        threads = write_all(writers, KILLED_AT, LINES)
        killed = replica_set.kill("primary")
        join(threads)
        replica_set.restart(killed)
        for one in writers:
            one.end()
        again = Writer(folder / NAME, uri, "lisa")  # run anew, it finds what it has stored
        writers.append(again)
        join(write_all([again], 0, LINES))
        again.end()
    finally:
        for one in writers:
            one.process.kill()
            one.process.wait()
    with open_store(uri) as store:
        stored = store.history("lobby", limit=10_000)
        store.database.client.drop_database(database)
    assert [one.seq for one in stored] == list(range(1, LINES * len(USERS) + 1))
    for one in writers:
        mine = [message for message in stored if message.user_id == one.user]
        assert [message.text for message in mine] == [f"{one.user} says {n}" for n in range(LINES)]
        assert one.seqs == [message.seq for message in mine]
