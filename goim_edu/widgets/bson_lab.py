"""BsonLab: a document as JSON and as bytes, both to be edited, and which byte says what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import bson
import traitlets
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from goim_edu import draw
from goim_edu.draw.bson_document import PIECE_COLOURS
from goim_edu.draw.bson_elements import Piece, Row, in_words, read_bson
from goim_edu.palette import OKABE_ITO, ink_on
from goim_edu.printable import printable
from goim_edu.widgets.base import Lab, octets_of, script, style
from goim_edu.widgets.bson_presets import PRESETS

__all__ = ["BsonLab"]

_MOST_BYTES: Final = 1 << 16  # of a document
_MOST_SHOWN: Final = 1024  # bytes that are shown
_MOST_ROWS: Final = 300
_MOST_QUOTED: Final = 16  # bytes of a piece in a sentence
_MOST_LEVELS: Final = 100  # of documents within documents, as MongoDB has it
_TOO_DEEP: Final = f"documents lie in each other too deep: {_MOST_LEVELS} levels are allowed"

# Times before 1 and after 9999 are not a datetime: they stay numbers.
_DATES: Final = DatetimeConversion.DATETIME_AUTO
_DECODE: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    tz_aware=True, datetime_conversion=_DATES
)
_JSON: Final = json_util.RELAXED_JSON_OPTIONS.with_options(
    tz_aware=True, datetime_conversion=_DATES
)
_SAID: Final = {
    "length": "length",
    "type": "type",
    "name": "name",
    "value": "value",
    "end": "end",
    "unread": "not read",
}


class BsonLab(Lab):
    """Edit a document as JSON or as bytes and see which byte is a type, a name, a length, a value.

    Click an element and its bytes light up; click a byte and its element does; two hex digits
    typed on a byte replace it. The arrow keys work in both. Damaged bytes are read as far as they
    can be, and what is wrong is said, with its place. JSON is MongoDB's extended JSON.

    Args:
        document: a mapping, the bytes of a document, or the name of one of ``BsonLab.presets``.

    Attributes:
        value: the bytes of the document; to read, to set and to observe.
        selected: the number of the chosen element in ``elements``, -1 for none.

    >>> lab = BsonLab({"seq": 7})
    >>> lab.hex
    '0e 00 00 00 10 73 65 71 00 07 00 00 00 00'
    >>> lab.select(1)
    >>> lab.element.type, lab.element.value
    ('int32', 7)
    >>> lab.put(4, 0x55)
    >>> lab.problem
    'byte 4: there is no type 0x55'
    """

    _esm = script("bson_lab")
    _css = style("bson_lab")

    presets = tuple(preset.name for preset in PRESETS)

    value = traitlets.Bytes()
    selected = traitlets.Int(-1).tag(sync=True)
    menu: traitlets.List[Any] = traitlets.List().tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)

    def __init__(self, document: Mapping[str, Any] | bytes | str = "a chat message") -> None:
        super().__init__()
        self.menu = [{"name": preset.name, "broken": preset.broken} for preset in PRESETS]
        named = {kind: OKABE_ITO[colour] for kind, colour in PIECE_COLOURS.items()}
        self.colours = {kind: [colour, ink_on(colour)] for kind, colour in named.items()}
        self._rows: list[Row] = []
        self._problem = ""
        self.observe(self._refresh, ["value"])
        if isinstance(document, str):
            self.load(document)
        elif isinstance(document, Mapping):
            self.value = bson.encode(document)
        else:
            self.value = bytes(document)
        self._refresh()

    @traitlets.validate("value")
    def _bounded(self, proposal: dict[str, Any]) -> bytes:
        data: bytes = proposal["value"]
        if len(data) > _MOST_BYTES:
            raise ValueError(f"the lab takes {_MOST_BYTES:,} bytes, not {len(data):,}")
        return data

    @traitlets.validate("selected")
    def _within(self, proposal: dict[str, Any]) -> int:
        number: int = proposal["value"]
        return number if -1 <= number < len(self._rows) else -1

    # ------------------------------------------------------------------ what Python can do

    @property
    def hex(self) -> str:
        """The bytes as hex digits; setting it takes them, with or without spaces between."""
        return self.value.hex(" ")

    @hex.setter  # noqa: A003 (the word that everybody looks for)
    def hex(self, digits: str) -> None:
        self.value = octets_of(digits)

    @property
    def problem(self) -> str:
        """What is wrong with the bytes and where, ``""`` if nothing is."""
        return self._problem

    @property
    def document(self) -> dict[str, Any]:
        """The document as Python has it.

        Raises:
            ValueError: the bytes are damaged.
        """
        if self._problem:
            raise ValueError(self._problem)
        return _decoded(self.value)

    @property
    def json(self) -> str:
        """The document as extended JSON; setting it encodes what it says.

        Raises:
            ValueError: on reading, the bytes are damaged; on setting, this is not a document.
        """
        return _dumped(self.document, indent=2)

    @json.setter
    def json(self, text: str) -> None:
        self.value = _encoded(text)

    @property
    def sizes(self) -> dict[str, int]:
        """How many bytes it takes as BSON and as JSON without a space.

        Raises:
            ValueError: the bytes are damaged.
        """
        compact = _dumped(self.document, separators=(",", ":"))
        return {"BSON": len(self.value), "JSON": len(compact.encode())}

    @property
    def elements(self) -> list[Row]:
        """What the bytes say, in their order; a document has a row where it starts and ends."""
        return list(self._rows)

    @property
    def element(self) -> Row | None:
        """The chosen element, or None."""
        return self._rows[self.selected] if self.selected >= 0 else None

    def select(self, number: int) -> None:
        """Choose element ``number``; its bytes light up.

        Raises:
            IndexError: there is no such element.
        """
        if not 0 <= number < len(self._rows):
            raise IndexError(f"element {number}: there are {len(self._rows)}")
        self.selected = number

    def put(self, at: int, octet: int) -> None:
        """Replace byte number ``at``, to see what breaks.

        Raises:
            IndexError: there is no such byte.
            ValueError: ``octet`` is not one of 0 to 255.
        """
        if not 0 <= at < len(self.value):
            raise IndexError(f"byte {at}: the document has {len(self.value)}")
        self.value = self.value[:at] + bytes((octet,)) + self.value[at + 1 :]

    def load(self, name: str) -> None:
        """Start from the preset called ``name``.

        Raises:
            KeyError: no preset is called so.
        """
        for preset in PRESETS:
            if preset.name == name:
                self.value = preset.data
                return
        raise KeyError(f"no preset is called {name!r}; see BsonLab.presets")

    def picture(self) -> draw.Picture:
        """Return the document as a picture, as in print."""
        return draw.bson_document(self.value)

    # ------------------------------------------------------------------ what the browser sees

    def _refresh(self, _: object = None) -> None:
        self._rows, self._problem = read_bson(self.value)
        if not self._problem:
            try:
                _decoded(self.value)
            except (BSONError, ValueError, OverflowError) as error:
                self._problem = f"bson.decode refuses it: {error}"
        self.selected = self.selected  # one that is not there any more is left
        self.view = {
            "octets": list(self.value[:_MOST_SHOWN]),
            "more": max(len(self.value) - _MOST_SHOWN, 0),
            "rows": [_plain(self._rows, number) for number in range(self._listed)],
            "moreRows": len(self._rows) - self._listed,
            "preset": next((one.name for one in PRESETS if one.data == self.value), ""),
            "state": "wrong" if self._problem else "good",
            "verdict": printable(self._verdict()),
            "wrongAt": _place(self._problem),
            "json": "" if self._problem else self.json,
            "note": "" if self._problem else _note(self.value, self.json),
            "hex": self.hex,
        }

    @property
    def _listed(self) -> int:
        return min(len(self._rows), _MOST_ROWS)

    def _verdict(self) -> str:
        if self._problem:
            return self._problem
        elements = sum(1 for row in self._rows if row.depth and row.type != "end")
        sizes = self.sizes
        more = sizes["BSON"] - sizes["JSON"]
        than = f"{abs(more):,} {'more' if more > 0 else 'fewer'} than" if more else "as many as"
        return (
            f"{sizes['BSON']:,} bytes hold {elements:,} element{'s'[: elements != 1]}, "
            f"{than} compact JSON, which takes {sizes['JSON']:,}"
        )

    def _do(self, content: dict[str, Any]) -> None:
        match content:
            case {"type": "json", "text": str(text)}:
                self.json = text
            case {"type": "hex", "text": str(text)}:
                self.hex = text
            case {"type": "put", "at": int(at), "octet": int(octet)} if at < len(self.value):
                self.put(at, octet)
            case {"type": "select", "number": int(number)}:
                self.selected = number
            case {"type": "load", "name": str(name)} if name in self.presets:
                self.load(name)

    def __repr__(self) -> str:
        shown = self.value[:16].hex() + ("..." if len(self.value) > 16 else "")
        return f"BsonLab({shown})"


# ---------------------------------------------------------------------- JSON, there and back


def _decoded(data: bytes) -> dict[str, Any]:
    return bson.decode(data, _DECODE)


def _encoded(text: str) -> bytes:
    """Return the document that extended JSON describes.

    Raises:
        ValueError: it describes none; says why.
    """
    try:
        found = json_util.loads(text, json_options=_JSON)
        if not isinstance(found, dict):
            raise ValueError(f"a document stands in braces, this is a {type(found).__name__}")
        _check_depth(found, _MOST_LEVELS)
        return bson.encode(found)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (BSONError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"this is not a document: {error}") from None


def _check_depth(value: object, levels: int) -> None:
    """Refuse what lies deeper than MongoDB takes it (manual: "MongoDB Limits and Thresholds")."""
    if isinstance(value, dict | list):
        if not levels:
            raise ValueError(_TOO_DEEP)
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, levels - 1)


def _dumped(document: dict[str, Any], **how: Any) -> str:
    marked = _with_longs(document)
    return json_util.dumps(marked, json_options=_JSON, ensure_ascii=False, **how)


def _with_longs(value: Any) -> Any:
    """Mark each int64 that would come back from plain JSON as an int32."""
    if isinstance(value, dict):
        return {name: _with_longs(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_longs(inner) for inner in value]
    if isinstance(value, bson.Int64) and -(1 << 31) <= value < 1 << 31:
        return {"$numberLong": str(value)}
    return value


def _note(data: bytes, text: str) -> str:
    """Say so if the way over JSON and back changes a byte."""
    try:
        same = _encoded(text) == data
    except ValueError:
        same = False
    return "" if same else "JSON cannot say all of this: edited there, other bytes change too."


# ---------------------------------------------------------------------- rows for the browser


def _plain(rows: list[Row], number: int) -> dict[str, Any]:
    row = rows[number]
    first, last = row.pieces[0].start, _last(row)
    code = next((piece.data[0] for piece in row.pieces if piece.kind == "type"), None)
    return {
        "text": printable(_short(row)),
        "type": "" if code is None else f"{code:02x} {row.type}",
        "remark": row.remark,
        "depth": row.depth,
        "first": first,
        "last": last,
        "until": _until(rows, number),
        "size": last - first + 1,
        "kind": _leading_kind(row),
        "pieces": [_plain_piece(piece) for piece in row.pieces if piece.data],
    }


def _short(row: Row) -> str:
    """Return what a row says; of what is named beside it, its type, not once more."""
    if row.name and row.type in ("document", "array"):
        return f"{row.name}: {row.value:,} bytes"
    return in_words(row)


def _last(row: Row) -> int:
    piece = row.pieces[-1]
    return piece.start + len(piece.data) - 1


def _until(rows: list[Row], number: int) -> int:
    """Return the last byte of a document or an array, for any other element its own."""
    row = rows[number]
    if row.type not in ("document", "array"):
        return _last(row)
    later = rows[number + 1 :]
    ends = [other for other in later if other.type == "end" and other.depth == row.depth]
    return _last(ends[0]) if ends else _last(rows[-1])


def _leading_kind(row: Row) -> str:
    kinds = [piece.kind for piece in row.pieces]
    return "value" if "value" in kinds else kinds[-1]


def _plain_piece(piece: Piece) -> dict[str, Any]:
    quoted = piece.data[:_MOST_QUOTED].hex(" ") + (" …" if len(piece.data) > _MOST_QUOTED else "")
    return {
        "kind": piece.kind,
        "first": piece.start,
        "last": piece.start + len(piece.data) - 1,
        "said": f"{_SAID[piece.kind]} {quoted}",
    }


def _place(problem: str) -> int:
    """Return the number of the byte that a problem names, -1 if it names none."""
    place = problem.partition(":")[0].removeprefix("byte ")
    return int(place) if place.isdecimal() else -1
