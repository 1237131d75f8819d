"""DeflateLab and HeartbeatLab in a real JupyterLab, light and dark, by mouse and by keyboard."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.jupyter import JupyterLab, Notebook
from tests.browser.test_mask_and_bson import check_legible, milliseconds

# ---------------------------------------------------------------------- DeflateLab


def test_messages_are_typed_and_weighed(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import DeflateLab\nlab = DeflateLab([]); lab")
    said, rows = page.locator(".goim-deflate-said"), page.locator(".goim-deflate-series tbody tr")
    expect(said).to_contain_text("no message yet")
    text = page.get_by_label("next message")
    text.click()
    page.keyboard.type("tick tick tick")
    expect(page.locator(".goim-deflate-weight")).to_contain_text("14 octets, ")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    page.keyboard.type("tick tick tick")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    expect(page.locator(".goim-deflate-rsv1")).to_contain_text("RSV1")
    expect(page.locator(".goim-deflate-picture .goim[role=img]")).to_be_visible()
    assert notebook.run_cell("lab.messages, lab.takeover, lab.selected") == (
        "(['tick tick tick', 'tick tick tick'], True, 1)"
    )
    assert notebook.run_cell("lab.sizes[1].compressed < lab.sizes[0].compressed") == "True"

    page.get_by_label("server: context takeover").uncheck()
    expect(page.locator(".goim-deflate-agreement")).to_contain_text("server_no_context_takeover")
    expect(page.locator(".goim-deflate-series thead")).to_contain_text("without takeover: agreed")
    assert notebook.run_cell("lab.sizes[1] == lab.sizes[0], lab.memory.compressor") == "(True, 0)"


def test_the_deflate_lab_is_played_from_the_keyboard(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.widgets import DeflateLab\n"
        "lab = DeflateLab('a long list, sent three times'); lab"
    )
    said = page.locator(".goim-deflate-said")
    before = said.inner_text()
    bits = page.get_by_label("server: window bits")
    bits.focus()
    page.keyboard.press("Home")
    expect(page.locator(".goim-deflate-agreement")).to_contain_text("server_max_window_bits=9")
    expect(said).not_to_have_text(before)
    page.keyboard.press("ArrowRight")
    expect(bits).to_have_attribute("aria-valuetext", "10: 1,024 octets")
    # The kernel has it when its answer is here: a second change waits for the answer to the first.
    expect(page.locator(".goim-deflate-agreement")).to_contain_text("server_max_window_bits=10")
    assert notebook.run_cell("lab.window_bits") == "10"

    page.get_by_label("Show message 3").focus()
    page.keyboard.press("ArrowUp")
    second = page.get_by_label("Show message 2")
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(second).to_be_focused()
    width = second.evaluate("node => getComputedStyle(node).outlineWidth")
    assert width == "3px", "the focus is seen"
    page.keyboard.press("Delete")
    expect(page.locator(".goim-deflate-series tbody tr")).to_have_count(2)
    assert notebook.run_cell("len(lab.messages), lab.selected") == "(2, 1)"
    check_legible(page, ".goim-deflate :is(td, p, small, code, legend, output, button)")

    page.get_by_role("button", name="Start anew").click()
    expect(said).to_contain_text("no message yet")
    page.get_by_label("start from").select_option("octets without a pattern")
    expect(page.locator(".goim-deflate-frame")).to_contain_text("It did not get shorter")
    page.get_by_label("sent by").select_option("client")
    expect(page.locator(".goim-deflate-bits")).to_contain_text("MASK1")
    assert notebook.run_cell("lab.sender, lab.frames[0][1] >> 7") == "('client', 1)"


def test_a_row_that_is_pressed_while_an_answer_comes_is_chosen(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.widgets import DeflateLab\nDeflateLab(['one', 'two', 'three'])"
    )
    first, second = page.get_by_label("Show message 1"), page.get_by_label("Show message 2")
    second.hover()
    page.mouse.down()
    first.evaluate("node => node.click()")
    expect(first).to_have_attribute("aria-pressed", "true")
    page.mouse.up()
    expect(second).to_have_attribute("aria-pressed", "true")


def test_a_setting_is_answered_in_a_tenth_of_a_second(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import DeflateLab\nDeflateLab()")
    act = "document.querySelector('.goim-deflate input[type=checkbox]').click()"
    took = milliseconds(page, act, ".goim-deflate-said")
    assert took < 1000, f"{took:.0f} ms; 100 on a machine that does nothing else"


# ---------------------------------------------------------------------- HeartbeatLab


def test_a_silent_link_is_noticed_before_the_eyes(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.lab import LiveServer; from goim_edu.widgets import HeartbeatLab\n"
        "live = LiveServer('memory'); lab = HeartbeatLab(live, interval=0.2, timeout=2); lab"
    )
    verdict, pongs = page.locator(".goim-beat .goim-verdict"), page.locator(".goim-beat-pong")
    expect(verdict).to_contain_text("Not started yet")
    start = page.get_by_role("button", name="Start", exact=True)
    start.focus()
    page.keyboard.press("Enter")
    expect(verdict).to_have_attribute("data-state", "good")
    expect(pongs.nth(2)).to_be_visible()

    delay = page.get_by_label("delay each way")
    delay.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(delay).to_have_attribute("aria-valuetext", "50 ms")
    assert notebook.run_cell("lab.delay, lab.state") == "(0.05, 'running')"
    assert notebook.run_cell("lab.wait(lab.statistics.pongs + 5); lab.statistics.last > 0.1") == (
        "True"
    )

    page.get_by_role("button", name="Silence the link").click()
    expect(verdict).to_have_attribute("data-state", "wrong")
    expect(verdict).to_contain_text("after the link fell silent")
    expect(page.locator(".goim-beat-lost").first).to_be_visible()
    expect(page.locator(".goim-beat-plot")).to_contain_text("the peer is silent")
    assert notebook.run_cell("lab.verdict.name, lab.state") == "('SILENT', 'silent')"
    check_legible(page, ".goim-beat :is(p, legend, output, button:enabled, .goim-beat-bound)")

    page.get_by_role("button", name="Restore the link").click()
    start.click()
    expect(verdict).to_have_attribute("data-state", "good")
    page.get_by_role("button", name="Cut the connection").click()
    expect(verdict).to_contain_text("a reset is noticed at once")
    page.get_by_role("button", name="Reset").click()
    expect(verdict).to_contain_text("Not started yet")
    expect(delay).to_have_attribute("aria-valuetext", "0 s")
    assert notebook.run_cell("lab.state, lab.delay, lab.round_trips") == "('ready', 0.0, [])"


def test_python_plays_the_heartbeat_lab_and_the_browser_shows_it(
    lab: JupyterLab, page: Page
) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.lab import LiveServer; from goim_edu.widgets import HeartbeatLab\n"
        "live = LiveServer('memory'); lab = HeartbeatLab(live, interval=0.1, timeout=0.5); lab"
    )
    notebook.run_cell("lab.start()")
    expect(page.locator(".goim-beat-pong").nth(3)).to_be_visible()
    notebook.run_cell("lab.timeout = 0.7; lab.silence()")
    verdict = page.locator(".goim-beat .goim-verdict")
    expect(verdict).to_contain_text("interval + timeout: 0.8 s")
    threads = "import threading; [t.name for t in threading.enumerate()].count('HeartbeatLab')"
    assert notebook.run_cell(f"lab.start(); lab.wait(1); {threads}") == "1"
    assert notebook.run_cell(f"lab.close(); {threads}") == "0"
    expect(page.locator(".goim-beat")).to_have_count(0)
