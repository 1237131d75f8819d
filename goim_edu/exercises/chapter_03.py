"""Exercises of chapter 03: frames (RFC 6455 §5.2 to §5.5)."""

from __future__ import annotations

from typing import Any, Final

from goim_edu.draw.wrong_bit import frame_fields
from goim_edu.errors import IncompleteFrame, RemoteProtocolError
from goim_edu.exercises import made_up_frames
from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.feedback.wording import forgotten_prefix
from goim_edu.websocket.frames import Frame, Opcode, apply_mask, build_frame, parse_frame

_HELLO: Final = bytes.fromhex("81 05 48 65 6c 6c 6f")
_HELLO_MASKED: Final = bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
_KEY: Final = bytes.fromhex("37 fa 21 3d")
_PING: Final = bytes.fromhex("89 05 48 65 6c 6c 6f")

# ---------------------------------------------------------------------- 03.1

_FIRST_LOOK = Predict(
    id="03.1",
    right="c",
    experiment="""
        from goim_edu.protocol import build_frame
        build_frame("Hi").hex(" ")
    """,
)

# ---------------------------------------------------------------------- 03.2


def read_start(data: bytes) -> tuple[bool, int, bool, int]:
    """FIN, opcode, MASK and the seven length bits of a frame (RFC 6455 §5.2)."""
    first, second = data[0], data[1]
    fin = bool(first & 0b1000_0000)
    opcode = first & 0b0000_1111
    masked = bool(second & 0b1000_0000)
    length_code = second & 0b0111_1111
    return fin, opcode, masked, length_code


