"""Exercises of chapter 05: messages, fragments, UTF-8 and the closing (RFC 6455 §5, §7)."""

from __future__ import annotations

import codecs
from itertools import pairwise
from typing import Any, Final

from goim_edu.errors import LocalProtocolError, RemoteProtocolError
from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.websocket.close import CLOSE_CODES, build_close, parse_close
from goim_edu.websocket.frames import Frame, Opcode

_T, _C = Opcode.TEXT, Opcode.CONTINUATION
_PING: Final = Frame(Opcode.PING, b"alive?")
_CLOSE_FRAME: Final = Frame(Opcode.CLOSE, b"\x03\xe8")

# ---------------------------------------------------------------------- 05.1

_ORDER = Predict(id="05.1", right="b")

# ---------------------------------------------------------------------- 05.2


def join(frames: list[Frame]) -> list[bytes]:
    """The payloads of the messages that these frames carry (RFC 6455 §5.4)."""
    messages, parts, under_way = [], [], False
    for frame in frames:
        if frame.opcode >= Opcode.CLOSE:
            continue
        if (frame.opcode == Opcode.CONTINUATION) != under_way:
            raise RemoteProtocolError("a frame out of order")
        under_way = True
        parts.append(frame.payload)
        if frame.fin:
            messages.append(b"".join(parts))
            parts, under_way = [], False
    return messages


def _frames(c: Choices) -> tuple[list[Frame]]:
    """Mostly good sequences, sometimes with a frame out of order."""
    frames: list[Frame] = []
    under_way = False

    def one() -> Frame:
        nonlocal under_way
        if c.integer(0, 4) == 4:
            return c.pick((_PING, Frame(Opcode.PONG, b"here")))
        start = c.pick((_T, Opcode.BINARY))
        opcode = _C if under_way else start
        if c.integer(0, 19) == 19:
            opcode = start if under_way else _C
        under_way = c.flag()
        return Frame(opcode, c.text(0, 2).encode(), not under_way)

    frames = c.some(0, 6, one)
    return (frames,)


_JOIN = Function(
    id="05.2",
    needs="from goim_edu.protocol import Opcode, RemoteProtocolError",
    starter="""
        def join(frames):
            messages = []
            for frame in frames:
                if frame.fin:
                    messages.append(frame.payload)
            return messages
    """,
    kind="mend",
    reference=join,
    errors=(RemoteProtocolError,),
    cases=(
        ([Frame(_T, b"Hello")],),
        ([Frame(_T, b"Hel", fin=False), Frame(_C, b"lo")],),
        ([Frame(_T, b"Hel", fin=False), _PING, Frame(_C, b"lo")],),
        ([Frame(_T, b"a"), Frame(_T, b"b")],),
        ([Frame(_T, b"a", fin=False), Frame(_C, b"b"), Frame(_T, b"c")],),
        ([Frame(_T, b"a"), Frame(_T, b"b", fin=False)],),
        ([Frame(_C, b"lo")],),
        ([Frame(_T, b"a", fin=False), Frame(_T, b"b")],),
        ([Frame(_T, b"", fin=False), Frame(_T, b"b")],),
        ([Frame(_T, b"a", fin=False), Frame(Opcode.PONG, b""), Frame(_C, b"b"), _CLOSE_FRAME],),
        ([Frame(Opcode.BINARY, b"\xff\x00", fin=False), Frame(_C, b"\xfe")],),
        ([Frame(_T, b"a", fin=False), Frame(Opcode.BINARY, b"b")],),
    ),
    make=_frames,
    wrong=(
        ("if frame.opcode >= Opcode.CLOSE:", "if frame.opcode > Opcode.PONG:"),
        ("parts, under_way = [], False", "under_way = False"),
        (
            "if (frame.opcode == Opcode.CONTINUATION) != under_way:",
            "if under_way and frame.opcode != Opcode.CONTINUATION:",
        ),
        (
            "if (frame.opcode == Opcode.CONTINUATION) != under_way:",
            "if frame.opcode == Opcode.CONTINUATION and not under_way:",
        ),
        ("under_way = True", "under_way = bool(parts and parts[0]) or bool(frame.payload)"),
        ("if frame.opcode >= Opcode.CLOSE:", "if frame.opcode == Opcode.PING:"),
        ("if frame.opcode >= Opcode.CLOSE:", "if frame.opcode not in (0, 1):"),
    ),
)

