"""Recorded bytes: record them, read them from pcap files, take them apart.

What reads and writes files, and what describes them, is loaded when it is asked for.
"""

from importlib import import_module
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

if not TYPE_CHECKING:  # so that a type checker finds a misspelt name

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            value = globals()[name] = getattr(import_module(_MODULES[name]), name)
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
