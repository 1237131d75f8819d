"""Plain HTTP: pages, health and metrics, and what of them a stranger gets."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from goim_edu.serving.pages import page_files
from goim_edu.websocket.handshake import Response, parse_response
from tests.chatting import RawClient, http, run, running_server, upgrade

PATHS = ("/", "/chat.js", "/healthz", "/metrics")


async def say(port: int, *lines: str) -> Response:
    """The answer to a request of these lines."""
    client = await RawClient.come(port, None)
    client.send(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await client.read_all()
    client.go()
    found = parse_response(answer, eof=True)
    assert found is not None
    response, used = found
    return response._replace(body=answer[used - len(response.body) :])


# ---------------------------------------------------------------------- any path


def test_the_page_has_no_address_of_its_own() -> None:
    """A proxy may put it below any path: every address is relative (RFC 3986 §4.2)."""
    for path, (body, kind) in page_files().items():
        text = body.decode()
        assert not re.findall(r'(?:src|href|action)="/', text), path
        assert not re.findall(r"url\(['\"]?/", text), path
        assert not re.findall(r"location\.(?:host|hostname|origin|port|pathname)\b", text), path
        if "javascript" in kind:
            assert not re.findall(r'(?:from|import|fetch\(|new URL\()\s*["\'`]/', text), path


# ---------------------------------------------------------------------- health checks


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_http_1_0_needs_no_host(method: str) -> None:
    """RFC 9112 §3.2: the 400 is for HTTP/1.1; HAProxy's plain health check has no Host."""

    async def test() -> None:
        async with running_server() as server:
            for path in PATHS:
                answer = await say(server.port, f"{method} {path} HTTP/1.0")
                assert (answer.status, bool(answer.body)) == (200, method == "GET")
            assert (await say(server.port, "GET / HTTP/1.1")).status == 400
            twice = ("Host: localhost", "Host: localhost")
            assert (await say(server.port, "GET / HTTP/1.0", *twice)).status == 400
            assert (await say(server.port, "GET / HTTP/1.0", "Host: a b")).status == 400
            assert (await say(server.port, "GET http://a@b/ HTTP/1.0")).status == 400

    run(test())


@pytest.mark.parametrize(
    "lines",
    [
        ("HEAD /nothing HTTP/1.1", "Host: localhost"),
        ("HEAD /chat HTTP/1.1", "Host: localhost"),
        ("HEAD /echo HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"),
        (
            "HEAD / HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Origin: https://evil.example",
        ),
        ("HEAD / HTTP/1.1", "Host: evil.example"),
        ("HEAD / HTTP/1.1",),
        ("HEAD /metrics HTTP/1.1", "Host: chat"),
        ("HEAD / HTTP/1.1", "Host: localhost", "Content-Length: 5"),
        ("HEAD / HTTP/1.1", "Host: localhost", "no colon"),
        ("HEAD /" + "x" * 9000 + " HTTP/1.1", "Host: localhost"),
    ],
)
def test_the_answer_to_head_has_no_content(lines: tuple[str, ...]) -> None:
    """RFC 9110 §9.3.2: also where it is a refusal."""

    async def test() -> None:
        async with running_server() as server:
            answer = await say(server.port, *lines)
            assert answer.status >= 400
            assert answer.body == b""
            as_get = await say(server.port, "GET" + lines[0][4:], *lines[1:])
            if as_get.status == answer.status:
                assert as_get.headers["content-length"] == answer.headers["content-length"]
                assert as_get.body

    run(test())


# ---------------------------------------------------------------------- targets and names


def test_an_absolute_target_names_the_host() -> None:
    """RFC 9112 §3.2.2: a server must take it, and ignore Host then."""

    async def test() -> None:
        async with running_server() as server:
            port = server.port
            for target in (
                f"http://localhost:{port}/healthz",
                f"HTTP://127.0.0.1:{port}/healthz?a",
            ):
                answer = await say(port, f"GET {target} HTTP/1.1", "Host: evil.example")
                assert (answer.status, "store" in json.loads(answer.body)) == (200, True)
            for target in ("http://localhost", "http://localhost?x=http://evil.example/"):
                assert b"<!DOCTYPE" in (await say(port, f"GET {target} HTTP/1.1", "Host: a")).body
            evil = await say(port, "GET http://evil.example/healthz HTTP/1.1", "Host: localhost")
            assert evil.status == 421
            for target in ("healthz", "*", "localhost:80", "http:/healthz", "/healthz#a"):
                answer = await say(port, f"GET {target} HTTP/1.1", "Host: localhost")
                assert answer.status == 400, target
            client = await RawClient.come(port, None)
            request = upgrade(
                port, f"http://localhost:{port}/echo", f"Origin: http://localhost:{port}"
            )
            client.send(request)
            assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")

    run(test())


