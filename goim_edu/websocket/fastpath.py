"""The fast path: whole messages in single frames, many of them by one read from the socket.

The package would work without it, and it decides nothing: anything but a whole, plain message is
left for the plain path (``FrameDecoder``, ``MessageAssembler``), which says what is wrong with it.
Both paths give the same events, the same errors and the same state; a test checks that.

Why it is fast: a loop in Python only walks from header to header, and all the rest is done for all
messages at once. One XOR unmasks them. One decoding as Latin-1, in which each octet is one
character, makes them text; that is right for messages in ASCII, and each string knows whether it
is one. The others are decoded again, as UTF-8.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from goim_edu.websocket.assembler import invalid_utf8
from goim_edu.websocket.event_type import maker_of
from goim_edu.websocket.events import BinaryMessage, TextMessage
from goim_edu.websocket.frames import Opcode, build_header
from goim_edu.websocket.masking import (
    IN_PLACE_FROM,
    apply_mask,
    have_numpy,
    mask_in_place,
    mask_to_view,
    unmask_many,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goim_edu.websocket.deflate import PerMessageDeflate
    from goim_edu.websocket.events import Event
    from goim_edu.websocket.octets import Octets

__all__ = ["join_text_frames", "take_messages", "take_text"]

_WHOLE_TEXT: Final = 0x81  # FIN and TEXT
_WHOLE_BINARY: Final = 0x82
_RSV1: Final = 0x40  # compressed
_FIRST_OCTETS: Final = frozenset((_WHOLE_TEXT, _WHOLE_BINARY))
_FIRST_OCTETS_DEFLATED: Final = _FIRST_OCTETS | {first | _RSV1 for first in _FIRST_OCTETS}

_BULK_FROM: Final = 12  # messages: from here on one XOR for all is quicker than one for each
_LENGTH_16: Final = 126  # "16 bits of length follow"
_LENGTH_64: Final = 127  # "64 bits of length follow"
_WRONG_MASK: Final = 128  # the mask is missing or must not be there

_NOT_HERE: Final = 1 << 60  # longer than any payload that is here

# What the second octet says about the length, for a frame that is masked, and for one that is not.
_MASKED_SIZES: Final = [_WRONG_MASK] * 128 + list(range(128))
_PLAIN_SIZES: Final = list(range(128)) + [_WRONG_MASK] * 128

_make_text: Final = maker_of(TextMessage)
_make_binary: Final = maker_of(BinaryMessage)


def take_messages(
    data: bytes | memoryview,
    position: int,
    events: list[Event],
    masked: bool,
    max_size: int,
    deflate: PerMessageDeflate | None = None,
    max_inflated: int = 0,
) -> int:
    r"""Take the messages that stand whole and simple at this position, all of one kind.

    Args:
        data: octets received; at ``position`` a header starts, or they end. A memoryview that can
            be written to lends them: those of the messages that are taken may change.
        position: where to start.
        events: the messages are appended to it.
        masked: whether frames must be masked; others are left alone.
        max_size: octets of a frame; larger ones are left alone.
        deflate: the agreed permessage-deflate, or None.
        max_inflated: octets of a message that was compressed.

    Returns:
        The position behind the last message that was taken.

    Raises:
        RemoteProtocolError: a message could not be inflated, or is then not valid UTF-8.

    >>> events = []
    >>> take_messages(b"\x81\x02Hi\x81\x03you\x89\x00", 0, events, False, 1000), events
    (9, [TextMessage(data='Hi'), TextMessage(data='you')])
    """
    if len(data) - position < 2 or max_size < _LENGTH_16:
        return position
    first = data[position]
    if first == _WHOLE_TEXT:
        return _take_texts(data, position, events, masked, max_size)
    if first not in (_FIRST_OCTETS if deflate is None else _FIRST_OCTETS_DEFLATED):
        return position
    data = bytes(data)
    starts, ends = _find_payloads(data, position, masked, max_size)
    if not starts:
        return position
    payloads = _unmask(data, position, starts, ends, masked)
    if first & _RSV1 and deflate is not None:
        _take_deflated(payloads, first, events, max_inflated, deflate)
    else:
        events.extend(map(_make_binary, zip(payloads)))
    return ends[-1]


def take_text(data: bytes | memoryview, events: list[Event], masked: bool, max_size: int) -> bool:
    r"""Take a text that is all of the data, as in most reads of a chat.

    Args:
        data: as for ``take_messages``.
        events: the text is appended to it.
        masked: whether the frame must be masked; another is left alone.
        max_size: octets of a frame; a larger one is left alone.

    Returns:
        Whether it was taken.

    >>> events = []
    >>> take_text(b"\x81\x02Hi", events, False, 1000), events
    (True, [TextMessage(data='Hi')])
    """
    total = len(data)
    if total < 2 or data[0] != _WHOLE_TEXT or max_size < _LENGTH_16:
        return False
    if masked:
        start = 6
        size = _MASKED_SIZES[data[1]]
    else:
        start = 2
        size = _PLAIN_SIZES[data[1]]
    if size >= _LENGTH_16:
        start += 2 if size == _LENGTH_16 else 8
        size = _long_size(data, 0, size, max_size) if start <= total else _NOT_HERE
    if start + size != total:
        return False
    try:
        if masked and size < _LENGTH_16 and isinstance(data, bytes):
            text = apply_mask(data[start:], data[start - 4 : start]).decode()
        else:
            text = _text_at(data, start, total, masked)
    except UnicodeDecodeError:
        return False  # the plain path says what is wrong with it
    events.append(_make_text((text,)))
    return True


def _take_texts(
    data: bytes | memoryview, position: int, events: list[Event], masked: bool, max_size: int
) -> int:
    """Take texts one by one, until many seem to follow."""
    sizes, header = (_MASKED_SIZES, 6) if masked else (_PLAIN_SIZES, 2)
    total = len(data)
    last = total - 1  # the last place at which a header of two octets cannot start
    while position < last and data[position] == _WHOLE_TEXT:
        start = position + header
        size = sizes[data[position + 1]]
        if size >= _LENGTH_16:
            start += 2 if size == _LENGTH_16 else 8
            if start > total:
                break
            size = _long_size(data, position, size, max_size)
        end = start + size
        if end > total:
            break
        if (end - position) * _BULK_FROM <= total - position and (not masked or have_numpy()):
            return _take_many(bytes(data), position, events, masked, max_size)
        try:
            events.append(_make_text((_text_at(data, start, end, masked),)))
        except UnicodeDecodeError:
            break  # the plain path says what is wrong with it
        position = end
    return position


def _take_many(data: bytes, position: int, events: list[Event], masked: bool, max_size: int) -> int:
    """Take all texts at once, if there are as many as it seemed."""
    starts, ends = _find_payloads(data, position, masked, max_size)
    if len(starts) < _BULK_FROM:
        texts = _decode_few(data, starts, ends, masked)
    else:
        texts = _decode_many(data, position, starts, ends, masked)
    events.extend(map(_make_text, zip(texts)))
    return ends[len(texts) - 1] if texts else position


def _long_size(data: bytes | memoryview, position: int, code: int, max_size: int) -> int:
    """A payload's size, if more octets say it; ``_NOT_HERE`` if the plain path has to judge it."""
    if code == _LENGTH_16:
        size = data[position + 2] << 8 | data[position + 3]
        return size if _LENGTH_16 <= size <= max_size else _NOT_HERE
    if code == _LENGTH_64:
        size = int.from_bytes(data[position + 2 : position + 10])
        return size if 1 << 16 <= size <= max_size else _NOT_HERE
    return _NOT_HERE


