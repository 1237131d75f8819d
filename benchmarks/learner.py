"""What a learner feels: how long it takes to import, to open the course, to flip a bit.

    python -m benchmarks.learner [--quick] [--rounds 5]

How long the chapters run, ``benchmarks/learner_chapters.py`` measures; how long a widget takes with
a browser before it, ``benchmarks/widgets.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from benchmarks.rows import OURS, Progress, Row, in_turns, join
from goim_edu.client.sync import connect
from goim_edu.widgets import FrameLab
from tools.jupyterlab import LabProcess

ROOT: Final = Path(__file__).resolve().parent.parent
GROUP: Final = "learner"
FIRST: Final = "00-start-here.ipynb"
AS_MAKE: Final = {"PYTHONDONTWRITEBYTECODE": "1"}  # `make` leaves a checkout as it was cloned
LAB_TIMEOUT: Final = 120.0  # seconds
IMPORTS: Final = {
    OURS: "import goim_edu.protocol",
    "websockets": "import websockets.server, websockets.client",
    "aiohttp": "import aiohttp.web",
    "wsproto": "import wsproto",
    "Python alone": "pass",
}


# ---------------------------------------------------------------------- importing


def import_rows(repeats: int, folder: Path) -> Iterator[Row]:
    """Milliseconds from the start of a Python to the end of its import."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def once(code: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)
        return 1000 * (time.perf_counter() - begin)

    def task(code: str) -> Callable[[], float]:
        return lambda: once(code)

    tasks = {name: task(code) for name, code in IMPORTS.items()}
    in_turns(tasks, 1)  # compiles them
    for name, times in in_turns(tasks, repeats).items():
        what = "start Python and import the protocol"
        yield Row(GROUP, what, name, "ms", (statistics.median(times),), "lower")


# ---------------------------------------------------------------------- opening the course


class Lab(LabProcess):
    """``python -m goim_edu lab`` in folders of its own, without a browser."""

    def __init__(self, folder: Path) -> None:
        self.begin = time.perf_counter()
        command = [sys.executable, "-m", "goim_edu", "lab", "--course", str(folder / "course")]
        super().__init__(command, folder, ROOT, AS_MAKE)

    def open(self) -> float:
        """Seconds until it answers."""
        self.wait(LAB_TIMEOUT)
        return time.perf_counter() - self.begin

    def run(self, code: str) -> tuple[str, float]:
        """What a cell of the first notebook answers, and the seconds until then."""
        kernel = {"name": "python3"}
        asked = {"path": FIRST, "name": FIRST, "type": "notebook", "kernel": kernel}
        session = self._ask("sessions", asked)
        url = f"ws{self.base.removeprefix('http')}/api/kernels/{session['kernel']['id']}/channels"
        with connect(f"{url}?token={self.token}") as ws:
            ws.send(json.dumps(execute_request(code)))
            while True:
                told = json.loads(ws.recv(timeout=LAB_TIMEOUT))
                if told["msg_type"] == "execute_result":
                    text = str(told["content"]["data"]["text/plain"])
                    return text, time.perf_counter() - self.begin

    def _ask(self, path: str, content: object = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.base}/api/{path}", data, headers)
        with urllib.request.urlopen(request, timeout=LAB_TIMEOUT) as answer:
            return json.load(answer)


def execute_request(code: str) -> dict[str, object]:
    """A message of the Jupyter protocol, as JupyterLab sends it for a cell."""
    header = {
        "msg_id": uuid4().hex,
        "msg_type": "execute_request",
        "session": uuid4().hex,
        "username": "learner",
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    rest = {"parent_header": {}, "metadata": {}, "channel": "shell", "buffers": []}
    return {"header": header, "content": content, **rest}


def lab_rows(folder: Path) -> Iterator[Row]:
    """From the command to a JupyterLab that answers, and to a kernel that has run a cell."""
    lab = Lab(folder)
    try:
        seconds = {"until JupyterLab answers": lab.open()}
        answer, seconds["until the first cell has run"] = lab.run("1 + 1")
    finally:
        lab.stop()
    if answer != "2":
        raise RuntimeError(f"1 + 1 is {answer}")
    for what, value in seconds.items():
        yield Row(GROUP, f"make lab, {what}", OURS, "s", (value,), "lower")


# ---------------------------------------------------------------------- flipping a bit


def flip_row(flips: int) -> Row:
    """Milliseconds that Python takes for a click on a bit: decode, explain, and the new view."""
    lab = FrameLab("text: Hello")
    times = []
    for number in range(flips):
        before, begin = lab.value, time.perf_counter()
        lab._receive(lab, {"type": "flip", "bit": number % 88}, None)
        times.append(1000 * (time.perf_counter() - begin))
        if lab.value == before:
            raise RuntimeError("the click did nothing")
    return Row(
        GROUP, "a flip in FrameLab, in Python", OURS, "ms", (statistics.median(times),), "lower"
    )


# ---------------------------------------------------------------------- all of it


def rows(quick: bool, progress: Progress) -> list[Row]:
    """One round of importing, opening the course, and flipping."""
    with tempfile.TemporaryDirectory(prefix="goim-bench-") as folder:
        progress("import the protocol")
        found = list(import_rows(5 if quick else 11, Path(folder) / "cache"))
        progress("flip a bit")
        found.append(flip_row(100))
        progress("open the course")
        found += lab_rows(Path(folder))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    found: list[Row] = []
    for _ in range(args.rounds):
        found += rows(args.quick, print)
    for row in join(found):
        span = f"({row.low:,.1f} to {row.high:,.1f})"
        print(f"{row.what:40}{row.subject:14}{row.median:10,.2f} {row.unit:6}{span}")


if __name__ == "__main__":
    main()