_READ_START = Function(
    id="03.2",
    starter="""
        def read_start(data):
            first, second = data[0], data[1]
            fin = ...
            opcode = ...
            masked = ...
            length_code = ...
            return fin, opcode, masked, length_code
    """,
    reference=read_start,
    parts=("fin", "opcode", "masked", "length_code"),
    reads={"fin": "FIN", "opcode": "opcode", "masked": "MASK", "length_code": "Payload length"},
    cases=(
        (_HELLO,),
        (_HELLO_MASKED,),
        (bytes.fromhex("01 03 48 65 6c"),),
        (bytes.fromhex("80 02 6c 6f"),),
        (bytes.fromhex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"),),
        (bytes.fromhex("82 7e 01 00") + bytes(256),),
        (bytes.fromhex("c1 07 f2 48 cd c9 c9 07 00"),),
    ),
    make=lambda c: (bytes((c.integer(0, 255), c.integer(0, 255))) + c.octets(0, 3),),
    wrong=(
        ("first & 0b0000_1111", "first"),
        ("first & 0b0000_1111", "first & 0b0111_1111"),
        ("second & 0b0111_1111", "second"),
        ("bool(first & 0b1000_0000)", "bool(first & 0b0000_0001)"),
        ("bool(second & 0b1000_0000)", "bool(first & 0b1000_0000)"),
    ),
)

# ---------------------------------------------------------------------- 03.3

_HEADER_SIZE = Predict(
    id="03.3",
    answer=8,
    experiment="""
        from goim_edu.protocol import Opcode, build_frame
        len(build_frame(bytes(200), Opcode.BINARY, mask_key=b"abcd")) - 200
    """,
)

# ---------------------------------------------------------------------- 03.4


def build_one_frame(
    payload: bytes, opcode: int = 0x1, fin: bool = True, mask_key: bytes | None = None
) -> bytes:
    """One frame with the shortest form of its length (RFC 6455 §5.2)."""
    first = (0x80 if fin else 0) | opcode
    mask_bit = 0 if mask_key is None else 0x80
    length = len(payload)
    if length <= 125:
        head = bytes([first, mask_bit | length])
    elif length <= 65_535:
        head = bytes([first, mask_bit | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([first, mask_bit | 127]) + length.to_bytes(8, "big")
    if mask_key is None:
        return head + payload
    return head + mask_key + apply_mask(payload, mask_key)


def _make_build_arguments(c: Choices) -> tuple[Any, ...]:
    payload = c.octets(0, c.pick((10, 130, 700)))
    return payload, c.pick((1, 2, 0)), not c.flag(), made_up_frames.key(c)


_BUILD_FRAME = Function(
    id="03.4",
    serves=True,
    needs="from goim_edu.protocol import apply_mask",
    starter="""
        def build_frame(payload, opcode=0x1, fin=True, mask_key=None):
            first = (0x80 if fin else 0) | opcode
            head = bytes([first, len(payload)])   # what if it is longer than 125? what if masked?
            return head + payload
    """,
    reference=build_one_frame,
    called="build_frame",
    package=build_frame,
    fields=frame_fields,
    cases=(
        (b"Hello", 0x1, True, None),
        (b"Hello", 0x1, True, _KEY),
        (b"Hel", 0x1, False, None),
        (b"", 0x9, True, None),
        (b"a" * 125, 0x2, True, None),
        (b"a" * 126, 0x2, True, None),
        (b"a" * 256, 0x2, True, None),
        (b"a" * 65_535, 0x2, True, None),
        (b"a" * 65_536, 0x2, True, None),
        (b"a" * 126, 0x2, True, _KEY),
    ),
    make=_make_build_arguments,
    wrong=(
        ('"big"', '"little"'),
        ("length <= 125", "length <= 126"),
        ("length <= 65_535", "length < 65_535"),
        ('to_bytes(8, "big")', 'to_bytes(4, "big")'),
        ("mask_bit = 0 if mask_key is None else 0x80", "mask_bit = 0"),
        ("apply_mask(payload, mask_key)", "payload"),
        ("(0x80 if fin else 0)", "0x80"),
    ),
)

# ---------------------------------------------------------------------- 03.5

_NOTES_PARSE_FRAME: Final = """
    def parse_frame(data: bytes):
        byte1, byte2 = data[0], data[1]
        fin = (byte1 & 0x80) >> 7
        opcode = byte1 & 0x0F
        masked = (byte2 & 0x80) >> 7
        payload_len = byte2 & 0x7F
        offset = 2
        if payload_len == 126:
            payload_len = struct.unpack('>H', data[offset:offset+2])[0]
            offset += 2
        elif payload_len == 127:
            payload_len = struct.unpack('>Q', data[offset:offset+8])[0]
            offset += 8
        mask_key = None
        if masked:
            mask_key = data[offset:offset+4]
            offset += 4
        payload = data[offset:offset+payload_len]
        if masked and mask_key:
            payload = apply_mask(payload, mask_key)
        return fin, opcode, payload
"""


def take(data: bytes, start: int, count: int) -> bytes:
    """``count`` bytes from ``start`` on: all of them, or an error."""
    missing = start + count - len(data)
    if missing > 0:
        raise IncompleteFrame("more bytes are needed", missing=missing)
    return data[start : start + count]


def parse_whole_frame(data: bytes) -> tuple[int, int, bytes, int]:
    """The first frame: FIN, opcode, payload, and how many bytes it took."""
    byte1, byte2 = take(data, 0, 2)
    fin = (byte1 & 0x80) >> 7
    opcode = byte1 & 0x0F
    masked = (byte2 & 0x80) >> 7
    payload_len = byte2 & 0x7F
    offset = 2
    if payload_len == 126:
        payload_len = int.from_bytes(take(data, offset, 2), "big")
        offset += 2
    elif payload_len == 127:
        payload_len = int.from_bytes(take(data, offset, 8), "big")
        offset += 8
    mask_key = None
    if masked:
        mask_key = take(data, offset, 4)
        offset += 4
    payload = take(data, offset, payload_len)
    offset += payload_len
    if mask_key is not None:
        payload = apply_mask(payload, mask_key)
    return fin, opcode, payload, offset


def _cut_or_followed(c: Choices) -> tuple[bytes]:
    """A frame, cut somewhere or with the start of another behind it."""
    data = made_up_frames.frame(c)
    if c.flag():
        return (data[: c.integer(0, len(data) - 1)],)
    return (data + c.octets(0, 3),)


_MEND_CUT = Function(
    id="03.5",
    kind="mend",
    needs="""
        import struct
        from goim_edu.protocol import IncompleteFrame, apply_mask
    """,
    starter=_NOTES_PARSE_FRAME,
    reference=parse_whole_frame,
    called="parse_frame",
    helpers=(take,),
    parts=("fin", "opcode", "payload", "consumed"),
    shows_fault=True,
    errors=(IncompleteFrame,),
    cases=(
        (_HELLO,),
        (_HELLO_MASKED,),
        (_HELLO + _PING,),
        (build_frame(b"a" * 65_536, Opcode.BINARY),),
        (_HELLO[:4],),
        (_HELLO[:1],),
        (b"",),
        (bytes.fromhex("82 7e 01"),),
        (bytes.fromhex("82 7f 00 00 00 00"),),
        (_HELLO_MASKED[:4],),
        (bytes.fromhex("89 80 37 fa"),),
        (bytes.fromhex("81 80 00 00 00 00"),),
    ),
    make=_cut_or_followed,
    wrong=(
        (
            "payload = take(data, offset, payload_len)",
            "payload = data[offset:offset + payload_len]",
        ),
        ("return fin, opcode, payload, offset", "return fin, opcode, payload, len(data)"),
        """
            def parse_frame(data):
                if len(data) < 2:
                    raise IncompleteFrame("cut", missing=1)
                fin, opcode, masked = data[0] >> 7, data[0] & 0x0F, data[1] >> 7
                length, offset = data[1] & 0x7F, 2
                if length > 125:
                    size = 2 if length == 126 else 8
                    if len(data) < 2 + size:
                        raise IncompleteFrame("cut", missing=1)
                    length, offset = int.from_bytes(data[2:2 + size], "big"), 2 + size
                if masked:
                    mask_key = data[offset:offset + 4]
                    offset += 4
                payload = data[offset:offset + length]
                if len(payload) < length:
                    raise IncompleteFrame("cut", missing=1)
                if masked and payload:
                    payload = apply_mask(payload, mask_key)
                return fin, opcode, payload, offset + length
        """,
        ("byte1, byte2 = take(data, 0, 2)", "byte1, byte2 = data[0], data[1]"),
        (
            'int.from_bytes(take(data, offset, 2), "big")',
            "struct.unpack('>H', data[offset:offset + 2])[0]",
        ),
        ("return fin, opcode, payload, offset", "return fin, opcode, payload, len(payload)"),
    ),
)

# ---------------------------------------------------------------------- 03.6


def check_start(fin: bool, rsv: int, opcode: int, length_code: int) -> None:
    """The rules that the first two bytes can break (RFC 6455 §5.2, §5.5)."""
    if rsv:
        raise RemoteProtocolError("a reserved bit is set")
    if opcode not in (0x0, 0x1, 0x2, 0x8, 0x9, 0xA):
        raise RemoteProtocolError(f"opcode {opcode} is reserved")
    if opcode >= 0x8 and not fin:
        raise RemoteProtocolError("a control frame is fragmented")
    if opcode >= 0x8 and length_code > 125:
        raise RemoteProtocolError("a control frame is longer than 125 bytes")


def check_length(length_code: int, length: int) -> None:
    """The rules that the longer length can break (RFC 6455 §5.2)."""
    if length_code == 126 and length <= 125:
        raise RemoteProtocolError("7 bits would have done for this length")
    if length_code == 127 and length <= 65_535:
        raise RemoteProtocolError("16 bits would have done for this length")
    if length >= 2**63:
        raise RemoteProtocolError("the highest bit of a 64-bit length is set")


def parse_good_frame(data: bytes) -> tuple[Frame, int]:
    """The first frame, if it keeps all the rules, and how many bytes it took."""
    first, second = take(data, 0, 2)
    fin, rsv, opcode = bool(first & 0x80), first & 0x70, first & 0x0F
    masked, length = bool(second & 0x80), second & 0x7F
    check_start(fin, rsv, opcode, length)
    offset = 2
    if length in (126, 127):
        size = 2 if length == 126 else 8
        code, length = length, int.from_bytes(take(data, offset, size), "big")
        check_length(code, length)
        offset += size
    mask_key = None
    if masked:
        mask_key = take(data, offset, 4)
        offset += 4
    payload = take(data, offset, length)
    if mask_key is not None:
        payload = apply_mask(payload, mask_key)
    return Frame(Opcode(opcode), payload, fin, mask_key), offset + length


def _make_perhaps_bad(c: Choices) -> tuple[bytes]:
    """A good frame, perhaps cut, or a whole frame with any first byte or a longer length."""
    if c.flag():
        return _cut_or_followed(c)
    payload = c.octets(0, 4)
    code = c.pick((-1, 126, 127))
    length = len(payload).to_bytes(2 if code == 126 else 8)
    head = bytes([c.pick((0x80, 0)) | c.integer(0, 127)])
    return (head + (bytes([len(payload)]) if code < 0 else bytes([code]) + length) + payload,)


_MEND_RULES = Function(
    id="03.6",
    serves=True,
    kind="mend",
    needs="from goim_edu.protocol import (\n"
    "    Frame, IncompleteFrame, Opcode, RemoteProtocolError, apply_mask,\n)",
    starter="""
        def take(data, start, count):
            missing = start + count - len(data)
            if missing > 0:
                raise IncompleteFrame("more bytes are needed", missing=missing)
            return data[start : start + count]


        def parse_frame(data):
            first, second = take(data, 0, 2)
            fin, opcode = bool(first & 0x80), first & 0x0F
            masked, length = bool(second & 0x80), second & 0x7F
            offset = 2
            if length in (126, 127):
                size = 2 if length == 126 else 8
                length = int.from_bytes(take(data, offset, size), "big")
                offset += size
            mask_key = None
            if masked:
                mask_key = take(data, offset, 4)
                offset += 4
            payload = take(data, offset, length)
            if mask_key is not None:
                payload = apply_mask(payload, mask_key)
            return Frame(Opcode(opcode), payload, fin, mask_key), offset + length
    """,
    reference=parse_good_frame,
    called="parse_frame",
    package=parse_frame,
    helpers=(take, check_start, check_length),
    parts=("frame", "consumed"),
    shows_fault=True,
    errors=(IncompleteFrame, RemoteProtocolError),
    cases=(
        (_HELLO + b"...",),
        (_HELLO_MASKED,),
        (_HELLO[:6],),
        (bytes.fromhex("c1 05 48 65 6c 6c 6f"),),
        (bytes.fromhex("91 05 48 65 6c 6c 6f"),),
        (bytes.fromhex("83 00"),),
        (bytes.fromhex("8b 00"),),
        (bytes.fromhex("09 05 48 65 6c 6c 6f"),),
        (bytes.fromhex("89 7e 00 7e") + bytes(126),),
        (bytes.fromhex("89 7d") + bytes(125),),
        (bytes.fromhex("81 7e 00 05 48 65 6c 6c 6f"),),
        (bytes.fromhex("82 7e 00 7e") + bytes(126),),
        (bytes.fromhex("82 7f 00 00 00 00 00 00 ff ff") + bytes(65_535),),
        (bytes.fromhex("82 7f 80 00 00 00 00 00 00 00"),),
        (bytes.fromhex("82 7f 40 00 00 00 00 00 00 00"),),
        (bytes.fromhex("82 7f 00 00 00 00 00 01 00 00") + bytes(65_536),),
        (bytes.fromhex("82 7e 00 7d") + bytes(125),),
        (bytes.fromhex("08 02 03 e8"),),
        (bytes.fromhex("88 7e 00 7e 03 e8") + b"a" * 124,),
    ),
    make=_make_perhaps_bad,
    wrong=(
        ("if rsv:", "if False:"),
        ("first & 0x70", "first & 0x40"),
        ("if opcode not in (0x0, 0x1, 0x2, 0x8, 0x9, 0xA):", "if False:"),
        ("if opcode >= 0x8 and not fin:", "if False:"),
        ("opcode >= 0x8 and length_code > 125", "opcode >= 0x8 and length_code == 127"),
        ("if length_code == 126 and length <= 125:", "if False:"),
        ("length <= 65_535", "length <= 125"),
        ("if length >= 2**63:", "if False:"),
    ),
)

# ---------------------------------------------------------------------- 03.7

_SIZES = (5, 125, 126, 65_535, 65_536)


def _judge_headers(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return "A dictionary is wanted: payload size -> bytes of header."
    for size in _SIZES:
        right = len(build_frame(bytes(size), Opcode.BINARY, mask_key=bytes(4))) - size
        yours = answer.get(size)
        if yours is None:
            return f"The figure for a payload of {size:,} bytes is missing."
        if yours == right:
            continue
        if yours == right - 4:
            return (
                f"For {size:,} bytes you found {yours}. That is what a server's frame has: did "
                "you give `build_frame` a masking key?"
            )
        if yours == right + size:
            return f"For {size:,} bytes you found {yours:,}: that is header and payload together."
        return f"For {size:,} bytes you found {yours!r}. Take the payload's size off the frame's."
    return None


_HEADERS = Measure(
    id="03.7",
    starter="""
        from goim_edu.protocol import Opcode, build_frame

        answer = {}
        for size in (5, 125, 126, 65_535, 65_536):
            frame = build_frame(bytes(size), Opcode.BINARY)
            answer[size] = ...
    """,
    solved=("Opcode.BINARY)", 'Opcode.BINARY, mask_key=b"abcd")', "...", "len(frame) - size"),
    judge=_judge_headers,
    wrong=(
        ({5: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}, "masking key"),
        ({5: 11, 125: 131, 126: 134, 65_535: 65_543, 65_536: 65_550}, "together"),
        ({5: 6, 125: 6}, "126 bytes is missing"),
        ({5: 6, 125: 8, 126: 8, 65_535: 8, 65_536: 14}, "For 125 bytes"),
        (None, "dictionary"),
    ),
)

# ---------------------------------------------------------------------- 03.8


def take_frames(buffer: bytes) -> tuple[list[Frame], bytes]:
    """All whole frames at the start of ``buffer``, and the bytes that are left."""
    frames: list[Frame] = []
    while True:
        try:
            frame, consumed = parse_frame(buffer)
        except IncompleteFrame:
            return frames, buffer
        frames.append(frame)
        buffer = buffer[consumed:]


def _feed(function: Any, pieces: list[bytes]) -> Any:
    """Give the pieces one by one, as they come from a socket, each behind what was left."""
    frames: list[Frame] = []
    rest = b""
    for piece in pieces:
        result = function(rest + piece)
        match result:
            case [[*found], bytes() | bytearray() | memoryview() as left]:
                frames += found
                rest = bytes(left)
            case _:
                return result  # not of the wanted shape: the message says so
    return frames, rest


_STREAM = Function(
    id="03.8",
    needs="from goim_edu.protocol import IncompleteFrame, parse_frame",
    starter="""
        def take_frames(buffer):
            frame, consumed = parse_frame(buffer)
            return [frame], buffer[consumed:]
    """,
    reference=take_frames,
    drive=_feed,
    usage="pieces = {0}",
    parts=("frames", "rest"),
    cases=(
        ([_HELLO],),
        ([_HELLO + _PING],),
        ([_HELLO[:4], _HELLO[4:]],),
        ([b""],),
        ([_HELLO + _PING[:3], _PING[3:]],),
        ([bytes([byte]) for byte in _HELLO_MASKED + _PING],),
    ),
    make=lambda c: (made_up_frames.stream(c),),
    wrong=(
        ("return frames, buffer", "return [], buffer"),
        ("return frames, buffer", 'return frames, b""'),
        """
            def take_frames(buffer):
                try:
                    frame, consumed = parse_frame(buffer)
                except IncompleteFrame:
                    return [], buffer
                return [frame], buffer[consumed:]
        """,
        ("buffer = buffer[consumed:]", "pass"),
        """
            def take_frames(buffer):
                frames = []
                while buffer:
                    frame, consumed = parse_frame(buffer)
                    frames.append(frame)
                    buffer = buffer[consumed:]
                return frames, buffer
        """,
    ),
)

# ---------------------------------------------------------------------- 03.9

_BYTE: Final = 0x5A
_BY_HAND: Final = {
    "keep": (_BYTE & 0x0F, "`&` leaves a 1 only where both numbers have one."),
    "set": (_BYTE | 0x80, "Only the leftmost bit becomes 1; all others stay as they are."),
    "flip": (_BYTE ^ 0xFF, "Each of the eight bits becomes the other one."),
    "away": (_BYTE >> 4, "The four left bits move to the right, and nothing else is left."),
}


def _judge_by_hand(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return "A dictionary is wanted: keep, set, flip and away, each with its number."
    for name, (right, rule) in _BY_HAND.items():
        yours = answer.get(name, ...)
        if yours is ...:
            return f"`{name}` has no number yet. {rule}"
        if not isinstance(yours, int):
            return f"`{name}` is {yours!r}: write a number, such as `0x0f`, without quotes."
        if yours != right:
            if meant := forgotten_prefix(yours, right):
                return f"`{name}` is {yours} in yours; did you mean `{meant}`?"
            bits = f"{yours:09_b}" if 0 <= yours < 256 else str(yours)
            return f"`{name}` is {bits} in yours. {rule}"
    return None


_OPERATORS = Measure(
    id="03.9",
    starter="""
        # 0x5a is 0b0101_1010
        answer = {
            "keep": ...,    # its four right bits
            "set": ...,     # with its leftmost bit set
            "flip": ...,    # with all eight bits turned over
            "away": ...,    # without its four right bits
        }
    """,
    solved=(
        '"keep": ...',
        '"keep": 0x0a',
        '"set": ...',
        '"set": 0xda',
        '"flip": ...',
        '"flip": 0xa5',
        '"away": ...',
        '"away": 0x05',
    ),
    judge=_judge_by_hand,
    wrong=(
        ({"keep": 0x50, "set": 0xDA, "flip": 0xA5, "away": 5}, "`keep` is 0101_0000"),
        ({"keep": 10, "set": 0x5B, "flip": 0xA5, "away": 5}, "leftmost bit becomes 1"),
        ({"keep": 10, "set": 0xDA, "flip": ~0x5A, "away": 5}, "`flip` is -91"),
        ({"keep": 10, "set": 0xDA, "flip": 0xA5, "away": 0x50}, "move to the right"),
        ({"keep": 10, "set": 0xDA, "flip": 0xA5}, "`away` has no number yet"),
        ({"keep": 1010, "set": 0xDA, "flip": 0xA5, "away": 5}, "did you mean `0b1010`"),
        ({"keep": "0x0a", "set": 0xDA, "flip": 0xA5, "away": 5}, "without quotes"),
        (None, "dictionary"),
    ),
)
