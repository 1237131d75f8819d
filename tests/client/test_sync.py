"""The client for threads: who may do what at once, what its own thread does, and every end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed as PeerGone

from goim_edu.capture import Capture
from goim_edu.client.sync import ConcurrencyError, ConnectionClosed, WebSocket, connect
from goim_edu.errors import LocalProtocolError
from goim_edu.protocol import State
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.websocket.handshake import generate_accept
from tests.chatting import Link, running_server
from tests.client.ways import PATIENCE, Peer, certificates, run_way

Answer = Callable[[ServerConnection], Awaitable[None]]

MEGABYTE = 1_000_000


def visit(answer: Answer, client: Callable[[str], None], **settings: Any) -> None:
    """Run a client in a thread, against a server of ``websockets`` that answers so."""

    async def test() -> None:
        async with serve(answer, "127.0.0.1", 0, **settings) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            await asyncio.to_thread(client, f"ws://127.0.0.1:{port}/x")

    run_way("threads", test())


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def wait(connection: ServerConnection) -> None:
    await connection.wait_closed()


def welcome(head: str) -> bytes:
    """The 101 to a request."""
    key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
    return (
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {generate_accept(key)}\r\n\r\n"
    ).encode()


def in_threads(*jobs: Callable[[], None]) -> None:
    """Run these at once; an error of one is an error of the test."""
    failed: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if failed:
        raise failed[0]
    assert not any(thread.is_alive() for thread in threads)


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so; the time that it takes decides nothing."""
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end
        threading.Event().wait(0.002)


# ---------------------------------------------------------------------- plain use


@pytest.mark.parametrize("compression", [True, False])
def test_text_octets_and_order(compression: bool) -> None:
    messages: list[str | bytes] = [
        "",
        "Hello",
        "你好",
        b"",
        b"\0\xff",
        "x" * 70_000,
        b"y" * 1_000_000,
    ]

    def client(url: str) -> None:
        with connect(url, compression=compression, subprotocols=["a"]) as ws:
            for message in messages:
                ws.send(message)
            assert [ws.recv(PATIENCE) for _ in messages] == messages
            assert (ws.state, ws.subprotocol) == (State.OPEN, "a")
            assert bool(ws.extensions) is compression
            assert ws.response is not None
            assert ws.remote[0] == "127.0.0.1"
            assert repr(ws) == f"<WebSocket {ws.id} client open {url.removeprefix('ws://')}>"
            assert 0 < ws.ping() < PATIENCE
            assert 0 < ws.ping(b"one of my own") < PATIENCE
        assert (ws.close_code, ws.state) == (1000, State.CLOSED)

    visit(echo, client, subprotocols=["a"])


def test_wrong_use_is_said_and_harms_nothing() -> None:
    def client(url: str) -> None:
        with connect(url, compression=False) as ws:
            for wrong in (None, 5, ["a"]):
                with pytest.raises(TypeError):
                    ws.send(wrong)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                ws.ping("text")  # type: ignore[arg-type]
            for local in (
                lambda: ws.send("\ud800"),
                lambda: ws.send("x", compress=True),
                lambda: ws.ping(b"x" * 126),
                lambda: ws.close(1005, "why"),
                lambda: ws.close(999),
            ):
                with pytest.raises(LocalProtocolError):
                    local()
            with pytest.raises(TimeoutError, match="no message came within"):
                ws.recv(0.01)
            with pytest.raises(TimeoutError):
                ws.recv(0)
            ws.send("fine")
            assert ws.recv(PATIENCE) == "fine"

    visit(echo, client)


def test_a_loop_ends_with_the_connection() -> None:
    async def three(connection: ServerConnection) -> None:
        for number in range(3):
            await connection.send(str(number))
        await connection.close(1001, "lunch")

    async def broken(connection: ServerConnection) -> None:
        await connection.send("0")
        await connection.close(1011, "oh")

    def client(url: str) -> None:
        with connect(url) as ws:
            assert list(ws) == ["0", "1", "2"]
            for again in (lambda: ws.send("x"), ws.recv, ws.ping):
                with pytest.raises(ConnectionClosed) as closed:
                    again()
                assert (closed.value.code, closed.value.reason) == (1001, "lunch")
                assert closed.value.rcvd == (1001, "lunch")
                assert closed.value.sent == (1001, "")

    def failing(url: str) -> None:
        with connect(url) as ws, pytest.raises(ConnectionClosed, match="1011: oh"):
            list(ws)

    visit(three, client)
    visit(broken, failing)


