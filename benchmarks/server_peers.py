"""The servers that ``benchmarks/server.py`` measures, each in a process of its own.

    python -m benchmarks.server_peers NAME --loop asyncio|uvloop [--compression]

Each serves ``/echo``, and ``/fanout``: what one client says goes to all clients there. It prints
its port, and closes when its standard input does. Every peer runs at its best setting: no limits
that cost, no compression unless asked for, its own way of broadcasting. ``bare`` is none, but the
floor under all of them (``benchmarks/bare.py``); it has no use for a loop.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import bare

# Heartbeats are on, but none falls due in a measurement: the load generator answers no ping.
_HEARTBEAT = 3600

Start = Callable[[bool], Awaitable[int]]


async def start_goim(compression: bool) -> int:
    from goim_edu.server import ChatServer, ServerConfig
    from goim_edu.store import open_store
    from goim_edu.transport import Connection, Handler
    from goim_edu.websocket.events import Event, TextMessage
    from goim_edu.websocket.frames import build_frame

    members: set[Connection] = set()
    pieces: list[bytes] = []

    def hand_on() -> None:
        frames = b"".join(pieces)
        pieces.clear()
        for member in members:
            member.write_at_once(frames)

    class Fanout(Handler):
        """What one says goes to all, at the end of the turn, with no store between."""

        __slots__ = ()

        def on_open(self, connection: Connection) -> None:
            members.add(connection)

        def on_events(self, connection: Connection, events: list[Event]) -> None:
            if not pieces:
                connection.engine.at_end_of_turn(hand_on)
            pieces.extend(build_frame(one.data) for one in events if type(one) is TextMessage)

        def on_end(self, connection: Connection) -> None:
            members.discard(connection)

    config = ServerConfig.of(
        port=0,
        compression=compression,
        rate=1e9,
        burst=1_000_000_000,
        echo_rate=1e12,
        max_connections=100_000,
        max_per_ip=100_000,
        origins=("*",),
        heartbeat_interval=_HEARTBEAT,
        presence_limit=10_000,  # names at once; counts would come ten seconds later, in a round
    )
    store = open_store("memory")
    server = ChatServer(config, store)
    server.handlers["/fanout"] = Fanout
    await server.start()
    _KEEP.extend([server, store])
    return server.port


async def start_websockets(compression: bool) -> int:
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    members: set[ServerConnection] = set()

    async def handle(ws: ServerConnection) -> None:
        if ws.request is not None and ws.request.path == "/fanout":
            members.add(ws)
            try:
                async for message in ws:
                    broadcast(members, message)
            finally:
                members.discard(ws)
        else:
            async for message in ws:
                await ws.send(message)

    server = await serve(
        handle,
        "127.0.0.1",
        0,
        compression="deflate" if compression else None,
        max_size=2**24,
        ping_interval=_HEARTBEAT,
    )
    _KEEP.append(server)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def start_aiohttp(compression: bool) -> int:
    from aiohttp import WSMsgType, web

    members: set[web.WebSocketResponse] = set()

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=compression, heartbeat=_HEARTBEAT, max_msg_size=2**24)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        return ws

    async def fanout(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=compression, heartbeat=_HEARTBEAT, max_msg_size=2**24)
        await ws.prepare(request)
        members.add(ws)
        try:
            async for message in ws:
                for member in members:
                    await member.send_str(message.data)
        finally:
            members.discard(ws)
        return ws

    app = web.Application()
    app.router.add_get("/echo", echo)
    app.router.add_get("/fanout", fanout)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    _KEEP.append(runner)
    port: int = runner.addresses[0][1]
    return port


async def start_picows(compression: bool) -> int:  # noqa: C901 - two classes, not one tangle
    import picows

    members: set[Any] = set()
    kinds = (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY)

    class Echo(picows.WSListener):  # type: ignore[misc,unused-ignore]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type in kinds:
                transport.send(frame.msg_type, frame.get_payload_as_bytes())
            elif frame.msg_type == picows.WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()

    class Fanout(picows.WSListener):  # type: ignore[misc,unused-ignore]
        def on_ws_connected(self, transport: Any) -> None:
            members.add(transport)

        def on_ws_disconnected(self, transport: Any) -> None:
            members.discard(transport)

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type in kinds:
                payload = frame.get_payload_as_bytes()
                for member in members:
                    member.send(frame.msg_type, payload)
            elif frame.msg_type == picows.WSMsgType.CLOSE:
                transport.disconnect()

    def listener(request: Any) -> Any:
        return Fanout() if request.path == b"/fanout" else Echo()

    server = await picows.ws_create_server(
        listener,
        "127.0.0.1",
        0,
        max_frame_size=2**24,
        enable_auto_ping=True,
        auto_ping_idle_timeout=_HEARTBEAT,
        auto_ping_reply_timeout=20,
        backlog=2048,
    )
    _KEEP.append(server)
    port: int = server.sockets[0].getsockname()[1]
    return port


_KEEP: list[Any] = []
SERVERS: dict[str, Start] = {
    "goim": start_goim,
    "websockets": start_websockets,
    "aiohttp": start_aiohttp,
    "picows": start_picows,
}


async def run(start: Start, compression: bool) -> None:
    port = await start(compression)
    gc.collect()
    gc.freeze()
    print(port, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    await stop.wait()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=("bare", *SERVERS))
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--compression", action="store_true")
    args = parser.parse_args()
    if args.name == "bare":
        bare.serve()
        return
    logging.disable(logging.CRITICAL)  # a load generator that just hangs up fills many a log
    factory: Any = asyncio.new_event_loop
    if args.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run(SERVERS[args.name], args.compression))


if __name__ == "__main__":
    main()
