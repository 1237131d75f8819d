"""The nemesis: what it decides, and what a chat with a known fault looks like to its checker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest

from goim_edu.lab.nemesis import FAULTS, Nemesis
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from goim_edu.storage.documents import utc_now
from goim_edu.store import Saved, StoredMessage
from tests.chatting import running_server
from tools.nemesis import Outcome, run_chat

# ------------------------------------------------------------------ a chat whose fault is known


class PlainStore:
    """A store in memory that writes what has come in a turn of the loop as one batch."""

    description = "in memory"

    def __init__(self) -> None:
        self.rooms: dict[str, dict[int, StoredMessage]] = {}
        self._by_key: dict[tuple[str, str], StoredMessage] = {}
        self._batch: list[tuple[StoredMessage, asyncio.Future[Saved]]] = []

    def submit_async(
        self, room_id: str, user_id: str, text: str, *, client_msg_id: str
    ) -> asyncio.Future[Saved]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Saved] = loop.create_future()
        if not self._batch:
            loop.call_later(0.02, self._write)
        message = StoredMessage(room_id, 0, user_id, client_msg_id, text, utc_now())
        self._batch.append((message, answer))
        return answer

    def _write(self) -> None:
        batch, self._batch = self._batch, []
        new = self.new_ones(batch)
        for room_id in {message.room_id for message in new}:
            self.number(room_id, [message for message in new if message.room_id == room_id])
        for message, answer in batch:
            known = self._by_key[message.user_id, message.client_msg_id]
            answer.set_result(Saved(known, known is not message))

    def new_ones(self, batch: Sequence[tuple[StoredMessage, Any]]) -> list[StoredMessage]:
        for message, _ in batch:
            self._by_key.setdefault((message.user_id, message.client_msg_id), message)
        return [m for m, _ in batch if self._by_key[m.user_id, m.client_msg_id] is m]

    def number(self, room_id: str, messages: list[StoredMessage]) -> None:
        """Give the messages their numbers, in the order in which they came."""
        room = self.rooms.setdefault(room_id, {})
        for message in messages:
            message.seq = len(room) + 1
            room[message.seq] = message

    def history(
        self,
        room_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> list[StoredMessage]:
        room = sorted(self.rooms.get(room_id, {}).items())
        if after_seq is not None:
            return [message for seq, message in room if seq > after_seq][:limit]
        return [message for seq, message in room if before_seq is None or seq < before_seq][-limit:]

    def last_seq(self, room_id: str) -> int:
        return max(self.rooms.get(room_id, {0: None}))

    def mark_read(self, room_id: str, user_id: str, seq: int) -> None:
        pass

    def forget(self, asker: object) -> None:
        pass

    def run(self, function: Callable[..., Any], *args: Any, asker: object = None) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*args))
        return done

    def ping(self) -> float:
        return 0.0

    def flush(self, timeout: float | None = None) -> bool:
        return True


class Counting(PlainStore):
    """The store of version 0.1 after a failover, now and then.

    The counter of the room was rolled back by one. So the first number of a batch is taken, that
    message gets a number after the batch at its second attempt, and the batch is answered in its
    old order.
    """

    def number(self, room_id: str, messages: list[StoredMessage]) -> None:
        room = self.rooms.setdefault(room_id, {})
        rolled_back = len(messages) > 1 and len(room) > 20
        ordered = [*messages[1:], messages[0]] if rolled_back else messages
        super().number(room_id, ordered)


class Forgetful(PlainStore):
    """A store that keeps all but each thirtieth message that it acknowledges."""

    def history(self, *arguments: Any, **options: Any) -> list[StoredMessage]:
        return [one for one in super().history(*arguments, **options) if one.seq % 30]


class Doubling(PlainStore):
    """A store that does not know again what it has stored."""

    def new_ones(self, batch: Sequence[tuple[StoredMessage, Any]]) -> list[StoredMessage]:
        for message, _ in batch:
            self._by_key[message.user_id, message.client_msg_id] = message
        return [message for message, _ in batch]


def chat_with(store: PlainStore, seconds: float = 3.0) -> Outcome:
    """Let the clients of the nemesis chat with a server that has this store."""

    async def chat() -> Outcome:
        async with running_server(store, rate=1e6, burst=100_000) as server:  # type: ignore[arg-type]

            async def harm() -> None:
                """Cut all connections, so that something is sent again."""
                for _ in range(3):
                    await asyncio.sleep(seconds / 3)
                    for connection in tuple(server._connections):
                        connection.abort()

            def read(rooms: Sequence[str]) -> list[StoredMessage]:
                return [one for room in rooms for one in store.history(room, limit=100_000)]

            return await run_chat([server.url], 1, harm, read)

    return asyncio.run(chat())


def kinds(outcome: Outcome) -> set[str]:
    return {violation.kind for violation in outcome.violations}


def test_a_chat_without_a_fault_passes() -> None:
    outcome = chat_with(PlainStore())
    assert outcome.good, str(outcome)
    assert len(outcome.stored) > 100
    assert "lost 0, doubled 0, out of order 0, repeated 0, missed 0, other 0" in str(outcome)


def test_a_counter_that_was_rolled_back_is_caught() -> None:
    outcome = chat_with(Counting())
    assert "out of order" in kinds(outcome)


def test_an_acknowledged_message_that_is_not_kept_is_caught() -> None:
    assert "lost" in kinds(chat_with(Forgetful()))


def test_a_message_that_is_stored_twice_is_caught() -> None:
    assert "doubled" in kinds(chat_with(Doubling()))


# ------------------------------------------------------------------ what it decides


class Members(LocalReplicaSet):
    """A replica set that is only asked for its primary."""

    def wait_for_primary(self, *_: Any, **__: Any) -> Any:
        return None


def nemesis(seed: int) -> Nemesis:
    return Nemesis(ServerProcess(Path("log"), "memory"), Members(), seed, pause=0.01)


def faults_of(seed: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The first faults of each target under a seed, when each is over at once."""
    for name in FAULTS:
        monkeypatch.setitem(FAULTS, name, lambda *_: None)
    tormentor = nemesis(seed)
    tormentor.run(0.5)
    return {
        target: [name for name in tormentor.faults if name.endswith(target)][:10]
        for target in ("server", "primary")
    }


