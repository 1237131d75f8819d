"""axe-core finds nothing serious on the chat page in each view, in pictures and in widgets."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from goim_edu.draw import Picture
from goim_edu.palette import THEMES
from tests.browser.axe import serious
from tests.browser.jupyter import JupyterLab, Notebook, new_page
from tests.serving import ServerProcess
from tools import exhibits, widget_shots

SIZES = {"desktop": (1440, 900), "phone": (360, 640)}
Theme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("serve") / "log", "memory") as running:
        yield running


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> Theme:
    return "dark" if request.param == "dark" else "light"


@pytest.fixture(params=list(SIZES))
def page(
    request: pytest.FixtureRequest, theme: Theme, browser: Browser, server: ServerProcess
) -> Iterator[Page]:
    width, height = SIZES[request.param]
    context = browser.new_context(
        color_scheme=theme,
        locale="en-GB",
        viewport={"width": width, "height": height},
        base_url=server.page,
    )
    yield context.new_page()
    context.close()


def enter(page: Page, room: str) -> None:
    page.goto(f"/?room={room}")
    page.fill("#entrance-name", "lisa")
    page.press("#entrance-name", "Enter")
    expect(page.locator("#connection")).to_have_attribute("data-state", "online")
    expect(page.locator("#log-start")).not_to_have_text("Fetching the messages…")


def entrance(page: Page, room: str) -> None:
    page.goto(f"/?room={room}")


def asked_by_a_link(page: Page, room: str) -> None:
    enter(page, room)
    page.goto("about:blank")
    page.goto(f"/?room={room}&name=mallory#token=secret")
    expect(page.locator("#entrance-stay")).to_be_visible()


def empty_room(page: Page, room: str) -> None:
    enter(page, room)


def messages(page: Page, room: str) -> None:
    enter(page, room)
    for text in ("Hello", "a second one", "😀 三"):
        page.fill("#composer-text", text)
        page.press("#composer-text", "Enter")
    expect(page.locator("#log [data-state=stored]")).to_have_count(3)
    page.fill("#composer-text", "x" * 4000)  # shows how much is left


def too_long(page: Page, room: str) -> None:
    enter(page, room)
    page.fill("#composer-text", "x" * 5000)


def people(page: Page, room: str) -> None:
    enter(page, room)
    if page.locator("#open-people").is_visible():
        page.click("#open-people")
    expect(page.locator("#people-list .you")).to_be_visible()


def room_list(page: Page, room: str) -> None:
    enter(page, room)
    if page.locator("#open-rooms").is_visible():
        page.click("#open-rooms")
    expect(page.locator("#join-room")).to_be_visible()


def inspector(page: Page, room: str) -> None:
    messages(page, room)
    page.click("#open-inspector")
    page.click("#facts-details summary")
    page.click(".keys summary")
    page.locator("#frames .frame.received").first.click()
    expect(page.locator(".frame-detail:visible pre")).to_be_visible()


def no_connection(page: Page, room: str) -> None:
    enter(page, room)
    page.context.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    page.fill("#composer-text", "kept")
    page.press("#composer-text", "Enter")
    expect(page.locator("#log [data-state=queued]")).to_be_visible()


VIEWS = (
    entrance,
    asked_by_a_link,
    empty_room,
    messages,
    too_long,
    people,
    room_list,
    inspector,
    no_connection,
)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_a_view_of_the_page(view: Callable[[Page, str], None], page: Page) -> None:
    view(page, f"axe-{secrets.token_hex(4)}")
    assert serious(page) == []


def test_axe_would_find_a_button_without_a_name(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<!doctype html><html lang=en><title>x</title><main><button></button></main>")
    assert [one["id"] for one in serious(page)] == ["button-name"]
    page.close()


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    shown = {one.name: one.make() for one in exhibits.EXHIBITS if not one.missing()}
    return {name: picture for name, picture in shown.items() if isinstance(picture, Picture)}


def test_the_pictures(pictures: dict[str, Picture], browser: Browser, theme: Theme) -> None:
    page = browser.new_page()
    found = {}
    for name, picture in pictures.items():
        paper = THEMES[theme]["paper"]
        light = json.dumps(str(theme == "light").lower())
        page.set_content(
            f"<!doctype html><html lang=en><title>x</title><body data-jp-theme-light={light} "
            f"style='background:{paper}'><main><h1 hidden>x</h1>{picture.svg()}</main>"
        )
        found[name] = serious(page)
    page.close()
    assert len(found) > 10
    assert {name: what for name, what in found.items() if what} == {}


def test_the_widgets(browser: Browser, theme: Theme, tmp_path: Path) -> None:
    lab: JupyterLab = widget_shots.prepare(tmp_path, theme)
    try:
        with new_page(browser, height=1400) as (page, _):
            notebook = Notebook(page, lab, "widgets.ipynb")
            notebook.run_all()
            found = {}
            for name, (call, selector, play) in widget_shots.SHOWS.items():
                notebook.run_cell(call)
                play(page)
                found[name] = serious(page, selector)
    finally:
        lab.stop()
    assert {name: what for name, what in found.items() if what} == {}
