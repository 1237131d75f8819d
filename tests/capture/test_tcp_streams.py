"""Segments in any order, repeated, missing, and several connections over the same ports."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.capture import Record
from goim_edu.capture.ip_layers import Segment
from goim_edu.capture.pcap import read_records, write_capture
from goim_edu.capture.tcp_streams import TcpStreams
from tests.capture.files import (
    FRAMES,
    OPENING,
    REQUEST,
    RESPONSE,
    TALK,
    Connection,
    Pcapng,
    ether,
    frame,
    pcap,
)
from tests.capture.judge import Read

RAW = 101
CLIENT, SERVER = (b"\1\1\1\1", 50_000), (b"\2\2\2\2", 80)


def segment(
    sequence: int, data: bytes = b"", flags: int = 24, *, from_client: bool = True
) -> Segment:
    ends = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
    return Segment(*ends, sequence % (1 << 32), flags, data, len(data))


def read(segments: list[Segment]) -> tuple[list[Record], list[str]]:
    streams = TcpStreams()
    records = [one for number, s in enumerate(segments) for one in streams.take(s, float(number))]
    records += streams.end()
    return records, streams.faults


@settings(deadline=None)
@given(
    st.binary(min_size=1, max_size=400),
    st.lists(st.tuples(st.integers(0, 399), st.integers(1, 90)), max_size=40),
    st.sampled_from([0, 1000, (1 << 32) - 200, 1 << 31]),
    st.randoms(use_true_random=False),
)
def test_each_octet_comes_once_and_in_order(
    data: bytes, again: list[tuple[int, int]], starts: int, chance: random.Random
) -> None:
    """Pieces that overlap, are repeated, come in any order, and numbers that start anew at 0."""
    cuts = list(range(0, len(data), 30))
    pieces = [(at, data[at : at + 30]) for at in cuts]
    pieces += [(at, data[at : at + size]) for at, size in again if at < len(data)]
    chance.shuffle(pieces)
    segments = [segment(starts - 1, flags=2)]
    segments += [segment(starts + at, piece) for at, piece in pieces]
    records, faults = read(segments)
    assert b"".join(record.data for record in records) == data
    assert {record.missing for record in records} == {0}
    assert faults == []


def test_what_came_too_early_is_read_when_the_late_packet_comes() -> None:
    """Times are those of the packets, but for what had to wait: here for packet 3."""
    records, _ = read(
        [segment(9, flags=2), segment(13, b"two"), segment(16, b"three"), segment(10, b"one")]
    )
    assert [(one.data, one.time) for one in records] == [(b"one", 3), (b"two", 3), (b"three", 3)]


def test_a_gap_is_told_and_read_over() -> None:
    records, faults = read(
        [segment(9, flags=2), segment(10, b"one"), segment(20, b"two"), segment(23, b"three")]
    )
    assert [(one.data, one.missing) for one in records] == [(b"one", 0), (b"two", 7), (b"three", 0)]
    assert faults == ["connection 1: packets from the client are missing from the file (7 bytes)"]


def test_what_is_missing_before_the_end_is_told() -> None:
    opened = [segment(9, flags=2), segment(10, b"one")]
    _, faults = read([*opened, segment(33, flags=17)])
    assert faults == ["connection 1: packets from the client are missing from the file (20 bytes)"]
    assert read([*opened, segment(13, flags=17)])[1] == []


def test_a_connection_that_was_open_already() -> None:
    records, faults = read([segment(7, b"GET / HTTP/1.1\r\n"), segment(23, b"more")])
    assert [(one.direction, one.missing) for one in records] == [("in", None), ("in", 0)]
    assert faults == []


@pytest.mark.parametrize(
    ("data", "from_client"),
    [(b"GET / HTTP/1.1\r\n", True), (b"HTTP/1.1 200 OK\r\n", False), (frame(b"x"), False)],
)
def test_the_side_that_is_heard_first_may_be_the_server(data: bytes, from_client: bool) -> None:
    records, _ = read([segment(1, data, from_client=from_client)])
    assert records[0].direction == ("in" if from_client else "out")


def test_data_in_the_syn(tmp_path: Path) -> None:
    """TCP Fast Open (RFC 7413): the request comes with the SYN, which may be repeated."""
    talk = Connection().open(REQUEST).say([("s", RESPONSE), *FRAMES])
    Read(pcap(talk.packets, RAW), tmp_path).agree(4)
    again = [talk.packets[0], *talk.packets]
    found = Read(pcap(again, RAW), tmp_path).agree(4)
    assert {one.connection for one in found.entries} == {1}


def test_each_packet_twice_as_recorded_on_two_interfaces(tmp_path: Path) -> None:
    """The second interface has another link type, and a clock that is an hour late."""
    raw = Connection().open().say(TALK).close().packets
    file = Pcapng().interface(RAW).interface(1, offset=-3600)
    for time, data in raw:
        file.packet(time, data).packet(time + 3600.0001, ether([(time, data)])[0][1], 1)
    read = Read(file.data, tmp_path)
    assert (read.error, read.told) == ("", [])
    read.agree(4)


def test_several_connections_over_the_same_ports(tmp_path: Path) -> None:
    """The second opens with another number; a gap at the end of the first is told, not an end."""
    first = Connection().open().say(TALK).close()
    second = Connection(begin=first.time + 1, starts=77_000).open().say(TALK).close()
    whole = Read(pcap(first.packets + second.packets, RAW), tmp_path)
    assert [one.connection for one in whole.frames] == [1] * 4 + [2] * 4
    whole.agree(8)
    lossy = first.packets[:5] + first.packets[6:8] + second.packets
    read = Read(pcap(lossy, RAW), tmp_path)
    assert read.error.startswith("connection 1: packets from the client are missing")
    assert [one.connection for one in read.frames].count(2) == 4


def test_a_connection_that_never_answered_is_opened_anew(tmp_path: Path) -> None:
    lost = Connection(starts=5).put("c", 2).packets
    found = Read(pcap(lost + Connection().open().say(TALK).packets, RAW), tmp_path)
    assert {one.connection for one in found.entries} == {2}
    found.agree(4)


def test_packets_that_were_not_recorded_whole(tmp_path: Path) -> None:
    """A snapshot length cuts the payload: the frame says what is missing, the next one is read."""
    talk = [*OPENING, ("s", frame(b"a" * 900)), ("s", frame(b"whole")), *FRAMES]
    content = Connection().open().say(talk).packets
    read = Read(pcap(content, RAW, snap=300), tmp_path)
    assert "packets from the server are missing from the file (644 bytes)" in read.error
    cut, *rest = read.frames
    assert cut.note == "644 bytes of its payload are missing from the recording"
    assert [one.text for one in rest][:3] == ["whole", "from client", "from server"]


def test_a_gap_in_a_written_recording_is_read_again(tmp_path: Path) -> None:
    records = [
        Record(1, "in", 0.0, REQUEST),
        Record(1, "out", 0.1, b"late", 5),
        Record(2, "in", 0.2, b"GET / HTTP/1.1\r\n\r\n", None),
    ]
    path = write_capture(records, tmp_path / "gap.pcapng")
    found = sorted(read_records(path, strict=False), key=lambda one: one.time)
    assert [(one.connection, one.data, one.missing) for one in found] == [
        (one.connection, one.data, one.missing) for one in records
    ]


def test_much_that_came_too_early_is_read() -> None:
    """The work grows with the segments; with their square, this takes longer than a test may."""
    count = 100_000
    late = [segment(11 + 2 * at, b"xy") for at in range(count)]
    records, _ = read([segment(9, flags=2), *late, segment(10, b"x")])
    assert sum(len(one.data) for one in records) == 2 * count + 1
