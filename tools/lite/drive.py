"""Run the chapters of the browser edition in a real Chromium, and compare what the cells show.

python -m tools.lite.drive 00 03          these chapters of build/lite/
python -m tools.lite.drive                all of them; exit 1 if a cell shows something else
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import gzip
import http.server
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import nbformat
from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

from tools.lite.parts import ROOT
from tools.lite.saved import NOTEBOOKS, cells_in_need
from tools.notebooks import normalise

SITE: Final = ROOT / "build" / "lite"
_START: Final = 180_000  # milliseconds, on a machine that does other things, too
_PLOTS: Final = ("Round trips", "Traffic", "Trips to", "Bytes that wait", "Replica", "How ")
_CELL: Final = 90  # seconds
_OPEN: Final = """() => {
  const widget = window.jupyterapp?.shell.widgets('main').next().value;
  return widget?.content?.model?.cells.length > 0;
}"""
_IDLE: Final = """() => {
  const widget = window.jupyterapp.shell.widgets('main').next().value;
  return widget.sessionContext.session?.kernel?.status === 'idle';
}"""
_RUN: Final = """async ([index, seconds]) => {
  const notebook = window.jupyterapp.shell.widgets('main').next().value.content;
  notebook.activeCellIndex = index;
  const run = window.jupyterapp.commands.execute('notebook:run-cell').then(() => 'done');
  const late = new Promise((resolve) => setTimeout(() => resolve('late'), seconds * 1000));
  const how = await Promise.race([run, late]);
  return { how, outputs: notebook.model.cells.get(index).toJSON().outputs };
}"""


class Served(http.server.ThreadingHTTPServer):
    """A folder, served as ``python -m http.server`` does.

    Attributes:
        base: its address.
        octets: of files that were sent.
        zipped: the same, had they been sent by gzip.
    """

    def __init__(self, site: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(_Plain, directory=str(site)))
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.sent: list[bytes] = []

    @property
    def octets(self) -> int:
        """Octets of the files."""
        return sum(map(len, self.sent))

    @property
    def zipped(self) -> int:
        """Octets of the files by gzip."""
        return sum(min(len(file), len(gzip.compress(file, 6))) for file in self.sent)


class _Plain(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file, and count it."""
        data = source.read()
        cast("Served", self.server).sent.append(data)
        outputfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(site: Path = SITE) -> Iterator[Served]:
    """Serve a folder of files."""
    with Served(site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


@dataclass
class Visit:
    """What came of running a chapter.

    Args:
        name: of the notebook, without its ending.
        kernel: seconds until Python was ready.
        seconds: that all cells took.
        octets: that were sent to the browser.
        zipped: the same by gzip.
        outside: addresses of other machines that were asked for.
        cells: how many ran, or showed what was saved.
        wrong: how each cell that shows something else differs.
        first: seconds from the address to the first picture.
    """

    name: str
    kernel: float = 0.0
    seconds: float = 0.0
    octets: int = 0
    zipped: int = 0
    outside: list[str] = field(default_factory=list)
    cells: int = 0
    wrong: list[str] = field(default_factory=list)
    first: float | None = None

    def __str__(self) -> str:
        first = "" if self.first is None else f", first picture after {self.first:.1f} s"
        return (
            f"{self.name}: {self.cells - len(self.wrong)} of {self.cells} cells as saved, kernel "
            f"after {self.kernel:.1f} s{first}, cells {self.seconds:.1f} s, "
            f"{self.octets / 1e6:.1f} MB ({self.zipped / 1e6:.1f} by gzip), "
            f"{len(self.outside)} requests outside"
        )


def visit(context: BrowserContext, server: Served, name: str) -> Visit:
    """Open a chapter, run its cells one after the other, and compare."""
    done = Visit(name)
    server.sent.clear()
    page, began = open_chapter(context, server, done)
    run_cells(page, name, done, began)
    page.close()
    done.octets, done.zipped = server.octets, server.zipped
    return done


def open_chapter(context: BrowserContext, server: Served, done: Visit) -> tuple[Page, float]:
    """Open a chapter and wait until its Python is ready; return when the address was typed, too."""
    page, base = context.new_page(), server.base

    def see(route: Route) -> None:
        url = route.request.url
        if url.startswith((base, "data:", "blob:")):
            route.continue_()
        else:
            done.outside.append(url)
            route.abort()

    context.route("**/*", see)
    began = time.monotonic()
    page.goto(f"{base}/lab/index.html?path={done.name}.ipynb", timeout=_START)
    page.wait_for_function(_OPEN, timeout=_START)
    page.wait_for_function(_IDLE, timeout=_START)
    done.kernel = time.monotonic() - began
    return page, began


def run_cell(page: Page, index: int) -> Any:
    """Run one cell: how it ended, and its outputs."""
    return page.evaluate(_RUN, [index, _CELL])


def run_cells(page: Page, name: str, done: Visit, began: float) -> None:
    """Run all cells; take down which of them show something else than what is saved."""
    path = NOTEBOOKS / f"{name}.ipynb"
    saved = nbformat.read(path, as_version=4)
    held = {index for index, *_ in cells_in_need(path)}
    start = time.monotonic()
    for index, cell in enumerate(saved.cells):
        if cell.cell_type != "code":
            continue
        told = run_cell(page, index)
        done.cells += 1
        done.seconds = time.monotonic() - start
        if done.first is None and "<svg" in json.dumps(told["outputs"]):
            done.first = time.monotonic() - began
        why = "it did not end" if told["how"] == "late" else ""
        why = why or _difference(cell, told["outputs"], index in held)
        if why:
            done.wrong.append(f"cell {index} {cell.source.splitlines()[:1]}: {why}")
        if told["how"] == "late":
            return


def _difference(saved: Any, outputs: list[Any], held: bool) -> str:
    """How the outputs of a cell differ from the saved ones; "" if they do not."""
    wanted = _plain(saved.source, saved.outputs)
    got = _plain(saved.source, outputs)
    meant = "error" in {output["output_type"] for output in wanted}
    for output in got:
        if output["output_type"] == "error" and not meant:
            return f"{output['ename']}: {output['evalue']}"
    if saved.source.rstrip().endswith("need_mongod()"):
        return ""  # it says here what is missing
    if held:
        return "" if wanted == got[1:] else "it does not show what was saved"
    if "nbval-ignore-output" in saved.metadata.get("tags", []) or wanted == got:
        return ""
    before, after = (json.dumps(one, indent=0, ensure_ascii=False) for one in (wanted, got))
    compared = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    changes = [line for line in compared if line[2:3].strip()]
    return " | ".join(line[:160] for line in changes[2:8]) or "white space"


def _plain(source: str, outputs: list[Any]) -> list[Any]:
    """Outputs as ``make notebooks`` saves them; ends of lines are JupyterLab's."""
    cell = nbformat.v4.new_code_cell(source, outputs=nbformat.from_dict(outputs))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    plain = []
    for output in normalise(notebook).cells[0].outputs:
        output = json.loads(json.dumps(output))
        output.pop("execution_count", None)
        output.pop("traceback", None)
        output["output_type"] = output["output_type"].replace("execute_result", "display_data")
        if "text" in output:
            output["text"] = "".join(output["text"]).replace("\r\n", "\n")
        data = {kind: "".join(value) for kind, value in output.get("data", {}).items()}
        output["data"] = {kind: _described(value) for kind, value in data.items()}
        if output.get("name") != "stderr":  # what a busy machine makes the log say
            plain.append(output)
    return plain


def _described(html: str) -> str:
    """A plot by its description, since without matplotlib it is drawn by other lines."""
    labels = re.findall(r'<svg[^>]*aria-label="([^"]*)"', html)
    return " ".join(labels) if labels and any(labels[0].startswith(one) for one in _PLOTS) else html


def chapters(beginnings: list[str]) -> list[str]:
    """The names of the chapters that begin so; all of them without a beginning."""
    names = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    return [name for name in names if not beginnings or name.startswith(tuple(beginnings))]


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(description="Run chapters of the browser edition in Chromium.")
    parser.add_argument("names", nargs="*", help="beginnings of their names; default: all")
    parser.add_argument("--browser", default="/usr/bin/chromium", help="the program")
    parser.add_argument("--site", type=Path, default=SITE, metavar="DIR", help="what was built")
    args = parser.parse_args()
    wrong = 0
    with served(args.site) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=args.browser, args=["--no-sandbox"])
        for name in chapters(args.names):
            context = browser.new_context(viewport={"width": 1400, "height": 1000})
            done = visit(context, server, name)
            context.close()
            print(done, *done.wrong, *done.outside, sep="\n   ", flush=True)
            wrong += len(done.wrong) + len(done.outside)
        browser.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
