"""From a packet of the wire to a segment of TCP, through link layers and tunnels, or why not.

The numbers of link types are those of https://www.tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from goim_edu.capture.findings import Findings
from goim_edu.capture.ip_layers import (
    ETHERNET,
    IP_LAYERS,
    IPV4,
    IPV6,
    ORDINARY_IP,
    Fragments,
    PassedOver,
    Segment,
    Step,
    Walk,
    ipv4,
    ipv6,
    raw_ip,
    read_tcp,
)

__all__ = ["LinkLayers"]

_MOST_LAYERS: Final = 32  # in one packet
_TCP: Final = ("ip", 6)


class LinkLayers:
    """Takes the layers off packets.

    Args:
        findings: counts what is passed over, and why.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._fragments = Fragments()

    def segment(self, link: int, data: bytes) -> Segment | None:
        """Return the segment of TCP that is in a packet of this link type; None if none is."""
        walk = Walk(data, self._fragments)
        layer: Step = "link", link
        try:
            for _ in range(_MOST_LAYERS):
                if layer == _TCP:
                    found = read_tcp(walk)
                    self._findings.segments += 1
                    return found
                layer = _take_off(layer, walk)
            raise PassedOver("too many layers")
        except PassedOver as passed:
            counter = self._findings.ordinary if passed.ordinary else self._findings.passed_over
            if passed.reason:
                counter[passed.reason] += 1
        except (struct.error, IndexError):
            self._findings.passed_over["a header is not all there"] += 1
        return None

    def end(self) -> None:
        """Count the fragments that waited for others in vain."""
        if count := self._fragments.end():
            self._findings.passed_over["fragments of IP without the others"] += count


def _take_off(layer: Step, walk: Walk) -> Step:
    space, number = layer
    found = _LAYERS[space].get(number)
    if found is not None:
        return found(walk)
    if number in _ORDINARY[space]:
        raise PassedOver(_ORDINARY[space][number], ordinary=True)
    name = _NAMES.get(layer, "")
    shown = f"0x{number:04x}" if space in ("ether", "ppp protocol") else str(number)
    raise PassedOver(f"{_SPACES[space]} {shown}" + (f" ({name})" if name else ""))


# ---------------------------------------------------------------------- link types


def _ethernet(walk: Walk) -> Step:
    """IEEE 802.3: an ethertype, or a length and a header of LLC."""
    (number,) = struct.unpack_from(">12xH", walk.data)
    walk.drop(14)
    return _ethertype(walk, number)


def _ethertype(walk: Walk, number: int) -> Step:
    if number >= 0x600:
        return "ether", number
    walk.data = walk.data[:number]
    return "llc", 0


def _llc(walk: Walk) -> Step:
    """IEEE 802.2, and SNAP inside it (RFC 1042)."""
    if walk.data[:3] == b"\xaa\xaa\x03":
        owner, number = walk.data[3:6], struct.unpack_from(">6xH", walk.data)[0]
        walk.drop(8)
        if owner in (b"\0\0\0", b"\0\0\xf8"):
            return "ether", number
        raise PassedOver("SNAP of some organisation", ordinary=True)
    if walk.data[:3] == b"\x06\x06\x03":
        walk.drop(3)
        return IPV4
    raise PassedOver("LLC", ordinary=True)


def _null(walk: Walk) -> Step:
    """The address family of the machine that recorded, in its byte order, or in the network's."""
    (family,) = struct.unpack_from("<I", walk.data)
    if family > 0xFFFF:
        (family,) = struct.unpack_from(">I", walk.data)
    walk.drop(4)
    if family == 2:
        return IPV4
    if family in (10, 24, 28, 30):
        return IPV6
    raise PassedOver(f"loopback with address family {family}", ordinary=True)


def _ppp(walk: Walk) -> Step:
    """RFC 1661 §2, RFC 1662 §3.1; address, control and half of the protocol may be left out."""
    if walk.data[:2] == b"\xff\x03":
        walk.drop(2)
    number = walk.data[0]
    walk.drop(1)
    if number % 2 == 0:
        number = number << 8 | walk.data[0]
        walk.drop(1)
    if number >= 0x4000:
        raise PassedOver("control packets of PPP", ordinary=True)
    return "ppp protocol", number


