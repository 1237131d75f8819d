"""Connections taken apart: HTTP before, beside and after WebSocket, and what is missing of them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.capture import (
    Capture,
    CapturedFrame,
    CapturedHead,
    CapturedNote,
    Record,
    frame_stream,
    take_apart,
)
from goim_edu.widgets import WireTap
from tests.capture.files import (
    FRAMES,
    OPENING,
    PAGE,
    REQUEST,
    RESPONSE,
    TALK,
    Connection,
    Talk,
    Who,
    frame,
    pcap,
)
from tests.capture.judge import Read

RAW = 101
UNAUTHORISED: Talk = [
    ("c", REQUEST),
    ("s", b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 4\r\n\r\nwho?"),
]
_POSTED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_CHUNKS = b"3;why=not\r\n\x81\x02h\r\n4\r\nGET \r\n0\r\nTrailer: x\r\n\r\n"
CHUNKED: Talk = [
    ("c", _POSTED + b"5\r\nhello\r\n0\r\n\r\n"),
    ("s", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _CHUNKS),
]
TUNNEL: Talk = [
    ("c", b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"),
    ("s", b"HTTP/1.1 200 Connection established\r\n\r\n"),
]
OTHERS: dict[str, Talk] = {
    "tcp": [
        ("c", b"POST /attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"),
        ("s", b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"),
        ("s", b"\x8f\x02 # "),
        ("c", b"ls -l\n"),
    ],
    "h2c": [
        ("c", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        ("s", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        ("s", b"\0\0\0\x04\0\0\0\0\0"),
    ],
    "tls/1.2": [
        ("c", b"OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n\r\n"),
        ("s", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.2\r\n\r\n"),
        ("s", b"\x16\x03\x01"),
    ],
}


def said(talk: Talk, missing: Mapping[int, int | None] | None = None) -> list[Record]:
    ways = {"c": "in", "s": "out"}
    gaps = missing or {}
    return [
        Record(1, ways[who], float(number), data, gaps.get(number, 0))  # type: ignore[arg-type]
        for number, (who, data) in enumerate(talk)
    ]


def frames(talk: Talk, missing: Mapping[int, int | None] | None = None) -> list[CapturedFrame]:
    found = take_apart(said(talk, missing))
    return [one for one in found if isinstance(one, CapturedFrame)]


def notes(talk: Talk, missing: Mapping[int, int | None] | None = None) -> list[CapturedNote]:
    return [one for one in take_apart(said(talk, missing)) if isinstance(one, CapturedNote)]


# ---------------------------------------------------------------------- HTTP first

FIRST: dict[str, Talk] = {
    "nothing": [],
    "a page": PAGE,
    "two pages": [*PAGE, *PAGE],
    "two pages at once": [
        ("c", PAGE[0][1] * 2),
        ("s", PAGE[1][1] * 2),
    ],
    "a 401": UNAUTHORISED,
    "two rounds of NTLM": [*UNAUTHORISED, *UNAUTHORISED],
    "bodies in chunks": CHUNKED,
    "a HEAD": [
        ("c", b"HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("s", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
    ],
    "a 304": [
        ("c", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("s", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n"),
    ],
    "an interim response": [
        ("c", b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
        ("s", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("c", b"hi"),
        ("s", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
}


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("cut", [1400, 7])
def test_an_upgrade_that_is_not_the_first_request(first: str, cut: int, tmp_path: Path) -> None:
    talk = Connection().open().say([*FIRST[first], *TALK], cut=cut)
    read = Read(pcap(talk.packets, RAW), tmp_path)
    assert read.texts[:2] == ["from client", "from server"]
    read.agree(4)


def test_an_upgrade_in_a_tunnel() -> None:
    """tshark takes what is in a tunnel of CONNECT for data, so it cannot be the judge here."""
    assert [one.text for one in frames([*TUNNEL, *TALK])][:2] == ["from client", "from server"]
    tls: Talk = [*TUNNEL, ("c", b"\x16\x03\x01\x02\x00"), ("s", b"\x16\x03\x03")]
    assert [one.foreign for one in notes(tls)] == ["TLS"]


def test_each_request_has_its_handshake() -> None:
    capture = Capture()
    for record in said([*PAGE, *UNAUTHORISED, *TALK]):
        capture.record(record)
    found = [(h.request.target, h.response.status) for h in capture.handshakes()]  # type: ignore[union-attr]
    assert found == [("/page", 200), ("/chat", 401), ("/chat", 101)]
    assert [one.upgraded for one in capture.handshakes()] == [False, False, True]
    names = [one.name for one in capture.entries()]
    assert names == ["REQUEST", "RESPONSE"] * 3 + ["TEXT", "TEXT", "CLOSE", "CLOSE"]


@pytest.mark.parametrize("protocol", OTHERS)
def test_a_101_to_another_protocol(protocol: str, tmp_path: Path) -> None:
    capture = Capture()
    for record in said(OTHERS[protocol]):
        capture.record(record)
    (handshake,) = capture.handshakes()
    assert (handshake.protocol, handshake.upgraded) == (protocol, False)
    assert [note.foreign for note in capture.notes()] == [protocol]
    Read(pcap(Connection().open().say(OTHERS[protocol]).packets, RAW), tmp_path).agree(0)


@pytest.mark.parametrize("name", ["websocket", "WebSocket", "WEBSOCKET ", "x/1, websocket"])
def test_the_name_of_the_protocol_in_any_case(name: str) -> None:
    answer = RESPONSE.replace(b"Upgrade: websocket", b"Upgrade: " + name.encode())
    assert len(frames([("c", REQUEST), ("s", answer), *FRAMES])) == 4


LONG_LINES = [
    b"Cookie: " + b"x" * 100_000 + b"\r\n",
    b"".join(b"X-%d: y\r\n" % number for number in range(5_000)),
    b"Latin: \xff\xfe\x01\r\n",
    b"Content-Length: 0\r\n",
]
ODD_LINES = [b"Folded: one\r\n two\r\n\tthree\r\n", b"Bad Name : x\r\nno colon\r\n"]


def with_line(line: bytes) -> Talk:
    request = REQUEST.replace(b"Host: x\r\n", b"Host: x\r\n" + line)
    answer = RESPONSE.replace(b"Upgrade: websocket\r\n", line + b"Upgrade: websocket\r\n")
    return [("c", request), ("s", answer), *FRAMES]


@pytest.mark.parametrize("line", LONG_LINES + ODD_LINES)
def test_heads_are_read_leniently(line: bytes) -> None:
    """What two programs agreed on is shown, whatever a server of ours would say to it."""
    assert len(frames(with_line(line))) == 4


@pytest.mark.parametrize("line", LONG_LINES)
def test_long_heads_are_read_as_tshark_does(line: bytes, tmp_path: Path) -> None:
    """It does not take the odd ones, which other programs do, for the heads of a handshake."""
    Read(pcap(Connection().open().say(with_line(line)).packets, RAW), tmp_path).agree(4)


def test_a_head_without_an_end_is_given_up() -> None:
    more: Talk = [("c", b"x" * 100_000)] * 11
    endless: Talk = [("c", b"GET / HTTP/1.1\r\nX: "), *more]
    assert [one.foreign for one in notes(endless)] == ["another protocol"]


def test_a_request_that_was_recorded_behind_its_answer() -> None:
    talk: Talk = [("s", RESPONSE + frame(b"early")), ("c", REQUEST + FRAMES[0][1])]
    found = list(take_apart(said(talk)))
    assert [one.text for one in found] == [
        "101 Switching Protocols",
        "early",
        "GET /chat",
        "from client",
    ]
    assert [one.text for one in frames([("s", RESPONSE), *FRAMES])][:1] == ["from client"]


# ---------------------------------------------------------------------- behind the handshake


@pytest.mark.parametrize("first", ["c", "s"])
def test_a_file_that_begins_behind_the_handshake(first: str) -> None:
    """tshark shows nothing here. Both sides must speak in frames, the client's ones masked."""
    talk = FRAMES if first == "c" else [FRAMES[1], FRAMES[0], *FRAMES[2:]]
    late = {0: None, 1: None}
    assert sorted(one.text for one in frames(talk, late))[2:] == ["from client", "from server"]
    (note,) = notes(talk, late)
    assert "the answer to their handshake is missing" in note.text


