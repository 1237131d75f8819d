"""Several real servers of one chat, on a real replica set, to be killed, frozen and restarted."""

from __future__ import annotations

import atexit
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Final, Self

from goim_edu.client import ChatClient
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from goim_edu.mongod.temporary import new_temporary, remove_temporary

__all__ = ["Cluster"]

# A page of JupyterLab has an origin of its own, and the panels in it are to be let in.
_OPTIONS: Final = ("--log-level", "error", "--allow-origin", "loopback")
_THAW: Final = 'read line; kill -CONT "$1"'  # once the pipe ends, since we end or say so

_running: dict[str, Cluster] = {}


class Cluster:
    """Server processes that serve one chat, and the replica set in which they keep it.

    Use it with ``with``, or call ``start`` and ``close``. A new one closes the previous one of the
    same name, so the cell that makes it can be run again. All of it ends with this process,
    however that ends, and the data go with it.

    Args:
        servers: how many servers, 1 or more.
        members: how many mongods, 1 to 7; of three one may die.
        options: further options of each server, as on the command line of ``serve``.
        name: a new cluster replaces the one of the same name.

    Attributes:
        servers: the processes; [] before the start.
        members: the replica set.

    >>> Cluster(servers=2)
    <Cluster of 3 mongods and 2 servers: not started>
    """

    def __init__(
        self,
        servers: int = 3,
        *,
        members: int = 3,
        options: Iterable[str] = (),
        name: str = "cluster",
    ) -> None:
        if servers < 1:
            raise ValueError(f"a cluster has 1 server or more, not {servers}")
        self.name = name
        self.servers: list[ServerProcess] = []
        self.members = LocalReplicaSet(members)
        self._sizes = servers, members
        self._options = (*_OPTIONS, *options)
        self._open = ExitStack()

    # ------------------------------------------------------------------ beginning and end

    def start(self) -> Self:
        """Start everything, which takes some seconds; a line says so.

        Raises:
            StoreUnavailable: there is no mongod, or it does not start.
            RuntimeError: a server does not start; with what it printed.
        """
        if self.servers:
            return self
        before = _running.pop(self.name, None)
        if before is not None:
            before.close()
        servers, members = self._sizes
        print(f"starting {_said(members, servers)} ...", end=" ", flush=True)
        try:
            self._open.enter_context(self.members)
            folder = new_temporary("goim-cluster-")
            self._open.callback(remove_temporary, folder)
            self.servers = [
                ServerProcess(folder / f"server{number}.log", self.members.uri, *self._options)
                for number in range(servers)
            ]
            self._open.callback(self._stop_servers)
            with ThreadPoolExecutor(servers) as pool:
                list(pool.map(ServerProcess.start, self.servers))
        except BaseException:
            self.close()
            raise
        print("ready")
        _running[self.name] = self
        atexit.register(self.close)
        return self

    def close(self) -> None:
        """End everything: the servers in good order, then the mongods; safe to repeat."""
        atexit.unregister(self.close)
        if _running.get(self.name) is self:
            del _running[self.name]
        self._open.close()
        self.servers = []

    def _stop_servers(self) -> None:
        """All at once; one that does not end in time is killed."""

        def stop(server: ServerProcess) -> None:
            server.thaw()
            try:
                server.stop()
            except subprocess.TimeoutExpired:
                print("a server did not end in time, and was killed")

        with ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(stop, self.servers))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ who is there

    @property
    def urls(self) -> list[str]:
        """The address of each server's chat."""
        return [server.chat for server in self.servers]

    def client(
        self,
        number: int,
        user_id: str,
        rooms: Iterable[str] | Mapping[str, int | None] = ("lobby",),
        *,
        only: bool = False,
        **options: Any,
    ) -> ChatClient:
        """A client of the chat that begins at this server, for ``async with``.

        Args:
            number: the index of the server.
            user_id: a name.
            rooms: the rooms to be in, as of ``ChatClient``.
            only: stay with this server and wait for it; else go on at the next one if it dies.
            options: likewise.

            async with cluster.client(0, "ada") as ada:
                await ada.send("lobby", "hello")
        """
        urls = self.urls[number : number + 1] if only else self.urls[number:] + self.urls[:number]
        return ChatClient(urls, user_id, rooms, **options)

    # ------------------------------------------------------------------ what may happen to a server

    def kill(self, number: int) -> None:
        """End a server without a goodbye (``kill -9``); nothing happens if it is dead."""
        self.servers[number].kill()

    def restart(self, number: int) -> None:
        """Start a server that was killed, at its old address; nothing happens if it runs.

        Raises:
            RuntimeError: it does not start; with what it printed.
        """
        if not self.servers[number].running:
            self.servers[number].start()

    @contextmanager
    def freeze(self, number: int) -> Iterator[ServerProcess]:
        """Let a server stand still while the block runs (SIGSTOP), and then go on.

        Its connections stay open, and it answers nobody. It also goes on if we end meanwhile.
        """
        server = self.servers[number]
        with subprocess.Popen(  # noqa: S603 - the arguments are our own
            ["/bin/sh", "-c", _THAW, "sh", str(server.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C, and the signals of Jupyter, are not for it
        ):
            server.freeze()
            try:
                yield server
            finally:
                server.thaw()

    def __repr__(self) -> str:
        # No ports: a notebook's saved output must not change from one run to the next.
        alive = sum(server.running for server in self.servers)
        servers, members = self._sizes
        state = f"{alive} running" if self.servers else "not started"
        return f"<Cluster of {_said(members, servers)}: {state}>"


def _said(members: int, servers: int) -> str:
    """How many there are of each, in words.

    >>> _said(3, 1)
    '3 mongods and 1 server'
    """
    return f"{members} mongod{'s'[: members != 1]} and {servers} server{'s'[: servers != 1]}"
