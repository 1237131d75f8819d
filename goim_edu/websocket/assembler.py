"""Messages: fragments put together, inflated and decoded, within bounds (RFC 6455 §5.4 to §5.6).

A message is one frame, or several: the first says text or binary, the others are continuations,
the last has FIN. Control frames may stand between them, other messages may not.

Text is checked as it comes, so a message that can no longer become valid UTF-8 fails at once, even
after the first of a thousand fragments (§8.1).
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import TYPE_CHECKING, Final

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.decoder import Part
from goim_edu.websocket.event_type import maker_of
from goim_edu.websocket.events import BinaryMessage, TextMessage
from goim_edu.websocket.frames import Header, Opcode

if TYPE_CHECKING:
    from goim_edu.websocket.deflate import PerMessageDeflate

__all__ = ["MessageAssembler", "invalid_utf8"]

_MAX_PIECES: Final = 4_096
_PIECE: Final = 60  # octets that a piece takes beyond what it holds, about
_NO_MESSAGE: Final = Opcode.CONTINUATION
_TEXT: Final = Opcode.TEXT
_make_text: Final = maker_of(TextMessage)
_make_binary: Final = maker_of(BinaryMessage)


def invalid_utf8(reason: str) -> RemoteProtocolError:
    """The error for a text message that is not valid UTF-8 (RFC 6455 §8.1)."""
    return RemoteProtocolError(
        f"a text message is not valid UTF-8: {reason}", close_code=1007, section="RFC 6455 §8.1"
    )


class MessageAssembler:
    """Turns the parts of data frames into messages.

    Args:
        max_message_size: the most octets of one message, after inflating.
        max_fragments: the most frames of one message.
        deflate: the agreed permessage-deflate, or None.

    Attributes:
        opcode: TEXT or BINARY while a message is under way, else CONTINUATION.
    """

    __slots__ = (
        "_compressed",
        "_cut_character",
        "_deflate",
        "_fragments",
        "_kept",
        "_max_fragments",
        "_max_size",
        "_octets",
        "_size",
        "_texts",
        "opcode",
    )

    def __init__(
        self,
        *,
        max_message_size: int,
        max_fragments: int,
        deflate: PerMessageDeflate | None = None,
    ) -> None:
        self._max_size = max_message_size
        self._max_fragments = max_fragments
        self._deflate = deflate
        self.opcode: Opcode = _NO_MESSAGE
        self._compressed = False
        self._fragments = 0
        self._size = 0
        self._kept = 0
        self._octets: list[bytes | memoryview] = []  # of a binary message
        self._texts: list[str] = []  # of a text message
        self._cut_character = b""  # up to three octets; the rest is still to come

    @property
    def kept(self) -> int:
        """Octets that the message under way takes so far, about."""
        return self._kept + _PIECE * (len(self._octets) + len(self._texts))

    def add(self, part: Part) -> TextMessage | BinaryMessage | None:
        """Take a part of a data frame; returns the message if the part completes it.

        Raises:
            RemoteProtocolError: 1002, 1007, 1008 or 1009.
        """
        header, payload, first, last = part
        if first:
            self._start_frame(header)
        final = last and header.fin
        if self._compressed and self._deflate is not None:
            payload = self._deflate.decompress(bytes(payload), final, self._max_size - self._size)
            self._size += len(payload)
        self._kept += len(payload)
        if self.opcode is _TEXT:
            self._add_text(payload, final)
            return self._finish_text() if final else None
        if payload:
            self._octets.append(payload)
            if len(self._octets) == _MAX_PIECES:
                self._octets[:] = [b"".join(self._octets)]
        return self._finish_binary() if final else None

    def _start_frame(self, header: Header) -> None:
        """The order of frames (§5.4) and the bounds are checked before any octet is kept."""
        if header.opcode == _NO_MESSAGE:
            if self.opcode is _NO_MESSAGE:
                raise RemoteProtocolError(
                    "a continuation, but no message is under way", section="RFC 6455 §5.4"
                )
        elif self.opcode is not _NO_MESSAGE:
            raise RemoteProtocolError(
                "a new message before the last one was complete", section="RFC 6455 §5.4"
            )
        else:
            self.opcode = _TEXT if header.opcode == _TEXT else Opcode.BINARY
            self._compressed = header.rsv1
        self._fragments += 1
        if self._fragments > self._max_fragments:
            raise RemoteProtocolError(
                f"a message of more than {self._max_fragments} fragments",
                close_code=1008,
                section="RFC 6455 §10.4",
            )
        if not self._compressed:
            self._size += header.length
            if self._size > self._max_size:
                raise RemoteProtocolError(
                    f"a message of {self._size} octets or more, we take {self._max_size}",
                    close_code=1009,
                    section="RFC 6455 §7.4.1",
                )

    def _add_text(self, payload: bytes | memoryview, final: bool) -> None:
        data = self._cut_character + payload if self._cut_character else payload
        try:
            text, used = utf_8_decode(data, "strict", final)
        except UnicodeDecodeError as error:
            raise invalid_utf8(error.reason) from None
        self._cut_character = rest = bytes(data[used:])
        if rest[:1] == b"\xed" and rest[1:] >= b"\xa0":
            # Half of a surrogate pair (RFC 3629 §3): the only start of a character that cannot
            # become one, but for which Python waits.
            raise invalid_utf8("invalid continuation byte")
        if text:
            self._texts.append(text)
            if len(self._texts) == _MAX_PIECES:
                self._texts[:] = ["".join(self._texts)]

    def _finish_text(self) -> TextMessage:
        text = "".join(self._texts)
        self._texts.clear()
        self._reset()
        return _make_text((text,))

    def _finish_binary(self) -> BinaryMessage:
        data = b"".join(self._octets)
        self._octets.clear()
        self._reset()
        return _make_binary((data,))

    def _reset(self) -> None:
        self.opcode = _NO_MESSAGE
        self._fragments = self._size = self._kept = 0
