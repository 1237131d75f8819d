"""One direction of WebSocket as it was recorded: octets in, frames out, with what is wrong of each.

A receiver gives up at the first error. Here the frames behind it are read, too, as long as it is
certain where they begin: the layout of a frame does not depend on the rules that it breaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from goim_edu.capture.captured import SENDERS, CapturedFrame, CapturedNote, Direction
from goim_edu.capture.messages import MOST_OCTETS, Messages
from goim_edu.errors import IncompleteFrame, RemoteProtocolError
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.frames import Header, Opcode, apply_mask, check_header, parse_header

__all__ = ["FrameSeeker", "FrameStream"]

_LONGEST_HEADER: Final = 14
_MOST_SOUGHT: Final = 1 << 20  # octets in which the end of the first frame is sought


@dataclass(slots=True)
class _OpenFrame:
    """A frame while its payload comes."""

    header: Header
    head: bytes
    remaining: int
    payload: bytearray = field(default_factory=bytearray)
    missing: int = 0  # octets that the recording does not have
    dropped: int = 0  # octets that are too many to keep

    def take(self, octets: bytes) -> None:
        """Take the next octets of the payload; behind a gap they are only counted."""
        self.remaining -= len(octets)
        kept = 0 if self.missing else min(len(octets), MOST_OCTETS - len(self.payload))
        self.payload += octets[:kept]
        self.dropped += len(octets) - kept

    @property
    def note(self) -> str:
        """What is not there of its payload; empty if all of it is."""
        if self.missing:
            return f"{self.missing:,} bytes of its payload are missing from the recording"
        return f"the last {self.dropped:,} bytes of its payload are not kept" * bool(self.dropped)


class FrameSeeker:
    """Looks for the first frame of a stream that was not recorded from its start.

    Each read of the recording may begin with a frame. It does if all of its octets can be read as
    frames that break no rule.

    Args:
        direction: a client's frames are masked, a server's are not.

    >>> seeker = FrameSeeker("out")
    >>> seeker.feed(b"the end of some frame"), seeker.feed(bytes.fromhex("81026869"))
    (False, True)
    >>> seeker.octets.hex()
    '81026869'
    """

    __slots__ = ("_masked", "_next", "_whole", "octets")

    def __init__(self, direction: Direction) -> None:
        self.octets = bytearray()
        self._masked = direction == "in"
        self._next = 0  # where the next header begins
        self._whole = 0  # frames before it that are all there

    @property
    def found(self) -> bool:
        """Whether ``octets`` begins with a frame."""
        return self._whole > 0

    def feed(self, data: bytes) -> bool:
        """Take the octets of one read, and return ``found``."""
        self.octets += data
        if not self._are_frames():
            self._clear()
            self.octets += data
            if not self._are_frames():
                self._clear()
        if len(self.octets) > _MOST_SOUGHT and not self.found:
            self._clear()
        return self.found

    def _clear(self) -> None:
        self.octets.clear()
        self._next = self._whole = 0

    def _are_frames(self) -> bool:
        """Read on over the frames; return False if some octets are not a good header."""
        while self._next < len(self.octets):
            try:
                start = bytes(self.octets[self._next : self._next + _LONGEST_HEADER])
                header = parse_header(start)
                check_header(header, masked=self._masked, allow_rsv1=True)
            except IncompleteFrame:
                return True
            except RemoteProtocolError:
                return False
            end = self._next + header.size + header.length
            if end > len(self.octets):
                return True
            self._next, self._whole = end, self._whole + 1
        return True


class FrameStream:
    """The frames of one direction.

    Args:
        connection: number of the connection.
        direction: whose frames they are.
        messages: puts fragments together.
        allow_rsv1: compression was agreed on, or nobody knows.
    """

    def __init__(
        self, connection: int, direction: Direction, messages: Messages, *, allow_rsv1: bool
    ) -> None:
        self._connection = connection
        self._direction: Direction = direction
        self._messages = messages
        self._allow_rsv1 = allow_rsv1
        self._waiting = bytearray()
        self._open: _OpenFrame | None = None
        self._seeker: FrameSeeker | None = None

    def read(self, data: bytes, time: float) -> Iterator[CapturedFrame]:
        """Take the next octets and yield the frames that they complete."""
        if self._seeker is not None:
            if not self._seeker.feed(data):
                return
            data, self._seeker = bytes(self._seeker.octets), None
        self._waiting += data
        while self._waiting:
            if self._open is None and not self._read_header():
                return
            if self._open is not None:
                taken = bytes(self._waiting[: self._open.remaining])
                del self._waiting[: len(taken)]
                self._open.take(taken)
                if self._open.remaining:
                    return
                yield self._finish(self._open, time)
                self._open = None

    def _read_header(self) -> bool:
        """Begin the next frame; return False if its header is not complete."""
        start = bytes(self._waiting[:_LONGEST_HEADER])
        try:
            header = parse_header(start)
        except IncompleteFrame:
            return False
        del self._waiting[: header.size]
        self._open = _OpenFrame(header, start[: header.size], header.length)
        return True

    def _finish(self, done: _OpenFrame, time: float) -> CapturedFrame:
        header, payload = done.header, bytes(done.payload)
        if header.mask_key is not None:
            payload = apply_mask(payload, header.mask_key)
        error, note = self._judge(header, payload), done.note
        message: str | bytes | None = None
        if header.opcode > Opcode.BINARY:
            pass  # no part of a message
        elif note or self._has_reserved_bits(header):
            self._messages.spoil(header)
        else:
            message, wrong, note = self._messages.add(header, payload)
            error = error or wrong
        sender = SENDERS[self._direction]
        data = done.head + bytes(done.payload)
        return CapturedFrame(
            self._connection, sender, time, data, header, payload, message, error, note
        )

    def _judge(self, header: Header, payload: bytes) -> RemoteProtocolError | None:
        """The rule that a frame breaks by itself."""
        try:
            check_header(header, masked=self._direction == "in", allow_rsv1=self._allow_rsv1)
            if header.opcode == Opcode.CLOSE and len(payload) == header.length:
                parse_close(payload)
        except RemoteProtocolError as error:
            return error
        return None

    def _has_reserved_bits(self, header: Header) -> bool:
        """Whether the payload may mean something that nobody agreed on (RFC 6455 §5.2)."""
        compressed = self._allow_rsv1 and header.opcode != Opcode.CONTINUATION
        return header.rsv2 or header.rsv3 or (header.rsv1 and not compressed)

    def lose(self, count: int | None) -> None:
        """Go on behind a gap of so many octets; if it ends in a later frame, look for the next."""
        frame = self._open
        if count is not None and frame is not None and count <= frame.remaining:
            frame.missing += count
            frame.remaining -= count
            return
        self._waiting.clear()
        self._open, self._seeker = None, FrameSeeker(self._direction)
        self._messages.forget()

    def end(self, time: float) -> Iterator[CapturedNote]:
        """Yield a note if the recording ends inside a frame."""
        if self._open is None and not self._waiting:
            return
        there = len(self._waiting)
        whole = "?"
        if self._open is not None:
            size = self._open.header.size
            whole = f"{size + self._open.header.length:,}"
            there = size + self._open.header.length - self._open.remaining
        text = f"a frame is cut: {there:,} of {whole} bytes are there"
        yield CapturedNote(self._connection, SENDERS[self._direction], time, text)
