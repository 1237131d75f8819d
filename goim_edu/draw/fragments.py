"""The picture of fragments that join into a message, control frames between (RFC 6455 §5.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from goim_edu.capture import CapturedFrame
from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import (
    MARGIN,
    PAGE,
    arrow,
    fit,
    heading,
    label,
    line,
    rows_shown,
    swatch,
    verdict,
)
from goim_edu.draw.svg import rect, text, text_width
from goim_edu.errors import RemoteProtocolError
from goim_edu.palette import OKABE_ITO
from goim_edu.printable import printable
from goim_edu.websocket.assembler import MessageAssembler
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import Part
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from goim_edu.websocket.events import BinaryMessage, TextMessage
from goim_edu.websocket.frames import (
    Frame,
    Opcode,
    apply_mask,
    build_frame,
    check_header,
    parse_header,
)
from goim_edu.websocket.octets import Octets, as_octets
from goim_edu.websocket.wanted import wanted

__all__ = ["fragments"]

_MOST: Final = 1 << 24  # octets of a message that is put together for a picture


@dataclass(slots=True)
class _Step:
    """One frame, and what became of it."""

    number: int
    name: str
    fin: bool
    payload: bytes
    control: bool
    offset: int = 0
    error: str = ""


@dataclass(slots=True)
class _Message:
    """The frames from the start of a message to its end, control frames between them too."""

    steps: list[_Step] = field(default_factory=list)
    data: str | bytes | None = None
    error: str = ""

    @property
    def size(self) -> int:
        return sum(len(step.payload) for step in self.steps if not step.control)


def fragments(
    frames: Sequence[Frame | CapturedFrame | Octets],
    *,
    compression: DeflateParams | None = None,
    rows: int = 12,
) -> Picture:
    """Draw how frames join into messages: fragments side by side, control frames passed by.

    The joining and the rules are those of the real ``MessageAssembler``: a frame that breaks a
    rule ends the picture with what it says.

    Args:
        frames: in the order in which they came: objects, captured ones, or the octets of one each.
        compression: what was agreed on permessage-deflate, if a frame has RSV1 set.
        rows: frames of one message that are drawn at most, at least 3.

    >>> picture = fragments([Frame(Opcode.TEXT, b"Hel", fin=False), Frame(Opcode.PING, b""),
    ...                      Frame(Opcode.CONTINUATION, b"lo")])
    >>> [field["message"] for field in picture.fields if "message" in field]
    ['Hello']
    """
    wanted(frames, Sequence, "frames is a list of frames")
    messages = _join([_wire(one) for one in frames], compression)
    count = len(frames)
    whole = sum(message.data is not None for message in messages)
    said = f"{count:,} frame{'s'[: count != 1]} on the wire, {whole:,} whole message"
    said += "s"[: whole != 1]
    markup, y = heading("Fragments join into messages", said)
    for message in messages:
        drawn, y = _draw_message(message, y + 8, max(rows, 3))
        markup += drawn
    return Picture(
        markup,
        PAGE,
        y + 8,
        title=f"Fragments join into messages: {said}",
        alt=_words(messages, said),
        fields=[plain for message in messages for plain in _plain(message)],
    )


def _wire(one: Frame | CapturedFrame | Octets) -> bytes:
    if isinstance(one, CapturedFrame):
        return one.data
    if isinstance(one, Frame):
        return _build(one)
    return as_octets(one)


def _build(frame: Frame) -> bytes:
    """Write a frame as it is, also one that no sender may send."""
    octets = build_frame(frame.payload, Opcode.BINARY, mask_key=frame.mask_key)
    flags = frame.fin << 7 | frame.rsv1 << 6 | frame.rsv2 << 5 | frame.rsv3 << 4
    return bytes((flags | frame.opcode,)) + octets[1:]


# ---------------------------------------------------------------------- joining


def _join(wires: Sequence[bytes], compression: DeflateParams | None) -> list[_Message]:
    """Let the real assembler put them together, up to the first broken rule."""
    inflater = PerMessageDeflate(compression, True) if compression else None
    assembler = MessageAssembler(max_message_size=_MOST, max_fragments=_MOST, deflate=inflater)
    messages: list[_Message] = []
    for number, wire in enumerate(wires, 1):
        if not messages or messages[-1].data is not None:
            messages.append(_Message())
        message = messages[-1]
        try:
            message.data = _add(wire, number, message, assembler, compression is not None)
        except RemoteProtocolError as error:
            message.steps[-1].error = message.error = f"{error} → Close {error.close_code}"
            rest = len(wires) - number
            if rest:
                message.error += f"; {rest:,} more frame{'s'[: rest != 1]} not read"
            break
    return messages


def _add(
    wire: bytes, number: int, message: _Message, assembler: MessageAssembler, compression: bool
) -> str | bytes | None:
    """Take one frame; return the message if that completes it."""
    header = parse_header(wire)
    payload = wire[header.size : header.size + header.length]
    if header.mask_key is not None:
        payload = apply_mask(payload, header.mask_key)
    known = {int(opcode): opcode.name for opcode in Opcode}
    name = known.get(header.opcode, f"opcode {header.opcode}")
    control = header.opcode >= Opcode.CLOSE
    offset = message.size
    message.steps.append(_Step(number, name, header.fin, payload, control, offset))
    check_header(header, allow_rsv1=compression)
    if header.opcode == Opcode.CLOSE:
        parse_close(payload)
    if control:
        return None
    event = assembler.add(Part(header, payload, first=True, last=True))
    if isinstance(event, TextMessage | BinaryMessage):
        return event.data
    return None


def _plain(message: _Message) -> Iterator[dict[str, Any]]:
    for step in message.steps:
        yield {
            "number": step.number,
            "name": step.name,
            "fin": step.fin,
            "payload": step.payload,
            "control": step.control,
            "offset": None if step.control else step.offset,
            "error": step.error,
        }
    if message.data is not None:
        yield {"message": message.data, "octets": message.size}


def _words(messages: Sequence[_Message], said: str) -> str:
    lines = []
    for message in messages:
        for step in message.steps:
            what = f"frame {step.number}, {step.name} with FIN {step.fin:d}: {_show(step.payload)}"
            what += ", a control frame, not part of the message" if step.control else ""
            lines.append(what + (f", wrong: {step.error}" if step.error else ""))
        lines.append(_result(message))
    return printable(f"Fragments join into messages: {said}. {'; '.join(lines)}.")


def _result(message: _Message) -> str:
    if message.error:
        return "the connection fails here"
    if message.data is None:
        return f"{message.size:,} octets so far, the message is not whole yet"
    octets = message.data.encode() if isinstance(message.data, str) else message.data
    size = f"{len(octets):,} octet{'s'[: len(octets) != 1]}"
    kind = "text" if isinstance(message.data, str) else "binary"
    if len(octets) != message.size:
        size += f", inflated from {message.size:,}"
    return f"the message, {kind}, {size}: {_show(octets, 60)}"


def _show_control(step: _Step) -> str:
    """Return the payload of a control frame; of a Close its code and reason."""
    if step.name != "CLOSE" or not step.payload:
        return _show(step.payload)
    code, reason = parse_close(step.payload)
    return f"{code} {reason}".strip()


def _show(octets: bytes, most: int = 40) -> str:
    r"""Return octets as text, those that are not UTF-8 by themselves as \x..

    >>> _show("好".encode()[:1] + b"!"), _show(b"")
    ("'\\xe5!'", 'nothing')
    """
    if not octets:
        return "nothing"
    shown = octets[:most].decode(errors="backslashreplace")
    return f"'{shown}'" + (" …" if len(octets) > most else "")


# ---------------------------------------------------------------------- drawing

_BOX_X: Final = 46.0
_FIN, _NAME, _SIZE = 46.0, 116.0, 84.0
_JOIN_X: Final = 344.0
_JOIN: Final = PAGE - MARGIN - _JOIN_X
_ROW: Final = 36.0
_BOX: Final = 24.0
_LEAST: Final = 26.0


def _draw_message(message: _Message, y: float, limit: int) -> tuple[str, float]:
    steps = message.steps
    shown = [None if at is None else steps[at] for at in rows_shown(len(steps), limit)]
    places = _places(message, [step for step in shown if step is not None])
    bottom = y + _ROW * len(shown) + 6
    out = []
    for step in shown:
        if step is None:
            said = f"⋮  {len(steps) - limit:,} frames not drawn"
            out.append(text(_BOX_X, y + 16, said, "s"))
        else:
            out.append(_draw_step(step, places, y, bottom))
        y += _ROW
    out.append(_draw_result(message, shown, places, bottom))
    y = bottom + _BOX + 26
    if message.error:
        box, height = verdict(MARGIN, y, PAGE - 2 * MARGIN, f"✗ {message.error}", "vermillion")
        out.append(box)
        y += height + 4
    return "".join(out), y


def _places(message: _Message, shown: Sequence[_Step]) -> dict[int, tuple[float, float]]:
    """Return where the piece of each frame stands in the message: left edge and width."""
    data = [step for step in shown if not step.control and not step.error]
    least = min(_LEAST, _JOIN / max(1, len(data) + 1))
    spare = _JOIN - least * len(data) - (0 if message.data is not None else 44)
    drawn = sum(len(step.payload) for step in data)
    gap = 60.0 if len(shown) < len(message.steps) else 0.0
    x, places, end = _JOIN_X, {}, 0
    for step in data:
        if step.offset > end:  # some frames before it are not drawn
            x += gap
        share = len(step.payload) / drawn if drawn else 0
        width = least + (spare - gap) * share
        places[step.number] = (x, width)
        x, end = x + width, step.offset + len(step.payload)
    return places


def _draw_step(step: _Step, places: dict[int, tuple[float, float]], y: float, bottom: float) -> str:
    out = [text(MARGIN, y + 17, f"{step.number}", "s m")]
    out.append(_draw_frame(step, y))
    if step.error:
        out.append(rect(_BOX_X - 3, y - 3, _FIN + _NAME + _SIZE + 6, _BOX + 6, "bad"))
        return "".join(out)
    x = _BOX_X + _FIN + _NAME + _SIZE
    if step.control:
        said = fit(f"handled at once, not part of the message: {_show_control(step)}", _JOIN - 8)
        out.append(arrow(x + 4, y + 12, _JOIN_X - 6, y + 12, colour="orange"))
        out.append(rect(_JOIN_X - 2, y + 2, text_width(said, 12) + 8, 20, "paper"))
        out.append(text(_JOIN_X + 2, y + 16, said, "s"))
        return "".join(out)
    left, width = places[step.number]
    out.append(line(x + 4, y + 12, left - 2, y + 12))
    edges = (left, left + width)
    out += [line(edge, y + _BOX, edge, bottom, stroke_dasharray="2 3") for edge in edges]
    out.append(_draw_piece(step, left, width, y))
    return "".join(out)


def _draw_frame(step: _Step, y: float) -> str:
    """Draw FIN, opcode and length of a frame."""
    colour = "orange" if step.control else "green"
    size = f"{len(step.payload):,} octet{'s'[: len(step.payload) != 1]}"
    x = _BOX_X
    return "".join(
        [
            swatch(x, y, _FIN, _BOX, "yellow", tint=not step.fin),
            text(x + _FIN / 2, y + 16.5, f"FIN {step.fin:d}", "t b mid")
            if not step.fin
            else label(x + _FIN / 2, y + 16.5, "FIN 1", "yellow"),
            swatch(x + _FIN, y, _NAME, _BOX, colour),
            label(x + _FIN + _NAME / 2, y + 16.5, step.name, colour),
            swatch(x + _FIN + _NAME, y, _SIZE, _BOX, colour, tint=True),
            text(x + _FIN + _NAME + _SIZE / 2, y + 16.5, size, "t mid"),
        ]
    )


def _draw_piece(step: _Step, x: float, width: float, y: float) -> str:
    fill = OKABE_ITO["sky" if step.number % 2 else "green"]
    box = rect(x, y, width, _BOX, "box tint", fill=fill)
    content = fit(_show(step.payload)[1:-1], width - 6, mono=True) if step.payload else ""
    return box + text(x + width / 2, y + 16.5, content, "t m mid")


def _draw_result(
    message: _Message,
    shown: Sequence[_Step | None],
    places: dict[int, tuple[float, float]],
    y: float,
) -> str:
    """Draw the joined pieces and what they are."""
    out = []
    x, end = _JOIN_X, _JOIN_X
    for step in shown:
        if step is not None and step.number in places:
            x, width = places[step.number]
            if x > end:
                out.append(rect(end, y, x - end, _BOX, "gap"))
                out.append(text((x + end) / 2, y + 16.5, "…", "s mid"))
            out.append(_draw_piece(step, x, width, y))
            end = x + width
    out.append(rect(_JOIN_X, y, max(end - _JOIN_X, 1), _BOX, "box", fill="none", stroke_width=2))
    if message.data is None and not message.error:
        out.append(rect(end, y, 40, _BOX, "gap"))
    name = "✓ whole" if message.data is not None else "not whole"
    out.append(text(_JOIN_X - 12, y + 16.5, name, "t b end"))
    said = fit(_result(message), PAGE - MARGIN - _BOX_X, bold=True)
    return "".join([*out, text(PAGE - MARGIN, y + _BOX + 18, said, "t end")])
