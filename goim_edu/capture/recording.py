"""A recording of real bytes: who sent what and when, taken apart into handshakes and frames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final, Literal, get_args

from goim_edu.capture.captured import (
    CapturedFrame,
    CapturedHead,
    CapturedNote,
    Direction,
    Handshake,
    Record,
    Sender,
)
from goim_edu.capture.conversation import Conversation, take_apart
from goim_edu.websocket.octets import Octets, as_octets
from goim_edu.websocket.wanted import wanted

__all__ = [
    "Capture",
    "CapturedFrame",
    "CapturedHead",
    "CapturedNote",
    "Direction",
    "Handshake",
    "Record",
    "Sender",
    "take_apart",
]


_Side = Literal["server", "client"]


def _contains(frame: CapturedFrame, sought: bytes) -> bool:
    message = frame.message.encode() if isinstance(frame.message, str) else frame.message
    return sought in frame.payload or sought in (message or b"")


_OPPOSITE: Final[dict[Direction, Direction]] = {"in": "out", "out": "in"}


class Capture:
    r"""Record connections and take them apart.

    Recording is one ``append`` a read, so that it can stay on; the bytes are taken apart when
    somebody asks. Thread safety: one thread may write it while others read; taps of several
    threads at once would mix up their order. Nothing here waits, so nothing can be cancelled.

    Args:
        max_bytes: at least 0; past this many the recording stops, and ``full`` says so; nothing
            is lost in silence.

    Attributes:
        full: whether bytes came after the recording had stopped.

    >>> capture = Capture()
    >>> tap = capture.tap(1)
    >>> tap("in", 0.0, b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
    >>> tap("out", 0.1, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    >>> tap("in", 0.2, bytes.fromhex("818537fa213d7f9f4d5158"))
    >>> capture.find("Hello")
    [<TEXT from client 1, 11 bytes: 'Hello'>]
    """

    def __init__(self, max_bytes: int = 64 << 20) -> None:
        wanted(max_bytes, int, "max_bytes is an int")
        self.max_bytes = max_bytes
        self._sides: dict[int, _Side] = {}
        self._forget()
        self._lock = threading.Lock()  # for readers: taking apart keeps state between calls

    def _forget(self) -> None:
        self.full = False
        self._size = 0
        self._records: list[Record] = []
        self._read = 0
        self._conversations: dict[int, Conversation] = {}
        self._frames: list[CapturedFrame] = []
        self._entries: list[CapturedHead | CapturedFrame] = []
        self._notes: list[CapturedNote] = []

    def tap(
        self, connection: int, *, side: _Side | None = None
    ) -> Callable[[Direction, float, Octets], None]:
        """Return the function that a connection calls with direction, time and bytes.

        Args:
            connection: the number under which to record it.
            side: whose connection it is: what comes in at a client goes out at the server, and a
                record has the server's words. Default: the first octets of this number tell, since
                the client is always the first to speak.

        Raises:
            TypeError: ``connection`` is not a number; from the function, for what is not octets.
            ValueError: ``side`` is neither ``"server"`` nor ``"client"``; from the function, for a
                direction that is neither ``"in"`` nor ``"out"``.
        """
        wanted(connection, int, "connection is the number of one")
        if side not in (None, *get_args(_Side)):
            raise ValueError(f"a side is 'server' or 'client', not {side!r}")
        if side is not None:
            self._sides[connection] = side

        def record(direction: Direction, time: float, data: Octets) -> None:
            if direction not in _OPPOSITE:
                raise ValueError(f"a direction is 'in' or 'out', not {direction!r}")
            first: _Side = "client" if direction == "out" else "server"
            if self._sides.setdefault(connection, first) == "client":
                direction = _OPPOSITE[direction]
            self.record(Record(connection, direction, time, as_octets(data)))

        return record

    def record(self, record: Record) -> None:
        """Add a record; the order of the calls is the order of the recording.

        Raises:
            TypeError: it is not a ``Record``.
        """
        wanted(record, Record, "what is recorded is a Record")
        if self._size + len(record.data) > self.max_bytes:
            self.full = True
            return
        self._size += len(record.data)
        self._records.append(record)

    def clear(self) -> None:
        """Forget what was recorded; connections that are open now cannot be taken apart later."""
        with self._lock:
            self._forget()

    @property
    def records(self) -> list[Record]:
        """What was recorded, oldest first."""
        return list(self._records)

    def frames(
        self, *, connection: int | None = None, sender: Sender | None = None
    ) -> list[CapturedFrame]:
        """Return the frames so far, oldest first: all, or those of a connection or a sender.

        Raises:
            ValueError: ``sender`` is neither ``"client"`` nor ``"server"``.
        """
        if sender not in (None, *get_args(Sender)):
            raise ValueError(f"a sender is 'client' or 'server', not {sender!r}")
        with self._lock:
            self._take_apart()
            return [
                frame
                for frame in self._frames
                if connection in (None, frame.connection) and sender in (None, frame.sender)
            ]

    def entries(self) -> list[CapturedHead | CapturedFrame]:
        """Return requests, responses and frames so far, oldest first."""
        with self._lock:
            self._take_apart()
            return list(self._entries)

    def notes(self) -> list[CapturedNote]:
        """Return what is to be said about bytes that are missing, or are not taken apart."""
        with self._lock:
            self._take_apart()
            return list(self._notes)

    def handshakes(self) -> list[Handshake]:
        """Return requests with their responses, connection by connection, each in its order."""
        with self._lock:
            self._take_apart()
            return [one for talk in self._conversations.values() for one in talk.handshakes]

    def find(self, text: str | Octets, *, sender: Sender | None = None) -> list[CapturedFrame]:
        """Return the frames whose payload, or whose message, contains ``text``, oldest first.

        Raises:
            TypeError: ``text`` is neither text nor octets.
        """
        sought = text.encode() if isinstance(text, str) else as_octets(text)
        return [frame for frame in self.frames(sender=sender) if _contains(frame, sought)]

    def _take_apart(self) -> None:
        end = len(self._records)
        for record in self._records[self._read : end]:
            number = record.connection
            if number not in self._conversations:
                self._conversations[number] = Conversation(number)
            for found in self._conversations[number].read(
                record, record.time - self._records[0].time
            ):
                self._keep(found)
        self._read = end

    def _keep(self, found: CapturedHead | CapturedFrame | CapturedNote) -> None:
        if isinstance(found, CapturedNote):
            self._notes.append(found)
            return
        self._entries.append(found)
        if isinstance(found, CapturedFrame):
            self._frames.append(found)

    def __iter__(self) -> Iterator[Record]:
        """The records, so that a capture can be given wherever they are wanted."""
        return iter(self.records)

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"<Capture: {len(self._records)} records, {self._size} bytes>"
