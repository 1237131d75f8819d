"""Print a recording in the terminal: every handshake and frame on a line, or every field of it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TextIO

from goim_edu.capture.captured import CapturedFrame, CapturedHead, CapturedNote, Record
from goim_edu.capture.conversation import Entry, take_apart
from goim_edu.capture.pcap import read_records
from goim_edu.palette import OKABE_ITO
from goim_edu.printable import printable
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.explain import explain
from goim_edu.websocket.http11 import Request

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
    wanted = (one for one in take_apart(records) if connection in (None, one.connection))
    yield from _lines(wanted, _Paint(colour), details=details)


def _lines(entries: Iterable[Entry], paint: _Paint, *, details: bool) -> Iterator[str]:
    for found in entries:
        stamp = paint("faint", f"{found.connection:4} {found.time:12.6f}")
        if isinstance(found, CapturedHead):
            yield f"{stamp} {_head_line(found, paint)}"
        elif isinstance(found, CapturedNote):
            if not found.foreign:
                yield f"{stamp} {paint('wrong', f'· {found.sender}: {found.text}')}"
        else:
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


def _head_line(head: CapturedHead, paint: _Paint) -> str:
    parsed = head.parsed
    if isinstance(parsed, Request):
        return paint("client", printable(f"→ {head.text}"))
    names = ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]
    chosen = [parsed.headers.get(name) for name in names]
    if parsed.status == 101 and not parsed.headers.has_token("Upgrade", "websocket"):
        chosen.append(parsed.headers.get("Upgrade"))
    extras = ", ".join(filter(None, chosen))
    said = f"← {head.text}" + (f" ({extras})" if extras else "")
    return paint("wrong" if parsed.status >= 400 else "server", printable(said))


def _frame_line(frame: CapturedFrame, paint: _Paint) -> str:
    flags = "".join(sign for sign, there in _flags(frame) if there)
    header = frame.header.size if frame.header else 0
    sizes = f"{header}+{len(frame.data) - header:,}"
    text = _content(frame)
    if len(text) > _MOST_TEXT:
        text = text[: _MOST_TEXT - 1] + "…"
    line = f"{_ARROWS[frame.sender]} {frame.name:<12} {flags:<4} {sizes:>10}  {text}"
    if frame.note:
        line += f"  ({frame.note})"
    if frame.error is None:
        return paint(frame.sender, line.rstrip())
    code = frame.error.close_code
    return paint("wrong", f"{line.rstrip()}  ✗ {code}: {frame.error}")


def _content(frame: CapturedFrame) -> str:
    """What the frame says, as text where it is text."""
    if frame.name == "CLOSE" and frame.error is None and not frame.note:
        return printable(" ".join(str(word) for word in parse_close(frame.payload)))
    if isinstance(frame.message, str):
        return printable(frame.message[: _MOST_TEXT + 1])
    if frame.message is None and frame.name == "TEXT":
        return "" if frame.note else "(a fragment)"
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
    explained = explain(frame.data, kind="frame", sender=frame.sender, compression=compressed)
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
    tell: Callable[[str], object] = lambda _: None,
) -> None:
    """Print a recording.

    Args:
        file: a pcap or pcapng file, perhaps compressed with gzip.
        details: add every field of every frame.
        connection: only this one.
        colour: ``"auto"``: on a terminal, unless ``NO_COLOR`` is set.
        lossy: whether packets may be missing from the file, and some of it be damaged.
        out: where to print; default: standard output.
        tell: is called with a line on each thing that was passed over, and why.

    Raises:
        OSError, ValueError: the file cannot be read, is not a recording, or is not all there; what
            can be read was printed.
    """
    out = out or sys.stdout
    terminal = out.isatty()
    wanted = colour == "always" or (colour == "auto" and terminal and "NO_COLOR" not in os.environ)
    # On a terminal the lines themselves are the progress.
    hidden = terminal or not sys.stderr.isatty()
    with _progress(file.stat().st_size, hidden=hidden) as progress:
        records = read_records(file, strict=not lossy, progress=progress, tell=tell)
        found = take_apart(records)
        entries = _Counted(one for one in found if connection in (None, one.connection))
        for line in _lines(entries, _Paint(wanted), details=details):
            out.write(line + "\n")
        out.flush()
    entries.tell(tell)


@contextmanager
def _progress(total: int, *, hidden: bool) -> Iterator[Callable[[int], object]]:
    """What is told how many octets were read; it shows them where it may and tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda _: None
        return
    with tqdm(total=total, unit="B", unit_scale=True, disable=hidden) as bar:
        yield bar.update


class _Counted:
    """Entries on their way, and what is to be said about them at the end."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self._shown = 0
        self._foreign: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Entry]:
        for found in self._entries:
            if isinstance(found, CapturedNote) and found.foreign:
                self._foreign[found.foreign] += 1
            else:
                self._shown += 1
            yield found

    def tell(self, tell: Callable[[str], object]) -> None:
        for protocol, count in self._foreign.items():
            tell(f"{count:,} connection{'s'[: count != 1]} not taken apart: {protocol}")
        if not self._shown:
            tell("there is no HTTP and no WebSocket to show")
