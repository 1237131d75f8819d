"""A number that one server has read from a primary that dies before a majority has it.

Two servers write to one room when the primary is killed. One of them has had its message written
there, and has no answer; the other one comes between. With heads that a majority has, the second
gets the next number. Without this rule the room has a gap, and then an order that turns round.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any, cast

import pytest

from goim_edu.lab.history import Heard, Joined, Record, Sent, check_history
from goim_edu.mongod import LocalMongod, LocalReplicaSet
from goim_edu.storage.documents import to_message
from goim_edu.storage.heads import Heads
from goim_edu.store import Saved, StoredMessage, connect_mongodb, open_store
from tests.conftest import require_mongod
from tests.storing import send
from tools.nemesis import read_majority

BEFORE = 10


class Trusting(Heads):
    """The counter-example: it goes on believing what it believed before a write failed."""

    def _take(self, room_id: str) -> int:
        return self._known.get(room_id) or self._read(room_id)


class Server:
    """A store whose next insert command waits at a gate."""

    def __init__(self, uri: str, *, trusting: bool) -> None:
        self.store = open_store(uri, database="goim_fork", flush_timeout=60)
        self.backend = cast("Any", self.store.backend)
        if trusting:
            self.backend._certain = self.backend._messages  # what one member has is enough
            self.backend._heads = Trusting(self.backend._head)
        self.gate = threading.Event()
        self.gate.set()
        self.at_the_gate = threading.Event()
        self._insert = self.backend.database.command
        self.backend.database.command = self._command

    def _command(self, *arguments: Any, **options: Any) -> Any:
        self.at_the_gate.set()
        assert self.gate.wait(120)
        return self._insert(*arguments, **options)

    def primary(self) -> str:
        """Which member its client takes for the primary."""
        host, port = self.backend.database.client.primary or ("nobody", 0)
        return f"{host}:{port}"


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def fork(members: LocalReplicaSet, *, trusting: bool) -> tuple[list[int], list[StoredMessage]]:
    """Play it; returns the numbers of both servers' messages, and what the stream tells."""
    first = Server(members.uri, trusting=trusting)
    second = Server(members.uri, trusting=trusting)
    with first.store, second.store:
        send(first.store, "r", "before", BEFORE)
        client = first.backend.database.client
        start = client.admin.command("ping")["operationTime"]
        dying = members.wait_for_primary()
        others = [member for member in members.members if member is not dying]
        for member in others:
            members.kill(member)
        kept = first.store.submit(
            "r", "first", "x", client_msg_id="m"
        )  # written there, and not answered
        until(lambda: local_count(dying) == BEFORE + 1)
        second.gate.clear()
        second.at_the_gate.clear()
        between = second.store.submit("r", "second", "x", client_msg_id="m")
        assert second.at_the_gate.wait(30)  # its number is taken from what it has read
        first.gate.clear()  # the next attempt of the first server waits
        members.kill(dying)
        for member in others:
            members.restart(member)
        elected = members.wait_for_primary(60, other_than=dying)
        until(lambda: second.primary() == elected.address)
        second.gate.set()
        answers: list[Saved] = [between.result(60)]
        first.gate.set()
        answers.insert(0, kept.result(60))
        return [answer.seq for answer in answers], stream_since(first.backend, start)


def local_count(member: LocalMongod) -> int:
    """How many messages one member has, whatever the others have."""
    with connect_mongodb(member.uri) as client:
        return client["goim_fork"]["messages"].count_documents({})


def stream_since(backend: Any, start: Any) -> list[StoredMessage]:
    """The two messages, in the order in which the change stream tells them."""
    found: list[StoredMessage] = []
    with backend._messages.watch(start_at_operation_time=start, max_await_time_ms=200) as stream:
        deadline = time.monotonic() + 30
        while len(found) < 2 and time.monotonic() < deadline:
            change = stream.try_next()
            if change is not None and change["fullDocument"]["seq"] > BEFORE:
                found.append(to_message(change["fullDocument"]))
    return found


@pytest.mark.parametrize("trusting", [False, True])
def test_the_order_of_a_room_survives_a_fork(trusting: bool) -> None:
    require_mongod()
    with LocalReplicaSet(members=3, election_timeout=8.0) as members:
        given, told = fork(members, trusting=trusting)
        stored = sorted(read_majority(members.uri, "goim_fork")(["r"]), key=attrgetter("seq"))
    history: list[Record] = [
        *(Sent(one.user_id, "r", one.user_id, one.client_msg_id, one.text) for one in stored),
        Joined("the stream", "r", BEFORE),
        *(
            Heard("the stream", "r", one.seq, one.user_id, one.client_msg_id, one.text)
            for one in told
        ),
    ]
    found = [violation.kind for violation in check_history(history, stored)]
    numbers = [one.seq for one in told]
    if trusting:
        assert numbers == [BEFORE + 2, BEFORE + 1]  # so it must not be done
        assert found == ["out of order"]
    else:
        assert numbers == [BEFORE + 1, BEFORE + 2]
        assert found == []
        assert given == [BEFORE + 2, BEFORE + 1]
