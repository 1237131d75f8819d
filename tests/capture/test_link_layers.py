"""Packets of every kind of link and tunnel: TCP is found in them, or it is said why not."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.capture.findings import Findings
from goim_edu.capture.link_layers import LinkLayers
from tests.capture.files import Packets, ether, ipv4, ipv6, packets, pcap, udp, wrap
from tests.capture.judge import Read

BASE = packets()
SIX = packets(version=6)
ETHER = bytes(12) + b"\x08\0"
LLC = b"\xaa\xaa\x03\0\0\0\x08\0"
ADDRESSES = bytes.fromhex("020000000001020000000002020000000003")


def each(make: object, inner: Packets = BASE) -> Packets:
    return [(time, make(data)) for time, data in inner]  # type: ignore[operator]


def wifi(flags: int = 0, subtype: int = 0, between: bytes = b"") -> bytes:
    """The header of a data frame of 802.11 and that of LLC."""
    head = bytes([8 | subtype << 4, flags, 0, 0]) + ADDRESSES + bytes(2)
    return head + between + LLC


def pppoe(data: bytes) -> bytes:
    head = struct.pack(">BBHHH", 0x11, 0, 1, len(data) + 2, 0x21)
    return bytes(12) + b"\x88\x64" + head + data


def llc(data: bytes) -> bytes:
    return bytes(12) + struct.pack(">H", len(LLC) + len(data)) + LLC + data


def geneve(data: bytes) -> bytes:
    return udp(struct.pack(">BBHI", 1, 0, 0x6558, 0) + bytes(4) + ETHER + data, 6081)


def gtp(data: bytes) -> bytes:
    return udp(struct.pack(">BBHIHBB", 0x32, 255, len(data) + 4, 1, 0, 0, 0) + data, 2152)


def fragments(inner: Packets, *, size: int = 32) -> Packets:
    """Each packet of IP in fragments, the last one first."""
    out: Packets = []
    for number, (time, packet) in enumerate(inner):
        payload = packet[20:]
        pieces = []
        for at in range(0, len(payload), size):
            more = 0x2000 if at + size < len(payload) else 0
            ends = (packet[15], packet[19])
            piece = ipv4(payload[at : at + size], ends=ends, place=more | at // 8)
            pieces.append((time, piece[:4] + struct.pack(">H", number) + piece[6:]))
        out += reversed(pieces)
    return out


def fragments6(inner: Packets, *, size: int = 32) -> Packets:
    out = []
    for number, (time, packet) in enumerate(inner):
        payload, ends = packet[40:], (packet[23], packet[39])
        for at in range(0, len(payload), size):
            more = at + size < len(payload)
            head = struct.pack(">BBHI", 6, 0, at | more, number)
            out.append((time, ipv6(head + payload[at : at + size], 44, ends)))
    return out


V6 = wrap(bytes(12) + b"\x86\xdd", SIX)
READ: dict[str, tuple[int, Packets]] = {
    "Ethernet": (1, ether(BASE)),
    "Ethernet, padded": (1, wrap(ETHER, BASE, bytes(9))),
    "Ethernet, IPv6": (1, V6),
    "IPv6 with options": (1, each(lambda p: bytes(12) + b"\x86\xdd" + ipv6(
        bytes([6, 0, 1, 4, 0, 0, 0, 0]) + p[40:], 0, (p[23], p[39])), SIX)),
    "VLAN": (1, wrap(bytes(12) + b"\x81\0\0\x05\x08\0", BASE)),
    "QinQ": (1, wrap(bytes(12) + b"\x88\xa8\0\x05\x81\0\0\x06\x08\0", BASE)),
    "LLC/SNAP": (1, each(llc)),
    "MPLS": (1, wrap(bytes(12) + b"\x88\x47\0\x01\0\x40\0\x01\x01\x40", BASE)),
    "PPPoE": (1, each(pppoe)),
    "PPP": (9, wrap(b"\xff\x03\0\x21", BASE)),
    "PPP, short": (9, wrap(b"\x21", BASE)),
    "PPP, IPv6": (9, wrap(b"\xff\x03\0\x57", SIX)),
    "PPP in HDLC": (50, wrap(b"\xff\x03\0\x21", BASE)),
    "Cisco's HDLC": (104, wrap(b"\x0f\0\x08\0", BASE)),
    "raw IP": (101, BASE),
    "raw IPv6": (101, SIX),
    "IPv4": (228, BASE),
    "IPv6": (229, SIX),
    "null": (0, wrap(b"\x02\0\0\0", BASE)),
    "null, big-endian, IPv6": (0, wrap(b"\0\0\0\x1e", SIX)),
    "loop": (108, wrap(b"\0\0\0\x02", BASE)),
    "Linux cooked": (113, wrap(bytes(14) + b"\x08\0", BASE)),
    "Linux cooked, version 2": (276, wrap(b"\x08\0" + bytes(18), BASE)),
    "802.11": (105, wrap(wifi(1), BASE)),
    "802.11 with QoS": (105, wrap(wifi(2, 8, bytes(2)), BASE)),
    "802.11 between stations of a bridge": (105, wrap(wifi(3, 0, bytes(6)), BASE)),
    "radiotap": (127, wrap(b"\0\0\x08\0\0\0\0\0" + wifi(), BASE)),
    "AVS": (163, wrap(b"\x80\x21\x10\x02" + struct.pack(">I", 64) + bytes(56) + wifi(), BASE)),
    "PPI": (192, wrap(struct.pack("<BBHI", 0, 0, 8, 105) + wifi(), BASE)),
    "GRE": (1, each(lambda p: ETHER + ipv4(b"\0\0\x08\0" + p, 47))),
    "GRE with key and number": (1, each(
        lambda p: ETHER + ipv4(b"\x30\0\x08\0" + bytes(8) + p, 47))),
    "Ethernet in GRE": (1, each(lambda p: ETHER + ipv4(b"\0\0\x65\x58" + ETHER + p, 47))),
    "PPTP": (1, each(lambda p: ETHER + ipv4(
        b"\x30\x01\x88\x0b" + struct.pack(">HHI", len(p) + 4, 1, 1) + b"\xff\x03\0\x21" + p, 47))),
    "ERSPAN": (1, each(lambda p: ETHER + ipv4(
        b"\x10\0\x88\xbe" + bytes(4) + b"\x10\0\0\0\0\0\0\0" + ETHER + p, 47))),
    "VXLAN": (1, each(lambda p: ETHER + ipv4(
        udp(b"\x08\0\0\0\0\0\1\0" + ETHER + p, 4789), 17))),
    "GENEVE": (1, each(lambda p: ETHER + ipv4(geneve(p), 17))),
    "GTP": (1, each(lambda p: ETHER + ipv4(gtp(p), 17))),
    "IP in IP": (1, each(lambda p: ETHER + ipv4(p, 4))),
    "IPv6 in IP": (1, each(lambda p: ETHER + ipv4(p, 41), SIX)),
    "IP in IPv6": (1, each(lambda p: bytes(12) + b"\x86\xdd" + ipv6(p, 4))),
    "VXLAN in VLAN in GRE": (1, each(lambda p: ETHER + ipv4(
        b"\0\0\x65\x58" + bytes(12) + b"\x81\0\0\x05\x08\0" + ipv4(
            udp(b"\x08\0\0\0\0\0\1\0" + ETHER + p, 4789), 17), 47))),
    "fragments of IP": (1, ether(fragments(BASE))),
    "fragments of IPv6": (1, wrap(bytes(12) + b"\x86\xdd", fragments6(SIX))),
    "a length of 0, as before a network card cuts": (1, ether(each(
        lambda p: p[:2] + b"\0\0" + p[4:]))),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_frames_are_found_in(kind: str, tmp_path: Path) -> None:
    link, content = READ[kind]
    read = Read(pcap(content, link), tmp_path)
    assert (read.error, read.told) == ("", [])
    read.agree(4)


def test_the_authentication_header(tmp_path: Path) -> None:
    head = bytes([6, 4]) + bytes(22)
    content = each(lambda p: ETHER + ipv4(head + p[20:], 51, (p[15], p[19])))
    Read(pcap(content), tmp_path).agree(4)


NAMED: dict[str, tuple[int, Packets]] = {
    "link type 147": (147, BASE),
    "link type 189 (USB)": (189, BASE),
    "link type 107 (Frame Relay)": (107, BASE),
    "802.11, encrypted": (105, wrap(wifi(0x41), BASE)),
    "fragments of 802.11": (105, wrap(wifi(5), BASE)),
    "A-MSDU": (105, wrap(wifi(2, 8, b"\x80\0"), BASE)),
    "ethertype 0x88e5 (MACsec)": (1, wrap(bytes(12) + b"\x88\xe5", BASE)),
    "ethertype 0xabcd": (1, wrap(bytes(12) + b"\xab\xcd", BASE)),
    "IPsec, which is encrypted": (1, each(lambda p: ETHER + ipv4(p, 50))),
    "PPP with compression": (9, wrap(b"\xff\x03\0\xfd", BASE)),
    "Van Jacobson compression": (9, wrap(b"\xff\x03\0\x2d", BASE)),
    "MPLS that carries something else": (1, wrap(bytes(12) + b"\x88\x47\0\x01\x01\x40\0", BASE)),
    "IP protocol 115 (L2TP over IP)": (1, each(lambda p: ETHER + ipv4(p, 115))),
    "fragments of IP without the others": (1, ether(fragments(BASE)[::2])),
    "a header is not all there": (1, [(0.0, ETHER + BASE[0][1][:30])]),
    "too many layers": (1, [(0.0, bytes(12) + b"\x81\0" + b"\0\x05\x81\0" * 40)]),
}


@pytest.mark.parametrize("reason", NAMED)
def test_what_is_passed_over_is_named(reason: str, tmp_path: Path) -> None:
    link, content = NAMED[reason]
    read = Read(pcap(content, link), tmp_path)
    assert read.frames == []
    assert any(reason in line and "passed over" in line for line in read.told), read.told


def test_a_file_with_other_packets_only_says_which(tmp_path: Path) -> None:
    arp, query = wrap(bytes(12) + b"\x08\x06", BASE[:3]), ether([(0.0, ipv4(udp(b"", 53), 17))])
    read = Read(pcap([*arp, *query]), tmp_path)
    assert read.told == [
        "there are no TCP packets in the file",
        "3 packets were passed over: ARP",
        "1 packet was passed over: UDP",
    ]
    assert Read(pcap([*arp, *query, *ether(BASE)]), tmp_path).told == []


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([link for link, _ in READ.values()] + list(range(300))),
    st.binary(max_size=120)
    | st.sampled_from([one[1] for _, all_ in READ.values() for one in all_]),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 255)), max_size=4),
)
def test_any_octets_are_a_segment_or_counted(
    link: int, data: bytes, changes: list[tuple[int, int]]
) -> None:
    changed = bytearray(data)
    for at, octet in changes:
        if at < len(changed):
            changed[at] = octet
    findings = Findings()
    layers = LinkLayers(findings)
    layers.segment(link, bytes(changed))
    layers.end()
    counts = findings.segments, findings.passed_over.total(), findings.ordinary.total()
    assert sum(counts) == 1
