"""MaskLab and BsonLab in a real JupyterLab, light and dark, with mouse and with keyboard."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from goim_edu.palette import contrast
from tests.browser.jupyter import JupyterLab, Notebook

# What one can read, and on which colour: the page's own, where a node has none.
COLOURS = """(selector) => [...document.querySelectorAll(selector)].map(node => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.unshift(getComputedStyle(at));
    for (const layer of layers) {
        canvas.fillStyle = layer.backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
    }
    const read = () => '#' + [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
        .map(part => part.toString(16).padStart(2, '0')).join('');
    const paper = read();
    canvas.fillStyle = getComputedStyle(node).color;
    canvas.fillRect(0, 0, 1, 1);
    return [node.textContent, read(), paper];
})"""


def check_legible(page: Page, selector: str) -> None:
    """Every text there stands out from what is behind it (WCAG 2.2: 4.5 for small text)."""
    found = [text for text in page.evaluate(COLOURS, selector) if text[0]]
    assert found
    faint = [(said, ink, paper) for said, ink, paper in found if contrast(ink, paper) < 4.5]
    assert faint == []


def milliseconds(page: Page, act: str, changed: str) -> float:
    """The least time of nine from ``act``, a script, to a change of the text of ``changed``."""
    return float(
        page.evaluate(
            f"""async () => {{
                const times = [];
                for (let turn = 0; turn < 9; turn++) {{
                    const node = document.querySelector({changed!r});
                    const done = new Promise((ready) => new MutationObserver(ready).observe(
                        node, {{childList: true, characterData: true, subtree: true}}));
                    const start = performance.now();
                    {act};
                    await done;
                    times.push(performance.now() - start);
                }}
                return Math.min(...times); // whatever else this machine is doing
            }}"""
        )
    )


# ---------------------------------------------------------------------- MaskLab


def test_bits_of_payload_and_key_are_flipped(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import MaskLab\nlab = MaskLab('Hello'); lab")
    wire = page.locator(".goim-mask-lines tr", has_text="on the wire").locator("td").first
    expect(wire).to_have_text("7f 9f 4d 51 58")

    page.locator("[data-of='payload'][data-bit='39']").click()
    expect(wire).to_have_text("7f 9f 4d 51 59")
    page.locator("[data-of='key'][data-bit='0']").first.click()
    expect(wire).to_have_text("ff 9f 4d 51 d9")
    assert notebook.run_cell("lab.payload, lab.key.hex()") == "(b'Helln', 'b7fa213d')"

    page.locator("[data-of='payload'][data-line='0'][data-column='0']").focus()
    for key in ("ArrowDown", "Space", "ArrowDown", "ArrowRight", "End", "Space", "Home"):
        page.keyboard.press(key)
    focused = page.locator("[data-of='payload'][data-bit='32']")
    expect(focused).to_be_focused()
    expect(page.locator(".goim-mask-lit")).to_have_count(3)
    expect(page.locator("[data-of='payload'][data-bit='39']")).to_have_attribute(
        "aria-pressed", "true"
    )
    width = focused.evaluate("node => getComputedStyle(node).outlineWidth")
    assert width == "3px", "the focus is seen"
    assert notebook.run_cell("lab.payload, lab.key.hex()") == "(b'Hello', '37fa213d')"
    assert notebook.run_cell("lab.again == lab.payload") == "True"


def test_payload_and_key_are_typed_and_masking_is_switched_off(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import MaskLab\nlab = MaskLab('Hello'); lab")
    verdict, lines = page.locator(".goim-verdict"), page.locator(".goim-mask-lines")
    page.get_by_label("payload", exact=True).fill("Grüße")
    expect(lines).to_contain_text("'Grüße'")
    for octet in range(4):
        page.get_by_label(f"key octet {octet}", exact=True).fill("00")
    expect(verdict).to_contain_text("The key is all 0")
    page.get_by_label("key octet 3", exact=True).fill("1")
    page.keyboard.press("Tab")
    expect(page.get_by_role("alert")).to_contain_text("That does not work")
    page.get_by_role("button", name="fresh key").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(verdict).to_contain_text("bits turn over")
    assert notebook.run_cell("lab.payload.decode(), any(lab.key)") == "('Grüße', True)"

    page.get_by_label("show masking twice").check()
    expect(page.locator(".goim-mask-band", has_text="payload again").first).to_be_visible()
    check_legible(page, ".goim-mask :is(.goim-mask-bit, .goim-mask-strip, .goim-mask-name, td, p)")

    page.get_by_label("masked", exact=True).uncheck()
    expect(verdict).to_contain_text("Fails the connection with 1002")
    expect(verdict).to_have_attribute("data-state", "wrong")
    page.get_by_label("as hex").check()
    page.get_by_label("payload", exact=True).fill("ff 00")
    page.keyboard.press("Enter")
    expect(lines).to_contain_text("not UTF-8")
    assert notebook.run_cell("lab.masked") == r"b'\xff\x00'"


def test_a_flip_is_seen_in_a_tenth_of_a_second(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import MaskLab\nMaskLab('Hello, all of you')")
    took = milliseconds(page, "document.querySelector('[data-of=key]').click()", ".goim-mask-lines")
    assert took < 1000, f"{took:.0f} ms; 100 on a machine that does nothing else"


# ---------------------------------------------------------------------- BsonLab


def test_elements_and_bytes_light_up_together(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import BsonLab\nlab = BsonLab(); lab")
    chosen = page.locator(".goim-bson-element[aria-selected=true]")
    lit, said = page.locator(".goim-bson-lit"), page.locator(".goim-bson-said")

    page.locator(".goim-bson-element", has_text="seq = 7").click()
    expect(lit).to_have_text(["10", "73", "65", "71", "00", "07", "00", "00", "00"])
    expect(said).to_contain_text("type 10")
    assert notebook.run_cell("lab.element.path, lab.element.value") == "('seq', 7)"

    page.locator("[data-at='22']").click()
    expect(chosen).to_contain_text("room_id = 'lobby'")
    expect(said).to_contain_text("name 72 6f 6f 6d 5f 69 64 00")
    for key in ("ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator("[data-at='3']")).to_be_focused()
    expect(chosen).to_contain_text("A document of 113 bytes")
    expect(page.locator(".goim-bson-within")).to_have_count(109)
    assert notebook.run_cell("lab.selected") == "0"

    chosen.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".goim-bson-element").nth(1)).to_be_focused()
    expect(lit).to_have_count(17)
    page.keyboard.press("End")
    expect(chosen).to_have_attribute("aria-label", "end of the document, 1 byte from byte 112")
    notebook.run_cell("lab.select(5)")
    expect(chosen).to_contain_text("text = 'Hello, 世界!'")
    check_legible(page, ".goim-bson :is(.goim-bson-byte, .goim-bson-element span, p, small)")


def test_json_and_bytes_are_edited_and_break(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import BsonLab\nlab = BsonLab({}); lab")
    verdict, alert = page.locator(".goim-verdict"), page.get_by_role("alert")
    text = page.get_by_label("The document as JSON")
    octets = page.get_by_label("The document as hex bytes")
    text.fill('{"seq": 7,')
    expect(alert).to_contain_text("line 1, column 11")
    text.fill('{"seq": 7}')
    expect(verdict).to_contain_text("14 bytes hold 1 element, 5 more than compact JSON")
    expect(octets).to_have_value("0e 00 00 00 10 73 65 71 00 07 00 00 00 00")
    octets.fill("0e 00 00 00 10 73 65 71 00 08 00 00 00 00")
    expect(text).to_have_value('{\n  "seq": 8\n}')
    assert notebook.run_cell("lab.document") == "{'seq': 8}"

    page.locator("[data-at='4']").click()
    page.keyboard.type("55")
    expect(verdict).to_have_attribute("data-state", "wrong")
    expect(verdict).to_contain_text("Byte 4: there is no type 0x55")
    expect(page.locator(".goim-bson-byte.goim-bson-wrong")).to_have_text("55")
    expect(page.locator("[data-at='4']")).to_be_focused()
    expect(text).to_have_value("")
    assert notebook.run_cell("lab.problem") == "'byte 4: there is no type 0x55'"

    page.get_by_label("start from").select_option("a string that lies about its length")
    expect(verdict).to_contain_text("60 bytes are announced")
    page.locator("[data-at='14']").click()
    expect(page.locator(".goim-bson-said")).to_contain_text("not read")
    check_legible(page, ".goim-bson :is(.goim-bson-byte, .goim-bson-element span, p)")
    page.get_by_label("start from").select_option("every common type")
    expect(verdict).to_contain_text("17 elements")
    assert notebook.run_cell("lab.document['decimal128'], lab.problem") == (
        "(Decimal128('1.50'), '')"
    )


def test_typing_is_answered_in_a_tenth_of_a_second(lab: JupyterLab, page: Page) -> None:
    notebook = Notebook(page, lab, "scratch.ipynb")
    notebook.run_cell("from goim_edu.widgets import BsonLab\nBsonLab()")
    act = (
        "const text = document.querySelector('.goim-bson-text');"
        "text.value = text.value.replace('Hello', 'Hello!');"
        "text.dispatchEvent(new Event('input'))"
    )
    took = milliseconds(page, act, ".goim-verdict")
    assert took < 1000, f"{took:.0f} ms; 100 on a machine that does nothing else"
