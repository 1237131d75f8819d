"""The packets of a capture file: pcap or pcapng, of either byte order, perhaps inside gzip.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, RFC 1952.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from goim_edu.capture.findings import Findings

__all__ = ["Packet", "read_packets"]

_MOST: Final = 1 << 24  # octets of a packet or block; programs that write such files stay below
_READ: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"
_OTHER_WRAPPINGS: Final = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bzip2",
    b"\xfd7zX": "xz",
    b"PK\x03\x04": "zip",
}


class Packet(NamedTuple):
    """One packet of a file.

    Args:
        time: seconds since 1970, of the clock of its interface.
        link: the link type, which says what ``data`` begins with.
        data: its octets, as many as were kept.
    """

    time: float
    link: int
    data: bytes


class _Cut(Exception):
    """The file ends inside of something."""


class _Damaged(Exception):
    """From here on, nothing can be found any more."""


def read_packets(file: io.BufferedReader, findings: Findings) -> Iterator[Packet]:
    """Yield the packets of a file one by one, up to its end, or to where it is cut or damaged.

    Args:
        file: the file, at its start.
        findings: gets ``cut`` and ``faults``.

    Raises:
        ValueError: it is not such a file.
    """
    inflated: _Inflated | None = None
    source = file
    if file.peek(2)[:2] == _GZIP:
        inflated = _Inflated(file)
        source = io.BufferedReader(inflated, _READ)
    try:
        yield from _packets(_Octets(source), findings)
    except _Cut as cut:
        findings.cut = str(cut)
    except _Damaged as damaged:
        findings.faults.append(f"the file is damaged: {damaged}")
    except ValueError:
        if inflated is None or not (inflated.is_cut or inflated.fault):
            raise
    if inflated is None:
        return
    if inflated.fault:
        findings.cut = ""
        findings.faults.append(f"the file is damaged: {inflated.fault}")
    elif inflated.is_cut:
        findings.cut = findings.cut or "its compressed data has no end"


class _Octets:
    """Reads exact numbers of octets, and knows where it is."""

    def __init__(self, source: io.BufferedReader) -> None:
        self._source = source
        self.position = 0

    def take(self, count: int, what: str) -> bytes:
        """Return the next octets; at the end of the file none, and an error inside of ``what``."""
        data = self._source.read(count)
        if 0 < len(data) < count:
            raise _Cut(f"{what} at byte {self.position:,} has {len(data):,} of {count:,} bytes")
        self.position += len(data)
        return data

    def rest(self, count: int, what: str) -> bytes:
        """Return the next octets of something that has begun."""
        data = self.take(count, what)
        if len(data) < count:
            raise _Cut(f"{what} at byte {self.position:,} has 0 of {count:,} bytes")
        return data


class _Inflated(io.RawIOBase):
    """What a gzip file holds, as far as it goes: its members, one after the other (RFC 1952)."""

    def __init__(self, file: io.BufferedReader) -> None:
        super().__init__()
        self._file = file
        self._member = zlib.decompressobj(31)
        self._waiting = b""
        self._begun = False  # whether the member has octets
        self.fault = ""

    def readable(self) -> bool:
        return True

    @property
    def is_cut(self) -> bool:
        """Whether the file ended inside a member."""
        return self._begun and not self._member.eof

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self.fault:
            if self._member.eof:
                self._waiting = self._member.unused_data
                self._member, self._begun = zlib.decompressobj(31), False
            self._waiting = self._waiting or self._file.read(_READ)
            if not self._waiting:
                return 0
            if not self._begun and self._waiting[:1] == b"\0":  # padding behind the last member
                self._waiting = self._waiting.lstrip(b"\0")
                continue
            self._begun = True
            before = self._member.copy()
            try:
                data = self._member.decompress(self._waiting, len(buffer))
            except zlib.error as error:
                self.fault = f"its compression is broken ({error})"
                data = _inflate_on(before, self._waiting, len(buffer))
            self._waiting = self._member.unconsumed_tail
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0


def _inflate_on(member: zlib._Decompress, octets: bytes, most: int) -> bytes:
    """Return what stands before a fault: an octet at a time, as zlib drops what it had."""
    data = bytearray()
    try:
        for at in range(len(octets)):
            data += member.decompress(octets[at : at + 1], most)
            if len(data) >= most:
                break
    except zlib.error:
        pass
    return bytes(data[:most])


# ---------------------------------------------------------------------- both formats

_SECTION: Final = b"\x0a\x0d\x0d\x0a"


class _Pcap(NamedTuple):
    """What the magic number of a pcap file says."""

    order: str  # of struct
    per_second: int
    extra: int = 0  # octets of a record's header behind the usual 16


_PCAP: Final = {
    number.to_bytes(4, name): kind._replace(order=order)  # type: ignore[arg-type]
    for number, kind in {
        0xA1B2C3D4: _Pcap("", 10**6),
        0xA1B23C4D: _Pcap("", 10**9),
        0xA1B2CD34: _Pcap("", 10**6, 8),  # as a patched libpcap wrote it
    }.items()
    for name, order in (("little", "<"), ("big", ">"))
}


def _packets(octets: _Octets, findings: Findings) -> Iterator[Packet]:
    try:
        magic = octets.take(4, "the file")
    except _Cut:
        magic = b"\0"
    if magic == _SECTION:
        yield from _Blocks(octets, findings).packets()
    elif magic in _PCAP:
        yield from _pcap_packets(octets, _PCAP[magic])
    else:
        for start, name in _OTHER_WRAPPINGS.items():
            if magic.startswith(start):
                raise ValueError(f"the file is compressed with {name}: unpack it first")
        empty = "the file is empty" if not magic else "it begins otherwise"
        raise ValueError(f"this is not a pcap or pcapng file: {empty}")


def _pcap_packets(octets: _Octets, kind: _Pcap) -> Iterator[Packet]:
    head = octets.rest(20, "the file header")
    link = struct.unpack(kind.order + "16xI", head)[0] & 0xFFFF  # above: the length of a checksum
    while record := octets.take(16 + kind.extra, "a packet header"):
        seconds, fraction, length, _ = struct.unpack_from(kind.order + "4I", record)
        if length > _MOST:
            where = octets.position - len(record)
            raise _Damaged(f"a packet of {length:,} bytes at byte {where:,}")
        data = octets.rest(length, "a packet") if length else b""
        yield Packet(seconds + fraction / kind.per_second, link, data)


@dataclass(slots=True)
class _Interface:
    """What an Interface Description Block says."""

    link: int
    kept: int = 0  # octets of each packet at most; 0: all
    per_second: int = 10**6
    offset: int = 0  # seconds


@dataclass(slots=True)
class _Blocks:
    """The blocks of a pcapng file; each section has its own byte order and interfaces."""

    octets: _Octets
    findings: Findings
    order: str = "<"
    interfaces: list[_Interface] = field(default_factory=list)
    time: float = 0.0

    def packets(self) -> Iterator[Packet]:
        """Yield the packets of all sections."""
        kind = _SECTION
        while kind:
            if kind == _SECTION:
                self._begin_section()
            else:
                (number,) = struct.unpack(self.order + "I", kind)
                packet = self._read(number, self._body())
                if packet is not None:
                    yield packet
            kind = self.octets.take(4, "a block")

    def _begin_section(self) -> None:
        start = self.octets.rest(8, "a section header")
        self.order = "<" if start[4:] == b"\x4d\x3c\x2b\x1a" else ">"
        if start[4:] not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
            raise _Damaged(f"no byte order in the section at byte {self.octets.position - 12:,}")
        self.interfaces.clear()
        (length,) = struct.unpack(self.order + "I", start[:4])
        self._rest(length, 12, "a section header")

    def _body(self) -> bytes:
        (length,) = struct.unpack(self.order + "I", self.octets.rest(4, "a block"))
        return self._rest(length, 8, "a block")

    def _rest(self, length: int, done: int, what: str) -> bytes:
        """Return the body of a block of which ``done`` octets are read; its end is checked."""
        where = self.octets.position - done
        if not done + 4 <= length <= _MOST:
            raise _Damaged(f"a block of {length:,} bytes at byte {where:,}")
        padded = (length + 3) // 4 * 4  # some programs do not count the padding
        data = self.octets.rest(padded - done, what)
        (again,) = struct.unpack(self.order + "I", data[-4:])
        if again != length:
            raise _Damaged(f"the lengths of the block at byte {where:,} differ")
        return data[:-4]

    def _read(self, number: int, body: bytes) -> Packet | None:
        """Read one block; blocks without packets, and unknown ones, have none."""
        try:
            match number:
                case 1:
                    self.interfaces.append(_interface(body, self.order))
                case 2:  # Packet Block, the obsolete form
                    index, _, high, low, length = struct.unpack_from(self.order + "HHIII", body)
                    return self._packet(index, high << 32 | low, body[20:], length)
                case 3:  # Simple Packet Block: without a time, of the first interface
                    (length,) = struct.unpack_from(self.order + "I", body)
                    kept = self.interfaces[0].kept if self.interfaces else 0
                    return self._packet(0, None, body[4:], min(length, kept or length))
                case 6:  # Enhanced Packet Block
                    index, high, low, length = struct.unpack_from(self.order + "IIII", body)
                    return self._packet(index, high << 32 | low, body[20:], length)
        except struct.error:
            self.findings.faults.append("the file is damaged: a block is too short")
        return None

    def _packet(self, index: int, ticks: int | None, data: bytes, length: int) -> Packet | None:
        if index >= len(self.interfaces):
            self.findings.passed_over["from an interface that the file does not describe"] += 1
            return None
        interface = self.interfaces[index]
        if ticks is not None:
            self.time = ticks / interface.per_second + interface.offset
        return Packet(self.time, interface.link, data[:length])


def _interface(body: bytes, order: str) -> _Interface:
    link, kept = struct.unpack_from(order + "H2xI", body)
    found = _Interface(link, kept)
    at = 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
        if code == 0:
            break
        if code == 9 and len(value) == 1:  # if_tsresol: a power of ten, or of two
            found.per_second = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == 14 and len(value) == 8:  # if_tsoffset
            (found.offset,) = struct.unpack(order + "q", value)
    return found
