"""From a packet of IP to a segment of TCP: fragments, extension headers, tunnels.

Each layer is a function that takes its header off the front of ``Walk.data`` and returns the layer
below: a space of numbers ("ether": ethertypes, "ip": protocols of IP, "link": link types) and the
number.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from goim_edu.errors import GoimError

__all__ = [
    "ETHERNET",
    "IPV4",
    "IPV6",
    "IP_LAYERS",
    "ORDINARY_IP",
    "Address",
    "Fragments",
    "PassedOver",
    "Segment",
    "Step",
    "Walk",
    "ipv4",
    "ipv6",
    "raw_ip",
    "read_tcp",
]

Step = tuple[str, int]
"""The layer below: a space of numbers, and the number."""
Address = tuple[bytes, int]
"""An IP address, packed, and a port."""

ETHERNET: Final = ("link", 1)
IPV4: Final = ("ether", 0x0800)
IPV6: Final = ("ether", 0x86DD)


class PassedOver(GoimError):
    """This packet is not read.

    Args:
        reason: what it holds; "" if it waits for other packets.
        ordinary: whether no TCP can be in it.
    """

    def __init__(self, reason: str, *, ordinary: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ordinary = ordinary


class Segment(NamedTuple):
    """A segment of TCP (RFC 9293 §3.1).

    Args:
        source: address and port of its sender.
        target: those of its receiver.
        sequence: the sequence number.
        flags: the eight control bits.
        data: its payload, as much as was recorded.
        length: how many octets the payload had on the wire.
    """

    source: Address
    target: Address
    sequence: int
    flags: int
    data: bytes
    length: int


@dataclass(slots=True)
class Walk:
    """A packet while its layers are taken off.

    Attributes:
        data: what is left of it.
        length: how many octets that had on the wire, as the layer above says.
        source: the address of the innermost layer of IP.
        target: as ``source``.
        fragments: the fragments of IP that wait for others.
    """

    data: bytes
    fragments: Fragments
    length: int = 0
    source: bytes = b""
    target: bytes = b""

    def drop(self, count: int) -> None:
        """Take octets off the front."""
        self.data = self.data[count:]


# ---------------------------------------------------------------------- fragments

_MOST_WAITING: Final = 1_000  # datagrams of which some fragments are there


@dataclass(slots=True)
class _Datagram:
    """A datagram while its fragments come."""

    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int | None = None  # known with the last fragment

    def whole(self) -> bytes | None:
        """The payload, if no octet is missing."""
        if self.size is None or sum(map(len, self.pieces.values())) < self.size:
            return None
        data = bytearray()
        for at in sorted(self.pieces):
            if at > len(data):
                return None
            data += self.pieces[at][len(data) - at :]
        return bytes(data[: self.size]) if len(data) >= self.size else None


class Fragments:
    """Puts fragmented datagrams together (RFC 791 §3.2, RFC 8200 §4.5)."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bytes, bytes, int, int], _Datagram] = {}
        self.given_up = 0  # fragments

    def add(
        self, key: tuple[bytes, bytes, int, int], offset: int, data: bytes, *, last: bool
    ) -> bytes:
        """Take a fragment; return the payload of its datagram.

        Raises:
            PassedOver: other fragments have to come first.
        """
        datagram = self._waiting.setdefault(key, _Datagram())
        datagram.pieces.setdefault(offset, data)
        if last:
            datagram.size = offset + len(data)
        whole = datagram.whole()
        if whole is not None:
            del self._waiting[key]
            return whole
        if len(self._waiting) > _MOST_WAITING:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            self.given_up += len(oldest.pieces)
        raise PassedOver("", ordinary=True)

    def end(self) -> int:
        """Return how many fragments waited for others that never came."""
        return self.given_up + sum(len(one.pieces) for one in self._waiting.values())


# ---------------------------------------------------------------------- IP


def raw_ip(walk: Walk) -> Step:
    """A packet of IP; its first four bits tell the version."""
    version = walk.data[0] >> 4
    if version not in (4, 6):
        raise PassedOver(f"IP of version {version}")
    return IPV4 if version == 4 else IPV6


def ipv4(walk: Walk) -> Step:
    """RFC 791 §3.1."""
    first, total, number, place, _, protocol, walk.source, walk.target = struct.unpack_from(
        ">BxHHHBB2x4s4s", walk.data
    )
    size = (first & 0xF) * 4
    if first >> 4 != 4 or size < 20:
        raise PassedOver("a broken header of IP")
    # A length of 0 comes from a network card that cuts segments itself, later than the recording.
    walk.length = (total or len(walk.data)) - size
    walk.data = walk.data[size : size + max(walk.length, 0)]
    if place & 0x3FFF:
        _check_whole(walk)
        key = (walk.source, walk.target, protocol, number)
        last = not place & 0x2000
        walk.data = walk.fragments.add(key, (place & 0x1FFF) * 8, walk.data, last=last)
        walk.length = len(walk.data)
    return "ip", protocol


def _check_whole(walk: Walk) -> None:
    if len(walk.data) < walk.length:
        raise PassedOver("fragments of IP that were not recorded whole")


_EXTENSIONS: Final = frozenset((0, 43, 60, 135, 139, 140))  # RFC 8200 §4 and its registry
_FRAGMENT, _AUTHENTICATION = 44, 51


