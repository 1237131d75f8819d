"""Recorded bytes: record them, read them from pcap files, take them apart."""

from goim_edu.capture.recording import (
    Capture,
    CapturedFrame,
    CapturedHead,
    CapturedNote,
    Direction,
    Handshake,
    Record,
    Sender,
    take_apart,
)

__all__ = [
    "Capture",
    "CapturedFrame",
    "CapturedHead",
    "CapturedNote",
    "Direction",
    "Handshake",
    "Record",
    "Sender",
    "take_apart",
]
