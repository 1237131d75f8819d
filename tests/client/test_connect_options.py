"""Each option of ``connect``, with asyncio, uvloop and threads, against a server not of ours."""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from aiohttp import web

from goim_edu.client import Backoff, connect, sync
from goim_edu.client.options import ConnectOptions, Options
from goim_edu.errors import HandshakeError
from goim_edu.websocket.deflate import DeflateConfig
from tests.client.ways import WAYS, Peer, answer_of, certificates, opened, refusal_of, run_way

EACH_WAY = pytest.mark.parametrize("way", WAYS)
BOTH = pytest.mark.parametrize("entry", [connect, sync.connect], ids=["asyncio", "threads"])
NOWHERE = "ws://127.0.0.1:1/"


# ---------------------------------------------------------------------- what is refused at once


@BOTH
@pytest.mark.parametrize(
    ("option", "wrong", "says"),
    [
        ("subprotocols", "chat", "sequence of names, not the str 'chat'"),
        ("subprotocols", b"chat", "sequence of names, not the bytes"),
        ("subprotocols", 5, "sequence of names, not int"),
        ("subprotocols", [b"chat"], "each a str, not bytes"),
        ("headers", "A: b", "mapping, or a sequence of pairs .*, not str"),
        ("headers", b"A: b", "not bytes"),
        ("headers", 5, "not int"),
        ("headers", ["A", "b"], "it has str where a pair is wanted"),
        ("headers", ["ab"], "it has str where a pair is wanted"),
        ("headers", [("A", "b", "c")], "it has tuple where a pair"),
        ("headers", {"A": 5}, "'A' has int"),
        ("headers", {"A": b"b"}, "'A' has bytes"),
        ("headers", {5: "b"}, "has int"),
        ("compression", "deflate", "a DeflateConfig, not str"),
        ("compression", None, "a DeflateConfig, not None"),
        ("origin", 5, "origin is a str"),
        ("ssl", True, "ssl is an ssl.SSLContext or None, not bool"),
        ("server_hostname", b"h", "server_hostname is a str"),
        ("proxy", False, "None means none"),
        ("proxy", 5, "proxy is the address of one, True or None, not int"),
        ("proxy_ssl", "x", "proxy_ssl is"),
        ("sock", 5, "a connected socket.socket"),
        ("unix", 5, "unix is a path"),
        ("local_addr", "127.0.0.1", "local_addr is a tuple"),
        ("local_addr", ("127.0.0.1", "0"), "local_addr is a tuple of a str"),
        ("local_addr", ("127.0.0.1",), "local_addr is a tuple of a str"),
        ("max_redirects", True, "max_redirects is an int, not bool"),
        ("max_redirects", "5", "max_redirects is an int, not str"),
        ("open_timeout", "5", "open_timeout is a number of seconds"),
        ("heartbeat_interval", "5", "heartbeat_interval is a number of seconds"),
        ("heartbeat_timeout", None, "heartbeat_timeout is a number of seconds, not None"),
        ("max_message_size", 1.5, "max_message_size is an int, not float"),
        ("max_waiting", None, "max_waiting is an int, not None"),
        ("tap", 5, "tap is called, so it is a function, not int"),
        ("mask_source", b"1234", "mask_source is called"),
        ("retry", None, "retry is called"),
        ("backoff", 5, "backoff is a Backoff"),
        ("logger", "goim", "logger is a logging.Logger"),
        ("open_timout", 5, "no option 'open_timout': did you mean 'open_timeout'"),
        ("qqq", 5, "no option 'qqq'$"),
    ],
)
def test_a_wrong_type_is_said(
    entry: Callable[..., Any], option: str, wrong: Any, says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        entry(NOWHERE, **{option: wrong})


@BOTH
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"open_timeout": 0}, "open_timeout must be more than 0 seconds, not 0"),
        ({"close_timeout": -1}, "close_timeout"),
        ({"heartbeat_timeout": float("nan")}, "heartbeat_timeout"),
        ({"heartbeat_interval": -5}, "heartbeat_interval is 0 or more"),
        ({"heartbeat_interval": float("inf")}, "heartbeat_interval"),
        ({"max_message_size": 0}, "max_message_size must be at least 1, not 0"),
        ({"max_waiting": 0}, "max_waiting must be at least 1"),
        ({"max_redirects": -1}, "max_redirects must be at least 0"),
        ({"unix": "/x", "local_addr": ("127.0.0.1", 0)}, "unix and local_addr cannot"),
        ({"unix": "/x", "proxy": "http://p"}, "unix and proxy cannot"),
        ({"proxy": "ftp://p"}, "its scheme is ftp"),
        ({"proxy": "http://a:hunter2@p:x"}, r"'http://\*\*\*@p:x' is not an address of a proxy"),
        ({"proxy": "p/path"}, "it has a path"),
        ({"proxy": ""}, "is not an address of a proxy"),
    ],
)
def test_a_value_out_of_its_range_is_said(
    entry: Callable[..., Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        entry(NOWHERE, **options)


@BOTH
def test_a_name_that_is_said_twice(entry: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="give one only") as refused:
        entry("ws://a:hunter2@127.0.0.1:1/", headers={"AUTHORIZATION": "x"})
    assert "hunter2" not in str(refused.value)


def test_one_list_of_options() -> None:
    """The typed dictionary, what is checked, and what help() shows have the same names."""
    named = get_type_hints(ConnectOptions)
    kept = {name: kind for name, kind in get_type_hints(Options).items() if name != "pairs"}
    assert kept == named
    for entry in (connect, sync.connect, sync.reconnect):
        shown = inspect.signature(entry).parameters
        assert list(shown) == ["uri", *named]
        assert shown["open_timeout"].default == 10.0
    said = inspect.getdoc(connect) or ""
    assert [name for name in named if f"\n    {name}: " not in said] == []


def test_nothing_secret_is_shown() -> None:
    waiting = connect("ws://lisa:hunter2@h/chat?token=hunter2", headers={"X": "hunter2"})
    assert repr(waiting) == "<Connect to ws://***@h/chat?***>"
    assert "hunter2" not in repr(waiting._attempt)


# ---------------------------------------------------------------------- what the server is told


@EACH_WAY
@pytest.mark.parametrize(
    "headers",
    [
        {"X-One": "1", "X-Two": "2"},
        [("X-One", "1"), ("X-Two", "2")],
        (("X-One", "1"), ["X-Two", "2"]),
    ],
    ids=["mapping", "pairs", "lists"],
)
def test_header_fields(way: str, headers: Any) -> None:
    async def test() -> None:
        async with Peer() as peer:
            assert await answer_of(way, peer.url, headers=headers, origin="https://a") == "hello"
            (asked,) = peer.asked
            assert [asked.headers[name] for name in ("X-One", "X-Two")] == ["1", "2"]
            assert asked.headers["Origin"] == "https://a"

    run_way(way, test())


@EACH_WAY
def test_a_user_and_a_password(way: str) -> None:
    async def test() -> None:
        async with Peer() as peer:
            await answer_of(way, f"ws://Aladdin:open%20sesame@127.0.0.1:{peer.port}/")
            (asked,) = peer.asked
            assert asked.headers["Authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
            assert asked.headers["Host"] == f"127.0.0.1:{peer.port}"

    run_way(way, test())


@EACH_WAY
def test_another_server_than_websockets(way: str) -> None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=["b"])
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(f"{message.data}!")
        return ws

    async def test() -> None:
        application = web.Application()
        application.router.add_get("/x", echo)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            url = f"ws://127.0.0.1:{port}/x"
            for compression in (True, False, DeflateConfig(level=9)):
                options: dict[str, Any] = {"compression": compression, "subprotocols": ("a", "b")}
                async with opened(way, url, **options) as ws:
                    assert ws.subprotocol == "b"
                    assert bool(ws.extensions) is bool(compression)
                    await ws.send("x" * 100_000)
                    assert await ws.recv() == "x" * 100_000 + "!"
            refused = await refusal_of(way, f"ws://127.0.0.1:{port}/nothing")
            assert isinstance(refused, HandshakeError)
            assert (refused.status, refused.body) == (404, b"404: Not Found")
        finally:
            await runner.cleanup()

    run_way(way, test())


# ---------------------------------------------------------------------- how it is reached


@EACH_WAY
def test_a_socket_of_ones_own(way: str) -> None:
    async def test() -> None:
        async with Peer() as peer:
            sock = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", peer.port))
            assert await answer_of(way, "ws://example.com/x", sock=sock) == "hello"
            assert sock.fileno() == -1
            assert peer.asked[0].headers["Host"] == "example.com"

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize("secure", [False, True])
def test_a_unix_socket(way: str, secure: bool, tmp_path: Path) -> None:
    server, client = certificates("example.com")

    async def test() -> None:
        path = tmp_path / "socket"
        tls: dict[str, Any] = {"ssl": server} if secure else {}
        async with Peer(path=str(path), **tls) as peer:
            url = "wss://example.com/x" if secure else "ws://example.com/x"
            ssl_ = client if secure else None
            assert await answer_of(way, url, unix=path, ssl=ssl_) == "hello"
            assert peer.asked[0].headers["Host"] == "example.com"
        refused = await refusal_of(way, url, unix=tmp_path / "none", ssl=ssl_)
        assert isinstance(refused, FileNotFoundError)

    run_way(way, test())


@EACH_WAY
def test_an_address_to_come_from(way: str) -> None:
    seen: list[Any] = []

    def look(connection: Any, _: Any) -> None:
        seen.append(connection.remote_address[0])

    async def test() -> None:
        async with Peer(look) as peer:
            assert await answer_of(way, peer.url, local_addr=("127.0.0.2", 0)) == "hello"
            assert seen == ["127.0.0.2"]

    run_way(way, test())


@EACH_WAY
def test_the_name_that_a_certificate_must_have(way: str) -> None:
    server, client = certificates("chat.example")

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with Peer(ssl=server) as peer:
            url = f"wss://127.0.0.1:{peer.port}/x"
            big = "x" * 1_000_000
            named: dict[str, Any] = {"ssl": client, "server_hostname": "chat.example"}
            assert await answer_of(way, url, big, **named) == big
            for options in ({"ssl": client}, {"server_hostname": "chat.example"}):
                refused = await refusal_of(way, url, **options)
                assert isinstance(refused, ssl.SSLCertVerificationError)
            plain = await refusal_of(way, f"ws://127.0.0.1:{peer.port}/x")
            assert isinstance(plain, HandshakeError)

    run_way(way, test())


@EACH_WAY
def test_a_port_on_which_nothing_listens(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as link:
        port = link.getsockname()[1]

    async def test() -> None:
        refused = await refusal_of(way, f"ws://localhost:{port}/")
        assert isinstance(refused, OSError)

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_server_that_never_answers(way: str, scheme: str) -> None:
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as link:
            url = f"{scheme}://127.0.0.1:{link.getsockname()[1]}/"
            assert isinstance(await refusal_of(way, url, open_timeout=0.1), TimeoutError)

    run_way(way, test())


# ---------------------------------------------------------------------- refusals and redirects


@EACH_WAY
def test_the_body_of_a_refusal(way: str) -> None:
    def refuse(connection: Any, _: Any) -> Any:
        return connection.respond(HTTPStatus.FORBIDDEN, "not you\n" + "x" * 100_000)

    async def test() -> None:
        async with Peer(refuse) as peer:
            refused = await refusal_of(way, peer.url)
            assert isinstance(refused, HandshakeError)
            assert refused.status == 403
            assert refused.body.startswith(b"not you\nxxx")
            assert len(refused.body) == 65_536

    run_way(way, test())


def to(location: str, status: HTTPStatus = HTTPStatus.TEMPORARY_REDIRECT) -> Callable[..., Any]:
    """Sends each client whose path is not /end to another place."""

    def redirect(connection: Any, request: Any) -> Any:
        if request.path == "/end":
            return None
        response = connection.respond(status, "elsewhere\n")
        response.headers["Location"] = location
        return response

    return redirect


@EACH_WAY
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_by_choice(way: str, status: int) -> None:
    async def test() -> None:
        async with Peer(to("/end", HTTPStatus(status))) as peer:
            refused = await refusal_of(way, peer.url)
            assert isinstance(refused, HandshakeError)
            assert (refused.status, refused.body) == (status, b"elsewhere\n")
            assert ("Location", "/end") in refused.headers
            url = f"ws://a:b@127.0.0.1:{peer.port}/x?y"
            assert await answer_of(way, url, headers={"X": "1"}, max_redirects=1) == "hello"
            assert [asked.path for asked in peer.asked] == ["/x", "/x?y", "/end"]
            assert peer.asked[-1].headers["X"] == "1"
            assert "Authorization" in peer.asked[-1].headers

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_another_origin_is_told_no_secrets(way: str, scheme: str) -> None:
    async def test() -> None:
        async with Peer() as other:
            there = to(f"{scheme}://127.0.0.1:{other.port}/end#part")
            async with Peer(there) as peer:
                url = f"ws://a:hunter2@127.0.0.1:{peer.port}/"
                secrets: dict[str, Any] = {"headers": {"Cookie": "hunter2"}, "max_redirects": 3}
                assert await answer_of(way, url, **secrets) == "hello"
            assert "hunter2" not in str(other.asked[0].headers)
            assert "Cookie" not in other.asked[0].headers
            assert "Authorization" not in other.asked[0].headers

    run_way(way, test())


@EACH_WAY
def test_and_coming_back_does_not_bring_them_back(way: str) -> None:
    async def test() -> None:
        async with Peer(to("/end")) as home:
            async with Peer(to(f"ws://127.0.0.1:{home.port}/end")) as other:
                home._process_request = to(f"ws://127.0.0.1:{other.port}/")
                await answer_of(way, home.url, headers={"Cookie": "x"}, max_redirects=2)
            assert [("Cookie" in asked.headers) for asked in home.asked] == [True, False]

    run_way(way, test())


@EACH_WAY
@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("/x", "the server answered 307"),  # for ever
        ("ftp://127.0.0.1/", "its scheme is ftp"),
        ("ws://127.0.0.1:x/", "its port"),
        ("//", "the redirect is not followed|answered 307"),
        ("/\u00e9", "percent-encoded"),
    ],
)
def test_redirects_that_lead_nowhere(way: str, location: str, says: str) -> None:
    async def test() -> None:
        async with Peer(to(location)) as peer:
            refused = await refusal_of(way, peer.url, max_redirects=3)
            assert isinstance(refused, HandshakeError)
            assert refused.status == 307
            with pytest.raises(HandshakeError, match=says):
                raise refused
            assert len(peer.asked) <= 4

    run_way(way, test())


@EACH_WAY
def test_no_redirect_leads_out_of_tls_or_away_from_a_socket(way: str, tmp_path: Path) -> None:
    server, client = certificates("127.0.0.1")

    async def test() -> None:
        async with Peer(to("ws://127.0.0.1:1/end"), ssl=server) as peer:
            url = f"wss://127.0.0.1:{peer.port}/"
            refused = await refusal_of(way, url, ssl=client, max_redirects=3)
            assert "from wss:// to ws://" in str(refused)
        path = tmp_path / "socket"
        async with Peer(to("/end"), path=str(path)):
            assert await answer_of(way, "ws://h/", unix=path, max_redirects=1) == "hello"
        async with Peer(to("ws://other.example/end"), path=str(path)):
            refused = await refusal_of(way, "ws://h/", unix=path, max_redirects=1)
            assert "our Unix socket leads to one place" in str(refused)
        async with Peer(to("/end")) as peer:
            sock = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", peer.port))
            refused = await refusal_of(way, "ws://h/", sock=sock, max_redirects=1)
            assert "our own socket leads to one place" in str(refused)

    run_way(way, test())


# ---------------------------------------------------------------------- connecting again


def quick() -> Backoff:
    return Backoff(first=0.001, longest=0.002)


@pytest.mark.parametrize("way", ["asyncio", "threads"])
def test_what_is_tried_again_is_the_callers_choice(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = [HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN]

    def refuse(connection: Any, _: Any) -> Any:
        return connection.respond(refusals.pop(0), "") if refusals else None

    def not_found(error: Exception) -> bool:
        return isinstance(error, HandshakeError) and error.status == 404

    def loop(url: str, **options: Any) -> str | bytes:
        for ws in sync.reconnect(url, backoff=quick(), **options):
            with ws:
                ws.send("hello")
                return ws.recv(10)
        raise AssertionError

    async def once(url: str, **options: Any) -> str | bytes:
        if way == "threads":
            return await asyncio.to_thread(loop, url, **options)
        async for ws in connect(url, backoff=quick(), **options):
            await ws.send("hello")
            answer = await ws.recv()
            await ws.close()
            return answer
        raise AssertionError

    async def test() -> None:
        mine = logging.getLogger("mine")
        async with Peer(refuse) as peer:
            with pytest.raises(HandshakeError, match="403"):
                await once(peer.url, retry=not_found, logger=mine)
            assert len(peer.asked) == 3
            assert await once(peer.url) == "hello"

    with caplog.at_level(logging.INFO):
        run_way(way, test())
    lines = [record for record in caplog.records if record.name == "mine"]
    assert len(lines) == 2
    assert "connecting again" in lines[0].getMessage()
    assert not [record for record in caplog.records if record.name == "goim_edu.client"]


def test_connecting_again_and_again() -> None:
    async def test() -> None:
        async with Peer() as peer:

            def visit() -> list[str | bytes]:
                heard: list[str | bytes] = []
                for ws in sync.reconnect(peer.url, backoff=quick()):
                    ws.send(str(len(heard)))
                    heard.append(ws.recv(10))
                    if len(heard) == 3:
                        return heard
                return heard

            assert await asyncio.to_thread(visit) == ["0", "1", "2"]

    run_way("threads", test())


def test_a_socket_of_ones_own_is_for_one_connection() -> None:
    left, right = socket.socketpair()

    async def test() -> None:
        with pytest.raises(ValueError, match="sock is for one connection"):
            async for _ in connect(NOWHERE, sock=left):
                pass

    run_way("asyncio", test())
    with pytest.raises(ValueError, match="sock is for one connection"):
        next(sync.reconnect(NOWHERE, sock=left))
    left.close()
    right.close()
