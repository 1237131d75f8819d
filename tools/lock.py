"""Pin names, versions and hashes of everything that an installation needs, without addresses.

``locks/lab.txt`` is what a learner needs, ``locks/test.txt`` adds what tests and linting need,
``locks/bench.txt`` the peers of the benchmarks. All hold for Python 3.11 to 3.14 on every platform
that has wheels. ``--keep`` moves no version that is pinned: it adds what ``pyproject.toml`` asks
for anew, and takes away what it does not.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
LOCKS = {
    "locks/lab.txt": ["lab", "fast", "build"],
    "locks/test.txt": ["lab", "bus", "fast", "proxy", "build", "compiled", "test", "lint"],
    "locks/bench.txt": [
        *("lab", "bus", "fast", "proxy", "build", "compiled", "test", "lint"),
        "bench",
    ],
}


def lock(target: str, extras: list[str], constraint: str | None, *, keep: bool) -> None:
    """Resolve ``pyproject.toml`` with ``extras`` and write the pins to ``target``."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet"]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command += [] if keep else ["--upgrade"]
    command += ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--no-header"]
    # Debian 12's pip takes "coverage[toml]" for unpinned where the lock says "coverage" only,
    # and fails on the day a newer release appears.
    command += ["--no-strip-extras"]
    command += ["--output-file", target]
    command += [word for extra in extras for word in ("--extra", extra)]
    command += ["--constraint", constraint] if constraint else []
    subprocess.run(command, cwd=HERE, check=True)


def main() -> None:
    """Write the locks; each repeats the pins of the one before."""
    parser = argparse.ArgumentParser(description="Pin what an installation needs.")
    parser.add_argument("--keep", action="store_true", help="move no version that is pinned")
    keep = parser.parse_args().keep
    before: str | None = None
    for target, extras in LOCKS.items():
        lock(target, extras, before, keep=keep)
        before = target
        pins = re.findall(r"^[\w.-]+(?:\[.*?\])?==", (HERE / target).read_text(), re.M)
        print(f"{target}: {len(pins)} pins")


if __name__ == "__main__":
    main()
