"""The server: routes, who is let in, health, metrics, closing in good order, hostile clients."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest
import websockets.sync.client
from prometheus_client.parser import text_string_to_metric_families

from goim_edu.chat.limits import ChatLimits
from goim_edu.client import connect
from goim_edu.errors import HandshakeError, StoreUnavailable
from goim_edu.server import ChatServer, ServerConfig, UnsafeConfig
from goim_edu.serving.pages import page_files
from goim_edu.store import MemoryBackend, MessageStore, open_store
from goim_edu.transport import Connection, ConnectionClosed, Handler, WebSocket
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.events import Event, TextMessage
from goim_edu.websocket.frames import Opcode, build_frame
from tests.chatting import KEY, Person, RawClient, http, run, running_server, until, upgrade
from tests.serving import ServerProcess

ROOT = Path(__file__).resolve().parent.parent


# ---------------------------------------------------------------------- routes


def test_the_page_and_its_files() -> None:
    async def test() -> None:
        async with running_server() as server:
            status, head, body = await http(server.port, "/")
            assert status == 200
            assert b"text/html" in head
            assert b"Content-Security-Policy: default-src 'self'" in head
            assert b"X-Content-Type-Options: nosniff" in head
            assert body.startswith(b"<!DOCTYPE html>")
            for path, kind in (("/chat.js", b"text/javascript"), ("/style.css", b"text/css")):
                status, head, body = await http(server.port, path)
                assert (status, kind in head) == (200, True)
                assert f"Content-Length: {len(body)}".encode() in head
            status, head, body = await http(server.port, "/", method="HEAD")
            assert (status, body) == (200, b"")
            assert b"Content-Length: 0" not in head

    run(test())


def test_each_script_of_the_page_says_what_it_is_for_and_imports_what_is_served() -> None:
    files = {path: body.decode() for path, (body, _) in page_files().items()}
    scripts = {path: text for path, text in files.items() if path.endswith(".js")}
    pages = "".join([*scripts.values(), files["/"]])
    wanted = re.findall(r'^import .*"\./(.+)";|<script type="module" src="(.+?)">', pages, re.M)
    assert {f"/{one or other}" for one, other in wanted} == scripts.keys()
    for path, text in scripts.items():
        first, *lines = text.splitlines()
        assert first.startswith("// "), path
        assert len(lines) < 450, path


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/nothing", "GET", (), 404),
        ("/../server.py", "GET", (), 404),
        ("/%2e%2e/server.py", "GET", (), 404),
        ("/chat.js/", "GET", (), 404),
        ("/", "POST", (), 405),
        ("/", "GET", ("X: no host",), 400),
        ("/chat", "GET", (), 426),
        ("/echo", "GET", (), 426),
        ("/", "G\0T", (), 400),
        ("/" + "x" * 9000, "GET", (), 414),
        ("/", "GET", ("Host: a", "Content-Length: 5"), 413),
    ],
)
def test_what_is_not_served(path: str, method: str, headers: tuple[str, ...], status: int) -> None:
    async def test() -> None:
        async with running_server() as server:
            answer, head, body = await http(server.port, path, *headers, method=method)
            assert answer in ((status, 400) if status == 413 else (status,))
            assert body
            if status == 405:
                assert b"Allow: GET, HEAD" in head

    run(test())


def test_no_websocket_where_there_is_none() -> None:
    async def test() -> None:
        async with running_server() as server:
            with pytest.raises(HandshakeError) as refused:
                await connect(f"{server.base_url}/nothing")
            assert refused.value.status == 404

    run(test())


def test_a_wrong_version_is_told_the_right_one() -> None:
    async def test() -> None:
        async with running_server() as server:
            client = await RawClient.come(server.port, None)
            request = upgrade(server.port, "/echo").replace(b"Version: 13", b"Version: 8")
            client.send(request)
            answer = await client.read_all()
            assert answer.startswith(b"HTTP/1.1 426 ")
            assert b"Sec-WebSocket-Version: 13" in answer

    run(test())


def test_handlers_and_routes_of_ones_own() -> None:
    class Count(Handler):
        def __init__(self) -> None:
            self.seen = 0

        def on_events(self, connection: Connection, events: list[Event]) -> None:
            for event in events:
                if type(event) is TextMessage:
                    self.seen += 1
                    connection.send(str(self.seen))

    async def shout(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(str(message).upper())

    async def test() -> None:
        async with running_server() as server:
            server.handlers["/count"] = Count
            server.routes["/shout"] = shout
            async with connect(f"{server.base_url}/count") as ws:
                await ws.send("a")
                await ws.send("b")
                assert [await ws.recv(), await ws.recv()] == ["1", "2"]
            async with connect(f"{server.base_url}/shout") as ws:
                await ws.send("hi")
                assert await ws.recv() == "HI"

    run(test())


def test_a_route_that_breaks_is_closed_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(ws: WebSocket) -> None:
        raise ZeroDivisionError("oops")

    async def test() -> None:
        async with running_server() as server:
            server.routes["/broken"] = broken
            ws = await connect(f"{server.base_url}/broken")
            await ws.wait_closed()
            assert ws.close_code == 1011
            async with connect(f"{server.base_url}/echo") as other:
                await other.send("still here")
                assert await other.recv() == "still here"

    with caplog.at_level(logging.ERROR):
        run(test())
    assert "oops" in caplog.text


def test_the_examples_of_the_rfc_over_a_bare_socket() -> None:
    """RFC 6455 §5.7: every example, as octets, to a real socket."""

    async def test() -> None:
        async with running_server() as server:
            client = await RawClient.come(server.port)
            masked = bytes.fromhex("818537fa213d7f9f4d5158")
            client.send(masked)
            assert await client.read(7) == bytes.fromhex("810548656c6c6f")
            # Fragmented; a client masks both parts, here with a key of zeroes.
            client.send(bytes.fromhex("01830000000048656c" + "8082000000006c6f"))
            assert await client.read(7) == bytes.fromhex("810548656c6c6f")
            client.send(bytes.fromhex("898537fa213d7f9f4d5158"))
            assert await client.read(7) == bytes.fromhex("8a0548656c6c6f")
            client.send(bytes.fromhex("82fe010000000000") + bytes(256))
            assert await client.read(260) == bytes.fromhex("827e0100") + bytes(256)
            client.send(bytes.fromhex("82ff000000000001000000000000") + bytes(65536))
            assert await client.read(65546) == bytes.fromhex("827f0000000000010000") + bytes(65536)
            client.send(bytes.fromhex("810548656c6c6f"))  # unmasked: a server must refuse it
            (frame,) = FrameDecoder().feed(await client.read_all())
            assert parse_close(frame.payload)[0] == 1002

    run(test())


# ---------------------------------------------------------------------- who is let in


async def try_origin(server: ChatServer, origin: str | None, host: str = "") -> int:
    client = await RawClient.come(server.port, None)
    request = upgrade(server.port, "/echo", *([f"Origin: {origin}"] if origin else []))
    if host:
        request = request.replace(b"Host: 127.0.0.1:%d" % server.port, f"Host: {host}".encode())
    client.send(request)
    head = await client.read_until(b"\r\n\r\n")
    client.go()
    return int(head.split(b" ")[1])


def test_origins() -> None:
    async def test() -> None:
        async with running_server() as server:
            here = f"127.0.0.1:{server.port}"
            assert await try_origin(server, None) == 101
            assert await try_origin(server, f"http://{here}") == 101
            assert await try_origin(server, "https://evil.example") == 403
            assert await try_origin(server, "null") == 403
            assert await try_origin(server, f"http://127.0.0.1:{server.port + 1}") == 403
            # DNS rebinding: a page of evil.example, whose name now leads to this machine.
            evil = f"evil.example:{server.port}"
            assert await try_origin(server, f"http://{evil}", host=evil) == 403
        async with running_server(origins=("https://good.example", "loopback")) as server:
            assert await try_origin(server, "https://GOOD.example") == 101
            assert await try_origin(server, "http://localhost:8888") == 101
            assert await try_origin(server, "http://127.0.0.1:8888") == 101
            assert await try_origin(server, "http://[::1]:8888") == 101
            assert await try_origin(server, "http://localhost.evil.example") == 403
            assert await try_origin(server, "http://evil.example") == 403
        async with running_server(origins=("*",)) as server:
            assert await try_origin(server, "http://evil.example") == 101

    run(test())


def test_connections_in_all_and_per_address() -> None:
    async def test() -> None:
        for settings in ({"max_connections": 3}, {"max_per_ip": 3}):
            async with running_server(None, **settings) as server:
                first = [await RawClient.come(server.port) for _ in range(3)]
                late = await RawClient.come(server.port, None)
                answer = await late.read_all()
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"Retry-After: 5" in answer
                first[0].go()
                await until(lambda server=server: len(server._connections) == 2)  # type: ignore[misc]
                again = await RawClient.come(server.port)
                again.send_text("hi")
                assert await again.read(4) == build_frame("hi")
                assert server.engine.stats.refused == 1

    run(test())


def test_listening_beyond_this_machine_needs_a_guard(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 40)
    with pytest.raises(UnsafeConfig, match="insecure=True"):
        ServerConfig(host="0.0.0.0").check()
    assert "no TLS" in (ServerConfig(host="0.0.0.0", insecure=True).warning() or "")
    with_tokens = ServerConfig(host="::", auth="jwt", jwt_secret=secret)
    with_tokens.check()
    assert "no TLS" in (with_tokens.warning() or "")
    assert ServerConfig(host="::1").warning() is None


@pytest.mark.parametrize(
    "settings",
    [
        {"auth": "jwt"},
        {"auth": "jwt", "jwt_secret": Path("/nowhere")},
        {"auth": "jwt", "jwt_secret": Path(__file__), "jwt_public_key": Path(__file__)},
        {"tls_cert": Path(__file__)},
        {"tls_cert": Path(__file__), "tls_key": Path("/nowhere")},
        {"tls_cert": Path(__file__), "tls_key": Path(__file__)},
    ],
)
def test_a_config_that_cannot_work_is_found_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OSError)):
        ServerConfig(**settings).check()


@pytest.mark.parametrize(
    "settings",
    [
        {"port": -1},
        {"port": 65536},
        {"heartbeat_interval": -1.0},
        {"heartbeat_timeout": 0.0},
        {"max_connections": 0},
        {"rate": float("nan")},
        {"burst": 0},
        {"hello_timeout": float("inf")},
    ],
)
def test_a_number_out_of_its_range_is_refused_at_once(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        ServerConfig.of(**settings)


def test_settings_of_the_chat_stand_beside_those_of_the_server() -> None:
    config = ServerConfig.of(port=0, limits=ChatLimits(max_text=9), burst=5)
    assert config == ServerConfig(port=0, limits=ChatLimits(max_text=9, burst=5))
    with pytest.raises(TypeError, match="brust"):
        ServerConfig.of(brust=5)


# ---------------------------------------------------------------------- health and metrics


class Ailing(MessageStore):
    """A store whose database has gone away."""

    def ping(self) -> float:
        raise StoreUnavailable("no MongoDB answered")


def test_health() -> None:
    async def test() -> None:
        async with running_server() as server:
            await Person.come(server, "lisa")
            status, head, body = await http(server.port, "/healthz")
            health = json.loads(body)
            assert (status, b"application/json" in head) == (200, True)
            assert (health["status"], health["sessions"]) == ("ok", 1)
            assert health["store"] == server.store.description
        ailing = Ailing(MemoryBackend())
        async with running_server(ailing) as server:
            status, _, body = await http(server.port, "/healthz")
            assert status == 503
            assert json.loads(body)["why"] == "no MongoDB answered"
        ailing.close()

    run(test())


def test_metrics() -> None:
    async def test() -> None:
        async with (
            running_server(heartbeat_interval=0.05, heartbeat_timeout=5) as server,
            running_server() as other,
        ):
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            await lisa.say("hi")
            await lisa.tell(type="leave", room_id="elsewhere")
            await until(lambda: server.connections()[0].latency is not None)
            status, head, body = await http(server.port, "/metrics")
            assert (status, b"text/plain; version=0.0.4" in head) == (200, True)
            found = await asyncio.to_thread(scrape, server.port)
            assert found["goim_sessions",] == 1
            assert found["goim_rooms",] == 1
            assert found["goim_acknowledged_total",] == 1
            assert found["goim_errors_total", "not_joined"] == 1
            assert found["goim_round_trip_seconds_count",] == 1
            assert found["goim_round_trip_seconds_bucket", "+Inf"] == 1
            assert found["goim_bytes_in_total",] > 300
            assert found["goim_queued_bytes",] == 0
            _, _, body = await http(other.port, "/metrics")
            assert b"goim_sessions 0.0" in body

    run(test())


def test_the_queue_of_a_slow_reader_is_seen() -> None:
    async def test() -> None:
        async with running_server() as server:
            slow = await RawClient.come(server.port)
            (connection,) = server._connections
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
            big = build_frame("x" * 60_000, mask_key=KEY)
            for _ in range(2000):
                slow.send(big)
                await asyncio.sleep(0)
                if connection.congested:
                    break
            assert server.connections()[0].queued > 0
            _, _, body = await http(server.port, "/metrics")
            assert b"goim_queued_bytes 0.0" not in body

    run(test())


def test_log_lines_are_fields_and_hold_no_line_breaks(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running_server() as server:
            await Person.come(server, "eve\nlevel=CRITICAL forged")

    with caplog.at_level(logging.INFO):
        run(test())
    lines = [record.getMessage() for record in caplog.records]
    (hello,) = [line for line in lines if line.startswith("hello ")]
    assert "user='eve\\nlevel=CRITICAL forged'" in hello
    assert not any("\n" in line for line in lines)


# ---------------------------------------------------------------------- closing in good order


class Slow(MessageStore):
    """A store that takes its time to write."""

    def submit_async(self, *message: str, **named: str) -> asyncio.Future[Any]:
        done = asyncio.get_running_loop().create_future()
        answer = super().submit_async(*message, **named)
        self.busy = asyncio.get_running_loop().create_task(self._later(answer, done))
        return done

    async def _later(self, answer: asyncio.Future[Any], done: asyncio.Future[Any]) -> None:
        await asyncio.sleep(0.2)
        done.set_result(await answer)

    def flush(self, timeout: float | None = None) -> bool:
        time.sleep(0.3)
        return super().flush(timeout)


def test_small_replies_wait_for_nobody() -> None:
    """Nagle's algorithm is off on what is accepted: TCP sends each reply at once."""
    options = []

    class Look(Handler):
        __slots__ = ()

        def on_open(self, connection: Connection) -> None:
            link = connection.transport.get_extra_info("socket")
            options.append(link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def test() -> None:
        async with running_server() as server:
            server.handlers["/look"] = Look
            async with connect(f"ws://127.0.0.1:{server.port}/look"):
                await until(lambda: bool(options))

    run(test())
    assert options != [0]
    assert len(options) == 1


def test_a_handler_that_loses_a_connection_of_its_own_has_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its peer is still there, and is told 1011; not so if it was the peer that left."""

    async def database_is_away(ws: WebSocket) -> None:
        raise ConnectionRefusedError("my own database")

    async def other_chat_is_away(ws: WebSocket) -> None:
        raise ConnectionClosed(None, None)

    async def reads(ws: WebSocket) -> None:
        await ws.recv()

    async def test() -> None:
        async with running_server() as server:
            for path, handler in (
                ("/a", database_is_away),
                ("/b", other_chat_is_away),
                ("/c", reads),
            ):
                server.routes[path] = handler
            for path in ("/a", "/b"):
                async with connect(f"{server.base_url}{path}") as ws:
                    with pytest.raises(ConnectionClosed) as closed:
                        await ws.recv()
                    assert closed.value.code == 1011
            assert caplog.text.count("handler failed") == 2
            async with connect(f"{server.base_url}/c"):
                pass
            await until(lambda: not server.connections())
            assert caplog.text.count("handler failed") == 2

    run(test())


def test_a_server_is_started_once() -> None:
    async def test() -> None:
        server = ChatServer(ServerConfig(port=0), open_store("memory"))
        await server.drain()  # it was never started: nothing to do
        await server.start()
        with pytest.raises(RuntimeError, match="make a new one"):
            await server.start()
        await server.drain()
        await server.drain()
        with pytest.raises(RuntimeError, match="make a new one"):
            await server.start()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", server.port)

    run(test())


def test_draining() -> None:
    """What was sent gets its ack; all are told, closed with 1001, and no more come in."""

    async def test() -> None:
        store = Slow(MemoryBackend())
        async with running_server(store) as server:
            lisa, tom = await Person.come(server, "lisa"), await Person.come(server, "tom")
            stranger = await Person.come(server)
            echo = await connect(f"{server.base_url}/echo")
            await lisa.join()
            await tom.join()
            await lisa.tell(type="send", room_id="lobby", client_msg_id="m1", text="last words")
            await until(lambda: store.stats.saved)
            drain = asyncio.create_task(server.drain())
            assert (await lisa.hear("draining"))["reconnect_after_ms"] >= 0
            status, _, body = await http(server.port, "/healthz")
            assert (status, json.loads(body)["status"]) == (503, "draining")
            with pytest.raises(HandshakeError) as refused:
                await connect(f"{server.base_url}/echo")
            assert refused.value.status == 503
            assert (await tom.say("too late"))["code"] == "unavailable"
            assert (await lisa.hear("ack"))["client_msg_id"] == "m1"
            assert (await tom.hear("message"))["text"] == "last words"
            assert (await lisa.closed())[0] == 1001
            assert (await stranger.closed())[0] == 1001
            await echo.wait_closed()
            assert echo.close_code == 1001
            await drain
            assert not server._connections
            await server.drain()  # twice does no harm
            with pytest.raises(OSError, match="Connect"):
                await connect(f"{server.base_url}/echo")
        store.close()

    run(test())


def test_draining_ends_in_time_whoever_does_not_answer() -> None:
    async def test() -> None:
        async with running_server(close_timeout=0.3) as server:
            deaf = await RawClient.come(server.port)
            opening = await RawClient.come(server.port, None)
            opening.send(b"GET /")
            begin = monotonic()
            await server.drain()
            assert monotonic() - begin < 2
            assert (await deaf.read_all()).startswith(b"\x88")

    run(test())


def test_start_stop_start_leaves_nothing_behind() -> None:
    async def test() -> None:
        process = psutil.Process()
        store = MessageStore(MemoryBackend())
        for turn in range(3):
            async with running_server(store) as server:
                lisa = await Person.come(server, "lisa")
                await lisa.join()
                await lisa.say("hi", f"m{turn}")
            if turn == 0:
                sockets, tasks = len(process.net_connections()), len(asyncio.all_tasks())
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        assert len(process.net_connections()) <= sockets
        store.close()

    run(test())


# ---------------------------------------------------------------------- hostile clients


def test_hostile_clients_are_survived(tmp_path: Path) -> None:
    """Every attack at once, from another process: honest clients are served, memory is bounded."""
    options = ("--open-timeout", "1", "--close-timeout", "0.5", "--log-level", "warning")
    with ServerProcess(tmp_path / "log", "memory", *options) as server:
        memory = psutil.Process(server.pid).memory_info
        before = memory().rss
        command = [sys.executable, "-m", "tests.attackers", str(server.port), "3", "100"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as attackers:
            if attackers.stdout is None or attackers.stdout.readline() != b"attacking\n":
                raise RuntimeError("there was no attack")
            trips, peak = measure_echo(server.port, lambda: attackers.poll() is None, memory)
        assert len(trips) > 50
        assert peak - before < 150 << 20
        values = scrape(server.port)
        assert values["goim_timed_out_total",] >= 10
        assert values["goim_failed_total",] >= 10
        assert values["goim_errors_total", "rate_limited"] > 0


def measure_echo(
    port: int, going_on: Callable[[], bool], memory: Callable[[], Any]
) -> tuple[list[float], int]:
    """The round trips of an honest client as long as something goes on, and the peak of memory."""
    trips = []
    peak = 0
    with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/echo") as ws:
        while going_on():
            begin = time.perf_counter()
            ws.send("how are you?")
            ws.recv(timeout=10)
            trips.append(time.perf_counter() - begin)
            peak = max(peak, memory().rss)
            time.sleep(0.005)
    return trips, peak


def scrape(port: int) -> dict[tuple[str, ...], float]:
    """The metrics by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        body = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def test_what_a_message_may_hold_is_bounded_before_it_is_kept() -> None:
    async def test() -> None:
        async with running_server(max_message_size=1000) as server:
            head = bytes.fromhex("82ff7fffffffffffffff37fa213d")
            client = await RawClient.come(server.port)
            client.send(head)
            (frame,) = FrameDecoder().feed(await client.read_all())
            assert parse_close(frame.payload)[0] == 1009
            client = await RawClient.come(server.port)
            client.send(build_frame(b"x" * 600, Opcode.BINARY, False, KEY))
            client.send(build_frame(b"x" * 600, Opcode.CONTINUATION, True, KEY))
            (frame,) = FrameDecoder().feed(await client.read_all())
            assert parse_close(frame.payload)[0] == 1009

    run(test())
