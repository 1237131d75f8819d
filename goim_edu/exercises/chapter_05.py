"""Exercises of chapter 05: messages, fragments, UTF-8 and the closing (RFC 6455 §5, §7)."""

from __future__ import annotations

import codecs
from itertools import pairwise
from typing import Any, Final

from goim_edu.errors import LocalProtocolError, RemoteProtocolError
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
from goim_edu.websocket.close import CLOSE_CODES, build_close, parse_close
from goim_edu.websocket.frames import Frame, Opcode

__all__ = ["EXERCISES"]

_T, _C = Opcode.TEXT, Opcode.CONTINUATION
_PING: Final = Frame(Opcode.PING, b"alive?")

# ---------------------------------------------------------------------- 05.1

_ORDER = Predict(
    id="05.1",
    title="Which order is allowed?",
    statement="Which of these sequences of frames may one side send?",
    options=(
        Option(
            "text without FIN, text with FIN",
            """The second frame begins a new message while the first is still under way. What
                follows a fragment must be a continuation.""",
        ),
        Option(
            "text without FIN, Ping, continuation with FIN",
            """A control frame may stand between the fragments of a message, so that a Ping
                need not wait for the end of a long one.""",
            right=True,
        ),
        Option(
            "continuation without FIN, continuation with FIN",
            "Nothing is under way that could be continued: the first fragment says text or binary.",
        ),
        Option(
            "text with FIN, continuation with FIN",
            "FIN ends the message, so nothing is left to continue.",
        ),
    ),
    source="RFC 6455 §5.4.",
    hints=(
        "The first fragment has the opcode text or binary, the others have 0.",
        "Only the last fragment has FIN. Which frames may stand between them?",
    ),
)

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
            return _PING
        opcode = _C if under_way else _T
        if c.integer(0, 19) == 19:
            opcode = _T if under_way else _C
        under_way = c.flag()
        return Frame(opcode, c.text(0, 2).encode(), not under_way)

    frames = c.some(0, 6, one)
    return (frames,)


_JOIN = Function(
    id="05.2",
    title="Join fragments into messages",
    statement="""Write `join(frames)`: from a list of frames of one connection the list of the
        messages that are complete, each as `bytes`. Control frames (opcode 8 and up) may stand
        anywhere and are passed over. Raise `RemoteProtocolError("...")` for a continuation of
        nothing, and for a new message inside of another.""",
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
        Case(([Frame(_T, b"Hello")],), "one message in one frame", "FIN: it is complete."),
        Case(
            ([Frame(_T, b"Hel", fin=False), Frame(_C, b"lo")],),
            "`Hello` in two fragments (RFC 6455 §5.7)",
            "The payloads are joined, up to the fragment that has FIN.",
        ),
        Case(
            ([Frame(_T, b"Hel", fin=False), _PING, Frame(_C, b"lo")],),
            "a Ping between two fragments",
            """Control frames may stand between fragments. They always have FIN, but that does
                not end the message.""",
        ),
        Case(
            ([Frame(_T, b"a"), Frame(_T, b"b")],),
            "two messages",
            "Each complete message is an item of the list, and the next one begins empty.",
        ),
        Case(
            ([Frame(_T, b"a", fin=False), Frame(_C, b"b"), Frame(_T, b"c")],),
            "a message in fragments, then another",
            "After FIN a new message begins, and it begins empty.",
        ),
        Case(
            ([Frame(_T, b"a"), Frame(_T, b"b", fin=False)],),
            "a message that is not complete yet",
            "What has no FIN yet is not given back.",
        ),
        Case(
            ([Frame(_C, b"lo")],),
            "a continuation of nothing",
            "The first frame of a message must say text or binary (RFC 6455 §5.4).",
        ),
        Case(
            ([Frame(_T, b"a", fin=False), Frame(_T, b"b")],),
            "a new message inside of another",
            "Messages may not be interleaved: until FIN only continuations may follow (§5.4).",
        ),
        Case(
            ([Frame(_T, b"", fin=False), Frame(_T, b"b")],),
            "a new message after an empty first fragment",
            "A message is under way as soon as it has begun, even if it has no bytes yet.",
        ),
    ),
    make=_frames,
    hints=(
        "Keep the parts of the message that is under way in a list, and empty it after FIN.",
        "`if frame.opcode >= Opcode.CLOSE: continue` passes over the control frames.",
        """Keep a flag `under_way`. A continuation is right exactly if it is set:
            `(frame.opcode == Opcode.CONTINUATION) != under_way` is wrong.""",
    ),
    wrong=(
        Wrong(
            "Control frames may stand between",
            "if frame.opcode >= Opcode.CLOSE:",
            "if frame.opcode > Opcode.PONG:",
            tip="control frames are treated like data.",
        ),
        Wrong(
            "one begins empty",
            "parts, under_way = [], False",
            "under_way = False",
            tip="the parts of the last message are still there when the next begins.",
        ),
        Wrong(
            "must say text or binary",
            "if (frame.opcode == Opcode.CONTINUATION) != under_way:",
            "if under_way and frame.opcode != Opcode.CONTINUATION:",
            tip="a continuation of nothing is accepted.",
        ),
        Wrong(
            "may not be interleaved",
            "if (frame.opcode == Opcode.CONTINUATION) != under_way:",
            "if frame.opcode == Opcode.CONTINUATION and not under_way:",
            tip="a new message inside of another is accepted.",
        ),
        Wrong(
            "even if it has no bytes yet",
            "under_way = True",
            "under_way = bool(parts and parts[0]) or bool(frame.payload)",
            tip="whether a message is under way is asked of its bytes, and it may have none yet.",
        ),
    ),
    after="""`goim_edu.websocket.assembler.MessageAssembler` does this, and counts bytes and
        fragments as it goes.""",
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
        raise RemoteProtocolError("the reason is no UTF-8", close_code=1007) from None