# ---------------------------------------------------------------------- 05.3


def parse_close_body(payload: bytes) -> tuple[int, str]:
    """Code and reason of a Close frame (RFC 6455 §5.5.1, §7.4)."""
    if not payload:
        return 1005, ""
    if len(payload) == 1:
        raise RemoteProtocolError("a Close body of one byte")
    code = int.from_bytes(payload[:2], "big")
    known = code in CLOSE_CODES and code not in (1005, 1006, 1015)
    if not (known or 3000 <= code <= 4999):
        raise RemoteProtocolError(f"close code {code} may not be sent")
    try:
        return code, payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise RemoteProtocolError("the reason is not valid UTF-8", close_code=1007) from None


def _close_body(c: Choices) -> tuple[bytes]:
    code = c.pick((*range(998, 1018), 2999, 3000, 3999, 4000, 4999, 5000, 65_535))
    reason = c.text(0, 3).encode()
    if c.integer(0, 5) == 5:
        reason += b"\xff"
    return ((code.to_bytes(2) + reason)[: c.pick((99, 99, 1, 0))],)


_CLOSE = Function(
    id="05.3",
    kind="mend",
    needs="""
        import struct
        from goim_edu.protocol import CLOSE_CODES, RemoteProtocolError
    """,
    starter="""
        def parse_close(payload):
            if len(payload) >= 2:
                close_code = struct.unpack('>H', payload[:2])[0]
                reason = payload[2:].decode('utf-8', 'ignore')
            else:
                close_code = 1005
                reason = ""
            return close_code, reason
    """,
    reference=parse_close_body,
    called="parse_close",
    package=parse_close,
    parts=("code", "reason"),
    errors=(RemoteProtocolError,),
    cases=(
        (b"\x03\xe8bye",),
        (b"",),
        (b"\x03",),
        (b"\x03\xe8\xe5\xa5\xbd",),
        (b"\x03\xe8\xe5\xa5",),
        (b"\x03\xe7",),
        (b"\x03\xec",),
        (b"\x03\xed",),
        (b"\x03\xee",),
        (b"\x0b\xb8",),
        (b"\x13\x87",),
        (b"\x13\x88",),
        (b"\x0b\xb7",),
        (b"\x03\xf7",),
        (b"\x03\xf6" + "\ufeff好".encode(),),
    ),
    make=_close_body,
    wrong=(
        ("if not payload:", "if len(payload) < 2:"),
        ('payload[2:].decode("utf-8")', 'payload[2:].decode("utf-8", "ignore")'),
        ("if not (known or 3000 <= code <= 4999):", "if not 1000 <= code <= 4999:"),
        (" and code not in (1005, 1006, 1015)", ""),
        ("(known or 3000 <= code <= 4999)", "known"),
        ("except UnicodeDecodeError:", "except LookupError:"),
        (" and code not in (1005, 1006, 1015)", " and code not in (1005, 1006)"),
        ('decode("utf-8")', 'decode("utf-8-sig")'),
    ),
)

# ---------------------------------------------------------------------- 05.4


def first_bad(pieces: list[bytes]) -> int | None:
    """The number of the fragment at which a text can no longer become UTF-8, or None (§8.1)."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        try:
            decoder.decode(piece, final=last)
        except UnicodeDecodeError:
            return number
    return None


def _text_pieces(c: Choices) -> tuple[list[bytes]]:
    data = c.text(1, 4).encode()
    if c.integer(0, 2) == 2:
        at = c.integer(0, len(data) - 1)
        data = data[:at] + bytes([c.pick((0xFF, 0xC0, 0x80))]) + data[at + 1 :]
    cuts = sorted(c.integer(0, len(data)) for _ in range(c.integer(0, 3)))
    edges = [0, *cuts, len(data)]
    return ([data[start:end] for start, end in pairwise(edges)],)


_ONLY_AT_THE_END: Final = """
    def first_bad(pieces):
        try:
            b"".join(pieces).decode()
        except UnicodeDecodeError:
            return len(pieces) - 1
        return None
