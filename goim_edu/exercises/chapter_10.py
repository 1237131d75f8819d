"""Exercises of chapter 10: documents, BSON and ObjectId (bsonspec.org; MongoDB manual)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import bson

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.websocket.explain import Field

__all__ = ["DOCUMENTS"]

_LETTERS: Final = "abcXYZ_ é好😀"

# ---------------------------------------------------------------------- 10.1

_EMPTY = Predict(
    id="10.1",
    answer=5,
    experiment="""
        import bson
        len(bson.encode({}))
    """,
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
    starter="""
        def int32_document(name, value):
            element = b"\\x10" + name.encode() + b"\\x00"
            return element
    """,
    reference=int32_document,
    fields=_int32_fields,
    cases=(("seq", 1), ("n", 258), ("n", -1), ("é", 0), ("name" * 80, 1)),
    make=lambda c: (
        "".join(c.some(1, 5, lambda: c.pick(_LETTERS))),
        c.integer(0, 2**31 - 1) * c.pick((1, -1)),
    ),
    wrong=(
        ('"little"', '"big"'),
        ("length = 4 + len(element) + 1", "length = len(element)"),
        ('element + b"\\x00"', "element"),
        ('name.encode() + b"\\x00"', "bytes([len(name.encode())]) + name.encode()"),
        (", signed=True", ""),
    ),
)

# ---------------------------------------------------------------------- 10.3


def take_apart(object_id: str) -> tuple[int, str, int]:
    """Seconds, random part and counter of an ObjectId in hex (MongoDB manual, "ObjectId")."""
    return int(object_id[:8], 16), object_id[8:18], int(object_id[18:], 16)


_OBJECT_ID = Function(
    id="10.3",
    starter="""
        def take_apart(object_id):
            return ..., ..., ...
    """,
    reference=take_apart,
    parts=("seconds", "random", "counter"),
    cases=(
        ("507f1f77bcf86cd799439011",),
        ("0000000100000000000000ff",),
        ("ffffffff0123456789ffffff",),
    ),
    make=lambda c: (bytes(c.integer(0, 255) for _ in range(12)).hex(),),
    wrong=(
        ("[:8]", "[:4]", "[8:18]", "[4:9]", "[18:]", "[9:]"),
        ("int(object_id[:8], 16)", 'int.from_bytes(bytes.fromhex(object_id[:8]), "little")'),
        ("object_id[8:18]", "int(object_id[8:18], 16)"),
        ("int(object_id[18:], 16)", "int(object_id[16:], 16)"),
    ),
)

# ---------------------------------------------------------------------- 10.4


def milliseconds(when: datetime) -> int:
    """A time as a BSON Date: whole milliseconds since 1970, in UTC (manual, "BSON Types")."""
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


_NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_SHANGHAI: Final = timezone(timedelta(hours=8))
_DATE = Function(
    id="10.4",
    kind="mend",
    needs="from datetime import UTC, datetime, timedelta, timezone",
    starter="""
        def milliseconds(when):
            return int(when.timestamp()) * 1000
    """,
    reference=milliseconds,
    cases=(
        (_NOON,),
        (_NOON.replace(microsecond=249_000),),
        (_NOON.replace(microsecond=249_999),),
        (datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC),),
        (datetime(2026, 11, 23, 13, 56, 0, 1_000, tzinfo=UTC),),
        (datetime(2026, 11, 23, 20, tzinfo=_SHANGHAI),),
    ),
    make=lambda c: (
        datetime(1970, 1, 2, tzinfo=c.pick((UTC, _SHANGHAI)))
        + timedelta(seconds=c.integer(0, 4_000_000_000), microseconds=c.integer(0, 999_999)),
    ),
    wrong=(
        (
            "(when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)",
            "int(when.timestamp()) * 1000",
        ),
        (
            "(when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)",
            "round(when.timestamp() * 1000)",
        ),
        (
            "(when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)",
            "int((when - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))",
        ),
        ("timedelta(milliseconds=1)", "timedelta(microseconds=1)"),
        ("(when - ", "(when.replace(tzinfo=UTC) - "),
    ),
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
    document: dict[str, Any] = {name: c.text(0, 5) * c.pick((1, 1, 1, 100))}
    if c.flag():
        document["~more"] = c.integer(0, 1_000)
    return (bson.encode(document),)


_TEXT = Function(
    id="10.5",
    starter="""
        def first_text(document):
            name = ...
            text = ...
            return name, text
    """,
    reference=first_text,
    parts=("name", "text"),
    cases=(
        (bson.encode({"text": "Hello"}),),
        (bson.encode({"text": "好"}),),
        (bson.encode({"text": "Hi", "seq": 7}),),
        (bson.encode({"n": ""}),),
        (bson.encode({"t": "a\0b"}),),
        (bson.encode({"t": "long " * 60}),),
        (bson.encode({"": "Hi"}),),
    ),
    make=_text_document,
    wrong=(
        ("start + length - 1", "start + length"),
        ("document[start : start + length - 1]", "document[start:-2]"),
        (
            "document[start : start + length - 1]",
            'document[start : document.index(b"\\x00", start)]',
        ),
        ("document[5:end]", "document[4:end]"),
        (
            '"little"',
            '"big"',
            "length - 1].decode()",
            'length - 1][:1000].decode(errors="replace")',
        ),
    ),
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
        return (
            f"For {name!r} the figure for {kind} is not what it is here: measure with `len`, and "
            "write JSON with the default separators."
        )
    return None


_SIZES = Measure(
    id="10.6",
    starter="""
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
    """,
    solved=("...)", "len(bson.encode(document)))"),
    judge=_judge_sizes,
    wrong=(
        ({"number": (14, 10)}, "are exchanged"),
        ({"number": (10, 14), "text": (17, 21)}, "'bytes' are missing"),
        ({"number": 10}, "a pair is wanted"),
        ({"number": (10, ...)}, "there is still"),
        ({"number": (10, 12)}, "BSON"),
        (None, "dictionary"),
    ),
)

# ---------------------------------------------------------------------- 10.7

_SURVIVOR = Predict(
    id="10.7",
    right="d",
    experiment="""
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
    """,
)
