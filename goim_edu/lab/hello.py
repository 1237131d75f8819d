"""The shortest chat client: it says one thing."""

from __future__ import annotations

import json

from goim_edu.client import connect
from goim_edu.lab.live_server import LiveServer

__all__ = ["say_hello"]


async def say_hello(live: LiveServer, user_id: str, text: str) -> str:
    """Come into the room ``lobby`` and say something; gives ``"stored"`` once it is.

    It always masks with the key of the RFC's example, so that its frames are the same everywhere.

    Args:
        live: the server.
        user_id: a name.
        text: what to say.

    >>> import asyncio
    >>> with LiveServer("memory", name="example") as live:
    ...     asyncio.run(say_hello(live, "kim", "hello"))
    'stored'
    """
    key = bytes.fromhex("37fa213d")
    async with connect(live.url, subprotocols=["goim.v1.json"], mask_source=lambda size: key) as ws:
        for request in (
            {"type": "hello", "user_id": user_id},
            {"type": "join", "room_id": "lobby"},
            {"type": "send", "room_id": "lobby", "client_msg_id": "1", "text": text},
        ):
            await ws.send(json.dumps(request, separators=(",", ":")))
        async for answer in ws:
            if json.loads(answer)["type"] == "ack":
                return "stored"
    return "not stored"
