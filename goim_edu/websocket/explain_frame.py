"""A frame, explained: the fields of its header, and the verdict on it (RFC 6455 §5.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from goim_edu.errors import IncompleteFrame, RemoteProtocolError
from goim_edu.websocket.assembler import MessageAssembler
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import Part
from goim_edu.websocket.explain_payload import explain_payload
from goim_edu.websocket.explanation import Explanation, Field, Value, octets_field
from goim_edu.websocket.frames import (
    Header,
    Opcode,
    apply_mask,
    check_header,
    parse_frame,
    parse_header,
)

__all__ = ["FrameRules", "explain_frame"]


class FrameRules(NamedTuple):
    """What the decoder demands, and what it remembers.

    Args:
        masked: whether the frame must be masked; None accepts both.
        compression: permessage-deflate was agreed on.
        max_frame_size: the longest payload that the decoder takes, in octets.
        messages: the messages before the frame; None if they are unknown.
    """

    masked: bool | None
    compression: bool
    max_frame_size: int | None
    messages: MessageAssembler | None = None


def explain_frame(data: bytes, rules: FrameRules) -> Explanation:
    """Fields and verdict of one frame.

    A cut header is read as if zeros followed, and explained as far as its octets reach.
    """
    header = parse_header(data[:14] + bytes(14))
    data = data[: header.size + header.length]
    payload = data[header.size :]
    if header.mask_key is not None:
        payload = apply_mask(payload, header.mask_key)
    error, culprit, message = _judge_frame(header, data, payload, rules)
    fields = [
        *_explain_start(header, rules),
        *_explain_lengths(header, data),
        *explain_payload(header, data, payload, rules.compression, message),
    ]
    there = tuple(field for field in fields if field.start_bit < 8 * len(data))
    return Explanation("frame", data, there, error, culprit, message)


def _bits_field(name: str, start: int, raw: str, value: Value, meaning: str, section: str) -> Field:
    """A field of bits, all of which have come."""
    return Field(name, start, len(raw), raw, value, meaning, section)


_LAYOUT: Final = "RFC 6455 §5.2"

_OPCODES: Final = {
    Opcode.CONTINUATION: ("continuation: the next fragment of the message", "RFC 6455 §5.4"),
    Opcode.TEXT: ("text: the whole message is UTF-8", "RFC 6455 §5.6"),
    Opcode.BINARY: ("binary: the payload is octets", "RFC 6455 §5.6"),
    Opcode.CLOSE: ("Close: the sender will send no more data", "RFC 6455 §5.5.1"),
    Opcode.PING: ("Ping: the other side has to answer with a Pong", "RFC 6455 §5.5.2"),
    Opcode.PONG: ("Pong: the answer to a Ping, or a sign of life", "RFC 6455 §5.5.3"),
}


def _explain_start(header: Header, rules: FrameRules) -> Iterator[Field]:
    """The first octet, and the bit that follows it."""
    opcode = header.opcode
    meaning, section = _explain_fin(header)
    yield _bits_field("FIN", 0, f"{header.fin:b}", header.fin, meaning, section)
    meaning, section = "no extension uses this bit", _LAYOUT
    if rules.compression:
        section = "RFC 7692 §6"
        meaning = "the message is not compressed"
        if opcode not in (Opcode.TEXT, Opcode.BINARY):
            meaning = "only the first frame of a message says whether it is compressed"
        elif header.rsv1:
            meaning = "the message is compressed with permessage-deflate"
    elif header.rsv1:
        meaning = "set, though no extension was agreed on that uses it"
    yield _bits_field("RSV1", 1, f"{header.rsv1:b}", header.rsv1, meaning, section)
    for start, name, bit in ((2, "RSV2", header.rsv2), (3, "RSV3", header.rsv3)):
        meaning = "set, though no known extension uses it" if bit else "no extension uses this bit"
        yield _bits_field(name, start, f"{bit:b}", bit, meaning, _LAYOUT)
    kind = "control" if opcode >= Opcode.CLOSE else "data"
    meaning, section = f"reserved for {kind} frames to come", _LAYOUT
    if opcode in _OPCODES:
        meaning, section = _OPCODES[Opcode(opcode)]
    yield _bits_field("opcode", 4, f"{opcode:04b}", opcode, meaning, section)
    match header.masked, rules.masked:
        case True, False:
            meaning = "masked, though no frame from a server may be"
        case True, _:
            meaning = "masked, as every frame from a client is"
        case False, True:
            meaning = "not masked, though every frame from a client must be"
        case _:
            meaning = "not masked, as no frame from a server is"
    yield _bits_field("MASK", 8, f"{header.masked:b}", header.masked, meaning, "RFC 6455 §5.1")


def _explain_fin(header: Header) -> tuple[str, str]:
    if header.opcode >= Opcode.CLOSE:
        if header.fin:
            return "a control frame is always whole", "RFC 6455 §5.5"
        return "more fragments follow, which a control frame may not have", "RFC 6455 §5.5"
    if not header.fin:
        return "more fragments of this message follow", "RFC 6455 §5.4"
    if header.opcode == Opcode.CONTINUATION:
        return "the message ends with this fragment", "RFC 6455 §5.4"
    return "the message ends with this frame; it is its only one", "RFC 6455 §5.4"


def _explain_lengths(header: Header, data: bytes) -> Iterator[Field]:
    """The lengths and the masking key."""
    code, length = header.length_code, header.length
    octets = f"{length:,} octet{'s'[: length != 1]} of payload"
    meaning = octets
    if code >= 126:
        meaning = f"{code}: the length stands in the next {16 if code == 126 else 64} bits"
    yield _bits_field("Payload length", 9, f"{code:07b}", code, meaning, _LAYOUT)
    end = header.size - 4 if header.masked else header.size
    if end > 2:
        yield octets_field("Extended payload length", data, 2, end, length, octets, _LAYOUT)
    if header.masked:
        meaning = "octet i of the payload is XORed with octet i mod 4 of this"
        size = header.size
        yield octets_field(
            "Masking-key", data, end, size, header.mask_key, meaning, "RFC 6455 §5.3"
        )


# ---------------------------------------------------------------------- the verdict on a frame

_Verdict = tuple[RemoteProtocolError | None, str | None, str | bytes | None]


def _judge_frame(header: Header, data: bytes, payload: bytes, rules: FrameRules) -> _Verdict:
    """The decoder's error, the field that it means, and the message that is complete now."""
    cut = message = None
    masked, compression, max_size, messages = rules
    try:
        parse_frame(data, masked=masked, allow_rsv1=compression, max_frame_size=max_size)
    except IncompleteFrame as error:
        cut = error
    except RemoteProtocolError as error:
        return error, _find_culprit(header, rules, error), None
    try:
        if cut is None and header.opcode == Opcode.CLOSE:
            parse_close(payload)
        elif len(data) >= header.size:
            message = _judge_message(header, payload, cut is None, messages)
    except RemoteProtocolError as error:
        return error, _find_culprit_inside(header, payload, error), None
    return cut, None, message


