"""The platform of a browser, on CPython: one thread, a loop that is turned, a network in memory."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from goim_edu.client import ChatClient, connect
from goim_edu.exercises import check
from goim_edu.feedback.sandbox import call
from goim_edu.lab import LiveServer, NaiveProxy, News, Site, race, serve_with
from goim_edu.lab.conformance import take_cases
from goim_edu.runtime import Browser, platform, use
from goim_edu.store import open_store
from goim_edu.transport.memory_socket import lend
from goim_edu.turned_loop import Turned, TurnedLoop
from goim_edu.websocket.frames import build_frame
from goim_edu.widgets import HeartbeatLab

KEY = b"1234"


@pytest.fixture(autouse=True)
def browser() -> Iterator[Browser]:
    """Everything here runs where no thread can be started and no socket be opened."""
    before, chosen = threading.active_count(), Browser()
    with use(chosen):
        lend()
        yield chosen
        chosen.close()
    assert threading.active_count() == before


@pytest.fixture
def live() -> Iterator[LiveServer]:
    with LiveServer("memory", name="browser tests", close_timeout=0.2) as server:
        yield server


def test_a_question_turns_the_loop_by_hand(live: LiveServer) -> None:
    [answer] = live.ask(build_frame("Hello", mask_key=KEY))
    assert answer.payload == b"Hello"
    assert live.ask(build_frame("Hello", mask_key=KEY)[:3]) == []
    assert live.ask_http(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert live.capture.find("Hello")


def test_a_notebook_with_a_loop_of_its_own_talks_to_it() -> None:
    """Its clients run in its loop, which turns ours."""

    async def notebook() -> list[str]:
        with LiveServer("memory", name="browser tests", close_timeout=0.2) as live:
            [answer] = live.ask(build_frame("by hand", mask_key=KEY))
            async with connect(live.echo_url) as ws:
                await ws.send("awaited")
                said = await ws.recv()
            async with (
                ChatClient(live.url, "ada", ["lobby"]) as ada,
                ChatClient(live.url, "lin", ["lobby"]) as lin,
            ):
                await ada.send("lobby", "hello")
                heard = await anext(aiter(lin))
            assert [m.text for m in live.store.history("lobby")] == ["hello"]
            return [answer.payload.decode(), str(said), heard.text]

    async def main() -> list[str]:
        platform().background("any")  # made here, so that this loop turns it
        async with asyncio.timeout(20):
            return await notebook()

    assert asyncio.run(main()) == ["by hand", "awaited", "hello"]


def test_a_link_fails_as_it_does_with_sockets() -> None:
    async def main() -> tuple[float, int | None]:
        with (
            LiveServer("memory", name="browser tests", close_timeout=0.2) as live,
            live.link(delay=0.05) as link,
        ):
            async with connect(link.through(live.echo_url)) as ws:
                began = time.monotonic()
                await ws.send("slow")
                await ws.recv()
                took = time.monotonic() - began
                assert link.cut() == 1
                await ws.wait_closed()
            return took, ws.close_code

    took, code = asyncio.run(main())
    assert took >= 0.1
    assert code == 1006


def test_news_are_heard_in_all_four_ways() -> None:
    with News() as news:
        lanes = race(news, [0.02, 0.05], polls=4, interval=0.05)
        assert [len(lane.delays) for lane in lanes] == [2, 2, 2, 2]
        with news.wire() as wire:
            assert wire.is_silent(0.01)
            wire.send("GET /poll?since=1 HTTP/1.1\r\nHost: here\r\n\r\n")
            answer = wire.answer()
            assert answer is not None
            assert answer.body == b'["message 2 of 2"]'


def test_a_proxy_remembers_a_page() -> None:
    with Site({"/": "welcome"}) as site, NaiveProxy({"shop.example": site}) as proxy:
        assert [proxy.fetch("shop.example", "/") for _ in range(2)] == ["welcome"] * 2
        assert site.asked == ["/"]


def test_a_heart_beats(live: LiveServer) -> None:
    lab = HeartbeatLab(live, interval=0.05, timeout=0.2)
    lab.start()
    assert lab.wait(pongs=2) == "running"
    lab.silence()
    assert lab.wait() == "silent"
    lab.close()


def test_a_cell_that_uses_sockets_by_itself(live: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as tcp:
        tcp.sendall(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
        file = tcp.makefile("rb")
        assert file.readline().startswith(b"HTTP/1.1 404")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 1), timeout=5)


def test_the_store_writes_and_reads_without_a_thread() -> None:
    with open_store("memory") as store:
        futures = [store.submit("lobby", "ada", str(n), client_msg_id=str(n)) for n in range(3)]
        assert [future.result(0).seq for future in futures] == [1, 2, 3]
        assert store.submit("lobby", "ada", "0", client_msg_id="0").result(0).duplicate
        assert len(store.run(store.history, "lobby").result(0)) == 3
        assert store.flush(0)


def test_a_learners_function_is_stopped_without_a_thread() -> None:
    def endless() -> None:
        while True:
            pass

    assert call(endless, (), seconds=0.1).stopped
    assert call(lambda: 6 * 7, ()).value == 42
    failed = call(lambda data: data[5], (b"Hi",))
    assert failed.error_line == "IndexError: index out of range"
    assert "data[5]" in failed.place
    assert check("03.1", lambda *_: endless()) is not None


def test_a_learners_server_runs_on_their_functions() -> None:
    with serve_with(build_frame=lambda *args: build_frame(*args), name="mine") as mine:
        assert mine.ask(build_frame("Hello", mask_key=KEY))[0].payload == b"Hello"
        assert mine.calls["build_frame"] > 0
        cases = take_cases(mine.port, "1")
        assert cases


def test_waiting_inside_the_loop_is_refused() -> None:
    turned = Turned()

    async def wait() -> None:
        turned.run(asyncio.sleep(0), 1)

    with pytest.raises(RuntimeError, match="await it instead"):
        turned.run(wait(), 1)
    turned.loop.close()


def test_a_question_that_takes_too_long_is_cancelled() -> None:
    background = platform().background("any")
    cancelled = False

    async def long() -> None:
        nonlocal cancelled
        try:
            await asyncio.sleep(60)
        finally:
            cancelled = True

    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        background.run(long(), 0.05)
    assert cancelled
    assert not background.wait_for(lambda: False, 0.01)


def test_timers_of_a_turned_loop_are_kept_by_its_host() -> None:
    async def main() -> list[int]:
        loop, said = TurnedLoop(asyncio.get_running_loop()), list[int]()
        loop.call_later(0.03, said.append, 3)
        loop.call_later(0.01, said.append, 2)
        loop.call_soon(said.append, 1)
        loop.call_later(0.02, lambda: loop.call_soon(said.append, 9)).cancel()
        await asyncio.sleep(0.1)
        loop.close()
        return said

    assert asyncio.run(main()) == [1, 2, 3]
