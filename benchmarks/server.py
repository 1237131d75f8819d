"""The chat server beside other servers: echo, fan-out, handshakes, memory of idle connections.

    make bench-server
    make bench-server ARGS="--rounds 5 --only echo-10x64-32 --servers goim,picows --loops asyncio"

All servers of a case run at the same time, each in its process, and are measured in turns, so that
whatever else the machine does hits all of them alike. Of the rounds the median is taken. Two
figures are told: messages per second of the server's own CPU time, which says what the server
costs, and per second of the wall clock, in which the load generator has its share. Behind them
stands how many times that of each peer the first figure is.

``bare`` is no peer: it makes the system calls and nothing else, so it shows how much of a figure
is the operating system's, and how far above a peer anything could get here.

``goim chat`` is the chat room itself: JSON, checked, numbered and stored in memory, acknowledged,
and only then handed on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load import (
    KEY,
    EchoLoad,
    FanoutLoad,
    count_frames,
    handshake,
    handshakes,
    receive_frames,
)
from goim_edu.websocket.frames import build_frame

HERE = Path(__file__).resolve().parent
BARE = "bare"
PEERS = ("websockets", "aiohttp", "picows")


@dataclass
class Server:
    """One server that runs."""

    name: str
    loop: str
    process: subprocess.Popen[str]
    port: int
    rates: list[tuple[float, float]] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.name if self.name == BARE else f"{self.name}/{self.loop}"

    def cpu(self) -> float:
        """Seconds by the CPU clock of the process, as clock_getcpuclockid(3) would name it.

        That counts nanoseconds; what /proc tells are hundredths of a second.
        """
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def memory(self) -> int:
        return int(psutil.Process(self.process.pid).memory_full_info().uss)


@contextmanager
def running(name: str, loop: str, compression: bool = False) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.server_peers", name, "--loop", loop]
    if compression:
        command.append("--compression")
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    )
    try:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("no pipes")
        yield Server(name, loop, process, int(process.stdout.readline()))
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(10)


Work = Callable[[], int]  # does some work and says how many things were done


def measure(servers: list[Server], works: list[Work], rounds: int) -> None:
    """Rounds in turns; each server's rates per CPU second and per wall second."""
    for work in works:
        work()
    for _ in range(rounds):
        for server, work in zip(servers, works, strict=True):
            cpu, wall = server.cpu(), time.perf_counter()
            done = work()
            wall = time.perf_counter() - wall
            cpu = server.cpu() - cpu
            server.rates.append((done / max(cpu, 0.01), done / wall))


# ---------------------------------------------------------------------- the cases


def echo_case(connections: int, depth: int, size: int) -> Callable[[Server, ExitStack], Work]:
    def prepare(server: Server, stack: ExitStack) -> Work:
        load = EchoLoad(server.port, connections, depth, size)
        stack.callback(load.close)
        begin = time.perf_counter()
        done = load.run(3)
        rate = done / (time.perf_counter() - begin)
        rounds = max(3, int(rate * 1.0 / (connections * depth)))  # about a second
        return lambda: load.run(rounds)

    return prepare


