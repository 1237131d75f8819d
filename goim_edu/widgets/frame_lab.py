"""FrameLab: a frame whose bits can be flipped, and what the real decoder says to it, at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import traitlets

from goim_edu import draw
from goim_edu.capture import Sender
from goim_edu.draw.bit_rows import DrawnField
from goim_edu.draw.frame import drawn_fields
from goim_edu.errors import IncompleteFrame
from goim_edu.palette import ROLES, ink_on
from goim_edu.printable import printable
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.explain import Explanation, explain, explain_stream
from goim_edu.websocket.frames import (
    Frame,
    Opcode,
    apply_mask,
    build_frame,
    parse_frame,
    parse_header,
)
from goim_edu.widgets.base import Lab, octets_of, script, style
from goim_edu.widgets.frame_presets import PRESETS

__all__ = ["FrameLab"]

_SHOWN: Final = 40  # bytes whose bits can be clicked
_AFTER: Final = "a good frame, but only after a first fragment"
_MOST_PAYLOAD: Final = 1 << 17  # bytes that the payload field takes


class Answering(Protocol):
    """A live server that can be asked with raw bytes."""

    def ask(self, data: bytes) -> Sequence[Frame]:
        """Send ``data`` on a fresh connection and return the frames that come back."""
        ...


class FrameLab(Lab):
    """Flip the bits of a frame and see what they mean and what breaks.

    Every change is judged by the decoder that the live server uses. With the keyboard: the arrow
    keys go from bit to bit, Space flips.

    Args:
        data: the frame to start from, or the name of one of ``FrameLab.presets``.
        server: a live server to send the frame to; without one there is no such button.
        sender: whose frame it is taken for, since clients must mask and servers must not.

    Attributes:
        value: the bytes of the frame, to read, to set and to observe.
        columns: bits in a row, 8, 16 or 32; a narrow page shows fewer.
        answers: the frames that the live server sent back last time.

    >>> lab = FrameLab("text: Hello")
    >>> lab.flip(1)
    >>> lab
    FrameLab(c18537fa213d7f9f4d5158)
    >>> lab.verdict
    'fails the connection with 1002: RSV1 is set, no extension was agreed on (RFC 6455 §5.2)'
    """

    _esm = script("frame_lab")
    _css = style("frame_lab")

    presets = tuple(preset.name for preset in PRESETS)

    value = traitlets.Bytes()
    sender = traitlets.Enum(("client", "server"), "client").tag(sync=True)
    columns = traitlets.Enum((8, 16, 32), 32).tag(sync=True)
    menu: traitlets.List[Any] = traitlets.List().tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)
    answers = traitlets.List(trait=traitlets.Instance(Frame))

    def __init__(
        self,
        data: bytes | str = "text: Hello",
        server: Answering | None = None,
        sender: Sender | None = None,
    ) -> None:
        super().__init__()
        self._server = server
        self.menu = [{"name": preset.name, "broken": preset.broken} for preset in PRESETS]
        roles = ROLES | {"behind": ROLES["missing"]}
        self.colours = {role: [colour, ink_on(colour)] for role, colour in roles.items()}
        self._asked = False
        self.observe(self._refresh, ["value", "sender"])
        if isinstance(data, str):
            self.load(data)
        else:
            self.value = bytes(data)
        if sender is not None:
            self.sender = sender
        self._refresh()

    # ------------------------------------------------------------------ what Python can do

    @property
    def explanation(self) -> Explanation:
        """What ``explain`` says about the frame now."""
        return explain(self.value, kind="frame", sender=self._side)

    @property
    def _side(self) -> Sender:
        return "client" if self.sender == "client" else "server"

    @property
    def verdict(self) -> str:
        """The verdict of the decoder, in a sentence.

        A fragment that goes on with a message is good only where that message has begun.
        """
        return _AFTER if self._state == "after" else self.explanation.verdict

    @property
    def _state(self) -> str:
        explained = self.explanation
        if explained.ok and parse_header(explained.data).opcode == Opcode.CONTINUATION:
            return "after"
        return "good" if explained.ok else "cut" if explained.cut else "wrong"

    @property
    def frame(self) -> Frame:
        """The frame as an object.

        Raises:
            RemoteProtocolError: it is broken or cut.
        """
        return parse_frame(self.value, masked=self.sender == "client")[0]

    def flip(self, bit: int) -> None:
        """Turn bit number ``bit`` over; bit 0 is the highest of the first byte, FIN.

        Raises:
            IndexError: there is no such bit.
        """
        if not 0 <= bit < 8 * len(self.value):
            raise IndexError(f"bit {bit}: the frame has bits 0 to {8 * len(self.value) - 1}")
        changed = bytearray(self.value)
        changed[bit // 8] ^= 0x80 >> bit % 8
        self.value = bytes(changed)

    def load(self, name: str) -> None:
        """Start from the preset called ``name``.

        Raises:
            KeyError: no preset is called so.
        """
        for preset in PRESETS:
            if preset.name == name:
                self.sender, self.value = preset.sender, preset.data
                return
        raise KeyError(f"no preset is called {name!r}; see FrameLab.presets")

    def build(
        self, payload: bytes | str, opcode: int = Opcode.TEXT, mask_key: bytes | None = None
    ) -> None:
        """Put a good frame in: its length and masked payload are worked out.

        Raises:
            LocalProtocolError: no good frame can be made of this.
        """
        self.value = build_frame(payload, opcode, True, mask_key)

    def send_frame(self) -> list[Frame]:
        """Send the bytes to the live server on a fresh connection; return what came back.

        Raises:
            RuntimeError: this FrameLab was made without a server.
        """
        if self._server is None:
            raise RuntimeError("no server: make it with FrameLab(..., server=live)")
        self.answers = list(self._server.ask(self.value))
        self._asked = True
        self._refresh()
        return list(self.answers)

    def picture(self) -> draw.Picture:
        """Return the frame as a picture, as in print."""
        return draw.frame(self.value, sender=self._side)

    # ------------------------------------------------------------------ what the browser sees

    def _refresh(self, change: dict[str, Any] | None = None) -> None:
        if change is not None:
            self.answers, self._asked = [], False
        explained = self.explanation
        fields = [*drawn_fields(explained), *_behind(self.value, len(explained.data))]
        self.view = {
            "octets": list(self.value[:_SHOWN]),
            "total": len(self.value),
            "fields": [_plain(field) for field in fields],
            "state": self._state,
            "verdict": self.verdict,
            "edit": _editable(self.value),
            "canSend": self._server is not None,
            "asked": self._asked,
            "answers": [_describe(answer) for answer in self.answers],
            "then": self._then(),
        }

    def _then(self) -> str:
        """What is to be said behind the answers: why there are none, or what is awaited now."""
        why = _waits_for(self.value, self._side)
        if not self.answers:
            return f"The server answered nothing: {why}."
        return f"Then {why}." if why.startswith("it waits") else ""

    def _do(self, content: dict[str, Any]) -> None:
        match content["type"]:
            case "flip":
                self.flip(int(content["bit"]))
            case "load":
                self.load(str(content["name"]))
            case "bytes":
                self.value = octets_of(str(content["hex"]))
            case "build":
                self._build_from(content)
            case "send":
                self.send_frame()
            case "sender" | "columns" as name:
                setattr(self, name, content["value"])

    def _build_from(self, content: dict[str, Any]) -> None:
        key = octets_of(content["key"]) if content["masked"] else None
        opcode = int(content["opcode"])
        text: str = content["payload"]
        payload = octets_of(text) if content["asHex"] else text.encode()
        if len(payload) > _MOST_PAYLOAD:
            raise ValueError(
                f"the payload field takes {_MOST_PAYLOAD:,} bytes, not {len(payload):,}"
            )
        self.build(payload, opcode, key)

    def __repr__(self) -> str:
        shown = self.value[:16].hex() + ("..." if len(self.value) > 16 else "")
        return f"FrameLab({shown})"


def _behind(data: bytes, end: int) -> Iterator[DrawnField]:
    """The bytes that follow the frame, if any: they belong to the next one."""
    if rest := len(data) - end:
        octets = "1 octet" if rest == 1 else f"{rest:,} octets"
        meaning = f"{octets}, the start of the next frame"
        yield DrawnField("behind the frame", 8 * end, 8 * rest, "", meaning, role="behind")


def _waits_for(data: bytes, sender: Sender) -> str:
    """Why a server that was sent ``data`` says nothing more."""
    frames = explain_stream(data, sender=sender)
    if not frames:
        return "it has got nothing yet"
    last = frames[-1]
    if isinstance(last.error, IncompleteFrame):
        missing = last.error.missing
        octets = "1 octet" if missing == 1 else f"{missing:,} octets"
        return f"it waits for the rest of a frame, at least {octets} more"
    headers = [parse_header(one.data) for one in frames if one.ok]
    if [header.fin for header in headers if header.opcode < Opcode.CLOSE][-1:] == [False]:
        return "it waits for the next fragment of the message"
    if headers and headers[-1].opcode == Opcode.PONG:
        return "a Pong needs no answer"
    return "it had nothing to say"


def _plain(field: DrawnField) -> dict[str, Any]:
    return {
        "name": field.name,
        "start": field.start,
        "length": field.length,
        "place": field.place,
        "value": printable(field.value),
        "meaning": printable(field.meaning),
        "section": field.section,
        "role": field.role,
        "wrong": field.wrong,
    }


def _editable(data: bytes) -> dict[str, Any]:
    """Return what the fields for payload, key and opcode show for this frame."""
    fields = {field.name: field for field in explain(data, kind="frame").fields}
    opcode = int(fields["opcode"].raw, 2) if "opcode" in fields else 1
    key = fields["Masking-key"].value if "Masking-key" in fields else None
    payload = _payload_of(data)
    try:
        text, as_hex = payload.decode(), False
    except UnicodeDecodeError:
        text, as_hex = payload.hex(" "), True
    if opcode not in (Opcode.TEXT, Opcode.CONTINUATION) or not text.isprintable():
        text, as_hex = payload.hex(" "), True
    known = [{"number": int(one), "name": one.name.lower()} for one in Opcode]
    return {
        "opcodes": known,
        "opcode": opcode,
        "masked": isinstance(key, bytes),
        "key": key.hex(" ") if isinstance(key, bytes) else "37 fa 21 3d",
        "payload": text if len(payload) <= 2000 else "",
        "long": len(payload) > 2000,
        "asHex": as_hex,
        "hex": data[:200].hex(" ") if len(data) <= 200 else "",
    }


def _payload_of(data: bytes) -> bytes:
    """Return what there is of the payload, unmasked, be the frame good or not."""
    explained = explain(data, kind="frame")
    names = ("Payload data", "Close code", "Close reason")
    starts = [field.start_bit // 8 for field in explained.fields if field.name in names]
    if not starts:
        return b""
    payload = explained.data[starts[0] :]
    key = explained["Masking-key"].value if "Masking-key" in explained else None
    return apply_mask(payload, key) if isinstance(key, bytes) else payload


def _describe(answer: Frame) -> str:
    """Say in a line what the server answered."""
    if answer.opcode == Opcode.CLOSE:
        code, reason = parse_close(answer.payload)
        return f"Close {code}" + (f": {reason}" if reason else "")
    shown = answer.payload[:60].decode(errors="replace")
    dots = "…" if len(answer.payload) > 60 else ""
    return printable(f"{answer.opcode.name.lower()}: {shown}{dots}")
