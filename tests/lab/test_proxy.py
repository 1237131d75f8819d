"""The naive proxy: a good proxy for HTTP, and poisoned by bytes that a page could choose."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from goim_edu.client import connect
from goim_edu.lab import LiveServer, NaiveProxy, Site
from goim_edu.transport import ConnectionClosed
from goim_edu.websocket.frames import apply_mask, build_frame

REQUEST = b"\r\nGET /script.js HTTP/1.1\r\nHost: shop.example\r\n\r\n"
LIE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsteal"
KEY = bytes.fromhex("37fa213d")


@pytest.fixture
def shop() -> Iterator[Site]:
    with Site({"/script.js": "show prices", "/": "welcome"}) as site:
        yield site


@pytest.fixture
def proxy(shop: Site) -> Iterator[NaiveProxy]:
    with (
        Site(retort=LIE) as evil,
        NaiveProxy({"shop.example": shop, "evil.example": evil}) as proxy,
    ):
        yield proxy


def page_sends(proxy: NaiveProxy, data: bytes, mask_source: Callable[[int], bytes]) -> None:
    async def run() -> None:
        url = proxy.websocket("evil.example")
        async with connect(url, mask_source=mask_source, close_timeout=2) as ws:
            await ws.send(data)
            with contextlib.suppress(ConnectionClosed):
                await ws.recv()

    asyncio.run(run())


def test_it_remembers_a_page(proxy: NaiveProxy, shop: Site) -> None:
    assert [proxy.fetch("shop.example", "/script.js") for _ in range(3)] == ["show prices"] * 3
    assert shop.asked == ["/script.js"]
    assert list(proxy.cache) == ["shop.example/script.js"]
    assert proxy.log == ["on the way to shop.example: GET shop.example/script.js"] * 3


def test_what_is_not_found_is_not_remembered(proxy: NaiveProxy, shop: Site) -> None:
    assert [proxy.fetch("shop.example", "/lost") for _ in range(2)] == ["no such page"] * 2
    assert shop.asked == ["/lost", "/lost"]
    assert not proxy.cache


def test_bytes_that_a_page_can_choose_poison_it(proxy: NaiveProxy, shop: Site) -> None:
    page_sends(proxy, REQUEST, bytes)
    assert proxy.fetch("shop.example", "/script.js") == "steal"
    assert shop.asked == []
    assert proxy.log[1] == "on the way to evil.example: GET shop.example/script.js"
    assert proxy.fetch("shop.example", "/") == "welcome"


def test_a_key_that_can_be_foreseen_is_as_good_as_none(proxy: NaiveProxy) -> None:
    page_sends(proxy, apply_mask(REQUEST, KEY), lambda size: KEY)
    assert proxy.fetch("shop.example", "/script.js") == "steal"


def test_fresh_keys_stop_it(proxy: NaiveProxy, shop: Site) -> None:
    page_sends(proxy, REQUEST, os.urandom)
    assert proxy.fetch("shop.example", "/script.js") == "show prices"
    assert shop.asked == ["/script.js"]


def test_an_honest_websocket_passes() -> None:
    with LiveServer("memory", name="proxy tests") as live, NaiveProxy({"chat": live}) as proxy:

        async def echo() -> list[str | bytes]:
            async with connect(proxy.websocket("chat", "/echo"), close_timeout=2) as ws:
                for text in ("Hello", "x" * 100_000):
                    await ws.send(text)
                return [await ws.recv(), await ws.recv()]

        assert asyncio.run(echo()) == ["Hello", "x" * 100_000]
        assert proxy.fetch("chat", "/").startswith("<!")


def test_what_is_no_answer_is_passed_on() -> None:
    """A request was seen in a frame, but the server says what a WebSocket server says."""
    with (
        Site(retort=build_frame("no HTTP\r\n\r\n")) as site,
        NaiveProxy({"evil.example": site}) as proxy,
    ):

        async def ask() -> str | bytes:
            url = proxy.websocket("evil.example")
            async with connect(url, mask_source=bytes, close_timeout=2) as ws:
                await ws.send(REQUEST)
                return await ws.recv()

        assert asyncio.run(ask()) == "no HTTP\r\n\r\n"
        assert not proxy.cache


def test_they_end_when_told(shop: Site) -> None:
    proxy = NaiveProxy({"shop.example": shop})
    assert repr(proxy) == "<NaiveProxy: before shop.example>"
    assert repr(shop) == "<Site: 2 pages>"
    proxy.close()
    proxy.close()
    with pytest.raises(OSError):
        proxy.fetch("shop.example", "/")
