"""How long the chapters run, beside those of version 0.1.

    python -m benchmarks.learner_chapters [--only 03] [--rounds 2]

Both versions of a chapter run at the same time, so whatever else the machine does falls on both. A
chapter that has become several notebooks counts with all of them. The files of version 0.1 come
from the history of this repository.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

from nbclient import NotebookClient

from benchmarks.rows import OURS, Missing, Progress, Row, join
from tools.notebooks import CELL_TIMEOUT, FOLDER, chapter_of, read

ROOT: Final = Path(__file__).resolve().parent.parent
GROUP: Final = "learner: run a chapter"
FIRST_VERSION: Final = "version 0.1"
FIRST_COMMIT: Final = "e8cbb94171d9ec7893d5544064efa8d8cd73464f"


def rows(quick: bool, progress: Progress, only: str = "") -> list[Row]:
    """One run of each chapter of both versions; none if it is to be quick.

    Raises:
        Missing: the history does not go back so far.
    """
    if quick:
        return []
    found: list[Row] = []
    totals: dict[str, float] = defaultdict(float)
    with first_version() as before, ThreadPoolExecutor(2) as pool:
        old = chapters(before / FOLDER.name, only)
        for chapter, paths in chapters(FOLDER, only).items():
            progress(f"chapter {chapter}")
            both = {OURS: paths, FIRST_VERSION: old.get(chapter, [])}
            for subject, seconds in zip(both, pool.map(run, both.values()), strict=True):
                totals[subject] += seconds
                found.append(_row(f"chapter {chapter}", subject, seconds))
    return found + [_row("all chapters", subject, seconds) for subject, seconds in totals.items()]


def _row(what: str, subject: str, seconds: float) -> Row:
    return Row(GROUP, what, subject, "s", (seconds,), "lower")


@contextmanager
def first_version() -> Iterator[Path]:
    """The files of version 0.1.

    Raises:
        Missing: the history does not go back so far.
    """
    command = ["git", "archive", FIRST_COMMIT, "goim_edu", "notebooks"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise Missing("version 0.1: a clone with the whole history has it")
    with tempfile.TemporaryDirectory(prefix="goim-bench-") as folder:
        with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def chapters(folder: Path, only: str = "") -> dict[str, list[Path]]:
    """The notebooks of each chapter."""
    found = defaultdict(list)
    for path in sorted(folder.glob(f"{only}*.ipynb")):
        found[chapter_of(path)].append(path)
    return dict(found)


def run(paths: Sequence[Path]) -> float:
    """Seconds from the start of a kernel to the end of the last cell, of all; none is written."""
    return sum(_run(path) for path in paths)


def _run(path: Path) -> float:
    client = NotebookClient(
        read(path),
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    variables = {**os.environ, "PYTHONPATH": str(path.parent.parent)}
    begin = time.perf_counter()
    client.execute(env=variables, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="chapters whose number begins so")
    args = parser.parse_args()
    found: list[Row] = []
    for _ in range(args.rounds):
        found += rows(False, print, args.only)
    times = join(found)
    for mine, first in zip(times[::2], times[1::2], strict=True):
        ratio = mine.median / first.median if first.median else float("inf")
        print(f"{mine.what:14}{mine.median:8.1f} s, version 0.1 {first.median:8.1f} s, {ratio:.2f}")


if __name__ == "__main__":
    main()
