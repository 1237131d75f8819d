"""The client of ``docs/examples/reconnecting_client.py`` on ``websockets``."""

import asyncio
import logging
import sys
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def follow(uri: str) -> None:
    """Print what the server says, over as many connections as it takes."""
    async for ws in connect(uri):
        with suppress(ConnectionClosed):
            async for message in ws:
                print(message, flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(follow(sys.argv[1]))
