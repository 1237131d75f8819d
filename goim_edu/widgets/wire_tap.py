"""WireTap: a live capture as list, tree and bytes, with what belongs together lit up together."""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

import anywidget
import traitlets

from goim_edu.capture import Capture, CapturedFrame, CapturedHead
from goim_edu.draw.frame import drawn_fields
from goim_edu.palette import ROLES, ink_on
from goim_edu.printable import printable
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.explain import Explanation, explain
from goim_edu.widgets.base import script, style

__all__ = ["WireTap"]

_MOST_ROWS: Final = 400  # of the list, in one answer
_MOST_BYTES: Final = 4096  # of a layer that are shown
_MOST_TEXT: Final = 120  # characters in a row of the list

Entry = CapturedHead | CapturedFrame


class HasCapture(Protocol):
    """A live server, or whatever else records."""

    @property
    def capture(self) -> Capture:
        """The recording."""
        ...


class WireTap(anywidget.AnyWidget):
    """Look at a recording while it grows: every request, response and frame, down to the byte.

    Click an entry of the list and see its fields and its bytes; click a field and its bytes light
    up; click a byte and its field does. The tabs show the bytes as they were on the wire, unmasked,
    inflated, and the message that they complete. All of it works with the arrow keys too.

    Args:
        source: a live server, or a capture.

    Attributes:
        selected: the number of the chosen entry in the list, -1 for none.
        wanted: what the list is filtered by: words that must all stand in an entry.
        paused: whether the list stands still.

    >>> tap = WireTap(Capture())
    >>> tap, len(tap.shown)
    (WireTap(), 0)
    """

    _esm = script("wire_tap")
    _css = style("wire_tap")

    colours = traitlets.Dict().tag(sync=True)
    selected = traitlets.Int(-1)
    wanted = traitlets.Unicode()
    paused = traitlets.Bool(False)

    def __init__(self, source: HasCapture | Capture) -> None:
        super().__init__()
        self._capture = source if isinstance(source, Capture) else source.capture
        self.colours = {role: [colour, ink_on(colour)] for role, colour in ROLES.items()}
        self._all: list[Entry] = []
        self._shown: list[Entry] = []
        self._read()
        self.observe(self._filter_anew, "wanted")
        self.observe(lambda _: self._send_selected(), "selected")
        self.on_msg(self._receive)

    # ------------------------------------------------------------------ what Python can do

    @property
    def shown(self) -> list[Entry]:
        """The entries of the list, filtered."""
        self._read()
        return list(self._shown)

    @property
    def entry(self) -> Entry | None:
        """The chosen entry, or None."""
        return self._shown[self.selected] if 0 <= self.selected < len(self._shown) else None

    def filter(self, words: str) -> int:
        """Show only entries that contain all of ``words``; return how many that are.

        A word may stand in the text, or be a kind (``ping``), a sender (``client``), a connection
        (``#3``) or ``wrong``. An empty string shows all.
        """
        self.wanted = words
        return len(self._shown)

    def select(self, number: int) -> None:
        """Choose entry ``number`` of the list.

        Raises:
            IndexError: there is no such entry.
        """
        if not 0 <= number < len(self.shown):
            raise IndexError(f"entry {number}: the list has {len(self._shown)}")
        self.selected = number

    # ------------------------------------------------------------------ the recording

    def _read(self) -> None:
        """Take in what was recorded since; a cleared recording starts anew."""
        if self.paused:
            return
        entries = self._capture.entries()
        if len(entries) < len(self._all) or (self._all and entries[0] is not self._all[0]):
            self._all, self._shown, self.selected = [], [], -1
        new = entries[len(self._all) :]
        self._all = entries
        words = self.wanted.lower().split()
        self._shown += [entry for entry in new if _matches(entry, words)] if words else new

    def _filter_anew(self, _: object) -> None:
        chosen = self.entry
        words = self.wanted.lower().split()
        self._shown = [entry for entry in self._all if _matches(entry, words)]
        at = [number for number, entry in enumerate(self._shown) if entry is chosen]
        self.selected = at[0] if at else -1
        self._send_count()

    # ------------------------------------------------------------------ what the browser sees

    def _receive(self, _: object, content: dict[str, Any], __: object) -> None:
        match content:
            case {"type": "poll"}:
                self._read()
                self._send_count()
            case {"type": "rows", "from": int(first), "count": int(count)}:
                self._send_rows(max(first, 0), min(count, _MOST_ROWS))
            case {"type": "select", "number": int(number)} if 0 <= number < len(self._shown):
                self.selected = number
                self._send_selected()
            case {"type": "filter", "words": str(words)}:
                self.wanted = words
            case {"type": "pause", "value": bool(value)}:
                self.paused = value
                self._read()
                self._send_count()

    def _send_count(self) -> None:
        self.send(
            {
                "type": "count",
                "shown": len(self._shown),
                "total": len(self._all),
                "full": self._capture.full,
                "paused": self.paused,
                "wanted": self.wanted,
                "selected": self.selected,
            }
        )

    def _send_rows(self, first: int, count: int) -> None:
        rows = [_row(entry) for entry in self._shown[first : first + count]]
        self.send({"type": "rows", "from": first, "rows": rows})

    def _send_selected(self) -> None:
        entry = self.entry
        detail = None if entry is None else _detail(entry)
        self.send({"type": "detail", "number": self.selected, "detail": detail})

    def __repr__(self) -> str:
        return "WireTap()"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        stand_in = (
            '<p role="img" aria-label="A list of captured frames; it works while the notebook '
            'runs."><small>The captured bytes appear here when you run this cell.</small></p>'
        )
        return {**data, "text/html": stand_in}, metadata


