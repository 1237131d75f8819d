"""Capture files made by hand: packets of TCP, what stands around them, pcap and pcapng; and tshark.

Nothing here uses the code that reads them.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from tests.conftest import require

Who = Literal["c", "s"]
Talk = Sequence[tuple[Who, bytes]]
Packets = list[tuple[float, bytes]]

KEY = bytes.fromhex("37fa213d")
REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
PAGE: Talk = [
    ("c", b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("s", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
]
OPENING: Talk = [("c", REQUEST), ("s", RESPONSE)]


def frame(
    payload: bytes = b"", opcode: int = 1, *, fin: bool = True, rsv: int = 0, mask: bool = False
) -> bytes:
    """A frame, also a wrong one."""
    length = len(payload)
    form = b"\x7f" + struct.pack(">Q", length)
    if length <= 0xFFFF:
        form = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
    head = bytes([fin << 7 | rsv << 4 | opcode, form[0] | mask << 7]) + form[1:]
    if not mask:
        return head + payload
    masked = bytes(octet ^ KEY[at % 4] for at, octet in enumerate(payload))
    return head + KEY + masked


FRAMES: Talk = [
    ("c", frame(b"from client", mask=True)),
    ("s", frame(b"from server")),
    ("c", frame(b"\x03\xe8", 8, mask=True)),
    ("s", frame(b"\x03\xe8", 8)),
]
TALK: Talk = [*OPENING, *FRAMES]


# ---------------------------------------------------------------------- packets of IP


def ipv4(
    payload: bytes, protocol: int = 6, ends: tuple[int, int] = (1, 2), place: int = 0
) -> bytes:
    source, target = (bytes([10, 0, 0, end]) for end in ends)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, place, 64, protocol, 0)
    return head + source + target + payload


def ipv6(payload: bytes, protocol: int = 6, ends: tuple[int, int] = (1, 2)) -> bytes:
    addresses = b"".join(bytes([0xFD, *bytes(14), end]) for end in ends)
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + addresses + payload


def udp(payload: bytes, port: int) -> bytes:
    return struct.pack(">HHHH", 50_000, port, 8 + len(payload), 0) + payload


class Connection:
    """Writes the packets of one TCP connection."""

    def __init__(self, port: int = 40_000, *, begin: float = 1.7e9, starts: int = 1000) -> None:
        self.port = port
        self.time = begin
        self.sequence = {"c": starts, "s": (starts + 8000) % (1 << 32)}
        self.packets: Packets = []

    def put(self, who: Who, flags: int, data: bytes = b"", *, version: int = 4) -> Connection:
        other = "s" if who == "c" else "c"
        ports = (self.port, 80) if who == "c" else (80, self.port)
        ack = self.sequence[other] if flags & 16 else 0
        numbers = (self.sequence[who], ack)
        tcp = struct.pack(">HHIIBBHHH", *ports, *numbers, 5 << 4, flags, 65_535, 0, 0) + data
        ends = (1, 2) if who == "c" else (2, 1)
        packet = ipv4(tcp, ends=ends) if version == 4 else ipv6(tcp, ends=ends)
        self.packets.append((self.time, packet))
        size = len(data) + bool(flags & 3)
        self.sequence[who] = (self.sequence[who] + size) % (1 << 32)
        self.time += 0.001
        return self

    def open(self, data: bytes = b"", *, version: int = 4) -> Connection:
        self.put("c", 2, data, version=version)
        return self.put("s", 18, version=version).put("c", 16, version=version)

    def say(self, talk: Talk, *, cut: int = 1400, version: int = 4) -> Connection:
        for who, data in talk:
            for at in range(0, len(data), cut):
                self.put(who, 24, data[at : at + cut], version=version)
        return self

    def close(self) -> Connection:
        return self.put("c", 17).put("s", 17).put("c", 16)


def packets(talk: Talk = TALK, *, version: int = 4) -> Packets:
    """The IP packets of a connection."""
    return Connection().open(version=version).say(talk, version=version).packets


def wrap(before: bytes, inner: Iterable[tuple[float, bytes]], after: bytes = b"") -> Packets:
    """Each packet with a header before it."""
    return [(time, before + packet + after) for time, packet in inner]


def ether(inner: Iterable[tuple[float, bytes]], kind: int = 0x0800) -> Packets:
    return wrap(bytes(12) + struct.pack(">H", kind), inner)


# ---------------------------------------------------------------------- files


def pcap(
    content: Packets,
    link: int = 1,
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    snap: int = 1 << 18,
) -> bytes:
    unit = 10**9 if magic == 0xA1B23C4D else 10**6
    extra = bytes(8) if magic == 0xA1B2CD34 else b""
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)]
    for time, data in content:
        kept = data[:snap]
        stamp = (int(time), round(time % 1 * unit), len(kept), len(data))
        out.append(struct.pack(order + "IIII", *stamp) + extra + kept)
    return b"".join(out)


class Pcapng:
    """Writes blocks of pcapng."""

    def __init__(self, order: str = "<") -> None:
        self.data = b""
        self.section(order)

    def block(self, kind: int, body: bytes) -> Pcapng:
        body += bytes(-len(body) % 4)
        size = struct.pack(self.order + "I", len(body) + 12)
        self.data += struct.pack(self.order + "I", kind) + size + body + size
        return self

    def section(self, order: str = "<") -> Pcapng:
        self.order = order
        return self.block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(
        self, link: int = 1, *, resolution: int | None = None, offset: int | None = None
    ) -> Pcapng:
        options = b""
        if resolution is not None:
            options += struct.pack(self.order + "HHB3x", 9, 1, resolution)
        if offset is not None:
            options += struct.pack(self.order + "HHq", 14, 8, offset)
        options += bytes(4) if options else b""
        return self.block(1, struct.pack(self.order + "HHI", link, 0, 0) + options)

    def packet(self, time: float, data: bytes, interface: int = 0, *, unit: int = 10**6) -> Pcapng:
        ticks = round(time * unit)
        head = (interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        return self.block(6, struct.pack(self.order + "5I", *head) + data)

    def packets(self, content: Packets, interface: int = 0, *, unit: int = 10**6) -> Pcapng:
        for time, data in content:
            self.packet(time, data, interface, unit=unit)
        return self


# ---------------------------------------------------------------------- tshark


def opcodes_of_tshark(path: Path) -> Counter[int]:
    """How many frames with which opcode tshark finds in a file."""
    require(shutil.which("tshark"), "tshark", "apt install tshark")
    command = ["tshark", "-r", str(path), "-Y", "websocket", "-T", "fields"]
    command += ["-e", "websocket.opcode", "-o", "tcp.check_checksum:false"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    words = done.stdout.replace(",", " ").split()
    return Counter(int(word, 0) for word in words)
