"""Connecting again: what is raised, what is waited for, for how long, and what is told of it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import trustme

from goim_edu.client import Backoff, ChatClient, connect, sync
from goim_edu.client.conversation import Conversation
from goim_edu.client.retry import asked_pause, is_passing, reason_of
from goim_edu.client.terminal import TerminalChat
from goim_edu.errors import HandshakeError
from goim_edu.websocket.handshake import generate_accept
from tests.chatting import run, running_server, until

Answer = bytes | str  # octets, or more header fields of a 101


def quick() -> Backoff:
    return Backoff(first=0.001, longest=0.002, most_asked=0.002)


def refusal(status: int, *fields: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Words", *fields, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def scripted(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that gives one answer after the other, the last one to all that come later."""
    left = list(answers)
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        head = (await reader.read(4096)).decode("latin-1")  # in one piece, or it is not HTTP
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, str):
            key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
            answer = (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {generate_accept(key)}\r\n{answer}\r\n"
            ).encode()
        writer.write(answer)
        await writer.drain()
        if answer.startswith(b"HTTP/1.1 101"):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def first(port: int, scheme: str = "ws", **options: Any) -> int | None:
    """The number of the connection that the loop gives first, if it gives one."""
    uri = f"{scheme}://localhost:{port}/x?token=hunter2"
    async with asyncio.timeout(10):
        async for ws in connect(uri, backoff=quick(), **options):
            ws.connection.abort()
            return ws.id
    return None


PASSING = [refusal(status) for status in (408, 425, 429, 500, 501, 502, 503, 504, 599)] + [b""]


def test_what_passes_is_waited_for_with_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with scripted(*PASSING, "") as port:
            assert await first(port)

    with caplog.at_level(logging.INFO, "goim_edu.client"):
        run(test())
    lines = [record.getMessage() for record in caplog.records if record.name == "goim_edu.client"]
    assert len(lines) == len(PASSING)
    assert "connecting again to=localhost:" in lines[0]
    assert "408" in lines[0]
    assert "within the handshake" in lines[-1]
    assert "hunter2" not in caplog.text
    levels = [record.levelno for record in caplog.records if record.name == "goim_edu.client"]
    assert levels == [logging.WARNING, *[logging.INFO] * (len(PASSING) - 1)]  # seen by default


PERMANENT: dict[str, Answer] = {
    **{
        str(status): refusal(status, "Location: wss://x.example/")
        for status in (200, 204, 206, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 410)
    },
    **{str(status): refusal(status) for status in (418, 421, 426, 451, 499, 600, 999)},
    "bad accept": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAA\r\n\r\n",
    "another upgrade": b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "subprotocol": "Sec-WebSocket-Protocol: soap\r\n",
    "extension": "Sec-WebSocket-Extensions: x-bzip\r\n",
    "deflate": "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9\r\n\r\n",
    "octets": b"\x15\x03\x01\x00\x02\x02\x46",
    "endless head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000,
}


@pytest.mark.parametrize("answer", PERMANENT.values(), ids=PERMANENT)
def test_what_will_not_change_is_raised(answer: Answer) -> None:
    async def test() -> None:
        async with scripted(answer, answer, "") as port:
            with pytest.raises(HandshakeError):
                await first(port)
            async with asyncio.timeout(10):
                with pytest.raises(HandshakeError):
                    async with ChatClient(f"ws://127.0.0.1:{port}/", "ann", backoff=quick()):
                        pass

    run(test())


def server_tls(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS of a server with these names, and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("fault", ["unknown authority", "another name", "no TLS at all"])
def test_a_certificate_that_is_not_trusted_is_raised(fault: str) -> None:
    server, client = server_tls("other.example" if fault == "another name" else "localhost")
    trusting = None if fault == "unknown authority" else client
    tls = None if fault == "no TLS at all" else server

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with scripted(refusal(400), tls=tls) as port:
            with pytest.raises(ssl.SSLError):
                await first(port, "wss", ssl=trusting)
            uri = f"wss://localhost:{port}/"
            async with asyncio.timeout(10):
                with pytest.raises(ssl.SSLError):
                    async with ChatClient(uri, "ann", ssl=trusting, backoff=quick()):
                        pass

    run(test())


def test_kinds_of_errors() -> None:
    for passing in (
        *(ConnectionRefusedError(), TimeoutError(), OSError(113, "No route to host")),
        *(ssl.SSLEOFError(), ssl.SSLZeroReturnError(), ConnectionResetError()),
    ):
        assert is_passing(passing), passing
    for permanent in (ssl.SSLCertVerificationError(), ssl.SSLError(), ValueError(), TypeError()):
        assert not is_passing(permanent), permanent
    assert reason_of(OSError("Multiple exceptions: ...")) == "Multiple exceptions: ..."


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        (" 0 ", 0, 0),
        ("9" * 400, 1e8, 1e9),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0),
        ("", 0, 0),
        ("-5", 0, 0),
        ("1e9", 0, 0),
        ("\u0663", 0, 0),
        ("soon", 0, 0),
        ("Mon, 99 Nov 99999 99:99:99 GMT", 0, 0),
    ],
)
def test_a_server_may_ask_for_a_pause(value: str, least: float, most: float) -> None:
    error = HandshakeError("busy", status=503, headers=[("retry-AFTER", value)])
    assert least <= asked_pause(error) <= most
    assert asked_pause(ConnectionRefusedError()) == 0


