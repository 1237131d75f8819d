"""The same with ``websockets``."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, serve


async def echo(ws: ServerConnection) -> None:
    """Serve one client."""
    async for message in ws:
        await ws.send(message)


async def main(port: int = 8765) -> None:
    """Serve until Ctrl-C."""
    async with serve(echo, "127.0.0.1", port) as server:
        print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
