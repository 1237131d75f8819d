"""The nemesis of a chat: it harms servers and their replica set at random, and heals them again.

The name is that of Jepsen. While clients chat, the nemesis kills, stops and freezes processes. What
the clients heard and what is stored in the end is judged by ``lab.history``.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pymongo
from pymongo.errors import PyMongoError

from goim_edu.lab.bus_process import BusProcess
from goim_edu.lab.link import Link
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet

__all__ = ["FAULTS", "TARGETS", "Nemesis"]

TARGETS: Final = ("server", "primary", "link", "bus")
"""What a nemesis can harm, each beside the others; of several servers or links one at a time."""
_SHORTEST: Final = 0.2  # seconds that a fault lasts at least
_PATIENCE: Final = 60.0  # seconds until all must be well again


class Nemesis:
    """Harms chat servers and the primary of their replica set, one fault at a time for each.

    Args:
        servers: one or several; they run and keep their messages in ``members``.
        members: three or more, so that the others can elect a new primary.
        seed: the same seed gives the same faults of each of the two, in the same order.
        pause: seconds from the end of a fault to the next one of the same target, on average.
        longest: seconds that a fault lasts at most, such as a frozen process.
        targets: what is harmed, some of ``TARGETS``.
        links: between clients and servers, or servers and the bus, for the target ``link``.
        bus: of the servers, for the target ``bus``.

    Attributes:
        faults: what was done so far, in order.
        remarks: what should not have happened, such as an exit code that is not 0.

    >>> from pathlib import Path
    >>> nemesis = Nemesis(ServerProcess(Path("log"), "auto"), LocalReplicaSet(3), seed=1)
    >>> nemesis.faults
    []
    """

    def __init__(
        self,
        servers: ServerProcess | Sequence[ServerProcess],
        members: LocalReplicaSet,
        seed: int,
        *,
        pause: float = 3.0,
        longest: float = 4.0,
        targets: Sequence[str] = ("server", "primary"),
        links: Sequence[Link] = (),
        bus: BusProcess | None = None,
    ) -> None:
        self.servers = [servers] if isinstance(servers, ServerProcess) else list(servers)
        self.members = members
        self.seed = seed
        self.pause = pause
        self.longest = longest
        self.targets = tuple(targets)
        self.links = list(links)
        self.bus = bus
        self.faults: list[str] = []
        self.remarks: list[str] = []

    def run(self, seconds: float) -> None:
        """Do harm for so long, and return when all is well again.

        Raises:
            RuntimeError: the server does not start again.
            StoreUnavailable: the set has no primary any more.
        """
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(len(TARGETS), "goim nemesis") as pool:
            torments = [pool.submit(self._torment, target, end) for target in self.targets]
        for torment in torments:
            torment.result()
        self.members.wait_for_primary(_PATIENCE)

    def _torment(self, target: str, end: float) -> None:
        """One fault after the other, with pauses in which the target is well."""
        dice = random.Random(f"{self.seed} {target}")
        names = [name for name in FAULTS if name.endswith(target)]
        while True:
            pause = dice.uniform(0.3, 1.7) * self.pause
            name, lasts = dice.choice(names), dice.uniform(_SHORTEST, self.longest)
            if time.monotonic() + pause > end:
                return
            time.sleep(pause)
            self.faults.append(name)
            FAULTS[name](self, lasts, dice)

    def summary(self) -> str:
        """How often each fault came, in words."""
        counted = Counter(self.faults)
        return ", ".join(f"{name} {counted[name]}" for name in FAULTS if counted[name])

    # The faults: each takes so many seconds, and heals what it has done.

    def kill_server(self, seconds: float, dice: random.Random) -> None:
        """``kill -9``; no answer that is not yet written is ever given."""
        server = dice.choice(self.servers)
        server.kill()
        time.sleep(seconds)
        self._start(server)

    def terminate_server(self, seconds: float, dice: random.Random) -> None:
        """SIGTERM: it drains, and should end with exit code 0."""
        server = dice.choice(self.servers)
        try:
            code = server.stop(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.remarks.append(f"the server did not end within {_PATIENCE:.0f} s of SIGTERM")
        else:
            if code != 0:
                last = " | ".join(server.last_words())
                self.remarks.append(f"the server ended with code {code} after SIGTERM: {last}")
        time.sleep(seconds)
        self._start(server)

    def freeze_server(self, seconds: float, dice: random.Random) -> None:
        """SIGSTOP, later SIGCONT: for its clients it is there, and silent."""
        server = dice.choice(self.servers)
        server.freeze()
        time.sleep(seconds)
        server.thaw()

    def kill_primary(self, seconds: float, dice: random.Random) -> None:
        """``kill -9``: the others elect a new one; what only it had is rolled back."""
        member = self.members.kill("primary")
        time.sleep(seconds)
        self.members.restart(member)

    def freeze_primary(self, seconds: float, dice: random.Random) -> None:
        """SIGSTOP, later SIGCONT: meanwhile there may be a new one, and it does not know yet."""
        with self.members.paused("primary"):
            time.sleep(seconds)

    def step_down(self, seconds: float, dice: random.Random) -> None:
        """``replSetStepDown``: it closes its connections, and cannot be elected for a while."""
        # The answer may be lost with the connection, and there may be no primary to step down.
        with (
            contextlib.suppress(PyMongoError),
            pymongo.MongoClient[dict[str, object]](self.members.uri, timeoutMS=10_000) as client,
        ):
            client.admin.command("replSetStepDown", max(1, round(seconds)), force=True)

    def cut_link(self, seconds: float, dice: random.Random) -> None:
        """All connections over it are reset."""
        dice.choice(self.links).cut()

    def silence_link(self, seconds: float, dice: random.Random) -> None:
        """Nothing passes, and nobody is told; then it comes late."""
        link = dice.choice(self.links)
        link.silence()
        time.sleep(seconds)
        link.restore()

    def kill_bus(self, seconds: float, dice: random.Random) -> None:
        """``kill -9``; what it had taken and not delivered is lost."""
        if self.bus is not None:
            self.bus.kill()
            time.sleep(seconds)
            self.bus.start()

    def _start(self, server: ServerProcess) -> None:
        """Start it as a supervisor would: again and again, since it needs a primary."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                server.start()
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            else:
                return


FAULTS: Final[dict[str, Callable[[Nemesis, float, random.Random], None]]] = {
    "kill server": Nemesis.kill_server,
    "terminate server": Nemesis.terminate_server,
    "freeze server": Nemesis.freeze_server,
    "kill primary": Nemesis.kill_primary,
    "freeze primary": Nemesis.freeze_primary,
    "step down primary": Nemesis.step_down,
    "cut link": Nemesis.cut_link,
    "silence link": Nemesis.silence_link,
    "kill bus": Nemesis.kill_bus,
}
"""What a nemesis can do, by name; the last word says to what."""