def _close_body(c: Choices) -> tuple[bytes]:
    code = c.pick((1000, 1001, 1005, 999, 1004, 1016, 2999, 3000, 4999, 5000, 1012, 65_535))
    reason = c.text(0, 3).encode()
    if c.integer(0, 5) == 5:
        reason += b"\xff"
    return ((code.to_bytes(2) + reason)[: c.pick((99, 99, 1, 0))],)


_CODES: Final = """These codes may stand in a Close frame: the registered ones but for 1004,
    1005, 1006 and 1015, and all from 3000 to 4999 (RFC 6455 §7.4)."""
_CLOSE = Function(
    id="05.3",
    title="Mend how the notes read a Close",
    kind="mend",
    statement="""So the notes read the body of a Close frame. Mend it: give back `(code,
        reason)`, and `(1005, "")` for an empty body; raise `RemoteProtocolError("...")` for a
        body of one byte, for a code that nobody may send, and for a reason that is no UTF-8.
        `CLOSE_CODES` is a dictionary of the registered codes; 1005, 1006 and 1015 stand in it,
        but never on the wire.""",
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
        Case((b"\x03\xe8bye",), "code 1000 and a reason", "0x03e8 is 1000."),
        Case((b"",), "an empty body", "Then the code is reported as 1005, no status (§7.1.5)."),
        Case(
            (b"\x03",),
            "a body of one byte",
            "A body is empty or begins with a code of two bytes (RFC 6455 §5.5.1).",
        ),
        Case(
            (b"\x03\xe8\xe5\xa5\xbd",),
            "code 1000 and the reason `好`",
            "The reason is UTF-8: three bytes are one character here.",
        ),
        Case(
            (b"\x03\xe8\xe5\xa5",),
            "a reason that is cut inside of a character",
            """The reason must be valid UTF-8, else the answer is 1007 (RFC 6455 §8.1). To
                ignore the bad bytes would hand on a text that nobody sent.""",
        ),
        Case((b"\x03\xe7",), "code 999", _CODES),
        Case((b"\x03\xec",), "code 1004", _CODES),
        Case(
            (b"\x03\xed",),
            "code 1005 on the wire",
            f"1005 only says in reports that none was sent. {_CODES}",
        ),
        Case((b"\x03\xee",), "code 1006 on the wire", _CODES),
        Case((b"\x0b\xb8",), "code 3000, for libraries and frameworks", _CODES),
        Case((b"\x13\x87",), "code 4999, for applications", _CODES),
        Case((b"\x13\x88",), "code 5000", _CODES),
        Case((b"\x0b\xb7",), "code 2999", _CODES),
    ),
    make=_close_body,
    hints=(
        "There are three lengths to tell apart: 0, 1, and 2 or more.",
        "`code in CLOSE_CODES and code not in (1005, 1006, 1015) or 3000 <= code <= 4999`",
        "`decode('utf-8')` without 'ignore' raises `UnicodeDecodeError`; catch it and raise yours.",
    ),
    wrong=(
        Wrong(
            "a body of one byte",
            "if not payload:",
            "if len(payload) < 2:",
            tip="a body of one byte is taken for an empty one.",
        ),
        Wrong(
            "nobody sent",
            'payload[2:].decode("utf-8")',
            'payload[2:].decode("utf-8", "ignore")',
            tip="bad bytes in the reason are dropped without a word.",
        ),
        Wrong(
            "3000 to 4999",
            "if not (known or 3000 <= code <= 4999):",
            "if not 1000 <= code <= 4999:",
            tip="every code from 1000 to 4999 is taken.",
        ),
        Wrong(
            "1005 only says in reports",
            " and code not in (1005, 1006, 1015)",
            "",
            tip="1005, 1006 and 1015 are taken, though they may never be sent.",
        ),
        Wrong(
            "3000 to 4999",
            "(known or 3000 <= code <= 4999)",
            "known",
            tip="the codes of libraries and applications (3000 to 4999) are refused.",
        ),
        Wrong(
            "UnicodeDecodeError",
            "except UnicodeDecodeError:",
            "except LookupError:",
            tip="what `decode` raises is not caught.",
        ),
    ),
    after="Close codes from 4000 on are ours: 4401 says that nobody said hello.",
)

