"""The nemesis of a chat: it harms the server and its replica set at random, and heals them again.

The name is that of Jepsen. While clients chat, the nemesis kills, stops and freezes processes. What
the clients heard and what is stored in the end is judged by ``lab.history``.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import pymongo
from pymongo.errors import PyMongoError

from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet

__all__ = ["FAULTS", "Nemesis"]

_SHORTEST: Final = 0.2  # seconds that a fault lasts at least
_PATIENCE: Final = 60.0  # seconds until all must be well again


class Nemesis:
    """Harms a chat server and the primary of its replica set, one fault at a time for each.

    Args:
        server: it runs and keeps its messages in ``members``.
        members: three or more, so that the others can elect a new primary.
        seed: the same seed gives the same faults in the same order.
        every: seconds from one fault to the next, on average; more if both targets are down.
        longest: seconds that a fault lasts at most, such as a frozen process.

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
        server: ServerProcess,
        members: LocalReplicaSet,
        seed: int,
        *,
        every: float = 2.0,
        longest: float = 4.0,
    ) -> None:
        self.server = server
        self.members = members
        self.every = every
        self.longest = longest
        self.faults: list[str] = []
        self.remarks: list[str] = []
        self._dice = random.Random(seed)

    def run(self, seconds: float) -> None:
        """Do harm for so long, and return when all is well again.

        Raises:
            RuntimeError: the server does not start again.
            StoreUnavailable: the set has no primary any more.
        """
        end = time.monotonic() + seconds
        under_way: dict[str, Future[None]] = {}  # by what it is done to
        with ThreadPoolExecutor(2, "goim nemesis") as pool:
            while True:
                name = self._dice.choice(list(FAULTS))
                lasts = self._dice.uniform(_SHORTEST, self.longest)
                pause = self._dice.uniform(0.3, 1.7) * self.every
                target = name.rpartition(" ")[2]
                if target in under_way:
                    under_way[target].result()
                if time.monotonic() > end:
                    break
                self.faults.append(name)
                under_way[target] = pool.submit(FAULTS[name], self, lasts)
                time.sleep(pause)
            for fault in under_way.values():
                fault.result()
        self.members.wait_for_primary(_PATIENCE)

    def summary(self) -> str:
        """How often each fault came, in words."""
        counted = Counter(self.faults)
        return ", ".join(f"{name} {counted[name]}" for name in FAULTS if counted[name])

    # The faults: each takes so many seconds, and heals what it has done.

    def kill_server(self, seconds: float) -> None:
        """``kill -9``; no answer that is not yet written is ever given."""
        self.server.kill()
        time.sleep(seconds)
        self._start_server()

    def terminate_server(self, seconds: float) -> None:
        """SIGTERM: it drains, and should end with exit code 0."""
        try:
            code = self.server.stop(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.remarks.append(f"the server did not end within {_PATIENCE:.0f} s of SIGTERM")
        else:
            if code != 0:
                self.remarks.append(f"the server ended with exit code {code} after SIGTERM")
        time.sleep(seconds)
        self._start_server()

    def freeze_server(self, seconds: float) -> None:
        """SIGSTOP, later SIGCONT: for its clients it is there, and silent."""
        self.server.freeze()
        time.sleep(seconds)
        self.server.thaw()

    def kill_primary(self, seconds: float) -> None:
        """``kill -9``: the others elect a new one; what only it had is rolled back."""
        member = self.members.kill("primary")
        time.sleep(seconds)
        self.members.restart(member)

    def freeze_primary(self, seconds: float) -> None:
        """SIGSTOP, later SIGCONT: meanwhile there may be a new one, and it does not know yet."""
        with self.members.paused("primary"):
            time.sleep(seconds)

    def step_down(self, seconds: float) -> None:
        """``replSetStepDown``: it closes its connections, and cannot be elected for a while."""
        # The answer may be lost with the connection, and there may be no primary to step down.
        with (
            contextlib.suppress(PyMongoError),
            pymongo.MongoClient[dict[str, object]](self.members.uri, timeoutMS=10_000) as client,
        ):
            client.admin.command("replSetStepDown", max(1, round(seconds)), force=True)

    def _start_server(self) -> None:
        """Start it as a supervisor would: again and again, since it needs a primary."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.server.start()
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            else:
                return


FAULTS: Final[dict[str, Callable[[Nemesis, float], None]]] = {
    "kill server": Nemesis.kill_server,
    "terminate server": Nemesis.terminate_server,
    "freeze server": Nemesis.freeze_server,
    "kill primary": Nemesis.kill_primary,
    "freeze primary": Nemesis.freeze_primary,
    "step down primary": Nemesis.step_down,
}
"""What a nemesis can do, by name; the last word says to what."""
