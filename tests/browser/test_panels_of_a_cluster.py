"""Two panels in JupyterLab, each at a server of its own, of which one is killed (chapter 15b)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.jupyter import JupyterLab, Notebook
from tests.conftest import require_mongod

START = """
from goim_edu.lab import Cluster
from goim_edu.widgets import ChatPanel
cluster = Cluster(servers=2, members=1).start()
display(ChatPanel(cluster.urls[0], users=["ada"]), ChatPanel(cluster.urls[1], users=["lin"]))
"""


def say(page: Page, user: str, text: str) -> None:
    page.get_by_label(f"Message from {user}", exact=True).fill(text)
    page.keyboard.press("Enter")


def log_of(page: Page, user: str) -> Locator:
    field = page.get_by_label(f"Message from {user}", exact=True)
    return page.locator(".goim-chat-column", has=field).locator(".goim-chat-log")


@pytest.mark.kills_a_server
@pytest.mark.parametrize("lab", ["light"], indirect=True)
def test_one_half_goes_on_and_the_other_catches_up(lab: JupyterLab, page: Page) -> None:
    require_mongod()
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(START)
    expect(page.locator(".goim-chat-state[data-state=connected]")).to_have_count(2)
    ada, lin = log_of(page, "ada"), log_of(page, "lin")
    say(page, "ada", "both are there")
    expect(lin.locator("[data-seq='1']")).to_contain_text("both are there")

    notebook.run_cell("cluster.kill(0)")
    say(page, "ada", "is anybody there?")
    say(page, "lin", "the other half goes on")
    expect(lin.locator("[data-seq='2']")).to_contain_text("the other half goes on")
    expect(ada.locator(".goim-chat-waiting", has_text="is anybody there?")).to_have_count(1)
    expect(ada.locator("[data-seq='2']")).to_have_count(0)

    notebook.run_cell("cluster.restart(0)")
    for log in (ada, lin):
        expect(log.locator("[data-seq='3']")).to_contain_text("is anybody there?", timeout=40_000)
        expect(log.locator("[data-seq]")).to_have_count(3)
    expect(ada.locator(".goim-chat-waiting")).to_have_count(0)
    notebook.run_cell("cluster.close()")
    assert notebook.error_outputs() == []
