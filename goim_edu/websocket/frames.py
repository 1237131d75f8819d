r"""Frames: how WebSocket sends everything, header and payload (RFC 6455 §5.2 to §5.5).

    octet 0          octet 1         0, 2 or 8 octets   0 or 4 octets   length octets
    FIN RSV opcode   MASK length     longer length      masking key     payload
    1   3   4        1    7

A length up to 125 stands in the second octet itself; 126 says that 16 bits follow, 127 that 64
bits follow. Clients mask what they send, servers never do.

One function reads headers, ``parse_header``, and one judges them, ``check_header``. ``parse_frame``
uses both for one frame, ``FrameDecoder`` for a stream that arrives in any pieces.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from goim_edu.errors import IncompleteFrame, LocalProtocolError, RemoteProtocolError
from goim_edu.websocket.masking import apply_mask
from goim_edu.websocket.octets import Octets, as_octets
from goim_edu.websocket.wanted import wanted

__all__ = [
    "MAX_CONTROL_PAYLOAD",
    "Frame",
    "Header",
    "Opcode",
    "apply_mask",
    "build_frame",
    "build_header",
    "check_header",
    "encode_text",
    "parse_frame",
    "parse_header",
]

MAX_CONTROL_PAYLOAD: Final = 125
"""Octets that a Close, Ping or Pong may carry (RFC 6455 §5.5)."""


class Opcode(IntEnum):
    """What a frame is (RFC 6455 §5.2, §11.8); 3 to 7 and 11 to 15 are reserved.

    >>> Opcode.PING, Opcode.PING.is_control
    (<Opcode.PING: 9>, True)
    """

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

    @property
    def is_control(self) -> bool:
        """Whether it steers the connection rather than carrying data (RFC 6455 §5.5)."""
        return self >= Opcode.CLOSE


_OPCODES: Final = {int(opcode): opcode for opcode in Opcode}
_LAYOUT: Final = "RFC 6455 §5.2"  # "Base Framing Protocol"


class Frame(NamedTuple):
    """One frame: its payload, and what its header says about it.

    Args:
        opcode: what it is.
        payload: its octets, unmasked.
        fin: whether it ends its message.
        mask_key: the four octets that it was masked with, or None.
        rsv1: with permessage-deflate: the message is compressed (RFC 7692 §6).
        rsv2: reserved, no known extension uses it.
        rsv3: reserved, no known extension uses it.

    >>> Frame(Opcode.TEXT, b"Hello", mask_key=bytes.fromhex("37fa213d"))
    Frame(TEXT, b'Hello', mask_key=37fa213d)
    """

    opcode: Opcode
    payload: bytes
    fin: bool = True
    mask_key: bytes | None = None
    rsv1: bool = False
    rsv2: bool = False
    rsv3: bool = False

    @property
    def masked(self) -> bool:
        """Whether a masking key came with it."""
        return self.mask_key is not None

    def __repr__(self) -> str:
        payload = repr(self.payload if len(self.payload) <= 40 else self.payload[:40])
        # A learner's frame may have a plain number there.
        details = [getattr(self.opcode, "name", f"opcode {self.opcode}"), payload]
        if len(self.payload) > 40:
            details[1] += f"... {len(self.payload)} octets"
        if not self.fin:
            details.append("fin=False")
        if self.mask_key is not None:
            details.append(f"mask_key={self.mask_key.hex()}")
        details += [f"{name}=True" for name in ("rsv1", "rsv2", "rsv3") if getattr(self, name)]
        return f"Frame({', '.join(details)})"


class Header(NamedTuple):
    """The layout of one header as it was sent; ``check_header`` judges whether it is right.

    Args:
        fin: the first bit.
        rsv1: the second bit.
        rsv2: the third bit.
        rsv3: the fourth bit.
        opcode: the next four bits, 0 to 15, reserved ones too.
        masked: the first bit of the second octet.
        length_code: its other seven bits: the length itself, or 126 or 127.
        length: octets of payload, 0 to 2**64 - 1.
        mask_key: four octets if ``masked``, else None.
        size: octets of this header, 2 to 14.
    """

    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    opcode: int
    masked: bool
    length_code: int
    length: int
    mask_key: bytes | None
    size: int


# ---------------------------------------------------------------------- reading a header


def parse_header(data: Octets, offset: int = 0) -> Header:
    """Read the layout of the header at ``offset`` (RFC 6455 §5.2) without judging it.

    Args:
        data: octets that hold a header.
        offset: where it starts.

    Raises:
        IncompleteFrame: the header is cut; ``missing`` octets more complete its next field.

    >>> header = parse_header(bytes.fromhex("82 7e 01 00"))
    >>> header.opcode, header.length_code, header.length, header.size
    (2, 126, 256, 4)
    """
    if type(data) is not bytes:
        data = as_octets(data)
    available = len(data) - offset
    if available < 2:
        raise IncompleteFrame("the header is cut", missing=2 - available, section=_LAYOUT)
    first = data[offset]
    second = data[offset + 1]
    masked = second >= 0x80
    code = second & 0x7F
    length_end = 2 if code < 126 else 4 if code == 126 else 10
    size = length_end + 4 if masked else length_end
    if available < size:
        raise IncompleteFrame("the header is cut", missing=size - available, section=_LAYOUT)
    # §5.2: numbers are sent in network byte order, the highest octet first.
    length = code if code < 126 else int.from_bytes(data[offset + 2 : offset + length_end])
    return Header(
        first >= 0x80,
        first & 0x40 != 0,
        first & 0x20 != 0,
        first & 0x10 != 0,
        first & 0x0F,
        masked,
        code,
        length,
        data[offset + length_end : offset + size] if masked else None,
        size,
    )


def check_header(
    header: Header,
    *,
    masked: bool | None = None,
    allow_rsv1: bool = False,
    max_frame_size: int | None = None,
) -> None:
    """Every rule that one header can break (RFC 6455 §5.1, §5.2, §5.5).

    Args:
        header: what ``parse_header`` read.
        masked: whether it must be: True on a server, False on a client, None accepts both.
        allow_rsv1: permessage-deflate was agreed on.
        max_frame_size: the longest payload that we take, in octets; None takes all.

    Raises:
        RemoteProtocolError: the rule that is broken, and its section; 1009 for a frame that is
            larger than ``max_frame_size``.

    >>> check_header(parse_header(bytes.fromhex("83 00")))
    Traceback (most recent call last):
    ...
    goim_edu.errors.RemoteProtocolError: opcode 3 is reserved (RFC 6455 §5.2)
    """
    wanted(header, Header, "what is checked is a Header")
    first = header.fin << 7 | header.rsv1 << 6 | header.rsv2 << 5 | header.rsv3 << 4 | header.opcode
    check_start(first, header.masked << 7 | header.length_code, masked, allow_rsv1)
    check_length(header, max_frame_size)


def check_start(first: int, second: int, masked: bool | None, allow_rsv1: bool) -> None:
    """The rules that the first two octets can break."""
    opcode = first & 0x0F
    if opcode not in _OPCODES:
        raise RemoteProtocolError(f"opcode {opcode} is reserved", section=_LAYOUT)
    if first & 0x70:
        _check_reserved_bits(first, opcode, allow_rsv1)
    if opcode >= 0x8:
        name = _OPCODES[opcode].name
        # §5.5: control frames may stand between the fragments of a message, so they must be short
        # and whole.
        if first < 0x80:
            raise RemoteProtocolError(
                f"a control frame ({name}) is fragmented", section="RFC 6455 §5.5"
            )
        if second & 0x7F > MAX_CONTROL_PAYLOAD:
            raise RemoteProtocolError(
                f"a control frame ({name}) is longer than 125 octets", section="RFC 6455 §5.5"
            )
    if masked is not None and (second >= 0x80) != masked:
        wanted(masked, bool, "masked is True, False or None")
        # §5.1: a client masks every frame, a server none; the other side closes on anything else.
        fault = "the client did not mask" if masked else "the server masked"
        raise RemoteProtocolError(f"{fault} a frame", section="RFC 6455 §5.1")


def _check_reserved_bits(first: int, opcode: int, allow_rsv1: bool) -> None:
    """§5.2: zero, unless an extension that was agreed on gives them a meaning."""
    if first & 0x30:
        raise RemoteProtocolError("RSV2 or RSV3 is set, no extension uses them", section=_LAYOUT)
    if not allow_rsv1:
        raise RemoteProtocolError("RSV1 is set, no extension was agreed on", section=_LAYOUT)
    if opcode not in (Opcode.TEXT, Opcode.BINARY):
        raise RemoteProtocolError(
            f"RSV1 is set on a frame that does not start a message ({_OPCODES[opcode].name})",
            section="RFC 7692 §6",
        )


def check_length(header: Header, max_frame_size: int | None) -> None:
    """The rules that the length can break."""
    length = header.length
    # §5.2: the shortest of the three forms must be used; else one length has several spellings.
    if header.length_code == 126 and length < 126:
        raise RemoteProtocolError(
            f"length {length} is written with 16 bits, 7 would do", section=_LAYOUT
        )
    if header.length_code == 127:
        if length >= 1 << 63:
            raise RemoteProtocolError("the highest bit of a 64-bit length is set", section=_LAYOUT)
        if length < 1 << 16:
            raise RemoteProtocolError(
                f"length {length} is written with 64 bits, fewer would do", section=_LAYOUT
            )
    if max_frame_size is None:
        return
    wanted(max_frame_size, int, "max_frame_size is an int or None")
    if length > max_frame_size:
        raise RemoteProtocolError(
            f"a frame of {length} octets, we take {max_frame_size}",
            close_code=1009,
            section="RFC 6455 §7.4.1",
        )


# ---------------------------------------------------------------------- one frame


def build_frame(
    payload: Octets | str,
    opcode: int = Opcode.TEXT,
    fin: bool = True,
    mask_key: Octets | None = None,
    rsv1: bool = False,
) -> bytes:
    """Write one frame, with the shortest form of its length (RFC 6455 §5.2).

    Args:
        payload: its octets; a ``str`` is written as UTF-8.
        opcode: what it is.
        fin: whether it ends its message.
        mask_key: four fresh random octets on a client, None on a server.
        rsv1: the payload is a compressed message or the start of one.

    Raises:
        LocalProtocolError: the frame would break a rule.
        TypeError: the payload is neither text nor octets.

    >>> build_frame("Hello", mask_key=bytes.fromhex("37fa213d")).hex(" ")
    '81 85 37 fa 21 3d 7f 9f 4d 51 58'
    """
    wanted(opcode, int, "an opcode is an Opcode, or its number")
    if isinstance(payload, str):
        if opcode not in (Opcode.TEXT, Opcode.CONTINUATION):
            raise LocalProtocolError("only a text message is made of str, this needs bytes")
        payload = encode_text(payload)
    elif type(payload) is not bytes:
        payload = as_octets(payload)
    _check_own_frame(opcode, fin, rsv1, len(payload))
    header = build_header(fin << 7 | rsv1 << 6 | opcode, len(payload), mask_key is not None)
    if mask_key is None:
        return header + payload
    mask_key = as_octets(mask_key)
    return header + mask_key + apply_mask(payload, mask_key)


def build_header(first: int, length: int, masked: bool) -> bytes:
    """Write the first two octets and the length, in the shortest of its three forms (§5.2).

    Args:
        first: FIN, RSV1 to RSV3 and opcode.
        length: octets of payload, 0 to 2**63 - 1.
        masked: whether a masking key follows.

    >>> build_header(0x82, 256, masked=True).hex(" ")
    '82 fe 01 00'
    """
    mask_bit = masked << 7
    if length < 126:
        return bytes((first, mask_bit | length))
    if length < 1 << 16:
        return bytes((first, mask_bit | 126)) + length.to_bytes(2)
    return bytes((first, mask_bit | 127)) + length.to_bytes(8)


def encode_text(text: str) -> bytes:
    """The UTF-8 of a text (RFC 6455 §5.6).

    Raises:
        LocalProtocolError: it has no such form, since it holds half of a surrogate pair.
        TypeError: it is not a ``str``.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"this text has no UTF-8 form: {error}") from None
    except AttributeError:
        raise TypeError(f"a text is made of str, not {type(text).__name__}") from None