def _find_payloads(
    data: bytes, position: int, masked: bool, max_size: int
) -> tuple[list[int], list[int]]:
    """Walk from header to header, as long as the first octet is the same."""
    starts: list[int] = []
    ends: list[int] = []
    first = data[position]
    sizes, header = (_MASKED_SIZES, 6) if masked else (_PLAIN_SIZES, 2)
    try:
        while data[position] == first:
            size = sizes[data[position + 1]]
            start = position + header
            if size >= _LENGTH_16:
                start += 2 if size == _LENGTH_16 else 8
                size = _long_size(data, position, size, max_size)
                if size == _NOT_HERE:
                    break
            position = start + size
            starts.append(start)
            ends.append(position)
    except IndexError:
        pass  # the octets end here, or within this header
    if position > len(data):  # the last one is cut
        del starts[-1], ends[-1]
    return starts, ends


def _unmask(
    data: bytes, position: int, starts: list[int], ends: list[int], masked: bool
) -> list[bytes]:
    """The payloads, one by one."""
    if masked and not (len(starts) >= _BULK_FROM and have_numpy()):
        return [
            apply_mask(data[start:end], data[start - 4 : start])
            for start, end in zip(starts, ends, strict=True)
        ]
    base = 0
    if masked:
        octets, base = _unmask_together(data, position, starts, ends)
        data = bytes(octets)
    return [data[start - base : end - base] for start, end in zip(starts, ends, strict=True)]


