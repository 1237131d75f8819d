"""pcapng files: what we write, Wireshark reads; what came in any order, we read."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dpkt
import pytest
from dpkt import pcap, pcapng

from goim_edu.capture.pcap import read_capture, read_records, write_capture
from goim_edu.capture.recording import Capture, Direction, Record
from goim_edu.protocol import Endpoint, Side
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.frames import Opcode, build_frame
from tests.conftest import require


def two_way_conversation() -> Iterator[tuple[Direction, bytes]]:
    """Compressed and plain, whole and in fragments, small and large, with every opcode."""
    client = Endpoint(
        Side.CLIENT, compression=DeflateConfig(), mask_source=random.Random(1).randbytes
    )
    server = Endpoint(Side.SERVER, compression=DeflateConfig())
    request = client.connect("127.0.0.1", "/chat")
    yield "in", request
    server.receive_data(request)
    answer = server.accept()
    yield "out", answer
    client.receive_data(answer)
    yield "in", client.send_text("hello, hello, hello")
    yield "out", server.send_text("hello, hello, hello")
    yield "in", client.send_text("in three ", fin=False)
    yield "in", client.continue_message("fragments, ", fin=False)
    yield "in", client.ping(b"still there?")
    yield "in", client.continue_message("done")
    yield "out", server.pong(b"still there?")
    yield "out", server.send_binary(bytes(range(256)) * 20, compress=False)
    yield "in", client.send_binary(random.Random(2).randbytes(70_000), compress=False)
    yield "out", server.close(1001, "lunch")
    yield "in", client.close(1001)


@pytest.fixture
def capture() -> Capture:
    recording = Capture()
    for connection in (1, 2, 20_000):
        tap = recording.tap(connection)
        for number, (direction, data) in enumerate(two_way_conversation()):
            tap(direction, connection * 100 + number / 8, data)
    return recording


def described(recording: Capture, connection: int) -> list[tuple[Any, ...]]:
    frames = recording.frames(connection=connection)
    return [(f.sender, f.name, f.data, f.message) for f in frames]


def test_what_is_written_is_read_again(capture: Capture, tmp_path: Path) -> None:
    path = write_capture(capture.records, tmp_path / "talk.pcapng", epoch=1.7e9)
    again = read_capture(path)
    for before, after in ((1, 1), (2, 2), (20_000, 3)):
        assert described(again, after) == described(capture, before)
    first = next(iter(read_records(path)))
    assert (first.connection, first.direction, first.time) == (1, "in", 1.7e9 + 100)


def shuffled(path: Path, tmp_path: Path, change: Any) -> Path:
    """The same packets in another order, as written by another program, in an old pcap file."""
    with path.open("rb") as file:
        packets = [(float(time), bytes(data)) for time, data in pcapng.Reader(file)]
    other = tmp_path / "other.pcap"
    with other.open("wb") as file:
        writer = pcap.Writer(file, linktype=pcap.DLT_RAW)
        for time, data in change(packets):
            writer.writepkt(data, time)
    return other


def test_late_and_repeated_packets_are_put_right(capture: Capture, tmp_path: Path) -> None:
    def disorder(packets: list[Any]) -> list[Any]:
        chance = random.Random(3)
        opening, rest = packets[:3], packets[3:]
        doubled = sorted(rest + rest[::3], key=lambda _: chance.random())
        return [*opening, *doubled]

    one = [record for record in capture.records if record.connection == 1]
    path = write_capture(one, tmp_path / "talk.pcapng")
    again = read_capture(shuffled(path, tmp_path, disorder))
    for direction in ("in", "out"):
        bytes_of = [
            b"".join(r.data for r in records if r.direction == direction)
            for records in (one, again.records)
        ]
        assert bytes_of[0] == bytes_of[1]


def test_a_missing_packet_is_an_error_unless_it_may_be(capture: Capture, tmp_path: Path) -> None:
    path = write_capture(capture.records, tmp_path / "talk.pcapng")
    lossy = shuffled(path, tmp_path, lambda packets: packets[:5] + packets[6:])
    with pytest.raises(ValueError, match="connection 1: packets from the client are missing"):
        read_capture(lossy)
    assert read_capture(lossy, strict=False).frames(connection=2)


def test_a_recording_that_began_after_the_syn(capture: Capture, tmp_path: Path) -> None:
    path = write_capture(capture.records, tmp_path / "talk.pcapng")
    for cut in (1, 3):
        late = shuffled(path, tmp_path, lambda packets, cut=cut: packets[cut:])
        assert described(read_capture(late), 1) == described(capture, 1)


@pytest.mark.parametrize("link", [pcap.DLT_EN10MB, pcap.DLT_NULL, pcap.DLT_LINUX_SLL])
def test_other_link_layers(capture: Capture, tmp_path: Path, link: int) -> None:
    path = write_capture(capture.records, tmp_path / "talk.pcapng")
    head = {
        pcap.DLT_EN10MB: bytes(12) + b"\x08\x00",
        pcap.DLT_NULL: (2).to_bytes(4, "little"),
        pcap.DLT_LINUX_SLL: bytes(14) + b"\x08\x00",
    }[link]
    other = tmp_path / "other.pcap"
    with path.open("rb") as source, other.open("wb") as target:
        writer = pcap.Writer(target, linktype=link)
        for time, data in pcapng.Reader(source):
            writer.writepkt(head + bytes(data), float(time))
        writer.writepkt(b"\x00", 0.0)
    assert described(read_capture(other), 1) == described(capture, 1)


def test_used_again_ports_are_another_connection(tmp_path: Path) -> None:
    pieces: list[Direction] = ["in", "out"]
    records = [Record(1, direction, 0.0, direction.encode()) for direction in pieces]
    path = write_capture(records, tmp_path / "talk.pcapng")
    twice = shuffled(path, tmp_path, lambda packets: packets + packets)
    assert [record.connection for record in read_records(twice)] == [1, 1, 2, 2]


def test_checksums_are_right(capture: Capture, tmp_path: Path) -> None:
    path = write_capture(capture.records[:4], tmp_path / "talk.pcapng")
    with path.open("rb") as file:
        for _, data in pcapng.Reader(file):
            assert dpkt.in_cksum(bytes(data)[:20]) == 0
            packet = dpkt.ip.IP(bytes(data))
            pseudo = packet.src + packet.dst + b"\x00\x06" + len(packet.data).to_bytes(2)
            assert dpkt.in_cksum(pseudo + bytes(packet.data)) == 0


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.pcap"
    path.write_bytes(b"GET / HTTP/1.1\r\n\r\n" * 4)
    with pytest.raises(ValueError, match="not a pcap or pcapng file"):
        read_capture(path)


def test_wireshark_reads_the_same(capture: Capture, tmp_path: Path) -> None:
    """tshark's opcodes, lengths, masks and payloads are those of our dissector."""
    require(shutil.which("tshark"), "tshark", "apt install tshark")
    one = [record for record in capture.records if record.connection == 1]
    path = write_capture(one, tmp_path / "talk.pcapng", epoch=1.7e9)
    command = ["tshark", "-r", str(path), "-T", "json", "-Y", "websocket"]
    command += ["--no-duplicate-keys", "-J", "websocket _ws.malformed", "-x"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "malformed" not in done.stdout.lower()
    seen = [frame for packet in json.loads(done.stdout) for frame in _websockets(packet)]
    ours = capture.frames(connection=1)
    assert len(seen) == len(ours)
    for theirs, frame in zip(seen, ours, strict=True):
        assert frame.header is not None
        assert int(theirs["websocket.opcode"]) == frame.header.opcode
        assert _flag(theirs["websocket.fin"]) == frame.header.fin
        assert _flag(theirs["websocket.mask"]) == frame.header.masked
        assert _length(theirs) == frame.header.length
        if frame.header.mask_key is not None:
            assert theirs["websocket.masking_key"].replace(":", "") == frame.header.mask_key.hex()
        assert theirs["websocket.payload_raw"][0] == frame.payload.hex()


def _websockets(packet: Any) -> list[Any]:
    layers = packet["_source"]["layers"]["websocket"]
    return layers if isinstance(layers, list) else [layers]


def _flag(shown: str) -> bool:
    return shown in {"1", "True", "true"}


def _length(frame: Any) -> int:
    names = ("payload_length_ext_64", "payload_length_ext_16", "payload_length")
    return next(int(frame[f"websocket.{n}"]) for n in names if f"websocket.{n}" in frame)


def test_a_large_recording_is_read_as_a_stream(tmp_path: Path) -> None:
    frame = build_frame("x" * 100, Opcode.TEXT, mask_key=b"abcd")
    records = (Record(1, "in", 0.0, frame) for _ in range(20_000))
    path = write_capture(records, tmp_path / "large.pcapng")
    assert sum(len(record.data) for record in read_records(path)) == 20_000 * len(frame)
