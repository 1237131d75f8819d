"""What a client keeps of an event loop, how it reaches a name, and how it can be cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from goim_edu.client import Backoff, ChatClient, ChatRefused, connect
from goim_edu.errors import HandshakeError
from goim_edu.transport import ConnectionClosed, Engine
from goim_edu.websocket.handshake import generate_accept
from tests.chatting import Link, run, running_server, until

Loops = [asyncio.new_event_loop]
try:
    import uvloop

    Loops.append(uvloop.new_event_loop)
except ImportError:
    pass


def quick() -> Backoff:
    return Backoff(first=0.001, longest=0.002)


# ---------------------------------------------------------------------- loops


@pytest.mark.parametrize("new_loop", Loops)
@pytest.mark.parametrize("how", ["closed", "aborted", "refused", "chat"])
def test_a_loop_that_has_ended_is_not_kept(how: str, new_loop: Callable[[], Any]) -> None:
    engines: list[weakref.ref[Engine]] = []

    async def once() -> None:
        async with running_server() as server:
            if how == "chat":
                async with ChatClient(f"{server.base_url}/chat", "ann", ["r"]) as chat:
                    await chat.send("r", "hi")
                return
            if how == "refused":
                with pytest.raises(HandshakeError):
                    await connect(f"{server.base_url}/nowhere")
                return
            ws = await connect(f"{server.base_url}/echo")
            engines.append(weakref.ref(ws.connection.engine))
            if how == "closed":
                await ws.close()
            else:
                ws.connection.abort()

    def one_run() -> weakref.ref[asyncio.AbstractEventLoop]:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(once())
            return weakref.ref(runner.get_loop())

    loops = [one_run() for _ in range(3)]
    gc.collect()
    assert [loop() for loop in loops] == [None] * 3
    assert all(engine() is None for engine in engines)


def test_connections_of_a_loop_share_and_go_on_counting() -> None:
    async def test() -> None:
        async with running_server() as server:
            url = f"{server.base_url}/echo"
            async with connect(url) as one, connect(url) as two:
                assert one.connection.engine is two.connection.engine
                numbers = [one.id, two.id]
            gc.collect()
            async with connect(url) as three:
                numbers.append(three.id)
            assert numbers == sorted(set(numbers))

    run(test())


# ---------------------------------------------------------------------- the addresses of a name


def test_the_next_address_is_tried_while_the_first_is_silent() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        silent = asyncio.Event()
        connecting = loop.sock_connect

        async def sock_connect(sock: Any, address: Any) -> None:
            if address[0] == "127.0.0.2":
                silent.set()
                await asyncio.sleep(3600)
            await connecting(sock, address)

        async def addresses(host: str, port: int, **_: Any) -> list[Any]:
            return [(2, 1, 6, "", (one, port)) for one in ("127.0.0.2", "127.0.0.1")]

        loop.sock_connect = sock_connect  # type: ignore[method-assign]
        loop.getaddrinfo = addresses  # type: ignore[method-assign, assignment]
        async with running_server() as server:
            async with connect(f"ws://two.test:{server.port}/echo", open_timeout=60) as ws:
                assert ws.remote == ("127.0.0.1", server.port)
            assert silent.is_set()

    run(test())


def test_a_loop_without_such_a_race_connects_all_the_same() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def test() -> None:
        async with running_server() as server, connect(f"{server.base_url}/echo") as ws:
            await ws.send("hi")
            assert await ws.recv() == "hi"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())


# ---------------------------------------------------------------------- cancelling


@asynccontextmanager
async def server_that(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]],
) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that answers each request so; gives its port and the heads that have come."""
    heads: list[str] = []
    guests: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        guests.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                await answer(reader, writer, heads[-1])
                await reader.read()
        finally:
            writer.close()
            guests.remove(writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
        for guest in guests:
            guest.transport.abort()
        await until(lambda: not guests)


async def says_nothing(*_: Any) -> None:
    return


async def is_busy(_: Any, writer: asyncio.StreamWriter, __: str) -> None:
    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")


async def opens_and_says_nothing(_: Any, writer: asyncio.StreamWriter, head: str) -> None:
    key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
    writer.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {generate_accept(key)}\r\n\r\n".encode()
    )


@pytest.mark.parametrize("answer", [says_nothing, is_busy, opens_and_says_nothing])
@pytest.mark.parametrize("how", ["cancelled", "timed out"])
def test_entering_can_be_cancelled(how: str, answer: Any) -> None:
    async def enter(port: int, limit: asyncio.Timeout) -> None:
        chat = ChatClient(f"ws://127.0.0.1:{port}/", "ann", ["r"], backoff=quick())
        async with limit, chat:
            pytest.fail("it came in")

    async def test() -> None:
        async with server_that(answer) as (port, heads):
            before = asyncio.all_tasks()
            limit = asyncio.timeout(None)
            entering = asyncio.create_task(enter(port, limit))
            await until(lambda: len(heads) > (1 if answer is is_busy else 0))
            if how == "cancelled":
                entering.cancel()
            else:
                limit.reschedule(0.0)  # that is long ago
            await asyncio.wait({entering})
            if how == "cancelled":
                assert entering.cancelled()
            else:
                assert isinstance(entering.exception(), TimeoutError)
            # Those that are left serve what has come: no task of the client is among them.
            left = {task for task in asyncio.all_tasks() - before if not task.done()}
            names = [getattr(task.get_coro(), "__qualname__", "") for task in left]
            assert [name for name in names if "handle" not in name] == []
            count = len(heads)
            await asyncio.sleep(0.05)  # many pauses of the backoff
            assert len(heads) == count

    run(test())


