"""New connections: counted before TLS, with a deadline, quietly where no file is left."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import trustme
import uvloop

from goim_edu.client import connect
from goim_edu.serving.accepting import Admission
from tests.chatting import RawClient, http, run, running_server, until

LOOPS = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
NewLoop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The settings of a server with TLS."""
    folder = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    return {"tls_cert": chain, "tls_key": key}


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def strangers() -> Iterator[Callable[[int, int], list[socket.socket]]]:
    """Come by TCP and say nothing."""
    come: list[socket.socket] = []

    def more(port: int, number: int) -> list[socket.socket]:
        new = [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]
        come.extend(new)
        return new

    yield more
    for link in come:
        link.close()


def run_in(new_loop: NewLoop, test: Any) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(test, 60))


def test_admission() -> None:
    admission = Admission(most=3, most_per_host=2)
    assert [admission.enter(host) for host in "aabb"] == [None, None, None, "the server is full"]
    admission.leave("b")
    assert admission.enter("a") == "too many connections from your address"
    assert admission.total == 2
    for _ in range(2):
        admission.leave("a")
    assert admission.total == 0
    assert not admission._per_host  # nothing is kept of those that have left


@LOOPS
@pytest.mark.parametrize("cap", ["max_connections", "max_per_ip"])
def test_strangers_on_a_tls_port_are_held_by_the_cap(
    new_loop: NewLoop, cap: str, tls: dict[str, Any], trusting: ssl.SSLContext, strangers: Any
) -> None:
    async def test() -> None:
        async with running_server(None, **tls, **{cap: 5}) as server:
            quiet = await asyncio.to_thread(strangers, server.port, 12)
            await until(lambda: server.engine.stats.refused == 7)
            assert server.starting == server.admission.total == 5
            for link in quiet[5:]:
                link.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(link, 10) == b""
            quiet[0].close()
            await until(lambda: server.starting == 4)
            async with connect(f"{server.base_url}/echo", ssl=trusting) as ws:
                await ws.send("in")
                assert await ws.recv() == "in"
                assert server.admission.total == 5
            await until(lambda: server.admission.total == 4)

    run_in(new_loop, test())


@LOOPS
def test_the_tls_handshake_has_a_deadline_of_its_own(
    new_loop: NewLoop, tls: dict[str, Any], strangers: Any
) -> None:
    async def test() -> None:
        async with running_server(None, **tls, tls_timeout=0.1, open_timeout=60) as server:
            await asyncio.to_thread(strangers, server.port, 3)
            await until(lambda: server.engine.stats.tls_failed == 3)
            await until(lambda: server.admission.total == 0)
            assert server.starting == 0

    run_in(new_loop, test())


@LOOPS
def test_a_failed_tls_handshake_leaves_its_place(new_loop: NewLoop, tls: dict[str, Any]) -> None:
    async def test() -> None:
        async with running_server(None, **tls, max_connections=1) as server:
            for number in range(1, 4):
                client = await RawClient.come(server.port, None)
                client.send(b"GET / HTTP/1.1\r\nHost: no TLS\r\n\r\n")
                await client.read_all()
                await until(lambda n=number: server.engine.stats.tls_failed == n)  # type: ignore[misc]
                await until(lambda: server.admission.total == 0)

    run_in(new_loop, test())


@LOOPS
def test_drain_does_not_wait_for_strangers(
    new_loop: NewLoop, tls: dict[str, Any], strangers: Any
) -> None:
    async def test() -> None:
        async with running_server(None, **tls) as server:
            await asyncio.to_thread(strangers, server.port, 3)
            await until(lambda: server.starting == 3)
            await server.drain()
            assert server.admission.total == 0

    run_in(new_loop, test())


def test_strangers_are_in_the_metrics(
    tls: dict[str, Any], trusting: ssl.SSLContext, strangers: Any
) -> None:
    async def test() -> None:
        async with running_server(None, **tls) as server:
            await asyncio.to_thread(strangers, server.port, 3)
            await until(lambda: server.starting == 3)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            lines = (await reader.read()).decode().splitlines()
            writer.close()
            assert "goim_connections 4.0" in lines
            assert "goim_tls_handshakes 3.0" in lines

    run(test())


def test_a_crowd_is_let_in() -> None:
    async def test() -> None:
        async with running_server() as server:
            crowd = await asyncio.gather(*(RawClient.come(server.port) for _ in range(100)))
            assert server.admission.total == len(server._connections) == 100
            for client in crowd:
                client.reset()
            await until(lambda: server.admission.total == 0)

    run(test())


class Crowded:
    """A socket that listens on a system which has no file left for a while."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self.failures = 0

    def accept(self) -> Any:
        if self.failures < 50:
            self.failures += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._link.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)


def test_where_no_file_is_left_one_line_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goim_edu.serving.accepting._RETRY", 0.001)

    async def test() -> None:
        async with running_server() as server:
            assert server._acceptor is not None
            crowded = Crowded(server._acceptor._link)
            server._acceptor._link = cast("socket.socket", crowded)
            assert (await http(server.port, "/"))[0] == 200  # it goes on when there is one
            assert crowded.failures == 50

    with caplog.at_level(logging.WARNING):
        run(test())
    assert [r.getMessage() for r in caplog.records] == [
        f"cannot accept why={os.strerror(errno.EMFILE)!r} times=1"
    ]


def test_a_loop_that_cannot_watch_a_socket_takes_connections_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That of Windows cannot."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        add_reader = loop.add_reader

        def refuse(link: Any, callback: Any, *args: Any) -> Any:
            if callback.__name__ == "_take_some":
                raise NotImplementedError
            return add_reader(link, callback, *args)

        monkeypatch.setattr(loop, "add_reader", refuse)
        async with running_server() as server:
            await asyncio.gather(*(RawClient.come(server.port) for _ in range(20)))

    run(test())