def fanout_case(
    receivers: int, outstanding: int, chat: bool
) -> Callable[[Server, ExitStack], Work]:
    def prepare(server: Server, stack: ExitStack) -> Work:
        if chat:
            links = [enter_chat(server.port, f"user{number}") for number in range(receivers + 1)]
            for link in links:
                drain(link)
            wanted = b'"type":"message"'
        else:
            links = [handshake(server.port, "/fanout") for _ in range(receivers + 1)]
            wanted = b""
        load = FanoutLoad(links[0], links[1:], lambda data: count_frames(data, wanted))
        stack.callback(load.close)
        numbers = iter(range(10**9))

        def request() -> bytes:
            if not chat:
                return build_frame("x" * 100, mask_key=KEY) * outstanding
            return b"".join(chat_request(next(numbers)) for _ in range(outstanding))

        repeats = max(4, 400 // outstanding)

        def work() -> int:
            for _ in range(repeats):
                load.round(request(), outstanding)
            return repeats * outstanding * receivers

        return work

    return prepare


def chat_request(number: int) -> bytes:
    message = {
        "type": "send",
        "room_id": "room",
        "client_msg_id": f"m{number}",
        "text": "x" * 100,
    }
    return build_frame(json.dumps(message), mask_key=KEY)


def enter_chat(port: int, user: str) -> Any:
    link = handshake(port, "/chat", subprotocol="goim.v1.json")
    for message in ({"type": "hello", "user_id": user}, {"type": "join", "room_id": "room"}):
        link.sendall(build_frame(json.dumps(message), mask_key=KEY))
    while b'"joined"' not in b"".join(receive_frames(link, 1)):
        pass
    return link


def drain(link: Any) -> None:
    """Take what has come so far: the presence of those who entered later."""
    link.settimeout(0.05)
    try:
        while link.recv(1 << 16):
            pass
    except TimeoutError:
        link.settimeout(60.0)


def handshake_case(number: int) -> Callable[[Server, ExitStack], Work]:
    def prepare(server: Server, stack: ExitStack) -> Work:
        def work() -> int:
            handshakes(server.port, number)
            return number

        return work

    return prepare


CASES: dict[str, Callable[[Server, ExitStack], Work]] = {
    f"echo-{connections}x{depth}-{size}": echo_case(connections, depth, size)
    for size in (32, 1024, 65536)
    for connections, depth in ((1, 1), (100, 1), (10, 64 if size < 65536 else 4))
}
CASES["handshakes"] = handshake_case(2000)
FANOUTS = {f"fanout-500x{outstanding}": outstanding for outstanding in (1, 16)}


def run_case(name: str, args: argparse.Namespace) -> list[Server]:
    """One case on all servers; goim comes twice where the chat room can do it too."""
    with ExitStack() as stack:
        servers: list[Server] = []
        works: list[Work] = []
        for loop in args.loops:
            for peer in args.servers:
                if peer == BARE and (loop != args.loops[0] or name == "handshakes"):
                    continue
                kinds = ["", " chat"] if name in FANOUTS and peer == "goim" else [""]
                for kind in kinds:
                    server = stack.enter_context(running(peer, loop))
                    server.name += kind
                    servers.append(server)
                    if name in FANOUTS:
                        prepare = fanout_case(500, FANOUTS[name], bool(kind))
                    else:
                        prepare = CASES[name]
                    works.append(prepare(server, stack))
        measure(servers, works, args.rounds)
        return servers


def memory_case(args: argparse.Namespace, compression: bool, number: int = 1000) -> None:
    """KiB per idle connection, after one message each."""
    print(f"\nidle memory, KiB per connection, {'compression' if compression else 'plain'}")
    for loop in args.loops:
        for peer in (one for one in args.servers if one != BARE):
            for path in ("/echo", "/chat") if peer == "goim" else ("/echo",):
                with running(peer, loop, compression) as server:
                    protocol = "goim.v1.json" if path == "/chat" else ""
                    ask = b'{"type":"hello","user_id":"u"}' if path == "/chat" else b"x" * 32

                    def connect(
                        path: str = path, protocol: str = protocol, ask: bytes = ask
                    ) -> Any:
                        link = handshake(
                            server.port, path, subprotocol=protocol, compression=compression
                        )
                        link.sendall(build_frame(ask, mask_key=KEY))
                        receive_frames(link, 1)
                        return link

                    links = [connect() for _ in range(100)]
                    before = server.memory()
                    links += [connect() for _ in range(number)]
                    time.sleep(0.2)
                    grown = (server.memory() - before) / number / 1024
                    print(f"  {server.label:20} {path:6} {grown:7.1f}", flush=True)
                    for link in links:
                        link.close()


def report(name: str, servers: list[Server]) -> dict[str, Any]:
    rows = {
        server.label: {
            "cpu": statistics.median(rate[0] for rate in server.rates),
            "wall": statistics.median(rate[1] for rate in server.rates),
        }
        for server in servers
    }
    for loop in dict.fromkeys(server.loop for server in servers):
        peers = [one for one in servers if one.name in PEERS and one.loop == loop]
        times = "".join(f"{'x ' + peer.name:>13}" for peer in peers)
        print(f"\n{f'{name}, {loop}':26}{'per CPU s':>12}{'per wall s':>12}{times}")
        for server in servers:
            if server.loop == loop or server.name == BARE:
                row = rows[server.label]
                ratios = [row["cpu"] / rows[peer.label]["cpu"] for peer in peers]
                times = "".join(f"{ratio:13.2f}" for ratio in ratios)
                print(
                    f"  {server.name:24}{row['cpu']:12,.0f}{row['wall']:12,.0f}{times}", flush=True
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="names of cases, or parts of them, by comma")
    parser.add_argument("--servers", default=",".join((BARE, "goim", *PEERS)))
    parser.add_argument("--loops", default="asyncio,uvloop")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    args = parser.parse_args()
    args.servers, args.loops = args.servers.split(","), args.loops.split(",")
    names = [*CASES, *FANOUTS, "memory-plain", "memory-compression"]
    wanted = [one for one in names if any(part in one for part in args.only.split(","))]
    results = {}
    for name in wanted:
        if name.startswith("memory"):
            memory_case(args, name.endswith("compression"))
        else:
            results[name] = report(name, run_case(name, args))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
