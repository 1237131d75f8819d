"""The site in a browser: nothing from outside, nothing serious for axe-core, phone, print."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from tests import site_pages
from tests.browser.axe import serious
from tools import notebooks, site, site_sources

PAGES = ["index", "search", "genindex", *site_sources.pages().values(), "reference/protocol"]
KINDS = ("index", "03-frames", "docs/architecture", "reference/protocol")


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made once."""
    target = tmp_path_factory.mktemp("site")
    done = site_pages.make(target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def address(made: Path) -> Iterator[str]:
    """Where a plain server of files has the site."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Silent, directory=str(made))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=["light", "dark"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        color_scheme=request.param,
        reduced_motion="reduce",
        viewport={"width": 1400, "height": 900},
    )
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """A page that may ask the site alone, and may not complain."""
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []

    def look(answer: Response) -> None:
        if answer.status >= 400:
            complaints.append(answer.url)

    page.on("request", lambda request: asked.append(request.url))
    page.on("response", look)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert [url for url in asked if not url.startswith((f"{address}/", "data:", "blob:"))] == []
    assert complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious_on_a_page(name: str, page: Page, address: str) -> None:
    page.goto(f"{address}/{name}.html")
    # The pictures have a test of their own; there are many of them, and each has much inside.
    page.evaluate("document.querySelectorAll('svg.goim > *').forEach(part => part.remove())")
    page.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
    page.evaluate("dispatchEvent(new Event('resize'))")
    assert serious(page) == []


@pytest.mark.parametrize("name", KINDS)
def test_a_page_fits_a_phone(name: str, page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_an_answer_is_folded_until_it_is_asked_for(page: Page, address: str) -> None:
    page.goto(f"{address}/03-frames.html")
    answer = page.locator("details.hide").first
    expect(answer.locator(".cell_output")).to_be_hidden()
    answer.locator("summary").click()
    expect(answer.locator(".cell_output")).to_be_visible()
    cells = notebooks.read(notebooks.FOLDER / "03-frames.ipynb").cells
    first = next(one for one in cells if "outcome" in one.metadata.get("tags", []) and one.outputs)
    expect(answer.locator(".cell_output")).to_have_text(first.outputs[0].data["text/plain"])


def test_what_is_printed_is_open_and_wraps(page: Page, address: str) -> None:
    page.goto(f"{address}/03-frames.html")
    folded = page.locator("details.hide:not([open])")
    count = folded.count()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 900})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(folded).to_have_count(0)
    cut = page.evaluate(
        "[...document.querySelectorAll('article pre')]"
        ".filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
    )
    assert cut == []
    expect(page.locator(".sidebar-drawer")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(folded).to_have_count(count)


def test_the_search_finds_a_page_without_a_server(page: Page, made: Path, address: str) -> None:
    page.goto(f"{address}/search.html?q=masking")
    expect(page.locator("#search-results li").first).to_be_visible()
    from_file = page.context.new_page()
    from_file.goto(f"{(made / 'search.html').as_uri()}?q=握手")
    expect(from_file.locator("#search-results li").first).to_be_visible()
    from_file.close()


def test_what_was_searched_for_changes_no_picture(page: Page, address: str) -> None:
    page.goto(f"{address}/search.html?q=masking")
    page.locator("#search-results li a[href*='03b-frame-parser']").first.click()
    expect(page.locator(".goim").first).to_be_visible()
    assert page.locator(".highlighted").count() == 0


def test_the_way_through_the_chapters(page: Page, address: str) -> None:
    page.goto(f"{address}/03-frames.html")
    page.click(".next-page")
    expect(page).to_have_url(f"{address}/03b-frame-parser.html")
    page.click(".prev-page")
    expect(page).to_have_url(f"{address}/03-frames.html")


def test_the_switch_changes_page_and_pictures(page: Page, address: str) -> None:
    page.goto(f"{address}/03-frames.html")
    ink = "getComputedStyle(document.querySelector('svg.goim .t')).fill"
    paper = "getComputedStyle(document.body).backgroundColor"
    seen = set()
    for _ in range(3):
        page.locator(".theme-toggle:visible").click()
        seen.add((page.evaluate(paper), page.evaluate(ink)))
    assert len(seen) == 2
    assert len({ink for _, ink in seen}) == 2


def test_the_browser_edition_is_offered_where_it_is(
    browser: Browser, made: Path, address: str
) -> None:
    edition = made / site.LITE / "lab" / "index.html"
    for there in (False, True):
        if there:
            edition.parent.mkdir(parents=True)
            edition.write_text("<!doctype html><title>the browser edition</title>")
        assert site.take_in(None, made) is there
        page = browser.new_page()
        page.goto(f"{address}/03-frames.html")
        link = page.locator(".run-link")
        expect(link).to_be_visible(visible=there)
        if there:
            link.click()
            expect(page).to_have_url(f"{address}/lite/lab/index.html?path=03-frames.ipynb")
        page.close()
    shutil.rmtree(made / site.LITE)
    site.take_in(None, made)


SIZES = """() => [...document.querySelectorAll('.goim text')]
    .filter((one) => one.getClientRects().length)
    .map((one) => parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a)"""


@pytest.mark.parametrize("width", [390, 1024, 1400])
def test_no_text_of_a_picture_is_too_small(width: int, page: Page, address: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for name in ("03-frames", "09-chat-server", "10-documents"):
        page.goto(f"{address}/{name}.html")
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        sizes = page.evaluate(SIZES)
        assert len(sizes) > 100
        assert min(sizes) >= 10.99
        assert page.evaluate("document.documentElement.scrollWidth") == width
