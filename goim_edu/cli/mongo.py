"""``python -m goim_edu mongo start``: a real MongoDB on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from goim_edu.cli.command import Subparsers

if TYPE_CHECKING:
    from goim_edu.mongod.credentials import MongoURI

__all__ = ["add", "run"]


def run(members: int = 1, data_dir: Path | None = None) -> int:
    """Start, print where the URI stands, and stop at Ctrl-C or SIGTERM.

    Args:
        members: of the replica set, 1 to 7; three can lose one and go on.
        data_dir: where the data stay; by default one member uses the user's data folder, several
            a folder that is removed at the end.

    Returns:
        The exit code: 0, or 1 when all members have died.

    Raises:
        StoreUnavailable: it cannot start; the text says why in one line.
    """
    from goim_edu.mongod.mongod import LocalMongod
    from goim_edu.mongod.replica_set import LocalReplicaSet

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if members == 1:
        with LocalMongod(data_dir, replica_set="goim") as server:
            print(f"mongod, pid {server.pid}, data in {server.data_dir}")
            _print_address(server.uri, server.uri_file)
            return _wait(stop, lambda: server.running)
    with LocalReplicaSet(members, data_dir) as replica_set:
        for member in replica_set.status():
            print(f"{member.state}, pid {member.pid}, {member.address}")
        _print_address(replica_set.uri, replica_set.uri_file)
        return _wait(stop, lambda: any(member.running for member in replica_set.members))


def _print_address(uri: MongoURI, file: Path) -> None:
    """Tell the URI without its password, and the option that has the whole one."""
    print(uri.shown)
    print(f"--mongo @{file}", flush=True)


def _wait(stop: threading.Event, alive: Callable[[], bool]) -> int:
    while not stop.wait(0.2):
        if not alive():
            return 1
    return 0


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    what = "run a real MongoDB on this machine"
    mongo = commands.add_parser("mongo", help=what, description=f"{what.capitalize()}.")
    start = mongo.add_subparsers(required=True, metavar="start").add_parser(
        "start",
        help="start it, print where its URI stands, stop it at Ctrl-C",
        description="Start a mongod or a replica set on the loopback, until Ctrl-C.",
    )
    start.set_defaults(run=_run)
    start.add_argument(
        "--replica-set",
        type=int,
        choices=range(1, 8),
        default=1,
        metavar="MEMBERS",
        help="1 to 7; three can lose one and go on (default: %(default)s)",
    )
    start.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where the data stay (default: for one member the user's data folder, for several "
        "a folder that is removed at the end)",
    )


def _run(args: argparse.Namespace) -> int:
    return run(args.replica_set, args.data_dir)
