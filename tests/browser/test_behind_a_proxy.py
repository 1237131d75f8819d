"""The chat page below a path, behind a real nginx, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.proxies import Proxy
from tests.serving import ServerProcess

TRUST = ("--trusted-proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("server") / "log"
    with ServerProcess(log, "memory", *TRUST) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy("nginx", tmp_path_factory.mktemp("nginx"), server.port) as proxy:
        yield proxy


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB", ignore_https_errors=True)
    yield context
    context.close()


def enter(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    """Open the page and wait until it is online; it has reached only what it came from."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda one: complaints.append(one.url) if one.status >= 400 else None)
    page.goto(address)
    expect(page.locator("#connection")).to_have_attribute("data-state", "online")
    return page, complaints


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("path", ["/", "/goim/"])
def test_the_page_works_at_any_path(
    context: BrowserContext, proxy: Proxy, secure: bool, path: str
) -> None:
    port = proxy.tls if secure else proxy.plain
    origin = f"http{'s' * secure}://127.0.0.1:{port}"
    room = f"room{port}{len(path)}"
    lisa, complaints = enter(context, f"{origin}{path}?name=lisa&room={room}")
    assert lisa.url == f"{origin}{path}?room={room}"
    invite = lisa.locator("#invite").get_attribute("href")
    assert invite == lisa.url
    lisa.fill("#composer-text", "hello")
    lisa.press("#composer-text", "Enter")
    expect(lisa.locator("li.message")).to_have_attribute("data-state", "stored")
    max_, others = enter(context, invite.replace("?", "?name=max&"))
    expect(max_.locator("li.message .text")).to_have_text("hello")
    lisa.click("#open-inspector")
    lisa.click("#facts-details summary")
    address = f"ws{'s' * secure}://127.0.0.1:{port}{path}chat"
    expect(lisa.locator("#facts")).to_contain_text(address)
    lisa.reload()
    expect(lisa.locator("#connection")).to_have_attribute("data-state", "online")
    assert complaints == others == []


def test_two_chats_of_one_origin_do_not_share_what_a_tab_remembers(
    context: BrowserContext, proxy: Proxy
) -> None:
    origin = f"http://127.0.0.1:{proxy.plain}"
    page = context.new_page()
    page.goto(f"{origin}/goim/?name=lisa&room=secret#token=mine")
    page.get_by_role("button", name="Enter the chat").click()  # a link with a token asks first
    expect(page.locator("#connection")).to_have_attribute("data-state", "online")
    page.goto(f"{origin}/")
    expect(page.locator("#entrance")).to_be_visible()
    keys = page.evaluate("Object.keys(sessionStorage)")
    assert keys
    assert all(key.endswith("/goim") for key in keys)
    page.goto(f"{origin}/goim/")
    expect(page.locator("#room-name")).to_have_text("secret")


def test_a_page_may_talk_to_nobody_else(context: BrowserContext, proxy: Proxy) -> None:
    """The policy's 'self' takes in the WebSocket of the same host and port, and no other."""
    page, _ = enter(context, f"http://127.0.0.1:{proxy.plain}/goim/?name=lisa&room=r")
    blocked = page.evaluate(
        """(port) => new Promise((resolve) => {
            const tell = ({ blockedURI }) => resolve(blockedURI);
            document.addEventListener("securitypolicyviolation", tell);
            try {
                new WebSocket(`ws://127.0.0.1:${port}/chat`);
            } catch (error) {
                resolve(String(error));
            }
            setTimeout(() => resolve("nothing was blocked"), 5000);
        })""",
        proxy.tls,
    )
    assert re.search(rf"ws://127.0.0.1:{proxy.tls}|Content.?Security", blocked), blocked


def test_a_refused_page_is_told_that_the_server_is_there(
    context: BrowserContext, server: ServerProcess, tmp_path: Path
) -> None:
    change = {"proxy_set_header Host              $http_host;": ""}
    with Proxy("nginx", tmp_path, server.port, change) as proxy:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{proxy.plain}/?name=lisa&room=r")
        expect(page.locator("#banner-text")).to_contain_text("the server is there")
        assert urlsplit(page.url).port == proxy.plain
