"""The servers over one endpoint, with threads and with trio: ours, and the same on ``wsproto``."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from goim_edu.websocket.frames import build_frame
from tests.chatting import upgrade
from tests.conftest import require
from tests.examples.counting import EXAMPLES, PEERS
from tests.proxies import free_ports, listens

NAMES = ["threads_server.py", "trio_server.py"]
EACH = pytest.mark.parametrize("name", NAMES)
PATIENCE = 30.0  # seconds until the program is given up


@contextmanager
def running(folder: Path, name: str) -> Iterator[int]:
    """The program, on a free port."""
    if "trio" in name:
        require(find_spec("trio"), "trio", "pip install trio")
    (port,) = free_ports(1)
    process = subprocess.Popen([sys.executable, str(folder / name), str(port)])
    try:
        asyncio.run(asyncio.wait_for(started(process, port), PATIENCE))
        yield port
    finally:
        process.kill()
        process.wait()


async def started(process: subprocess.Popen[bytes], port: int) -> None:
    while not listens(port):
        assert process.poll() is None
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("folder", [EXAMPLES, PEERS], ids=["ours", "peer"])
@EACH
def test_it_echoes(folder: Path, name: str) -> None:
    async def visit(port: int, compression: str | None) -> None:
        async with connect(f"ws://127.0.0.1:{port}/", compression=compression) as ws:
            assert bool(ws.protocol.extensions) is bool(compression)
            for message in ("", "Hello", b"\0\xff", "x" * 100_000, b"y" * 500_000):
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["Hel", "", "lo"])
            assert await ws.recv() == "Hello"
            await (await ws.ping())
        assert (ws.close_code, ws.protocol.close_rcvd_then_sent) == (1000, False)

    async def all_at_once(port: int) -> None:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(visit(port, way) for way in (None, "deflate") for _ in range(5)))

    with running(folder, name) as port:
        asyncio.run(all_at_once(port))


@EACH
def test_what_is_wrong_ends_one_connection_only(name: str) -> None:
    """What ours need not do by hand: refusals, broken rules, early frames, peers that vanish."""

    def say(port: int, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as link:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            heard = b""
            while piece := link.recv(65_536):
                heard += piece
            return heard

    with running(EXAMPLES, name) as port:
        assert say(port, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").startswith(b"HTTP/1.1 426 ")
        assert say(port, b"\x16\x03\x01\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert say(port, b"") == b""
        hello = build_frame("hello", mask_key=bytes(4))
        early = say(port, upgrade(port, "/") + hello)
        assert early.partition(b"\r\n\r\n")[2] == build_frame("hello")
        broken = say(port, upgrade(port, "/") + hello + build_frame("not masked"))
        assert broken.partition(b"\r\n\r\n")[2].startswith(build_frame("hello") + b"\x88")
        assert b"\x03\xea" in broken  # 1002
        reset = socket.create_connection(("127.0.0.1", port))
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reset.sendall(upgrade(port, "/"))
        reset.close()
        assert say(port, upgrade(port, "/") + hello).endswith(build_frame("hello"))
