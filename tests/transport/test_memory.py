"""The network in memory behaves as asyncio's own does: each test of an end runs on both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from goim_edu.client import ChatClient, connect
from goim_edu.server import ChatServer, ServerConfig, serve
from goim_edu.store import open_store
from goim_edu.transport import WebSocket
from goim_edu.transport.memory import joined
from goim_edu.transport.memory_network import MemoryNetwork, equip, network_of
from goim_edu.turned_loop import TurnedLoop

BIG = b"x" * 8_000_000


class Side(asyncio.Protocol):
    """A protocol that takes down what it is told."""

    def __init__(self, keep_open: bool = False) -> None:
        self.keep_open = keep_open
        self.got = bytearray()
        self.told: list[str] = []
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.got += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost")
        self.ended.set_result(error)


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - there is nothing that would tell
            await asyncio.sleep(0.001)


Test = Callable[[Side, Side], Awaitable[None]]


async def on_a_pair(test: Test, keep_open: bool) -> None:
    loop = asyncio.get_running_loop()
    sides: list[Side] = []

    def server_side() -> Side:
        sides.append(Side(keep_open))
        return sides[-1]

    server = await loop.create_server(server_side, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, client = await loop.create_connection(lambda: Side(keep_open), "127.0.0.1", port)
    await until(lambda: sides and sides[0].told)
    server.close()
    try:
        await test(client, sides[0])
    finally:
        for side in (client, sides[0]):
            if not side.ended.done():
                side.transport.abort()
        await asyncio.wait({client.ended, sides[0].ended}, timeout=5)


@pytest.fixture(params=["socket", "memory"])
def on_both(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a test on two ends: of a socket, and in memory."""

    def run(test: Test, keep_open: bool = False) -> None:
        if request.param == "socket":
            asyncio.run(on_a_pair(test, keep_open))
        else:
            with asyncio.Runner(loop_factory=memory_loop) as runner:
                runner.run(on_a_pair(test, keep_open))

    return run


def memory_loop() -> asyncio.AbstractEventLoop:
    return equip(TurnedLoop(), MemoryNetwork())


