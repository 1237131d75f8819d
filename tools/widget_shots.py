"""Photograph the widgets in a real JupyterLab, in its light and in its dark theme.

They join the pictures of ``tools/exhibits.py``; one JupyterLab a theme serves all of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Final

import nbformat
from playwright.sync_api import Page, sync_playwright

from tests.browser.jupyter import JupyterLab, Notebook, Theme, new_page
from tests.conftest import CHROMIUM_FLAGS, find_chromium
from tools.exhibits import Exhibit, Shot

__all__ = ["WIDGETS", "prepare"]

FIRST: Final = Path(__file__).resolve().parent.parent / "notebooks" / "00-start-here.ipynb"
SET_UP: Final = """
from goim_edu.lab import LiveServer
from goim_edu.client import connect
from goim_edu.protocol import build_frame
from goim_edu.widgets import BsonLab, ChatPanel, DeflateLab, FrameLab, HandshakeLab
from goim_edu.widgets import HeartbeatLab, MaskLab, WireTap
live = LiveServer("memory", compression=True)
async with connect(live.echo_url) as ws:
    for text in ("Hello, hello, hello", "你好", '{"type":"send","text":"Hello"}'):
        await ws.send(text)
        await ws.recv()
    await ws.ping()
live.ask(bytes.fromhex("c18537fa213d7f9f4d5158"))
"""


def chat(page: Page) -> None:
    page.locator("[data-state=connected]").nth(1).wait_for()
    for who, said in (("ada", "Hello Lin! 你好"), ("lin", "Hello Ada!"), ("ada", "It works.")):
        page.get_by_label(f"Message from {who}").fill(said)
        page.keyboard.press("Enter")
        page.locator(".goim-chat-own", has_text=said).wait_for()


def frame_lab(page: Page) -> None:
    page.locator("[data-bit='1']").click()
    page.locator(".goim-lab .goim-verdict[data-state=wrong]").wait_for()
    page.get_by_role("button", name="Send it to the live server").click()
    page.locator(".goim-lab-answer li").wait_for()


def wire_tap(page: Page) -> None:
    page.locator(".goim-tap-row", has_text="Hello, hello").first.click()
    page.locator("[data-at='3']").click()
    page.locator(".goim-tap-lit").first.wait_for()


def handshake_lab(page: Page) -> None:
    page.get_by_label("start from").last.select_option("version 8")
    page.locator(".goim-hand .goim-verdict[data-state=wrong]").wait_for()
    page.get_by_role("button", name="Ask the live server").click()
    page.locator(".goim-hand-answer", has_text="426").wait_for()


def mask_lab(page: Page) -> None:
    page.get_by_label("show masking twice").check()
    page.locator(".goim-mask [data-of='key'][data-bit='0']").first.click()
    page.locator(".goim-mask-lines", has_text="ff 9f").wait_for()


def bson_lab(page: Page) -> None:
    page.locator(".goim-bson-element", has_text="text = ").click()
    page.locator(".goim-bson-lit").first.wait_for()


def damaged_bson(page: Page) -> None:
    page.locator(".goim-bson").last.locator("[data-at='14']").click()
    page.locator(".goim-bson").last.locator(".goim-bson-said", has_text="byte 14").wait_for()


def deflate_lab(page: Page) -> None:
    page.get_by_label("server: context takeover").uncheck()
    page.locator(".goim-deflate-said", has_text="with context takeover as").wait_for()
    page.get_by_label("server: context takeover").check()
    page.get_by_label("next message").fill('{"type":"ack","seq":6}')
    page.locator(".goim-deflate-weight", has_text="on the wire").wait_for()


def heartbeat_lab(page: Page) -> None:
    """Some seconds of a good link, of a slow one, of none, and the verdict."""
    page.get_by_role("button", name="Start", exact=True).click()
    page.locator(".goim-beat-pong").nth(7).wait_for()
    page.get_by_label("delay each way").fill("0.04")
    page.get_by_label("jitter up to").fill("0.03")
    page.locator(".goim-beat-pong").nth(17).wait_for()
    page.get_by_role("button", name="Silence the link").click()
    page.locator(".goim-beat .goim-verdict", has_text="the link fell silent").wait_for()


SHOWS: Final[dict[str, tuple[str, str, Callable[[Page], None]]]] = {
    "widget-wire-tap": ("WireTap(live)", ".goim-tap", wire_tap),
    "widget-frame-lab": ("FrameLab('text: Hello', server=live)", ".goim-lab", frame_lab),
    "widget-handshake-lab": ("HandshakeLab(live)", ".goim-hand", handshake_lab),
    "widget-mask-lab": ("MaskLab('Hello')", ".goim-mask", mask_lab),
    "widget-bson-lab": ("BsonLab('a chat message')", ".goim-bson", bson_lab),
    "widget-bson-lab-damaged": (
        "BsonLab('a string that lies about its length')",
        ".goim-bson:has([data-state=wrong])",
        damaged_bson,
    ),
    "widget-deflate-lab": ("DeflateLab('a chat in JSON')", ".goim-deflate", deflate_lab),
    "widget-heartbeat-lab": ("HeartbeatLab(live)", ".goim-beat", heartbeat_lab),
    "widget-chat-panel": ("ChatPanel(live, users=['ada', 'lin'])", ".goim-chat", chat),
}


@cache
def photographs(theme: Theme) -> dict[str, bytes]:
    """Return a PNG for each widget."""
    with tempfile.TemporaryDirectory() as folder:
        lab = prepare(Path(folder), theme)
        try:
            return _photograph(lab, theme)
        finally:
            lab.stop()


def prepare(folder: Path, theme: Theme) -> JupyterLab:
    """Start a JupyterLab with a notebook, ``widgets.ipynb``, in which a live server runs."""
    root, home = folder / "notebooks", folder / "home"
    root.mkdir()
    home.mkdir()
    _write_notebook(root / "widgets.ipynb")
    return JupyterLab(root, home, theme).wait()


def _write_notebook(path: Path) -> None:
    course = nbformat.read(FIRST, as_version=4)
    cell = nbformat.v4.new_code_cell(SET_UP)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=course.metadata)
    nbformat.write(notebook, path)


def _photograph(lab: JupyterLab, theme: Theme) -> dict[str, bytes]:
    taken = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        context = browser.new_context(color_scheme=theme, locale="en-GB", device_scale_factor=1.5)
        with new_page(context, height=1400) as (page, errors):
            notebook = Notebook(page, lab, "widgets.ipynb")
            notebook.run_all()
            for name, (call, selector, play) in SHOWS.items():
                notebook.run_cell(call)
                play(page)
                page.locator(".jp-Notebook").evaluate(
                    "node => node.ownerDocument.activeElement.blur()"
                )
                taken[name] = page.locator(selector).screenshot()
            if errors:
                raise RuntimeError(f"the browser's console says: {errors}")
        browser.close()
    return taken


def _shot(name: str) -> Shot:
    def shoot(theme: str) -> bytes:
        return photographs("dark" if theme == "dark" else "light")[name]

    return shoot


def _missing() -> str:
    return "" if find_chromium() else "Chromium"


TITLES: Final = {
    "widget-bson-lab": "A document as JSON and as BSON, both to be edited",
    "widget-bson-lab-damaged": "A damaged document, and where it breaks",
    "widget-chat-panel": "A chat in the notebook, over a WebSocket of the browser",
    "widget-deflate-lab": "A series of messages through one compressor",
    "widget-heartbeat-lab": "A real connection over a link that can be made bad",
    "widget-handshake-lab": "A request to edit, and what the live server answers",
    "widget-frame-lab": "A frame whose bits can be flipped",
    "widget-mask-lab": "Masking: flip a bit of payload or key",
    "widget-wire-tap": "A live capture: list, fields and bytes",
}
WIDGETS: Final = [
    Exhibit(name, TITLES[name], call, partial(_shot, name), _missing)
    for name, (call, _, _) in SHOWS.items()
]
