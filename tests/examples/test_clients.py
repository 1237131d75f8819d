"""The client without an event loop, and the one through a proxy: ours, and on ``websockets``."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.chatting import run, running_server
from tests.client.ways import ListeningProxy, Peer
from tests.examples.counting import EXAMPLES, PEERS

FOLDERS = pytest.mark.parametrize("folder", [EXAMPLES, PEERS], ids=["ours", "peer"])
NAMES = ["sync_client.py", "proxy_client.py"]


async def start(program: Path, *arguments: str, **environment: str) -> Process:
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), *arguments),
        stdin=PIPE,
        stdout=PIPE,
        env=kept | environment,
    )


@FOLDERS
def test_a_client_without_an_event_loop(folder: Path) -> None:
    async def test() -> None:
        async with running_server() as server:
            client = await start(folder / "sync_client.py", f"{server.base_url}/echo")
            assert client.stdin is not None
            assert client.stdout is not None
            for line in ("Hello", "", "你好"):
                client.stdin.write(f"{line}\n".encode())
                assert (await client.stdout.readline()).decode() == f"{line}\n"
            client.stdin.close()
            assert await client.wait() == 0

    run(test())


@FOLDERS
@pytest.mark.parametrize("named", [True, False], ids=["named", "environment"])
def test_a_client_through_a_proxy(folder: Path, named: bool) -> None:
    async def test() -> None:
        async with ListeningProxy() as proxy, Peer() as peer:
            where = f"http://127.0.0.1:{proxy.port}"
            arguments = [f"ws://chat.example:{peer.port}/", where][: 2 if named else 1]
            client = await start(folder / "proxy_client.py", *arguments, http_proxy=where)
            assert (await client.communicate())[0].decode() == "hello\n"
            assert len(proxy.heard) == 1

    run(test())


@FOLDERS
def test_a_proxy_that_refuses(folder: Path) -> None:
    async def test() -> None:
        async with ListeningProxy(answer=b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n") as proxy:
            where = f"http://127.0.0.1:{proxy.port}"
            client = await start(folder / "proxy_client.py", "ws://chat.example/", where)
            heard, _ = await client.communicate()
            assert heard.decode() == "not through this proxy: 403\n"

    run(test())