def _ppp_or_hdlc(walk: Walk) -> Step:
    """LINKTYPE_PPP_HDLC: the first octet tells PPP from Cisco's HDLC."""
    return _cisco_hdlc(walk) if walk.data[0] in (0x0F, 0x8F) else _ppp(walk)


def _cisco_hdlc(walk: Walk) -> Step:
    (number,) = struct.unpack_from(">2xH", walk.data)
    walk.drop(4)
    return "ether", number


def _ppp_with_direction(walk: Walk) -> Step:
    walk.drop(1)
    return _ppp(walk)


def _pppoe(walk: Walk) -> Step:
    """RFC 2516 §4."""
    code, length = struct.unpack_from(">xB2xH", walk.data)
    if code != 0:
        raise PassedOver("discovery of PPPoE", ordinary=True)
    walk.data = walk.data[6 : 6 + length]
    return "ppp", 0


def _linux_cooked(walk: Walk) -> Step:
    (number,) = struct.unpack_from(">14xH", walk.data)
    walk.drop(16)
    return _linux_protocol(number)


def _linux_cooked_2(walk: Walk) -> Step:
    (number,) = struct.unpack_from(">H18x", walk.data)
    walk.drop(20)
    return _linux_protocol(number)


def _linux_protocol(number: int) -> Step:
    """Linux writes small numbers for what has no ethertype."""
    return ("llc", 0) if number == 4 else ("ether", number)


def _ieee80211(walk: Walk) -> Step:
    """IEEE 802.11-2020 §9.2.3: a data frame, behind whose header stands LLC."""
    first, second, fragment = struct.unpack_from("<BB20xH", walk.data + bytes(14))
    kind, subtype = first >> 2 & 3, first >> 4
    if kind != 2 or subtype & 4:
        raise PassedOver("802.11 without data", ordinary=True)
    if second & 0x40:
        raise PassedOver("802.11, encrypted")
    if second & 4 or fragment & 0xF:
        raise PassedOver("fragments of 802.11")
    size = 30 if second & 3 == 3 else 24
    if subtype & 8:
        if walk.data[size] & 0x80:
            raise PassedOver("802.11 with several packets in a frame (A-MSDU)")
        size += 6 if second & 0x80 else 2
    walk.drop(size)
    return "llc", 0


def _radiotap(walk: Walk) -> Step:
    walk.drop(struct.unpack_from("<2xH", walk.data)[0])
    return _ieee80211(walk)


def _prism(walk: Walk) -> Step:
    """A header of the Prism or of the AVS kind; both say how long they are."""
    avs = walk.data[:3] == b"\x80\x21\x10"
    walk.drop(struct.unpack_from(">4xI" if avs else "<4xI", walk.data)[0])
    return _ieee80211(walk)


def _ppi(walk: Walk) -> Step:
    size, link = struct.unpack_from("<2xHI", walk.data)
    walk.drop(size)
    return "link", link


def _nflog(walk: Walk) -> Step:
    """Fields of a length and a kind, in the byte order of the machine; kind 9 is the packet."""
    walk.drop(4)
    while True:
        length, kind = struct.unpack_from("<HH", walk.data)
        if kind & 0x7FFF == 9:
            walk.data = walk.data[4:length]
            return raw_ip(walk)
        walk.drop(max(length + 3 & ~3, 4))


# ---------------------------------------------------------------------- what ethertypes name


def _vlan(walk: Walk) -> Step:
    """IEEE 802.1Q §9.6; tags may stand behind each other."""
    (number,) = struct.unpack_from(">2xH", walk.data)
    walk.drop(4)
    return _ethertype(walk, number)