def test_octets_come_in_order(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        client.transport.write(b"one ")
        client.transport.writelines([b"two ", bytearray(b"three "), memoryview(b"four")])
        client.transport.write(b"")
        await until(lambda: len(server.got) == 18)
        assert server.got == b"one two three four"
        server.transport.write(b"back")
        await until(lambda: client.got == b"back")
        assert (
            client.transport.get_extra_info("peername")[1]
            == (server.transport.get_extra_info("sockname")[1])
        )

    on_both(test)


def test_a_writer_waits_for_a_reader_that_does_not_read(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        server.transport.pause_reading()
        assert not server.transport.is_reading()
        client.transport.write(BIG)
        assert client.told == ["made", "pause"], "at once, inside of write"
        await asyncio.sleep(0.05)
        assert client.transport.get_write_buffer_size() > 0
        assert client.told == ["made", "pause"]
        server.transport.resume_reading()
        await until(lambda: len(server.got) == len(BIG))
        assert client.told == ["made", "pause", "resume"]
        assert client.transport.get_write_buffer_size() == 0

    on_both(test)


def test_the_marks_of_the_write_buffer_are_asyncios(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        transport = client.transport
        transport.set_write_buffer_limits(1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        transport.set_write_buffer_limits(low=100)
        assert transport.get_write_buffer_limits() == (100, 400)
        transport.set_write_buffer_limits(0)
        assert transport.get_write_buffer_limits() == (0, 0)
        with pytest.raises(ValueError, match="must be >= low"):
            transport.set_write_buffer_limits(1, 2)

    on_both(test)


def test_one_direction_ends_before_the_other(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        assert client.transport.can_write_eof()
        client.transport.write(b"all")
        client.transport.write_eof()
        client.transport.write_eof()
        with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
            client.transport.write(b"more")
        await until(lambda: "eof" in server.told)
        assert server.got == b"all"
        assert not server.transport.is_closing()
        server.transport.write(b"still")
        await until(lambda: client.got == b"still")
        server.transport.close()
        await until(lambda: "eof" in client.told)
        assert server.told == ["made", "eof", "lost"]
        assert await server.ended is None
        client.transport.close()
        assert await client.ended is None

    on_both(test, keep_open=True)


def test_an_end_that_does_not_want_to_stay_open_is_closed(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        client.transport.close()
        client.transport.close()
        assert client.transport.is_closing()
        assert (await client.ended, await server.ended) == (None, None)
        assert client.told == ["made", "lost"]
        assert server.told == ["made", "eof", "lost"]
        assert server.transport.is_closing()

    on_both(test)


def test_what_was_written_before_the_close_still_comes(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        server.transport.pause_reading()
        client.transport.write(BIG)
        client.transport.close()
        await asyncio.sleep(0.02)
        assert not client.ended.done()
        server.transport.resume_reading()
        assert await client.ended is None
        await server.ended
        assert len(server.got) == len(BIG)

    on_both(test)


def test_a_write_after_the_close_is_dropped_and_logged_in_the_end(
    on_both: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(client: Side, server: Side) -> None:
        client.transport.close()
        with caplog.at_level(logging.WARNING, "asyncio"):
            for _ in range(8):
                client.transport.write(b"late")
        await server.ended
        assert server.got == b""
        assert {record.message for record in caplog.records} == {"socket.send() raised exception."}

    on_both(test)


def test_an_abort_drops_what_waits(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        server.transport.pause_reading()
        client.transport.write(BIG)
        client.transport.abort()
        assert client.transport.is_closing()
        assert await client.ended is None
        server.transport.resume_reading()
        await server.ended
        assert len(server.got) < len(BIG)

    on_both(test)


def test_an_abort_with_octets_unread_resets(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        client.transport.pause_reading()
        server.transport.write(b"unread")
        await asyncio.sleep(0.02)
        client.transport.abort()
        assert isinstance(await server.ended, ConnectionResetError)

    on_both(test)


def test_writing_to_an_end_that_is_closed_fails(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        client.transport.close()
        await client.ended
        await until(lambda: "eof" in server.told)
        for _ in range(20):
            server.transport.write(b"anybody?")
            await asyncio.sleep(0.005)
        assert isinstance(await server.ended, BrokenPipeError | ConnectionResetError)

    on_both(test, keep_open=True)


def test_only_octets_can_be_written(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        with pytest.raises(TypeError, match="must be a bytes-like object, not 'str'"):
            client.transport.write(cast("bytes", "text"))

    on_both(test)


def test_a_protocol_that_fails_loses_its_connection(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        reported: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))

        def fail(data: bytes) -> None:
            raise LookupError("in the protocol")

        server.data_received = fail  # type: ignore[method-assign]
        client.transport.write(b"x")
        assert isinstance(await server.ended, LookupError)
        assert [str(error) for error in reported] == ["in the protocol"]

    on_both(test)


def test_streams_work_on_it(on_both: Callable[..., None]) -> None:
    async def test(client: Side, server: Side) -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()

        listener = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"one\ntwo\n")
            writer.write_eof()
            assert await reader.read() == b"ONE\nTWO\n"
            writer.close()
            await writer.wait_closed()

    on_both(test)


# ---------------------------------------------------------------------- a network of names


def in_memory(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    with asyncio.Runner(loop_factory=memory_loop) as runner:
        runner.run(main())


def test_a_reset_is_heard_as_one() -> None:
    async def work() -> None:
        here, there = joined()
        loop = asyncio.get_running_loop()
        one, other = Side(), Side()
        here.attach(loop, one)
        there.attach(loop, other)
        here.reset()
        assert isinstance(await other.ended, ConnectionResetError)
        assert await one.ended is None

    in_memory(work)


def test_what_is_written_at_once_does_not_overtake_the_beginning() -> None:
    async def work() -> None:
        network = network_of(asyncio.get_running_loop())
        assert network is not None
        listener = network.listen("chat.example", 80)
        assert network.listen("localhost", 0).getsockname()[0] == "127.0.0.1"
        with pytest.raises(OSError, match="80"):
            network.listen("chat.example", 80)
        early = network.connect("chat.example", 80)
        early.attach(asyncio.get_running_loop(), Side())
        early.write(b"before anybody accepts")
        accepted, address = await listener.accept()
        assert address == early.get_extra_info("sockname")
        late = Side()
        accepted.transport.attach(asyncio.get_running_loop(), late)
        await until(lambda: late.got)
        assert late.told == ["made"]
        listener.close()
        with pytest.raises(OSError, match="no host"):
            network.connect("chat.example", 80)
        with pytest.raises(ConnectionRefusedError, match="127"):
            network.connect("localhost", 81)

    in_memory(work)


def test_a_listener_that_closes_resets_those_that_wait() -> None:
    async def work() -> None:
        network = network_of(asyncio.get_running_loop())
        assert network is not None
        listener, side = network.listen("here", 1), Side()
        network.connect("here", 1).attach(asyncio.get_running_loop(), side)
        listener.close()
        assert isinstance(await side.ended, ConnectionResetError)

    in_memory(work)


def test_a_chat_server_and_two_clients_need_no_port() -> None:
    """Server, client, connection and engine as they are."""

    async def work() -> None:
        with open_store("memory") as store:
            config = ServerConfig(host="chat.example", port=80, insecure=True)
            async with ChatServer(config, store) as server:
                assert server.url == "ws://chat.example:80/chat"
                async with (
                    ChatClient(server.url, "ada") as ada,
                    ChatClient(server.url, "lin") as lin,
                ):
                    await ada.join("lobby")
                    await lin.join("lobby")
                    await ada.send("lobby", "hello")
                    async with asyncio.timeout(10):
                        message = await anext(aiter(lin))
                    assert (message.user_id, message.text) == ("ada", "hello")
        with pytest.raises(OSError, match="no host"):
            await connect(server.url)

    in_memory(work)


def test_a_slow_reader_holds_up_a_server_in_memory() -> None:
    """Backpressure reaches from one end to the other."""

    async def work() -> None:
        sent = 0

        async def pour(ws: WebSocket) -> None:
            nonlocal sent
            for _ in range(100):
                await ws.send(b"x" * 100_000)
                sent += 1
                await asyncio.sleep(0)

        async with (
            serve(pour, "here", 80) as server,
            connect(server.url, compression=False) as ws,
        ):
            ws.connection.pause_reading()
            await asyncio.sleep(0.1)
            held_at = sent
            assert held_at < 100
            ws.connection.resume_reading()
            assert len([message async for message in ws]) == 100

    in_memory(work)
