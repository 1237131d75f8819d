"""Clients that we did not write, each in its own way, against our server; and one other server."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import curl_cffi
import pytest
import tornado.websocket
import websocket as websocket_client

from goim_edu.client import connect
from goim_edu.transport import ConnectionClosed, WebSocket
from tests.chatting import run, running_server, until
from tests.conftest import require

PROGRAMS = Path(__file__).parent / "programs"
BIG = bytes(number * 7 % 256 for number in range(70_000))
MESSAGES = ("你好 😀", BIG, "", b"", "x" * 70_000)
WELL = "all is well"
UNDICI = "undici@7.16.0"  # the newest that Node 20 takes


class Peer:
    """A route that sends everything back and remembers how its connections were closed."""

    def __init__(self) -> None:
        self.closed: list[tuple[int, str]] = []

    async def __call__(self, ws: WebSocket) -> None:
        try:
            while True:
                await ws.send(await ws.recv())
        except ConnectionClosed as closed:
            self.closed.append((closed.code, closed.reason))


def with_server(use: Callable[[str], Awaitable[None] | None]) -> None:
    """Run a client, sync or async, against a fresh server; it must close with 3001."""

    async def test() -> None:
        peer = Peer()
        async with running_server() as server:
            server.routes["/peer"] = peer
            url = f"{server.base_url}/peer"
            async with asyncio.timeout(60):
                if inspect.iscoroutinefunction(use):
                    await use(url)
                else:
                    await asyncio.to_thread(use, url)
            await until(lambda: bool(peer.closed))
            assert peer.closed == [(3001, "bye")]

    run(test())


def say(*command: str | Path) -> None:
    """Run a program; it checks all by itself."""
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert told.stdout.strip().endswith(WELL), told.stdout + told.stderr


# ---------------------------------------------------------------------- in Python


def test_websocket_client() -> None:
    def use(url: str) -> None:
        ws = websocket_client.create_connection(url, timeout=20)
        for message in MESSAGES:
            if isinstance(message, str):
                ws.send(message)
            else:
                ws.send_binary(message)
            assert ws.recv() == message
        for data, opcode, fin in (("in ", 1, 0), ("three ", 0, 0), ("pieces", 0, 1)):
            ws.send_frame(websocket_client.ABNF.create_frame(data, opcode, fin))
        assert ws.recv() == "in three pieces"
        ws.ping("?")
        opcode, frame = ws.recv_data_frame(control_frame=True)
        assert (opcode, frame.data) == (websocket_client.ABNF.OPCODE_PONG, b"?")
        ws.close(3001, b"bye", timeout=20)

    with_server(use)


@pytest.mark.parametrize("compress", [0, 15])
def test_aiohttp(compress: int) -> None:
    async def use(url: str) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, compress=compress, max_msg_size=1 << 20) as ws,
        ):
            for message in MESSAGES:
                if isinstance(message, str):
                    await ws.send_str(message)
                    assert await ws.receive_str() == message
                else:
                    await ws.send_bytes(message)
                    assert await ws.receive_bytes() == message
            await ws.ping(b"?")
            await ws.close(code=3001, message=b"bye")
            assert ws.close_code == 3001

    with_server(use)


@pytest.mark.parametrize("compression", [None, {}])
def test_tornado(compression: dict[str, object] | None) -> None:
    async def use(url: str) -> None:
        ws = await tornado.websocket.websocket_connect(url, compression_options=compression)
        for message in MESSAGES:
            await ws.write_message(message, binary=isinstance(message, bytes))
            assert await ws.read_message() == message
        ws.ping(b"?")
        ws.close(3001, "bye")
        assert await ws.read_message() is None
        assert ws.close_code == 3001

    with_server(use)


def test_libcurl() -> None:
    def use(url: str) -> None:
        with curl_cffi.Session() as session:
            ws = session.ws_connect(url)
            for message in MESSAGES:
                if not message:
                    continue  # it cannot send an empty message
                if isinstance(message, str):
                    ws.send_str(message)
                    assert ws.recv_str() == message
                else:
                    ws.send_binary(message)
                    assert ws.recv()[0] == message
            ws.ping(b"?")
            ws.close(3001, b"bye")

    with_server(use)


# ---------------------------------------------------------------------- in other languages


def test_undici(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    require(npm and node, "npm and node", "apt install npm nodejs")
    assert npm
    assert node
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    command = [npm, "install", *options, "--prefix", str(tmp_path), UNDICI]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=120)
    require(installed.returncode == 0, UNDICI, installed.stderr)
    with_server(lambda url: say(node, PROGRAMS / "undici.mjs", tmp_path, url))


def test_java() -> None:
    java, compiler = shutil.which("java"), shutil.which("javac")
    require(java and compiler, "a JDK", "apt install default-jdk-headless")
    assert java
    with_server(lambda url: say(java, PROGRAMS / "Client.java", url))


@pytest.fixture(scope="module")
def go_peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built without a network from Debian's packages."""
    go, library = shutil.which("go"), Path("/usr/share/gocode/src/nhooyr.io/websocket")
    how = "apt install golang-go golang-nhooyr-websocket-dev"
    require(go and library.exists(), "Go and nhooyr.io/websocket", how)
    assert go
    folder = tmp_path_factory.mktemp("go")
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "cache"),
    }
    command = [go, "build", "-o", str(folder / "peer"), str(PROGRAMS / "peer.go")]
    built = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert built.returncode == 0, built.stderr
    return folder / "peer"


def test_go(go_peer: Path) -> None:
    """Its library refuses a 101 that names a window that it did not ask for."""
    with_server(lambda url: say(go_peer, url))


def test_our_client_with_a_server_in_go(go_peer: Path) -> None:
    """It refuses a request that asks for a window in its first offer."""

    async def use(url: str) -> None:
        async with asyncio.timeout(20), connect(url) as ws:
            assert [extension.name for extension in ws.extensions] == ["permessage-deflate"]
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            assert await ws.ping() < 20

    with subprocess.Popen([go_peer, "serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            run(use(f"ws://127.0.0.1:{int(server.stdout.readline())}/"))
        finally:
            server.terminate()
