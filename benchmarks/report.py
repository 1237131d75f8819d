"""All benchmarks in one run: `docs/benchmarks.md` with its plots, and the figures as JSON.

    make bench                        all of them, under half an hour
    make bench ARGS=--quick           protocol and server, under two minutes
    make bench ARGS="--only server --out build/benchmarks/report"
    python -m benchmarks.report --compare one.json other.json

The benchmarks take turns: each measures some rounds of all its subjects, then comes the next, and
then all of them again. So the rounds of a figure are spread over the run, and their range says how
far it moves with what else the machine does. ``--compare`` counts in how many rows of two reports
these ranges meet.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from benchmarks.report_page import write_page
from benchmarks.report_plots import write_figures
from benchmarks.rows import Key, Missing, Row, as_plain, from_plain, join

ROOT: Final = Path(__file__).resolve().parent.parent
OUT: Final = ROOT / "docs" / "benchmarks"
PACKAGES: Final = ("websockets", "aiohttp", "picows", "wsproto", "socketify", "uvloop", "pymongo")


@dataclass(frozen=True)
class Benchmark:
    """A module, and how often its rounds come.

    Attributes:
        name: of the module in ``benchmarks``.
        passes: how often, in a full run.
        quick: how often, in a quick one.
        seconds: that one of them takes, about; only the progress bar asks.
    """

    name: str
    passes: int
    quick: int
    seconds: float


# Of four rounds and four, ranges that do not meet are chance in 3 of 100 rows; of three and three
# in 10. How the chapters run takes too long for more than two.
ALL: Final = (
    Benchmark("protocol", 5, 3, 4),
    Benchmark("server", 4, 3, 60),
    Benchmark("idle", 4, 0, 20),
    Benchmark("store", 4, 0, 25),
    Benchmark("cluster", 4, 0, 55),
    Benchmark("hostile", 4, 0, 20),
    Benchmark("chat_peers", 4, 0, 75),
    Benchmark("chat_peers_idle", 4, 0, 30),
    Benchmark("learner", 4, 0, 25),
    Benchmark("widgets", 4, 0, 25),
    Benchmark("learner_chapters", 2, 0, 150),
)


@dataclass
class Report:
    """What a run has found.

    Attributes:
        machine: on what, when, with which versions.
        rows: the figures.
        missing: what was not measured, and why.
    """

    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        plain = {
            "machine": self.machine,
            "missing": self.missing,
            "rows": [as_plain(row) for row in self.rows],
        }
        text = json.dumps(plain, indent=1, ensure_ascii=False)
        path.write_text(f"{_short_lists(text)}\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Report:
        plain = json.loads(path.read_text("utf-8"))
        return cls(plain["machine"], list(from_plain(plain["rows"])), plain["missing"])


def _short_lists(text: str) -> str:
    """JSON with the values of a row on one line: a change of figures then is a change of lines."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        bare = line.strip()
        if inside:
            lines[-1] += bare + (" " if bare.endswith(",") else "")
            inside = not bare.startswith("]")
        else:
            lines.append(line)
            inside = bare == '"values": ['
    return "\n".join(lines)


# ---------------------------------------------------------------------- the run


class Bar:
    """A progress bar in seconds, as they are expected: a benchmark tells only what is next."""

    def __init__(self, seconds: float) -> None:
        self.total = round(seconds)
        self.bar = tqdm(total=self.total, bar_format="{percentage:3.0f}% |{bar}| {desc}")
        self.before = 0.0
        self.now = 0.0
        self.begin = time.monotonic()

    def next(self, seconds: float) -> None:
        """The last one is done, and one of so many seconds begins."""
        self.before += self.now
        self.now, self.begin = seconds, time.monotonic()

    def __call__(self, what: str) -> None:
        spent = min(self.now, time.monotonic() - self.begin)
        self.bar.n = min(self.total, round(self.before + spent))
        self.bar.set_description_str(what)

    def close(self) -> None:
        self.bar.n = self.total
        self.bar.set_description_str("done")
        self.bar.close()


def plan(quick: bool, only: Sequence[str]) -> list[Benchmark]:
    """The benchmarks in the order of their passes, each as often as it comes."""
    wanted = [one for one in ALL if not only or one.name in only]
    wanted = [one for one in wanted if find_spec(f"benchmarks.{one.name}")]
    passes = {one.name: one.quick if quick else one.passes for one in wanted}
    return [
        one for turn in range(max(passes.values(), default=0)) for one in wanted
        if turn < passes[one.name]
    ]  # fmt: skip