def test_an_error_in_the_block_is_told_as_1011() -> None:
    codes: list[int | None] = []

    async def note(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.append(connection.close_code)

    def client(url: str) -> None:
        with pytest.raises(ZeroDivisionError), connect(url):
            raise ZeroDivisionError
        connect(url).close(4000, "so long")

    visit(note, client)
    assert codes == [1011, 4000]


def test_a_tap_and_a_capture() -> None:
    capture = Capture()

    def client(url: str) -> None:
        with connect(url, tap=capture.tap(1, side="client"), compression=False) as ws:
            ws.send("hello")
            ws.recv(PATIENCE)

    visit(echo, client)
    assert capture.handshakes()[0].upgraded
    frames = [(frame.sender, frame.frame.opcode) for frame in capture.frames()]
    assert frames == [
        ("client", Opcode.TEXT),
        ("server", Opcode.TEXT),
        ("client", Opcode.CLOSE),
        ("server", Opcode.CLOSE),
    ]


# ---------------------------------------------------------------------- several threads


def test_many_send_while_one_receives() -> None:
    def client(url: str) -> None:
        with connect(url) as ws:
            heard: list[str] = []

            def send(name: int) -> None:
                for number in range(100):
                    ws.send(f"{name} {number} {'x' * number * 50}")

            def receive() -> None:
                while len(heard) < 500:
                    heard.append(str(ws.recv(PATIENCE)))

            in_threads(receive, *(partial(send, name) for name in range(5)))
            for name in range(5):
                own = [text.split()[1] for text in heard if text.startswith(f"{name} ")]
                assert own == [str(number) for number in range(100)]

    visit(echo, client)


def test_a_second_receiver_is_refused() -> None:
    def client(url: str) -> None:
        with connect(url) as ws:

            def second() -> None:
                until(lambda: ws._receiving)
                with pytest.raises(ConcurrencyError, match="let one receive") as refused:
                    ws.recv()
                assert isinstance(refused.value, RuntimeError)
                with pytest.raises(ConcurrencyError):
                    next(iter(ws))
                ws.send("for the first")

            in_threads(lambda: ws.send(ws.recv(PATIENCE)), second)
            assert ws.recv(PATIENCE) == "for the first"

    visit(echo, client)


def test_pings_at_once() -> None:
    def client(url: str) -> None:
        with connect(url) as ws:

            def ping() -> None:
                assert all(ws.ping() > 0 for _ in range(20))

            in_threads(ping, ping, ping, ping)
            assert not ws._pings
            assert not ws._pinged

    visit(echo, client)


def test_closing_wakes_all_who_wait() -> None:
    def client(url: str) -> None:
        ws = connect(url)

        def receive() -> None:
            with pytest.raises(ConnectionClosed) as closed:
                ws.recv()
            assert closed.value.sent == (1000, "enough")

        def close() -> None:
            until(lambda: ws._receiving)
            ws.close(1000, "enough")

        def close_too() -> None:
            until(lambda: ws.state is not State.OPEN)
            ws.close()

        in_threads(receive, close, close_too)
        ws.close()

    visit(wait, client)


# ---------------------------------------------------------------------- what its own thread does


def test_pings_are_answered_while_nobody_receives() -> None:
    answered: list[float] = []
    done = threading.Event()

    async def ping(connection: ServerConnection) -> None:
        answered.extend([await (await connection.ping()) for _ in range(3)])
        done.set()
        await connection.wait_closed()

    def client(url: str) -> None:
        with connect(url):
            assert done.wait(PATIENCE)

    visit(ping, client)
    assert len(answered) == 3


def test_the_heartbeat_beats() -> None:
    def client(url: str) -> None:
        with connect(url, heartbeat_interval=0.02) as ws:
            assert ws.latency is None or ws.latency > 0
            until(lambda: ws.latency is not None)

    visit(wait, client)


def test_a_server_that_falls_silent() -> None:
    async def test() -> None:
        async with Peer() as peer, Link(peer.port) as link:

            def client() -> None:
                url = f"ws://127.0.0.1:{link.port}/"
                with connect(url, heartbeat_interval=0.1, heartbeat_timeout=0.1) as ws:
                    until(lambda: ws.latency is not None)
                    link.silent = True
                    with pytest.raises(ConnectionClosed) as closed:
                        ws.recv(PATIENCE)
                    assert (closed.value.code, closed.value.rcvd) == (1006, None)

            await asyncio.to_thread(client)

    run_way("threads", test())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what was read")
def test_a_server_on_a_slow_line_lives_as_long_as_it_reads() -> None:
    """It cannot answer our Ping before it has read what stands before it."""
    pongs: list[bytes] = []

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        link = socket.socket(fileno=socket.dup(writer.get_extra_info("socket").fileno()))
        writer.write(welcome(head))
        decoder = FrameDecoder(masked=True)
        while not pongs:
            await asyncio.sleep(0.02)
            with contextlib.suppress(BlockingIOError):
                for frame in decoder.feed(link.recv(20_000)):
                    if frame.opcode is Opcode.PING:
                        pongs.append(frame.payload)
                        writer.write(build_frame(frame.payload, Opcode.PONG))
        link.close()
        await writer.drain()
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(slowly, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        beat: dict[str, Any] = {"heartbeat_interval": 0.2, "heartbeat_timeout": 0.4}

        def client() -> None:
            ws = connect(url, compression=False, close_timeout=0.1, **beat)
            ws.send(b"x" * MEGABYTE)
            until(lambda: ws.latency is not None or ws.state is not State.OPEN)
            assert ws.latency is not None
            ws.close()

        await asyncio.to_thread(client)
        server.close()

    run_way("threads", test())


def test_no_more_is_read_than_may_wait() -> None:
    sent = 0

    async def flood(connection: ServerConnection) -> None:
        nonlocal sent
        for _ in range(2000):
            await connection.send(b"x" * 10_000)
            sent += 1

    def client(url: str) -> None:
        beat: dict[str, Any] = {"heartbeat_interval": 0.05, "heartbeat_timeout": 0.05}
        with connect(url, max_waiting=4, compression=False, **beat) as ws:
            until(lambda: ws._paused)
            kept = len(ws._messages)
            assert 4 < kept < 20  # what one read has brought
            threading.Event().wait(0.3)  # and nobody calls the server silent meanwhile
            assert len(ws._messages) == kept
            assert sum(1 for _ in ws) == 2000

    visit(flood, client)
    assert sent == 2000


def test_sending_waits_for_a_slow_reader() -> None:
    go_on = threading.Event()
    heard: list[int] = []

    async def sleep(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.to_thread(go_on.wait, PATIENCE)
        connection.transport.resume_reading()
        heard.extend([len(message) async for message in connection])

    def client(url: str) -> None:
        sent = 0

        with connect(url, compression=False) as ws:

            def send() -> None:
                nonlocal sent
                for _ in range(300):
                    ws.send(b"x" * 100_000)
                    sent += 1

            def look() -> None:
                before = -1
                while before < sent < 300:  # until the buffers of both sides are full
                    before = sent
                    threading.Event().wait(0.1)
                unsent = ws._wire.unsent
                go_on.set()
                assert before == sent < 300
                assert 65_536 < unsent < 200_000

            in_threads(send, look)

    visit(sleep, client)
    assert heard == [100_000] * 300


def test_a_sender_that_waits_is_told_of_the_end() -> None:
    async def hang_up(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.send("now")
        await asyncio.sleep(0.1)
        connection.transport.abort()

    def client(url: str) -> None:
        def send_on(ws: WebSocket) -> None:
            while True:
                ws.send(b"x" * 1_000_000)

        with connect(url, compression=False) as ws, pytest.raises(ConnectionClosed) as closed:
            send_on(ws)
        assert closed.value.code == 1006

    visit(hang_up, client)


# ---------------------------------------------------------------------- ends


def test_what_came_before_the_end_is_received_and_may_be_answered() -> None:
    end = (1000).to_bytes(2)
    wanted = b"".join(build_frame(text, mask_key=bytes(4)) for text in ("one!", "two!"))
    wanted += build_frame(end, Opcode.CLOSE, mask_key=bytes(4))
    heard: list[bytes] = []

    async def at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        texts = build_frame("one") + build_frame("two")
        writer.write(welcome(head) + texts + build_frame(end, Opcode.CLOSE))
        heard.append(await reader.readexactly(len(wanted)))
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(at_once, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

        def client() -> None:
            with connect(url, compression=False, mask_source=bytes) as ws:
                for message in ws:
                    ws.send(f"{message!s}!")

        await asyncio.to_thread(client)
        server.close()

    run_way("threads", test())
    assert heard == [wanted]


@pytest.mark.parametrize("secure", [False, True])
def test_a_message_that_is_too_big(secure: bool) -> None:
    seen: list[int | None] = []
    server, client_tls = certificates("127.0.0.1")

    async def shout(connection: ServerConnection) -> None:
        with contextlib.suppress(PeerGone):
            await connection.send("x" * 2000)
        await connection.wait_closed()
        seen.append(connection.close_code)

    def client(url: str) -> None:
        if secure:
            url = url.replace("ws:", "wss:")
        with connect(url, max_message_size=1000, ssl=client_tls if secure else None) as ws:
            with pytest.raises(ConnectionClosed) as closed:
                ws.recv(PATIENCE)
            assert closed.value.error is not None
            assert closed.value.error.close_code == 1009
            assert closed.value.rcvd is None
            assert closed.value.sent is not None
            assert closed.value.sent.code == 1009
            assert "(we sent 1009)" in str(closed.value)

    visit(shout, client, ssl=server if secure else None)
    assert seen == [1009]


def test_a_server_that_does_not_answer_our_close() -> None:
    async def test() -> None:
        async with Peer() as peer, Link(peer.port) as link:

            def client() -> None:
                ws = connect(f"ws://127.0.0.1:{link.port}/", close_timeout=0.1)
                link.silent = True
                ws.close()
                assert (ws.close_code, ws.state) == (1006, State.CLOSED)

            await asyncio.to_thread(client)

    run_way("threads", test())


def test_a_close_behind_many_messages_is_found() -> None:
    """Nobody receives them, so they are thrown away for the peer's Close."""

    async def flood(connection: ServerConnection) -> None:
        with contextlib.suppress(PeerGone):
            for _ in range(500):
                await connection.send(b"x" * 10_000)

    def client(url: str) -> None:
        ws = connect(url, max_waiting=2, compression=False, close_timeout=PATIENCE)
        until(lambda: ws._paused)
        ws.close()
        assert ws.close_code == 1000
        assert ws.recv() == b"x" * 10_000

    visit(flood, client)


@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_connection_that_just_ends(how: str) -> None:
    async def go(connection: ServerConnection) -> None:
        await connection.recv()
        link = connection.transport.get_extra_info("socket")
        if how == "reset":
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.transport.abort()

    def ping_on(ws: WebSocket) -> None:
        while True:
            ws.ping()

    def client(url: str) -> None:
        with connect(url) as ws:
            ws.send("go")
            with pytest.raises(ConnectionClosed) as closed:
                ws.recv() if how == "reset" else ping_on(ws)
            assert (closed.value.code, closed.value.rcvd, closed.value.sent) == (1006, None, None)

    visit(go, client)


def test_nothing_is_left_behind() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def client(url: str) -> None:
        connect(url).close()
        gc.collect()
        before, threads = descriptors(), threading.active_count()
        for _ in range(10):
            with connect(url) as ws:
                ws.send("x")
                ws.recv(PATIENCE)
            with pytest.raises(TypeError):
                connect(url, headers=5)  # type: ignore[arg-type]
            with pytest.raises(LocalProtocolError):
                connect(url, headers={"Host": "x"})
        assert threading.active_count() == threads
        until(lambda: descriptors() <= before)

    visit(echo, client)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux")
def test_an_attempt_that_fails_leaves_nothing() -> None:
    def client(url: str) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            with pytest.raises((ssl.SSLError, OSError)):
                connect(url.replace("ws:", "wss:"))
            with pytest.raises(OSError):
                connect("ws://127.0.0.1:1/")
        until(lambda: len(os.listdir("/proc/self/fd")) <= before)

    visit(echo, client)


# ---------------------------------------------------------------------- our own server, TLS


def test_our_own_server() -> None:
    async def test() -> None:
        async with running_server() as server:

            def client() -> None:
                with connect(f"{server.base_url}/echo") as ws:
                    for size in (0, 1, 70_000, 1_000_000):
                        ws.send("x" * size)
                        assert ws.recv(PATIENCE) == "x" * size

            await asyncio.to_thread(client)

    run_way("threads", test())


def test_tls_with_many_threads() -> None:
    server, client_tls = certificates("127.0.0.1")

    def client(url: str) -> None:
        with connect(url.replace("ws:", "wss:"), ssl=client_tls) as ws:
            total = 0

            def send() -> None:
                for number in range(50):
                    ws.send(os.urandom(number * 2000))

            def receive() -> None:
                nonlocal total
                for _ in range(150):
                    total += len(ws.recv(PATIENCE))

            in_threads(receive, send, send, send)
            assert total == 3 * sum(number * 2000 for number in range(50))

    visit(echo, client, ssl=server)
