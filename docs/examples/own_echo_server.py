"""A server of your own: every message comes back.

Run it, and connect to the address that it prints: ``python -m websockets ws://127.0.0.1:8765``.
"""

import asyncio
import sys

from goim_edu.server import WebSocket, serve


async def echo(ws: WebSocket) -> None:
    """Serve one client."""
    async for message in ws:
        await ws.send(message)


async def main(port: int = 8765) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    async with serve(echo, port=port) as server:
        print(server.url, flush=True)
        await server.serve_until_signal()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
