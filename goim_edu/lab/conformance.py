"""Conformance cases for a live server: what a client sends, and what must come back.

The numbers are those of the sections of the Autobahn TestSuite, so that you can look up there a
case that fails here. ``take_cases`` tries them on a server over a real socket. On a server of
``serve_with`` a case also fails if the package had to step in for one of the learner's functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from goim_edu.errors import ProtocolError
from goim_edu.feedback.card import Card
from goim_edu.lab.learner_server import LearnersServer
from goim_edu.lab.raw_client import ask
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.frames import Frame, Opcode, build_frame

__all__ = [
    "CASES",
    "Asked",
    "Case",
    "Outcome",
    "Said",
    "describe",
    "frame",
    "say_close",
    "take_cases",
]

Said = str | bytes | tuple[str, object]
"""A text, a binary message, ("pong", octets) or ("close", code)."""

_KEY: Final = b"\x37\xfa\x21\x3d"
_PATIENCE: Final = 1.0  # seconds until any server must answer
_MOST_TOLD: Final = 3  # failures that a card tells in full
_LONGEST_FAULT: Final = 160  # characters that it tells of what a function did


class Case(NamedTuple):
    """One case.

    Args:
        number: section of the Autobahn TestSuite.
        title: what it is about.
        sent: what the client sends behind its handshake.
        wanted: what an echo server must answer, in this order.
    """

    number: str
    title: str
    sent: bytes
    wanted: list[Said]

    @property
    def group(self) -> str:
        """The title of its section."""
        return GROUPS[self.number.partition(".")[0]]


class Outcome(NamedTuple):
    """The result of one case: the answers, and which functions the package replaced, and why."""

    case: Case
    heard: list[Said]
    stepped_in: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answers are right, without help."""
        return self.heard == self.case.wanted and not self.stepped_in


class Asked(Protocol):
    """A live server."""

    def ask(self, data: bytes, path: str = "/echo") -> list[Frame]:
        """Send these bytes on a fresh connection and return the frames that come back."""
        ...


GROUPS: Final = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragments",
    "6": "UTF-8",
    "7": "closing",
}


