"""Presence, while server processes die, close and stand still.

A server that is silent is given up after 15 s, and its users have 8 s more to come back. Both are
as in production, so these tests wait for them; how long it took is printed, and decides nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from goim_edu.chat.limits import ChatLimits
from goim_edu.lab.history import Record
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from tests.chatting import run
from tests.cluster.processes import LOBBY, Witness, figure, processes

GRACE = ChatLimits().presence_grace
PATIENCE = 60.0  # seconds


async def people_at(server: ServerProcess, *names: str) -> list[Witness]:
    history: list[Record] = []
    return [await Witness.enter(server, name, history) for name in names]


async def presence_until(person: Witness, joined: str = "", left: str = "") -> list[dict[str, Any]]:
    """What it is told of presence until somebody has come, or gone."""
    told: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        while True:
            heard = [one for one in person.heard if one["type"] == "presence"]
            told += [one for one in heard if one["room_id"] == LOBBY]
            person.heard.clear()
            for message in told:
                if (joined and joined in message["joined"]) or (left and left in message["left"]):
                    return told
            try:
                person.heard.append(await person.listen())
            except TimeoutError:
                continue


async def presence_so_far(person: Witness, marker: Sequence[Witness]) -> list[dict[str, Any]]:
    """What it has been told of presence since; ``marker`` comes just now, and is not counted."""
    (last,) = marker
    told = await presence_until(person, joined=last.user_id)
    return [one for one in told if one["joined"] != [last.user_id]]


async def members_at(person: Witness, room_id: str = LOBBY) -> list[str]:
    page = await person.ask(type="members", room_id=room_id)
    names: list[str] = page["members"]
    return names


async def knows(person: Witness, *names: str) -> None:
    """Until it is told that these are there, and nobody else."""
    async with asyncio.timeout(PATIENCE):
        while await members_at(person) != sorted(names):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.1)


@pytest.mark.timeout(180)
def test_users_of_a_killed_server_leave_once_unless_they_come_back(
    replica_set: LocalReplicaSet,
    database: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def test(first: ServerProcess, second: ServerProcess) -> None:
        (tom,) = await people_at(second, "tom")
        await people_at(first, "lisa", "ann")
        await knows(tom, "ann", "lisa", "tom")
        tom.heard.clear()
        first.kill()
        begin = time.monotonic()
        await people_at(second, "ann")
        assert [one["left"] for one in await presence_until(tom, left="lisa")] == [["lisa"]]
        took = time.monotonic() - begin
        assert await members_at(tom) == ["ann", "tom"]
        await asyncio.sleep(2.0)
        assert await presence_so_far(tom, await people_at(second, "zoe")) == []
        with capsys.disabled():
            print(f"\nusers of a killed server have left after {took:.1f} s")

    with processes(replica_set, database, tmp_path, [()] * 2) as (first, second):
        run(test(first, second), 150)


@pytest.mark.timeout(120)
def test_nobody_has_left_who_comes_back_from_a_server_that_closes(
    replica_set: LocalReplicaSet, database: str, tmp_path: Path
) -> None:
    names = [f"user {number}" for number in range(10)]

    async def test(first: ServerProcess, second: ServerProcess) -> None:
        (tom,) = await people_at(second, "tom")
        people = await people_at(first, *names)
        await knows(tom, "tom", *names)
        tom.heard.clear()
        closing = asyncio.create_task(asyncio.to_thread(first.stop))

        async def move(person: Witness, *, at_once: bool) -> None:
            """Come back when it is time, and hang up before that or not."""
            told = await person.hear("draining")
            if at_once:
                person.go()
            await asyncio.sleep(told["reconnect_after_ms"] / 1000)
            await people_at(second, person.user_id)

        await asyncio.gather(
            *(move(person, at_once=number % 2 == 0) for number, person in enumerate(people))
        )
        assert await closing == 0
        await asyncio.sleep(GRACE + 2.0)
        assert await presence_so_far(tom, await people_at(second, "zoe")) == []
        assert await members_at(tom) == sorted([*names, "tom", "zoe"])

    with processes(replica_set, database, tmp_path, [()] * 2) as (first, second):
        run(test(first, second), 100)


@pytest.mark.timeout(180)
def test_a_server_that_stood_still_is_right_again(
    replica_set: LocalReplicaSet, database: str, tmp_path: Path
) -> None:
    """The other one has given it up meanwhile, and its users have moved or waited."""

    async def test(first: ServerProcess, second: ServerProcess) -> None:
        (tom,) = await people_at(second, "tom")
        lisa, ann, eve = await people_at(first, "lisa", "ann", "eve")
        for person in (tom, lisa):
            await knows(person, "ann", "eve", "lisa", "tom")
            await person.join("quiet")  # where nothing happens
        tom.heard.clear()
        first.freeze()
        eve.go()  # the server sees that when it wakes up
        (bo,) = await people_at(second, "bo")  # it does not know of him
        ann.go()
        await people_at(second, "ann")
        await asyncio.sleep(20.0)
        assert await asyncio.to_thread(figure, second, "goim_peers") == 0
        first.thaw()
        told = await presence_until(tom, left="eve")
        everybody = ["ann", "bo", "lisa", "tom"]
        await knows(lisa, *everybody)
        await asyncio.sleep(GRACE + 2.0)
        assert await members_at(tom) == await members_at(lisa) == everybody
        assert await members_at(tom, "quiet") == await members_at(lisa, "quiet") == ["lisa", "tom"]
        told += await presence_so_far(tom, await people_at(second, "zoe"))
        moves = [name for one in told for name in (*one["joined"], *one["left"])]
        assert [name for name in moves if name not in ("eve", "lisa")] == ["bo"]
        # If the grace was over before the server woke up, its users have left, and come again.
        assert moves.count("lisa") in (0, 2)
        assert moves.count("eve") in (1, 3)
        assert await asyncio.to_thread(figure, second, "goim_peers") == 1
        lisa.go()
        await presence_until(tom, left="lisa")
        assert await members_at(bo) == ["ann", "bo", "tom", "zoe"]

    with processes(replica_set, database, tmp_path, [()] * 2) as (first, second):
        run(test(first, second), 150)