def test_a_server_that_does_not_answer_the_hello_is_given_up() -> None:
    async def test() -> None:
        async with server_that(opens_and_says_nothing) as (port, heads):
            uri = f"ws://127.0.0.1:{port}/"
            chat = ChatClient(uri, "ann", ["r"], backoff=quick(), open_timeout=0.05)
            entering = asyncio.create_task(chat.__aenter__())
            await until(lambda: len(heads) > 2)
            entering.cancel()
            await asyncio.wait({entering})

    run(test())


def test_leaving_can_be_cancelled() -> None:
    async def test() -> None:
        async with running_server() as server, Link(server.port) as link:
            uri = f"ws://127.0.0.1:{link.port}/chat"
            chat = ChatClient(uri, "ann", ["r"], close_timeout=0.2)
            await chat.__aenter__()
            link.silent = True  # so the closing handshake takes its time
            leaving = asyncio.create_task(chat.__aexit__(None, None, None))
            await asyncio.sleep(0.01)
            leaving.cancel()
            await asyncio.wait({leaving})
            task = chat._task
            assert task is not None
            await until(task.done)

    run(test())


# ---------------------------------------------------------------------- an end is told


def test_an_end_for_good_reaches_everybody_that_waits() -> None:
    async def hear(chat: ChatClient) -> list[str]:
        return [message.text async for message in chat]

    async def test() -> None:
        async with (
            running_server() as server,
            ChatClient(f"{server.base_url}/chat", "ann", ["r"], backoff=quick()) as chat,
        ):
            loops = [asyncio.create_task(hear(chat)) for _ in range(2)]
            await asyncio.sleep(0)
            attempt = chat._connect._attempt
            refused = replace(attempt.options, origin="https://evil.example")
            chat._connect._turns = itertools.cycle([replace(attempt, options=refused)])
            for session in tuple(server.hub.sessions):
                session.connection.abort()  # type: ignore[attr-defined]
            for loop in (*loops, asyncio.create_task(hear(chat))):
                with pytest.raises(HandshakeError, match="403"):
                    await loop
            with pytest.raises(HandshakeError, match="403"):
                await chat.send("r", "too late")

    run(test())


def test_a_loop_over_a_chat_that_was_left_ends() -> None:
    async def test() -> None:
        async with running_server() as server:
            async with ChatClient(f"{server.base_url}/chat", "ann", ["r"]) as chat:
                await chat.send("r", "hi")
            assert [message.text async for message in chat] == ["hi"]
            assert [message async for message in chat] == []
            with pytest.raises(ConnectionClosed):
                await chat.send("r", "too late")

    run(test())


# ---------------------------------------------------------------------- what was refused


@pytest.mark.parametrize(
    ("room_id", "text", "key", "error"),
    [
        ("r", "half \ud83d", "k", ValueError),
        ("r\udcff", "hi", "k", ValueError),
        ("r", "hi", "\udcff", ValueError),
        ("r", None, "k", TypeError),
        ("r", b"hi", "k", TypeError),
        ("r", "hi", 7, TypeError),
        ("r", "x" * 5000, "k", ChatRefused),
        ("elsewhere", "hi", "k", ChatRefused),
        ("r", "hi", "x" * 500, ChatRefused),
        ("r", "hi", "", ChatRefused),
    ],
)
def test_nothing_that_was_refused_is_remembered(
    room_id: str, text: Any, key: Any, error: type[Exception]
) -> None:
    async def test() -> None:
        async with (
            running_server() as server,
            ChatClient(f"{server.base_url}/chat", "ann", ["r"], backoff=quick()) as chat,
        ):
            with pytest.raises(error):
                await chat.send(room_id, text, client_msg_id=key)
            assert not chat._talk.outbox
            for session in tuple(server.hub.sessions):
                session.connection.abort()  # type: ignore[attr-defined]
            await until(lambda: chat.losses == 1)
            assert (await chat.send("r", "two")).seq == 1

    run(test())


def test_a_room_whose_name_was_refused_is_not_remembered() -> None:
    from goim_edu.client.conversation import Conversation

    talk = Conversation("ann", "r")
    with pytest.raises(ValueError, match="surrogates"):
        talk.join("half \ud83d")
    assert (talk.current, list(talk.rooms)) == ("r", ["r"])


def test_a_close_that_keeps_the_next_attempt_waiting_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        async with running_server() as server:
            number = 0
            async for ws in connect(f"{server.base_url}/echo", close_timeout=3, backoff=quick()):
                number += 1
                if number == 1:
                    continue  # the loop closes it: nobody else has
                await ws.close()
                if number == 3:
                    break

    with caplog.at_level(logging.INFO, "goim_edu.client"):
        run(test())
    told = [line for line in caplog.messages if line.startswith("closing to=")]
    assert len(told) == 1
    assert told[0].endswith("before the next attempt at_most='3 s'")
