"""The fork: a primary dies that had told a number which no other member has.

Two servers write to one room when it happens. The first one's message 11 is on the dying primary,
and on no other member. Which number the second one takes depends on what it asks for: what this
member has, or what a majority has.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal
from uuid import uuid4

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    NotPrimaryError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod import LocalMongod, LocalReplicaSet

__all__ = ["fork"]

Room = Collection[dict[str, Any]]

_BEFORE: Final = 10  # messages that all members have
_TRIES: Final = 4  # a primary may notice too soon that it is alone
_PATIENCE: Final = 30.0  # seconds for the stream to tell two messages


def fork(members: LocalReplicaSet, head: Literal["local", "majority"]) -> list[int]:
    """Play it on a real replica set, and give the numbers in the order that the stream tells.

    1. A room has the numbers 1 to 10. Both secondaries are killed.
    2. Server A inserts number 11. The primary has it, but no majority, so A gets no answer.
    3. Server B reads the head of the room, with read concern ``head``, and takes the next number.
    4. The primary is killed, the other two come back, and one of them is elected.
    5. B inserts its message. Then A inserts once more, under the same ``_id``; if its number is
       taken, it takes the next one.

    At the end all members run.

    Args:
        members: three of them or more.
        head: what B asks for.

    Raises:
        StoreUnavailable: it could not be played.

        fork(cluster.members, "local")    # [12, 11]
    """
    for _ in range(_TRIES):
        members.restart_all()
        try:
            with MongoClient[dict[str, Any]](members.uri, retryWrites=False) as client:
                return _play(members, client, head)
        except (AutoReconnect, NotPrimaryError):
            continue  # it has stepped down before B could ask
        finally:
            members.restart_all()
    raise StoreUnavailable(f"each of {_TRIES} primaries stepped down too soon")


def _play(members: LocalReplicaSet, client: MongoClient[dict[str, Any]], head: str) -> list[int]:
    room: Room = client["goim_fork"].get_collection(
        f"room_{uuid4().hex}", write_concern=WriteConcern("majority")
    )
    room.create_index([("room_id", 1), ("seq", 1)], unique=True, name="room_seq")
    room.insert_many([_message(seq, "before") for seq in range(1, _BEFORE + 1)])
    begin = client.admin.command("ping")["operationTime"]
    of_a, of_b = _message(_BEFORE + 1, "A"), _message(0, "B")
    dying = members.wait_for_primary()
    others = [member for member in members.members if member is not dying]
    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(LocalMongod.kill, others))
        of_b["seq"] = 1 + _tell_only(dying, room, of_a, head)
        members.kill(dying)
        list(pool.map(LocalMongod.start, others))
    members.wait_for_primary(60.0, other_than=dying)
    _insert(room, of_b)
    _insert(room, of_a)
    members.restart_all()
    told = _stream_since(room, begin)
    room.drop()
    return told


def _tell_only(dying: LocalMongod, room: Room, message: dict[str, Any], head: str) -> int:
    """A's message goes to this member alone; the head that B reads from it."""
    with MongoClient[dict[str, Any]](dying.uri, retryWrites=False) as alone:
        there = alone["goim_fork"][room.name]
        most = there.with_options(write_concern=WriteConcern("majority", wtimeout=200))
        try:
            most.insert_one(message)
        except WriteConcernError:
            pass  # it is on this member, and nobody can say whether it will stay
        else:
            raise StoreUnavailable("the other members were dead, and a majority had it")
        return _head(there.with_options(read_concern=ReadConcern(head)))


def _message(seq: int, who: str) -> dict[str, Any]:
    return {"_id": f"{who} {seq}", "room_id": "room", "seq": seq}


def _head(room: Room) -> int:
    newest = room.find_one(sort=[("seq", -1)])
    return newest["seq"] if newest else 0


def _insert(room: Room, message: dict[str, Any]) -> None:
    """As a server does: if the number is taken, take the one behind the head."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            room.insert_one(message)
        except DuplicateKeyError as taken:
            if "_id" in (taken.details or {}).get("keyPattern", {}):
                return  # it is stored, and only the answer was lost
            message["seq"] = 1 + _head(room.with_options(read_concern=ReadConcern("majority")))
        except (AutoReconnect, NotPrimaryError):
            # The client has not found the new primary yet.
            if time.monotonic() > deadline:
                raise StoreUnavailable("the new primary took no message") from None
            time.sleep(0.05)
        else:
            return


def _stream_since(room: Room, begin: Any) -> list[int]:
    """The numbers of the two messages, in the order in which the stream tells them."""
    told: list[int] = []
    deadline = time.monotonic() + _PATIENCE
    with room.watch(start_at_operation_time=begin, max_await_time_ms=200) as stream:
        while len(told) < 2 and time.monotonic() < deadline:
            change = stream.try_next()
            if change is not None and change["fullDocument"]["seq"] > _BEFORE:
                told.append(change["fullDocument"]["seq"])
    return told
