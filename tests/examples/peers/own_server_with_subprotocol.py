"""The same with ``websockets``."""

import asyncio
import sys
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol


def check(connection: ServerConnection, request: Request) -> Response | None:
    """Look at a request before it becomes a WebSocket."""
    if request.path == "/health":
        return connection.respond(HTTPStatus.OK, "OK\n")
    if request.headers.get("Authorization") != "Bearer sesame":
        return connection.respond(HTTPStatus.UNAUTHORIZED, "show the token\n")
    return None


async def shout(ws: ServerConnection) -> None:
    """Serve one client, in the subprotocol that was agreed on."""
    async for message in ws:
        await ws.send(f"{message!s}{'!!!' if ws.subprotocol == 'loud' else '.'}")


async def main(port: int = 8765) -> None:
    """Serve until Ctrl-C."""
    names = [Subprotocol("loud"), Subprotocol("quiet")]
    async with serve(shout, "127.0.0.1", port, subprotocols=names, process_request=check) as server:
        print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
