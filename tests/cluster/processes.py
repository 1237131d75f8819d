"""Server processes of one chat, and people at them whose words and ears are written down."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pymongo
from pymongo.read_concern import ReadConcern

from goim_edu.chat.vocabulary import JSON, Codec
from goim_edu.client import connect
from goim_edu.lab.history import Acked, Heard, Joined, Left, Record, Refused, Sent, check_history
from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from goim_edu.server import ChatServer
from goim_edu.transport import WebSocket
from tests.chatting import Person, expect
from tools.nemesis import read_majority

PATIENCE = 30.0  # seconds
LOBBY = "lobby"
OPTIONS = ("--rate", "100000", "--burst", "100000", "--log-level", "warning")


def address_of(members: LocalReplicaSet, database: str) -> str:
    """The replica set, and a database in it."""
    hosts, _, options = members.uri.partition("/?")
    return f"{hosts}/{database}?{options}"


@contextmanager
def processes(
    members: LocalReplicaSet, database: str, folder: Path, options: Sequence[Sequence[str]]
) -> Iterator[list[ServerProcess]]:
    """As many servers as there are options of one; each knows the others when they are given."""
    uri = address_of(members, database)
    with ExitStack() as running:
        servers = [
            running.enter_context(ServerProcess(folder / f"log{number}", uri, *OPTIONS, *own))
            for number, own in enumerate(options)
        ]
        wait_for_peers(servers)
        yield servers


def peers_of(server: ServerProcess) -> int:
    """How many others it knows."""
    with urllib.request.urlopen(f"{server.page}/healthz", timeout=5) as page:
        return int(json.load(page)["peers"])


def wait_for_peers(servers: Sequence[ServerProcess]) -> None:
    """Until each of them knows all others."""
    end = time.monotonic() + PATIENCE
    while any(peers_of(server) != len(servers) - 1 for server in servers):
        assert time.monotonic() < end
        time.sleep(0.1)


def figure(server: ServerProcess, name: str, otherwise: float | None = None) -> float:
    """What it says on /metrics, or else ``otherwise``."""
    with urllib.request.urlopen(f"{server.page}/metrics", timeout=5) as page:
        for line in page.read().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
    if otherwise is None:
        raise KeyError(name)
    return otherwise


def on_the_primary(members: LocalReplicaSet, database: str) -> int:
    """How many messages the primary has, whatever a majority has."""
    with pymongo.MongoClient[dict[str, Any]](members.uri) as client:
        messages = client[database].get_collection("messages", read_concern=ReadConcern("local"))
        return messages.count_documents({})


class Witness(Person):
    """Somebody in the lobby; what it says and hears over one connection is written down.

    Attributes:
        last: the highest number that it was told.
    """

    def __init__(self, ws: WebSocket, codec: Codec, user_id: str, history: list[Record]) -> None:
        super().__init__(ws, codec)
        self.user_id = self.reader = user_id
        self.history = history
        self.session = f"connection {id(self)} of {user_id}"
        self.last = 0
        self._since: int | None = None
        self._keys: dict[str, str] = {}

    @classmethod
    async def enter(
        cls,
        server: ServerProcess | ChatServer,
        user_id: str,
        history: list[Record],
        *,
        since: int | None = 0,
        reader: str = "",
    ) -> Self:
        """Connect, and join the lobby.

        Args:
            server: where.
            user_id: the name.
            history: where to write it down.
            since: the last number that it knows.
            reader: names it among the readers; default: its connection.
        """
        url = server.chat if isinstance(server, ServerProcess) else f"{server.base_url}/chat"
        ws = await connect(url, subprotocols=[JSON.name], heartbeat_interval=None)
        one = cls(ws, JSON, user_id, history)
        expect(one)
        one.reader = reader or one.session
        one.last, one._since = since or 0, since
        await one.ask(type="hello", user_id=user_id)
        assert (await one.join(LOBBY, since=since))["type"] == "joined"
        return one

    def leave(self) -> None:
        """Vanish; the checker expects nothing more of it."""
        self.go()
        self.history.append(Left(self.reader, LOBBY))

    async def shout(self, keys: Sequence[str], ballast: str = "") -> None:
        """Say something for each of these ids, and wait for no answer."""
        for key in keys:
            await self.tell(
                type="send",
                room_id=LOBBY,
                client_msg_id=key,
                text=f"{self.user_id} says {key}{ballast}",
                ref=key,
            )

    async def acked(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """The acknowledgements of these."""
        return [await self.hear("ack", client_msg_id=key) for key in keys]

    async def hear_all(self, seq: int) -> None:
        """Until it was told this number."""
        while self.last < seq:
            self.heard.append(await self.listen())

    async def tell(self, **message: Any) -> None:
        """Say something, and write down what is said to the room."""
        if message["type"] == "send":
            key = self._keys[message["ref"]] = message["client_msg_id"]
            self.history.append(
                Sent(self.session, message["room_id"], self.user_id, key, message["text"])
            )
        await super().tell(**message)

    async def listen(self) -> dict[str, Any]:
        """The next thing that is said to us, written down."""
        told = await super().listen()
        match told["type"]:
            case "joined":
                since = told["last_seq"] if self._since is None else self._since
                self.history.append(Joined(self.reader, told["room_id"], since))
            case "ack":
                key = told["client_msg_id"]
                self.history.append(Acked(self.session, self.user_id, key, told["seq"]))
            case "error" if told.get("ref") in self._keys:
                key = self._keys[told["ref"]]
                self.history.append(Refused(self.session, self.user_id, key, told["code"]))
            case "message":
                self.last = max(self.last, told["seq"])
                ids = told["user_id"], told["client_msg_id"], told["text"]
                self.history.append(Heard(self.reader, told["room_id"], told["seq"], *ids))
        return told


def judge(history: Sequence[Record], members: LocalReplicaSet, database: str) -> int:
    """Every promise was kept; how many messages are stored."""
    stored = read_majority(members.uri, database)([LOBBY])
    violations = check_history(history, stored)
    assert violations == [], "\n".join(map(str, violations[:20]))
    return len(stored)
