"""Recordings as pcapng files, which Wireshark opens, and back from pcap and pcapng files."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import dpkt
from dpkt import pcap, pcapng

from goim_edu.capture.recording import Capture, Direction, Record

__all__ = ["read_capture", "read_records", "write_capture"]

_SEGMENT: Final = 1460  # octets of TCP payload in a packet, as on Ethernet
_CLIENT, _SERVER = ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("127.0.0.2")
_FIRST_PORT: Final = 49_152  # of those that clients take (RFC 6335 §6)
_WINDOW: Final = 65_535
_MOST_AHEAD: Final = 1 << 26  # octets that may wait for a packet that is late
_BOTH: Final = dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK
_PROGRESS_EVERY: Final = 1000  # packets
_MODULUS: Final = 1 << 32  # of sequence numbers (RFC 9293 §3.4)


# ---------------------------------------------------------------------- writing


@dataclass(slots=True)
class _Peer:
    """One end of a connection, as far as a packet tells of it."""

    address: bytes
    port: int
    sequence: int = 1


def write_capture(
    records: Iterable[Record], path: str | Path, *, epoch: float = 0.0, server_port: int = 80
) -> Path:
    """Write ``records`` as a pcapng file with proper IPv4 and TCP headers, and return its path.

    Args:
        records: what was recorded, oldest first.
        path: the file to write.
        epoch: seconds since 1970 at which the clock of the records stood at 0.
        server_port: the port that the server gets; Wireshark looks for HTTP on port 80.

    Source: the pcapng specification; RFC 791; RFC 9293.
    """
    path = Path(path)
    ends: dict[int, dict[Direction, _Peer]] = {}
    with path.open("wb") as file:
        writer = pcapng.Writer(file, snaplen=1 << 16, linktype=pcap.DLT_RAW)
        for record in records:
            time = epoch + record.time
            if record.connection not in ends:
                peers = _peers_of(record.connection, server_port)
                ends[record.connection] = peers
                for packet in _three_way_handshake(peers):
                    writer.writepkt(packet, ts=time)
            for packet in _segments(record, ends[record.connection]):
                writer.writepkt(packet, ts=time)
    return path


def _peers_of(connection: int, server_port: int) -> dict[Direction, _Peer]:
    """Give both ends of a connection an address and a port; no two connections share both."""
    turns, port = divmod(connection, 1 << 14)
    client = _Peer((_CLIENT + (turns << 8)).packed, _FIRST_PORT + port)
    return {"in": client, "out": _Peer(_SERVER.packed, server_port)}


def _three_way_handshake(peers: dict[Direction, _Peer]) -> Iterator[bytes]:
    client, server = peers["in"], peers["out"]
    client.sequence = server.sequence = 0
    yield _packet(client, server, dpkt.tcp.TH_SYN, b"", ack=0)
    client.sequence = 1
    yield _packet(server, client, dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK, b"", ack=1)
    server.sequence = 1
    yield _packet(client, server, dpkt.tcp.TH_ACK, b"", ack=1)


def _segments(record: Record, peers: dict[Direction, _Peer]) -> Iterator[bytes]:
    source = peers[record.direction]
    target = peers["out" if record.direction == "in" else "in"]
    for at in range(0, len(record.data), _SEGMENT):
        data = record.data[at : at + _SEGMENT]
        flags = dpkt.tcp.TH_PUSH | dpkt.tcp.TH_ACK
        yield _packet(source, target, flags, data, ack=target.sequence)
        source.sequence = (source.sequence + len(data)) % _MODULUS


def _packet(source: _Peer, target: _Peer, flags: int, data: bytes, ack: int) -> bytes:
    segment = dpkt.tcp.TCP(
        sport=source.port,
        dport=target.port,
        seq=source.sequence,
        ack=ack,
        flags=flags,
        win=_WINDOW,
        data=data,
    )
    packet = dpkt.ip.IP(
        src=source.address, dst=target.address, p=dpkt.ip.IP_PROTO_TCP, ttl=64, data=segment
    )
    packet.len = len(packet)
    return bytes(packet)


# ---------------------------------------------------------------------- reading


def read_capture(path: str | Path, *, strict: bool = True) -> Capture:
    """Read the TCP conversations of a pcap or pcapng file into a capture.

    Args:
        path: the file.
        strict: whether missing packets are an error; else a conversation just ends there.

    Raises:
        ValueError: it is not such a file, or packets are missing from it.
    """
    capture = Capture(max_bytes=1 << 40)
    for record in read_records(path, strict=strict):
        capture.record(record)
    return capture


def read_records(
    path: str | Path, *, strict: bool = True, progress: Callable[[int], object] | None = None
) -> Iterator[Record]:
    """Yield the records of a pcap or pcapng file one by one, so that it may be larger than memory.

    Segments are put in order, repeated ones left out; the client is who sent the first SYN or,
    where the recording began later, the first bytes.

    Args:
        path: the file.
        strict: as for ``read_capture``.
        progress: called now and then with the number of octets of the file that were read since.

    Raises:
        ValueError: as ``read_capture``.
    """
    with Path(path).open("rb") as file:
        reader = _open(file)
        flows: dict[frozenset[tuple[bytes, int]], _Flow] = {}
        numbers = itertools.count(1)
        done = 0
        for number, (time, frame) in enumerate(reader):
            if progress is not None and number % _PROGRESS_EVERY == 0:
                progress(file.tell() - done)
                done = file.tell()
            packet = _network_layer(frame, reader.datalink())
            segment = packet.data if packet is not None else None
            if not isinstance(segment, dpkt.tcp.TCP):
                continue
            source, target = (packet.src, segment.sport), (packet.dst, segment.dport)
            ends = frozenset((source, target))
            flow = flows.get(ends)
            if flow is None or (flow.spoke and _opens(segment)):  # or the ports are used again
                if flow is not None and strict:
                    flow.check()
                answers = segment.flags & _BOTH == _BOTH
                flow = flows[ends] = _Flow(next(numbers), target if answers else source)
            yield from flow.take(source, segment, float(time))
    for flow in flows.values() if strict else ():
        flow.check()


def _open(file: BinaryIO) -> Any:
    try:
        return pcap.UniversalReader(file)
    except (ValueError, dpkt.dpkt.Error) as error:
        raise ValueError(f"no pcap or pcapng file: {error}") from None


def _network_layer(frame: bytes, linktype: int) -> Any:
    """Return the IP packet inside a frame of the link layer, or None."""
    try:
        match linktype:
            case pcap.DLT_EN10MB:
                inner = dpkt.ethernet.Ethernet(frame).data
            case pcap.DLT_NULL | pcap.DLT_LOOP:
                inner = dpkt.loopback.Loopback(frame).data
            case pcap.DLT_LINUX_SLL:
                inner = dpkt.sll.SLL(frame).data
            case pcap.DLT_LINUX_SLL2:
                inner = dpkt.sll2.SLL2(frame).data
            case _:
                inner = dpkt.ip6.IP6(frame) if frame[:1] >= b"\x60" else dpkt.ip.IP(frame)
    except dpkt.dpkt.Error:
        return None
    return inner if isinstance(inner, (dpkt.ip.IP, dpkt.ip6.IP6)) else None


def _opens(segment: Any) -> bool:
    return bool(segment.flags & _BOTH == dpkt.tcp.TH_SYN)


@dataclass(slots=True)
class _Stream:
    """One direction of a TCP connection: what is next, and what came too early."""

    following: int | None = None
    early: dict[int, bytes] = field(default_factory=dict)
    ahead: int = 0

    def take(self, sequence: int, data: bytes) -> bytes:
        """Return what can be read on now that these bytes have come."""
        if self.following is None:
            self.following = sequence
        self._keep(sequence, data)
        pieces = []
        while self.following in self.early:
            piece = self.early.pop(self.following)
            self.ahead -= len(piece)
            pieces.append(piece)
            self.following = (self.following + len(piece)) % _MODULUS
            self._drop_repeated()
        return b"".join(pieces)

    def _keep(self, sequence: int, data: bytes) -> None:
        behind = ((self.following or 0) - sequence) % _MODULUS
        if behind < _MODULUS // 2:  # it begins with what we have already
            sequence, data = (sequence + behind) % _MODULUS, data[behind:]
        if not data or len(self.early.get(sequence, b"")) >= len(data):
            return
        self.ahead += len(data) - len(self.early.get(sequence, b""))
        if self.ahead > _MOST_AHEAD:
            raise ValueError("too many bytes wait for a packet that is missing from the recording")
        self.early[sequence] = data

    def _drop_repeated(self) -> None:
        for sequence in list(self.early):
            if ((self.following or 0) - sequence - 1) % _MODULUS < _MODULUS // 2:
                data = self.early.pop(sequence)
                self.ahead -= len(data)
                self._keep(sequence, data)


class _Flow:
    """A TCP connection while its packets are read."""

    def __init__(self, number: int, client: tuple[bytes, int]) -> None:
        self.number = number
        self.spoke = False
        self._client = client
        self._streams: dict[Direction, _Stream] = {"in": _Stream(), "out": _Stream()}

    def take(self, source: tuple[bytes, int], segment: Any, time: float) -> Iterator[Record]:
        """Take the next packet and yield what can be read on with it."""
        direction: Direction = "in" if source == self._client else "out"
        stream = self._streams[direction]
        if segment.flags & dpkt.tcp.TH_SYN:
            stream.following = (segment.seq + 1) % _MODULUS
        if segment.data:
            self.spoke = True
            data = stream.take(segment.seq, bytes(segment.data))
            if data:
                yield Record(self.number, direction, time, data)

    def check(self) -> None:
        """Raise ValueError if bytes wait for a packet that never came."""
        for direction, stream in self._streams.items():
            if stream.early:
                who = "client" if direction == "in" else "server"
                raise ValueError(
                    f"connection {self.number}: packets from the {who} are missing from the file"
                )
