"""The browser edition: built without network, and its chapters run cell by cell in Chromium."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.conftest import require
from tools.lite.drive import Served, Visit, chapters, open_chapter, run_cell, served, visit
from tools.lite.parts import ROOT, Parts
from tools.lite.saved import NOTEBOOKS, cells_in_need

FIRST = ("00-start-here", "03-frames")  # the others: python -m tools.lite.drive
# How many cells of each chapter a browser cannot run, and what they need.
HELD = {
    "03b-frame-parser": {"sockets": 3},
    "04-masking": {"numpy": 4},
    "08-endpoint": {"processes": 1, "threads": 6},
    "09-chat-server": {"threads": 3},
    "09b-chat-promises": {"sockets": 6},
    "15-whole-system": {"mongod": 2},
}
OF_A_DATABASE = (
    "10-documents",
    "11-indexes",
    "12-storing-messages",
    "12b-starting-and-stopping",
    "13-replica-set",
    "15b-several-servers",
)


@pytest.mark.parametrize("name", chapters([]))
def test_the_cells_that_cannot_run_are_these(name: str) -> None:
    needs = Counter(need for _, need, _ in cells_in_need(NOTEBOOKS / f"{name}.ipynb"))
    if name in OF_A_DATABASE:
        assert needs.keys() == {"mongod"}
    else:
        assert needs == HELD.get(name, {})


def test_no_cell_installs_anything() -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        text = path.read_text("utf-8")
        assert "%pip" not in text
        assert "micropip" not in text


pytestmark = pytest.mark.timeout(900)  # the first time, all parts are fetched


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built where no network can be reached from what was fetched before."""
    parts = Parts()
    parts.fetch()
    folder = tmp_path_factory.mktemp("lite")
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "tools.lite"]
    done = subprocess.run(
        [*command, "--site", str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    if "unshare" in done.stderr:
        require(False, "a network namespace of one's own", done.stderr)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Served]:
    with served(site) as server:
        yield server


def test_it_holds_what_its_lock_names(site: Path) -> None:
    folder = site / "static" / "pyodide"
    packages = json.loads((folder / "pyodide-lock.json").read_text())["packages"]
    assert {one["file_name"] for one in packages.values()} == {
        path.name for path in folder.glob("*.whl")
    }
    assert "goim-edu" in packages
    assert "any" in packages["pymongo"]["file_name"]


@pytest.mark.parametrize("name", FIRST)
def test_a_chapter_shows_what_was_saved(browser: Browser, server: Served, name: str) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    try:
        done = visit(context, server, name)
    finally:
        context.close()
    print(done)
    assert done.wrong == []
    assert done.outside == []
    assert done.cells > 5
    assert done.octets < 30e6


def test_the_panel_talks_to_the_server_in_the_tab(browser: Browser, server: Served) -> None:
    """What is typed in one column stands in the other: by the tunnel, past no network at all."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    try:
        page, _ = open_chapter(context, server, Visit("00-start-here"))
        for index in (1, 5):
            run_cell(page, index)
        columns = page.locator(".goim-chat-column")
        columns.first.wait_for(timeout=30_000)
        names = columns.locator("header b").all_inner_texts()
        page.locator(".goim-chat-state[data-state=connected]").nth(1).wait_for(timeout=30_000)
        columns.first.locator("input").fill("你好 from this tab")
        columns.first.locator("input").press("Enter")
        other = columns.nth(1).locator(".goim-chat-text", has_text="你好 from this tab")
        other.wait_for(timeout=30_000)
        assert len(names) == 2
    finally:
        context.close()
