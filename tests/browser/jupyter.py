"""A real JupyterLab with its own folders, and a real Chromium that opens notebooks in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tools.jupyterlab import LabProcess

START_TIMEOUT = 60.0  # seconds
STEP_TIMEOUT = 60.0  # seconds for what is asked of JupyterLab from outside
Theme = Literal["light", "dark"]
A_LONG_TALK = """
from goim_edu.capture import Capture
from goim_edu.protocol import build_frame
capture = Capture()
record = capture.tap(1)
record("in", 0.0, b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
record("out", 0.0, b"HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n")
for n in range(100_000):
    record("in", n / 1e3, build_frame(f"n{n}", mask_key=b"abcd"))
"""
"""A cell that records 100,000 frames and a handshake: 100,002 entries."""
_MEASURE = """async ([widget, watched, turns]) => {
    const root = document.querySelector(widget);
    const act = new Function("root", "turn", %s);
    const times = [];
    for (let turn = 0; turn < turns; turn++) {
        const node = root.querySelector(watched);
        const changed = new Promise((done) => new MutationObserver(done).observe(
            node, {childList: true, characterData: true, subtree: true}));
        const start = performance.now();
        act(root, turn);
        await Promise.race([changed, new Promise((done) => setTimeout(done, 5000))]);
        times.push(performance.now() - start);
        await new Promise((done) => setTimeout(done, 100));
    }
    return times;
}"""


class JupyterLab(LabProcess):
    """JupyterLab that shows ``root``.

    Args:
        root: the folder whose notebooks it shows.
        home: an empty folder for its settings, workspaces and run-time files.
        theme: which of JupyterLab's own themes.
    """

    def __init__(self, root: Path, home: Path, theme: Theme = "light") -> None:
        self.root = root
        _write_settings(home / "settings", theme)
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.root_dir={root}",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.expose_app_in_browser=True",
        ]
        super().__init__(command, home, root)

    def wait(self, seconds: float = START_TIMEOUT) -> Self:
        """Return itself once it answers; fail with its log when it does not."""
        return super().wait(seconds)

    def url(self, notebook: str) -> str:
        """Return the address that opens ``notebook`` in a fresh workspace."""
        return f"{self.base}/lab/tree/{notebook}?reset&token={self.token}"


def _write_settings(folder: Path, theme: Theme) -> None:
    chosen: dict[str, dict[str, Any]] = {
        "apputils-extension/themes": {
            "theme": "JupyterLab Dark" if theme == "dark" else "JupyterLab Light"
        },
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {
            "checkForUpdates": False,
            "doNotDisturbMode": True,
            "fetchNews": "false",
        },
    }
    for name, values in chosen.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


@contextmanager
def new_page(
    opener: Browser | BrowserContext, width: int = 1280, height: int = 900
) -> Iterator[tuple[Page, list[str]]]:
    """Open a page; yields it and the list that its console errors are added to.

    Pages of one context share the browser's cache, so JupyterLab loads faster from the second on.
    """
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location.get('url', '')})")

    page = opener.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.set_default_timeout(STEP_TIMEOUT * 1000)
    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page, errors
    finally:
        page.close()


class Notebook:
    """A notebook that is open in a page of JupyterLab."""

    def __init__(self, page: Page, lab: JupyterLab, name: str) -> None:
        self.page = page
        page.goto(lab.url(name))
        page.wait_for_function("() => window.jupyterapp?.restored")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        self._run("app.shell.collapseLeft()")
        self._run(
            "const panel = app.shell.currentWidget; await panel.sessionContext.ready;"
            "await panel.sessionContext.session.kernel.info"
        )

    def _run(self, body: str) -> Any:
        # page.evaluate knows no time-out of its own.
        late = f"new Promise((_, no) => setTimeout(no, {STEP_TIMEOUT * 1000:.0f}, 'too slow'))"
        work = f"(async () => {{ const app = window.jupyterapp; {body} }})()"
        return self.page.evaluate(f"() => Promise.race([{work}, {late}])")

    def open(self, name: str) -> None:
        """Open another notebook beside this one."""
        self._run(f"await app.commands.execute('docmanager:open', {{path: {json.dumps(name)}}})")

    def run_all(self) -> None:
        """Run every cell and return when the last has ended."""
        self._run("await app.commands.execute('notebook:run-all-cells')")

    def run_cell(self, source: str) -> str:
        """Add ``source`` as a cell at the end, run it, and return the text of its output."""
        self._run(
            f"const notebook = app.shell.currentWidget.content;"
            f"notebook.activeCellIndex = notebook.widgets.length - 1;"
            f"await app.commands.execute('notebook:insert-cell-below');"
            f"notebook.activeCell.model.sharedModel.setSource({json.dumps(source)});"
            f"await app.commands.execute('notebook:run-cell')"
        )
        return self.outputs()[-1]

    def rerun(self, index: int) -> None:
        """Run the cell number ``index`` (of all cells, from 0) again."""
        self._run(
            f"const notebook = app.shell.currentWidget.content;"
            f"notebook.deselectAll(); notebook.activeCellIndex = {index};"
            f"await app.commands.execute('notebook:run-cell')"
        )

    def index_of(self, source: str) -> int:
        """Return the number of the first cell whose source contains ``source``."""
        found = self._run(
            f"return app.shell.currentWidget.content.widgets.findIndex("
            f"cell => cell.model.sharedModel.getSource().includes({json.dumps(source)}))"
        )
        if found < 0:
            raise LookupError(f"no cell contains {source!r}")
        return int(found)

    def outputs(self) -> list[str]:
        """Return the visible text of each code cell's output area, in order."""
        areas = self.page.query_selector_all(".jp-CodeCell")
        return [
            "\n".join(
                part.inner_text() for part in area.query_selector_all(".jp-OutputArea-output")
            )
            for area in areas
        ]

    def error_outputs(self) -> list[str]:
        """Return the text of every output that is an error or went to stderr."""
        found = self.page.query_selector_all(
            "[data-mime-type='application/vnd.jupyter.stderr'], "
            "[data-mime-type='application/vnd.jupyter.error']"
        )
        return [output.inner_text() for output in found]

    def screenshot(self, path: Path, *, full: bool = True) -> Path:
        """Save what the page shows, with ``full`` the notebook from top to bottom, as PNG."""
        if full:
            height = self._run(
                "const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')];"
                "const top = document.querySelector('.jp-Notebook').getBoundingClientRect().top;"
                "const first = cells[0].getBoundingClientRect().top;"
                "return cells.at(-1).getBoundingClientRect().bottom - first + top"
            )
            size = self.page.viewport_size or {"width": 1280, "height": 900}
            self.page.set_viewport_size({"width": size["width"], "height": int(height) + 70})
            self._run(
                "document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0;"
                "await new Promise(done => setTimeout(done, 500))"
            )
        self.page.screenshot(path=path)
        return path


def answer_times(page: Page, widget: str, act: str, watched: str, turns: int) -> list[float]:
    """Milliseconds from what is done in a widget to what that changes there, for each turn.

    Args:
        page: that shows the widget.
        widget: the selector of its element.
        act: JavaScript that does it, with ``root``, that element, and ``turn``.
        watched: the selector, within the widget, of what changes; 5,000 ms if it does not.
        turns: how often.
    """
    times: list[float] = page.evaluate(_MEASURE % repr(act), [widget, watched, turns])
    return times
