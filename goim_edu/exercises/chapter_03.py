"""Exercises of chapter 03: frames (RFC 6455 §5.2 to §5.5)."""

from __future__ import annotations

from typing import Any, Final

from goim_edu.draw.wrong_bit import frame_fields
from goim_edu.errors import IncompleteFrame, RemoteProtocolError
from goim_edu.exercises import sample_frames
from goim_edu.exercises.model import (
    Case,
    Exercise,
    Function,
    Measure,
    Option,
    Predict,
    Wrong,
    code,
)
from goim_edu.exercises.samples import Choices
from goim_edu.websocket.frames import Frame, Opcode, apply_mask, build_frame, parse_frame

__all__ = ["EXERCISES"]

_HELLO: Final = bytes.fromhex("81 05 48 65 6c 6c 6f")
_HELLO_MASKED: Final = bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
_KEY: Final = bytes.fromhex("37 fa 21 3d")
_PING: Final = bytes.fromhex("89 05 48 65 6c 6c 6f")

# ---------------------------------------------------------------------- 03.1

_FIRST_LOOK = Predict(
    id="03.1",
    title="Two letters on the wire",
    statement="A server sends the text `Hi`, whole, in one frame. Which bytes does it write?",
    options=(
        Option(
            "01 02 48 69",
            """The first byte is 0000 0001: FIN is 0. This frame would promise that more of the
                message follows, but `Hi` is whole.""",
        ),
        Option(
            "81 82 48 69",
            """The second byte is 1000 0010: MASK is 1. Then four bytes of key must follow it,
                and a server never masks.""",
        ),
        Option(
            "81 02 48 69",
            "FIN and opcode 1 make 81, no mask and two bytes of payload make 02, then the text.",
            right=True,
        ),
        Option(
            "82 02 48 69",
            """The first byte is 1000 0010: the opcode is 2, binary. The receiver would hand on
                bytes, not text.""",
        ),
    ),
    experiment=code("""
        from goim_edu.protocol import build_frame
        build_frame("Hi").hex(" ")
    """),
    hints=(
        "Write the first byte as eight bits: FIN, three reserved bits, four bits of opcode.",
        "The whole message is in this frame, so FIN is 1; text has the opcode 0001.",
        "The second byte is one bit MASK, which is 0 from a server, and seven bits of length.",
    ),
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
    title="Read the first two bytes",
    statement=(
        """Write `read_start(data)`. It takes the first two bytes of a frame apart and gives
            back `(fin, opcode, masked, length_code)`: two flags (`True` or `False`), the number
            of the opcode, and the seven length bits just as they stand there, 126 and 127 too."""
    ),
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
    reads={
        "fin": "FIN",
        "opcode": "opcode",
        "masked": "MASK",
        "length_code": "Payload length",
    },
    cases=(
        Case(
            (_HELLO,),
            "the text `Hello` from a server (RFC 6455 §5.7)",
            "FIN is the highest bit of the first byte (0x80), the opcode its lowest four (0x0f).",
        ),
        Case(
            (_HELLO_MASKED,),
            "the same text from a client, masked (RFC 6455 §5.7)",
            "MASK is the highest bit of the second byte; only the other seven (0x7f) are length.",
        ),
        Case(
            (bytes.fromhex("01 03 48 65 6c"),),
            "the first fragment of a text (RFC 6455 §5.7)",
            "FIN is 0 here: more of the message follows.",
        ),
        Case(
            (bytes.fromhex("80 02 6c 6f"),),
            "its last fragment (RFC 6455 §5.7)",
            "FIN is 1 and the opcode is 0, a continuation.",
        ),
        Case(
            (bytes.fromhex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"),),
            "a Pong from a client (RFC 6455 §5.7)",
            "The opcode is 10, which needs all four of its bits (0x0f).",
        ),
        Case(
            (bytes.fromhex("82 7e 01 00") + bytes(256),),
            "256 bytes, whose length stands behind (RFC 6455 §5.7)",
            "The seven bits say 126 here, which is to be given back as it stands.",
        ),
        Case(
            (bytes.fromhex("c1 07 f2 48 cd c9 c9 07 00"),),
            "a compressed text, with RSV1 set (RFC 7692 §7.2.3.1)",
            """The three bits after FIN are RSV1 to RSV3. They belong neither to FIN nor to the
                opcode, which has the lowest four bits only.""",
        ),
    ),
    make=lambda c: (bytes((c.integer(0, 255), c.integer(0, 255))) + c.octets(0, 3),),
    hints=(
        "`&` keeps the bits that both numbers have: `0b1010 & 0b0110` is `0b0010`.",
        "`first & 0x80` is 0 or 128: `bool(...)` of it is FIN. `first & 0x0f` is the opcode.",
        """The second byte goes the same way: `second & 0x80` for MASK, `second & 0x7f` for the
            length.""",
    ),
    wrong=(
        Wrong(
            "opcode",
            "first & 0b0000_1111",
            "first",
            tip="the opcode has the whole first byte, FIN included.",
        ),
        Wrong(
            "lowest four bits",
            "first & 0b0000_1111",
            "first & 0b0111_1111",
            tip="the opcode still has the three reserved bits in it.",
        ),
        Wrong(
            "the other seven",
            "second & 0b0111_1111",
            "second",
            tip="the length still has the MASK bit in it, so it is 128 too big for clients.",
        ),
        Wrong(
            "`fin`",
            "bool(first & 0b1000_0000)",
            "bool(first & 0b0000_0001)",
            tip="bits are counted from the left in the RFC: FIN is the highest bit, worth 128.",
        ),
        Wrong(
            "`masked`",
            "bool(second & 0b1000_0000)",
            "bool(first & 0b1000_0000)",
            tip="MASK was read from the first byte; it stands in the second.",
        ),
    ),
    after="`goim_edu.protocol.parse_header` does this, and reads the rest of the header.",
)

# ---------------------------------------------------------------------- 03.3

_HEADER_SIZE = Predict(
    id="03.3",
    title="How long is a header?",
    statement=(
        "A browser sends 200 bytes in one frame. How many bytes of *header* stand before them?"
    ),
    answer=8,
    wrong={
        2: """Two bytes are the least that there is. But 200 does not fit into seven bits, and a
            browser masks.""",
        4: """Two bytes and two of longer length: that would be right from a server. A browser
            masks, and the key is part of the header.""",
        6: """Two bytes and four of key: that is right up to 125 bytes of payload. Does 200 fit
            into the seven bits?""",
        14: """That is the longest header that there is, with a length of eight bytes. 200 fits
            into two.""",
        12: "Eight bytes of length and no room for the rest? 200 fits into two bytes.",
        208: "That is the whole frame. Only the header is asked for.",
    },
    otherwise="Add up: the first two bytes, the longer length if there is one, the masking key.",
    experiment=code("""
        from goim_edu.protocol import Opcode, build_frame
        len(build_frame(bytes(200), Opcode.BINARY, mask_key=b"abcd")) - 200
    """),
    hints=(
        "Every header begins with two bytes.",
        "200 is more than 125, so the seven bits say 126 and the length follows in two bytes.",
        "A browser is a client: four bytes of masking key come last.",
    ),
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
    return payload, c.pick((1, 2, 0)), not c.flag(), sample_frames.key(c)


_SHORT_FORM = """Up to 125 the length stands in the second byte itself. 126 there says that two
    bytes of length follow, 127 that eight bytes follow, the highest byte first. The shortest
    form that fits must be used."""
_BUILD_FRAME = Function(
    id="03.4",
    title="Build a frame",
    statement=(
        """Write `build_frame(payload, opcode, fin, mask_key)`: the bytes of one frame, with
            the length in one of its three forms. With a `mask_key` of four bytes the frame is
            masked (`apply_mask(payload, mask_key)` does the payload for you); with `None` it is
            not."""
    ),
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
        Case(
            (b"Hello", 0x1, True, None),
            "the text `Hello` from a server (RFC 6455 §5.7)",
            "FIN and the opcode share the first byte; the second is MASK and length.",
        ),
        Case(
            (b"Hello", 0x1, True, _KEY),
            "the same from a client, masked (RFC 6455 §5.7)",
            """MASK is the highest bit of the second byte. The key follows the length, and then
                the masked payload.""",
        ),
        Case(
            (b"Hel", 0x1, False, None),
            "the first fragment of a text (RFC 6455 §5.7)",
            "FIN is 0 as long as more of the message follows.",
        ),
        Case((b"", 0x9, True, None), "a Ping without payload", "A length of 0 is written as 0."),
        Case((b"a" * 125, 0x2, True, None), "125 bytes, the most for the short form", _SHORT_FORM),
        Case((b"a" * 126, 0x2, True, None), "126 bytes, the least for 16 bits", _SHORT_FORM),
        Case(
            (b"a" * 256, 0x2, True, None),
            "256 bytes (RFC 6455 §5.7)",
            """256 is 0x0100. Numbers go over the network with their highest byte first
                (`int.to_bytes(2, 'big')`).""",
        ),
        Case((b"a" * 65_535, 0x2, True, None), "65,535 bytes, the most for 16 bits", _SHORT_FORM),
        Case((b"a" * 65_536, 0x2, True, None), "65,536 bytes, the least for 64 bits", _SHORT_FORM),
        Case(
            (b"a" * 126, 0x2, True, _KEY),
            "126 bytes, masked",
            "The key stands behind the longer length. The second byte is 0x80 | 126.",
        ),
    ),
    make=_make_build_arguments,
    hints=(
        "Make the head first: `bytes([first, second])`, and join what follows with `+`.",
        """Three cases: `length <= 125`, `length <= 65_535`, and longer. `length.to_bytes(2,
            'big')` gives the two bytes, highest first.""",
        """If there is a key: `0x80 |` the second byte, and at the end `head + mask_key +
            apply_mask(payload, mask_key)`.""",
    ),
    wrong=(
        Wrong(
            "the highest byte first",
            '"big"',
            '"little"',
            tip="the length has its lowest byte first (little-endian).",
        ),
        Wrong(
            "126 there says that two bytes",
            "length <= 125",
            "length <= 126",
            tip="126 is written into the seven bits, where it means something else.",
        ),
        Wrong(
            "65,535 bytes, the most for 16 bits",
            "length <= 65_535",
            "length < 65_535",
            tip="65,535 still fits into two bytes, but yours takes eight.",
        ),
        Wrong(
            "eight bytes follow",
            'to_bytes(8, "big")',
            'to_bytes(4, "big")',
            tip="the longest form has eight bytes, not four.",
        ),
        Wrong(
            "MASK",
            "mask_bit = 0 if mask_key is None else 0x80",
            "mask_bit = 0",
            tip="the key is there, but no MASK bit announces it.",
        ),
        Wrong(
            "Payload data",
            "apply_mask(payload, mask_key)",
            "payload",
            tip="the key is there, but the payload is not masked with it.",
        ),
        Wrong(
            "FIN is 0 as long as more",
            "(0x80 if fin else 0)",
            "0x80",
            tip="FIN is always set, whatever `fin` says.",
        ),
    ),
    after=(
        """`goim_edu.protocol.build_frame` does the same, and refuses frames that break a rule,
            such as a Ping of 126 bytes."""
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
    data = sample_frames.frame(c)
    if c.flag():
        return (data[: c.integer(0, len(data) - 1)],)
    return (data + c.octets(0, 3),)


_CUT = """The network cuts the stream where it likes, so a frame may still be on its way. Check
    before each field that its bytes are there, and raise `IncompleteFrame` if they are not."""
_MEND_CUT = Function(
    id="03.5",
    title="Mend the notes' parse_frame: what if the frame is cut?",
    kind="mend",
    statement=(
        """This is `parse_frame` as the notes print it. It trusts that `data` holds exactly one
            whole frame. A network promises no such thing: there may be less, or there may be
            more. Mend it so that it gives back `(fin, opcode, payload, consumed)`, where
            `consumed` is how many bytes the frame took, and raises `IncompleteFrame("cut",
            missing=1)` if bytes of it are still missing."""
    ),
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
        Case(
            (_HELLO,),
            "one whole frame",
            "`consumed` is new: the header's bytes and the payload's, seven here.",
        ),
        Case(
            (_HELLO_MASKED,),
            "one whole masked frame",
            "The key counts too: 2 + 4 + 5 bytes were consumed.",
        ),
        Case(
            (_HELLO + _PING,),
            "two frames that came in one piece",
            """Only the first one is read, and `consumed` says where the second begins. Without
                that number it would be lost.""",
        ),
        Case(
            (build_frame(b"a" * 65_536, Opcode.BINARY),),
            "one whole frame with a 64-bit length",
            "Ten bytes of header and 65,536 of payload were consumed.",
        ),
        Case((_HELLO[:4],), "a frame cut in its payload (`He` of `Hello`)", _CUT),
        Case((_HELLO[:1],), "the first byte only", _CUT),
        Case((b"",), "nothing at all yet", _CUT),
        Case((bytes.fromhex("82 7e 01"),), "a frame cut in its 16-bit length", _CUT),
        Case((bytes.fromhex("82 7f 00 00 00 00"),), "a frame cut in its 64-bit length", _CUT),
        Case(
            (_HELLO_MASKED[:4],),
            "a frame cut in its masking key",
            _CUT,
        ),
        Case(
            (bytes.fromhex("89 80 37 fa"),),
            "a masked Ping without payload, cut in its masking key",
            "No payload is missing here, but two bytes of the key are. " + _CUT,
        ),
        Case(
            (bytes.fromhex("81 80 00 00 00 00"),),
            "an empty text, masked with the key 00 00 00 00",
            "A key of four zeros is a key: ask `is not None`, and count it in `consumed`.",
        ),
    ),
    make=_cut_or_followed,
    hints=(
        "What does `data[2:7]` give if `data` has four bytes? Slices never complain.",
        """Write a helper `take(data, start, count)` that gives back exactly `count` bytes or
            raises `IncompleteFrame`, and use it for every field.""",
        "At the end `offset + payload_len` is how many bytes the frame took: that is `consumed`.",
    ),
    wrong=(
        Wrong(
            "cut in its payload",
            "payload = take(data, offset, payload_len)",
            "payload = data[offset:offset + payload_len]",
            tip="a slice gives less than it was asked for, and says nothing.",
        ),
        Wrong(
            "`consumed`",
            "return fin, opcode, payload, offset",
            "return fin, opcode, payload, len(data)",
            tip="`consumed` is all of `data`, so a second frame behind the first would be lost.",
        ),
        Wrong(
            "two bytes of the key",
            whole="""
                import struct
                from goim_edu.protocol import IncompleteFrame, apply_mask

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
            tip="only the payload is checked; where it is empty, a cut key goes unseen.",
        ),
        Wrong(
            "IndexError",
            "byte1, byte2 = take(data, 0, 2)",
            "byte1, byte2 = data[0], data[1]",
            tip="the first two bytes are read without asking whether they are there.",
        ),
        Wrong(
            "16-bit length",
            'int.from_bytes(take(data, offset, 2), "big")',
            "struct.unpack('>H', data[offset:offset + 2])[0]",
            tip="the longer length is read without asking whether its bytes are there.",
        ),
        Wrong(
            "`consumed` is `5`",
            "return fin, opcode, payload, offset",
            "return fin, opcode, payload, len(payload)",
            tip="`consumed` counts the payload only; the header's bytes were consumed too.",
        ),
    ),
    after=(
        """`goim_edu.protocol.parse_frame` does this, and `FrameDecoder` keeps what is cut
            until the rest has come. Next: the rules that the notes' function does not check."""
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


_SECTION_52 = "(RFC 6455 §5.2)"
_MEND_RULES = Function(
    id="03.6",
    title="Mend it further: frames that break a rule",
    kind="mend",
    statement=(
        """Now nothing of a frame is lost, but any nonsense is accepted: reserved bits and
            opcodes, Pings that are fragmented or too long, lengths in a longer form than
            needed. Mend it so that it raises `RemoteProtocolError("what is wrong")` for these,
            still `IncompleteFrame` for a good frame that is cut, and else gives back `(frame,
            consumed)` with a `Frame(opcode, payload, fin, mask_key)`. No extension was agreed
            on."""
    ),
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
        Case(
            (_HELLO + b"...",),
            "a good frame, and more behind it",
            "`Frame(opcode, payload, fin, mask_key)`, and 7 bytes consumed.",
        ),
        Case(
            (_HELLO_MASKED,),
            "a good masked frame",
            "The frame keeps its key, and its payload is unmasked.",
        ),
        Case((_HELLO[:6],), "a good frame that is cut", _CUT),
        Case(
            (bytes.fromhex("c1 05 48 65 6c 6c 6f"),),
            "RSV1 is set, and no extension was agreed on",
            f"The three reserved bits must be 0 then {_SECTION_52}.",
        ),
        Case(
            (bytes.fromhex("91 05 48 65 6c 6c 6f"),),
            "RSV3 is set, and no extension was agreed on",
            f"All three reserved bits must be 0 then {_SECTION_52}: `first & 0x70`.",
        ),
        Case(
            (bytes.fromhex("83 00"),),
            "a frame with opcode 3",
            f"Opcodes 3 to 7 and 11 to 15 are reserved {_SECTION_52}. An unknown opcode is the "
            "other side's fault, so say so with `RemoteProtocolError`.",
        ),
        Case(
            (bytes.fromhex("8b 00"),),
            "a frame with opcode 11",
            f"Opcodes 3 to 7 and 11 to 15 are reserved {_SECTION_52}.",
        ),
        Case(
            (bytes.fromhex("09 05 48 65 6c 6c 6f"),),
            "a Ping without FIN",
            "A control frame (opcode 8 and up) cannot be fragmented (RFC 6455 §5.5).",
        ),
        Case(
            (bytes.fromhex("89 7e 00 7e") + bytes(126),),
            "a Ping of 126 bytes",
            "A control frame carries at most 125 bytes (RFC 6455 §5.5).",
        ),
        Case(
            (bytes.fromhex("89 7d") + bytes(125),),
            "a Ping of 125 bytes",
            "A control frame carries at most 125 bytes, so this one is good (RFC 6455 §5.5).",
        ),
        Case(
            (bytes.fromhex("81 7e 00 05 48 65 6c 6c 6f"),),
            "a length of 5, written with 16 bits",
            f"The shortest form that fits must be used {_SECTION_52}: 16 bits are for 126 and up.",
        ),
        Case(
            (bytes.fromhex("82 7e 00 7e") + bytes(126),),
            "a length of 126, written with 16 bits",
            f"The shortest form that fits must be used {_SECTION_52}, and that is 16 bits here.",
        ),
        Case(
            (bytes.fromhex("82 7f 00 00 00 00 00 00 ff ff") + bytes(65_535),),
            "a length of 65,535, written with 64 bits",
            f"The shortest form that fits must be used {_SECTION_52}: 64 bits are for 65,536 "
            "and up.",
        ),
        Case(
            (bytes.fromhex("82 7f 80 00 00 00 00 00 00 00"),),
            "a 64-bit length whose highest bit is set",
            f"The highest bit must be 0 {_SECTION_52}. Judge before you wait: these bytes will "
            "never all come.",
        ),
    ),
    make=_make_perhaps_bad,
    hints=(
        "The three reserved bits are `first & 0x70`. Check them, and the opcode, before all else.",
        """Opcodes from 8 up are control frames: FIN must be set, and the seven length bits at
            most 125.""",
        """After a longer length was read: 16 bits need more than 125, 64 bits more than 65,535
            and less than `2**63`.""",
    ),
    wrong=(
        Wrong("reserved bits must be 0", "if rsv:", "if False:"),
        Wrong(
            "RSV3",
            "first & 0x70",
            "first & 0x40",
            tip="only RSV1 is looked at; RSV2 and RSV3 are reserved too.",
        ),
        Wrong(
            "ValueError",
            "if opcode not in (0x0, 0x1, 0x2, 0x8, 0x9, 0xA):",
            "if False:",
            tip="the opcode is not checked, so `Opcode(...)` stumbles over it by accident.",
        ),
        Wrong(
            "cannot be fragmented",
            "if opcode >= 0x8 and not fin:",
            "if False:",
            tip="fragmented control frames are accepted.",
        ),
        Wrong(
            "at most 125 bytes",
            "opcode >= 0x8 and length_code > 125",
            "opcode >= 0x8 and length_code == 127",
            tip="a control frame of 126 to 65,535 bytes is accepted.",
        ),
        Wrong(
            "16 bits are for 126 and up",
            "if length_code == 126 and length <= 125:",
            "if False:",
            tip="a short length may be written with 16 bits.",
        ),
        Wrong(
            "64 bits are for 65,536",
            "length <= 65_535",
            "length <= 125",
            tip="with 64 bits only lengths up to 125 are refused.",
        ),
        Wrong(
            "highest bit must be 0",
            "if length >= 2**63:",
            "if False:",
            tip="a length of 2**63 bytes or more is waited for.",
        ),
    ),
    after=(
        """This is a real decoder: `lab.serve_with(parse_frame=parse_frame)` runs the live
            server on it."""
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
    title="Measure the headers",
    statement=(
        """How many bytes of header does a *client* write before payloads of 5, 125, 126,
            65,535 and 65,536 bytes? Do not reckon: build such frames with `build_frame` and
            measure them. The answer is a dictionary, payload size -> bytes of header."""
    ),
    starter=code("""
        from goim_edu.protocol import Opcode, build_frame

        answer = {}
        for size in (5, 125, 126, 65_535, 65_536):
            frame = build_frame(bytes(size), Opcode.BINARY)
            answer[size] = ...
    """),
    solution=code("""
        from goim_edu.protocol import Opcode, build_frame

        answer = {}
        for size in (5, 125, 126, 65_535, 65_536):
            frame = build_frame(bytes(size), Opcode.BINARY, mask_key=b"abcd")
            answer[size] = len(frame) - size
    """),
    judge=_judge_headers,
    wrong=(
        ({5: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}, "masking key"),
        ({5: 11, 125: 131, 126: 134, 65_535: 65_543, 65_536: 65_550}, "together"),
        ({5: 6, 125: 6}, "126 bytes is missing"),
        ({5: 6, 125: 8, 126: 8, 65_535: 8, 65_536: 14}, "For 125 bytes"),
        (None, "dictionary"),
    ),
    hints=(
        "`len(frame)` counts all bytes of a frame, header and payload.",
        "A client masks: give `build_frame` a `mask_key` of four bytes, for example `b'abcd'`.",
        "`answer[size] = len(frame) - size`",
    ),
    after="A text of five letters costs a client six bytes of header; HTTP would take hundreds.",
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


def _feed(function: Any, pieces: list[bytes]) -> tuple[list[Frame], bytes]:
    """Give the pieces one by one, as they come from a socket, each behind what was left."""
    frames: list[Frame] = []
    rest = b""
    for piece in pieces:
        found, rest = function(rest + piece)
        frames += found
    return frames, rest


_STREAM = Function(
    id="03.8",
    title="Frames from a stream",
    statement=(
        """A socket gives bytes in pieces, and frames begin and end anywhere in them. Write
            `take_frames(buffer)`: it gives back `(frames, rest)`, a list of all whole frames at
            the start of `buffer`, and the bytes that are left over. It is called again and
            again with `rest + piece`; here you see the list of pieces. `parse_frame` reads one
            frame."""
    ),
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
        Case(([_HELLO],), "one whole frame", "One frame, and no rest (`b''`)."),
        Case(
            ([_HELLO + _PING],),
            "two frames in one piece",
            "Go on reading until nothing whole is left in `buffer`.",
        ),
        Case(
            ([_HELLO[:4], _HELLO[4:]],),
            "one frame in two pieces",
            """A frame that is cut is no error: give back no frame and all of it as `rest`.
                `parse_frame` raises `IncompleteFrame` then.""",
        ),
        Case(([b""],), "a piece of nothing", "No frame, no rest, no error."),
        Case(
            ([_HELLO + _PING[:3], _PING[3:]],),
            "a whole frame and the start of the next",
            "Both: the whole frame goes into the list, the start of the next into `rest`.",
        ),
        Case(
            ([bytes([byte]) for byte in _HELLO_MASKED + _PING],),
            "byte by byte",
            "However the stream is cut, the same frames must come out.",
        ),
    ),
    make=lambda c: (sample_frames.stream(c),),
    hints=(
        "A loop: read a frame, cut it off `buffer`, and again.",
        "It ends when `parse_frame` raises `IncompleteFrame`; catch that with `try` and `except`.",
        "Then give back the list so far and what `buffer` still holds.",
    ),
    wrong=(
        Wrong(
            "is missing",
            "return frames, buffer",
            "return [], buffer",
            tip="the frames found so far are thrown away when the last one is cut.",
        ),
        Wrong(
            "one frame in two pieces",
            "return frames, buffer",
            'return frames, b""',
            tip="the start of a frame that is cut is thrown away.",
        ),
        Wrong(
            "two frames in one piece",
            whole="""
                from goim_edu.protocol import IncompleteFrame, parse_frame

                def take_frames(buffer):
                    try:
                        frame, consumed = parse_frame(buffer)
                    except IncompleteFrame:
                        return [], buffer
                    return [frame], buffer[consumed:]
            """,
            tip="only one frame is read at a time; what stands behind it waits for the next piece.",
        ),
        Wrong(
            "stopped",
            "buffer = buffer[consumed:]",
            "pass",
        ),
        Wrong(
            "IncompleteFrame",
            whole="""
                from goim_edu.protocol import IncompleteFrame, parse_frame

                def take_frames(buffer):
                    frames = []
                    while buffer:
                        frame, consumed = parse_frame(buffer)
                        frames.append(frame)
                        buffer = buffer[consumed:]
                    return frames, buffer
            """,
            tip="nobody catches `IncompleteFrame` when the last frame is cut.",
        ),
    ),
    after="`goim_edu.protocol.FrameDecoder` does this for every connection of the live server.",
)

EXERCISES: tuple[Exercise, ...] = (
    _FIRST_LOOK,
    _READ_START,
    _HEADER_SIZE,
    _BUILD_FRAME,
    _MEND_CUT,
    _MEND_RULES,
    _HEADERS,
    _STREAM,
)
