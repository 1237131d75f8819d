"""The picture of one frame: its bits in the rows of RFC 6455 §5.2, each field read aloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from goim_edu.capture import CapturedFrame, Sender
from goim_edu.draw.bit_rows import (
    FITTED,
    WIDE,
    DrawnField,
    Layout,
    draw_rows,
    draw_table,
    table_rows,
)
from goim_edu.draw.picture import Fitted, Picture
from goim_edu.draw.svg import rect, text, wrap
from goim_edu.errors import IncompleteFrame
from goim_edu.palette import FIELD_ROLES
from goim_edu.printable import printable
from goim_edu.websocket.explain import Explanation, Field, explain
from goim_edu.websocket.frames import Frame, Opcode, apply_mask, build_frame, parse_header
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["drawn_fields", "frame"]

_RESERVED: Final = ("RSV1", "RSV2", "RSV3")
_KINDS: Final = {
    Opcode.CONTINUATION: "Continuation frame",
    Opcode.TEXT: "Text frame",
    Opcode.BINARY: "Binary frame",
    Opcode.CLOSE: "Close frame",
    Opcode.PING: "Ping frame",
    Opcode.PONG: "Pong frame",
}


def frame(
    data: Octets | Frame | CapturedFrame,
    *,
    sender: Sender | None = None,
    compression: bool = False,
    rows: int = 8,
    only: str | Iterable[str] | None = None,
) -> Picture:
    """Draw one frame as rows of 32 bits, coloured by field, with a table that reads each field.

    What is drawn comes from ``goim_edu.protocol.explain``; a broken frame is drawn
    too, with the field that is wrong framed and the verdict of the decoder above it, and so is a
    cut one.

    Args:
        data: the bytes of a frame, a frame, or one that was captured.
        sender: who sent it: then its masking is judged too (a captured frame knows by itself).
        compression: permessage-deflate was agreed on, so RSV1 may be set.
        rows: at most this many rows are drawn, at least 2; what is left out is said.
        only: the name of a field, or several: the other bits are grey and have no name yet. So a
            lesson builds the picture up, field by field.

    Raises:
        ValueError: the frame has no field of a name in ``only``.

    Source: RFC 6455 §5.2.

    >>> picture = frame(bytes.fromhex("81 05 48 65 6c 6c 6f"))
    >>> picture.title, [field["name"] for field in picture.fields][4:]
    ('Text frame', ['opcode', 'MASK', 'Payload length', 'Payload data'])
    >>> print(frame(bytes.fromhex("81 05 48 65 6c 6c 6f"), only="FIN").alt)
    A frame, in part. 7 bytes; what is grey has no name yet.
    FIN (bit 0) = 1: the message ends with this frame; it is its only one.
    """
    octets, sender, compression = _wire(data, sender, compression)
    explained = explain(octets, kind="frame", sender=sender, compression=compression)
    names = _chosen(explained, only)
    fields = drawn_fields(explained)
    title, said = _title(explained, sender), _sizes(explained, len(octets))
    judged = True
    if names is not None:
        size = len(explained.data)
        title, said = "A frame, in part", f"{size:,} {_bytes(size)}; what is grey has no name yet"
        judged = explained.cut or explained.culprit in names
        fields = _blanked(fields, names)
    verdict = explained.verdict if judged else ""
    named = [field for field in fields if field.role != "blank"]
    notes = _notes(explained)

    def drawn(layout: Layout) -> tuple[str, float]:
        head, y = _heading(title, said, explained, verdict, layout)
        lines, y = draw_rows(explained.data, fields, notes, layout, y=y, limit=max(rows, 2))
        return head + lines, y

    told = _merge_reserved(named)
    markup, y = drawn(WIDE)
    table, y = draw_table(told, y=y + 10)
    return Picture(
        markup + table,
        WIDE.width,
        y + 6,
        title=title,
        alt=_in_words(title, said, verdict if names is None or not explained.ok else "", named),
        fields=[
            _plain(field, explained.culprit)
            for field in explained.fields
            if names is None or field.name in names
        ],
        fitted=[Fitted(room, each.width, *drawn(each)) for room, each in FITTED.items()],
        below=table_rows(told),
    )


def _chosen(explained: Explanation, only: str | Iterable[str] | None) -> frozenset[str] | None:
    """Return the names of the fields that are to be named, or None for all."""
    if only is None:
        return None
    known = {field.name.lower(): field.name for field in explained.fields}
    wanted = [only] if isinstance(only, str) else list(only)
    for name in wanted:
        if name.lower() not in known:
            raise ValueError(
                f"this frame has no field {name!r}; it has {', '.join(known.values()) or 'none'}"
            )
    return frozenset(known[name.lower()] for name in wanted)


def _blanked(fields: list[DrawnField], names: frozenset[str]) -> list[DrawnField]:
    """Put blanks in place of the fields that are not in ``names``, neighbours in one blank."""
    drawn: list[DrawnField] = []
    for field in fields:
        if field.name in names or field.role == "missing":
            drawn.append(field)
        elif drawn and drawn[-1].role == "blank":
            first = drawn.pop()
            drawn.append(DrawnField("", first.start, field.end - first.start, role="blank"))
        else:
            drawn.append(DrawnField("", field.start, field.length, role="blank"))
    return drawn


def _wire(
    data: Octets | Frame | CapturedFrame, sender: Sender | None, compression: bool
) -> tuple[bytes, Sender | None, bool]:
    """Return the bytes, who sent them, and whether RSV1 may be set."""
    if isinstance(data, CapturedFrame):
        agreed = data.error is None and data.header is not None and data.header.rsv1
        return data.data, sender or data.sender, compression or agreed
    if isinstance(data, Frame):
        octets = build_frame(data.payload, data.opcode, data.fin, data.mask_key, data.rsv1)
        rsv = data.rsv2 << 5 | data.rsv3 << 4  # build_frame knows no meaning for these two
        return bytes((octets[0] | rsv,)) + octets[1:], sender, compression or data.rsv1
    return as_octets(data), sender, compression


def drawn_fields(explained: Explanation) -> list[DrawnField]:
    """Return what is to be drawn: the fields of an explained frame, and what is missing of it."""
    payload_from = _payload_start(explained) * 8
    fields = [
        DrawnField(
            field.name,
            field.start_bit,
            field.bit_length,
            _value(field),
            field.meaning,
            field.section,
            FIELD_ROLES.get(field.name, "payload"),
            wrong=field.name == explained.culprit,
            sound=_sound(field) if field.name == explained.culprit else 0,
            bytewise=field.start_bit >= payload_from,
        )
        for field in explained.fields
    ]
    if isinstance(explained.error, IncompleteFrame):
        missing = explained.error.missing
        there = 8 * len(explained.data)
        meaning = explained.error.message + ": the rest has not come yet"
        at_least = f"{missing:,} {_bytes(missing)}"
        section = explained.error.section
        fields.append(
            DrawnField("missing", there, 8 * missing, at_least, meaning, section, "missing")
        )
    return fields


def _sound(field: Field) -> int:
    """Return how many bits from the front of a wrong field are right: text up to the bad byte."""
    if isinstance(field.value, bytes) and "UTF-8" in field.meaning:
        try:
            field.value.decode()
        except UnicodeDecodeError as error:
            return 8 * error.start
    return 0


def _bytes(count: int) -> str:
    return "byte" if count == 1 else "bytes"


def _payload_start(explained: Explanation) -> int:
    """Return the number of the first byte behind the header."""
    return parse_header(explained.data + bytes(14)).size


def _value(field: Field) -> str:
    value = field.value
    if field.name == "opcode":
        known = {int(opcode): opcode.name for opcode in Opcode}
        number = int(field.raw, 2)
        return f"0x{number:x} {known.get(number, 'reserved')}"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        return f"{value:,}" if field.name.endswith("length") else str(value)
    octets = value.encode() if isinstance(value, str) else value or b""
    return octets[:8].hex(" ") + (" ..." if len(octets) > 8 else "")


def _title(explained: Explanation, sender: Sender | None) -> str:
    if len(explained.data) < 1:
        return "Nothing yet"
    header = parse_header(explained.data + bytes(14))
    known = header.opcode in set(Opcode)
    kind = _KINDS[Opcode(header.opcode)] if known else f"Frame with opcode {header.opcode}"
    if sender is not None:
        return f"{kind} from the {sender}"
    return f"{kind}, masked" if header.masked else kind


def _sizes(explained: Explanation, given: int) -> str:
    size = len(explained.data)
    header = min(_payload_start(explained), size)
    so_far = "so far" if explained.cut else "on the wire"
    said = f"{size:,} {_bytes(size)} {so_far}: {header} of header, {size - header:,} of payload"
    if given > size:
        rest = given - size
        said += f". {rest:,} more {_bytes(rest)} follow: the next frame begins at byte {size:,}"
    return said


def _heading(
    title: str, said: str, explained: Explanation, verdict: str, layout: Layout
) -> tuple[str, float]:
    """Draw title, sizes and, of a frame that is not good, the verdict; return where they end."""
    left, width = layout.left, layout.inner
    out, y = [], 22.0
    for line in wrap(title, 17 * 1.1, width):
        out.append(text(left, y, line, "t b", style="font-size:17px"))
        y += 20
    for line in wrap(said, 12, width):
        out.append(text(left, y, line, "s"))
        y += 17
    y -= 3
    if explained.ok or not verdict:
        return "".join(out), y
    sign = "…" if explained.cut else "✗"
    lines = wrap(f"{sign} {verdict[0].upper()}{verdict[1:]}", 13, width - 44)
    height = 18.0 * len(lines) + 12
    role = "missing" if explained.cut else "wrong"
    out.append(rect(left, y, width, height, f"box tint r-{role} s-{role}", rx=4))
    out.append(rect(left, y, 6, height, f"r-{role}"))
    for number, line in enumerate(lines):
        out.append(text(left + 18, y + 20 + 18 * number, line, "t b", style="font-size:13px"))
    return "".join(out), y + height + 12


def _notes(explained: Explanation) -> Callable[[int], str]:
    """Return the function that says what stands under the bits of a payload byte."""
    start = _payload_start(explained)
    header = parse_header(explained.data + bytes(14))
    key = header.mask_key
    wire = explained.data[start:]
    plain = wire if key is None else apply_mask(wire, key)
    code = 2 if header.opcode == Opcode.CLOSE else 0

    def note(at: int) -> str:
        at -= start
        shown = f"0x{plain[at]:02x}"
        if key is not None:
            shown = f"0x{wire[at]:02x} ⊕ 0x{key[at % 4]:02x} = {shown}"
        if at < code or header.opcode == Opcode.BINARY or (header.rsv1 and explained.ok):
            return shown
        sign = _char_at(plain, at)
        return f"{shown} ‘{sign}’" if sign else shown

    return note


def _char_at(octets: bytes, at: int) -> str:
    r"""Return the character that begins at byte ``at``, visible; "…" inside of one, "" if none.

    >>> [_char_at("é!".encode(), at) for at in range(3)], _char_at(b"\xff", 0)
    (['é', '…', '!'], '')
    """
    for back in range(4):
        lead = at - back
        if lead < 0 or octets[lead] & 0xC0 == 0x80:
            continue
        for size in range(back + 1, 5):
            try:
                sign = octets[lead : lead + size].decode()
            except UnicodeDecodeError:
                continue
            return printable(sign) if back == 0 else "…"
        break
    return ""


def _merge_reserved(fields: list[DrawnField]) -> list[DrawnField]:
    """Put the three reserved bits into one line of the table if there is nothing to say of them."""
    reserved = [field for field in fields if field.name in _RESERVED]
    same = len({(field.value, field.meaning, field.wrong) for field in reserved}) == 1
    if len(reserved) < 3 or not same or reserved[0].value != "0":
        return fields
    first = reserved[0]
    merged = DrawnField(
        "RSV1, RSV2, RSV3", first.start, 3, "0 0 0", first.meaning, first.section, first.role
    )
    rest = [field for field in fields if field not in reserved]
    return sorted([*rest, merged], key=lambda field: field.start)


def _plain(field: Field, culprit: str | None) -> dict[str, object]:
    return {**field._asdict(), "wrong": field.name == culprit}


def _in_words(title: str, said: str, verdict: str, fields: list[DrawnField]) -> str:
    """Say the whole picture in words, for readers who cannot see it."""
    lines = [f"{title}. {said}." + (f" Verdict: {verdict}." if verdict else "")]
    for field in fields:
        value = f" = {field.value}" if field.value else ""
        lines.append(f"{field.name} ({field.place}){value}: {field.meaning}.")
    return "\n".join(printable(line) for line in lines)