def _judge_message(
    header: Header, payload: bytes, whole: bool, messages: MessageAssembler | None
) -> str | bytes | None:
    """What the real assembler says; a frame alone is only judged if it needs no others."""
    if header.opcode >= Opcode.CLOSE:
        return None
    if messages is None:
        if header.opcode == Opcode.CONTINUATION or header.rsv1:
            return None
        messages = MessageAssembler(max_message_size=header.length, max_fragments=1)
    event = messages.add(Part(header, payload, first=True, last=whole))
    return None if event is None else event.data


def _find_culprit(header: Header, rules: FrameRules, error: RemoteProtocolError) -> str:
    """The field whose repair changes the verdict."""
    length = "Payload length" if header.length_code < 126 else "Extended payload length"
    if header.opcode >= Opcode.CLOSE:
        length = "Payload length"
    repairs = {
        "RSV1": header._replace(rsv1=False),
        "RSV3": header._replace(rsv3=False),
        "RSV2": header._replace(rsv2=False, rsv3=False),
        "FIN": header._replace(fin=True),
        length: header._replace(length_code=0, length=0),
        "MASK": header._replace(masked=not header.masked),
    }
    masked, compression, max_size, _ = rules
    for name, repaired in repairs.items():
        try:
            check_header(repaired, masked=masked, allow_rsv1=compression, max_frame_size=max_size)
        except RemoteProtocolError as other:
            if other.message == error.message:
                continue
        return name
    return "opcode"


def _find_culprit_inside(header: Header, payload: bytes, error: RemoteProtocolError) -> str:
    if header.opcode == Opcode.CLOSE and len(payload) > 1:
        return "Close code" if error.close_code == 1002 else "Close reason"
    return "opcode" if error.section == "RFC 6455 §5.4" else "Payload data"