"""
_UTF8 = Function(
    id="05.4",
    starter=_ONLY_AT_THE_END,
    kind="mend",
    needs="import codecs",
    reference=first_bad,
    cases=(
        ([b"Hello"],),
        ([b"\xe5\xa5", b"\xbd"],),
        ([b"Hi \xff", b"more", b"and more"],),
        ([b"Hi", b"\xe5\xa5"],),
        ([b"\xe5", b"A"],),
        ([b"", b""],),
        ([b"\xed\xa0\x80"],),
        ([b"a", b"a", b"\xff"],),
    ),
    make=_text_pieces,
    wrong=(
        ("final=last", "final=True"),
        ("final=last", "final=False"),
        _ONLY_AT_THE_END,
        ("return number", "return number + 1"),
    ),
)

# ---------------------------------------------------------------------- 05.5


def _longest(letter: str) -> int:
    count = 0
    while True:
        try:
            build_close(1000, letter * (count + 1))
        except LocalProtocolError:
            return count
        count += 1


def _judge_longest(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return "A dictionary is wanted: letter -> how often it fits."
    for letter in "aé好":
        right = _longest(letter)
        if letter not in answer:
            return f"The figure for {letter!r} is missing."
        if answer[letter] == right:
            continue
        if answer[letter] is ...:
            return f"For {letter!r} there is still `...`: fill it in."
        if answer[letter] == 125:
            return (
                f"For {letter!r} you found 125. That is what the whole body may have, and the code "
                "takes two bytes of it."
            )
        if answer[letter] == 123:
            return (
                f"For {letter!r} you found 123. That many *bytes* fit; how many bytes has this "
                "letter in UTF-8?"
            )
        if answer[letter] == right + 1:
            return f"For {letter!r} you found {answer[letter]}: one too many, it is refused."
        return f"For {letter!r} you found {answer[letter]!r}. Try it with `build_close`."
    return None


_REASON = Measure(
    id="05.5",
    starter="""
        from goim_edu.protocol import LocalProtocolError, build_close

        answer = {}
        for letter in "aé好":
            answer[letter] = ...
    """,
    solved="""
        from goim_edu.protocol import LocalProtocolError, build_close

        answer = {}
        for letter in "aé好":
            count = 0
            try:
                while True:
                    build_close(1000, letter * (count + 1))
                    count += 1
            except LocalProtocolError:
                answer[letter] = count
    """,
    judge=_judge_longest,
    wrong=(
        ({"a": 123, "é": 123, "好": 123}, "UTF-8"),
        ({"a": 125, "é": 62, "好": 41}, "the code takes two bytes"),
        ({"a": 124, "é": 61, "好": 41}, "one too many"),
        ({"a": 123, "é": 61}, "'好' is missing"),
        (123, "dictionary"),
    ),
)

# ---------------------------------------------------------------------- 05.6

_NO_CODE = Predict(
    id="05.6",
    answer=1005,
    experiment="""
        from goim_edu.protocol import parse_close
        parse_close(b"")[0]
    """,
)

# ---------------------------------------------------------------------- 05.7


def split(data: bytes, size: int) -> list[Frame]:
    """A text message in fragments of at most ``size`` bytes (RFC 6455 §5.4)."""
    starts = range(0, len(data), size) or [0]
    return [
        Frame(
            Opcode.TEXT if start == 0 else Opcode.CONTINUATION,
            data[start : start + size],
            fin=start + size >= len(data),
        )
        for start in starts
    ]


_SPLIT = Function(
    id="05.7",
    needs="from goim_edu.protocol import Frame, Opcode",
    starter="""
        def split(data, size):
            return [
                Frame(Opcode.TEXT, data[start : start + size], fin=True)
                for start in range(0, len(data), size)
            ]
    """,
    kind="mend",
    reference=split,
    cases=((b"Hello", 10), (b"Hello", 3), (b"Hello!", 3), (b"", 3), ("好".encode(), 1)),
    make=lambda c: (c.octets(0, c.pick((12, 600))), c.integer(1, c.pick((6, 300)))),
    wrong=(
        ("Opcode.TEXT if start == 0 else Opcode.CONTINUATION", "Opcode.TEXT"),
        ("fin=start + size >= len(data)", "fin=True"),
        ("fin=start + size >= len(data)", "fin=start + size > len(data)"),
        (" or [0]", ""),
    ),
)
