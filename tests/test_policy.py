"""Which clients may come in: origins, the server's own names, addresses behind proxies."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from goim_edu.server import ChatServer
from goim_edu.serving.access import AllowedHosts, AllowedOrigins, is_loopback
from goim_edu.serving.config import ServerConfig
from goim_edu.serving.visitor import TrustedProxies, Visitor
from goim_edu.websocket.handshake import Headers, Request
from goim_edu.websocket.origin import host_of, normal_origin
from tests.chatting import RawClient, http, run, running_server, until, upgrade

BEYOND: dict[str, Any] = {"host": "0.0.0.0", "insecure": True}
PROXY = "127.0.0.1"


async def come(server: ChatServer, host: str, *fields: str) -> int:
    """The status of an opening handshake with this Host."""
    client = await RawClient.come(server.port, None)
    request = upgrade(server.port, "/chat", "Sec-WebSocket-Protocol: goim.v1.json", *fields)
    client.send(request.replace(b"127.0.0.1:%d" % server.port, host.encode(), 1))
    head = await client.read_until(b"\r\n\r\n")
    client.go()
    return int(head.split(b" ")[1])


# ---------------------------------------------------------------------- origins and names


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://chat.example.com", "https://chat.example.com"),
        ("HTTPS://Chat.Example.Com:443", "https://chat.example.com"),
        ("http://chat.example.com:80", "http://chat.example.com"),
        ("http://chat.example.com:", "http://chat.example.com"),
        ("http://chat.example.com:080", "http://chat.example.com"),
        ("http://chat.example.com:443", "http://chat.example.com:443"),
        ("https://chat.example.com:80", "https://chat.example.com:80"),
        ("http://[::1]:8765", "http://[::1]:8765"),
        ("http://[0:0:0:0:0:0:0:1]:80", "http://[::1]"),
        ("chrome-extension://abc", "chrome-extension://abc"),
        *((wrong, None) for wrong in ("null", "", "file://", "chat.example.com", "https://")),
        *((wrong, None) for wrong in ("https://a/b", "https://a:x", "http://[::1", "https://u@a")),
        *((wrong, None) for wrong in ("http://[1.2.3.4]", "https://a b", "https://a\x00")),
    ],
)
def test_equal_origins_are_equal_texts(written: str, normal: str | None) -> None:
    assert normal_origin(written) == normal


def test_the_host_of_an_authority() -> None:
    assert [host_of(one) for one in ("A:1", "[::1]:1", "[::1]", "")] == ["a", "[::1]", "[::1]", ""]


def test_an_allowed_origin_may_be_written_in_other_ways() -> None:
    allowed = AllowedOrigins(["https://Chat.example.com:443/", "null", "loopback"])
    here = ("https://chat.example.com", "null", "http://localhost:1", "https://[::1]:8")
    assert all(origin in allowed for origin in here)
    for other in ("http://chat.example.com", "chrome-extension://127.0.0.1", "https://a", "x", 1):
        assert other not in allowed
    for wrong in ("chat.example.com", "https://chat.example.com/chat", "https//a", ""):
        with pytest.raises(ValueError, match="not an origin"):
            ServerConfig(origins=(wrong,))


def test_what_is_loopback() -> None:
    mine = ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST", "x.localhost")
    others = ("0.0.0.0", "::", "192.168.0.1", "localhost.example", "example", "", "127.0.0.1.x")
    assert [host for host in mine if not is_loopback(host)] == []
    assert [host for host in others if is_loopback(host)] == []


def test_the_names_of_a_server() -> None:
    ours = AllowedHosts(["chat.example.com:443"], ["https://App.example.com", "loopback"])
    for name in ("CHAT.example.com", "app.example.com:8", "localhost:1", "10.0.0.1:2", "[fe80::1]"):
        assert name in ours
    for name in ("evil.example", "10.0.0.1.evil.example", "chat.example.com.evil", ""):
        assert name not in ours
    assert "evil.example" in AllowedHosts([], beyond=True)
    assert "evil.example" not in AllowedHosts(["chat.example.com"], beyond=True)
    assert "evil.example" in AllowedHosts(["*"])


@pytest.mark.parametrize(
    ("settings", "origin", "host", "status"),
    [
        # RFC 6454 §4, §5: an origin without a port has that of its scheme.
        (BEYOND, "https://chat.example.com", "chat.example.com", 101),
        (BEYOND, "https://chat.example.com", "chat.example.com:443", 101),
        (BEYOND, "http://chat.example.com", "Chat.Example.Com:80", 101),
        (BEYOND, "HTTPS://Chat.Example.com:443", "chat.example.com", 101),
        (BEYOND, "http://[2001:db8::1]:8765", "[2001:db8:0:0::1]:8765", 101),
        (BEYOND, "https://chat.example.com", "chat.example.com:80", 403),
        (BEYOND, "http://chat.example.com", "chat.example.com:443", 403),
        (BEYOND, "https://chat.example.com:8443", "chat.example.com", 403),
        (BEYOND, "https://evil.example", "chat.example.com", 403),
        (BEYOND, "chrome-extension://chat.example.com", "chat.example.com", 403),
        (BEYOND, "null", "null", 403),
        # DNS rebinding: Origin and Host agree, and the name is not ours.
        ({}, "http://evil.example:1", "evil.example:1", 403),
        ({}, "http://evil:1", "evil:1", 403),
        ({"hosts": ("chat.example.com",)}, "http://evil.example", "evil.example", 403),
        ({"hosts": ("chat.example.com",)}, "https://chat.example.com", "chat.example.com", 101),
        (BEYOND | {"hosts": ("a.example",)}, "http://evil.example", "evil.example", 403),
        (BEYOND | {"hosts": ("a.example",)}, "http://a.example", "a.example", 101),
        ({"origins": ("https://a.example",)}, "https://a.example", "127.0.0.1:1", 101),
        ({"origins": ("https://a.example:443",)}, "https://a.example", "b.example", 101),
        ({"origins": ("https://a.example",)}, "http://a.example", "127.0.0.1:1", 403),
    ],
)
def test_pages_that_may_connect(
    settings: dict[str, Any], origin: str, host: str, status: int
) -> None:
    async def test() -> None:
        async with running_server(**settings) as server:
            assert await come(server, host, f"Origin: {origin}") == status
            assert await come(server, host) == 101  # a client that is not a page

    run(test())


@pytest.mark.parametrize(
    ("proto", "origin", "status"),
    [
        ("X-Forwarded-Proto: https", "https://chat.example.com", 101),
        ("X-Forwarded-Proto: https", "http://chat.example.com", 403),
        ("X-Forwarded-Proto: http", "https://chat.example.com", 403),
        ("X-Forwarded-Proto: http", "http://chat.example.com", 101),
        ("X-Forwarded-Proto: WSS", "http://chat.example.com", 403),
        ("Forwarded: for=192.0.2.1;proto=https", "http://chat.example.com", 403),
        ("X-Forwarded-Proto: gopher", "http://chat.example.com", 101),
    ],
)
def test_a_trusted_proxy_says_by_which_scheme_a_page_came(
    proto: str, origin: str, status: int
) -> None:
    async def test() -> None:
        names: dict[str, Any] = {"hosts": ("chat.example.com",)}
        async with running_server(**names, trusted_proxies=(PROXY,)) as server:
            assert await come(server, "chat.example.com", proto, f"Origin: {origin}") == status
        async with running_server(**names) as server:  # and anybody else could say anything
            assert await come(server, "chat.example.com", proto, f"Origin: {origin}") == 101

    run(test())


def test_a_refused_page_is_in_the_log_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running_server() as server:
            assert await come(server, "a.example", "Origin: https://b.example/\x9b31m") == 403

    with caplog.at_level(logging.INFO, "goim_edu.server"):
        run(test())
    (line,) = [one.getMessage() for one in caplog.records if "refused" in one.getMessage()]
    assert r"\x9b31m' host='a.example'" in line
    assert "--allow-origin" in line
    assert "--allow-host" in line
    assert line.isprintable()


# ---------------------------------------------------------------------- clients behind proxies


def visitor(*fields: tuple[str, str], peer: str = PROXY, tls: bool = False) -> Visitor:
    proxies = TrustedProxies([PROXY, "10.0.0.0/8", "2001:db8:ffff::/48"])
    return proxies.visitor(peer, Request("GET", "/", "HTTP/1.1", Headers(fields)), tls=tls)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.1.2.3 , 127.0.0.1", "198.51.100.7"),
        ("garbage, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("2001:DB8::17", "2001:db8::17"),
        ("[2001:db8::17]:4711", "2001:db8::17"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        *((wrong, PROXY) for wrong in ("", "unknown", "198.51.100.7,", "198.51.100.7, _hidden")),
        *((wrong, PROXY) for wrong in ("198.51.100.700", "1.2.3.4.5", "x" * 9000, "1.2.3.4:x")),
    ],
)
def test_the_client_in_x_forwarded_for(value: str, address: str) -> None:
    assert visitor(("X-Forwarded-For", value)).address == address
    assert visitor(("X-Forwarded-For", value), peer="192.0.2.1").address == "192.0.2.1"


@pytest.mark.parametrize(
    ("value", "address", "secure"),
    [
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60", False),
        ("For=192.0.2.43, for=198.51.100.17", "198.51.100.17", None),
        ('for="[2001:db8:cafe::17]:4711"; proto=https', "2001:db8:cafe::17", True),
        ('for=192.0.2.43,for="10.0.0.1:80"', "192.0.2.43", None),
        ('for="\\1\\9\\2.0.2.43"', "192.0.2.43", None),
        ('by="a,b;c=\\"d";for=192.0.2.43', "192.0.2.43", None),
        *((wrong, PROXY, None) for wrong in ("for=unknown", "for=_hidden", "for", "by=1.2.3.4")),
        *((wrong, PROXY, None) for wrong in ('for="1.2.3.4', "for=1.2.3.4,", "for=1.2.3.4 x")),
        *((wrong, PROXY, None) for wrong in ("for=1.2.3.4, =", "", ";" * 9000, '"' * 9000)),
    ],
)
def test_the_client_in_forwarded(value: str, address: str, secure: bool | None) -> None:
    """RFC 7239 §4, with its examples."""
    assert visitor(("Forwarded", value))[:2] == (address, secure)
    assert visitor(("Forwarded", value), peer="192.0.2.1")[:2] == ("192.0.2.1", None)


def test_of_two_fields_a_client_may_have_written_one() -> None:
    """A proxy writes one of them, and may pass on the other as it came."""
    both = (("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.8;proto=https"))
    assert visitor(*both).address == PROXY
    assert visitor(*reversed(both)).address == PROXY
    agreed = (("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.7;proto=https"))
    assert visitor(*agreed) == Visitor("192.0.2.7", True, False)
    assert visitor(*agreed, ("X-Forwarded-Proto", "http")).secure is None


def test_the_lines_of_a_field_are_one_list() -> None:
    lines = [("X-Forwarded-For", one) for one in ("192.0.2.7", "192.0.2.8", "10.0.0.9")]
    assert visitor(*lines).address == "192.0.2.8"


def test_who_is_local() -> None:
    for host in ("localhost:1", "127.0.0.1", "[::1]:1"):
        assert visitor(("Host", host)).local
    assert visitor().local  # HTTP/1.0
    assert visitor(peer="::1").local
    assert visitor(peer="::ffff:127.0.0.1").local
    assert not visitor(peer="192.0.2.1").local
    assert not visitor(peer="?").local
    assert not visitor(("Host", "chat.example.com")).local
    for name in ("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "Via", "X-Real-IP"):
        assert not visitor(("Host", "localhost"), (name, "?")).local
    assert visitor(peer="192.0.2.1", tls=True).secure


def test_a_network_that_is_not_one_is_refused_at_once() -> None:
    for wrong in ("proxy", "10.0.0.0/33", "10.0.0.1:80", ""):
        with pytest.raises(ValueError, match="IPv4 or IPv6"):
            ServerConfig(trusted_proxies=(wrong,))


def test_each_person_behind_a_proxy_is_counted_alone() -> None:
    async def test() -> None:
        async with running_server(trusted_proxies=(PROXY,), max_per_ip=2) as server:
            guests = []
            for number in (1, 2, 1, 2):
                guest = await RawClient.come(server.port, None)
                guest.send(upgrade(server.port, "/echo", f"X-Forwarded-For: 192.0.2.{number}"))
                assert (await guest.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                guests.append(guest)
            there = sorted(info.remote for info in server.connections())
            assert there == ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"]
            spoofed = "X-Forwarded-For: 192.0.2.99, 192.0.2.1"
            assert await come(server, "localhost", spoofed) == 503
            status, head, _ = await http(server.port, "/", "Host: localhost", spoofed)
            assert (status, b"Retry-After: 5" in head) == (503, True)
            guests[0].go()
            await until(lambda: len(server.connections()) == 3)
            assert await come(server, "localhost", spoofed) == 101
            # Without an address the proxy itself is counted, and so many may come as of any.
            await until(lambda: len(server.connections()) == 3)
            for guest in guests:
                guest.go()
            await until(lambda: not server.connections())
            assert not server.admission._per_host
            held = [await RawClient.come(server.port) for _ in range(2)]
            assert await come(server, "localhost") == 503
            assert await come(server, "localhost", "X-Forwarded-For: unknown") == 503
            assert await come(server, "localhost", "X-Forwarded-For: 192.0.2.5") == 101
            assert len(held) == 2

    run(test())


def test_nobody_else_may_name_an_address() -> None:
    async def test() -> None:
        async with running_server(max_per_ip=2) as server:
            for number in (1, 2):
                guest = await RawClient.come(server.port, None)
                guest.send(upgrade(server.port, "/echo", f"X-Forwarded-For: 192.0.2.{number}"))
                await guest.read_until(b"\r\n\r\n")
            assert {info.remote for info in server.connections()} == {PROXY}
            assert await come(server, "localhost", "X-Forwarded-For: 192.0.2.3") == 503

    run(test())


def test_an_insecure_server_says_that_any_name_leads_to_it(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 40)
    assert "--allow-host" in (ServerConfig(**BEYOND).warning() or "")
    assert "--allow-host" not in (ServerConfig(**BEYOND, hosts=("a.example",)).warning() or "")
    with_tokens = ServerConfig(**BEYOND, auth="jwt", jwt_secret=secret)
    assert "--allow-host" not in (with_tokens.warning() or "")