def run(benchmarks: Sequence[Benchmark], quick: bool, out: Path) -> Report:
    """Measure all of them; one that fails is named, and the others go on.

    What has been measured is saved after each of them: a run may be ended at any time.
    """
    report = Report(machine())
    bar = Bar(sum(one.seconds for one in benchmarks))
    for one in benchmarks:
        bar.next(one.seconds)
        bar(one.name)
        try:
            module: Any = importlib.import_module(f"benchmarks.{one.name}")
            report.rows = join([*report.rows, *module.rows(quick, bar)])
            report.missing += getattr(module, "missing", list)()
        except Missing as missing:
            report.missing.append(f"{one.name}: {missing}")
        except Exception as error:  # noqa: BLE001 - half an hour is not thrown away for one of them
            traceback.print_exc()
            report.missing.append(f"{one.name} failed: {type(error).__name__}: {error}")
        report.missing = list(dict.fromkeys(report.missing))
        report.machine["minutes"] = f"{(time.monotonic() - _BEGIN) / 60:.0f}"
        report.machine["load after"] = _load()
        report.save(out)
    bar.close()
    return report


_BEGIN: Final = time.monotonic()


def machine() -> dict[str, str]:
    """What the figures depend on."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": model or platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        **_versions(),
        "load before": _load(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


# ---------------------------------------------------------------------- two reports


@dataclass(frozen=True)
class Comparison:
    """How far two reports agree.

    Attributes:
        common: rows that both have.
        apart: those whose ranges do not meet, and how many times as large the other's median is.
        alone: rows that only one has.
    """

    common: list[Key]
    apart: dict[Key, float]
    alone: list[Key]

    @property
    def share(self) -> float:
        """Of the common rows, how many agree; 0 to 1."""
        return 1 - len(self.apart) / len(self.common) if self.common else 0.0


def compare(one: Sequence[Row], other: Sequence[Row]) -> Comparison:
    """Compare the ranges of the rounds, row by row."""
    first, second = {row.key: row for row in one}, {row.key: row for row in other}
    common = [key for key in first if key in second]
    apart = {
        key: second[key].median / first[key].median if first[key].median else float("inf")
        for key in common
        if first[key].high < second[key].low or second[key].high < first[key].low
    }
    return Comparison(common, apart, [key for key in {**first, **second} if key not in common])


def print_comparison(one: Path, other: Path) -> int:
    """Say in how many rows two reports agree; 0 if in 95 of 100."""
    result = compare(Report.load(one).rows, Report.load(other).rows)
    for key, ratio in result.apart.items():
        print(f"{', '.join(key)}: the ranges do not meet; {ratio:.2f} times")
    for key in result.alone:
        print(f"{', '.join(key)}: in one of them only")
    agree = len(result.common) - len(result.apart)
    print(f"{agree} of {len(result.common)} rows agree, {result.share:.1%} (aim 95%)")
    return 0 if result.share >= 0.95 else 1


# ---------------------------------------------------------------------- the command


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="protocol and server only")
    parser.add_argument("--only", nargs="+", default=[], choices=[one.name for one in ALL])
    parser.add_argument("--out", type=Path, default=OUT, help="path without .md and .json")
    parser.add_argument("--compare", nargs=2, type=Path, metavar="JSON", help="measure nothing")
    parser.add_argument("--page", action="store_true", help="write the page anew from its JSON")
    args = parser.parse_args(arguments)
    if args.compare:
        return print_comparison(*args.compare)
    figures = args.out.with_suffix(".json")
    if args.page:
        report = Report.load(figures)
    else:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        report = run(plan(args.quick, args.only), args.quick, figures)
    write_page(args.out, report.machine, report.rows, report.missing)
    if args.out == OUT:
        write_figures(report.rows)
        print("chapter 15 shows them, too: make notebooks ARGS=15-whole")
    print(f"{figures} and {args.out.with_suffix('.md').name}: {len(report.rows)} rows")
    for line in report.missing:
        print(f"not measured: {line}", file=sys.stderr)
    return 1 if any("failed" in line for line in report.missing) else 0


if __name__ == "__main__":
    sys.exit(main())
