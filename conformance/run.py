"""Run the Autobahn TestSuite against our server and our client, and write down what it says.

    python conformance/run.py                            all 517 cases, both sides
    python conformance/run.py --side server --cases '1.*' '2.*'

The suite runs under CPython 2.7 only: PYTHON2 names one, or it is found as python2.7 or among the
versions of pyenv. If there is none, this says so and exits 0. The suite is installed once, into
.conformance/. Verdicts are kept there, too, as long as our sources stay the same, so a run may be
done in parts. Once all cases of both sides are there, docs/conformance.md is written. The exit
code is 1 if any case is not OK, save three that have no verdict by design.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from goim_edu.client import connect
from goim_edu.transport import ConnectionClosed
from tools.compiled import here

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".conformance"
REQUIREMENTS = ROOT / "conformance" / "requirements.txt"
AGENT = "goim_edu"
ALL_CASES = 517
NO_VERDICT = {"7.1.6", "7.13.1", "7.13.2"}  # their authors call these INFORMATIONAL
MAX_MESSAGE = 32 * 1024 * 1024  # 9.* send 16 MiB
CATEGORIES = {
    "1": "Framing",
    "2": "Pings and pongs",
    "3": "Reserved bits",
    "4": "Opcodes",
    "5": "Fragmentation",
    "6": "UTF-8",
    "7": "Closing handshake",
    "9": "Limits and performance",
    "10": "Auto-fragmentation",
    "12": "Compression, different payloads",
    "13": "Compression, different parameters",
}
# Namespace packages in a --target folder are found only once their .pth files have been read.
BOOT = "import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite import wstest; "


class Outcome(NamedTuple):
    """What the suite says of one case: of what happened, and of how it was closed."""

    behavior: str
    close: str

    def is_good(self, case: str) -> bool:
        """Whether it is OK, or has no verdict by design."""
        fine = {"OK", "INFORMATIONAL"} if case in NO_VERDICT else {"OK"}
        return self.behavior in fine and self.close in {"OK", "INFORMATIONAL"}


Results = dict[str, Outcome]


# ---------------------------------------------------------------------- the suite


def find_python2() -> str | None:
    """A CPython 2.7 that really runs, or None."""
    named = os.environ.get("PYTHON2")
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which("python2.7"), *map(str, sorted(versions.glob("2.7*/bin/python2.7")))]
    check = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
    for path in [named] if named else found:
        try:
            if path and subprocess.run([path, "-c", check], capture_output=True).returncode == 0:
                return path
        except OSError:
            continue
    if named:
        sys.exit(f"PYTHON2={named} is not a CPython 2.7 that runs")
    return None


def install_suite(python2: str) -> Path:
    """The folder with the suite in it; installed there if it is not yet."""
    stamp = hashlib.sha256(REQUIREMENTS.read_bytes() + python2.encode()).hexdigest()[:12]
    target = CACHE / f"autobahn-{stamp}"
    if not (target / ".complete").exists():
        print(
            "installing the Autobahn TestSuite into .conformance (once; half a minute)", flush=True
        )
        shutil.rmtree(target, ignore_errors=True)
        command = [python2, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--target", str(target), "-r", str(REQUIREMENTS)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            sys.exit(f"the suite could not be installed:\n{done.stdout}{done.stderr}")
        (target / ".complete").touch()
    return target


@contextmanager
def suite(python2: str, target: Path, mode: str, spec: Mapping[str, object]) -> Iterator[Suite]:
    """The suite as a running program."""
    folder = CACHE / mode
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({"outdir": str(folder / "reports"), **spec}))
    command = [python2, "-c", BOOT + "wstest.run()", str(target)]
    command += ["--mode", mode, "--webport", "0", "--spec", str(folder / "spec.json")]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            yield Suite(process, folder)
        finally:
            process.terminate()
            process.wait(timeout=10)


class Suite(NamedTuple):
    """A running suite and the folder of its reports."""

    process: subprocess.Popen[bytes]
    folder: Path

    def results(self) -> Results:
        """The verdicts, as its reports have them."""
        index = self.folder / "reports" / "index.json"
        if not index.exists():
            sys.exit(f"the suite wrote no report; its last words were:\n{self.last_words()}")
        verdicts = json.loads(index.read_text())
        return {
            case: Outcome(report["behavior"], report["behaviorClose"])
            for case, report in next(iter(verdicts.values())).items()
        }

    def last_words(self) -> str:
        """The end of its log."""
        return (self.folder / "log.txt").read_text(errors="replace")[-2000:]


# ---------------------------------------------------------------------- our server


@contextmanager
def our_server() -> Iterator[str]:
    """Our server as its users start it; yields the address of its echo."""
    command = [sys.executable, "-m", "goim_edu", "serve", "--port", "0", "--mongo", "memory"]
    command += ["--max-message-size", str(MAX_MESSAGE), "--queue-limit", str(2 * MAX_MESSAGE)]
    command += ["--echo-rate", "1e12"]  # the suite sends gigabytes
    with (CACHE / "server.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
        try:
            yield find_address(process.stdout) + "/echo"
        finally:
            process.terminate()
            process.wait(timeout=30)


def find_address(output: IO[str] | None) -> str:
    """The address from the line that names it."""
    for line in output or ():
        if line.startswith("listening on "):
            return line.split()[2]
    sys.exit("our server did not start")


def check_server(python2: str, target: Path, cases: list[str], timeout: float) -> Results:
    """The suite is the client, our server answers."""
    with our_server() as address:
        server = {"agent": AGENT, "url": address, "options": {"version": 18}}
        spec = {"servers": [server], "cases": cases, "exclude-cases": []}
        with suite(python2, target, "fuzzingclient", spec) as running:
            running.process.wait(timeout)
            return running.results()


# ---------------------------------------------------------------------- our client


def check_client(python2: str, target: Path, cases: list[str], timeout: float) -> Results:
    """The suite is the server, our client echoes its messages."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    spec = {"url": f"ws://127.0.0.1:{port}", "cases": cases, "exclude-cases": []}
    with suite(python2, target, "fuzzingserver", spec) as running:
        asyncio.run(asyncio.wait_for(run_client(running, port), timeout))
        return running.results()


