"""``serve``: a server for a handler of one's own, with peers that we did not write."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.client import connect as peer
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from goim_edu import server as face
from goim_edu.client import connect
from goim_edu.errors import HandshakeError
from goim_edu.server import (
    DeflateConfig,
    Request,
    Response,
    Server,
    ServerConfig,
    WebSocket,
    make_response,
    serve,
)
from goim_edu.websocket.frames import build_frame
from tests.chatting import KEY, RawClient, http, run, until, upgrade


async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


async def code_of(url: str, **options: Any) -> int | None:
    """The code with which a server closes at once."""
    async with peer(url, **options) as ws:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(ws.recv(), 10)
        return ws.close_code


def test_a_handler_sees_the_request_and_the_subprotocol() -> None:
    seen = []

    async def look(ws: WebSocket) -> None:
        assert ws.request is not None
        seen.append((ws.request.path, ws.request.query, ws.request.headers["X-Way"]))
        await ws.send(ws.subprotocol or "none")

    async def test() -> None:
        async with serve(look, subprotocols=["a", "b"]) as server:
            for offered, chosen in ((["b", "a"], "b"), (["x", "a"], "a"), (["x"], "none")):
                names = [Subprotocol(name) for name in offered]
                url = f"{server.url}/some/path?q=1"
                async with peer(url, subprotocols=names, additional_headers={"X-Way": "y"}) as ws:
                    assert await ws.recv() == chosen
                    await ws.wait_closed()
                    assert ws.close_code == 1000  # the handler has ended

    run(test())
    assert seen == [("/some/path", "q=1", "y")] * 3


def test_a_subprotocol_is_chosen_in_ones_own_way(caplog: pytest.LogCaptureFixture) -> None:
    def select(request: Request, names: Any) -> str | None:
        assert names == ("a", "b")
        if request.path == "/refused":
            raise HandshakeError("not this one", status=403)
        return {"/last": "b", "/never": "offered"}.get(request.path)

    async def test() -> None:
        offered = [Subprotocol("a"), Subprotocol("b")]
        async with serve(echo, subprotocols=["a", "b"], select_subprotocol=select) as server:
            async with peer(f"{server.url}/last", subprotocols=offered) as ws:
                assert ws.subprotocol == "b"
            async with peer(f"{server.url}/none", subprotocols=offered) as ws:
                assert ws.subprotocol is None
            for path, status in (("/refused", 403), ("/never", 500)):
                with pytest.raises(InvalidStatus) as refused:
                    await peer(f"{server.url}{path}", subprotocols=offered)
                assert refused.value.response.status_code == status
        assert "did not offer the subprotocol 'offered'" in caplog.text

    run(test())


def test_what_is_not_asked_for_a_websocket_is_refused_before_a_subprotocol_is_chosen() -> None:
    def select(request: Request, names: Any) -> str | None:
        pytest.fail("there is nothing to choose")

    async def test() -> None:
        async with serve(echo, subprotocols=["a"], select_subprotocol=select) as server:
            assert (await http(server.port, "/"))[0] == 426

    run(test())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"handler": lambda ws: None},
            "a handler is a coroutine function (async def); it gave None",
        ),
        (
            {"handler": echo, "process_request": lambda request: "no"},
            "process_request must give a Response or None, not 'no'",
        ),
    ],
)
def test_what_is_given_back_is_named_in_the_log(
    settings: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with serve(**settings) as server:
            with contextlib.suppress(InvalidStatus):
                await code_of(server.url)
            await until(lambda: said in caplog.text)

    run(test())


async def own_connection_is_lost(ws: WebSocket) -> None:
    raise ConnectionRefusedError("my own database")


async def awaits_what_was_cancelled(ws: WebSocket) -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task


async def gives_nothing_to_await(ws: WebSocket) -> None:
    await (lambda: None)()  # type: ignore[misc]


@pytest.mark.parametrize(
    "handler", [own_connection_is_lost, awaits_what_was_cancelled, gives_nothing_to_await]
)
def test_a_handler_that_fails_is_logged_once_and_its_client_told_1011(
    handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with serve(handler) as server:
            assert await code_of(server.url) == 1011
            await until(lambda: not server._tasks)

    run(test())
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage().split()[:2] for record in errors] == [["handler", "failed"]]
    assert errors[0].exc_info is not None


def test_a_client_that_leaves_is_not_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def two_tasks(ws: WebSocket) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ws.recv())

    async def test() -> None:
        for handler in (echo, two_tasks):
            async with serve(handler) as server:
                ws = await connect(server.url)
                ws.connection.abort()
                await ws.wait_closed()
                await until(lambda server=server: not server._tasks)  # type: ignore[misc]

    run(test())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# ---------------------------------------------------------------------- before the WebSocket


def decide(request: Request) -> Response | None:
    match request.path:
        case "/page":
            return make_response("a page\n", headers={"X-Own": "1"})
        case "/teapot":
            return make_response(b"short and stout\n", 418)
        case "/refuse":
            raise HandshakeError("show a token", status=401, headers=[("WWW-Authenticate", "x")])
        case "/broken":
            raise KeyError("oops")
        case "/nonsense":
            return "a str"  # type: ignore[return-value]
    return None


async def decide_later(request: Request) -> Response | None:
    await asyncio.sleep(0)
    return decide(request)


@pytest.mark.parametrize("process_request", [decide, decide_later])
def test_requests_are_looked_at_first(
    process_request: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with serve(echo, process_request=process_request) as server:
            status, head, body = await http(server.port, "/page")
            assert (status, body, b"X-Own: 1" in head) == (200, b"a page\n", True)
            assert (await http(server.port, "/page", method="HEAD"))[2] == b""
            assert (await http(server.port, "/other"))[0] == 426
            for path, wanted in (
                *(("/page", 200), ("/teapot", 418), ("/refuse", 401)),
                *(("/broken", 500), ("/nonsense", 500)),
            ):
                with pytest.raises(InvalidStatus) as refused:
                    await peer(f"{server.url}{path}")
                assert refused.value.response.status_code == wanted, path
            assert caplog.text.count("request failed") == 2
            async with peer(server.url) as ws:
                await ws.send("Hello")
                assert await ws.recv() == "Hello"

    run(test())


def test_what_comes_before_the_answer_is_kept_and_who_leaves_is_forgotten() -> None:
    go = asyncio.Event()

    async def wait(request: Request) -> Response | None:
        await go.wait()
        return None

    async def test() -> None:
        async with serve(echo, process_request=wait) as server:
            eager, gone = [await RawClient.come(server.port, None) for _ in range(2)]
            eager.send(upgrade(server.port, "/") + build_frame("early", mask_key=KEY))
            gone.send(upgrade(server.port, "/"))
            await until(lambda: len(server._tasks) == 2)
            gone.go()
            await until(lambda: len(server._connections) == 1)
            go.set()
            await eager.read_until(b"\r\n\r\n")
            assert await eager.read(7) == build_frame("early")
            eager.go()

    run(test())


def test_who_takes_too_long_to_decide_is_cut_off() -> None:
    async def never(request: Request) -> Response | None:
        await asyncio.Event().wait()
        return None

    async def test() -> None:
        async with serve(echo, process_request=never, open_timeout=0.1) as server:
            client = await RawClient.come(server.port, None)
            client.send(upgrade(server.port, "/"))
            assert await client.read_all() == b""
            client.go()

    run(test())


def test_pages_of_strangers_are_refused_unless_named() -> None:
    async def test() -> None:
        async with serve(echo) as careful, serve(echo, origins=["*"]) as open_to_all:
            for server, origin, wanted in (
                (careful, "https://evil.example", 403),
                (careful, f"http://127.0.0.1:{careful.port}", 101),
                (open_to_all, "https://evil.example", 101),
            ):
                client = await RawClient.come(server.port, None)
                client.send(upgrade(server.port, "/", f"Origin: {origin}"))
                head = await client.read_until(b"\r\n\r\n")
                assert int(head.split()[1]) == wanted
                client.go()

    run(test())


# ---------------------------------------------------------------------- sockets, TLS, compression


def test_tls_by_a_context_of_ones_own() -> None:
    authority = trustme.CA()
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(ours)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def test() -> None:
        async with serve(echo, "localhost", ssl=ours) as server:
            assert server.url == f"wss://localhost:{server.port}"
            async with peer(server.url, ssl=trusting) as ws:
                await ws.send("Hello")
                assert await ws.recv() == "Hello"

    run(test())


def test_a_socket_of_ones_own(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    async def test() -> None:
        tcp = socket.create_server(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        async with serve(echo, sock=tcp) as server:
            assert (server.port, server.url) == (port, f"ws://127.0.0.1:{port}")
            async with peer(server.url) as ws:
                await ws.send("tcp")
                assert await ws.recv() == "tcp"
        assert tcp.fileno() == -1
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(path)
        async with serve(echo, sock=unix, max_per_ip=1) as server:
            assert server.port == 0
            async with unix_connect(path) as one, unix_connect(path) as two:
                for ws in (one, two):
                    await ws.send("unix")
                    assert await ws.recv() == "unix"
                assert len(server.connections()) == 2
            await until(lambda: server.admission.total == 0)

    run(test())


def test_compression_in_ones_own_way() -> None:
    async def test() -> None:
        keeps = DeflateConfig(client_max_window_bits=10)
        for compression, wanted in ((True, "server_no_context_takeover"), (keeps, "'10'")):
            async with serve(echo, compression=compression) as server, connect(server.url) as ws:
                assert wanted in str(ws.extensions)
        async with serve(echo, compression=False) as server, connect(server.url) as ws:
            assert not ws.extensions

    run(test())


def test_the_open_websockets_can_be_told_something() -> None:
    async def test() -> None:
        async with serve(echo) as server:
            assert repr(server) == f"<Server {server.url} listening, 0 connections>"
            async with peer(server.url) as one, peer(server.url) as two:
                await until(lambda: len(server.connections()) == 2)
                for ws in server.connections():
                    await ws.send("to all")
                assert [await one.recv(), await two.recv()] == ["to all"] * 2
                assert "2 connections" in repr(server)
            await until(lambda: not server.connections())

    run(test())


# ---------------------------------------------------------------------- wrong use


class Callback:
    async def __call__(self, ws: WebSocket) -> None:
        await echo(ws)


async def generator(ws: WebSocket) -> Any:
    yield ws


async def two_arguments(ws: WebSocket, path: str) -> None: ...


def test_what_can_be_called_with_a_websocket_is_a_handler() -> None:
    async def test() -> None:
        partial = functools.partial(two_arguments, path="")
        for handler in (Callback(), functools.partial(echo), lambda ws: echo(ws), partial):
            serve(handler)

    run(test())


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: serve("echo"), TypeError, "handler is a coroutine function"),  # type: ignore[arg-type]
        (lambda: serve(echo(None)), TypeError, "without parentheses"),  # type: ignore[arg-type]
        (lambda: serve(generator), TypeError, "not a generator"),
        (lambda: serve(two_arguments), TypeError, "path"),  # type: ignore[arg-type]
        (lambda: serve(echo, port="80"), ValueError, "port must"),  # type: ignore[arg-type]
        (lambda: serve(echo, port=70000), ValueError, "port must"),
        (lambda: serve(echo, subprotocols="chat"), TypeError, "subprotocols"),
        (lambda: serve(echo, subprotocols=["a b"]), ValueError, "subprotocols"),
        (lambda: serve(echo, origins="https://a"), ValueError, "origins"),
        (lambda: serve(echo, compression=9), ValueError, "compression"),  # type: ignore[arg-type]
        (lambda: serve(echo, open_timeout=0), ValueError, "open_timeout"),
        (lambda: serve(echo, ssl=True), TypeError, "ssl must"),  # type: ignore[arg-type]
        (lambda: serve(echo, ssl=ssl.create_default_context()), ValueError, "for clients"),
        (lambda: serve(echo, sock=80), TypeError, "sock must"),  # type: ignore[arg-type]
        (lambda: serve(echo, process_request=5), TypeError, "process_request"),  # type: ignore[arg-type]
        (lambda: serve(echo, select_subprotocol=5), TypeError, "select_sub"),  # type: ignore[arg-type]
    ],
)
def test_wrong_use_is_told_at_once(make: Callable[[], Server], kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        make()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_socket_that_cannot_be_listened_on(kind: int) -> None:
    with socket.socket(socket.AF_INET, kind) as link, pytest.raises(ValueError, match="sock"):
        serve(echo, sock=link)


def test_the_face_has_all_that_it_names() -> None:
    for name in face.__all__:
        assert hasattr(face, name), name
    assert set(face.__all__) <= set(dir(face))
    with pytest.raises(AttributeError, match="NoSuchThing"):
        face.NoSuchThing  # type: ignore[attr-defined]


def test_a_handler_of_ones_own_needs_no_chat_and_no_store() -> None:
    heavy = "msgspec", "bson", "pymongo", "prometheus_client", "goim_edu.chat.hub"
    code = f"import sys; from goim_edu.server import serve; print(*{{*{heavy}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_limit_of_the_chat_that_is_misplaced_is_sent_where_it_belongs() -> None:
    with pytest.raises(
        TypeError, match=r"'burst': it is a limit of the chat, so say Ser\w+.of\(burst"
    ):
        ServerConfig(burst=5)  # type: ignore[call-arg]
    assert ServerConfig.of(burst=5).limits.burst == 5


def test_a_connection_that_is_not_made_says_how_to_make_it() -> None:
    with pytest.raises(AttributeError, match="no 'send': there is no connection yet"):
        connect("ws://127.0.0.1:1").send("Hello")  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"^Connect has no 'sned'$"):
        connect("ws://127.0.0.1:1").sned  # type: ignore[attr-defined]


def test_a_page_of_ones_own_is_not_guessed_at() -> None:
    assert make_response("<b>")[2]["x-content-type-options"] == "nosniff"


def test_the_handler_chooses_among_what_is_offered() -> None:
    def newest(request: Request, ours: Sequence[str]) -> str | None:
        assert request.subprotocols == ("v1", "v9", "v2")
        return max(set(request.subprotocols) & set(ours), default=None)

    async def talk(ws: WebSocket) -> None:
        await ws.recv()

    async def test() -> None:
        server = serve(talk, subprotocols=["v1", "v2"], select_subprotocol=newest)
        async with server, connect(server.url, subprotocols=["v1", "v9", "v2"]) as ws:
            assert ws.subprotocol == "v2"

    run(test())


def test_a_refusal_says_its_status_once() -> None:
    def check(request: Request) -> None:
        raise HandshakeError("show the token", status=401)

    async def talk(ws: WebSocket) -> None:
        await ws.recv()

    async def test() -> None:
        async with serve(talk, process_request=check) as server:
            with pytest.raises(HandshakeError) as refused:
                await connect(server.url)
            said = "the server answered 401 Unauthorized, not 101: 'show the token'"
            assert refused.value.message == said
            assert refused.value.body == b"401 Unauthorized\nshow the token\n"

    run(test())
