"""A server that speaks two subprotocols, refuses strangers, and answers plain HTTP, too."""

import asyncio
import sys

from goim_edu.server import HandshakeError, Request, Response, WebSocket, make_response, serve


def check(request: Request) -> Response | None:
    """Look at a request before it becomes a WebSocket."""
    if request.path == "/health":
        return make_response("OK\n")
    if request.headers.get("authorization") != "Bearer sesame":
        raise HandshakeError("show the token", status=401)
    return None


async def shout(ws: WebSocket) -> None:
    """Serve one client, in the subprotocol that was agreed on."""
    async for message in ws:
        await ws.send(f"{message!s}{'!!!' if ws.subprotocol == 'loud' else '.'}")


async def main(port: int = 8765) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    names = ["loud", "quiet"]
    async with serve(shout, port=port, subprotocols=names, process_request=check) as server:
        print(server.url, flush=True)
        await server.serve_until_signal()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