def test_it_may_begin_inside_a_frame() -> None:
    talk: Talk = [("s", b"the end of a frame"), ("c", b" and of another"), *FRAMES]
    assert len(frames(talk, {0: None, 1: None})) == 4


@pytest.mark.parametrize(
    "talk",
    [
        [("c", frame(b"a", mask=True)), ("c", frame(b"b", mask=True))],
        [("c", frame(b"not masked")), ("s", frame(b"a"))],
        [("c", frame(b"a", mask=True)), ("s", frame(b"masked", mask=True))],
        [("c", b"\x17\x03\x03\x00\x10" + bytes(16)), ("s", b"\x17\x03\x03\x00\x10" + bytes(16))],
    ],
)
def test_other_octets_are_not_taken_for_frames(talk: Talk) -> None:
    late = {0: None, 1: None}
    assert frames(talk, late) == []
    assert [one.foreign for one in notes(talk, late)][-1:] != [""]


def test_http_goes_on_in_a_connection_that_was_open_already() -> None:
    rest: Talk = [("s", b"the end of a body"), *PAGE, *TALK]
    assert len(frames(rest, {0: None, 1: None})) == 4


def test_heads_in_small_pieces_are_found_behind_a_gap() -> None:
    pieces: Talk = [
        (who, data[at : at + 20]) for who, data in [*PAGE, *TALK] for at in range(0, len(data), 20)
    ]
    first_of_server = next(at for at, (who, _) in enumerate(pieces) if who == "s")
    assert len(frames(pieces, {0: 100, first_of_server: 100})) == 4
    assert len(frames(pieces, {0: None, first_of_server: None})) == 4


