"""The server with four ways to hear its news, asked on real sockets, and the race of the ways."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from goim_edu.client import connect
from goim_edu.lab import News
from goim_edu.lab.news import Wire, race
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.websocket.handshake import build_request

KEY = bytes.fromhex("37fa213d")
SAMPLE = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture
def news() -> Iterator[News]:
    with News() as server:
        yield server


@pytest.fixture
def wire(news: News) -> Iterator[Wire]:
    with news.wire() as wire:
        yield wire


def get(path: str, *fields: str, version: str = "1.1") -> str:
    return "\r\n".join([f"GET {path} HTTP/{version}", "Host: localhost", *fields, "", ""])


def post(path: str, body: str, length: int | None = None) -> str:
    length = len(body) if length is None else length
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"


def ask(wire: Wire, request: str) -> tuple[int, object]:
    wire.send(request)
    answer = wire.answer()
    assert answer is not None
    return answer.status, json.loads(answer.body)


def test_polls_bring_what_is_new_and_the_server_remembers_nobody(news: News, wire: Wire) -> None:
    assert ask(wire, get("/poll?since=0")) == (200, [])
    news.publish("one")
    news.publish("two")
    for _ in range(2):
        assert ask(wire, get("/poll?since=0")) == (200, ["one", "two"])
    assert ask(wire, get("/poll?since=1")) == (200, ["two"])
    assert ask(wire, get("/poll?since=x"))[1] == ["one", "two"]
    assert ask(wire, get("/nowhere"))[0] == 404
    assert ask(wire, get("/websocket"))[0] == 404
    assert news.connections == 1
    assert (wire.sent > 0, wire.received > wire.sent) == (True, True)


def test_a_library_of_others_can_ask_it(news: News) -> None:
    news.publish("你好")
    with urllib.request.urlopen(f"http://127.0.0.1:{news.port}/poll", timeout=10) as answer:
        assert json.load(answer) == ["你好"]


def test_a_long_poll_is_answered_when_there_is_something(news: News, wire: Wire) -> None:
    wire.send(get("/long-poll?since=0"))
    assert wire.is_silent(0.1)
    news.publish("now")
    answer = wire.answer()
    assert answer is not None
    assert answer.body == b'["now"]'


def test_events_come_until_the_client_hangs_up(news: News, wire: Wire) -> None:
    wire.send(get("/events"))
    assert "text/event-stream" in wire.until("\r\n\r\n")
    news.publish("one")
    news.publish("two\nlines")
    assert wire.until("\n\n") == "data: one\n\n"
    assert wire.until("\n\n") == "data: two\ndata: lines\n\n"
    wire.close()
    for number in range(3):
        news.publish(f"nobody hears {number}")


def test_a_websocket_speaks_both_ways(news: News, wire: Wire) -> None:
    wire.send(build_request("localhost", "/websocket", SAMPLE))
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in wire.until("\r\n\r\n")
    news.publish("one")
    assert wire.frame().payload == b"one"
    wire.send(build_frame("hello", mask_key=KEY) + build_frame("all", mask_key=KEY))
    assert [wire.frame().payload for _ in range(2)] == [b"hello", b"all"]
    assert wire.is_silent(0)
    wire.send(build_frame(b"\x03\xe8", Opcode.CLOSE, mask_key=KEY))
    assert wire.frame().opcode is Opcode.CLOSE
    with pytest.raises(ConnectionError):
        wire.frame()
    assert [text for _, text in news.published] == ["one", "hello", "all"]


def test_a_real_client_can_use_its_websocket(news: News) -> None:
    async def run() -> str | bytes:
        async with connect(f"ws://127.0.0.1:{news.port}/websocket") as ws:
            await ws.send("hello")
            return await ws.recv()

    assert asyncio.run(run()) == "hello"


@pytest.mark.parametrize(
    ("version", "field", "stays"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close", False),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive", True),
    ],
)
def test_connections_persist_as_http_says(
    wire: Wire, version: str, field: str, stays: bool
) -> None:
    request = get("/poll", *filter(None, [field]), version=version)
    wire.send(request)
    assert wire.answer() is not None
    with contextlib.suppress(ConnectionError):
        wire.send(request)
    assert (wire.answer() is not None) is stays


def test_requests_in_one_piece_are_answered_in_their_order(news: News, wire: Wire) -> None:
    news.publish("one")
    wire.send(get("/poll?since=0") + get("/poll?since=1") + get("/poll?since=0"))
    bodies = [answer.body for _ in range(3) if (answer := wire.answer())]
    assert bodies == [b'["one"]', b"[]", b'["one"]']


def test_a_large_upload_is_refused_while_it_is_on_its_way(news: News, wire: Wire) -> None:
    assert ask(wire, post("/upload", "x" * 10, 1_000_000))[0] == 413
    wire.send("x" * 999_990)
    assert ask(wire, post("/say", "hello")) == (200, "heard")
    assert ask(wire, post("/other", "unheard")) == (200, "heard")
    assert ask(wire, get("/poll")) == (200, ["hello"])


def test_what_the_wire_was_not_told_is_awaited(news: News, wire: Wire) -> None:
    assert wire.is_silent(0)
    wire.send(get("/poll", "Connection: close"))
    wire.until("\r\n\r\n")
    assert not wire.is_silent()  # the body
    with pytest.raises(ConnectionError, match="ended"):
        wire.until("no such mark")
    assert "sent" in repr(wire)
    assert "News" in repr(news)


def test_a_broken_client_leaves_no_trace(news: News, capfd: pytest.CaptureFixture[str]) -> None:
    with news.wire() as wire:
        wire.send(build_request("localhost", "/websocket", SAMPLE))
        wire.until("\r\n\r\n")
        wire.send(b"\xf1\x00")
        with pytest.raises(ConnectionError):
            wire.frame()
    with socket.create_connection(("127.0.0.1", news.port)) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        link.sendall(b"GET /eve")
    with news.wire() as wire:
        assert ask(wire, get("/poll")) == (200, [])
    assert capfd.readouterr() == ("", "")


def test_in_a_race_all_hear_everything(news: News) -> None:
    news.publish("before")
    lanes = race(news, [0.02, 0.07, 0.08], polls=4, interval=0.05)
    assert [lane.way for lane in lanes] == [
        "polling",
        "long polling",
        "event stream",
        "WebSocket",
    ]
    assert all(len(lane.delays) == 3 and min(lane.delays) > 0 for lane in lanes)
    polling, long_polling, events, websocket = lanes
    assert (polling.requests, events.requests, websocket.requests) == (4, 1, 1)
    assert 1 <= long_polling.requests <= 3
    assert polling.bytes > websocket.bytes
    assert not [one for one in threading.enumerate() if "ThreadPool" in one.name]


@pytest.mark.parametrize("moments", [[], [9.0]])
def test_a_race_that_cannot_end_well_is_not_begun(news: News, moments: list[float]) -> None:
    with pytest.raises(ValueError, match="last poll"):
        race(news, moments)
    assert news.connections == 0
