"""Print what was said on each WebSocket of a pcap or pcapng file.

    python dissect_pcap.py FILE

Packets may come in any order, and messages in fragments or compressed.
"""

import sys

from goim_edu.capture import read_capture


def dissect(name: str) -> None:
    """Print each whole message, with its connection and its sender."""
    for frame in read_capture(name).frames():
        if frame.message is not None:
            print(frame.connection, frame.sender, repr(frame.message))


if __name__ == "__main__":
    dissect(sys.argv[1])
