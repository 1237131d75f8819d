"""The picture of a conversation: who said what to whom, and when, from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from goim_edu.capture import (
    Capture,
    CapturedFrame,
    CapturedHead,
    CapturedNote,
    Sender,
    take_apart,
)
from goim_edu.draw.picture import Picture
from goim_edu.draw.shapes import (
    MARGIN,
    PAGE,
    arrow,
    fit,
    heading,
    label,
    legend,
    line,
    rows_shown,
    swatch,
)
from goim_edu.draw.svg import rect, text, text_width
from goim_edu.errors import RemoteProtocolError
from goim_edu.palette import OKABE_ITO
from goim_edu.printable import printable
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.frames import Frame, Opcode
from goim_edu.websocket.http11 import Headers, Request, Response
from goim_edu.websocket.wanted import rows

__all__ = ["Said", "conversation"]

Said = tuple[float, Sender, Frame | CapturedFrame | Request | Response | str]
"""Seconds of any clock, who sent it, and what; a ``str`` is a remark, such as "TCP ends"."""

_STATES: Final = {"connecting": "sky", "open": "green", "closing": "orange", "closed": "grey"}
_LONG: Final = 0.5  # a silence of this many seconds is worth a line ...
_MUCH_LONGER: Final = 5.0  # ... if it is this many times as long as usual


@dataclass(slots=True)
class _Step:
    """One arrow."""

    time: float
    connection: int
    sender: Sender
    kind: str
    detail: str
    colour: str
    size: int | None = None
    wrong: bool = False
    state: str = "connecting"


def conversation(
    said: Capture | Iterable[Said],
    *,
    connection: int | None = None,
    names: Mapping[int, str] | None = None,
    rows: int = 40,
) -> Picture:
    """Draw a conversation as a sequence diagram with its real times.

    The coloured bar beside a client shows the state of its connection, as far as what was sent
    tells it. The distances are not to scale: the times stand beside each arrow.

    Args:
        said: a recording, or what was said in order of time.
        connection: of a recording, draw only this one; by default all, each with its own client.
        names: number of the connection to the name of its client.
        rows: arrows that are drawn at most, at least 3.

    Raises:
        ValueError: there is nothing to draw.

    >>> picture = conversation([(0.0, "client", Frame(Opcode.PING, b"hb1")),
    ...                         (0.0004, "server", Frame(Opcode.PONG, b"hb1"))])
    >>> [(field["sender"], field["kind"], field["detail"]) for field in picture.fields]
    [('client', 'PING', "'hb1'"), ('server', 'PONG', "'hb1'")]
    """
    steps = list(_from_capture(said) if isinstance(said, Capture) else _from_list(said))
    steps = [step for step in steps if connection in (None, step.connection)]
    if not steps:
        raise ValueError("nothing was said: there is no conversation to draw")
    steps.sort(key=lambda step: step.time)
    _follow_states(steps)
    began = steps[0].time
    took = _duration(steps[-1].time - began)
    count = f"{len(steps):,} step{'s'[: len(steps) != 1]} in {took}"
    markup, y = heading("A conversation", f"{count}; time runs downwards, not to scale")
    lanes = _Lanes.of(steps, names or {})
    drawn, y = _draw(steps, lanes, y + 10, max(rows, 3))
    return Picture(
        markup + drawn,
        PAGE,
        y,
        title=f"A conversation: {count}",
        alt=_words(steps, lanes, count),
        fields=[_plain(step, began) for step in steps],
    )


# ---------------------------------------------------------------------- what was said


def _from_capture(capture: Capture) -> Iterator[_Step]:
    for found in take_apart(capture.records):
        what: Any = found
        if isinstance(found, CapturedHead):
            what = found.parsed
        elif isinstance(found, CapturedNote):
            what = found.text
        yield _step(found.time, found.sender, what, found.connection)


def _from_list(said: Iterable[Said]) -> Iterator[_Step]:
    said = rows(said, 3, "said is a Capture, or a list of (time, sender, what)")
    for time, sender, what in said:
        if sender not in ("client", "server"):
            raise ValueError(f"a sender is 'client' or 'server', not {sender!r}")
        number = what.connection if isinstance(what, CapturedFrame) else 1
        yield _step(time, sender, what, number)


def _step(
    time: float,
    sender: Sender,
    what: Frame | CapturedFrame | Request | Response | str,
    connection: int,
) -> _Step:
    if isinstance(what, str):
        return _Step(time, connection, sender, "", what, "grey")
    if isinstance(what, Request):
        detail = what.target + _named(" and offers", what.headers)
        return _Step(time, connection, sender, what.method, detail, "sky")
    if isinstance(what, Response):
        detail = what.reason + _named(" and chooses", what.headers)
        return _Step(time, connection, sender, str(what.status), detail, "sky")
    if isinstance(what, CapturedFrame):
        return _captured_step(time, what)
    if isinstance(what, Frame):
        detail = _show_payload(what.opcode, what.payload, what.fin)
        size = len(what.payload)
        return _Step(time, connection, sender, what.opcode.name, detail, _colour(what.opcode), size)
    raise TypeError(f"a conversation has frames, requests, responses and remarks, not {what!r}")


def _captured_step(time: float, what: CapturedFrame) -> _Step:
    """A frame of a recording; it may be broken, compressed, or the end of a message."""
    header = what.header
    opcode = header.opcode if header else -1
    fin = bool(header and header.fin)
    detail = _show_payload(opcode, what.payload, fin)
    if what.message is not None and opcode != Opcode.CONTINUATION:
        detail = _quoted(what.message)
    elif what.message is not None:
        detail = f"{detail}, so the message is {_quoted(what.message)}"
    if header and header.rsv1:
        detail += " (compressed)"
    if what.note:
        detail += f" ({what.note})"
    colour, size = _colour(opcode), len(what.data)
    if what.error is None:
        return _Step(time, what.connection, what.sender, what.name, detail, colour, size)
    wrong = str(what.error)
    return _Step(time, what.connection, what.sender, what.name, wrong, "vermillion", None, True)


def _named(verb: str, headers: Headers) -> str:
    subprotocols = headers.get("Sec-WebSocket-Protocol")
    return f"{verb} {subprotocols}" if subprotocols else ""


def _colour(opcode: int) -> str:
    if opcode == Opcode.CLOSE:
        return "purple"
    return "orange" if opcode >= Opcode.PING else "green"


def _show_payload(opcode: int, payload: bytes, fin: bool) -> str:
    if opcode == Opcode.CLOSE:
        try:
            code, reason = parse_close(payload)
        except RemoteProtocolError as error:
            return str(error)
        return f"{code} {reason}".strip()
    shown = _quoted(payload) if payload else "empty"
    return shown if fin else f"{shown}, more follows"


def _quoted(message: str | bytes, most: int = 200) -> str:
    r"""Return a message in quotation marks, octets that are not text as hex.

    >>> _quoted("hi"), _quoted(b"\x00\xff")
    ("'hi'", '00 ff')
    """
    octets = message.encode() if isinstance(message, str) else message
    try:
        words = octets.decode()
    except UnicodeDecodeError:
        words = "\0"
    if not words.replace("\n", " ").isprintable():
        return octets[:16].hex(" ") + (" …" if len(octets) > 16 else "")
    return f"'{words[:most]}'" + ("…" if len(words) > most else "")


def _follow_states(steps: Sequence[_Step]) -> None:
    """Note after each step in which state the connection is, as far as what was sent tells."""
    states: dict[int, str] = {}
    closed_by: dict[int, set[Sender]] = {}
    for step in steps:
        number = step.connection
        state = states.get(number, "connecting" if step.colour == "sky" else "open")
        if step.colour == "sky" and step.sender == "client":
            state = "connecting"  # perhaps again, after a page or a refusal
        elif step.colour == "sky":
            state = "open" if step.kind == "101" else "closed"
        elif step.kind == "CLOSE" and not step.wrong:
            closed_by.setdefault(number, set()).add(step.sender)
            state = "closing" if len(closed_by[number]) < 2 else "closed"
        states[number] = step.state = state


def _plain(step: _Step, began: float) -> dict[str, Any]:
    return {
        "time": step.time - began,
        "connection": step.connection,
        "sender": step.sender,
        "kind": step.kind,
        "detail": step.detail,
        "octets": step.size,
        "state": step.state,
        "wrong": step.wrong,
    }


def _words(steps: Sequence[_Step], lanes: _Lanes, count: str) -> str:
    lines = []
    for step in steps:
        client = lanes.names[step.connection]
        who = f"{client} to server" if step.sender == "client" else f"server to {client}"
        when = _duration(step.time - steps[0].time)
        lines.append(f"after {when}, {who}: {step.kind} {step.detail}; then {step.state}")
    return printable(f"A conversation: {count}. {'. '.join(lines)}.")


def _duration(seconds: float) -> str:
    """Return a time with a unit in which it is easy to read.

    >>> _duration(0.0000123), _duration(0.0123), _duration(20.5)
    ('12 µs', '12.3 ms', '20.50 s')
    """
    if seconds < 0.000_999_5:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"


# ---------------------------------------------------------------------- drawing

_SERVER_X: Final = PAGE - 56
_FIRST_X: Final = 176.0
_STEP: Final = 42.0
_SILENCE: Final = 26.0
_PILL: Final = 22.0


@dataclass(frozen=True, slots=True)
class _Lanes:
    """Where each client stands, and what it is called."""

    x: dict[int, float]
    names: dict[int, str]

    @classmethod
    def of(cls, steps: Sequence[_Step], names: Mapping[int, str]) -> _Lanes:
        numbers = list(dict.fromkeys(step.connection for step in steps))
        apart = min(110.0, (_SERVER_X - _FIRST_X) / 2 / max(1, len(numbers) - 1))
        called = {
            number: f"client {number}" if len(numbers) > 1 else "client" for number in numbers
        }
        return cls(
            {number: _FIRST_X + apart * at for at, number in enumerate(numbers)},
            {**called, **{number: names[number] for number in numbers if number in names}},
        )


def _draw(steps: Sequence[_Step], lanes: _Lanes, y: float, limit: int) -> tuple[str, float]:
    """Draw heads, lines, arrows and the legend; return where they end."""
    heads = [_draw_head(x, y, lanes.names[number]) for number, x in lanes.x.items()]
    heads.append(_draw_head(_SERVER_X, y, "server"))
    top = y + 26
    arrows, bars, bottom = _draw_steps(steps, lanes, top + 10, limit)
    lifelines = [line(x, top, x, bottom) for x in (*lanes.x.values(), _SERVER_X)]
    shown = {colour: state for state, colour in _STATES.items()}
    note = text(MARGIN, bottom + 23, "the connection is", "s")
    note += legend(MARGIN + 116, bottom + 12, shown)
    return "".join([*lifelines, *bars, *heads, *arrows, note]), bottom + 36


def _draw_head(x: float, y: float, name: str) -> str:
    width = min(104.0, max(64.0, text_width(name, 12, bold=True) + 16))
    box = rect(x - width / 2, y, width, 26, "box", fill=OKABE_ITO["blue"], rx=4)
    return box + label(x, y + 17.5, fit(name, width - 8, bold=True), "blue")


def _draw_steps(
    steps: Sequence[_Step], lanes: _Lanes, y: float, limit: int
) -> tuple[list[str], list[str], float]:
    """Return arrows, bars of states, and where they end."""
    out: list[str] = []
    bars: list[str] = []
    states: dict[int, tuple[float, str]] = {}  # from where on, and which
    usual = _usual_silence(steps)
    before: _Step | None = None
    for at in rows_shown(len(steps), limit):
        if at is None:
            out.append(_draw_remark(f"⋮  {len(steps) - limit:,} steps not drawn", lanes, y))
            y, before = y + _SILENCE, None
            continue
        step = steps[at]
        silence = 0.0 if before is None else step.time - before.time
        if silence >= max(_LONG, _MUCH_LONGER * usual):
            out.append(_draw_remark(f"⋮  {_duration(silence)} of silence", lanes, y))
            y += _SILENCE
        out.append(_draw_step(step, steps[0].time, before, lanes, y))
        y, before = y + _STEP, step
        level = y - 12
        start, state = states.setdefault(step.connection, (level, step.state))
        if state != step.state:
            bars.append(_draw_bar(lanes.x[step.connection], start, level, state))
            states[step.connection] = (level, step.state)
    rest = [_draw_bar(lanes.x[n], start, y + 4, state) for n, (start, state) in states.items()]
    return out, bars + rest, y + 4


def _usual_silence(steps: Sequence[_Step]) -> float:
    """Return the median of the times between two steps."""
    gaps = sorted(two.time - one.time for one, two in pairwise(steps))
    return gaps[len(gaps) // 2] if gaps else 0.0


def _draw_bar(x: float, top: float, bottom: float, state: str) -> str:
    return swatch(x - 5, top, 10, max(bottom - top, 1), _STATES[state])


def _draw_remark(said: str, lanes: _Lanes, y: float) -> str:
    middle = (max(lanes.x.values()) + _SERVER_X) / 2
    width = text_width(said, 12) + 16
    box = rect(middle - width / 2, y + 2, width, 20, "paper")
    return box + text(middle, y + 16, said, "s mid")


def _draw_step(step: _Step, began: float, before: _Step | None, lanes: _Lanes, y: float) -> str:
    out = [text(MARGIN, y + _STEP - 8, _clock(step.time - began), "t m", style="font-size:11px")]
    if before is not None:
        waited = f"+{_duration(step.time - before.time)}"
        out.append(text(MARGIN, y + _STEP - 23, waited, "s", style="font-size:11px"))
    client = lanes.x[step.connection]
    level = y + _STEP - 12
    colour = "vermillion" if step.wrong else step.colour
    if step.kind:
        ends = (client + 6, _SERVER_X - 3) if step.sender == "client" else (_SERVER_X, client + 8)
        out.append(arrow(ends[0], level, ends[1], level, colour=colour, width=2))
    out.append(_draw_label(step, colour, max(lanes.x.values()), level))
    return "".join(out)


def _draw_label(step: _Step, colour: str, left: float, level: float) -> str:
    """Draw kind and content above the arrow, at the end where it starts."""
    kind = f"✗ {step.kind}" if step.wrong else step.kind
    pill = max(44.0, text_width(kind, 11, bold=True) + 12) if kind else 0.0
    room = _SERVER_X - left - pill - 40
    size = f"  {step.size:,} bytes" if step.size is not None else ""
    detail = fit(step.detail, room - text_width(size, 12))
    forward = step.sender == "client"
    x = left + 14 if forward else _SERVER_X - 12 - pill
    out = []
    if kind:
        box = rect(x, level - 24, pill, 19, "box", fill=OKABE_ITO[colour], rx=4)
        out += [box, label(x + pill / 2, level - 10.5, kind, colour, size=11)]
    words = x + pill + 7 if forward else x - 7
    end = "" if forward else " end"
    shown = text_width(detail, 12)
    out.append(text(words, level - 10, detail, "t" + end))
    if size:
        aside = words + shown + 4 if forward else words - shown - 4
        out.append(text(aside, level - 10, size.strip(), "s" + end, style="font-size:11px"))
    return "".join(out)


def _clock(seconds: float) -> str:
    """Return a time since the start, so that times stand below each other.

    >>> _clock(0.0123456), _clock(20.5)
    ('0.012346 s', '20.500000 s')
    """
    return f"{seconds:.6f} s"
