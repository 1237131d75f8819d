"""Measure the chats, and print the figures of the rounds."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from benchmarks import chat_peers, chat_peers_idle
from benchmarks.report_page import beside_ours
from benchmarks.rows import OURS, Row, join


def show(found: Sequence[Row]) -> None:
    """A table for each task; how many times as good ours is stands behind each peer."""
    rows = join(found)
    for group, what, unit in dict.fromkeys((row.group, row.what, row.unit) for row in rows):
        print(f"\n{group}: {what}, {unit}")
        same = [row for row in rows if (row.group, row.what, row.unit) == (group, what, unit)]
        ours = [row for row in same if row.subject.startswith(OURS)]
        for row in same:
            times = "" if row in ours else beside_ours(row, ours)
            figures = f"{row.median:10,.1f} ({row.low:,.1f} to {row.high:,.1f})"
            print(f"  {row.subject:24}{figures:36}{times}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="part of a name, as in socket.io")
    parser.add_argument("--idle", action="store_true", help="memory of idle connections instead")
    args = parser.parse_args()
    measure = chat_peers_idle.rows if args.idle else chat_peers.rows
    found: list[Row] = []
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}, load {os.getloadavg()[0]:.1f}", flush=True)
        found += measure(args.quick, print, args.only)
    show(found)
    print("\n".join(f"not measured: {line}" for line in chat_peers.missing()))


if __name__ == "__main__":
    main()