def frame(payload: bytes | str = b"", opcode: int = 1, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame of a client, right or wrong; ``build_frame`` builds no wrong ones.

    >>> frame("Hi", opcode=3).hex(" ")
    '83 82 37 fa 21 3d 7f 93'
    """
    octets = payload.encode() if isinstance(payload, str) else payload
    plain = build_frame(octets, Opcode.BINARY, fin, _KEY)
    return bytes([fin << 7 | rsv << 4 | opcode]) + plain[1:]


def say_close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """A Close of a client, right or wrong.

    >>> say_close(None).hex(" ")
    '88 80 37 fa 21 3d'
    """
    return frame(b"" if code is None else code.to_bytes(2) + reason, Opcode.CLOSE)


def describe(said: Frame) -> Said:
    """A frame of a server in short.

    >>> describe(Frame(Opcode.CLOSE, (1002).to_bytes(2) + b"why"))
    ('close', 1002)
    """
    match said:
        case Frame(Opcode.TEXT, payload):
            return payload.decode()
        case Frame(Opcode.BINARY, payload):
            return payload
        case Frame(Opcode.CLOSE, payload):
            return "close", parse_close(payload)[0]
        case Frame(opcode, payload):
            return opcode.name.lower(), payload


def _framing() -> Iterator[Case]:
    for size in (0, 125, 126, 127, 65_535, 65_536):
        text, data = "*" * size, b"\xfe" * size
        yield Case("1.1", f"a text of {size:,} bytes", frame(text), [text])
        yield Case("1.2", f"a binary message of {size:,} bytes", frame(data, 2), [data])


def _pings() -> Iterator[Case]:
    for payload in (b"", b"Hello", b"\x00\xff\xfe", b"\xfe" * 125):
        title = f"a Ping of {len(payload)} bytes"
        yield Case("2.1", title, frame(payload, 9), [("pong", payload)])
    yield Case("2.5", "a Ping that is too long", frame(bytes(126), 9), [("close", 1002)])
    asked = frame(b"unasked", 10) + frame(b"?", 9)
    yield Case("2.7", "an unsolicited Pong", asked, [("pong", b"?")])
    many = [b"payload-%d" % number for number in range(10)]
    pings = b"".join(frame(payload, 9) for payload in many)
    yield Case("2.10", "ten Pings in a row", pings, [("pong", payload) for payload in many])


def _reserved() -> Iterator[Case]:
    for rsv in range(1, 8):
        for opcode in (1, 2, 8, 9, 10):
            title = f"reserved bits {rsv:03b} with opcode {opcode}"
            sent = frame("before") + frame(b"", opcode, rsv=rsv) + frame(b"", 9)
            yield Case("3.1", title, sent, ["before", ("close", 1002)])
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for payload in (b"", b"payload"):
            title = f"opcode {opcode} with {len(payload)} bytes"
            sent = frame("before") + frame(payload, opcode) + frame(b"", 9)
            yield Case("4.1", title, sent, ["before", ("close", 1002)])


def _fragments() -> Iterator[Case]:
    broken: list[Said] = [("close", 1002)]
    for opcode, name in ((9, "Ping"), (10, "Pong")):
        sent = frame(b"one", opcode, fin=False) + frame(b"two", 0)
        yield Case("5.1", f"a {name} in fragments", sent, broken)
    first, last = frame("one", 1, False), frame("two", 0)
    yield Case("5.3", "a text in two fragments", first + last, ["onetwo"])
    sent = first + frame(b"ping", 9) + last
    yield Case("5.6", "a Ping between the fragments", sent, [("pong", b"ping"), "onetwo"])
    for fin in (True, False):
        sent = frame("none", 0, fin) + frame("text")
        yield Case("5.9", f"a continuation of nothing, FIN {fin:d}", sent, broken)
        wanted: list[Said] = ["onetwo", ("close", 1002)]
        yield Case("5.12", f"the same behind a message, FIN {fin:d}", first + last + sent, wanted)
    for opcode, name in ((1, "text"), (2, "binary message")):
        sent = first + frame("two", opcode)
        yield Case("5.18", f"a {name} within a message", sent, broken)
    sent = frame("f1", 1, False) + frame("f2", 0, False) + frame(b"1", 9)
    sent += frame("f3", 0, False) + frame("f4", 0, False) + frame(b"2", 9) + frame("f5", 0)
    title = "two Pings between five fragments"
    yield Case("5.19", title, sent, [("pong", b"1"), ("pong", b"2"), "f1f2f3f4f5"])


GOOD_TEXTS: Final = (
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "消息",
    "𝄞😀",
    *map(chr, [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF]),
    *map(chr, [0x10000, 0x10FFFF, *(plane << 16 | 0xFFFF for plane in range(1, 17))]),
)
"""Texts that are UTF-8, up to the edges of each length."""

BAD_TEXTS: Final = (
    b"\x80",  # a continuation octet alone
    b"\xbf",
    b"\x80\xbf" * 3,
    *(bytes([lead, 0x20]) for lead in (0xC2, 0xDF, 0xE0, 0xEF, 0xF0, 0xF4)),  # a start alone
    b"\xc2",  # cut
    b"\xe6\xb6",
    b"\xf0\x9f\x98",
    b"\xe6\xb6\x20",
    b"\xfe",  # bytes that never occur in UTF-8
    b"\xff",
    b"\xfe\xfe\xff\xff",
    b"\xc0\xaf",  # overlong
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf8\x87\xbf\xbf\xbf",
    b"\xfc\x83\xbf\xbf\xbf\xbf",
    b"\xed\xa0\x80",  # halves of surrogate pairs
    b"\xed\xbf\xbf",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    b"\xf7\xbf\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",
)
"""Bytes that are not UTF-8, nor the beginning of UTF-8."""


def _texts() -> Iterator[Case]:
    for text in GOOD_TEXTS:
        octets = text.encode()
        yield Case("6.2", f"the text {text!a}", frame(octets), [text])
        parts = b"".join(frame(bytes([octet]), 0, False) for octet in octets)
        sent = frame(b"", 1, False) + parts + frame(b"", 0)
        yield Case("6.2", f"the text {text!a}, a fragment for each byte", sent, [text])
    for octets in BAD_TEXTS:
        sent = frame("good") + frame(octets)
        yield Case("6.3", f"not UTF-8: {octets.hex(' ')}", sent, ["good", ("close", 1007)])


def _closing() -> Iterator[Case]:
    done: list[Said] = [("close", 1000)]
    bye = say_close()
    yield Case("7.1", "a text and a Close", frame("Hello") + bye, ["Hello", ("close", 1000)])
    yield Case("7.1", "two Closes", bye + bye, done)
    yield Case("7.1", "a Ping behind a Close", bye + frame(b"", 9), done)
    yield Case("7.1", "a text behind a Close", bye + frame("text"), done)
    within = frame("one", 1, False) + bye + frame("two", 0)
    yield Case("7.1", "a Close within a message", within, done)
    yield Case("7.3", "a Close without a code", say_close(None), [("close", 1005)])
    yield Case("7.3", "a Close of one byte", frame(b"a", 8), [("close", 1002)])
    yield Case("7.3", "a Close with a reason", say_close(1000, b"bye"), done)
    yield Case("7.3", "the longest reason", say_close(1000, b"*" * 123), done)
    too_long = say_close(1000, b"*" * 124)
    yield Case("7.3", "a reason that is too long", too_long, [("close", 1002)])
    no_text = say_close(1000, b"\xce\xba\xed\xa0\x80")
    yield Case("7.5", "a reason that is not UTF-8", no_text, [("close", 1007)])
    for code in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999):
        yield Case("7.7", f"code {code}", say_close(code), [("close", code)])
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
        yield Case("7.9", f"code {code}, which may not be sent", say_close(code), [("close", 1002)])


CASES: Final = (
    *_framing(),
    *_pings(),
    *_reserved(),
    *_fragments(),
    *_texts(),
    *_closing(),
)
"""All of them, in the order of their sections."""


def take_cases(live: Asked | int, only: str = "") -> Card:
    """Try the cases on a server and report the results.

    Args:
        live: a live server with an ``/echo``, or the port of any echo server of this machine.
        only: the beginning of the numbers to try, such as ``"5"``; all if it is empty.

    Returns:
        A card that counts by section and names the first failures; true if there are none.

    >>> from goim_edu.lab import LiveServer
    >>> with LiveServer("memory", name="example") as live:
    ...     card = take_cases(live, "5")
    >>> print(card.title)
    ✓ 11 of 11 cases passed
    """
    outcomes = [_take(live, case) for case in CASES if f"{case.number}.".startswith(only)]
    return _tell(outcomes)


def _take(live: Asked | int, case: Case) -> Outcome:
    if isinstance(live, int):
        return Outcome(case, _ask_a_stranger(live, case.sent))
    if not isinstance(live, LearnersServer):
        return Outcome(case, [describe(said) for said in live.ask(case.sent)])
    before = live.failed
    heard = [describe(said) for said in live.ask(case.sent)]
    helped = [name for name, count in live.failed.items() if count > before[name]]
    return Outcome(case, heard, "; ".join(_helped(name, live.faults[name]) for name in helped))


def _helped(name: str, fault: str) -> str:
    """A function that the package replaced; and why, unless it gave a wrong result."""
    if fault.startswith("it gave back"):  # long, and in the report of the server
        return f"`{name}`"
    cut = fault if len(fault) <= _LONGEST_FAULT else f"{fault[: _LONGEST_FAULT - 3]}..."
    return f"`{name}`: {cut}"


def _ask_a_stranger(port: int, sent: bytes) -> list[Said]:
    """The answers of a server that may break every rule, or say nothing at all."""
    try:
        return [describe(said) for said in ask(port, sent, patience=_PATIENCE)]
    except TimeoutError:
        return [("silence", _PATIENCE)]
    except (OSError, ProtocolError, UnicodeDecodeError) as error:
        return [("fault", str(error))]


def _tell(outcomes: Sequence[Outcome]) -> Card:
    failed = [outcome for outcome in outcomes if not outcome.passed]
    passed = len(outcomes) - len(failed)
    card = Card(f"{passed} of {len(outcomes)} cases passed", passed=not failed)
    rows = []
    for number, group in GROUPS.items():
        taken = [one for one in outcomes if one.case.number.startswith(f"{number}.")]
        if taken:
            good = sum(one.passed for one in taken)
            sign = "✓" if good == len(taken) else "✗"
            rows.append((number, group, f"{good} of {len(taken)}", sign))
    card.table(rows, head=("", "section", "passed", ""))
    for one in failed[:_MOST_TOLD]:
        card.say(f"{one.case.number} {one.case.title}: {_why(one)}")
    if len(failed) > _MOST_TOLD:
        card.say(f"And {len(failed) - _MOST_TOLD} more.")
    return card


def _why(outcome: Outcome) -> str:
    if outcome.stepped_in:
        return f"the package had to step in for {outcome.stepped_in}"
    return f"it said {_short(outcome.heard)}; it should say {_short(outcome.case.wanted)}"


def _short(said: Sequence[Said]) -> str:
    parts = [repr(one) if len(repr(one)) < 60 else f"{repr(one)[:40]}..." for one in said]
    return ", ".join(parts) or "nothing"
