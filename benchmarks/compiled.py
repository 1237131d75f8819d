"""What compiling gives: the protocol's source and what mypyc makes of it, beside other libraries.

Both are in one process and take turns with the others, as in ``benchmarks/protocol.py``.

    make compiled
    python -m benchmarks.compiled [--rounds 11]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
from collections.abc import Callable
from functools import partial
from statistics import median
from time import thread_time
from types import ModuleType

from benchmarks import protocol
from tools.compiled import TARGET

SOURCE = "source"
COMPILED = "compiled"
BASE = "websockets"
Task = Callable[[], int]


def load(folder: str) -> ModuleType:
    """``goim_edu.protocol`` as it is in this folder, whatever was imported before."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "goim_edu"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("goim_edu.protocol")
    finally:
        sys.path.remove(folder)


def parse(ours: ModuleType, feeds: protocol.Feeds) -> int:
    limits = ours.Limits(1 << 26, 1 << 26)
    endpoint = ours.Endpoint(ours.Side.SERVER, already_open=True, limits=limits)
    count = 0
    for feed in feeds:
        for event in endpoint.receive_data(feed):
            if type(event) is ours.TextMessage:
                count += 1
    return count


async def compare(rounds: int) -> None:
    """picows wants a running loop to be made in; nothing is awaited."""
    source, compiled = load(str(TARGET.parent.parent)), load(str(TARGET))
    driver = protocol.PicowsDriver()
    for name, texts, size in (
        ("16 B", protocol.texts_of(16), protocol.FEED),
        ("125 B", protocol.texts_of(125), protocol.FEED),
        ("1 KiB", protocol.texts_of(1024), protocol.FEED),
        ("1 MiB", protocol.texts_of(1 << 20, 8 << 20), protocol.FEED),
        ("10 to 200 B, 1 in 5 Chinese", protocol.chat_texts(), protocol.FEED),
        ("32 B, 64 by each read", ["x" * 32] * 12_800, 64 * 38),
        ("32 B, 1 by each read", ["x" * 32] * 4_000, 38),
    ):
        feeds = protocol.make_feeds(texts, size)
        tasks: dict[str, Task] = {
            SOURCE: partial(parse, source, feeds),
            COMPILED: partial(parse, compiled, feeds),
            BASE: partial(protocol.parse_websockets, feeds),
            "aiohttp": partial(protocol.parse_aiohttp, feeds, asyncio.get_running_loop()),
            "picows": partial(driver.parse, feeds),
        }
        for who, task in tasks.items():
            if task() != len(texts):
                raise SystemExit(f"{who} does not find the {len(texts)} texts of {name}")
        times: dict[str, list[float]] = {who: [] for who in tasks}
        for _ in range(rounds):
            for who, task in tasks.items():
                begin = thread_time()
                task()
                times[who].append(thread_time() - begin)
        ratios = (
            median(base / own for base, own in zip(times[BASE], times[who], strict=True))
            for who in tasks
        )
        print(f"{name:30}" + "".join(f"{ratio:12.2f}" for ratio in ratios), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="the protocol compiled, beside its source")
    parser.add_argument("--rounds", type=int, default=11, help="at least 5 (default: 11)")
    rounds = max(5, parser.parse_args().rounds)
    if not TARGET.exists():
        raise SystemExit("nothing is compiled here: run make compiled first")
    print(f"Times as quick as {BASE}; medians of {rounds} rounds")
    print(" " * 30 + "".join(f"{who:>12}" for who in (SOURCE, COMPILED, BASE, "aiohttp", "picows")))
    asyncio.run(compare(rounds))


if __name__ == "__main__":
    main()
