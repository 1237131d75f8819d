"""The program of ``docs/examples/dissect_pcap.py`` by hand, on ``dpkt`` and ``wsproto``."""

import sys
from collections import defaultdict
from collections.abc import Iterator

import dpkt
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol, Opcode

Flow = tuple[bytes, int, bytes, int]


def read_streams(name: str) -> dict[Flow, bytes]:
    """The octets of each direction, in the order of their numbers."""
    pieces: dict[Flow, dict[int, bytes]] = defaultdict(dict)
    with open(name, "rb") as file:
        for _, data in dpkt.pcap.UniversalReader(file):
            packet = dpkt.ip.IP(data)
            tcp = packet.data
            if isinstance(tcp, dpkt.tcp.TCP) and tcp.data:
                flow = packet.src, tcp.sport, packet.dst, tcp.dport
                pieces[flow][tcp.seq] = bytes(tcp.data)
    return {
        flow: b"".join(octets for _, octets in sorted(found.items()))
        for flow, found in pieces.items()
    }


def messages(octets: bytes, *, client: bool, compressed: bool) -> Iterator[str | bytes]:
    """The whole messages of one direction."""
    extension = PerMessageDeflate()
    if compressed:
        extension.finalize("permessage-deflate")
    protocol = FrameProtocol(not client, [extension] if compressed else [])
    protocol.receive_bytes(octets)
    text, data = "", b""
    for frame in protocol.received_frames():
        if isinstance(frame.payload, str):
            text += frame.payload
        elif frame.opcode is Opcode.BINARY and not isinstance(frame.payload, tuple):
            data += bytes(frame.payload)
        else:
            continue
        if frame.message_finished:
            yield text or data
            text, data = "", b""


def dissect(name: str) -> None:
    """Print each whole message, with its connection and its sender."""
    streams = read_streams(name)
    requests = [flow for flow, octets in streams.items() if octets.startswith(b"GET ")]
    for number, flow in enumerate(requests, 1):
        source, port, target, target_port = flow
        answer, _, server = streams[target, target_port, source, port].partition(b"\r\n\r\n")
        _, _, client = streams[flow].partition(b"\r\n\r\n")
        compressed = b"permessage-deflate" in answer
        for message in messages(client, client=True, compressed=compressed):
            print(number, "client", repr(message))
        for message in messages(server, client=False, compressed=compressed):
            print(number, "server", repr(message))


if __name__ == "__main__":
    dissect(sys.argv[1])