def _unmask_together(
    data: bytes, position: int, starts: list[int], ends: list[int]
) -> tuple[Any, int]:
    """Octets in which all the payloads stand unmasked, and where in ``data`` they begin."""
    if position <= ends[-1] // 2:  # it is less work to unmask what is before it, too
        return unmask_many(data, starts), 0
    octets = unmask_many(data[position : ends[-1]], [start - position for start in starts])
    return octets, position


def _text_at(data: bytes | memoryview, start: int, end: int, masked: bool) -> str:
    """One text, unmasked where it stands if it is long and that is allowed."""
    octets = data[start:end]
    if not masked:
        return str(octets, "utf-8")
    key = bytes(data[start - 4 : start])
    if end - start < _LENGTH_16:
        return apply_mask(octets, key).decode()
    if end - start < IN_PLACE_FROM or not isinstance(data, memoryview) or data.readonly:
        return str(mask_to_view(octets, key), "utf-8")
    mask_in_place(data[:end], key, start)
    try:
        return str(octets, "utf-8")
    except UnicodeDecodeError:
        mask_in_place(data[:end], key, start)  # as it came, for the plain path
        raise


def _decode_few(data: bytes, starts: list[int], ends: list[int], masked: bool) -> list[str]:
    """The texts, up to the first one that is not valid UTF-8."""
    texts: list[str] = []
    try:
        for start, end in zip(starts, ends, strict=True):
            texts.append(_text_at(data, start, end, masked))
    except UnicodeDecodeError:
        pass  # the plain path says what is wrong with it
    return texts


def _decode_many(
    data: bytes, position: int, starts: list[int], ends: list[int], masked: bool
) -> list[str]:
    """The texts, up to the first one that is not valid UTF-8."""
    octets: Any = data
    base = 0
    if masked:
        octets, base = _unmask_together(data, position, starts, ends)
    latin = str(octets, "latin-1")
    if base:
        starts = [start - base for start in starts]
        ends = [end - base for end in ends]
    texts = [latin[start:end] for start, end in zip(starts, ends, strict=True)]
    if "".join(texts).isascii():
        return texts
    octets = bytes(octets)
    for index, text in enumerate(texts):
        if not text.isascii():
            try:
                texts[index] = octets[starts[index] : ends[index]].decode()
            except UnicodeDecodeError:
                return texts[:index]
    return texts


def _take_deflated(
    payloads: list[bytes],
    first: int,
    events: list[Event],
    max_inflated: int,
    deflate: PerMessageDeflate,
) -> None:
    """Inflate one after the other.

    Errors cannot be left to the plain path here: the decompressor's window has moved on.
    """
    inflate = deflate.decompress
    add = events.append  # one by one, so that the good ones before a bad one are kept
    if first & 0x0F == Opcode.BINARY:
        for payload in payloads:
            add(_make_binary((inflate(payload, True, max_inflated),)))
        return
    try:
        for payload in payloads:
            add(_make_text((inflate(payload, True, max_inflated).decode(),)))
    except UnicodeDecodeError as error:
        raise invalid_utf8(error.reason) from None


# The headers of short texts, as text in Latin-1: so headers and texts can be joined to one text.
_HEADERS: Final = [chr(_WHOLE_TEXT) + chr(size) for size in range(_LENGTH_16)]


def join_text_frames(messages: Sequence[str | Octets]) -> bytes | None:
    r"""Unmasked frames of many texts in ASCII, in one piece; None if one is not ASCII text.

    >>> join_text_frames(["Hi", "you"])
    b'\x81\x02Hi\x81\x03you'
    """
    if len(messages) == 1:
        text = messages[0]
        if not isinstance(text, str) or not text.isascii():
            return None
        if (size := len(text)) < _LENGTH_16:
            return (_HEADERS[size] + text).encode("latin-1")
        return build_header(_WHOLE_TEXT, size, False) + text.encode("latin-1")
    try:
        texts = "".join(messages)  # type: ignore[arg-type]
    except TypeError:  # some are bytes
        return None
    if not texts.isascii():
        return None
    sizes = list(map(len, messages))
    if max(sizes, default=0) < _LENGTH_16:
        headers = [_HEADERS[size] for size in sizes]
    else:
        headers = [build_header(_WHOLE_TEXT, size, False).decode("latin-1") for size in sizes]
    return "".join(chain.from_iterable(zip(headers, messages, strict=True))).encode("latin-1")  # type: ignore[arg-type]
