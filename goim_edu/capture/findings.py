"""What was not read of a capture file, and why: counted, and said in a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Findings"]

_MOST_LINES = 10  # of one kind


@dataclass(slots=True)
class Findings:
    """What was not read of a capture file.

    Attributes:
        cut: where the file ends too early, or "".
        faults: what is damaged, or missing.
        passed_over: packets that may hold what we look for, but could not be read, by the reason.
        ordinary: packets that hold something else, such as UDP, by its name.
        segments: segments of TCP that were read.

    >>> findings = Findings(segments=1)
    >>> findings.passed_over["PPP with encryption"] += 2
    >>> list(findings.lines())
    ['2 packets were passed over: PPP with encryption']
    """

    cut: str = ""
    faults: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    ordinary: Counter[str] = field(default_factory=Counter)
    segments: int = 0

    def lines(self) -> Iterator[str]:
        """Yield what is to be said of a file of which all was read that can be."""
        if self.cut:
            yield f"the file is cut: {self.cut}"
        yield from _counted(self.passed_over)
        if not self.segments:
            yield "there are no TCP packets in the file"
            yield from _counted(self.ordinary)

    def fault_lines(self) -> Iterator[str]:
        """Yield what is wrong with the file, so that not all of it could be read."""
        yield from self.faults[:_MOST_LINES]
        if len(self.faults) > _MOST_LINES:
            yield f"and {len(self.faults) - _MOST_LINES:,} more gaps or faults"


def _counted(packets: Counter[str]) -> Iterator[str]:
    for reason, count in packets.most_common(_MOST_LINES):
        were = "packet was" if count == 1 else "packets were"
        yield f"{count:,} {were} passed over: {reason}"
    if len(packets) > _MOST_LINES:
        rest = packets.total() - sum(count for _, count in packets.most_common(_MOST_LINES))
        yield f"{rest:,} packets were passed over for other reasons"
