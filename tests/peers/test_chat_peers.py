"""The chats that the benchmark measures: each passes a message on, and what is counted is right."""

from __future__ import annotations

import math
import socket
from itertools import pairwise
from pathlib import Path
from secrets import token_hex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chat_peers.crowd import Crowd, Member, Talk
from benchmarks.chat_peers.measures import Loss, loss, percentile, stored
from benchmarks.chat_peers.servers import BROKERS, CHATS, EMIT_FIRST, Kind, running
from benchmarks.rows import Missing
from goim_edu.mongod import LocalReplicaSet
from tests.conftest import require

KINDS = {f"{kind.name} {kind.stores}": kind for kind in (*CHATS, EMIT_FIRST, *BROKERS)}


def has(kind: Kind, folder: Path) -> None:
    """Skip the test if something that the server needs is not here."""
    try:
        kind.plan(1, "", folder)
    except Missing as missing:
        require(False, kind.name, str(missing))


@pytest.mark.parametrize("name", KINDS)
def test_a_message_is_told_and_acknowledged(
    name: str, replica_set: LocalReplicaSet, tmp_path: Path
) -> None:
    kind = KINDS[name]
    has(kind, tmp_path)
    wire = kind.wire(f"room{token_hex(4)}")
    with (
        running(kind, replica_set.uri, tmp_path) as server,
        Crowd(server.port, wire, members=3, senders=1) as crowd,
    ):
        talk = crowd.talk(0.1, pace=1, linger=60)
        assert server.memory() > 0
        assert server.cpu() > 0
    assert len(talk.said) == 1
    assert talk.acked.keys() == talk.said.keys()
    assert talk.told == list(talk.said)
    assert len(talk.last) == 1  # all three have it
    assert not talk.broken
    if kind.stores:
        assert stored(replica_set.uri, wire.room) == set(talk.said)


def test_a_kill_loses_nothing_of_ours(replica_set: LocalReplicaSet, tmp_path: Path) -> None:
    with running(CHATS[0], replica_set.uri, tmp_path) as server:
        lost = loss(server, replica_set.uri)
    assert lost.acked > 0
    assert (lost.lost, lost.ghosts) == (0, 0)
    assert (lost.acked_kept, lost.told_kept) == (100, 100)


def test_what_is_lost_was_acknowledged_and_is_not_stored() -> None:
    acked, told, kept = ["a", "b", "c", "e"], ["b", "d", "d", "a", "x", "f"], ["a", "x"]
    lost = Loss.of(acked, told, kept)
    assert lost == Loss(acked=4, lost=3, told=5, ghosts=3)
    assert (lost.acked_kept, lost.told_kept) == (25, 40)
    assert Loss.of(acked, told, acked + told) == Loss(acked=4, lost=0, told=5, ghosts=0)


@pytest.mark.parametrize(
    ("share", "found"), [(0.5, 50), (0.99, 99), (0.995, 100), (1.0, 100), (0.0, 1), (0.01, 1)]
)
def test_percentiles(share: float, found: int) -> None:
    assert percentile(range(100, 0, -1), share) == found
    assert math.isnan(percentile([], share))


def test_times_and_rates() -> None:
    talk = Talk(
        begin=10.0,
        said={"early": 10.0, "late": 11.0, "never": 11.5},
        acked={"early": 10.5, "late": 11.25},
        told=["late", "early"],
        last=[11.5],
    )
    assert talk.ack_times() == [0.5, 0.25]
    assert talk.ack_times(skip=1.0) == [0.25]
    assert talk.last_times() == [0.5]
    assert talk.rate(0.0, 2.0) == 1.0
    assert talk.rate(1.0, 2.0) == 1.0


HEARD = b'{"message"'
SAME = b"+OK\r\n"
ANSWERS = [
    (b'{"ack" 1' + b"x" * 50, HEARD * 3 + b'{"ack" 1' + b"x" * 50 + b"~" * 90 + HEARD),
    (SAME, b"x" * 90 + SAME + HEARD * 2),
    (SAME, SAME),
    (SAME, HEARD + SAME + HEARD[:4]),
    (b"end", HEARD[4:] + b"end"),
]
"""The ack that is waited for, and what comes until the next message is sent."""


@given(st.lists(st.lists(st.integers(0, 200), max_size=9), min_size=len(ANSWERS)))
def test_marks_are_found_however_the_octets_are_cut(cuts: list[list[int]]) -> None:
    with socket.socket() as link:
        member = Member(link)
        for (mark, data), places in zip(ANSWERS, cuts, strict=False):
            member.mark = mark
            edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
            complete = data.index(mark) + len(mark)
            for begin, end in pairwise(edges):
                acked, _ = member.take(data[begin:end], HEARD)
                assert acked == (begin < complete <= end)
        assert member.heard == b"".join(data for _, data in ANSWERS).count(HEARD)