async def run_client(running: Suite, port: int) -> None:
    """Run all cases, then let the suite write its reports."""
    base = f"ws://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while True:
        try:
            async with connect(f"{base}/getCaseCount") as ws:
                count = int(await ws.recv())
            break
        except OSError:
            if running.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the suite did not start:\n{running.last_words()}")
            await asyncio.sleep(0.1)
    for case in range(1, count + 1):
        await echo_until_closed(f"{base}/runCase?case={case}&agent={AGENT}")
    await echo_until_closed(f"{base}/updateReports?agent={AGENT}")


async def echo_until_closed(uri: str) -> None:
    """Send every message back until the connection ends, however it ends."""
    with suppress(ConnectionClosed):
        async with connect(uri, max_message_size=MAX_MESSAGE, open_timeout=60) as ws:
            async for message in ws:
                await ws.send(message)


# ---------------------------------------------------------------------- the verdicts


def category(case: str) -> str:
    """The number before the first point."""
    return case.partition(".")[0]


def by_number(case: str) -> list[int]:
    """For sorting: 2.10 comes after 2.9."""
    return [int(part) for part in case.split(".")]


def bad_cases(results: Results) -> list[str]:
    """One line for each case that is not OK."""
    return [
        f"{case}: {results[case].behavior}, closing {results[case].close}"
        for case in sorted(results, key=by_number)
        if not results[case].is_good(case)
    ]


def table(results: Results) -> list[str]:
    """The verdicts, counted by category, as Markdown."""
    lines = ["| | Category | Cases | OK | Informational | Not OK |", "|---|---|---|---|---|---|"]
    total: Counter[str] = Counter()
    for number, name in CATEGORIES.items():
        counts = Counter(
            outcome.behavior if outcome.is_good(case) else "bad"
            for case, outcome in results.items()
            if category(case) == number
        )
        total += counts
        lines.append(row(number, name, counts))
    return [*lines, row("", "**All**", total)]


