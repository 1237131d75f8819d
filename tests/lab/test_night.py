"""A primary dies while somebody talks: what is noted, and that a second night can follow."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from goim_edu.client import ChatClient
from goim_edu.lab import LiveServer, Night, kill_while_talking
from goim_edu.mongod import LocalReplicaSet


async def night_of(replica_set: LocalReplicaSet, url: str) -> Night:
    async with ChatClient(url, "kim", ["lobby"]) as kim:
        return await kill_while_talking(
            replica_set, lambda text: kim.send("lobby", text), countdown=1
        )


def test_a_night_may_follow_another(
    replica_set: LocalReplicaSet, capsys: pytest.CaptureFixture[str]
) -> None:
    with LiveServer(replica_set.uri, name="night") as live:
        nights = [asyncio.run(night_of(replica_set, live.url)) for _ in range(2)]
        stored = [message.text for message in live.store.history("lobby", limit=10_000)]
    replica_set.restart_all()
    assert capsys.readouterr().out.count("The primary dies in 1 s") == 2
    for night in nights:
        assert night.acks[0] < night.moment < night.acks[-1]
        assert len(night.sent) == len(night.acks) > 30
        assert night.longest_wait == max(b - a for a, b in pairwise(night.acks))
        assert "DOWN" in night.roles[-1][1].values()
        assert [stored.count(text) for text in night.sent] == [1] * len(night.sent)
    assert not set(nights[0].sent) & set(nights[1].sent)
