"""A client that connects again after each end, and tells each attempt with its reason.

    python reconnecting_client.py ws://127.0.0.1:8765/feed

What can never succeed, such as a certificate that is not trusted or an answer 404, is raised.
"""

import asyncio
import logging
import sys
from contextlib import suppress

from goim_edu.client import ConnectionClosed, connect


async def follow(uri: str) -> None:
    """Print what the server says, over as many connections as it takes."""
    async for ws in connect(uri):
        with suppress(ConnectionClosed):
            async for message in ws:
                print(message, flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(follow(sys.argv[1]))