def _matches(entry: Entry, words: list[str]) -> bool:
    wrong = "wrong" if isinstance(entry, CapturedFrame) and entry.error else ""
    hay = f"{entry.text} {entry.name} {entry.sender} {wrong}".lower()
    connection = f"#{entry.connection}"
    return all(
        word == connection if word[0] == "#" and word[1:].isdigit() else word in hay
        for word in words
    )


def _row(entry: Entry) -> dict[str, Any]:
    """What stands in one line of the list."""
    wrong = isinstance(entry, CapturedFrame) and entry.error is not None
    return {
        "connection": entry.connection,
        "time": f"{entry.time:.6f}",
        "sender": entry.sender,
        "name": entry.name,
        "size": len(entry.data),
        "text": printable(_row_text(entry)),
        "wrong": wrong,
    }


def _row_text(entry: Entry) -> str:
    if isinstance(entry, CapturedHead):
        return entry.text
    if entry.error is not None:
        return str(entry.error)
    if entry.note:
        return entry.note
    if entry.name == "CLOSE":
        code, reason = parse_close(entry.payload)
        return f"{code} {reason}".strip()
    if isinstance(entry.message, str):
        return entry.message[:_MOST_TEXT]
    if entry.message is None and entry.name in {"TEXT", "BINARY", "CONTINUATION"}:
        return "(a fragment)"
    if entry.name in {"PING", "PONG"} and entry.payload.isascii():
        return entry.payload.decode()
    content = entry.payload if entry.message is None else entry.message
    return content[: _MOST_TEXT // 3].hex(" ")


# ---------------------------------------------------------------------- one entry, in detail


def _detail(entry: Entry) -> dict[str, Any]:
    """Fields, verdict and layers of one entry."""
    explained = _explained(entry)
    return {
        "title": f"{entry.name} from the {entry.sender}, connection {entry.connection}",
        "state": "good" if explained.ok else "cut" if explained.cut else "wrong",
        "verdict": printable(explained.verdict),
        "fields": _fields(explained),
        "layers": [*_layers(entry)],
    }


def _explained(entry: Entry) -> Explanation:
    if isinstance(entry, CapturedHead):
        kind: Any = entry.name.lower()
        return explain(entry.data, kind=kind)
    compressed = entry.error is None and entry.header is not None and entry.header.rsv1
    return explain(entry.data, kind="frame", sender=entry.sender, compression=compressed)


def _fields(explained: Explanation) -> list[dict[str, Any]]:
    if explained.kind == "frame":
        return [
            _field(f.name, f.start, f.length, f.value, f.meaning, f.section, f.role, f.wrong)
            for f in drawn_fields(explained)
            if f.role != "missing"
        ]
    return [
        _field(
            field.name,
            field.start_bit,
            field.bit_length,
            str(field.value),
            field.meaning,
            field.section,
            "opcode" if number < 3 else "payload" if field.name == "body" else "length",
            field.name == explained.culprit,
        )
        for number, field in enumerate(explained.fields)
    ]


def _field(
    name: str,
    start: int,
    length: int,
    value: str,
    meaning: str,
    section: str,
    role: str,
    wrong: bool,
) -> dict[str, Any]:
    return {
        "name": name,
        "first": start // 8,
        "last": (start + length - 1) // 8,
        "bits": f"{start % 8}" if length == 1 else f"{start % 8}–{(start + length - 1) % 8}",
        "whole": start % 8 == 0 and length % 8 == 0,
        "value": printable(value[:200]),
        "meaning": printable(meaning),
        "section": section,
        "role": role,
        "wrong": wrong,
    }


def _layers(entry: Entry) -> list[dict[str, Any]]:
    """The bytes of an entry, layer by layer: what is the same as the layer before is left out."""
    layers = [_bytes_layer("wire", entry.data, offset=0)]
    if isinstance(entry, CapturedHead):
        return [*layers, _text_layer("text", entry.data.decode("latin-1"))]
    if entry.header is None:
        return layers
    if entry.header.masked and entry.payload:
        layers.append(_bytes_layer("unmasked", entry.payload, offset=entry.header.size))
    if entry.message is None:
        return layers
    message = entry.message.encode() if isinstance(entry.message, str) else entry.message
    if message != entry.payload:
        inflated = entry.header.rsv1 and entry.header.fin
        layers.append(_bytes_layer("inflated" if inflated else "put together", message))
    if isinstance(entry.message, str):
        layers.append(_text_layer("message", _pretty(entry.message)))
    return layers


def _bytes_layer(name: str, data: bytes, *, offset: int | None = None) -> dict[str, Any]:
    """A layer of bytes; ``offset`` says where its first one stands on the wire, if it does."""
    octets, more = list(data[:_MOST_BYTES]), max(len(data) - _MOST_BYTES, 0)
    return {"name": name, "octets": octets, "more": more, "offset": offset}


def _text_layer(name: str, content: str) -> dict[str, Any]:
    cut = content[:_MOST_BYTES]
    lines = "\n".join(printable(line) for line in cut.splitlines())
    return {"name": name, "text": lines, "more": max(len(content) - _MOST_BYTES, 0)}


def _pretty(message: str) -> str:
    """JSON on several lines; any other text as it is."""
    try:
        return json.dumps(json.loads(message), indent=2, ensure_ascii=False)
    except ValueError:
        return message
