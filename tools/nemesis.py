"""A chat under a nemesis: real processes, clients of two kinds, and a checker that judges.

    python -m tools.nemesis --seeds 1 2 3 --seconds 60 --servers 3

For each seed twelve clients chat in three rooms, six of our ``ChatClient`` and six of the
``websockets`` library, at one or several server processes on a replica set of three real mongods.
A nemesis does harm to all of them for so many seconds. Then all is healed, the clients get their
last answers, and the history is compared with what a majority has stored. There is one line for
each seed; the exit code is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymongo
from pymongo.read_concern import ReadConcern

from goim_edu.lab.bus_process import BusProcess
from goim_edu.lab.history import Acked, Kind, Record, Refused, Violation, check_history
from goim_edu.lab.link import Link
from goim_edu.lab.nemesis import TARGETS, Nemesis
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from goim_edu.store import StoredMessage
from tools.chatters import Chatter, OurChatter, PeerChatter

ROOMS: Final = 3
CHATTERS: Final = 6  # of each of the two kinds
PATIENCE: Final = 90.0  # seconds until all must be answered, once all is well
SHOWN: Final[tuple[Kind, ...]] = ("lost", "doubled", "out of order", "repeated", "missed")
OPTIONS: Final = ("--rate", "100000", "--burst", "100000", "--log-level", "error")

Read = Callable[[Sequence[str]], list[StoredMessage]]
"""Gives what is stored in some rooms."""


@dataclass(slots=True)
class Outcome:
    """What came of a run: the history, the messages, and what the checker says.

    ``unfinished`` are the clients that were not answered or told everything in time.
    """

    history: list[Record]
    stored: list[StoredMessage]
    violations: list[Violation]
    unfinished: list[str]

    @property
    def good(self) -> bool:
        """Whether every promise was kept, and every client came to its end."""
        return not self.violations and not self.unfinished

    def __str__(self) -> str:
        found = Counter(violation.kind for violation in self.violations)
        acked = {(a.user_id, a.client_msg_id) for a in self.history if isinstance(a, Acked)}
        refused = sum(isinstance(record, Refused) for record in self.history)
        others = sum(number for kind, number in found.items() if kind not in SHOWN)
        verdict = ", ".join(f"{kind} {found[kind]}" for kind in SHOWN)
        line = f"{len(self.stored)} stored, {len(acked)} acknowledged, {refused} refused"
        line += f" | {verdict}, other {others}"
        if self.unfinished:
            line += f" | without an end: {', '.join(self.unfinished)}"
        return line


async def run_chat(
    urls: Sequence[str], seed: int, harm: Callable[[], Awaitable[None]], read: Read
) -> Outcome:
    """Let clients chat while harm is done; then let them finish, and judge.

    Args:
        urls: of the servers; clients begin at one after the other, and go on to the next.
        seed: of what the clients do.
        harm: returns when all is well again.
        read: called when all is answered.
    """
    run = f"of run {time.time_ns():x}"  # so that no two runs know each other's rooms and users
    rooms = [f"room {number} {run}" for number in range(ROOMS)]
    history: list[Record] = []
    kinds: dict[str, type[Chatter]] = {"ours": OurChatter, "peer": PeerChatter}
    chatters = [
        kind(f"{name} {number} {run}", _turned(urls, number), rooms, history, seed)
        for name, kind in kinds.items()
        for number in range(CHATTERS)
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(chatter.run()) for chatter in chatters]
        await harm()
        for chatter in chatters:
            chatter.stop.set()
        await _wait(lambda: all(chatter.answered for chatter in chatters))
        stored = await asyncio.to_thread(read, rooms)
        heads = {message.room_id: message.seq for message in sorted(stored, key=lambda m: m.seq)}
        await _wait(lambda: all(chatter.has_heard(heads) for chatter in chatters))
        for task in tasks:
            task.cancel()
    unfinished = [one.name for one in chatters if not (one.answered and one.has_heard(heads))]
    refused = any(isinstance(record, Refused) for record in history)
    violations = check_history(history, stored, strict=not refused)
    return Outcome(history, stored, violations, unfinished)


def _turned(urls: Sequence[str], number: int) -> list[str]:
    """The same addresses, beginning with another one."""
    begin = number % len(urls)
    return [*urls[begin:], *urls[:begin]]


async def _wait(ready: Callable[[], bool]) -> None:
    """Until it is so, or until nobody may expect it any more."""
    deadline = time.monotonic() + PATIENCE
    while not ready() and time.monotonic() < deadline:  # noqa: ASYNC110 - it looks at many things
        await asyncio.sleep(0.1)


def read_majority(uri: str, database: str = "GOIM") -> Read:
    """A reader that asks MongoDB itself, past the store that is under test."""

    def read(rooms: Sequence[str]) -> list[StoredMessage]:
        with pymongo.MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
            messages = client[database].get_collection(
                "messages", read_concern=ReadConcern("majority")
            )
            found = messages.find({"room_id": {"$in": list(rooms)}}, {"_id": 0})
            return [StoredMessage(**{name: one[name] for name in _FIELDS}) for one in found]

    return read


_FIELDS: Final = tuple(StoredMessage.__dataclass_fields__)


def run_seed(
    members: LocalReplicaSet,
    seed: int,
    seconds: float,
    *,
    servers: int = 1,
    targets: Sequence[str] = ("server", "primary"),
    tree: Path | None = None,
) -> tuple[Nemesis, Outcome]:
    """One run against server processes of its own.

    Args:
        members: the replica set, well.
        seed: of the faults, and of what the clients do.
        seconds: for which harm is done.
        servers: how many there are.
        targets: of the nemesis; with ``link`` the clients come over links that fail, with ``bus``
            the servers tell each other by NATS, over such links, too.
        tree: serve with the package that stands there, instead of this one.
    """
    environment = {}
    if tree is not None:  # "safe": the current folder does not go first
        environment = {"PYTHONPATH": str(tree.resolve()), "PYTHONSAFEPATH": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="goim-nemesis-") as folder,
        contextlib.ExitStack() as running,
    ):
        links: list[Link] = []

        def link_to(port: int) -> int:
            """The port of a link that leads there; or the port itself, if links do not fail."""
            if "link" not in targets:
                return port
            links.append(running.enter_context(Link(port)))
            return links[-1].port

        bus = running.enter_context(BusProcess()) if "bus" in targets else None
        processes = []
        for number in range(servers):
            by_bus = () if bus is None else ("--bus", f"nats://127.0.0.1:{link_to(bus.port)}")
            log = Path(folder, f"log{number}")
            server = ServerProcess(log, members.uri, *OPTIONS, *by_bus, environment=environment)
            processes.append(running.enter_context(server))
        urls = [f"ws://127.0.0.1:{link_to(process.port)}/chat" for process in processes]
        nemesis = Nemesis(processes, members, seed, targets=targets, links=links, bus=bus)

        async def harm() -> None:
            await asyncio.to_thread(nemesis.run, seconds)

        return nemesis, asyncio.run(run_chat(urls, seed, harm, read_majority(members.uri)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, help="of harm for each seed")
    parser.add_argument("--servers", type=int, default=1, help="that serve the one chat")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS[:2])
    parser.add_argument("--tree", type=Path, help="serve with the package that stands there")
    parser.add_argument("--show", type=int, default=10, help="violations to print for each seed")
    args = parser.parse_args(arguments)
    good = True
    with LocalReplicaSet(3, election_timeout=1.5) as members:
        for seed in args.seeds:
            nemesis, outcome = run_seed(
                *(members, seed, args.seconds),
                servers=args.servers,
                targets=args.targets,
                tree=args.tree,
            )
            print(f"seed {seed}: {len(nemesis.faults)} faults ({nemesis.summary()}); {outcome}")
            worst = sorted(outcome.violations, key=lambda one: one.kind not in SHOWN)
            for line in [*map(str, worst[: args.show]), *nemesis.remarks]:
                print(f"    {line}")
            sys.stdout.flush()
            good = good and outcome.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
