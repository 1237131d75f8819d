"""A server that hears of the others by a bus, and by the change stream while there is none."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from bson.timestamp import Timestamp

from goim_edu.chat.hub import Hub
from goim_edu.chat.ports import StoredMessage
from goim_edu.cluster.bus import Batch, Bus, Listener
from goim_edu.cluster.node import Node
from goim_edu.cluster.ports import SharedStore
from goim_edu.errors import StoreError

__all__ = ["BusNode"]

_OVERTAKING: Final = 0.05  # seconds; what two servers publish may come in another order
_OVERLAP: Final = 5.0  # seconds for which bus and stream are both followed
_HEADS_EVERY: Final = 2.0  # seconds
_HEADS_FOR: Final = 10.0  # seconds after the last message of a room
_MOST_HEADS: Final = 10_000  # rooms in one notice


class BusNode(Node):
    """One server of a chat that has a bus.

    A message is published when it is stored. Every two seconds each server tells the last numbers
    of the rooms that it wrote to: so what the bus loses is missed for two seconds at most. If the
    bus is away, the change stream is followed from the last moment that is known, until the bus has
    been back for five seconds.

    Args:
        store: where the messages are.
        servers: the addresses of the bus.
    """

    def __init__(self, store: SharedStore, servers: list[str]) -> None:
        super().__init__(store)
        self._bus_servers = servers
        self._bus: Bus | None = None
        self._new: dict[str, list[StoredMessage]] = {}  # stored in this turn of the loop, by room
        self._written: dict[str, tuple[int, float]] = {}  # the last number, and when
        self._next_heads = 0.0

    # ------------------------------------------------------------------ life

    def start(self, hub: Hub, url: str) -> None:
        """Follow the others by the stream, until the bus is there."""
        super().start(hub, url)
        self._write(self._registry.chat, self._know_chat)

    def _know_chat(self, chat: Any) -> None:
        if isinstance(chat, StoreError):
            self._loop.call_later(1.0, self._write, self._registry.chat, self._know_chat)
            return
        listener = Listener(self._hear_batch, self._hear_notice, self._bus_turned, self._hub.check)
        self._bus = Bus(self._bus_servers, chat[:16], listener)
        for room_id in self._hub.rooms:
            self._bus.open(room_id)
        self._bus.start()

    async def stop(self) -> None:
        """Follow no more, and tell the others that we are gone."""
        if self._tells_by_bus:
            self._tell_by_bus("beat", {"_id": self.server, "gone": True})
            await asyncio.sleep(0.05)  # for the words to leave
        await super().stop()
        if self._bus is not None:
            await self._bus.stop()

    def _bus_turned(self, connected: bool) -> None:
        """The bus is there, or it is lost."""
        self._hub.check("bus")
        if connected:
            self._next_beat = 0.0  # the others may not have seen one for a while
            self._loop.call_later(_OVERLAP, self._close_stream)
        else:
            self._open_stream()

    def _close_stream(self) -> None:
        if self._tells_by_bus and self.follower.running:
            self.follower.stop(timeout=0.0)

    def _open_stream(self) -> None:
        if not self.follower.running:
            self.follower.start(self._store.moment)

    def _mend(self) -> None:
        """The bus, or the stream, says nothing."""
        if self.follower.running:
            super()._mend()
        else:
            self._open_stream()
            self._loop.call_later(_OVERLAP, self._close_stream)

    # ------------------------------------------------------------------ what is told

    @property
    def _tells_by_bus(self) -> bool:
        return self._bus is not None and self._bus.connected

    @property
    def fill_delay(self) -> float:
        """A while, since by a bus messages may overtake each other; none with the stream."""
        return _OVERTAKING if self._tells_by_bus else 0.0

    def _tell_by_bus(self, kind: str, document: dict[str, Any]) -> None:
        if self._bus is not None:
            self._bus.tell(kind, document)

    def opened(self, room_id: str) -> None:
        """There is a room of this name here now."""
        super().opened(room_id)
        if self._bus is not None:
            self._bus.open(room_id)

    def closed(self, room_id: str) -> None:
        """The room is empty here, and forgotten."""
        super().closed(room_id)
        if self._bus is not None:
            self._bus.close(room_id)

    def stored(self, message: StoredMessage) -> None:
        """Publish it, with the others of its room in this turn of the loop."""
        self._written[message.room_id] = message.seq, self._clock.time
        if not self._tells_by_bus:
            super().stored(message)
            return
        if not self._new:
            self._hub.engine.at_end_of_turn(self._publish)
        self._new.setdefault(message.room_id, []).append(message)

    def _publish(self) -> None:
        new, self._new = self._new, {}
        moment = self._store.moment or Timestamp(0, 0)
        if self._bus is not None:
            for room_id, messages in new.items():
                self._bus.publish(self.server, (moment.time, moment.inc), room_id, messages)

    def _follow_up(self, now: float) -> None:
        """By a bus nothing of our own comes back; the others look at the heads that we tell."""
        if not self._tells_by_bus:
            super()._follow_up(now)
            return
        self._unseen.clear()
        if now >= self._next_heads and self._written:
            self._next_heads = now + _HEADS_EVERY
            written = self._written.items()
            self._written = {room: head for room, head in written if now - head[1] < _HEADS_FOR}
            heads = [[room, seq] for room, (seq, _) in self._written.items()]
            self._tell_by_bus("heads", {"server": self.server, "heads": heads[:_MOST_HEADS]})

    # ------------------------------------------------------------------ what comes

    def _hear_batch(self, batch: Batch) -> None:
        if batch.server == self.server:
            return
        self._store.reach(Timestamp(*batch.moment))
        self._hub.arrived(batch.stored())
        self._hub.hear_head(batch.room_id, batch.last)

    def _hear_notice(self, kind: str, document: dict[str, Any]) -> None:
        if kind == "beat":
            self.hear_beat(document)
        elif kind == "bulletin":
            self.hear_bulletin(document)
        elif kind == "heads" and document.get("server") != self.server:
            for room_id, seq in document.get("heads", ()):
                self._hub.hear_head(room_id, seq)
