"""The client and the server of the ``websockets`` library, against ours."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import bson
import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Subprotocol

from goim_edu.client import connect
from goim_edu.transport import ConnectionClosed as OurConnectionClosed
from tests.chatting import run, running_server

JSON, BSON = Subprotocol("goim.v1.json"), Subprotocol("goim.v1.bson")
peer = websockets.asyncio.client.connect


@pytest.mark.parametrize("compression", ["deflate", None])
def test_echo(compression: str | None) -> None:
    async def test() -> None:
        async with (
            running_server(max_message_size=1 << 24) as server,
            peer(f"{server.base_url}/echo", compression=compression, max_size=1 << 24) as ws,
        ):
            dice = random.Random(1)
            for size in (0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000):
                for message in ("好" * (size // 3), dice.randbytes(size)):
                    await ws.send(message)
                    assert await ws.recv() == message
            await ws.send(["in ", "three ", "pieces"])
            assert await ws.recv() == "in three pieces"
            assert await (await ws.ping(b"?")) < 5
            await ws.close(1000, "bye")
            assert ws.close_code == 1000

    run(test())


@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("takeover", [True, False])
def test_compression_as_the_peer_likes_it(bits: int, takeover: bool) -> None:
    async def test() -> None:
        factory = ClientPerMessageDeflateFactory(
            server_max_window_bits=bits,
            client_max_window_bits=bits,
            server_no_context_takeover=not takeover,
            client_no_context_takeover=not takeover,
        )
        async with (
            running_server() as server,
            peer(f"{server.base_url}/echo", compression=None, extensions=[factory]) as ws,
        ):
            assert [extension.name for extension in ws.protocol.extensions] == [
                "permessage-deflate"
            ]
            for number in range(50):
                message = f"{number} " * 2000
                await ws.send(message)
                assert await ws.recv() == message

    run(test())


async def ask(ws: Any, **message: Any) -> dict[str, Any]:
    binary = ws.subprotocol == BSON
    await ws.send(bson.encode(message) if binary else json.dumps(message))
    answer = await ws.recv()
    found: dict[str, Any] = bson.decode(answer) if binary else json.loads(answer)
    return found


@pytest.mark.parametrize("subprotocol", [JSON, BSON])
@pytest.mark.parametrize("compression", ["deflate", None])
def test_chat(subprotocol: Subprotocol, compression: str | None) -> None:
    async def test() -> None:
        async with running_server() as server:
            uri = f"{server.base_url}/chat"
            async with peer(uri, subprotocols=[subprotocol], compression=compression) as ws:
                assert ws.subprotocol == subprotocol
                assert (await ask(ws, type="hello", user_id="lisa"))["type"] == "welcome"
                assert (await ask(ws, type="join", room_id="lobby"))["members"] == ["lisa"]
                text = "long enough to be compressed, " * 100
                ack = await ask(ws, type="send", room_id="lobby", client_msg_id="1", text=text)
                assert (ack["type"], ack["seq"]) == ("ack", 1)
                data = await ws.recv()
                message = bson.decode(data) if isinstance(data, bytes) else json.loads(data)
                assert message["text"] == text
                await ws.close()
                assert ws.close_code == 1000

    run(test())


def test_what_the_peer_is_told_when_it_is_refused() -> None:
    async def test() -> None:
        async with running_server(max_message_size=1000) as server:
            for path, status in (("/nothing", 404), ("/chat", 400)):
                with pytest.raises(InvalidStatus) as refused:
                    await peer(f"{server.base_url}{path}")
                assert refused.value.response.status_code == status
                assert refused.value.response.body
            async with peer(f"{server.base_url}/echo", compression=None) as ws:
                await ws.send("x" * 1001)
                with pytest.raises(ConnectionClosed):
                    await ws.recv()
                assert ws.close_code == 1009

    run(test())


@pytest.mark.parametrize("compression", ["deflate", None])
def test_our_client_with_their_server(compression: str | None) -> None:
    async def echo(ws: websockets.asyncio.server.ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async def test() -> None:
        server = await websockets.asyncio.server.serve(
            echo, "127.0.0.1", 0, compression=compression, subprotocols=[JSON]
        )
        async with server:
            port = next(iter(server.sockets)).getsockname()[1]
            uri = f"ws://127.0.0.1:{port}/"
            async with connect(uri, subprotocols=["goim.v1.bson", "goim.v1.json"]) as ws:
                assert ws.subprotocol == "goim.v1.json"
                assert bool(ws.extensions) is (compression is not None)
                for message in ("", "你好", "x" * 200_000, b"\0" * 200_000):
                    await ws.send(message)
                    assert await ws.recv() == message
                assert await ws.ping() < 5
            assert ws.close_code == 1000
            ws = await connect(uri, subprotocols=["goim.v1.json"])
            server.close(code=1012, reason="restart")
            with pytest.raises(OurConnectionClosed) as closed:
                await ws.recv()
            assert (closed.value.code, closed.value.reason) == (1012, "restart")
            await asyncio.sleep(0)

    run(test())
