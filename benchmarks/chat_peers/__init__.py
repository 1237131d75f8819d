"""The whole chat beside what people build from tutorials, and beside brokers that store nothing.

    python -m benchmarks.chat_peers [--quick] [--rounds 5] [--only socket.io] [--idle]

The chats are Socket.IO with MongoDB's driver for Node, as in the Socket.IO tutorial, and Starlette
on uvicorn with pymongo's asynchronous client, as in their documentation. All write to the same
replica set of three, and wait for a majority and the journal. NATS and mosquitto only hand on what
comes; beside them goim_edu runs with its store in memory. All are one process, on this machine,
together with the clients and the database: so only ratios say something.

A room has 100 members; 50 of them speak. A rate is what they get acknowledged when each says the
next thing as soon as the last one is acknowledged. At half of that rate, and at 50 messages a
second, it is measured when the ack comes, and when the last of the 100 has the message. At the end
the server is killed while all speak, and the database is asked for what had been acknowledged, or
told to the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.chat_peers import measures
from benchmarks.chat_peers.servers import BROKERS, CHATS, EMIT_FIRST, Kind, Server
from benchmarks.chat_peers.turns import missing, one_round
from benchmarks.rows import Better, Progress, Row

__all__ = ["missing", "rows"]

DURABLE: Final = "chat: durable"
FAN_OUT: Final = "chat: without storing"
KILLED: Final = "chat: killed under load"

# Field of Pace: what it is, and its unit.
RATES: Final = {
    "rate": ("50 of 100 members speak", "messages acknowledged a second"),
    "rate_per_cpu": ("50 of 100 members speak", "messages for each CPU second of the server"),
}
TIMES: Final = {
    "ack_p50": "ack, p50",
    "ack_p99": "ack, p99",
    "last_p50": "the last of 100 is told, p50",
    "last_p99": "the last of 100 is told, p99",
}


def rows(quick: bool, progress: Progress, only: str = "") -> list[Row]:
    """One round of rates, times and kills.

    Args:
        quick: half as long.
        progress: is told what is measured next.
        only: part of the names of those that are wanted.

    Raises:
        Missing: there is no mongod.
    """
    seconds = 0.75 if quick else 1.5

    def measure(server: Server, mongo: str) -> Iterator[Row]:
        if server.kind is not EMIT_FIRST:  # its acks say nothing, so nor does their rate
            yield from _paces(server.kind, measures.pace(server, seconds))
        if server.kind.stores:
            yield from _losses(server.kind, measures.loss(server, mongo))

    kinds = [kind for kind in (*CHATS, EMIT_FIRST, *BROKERS) if only in kind.name]
    return one_round(kinds, progress, "chat", measure)


def _paces(kind: Kind, pace: measures.Pace) -> Iterator[Row]:
    group = DURABLE if kind.stores else FAN_OUT
    for name, (what, unit) in RATES.items():
        yield Row(group, what, kind.name, unit, (getattr(pace, name),))
    equal = f"{measures.EQUAL_LOAD} messages a second"
    lower: Better = "lower"
    for load, times in (("each at half of its own rate", pace.half), (equal, pace.equal)):
        for name, what in TIMES.items():
            yield Row(group, f"{load}, {what}", kind.name, "ms", (getattr(times, name),), lower)


def _losses(kind: Kind, loss: measures.Loss) -> Iterator[Row]:
    for what, value in (("acknowledged", loss.acked_kept), ("told to others", loss.told_kept)):
        yield Row(KILLED, f"what was {what} is stored", kind.name, "%", (value,))