def _mpls(walk: Walk) -> Step:
    """RFC 3032 §2.1: labels up to the one that says it is the last."""
    last = False
    while not last:
        last = bool(walk.data[2] & 1)
        walk.drop(4)
    if walk.data[:1] and walk.data[0] >> 4 in (4, 6):
        return raw_ip(walk)
    raise PassedOver("MPLS that carries something else than IP")


_Layer = Callable[[Walk], Step]

_LAYERS: Final[dict[str, dict[int, _Layer]]] = {
    "link": {
        0: _null,
        1: _ethernet,
        9: _ppp,
        12: raw_ip,
        14: raw_ip,
        50: _ppp_or_hdlc,
        51: _pppoe,
        101: raw_ip,
        104: _cisco_hdlc,
        105: _ieee80211,
        108: _null,
        113: _linux_cooked,
        119: _prism,
        127: _radiotap,
        163: _prism,
        166: _ppp_with_direction,
        192: _ppi,
        204: _ppp_with_direction,
        228: lambda _: IPV4,
        229: lambda _: IPV6,
        239: _nflog,
        276: _linux_cooked_2,
    },
    "ether": {
        0x0800: ipv4,
        0x86DD: ipv6,
        0x8100: _vlan,
        0x88A8: _vlan,
        0x9100: _vlan,
        0x9200: _vlan,
        0x8847: _mpls,
        0x8848: _mpls,
        0x8863: _pppoe,
        0x8864: _pppoe,
        0x6558: lambda _: ETHERNET,
        0x880B: _ppp,
    },
    "llc": {0: _llc},
    "ppp": {0: _ppp},
    "ppp protocol": {
        0x0021: lambda _: IPV4,
        0x0057: lambda _: IPV6,
        0x0281: _mpls,
        0x0283: _mpls,
    },
    "ip": IP_LAYERS,
}

_ORDINARY: Final[dict[str, dict[int, str]]] = {
    "link": {},
    "ether": {
        0x0806: "ARP",
        0x8035: "RARP",
        0x809B: "AppleTalk",
        0x8137: "IPX",
        0x8808: "flow control of Ethernet",
        0x8809: "LACP",
        0x888E: "802.1X",
        0x88CC: "LLDP",
        0x88F7: "PTP",
        0x9000: "loopback of Ethernet",
    },
    "llc": {},
    "ppp": {},
    "ppp protocol": {},
    "ip": ORDINARY_IP,
}

_SPACES: Final = {
    "link": "link type",
    "ether": "ethertype",
    "llc": "LLC",
    "ppp": "PPP",
    "ppp protocol": "PPP protocol",
    "ip": "IP protocol",
}

_NAMES: Final[dict[Step, str]] = {
    ("link", 6): "Token Ring",
    ("link", 7): "ARCNET",
    ("link", 8): "SLIP",
    ("link", 10): "FDDI",
    ("link", 100): "LLC over ATM",
    ("link", 107): "Frame Relay",
    ("link", 117): "OpenBSD pflog",
    ("link", 122): "IP over Fibre Channel",
    ("link", 138): "IP over IEEE 1394",
    ("link", 187): "Bluetooth",
    ("link", 189): "USB",
    ("link", 195): "802.15.4",
    ("link", 220): "USB",
    ("link", 247): "InfiniBand",
    ("link", 249): "USB",
    ("link", 253): "Netlink",
    ("link", 272): "Bluetooth",
    ("ether", 0x22EB): "ERSPAN of type III",
    ("ether", 0x88E5): "MACsec",
    ("ether", 0x88E7): "provider backbone bridging",
    ("ether", 0x894F): "NSH",
    ("ppp protocol", 0x002D): "Van Jacobson compression",
    ("ppp protocol", 0x002F): "Van Jacobson compression",
    ("ppp protocol", 0x003D): "PPP multilink",
    ("ppp protocol", 0x0053): "PPP with encryption",
    ("ppp protocol", 0x00FD): "PPP with compression",
    ("ip", 55): "minimal encapsulation",
    ("ip", 108): "compressed IP",
    ("ip", 115): "L2TP over IP",
    ("ip", 137): "MPLS in IP",
}