def test_a_seed_decides_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, other = (faults_of(seed, monkeypatch) for seed in (1, 1, 2))
    assert first == again != other
    assert all(first.values())


def test_a_fault_that_cannot_be_healed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the server does not start")

    for name in FAULTS:
        monkeypatch.setitem(FAULTS, name, fail)
    with pytest.raises(RuntimeError, match="does not start"):
        nemesis(1).run(0.5)


def test_a_nemesis_may_spare_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FAULTS:
        monkeypatch.setitem(FAULTS, name, lambda *_: None)
    tormentor = Nemesis(
        ServerProcess(Path("log"), "memory"), Members(), 1, pause=0.01, targets=["primary"]
    )
    tormentor.run(0.2)
    assert {name.rpartition(" ")[2] for name in tormentor.faults} == {"primary"}


def test_the_summary_counts_the_faults() -> None:
    tormentor = nemesis(1)
    tormentor.faults = ["freeze primary", "kill server", "freeze primary"]
    assert tormentor.summary() == "kill server 1, freeze primary 2"


# ------------------------------------------------------------------ the process of a server


def test_a_server_process_keeps_its_port_and_may_freeze(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "log", "memory")
    assert (server.pid, server.running, server.stop()) == (0, False, 0)
    with server:
        port, pid = server.port, server.pid
        server.freeze()
        assert status(pid) == "stopped"
        server.thaw()
        assert server.kill() == -9
        server.freeze()  # there is nothing to freeze
        server.start()
        assert server.port == port != 0
        assert server.stop() == 0


def status(pid: int) -> str:
    """What a process does, once it has taken a signal."""
    process = psutil.Process(pid)
    deadline = time.monotonic() + 10
    while process.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
        time.sleep(0.01)
    return str(process.status())


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"did not start:\n[^$]*--rate"):
        ServerProcess(tmp_path / "log", "memory", "--rate", "many").start()


def test_the_address_of_a_database_is_not_among_the_arguments(tmp_path: Path) -> None:
    """A password may be in it, and everybody can read the arguments of a process."""
    address = "mongodb://somebody:secret@127.0.0.1:1/"
    server = ServerProcess(tmp_path / "log", address)
    assert "secret" not in " ".join(server.command)
    assert server.environment["GOIM_MONGO_URI"] == address
