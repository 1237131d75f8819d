"""What we send: messages cut into frames, compressed and masked (RFC 6455 §5.4, §6.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from goim_edu.errors import LocalProtocolError
from goim_edu.websocket.deflate import PerMessageDeflate
from goim_edu.websocket.fastpath import join_text_frames
from goim_edu.websocket.frames import Opcode, build_frame, build_head, encode_text
from goim_edu.websocket.masking import apply_mask

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

    >>> writer = MessageWriter(None, None)
    >>> writer.begin(Opcode.TEXT, "Hel", None, fin=False) + writer.go_on("lo", fin=True)
    b'\x01\x03Hel\x80\x02lo'
    """

    __slots__ = ("_compressing", "_deflate", "_kind", "_mask_source")

    def __init__(
        self,
        mask_source: Callable[[int], bytes] | None,
        deflate: PerMessageDeflate | None,
    ) -> None:
        self._mask_source = mask_source
        self._deflate = deflate
        self._kind: Opcode | None = None  # of the message whose next fragment is due
        self._compressing = False

    def control(self, opcode: Opcode, payload: bytes) -> bytes:
        """A Close, Ping or Pong; it may stand between the fragments of a message (§5.4)."""
        key = None if self._mask_source is None else self._mask_source(4)
        return build_frame(payload, opcode, mask_key=key)

    def begin(self, opcode: Opcode, data: str | bytes, compress: bool | None, fin: bool) -> bytes:
        """A message, or its first fragment.

        Raises:
            LocalProtocolError: the one before is not complete, ``data`` is of the wrong type, or
                ``compress`` was not agreed on.
        """
        if self._kind is not None or compress:
            self._check_begin(compress)
        return self._begin(opcode, _encode(data, opcode), compress, fin)

    def _check_begin(self, compress: bool | None) -> None:
        if self._kind is not None:
            raise LocalProtocolError("the message before is not complete: continue_message")
        if compress and self._deflate is None:
            raise LocalProtocolError("no compression was agreed on")

    def _begin(self, opcode: Opcode, payload: bytes, compress: bool | None, fin: bool) -> bytes:
        first = opcode | _FIN
        if self._deflate is not None and compress is not False:
            # RFC 7692 §6: compress, set RSV1 on the first frame, then mask.
            payload = self._deflate.compress(payload, fin)
            first |= _RSV1
        if not fin:
            self._kind = opcode
            self._compressing = first & _RSV1 != 0
            first &= ~_FIN
        if self._mask_source is None:
            return build_head(first, len(payload), False) + payload
        return self._write(first, payload)

    def go_on(self, data: str | bytes, fin: bool) -> bytes:
        """The next fragment of the message that was begun.

        Raises:
            LocalProtocolError: none was, or ``data`` is of the wrong type.
        """
        if self._kind is None:
            raise LocalProtocolError("no message is under way, begin one with fin=False")
        payload = _encode(data, self._kind)
        if self._compressing and self._deflate is not None:
            payload = self._deflate.compress(payload, final=fin)
        if fin:
            self._kind = None
            self._compressing = False
        return self._write(_FIN if fin else 0, payload)

    def many(self, messages: Sequence[str | bytes], compress: bool | None) -> bytes:
        """Many whole messages; short texts in ASCII take the fast path.

        Raises:
            LocalProtocolError: as ``begin``; then none of them counts as sent.
        """
        self._check_begin(compress)
        if self._mask_source is None and (self._deflate is None or compress is False):
            octets = join_text_frames(messages)
            if octets is not None:
                return octets
        kinds = [_TEXT if isinstance(data, str) else _BINARY for data in messages]
        payloads = list(map(_encode, messages, kinds))  # all of them, before any is compressed
        return b"".join(
            self._begin(kind, payload, compress, True)
            for kind, payload in zip(kinds, payloads, strict=True)
        )

    def _write(self, first: int, payload: bytes) -> bytes:
        if self._mask_source is None:
            return build_head(first, len(payload), False) + payload
        key = self._mask_source(4)
        return build_head(first, len(payload), True) + key + apply_mask(payload, key)


def _encode(data: str | bytes, kind: Opcode) -> bytes:
    if isinstance(data, str):
        if kind is _TEXT:
            return encode_text(data)
        raise LocalProtocolError("a binary message is made of bytes")
    if kind is _TEXT:
        raise LocalProtocolError("a text message is made of str")
    return data
