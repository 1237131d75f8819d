"""Clients that chat under a nemesis: ours, and one around the ``websockets`` library.

Both say something now and then, come back over new connections, send again what was not
acknowledged, in its old order, and write down what they send and hear.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from goim_edu.client import Backoff, ChatClient
from goim_edu.errors import IncompleteFrame
from goim_edu.lab.history import Acked, Heard, Joined, Record, Refused, Sent
from goim_edu.protocol import parse_frame
from goim_edu.transport import Direction

RATE: Final = 20.0  # messages a second of one client
WINDOW: Final = 16  # messages without an answer; a client then says nothing new
AGAIN: Final = 0.7  # seconds until a refused request is sent again
TEXT_OPCODE: Final = 1


class Chatter(ABC):
    """A client that is in some rooms, and writes down what happens to it.

    Attributes:
        name: its user id.
        urls: of the servers; each connection is to the next one.
        stop: to be set when it is to say nothing new.
        open: what it has said and was not acknowledged, by id: room and text.
        heard: the last number that it was told, by room.
    """

    def __init__(
        self, name: str, urls: Sequence[str], rooms: Sequence[str], history: list[Record], seed: int
    ) -> None:
        self.name = name
        self.urls = urls
        self.rooms = rooms
        self.history = history
        self.stop = asyncio.Event()
        self.open: dict[str, tuple[str, str]] = {}
        self.heard = dict.fromkeys(rooms, 0)
        self._window = asyncio.Semaphore(WINDOW)
        self._dice = random.Random(f"{seed} {name}")
        self._silent = False

    @property
    def answered(self) -> bool:
        """Whether it says nothing new, and all that it said is acknowledged."""
        return self._silent and not self.open

    def has_heard(self, heads: Mapping[str, int]) -> bool:
        """Whether it was told everything up to these numbers."""
        return all(self.heard[room] >= seq for room, seq in heads.items())

    @abstractmethod
    async def run(self) -> None:
        """Chat until cancelled."""

    async def speak(self) -> AsyncIterator[str]:
        """The ids of new messages, each when it is time to send it."""
        number = 0
        while not self.stop.is_set():
            await self._window.acquire()
            number += 1
            key = f"m{number}"
            self.open[key] = (self._dice.choice(self.rooms), f"{self.name} says {number}")
            yield key
            await asyncio.sleep(self._dice.expovariate(RATE))
        self._silent = True

    def close(self, key: str) -> None:
        """A message is stored: there may be another one."""
        if self.open.pop(key, None) is not None:
            self._window.release()

    def hear(self, room_id: str, seq: int, user_id: str, key: str, text: str) -> None:
        """Write down that it was told a message."""
        self.history.append(Heard(self.name, room_id, seq, user_id, key, text))
        self.heard[room_id] = max(self.heard[room_id], seq)


class OurChatter(Chatter):
    """The ``ChatClient`` of this package.

    What it hears is what the client hands to its script, over all connections. What it sends, and
    which answers it gets, is read from its octets, since the script is not told.
    """

    async def run(self) -> None:
        """Chat until cancelled."""
        for room in self.rooms:
            self.history.append(Joined(self.name, room, 0))
        async with (
            ChatClient(
                *(list(self.urls), self.name, dict.fromkeys(self.rooms, 0)),
                backoff=Backoff(0.2, 1.0),
                compression=False,
                tap=Wire(self.name, self.history),
            ) as chat,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._listen(chat))
            async for key in self.speak():
                group.create_task(self._send(chat, key))

    async def _listen(self, chat: ChatClient) -> None:
        async for one in chat:
            self.hear(one.room_id, one.seq, one.user_id, one.client_msg_id, one.text)

    async def _send(self, chat: ChatClient, key: str) -> None:
        room, text = self.open[key]
        ack = await chat.send(room, text, client_msg_id=key)
        self.history.append(Acked(f"the script of {self.name}", self.name, key, ack.seq))
        self.close(key)


class Wire:
    """A tap that writes down what is sent and how it is answered, connection by connection."""

    def __init__(self, name: str, history: list[Record]) -> None:
        self._name = name
        self._history = history
        self._connections = 0
        self._octets: dict[Direction, bytes] = {}
        self._opening: set[Direction] = set()  # where the head of the handshake is still to come
        self._keys: dict[str, str] = {}  # the ids of messages by the ref of their request

    def __call__(self, direction: Direction, at: float, data: bytes) -> None:
        """Take octets of either direction; a connection begins with the request of its client."""
        if direction == "out" and data.startswith(b"GET "):
            self._connections += 1
            self._octets = {"in": b"", "out": b""}
            self._opening = {"in", "out"}
            self._keys.clear()
        self._octets[direction] += data
        if direction in self._opening:
            head, end, rest = self._octets[direction].partition(b"\r\n\r\n")
            if not end or (direction == "in" and b" 101 " not in head[:13]):
                return  # not all of it, or a refusal
            self._opening.remove(direction)
            self._octets[direction] = rest
        with contextlib.suppress(IncompleteFrame):
            while self._octets[direction]:
                frame, size = parse_frame(self._octets[direction])
                self._octets[direction] = self._octets[direction][size:]
                if frame.opcode == TEXT_OPCODE:
                    self._note(json.loads(bytes(frame.payload)), at)

    def _note(self, message: dict[str, Any], at: float) -> None:
        session = f"connection {self._connections} of {self._name}"
        match message["type"]:
            case "send":
                key = self._keys[message["ref"]] = message["client_msg_id"]
                room, text = message["room_id"], message["text"]
                self._history.append(Sent(session, room, self._name, key, text, at=at))
            case "ack":
                key, seq = message["client_msg_id"], message["seq"]
                self._history.append(Acked(session, self._name, key, seq, at=at))
            case "error" if message.get("ref") in self._keys:
                key, code = self._keys[message["ref"]], message["code"]
                self._history.append(Refused(session, self._name, key, code, at=at))


class PeerChatter(Chatter):
    """A client around the ``websockets`` library, which knows nothing of our package."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections = 0
        self._ready: ClientConnection | None = None  # once what was open has been sent again
        self._outside: set[str] = set()
        self._later: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Chat until cancelled."""
        async with self._group:
            self._group.create_task(self._speak())
            for url in itertools.cycle(self.urls):
                # OSError: nothing listens there, or it took too long.
                with contextlib.suppress(OSError, ConnectionClosed, InvalidHandshake):
                    async with connect(
                        url, subprotocols=[Subprotocol("goim.v1.json")], proxy=None
                    ) as ws:
                        await self._talk(ws)
                await asyncio.sleep(self._dice.uniform(0.1, 0.5))

    async def _speak(self) -> None:
        async for key in self.speak():
            if self._ready is not None:
                await self._send(self._ready, key)

    async def _talk(self, ws: ClientConnection) -> None:
        self._connections += 1
        self._outside = set(self.rooms)
        try:
            await _put(ws, type="hello", user_id=self.name)
            for room in self.rooms:
                await self._join(ws, room)
            async for data in ws:
                self._take(ws, json.loads(data))
        finally:
            self._ready = None
            for task in self._later:
                task.cancel()

    async def _join(self, ws: ClientConnection, room: str) -> None:
        ref = f"join {self.rooms.index(room)}"
        await _put(ws, type="join", room_id=room, since=self.heard[room], ref=ref)

    async def _send(self, ws: ClientConnection, key: str) -> None:
        if key not in self.open:
            return  # it is acknowledged by now
        room, text = self.open[key]
        self.history.append(Sent(self._session, room, self.name, key, text))
        with contextlib.suppress(ConnectionClosed):  # then it is sent again over the next one
            await _put(
                ws, type="send", room_id=room, client_msg_id=key, text=text, ref=f"send {key}"
            )

    async def _send_again(self, ws: ClientConnection) -> None:
        """Send what is open, in its order; what is said meanwhile follows."""
        sent = set[str]()
        while todo := [key for key in self.open if key not in sent]:
            for key in todo:
                await self._send(ws, key)
                sent.add(key)
        self._ready = ws

    @property
    def _session(self) -> str:
        return f"connection {self._connections} of {self.name}"

    def _take(self, ws: ClientConnection, reply: dict[str, Any]) -> None:
        match reply["type"]:
            case "joined":
                self._joined(ws, reply)
            case "ack":
                key = reply["client_msg_id"]
                self.history.append(Acked(self._session, self.name, key, reply["seq"]))
                self.close(key)
            case "message":
                self.hear(
                    *(reply["room_id"], reply["seq"], reply["user_id"]),
                    *(reply["client_msg_id"], reply["text"]),
                )
            case "error":
                self._refused(ws, reply)

    def _joined(self, ws: ClientConnection, reply: dict[str, Any]) -> None:
        room = reply["room_id"]
        # After very many missed messages only the last ones come; the rest would be in ``history``.
        since = None if reply["truncated"] else self.heard[room]
        self.history.append(Joined(self.name, room, since))
        self._outside.discard(room)
        if not self._outside:
            self._do(0.0, self._send_again, ws)

    def _refused(self, ws: ClientConnection, reply: dict[str, Any]) -> None:
        what, _, name = (reply.get("ref") or "").partition(" ")
        if what == "join":
            self._do(AGAIN, self._join, ws, self.rooms[int(name)])
        elif what == "send":
            self.history.append(Refused(self._session, self.name, name, reply["code"]))
            self._do(AGAIN, self._send, ws, name)

    def _do(
        self, pause: float, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any
    ) -> None:
        """Do something after so many seconds, unless the connection has ended by then."""

        async def wait_and_do() -> None:
            with contextlib.suppress(ConnectionClosed):
                await asyncio.sleep(pause)
                await work(*arguments)

        task = self._group.create_task(wait_and_do())
        self._later.add(task)
        task.add_done_callback(self._later.discard)


async def _put(ws: ClientConnection, **request: Any) -> None:
    await ws.send(json.dumps(request))
