"""The bus: NATS between the servers of one chat, for those that outgrow change streams.

A bus says where to look, faster and cheaper than a change stream; MongoDB stays the only truth.
What NATS loses, or brings in another order, the gates and the heads mend.

Sources: docs.nats.io, "Core NATS" (at most once, no order between publishers); nats.py.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import bson
import msgspec

from goim_edu.chat.ports import StoredMessage
from goim_edu.errors import needs_extra
from goim_edu.storage.documents import StoredMessage as Message

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

__all__ = ["Batch", "Bus", "Listener"]

log = logging.getLogger("goim_edu.cluster")

_MOST_OCTETS: Final = 500_000  # of one publication; NATS takes 1 MiB unless it is told otherwise
_PING_EVERY: Final = 5  # seconds
_CLOSE: Final = 1.0  # seconds to close it
_PINGS: Final = 2  # without an answer, until the connection is given up


class Batch(NamedTuple):
    """Messages of one room that a server has stored.

    Args:
        server: its name.
        moment: when a majority had them, in the set's own time: seconds and a number.
        room_id: the room.
        messages: number, user, id, text and time of each, ascending; none if they are too large
            for the bus.
        last: the last number of the room that the server knows.
    """

    server: str
    moment: tuple[int, int]
    room_id: str
    messages: list[tuple[int, str, str, str, datetime]]
    last: int

    def stored(self) -> list[StoredMessage]:
        """The messages."""
        room_id = self.room_id
        return [
            Message(room_id, seq, user_id, key, text, created_at)
            for seq, user_id, key, text, created_at in self.messages
        ]


_batch_decoder: Final = msgspec.msgpack.Decoder(Batch)


class Listener(NamedTuple):
    """What is called in the event loop with what comes by the bus.

    Args:
        batch: messages of a room that we have opened.
        notice: a document that was told to all: its kind, and itself.
        state: whether the bus is there now.
        lost: something was lost, and why.
    """

    batch: Callable[[Batch], None]
    notice: Callable[[str, dict[str, Any]], None]
    state: Callable[[bool], None]
    lost: Callable[[str], None]


class Bus:
    """A connection to NATS, made again whenever it is lost.

    Args:
        servers: addresses of one NATS cluster.
        chat: what tells this chat from others at the same NATS.
        listener: is told what comes.
    """

    def __init__(self, servers: Sequence[str], chat: str, listener: Listener) -> None:
        with needs_extra("bus"):
            import nats.aio.client
        self.connected = False
        self._servers = list(servers)
        self._prefix = f"goim.{chat}"
        self._listener = listener
        self._client: Client = nats.aio.client.Client()
        self._rooms: dict[str, Subscription | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Connect, and go on trying."""
        self._do(self._connect())

    async def _connect(self) -> None:
        await self._client.connect(
            servers=self._servers,
            name="goim_edu",
            error_cb=self._failed,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
            connect_timeout=2,
            reconnect_time_wait=1,
            max_reconnect_attempts=-1,
            ping_interval=_PING_EVERY,
            max_outstanding_pings=_PINGS,
        )
        await self._client.subscribe(f"{self._prefix}.all.*", cb=self._take_notice)
        self._set_state(True)
        for room_id in self._rooms:
            self._do(self._subscribe(room_id))

    async def stop(self) -> None:
        """Close the connection; one that is broken is left to itself."""
        for task in tuple(self._tasks):
            task.cancel()
        # In a task of its own: what it raises on a broken connection is nobody's business here.
        closing = asyncio.get_running_loop().create_task(_or_log(self._client.close()))
        await asyncio.wait({closing}, timeout=_CLOSE)
        closing.cancel()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_or_log(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _failed(self, error: Exception) -> None:
        import nats.errors

        if isinstance(error, nats.errors.SlowConsumerError):
            self._listener.lost("slow bus")
        else:
            log.info("bus failed why=%r", str(error) or type(error).__name__)

    async def _disconnected(self) -> None:
        self._set_state(False)

    async def _reconnected(self) -> None:
        self._set_state(True)

    def _set_state(self, connected: bool) -> None:
        if connected != self.connected:
            self.connected = connected
            log.warning("bus %s", "connected" if connected else "lost")
            self._listener.state(connected)

    # ------------------------------------------------------------------ what comes

    def open(self, room_id: str) -> None:
        """Be told of this room."""
        self._rooms[room_id] = None
        if self.connected:
            self._do(self._subscribe(room_id))

    def close(self, room_id: str) -> None:
        """Be told of this room no more."""
        subscription = self._rooms.pop(room_id, None)
        if subscription is not None:
            self._do(subscription.unsubscribe())

    async def _subscribe(self, room_id: str) -> None:
        if self._rooms.get(room_id, self) is not None:
            return  # it is done, or the room is closed
        subscription = await self._client.subscribe(self._subject(room_id), cb=self._take_batch)
        if room_id in self._rooms:
            self._rooms[room_id] = subscription
        else:
            await subscription.unsubscribe()

    def _subject(self, room_id: str) -> str:
        """A subject may not hold every character; two rooms hardly share one, and may."""
        digest = hashlib.sha256(room_id.encode()).digest()
        return f"{self._prefix}.room.{base64.b32encode(digest)[:20].decode().lower()}"

    async def _take_batch(self, message: Msg) -> None:
        try:
            batch = _batch_decoder.decode(message.data)
        except msgspec.DecodeError as error:
            log.warning("not understood why=%r", str(error))
            return
        if batch.room_id in self._rooms:
            self._listener.batch(batch)

    async def _take_notice(self, message: Msg) -> None:
        try:
            document = bson.decode(message.data)
        except bson.errors.BSONError as error:
            log.warning("not understood why=%r", str(error))
            return
        self._listener.notice(message.subject.rpartition(".")[2], document)

    # ------------------------------------------------------------------ what is told

    def publish(
        self,
        server: str,
        moment: tuple[int, int],
        room_id: str,
        messages: Sequence[StoredMessage],
    ) -> None:
        """Tell those who have this room open of messages, in one piece or several."""
        last, octets = messages[-1].seq, 0
        piece: list[tuple[int, str, str, str, datetime]] = []
        for one in messages:
            size = len(one.text.encode()) + len(one.user_id.encode()) + 200
            if octets + size > _MOST_OCTETS:
                self._put(room_id, Batch(server, moment, room_id, piece, last))
                piece, octets = [], 0
            if size <= _MOST_OCTETS:
                piece.append((one.seq, one.user_id, one.client_msg_id, one.text, one.created_at))
                octets += size
        self._put(room_id, Batch(server, moment, room_id, piece, last))

    def _put(self, room_id: str, batch: Batch) -> None:
        self._do(self._client.publish(self._subject(room_id), msgspec.msgpack.encode(batch)))

    def tell(self, kind: str, document: dict[str, Any]) -> None:
        """Tell all servers, this one among them, a document."""
        self._do(self._client.publish(f"{self._prefix}.all.{kind}", bson.encode(document)))


async def _or_log(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - what the bus does not do, the stream does
        log.info("bus failed why=%r", str(error) or type(error).__name__)
