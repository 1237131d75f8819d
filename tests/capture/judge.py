"""Our count of the frames of a file and tshark's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from goim_edu.capture import CapturedFrame, CapturedNote, take_apart
from goim_edu.capture.conversation import Entry
from goim_edu.capture.pcap import read_records
from tests.capture.files import opcodes_of_tshark


class Read:
    """What our code finds in a file."""

    def __init__(self, data: bytes, folder: Path, *, strict: bool = True) -> None:
        self.path = folder / "made.pcapng"
        self.path.write_bytes(data)
        self.told: list[str] = []
        self.error = ""
        self.entries: list[Entry] = []
        try:
            for found in take_apart(read_records(self.path, strict=strict, tell=self.told.append)):
                self.entries.append(found)
        except ValueError as error:
            self.error = str(error)

    @property
    def frames(self) -> list[CapturedFrame]:
        return [one for one in self.entries if isinstance(one, CapturedFrame)]

    @property
    def notes(self) -> list[CapturedNote]:
        return [one for one in self.entries if isinstance(one, CapturedNote)]

    @property
    def texts(self) -> list[str]:
        return [frame.text for frame in self.frames]

    def agree(self, count: int | None = None) -> Read:
        """Compare with what must be there, then with tshark; without it, the test is skipped."""
        ours = Counter(one.header.opcode for one in self.frames if one.header)
        if count is not None:
            assert ours.total() == count
        assert ours == opcodes_of_tshark(self.path)
        return self