# ---------------------------------------------------------------------- 05.4


def first_bad(pieces: list[bytes]) -> int | None:
    """The number of the fragment at which a text can become UTF-8 no more, or None (§8.1)."""
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


_UTF8 = Function(
    id="05.4",
    title="Bad UTF-8, found at once",
    statement="""A text arrives in fragments, and a cut may go through the middle of a
        character. Write `first_bad(pieces)`: the number (from 0) of the fragment at which it is
        certain that the text is no UTF-8, or `None` if all is well. The last piece ends the
        message.""",
    starter="""
        def first_bad(pieces):
            try:
                b"".join(pieces).decode()
            except UnicodeDecodeError:
                return len(pieces) - 1
            return None
    """,
    kind="mend",
    needs="import codecs",
    reference=first_bad,
    cases=(
        Case(([b"Hello"],), "one good piece", "Letters are UTF-8: `None`."),
        Case(
            ([b"\xe5\xa5", b"\xbd"],),
            "`好`, cut inside of the character",
            """Each piece alone is no UTF-8, but the text is: a character may go on in the next
                piece.""",
        ),
        Case(
            ([b"Hi \xff", b"more", b"and more"],),
            "a bad byte in the first of three pieces",
            """0xff never stands in UTF-8, so it is certain after piece 0. Who waits for the
                end may wait for 16 MiB (RFC 6455 §8.1).""",
        ),
        Case(
            ([b"Hi", b"\xe5\xa5"],),
            "a text that ends inside of a character",
            "After the last piece nothing follows that could complete the character.",
        ),
        Case(
            ([b"\xe5", b"A"],),
            "a character that is cut, and then an `A`",
            """0xe5 begins a character of three bytes; `A` does not continue it. That is
                certain at piece 1.""",
        ),
        Case(([b"", b""],), "two empty pieces", "An empty text is a good text."),
        Case(
            ([b"\xed\xa0\x80"],),
            "a surrogate, written as three bytes",
            "UTF-8 has no place for half of a surrogate pair; Python's decoder knows that.",
        ),
    ),
    make=_text_pieces,
    hints=(
        "What must be kept from one piece to the next? The bytes of a character that is cut.",
        """`decoder = codecs.getincrementaldecoder("utf-8")()` keeps them:
            `decoder.decode(piece, final=False)`.""",
        "For the last piece `final=True`: then an open character is an error.",
    ),
    wrong=(
        Wrong(
            "may go on in the next piece",
            "final=last",
            "final=True",
            tip="each piece is looked at alone, so a character that is cut counts as bad.",
        ),
        Wrong(
            "ends inside of a character",
            "final=last",
            "final=False",
            tip="nobody looks whether the last character is complete.",
        ),
        Wrong(
            "certain after piece 0",
            whole="""
                def first_bad(pieces):
                    try:
                        b"".join(pieces).decode()
                    except UnicodeDecodeError:
                        return len(pieces) - 1
                    return None
            """,
            tip="the fault is only found at the end of the message.",
        ),
        Wrong(
            "certain after piece 0",
            "return number",
            "return number + 1",
            tip="the pieces are counted from 1; the first is number 0.",
        ),
    ),
    after="""The server closes with 1007 at that fragment, long before the message has ended. It
        is quicker still than Python's decoder: of half a surrogate pair two bytes are enough
        for it.""",
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
    title="How long may a reason be?",
    statement="""How often do the letters `a`, `é` and `好` fit into the reason of a Close frame?
        `build_close(1000, reason)` raises `LocalProtocolError` if it is too long. The answer is
        a dictionary, letter -> how often it fits.""",
    starter=code("""
        from goim_edu.protocol import LocalProtocolError, build_close

        answer = {}
        for letter in "aé好":
            answer[letter] = ...
    """),
    solution=code("""
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
    """),
    judge=_judge_longest,
    wrong=(
        ({"a": 123, "é": 123, "好": 123}, "UTF-8"),
        ({"a": 125, "é": 62, "好": 41}, "the code takes two bytes"),
        ({"a": 124, "é": 61, "好": 41}, "one too many"),
        ({"a": 123, "é": 61}, "'好' is missing"),
        (123, "dictionary"),
    ),
    hints=(
        "A control frame holds 125 bytes (RFC 6455 §5.5), and two of them are the code.",
        "`len('好'.encode())` is the number of its bytes in UTF-8.",
        "Add letters until `build_close` raises.",
    ),
)

