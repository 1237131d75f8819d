"""The chat that Starlette's and FastAPI's documentation build, with pymongo's asynchronous client.

MONGO_URI=... python -m uvicorn --app-dir benchmarks/chat_peers starlette_chat:app --port ...

Each connection is a coroutine that waits for its next message, stores it, sends it to everybody in
the room, one after the other, and acknowledges it.
"""

# mypy: disable-error-code="import-not-found, no-any-unimported"

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

rooms: defaultdict[str, list[WebSocket]] = defaultdict(list)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncMongoClient[dict[str, Any]](os.environ["MONGO_URI"]) as client:
        app.state.messages = client["chat_peers"].get_collection(
            "messages", write_concern=WriteConcern("majority", j=True)
        )
        await app.state.messages.create_index("client_offset", unique=True)
        yield


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    joined: set[str] = set()
    try:
        while True:
            asked = await websocket.receive_json()
            if asked["type"] == "join":
                joined.add(asked["room"])
                rooms[asked["room"]].append(websocket)
                await websocket.send_text(json.dumps({"type": "joined", "room": asked["room"]}))
            else:
                await send(websocket, asked)
    except WebSocketDisconnect:
        pass
    finally:
        for room in joined:
            rooms[room].remove(websocket)


async def send(websocket: WebSocket, asked: dict[str, str]) -> None:
    key = asked["client_offset"]
    message = {"room": asked["room"], "content": asked["content"], "client_offset": key}
    try:
        await websocket.app.state.messages.insert_one({**message})
    except DuplicateKeyError:
        pass  # it was stored before
    else:
        text = json.dumps({"type": "message", **message})
        for member in list(rooms[asked["room"]]):
            # One that has gone is taken out by its own coroutine.
            with suppress(WebSocketDisconnect, RuntimeError):
                await member.send_text(text)
    await websocket.send_text(json.dumps({"type": "ack", "client_offset": key}))


app = Starlette(routes=[WebSocketRoute("/chat", chat)], lifespan=lifespan)
