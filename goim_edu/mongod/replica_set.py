"""A real replica set on this machine, whose members may be killed, paused and brought back."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pymongo.errors import PyMongoError

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod.credentials import Credentials, MongoURI, ensure_user
from goim_edu.mongod.membership import direct_client
from goim_edu.mongod.mongod import LocalMongod
from goim_edu.mongod.temporary import new_temporary, remove_temporary

__all__ = ["LocalReplicaSet", "MemberStatus"]

_POLL = 0.05
_DOWN = "DOWN"


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What is known of one member; the states are those of ``replSetGetStatus`` and ``DOWN``.

    ``optime`` is the time of the last write that it has, ``lag`` how many seconds that is behind
    the primary; both None when that is unknown.
    """

    index: int
    address: str
    pid: int | None
    state: str
    optime: datetime | None
    lag: float | None
    term: int | None


class LocalReplicaSet:
    """Real mongods on the loopback that form one replica set.

    Args:
        members: 1 to 7; of three, one may fail.
        data_dir: where their data stay; default a folder that is removed at the end.
        name: of the set.
        election_timeout: seconds after which the others elect a new primary. MongoDB's default is
            10; the lesson need not wait that long.
        binary: the program; default :func:`find_mongod`.

    Source: manual, "Replica Set Elections", "Self-Managed Replica Set Configurations".

    >>> LocalReplicaSet(members=3).name
    'goim'
    """

    def __init__(
        self,
        members: int = 3,
        data_dir: Path | str | None = None,
        *,
        name: str = "goim",
        election_timeout: float = 2.0,
        binary: Path | str | None = None,
    ) -> None:
        if not 1 <= members <= 7:
            raise ValueError(f"a replica set has 1 to 7 voting members, not {members}")
        self.name = name
        self.election_timeout = election_timeout
        self.members: list[LocalMongod] = []
        self._count = members
        self._binary = binary
        self._keep = data_dir is not None
        self._folder = None if data_dir is None else Path(data_dir)

    @property
    def uri(self) -> MongoURI:
        """The connection string with all members, living or not, and the password.

        Its ``repr`` does not show the password.
        """
        hosts = ",".join(member.address for member in self.members)
        return self._credentials.uri(hosts, f"replicaSet={self.name}")

    @property
    def uri_file(self) -> Path:
        """The file with the connection string, which only its owner may read."""
        return self._credentials.uri_file

    def start(self, timeout: float = 60.0) -> Self:
        """Start all members, initiate the set, wait for a primary and its secondaries.

        Raises:
            StoreUnavailable: one of them cannot start, or no primary within ``timeout`` seconds.
        """
        if self.members:
            return self
        if self._folder is None:
            self._folder = new_temporary("goim-replica-set-")
        first = self._folder / "member0"
        first.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._credentials = Credentials(first)
        self._credentials.prepare()
        self.members = [
            LocalMongod(
                self._folder / f"member{index}",
                replica_set=self.name,
                initiate=False,
                binary=self._binary,
                credentials=self._credentials,
            )
            for index in range(self._count)
        ]
        try:
            with ThreadPoolExecutor(self._count) as pool:
                list(pool.map(LocalMongod.start, self.members))
            self._configure()
            self._make_user(self.wait_for_primary(timeout))
            self._credentials.remember_uri(self.uri)
            self._wait(self._all_follow, timeout, "not all members follow the primary")
            atexit.register(self.stop)  # each mongod would end by itself, but the folder stay
        except BaseException:
            self.stop()
            raise
        return self

    def _make_user(self, primary: LocalMongod) -> None:
        try:
            with direct_client(primary.address, self._credentials, timeout=20.0) as client:
                ensure_user(client, primary.address, self._credentials, self._count)
        except PyMongoError as error:
            raise StoreUnavailable(f"the replica set takes no password: {error}") from None

    def _configure(self) -> None:
        """Initiate on the first start; on a later one put the addresses right."""
        hosts = [
            {"_id": index, "host": member.address} for index, member in enumerate(self.members)
        ]
        settings = {
            "electionTimeoutMillis": int(self.election_timeout * 1000),
            "heartbeatIntervalMillis": min(500, int(self.election_timeout * 250)),
            # Each copies from the primary itself: one that is held up holds up no other.
            "chainingAllowed": False,
        }
        fresh = {"_id": self.name, "members": hosts, "settings": settings}
        with direct_client(self.members[0].address, self._credentials, timeout=20.0) as client:
            try:
                if "setName" not in client.admin.command("hello") and not self._config(client):
                    client.admin.command("replSetInitiate", fresh)
                    return
                config = self._config(client)
                if [member["host"] for member in config["members"]] != [m["host"] for m in hosts]:
                    config = {**config, "members": hosts, "version": config["version"] + 1}
                    client.admin.command("replSetReconfig", config, force=True)
            except PyMongoError as error:
                raise StoreUnavailable(f"the replica set cannot be set up: {error}") from None

    @staticmethod
    def _config(client: Any) -> dict[str, Any]:
        with contextlib.suppress(PyMongoError):
            config: dict[str, Any] = client.admin.command("replSetGetConfig")["config"]
            return config
        return {}

    def _all_follow(self) -> bool:
        states = sorted(member.state for member in self.status())
        return states == ["PRIMARY"] + ["SECONDARY"] * (self._count - 1)

    # The members and their states.

    def primary(self) -> LocalMongod | None:
        """The member that takes writes now, or None during an election."""
        found = []
        for member in self.members:
            hello = self._ask(member, "hello")
            if hello.get("isWritablePrimary"):
                found.append((hello["electionId"], member))
        # A primary that was cut off may not know yet that it is none: the later election counts.
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def wait_for_primary(
        self, timeout: float = 30.0, *, other_than: LocalMongod | None = None
    ) -> LocalMongod:
        """Wait until a member takes writes, if asked for one that is not ``other_than``.

        Raises:
            StoreUnavailable: none within ``timeout`` seconds, or no majority is alive.
        """
        found: list[LocalMongod] = []

        def elected() -> bool:
            primary = self.primary()
            if primary is not None and primary is not other_than:
                found.append(primary)
            elif primary is None:
                self._need_majority()
            return bool(found)

        self._wait(elected, timeout, "no member was elected primary")
        return found[0]

    def _need_majority(self) -> None:
        """Without one there is nothing to wait for."""
        dead = sum(not member.running for member in self.members)
        if 2 * dead >= len(self.members) > 0:
            raise StoreUnavailable(
                f"{dead} of {len(self.members)} are dead now, so nobody is elected: restart one"
            )

    def status(self) -> list[MemberStatus]:
        """Every member as the running ones see it, as data for pictures."""
        seen: dict[str, Mapping[str, Any]] = {}
        term = None
        for member in self.members:
            answer = self._ask(member, "replSetGetStatus")
            for entry in answer.get("members", ()):
                if entry.get("self"):
                    seen[entry["name"]] = entry
                    term = max(term or 0, answer.get("term", 0))
                else:
                    seen.setdefault(entry["name"], entry)
        newest = max(
            (entry["optimeDate"] for entry in seen.values() if entry.get("stateStr") == "PRIMARY"),
            default=None,
        )
        return [
            self._member_status(index, member, seen.get(member.address, {}), newest, term)
            for index, member in enumerate(self.members)
        ]

    @staticmethod
    def _member_status(
        index: int,
        member: LocalMongod,
        entry: Mapping[str, Any],
        newest: datetime | None,
        term: int | None,
    ) -> MemberStatus:
        alive = member.running
        state = str(entry.get("stateStr", "STARTUP")) if alive else _DOWN
        if state.startswith("("):
            state = _DOWN
        optime = entry.get("optimeDate") if state != _DOWN else None
        lag = (newest - optime).total_seconds() if newest and optime else None
        return MemberStatus(index, member.address, member.pid, state, optime, lag, term)

    def _ask(self, member: LocalMongod, command: str) -> dict[str, Any]:
        """What a member answers, {} when it does not."""
        if member.running:
            with (
                contextlib.suppress(PyMongoError),
                # Anybody is told ``hello``: a question that is asked often costs no password.
                direct_client(
                    member.address, None if command == "hello" else self._credentials, timeout=1.0
                ) as client,
            ):
                answer: dict[str, Any] = client.admin.command(command)
                return answer
        return {}

    @contextlib.contextmanager
    def recorded(self, every: float = 0.1) -> Iterator[list[tuple[float, dict[str, str]]]]:
        """Record the state of each member while the block runs, for ``draw.replica_roles``.

        Args:
            every: seconds between two looks.

        Yields:
            A list that grows: the time of ``time.monotonic`` and the state of each member.
        """
        samples: list[tuple[float, dict[str, str]]] = []
        over = threading.Event()

        def look() -> None:
            states = {f"member {one.index}": one.state for one in self.status()}
            samples.append((time.monotonic(), states))

        def keep_looking() -> None:
            while not over.wait(every):
                look()

        look()
        thread = threading.Thread(target=keep_looking, name="goim roles", daemon=True)
        thread.start()
        try:
            yield samples
        finally:
            over.set()
            thread.join(30.0)
            look()

    # What may happen to a member.

    def member(self, which: LocalMongod | int | str) -> LocalMongod:
        """A member by itself, by its index, or by its role: ``"primary"``, ``"secondary"``."""
        if isinstance(which, LocalMongod):
            return which
        if isinstance(which, int):
            return self.members[which]
        primary = self.wait_for_primary()
        if which == "primary":
            return primary
        if which == "secondary":
            return next(m for m in self.members if m.running and m is not primary)
        raise ValueError(f"name a member by its index, 'primary' or 'secondary', not {which!r}")

    def kill(self, which: LocalMongod | int | str = "primary") -> LocalMongod:
        """End a member with ``kill -9``; return it, for :meth:`restart`."""
        member = self.member(which)
        member.kill()
        return member

    def restart(self, which: LocalMongod | int) -> LocalMongod:
        """Start a killed member again, on the same port and data."""
        member = self.member(which)
        return member.start()

    def restart_all(self, timeout: float = 60.0) -> None:
        """Start every member that is dead; wait for a primary that all others follow.

        Raises:
            StoreUnavailable: they do not within ``timeout`` seconds.
        """
        for member in self.members:
            member.start()
        self._wait(self._all_follow, timeout, "not all members follow the primary")

    @contextlib.contextmanager
    def held_up(self, which: LocalMongod | int | str = "secondary") -> Iterator[LocalMongod]:
        """Keep a member from writing while the block runs: it answers, but falls behind."""
        member = self.member(which)
        with direct_client(member.address, self._credentials, timeout=20.0) as client:
            client.admin.command("fsync", lock=True)
            try:
                yield member
            finally:
                client.admin.command("fsyncUnlock")

    @contextlib.contextmanager
    def paused(self, which: LocalMongod | int | str = "primary") -> Iterator[LocalMongod]:
        """Freeze a member while the block runs: it is there, and answers nobody."""
        member = self.member(which)
        member.pause()
        try:
            yield member
        finally:
            member.resume()

    # The end.

    def stop(self) -> None:
        """Stop all members; remove the data if the folder was ours. Safe to repeat."""
        atexit.unregister(self.stop)
        for member in self.members:
            member.ask_to_stop()
        for member in self.members:
            member.stop()
        self.members = []
        if not self._keep and self._folder is not None:
            remove_temporary(self._folder)
            self._folder = None

    @staticmethod
    def _wait(ready: Callable[[], bool], timeout: float, problem: str) -> None:
        deadline = time.monotonic() + timeout
        while not ready():
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"{problem} within {timeout:.0f} s")
            time.sleep(_POLL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
