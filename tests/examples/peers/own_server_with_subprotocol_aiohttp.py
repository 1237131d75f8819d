"""The same with ``aiohttp``."""

import asyncio
import sys

from aiohttp import web


async def health(_: web.Request) -> web.Response:
    """Answer a plain request."""
    return web.Response(text="OK\n")


async def shout(request: web.Request) -> web.StreamResponse:
    """Serve one client, in the subprotocol that was agreed on."""
    if request.headers.get("Authorization") != "Bearer sesame":
        raise web.HTTPUnauthorized(text="show the token\n")
    ws = web.WebSocketResponse(protocols=["loud", "quiet"])
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(f"{message.data!s}{'!!!' if ws.ws_protocol == 'loud' else '.'}")
    return ws


async def main(port: int = 8765) -> None:
    """Serve until Ctrl-C."""
    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/", shout)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(f"ws://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
