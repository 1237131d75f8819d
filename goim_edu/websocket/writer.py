"""What we send: messages cut into frames, compressed and masked (RFC 6455 §5.4, §6.1).

Replies, which the protocol itself demands, wait here until they are taken or until a message goes:
then they go first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from goim_edu.errors import LocalProtocolError
from goim_edu.websocket.deflate import PerMessageDeflate
from goim_edu.websocket.fastpath import join_text_frames
from goim_edu.websocket.frames import Opcode, build_frame, build_header, encode_text
from goim_edu.websocket.masking import apply_mask
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["MessageWriter"]

_FIN: Final = 0x80
_RSV1: Final = 0x40
_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY


class MessageWriter:
    r"""Turns messages into the octets to write.

    Args:
        mask_source: gives that many unpredictable octets, for a client; None for a server.
        deflate: the agreed permessage-deflate, or None.

    Attributes:
        deflate: as given; set it once the handshake has agreed on it.
        replies: octets that the protocol itself demands to be written next.

    >>> writer = MessageWriter(None, None)
    >>> start = writer.begin_message(Opcode.TEXT, "Hel", None, fin=False)
    >>> start + writer.continue_message("lo", fin=True)
    b'\x01\x03Hel\x80\x02lo'
    """

    __slots__ = ("_compressing", "_mask_source", "_opcode", "_pongs", "deflate", "replies")

    def __init__(
        self,
        mask_source: Callable[[int], bytes] | None,
        deflate: PerMessageDeflate | None,
    ) -> None:
        if mask_source is not None and not callable(mask_source):
            raise TypeError(f"mask_source is a function, not {type(mask_source).__name__}")
        self._mask_source = mask_source
        self.deflate = deflate
        self._opcode: Opcode | None = None  # of the message whose next fragment is due
        self._compressing = False
        self.replies: list[bytes] = []
        self._pongs = 0  # how many of the replies are Pongs

    def control_frame(self, opcode: Opcode, payload: Octets) -> bytes:
        """A Close, Ping or Pong; it may stand between the fragments of a message (§5.4)."""
        frame = self._control_frame(opcode, payload)
        return self.after_replies(frame) if self.replies else frame

    def _control_frame(self, opcode: Opcode, payload: Octets) -> bytes:
        key = None if self._mask_source is None else self._mask_source(4)
        return build_frame(payload, opcode, mask_key=key)

    def reply_pong(self, payload: bytes, max_pending: int) -> None:
        """§5.5.2, §5.5.3: a Pong has the same octets; if too many wait, only the latest is sent."""
        pong = self._control_frame(Opcode.PONG, payload)
        if self._pongs < max_pending:
            self._pongs += 1
            self.replies.append(pong)
        else:
            self.replies[-1] = pong

    def reply_close(self, payload: bytes) -> None:
        """§5.5.1: our Close, in answer to the peer's or to a broken rule."""
        self.replies.append(self._control_frame(Opcode.CLOSE, payload))

    def after_replies(self, octets: bytes) -> bytes:
        """The replies, then these octets: no reply waits for a message of ours."""
        octets = b"".join((*self.replies, octets))
        self.replies.clear()
        self._pongs = 0
        return octets

    def begin_message(
        self, opcode: Opcode, data: str | Octets, compress: bool | None, fin: bool
    ) -> bytes:
        """A message, or its first fragment.

        Raises:
            LocalProtocolError: the one before is not complete, ``data`` is text where octets
                belong or octets where text belongs, or ``compress`` was not agreed on.
            TypeError: ``data`` is neither text nor octets.
        """
        if self._opcode is not None or compress:
            self._check_begin(compress)
        octets = self._begin(opcode, _encode(data, opcode), compress, fin)
        return self.after_replies(octets) if self.replies else octets

    def _check_begin(self, compress: bool | None) -> None:
        if self._opcode is not None:
            raise LocalProtocolError("the message before is not complete: continue_message")
        if compress and self.deflate is None:
            raise LocalProtocolError("no compression was agreed on")

    def _begin(self, opcode: Opcode, payload: bytes, compress: bool | None, fin: bool) -> bytes:
        first = opcode | _FIN
        if self.deflate is not None and compress is not False:
            # RFC 7692 §6: compress, set RSV1 on the first frame, then mask.
            payload = self.deflate.compress(payload, fin)
            first |= _RSV1
        if not fin:
            self._opcode = opcode
            self._compressing = first & _RSV1 != 0
            first &= ~_FIN
        if self._mask_source is None:
            return build_header(first, len(payload), False) + payload
        return self._write(first, payload)

    def continue_message(self, data: str | Octets, fin: bool) -> bytes:
        """The next fragment of the message under way.

        Raises:
            LocalProtocolError: no message is under way, or ``data`` is of the other type.
            TypeError: ``data`` is neither text nor octets.
        """
        if self._opcode is None:
            raise LocalProtocolError("no message is under way, begin one with fin=False")
        payload = _encode(data, self._opcode)
        if self._compressing and self.deflate is not None:
            payload = self.deflate.compress(payload, final=fin)
        if fin:
            self._opcode = None
            self._compressing = False
        octets = self._write(_FIN if fin else 0, payload)
        return self.after_replies(octets) if self.replies else octets

    def many(self, messages: Sequence[str | Octets], compress: bool | None) -> bytes:
        """Many whole messages; short texts in ASCII take the fast path.

        Raises:
            LocalProtocolError: as ``begin_message``; then none of them counts as sent.
            TypeError: likewise, or ``messages`` is one text and not a list of them.
        """
        kind: type = type(messages)  # to ask a class of typing takes a tenth of an echo
        if kind is not list and (issubclass(kind, str) or not issubclass(kind, Sequence)):
            raise TypeError(f"many messages are a list, not {kind.__name__}")
        if self._opcode is not None or compress:
            self._check_begin(compress)
        if self._mask_source is None and (self.deflate is None or compress is False):
            octets = join_text_frames(messages)
            if octets is not None:
                return self.after_replies(octets) if self.replies else octets
        opcodes = [_TEXT if isinstance(data, str) else _BINARY for data in messages]
        payloads = list(map(_encode, messages, opcodes))  # all of them, before any is compressed
        frames = [
            self._begin(opcode, payload, compress, True)
            for opcode, payload in zip(opcodes, payloads, strict=True)
        ]
        return self.after_replies(b"".join(frames))

    def _write(self, first: int, payload: bytes) -> bytes:
        if self._mask_source is None:
            return build_header(first, len(payload), False) + payload
        key = self._mask_source(4)
        return build_header(first, len(payload), True) + key + apply_mask(payload, key)


def _encode(data: str | Octets, opcode: Opcode) -> bytes:
    if isinstance(data, str):
        if opcode is _TEXT:
            return encode_text(data)
        raise LocalProtocolError("a binary message is made of bytes")
    if opcode is not _TEXT:
        return data if type(data) is bytes else as_octets(data)
    if isinstance(data, Octets):
        raise LocalProtocolError("a text message is made of str")
    raise TypeError(f"a text message is made of str, not {type(data).__name__}")