def row(number: str, name: str, counts: Counter[str]) -> str:
    """One line of the table."""
    figures = [counts.total(), counts["OK"], counts["INFORMATIONAL"], counts["bad"]]
    return f"| {number} | {name} | {' | '.join(map(str, figures))} |"


def fingerprint() -> str:
    """A digest of what the verdicts depend on: our sources below the chat, compiled or not."""
    below = [ROOT / "goim_edu" / f"{face}.py" for face in ("errors", "protocol")]
    below += (ROOT / "goim_edu" / "websocket").glob("*.py")
    below += (ROOT / "goim_edu" / "transport").glob("*.py")
    digest = hashlib.sha256(here().encode())
    for path in sorted(below):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def keep(results: dict[str, Results], sources: str) -> dict[str, Results]:
    """Add verdicts to those that were found before with the same sources; returns all of them."""
    path = CACHE / f"verdicts-{here()}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    if kept.get("sources") != sources:
        kept = {"sources": sources}
    for side, verdicts in results.items():
        kept[side] = {**kept.get(side, {}), **verdicts}
    path.write_text(json.dumps(kept))
    return {
        side: {case: Outcome(*verdict) for case, verdict in kept.get(side, {}).items()}
        for side in SIDES
    }


def write_document(results: dict[str, Results]) -> None:
    """Write the summary that is kept in the repository."""
    lines = [
        "# Conformance",
        "",
        f"What the Autobahn TestSuite 25.10.1 says of goim_edu: {ALL_CASES} cases against the",
        "server (`/echo`), and the same against the client (`goim_edu.client`). Written by",
        f"`make conformance`, last under Python {platform.python_version()}.",
        "",
        "Three cases have no verdict by design: 7.1.6, 7.13.1 and 7.13.2 only tell what happened.",
    ]
    for side, verdicts in results.items():
        bad = bad_cases(verdicts)
        lines += ["", f"## {side.capitalize()}", "", *table(verdicts)]
        lines += ["", "Not OK:", "", *(f"* {line}" for line in bad)] if bad else []
    path = ROOT / "docs" / "conformance.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    print(f"written: {path.relative_to(ROOT)}")


def report(side: str, results: Results, whole: bool) -> bool:
    """Print the verdicts of one side; returns whether all are OK."""
    bad = bad_cases(results)
    if whole and len(results) != ALL_CASES:
        bad.append(f"the suite reported {len(results)} cases, not {ALL_CASES}")
    counts = Counter(outcome.behavior for outcome in results.values())
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    print(f"{side}: {len(results)} cases: {said or 'none matched'}")
    for line in bad:
        print(f"  {line}")
    return bool(results) and not bad


def main() -> int:
    """Run the cases asked for; 0 if all are OK or none could be run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", nargs="+", default=["*"], help="such as '1.*' '7.1.6'")
    parser.add_argument("--side", choices=[*SIDES, "both"], default="both")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for one side")
    options = parser.parse_args()
    python2 = find_python2()
    if python2 is None:
        print("conformance: skipped, no CPython 2.7 here (name one in PYTHON2)")
        return 0
    target = install_suite(python2)
    sources = fingerprint()
    whole = options.cases == ["*"]
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:  # both sides at the same time: the suite uses one core each
        running = {
            side: pool.submit(check, python2, target, options.cases, options.timeout)
            for side, check in SIDES.items()
            if options.side in (side, "both")
        }
        results = {side: future.result() for side, future in running.items()}
    good = [report(side, verdicts, whole) for side, verdicts in results.items()]
    print(f"took {time.monotonic() - start:.0f} s, {here()}")
    kept = keep(results, sources)
    if here() == "source" and all(len(verdicts) == ALL_CASES for verdicts in kept.values()):
        write_document(kept)
    return 0 if all(good) else 1


SIDES = {"server": check_server, "client": check_client}

if __name__ == "__main__":
    sys.exit(main())
