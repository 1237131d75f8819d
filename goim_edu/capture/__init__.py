"""Recorded bytes: record them, read them from pcap files, take them apart.

What reads and writes files, and what describes them, is loaded when it is asked for.
"""

from typing import TYPE_CHECKING

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
from goim_edu.lazy import lazy_names

if TYPE_CHECKING:
    from goim_edu.capture.dissect import describe
    from goim_edu.capture.pcap import read_capture, read_records, write_capture

__all__ = [
    "Capture",
    "CapturedFrame",
    "CapturedHead",
    "CapturedNote",
    "Direction",
    "Handshake",
    "Record",
    "Sender",
    "describe",
    "read_capture",
    "read_records",
    "take_apart",
    "write_capture",
]

_MODULES = {
    "describe": "goim_edu.capture.dissect",
    "read_capture": "goim_edu.capture.pcap",
    "read_records": "goim_edu.capture.pcap",
    "write_capture": "goim_edu.capture.pcap",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
