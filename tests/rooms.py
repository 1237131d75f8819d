"""A room by itself: members whose wires this test reads, and turns of the loop that it makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from goim_edu.chat.broadcast import wire_format_of
from goim_edu.chat.gate import TailMemory
from goim_edu.chat.room import House, Member, Room
from goim_edu.store import StoredMessage
from goim_edu.transport import ConnectionState
from goim_edu.websocket.decoder import FrameDecoder

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Wire:
    """In place of a connection: what was written."""

    def __init__(self) -> None:
        self.congested = False
        self.state = ConnectionState.OPEN
        self.written: list[bytes] = []
        self.droppable: list[bool] = []
        self.closed = 0

    @property
    def has_room(self) -> bool:
        return not self.congested

    def write(self, data: bytes, droppable: bool = False) -> None:
        self.written.append(data)
        self.droppable.append(droppable)

    def write_at_once(self, data: bytes) -> bool:
        if not self.congested:
            self.write(data)
        return not self.congested

    def close(self, code: int, reason: str) -> None:
        self.closed = code

    def heard(self) -> list[dict[str, Any]]:
        frames = FrameDecoder().feed(b"".join(self.written))
        return [json.loads(frame.payload) for frame in frames]

    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.heard() if message["type"] == "message"]


@dataclass(eq=False)
class Somebody:
    """In place of a session."""

    user_id: str
    connection: Wire

    @property
    def wire_format(self) -> Any:
        return wire_format_of("goim.v1.json", None)


class Table:
    """A room whose turns of the loop this test makes."""

    def __init__(self, *, opens_later: bool = False, memory: int = 1 << 20) -> None:
        self.opens_later = opens_later
        self.memory = TailMemory(memory)
        self.due: list[Callable[[], None]] = []
        self.waiting: list[Room] = []
        self.later: list[Callable[[], None]] = []
        self.fills: list[str] = []
        self.room = Room("lobby", self.house())

    def house(self, **changes: Any) -> House:
        """What a hub gives its rooms."""
        house = House(
            self.due.append,
            self.waiting.append,
            lambda seconds, callback: self.later.append(callback),
            lambda room, why: self.fills.append(why),
            lambda room: None,
            memory=self.memory,
        )
        return house._replace(**changes)

    def turn(self) -> None:
        due, self.due[:] = list(self.due), []
        for callback in due:
            callback()
        waiting, self.waiting[:] = set(self.waiting), []
        for room in waiting:
            room.tell_news()

    def member(self, name: str) -> tuple[Any, Wire]:
        wire = Wire()
        return cast("Member", Somebody(name, wire)), wire

    def enter(self, name: str, told: int = 0) -> tuple[Any, Wire]:
        member, wire = self.member(name)
        self.room.settle(member, self.room.enter(member), told)
        return member, wire

    def publish(self, *seqs: int) -> None:
        for seq in seqs:
            self.arrive(StoredMessage("lobby", seq, "lisa", f"m{seq}", "hi", NOW))

    def arrive(self, message: StoredMessage) -> None:
        """A message is stored; a room of which nothing is known yet begins with it."""
        if self.room.gate.last is None and not self.opens_later:
            self.room.gate.open(message.seq - 1)
        self.room.gate.arrived(message)
