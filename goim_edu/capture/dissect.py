"""Print a recording in the terminal: every handshake and frame on a line, or every field of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, TextIO

from tqdm import tqdm

from goim_edu.capture import CapturedFrame, Handshake, Record, take_apart
from goim_edu.capture.pcap import read_records
from goim_edu.palette import OKABE_ITO
from goim_edu.printable import printable
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.explain import explain

__all__ = ["describe", "run"]

_ARROWS: Final = {"client": "→", "server": "←"}
_COLOURS: Final = {"client": "sky", "server": "green", "wrong": "vermillion", "faint": "grey"}
_MOST_TEXT: Final = 72  # characters of a payload on its line


def describe(
    records: Iterable[Record],
    *,
    details: bool = False,
    connection: int | None = None,
    colour: bool = False,
) -> Iterator[str]:
    r"""Yield the lines for a recording, one for each handshake and frame.

    Args:
        records: what was recorded, oldest first.
        details: add every field of each frame, with its meaning and the rule that defines it.
        connection: only this one.
        colour: with colours for a terminal (ANSI, 24 bits).

    >>> request = b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"
    >>> print(*describe([Record(1, "in", 5.0, request)]))
       1     0.000000 → GET /echo
    """
    paint = _Paint(colour)
    for time, found in take_apart(records):
        if connection not in (None, found.connection):
            continue
        stamp = paint("faint", f"{found.connection:4} {time:12.6f}")
        if isinstance(found, Handshake):
            yield f"{stamp} {_handshake_line(found, paint)}"
            continue
        yield f"{stamp} {_frame_line(found, paint)}"
        if details:
            yield from _details(found, paint)


class _Paint:
    """Puts a colour around a text, or leaves it as it is."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, role: str, text: str) -> str:
        if not self._colour:
            return text
        code = OKABE_ITO[_COLOURS[role]]
        red, green, blue = (int(code[at : at + 2], 16) for at in (1, 3, 5))
        return f"\x1b[38;2;{red};{green};{blue}m{text}\x1b[0m"


def _handshake_line(handshake: Handshake, paint: _Paint) -> str:
    if handshake.response is None:
        request = handshake.request
        said = f"{request.method} {request.target}" if request else "no request"
        return paint("client", printable(f"→ {said}"))
    response = handshake.response
    chosen = [
        response.headers.get(f"Sec-WebSocket-{name}", "") for name in ("Protocol", "Extensions")
    ]
    extras = ", ".join(filter(None, chosen))
    said = f"← {response.status} {response.reason}" + (f" ({extras})" if extras else "")
    return paint("server" if handshake.upgraded else "wrong", printable(said))


def _frame_line(frame: CapturedFrame, paint: _Paint) -> str:
    flags = "".join(sign for sign, there in _flags(frame) if there)
    header = frame.header.size if frame.header else 0
    sizes = f"{header}+{len(frame.data) - header:,}"
    text = _content(frame)
    if len(text) > _MOST_TEXT:
        text = text[: _MOST_TEXT - 1] + "…"
    line = f"{_ARROWS[frame.sender]} {frame.name:<12} {flags:<4} {sizes:>10}  {text}"
    if frame.error is None:
        return paint(frame.sender, line.rstrip())
    code = frame.error.close_code
    return paint("wrong", f"{line.rstrip()}  ✗ {code}: {frame.error}")


def _content(frame: CapturedFrame) -> str:
    """What the frame says, as text where it is text."""
    if frame.name == "CLOSE" and frame.error is None:
        return printable(" ".join(str(word) for word in parse_close(frame.payload)))
    if isinstance(frame.message, str):
        return printable(frame.message[: _MOST_TEXT + 1])
    if frame.message is None and frame.name == "TEXT":
        return "(a fragment)"
    shown = frame.payload if frame.message is None else frame.message
    if frame.name in {"PING", "PONG"} and shown.isascii():
        return printable(shown.decode())
    return shown[:_MOST_TEXT].hex(" ")


def _flags(frame: CapturedFrame) -> tuple[tuple[str, bool], ...]:
    """F ends its message, M is masked, Z is compressed."""
    head = frame.header
    if head is None:
        return ()
    return (("F", head.fin), ("M", head.masked), ("Z", head.rsv1))


def _details(frame: CapturedFrame, paint: _Paint) -> Iterator[str]:
    compressed = bool(frame.header and frame.header.rsv1 and frame.error is None)
    explained = explain(frame.data, kind="frame", sender=frame.sender, deflate=compressed)
    for line in str(explained).splitlines()[1:-1]:
        yield paint("faint", f"{'':18}{printable(line)}")


def run(
    file: Path,
    *,
    details: bool = False,
    connection: int | None = None,
    colour: Literal["auto", "always", "never"] = "auto",
    lossy: bool = False,
    out: TextIO | None = None,
) -> None:
    """Print a recording.

    Args:
        file: a pcap or pcapng file.
        details: add every field of every frame.
        connection: only this one.
        colour: ``"auto"``: on a terminal, unless ``NO_COLOR`` is set.
        lossy: go on where packets are missing from the file.
        out: where to print; default: standard output.

    Raises:
        OSError, ValueError: the file cannot be read, or is not a recording.
    """
    out = out or sys.stdout
    terminal = out.isatty()
    wanted = colour == "always" or (colour == "auto" and terminal and "NO_COLOR" not in os.environ)
    # On a terminal the lines themselves are the progress.
    hidden = terminal or not sys.stderr.isatty()
    with tqdm(total=file.stat().st_size, unit="B", unit_scale=True, disable=hidden) as bar:
        records = read_records(file, strict=not lossy, progress=bar.update)
        lines = describe(records, details=details, connection=connection, colour=wanted)
        try:
            for line in lines:
                out.write(line + "\n")
            out.flush()
        except BrokenPipeError:
            # The reader of our output has seen enough, as in `dissect FILE | head`.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (so that the exit is quiet too)
