"""The client of ``docs/examples/proxy_client.py`` on ``websockets``."""

import asyncio
import sys
from typing import Literal

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidProxyStatus


async def ask(uri: str, proxy: str | Literal[True]) -> None:
    """Say hello, and print the answer."""
    try:
        async with connect(uri, proxy=proxy) as ws:
            await ws.send("hello")
            print(await ws.recv())
    except InvalidProxyStatus as error:
        print(f"not through this proxy: {error.response.status_code}")


if __name__ == "__main__":
    asyncio.run(ask(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else True))
