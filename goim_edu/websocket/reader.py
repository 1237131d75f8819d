"""What we receive: octets become messages and control frames (RFC 6455 §6.2).

There are two paths. The plain path goes part by part: ``FrameDecoder`` finds frames and judges
their headers, ``MessageAssembler`` makes messages of them. Wherever a message may start, the fast
path comes first: ``take_messages`` takes all that is whole and simple there, in bulk.
"""

from __future__ import annotations

from typing import Final

from goim_edu.websocket.assembler import MessageAssembler
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.deflate import PerMessageDeflate
from goim_edu.websocket.events import CloseReceived, Event, Ping, Pong
from goim_edu.websocket.fastpath import take_messages, take_text
from goim_edu.websocket.frames import Opcode
from goim_edu.websocket.limits import Limits

__all__ = ["MessageReader"]

_CLOSE: Final = Opcode.CLOSE
_NO_MESSAGE: Final = Opcode.CONTINUATION


class MessageReader:
    r"""Turns octets into ``TextMessage``, ``BinaryMessage``, ``Ping``, ``Pong``, ``CloseReceived``.

    Decoder and assembler are made when the plain path first needs them, so a connection that has
    seen nothing but simple messages is small.

    Args:
        masked: True on a server: frames must be masked; False on a client: they must not be.
        limits: the bounds.
        deflate: the agreed permessage-deflate, or None.
        early: octets that have come already.

    Attributes:
        idle: nothing is half received, so the next octet starts a message.
        plain: the last octets took the plain path. Only there a message may have stayed half
            received, and only there control frames come.
        controls: control frames among the last octets, if they took the plain path.

    >>> events = []
    >>> MessageReader(False, Limits()).read(b"\x81\x02Hi\x89\x00", events), events
    (True, [TextMessage(data='Hi'), Ping(payload=b'')])
    """

    __slots__ = (
        "_assembler",
        "_decoder",
        "_deflate",
        "_early",
        "_limits",
        "_masked",
        "_max_inflated",
        "_max_size",
        "controls",
        "idle",
        "plain",
    )

    def __init__(
        self,
        masked: bool,
        limits: Limits,
        deflate: PerMessageDeflate | None = None,
        early: bytes = b"",
    ) -> None:
        self._masked = masked
        self._limits = limits
        self._deflate = deflate
        self._early = early
        self.idle = not early
        self.plain = False
        self.controls = 0
        self._max_size = min(limits.max_frame_size, limits.max_message_size)
        self._max_inflated = limits.max_message_size
        self._decoder: FrameDecoder | None = None
        self._assembler: MessageAssembler | None = None

    @property
    def kept(self) -> int:
        """Octets that a half received message takes, about; 0 if there is none."""
        if self.idle or self._decoder is None or self._assembler is None:
            return 0
        return len(self._decoder.data) - self._decoder.position + self._assembler.kept

    def read(self, data: bytes | memoryview, events: list[Event]) -> bool:
        """Take the next octets; append the events that they complete.

        A memoryview that can be written to is lent: it may change, and nothing of it is kept.
        Nothing is read behind a Close.

        Returns:
            Whether a Ping or a Close, which need an answer, is among the events.

        Raises:
            RemoteProtocolError: a rule is broken; the good events before are appended.
        """
        self.plain = False
        if self.idle:
            if take_text(data, events, self._masked, self._max_size):
                return False
            position = self._take_messages(data, 0, events)
            if position == len(data):
                return False
            data = data[position:]
        return self._read_plain(bytes(data), events)

    def _take_messages(self, data: bytes | memoryview, position: int, events: list[Event]) -> int:
        """The fast path: the position behind what it took."""
        return take_messages(
            data, position, events, self._masked, self._max_size, self._deflate, self._max_inflated
        )

    def _read_plain(self, data: bytes, events: list[Event]) -> bool:
        self.plain = True
        self.controls = 0
        decoder, assembler = self._plain_path()
        decoder.push(self._early + data)
        self._early = b""
        to_answer = False
        while (part := decoder.next_part()) is not None:
            if part.header.opcode >= _CLOSE:
                event = _control_event(part.header.opcode, bytes(part.payload))
                events.append(event)
                self.controls += 1
                to_answer = to_answer or type(event) is not Pong
                if type(event) is CloseReceived:
                    break
            elif (message := assembler.add(part)) is not None:
                events.append(message)
            if decoder.at_header and assembler.opcode is _NO_MESSAGE:
                decoder.position = self._take_messages(decoder.data, decoder.position, events)
        self.idle = decoder.idle and assembler.opcode is _NO_MESSAGE
        return to_answer

    def _plain_path(self) -> tuple[FrameDecoder, MessageAssembler]:
        if self._decoder is None or self._assembler is None:
            self._decoder = FrameDecoder(
                masked=self._masked,
                max_frame_size=self._limits.max_frame_size,
                allow_rsv1=self._deflate is not None,
            )
            self._assembler = MessageAssembler(
                max_message_size=self._limits.max_message_size,
                max_fragments=self._limits.max_fragments,
                deflate=self._deflate,
            )
        return self._decoder, self._assembler


def _control_event(opcode: int, payload: bytes) -> Ping | Pong | CloseReceived:
    """RFC 6455 §5.5: control frames may stand between the fragments of a message."""
    if opcode == Opcode.PING:
        return Ping(payload)
    if opcode == Opcode.PONG:
        return Pong(payload)
    return CloseReceived(*parse_close(payload))
