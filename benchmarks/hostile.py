"""What hostile clients cost honest ones: round trips of an echo, quiet and under every attack.

    python -m benchmarks.hostile [--seconds 10] [--drips 500]

Server, attackers (``tests/attackers.py``) and honest clients each have a process of their own. It
is the server that is measured, and not how a busy machine shares its cores among processes: so
where that can be said (on Linux) the server has one core, all others have the rest, and there the
attackers step back for the honest. ``--together`` lets all of them compete; ``--alone`` shows what
then is not the server's: the attackers attack another one, and nobody attacks ours.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.load import KEY, handshake
from benchmarks.rows import OURS, Progress, Row
from goim_edu.websocket.frames import build_frame
from tests.attackers import ATTACKS

ROOT = Path(__file__).resolve().parent.parent
ASK, ANSWER = build_frame("how are you?", mask_key=KEY), build_frame("how are you?")


def start_server(stack: ExitStack) -> tuple[psutil.Process, int]:
    """A server with the settings that it has by default, but for shorter time-outs."""
    command = [sys.executable, "-m", "goim_edu", "serve", "--port", "0", "--mongo", "memory"]
    options = ["--open-timeout", "2", "--close-timeout", "1", "--log-level", "error"]
    process = stack.enter_context(
        subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    )
    stack.callback(process.terminate)
    if process.stdout is None:
        raise RuntimeError("no pipe")
    return psutil.Process(process.pid), int(process.stdout.readline().rpartition(":")[2])


def give_cores(stack: ExitStack, process: psutil.Process) -> None:
    """The last core for the server; the others for us and our attackers, until all is over."""
    if hasattr(os, "sched_setaffinity"):
        *others, last = sorted(os.sched_getaffinity(0))
        if others:
            stack.callback(os.sched_setaffinity, 0, {*others, last})
            os.sched_setaffinity(process.pid, {last})
            os.sched_setaffinity(0, others)


def start_attack(
    stack: ExitStack, port: int, seconds: float, drips: int, only: str, together: bool
) -> None:
    command = [sys.executable, "-m", "tests.attackers", str(port), str(seconds), str(drips), only]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT))
    stack.callback(process.terminate)
    if os.name == "posix" and not together:
        psutil.Process(process.pid).nice(19)
    if process.stdout is not None:
        process.stdout.readline()


def measure(links: list[socket.socket], seconds: float) -> list[float]:
    """Round trips in milliseconds, of one link after the other."""
    trips = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for link in links:
            begin = time.perf_counter()
            link.sendall(ASK)
            data = link.recv(100)
            while len(data) < len(ANSWER):
                data += link.recv(100)
            trips.append(1000 * (time.perf_counter() - begin))
            time.sleep(0.002)
    return trips


@dataclass
class Found:
    """Round trips in milliseconds, and the server's memory in MiB."""

    trips: list[float]
    memory: float

    def quantile(self, percent: int) -> float:
        return statistics.quantiles(self.trips, n=100)[percent - 1]


def quiet_and_loud(args: argparse.Namespace) -> Iterator[tuple[str, Found]]:
    """What honest clients see while nobody attacks, and under attack."""
    with ExitStack() as stack:
        process, port = start_server(stack)
        if not args.together:
            give_cores(stack, process)
        target = start_server(stack)[1] if args.alone else port
        links = [handshake(port, "/echo") for _ in range(5)]
        measure(links, 0.5)
        yield "quiet", Found(measure(links, args.seconds), process.memory_info().rss / 2**20)
        start_attack(stack, target, args.seconds + 2, args.drips, args.only, args.together)
        time.sleep(1)
        trips = measure(links, args.seconds)
        yield "under attack", Found(trips, process.memory_info().rss / 2**20)


def rows(quick: bool, progress: Progress) -> list[Row]:
    """One round: with a core for the server alone, and with all on the same cores."""
    found = []
    for where, together in (("own core", False), ("shared cores", True)):
        progress(f"under attack, {where}")
        args = parse(["--seconds", "3", "--drips", "300", *(["--together"] if together else [])])
        p99 = {what: seen.quantile(99) for what, seen in quiet_and_loud(args)}
        for what, value in p99.items():
            found.append(
                Row("under attack", f"{what}, {where}", OURS, "ms, p99", (value,), "lower")
            )
        ratio = p99["under attack"] / p99["quiet"]
        what = f"p99 under attack beside the quiet one, {where}"
        found.append(Row("under attack", what, OURS, "times", (ratio,), "lower"))
    return found


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What hostile clients cost honest ones.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--drips", type=int, default=500)
    parser.add_argument("--only", default="", choices=["", *ATTACKS, "drips"])
    parser.add_argument("--alone", action="store_true", help="the attackers attack another server")
    parser.add_argument("--together", action="store_true", help="all share all cores")
    return parser.parse_args(arguments)


def main() -> None:
    p99 = {}
    for what, found in quiet_and_loud(parse()):
        p99[what] = found.quantile(99)
        print(
            f"{what:12} {len(found.trips):7} round trips, ms: median {found.quantile(50):.2f}, "
            f"p99 {p99[what]:.2f}, worst {max(found.trips):.1f}; server {found.memory:.0f} MiB",
            flush=True,
        )
    print(f"p99 under attack is {p99['under attack'] / p99['quiet']:.1f} times the quiet one")


if __name__ == "__main__":
    main()