def ipv6(walk: Walk) -> Step:
    """RFC 8200 §3, §4."""
    first, length, protocol, walk.source, walk.target = struct.unpack_from(
        ">B3xHBx16s16s", walk.data
    )
    if first >> 4 != 6:
        raise PassedOver("a broken header of IP")
    walk.length = length or len(walk.data) - 40
    walk.data = walk.data[40 : 40 + walk.length]
    while protocol in _EXTENSIONS or protocol == _FRAGMENT:
        following, extra = walk.data[0], walk.data[1]
        size = 8 if protocol == _FRAGMENT else (extra + 1) * 8
        place, number = struct.unpack_from(">HI", walk.data, 2)
        walk.drop(size)
        walk.length -= size
        if protocol == _FRAGMENT and place & 0xFFF9:
            _check_whole(walk)
            key = (walk.source, walk.target, following, number)
            data = walk.fragments.add(key, place & 0xFFF8, walk.data, last=not place & 1)
            walk.data, walk.length = data, len(data)
        protocol = following
    return "ip", protocol


def _authentication(walk: Walk) -> Step:
    """RFC 4302 §2: the header is not encrypted, nor is what follows."""
    following, size = walk.data[0], (walk.data[1] + 2) * 4
    walk.drop(size)
    walk.length -= size
    return "ip", following


# ---------------------------------------------------------------------- tunnels


def _gre(walk: Walk) -> Step:
    """RFC 2784, RFC 2890; version 1 carries PPP (RFC 2637)."""
    flags, protocol = struct.unpack_from(">HH", walk.data)
    if flags & 0x4000:
        raise PassedOver("GRE with a source route")
    size = 4 + sum(4 for bit in (0x8000, 0x2000, 0x1000) if flags & bit)
    if flags & 7 == 1:
        walk.drop(size + 4 * bool(flags & 0x80))
        if not walk.data:
            raise PassedOver("an acknowledgement of GRE", ordinary=True)
        return "ppp", 0
    walk.drop(size)
    if protocol == 0x88BE:  # ERSPAN: with a header of its own if packets are numbered
        walk.drop(8 * bool(flags & 0x1000))
        return ETHERNET
    return ETHERNET if protocol == 0x6558 else ("ether", protocol)


def _vxlan(walk: Walk) -> Step:
    """RFC 7348 §5."""
    if not walk.data[0] & 0x08:
        raise PassedOver("VXLAN without a network number")
    walk.drop(8)
    return ETHERNET


def _geneve(walk: Walk) -> Step:
    """RFC 8926 §3.4."""
    first, protocol = struct.unpack_from(">BxH", walk.data)
    walk.drop(8 + (first & 0x3F) * 4)
    return ETHERNET if protocol == 0x6558 else ("ether", protocol)


def _gtp(walk: Walk) -> Step:
    """The user plane of GTP version 1 (3GPP TS 29.281 §5)."""
    flags, kind = walk.data[0], walk.data[1]
    if flags >> 5 != 1 or kind != 255:
        raise PassedOver("GTP without a packet in it", ordinary=True)
    size, following = (12, walk.data[11]) if flags & 7 else (8, 0)
    while flags & 4 and following:
        size += max(walk.data[size], 1) * 4
        following = walk.data[size - 1]
    walk.drop(size)
    return raw_ip(walk)


def _teredo(walk: Walk) -> Step:
    """RFC 4380 §5.1.1; without the indications that may stand before the packet."""
    if walk.data[:1] == b"\0":
        raise PassedOver("Teredo with indications")
    return raw_ip(walk)


def _esp_in_udp(walk: Walk) -> Step:
    """RFC 3948 §2: four octets of 0 mean that it is about keys."""
    raise PassedOver("IPsec, which is encrypted", ordinary=walk.data[:4] == bytes(4))


def _l2tp(walk: Walk) -> Step:
    """RFC 2661 §3.1: a data message holds PPP behind optional fields."""
    flags = struct.unpack_from(">H", walk.data)[0]
    if flags & 0x8000 or flags & 0xF != 2:
        raise PassedOver("control messages of L2TP", ordinary=True)
    size = 6 + 2 * bool(flags & 0x4000) + 4 * bool(flags & 0x0800)
    if flags & 0x0200:
        size += 2 + struct.unpack_from(">H", walk.data, size)[0]
    walk.drop(size)
    return "ppp", 0


_UDP_TUNNELS: Final[dict[int, Callable[[Walk], Step]]] = {
    1701: _l2tp,
    2152: _gtp,
    3544: _teredo,
    4500: _esp_in_udp,
    4789: _vxlan,
    6081: _geneve,
}


def _udp(walk: Walk) -> Step:
    (target,) = struct.unpack_from(">2xH4x", walk.data)
    if target not in _UDP_TUNNELS:
        raise PassedOver("UDP", ordinary=True)
    walk.drop(8)
    return _UDP_TUNNELS[target](walk)


def _esp(_: Walk) -> Step:
    raise PassedOver("IPsec, which is encrypted")


IP_LAYERS: Final[dict[int, Callable[[Walk], Step]]] = {
    4: lambda _: IPV4,
    17: _udp,
    41: lambda _: IPV6,
    47: _gre,
    50: _esp,
    _AUTHENTICATION: _authentication,
}
"""The protocols of IP that may hold TCP, by their numbers."""

ORDINARY_IP: Final = {
    1: "ICMP",
    2: "IGMP",
    58: "ICMPv6",
    59: "IP without a payload",
    88: "EIGRP",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
}
"""Those that do not."""


# ---------------------------------------------------------------------- TCP


def read_tcp(walk: Walk) -> Segment:
    """Read the header of a segment (RFC 9293 §3.1).

    Raises:
        PassedOver: it is broken.
    """
    source, target, sequence, offset, flags = struct.unpack_from(">HHI4xBB6x", walk.data)
    size = (offset >> 4) * 4
    if size < 20 or size > walk.length:
        raise PassedOver("a broken header of TCP")
    data = walk.data[size:]
    ends = (walk.source, source), (walk.target, target)
    return Segment(*ends, sequence, flags, data, walk.length - size)