# ---------------------------------------------------------------------- 05.6

_NO_CODE = Predict(
    id="05.6",
    title="A Close that says nothing",
    statement="A Close frame comes without any body. Which code does an application get to see?",
    answer=1005,
    wrong={
        1000: "1000 would claim that the other side said `normal closure`. It said nothing.",
        1006: "1006 is reported when no Close frame came at all. Here one came.",
        0: "Codes begin at 1000.",
        1002: "An empty body is no error: a Close need not give a reason.",
    },
    otherwise="""A code is reserved for exactly this report, and may never be sent (RFC 6455
        §7.1.5).""",
    experiment=code("""
        from goim_edu.protocol import parse_close
        parse_close(b"")[0]
    """),
    hints=(
        "It is one of the three codes that never stand in a frame: 1005, 1006, 1015.",
        "1006 is for connections that end without a Close, 1015 for TLS.",
    ),
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
    title="Cut a message into fragments",
    statement="""Write `split(data, size)`: a list of `Frame(opcode, payload, fin)` that carry
        the bytes of a text message, each with at most `size` of them and all but the last full.
        The cut may go through a character.""",
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
    cases=(
        Case((b"Hello", 10), "a message that fits into one frame", "Opcode text, and FIN is set."),
        Case(
            (b"Hello", 3),
            "`Hello` in pieces of three",
            """The first fragment says text and the others continuation; FIN is set on the last
                only.""",
        ),
        Case(
            (b"Hello!", 3),
            "a message that fits exactly into two fragments",
            "FIN is set on the last full fragment; no empty one is needed after it.",
        ),
        Case(
            (b"", 3),
            "an empty message",
            "An empty message is a message: one frame without payload, with FIN.",
        ),
        Case(
            ("好".encode(), 1),
            "one character, in three pieces",
            "Fragments cut bytes, not characters. Only the whole message must be UTF-8.",
        ),
    ),
    make=lambda c: (c.octets(0, 12), c.integer(1, 6)),
    hints=(
        "`range(0, len(data), size)` are the places where fragments start.",
        "The opcode depends on `start == 0`, FIN on whether `start + size` reaches the end.",
        "For an empty message the range is empty: `range(...) or [0]`.",
    ),
    wrong=(
        Wrong(
            "the others continuation",
            "Opcode.TEXT if start == 0 else Opcode.CONTINUATION",
            "Opcode.TEXT",
            tip="every fragment says text. Each but the first must say continuation.",
        ),
        Wrong(
            "FIN is set on the last only",
            "fin=start + size >= len(data)",
            "fin=True",
            tip="every fragment has FIN, so each is a message of its own.",
        ),
        Wrong(
            "the last full fragment",
            "fin=start + size >= len(data)",
            "fin=start + size > len(data)",
            tip="""where the size divides the length, no fragment has FIN and the message never
                ends.""",
        ),
        Wrong(
            "one frame without payload",
            " or [0]",
            "",
            tip="for an empty message nothing is sent at all.",
        ),
    ),
    after="`Endpoint.send_text(..., fin=False)` and `continue_message` send fragments one by one.",
)

EXERCISES: tuple[Exercise, ...] = (
    _ORDER,
    _JOIN,
    _CLOSE,
    _UTF8,
    _REASON,
    _NO_CODE,
    _SPLIT,
)