def test_a_pause_may_be_asked_for_by_its_end() -> None:
    end = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    error = HandshakeError("busy", status=503, headers=[("Retry-After", end)])
    assert 3000 < asked_pause(error) <= 3600


def test_the_pause_that_was_asked_for_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff = Backoff(first=1, longest=5, chance=lambda: 1.0, most_asked=60)
    assert [backoff.next(asked) for asked in (7, 1e9, 0)] == [8, 62, 4]
    asked: list[float] = []

    def note(_: Backoff, seconds: float) -> float:
        asked.append(seconds)
        return 0.0

    monkeypatch.setattr(Backoff, "next", note)

    async def test() -> None:
        async with scripted(refusal(429, "Retry-After: 33"), refusal(503), "") as port:
            await first(port)

    run(test())
    assert asked == [33, 0]


def each_way(uri: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every client of ours that connects again by itself; each goes on until it is let in."""

    async def chat() -> None:
        async with ChatClient(uri, "ann"):
            pass

    def sync_connections() -> None:
        for ws in sync.reconnect(uri):
            ws.close()
            return

    def sync_chat() -> None:
        with sync.ChatClient(uri, "ann"):
            pass

    async def terminal() -> None:
        talk = TerminalChat(uri, Conversation("ann", "lobby"))
        staying = asyncio.create_task(talk._stay_connected())
        await until(lambda: talk.talk.online)
        staying.cancel()

    return {
        "chat": chat,
        "sync connections": lambda: asyncio.to_thread(sync_connections),
        "sync chat": lambda: asyncio.to_thread(sync_chat),
        "terminal": terminal,
    }


@pytest.mark.parametrize("way", each_way(""))
def test_each_client_waits_as_a_busy_server_asks(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    async def test() -> None:
        async with running_server(handshake_rate=0.001) as server:
            await connect(f"{server.base_url}/echo")

            def next_(_: Backoff, seconds: float = 0.0) -> float:
                asked.append(seconds)
                if len(asked) == 3:
                    server.handshakes.rate = 0.0
                return 0.0

            monkeypatch.setattr(Backoff, "next", next_)
            await each_way(f"{server.base_url}/{'echo' if way == 'sync connections' else 'chat'}")[
                way
            ]()

    run(test())
    assert len(asked) == 3
    assert all(1 <= seconds <= 5 for seconds in asked)


# ---------------------------------------------------------------------- what a refusal says

CHUNKED = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refusal(403, body=b"this Origin is not welcome\n"), "'this Origin is not welcome'"),
        (refusal(400, body="café\x1b[31m\r\n\0".encode()), r"'café\x1b[31m \x00'"),
        (refusal(404, body=b"\xff\xfe<html>"), "<html>"),
        (
            CHUNKED + b"6;x=y\r\nlog in\r\n7\r\n please\r\n0\r\n\r\n",
            "'log in please'",
        ),
        (CHUNKED + b"fffff\r\nhalf", "'half'"),
        (b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\nto the end", "'to the end'"),
    ],
)
def test_the_words_of_a_refusal_are_told(answer: bytes, said: str) -> None:
    async def test() -> None:
        async with scripted(answer) as port:
            with pytest.raises(HandshakeError) as refused:
                await connect(f"ws://127.0.0.1:{port}/")
            assert said in str(refused.value)

    run(test())


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, body=b"long " * 10_000),
        refusal(400, body="\u202e\0".encode() * 10_000),
        b"HTTP/1.1 400 " + b"\x9b31m" * 1000 + b"\r\nContent-Length: 0\r\n\r\n",
        refusal(400, "Content-Encoding: gzip", body=b"\x1f\x8b" * 1000),
    ],
)
def test_but_not_too_many_of_them(answer: bytes) -> None:
    async def test() -> None:
        async with scripted(answer) as port:
            with pytest.raises(HandshakeError) as refused:
                await connect(f"ws://127.0.0.1:{port}/")
            assert str(refused.value).isprintable()
            assert len(str(refused.value)) < 700

    run(test())


def test_the_terminal_gives_up_what_will_not_change() -> None:
    async def test() -> None:
        for answer, gives_up in ((refusal(301), True), (refusal(429), False), (b"", False)):
            async with scripted(answer) as port:
                chat = TerminalChat(f"ws://127.0.0.1:{port}/", Conversation("ann", "lobby"))
                assert await chat._one_connection()
                assert bool(chat.problem) is gives_up

    run(test())