def _check_own_frame(opcode: int, fin: bool, rsv1: bool, length: int) -> None:
    """The rules of ``check_header``, for a frame of our own."""
    if opcode not in _OPCODES:
        raise LocalProtocolError(f"opcode {opcode} is reserved (RFC 6455 §5.2)")
    if opcode >= Opcode.CLOSE and not fin:
        raise LocalProtocolError("a control frame cannot be fragmented (RFC 6455 §5.5)")
    if opcode >= Opcode.CLOSE and length > MAX_CONTROL_PAYLOAD:
        raise LocalProtocolError(
            f"a control frame holds at most 125 octets, not {length} (RFC 6455 §5.5)"
        )
    if rsv1 and opcode not in (Opcode.TEXT, Opcode.BINARY):
        raise LocalProtocolError("RSV1 stands on the first frame of a message only (RFC 7692 §6)")


def parse_frame(
    data: Octets,
    *,
    masked: bool | None = None,
    allow_rsv1: bool = False,
    max_frame_size: int | None = None,
) -> tuple[Frame, int]:
    """Read one frame from the start of the octets (RFC 6455 §5.2).

    Args:
        data: at least one whole frame; what follows it is left alone.
        masked: whether the frame must be masked; None accepts both.
        allow_rsv1: permessage-deflate was agreed on.
        max_frame_size: the longest payload to take, in octets; None takes all.

    Returns:
        The frame, and how many octets it takes.

    Raises:
        IncompleteFrame: the octets end inside the frame; ``missing`` more are needed at least.
        RemoteProtocolError: a rule is broken.

    >>> frame, consumed = parse_frame(bytes.fromhex("81 05 48 65 6c 6c 6f 81"))
    >>> frame, consumed
    (Frame(TEXT, b'Hello'), 7)
    """
    data = as_octets(data)
    if len(data) >= 2:  # a wrong start stays wrong, however much is still to come
        check_start(data[0], data[1], masked, allow_rsv1)
    header = parse_header(data)
    check_length(header, max_frame_size)
    end = header.size + header.length
    if len(data) < end:
        raise IncompleteFrame("the payload is cut", missing=end - len(data), section=_LAYOUT)
    payload = bytes(data[header.size : end])
    if header.mask_key is not None:
        payload = apply_mask(payload, header.mask_key)
    return make_frame(header, payload), end


def make_frame(header: Header, payload: bytes) -> Frame:
    """The frame of a header that is good, and of its unmasked payload."""
    return Frame(
        _OPCODES[header.opcode],
        payload,
        header.fin,
        header.mask_key,
        header.rsv1,
        header.rsv2,
        header.rsv3,
    )
