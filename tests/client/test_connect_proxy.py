"""``connect`` through proxies: small ones of the test, and Apache, with and without TLS."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from hashlib import sha1
from pathlib import Path
from typing import Any, Self

import pytest
import trustme

from goim_edu.client.proxy import ProxyError, Tunnel, find_proxy, parse_proxy
from goim_edu.errors import HandshakeError
from goim_edu.websocket.uri import parse_uri
from tests.client.ways import (
    PATIENCE,
    WAYS,
    ListeningProxy,
    Peer,
    SocksProxy,
    answer_of,
    certificates,
    refusal_of,
    run_way,
)
from tests.proxies import find, free_ports, listens

EACH_WAY = pytest.mark.parametrize("way", WAYS)
NAME = "chat.example"  # to be resolved by the proxy, if at all


# ---------------------------------------------------------------------- HTTP CONNECT


@EACH_WAY
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("to_proxy", [False, True], ids=["http", "https"])
def test_through_an_http_proxy(way: str, secure: bool, to_proxy: bool) -> None:
    server, client = certificates(NAME)
    proxy_server, proxy_client = certificates("localhost")

    async def test() -> None:
        tls: dict[str, Any] = {"ssl": server} if secure else {}
        async with (
            ListeningProxy(proxy_server if to_proxy else None) as proxy,
            Peer(**tls) as peer,
        ):
            url = f"{'wss' if secure else 'ws'}://{NAME}:{peer.port}/x"
            where = f"{'https' if to_proxy else 'http'}://lisa:hunter2@localhost:{proxy.port}"
            big = "x" * 1_000_000
            options: dict[str, Any] = {"proxy": where, "proxy_ssl": proxy_client}
            options["ssl"] = client if secure else None
            assert await answer_of(way, url, big, compression=False, **options) == big
            (head,) = proxy.heard
            assert head.startswith(f"CONNECT {NAME}:{peer.port} HTTP/1.1\r\n")
            assert "Proxy-Authorization: Basic bGlzYTpodW50ZXIy\r\n" in head
            assert peer.asked[0].headers["Host"] == f"{NAME}:{peer.port}"
            assert "hunter2" not in str(peer.asked[0].headers)
            assert "Proxy-Authorization" not in peer.asked[0].headers

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize(
    ("answer", "status", "passing", "says"),
    [
        (
            b"HTTP/1.1 407 Who\r\nContent-Length: 9\r\n\r\nyour name",
            407,
            False,
            "the proxy answered 407 Who: it wants a user",
        ),
        (b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nyour name", 403, False, "answered 403 No"),
        (b"HTTP/1.1 503 Later\r\n\r\nyour name", 503, True, "answered 503 Later"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", 502, False, "this is not an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000, 502, False, "this is not an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", 502, False, "octets behind the proxy's answer"),
        (b"HTTP/1.1 200", 502, True, "closed the connection without an answer"),
    ],
)
def test_a_proxy_that_refuses(
    way: str, answer: bytes, status: int, passing: bool, says: str
) -> None:
    async def test() -> None:
        async with ListeningProxy(answer=answer) as proxy:
            where = f"http://a:hunter2@127.0.0.1:{proxy.port}"
            refused = await refusal_of(way, f"ws://{NAME}/", proxy=where)
            assert type(refused) is ProxyError
            assert isinstance(refused, HandshakeError)
            assert (refused.status, refused.passing) == (status, passing)
            assert says in str(refused)
            assert "hunter2" not in str(refused)
            assert refused.body == (b"your name" if b"your name" in answer else b"")

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_a_proxy_that_never_answers(way: str, scheme: str) -> None:
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as link:
            where = f"{scheme}://127.0.0.1:{link.getsockname()[1]}"
            refused = await refusal_of(way, f"ws://{NAME}/", proxy=where, open_timeout=0.1)
            assert isinstance(refused, TimeoutError)

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_a_proxy_that_is_not_there(way: str, scheme: str) -> None:
    async def test() -> None:
        where = f"{scheme}://127.0.0.1:{free_ports(1)[0]}"
        refused = await refusal_of(way, f"ws://{NAME}/", proxy=where)
        assert isinstance(refused, OSError)
        assert not isinstance(refused, HandshakeError)

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize("fault", ["of the proxy", "of the server"])
def test_certificates_behind_a_proxy_are_checked(way: str, fault: str) -> None:
    server, client = certificates(NAME)
    proxy_server, proxy_client = certificates("localhost")

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with ListeningProxy(proxy_server) as proxy, Peer(ssl=server) as peer:
            trust: dict[str, Any] = {"ssl": client, "proxy_ssl": proxy_client}
            trust["proxy_ssl" if fault == "of the proxy" else "ssl"] = None
            url = f"wss://{NAME}:{peer.port}/"
            where = f"https://localhost:{proxy.port}"
            refused = await refusal_of(way, url, proxy=where, **trust)
            assert isinstance(refused, ssl.SSLCertVerificationError)

    run_way(way, test())


@pytest.mark.parametrize("way", ["asyncio", "uvloop"])
@pytest.mark.parametrize("scheme", ["https", "socks5h"])
def test_cancelling_on_the_way_leaves_nothing(way: str, scheme: str) -> None:
    """After each number of turns of the loop, from before the first step to after the last."""
    server, client = certificates(NAME)
    proxy_server, proxy_client = certificates("127.0.0.1")
    faults: list[dict[str, Any]] = []

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        front = ListeningProxy(proxy_server) if scheme == "https" else SocksProxy()
        async with front as proxy, Peer(ssl=server, close_timeout=0.1) as peer:
            where = f"{scheme}://127.0.0.1:{proxy.port}"
            trust: dict[str, Any] = {"ssl": client, "proxy_ssl": proxy_client}
            finished = 0
            for turns in range(0, 120, 2):
                url = f"wss://{NAME}:{peer.port}/"
                visit = asyncio.create_task(answer_of(way, url, proxy=where, **trust))
                for _ in range(turns):
                    await asyncio.sleep(0)
                visit.cancel()
                await asyncio.wait({visit})
                finished += not visit.cancelled()
            assert finished < 60
        gc.collect()

    run_way(way, test())
    # What the proxy of the test says of a way that was cut off is not about the client.
    assert [str(one) for one in faults if "goim_edu" in str(one) or "retrieved" in str(one)] == []


def test_a_tunnel_is_bounded_and_takes_its_answer_in_pieces() -> None:
    tunnel = Tunnel(parse_proxy("p:1"), parse_uri("ws://[::1]/"))
    assert tunnel.request == b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"
    # A 2xx has no content, whatever it says (RFC 9110 §9.3.6); what comes before it is skipped.
    answer = b"HTTP/1.1 100 Wait\r\n\r\nHTTP/1.0 299 Go\r\nContent-Length: 5\r\n\r\n"
    for octet in answer[:-1]:
        assert not tunnel.receive(bytes([octet]))
    assert tunnel.receive(answer[-1:])


# ---------------------------------------------------------------------- SOCKS


@EACH_WAY
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("password", [b"", b"hunter2"], ids=["open", "password"])
def test_through_a_socks_proxy(way: str, secure: bool, password: bytes) -> None:
    server, client = certificates(NAME)

    async def test() -> None:
        tls: dict[str, Any] = {"ssl": server} if secure else {}
        async with SocksProxy(password) as proxy, Peer(**tls) as peer:
            url = f"{'wss' if secure else 'ws'}://{NAME}:{peer.port}/x"
            info = "lisa:hunter2@" if password else ""
            where = f"socks5h://{info}127.0.0.1:{proxy.port}"
            options: dict[str, Any] = {"proxy": where, "ssl": client if secure else None}
            assert await answer_of(way, url, "x" * 100_000, **options) == "x" * 100_000
            assert proxy.heard == [(NAME, peer.port)]

    run_way(way, test())


@EACH_WAY
def test_a_name_that_we_look_up_ourselves(way: str) -> None:
    async def test() -> None:
        async with SocksProxy() as proxy, Peer() as peer:
            where = f"socks5://127.0.0.1:{proxy.port}"
            url = f"ws://localhost:{peer.port}/x"
            assert await answer_of(way, url, proxy=where) == "hello"
            ((host, _),) = proxy.heard
            assert host in (b"\x7f\0\0\1", bytes(15) + b"\1")

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize("fault", ["refused", "password"])
def test_a_socks_proxy_that_refuses(way: str, fault: str) -> None:
    async def test() -> None:
        proxy = SocksProxy(refuse=5) if fault == "refused" else SocksProxy(b"another")
        async with proxy:
            where = f"socks5h://lisa:hunter2@127.0.0.1:{proxy.port}"
            refused = await refusal_of(way, f"ws://{NAME}/", proxy=where)
            assert type(refused) is ProxyError
            assert "SOCKS proxy refused" in str(refused)
            assert "hunter2" not in str(refused)

    run_way(way, test())


@EACH_WAY
def test_without_the_package_for_socks(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)

    async def test() -> None:
        refused = await refusal_of(way, f"ws://{NAME}/", proxy="socks5://127.0.0.1:1")
        assert isinstance(refused, ModuleNotFoundError)
        assert "pip install 'goim-edu[proxy]'" in str(refused)

    run_way(way, test())


# ---------------------------------------------------------------------- the environment


@pytest.mark.parametrize(
    ("uri", "environment", "found"),
    [
        ("ws://a.example/", {}, None),
        ("ws://a.example/", {"http_proxy": "http://p:1"}, 1),
        ("wss://a.example/", {"http_proxy": "http://p:1"}, None),
        ("wss://a.example/", {"https_proxy": "http://p:1"}, 1),
        ("ws://a.example/", {"https_proxy": "http://p:1"}, None),
        ("ws://a.example/", {"HTTP_PROXY": "http://p:1"}, 1),
        ("ws://a.example/", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ("ws://a.example/", {"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, 1),
        ("wss://a.example/", {"all_proxy": "socks5://p"}, 1080),
        ("ws://a.example/", {"ALL_PROXY": "p:1", "http_proxy": "p:2", "ws_proxy": "p:3"}, 3),
        ("ws://a.example/", {"ALL_PROXY": "p:1", "http_proxy": "p:2"}, 2),
        ("ws://a.example/", {"http_proxy": " ", "all_proxy": ""}, None),
        *(
            ("ws://a.example:80/", {"all_proxy": "p:1", "no_proxy": listed}, None)
            for listed in ("*", "a.example", "x, A.Example", ".example", "*.example", "example")
        ),
        *(
            ("ws://a.example:80/", {"all_proxy": "p:1", "NO_PROXY": listed}, None)
            for listed in ("a.example:80", "b c .example:80")
        ),
        *(
            ("ws://a.example:80/", {"all_proxy": "p:1", "no_proxy": listed}, 1)
            for listed in ("", ",", "b.example", "ample", "a.example:81", "a.exam")
        ),
        ("ws://10.1.2.3/", {"all_proxy": "p:1", "no_proxy": "10.0.0.0/8"}, None),
        ("ws://10.1.2.3/", {"all_proxy": "p:1", "no_proxy": "10.1.2.3"}, None),
        ("ws://10.1.2.3/", {"all_proxy": "p:1", "no_proxy": "2.3,11.0.0.0/8,x/y"}, 1),
        ("ws://[fd00::1]/", {"all_proxy": "p:1", "no_proxy": "fd00::/8"}, None),
        ("ws://[fd00::1]/", {"all_proxy": "p:1", "no_proxy": "[fd00::1]"}, None),
        ("ws://[fd00::1]:81/", {"all_proxy": "p:1", "no_proxy": "[fd00::1]:81"}, None),
        ("ws://[fd00::1]:81/", {"all_proxy": "p:1", "no_proxy": "[fd00::1]:82"}, 1),
        *(
            (f"ws://{host}/", {"all_proxy": "p:1"}, None)
            for host in ("localhost", "a.localhost.", "127.0.0.1", "127.9.9.9", "[::1]")
        ),
        ("ws://localhost.example/", {"all_proxy": "p:1"}, 1),
        ("ws://0.0.0.1/", {"all_proxy": "p:1"}, 1),
    ],
)
def test_which_proxy(uri: str, environment: dict[str, str], found: int | None) -> None:
    proxy = find_proxy(True, parse_uri(uri), environment)
    assert (proxy and proxy.port) == found
    assert find_proxy(None, parse_uri(uri), environment) is None
    named = find_proxy("q:7", parse_uri(uri), environment)
    assert named is not None
    assert named.port == 7


@EACH_WAY
def test_the_environment_is_the_default(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with ListeningProxy() as proxy, Peer() as peer:
            for name in ("ws_proxy", "http_proxy", "no_proxy"):
                monkeypatch.delenv(name, raising=False)
                monkeypatch.delenv(name.upper(), raising=False)
            monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{proxy.port}")
            assert await answer_of(way, f"ws://{NAME}:{peer.port}/") == "hello"
            assert len(proxy.heard) == 1
            assert await answer_of(way, peer.url) == "hello"  # this machine itself
            assert len(proxy.heard) == 1
            monkeypatch.setenv("no_proxy", ".example")
            refused = await refusal_of(way, f"ws://{NAME}.invalid:{peer.port}/", proxy=None)
            assert isinstance(refused, OSError)
            monkeypatch.setenv("all_proxy", "ftp://a:hunter2@p")
            refused = await refusal_of(way, "ws://other.test/")
            assert isinstance(refused, ValueError)
            assert "hunter2" not in str(refused)

    run_way(way, test())


# ---------------------------------------------------------------------- Apache


class Apache:
    """Apache as a forward proxy for ports of this machine, with a password, by TLS or not."""

    def __init__(self, folder: Path, targets: str) -> None:
        self.port, self.tls = free_ports(2)
        path = find("apache2")
        self.client = self._certificate(folder)
        digest = b64encode(sha1(b"hunter2", usedforsecurity=False).digest()).decode()
        (folder / "users").write_text(f"lisa:{{SHA}}{digest}\n")
        modules = ["mpm_event", "authn_core", "authz_core", "authn_file", "authz_user"]
        modules += ["auth_basic", "proxy", "proxy_connect", "socache_shmcb", "ssl"]
        place = "/usr/lib/apache2/modules"
        lines = [f"LoadModule {one}_module {place}/mod_{one}.so" for one in modules]
        lines += [f"ServerRoot {folder}", f"DefaultRuntimeDir {folder}", "ServerName localhost"]
        lines += ["PidFile pid", "ErrorLog /dev/stderr", f"AllowCONNECT {targets}"]
        lines += [f"Listen 127.0.0.1:{port}" for port in (self.port, self.tls)]
        inside = ["ProxyRequests On", "<Proxy *>", "AuthType Basic", "AuthName proxy"]
        inside += [f"AuthUserFile {folder}/users", "Require valid-user", "</Proxy>"]
        cert = [f"SSLCertificateFile {folder}/both.pem", "SSLEngine On"]
        for port, more in ((self.port, []), (self.tls, cert)):
            lines += [f"<VirtualHost 127.0.0.1:{port}>", *inside, *more, "</VirtualHost>"]
        (folder / "conf").write_text("\n".join([*lines, ""]))
        self._log = folder / "log"
        with self._log.open("wb") as log:
            command = [path, "-DFOREGROUND", "-f", str(folder / "conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    @staticmethod
    def _certificate(folder: Path) -> ssl.SSLContext:
        authority, client = trustme.CA(), ssl.create_default_context()
        authority.configure_trust(client)
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
        return client

    def __enter__(self) -> Self:
        end = time.monotonic() + PATIENCE
        while not all(listens(port) for port in (self.port, self.tls)):
            assert time.monotonic() < end, self._log.read_text()
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.02)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)


def test_through_apache(tmp_path: Path) -> None:
    server, client = certificates("localhost")

    async def test(way: str, peer: Peer, apache: Apache, secure: bool) -> None:
        url = f"{'wss' if secure else 'ws'}://localhost:{peer.port}/x"
        options: dict[str, Any] = {"ssl": client if secure else None, "proxy_ssl": apache.client}
        for place in (f"http://{{}}localhost:{apache.port}", f"https://{{}}localhost:{apache.tls}"):
            good = place.format("lisa:hunter2@")
            assert await answer_of(way, url, "x" * 100_000, proxy=good, **options) == "x" * 100_000
            refused = await refusal_of(way, url, proxy=place.format(""), **options)
            assert isinstance(refused, ProxyError)
            assert refused.status == 407
            assert b"<title>407" in refused.body
            other = await refusal_of(way, f"ws://localhost:{apache.port}/", proxy=good, **options)
            assert isinstance(other, ProxyError)
            assert other.status == 403

    async def both(way: str) -> None:
        async with Peer() as plain, Peer(ssl=server) as secure:
            folder = tmp_path / way
            folder.mkdir()
            with Apache(folder, f"{plain.port} {secure.port}") as apache:
                await test(way, plain, apache, False)
                await test(way, secure, apache, True)

    for way in WAYS:
        run_way(way, both(way))
