"""One round: each server in turn with the same database, in an order that chance decides."""

from __future__ import annotations

import random
import resource
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.chat_peers.measures import forget
from benchmarks.chat_peers.servers import Kind, Server, running
from benchmarks.rows import Missing, Progress, Row
from goim_edu.mongod import LocalReplicaSet, why_no_mongod

Measure = Callable[[Server, str], Iterable[Row]]
"""Given a server that has just been started, and the address of its database."""

_left_out: dict[str, str] = {}


def one_round(kinds: Sequence[Kind], progress: Progress, what: str, measure: Measure) -> list[Row]:
    """Measure each of them alone; a peer that is not here is left out, and ``missing`` names it.

    Raises:
        Missing: there is no mongod.
    """
    if why := why_no_mongod():
        raise Missing(why)
    found: list[Row] = []
    with (
        LocalReplicaSet(3) as members,
        tempfile.TemporaryDirectory(prefix="goim-bench-") as folder,
    ):
        for kind in random.sample(kinds, len(kinds)):
            progress(f"{what}, {kind.name}")
            # Nothing is left of the one before: a server that was killed is missed for a while.
            forget(members.uri)
            try:
                with running(kind, members.uri, Path(folder)) as server:
                    found += measure(server, members.uri)
            except Missing as missing:
                _left_out[kind.name] = str(missing)
    return found


def missing() -> list[str]:
    """The peers that were left out, and how to get what they need."""
    return [f"chat by {name}: {how}" for name, how in _left_out.items()]


def allow_files(number: int) -> None:
    """Let this process and its children have so many connections open.

    Raises:
        Missing: the system does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= number:
        return
    if hard != resource.RLIM_INFINITY and hard < number:
        raise Missing(f"{number:,} open files: ulimit -Hn allows {hard:,}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
