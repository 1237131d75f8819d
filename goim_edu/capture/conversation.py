"""One recorded connection, taken apart: heads of HTTP, frames of WebSocket, notes on the rest.

A connection begins with HTTP, where one request may follow another (RFC 9112 §9.3). A 101 whose
Upgrade field names WebSocket turns it into frames (RFC 9110 §7.8), a CONNECT into a tunnel in which
HTTP begins anew. Where the recording does not have the beginning, or misses octets in between, we
look for the next head, and for frames in both directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from goim_edu.capture.captured import (
    SENDERS,
    CapturedFrame,
    CapturedHead,
    CapturedNote,
    Direction,
    Handshake,
    Record,
)
from goim_edu.capture.frame_stream import FrameSeeker, FrameStream
from goim_edu.capture.http_stream import HttpStream, NotHttp, starts_head
from goim_edu.capture.messages import Messages
from goim_edu.errors import HandshakeError
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, accept_client
from goim_edu.websocket.extensions import parse_extensions
from goim_edu.websocket.http11 import Request, Response
from goim_edu.websocket.wanted import wanted

__all__ = ["Conversation", "Entry", "take_apart"]

Entry = CapturedHead | CapturedFrame | CapturedNote
"""What a recording is taken apart into."""

# What was agreed on has passed already: any window will do.
_ANY_DEFLATE: Final = DeflateConfig(server_max_window_bits=15, client_max_window_bits=15)
_BOTH: Final[tuple[Direction, Direction]] = ("in", "out")
_KEPT_BACK: Final = 1 << 20  # octets that wait until the other direction has frames, too
_UNKNOWN: Final = "what cannot be told, since its beginning is not in the recording"


class Conversation:
    """One connection while it is being taken apart.

    Args:
        connection: its number.

    Attributes:
        handshakes: its requests and responses so far, in order.
    """

    def __init__(self, connection: int) -> None:
        self.handshakes: list[Handshake] = []
        self._connection = connection
        self._http = {way: HttpStream(responses=way == "out") for way in _BOTH}
        self._frames: dict[Direction, FrameStream] = {}
        self._seekers: dict[Direction, FrameSeeker] = {}
        self._late: set[Direction] = set()  # its beginning is not there, or octets are missing
        self._unanswered: list[Handshake] = []
        self._agreement: tuple[DeflateParams | None, bool] = None, False
        self._foreign = False  # it speaks what we do not take apart

    def read(self, record: Record, time: float) -> Iterator[Entry]:
        """Take in the next record and yield what it completes."""
        way = record.direction
        if self._foreign:
            return
        if record.missing != 0:
            yield from self._lose(way, record.missing, time)
        if way in self._frames:
            yield from self._frames[way].read(record.data, time)
        elif way in self._seekers:
            yield from self._seek(way, record.data, time)
        else:
            self._http[way].feed(record.data)
            yield from self._read_http(time)

    def end(self, time: float) -> Iterator[Entry]:
        """Yield what is to be said where the recording ends."""
        if self._asks_for_websocket() and self._http["in"].waiting:
            yield from self._begin_both("in", time)
        for stream in self._frames.values():
            yield from stream.end(time)
        if self._seekers and not self._frames and not self._foreign:
            way: Direction = "in" if "in" in self._seekers else "out"
            yield self._leave(way, _UNKNOWN, time)

    # ------------------------------------------------------------------ HTTP

    def _read_http(self, time: float) -> Iterator[Entry]:
        """Read heads in both directions until both have to wait."""
        progress = True
        while progress and not self._foreign:
            progress = False
            for way in _BOTH:
                for entry in self._next_head(way, time):
                    progress = True
                    yield entry

    def _next_head(self, way: Direction, time: float) -> Iterator[Entry]:
        stream = self._http[way]
        if way in self._frames or way in self._seekers or self._foreign:
            return
        try:
            if way == "in" and self._asks_to_switch():
                stream.pass_over()
                return
            found = stream.next_head()
        except NotHttp:
            yield from self._find_no_head(way, time)
            return
        if found is None:
            return
        parsed, data = found
        yield CapturedHead(self._connection, SENDERS[way], time, data, parsed)
        if isinstance(parsed, Request):
            yield from self._take_request(parsed, time)
        else:
            yield from self._take_response(parsed, time)

    def _asks_to_switch(self) -> bool:
        """Whether the last request wants another protocol: only the answer tells what follows."""
        last = self._unanswered[-1].request if self._unanswered else None
        return last is not None and ("Upgrade" in last.headers or last.method == "CONNECT")

    def _take_request(self, request: Request, time: float) -> Iterator[Entry]:
        if request.version == "HTTP/2.0":  # the preface of RFC 9113 §3.4
            yield self._leave("in", "HTTP/2", time)
            return
        waits = self.handshakes[-1] if self.handshakes else None
        if waits is not None and waits.request is None and waits.protocol is not None:
            waits.request = request  # the recording has it behind its answer
            yield from self._switch(waits, time)
            return
        handshake = Handshake(self._connection, request)
        self.handshakes.append(handshake)
        self._unanswered.append(handshake)
        self._http["in"].pass_body(request.headers)

    def _take_response(self, response: Response, time: float) -> Iterator[Entry]:
        if response.status < 200 and response.status != 101:
            return  # an interim response (RFC 9110 §15.2): the answer is still to come
        if self._unanswered:
            handshake = self._unanswered.pop(0)
        else:
            handshake = Handshake(self._connection)
            self.handshakes.append(handshake)
        handshake.response = response
        method = handshake.request.method if handshake.request else "GET"
        if response.status == 101:
            yield from self._switch(handshake, time)
        elif method == "CONNECT" and response.status < 300:
            pass  # a tunnel: what is in it begins anew, perhaps with HTTP (RFC 9110 §9.3.6)
        elif method != "HEAD" and response.status not in (204, 304):
            self._http["out"].pass_body(response.headers, until_close=True)

    # ------------------------------------------------------------------ WebSocket

    def _switch(self, handshake: Handshake, time: float) -> Iterator[Entry]:
        """Go over to what the 101 says."""
        if not handshake.upgraded:
            yield self._leave("out", handshake.protocol or "", time)
            return
        self._agreement = _agreed(handshake.response)
        for way in _BOTH:
            # Without a request, what comes next from the client may be that request.
            if handshake.request is not None or way == "out":
                yield from self._begin_frames(way, time)

    def _begin_both(self, way: Direction, time: float) -> Iterator[Entry]:
        """Go over to frames, though the answer is not there."""
        yield self._note(way, "here are frames, but the answer to their handshake is missing", time)
        self._agreement = DeflateParams(), False
        for one in _BOTH:
            yield from self._begin_frames(one, time)

    def _begin_frames(self, way: Direction, time: float) -> Iterator[CapturedFrame]:
        if way in self._frames:
            return
        params, known = self._agreement
        messages = Messages(client=way == "in", compression=params, complete=known)
        stream = FrameStream(self._connection, way, messages, allow_rsv1=params is not None)
        self._frames[way] = stream
        waiting = self._seekers[way].octets if way in self._seekers else self._http[way].waiting
        yield from stream.read(bytes(waiting), time)
        waiting.clear()

    def _find_no_head(self, way: Direction, time: float) -> Iterator[Entry]:
        """There is no HTTP here: are these the frames of a handshake that is not there?"""
        if "out" in self._frames:  # of which only the request is missing
            yield from self._begin_frames(way, time)
        elif self._unanswered and way == "in" and len(self._http[way].waiting) < _KEPT_BACK:
            return  # an answer may come that says what this is
        elif way in self._late:
            waiting = bytes(self._http[way].waiting)
            self._http[way].waiting.clear()
            self._seekers[way] = FrameSeeker(way)
            yield from self._seek(way, waiting, time)
        else:
            yield self._leave(way, _name(self._http[way].waiting), time)

    def _seek(self, way: Direction, data: bytes, time: float) -> Iterator[Entry]:
        """Look for a head, or for frames; those must be in both directions, or asked for."""
        seeker = self._seekers[way]
        if starts_head(data, responses=way == "out"):
            del self._seekers[way]
            self._http[way].feed(data)
            yield from self._read_http(time)
        elif seeker.feed(data) and self._frames:
            yield from self._begin_frames(way, time)
        elif seeker.found and self._is_websocket():
            yield from self._begin_both(way, time)
        elif len(seeker.octets) > _KEPT_BACK:
            yield self._leave(way, _UNKNOWN, time)

    def _is_websocket(self) -> bool:
        """Whether one direction that has frames is enough to say so, or both have."""
        return self._asks_for_websocket() or all(
            way in self._seekers and self._seekers[way].found for way in _BOTH
        )

    def _asks_for_websocket(self) -> bool:
        request = self._unanswered[-1].request if self._unanswered else None
        return request is not None and request.wants_upgrade

    # ------------------------------------------------------------------ what is missing

    def _lose(self, way: Direction, count: int | None, time: float) -> Iterator[Entry]:
        """Go on behind a gap."""
        if count is not None:
            yield self._note(way, f"{count:,} bytes are missing from the recording here", time)
        if way in self._frames:
            self._frames[way].lose(count)
        elif count is None or not self._http[way].lose(count):
            self._late.add(way)
            self._http[way] = HttpStream(responses=way == "out")
            self._seekers[way] = FrameSeeker(way)
            if way == "out":  # answers may be among what is missing
                del self._unanswered[:-1]

    def _leave(self, way: Direction, protocol: str, time: float) -> CapturedNote:
        """Take no more of this connection apart."""
        self._foreign = True
        for stream in self._http.values():
            stream.waiting.clear()
        return self._note(way, f"from here on it speaks {protocol}", time, protocol)

    def _note(self, way: Direction, text: str, time: float, foreign: str = "") -> CapturedNote:
        return CapturedNote(self._connection, SENDERS[way], time, text, foreign)


def _agreed(response: Response | None) -> tuple[DeflateParams | None, bool]:
    """How messages are compressed, and whether that is known."""
    extensions = response.headers.get("Sec-WebSocket-Extensions") if response else ""
    if not extensions:
        return None, True
    try:
        return accept_client(parse_extensions(extensions), _ANY_DEFLATE), True
    except HandshakeError:
        return DeflateParams(), False


def _name(octets: bytes | bytearray) -> str:
    """What a connection speaks, by its first octets."""
    tls = octets[:1] == b"\x16" and octets[1:2] in (b"", b"\x03")  # RFC 8446 §5.1
    return "TLS" if tls else "another protocol"


def take_apart(records: Iterable[Record]) -> Iterator[Entry]:
    r"""Yield heads, frames and notes in their order, while the records are read.

    Nothing is kept that is done with, so the recording may be larger than memory.

    Args:
        records: oldest first.

    Raises:
        TypeError: one of them is not a ``Record``.

    >>> head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    >>> [(found.time, found.text) for found in take_apart([Record(1, "in", 7.0, head)])]
    [(0.0, 'GET /')]
    """
    known: dict[int, Conversation] = {}
    began: float | None = None
    time = 0.0
    wanted(records, Iterable, "records is a list of Record")
    for record in records:
        wanted(record, Record, "records is a list of Record: each is one")
        began = record.time if began is None else began
        time = record.time - began
        if record.connection not in known:
            known[record.connection] = Conversation(record.connection)
        yield from known[record.connection].read(record, time)
    for conversation in known.values():
        yield from conversation.end(time)