def test_a_gap_before_the_frames_of_an_answer_that_is_there() -> None:
    talk: Talk = [("s", RESPONSE), ("c", b"the end of something"), *FRAMES]
    assert len(frames(talk, {1: None})) == 4


def test_compression_of_a_handshake_that_is_not_there() -> None:
    """A message that refers to nothing before it is inflated; the others say why they are not."""
    deflater = zlib.compressobj(wbits=-15)
    sent: list[tuple[Who, bytes]] = []
    for text in (b"first, first", b"second, second", b"first, second, first, second"):
        data = deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)
        sent.append(("s", frame(data[:-4], rsv=4)))
    late = {0: None, 1: None}
    known = frames([FRAMES[0], *sent], late)
    assert [one.message for one in known][:2] == ["from client", "first, first"]
    _, unknown = frames([FRAMES[0], sent[-1]], late)
    assert unknown.message is None
    assert unknown.error is None
    assert unknown.note == "it cannot be inflated: it refers back to what is not in the recording"


def test_a_message_of_which_the_first_fragments_are_not_there() -> None:
    talk: Talk = [
        ("s", frame(b"the end", 0)),
        ("c", frame(b"hi", mask=True)),
        ("s", frame(b"whole")),
    ]
    end, client, whole = frames(talk, {0: None, 1: None})
    assert {end.sender, client.sender, whole.sender} == {"client", "server"}
    late = next(one for one in (end, client) if one.name == "CONTINUATION")
    assert (late.error, late.message) == (None, None)
    assert late.note == "its message is not complete in the recording"
    assert whole.message == "whole"


# ---------------------------------------------------------------------- gaps


def test_a_gap_in_a_payload_ends_where_the_frame_ends() -> None:
    data = frame(b"x" * 1000)
    talk: Talk = [*OPENING, ("s", data[:500]), ("s", data[600:]), *FRAMES]
    cut, *rest = frames(talk, {3: 100})
    assert (cut.name, cut.error, cut.message) == ("TEXT", None, None)
    assert cut.note == "100 bytes of its payload are missing from the recording"
    assert len(rest) == 4
    assert [one.text for one in notes(talk, {3: 100})] == [
        "100 bytes are missing from the recording here"
    ]


def test_behind_a_larger_gap_the_next_frame_is_found() -> None:
    talk: Talk = [*OPENING, ("s", frame(b"y" * 9)[:5]), ("s", b"in some frame"), *FRAMES]
    assert [one.text for one in frames(talk, {3: 4000})][:2] == ["from client", "from server"]


def test_a_gap_in_a_body_is_passed_over() -> None:
    page: Talk = [PAGE[0], ("s", PAGE[1][1].replace(b": 5", b": 500")), ("s", bytes(400))]
    assert len(frames([*page, *TALK], {2: 95})) == 4


def test_a_gap_that_took_the_answer() -> None:
    talk: Talk = [("c", REQUEST), *FRAMES]
    assert len(frames(talk, {2: 130})) == 4


def test_one_direction_only() -> None:
    only: Talk = [("c", REQUEST), FRAMES[0], FRAMES[2]]
    assert [one.text for one in frames(only)][:1] == ["from client"]
    assert [one.text for one in frames([("s", RESPONSE), FRAMES[1]])] == ["from server"]


def test_the_message_that_lost_a_fragment_is_not_put_together() -> None:
    talk: Talk = [
        *OPENING,
        ("s", frame(b"one ", fin=False)),
        ("s", frame(b"three", 0)),
        ("s", frame(b"next")),
    ]
    one, three, following = frames(talk, {3: 6})
    assert (one.message, three.message, following.message) == (None, None, "next")
    assert (three.error, following.error) == (None, None)


def test_a_frame_that_is_cut_by_the_end_is_told() -> None:
    assert [one.text for one in notes([*OPENING, ("s", frame(b"whole")[:4])])] == [
        "a frame is cut: 4 of 7 bytes are there"
    ]


# ---------------------------------------------------------------------- wrong frames


