"""The client: connect in all its ways, time-outs, TLS, reconnecting; the chat for scripts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import trustme

from goim_edu.capture import Capture
from goim_edu.chat.vocabulary import VocabularyError
from goim_edu.client import Backoff, ChatClient, ChatRefused, connect
from goim_edu.errors import HandshakeError, LocalProtocolError, StoreUnavailable
from goim_edu.store import MemoryBackend, MessageStore
from goim_edu.transport import ConnectionClosed, WebSocket
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.websocket.handshake import generate_accept
from tests.chatting import Link, Person, run, running_server, until


def quick() -> Backoff:
    return Backoff(first=0.01, longest=0.05)


# ---------------------------------------------------------------------- connect


def test_text_octets_and_order() -> None:
    async def test() -> None:
        async with running_server() as server, connect(f"{server.base_url}/echo") as ws:
            for message in ("", "Hello", "你好", b"", b"\0\xff", "x" * 70_000, b"y" * 1_000_000):
                await ws.send(message)
            assert await ws.recv() == ""
            assert [await ws.recv() for _ in range(2)] == ["Hello", "你好"]
            assert [await ws.recv() for _ in range(2)] == [b"", b"\0\xff"]
            assert await ws.recv() == "x" * 70_000
            assert await ws.recv() == b"y" * 1_000_000
            assert 0 < await ws.ping() < 5
            assert 0 < await ws.ping(b"one of my own") < 5
            assert ws.remote == ("127.0.0.1", server.port)

    run(test())


@pytest.mark.parametrize(
    ("compression", "agreed"), [(True, True), (False, False), (DeflateConfig(level=9), True)]
)
def test_compression(compression: Any, agreed: bool) -> None:
    async def test() -> None:
        sizes: list[int] = []

        def tap(direction: str, _: float, data: bytes) -> None:
            if direction == "out":
                sizes.append(len(data))

        async with (
            running_server() as server,
            connect(f"{server.base_url}/echo", compression=compression, tap=tap) as ws,
        ):
            assert bool(ws.extensions) is agreed
            await ws.send("x" * 10_000)
            assert await ws.recv() == "x" * 10_000
            await asyncio.sleep(0)
            assert (sizes[-1] < 100) is agreed
            await ws.send("y" * 10_000, compress=False)
            assert await ws.recv() == "y" * 10_000
            assert sizes[-1] > 10_000

    run(test())


def test_what_the_server_is_told() -> None:
    async def look(ws: WebSocket) -> None:
        if ws.request is not None:
            for name in ("Authorization", "Origin", "Host"):
                await ws.send(ws.request.headers.get(name))

    async def test() -> None:
        async with running_server(origins=("https://chat.example",)) as server:
            server.routes["/look"] = look
            async with connect(
                f"{server.base_url}/look",
                headers=[("Authorization", "Bearer x")],
                origin="https://chat.example",
            ) as ws:
                heard = [message async for message in ws]
            assert heard == ["Bearer x", "https://chat.example", f"127.0.0.1:{server.port}"]
            assert ws.close_code == 1000

    run(test())


def test_a_refusal_has_its_status() -> None:
    async def test() -> None:
        async with running_server() as server:
            with pytest.raises(HandshakeError) as refused:
                await connect(f"{server.base_url}/nothing")
            assert refused.value.status == 404
            with pytest.raises(HandshakeError) as refused:
                await connect(f"{server.base_url}/echo", origin="https://evil.example")
            assert refused.value.status == 403
            with pytest.raises(HandshakeError) as refused:
                await connect(f"{server.base_url}/echo", subprotocols=["not a token"])

    with pytest.raises(LocalProtocolError):
        run(test())


def test_nobody_there() -> None:
    async def test() -> None:
        async with running_server() as server:
            port = server.port
        with pytest.raises(OSError, match="Connect"):
            await connect(f"ws://127.0.0.1:{port}/")

    run(test())


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def bare_server(answer: Answer) -> AsyncIterator[int]:
    """A server that answers as it is told, and not as a server should; gives its port."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(ConnectionError):
            await answer(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


def test_a_server_that_never_answers() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def test() -> None:
        async with bare_server(silent) as port:
            begin = monotonic()
            with pytest.raises((TimeoutError, HandshakeError)):
                await connect(f"ws://127.0.0.1:{port}/", open_timeout=0.2)
            assert 0.15 < monotonic() - begin < 2

    run(test())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n"])
def test_a_server_that_speaks_something_else(answer: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def test() -> None:
        async with bare_server(other) as port:
            with pytest.raises(HandshakeError):
                await connect(f"ws://127.0.0.1:{port}/")

    run(test())


def test_a_server_that_does_not_answer_our_close() -> None:
    async def test() -> None:
        async with running_server() as server, Link(server.port) as link:
            ws = await connect(f"ws://127.0.0.1:{link.port}/echo", close_timeout=0.2)
            link.silent = True
            begin = monotonic()
            await ws.close()
            assert 0.15 < monotonic() - begin < 2

    run(test())


def test_a_server_that_falls_silent() -> None:
    async def test() -> None:
        async with running_server() as server, Link(server.port) as link:
            ws = await connect(
                f"ws://127.0.0.1:{link.port}/echo", heartbeat_interval=0.2, heartbeat_timeout=0.2
            )
            await until(lambda: ws.latency is not None)
            link.silent = True
            begin = monotonic()
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.code == 1006
            assert monotonic() - begin < 10  # interval and timeout; TCP alone would take minutes

    run(test())


def test_a_message_that_is_too_big_for_us() -> None:
    async def shout(ws: WebSocket) -> None:
        await ws.send("x" * 2000)
        await ws.wait_closed()

    async def test() -> None:
        async with running_server(compression=False) as server:
            server.routes["/shout"] = shout
            ws = await connect(f"{server.base_url}/shout", max_message_size=1000)
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.error is not None
            assert closed.value.error.close_code == 1009
            assert (closed.value.code, closed.value.rcvd) == (1006, None)
            assert closed.value.sent is not None
            assert closed.value.sent.code == 1009
            assert "(we sent 1009)" in str(closed.value)
            ws = await connect(f"{server.base_url}/echo")
            await ws.close(4000, "enough")
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.rcvd == (4000, "")
            assert closed.value.sent == (4000, "enough")

    run(test())


def test_the_masking_key_can_be_chosen_for_a_lesson() -> None:
    async def test() -> None:
        sent: list[bytes] = []

        def tap(direction: str, _: float, data: bytes) -> None:
            if direction == "out":
                sent.append(data)

        key = bytes.fromhex("37fa213d")
        async with (
            running_server() as server,
            connect(f"{server.base_url}/echo", mask_source=lambda size: key[:size], tap=tap) as ws,
        ):
            await ws.send("Hello", compress=False)
            await ws.recv()
        assert build_frame("Hello", mask_key=key) in sent

    run(test())


def test_sending_waits_for_a_slow_reader() -> None:
    async def asleep(ws: WebSocket) -> None:
        await asyncio.sleep(60)

    async def test() -> None:
        async with running_server(close_timeout=0.1) as server:
            server.routes["/asleep"] = asleep
            ws = await connect(f"{server.base_url}/asleep", compression=False)

            async def flood() -> None:
                while True:
                    await ws.send(b"x" * 100_000)
                    await asyncio.sleep(0)

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(flood(), 0.5)
            assert ws.connection.queued < 1_000_000
            ws.connection.abort()

    run(test())


@pytest.mark.parametrize("uri", ["", "http://h/", "ws://", "ws://h/#f", "ws://h:99999/"])
def test_addresses_that_are_none(uri: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        connect(uri)
    with pytest.raises(ValueError, match="max_waiting"):
        connect("ws://h/", max_waiting=0)


def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def test() -> None:
        async with running_server(tls_cert=chain, tls_key=key) as server:
            assert server.base_url == f"wss://127.0.0.1:{server.port}"
            with pytest.raises(ssl.SSLError):
                await connect(f"{server.base_url}/echo")
            async with connect(f"{server.base_url}/echo", ssl=trusting) as ws:
                for size in (5, 70_000, 900_000):
                    await ws.send("x" * size)
                    assert await ws.recv() == "x" * size
            lisa = await Person.come(server, "lisa", ssl=trusting)
            await lisa.join()
            assert (await lisa.say("hi"))["type"] == "ack"
            # A peer that breaks a rule is told so over TLS too, where one side cannot be closed.
            ws = await connect(f"{server.base_url}/echo", ssl=trusting)
            ws.connection.write(build_frame("unmasked"))
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.code == 1002

    run(test())


# ---------------------------------------------------------------------- reconnecting


def test_backoff_grows_and_starts_anew() -> None:
    backoff = Backoff(first=1, longest=5, steady=10, chance=lambda: 0.0)
    assert [backoff.next() for _ in range(4)] == [0.5, 1.0, 2.0, 2.5]
    backoff.lived(9)
    assert backoff.next() == 2.5
    backoff.lived(10)
    assert backoff.next() == 0.5
    many = Backoff()
    assert all(many.next() <= 30 for _ in range(5000))
    assert len({Backoff().next() for _ in range(50)}) > 25


def test_iterating_connects_again_and_again() -> None:
    async def hang_up(ws: WebSocket) -> None:
        await ws.send("hi")

    async def test() -> None:
        async with running_server() as server:
            server.routes["/hi"] = hang_up
            seen = 0
            async for ws in connect(f"{server.base_url}/hi", backoff=quick()):
                assert [message async for message in ws] == ["hi"]
                seen += 1
                if seen == 3:
                    break
            assert seen == 3

    run(test())


def test_iterating_waits_for_a_server_that_is_not_there_yet() -> None:
    async def test() -> None:
        async with running_server() as server:
            port = server.port
        found = asyncio.get_running_loop().create_future()

        async def look() -> None:
            backoff = quick()
            async for ws in connect(f"ws://127.0.0.1:{port}/echo", backoff=backoff):
                await ws.send("there you are")
                found.set_result(await ws.recv())
                break

        task = asyncio.create_task(look())
        await asyncio.sleep(0.1)
        async with running_server(port=port):
            async with asyncio.timeout(10):
                assert await found == "there you are"
            await task

    run(test())


def test_iterating_ends_at_a_refusal_that_will_not_change() -> None:
    async def test() -> None:
        async with running_server() as server:
            with pytest.raises(HandshakeError):
                async for _ in connect(f"{server.base_url}/nothing", backoff=quick()):
                    pass

    run(test())


# ---------------------------------------------------------------------- the chat for scripts


def chat(url: str, name: str, rooms: Any, **options: Any) -> ChatClient:
    return ChatClient(url, name, rooms, backoff=quick(), **options)


def test_saying_and_hearing() -> None:
    async def test() -> None:
        async with (
            running_server() as server,
            chat(server.url, "lisa", ["a", "b"]) as lisa,
            chat(server.url, "tom", ["a"]) as tom,
        ):
            assert (await lisa.send("a", "one")).seq == 1
            assert (await lisa.send("b", "two")).seq == 1
            ack = await tom.send("a", "three", client_msg_id="my own id")
            assert (ack.seq, ack.client_msg_id, ack.duplicate) == (2, "my own id", False)
            assert (await tom.send("a", "three", client_msg_id="my own id")).duplicate
            heard = []
            async for message in lisa:
                heard.append((message.room_id, message.seq, message.text))
                if len(heard) == 3:
                    break
            assert sorted(heard) == [("a", 1, "one"), ("a", 2, "three"), ("b", 1, "two")]

    run(test())


def test_refusals_reach_who_asked() -> None:
    async def test() -> None:
        async with running_server(max_text=5, max_rooms=1) as server:
            async with chat(server.url, "lisa", ["a"]) as lisa:
                with pytest.raises(ChatRefused) as refused:
                    await lisa.send("a", "too long")
                assert refused.value.code == "too_long"
                with pytest.raises(ChatRefused) as refused:
                    await lisa.send("elsewhere", "hi")
                assert refused.value.code == "not_joined"
                assert (await lisa.send("a", "fits")).seq == 1
            with pytest.raises(ChatRefused, match="rooms"):
                async with chat(server.url, "lisa", ["a", "b"]):
                    pass
            with pytest.raises(ChatRefused, match="bad_message"):
                async with chat(server.url, "", ["a"]):
                    pass
            with pytest.raises(HandshakeError):
                async with ChatClient(f"{server.base_url}/nothing", "lisa"):
                    pass

    run(test())


def test_nothing_is_lost_or_repeated_when_the_server_is_replaced() -> None:
    """Messages said while there is no server arrive once it is there; all are heard once."""

    async def test() -> None:
        store = MessageStore(MemoryBackend())
        async with running_server(store) as first:
            port = first.port
            url = first.url
            lisa, tom = chat(url, "lisa", ["a"]), chat(url, "tom", ["a"])
            await lisa.__aenter__()
            await tom.__aenter__()
            await lisa.send("a", "before")
        meanwhile = asyncio.create_task(lisa.send("a", "meanwhile"))
        store.submit("a", "eve", "written by another hand", client_msg_id="e1").result()
        async with running_server(store, port=port):
            async with asyncio.timeout(10):
                assert (await meanwhile).duplicate is False
                await lisa.send("a", "after")
                heard = []
                async for message in tom:
                    heard.append(message.text)
                    if message.text == "after":
                        break
            assert heard == ["before", "written by another hand", "meanwhile", "after"]
            assert tom.losses == 1
            await lisa.__aexit__()
            await tom.__aexit__()
        store.close()

    run(test())


def test_a_gap_of_more_than_a_thousand_is_filled_from_the_history() -> None:
    async def test() -> None:
        store = MessageStore(MemoryBackend())
        for number in range(1, 1501):
            store.submit("a", "eve", str(number), client_msg_id=f"e{number}")
        store.flush()
        async with running_server(store) as server, chat(server.url, "tom", {"a": 7}) as tom:
            seqs: list[int] = []
            async for message in tom:
                seqs.append(message.seq)
                if message.seq == 1500:
                    break
            assert seqs == list(range(8, 1501))
        store.close()

    run(test())


def test_what_the_store_could_not_take_is_sent_again() -> None:
    async def test() -> None:
        class Moody(MessageStore):
            moods = 2

            def submit_async(self, *message: str, **named: str) -> Any:
                if self.moods:
                    self.moods -= 1
                    raise StoreUnavailable("not now")
                return super().submit_async(*message, **named)

        store = Moody(MemoryBackend())
        async with running_server(store) as server, chat(server.url, "lisa", ["a"]) as lisa:
            assert (await lisa.send("a", "patience")).seq == 1
        store.close()

    run(test())


def test_rooms_are_rejoined_through_a_failover() -> None:
    """The store fails while the server is replaced: joins, history and sends are asked again."""

    async def test() -> None:
        class Failing(MessageStore):
            down = False
            refused = 0

            def check(self) -> None:
                if self.down:
                    self.refused += 1
                    raise StoreUnavailable("no primary")

            def history(self, *span: Any, **limits: Any) -> Any:
                self.check()
                return super().history(*span, **limits)

            def submit_async(self, *message: str, **named: str) -> Any:
                self.check()
                return super().submit_async(*message, **named)

        store = Failing(MemoryBackend())
        async with running_server(store) as first:
            port = first.port
            lisa, tom = chat(first.url, "lisa", ["a", "b"]), chat(first.url, "tom", ["a"])
            await lisa.__aenter__()
            await tom.__aenter__()
            await lisa.send("a", "before")
        store.down = True
        saying = asyncio.create_task(lisa.send("a", "during"))
        store.submit("a", "eve", "by another hand", client_msg_id="e1").result()
        async with running_server(store, port=port) as second:
            await until(lambda: store.refused >= 6)
            await until(lambda: second.hub.stats.errors["unavailable"] >= 6)
            assert not saying.done()
            store.down = False
            async with asyncio.timeout(10):
                assert (await saying).seq == 3
                heard = []
                async for message in tom:
                    heard.append(message.text)
                    if message.text == "during":
                        break
            assert heard == ["before", "by another hand", "during"]
            await lisa.__aexit__()
            await tom.__aexit__()
        store.close()

    run(test())


def test_a_gap_is_filled_although_the_store_fails_in_between() -> None:
    async def test() -> None:
        class Moody(MessageStore):
            moods = 2

            def history(self, *span: Any, **limits: Any) -> Any:
                if limits.get("before_seq") is not None and self.moods:
                    self.moods -= 1
                    raise StoreUnavailable("not now")
                return super().history(*span, **limits)

        store = Moody(MemoryBackend())
        for number in range(1, 1301):
            store.submit("a", "eve", str(number), client_msg_id=f"e{number}")
        store.flush()
        async with running_server(store) as server, chat(server.url, "tom", {"a": 7}) as tom:
            seqs: list[int] = []
            async for message in tom:
                seqs.append(message.seq)
                if message.seq == 1300:
                    break
            assert seqs == list(range(8, 1301))
            assert store.moods == 0
        store.close()

    run(test())


def test_requests_beyond_the_rate_are_asked_again() -> None:
    async def test() -> None:
        rooms = [f"room{number}" for number in range(6)]
        async with (
            running_server(burst=5, rate=50) as server,
            chat(server.url, "lisa", rooms) as lisa,
        ):
            assert server.hub.stats.rate_limited >= 2
            acks = await asyncio.gather(*(lisa.send("room0", str(n)) for n in range(8)))
            assert sorted(ack.seq for ack in acks) == list(range(1, 9))
            assert lisa.losses == 0

    run(test())


def test_the_same_message_twice_at_once_is_stored_once() -> None:
    async def test() -> None:
        async with running_server() as server, chat(server.url, "lisa", ["a"]) as lisa:
            acks = await asyncio.gather(
                *(lisa.send("a", "hello", client_msg_id="key") for _ in range(3))
            )
            assert {ack.seq for ack in acks} == {1}
            assert (await lisa.send("a", "next")).seq == 2

    run(test())


def test_a_text_that_cannot_be_written_harms_no_other() -> None:
    async def test() -> None:
        async with running_server() as server, chat(server.url, "lisa", ["a"]) as lisa:
            with pytest.raises(ValueError, match="surrogates"):
                await lisa.send("a", "\ud800")
            assert (await lisa.send("a", "fine")).seq == 1

    run(test())


def test_a_server_of_another_vocabulary_is_an_error() -> None:
    async def nonsense(ws: WebSocket) -> None:
        await ws.recv()
        await ws.send('{"type": "bonjour"}')
        await ws.wait_closed()

    async def test() -> None:
        async with running_server() as server:
            server.routes["/other"] = nonsense
            with pytest.raises(VocabularyError, match="bonjour"):
                async with ChatClient(f"{server.base_url}/other", "lisa"):
                    pass

    run(test())


def test_the_close_of_a_client_is_a_clean_one() -> None:
    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {generate_accept(key)}\r\n\r\n".encode()
        )
        frames.extend(FrameDecoder(masked=True).feed(await reader.read(100)))
        writer.write(build_frame(frames[0].payload, Opcode.CLOSE))
        writer.close()

    frames: list[Any] = []

    async def test() -> None:
        async with bare_server(keep) as port:
            ws = await connect(f"ws://127.0.0.1:{port}/")
            await ws.close(1001, "going home")
            assert parse_close(frames[0].payload) == (1001, "going home")
            assert ws.close_code == 1001

    run(test())


@pytest.mark.parametrize("side", [None, "client"])
def test_a_capture_understands_the_tap_of_a_client(side: Any) -> None:
    """What goes out there comes in at the server, whose words a record has."""

    capture = Capture()

    async def test() -> None:
        async with (
            running_server() as server,
            connect(f"{server.base_url}/echo", tap=capture.tap(1, side=side)) as ws,
        ):
            await ws.send("hello")
            await ws.recv()

    run(test())
    assert capture.handshakes()[0].upgraded
    assert [frame.sender for frame in capture.frames()][:2] == ["client", "server"]
