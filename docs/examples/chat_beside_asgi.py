"""The chat beside a web application: it starts and ends with it, on a port of its own.

``app`` is an ASGI application, so any server of that kind can run it: ``uvicorn
chat_beside_asgi:app``. It begins its ``lifespan`` when the server starts, and drains the chat when
the server ends; the pages of the application may connect, since ``origins`` names it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from goim_edu.server import ChatServer, ServerConfig
from goim_edu.store import open_store

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CONFIG = ServerConfig(port=8765, origins=["http://127.0.0.1:8000"])


async def live(state: Message, receive: Receive, send: Send) -> None:
    """Run the chat for as long as the application lives."""
    await receive()  # lifespan.startup
    with open_store("memory") as store:
        async with ChatServer(CONFIG, store) as server:
            state["chat"] = server
            await send({"type": "lifespan.startup.complete"})
            await receive()  # lifespan.shutdown
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """The application: its only page tells where the chat is, and how many are there."""
    if scope["type"] == "lifespan":
        await live(scope["state"], receive, send)
        return
    server: ChatServer = scope["state"]["chat"]
    body = f"{server.url} {len(server.hub.sessions)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