def test_unmasked_frames_are_marked_and_read_on(tmp_path: Path) -> None:
    talk: Talk = [*OPENING, ("c", frame(b"one")), ("s", frame(b"two")), ("c", frame(b"three"))]
    found = frames([*talk, ("c", frame(b"\x03\xe8", 8))])
    assert [one.text for one in found][:3] == ["one", "two", "three"]
    assert ["did not mask" in str(one.error) for one in found] == [True, False, True, True]
    Read(pcap(Connection().open().say(talk).packets, RAW), tmp_path).agree(3)


WRONG = {
    "a reserved opcode": frame(b"x", 3, mask=True),
    "a reserved bit": frame(b"x", rsv=2, mask=True),
    "compression without agreement": frame(b"x", rsv=4, mask=True),
    "a fragmented Ping": frame(b"x", 9, fin=False, mask=True),
    "a long Ping": frame(b"x" * 200, 9, mask=True),
    "no UTF-8": frame(b"\xff", mask=True),
    "a continuation of nothing": frame(b"x", 0, mask=True),
    "a Close of one octet": frame(b"x", 8, mask=True),
    "a Close code that is never sent": frame(b"\x03\xed", 8, mask=True),
    "a reason that is no UTF-8": frame(b"\x03\xe8\xff", 8, mask=True),
    "no mask": frame(b"x"),
    "a length that is too long": b"\x82\xfe\0\x01" + b"abcd" + b"x",
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_marked_and_the_next_frame_is_read(kind: str, tmp_path: Path) -> None:
    talk: Talk = [*OPENING, ("c", WRONG[kind]), ("c", frame(b"good", mask=True))]
    wrong, good = frames(talk)
    assert wrong.error is not None
    assert (good.error, good.message) == (None, "good")
    Read(pcap(Connection().open().say(talk).packets, RAW), tmp_path).agree(2)


def test_a_new_message_inside_another() -> None:
    talk: Talk = [
        *OPENING,
        ("c", frame(b"one", fin=False, mask=True)),
        ("c", frame(b"two", mask=True)),
        ("c", frame(b"three", mask=True)),
    ]
    one, two, three = frames(talk)
    assert "before the last one was complete" in str(two.error)
    assert (one.message, two.message, three.message) == (None, "two", "three")
    assert three.error is None


def test_a_bomb_is_not_inflated() -> None:
    """100 MiB in 100 kB: the bound is that of a message; what comes next is read."""
    deflater = zlib.compressobj(wbits=-15)
    data = deflater.compress(bytes(100 << 20)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    answer = RESPONSE.replace(
        b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    talk: Talk = [
        ("c", REQUEST),
        ("s", answer),
        ("s", frame(data[:-4], 2, rsv=4)),
        ("s", frame(b"next")),
    ]
    bomb, following = frames(talk)
    assert (bomb.message, bomb.error) == (None, None)
    assert "not put together" in bomb.note
    assert following.message == "next"


def test_a_widget_shows_each_of_them() -> None:
    capture = Capture()
    for record in said([*PAGE, *OPENING, *(("c", data) for data in WRONG.values())]):
        capture.record(record)
    tap = WireTap(capture)
    sent: list[dict[str, object]] = []
    tap.send = lambda content, **_: sent.append(content)
    tap._receive(None, {"type": "rows", "from": 0, "count": 99}, None)
    assert len(sent[0]["rows"]) == 4 + len(WRONG)  # type: ignore[arg-type]
    for number in range(4 + len(WRONG)):
        tap.select(number)
    assert tap.shown[-1].name == "BINARY"


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("cs"),
            st.sampled_from([data for _, data in [*TALK, *PAGE, *CHUNKED, *TUNNEL]])
            | st.sampled_from([*WRONG.values()])
            | st.binary(max_size=40),
            st.sampled_from([0, 0, 0, 1, 40, None]),
            st.integers(0, 40),
        ),
        max_size=16,
    )
)
def test_any_talk_is_taken_apart(talk: list[tuple[str, bytes, int | None, int]]) -> None:
    records = [
        Record(1, "in" if who == "c" else "out", float(number), data[cut:], missing)
        for number, (who, data, missing, cut) in enumerate(talk)
    ]
    for one in take_apart(records):
        assert isinstance(one, CapturedFrame | CapturedHead | CapturedNote)
        assert isinstance(one.text, str)


def test_of_a_very_long_frame_the_beginning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_stream, "MOST_OCTETS", 10)
    long, following = frames([*OPENING, ("s", frame(b"x" * 15)), ("s", frame(b"next"))])
    assert (long.payload, long.message) == (b"x" * 10, None)
    assert long.note == "the last 5 bytes of its payload are not kept"
    assert following.message == "next"
