"""Several real servers of one chat, on a real replica set, to be killed and frozen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from goim_edu.mongod.temporary import new_temporary, remove_temporary

__all__ = ["Cluster"]

_current: Cluster | None = None


class Cluster:
    """Server processes that serve one chat, and the replica set that they keep it in.

    Args:
        servers: how many servers.
        members: how many mongods; of three one may die.
        options: of each server, as on the command line of ``serve``.

    Attributes:
        servers: the processes.
        members: the replica set.

    Use it with ``with``, or call ``start`` and ``close``. A process has one: to start another ends
    the one before, so a cell of a notebook can be run twice.

    >>> Cluster(servers=2)
    <Cluster of 2 servers, not started>
    """

    def __init__(
        self, servers: int = 3, *, members: int = 3, options: tuple[str, ...] = ()
    ) -> None:
        if servers < 1 or members < 1:
            raise ValueError("a cluster has at least one server and one mongod")
        self.servers: list[ServerProcess] = []
        self.members = LocalReplicaSet(members, election_timeout=2.0)
        self._count = servers
        self._options = ("--log-level", "error", *options)
        self._running = ExitStack()

    def __repr__(self) -> str:
        running = sum(server.running for server in self.servers)
        state = f"{running} running" if self.servers else "not started"
        return f"<Cluster of {self._count} servers, {state}>"

    @property
    def urls(self) -> list[str]:
        """The addresses of the chat, one for each server; ``ChatClient`` takes them all."""
        return [server.chat for server in self.servers]

    def turned(self, first: int) -> list[str]:
        """The addresses, beginning with that of one server: a client goes there first."""
        return self.urls[first:] + self.urls[:first]

    def start(self) -> Self:
        """Start everything, which takes some seconds; it says so."""
        global _current
        if _current is not None:
            _current.close()
        _current = self
        print(f"starting a replica set and {self._count} servers ...", flush=True)
        with ExitStack() as running:
            running.enter_context(self.members)
            folder = new_temporary("goim-cluster-")
            running.callback(remove_temporary, folder)
            for number in range(self._count):
                log = folder / f"server {number}"
                server = ServerProcess(log, self.members.uri, *self._options)
                self.servers.append(running.enter_context(server))
            self._running = running.pop_all()
        return self

    def close(self) -> None:
        """End everything; safe to repeat."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def frozen(self, number: int) -> Iterator[ServerProcess]:
        """One server stands still while the block runs (SIGSTOP), and then goes on."""
        server = self.servers[number]
        server.freeze()
        try:
            yield server
        finally:
            server.thaw()
