"""The notebooks in a real JupyterLab in a real Chromium, as a learner has them before the eyes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from goim_edu.cli.lab import trust
from tests.browser.jupyter import A_LONG_TALK, JupyterLab, Notebook, answer_times

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
GREETING = "hello from a real browser, 你好"


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """A JupyterLab that shows copies of the notebooks; after ``browser``, which may skip."""
    root = tmp_path_factory.mktemp("notebooks")
    for path in NOTEBOOKS:
        shutil.copy(path, root)
    empty = nbformat.v4.new_notebook(
        metadata=nbformat.read(NOTEBOOKS[0], as_version=4).metadata,
        cells=[nbformat.v4.new_markdown_cell("# Scratch")],
    )
    nbformat.write(empty, root / "scratch.ipynb")
    server = JupyterLab(root, tmp_path_factory.mktemp("jupyter"))
    try:
        yield server.wait()
    finally:
        server.stop()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.name, marks=[pytest.mark.kills_a_server][: path.name.startswith("15b")])
        for path in NOTEBOOKS
    ],
)
def test_every_notebook_runs_without_an_error(lab: JupyterLab, page: Page, name: str) -> None:
    notebook = Notebook(page, lab, name)
    notebook.run_all()
    assert notebook.error_outputs() == []
    if not name.startswith("A"):  # the appendices are prose
        assert page.locator(".jp-OutputArea-output .goim[role=img]").count() > 0


def test_a_link_of_the_glossary_leads_to_its_section(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "03-frames.ipynb")  # JupyterLab scrolls only what is open
    notebook.open("A1-glossary.ipynb")
    row = page.locator("tr", has=page.get_by_role("cell", name="reserved bit", exact=True))
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="3.4 Three bits kept in reserve")).to_be_in_viewport()


def test_the_saved_pictures_of_a_signed_notebook_are_shown_before_it_runs(
    lab: JupyterLab, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(lab.data))
    trust(lab.root)
    Notebook(page, lab, "03-frames.ipynb")
    expect(page.locator(".jp-OutputArea-output .goim[role=img]").first).to_be_visible()


def test_a_panel_in_two_cells_speaks_once_and_moves_with_its_room(
    lab: JupyterLab, page: Page
) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.lab import LiveServer\n"
        "from goim_edu.widgets import ChatPanel\n"
        "live = LiveServer('memory', name='two cells')\n"
        "panel = ChatPanel(live, users=['ann'], room='tea')\n"
        "def texts(room):\n"
        "    return [message.text for message in live.store.history(room)]\n"
        "panel"
    )
    notebook.run_cell("panel")
    here = page.locator(".goim-chat-state[data-state=connected]")
    lines = page.locator(".goim-chat-own")
    expect(here).to_have_count(2)
    notebook.run_cell("panel.say('once')")
    expect(lines.filter(has_text="once")).to_have_count(2)  # one in each cell
    assert notebook.run_cell("texts('tea')") == "['once']"
    notebook.run_cell("panel.room = 'coffee'")
    expect(lines).to_have_count(0)
    expect(here).to_have_count(2)
    notebook.run_cell("panel.say('moved')")
    expect(lines.filter(has_text="moved")).to_have_count(2)
    assert notebook.run_cell("texts('tea'), texts('coffee')") == "(['once'], ['moved'])"
    expect(page.locator(".goim-chat-error")).to_have_count(0)
    notebook.run_cell("panel.users = ['bo']")
    expect(page.locator("section[aria-label='Chat of bo']")).to_have_count(2)
    expect(here).to_have_count(2)
    assert notebook.run_cell("panel.connected") == "['bo']"
    assert notebook.error_outputs() == []


def test_a_message_typed_into_the_panel_is_captured(lab: JupyterLab, page: Page) -> None:
    """The way of the whole course in one test: keyboard, browser, server, wire, picture."""
    notebook = Notebook(page, lab, "00-start-here.ipynb")
    notebook.run_all()
    ada, lin = (page.locator(f"section[aria-label='Chat of {name}']") for name in ("ada", "lin"))
    expect(ada.locator("[data-state=connected]")).to_be_visible()
    expect(lin.locator("[data-state=connected]")).to_be_visible()
    expect(lin.locator("li", has_text="hello").first).to_be_visible()  # what Python's kim said

    ada.get_by_label("Message from ada").fill(GREETING)
    page.keyboard.press("Enter")
    expect(lin.locator("li", has_text=GREETING)).to_be_visible()

    assert notebook.run_cell("live.store.history('lobby')[-1].text") == repr(GREETING)
    notebook.run_cell("sent = live.capture.find('\"send\"', sender='client')[-1]\ndraw.frame(sent)")
    words = page.locator(".jp-Cell .goim[role=img]").last.get_attribute("aria-label") or ""
    assert "Text frame from the client" in words
    assert "a good frame" in words
    assert repr(GREETING) in notebook.run_cell("json.loads(sent.text)['text']")
    assert notebook.run_cell("sorted(panel.connected)") == "['ada', 'lin']"
    assert GREETING in notebook.run_cell("panel.messages[-1]['text']")


def test_python_can_speak_through_the_browser(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.lab import LiveServer; from goim_edu.widgets import ChatPanel\n"
        "live = LiveServer('memory'); panel = ChatPanel(live, users=['ada', 'lin', 'kim']); panel"
    )
    expect(page.locator("[data-state=connected]")).to_have_count(3)
    notebook.run_cell("panel.say('spoken by Python', user='kim')")
    expect(page.locator("li", has_text="spoken by Python")).to_have_count(3)

    # A new server takes the place of the old one: the panel says so and can be moved over.
    notebook.run_cell("live = LiveServer('memory'); panel.url = live.url")
    expect(page.locator("[data-state=connected]")).to_have_count(3)
    expect(page.locator("li", has_text="spoken by Python")).to_have_count(0)


def test_a_message_without_an_ack_stays_grey_and_is_stored_once(
    lab: JupyterLab, page: Page
) -> None:
    """The store is silent, then the connection goes, too: what was typed is not lost by either."""
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "import threading\n"
        "from goim_edu.lab import LiveServer; from goim_edu.store import MemoryBackend\n"
        "from goim_edu.store import MessageStore, StoreUnavailable\n"
        "from goim_edu.widgets import ChatPanel\n"
        "class Moody(MemoryBackend):\n"
        "    down, asked = False, 0\n"
        "    def insert(self, *args):\n"
        "        Moody.asked += 1\n"
        "        if Moody.down: raise StoreUnavailable('no primary')\n"
        "        return super().insert(*args)\n"
        "store = MessageStore(Moody(), patience=0.2)\n"
        "live = LiveServer(store); panel = ChatPanel(live, users=['ada']); panel"
    )
    expect(page.locator("[data-state=connected]")).to_have_count(1)
    log = page.locator(".goim-chat-log")
    height = log.evaluate("log => log.clientHeight")
    notebook.run_cell("Moody.down = True")
    page.get_by_label("Message from ada", exact=True).fill("is it stored?")
    page.keyboard.press("Enter")
    grey = page.locator(".goim-chat-waiting", has_text="is it stored?")
    expect(grey).to_have_count(1)
    assert notebook.run_cell("live.store.history('lobby')") == "[]"
    notebook.run_cell("Moody.down = False")
    own = page.locator(".goim-chat-own[data-seq='1']", has_text="is it stored?")
    expect(own).to_have_count(1)
    expect(grey).to_have_count(0)

    notebook.run_cell("url = live.url; live.close()")
    page.get_by_label("Message from ada", exact=True).fill("and this?")
    page.keyboard.press("Enter")
    expect(page.locator(".goim-chat-waiting", has_text="and this?")).to_have_count(1)
    notebook.run_cell("live = LiveServer('memory'); panel.url = live.url")
    expect(page.locator(".goim-chat-own[data-seq]", has_text="and this?")).to_have_count(1)
    assert notebook.run_cell("[m.text for m in live.store.history('lobby')]") == "['and this?']"

    notebook.run_cell("for n in range(30): panel.say(f'line {n}')")
    expect(page.locator(".goim-chat-own[data-seq='31']")).to_have_count(1)
    assert log.evaluate("log => log.clientHeight") == height
    assert log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight") < 2


def test_bits_are_flipped_by_mouse_and_by_keyboard(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.lab import LiveServer; from goim_edu.widgets import FrameLab\n"
        "live = LiveServer('memory'); lab = FrameLab(server=live); lab"
    )
    verdict = page.locator(".goim-lab .goim-verdict")
    expect(verdict).to_have_attribute("data-state", "good")

    page.locator("[data-bit='1']").click()
    expect(verdict).to_have_attribute("data-state", "wrong")
    expect(page.locator("tr.goim-lab-wrong th")).to_have_text("RSV1")
    assert notebook.run_cell("lab.value.hex()") == "'c18537fa213d7f9f4d5158'"

    page.get_by_role("button", name="Send it to the live server").click()
    expect(page.locator(".goim-lab-answer li")).to_contain_text("Close 1002: RSV1 is set")

    page.locator("[data-bit='1']").focus()
    for key in (
        "Space",
        "ArrowRight",
        "ArrowRight",
        "ArrowDown",
        "ArrowUp",
        "End",
        "Home",
        "Space",
    ):
        page.keyboard.press(key)
    expect(page.locator("[data-bit='0']")).to_be_focused()
    expect(page.locator("[data-bit='0']")).to_have_attribute("aria-pressed", "false")
    expect(verdict).to_have_attribute("data-state", "good")
    assert notebook.run_cell("lab.frame") == "Frame(TEXT, b'Hello', fin=False, mask_key=37fa213d)"


@pytest.mark.parametrize(("width", "columns"), [(1400, 32), (760, 16), (480, 8)])
def test_no_name_of_a_field_is_cut_in_a_narrow_window(
    lab: JupyterLab, page: Page, width: int, columns: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import FrameLab\nlab = FrameLab(); lab")
    expect(page.locator(".goim-lab-ruler span")).to_have_count(columns)
    cut = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
    assert page.locator(".goim-lab-name").evaluate_all(cut) == []
    assert notebook.run_cell("lab.columns") == "32", "more room brings them back"


def test_what_a_frame_leaves_behind_or_waits_for_is_said(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.lab import LiveServer; from goim_edu.widgets import FrameLab\n"
        "live = LiveServer('memory'); lab = FrameLab(server=live); lab"
    )
    page.locator("[data-bit='15']").click()
    row = page.locator("tr", has_text="behind the frame")
    expect(row).to_contain_text("1 octet, the start of the next frame")
    expect(page.locator("[data-bit='80']")).to_have_attribute(
        "aria-label", "bit 80, behind the frame, 0"
    )
    page.get_by_role("button", name="Send it to the live server").click()
    lines = page.locator(".goim-lab-answer li")
    expect(lines).to_contain_text(["server: text: Hell", "Then it waits for the rest of a frame"])
    page.locator("[data-bit='15']").click()
    expect(row).to_have_count(0)

    verdict = page.locator(".goim-lab .goim-verdict")
    page.locator("[data-bit='7']").click()
    expect(verdict).to_have_attribute("data-state", "after")
    expect(verdict).to_contain_text("only after a first fragment")
    page.locator("[data-bit='7']").click()
    page.locator("[data-bit='0']").click()
    page.get_by_role("button", name="Send it to the live server").click()
    expect(page.locator(".goim-lab-answer li")).to_contain_text("waits for the next fragment")


def test_frames_are_put_together_from_fields_and_presets(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import FrameLab\nlab = FrameLab(); lab")
    page.get_by_label("start from").select_option("ping of 126 bytes")
    expect(page.locator(".goim-lab .goim-verdict")).to_contain_text("longer than 125")
    page.get_by_label("start from").select_option("text: Hello")
    expect(page.locator(".goim-lab .goim-verdict")).to_contain_text("A good frame")
    page.get_by_label("payload", exact=True).fill("Grüße")
    page.get_by_label("payload", exact=True).press("Enter")
    expect(page.locator(".goim-lab-fields")).to_contain_text("'Grüße'")
    page.get_by_label("key", exact=True).fill("no hex")
    page.get_by_label("key", exact=True).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("That does not work")
    page.get_by_label("sent by").select_option("server")
    expect(page.locator(".goim-lab .goim-verdict")).to_contain_text("the server masked a frame")
    page.get_by_label("rows of").select_option("16")
    expect(page.locator(".goim-lab-row")).to_have_count(7)
    assert notebook.run_cell("lab.sender, lab.columns") == "('server', 16)"


def test_an_action_is_answered_in_a_tenth_of_a_second(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import FrameLab\nlab = FrameLab(); lab")
    click = """root.querySelector("[data-bit='1']").click()"""
    # The quickest: whatever else this machine is doing.
    took = min(answer_times(page, ".goim-lab", click, ".goim-verdict", turns=9))
    assert took < 1000, f"{took:.0f} ms; 100 on a machine that does nothing else"


def tap_a_hello(page: Page, lab: JupyterLab) -> Notebook:
    """A WireTap on a live server that has heard a Hello."""
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.lab import LiveServer; from goim_edu.widgets import WireTap\n"
        "from goim_edu.protocol import build_frame\n"
        "live = LiveServer('memory'); tap = WireTap(live); tap"
    )
    notebook.run_cell("live.ask(build_frame('Hello', mask_key=b'abcd'))")
    return notebook


def test_a_byte_of_the_wire_and_its_field_light_up_together(lab: JupyterLab, page: Page) -> None:
    notebook = tap_a_hello(page, lab)
    page.locator(".goim-tap-row", has_text="Hello").first.click()
    lit = page.locator(".goim-tap-field[aria-selected=true] b")

    page.locator("[data-at='3']").click()
    expect(lit).to_have_text(["Masking-key"])
    expect(page.locator(".goim-tap-lit")).to_have_count(4)
    expect(page.locator(".goim-tap-said")).to_contain_text("XORed")

    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(lit).to_have_text(["MASK", "Payload length"])

    page.locator(".goim-tap-field", has_text="Payload data").click()
    expect(page.locator(".goim-tap-lit")).to_have_text(["29", "07", "0f", "08", "0e"])
    page.get_by_role("tab", name="unmasked").click()
    expect(page.locator("[data-at='6']")).to_have_text("48")
    page.get_by_role("tab", name="message").click()
    expect(page.locator(".goim-tap-bytes")).to_have_text("Hello")
    assert notebook.run_cell("tap.entry.text, tap.entry.sender") == "('Hello', 'client')"

    page.get_by_label("show only").fill("pong")
    expect(page.locator(".goim-tap-row[data-sender]")).to_have_count(2)
    page.get_by_role("button", name="Pause").click()
    notebook.run_cell("live.ask(build_frame('unseen', mask_key=b'abcd'))")
    page.get_by_label("show only").fill("")
    expect(page.locator(".goim-tap-row", has_text="unseen")).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    page.locator(".goim-tap-list").focus()
    page.keyboard.press("End")
    expect(page.locator(".goim-tap-row", has_text="unseen").first).to_be_visible()


@pytest.mark.parametrize(
    ("widget", "shown"), [("MaskLab", ".goim-mask-bits"), ("FrameLab", ".goim-lab-bits")]
)
def test_a_button_that_is_pressed_while_an_answer_comes_is_pressed(
    lab: JupyterLab, page: Page, widget: str, shown: str
) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(f"from goim_edu.widgets import {widget}\nlab = {widget}(); lab")
    bits = page.locator(f"{shown} [data-bit]")
    before = bits.all_inner_texts()
    bits.nth(7).hover()
    page.mouse.down()
    bits.nth(6).evaluate("node => node.click()")
    expect(bits.nth(6)).not_to_have_text(before[6])
    page.mouse.up()
    expect(bits.nth(7)).not_to_have_text(before[7])


def test_a_row_that_is_pressed_while_news_come_is_chosen(lab: JupyterLab, page: Page) -> None:
    tap_a_hello(page, lab)
    row = page.locator(".goim-tap-row", has_text="Hello").first
    row.hover()
    page.mouse.down()
    page.wait_for_timeout(1500)  # the tap asks for news several times meanwhile
    page.mouse.up()
    expect(row).to_have_attribute("aria-selected", "true")


def test_a_hundred_thousand_frames_open_and_scroll(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(f"from goim_edu.widgets import WireTap\n{A_LONG_TALK}")
    took = notebook.run_cell(
        "import time; began = time.process_time(); tap = WireTap(capture)\n"
        "seconds = time.process_time() - began; print(seconds)"
    )
    assert float(took) < 20
    notebook.run_cell("tap")
    expect(page.locator(".goim-tap-bar")).to_contain_text("100,002 entries")
    page.locator(".goim-tap-list").focus()
    page.keyboard.press("End")
    expect(page.locator(".goim-tap-row", has_text="n99999")).to_be_visible()
    assert page.locator(".goim-tap-row").count() < 200, "only what is seen is there"


def test_a_request_is_edited_and_the_real_server_answers(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell(
        "from goim_edu.lab import LiveServer; from goim_edu.widgets import HandshakeLab\n"
        "live = LiveServer('memory'); lab = HandshakeLab(live); lab"
    )
    verdict, answer = page.locator(".goim-hand .goim-verdict"), page.locator(".goim-hand-answer")
    ask = page.get_by_role("button", name="Ask the live server")
    ask.click()
    expect(answer).to_contain_text("101 Switching Protocols")

    page.get_by_label("start from").select_option("version 8")
    expect(verdict).to_have_attribute("data-state", "wrong")
    expect(page.locator("tr.goim-hand-wrong th")).to_have_text("Sec-WebSocket-Version")
    ask.click()
    expect(answer).to_contain_text("426")
    expect(answer).to_contain_text("Sec-WebSocket-Version: 13")

    request = page.get_by_label("The request")
    request.fill(request.input_value().replace("Version: 8", "Version: 13"))
    expect(verdict).to_have_attribute("data-state", "good")
    assert notebook.run_cell("lab.send_request()") == "101"
