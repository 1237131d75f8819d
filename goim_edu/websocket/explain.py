r"""What each bit of a frame, and each line of a handshake, says: in words, with its section.

Pictures, the dissector and the exercises all read this. It decides nothing by itself: the layout
of a frame comes from ``frames.parse_header``, and the verdict from the decoder that every
connection uses. What is broken or cut is explained too, as far as it goes.

>>> print(explain(bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")))
bits   name            raw             meaning
0       FIN             1               the message ends with this frame; it is its only one [RFC 6455 §5.4]
1       RSV1            0               no extension uses this bit [RFC 6455 §5.2]
2       RSV2            0               no extension uses this bit [RFC 6455 §5.2]
3       RSV3            0               no extension uses this bit [RFC 6455 §5.2]
4-7     opcode          0001            text: the payload is UTF-8 [RFC 6455 §5.6]
8       MASK            1               masked, as every frame from a client is [RFC 6455 §5.1]
9-15    Payload length  0000101         5 octets of payload [RFC 6455 §5.2]
16-47   Masking-key     37 fa 21 3d     octet i of the payload is XORed with octet i mod 4 of this [RFC 6455 §5.3]
48-87   Payload data    7f 9f 4d 51 58  'Hello' [RFC 6455 §5.6]
verdict: a good frame
"""  # noqa: E501 (the table as it is printed)

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from goim_edu.errors import HandshakeError, IncompleteFrame, RemoteProtocolError
from goim_edu.websocket.assembler import MessageAssembler
from goim_edu.websocket.close import CLOSE_CODES, parse_close
from goim_edu.websocket.decoder import Part
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from goim_edu.websocket.frames import (
    Header,
    Opcode,
    apply_mask,
    check_header,
    parse_frame,
    parse_header,
)
from goim_edu.websocket.handshake import (
    check_request,
    check_response,
    generate_accept,
    parse_extensions,
    parse_request,
    parse_response,
)

__all__ = ["Explanation", "Field", "Kind", "Sender", "explain", "explain_stream"]

Kind = Literal["frame", "request", "response"]
Sender = Literal["client", "server"]
Value = bool | int | str | bytes | None

_MOST_FRAGMENTS: Final = 1 << 20
_MOST_INFLATED: Final = 65_536  # octets of a compressed payload that an explanation looks into
_MOST_SHOWN: Final = 32  # octets that stand in a table


