"""Recordings as pcapng files, which Wireshark opens, and back from pcap and pcapng files."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

import dpkt
from dpkt import pcap, pcapng

from goim_edu.capture.findings import Findings
from goim_edu.capture.link_layers import LinkLayers
from goim_edu.capture.packet_file import read_packets
from goim_edu.capture.recording import Capture, Direction, Record
from goim_edu.capture.tcp_streams import TcpStreams
from goim_edu.websocket.wanted import wanted

__all__ = ["read_capture", "read_records", "write_capture"]

_SEGMENT: Final = 1460  # octets of TCP payload in a packet, as on Ethernet
_CLIENT, _SERVER = ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("127.0.0.2")
_FIRST_PORT: Final = 49_152  # of those that clients take (RFC 6335 §6)
_WINDOW: Final = 65_535
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
    r"""Write ``records`` as a pcapng file with proper IPv4 and TCP headers, and return its path.

    Args:
        records: what was recorded, oldest first: a ``Capture``, or any records.
        path: the file to write.
        epoch: seconds since 1970 at which the clock of the records stood at 0.
        server_port: the port that the server gets; Wireshark looks for HTTP on port 80.

    Raises:
        TypeError: they are not records, or the path is not one.

    Source: the pcapng specification; RFC 791; RFC 9293.

    >>> import tempfile
    >>> record = Record(1, "in", 5.0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_capture([record], f"{folder}/talk.pcapng").name
    'talk.pcapng'
    """
    wanted(records, Iterable, "records is a list of Record")
    wanted(path, (str, PathLike), "path is the name of a file")
    path = Path(path)
    ends: dict[int, dict[Direction, _Peer]] = {}
    with path.open("wb") as file:
        writer = pcapng.Writer(file, snaplen=1 << 16, linktype=pcap.DLT_RAW)
        for record in records:
            wanted(record, Record, "records is a list of Record: each is one")
            time = epoch + record.time
            if record.connection not in ends:
                peers = _peers_of(record.connection, server_port)
                ends[record.connection] = peers
                for packet in _three_way_handshake(peers) if record.missing is not None else ():
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
    source.sequence = (source.sequence + (record.missing or 0)) % _MODULUS
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
    r"""Read the TCP conversations of a pcap or pcapng file into a capture.

    Args:
        path: the file.
        strict: whether missing packets and damage are an error; else what can be read is read.

    Raises:
        TypeError: the path is not one.
        ValueError: it is not such a file, packets are missing from it, or it is damaged.

    >>> import tempfile
    >>> record = Record(1, "in", 5.0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_capture(write_capture([record], f"{folder}/talk.pcapng"))
    <Capture: 1 records, 27 bytes>
    """
    capture = Capture(max_bytes=1 << 40)
    for record in read_records(path, strict=strict):
        capture.record(record)
    return capture


def read_records(
    path: str | Path,
    *,
    strict: bool = True,
    progress: Callable[[int], object] | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Iterator[Record]:
    r"""Yield the records of a pcap or pcapng file one by one, so that it may be larger than memory.

    Segments are put in order, repeated ones left out. Whatever is wrong with the file, all that
    can be read of it comes first.

    Args:
        path: the file; it may be compressed with gzip.
        strict: as for ``read_capture``.
        progress: called now and then with the number of octets of the file that were read since.
        tell: called at the end with a line on each thing that was passed over: the last packet of
            a file that is cut, link types that are not known; with ``strict=False`` on gaps, too.

    Raises:
        TypeError: as ``read_capture``.
        ValueError: as ``read_capture``.

    >>> import tempfile
    >>> record = Record(1, "in", 5.0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [one.data[:5] for one in read_records(write_capture([record], f"{folder}/talk.pcapng"))]
    [b'GET /']
    """
    wanted(path, (str, PathLike), "path is the name of a file")
    findings, streams = Findings(), TcpStreams()
    layers = LinkLayers(findings)
    with Path(path).open("rb") as file:
        counted = progress is not None and file.seekable()
        done = 0
        for number, (time, link, data) in enumerate(read_packets(file, findings)):
            if progress is not None and counted and number % _PROGRESS_EVERY == 0:
                progress(file.tell() - done)
                done = file.tell()
            segment = layers.segment(link, data)
            if segment is not None:
                yield from streams.take(segment, time)
    yield from streams.end()
    layers.end()
    findings.faults += streams.faults
    for line in findings.lines():
        tell(line)
    faults = list(findings.fault_lines())
    for line in faults[1:] if strict else faults:
        tell(line)
    if strict and faults:
        raise ValueError(faults[0])
