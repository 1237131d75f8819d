"""A chat server that asks a service of yours whether a token is good."""

import asyncio
import sys

from goim_edu.server import ChatServer, Identity, ServerConfig, Unauthenticated
from goim_edu.store import open_store

TOKENS = {"sesame": "lisa"}


async def ask_service(token: str | None) -> str | None:
    """The user of a token; stands for a request over the network."""
    await asyncio.sleep(0)
    return TOKENS.get(token or "")


async def authenticate(user_id: str, token: str | None) -> Identity:
    """Check a hello; what it says after that waits until this is done."""
    if await ask_service(token) != user_id:
        raise Unauthenticated("this token is not yours")
    return Identity(user_id, rooms=frozenset({"lobby"}))


async def main(port: int = 8765) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    with open_store("memory") as store:
        async with ChatServer(ServerConfig(port=port), store, authenticate=authenticate) as server:
            print(server.url, flush=True)
            await server.serve_until_signal()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
