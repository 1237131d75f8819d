"""The chat server beside other servers: echo, fan-out, handshakes, memory of idle connections.

    make bench-server
    make bench-server ARGS="--rounds 5 --only echo-10x64-32 --servers goim,picows --loops asyncio"

All servers run at the same time, each in its process, and are measured in turns, so that whatever
else the machine does hits all of them alike. Of the rounds the median is taken. Two figures are
told: messages per second of the server's own CPU time, which says what the server costs, and per
second of the wall clock, in which the load generator has its share. Behind them stands how many
times that of each peer the first figure is.

``bare`` is no peer: it makes the system calls and nothing else, so it shows how much of a figure
is the operating system's, and how far above a peer anything in Python could get here.
``uwebsockets`` is what C and C++ reach with no Python in between.

``goim_edu chat`` is the chat room itself: JSON, checked, numbered and stored in memory,
acknowledged, and only then handed on.
"""

from __future__ import annotations

import argparse
import json
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count

from benchmarks import idle
from benchmarks.load import (
    KEY,
    EchoLoad,
    FanoutLoad,
    count_frames,
    handshake,
    handshakes,
    receive_until,
)
from benchmarks.rows import Progress, Row, in_turns, times_as_good
from benchmarks.servers import (
    BARE,
    EVERYBODY,
    LOOPS,
    PEERS,
    WITHOUT_LOOP,
    Server,
    all_running,
    starts,
    why_missing,
)
from goim_edu.websocket.frames import build_frame

NUMBERS = count()
CPU = "per second of the server's CPU"
WALL = "per second"

Work = Callable[[], int]  # does some work and says how many things were done
Case = Callable[[Server, ExitStack, float], Work]  # makes work of so many seconds


# ---------------------------------------------------------------------- the cases


def echo_case(connections: int, depth: int, size: int) -> Case:
    def prepare(server: Server, stack: ExitStack, seconds: float) -> Work:
        load = EchoLoad(server.port, connections, depth, size)
        stack.callback(load.close)
        begin = time.perf_counter()
        done = load.run(3)
        rate = done / (time.perf_counter() - begin)
        rounds = max(3, int(rate * seconds / (connections * depth)))
        return lambda: load.run(rounds)

    return prepare


