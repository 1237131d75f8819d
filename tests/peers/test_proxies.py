"""Our server behind nginx, HAProxy and Apache, configured as docs/operations.md says."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from goim_edu.server import ChatServer
from tests.chatting import run, running_server, until
from tests.proxies import LANGUAGES, NAME, Proxy

SETTINGS: dict[str, Any] = {"hosts": (NAME,), "trusted_proxies": ("127.0.0.1",)}
ONE, OTHER = "127.0.0.2", "127.0.0.3"  # two people; the proxy comes from 127.0.0.1
PROGRAMS = pytest.mark.parametrize("program", LANGUAGES)
PLACES = [(secure, prefix) for secure in (False, True) for prefix in ("", "/goim")]


class Visit:
    """Somebody at an address who comes through a proxy.

    Args:
        proxy: the proxy.
        secure: whether by TLS.
        prefix: the path below which the chat stands.
        address: where the visitor is.
    """

    def __init__(self, proxy: Proxy, secure: bool, prefix: str = "", address: str = ONE) -> None:
        self.port = proxy.tls if secure else proxy.plain
        self.prefix = prefix
        self.address = address
        self.scheme = "https" if secure else "http"
        self.tls = None
        if secure:
            self.tls = ssl.create_default_context()
            proxy.authority.configure_trust(self.tls)

    async def get(self, path: str, *fields: str) -> tuple[int, bytes]:
        """Status and body of a page."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.port,
            ssl=self.tls,
            server_hostname=NAME if self.tls else None,
            local_addr=(self.address, 0),
        )
        lines = [f"GET {self.prefix}{path} HTTP/1.1", f"Host: {NAME}", "Connection: close", *fields]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split(b" ")[1]), body

    def chat(self, origin: str = "", **fields: str) -> connect:
        """A WebSocket, as the page would open it unless it is given another origin."""
        return connect(
            f"{self.scheme.replace('http', 'ws')}://{NAME}{self.prefix}/chat",
            host="127.0.0.1",
            port=self.port,
            ssl=self.tls,
            local_addr=(self.address, 0),
            origin=Origin(origin or f"{self.scheme}://{NAME}"),
            subprotocols=[Subprotocol("goim.v1.json")],
            additional_headers={name.replace("_", "-"): value for name, value in fields.items()},
            proxy=None,
        )


async def refused(visit: Visit, origin: str = "", **fields: str) -> int:
    """The status with which a WebSocket is refused."""
    with pytest.raises(InvalidStatus) as caught:
        await visit.chat(origin, **fields)
    return caught.value.response.status_code


async def ask(ws: ClientConnection, **request: str) -> dict[str, Any]:
    await ws.send(json.dumps(request))
    answer: dict[str, Any] = json.loads(await ws.recv())
    return answer


def remotes(server: ChatServer) -> set[str]:
    return {info.remote for info in server.connections()}


@PROGRAMS
def test_page_and_chat(program: str, tmp_path: Path) -> None:
    async def visit_all(proxy: Proxy, server: ChatServer) -> None:
        for number, (secure, prefix) in enumerate(PLACES):
            visit = Visit(proxy, secure, prefix)
            status, page = await visit.get("/")
            assert (status, b'src="chat.js"' in page) == (200, True)
            assert (await visit.get("/chat.js"))[0] == 200
            status, health = await visit.get("/healthz")
            assert (status, json.loads(health)) == (200, {"status": "ok"})
            assert (await visit.get("/metrics"))[0] == 403
            async with visit.chat() as ws:
                assert remotes(server) == {ONE}
                assert (await ask(ws, type="hello", user_id="lisa"))["type"] == "welcome"
                assert (await ask(ws, type="join", room_id="hall"))["type"] == "joined"
                text = "long enough to be compressed, " * 100
                message = {"room_id": "hall", "client_msg_id": str(number), "text": text}
                assert (await ask(ws, type="send", **message))["seq"] == number + 1
                await ws.close(1000)
                assert ws.close_code == 1000
            await until(lambda: not server.connections())
            other = "http" if secure else "https"
            for origin in (
                f"{other}://{NAME}",
                "https://evil.example",
                f"{visit.scheme}://{NAME}:1",
            ):
                assert await refused(visit, origin) == 403

    async def test() -> None:
        async with running_server(**SETTINGS) as server:
            with Proxy(program, tmp_path, server.port) as proxy:
                await visit_all(proxy, server)

    run(test())


@PROGRAMS
def test_people_are_counted_and_not_the_proxy(program: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with running_server(**SETTINGS, max_per_ip=2) as server:
            with Proxy(program, tmp_path, server.port) as proxy:
                one, other = Visit(proxy, True), Visit(proxy, True, address=OTHER)
                async with one.chat(), one.chat(), other.chat():
                    assert remotes(server) == {ONE, OTHER}
                    assert await refused(one) == 503
                    assert await refused(one, X_Forwarded_For="192.0.2.9") == 503
                    assert await refused(one, X_Forwarded_For="192.0.2.9, 127.0.0.1") == 503
                    assert await refused(one, Forwarded="for=192.0.2.9") == 503
                    assert (await one.get("/"))[0] == 503
                    assert (await other.get("/"))[0] == 200

    run(test())


def test_haproxy_finds_the_server_in_good_health(tmp_path: Path) -> None:
    """It asks in HTTP/1.0 and without Host."""

    async def test() -> None:
        async with running_server(**SETTINGS) as server:
            with Proxy("haproxy", tmp_path, server.port) as proxy:
                await until(lambda: proxy.stats()["check_status"].startswith("L7"))
                found = proxy.stats()
                assert (found["status"], found["check_status"]) == ("UP", "L7OK")

    run(test())


def test_a_proxy_that_keeps_the_host_to_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with running_server(**SETTINGS) as server:
            change = {"proxy_set_header Host              $http_host;": ""}
            with Proxy("nginx", tmp_path, server.port, change) as proxy:
                assert await refused(Visit(proxy, True)) == 403
            assert f"origin='https://{NAME}' host='127.0.0.1:{server.port}'" in caplog.text

    with caplog.at_level(logging.INFO, "goim_edu.server"):
        run(test())
