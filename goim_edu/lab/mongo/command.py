"""``python -m goim_edu mongo start``: a real MongoDB on this machine, for as long as you watch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

from goim_edu.lab.mongo.replica_set import LocalReplicaSet
from goim_edu.lab.mongo.server import LocalMongod

__all__ = ["run"]


def run(members: int = 1, data_dir: Path | None = None) -> int:
    """Start, say the URI on a line of its own, and stop at Ctrl-C or SIGTERM.

    Args:
        members: of the replica set, 1 to 7; three can lose one and go on.
        data_dir: where the data stay; by default one member uses the user's data folder, several
            a folder that is removed at the end.

    Returns:
        The exit code: 0, or 1 when all members have died.

    Raises:
        StoreUnavailable: it cannot start; one line that says why.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if members == 1:
        with LocalMongod(data_dir, replica_set="goim") as server:
            print(f"mongod, pid {server.pid}, data in {server.data_dir}")
            print(server.uri, flush=True)
            return _wait(stop, lambda: server.running)
    with LocalReplicaSet(members, data_dir) as replica_set:
        for member in replica_set.status():
            print(f"{member.state}, pid {member.pid}, {member.address}")
        print(replica_set.uri, flush=True)
        return _wait(stop, lambda: any(member.running for member in replica_set.members))


def _wait(stop: threading.Event, alive: Callable[[], bool]) -> int:
    while not stop.wait(0.2):
        if not alive():
            return 1
    return 0