def test_a_page_under_a_foreign_name_gets_nothing() -> None:
    """DNS rebinding: the name of a stranger leads to this machine."""

    async def test() -> None:
        async with running_server() as server:
            for path in PATHS:
                status, _, body = await http(server.port, path, "Host: evil.example:80")
                assert status == 421, path
                assert b"--allow-host evil.example" in body
        async with running_server(hosts=("chat.example.com",)) as server:
            for host in ("chat.example.com", "Chat.example.com:443", "chat", "10.0.0.1"):
                assert (await http(server.port, "/", f"Host: {host}"))[0] == 200
                status, _, body = await http(server.port, "/healthz", f"Host: {host}")
                assert (status, json.loads(body)) == (200, {"status": "ok"})
                assert (await http(server.port, "/metrics", f"Host: {host}"))[0] == 403
        async with running_server(origins=("https://chat.example.com",)) as server:
            assert (await http(server.port, "/", "Host: chat.example.com"))[0] == 200

    run(test())


def test_what_only_this_machine_is_told() -> None:
    async def test() -> None:
        async with running_server(host="0.0.0.0", insecure=True) as server:
            assert (await http(server.port, "/metrics", "Host: localhost"))[0] == 200
            assert b"store" in (await http(server.port, "/healthz", "Host: localhost"))[2]
            for fields in (("Host: x.example",), ("Host: localhost", "X-Forwarded-For: 192.0.2.1")):
                assert (await http(server.port, "/metrics", *fields))[0] == 403
                _, _, body = await http(server.port, "/healthz", *fields)
                assert json.loads(body) == {"status": "ok"}

    run(test())


def test_the_metrics_may_want_a_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_bytes(b"let me see\n")

    async def test() -> None:
        async with running_server(metrics_token=token, hosts=("chat.example.com",)) as server:
            for host in ("localhost", "chat.example.com"):
                for shown in ("Bearer let me see", "bearer  let me see"):
                    fields = (f"Host: {host}", f"Authorization: {shown}")
                    status, _, body = await http(server.port, "/metrics", *fields)
                    assert (status, b"goim_sessions" in body) == (200, True)
                for shown in (
                    "Bearer let me see!",
                    "Bearer",
                    "Basic let me see",
                    "",
                    "Bearer \xe9",
                ):
                    fields = (f"Host: {host}", f"Authorization: {shown}")
                    status, head, body = await http(server.port, "/metrics", *fields)
                    assert (status, b"goim_sessions" in body) == (401, False)
                    assert b"WWW-Authenticate: Bearer" in head

    run(test())
    token.write_bytes(b"\n")
    with pytest.raises(ValueError, match="no token"):
        run(test())


def test_a_server_with_tokens_does_not_echo_strangers(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 40)

    async def test() -> None:
        async with running_server(auth="jwt", jwt_secret=secret) as server:
            client = await RawClient.come(server.port, None)
            client.send(upgrade(server.port, "/echo"))
            assert (await client.read_all()).startswith(b"HTTP/1.1 404 ")

    run(test())


# ---------------------------------------------------------------------- TLS


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Any]:
    """The settings of a server with a certificate."""
    issued = trustme.CA().issue_cert("chat.example.com", "localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    names = ("chat.example.com",)
    return {"tls_cert": tmp_path / "cert", "tls_key": tmp_path / "key", "hosts": names}


async def ask_tls(port: int, request: bytes) -> str:
    """The head of the answer over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head.decode()


def test_tls_once_is_tls_for_long_but_never_for_the_names_of_this_machine(
    tls: dict[str, Any],
) -> None:
    async def test() -> None:
        get = "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n"
        async with running_server(**tls) as server:
            for path in (*PATHS, "/nothing"):
                head = await ask_tls(server.port, get.format(path, "chat.example.com").encode())
                assert "\r\nStrict-Transport-Security: max-age=15552000\r\n" in head
                head = await ask_tls(server.port, get.format(path, "localhost:1").encode())
                assert "Strict-Transport-Security" not in head
        async with running_server(**tls, hsts=0) as server:
            head = await ask_tls(server.port, get.format("/", "chat.example.com").encode())
            assert "Strict-Transport-Security" not in head
        async with running_server(hosts=("chat.example.com",)) as server:
            _, plain, _ = await http(server.port, "/", "Host: chat.example.com")
            assert b"Strict-Transport-Security" not in plain

    run(test())


def test_a_page_that_came_in_the_clear_does_not_open_wss(tls: dict[str, Any]) -> None:
    async def test() -> None:
        async with running_server(**tls) as server:
            for origin, status in (
                (f"https://127.0.0.1:{server.port}", 101),
                (f"http://127.0.0.1:{server.port}", 403),
            ):
                head = await ask_tls(
                    server.port, upgrade(server.port, "/echo", f"Origin: {origin}")
                )
                assert head.startswith(f"HTTP/1.1 {status} ")

    run(test())
