"""From segments of TCP to what each side said: in order, each octet once, gaps told (RFC 9293)."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from goim_edu.capture.captured import SENDERS, Direction, Record
from goim_edu.capture.ip_layers import Address, Segment

__all__ = ["TcpStreams"]

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_MODULUS: Final = 1 << 32  # of sequence numbers (RFC 9293 §3.4)
_HALF: Final = _MODULUS // 2
_MOST_AHEAD: Final = 1 << 24  # octets that wait for a packet that is late
_FIRST_EPHEMERAL: Final = 32_768  # ports that systems give to clients begin here, or above
_REQUEST: Final = re.compile(rb"[A-Z]{3,16} \S+ HTTP/1")


@dataclass(slots=True)
class _Stream:
    """One direction of a connection.

    Positions count from the first octet that is there; unlike sequence numbers they do not start
    anew after 4 GiB.
    """

    start: int | None = None  # the sequence number of position 0
    following: int = 0  # the position that is read next
    whole: bool = False  # whether position 0 is the very beginning
    begun: bool = False  # whether a record was made
    early: list[tuple[int, int, float, bytes, int]] = field(default_factory=list)  # a heap
    lengths: dict[int, int] = field(default_factory=dict)  # of the longest piece at a position
    ahead: int = 0
    ends: int | None = None  # the position of the FIN
    time: float = -math.inf  # of what was read last: nothing can be read before what it follows
    missing: int = 0  # octets, since what was read last
    lost: int = 0  # octets, all in all

    def place(self, sequence: int) -> int:
        """Return the position of a sequence number: the one nearest to where we read."""
        if self.start is None:
            self.start = sequence
        behind = (sequence - self.start - self.following + _HALF) % _MODULUS - _HALF
        return self.following + behind

    def keep(self, position: int, time: float, data: bytes, length: int) -> None:
        """Keep a piece until it can be read; it had ``length`` octets on the wire."""
        known = max(self.following - position, self.lengths.get(position, 0))
        if length > known:
            self.lengths[position] = len(data)
            heapq.heappush(self.early, (position, -len(data), time, data, position + length))
            self.ahead += len(data)

    def read(self) -> Iterator[tuple[float, bytes, int]]:
        """Yield what follows: its time, its octets, and how many are missing before them."""
        while self.early and self.early[0][0] <= self.following:
            position, _, time, data, end = heapq.heappop(self.early)
            self.lengths.pop(position, None)
            self.ahead -= len(data)
            fresh = data[self.following - position :]
            if fresh:
                self.following += len(fresh)
                self.time = max(self.time, time)
                yield self.time, fresh, self.missing
                self.missing = 0
            self._miss(end)  # of a packet that was not recorded whole

    def _miss(self, end: int) -> None:
        count = max(end - self.following, 0)
        self.following += count
        self.missing += count
        self.lost += count

    def skip(self) -> None:
        """Go on behind the gap."""
        self._miss(self.early[0][0] if self.early else self.ends or 0)


class _Connection:
    """A TCP connection while its packets are read."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.client: Address | None = None
        self.opening: int | None = None  # the sequence number of the client's SYN
        self.spoke = False  # whether it had data behind the SYN
        self._streams: dict[Direction, _Stream] = {"in": _Stream(), "out": _Stream()}

    def take(self, segment: Segment, time: float) -> Iterator[Record]:
        """Take the next packet and yield what can be read on with it."""
        sequence = segment.sequence
        if segment.flags & _SYN:
            self._open(segment)
            sequence += 1
        if self.client is None:
            if not segment.length:
                return
            self.client = _guess_client(segment)
        direction: Direction = "in" if segment.source == self.client else "out"
        stream = self._streams[direction]
        if segment.length or (segment.flags & _FIN and stream.start is not None):
            position = stream.place(sequence % _MODULUS)
            if segment.flags & _FIN:
                stream.ends = position + segment.length
            if segment.length:
                self.spoke = self.spoke or not segment.flags & _SYN
                stream.keep(position, time, segment.data, segment.length)
                yield from self._read(direction)
        while stream.ahead > _MOST_AHEAD:
            stream.skip()
            yield from self._read(direction)

    def _open(self, segment: Segment) -> None:
        """A SYN tells who the client is, and where the numbers of its sender begin."""
        answers = segment.flags & _ACK
        self.client = segment.target if answers else segment.source
        if not answers:
            self.opening = segment.sequence
        stream = self._streams["out" if answers else "in"]
        if stream.start is None:
            stream.start = (segment.sequence + 1) % _MODULUS
            stream.whole = True

    def _read(self, direction: Direction) -> Iterator[Record]:
        stream = self._streams[direction]
        for time, data, missing in stream.read():
            late = not (stream.begun or stream.whole)
            stream.begun = True
            yield Record(self.number, direction, time, data, None if late else missing)

    def end(self) -> Iterator[Record]:
        """Yield what waits for packets that never came."""
        for direction, stream in self._streams.items():
            while stream.early:
                stream.skip()
                yield from self._read(direction)
            stream.skip()

    def faults(self) -> Iterator[str]:
        """Yield a line on each direction of which octets are missing."""
        for direction, stream in self._streams.items():
            if stream.lost:
                where = f"connection {self.number}: packets from the {SENDERS[direction]}"
                yield f"{where} are missing from the file ({stream.lost:,} bytes)"


def _guess_client(segment: Segment) -> Address:
    """Say who the client is, if the opening of a connection is not there."""
    data, source, target = segment.data, segment.source, segment.target
    if data.startswith(b"HTTP/1."):
        return target
    if _REQUEST.match(data):
        return source
    ports = source[1] >= _FIRST_EPHEMERAL, target[1] >= _FIRST_EPHEMERAL
    if ports[0] != ports[1]:
        return source if ports[0] else target
    masked = len(data) < 2 or data[1] & 0x80  # RFC 6455 §5.1
    return source if masked else target


class TcpStreams:
    """The connections of a recording.

    Attributes:
        faults: a line for each direction of a connection of which octets are missing.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._connections: dict[frozenset[Address], _Connection] = {}
        self._count = 0

    def take(self, segment: Segment, time: float) -> Iterator[Record]:
        """Take the next segment and yield what can be read on with it."""
        ends = frozenset((segment.source, segment.target))
        connection = self._connections.get(ends)
        if connection is None or _is_another(connection, segment):
            if connection is not None:
                yield from self._end(connection)
            self._count += 1
            connection = self._connections[ends] = _Connection(self._count)
        yield from connection.take(segment, time)

    def end(self) -> Iterator[Record]:
        """Yield what waits for packets that never came."""
        for connection in self._connections.values():
            yield from self._end(connection)

    def _end(self, connection: _Connection) -> Iterator[Record]:
        yield from connection.end()
        self.faults += connection.faults()


def _is_another(known: _Connection, segment: Segment) -> bool:
    """Whether this segment opens another connection over the same ports."""
    if segment.flags & (_SYN | _ACK) != _SYN:
        return False
    return known.spoke or (known.opening is not None and known.opening != segment.sequence)
