"""Several servers under everything that can go wrong, for as long as you like.

    python -m tools.chaos --minutes 10 --seed 1
    python -m tools.chaos --minutes 10 --seed 1 --bus

Three server processes serve one chat on a replica set of three real mongods, and twelve clients
chat at all of them over links that fail. A nemesis kills and freezes servers and primaries, has
primaries step down, cuts and silences links, and with ``--bus`` kills NATS. At the end every client
must have heard everything, in order and once. The exit code is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence

from goim_edu.lab.nemesis import TARGETS
from goim_edu.mongod import LocalReplicaSet
from tools.nemesis import run_seed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of harm for each seed")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], metavar="N")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--bus", action="store_true", help="the servers have NATS between them")
    args = parser.parse_args(arguments)
    targets = TARGETS if args.bus else TARGETS[:3]
    good = True
    with LocalReplicaSet(3, election_timeout=1.5) as members:
        for seed in args.seed:
            ended = threading.Event()
            threading.Thread(target=_tell_the_time, args=(seed, ended), daemon=True).start()
            nemesis, outcome = run_seed(
                members, seed, 60 * args.minutes, servers=args.servers, targets=targets
            )
            ended.set()
            print(f"seed {seed}: {len(nemesis.faults)} faults ({nemesis.summary()}); {outcome}")
            for line in [*map(str, outcome.violations[:10]), *nemesis.remarks]:
                print(f"    {line}")
            sys.stdout.flush()
            good = good and outcome.good and not nemesis.remarks
    return 0 if good else 1


def _tell_the_time(seed: int, ended: threading.Event) -> None:
    """A line a minute, for those who wait."""
    begin = time.monotonic()
    while not ended.wait(60):
        print(f"seed {seed}: {(time.monotonic() - begin) / 60:.0f} min", flush=True)


if __name__ == "__main__":
    sys.exit(main())
