"""How long a widget takes to answer: from a click in a real JupyterLab to what it changes there.

    python -m benchmarks.widgets

Chromium and JupyterLab run here, so every figure holds the way to the kernel, its work, the way
back, and the change of the page. The aim is 100 ms on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

from benchmarks.rows import OURS, Missing, Progress, Row
from tests.browser.jupyter import A_LONG_TALK, Notebook, answer_times, new_page
from tests.conftest import CHROMIUM_FLAGS, find_chromium
from tools.widget_shots import prepare

# Widget: the cell that shows it, its element, what is done there, and what that changes.
ACTIONS: Final = {
    "FrameLab": (
        "FrameLab('text: Hello', server=live)",
        ".goim-lab",
        "root.querySelector(\"[data-bit='1']\").click()",
        ".goim-verdict",
    ),
    "HandshakeLab": (
        "HandshakeLab(live)",
        ".goim-hand",
        """const text = root.querySelector("textarea");
           text.value = text.value.replace(/Version: .*/, `Version: ${turn % 2 ? 13 : 8}`);
           text.dispatchEvent(new Event("input"))""",
        ".goim-verdict",
    ),
    "MaskLab": (
        "MaskLab('Hello')",
        ".goim-mask",
        "root.querySelector(\"[data-of='key'][data-bit='0']\").click()",
        ".goim-mask-lines",
    ),
    "BsonLab": (
        "BsonLab('a chat message')",
        ".goim-bson",
        """const menu = root.querySelector("select");
           menu.selectedIndex = 2 + (turn % 2);
           menu.dispatchEvent(new Event("change"))""",
        ".goim-bson-list",
    ),
    "DeflateLab": (
        "DeflateLab('a chat in JSON')",
        ".goim-deflate",
        "root.querySelector(\"input[type='checkbox']\").click()",
        "table",
    ),
    "WireTap": (
        "WireTap(live)",
        ".goim-tap",
        'root.querySelectorAll(".goim-tap-row")[1 + (turn % 2)].click()',
        ".goim-tap-title",
    ),
    "ChatPanel": (
        "ChatPanel(live, users=['ada', 'lin'])",
        ".goim-chat",
        """const form = root.querySelector("form");
           form.querySelector("input").value = `message ${turn}`;
           form.requestSubmit()""",
        ".goim-chat-column:last-child .goim-chat-log",
    ),
}


def measure(page: Page, notebook: Notebook, name: str, turns: int) -> list[float]:
    """Milliseconds of each action."""
    call, widget, act, watched = ACTIONS[name]
    notebook.run_cell(call)
    page.locator(f"{widget} {watched}").first.wait_for()
    if name == "ChatPanel":
        page.locator("[data-state=connected]").nth(1).wait_for()
    page.wait_for_timeout(1000)
    return answer_times(page, widget, act, watched, turns)


def open_a_long_talk(page: Page, notebook: Notebook) -> float:
    """Seconds from running the cell of a WireTap of 100,000 frames to its list of them."""
    notebook.run_cell(A_LONG_TALK)
    begin = time.perf_counter()
    notebook.run_cell("WireTap(capture)")
    page.locator(".goim-tap-bar", has_text="100,002 entries").wait_for()
    return time.perf_counter() - begin


@contextmanager
def open_notebook() -> Iterator[tuple[Page, Notebook]]:
    """A notebook in a JupyterLab and a Chromium of our own."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = prepare(Path(folder), "light")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        try:
            with new_page(browser, height=1400) as (page, _):
                notebook = Notebook(page, lab, "widgets.ipynb")
                notebook.run_all()
                yield page, notebook
        finally:
            browser.close()
            lab.stop()


def rows(quick: bool, progress: Progress) -> list[Row]:
    """One round of all widgets: the median of some answers."""
    if not find_chromium():
        raise Missing("Chromium is not here: apt install chromium")
    found = []
    progress("widgets: JupyterLab starts")
    with open_notebook() as (page, notebook):
        for name in ACTIONS:
            progress(f"widgets: {name}")
            middle = statistics.median(measure(page, notebook, name, 10))
            found.append(Row("widgets", name, OURS, "ms to the answer", (middle,), "lower"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--only", default="", choices=["", *ACTIONS])
    args = parser.parse_args()
    with open_notebook() as (page, notebook):
        for name in ACTIONS:
            if args.only in ("", name):
                times = sorted(measure(page, notebook, name, args.turns))
                middle = statistics.median(times)
                print(f"{name:14} median {middle:5.0f} ms, worst {times[-1]:5.0f} ms")
        if args.only in ("", "WireTap"):
            seconds = open_a_long_talk(page, notebook)
            print(f"a WireTap of 100,000 frames opens in {seconds:.1f} s (aim 2)")


if __name__ == "__main__":
    main()
