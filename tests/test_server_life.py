"""The life of a server: started once, closed in good order, whatever it is called or cancelled."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from goim_edu.client import connect
from goim_edu.server import ChatServer, Server, ServerConfig, WebSocket, serve
from goim_edu.store import open_store
from tests.chatting import Person, RawClient, run, until

AnyServer = Server | ChatServer


async def wait_for_end(ws: WebSocket) -> None:
    async for _ in ws:
        pass


def own() -> Server:
    return serve(wait_for_end)


def chat() -> ChatServer:
    return ChatServer(ServerConfig(port=0), open_store("memory"), routes={"/wait": wait_for_end})


both = pytest.mark.parametrize("make", [own, chat])


async def nothing_listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    await writer.wait_closed()
    return False


async def gone(client: RawClient) -> None:
    client.go()
    await client.writer.wait_closed()


@both
def test_start_twice_and_close_twice(make: Callable[[], AnyServer]) -> None:
    async def test() -> None:
        server = make()
        await server.close()  # it was never started: nothing to do
        assert "not started" in repr(server)
        await server.start()
        port = server.port
        with pytest.raises(RuntimeError, match="make a new one"):
            await server.start()
        with pytest.raises(RuntimeError, match="make a new one"):
            async with server:
                pass
        assert "listening, 0 connections" in repr(server)
        await server.close()
        await server.close()
        assert await nothing_listens(port)
        assert "closed" in repr(server)
        for again in (server.start, server.serve_forever):
            with pytest.raises(RuntimeError, match="make a new one"):
                await again()

    run(test())


@both
def test_a_start_that_failed_may_be_tried_again(make: Callable[[], AnyServer]) -> None:
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server: AnyServer = (
                serve(wait_for_end, port=port)
                if make is own
                else ChatServer(ServerConfig(port=port), open_store("memory"))
            )
            with pytest.raises(OSError):
                await server.start()
        async with server:
            assert server.port == port

    run(test())


@both
def test_closing_twice_at_once_waits_for_the_same_end(make: Callable[[], AnyServer]) -> None:
    async def test() -> None:
        server = make()
        await server.start()
        deaf = await RawClient.come(server.port, "/wait")  # it answers no Close
        first = asyncio.create_task(server.close(0.3))
        await until(lambda: server.draining)
        await server.close()
        assert not server._connections
        assert "closed" in repr(server)
        await first
        await gone(deaf)

    run(test())


@both
def test_serve_forever_starts_and_ends_with_the_server(make: Callable[[], AnyServer]) -> None:
    async def test() -> None:
        server = make()
        serving = asyncio.create_task(server.serve_forever())
        await until(lambda: server.port)
        async with connect(f"{server.base_url}/wait") as ws:
            await server.close()
            await ws.wait_closed()
            assert ws.close_code == 1001
        await serving

    run(test())


@both
def test_serve_forever_cancelled_closes_in_good_order(make: Callable[[], AnyServer]) -> None:
    async def test() -> None:
        async with make() as server:
            serving = asyncio.create_task(server.serve_forever())
            async with connect(f"{server.base_url}/wait") as ws:
                serving.cancel()
                await ws.wait_closed()
                assert ws.close_code == 1001
            with pytest.raises(asyncio.CancelledError):
                await serving
            assert await nothing_listens(server.port)

    run(test())


@both
def test_closing_cancelled_cuts_off_at_once(make: Callable[[], AnyServer]) -> None:
    async def test() -> None:
        before = asyncio.all_tasks()
        server = make()
        await server.start()
        deaf = await RawClient.come(server.port, "/wait")
        waiting = asyncio.create_task(server.close())
        closing = asyncio.create_task(server.close())
        await until(lambda: server.draining)
        waiting.cancel()  # the first of the two is the one that closes
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await closing
        await deaf.read_all()
        await until(lambda: not server._connections and not server._tasks)
        assert await nothing_listens(server.port)
        await gone(deaf)
        await until(lambda: asyncio.all_tasks() == before)

    run(test())


def test_a_handler_has_time_to_come_to_its_end_and_is_then_cancelled() -> None:
    ended: list[str] = []

    async def tidy(ws: WebSocket) -> None:
        try:
            await wait_for_end(ws)
            await asyncio.sleep(0)
            await asyncio.to_thread(ended.append, "tidied up")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def test() -> None:
        async with serve(tidy) as server:
            ws = await connect(server.url)
            await server.close()
            await ws.wait_closed()

    run(test())
    assert ended == ["tidied up", "cancelled"]


def test_ctrl_c_closes_in_good_order() -> None:
    program = """if True:
        import asyncio
        from goim_edu.server import serve
        async def handler(ws):
            async for _ in ws: pass
            print("the handler came to its end", flush=True)
        async def main():
            server = serve(handler)
            await server.start()
            print(server.url, flush=True)
            await server.serve_forever()
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """

    async def test(url: str, interrupt: Callable[[], None]) -> None:
        async with connect(url) as ws:
            interrupt()
            await ws.wait_closed()
            assert ws.close_code == 1001

    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        run(test(url, lambda: process.send_signal(signal.SIGINT)))
        assert process.stdout.read() == b"the handler came to its end\ninterrupted\n"


def test_the_address_of_the_chat_is_where_the_chat_is() -> None:
    async def test() -> None:
        async with chat() as server:
            assert server.url == f"ws://127.0.0.1:{server.port}/chat"
            async with connect(server.url, subprotocols=["goim.v1.json"]) as ws:
                assert ws.subprotocol == "goim.v1.json"
            await Person.come(server, "lisa")
            assert repr(server).startswith(f"<ChatServer {server.url} listening, ")

    run(test())


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"routes": {"shout": wait_for_end}}, ValueError, "such as /shout"),
        ({"routes": {"/a?b": wait_for_end}}, ValueError, "not a path"),
        ({"routes": {"/chat": wait_for_end}}, ValueError, "/chat is served already"),
        ({"routes": {"/echo": wait_for_end}}, ValueError, "/echo is served already"),
        ({"routes": {"/healthz": wait_for_end}}, ValueError, "/healthz is served already"),
        ({"routes": {"/chat.js": wait_for_end}}, ValueError, "/chat.js is served already"),
        ({"routes": {"/x": 5}}, TypeError, "handler"),
        ({"routes": [wait_for_end]}, TypeError, "routes must be a mapping"),
        ({"authenticate": "lisa"}, TypeError, "authenticate must"),
        ({"registry": True}, TypeError, "registry must"),
        ({"hooks": print}, TypeError, "ServerHooks"),
        ({"ssl": "cert.pem"}, TypeError, "ssl must"),
        ({"sock": 5}, TypeError, "sock must"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    settings: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        ChatServer(ServerConfig(port=0), open_store("memory"), **settings)


@pytest.mark.parametrize("wrong", ["memory", None, 5])
def test_a_chat_without_a_store_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"store must be a store, such as open_store\('memory'\)"):
        ChatServer(ServerConfig(port=0), wrong)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("way", ["run", "serve_until_signal"])
def test_a_program_that_only_serves_ends_in_good_order(way: str, number: signal.Signals) -> None:
    program = f"""if True:
        import asyncio, signal
        from goim_edu.server import serve

        async def echo(ws):
            async for message in ws:
                await ws.send(message)

        server = serve(echo, port=0)
        async def tell():
            await server.start()
            print(server.url, flush=True)
            await server.serve_until_signal()
        if {way!r} == "run":
            start = server.start
            async def told():
                await start()
                print(server.url, flush=True)
            server.start = told
            server.run()
        else:
            asyncio.run(tell())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        print("the end")
    """

    async def test(url: str, process: subprocess.Popen[bytes]) -> None:
        async with connect(url) as ws:
            process.send_signal(number)
            await ws.wait_closed()
            assert ws.close_code == 1001

    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        run(test(process.stdout.readline().decode().strip(), process))
        assert process.stdout.read() == b"the end\n"
        assert process.stderr.read() == b""
    assert process.returncode == 0
