"""Capture files of every form, whole, cut and damaged."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim_edu.capture import CapturedNote
from goim_edu.capture.findings import Findings
from goim_edu.capture.packet_file import Packet, read_packets
from tests.capture.files import Pcapng, ether, packets, pcap
from tests.capture.judge import Read

PACKETS = ether(packets())
PCAPNG = Pcapng().interface().packets(PACKETS).data


def all_packets(data: bytes) -> tuple[list[Packet], Findings]:
    findings = Findings()
    return list(read_packets(io.BufferedReader(io.BytesIO(data)), findings)), findings


FORMS = {
    "pcap": pcap(PACKETS),
    "pcap, big-endian": pcap(PACKETS, order=">"),
    "pcap, nanoseconds": pcap(PACKETS, magic=0xA1B23C4D),
    "pcap, big-endian nanoseconds": pcap(PACKETS, order=">", magic=0xA1B23C4D),
    "pcap of a patched libpcap": pcap(PACKETS, magic=0xA1B2CD34),
    "pcapng": PCAPNG,
    "pcapng, big-endian": Pcapng(">").interface().packets(PACKETS).data,
    "gzip": gzip.compress(pcap(PACKETS)),
    "gzip, two members": gzip.compress(PCAPNG[:300]) + gzip.compress(PCAPNG[300:]),
    "gzip, padded": gzip.compress(PCAPNG) + bytes(40),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form: str, tmp_path: Path) -> None:
    read = Read(FORMS[form], tmp_path)
    assert (read.error, read.told) == ("", [])
    assert [round(one.time, 3) for one in read.entries] == [0.0, 0.001, 0.002, 0.003, 0.004, 0.005]
    read.agree(4)


def test_every_interface_has_its_link_type_and_clock(tmp_path: Path) -> None:
    """A link type, a resolution of ten or two, an offset, one of them each; and two sections."""
    file = Pcapng()
    file.interface(101).interface(1, resolution=9).interface(101, resolution=0x80 | 20)
    file.interface(101, resolution=6, offset=1_000_000)
    raw = packets()
    for number, (time, data) in enumerate(raw):
        match number % 4:
            case 0:
                file.packet(time, data, 0)
            case 1:
                file.packet(time, ether([(time, data)])[0][1], 1, unit=10**9)
            case 2:
                file.packet(time, data, 2, unit=2**20)
            case 3:
                file.packet(time - 1_000_000, data, 3)
        if number == 4:
            file.section(">").interface(101).interface(1, resolution=9)
            file.interface(101, resolution=0x80 | 20)
            file.interface(101, resolution=6, offset=1_000_000)
    found, _ = all_packets(file.data)
    assert [packet.time for packet in found] == pytest.approx([time for time, _ in raw], abs=2e-6)
    assert [packet.link for packet in found] == [(101, 1, 101, 101)[n % 4] for n in range(len(raw))]
    Read(file.data, tmp_path).agree(4)


def test_the_other_blocks_with_packets(tmp_path: Path) -> None:
    """Simple blocks have no time; the obsolete ones are still written by some programs."""
    file = Pcapng().interface()
    for number, (time, data) in enumerate(PACKETS):
        ticks = round(time * 1e6)
        if number % 2:
            file.block(3, struct.pack("<I", len(data)) + data)
        else:
            head = (0, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
            file.block(2, struct.pack("<HHIIII", *head) + data)
        file.block(0x0BAD, b"something of another program")
    Read(file.data, tmp_path).agree(4)


@pytest.mark.parametrize("form", ["pcap", "pcapng", "pcapng, big-endian", "gzip"])
def test_a_file_that_is_cut_anywhere(form: str) -> None:
    """All whole packets are there, and it is said that the file is cut; at every octet."""
    whole, _ = all_packets(FORMS[form])
    data, before = FORMS[form], 0
    for cut in range(4, len(data)):
        found, findings = all_packets(data[:cut])
        assert found == whole[: len(found)]
        assert not findings.faults
        assert before <= len(found) <= before + 1 or form == "gzip"
        # At the end of a packet, a file without compression is just shorter.
        assert findings.cut or (form != "gzip" and found != whole)
        before = len(found)
    assert before >= len(whole) - 1


@pytest.mark.parametrize("form", ["pcap", "pcapng", "gzip"])
def test_the_frames_of_a_cut_file_are_those_before_the_cut(form: str, tmp_path: Path) -> None:
    whole = Read(FORMS[form], tmp_path).texts
    for cut in range(4, len(FORMS[form])):
        read = Read(FORMS[form][:cut], tmp_path)
        assert read.error == ""
        assert read.texts == whole[: len(read.texts)]
    assert len(read.texts) >= 3


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_a_cut_file_has_the_frames_that_tshark_sees(form: str, tmp_path: Path) -> None:
    read = Read(FORMS[form][:-20], tmp_path)
    (line,) = read.told
    assert line.startswith("the file is cut: a ")
    read.agree(3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"\xa1", "it begins otherwise"),
        (b"GET / HTTP/1.1\r\n\r\n" * 4, "this is not a pcap or pcapng file"),
        (gzip.compress(b"no packets at all", mtime=0), "this is not a pcap or pcapng file"),
        (b"\x28\xb5\x2f\xfd" + bytes(40), "compressed with zstd"),
        (b"BZh91AY&SY" + bytes(40), "compressed with bzip2"),
    ],
)
def test_what_is_not_a_capture(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        all_packets(data)


def damaged(at: int, data: bytes) -> bytes:
    """A pcapng file whose third packet is damaged."""
    place = len(Pcapng().interface().packets(PACKETS[:2]).data) + at
    return PCAPNG[:place] + data + PCAPNG[place + len(data) :]


DAMAGE = {
    "a length that is too small": damaged(4, b"\x04\0\0\0"),
    "a length that is too large": damaged(4, b"\0\0\0\xff"),
    "a length that is not that at the end": damaged(4, b"\x60\0\0\0"),
    "gzip": gzip.compress(PCAPNG)[:-8] + b"otherwise",
    "a packet of 4 GiB": pcap(PACKETS[:2]) + b"\xff" * 400,
    "a section without a byte order": PCAPNG + b"\x0a\x0d\x0d\x0a" + b"\x20\0\0\0" * 20,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_is_read_up_to_there(kind: str, tmp_path: Path) -> None:
    found, findings = all_packets(DAMAGE[kind])
    assert len(found) >= 2
    (fault,) = findings.faults
    assert fault.startswith("the file is damaged: ")
    assert Read(DAMAGE[kind], tmp_path).error == fault
    assert fault in Read(DAMAGE[kind], tmp_path, strict=False).told


def test_a_packet_of_an_interface_that_is_not_there() -> None:
    file = Pcapng().interface().packet(0.0, b"x", 3).packets(PACKETS)
    found, findings = all_packets(file.data)
    assert len(found) == len(PACKETS)
    assert findings.passed_over == {"from an interface that the file does not describe": 1}


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([pcap(PACKETS), PCAPNG, FORMS["pcapng, big-endian"], gzip.compress(PCAPNG)]),
    st.lists(st.tuples(st.integers(0, 900), st.binary(max_size=5)), max_size=4),
    st.integers(0, 900),
)
def test_a_hostile_file_ends_in_words(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    changes: list[tuple[int, bytes]],
    cut: int,
) -> None:
    """Whatever stands in a file: entries, and perhaps a ValueError, but no other error."""
    changed = bytearray(data)
    for at, octets in changes:
        changed[at : at + len(octets)] = octets
    read = Read(bytes(changed[: len(changed) - cut // 8]), tmp_path_factory.mktemp("hostile"))
    assert all(one.text is not None for one in read.entries)


def test_a_long_block_of_another_kind_is_passed_over(tmp_path: Path) -> None:
    file = Pcapng().interface().block(10, bytes(100_000)).packets(PACKETS)
    read = Read(file.data, tmp_path).agree(4)
    assert not any(isinstance(one, CapturedNote) for one in read.entries)
