"""Exercises of chapter 10: documents, BSON and ObjectId (bsonspec.org; MongoDB manual)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import bson

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
from goim_edu.websocket.explain import Field

__all__ = ["DOCUMENTS", "EXERCISES"]

_LETTERS: Final = "abcxyz_é"

# ---------------------------------------------------------------------- 10.1

_EMPTY = Predict(
    id="10.1",
    title="The smallest document",
    statement="How many bytes has the empty document `{}` in BSON?",
    answer=5,
    wrong={
        0: "Even an empty document says how long it is, and that it ends.",
        2: "Two characters are what JSON needs: `{}`. BSON begins with a length.",
        4: "Four bytes are its length. One thing more is needed: its end.",
        1: "One byte is its end. Before that stands its length.",
        8: "The length has 32 bits, not 64.",
    },
    otherwise="A document is its length in four bytes, its elements, and one zero byte.",
    experiment=code("""
        import bson
        len(bson.encode({}))
    """),
    hints=(
        "The first four bytes of a document are its length as an int32, themselves included.",
        "The last byte is 0.",
    ),
)

# ---------------------------------------------------------------------- 10.2


def int32_document(name: str, value: int) -> bytes:
    """A document with one int32 element (bsonspec.org)."""
    element = b"\x10" + name.encode() + b"\x00" + value.to_bytes(4, "little", signed=True)
    length = 4 + len(element) + 1
    return length.to_bytes(4, "little") + element + b"\x00"


def _int32_fields(data: bytes) -> list[Field]:
    name = len(data) - 4 - 1 - 4 - 1
    sizes = {"length": 4, "type": 1, "name": name, "value": 4, "end": 1}
    fields, at = [], 0
    for title, size in sizes.items():
        fields.append(Field(title, 8 * at, 8 * size))
        at += size
    return fields


_INT32 = Function(
    id="10.2",
    title="Write a document by hand",
    statement="""Write `int32_document(name, value)`: the BSON of `{name: value}`, with the
        value as an int32. In this order: the length of the whole document (4 bytes), the type
        0x10, the name as UTF-8 with a zero byte behind it, the value (4 bytes), and a zero
        byte. Numbers in BSON have their *lowest* byte first.""",
    starter="""
        def int32_document(name, value):
            element = b"\\x10" + name.encode() + b"\\x00"
            return element
    """,
    reference=int32_document,
    fields=_int32_fields,
    cases=(
        Case(
            ("seq", 1),
            '`{"seq": 1}`',
            """The length counts everything, its own four bytes and the zero at the end too.
                Numbers have their lowest byte first (little-endian), the other way round than
                in WebSocket.""",
        ),
        Case(("n", 258), '`{"n": 258}`', "258 is 0x0102: the bytes are 02 01 00 00."),
        Case(
            ("n", -1),
            '`{"n": -1}`',
            "An int32 has a sign: -1 is four bytes ff (`to_bytes(4, 'little', signed=True)`).",
        ),
        Case(("é", 0), "a name that needs two bytes", "The length counts bytes, not characters."),
    ),
    make=lambda c: (
        "".join(c.some(1, 5, lambda: c.pick(_LETTERS))),
        c.integer(0, 2**31 - 1) * c.pick((1, -1)),
    ),
    hints=(
        "Make the element first: type, name, zero, value.",
        "The whole document is 4 bytes longer than that for its length, and 1 for the zero.",
        "`value.to_bytes(4, 'little', signed=True)`",
    ),
    wrong=(
        Wrong(
            "lowest byte first",
            '"little"',
            '"big"',
            tip="""the numbers have their highest byte first, as in WebSocket. BSON is the other
                way.""",
        ),
        Wrong(
            "length counts everything",
            "length = 4 + len(element) + 1",
            "length = len(element)",
            tip="the length counts the element only.",
        ),
        Wrong(
            "too early",
            'element + b"\\x00"',
            "element",
            tip="the zero byte at the end of the document is missing.",
        ),
        Wrong(
            "name",
            'name.encode() + b"\\x00"',
            "bytes([len(name.encode())]) + name.encode()",
            tip="the name has its length before it. In BSON a zero byte behind it ends it.",
        ),
        Wrong(
            "OverflowError",
            ", signed=True",
            "",
            tip="negative numbers are not reckoned with.",
        ),
    ),
    after="`bson.encode({'seq': 1})` of pymongo gives the same bytes.",
)

# ---------------------------------------------------------------------- 10.3


def take_apart(object_id: str) -> tuple[int, str, int]:
    """Seconds, random part and counter of an ObjectId in hex (MongoDB manual, "ObjectId")."""
    return int(object_id[:8], 16), object_id[8:18], int(object_id[18:], 16)


_OBJECT_ID = Function(
    id="10.3",
    title="Take an ObjectId apart",
    statement="""An ObjectId has 12 bytes: 4 of seconds since 1970, 5 that are random for each
        process, and 3 of a counter; its numbers have the highest byte first, so that ids sort
        by time. Write `take_apart(object_id)` for its 24 hex characters: give back `(seconds,
        random, counter)`, two numbers and between them ten hex characters as they stand there.""",
    starter="""
        def take_apart(object_id):
            return ..., ..., ...
    """,
    reference=take_apart,
    parts=("seconds", "random", "counter"),
    cases=(
        Case(
            ("507f1f77bcf86cd799439011",),
            "the example of the MongoDB manual",
            "Two hex characters are one byte: 8 characters of time, 10 random ones, 6 of counter.",
        ),
        Case(
            ("0000000100000000000000ff",),
            "one second after 1970 began, counter 255",
            "The highest byte comes first: 00 00 00 01 is 1.",
        ),
        Case(
            ("ffffffff0123456789ffffff",),
            "all bits of time and counter set",
            "Neither number has a sign here.",
        ),
    ),
    make=lambda c: (bytes(c.integer(0, 255) for _ in range(12)).hex(),),
    hints=(
        "`int(text, 16)` reads a hex number.",
        "`object_id[:8]`, `object_id[8:18]` and `object_id[18:]`",
    ),
    wrong=(
        Wrong(
            "8 characters of time",
            whole="""
                def take_apart(object_id):
                    return int(object_id[:4], 16), object_id[4:9], int(object_id[9:], 16)
            """,
            tip="the characters are taken for bytes. Two hex characters are one byte.",
        ),
        Wrong(
            "`seconds`",
            "int(object_id[:8], 16)",
            'int.from_bytes(bytes.fromhex(object_id[:8]), "little")',
            tip="the time is read with its lowest byte first. An ObjectId is no BSON number.",
        ),
        Wrong(
            "`random`",
            "object_id[8:18]",
            "int(object_id[8:18], 16)",
            tip="the random part is asked for as it stands there, as text.",
        ),
        Wrong(
            "6 of counter",
            "int(object_id[18:], 16)",
            "int(object_id[16:], 16)",
            tip="the counter has three bytes, six characters.",
        ),
    ),
    after="`bson.ObjectId(...).generation_time` gives the time as a `datetime`.",
)

# ---------------------------------------------------------------------- 10.4


def milliseconds(when: datetime) -> int:
    """A time as a BSON Date: whole milliseconds since 1970, in UTC (manual, "BSON Types")."""
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


_NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_DATE = Function(
    id="10.4",
    title="Mend a time that loses too much",
    kind="mend",
    statement="""A BSON Date is a number of milliseconds since 1970 in UTC, so of Python's
        microseconds three digits are cut off: cut, not rounded. Mend `milliseconds(when)` for a
        `datetime` that knows its time zone.""",
    needs="from datetime import UTC, datetime, timedelta",
    starter="""
        def milliseconds(when):
            return int(when.timestamp()) * 1000
    """,
    reference=milliseconds,
    cases=(
        Case((_NOON,), "noon, without any fraction", "Whole seconds, times 1,000."),
        Case(
            (_NOON.replace(microsecond=249_000),),
            "249 milliseconds later",
            "Milliseconds are kept.",
        ),
        Case(
            (_NOON.replace(microsecond=249_999),),
            "249,999 microseconds later",
            "Microseconds are cut off, not rounded: 249.999 becomes 249.",
        ),
        Case(
            (datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC),),
            "half a millisecond before 1970",
            "Cutting goes towards the past here too: it becomes -1, as in the driver.",
        ),
        Case(
            (datetime(2026, 11, 23, 13, 56, 0, 1_000, tzinfo=UTC),),
            "one millisecond after a minute",
            """A `float` of seconds cannot hold every millisecond: 0.001 * 1000 may come out as
                0.9999. Reckon with whole numbers.""",
        ),
    ),
    make=lambda c: (
        datetime(1970, 1, 1, tzinfo=UTC)
        + timedelta(seconds=c.integer(0, 4_000_000_000), microseconds=c.integer(0, 999_999)),
    ),
    hints=(
        "The difference of two `datetime`s is a `timedelta`.",
        "`timedelta // timedelta(milliseconds=1)` is a whole number, cut downwards.",
    ),
    wrong=(
        Wrong(
            "Milliseconds are kept",
            "(when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)",
            "int(when.timestamp()) * 1000",
            tip="all fractions of a second are lost.",
        ),
        Wrong(
            "not rounded",
            "(when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)",
            "round(when.timestamp() * 1000)",
            tip="it is rounded to the nearest millisecond, so some times lie in the future.",
        ),
        Wrong(
            "towards the past",
            "(when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)",
            "int((when - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))",
            tip="`int` cuts towards zero, which is upwards for times before 1970.",
        ),
        Wrong(
            "Whole seconds",
            "timedelta(milliseconds=1)",
            "timedelta(microseconds=1)",
            tip="these are microseconds.",
        ),
    ),
    after="So two messages may well share a `created_at`. Chapter 11 shows what comes of that.",
)

# ---------------------------------------------------------------------- 10.5


def first_text(document: bytes) -> tuple[str, str]:
    """Name and value of the first element of a document, which is a string (bsonspec.org)."""
    end = document.index(b"\x00", 5)
    start = end + 1 + 4
    length = int.from_bytes(document[end + 1 : start], "little")
    return document[5:end].decode(), document[start : start + length - 1].decode()


def _text_document(c: Choices) -> tuple[bytes]:
    name = "".join(c.some(1, 4, lambda: c.pick(_LETTERS)))
    document: dict[str, Any] = {name: c.text(0, 5)}
    if c.flag():
        document["~more"] = c.integer(0, 1_000)
    return (bson.encode(document),)


_TEXT = Function(
    id="10.5",
    title="Read a document by hand",
    statement="""The first element of a document is a string: after the document's length (4
        bytes) come the type 0x02, the name with a zero byte behind it, the length of the text
        in bytes (4 bytes, lowest first), *with* the zero byte that ends it, the text as UTF-8,
        and that zero byte. Write `first_text(document)`: give back `(name, text)`. More
        elements may follow.""",
    starter="""
        def first_text(document):
            name = ...
            text = ...
            return name, text
    """,
    reference=first_text,
    parts=("name", "text"),
    cases=(
        Case(
            (bson.encode({"text": "Hello"}),),
            '`{"text": "Hello"}`',
            """The name begins at byte 5 and ends before the first zero byte. The length of the
                text is 6 here: its zero byte is counted, but is no part of it.""",
        ),
        Case(
            (bson.encode({"text": "好"}),),
            '`{"text": "好"}`',
            "The length counts bytes: `好` has three, and the zero byte makes four.",
        ),
        Case(
            (bson.encode({"text": "Hi", "seq": 7}),),
            "another element follows",
            "Only the length says where the text ends; behind it the document goes on.",
        ),
        Case((bson.encode({"n": ""}),), "an empty text", "Its length is 1: the zero byte alone."),
        Case(
            (bson.encode({"t": "a\0b"}),),
            "a text with a zero byte inside",
            "A text may hold zero bytes (a name may not). That is why it has a length.",
        ),
    ),
    make=_text_document,
    hints=(
        'Find the end of the name: `document.index(b"\\x00", 5)`.',
        "The four bytes behind that zero are the length of the text, with its own zero.",
        "Text: `length - 1` bytes, `.decode()`.",
    ),
    wrong=(
        Wrong(
            "is no part of it",
            "start + length - 1",
            "start + length",
            tip="the zero byte that ends the text is taken for a part of it.",
        ),
        Wrong(
            "the document goes on",
            "document[start : start + length - 1]",
            "document[start:-2]",
            tip="everything up to the end of the document is taken for the text.",
        ),
        Wrong(
            "why it has a length",
            "document[start : start + length - 1]",
            'document[start : document.index(b"\\x00", start)]',
            tip="the text ends at the first zero byte in yours.",
        ),
        Wrong(
            "`name`",
            "document[5:end]",
            "document[4:end]",
            tip="the type byte is taken for a part of the name.",
        ),
        Wrong(
            "`text`",
            '"little"',
            '"big"',
            tip="the length is read with its highest byte first.",
            whole="""
                def first_text(document):
                    end = document.index(b"\\x00", 5)
                    length = int.from_bytes(document[end + 1 : end + 5], "big")
                    text = document[end + 5 : end + 5 + length - 1][:1000]
                    return document[5:end].decode(), text.decode(errors="replace")
            """,
        ),
    ),
    after="""Lengths let a reader jump over what it does not want: that is BSON's gain, not its
        size.""",
)

# ---------------------------------------------------------------------- 10.6

DOCUMENTS: Final[dict[str, dict[str, Any]]] = {
    "number": {"seq": 7},
    "text": {"text": "Hello"},
    "bytes": {"raw": bytes(range(256)) * 4},
}
"""Three documents to be measured."""


def _as_json(document: dict[str, Any]) -> str:
    import base64

    return json.dumps(
        {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for name, value in document.items()
        }
    )


def _judge_sizes(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return "A dictionary is wanted: name -> (bytes of JSON, bytes of BSON)."
    for name, document in DOCUMENTS.items():
        right = (len(_as_json(document).encode()), len(bson.encode(document)))
        if name not in answer:
            return f"The figures for {name!r} are missing."
        yours = answer[name]
        if not isinstance(yours, tuple | list) or len(yours) != 2:
            return f"For {name!r} a pair is wanted: (bytes of JSON, bytes of BSON)."
        if ... in yours:
            return f"In the pair of {name!r} there is still `...`: fill it in."
        if tuple(yours) == right:
            continue
        if tuple(yours) == right[::-1]:
            return f"For {name!r} the two are exchanged: JSON comes first."
        kind = "JSON" if yours[0] != right[0] else "BSON"
        return f"For {name!r} the figure for {kind} is not what it is here: measure with `len`."
    return None


_SIZES = Measure(
    id="10.6",
    title="Is BSON smaller than JSON?",
    statement="""Measure the three documents of `DOCUMENTS` in both formats. JSON
        (`json.dumps(document)`) has no bytes, so those are written as Base64 first. The answer
        is a dictionary, name -> (bytes of JSON, bytes of BSON).""",
    starter=code("""
        import base64, json
        import bson
        from goim_edu.exercises.chapter_10 import DOCUMENTS

        answer = {}
        for name, document in DOCUMENTS.items():
            writable = {
                key: base64.b64encode(value).decode() if isinstance(value, bytes) else value
                for key, value in document.items()
            }
            answer[name] = (len(json.dumps(writable)), ...)
    """),
    solution=code("""
        import base64, json
        import bson
        from goim_edu.exercises.chapter_10 import DOCUMENTS

        answer = {}
        for name, document in DOCUMENTS.items():
            writable = {
                key: base64.b64encode(value).decode() if isinstance(value, bytes) else value
                for key, value in document.items()
            }
            answer[name] = (len(json.dumps(writable)), len(bson.encode(document)))
    """),
    judge=_judge_sizes,
    wrong=(
        ({"number": (14, 10)}, "are exchanged"),
        ({"number": (10, 14), "text": (17, 21)}, "'bytes' are missing"),
        ({"number": 10}, "a pair is wanted"),
        ({"number": (10, ...)}, "there is still"),
        ({"number": (10, 12)}, "BSON"),
        (None, "dictionary"),
    ),
    hints=(
        "`len(bson.encode(document))` is the size in BSON.",
        "Which way round is the first pair, and for which document is BSON the smaller one?",
    ),
    after="""BSON is not made to be small. It keeps types, and can be walked through without
        reading all.""",
)

# ---------------------------------------------------------------------- 10.7

_SURVIVOR = Predict(
    id="10.7",
    title="What survives JSON?",
    statement="""A document goes through `json.dumps` and `json.loads`. Which of these comes
        back as it was?""",
    options=(
        Option(
            "a date",
            "JSON has no dates: `json.dumps` raises, or you write it as text yourself.",
        ),
        Option("some bytes", "JSON has no bytes. They must be written as text, such as Base64."),
        Option("an ObjectId", "JSON knows nothing of it; written as text it is only a text."),
        Option(
            "a text and a number",
            "Texts, numbers, true, false, null, lists and objects: that is all that JSON has.",
            right=True,
        ),
        Option(
            "a number as a key",
            "JSON's keys are texts: from `{7: ...}` comes back `{'7': ...}`.",
        ),
    ),
    experiment=code("""
        import json
        from datetime import UTC, datetime
        import bson

        documents = {
            "a date": {"at": datetime(2026, 11, 23, tzinfo=UTC)},
            "some bytes": {"raw": b"Hi"},
            "an ObjectId": {"_id": bson.ObjectId()},
            "a number as a key": {7: "seq"},
            "a text and a number": {"text": "好", "seq": 7},
        }
        survivors = []
        for name, document in documents.items():
            try:
                if json.loads(json.dumps(document)) == document:
                    survivors.append(name)
            except TypeError:
                pass
        survivors[-1]
    """),
    hints=(
        "Which types does JSON know at all?",
        "And what may stand before the colon?",
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    _EMPTY,
    _INT32,
    _OBJECT_ID,
    _DATE,
    _TEXT,
    _SIZES,
    _SURVIVOR,
)