class Field(NamedTuple):
    """One field of a frame or a handshake.

    Args:
        name: as in the diagram of RFC 6455 §5.2, or the name of the header field.
        start_bit: where it starts; bit 0 is the highest bit of the first octet.
        bit_length: how many bits of it are there.
        raw: what is there: bits as 0 and 1, octets of a frame as hex, lines as text; long ones cut.
        value: what it stands for: a flag, a number, text or octets; None if it is cut.
        meaning: one sentence for people.
        section: where it is defined.
    """

    name: str
    start_bit: int
    bit_length: int
    raw: str = ""
    value: Value = None
    meaning: str = ""
    section: str = ""

    @property
    def bits(self) -> str:
        """Its bits, from first to last.

        >>> Field("opcode", 4, 4, "0001", 1, "text", "RFC 6455 §5.2").bits
        '4-7'
        """
        last = self.start_bit + self.bit_length - 1
        return str(last) if self.bit_length == 1 else f"{self.start_bit}-{last}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One frame or one handshake, field by field, and the verdict of the real decoder.

    Args:
        kind: "frame", "request" or "response".
        data: its octets, as far as they are there.
        fields: in the order of their bits.
        error: what the decoder says: None if all is well, ``IncompleteFrame`` if it is cut.
        culprit: the name of the field that is wrong, or None.
        message: the message that a data frame completes, inflated and as text if it is one.
    """

    kind: Kind
    data: bytes
    fields: tuple[Field, ...]
    error: RemoteProtocolError | None = None
    culprit: str | None = None
    message: str | bytes | None = None

    @property
    def ok(self) -> bool:
        """Whether it is whole and breaks no rule."""
        return self.error is None

    @property
    def cut(self) -> bool:
        """Whether it is good as far as it goes, but not whole."""
        return isinstance(self.error, IncompleteFrame)

    @property
    def verdict(self) -> str:
        """The decoder's verdict in a sentence.

        >>> explain(bytes.fromhex("81 05 48 65")).verdict
        'cut: at least 3 more octets are needed'
        >>> explain(bytes.fromhex("83 00")).verdict
        'fails the connection with 1002: opcode 3 is reserved (RFC 6455 §5.2)'
        """
        error = self.error
        if error is None:
            return f"a good {self.kind}"
        if isinstance(error, IncompleteFrame):
            one = error.missing == 1
            return f"cut: at least {error.missing:,} more octet{' is' if one else 's are'} needed"
        if isinstance(error, HandshakeError):
            todo = f"is answered with {error.status}" if self.kind == "request" else "is refused"
            return f"{todo}: {error}"
        return f"fails the connection with {error.close_code}: {error}"

    def __getitem__(self, name: str) -> Field:
        """The first field of this name, in any case.

        Raises:
            KeyError: there is none.

        >>> explain(bytes.fromhex("8a 00"))["opcode"].meaning
        'Pong: the answer to a Ping, or a sign of life'
        """
        for field in self.fields:
            if field.name.lower() == name.lower():
                return field
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(field.name.lower() == str(name).lower() for field in self.fields)

    def __str__(self) -> str:
        rows = [("bits", "name", "raw", "meaning")]
        rows += [(f.bits, f.name, f.raw, f"{f.meaning} [{f.section}]") for f in self.fields]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            "  ".join(
                [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]
            )
            for row in rows
        ]
        return "\n".join([*lines, f"verdict: {self.verdict}"])


def explain(
    data: bytes,
    *,
    kind: Kind | None = None,
    sender: Sender | None = None,
    deflate: bool = False,
    max_frame_size: int | None = None,
    key: str | None = None,
) -> Explanation:
    r"""Explain the frame or the handshake with which the octets start.

    Args:
        data: the octets; what follows the first frame or head is left alone.
        kind: what it is; None looks for itself.
        sender: who sent it: then its masking is judged too.
        deflate: permessage-deflate was agreed on, so RSV1 may be set.
        max_frame_size: the longest payload that the decoder takes, in octets.
        key: the key of the request, to judge a response by.

    >>> explain(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\n")["Host"].value
    'example.com'
    """
    kind = kind or _guess_kind(data)
    if kind == "request":
        return _explain_head(data, "request", _judge_request)
    if kind == "response":
        return _explain_head(data, "response", lambda octets: _judge_response(octets, key))
    masked = None if sender is None else sender == "client"
    return _explain_frame(data, _Rules(masked, deflate, max_frame_size))


def explain_stream(
    data: bytes,
    *,
    sender: Sender | None = None,
    deflate: DeflateParams | None = None,
    max_frame_size: int | None = None,
    max_message_size: int = 1 << 24,
) -> list[Explanation]:
    """Explain all that one side of a connection sent, up to the first error or cut.

    Unlike ``explain``, it knows what came before: whether a continuation continues something,
    whether a text is UTF-8 over all its fragments, and what compressed messages refer back to.

    Args:
        data: the octets from the start, with or without the handshake.
        sender: who sent them.
        deflate: what was agreed on permessage-deflate, or None.
        max_frame_size: the longest payload that the decoder takes, in octets.
        max_message_size: the longest message that the decoder takes, in octets.

    >>> [part.kind for part in explain_stream(bytes.fromhex("01 01 61 89 00 80 01 62"))]
    ['frame', 'frame', 'frame']
    """
    inflater = PerMessageDeflate(deflate, sender != "server") if deflate else None
    messages = MessageAssembler(
        max_message_size=max_message_size, max_fragments=_MOST_FRAGMENTS, deflate=inflater
    )
    masked = None if sender is None else sender == "client"
    rules = _Rules(masked, deflate is not None, max_frame_size, messages)
    parts: list[Explanation] = []
    position = 0
    while position < len(data) and (not parts or parts[-1].ok):
        rest = data[position:]
        framed = bool(parts) and parts[-1].kind == "frame"
        if not framed and _guess_kind(rest) != "frame":
            parts.append(explain(rest))
        else:
            parts.append(_explain_frame(rest, rules))
        position += len(parts[-1].data)
    return parts


# No good frame starts like a method of HTTP: its letters would be reserved opcodes, or
# fragmented control frames.
_HTTP_START = re.compile(rb"[CDGHOPT](?:[A-Z]|\Z)")


def _guess_kind(data: bytes) -> Kind:
    if not _HTTP_START.match(data):
        return "frame"
    return "response" if data.startswith(b"HTTP"[: len(data)]) else "request"


# ---------------------------------------------------------------------- frames


class _Rules(NamedTuple):
    """What the decoder demands, and what it remembers."""

    masked: bool | None
    deflate: bool
    max_frame_size: int | None
    messages: MessageAssembler | None = None  # None: a frame alone, what came before is unknown


def _explain_frame(data: bytes, rules: _Rules) -> Explanation:
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
        *_explain_start(header, rules.deflate),
        *_explain_lengths(header, data),
        *_explain_payload(header, data, payload, rules, message),
    ]
    there = tuple(field for field in fields if field.start_bit < 8 * len(data))
    return Explanation("frame", data, there, error, culprit, message)


def _bits(name: str, start: int, raw: str, value: Value, meaning: str, section: str) -> Field:
    return Field(name, start, len(raw), raw, value, meaning, f"RFC {section}")


def _octets(
    name: str, data: bytes, start: int, end: int, value: Value, meaning: str, section: str
) -> Field:
    """A field of whole octets, of which the last ones may be missing."""
    there = data[start:end]
    if len(there) < end - start:
        meaning = f"cut: {len(there)} of {end - start} octets are here"
        value = None
    raw = there[:_MOST_SHOWN].hex(" ") + (" ..." if len(there) > _MOST_SHOWN else "")
    return Field(name, 8 * start, 8 * len(there), raw, value, meaning, f"RFC {section}")


_OPCODES: Final = {
    Opcode.CONTINUATION: ("continuation: the next fragment of the message", "6455 §5.4"),
    Opcode.TEXT: ("text: the payload is UTF-8", "6455 §5.6"),
    Opcode.BINARY: ("binary: the payload is octets", "6455 §5.6"),
    Opcode.CLOSE: ("Close: the sender will send nothing more", "6455 §5.5.1"),
    Opcode.PING: ("Ping: the other side has to answer with a Pong", "6455 §5.5.2"),
    Opcode.PONG: ("Pong: the answer to a Ping, or a sign of life", "6455 §5.5.3"),
}


def _explain_start(header: Header, deflate: bool) -> Iterator[Field]:
    """The first octet, and the bit that follows it."""
    opcode = header.opcode
    meaning, section = _explain_fin(header)
    yield _bits("FIN", 0, f"{header.fin:b}", header.fin, meaning, section)
    meaning, section = "no extension uses this bit", "6455 §5.2"
    if deflate:
        section = "7692 §6"
        meaning = "the message is not compressed"
        if opcode not in (Opcode.TEXT, Opcode.BINARY):
            meaning = "only the first frame of a message says whether it is compressed"
        elif header.rsv1:
            meaning = "the message is compressed with permessage-deflate"
    elif header.rsv1:
        meaning = "set, though no extension was agreed on that uses it"
    yield _bits("RSV1", 1, f"{header.rsv1:b}", header.rsv1, meaning, section)
    for start, name, bit in ((2, "RSV2", header.rsv2), (3, "RSV3", header.rsv3)):
        meaning = "set, though no known extension uses it" if bit else "no extension uses this bit"
        yield _bits(name, start, f"{bit:b}", bit, meaning, "6455 §5.2")
    kind = "control" if opcode >= Opcode.CLOSE else "data"
    meaning, section = f"reserved for {kind} frames to come", "6455 §5.2"
    if opcode in _OPCODES:
        meaning, section = _OPCODES[Opcode(opcode)]
    yield _bits("opcode", 4, f"{opcode:04b}", opcode, meaning, section)
    meaning = "not masked, as no frame from a server is"
    if header.masked:
        meaning = "masked, as every frame from a client is"
    yield _bits("MASK", 8, f"{header.masked:b}", header.masked, meaning, "6455 §5.1")


def _explain_fin(header: Header) -> tuple[str, str]:
    if header.opcode >= Opcode.CLOSE:
        if header.fin:
            return "a control frame is always whole", "6455 §5.5"
        return "more fragments follow, which a control frame may not have", "6455 §5.5"
    if not header.fin:
        return "more fragments of this message follow", "6455 §5.4"
    if header.opcode == Opcode.CONTINUATION:
        return "the message ends with this fragment", "6455 §5.4"
    return "the message ends with this frame; it is its only one", "6455 §5.4"


def _explain_lengths(header: Header, data: bytes) -> Iterator[Field]:
    """The lengths and the masking key."""
    code, length = header.length_code, header.length
    octets = f"{length:,} octet{'s'[: length != 1]} of payload"
    meaning = octets
    if code >= 126:
        meaning = f"{code}: the length stands in the next {16 if code == 126 else 64} bits"
    yield _bits("Payload length", 9, f"{code:07b}", code, meaning, "6455 §5.2")
    end = header.size - 4 if header.masked else header.size
    if end > 2:
        yield _octets("Extended payload length", data, 2, end, length, octets, "6455 §5.2")
    if header.masked:
        meaning = "octet i of the payload is XORed with octet i mod 4 of this"
        size = header.size
        yield _octets("Masking-key", data, end, size, header.mask_key, meaning, "6455 §5.3")


def _explain_payload(
    header: Header, data: bytes, payload: bytes, rules: _Rules, message: str | bytes | None
) -> Iterator[Field]:
    """The payload as a whole, or code and reason of a Close; ``payload`` is unmasked."""
    if not payload:
        return
    start, end = header.size, header.size + len(payload)
    if header.opcode == Opcode.CLOSE and len(payload) > 1:
        code = int.from_bytes(payload[:2])
        meaning = _explain_close_code(code)
        yield _octets("Close code", data, start, start + 2, code, meaning, "6455 §7.4")
        if len(payload) > 2:
            value, meaning = _show_payload(payload[2:], text=True)
            yield _octets("Close reason", data, start + 2, end, value, meaning, "6455 §7.1.6")
        return
    value, meaning = _show_payload(payload, text=header.opcode != Opcode.BINARY)
    section = "6455 §5.5" if header.opcode >= Opcode.CLOSE else "6455 §5.6"
    if rules.deflate and header.rsv1:
        meaning, section = _explain_deflated(payload, header.fin, message), "7692 §7.2"
        value = payload
    if len(payload) < header.length:
        meaning = f"cut, {len(payload):,} of {header.length:,} octets are here: {meaning}"
    yield _octets("Payload data", data, start, end, value, meaning, section)


def _explain_close_code(code: int) -> str:
    if code in CLOSE_CODES:
        return f"{code}: {CLOSE_CODES[code]}"
    if 3000 <= code <= 3999:
        return f"{code}: one of those that libraries and frameworks register"
    if 4000 <= code <= 4999:
        return f"{code}: private to this application"
    return f"{code}: not defined, nobody may send it"


def _show_payload(payload: bytes, *, text: bool) -> tuple[str | bytes, str]:
    """Value and meaning of unmasked octets: as text where they are text."""
    if text:
        try:
            words = payload.decode()
        except UnicodeDecodeError as error:
            return payload, f"{payload[:_MOST_SHOWN]!r}: no UTF-8 from octet {error.start} on"
        shown = words if len(words) <= 60 else words[:60] + "..."
        return words, repr(shown)
    dots = "..." if len(payload) > _MOST_SHOWN else ""
    return payload, payload[:_MOST_SHOWN].hex(" ") + dots


def _explain_deflated(payload: bytes, fin: bool, message: str | bytes | None) -> str:
    """What a compressed payload says, as far as it can be told."""
    if message is None:
        try:
            alone = PerMessageDeflate(DeflateParams(), True)
            message = alone.decompress(payload, fin, _MOST_INFLATED)
        except RemoteProtocolError as error:
            if error.close_code == 1009:
                return f"compressed; it inflates to more than {_MOST_INFLATED:,} octets"
            return "compressed; it cannot be inflated without the messages before it"
    octets = message.encode() if isinstance(message, str) else message
    return f"compressed; it inflates to {_show_payload(octets, text=True)[1]}"


# ---------------------------------------------------------------------- the verdict on a frame

_Verdict = tuple[RemoteProtocolError | None, str | None, str | bytes | None]


def _judge_frame(header: Header, data: bytes, payload: bytes, rules: _Rules) -> _Verdict:
    """What the decoder says, which field it means, and the message that is complete now."""
    cut = message = None
    masked, deflate, max_size, messages = rules
    try:
        parse_frame(data, masked=masked, allow_rsv1=deflate, max_frame_size=max_size)
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
    """Let the real assembler have the frame; alone, a frame is only judged if that is fair."""
    if header.opcode >= Opcode.CLOSE:
        return None
    if messages is None:
        if header.opcode == Opcode.CONTINUATION or header.rsv1:
            return None
        messages = MessageAssembler(max_message_size=header.length, max_fragments=1)
    event = messages.add(Part(header, payload, first=True, last=whole))
    return None if event is None else event.data


def _find_culprit(header: Header, rules: _Rules, error: RemoteProtocolError) -> str:
    """The field that, were it right, would change the verdict."""
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
    masked, deflate, max_size, _ = rules
    for name, repaired in repairs.items():
        try:
            check_header(
                repaired, expect_masked=masked, allow_rsv1=deflate, max_frame_size=max_size
            )
        except RemoteProtocolError as other:
            if other.message == error.message:
                continue
        return name
    return "opcode"


def _find_culprit_inside(header: Header, payload: bytes, error: RemoteProtocolError) -> str:
    if header.opcode == Opcode.CLOSE and len(payload) > 1:
        return "Close code" if error.close_code == 1002 else "Close reason"
    return "opcode" if error.section == "RFC 6455 §5.4" else "Payload data"


# ---------------------------------------------------------------------- handshakes

_Judge = Callable[[bytes], tuple[RemoteProtocolError | None, int]]


def _explain_head(data: bytes, kind: Kind, judge: _Judge) -> Explanation:
    """Fields and verdict of a handshake: each part of its first line, and each further line."""
    error, size = judge(data)
    data = data[:size]
    position = 2 if data.startswith(b"\r\n") else 0
    end = data.find(b"\r\n\r\n", position)
    lines = data[position : end if end >= 0 else size].split(b"\r\n")
    fields = list(_explain_first_line(lines[0], position, kind))
    for before, line in pairwise(lines):
        position += len(before) + 2
        if line:
            fields.append(_explain_line(line, position, kind))
    if end >= 0:
        meaning = "an empty line ends the head"
        fields.append(_text_field("end of head", end + 2, b"\r\n", "", meaning, "9112 §2.1"))
    if 0 <= end < size - 4:
        body = data[end + 4 :].decode("utf-8", "replace")
        meaning = "the body, for people to read"
        fields.append(_text_field("body", end + 4, data[end + 4 :], body, meaning, "9112 §6"))
    return Explanation(kind, data, tuple(fields), error, _find_culprit_line(fields, error))


def _text_field(
    name: str, position: int, raw: bytes, value: str, meaning: str, section: str
) -> Field:
    text = raw.decode("latin-1")
    shown = text if text.isprintable() and len(text) <= 60 else repr(text[:60])[1:-1]
    dots = "..." if len(text) > 60 else ""
    return Field(name, 8 * position, 8 * len(raw), shown + dots, value, meaning, f"RFC {section}")


_REQUEST_LINE: Final = (
    ("method", "only GET can open a WebSocket", "6455 §4.1"),
    ("target", "which WebSocket of that host: a path, and perhaps a query", "6455 §4.1"),
    ("HTTP version", "HTTP/1.1 or higher", "6455 §4.1"),
)
_STATUS_LINE: Final = (
    ("HTTP version", "the version of HTTP that the server speaks", "9112 §2.3"),
    ("status", "101 goes over to WebSocket, anything else does not", "6455 §4.2.2"),
    ("reason", "the status in words, which no program reads", "9112 §4"),
)


def _explain_first_line(line: bytes, position: int, kind: Kind) -> Iterator[Field]:
    names = _REQUEST_LINE if kind == "request" else _STATUS_LINE
    for (name, meaning, section), word in zip(names, line.split(b" ", 2), strict=False):
        if word:
            text = word.decode("latin-1")
            yield _text_field(name, position, word, text, meaning, section)
        position += len(word) + 1


_LINES: Final = {
    "host": ("the host that is asked, and its port: one server may be many hosts", "9112 §3.2"),
    "upgrade": ("go over to WebSocket on this connection", "9110 §7.8"),
    "connection": ("Upgrade is meant for this hop, not for what lies behind it", "9110 §7.6.1"),
    "sec-websocket-key": ("16 fresh random octets in Base64: no secret, no login", "6455 §4.1"),
    "sec-websocket-version": ("13, the only version there is", "6455 §4.1"),
    "sec-websocket-protocol": ("subprotocols: what the messages are about", "6455 §1.9"),
    "sec-websocket-extensions": ("extensions: how frames may be used differently", "6455 §9.1"),
    "sec-websocket-accept": ("SHA-1 of key and GUID: the server read the key", "6455 §4.2.2"),
    "origin": ("which page's script asks: the server may refuse strangers", "6455 §10.2"),
    "authorization": ("who asks; browsers cannot send it for a WebSocket", "9110 §11.6.2"),
    "cookie": ("what the server once set; browsers send it along", "6265 §5.4"),
    "user-agent": ("which program asks", "9110 §10.1.5"),
    "content-length": ("how many octets of body follow the head", "9112 §6.2"),
    "content-type": ("what the body is", "9110 §8.3"),
    "date": ("when the answer was made", "9110 §6.6.1"),
}
_ORDINARY: Final = ("a field of HTTP; WebSocket gives it no meaning", "9110 §5")


def _explain_line(line: bytes, position: int, kind: Kind) -> Field:
    name, colon, value = line.decode("latin-1").partition(":")
    value = value.strip(" \t")
    if not colon:
        meaning = "without a colon this is no header field"
        return _text_field("not a field", position, line, name, meaning, "9112 §5")
    meaning, section = _LINES.get(name.lower(), _ORDINARY)
    if name.lower() == "sec-websocket-key":
        try:
            meaning = f"{meaning}; the answer has to be {generate_accept(value)}"
        except HandshakeError as error:
            meaning = error.message
    elif name.lower() == "sec-websocket-protocol":
        meaning += ", most wanted first" if kind == "request" else ": the one that was chosen"
    return _text_field(name, position, line, value, meaning, section)


def _judge_request(data: bytes) -> tuple[RemoteProtocolError | None, int]:
    """The verdict on a request, and how many octets it has."""
    try:
        parsed = parse_request(data)
        if parsed is None:
            return _cut_head(data), len(data)
        check_request(parsed[0])
    except HandshakeError as error:
        return error, _head_size(data)
    return None, parsed[1]


_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1(?!01)")


def _judge_response(data: bytes, key: str | None) -> tuple[RemoteProtocolError | None, int]:
    """The verdict on a response: as a client with this key that offered all that is in it."""
    try:
        parsed = parse_response(data, eof=True)
        if _INTERIM.match(data) and b"\r\n\r\n" in data:
            return None, _head_size(data)
        if parsed is None:
            return _cut_head(data), len(data)
        response, size = parsed
        if key is not None:
            extensions = parse_extensions(response.headers.get("sec-websocket-extensions", "x"))
            offered = response.headers.get_all("sec-websocket-protocol")
            check_response(response, key, offered, extensions)
    except HandshakeError as error:
        return error, _head_size(data)
    return None, size


def _cut_head(data: bytes) -> IncompleteFrame:
    there = next(size for size in (3, 2, 1, 0) if data.endswith(b"\r\n\r\n"[:size]))
    return IncompleteFrame(
        "the head is cut: an empty line ends it", missing=4 - there, section="RFC 9112 §2.1"
    )


def _head_size(data: bytes) -> int:
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end + 4


def _find_culprit_line(fields: list[Field], error: RemoteProtocolError | None) -> str | None:
    """The field that the message names first."""
    if error is None:
        return None
    # "the server's 101 is not valid: its ...": what comes after the colon is meant, not the 101.
    message = error.message.lower().removeprefix("the server's 101 is not valid: ")
    places = {
        place: field.name
        for field in reversed(fields)
        for words in (field.name, field.raw[:50])
        if (place := message.find(words.lower())) >= 0
    }
    return places[min(places)] if places else None