def fanout_case(receivers: int, outstanding: int) -> Case:
    def prepare(server: Server, stack: ExitStack, seconds: float) -> Work:
        room = f"room{next(NUMBERS)}"  # an old one has members that are just leaving
        if server.chat:
            links = enter_chat(server.port, room, receivers + 1)
        else:
            links = [handshake(server.port, "/fanout") for _ in range(receivers + 1)]
        wanted = b'"type":"message"' if server.chat else b""
        load = FanoutLoad(links[0], links[1:], lambda data: count_frames(data, wanted))
        stack.callback(load.close)

        def request() -> bytes:
            if not server.chat:
                return build_frame("x" * 100, mask_key=KEY) * outstanding
            return b"".join(chat_request(room) for _ in range(outstanding))

        repeats = max(3, int(400 * seconds) // outstanding)

        def work() -> int:
            for _ in range(repeats):
                load.round(request(), outstanding)
            return repeats * outstanding * receivers

        return work

    return prepare


def chat_request(room: str) -> bytes:
    message = {
        "type": "send",
        "room_id": room,
        "client_msg_id": f"m{next(NUMBERS)}",
        "text": "x" * 100,
    }
    return build_frame(json.dumps(message), mask_key=KEY)


def enter_chat(port: int, room: str, number: int) -> list[socket.socket]:
    """So many users in a room; all have heard that the last one has come."""
    links = []
    for user in range(number):
        link = handshake(port, "/chat", subprotocol="goim.v1.json")
        for message in (
            {"type": "hello", "user_id": f"user{user}"},
            {"type": "join", "room_id": room},
        ):
            link.sendall(build_frame(json.dumps(message), mask_key=KEY))
        links.append(link)
    last = f'"user{number - 1}"'.encode()
    for link in links:  # one by one: their answers wait in the sockets
        receive_until(link, last)
    return links


def handshake_case(server: Server, stack: ExitStack, seconds: float) -> Work:
    number = int(2000 * seconds)

    def work() -> int:
        handshakes(server.port, number)
        return number

    return work


SIZES = {32: "32 B", 1024: "1 KiB", 65536: "64 KiB"}
CASES: dict[str, tuple[str, str, Case]] = {
    f"echo-{connections}x{depth}-{size}": (
        "server: echo",
        f"{connections} connection{'s' * (connections > 1)}, {depth} outstanding, {SIZES[size]}",
        echo_case(connections, depth, size),
    )
    for size in SIZES
    for connections, depth in ((1, 1), (100, 1), (10, 64 if size < 65536 else 4))
}
CASES["handshakes"] = ("server: handshakes", "50 at a time", handshake_case)
for _outstanding in (1, 16):
    CASES[f"fanout-500x{_outstanding}"] = (
        "server: fan-out",
        f"500 listeners, {_outstanding} outstanding",
        fanout_case(500, _outstanding),
    )
QUICK = ("echo-100x1-32", "echo-100x1-1024", "echo-10x64-32", "handshakes", "fanout-500x16")


# ---------------------------------------------------------------------- the measuring


def start(stack: ExitStack, names: Sequence[str], loops: Sequence[str]) -> list[Server]:
    """All servers that are here; goim comes twice, once as the chat room."""
    wanted = starts(names, loops)
    chats = [one for one in wanted if one[0] == "goim"]
    servers = stack.enter_context(all_running([*wanted, *chats]))
    for server in servers[len(wanted) :]:
        server.chat = True
    return servers


def rates(server: Server, work: Work) -> tuple[float, float]:
    """What was done in a second of the server's CPU, and of the clock on the wall."""
    cpu, wall = server.cpu(), time.perf_counter()
    done = work()
    wall = time.perf_counter() - wall
    cpu = server.cpu() - cpu
    return done / max(cpu, 1e-6), done / wall


def run_case(name: str, servers: Sequence[Server], rounds: int, seconds: float) -> list[Row]:
    """One case on all servers that take part in it: two rows for each."""
    group, what, prepare = CASES[name]
    thing = "handshakes" if name == "handshakes" else "messages"
    with ExitStack() as stack:
        turns = {}
        for server in servers:
            if (server.chat and not name.startswith("fanout")) or (
                server.name == BARE and name == "handshakes"
            ):
                continue
            work = prepare(server, stack, seconds)
            work()
            turns[server.label] = partial(rates, server, work)
        return [
            Row(group, what, label, f"{thing} {unit}", values)
            for label, measured in in_turns(turns, rounds).items()
            for unit, values in zip((CPU, WALL), zip(*measured, strict=True), strict=True)
        ]


def rows(quick: bool, progress: Progress) -> list[Row]:
    """Some rounds of all cases, on servers that have just been started."""
    found: list[Row] = []
    with ExitStack() as stack:
        progress("start of the servers")
        servers = start(stack, EVERYBODY, LOOPS)
        for name in QUICK if quick else CASES:
            progress(name)
            found += run_case(name, servers, 2, 0.08 if quick else 0.15)
    return found


def missing() -> list[str]:
    """The peers that are not here, and why."""
    return [why for name in EVERYBODY if (why := why_missing(name))]


# ---------------------------------------------------------------------- the command


def show(name: str, measured: Sequence[Row]) -> None:
    """A table for each loop; who has none stands in both."""
    by_label = {(row.subject, row.unit.partition(" ")[2]): row for row in measured}
    labels = list(dict.fromkeys(row.subject for row in measured))
    loops = dict.fromkeys(label.partition("/")[2] for label in labels if "/" in label)
    for loop in loops or ("",):
        here = [label for label in labels if label.partition("/")[2] in ("", loop)]
        peers = [label for label in here if label.partition("/")[0] in (*PEERS, *WITHOUT_LOOP[1:])]
        times = "".join(f"{'x ' + peer.partition('/')[0]:>14}" for peer in peers)
        print(f"\n{f'{name} {loop}':26}{'per CPU s':>12}{'per wall s':>12}{times}")
        for label in here:
            cpu, wall = by_label[label, CPU], by_label[label, WALL]
            ratios = [times_as_good(cpu, by_label[peer, CPU]) for peer in peers]
            times = "".join(f"{ratio:14.2f}" for ratio in ratios)
            own = label.partition("/")[0]
            print(f"  {own:24}{cpu.median:12,.0f}{wall.median:12,.0f}{times}", flush=True)


def show_memory(names: Sequence[str], loops: Sequence[str], only: str) -> None:
    print(f"\nidle memory, {idle.UNIT}")
    for row in idle.measure(names, loops, lambda _: None):
        if only in ("memory", f"memory-{row.what.rpartition(' ')[2]}", ""):
            print(f"  {row.what:20} {row.subject:28} {row.median:7.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, about")
    parser.add_argument("--only", default="", help="names of cases, or parts of them, by comma")
    parser.add_argument("--servers", default=",".join(EVERYBODY))
    parser.add_argument("--loops", default=",".join(LOOPS))
    args = parser.parse_args()
    names, loops, parts = args.servers.split(","), args.loops.split(","), args.only.split(",")
    for why in missing():
        print(why)
    with ExitStack() as stack:
        servers: list[Server] = []
        for name in CASES:
            if any(part in name for part in parts):
                servers = servers or start(stack, names, loops)
                show(name, run_case(name, servers, args.rounds, args.seconds))
    if any(part in "memory-plain,memory-compression" for part in parts):
        show_memory(names, loops, args.only)


if __name__ == "__main__":
    main()
