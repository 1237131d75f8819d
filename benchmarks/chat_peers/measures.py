"""What is measured on a chat: its rate, its times under load, idle memory, what a kill loses."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

from benchmarks.chat_peers.crowd import Crowd, Talk, come
from benchmarks.chat_peers.servers import Server
from benchmarks.load import PATIENCE
from goim_edu.storage.documents import COLLECTIONS, DATABASE

THEIRS: Final = "chat_peers"  # the database of the peers
MEMBERS: Final = 100
SENDERS: Final = 50
EQUAL_LOAD: Final = 50  # messages a second that every chat can take, even where others work, too
START_WARM: Final = 1.5  # seconds in which drivers open their connections to the database
WARM: Final = 0.5  # seconds that are not counted
KILLED_AFTER: Final = 1.0  # seconds under full load
SETTLED: Final = 1.0  # seconds for what was on its way to the database
IDLE_ROOM: Final = 200  # idle members of a room


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed; nan of none.

    >>> percentile([5, 1, 4, 2, 3], 0.5), percentile([5, 1, 4, 2, 3], 0.99)
    (3, 5)
    """
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass
class Times:
    """Milliseconds until the sender has its ack, and until the last member is told."""

    ack_p50: float
    ack_p99: float
    last_p50: float
    last_p99: float

    @classmethod
    def of(cls, talk: Talk) -> Times:
        found = (talk.ack_times(WARM), talk.last_times(WARM))
        return cls(*(1000 * percentile(times, share) for times in found for share in (0.5, 0.99)))


@dataclass
class Pace:
    """Messages a second, and the times at half of the rate and at a load that is equal for all."""

    rate: float
    rate_per_cpu: float
    half: Times
    equal: Times


def pace(server: Server, seconds: float) -> Pace:
    """All that the room's senders can say, and the times when they say less.

    Args:
        server: one that has just been started.
        seconds: of each.
    """
    wire = server.kind.wire(f"room{uuid4().hex[:8]}")
    with Crowd(server.port, wire, MEMBERS, SENDERS) as crowd:
        crowd.talk(START_WARM if server.kind.stores else WARM)
        used = server.cpu()
        full = crowd.talk(seconds)
        used = server.cpu() - used
        rate = full.rate(0.0, seconds)
        half = crowd.talk(WARM + seconds, rate / 2)
        equal = crowd.talk(WARM + seconds, EQUAL_LOAD)
    if full.broken or half.broken or equal.broken:
        raise ConnectionError(f"{server.kind.name} has closed a connection")
    return Pace(rate, len(full.acked) / used, Times.of(half), Times.of(equal))


def idle_memory(server: Server, number: int) -> float:
    """KiB of the server for each of so many connections, in rooms of 200, that say nothing."""
    links: list[socket.socket] = []
    try:
        for begin in range(-IDLE_ROOM, number, IDLE_ROOM):  # the first ones are for warming up
            if begin == 0:
                time.sleep(WARM)
                before = server.memory()
            names = [f"idle{n}" for n in range(begin, min(begin + IDLE_ROOM, number))]
            wire = server.kind.wire(f"idle{uuid4().hex[:8]}")
            links += come(server.port, wire, names)
        time.sleep(1)
        return (server.memory() - before) / number / 1024
    finally:
        for link in links:
            link.close()


@dataclass
class Loss:
    """What a kill has left, in messages.

    Attributes:
        acked: were acknowledged.
        lost: of these, are not in the database.
        told: were told to a member.
        ghosts: of these, are not in the database.
    """

    acked: int
    lost: int
    told: int
    ghosts: int

    @classmethod
    def of(cls, acked: Collection[str], told: Collection[str], stored: Collection[str]) -> Loss:
        """Count, by the keys of the messages.

        >>> Loss.of(acked=["a", "b"], told=["a", "b", "c"], stored=["a"])
        Loss(acked=2, lost=1, told=3, ghosts=2)
        """
        said, shown, kept = set(acked), set(told), set(stored)
        return cls(len(said), len(said - kept), len(shown), len(shown - kept))

    @property
    def acked_kept(self) -> float:
        """How much of what was acknowledged is stored, in percent."""
        return 100 * (1 - self.lost / self.acked)

    @property
    def told_kept(self) -> float:
        """How much of what was told is stored, in percent."""
        return 100 * (1 - self.ghosts / self.told)


def loss(server: Server, mongo: str) -> Loss:
    """Kill the server while its room talks as fast as it can; ask the database what it has."""
    room = f"room{uuid4().hex[:8]}"
    talk = Talk()

    def kill() -> None:
        time.sleep(KILLED_AFTER)
        end = time.monotonic() + PATIENCE
        while len(talk.acked) < SENDERS and time.monotonic() < end:
            time.sleep(0.01)
        server.kill()

    with Crowd(server.port, server.kind.wire(room), MEMBERS, SENDERS) as crowd:
        killer = threading.Thread(target=kill)
        killer.start()
        crowd.talk(KILLED_AFTER + 2 * PATIENCE, into=talk)
        killer.join()
    if not (talk.broken and talk.acked and talk.told):
        raise RuntimeError(f"{server.kind.name} was not killed under load")
    time.sleep(SETTLED)
    return Loss.of(talk.acked, talk.told, stored(mongo, room))


def stored(mongo: str, room: str) -> set[str]:
    """The keys of those messages of a room that a majority of the members has."""
    with MongoClient[dict[str, Any]](mongo) as client:
        sure = ReadConcern("majority")
        ours = client[DATABASE].get_collection(COLLECTIONS.messages, read_concern=sure)
        theirs = client[THEIRS].get_collection("messages", read_concern=sure)
        keys = {one["client_msg_id"] for one in ours.find({"room_id": room}, {"client_msg_id": 1})}
        return keys | {one["client_offset"] for one in theirs.find({"room": room})}


def forget(mongo: str) -> None:
    """Empty the databases of all chats."""
    with MongoClient[dict[str, Any]](mongo) as client:
        for name in (DATABASE, THEIRS):
            client.drop_database(name)
