"""Servers: ``serve`` for a handler of your own, ``ChatServer`` for the chat.

    async def shout(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(str(message).upper())

    async with serve(shout, port=8765) as server:
        await server.serve_forever()

    async with ChatServer(ServerConfig(port=8765), store) as server:
        await server.serve_forever()

Nothing of the chat is loaded before it is asked for: a handler of your own does not need it.
"""

from typing import TYPE_CHECKING

from goim_edu.chat.auth import Authenticate, Identity, TokenVerifier, Unauthenticated
from goim_edu.chat.limits import ChatLimits
from goim_edu.errors import HandshakeError
from goim_edu.lazy import lazy_names
from goim_edu.serving.base import ServerConnection as ServerConnection
from goim_edu.serving.config import ServerConfig, UnsafeConfig
from goim_edu.serving.responses import make_response
from goim_edu.serving.routes import Route, WebSocketHandler
from goim_edu.serving.serve import ProcessRequest, Server, serve
from goim_edu.transport import ConnectionClosed, ConnectionState, WebSocket
from goim_edu.websocket.deflate_config import DeflateConfig
from goim_edu.websocket.http11 import Headers, Request, Response

if TYPE_CHECKING:
    from goim_edu.chat.hooks import ServerHooks
    from goim_edu.serving.chat_server import ChatServer, ConnectionInfo
    from goim_edu.serving.ports import ServerStore

__all__ = [
    "Authenticate",
    "ChatLimits",
    "ChatServer",
    "ConnectionClosed",
    "ConnectionInfo",
    "ConnectionState",
    "DeflateConfig",
    "HandshakeError",
    "Headers",
    "Identity",
    "ProcessRequest",
    "Request",
    "Response",
    "Route",
    "Server",
    "ServerConfig",
    "ServerHooks",
    "ServerStore",
    "TokenVerifier",
    "Unauthenticated",
    "UnsafeConfig",
    "WebSocket",
    "WebSocketHandler",
    "make_response",
    "serve",
]

_MODULES = {
    "ChatServer": "goim_edu.serving.chat_server",
    "ConnectionInfo": "goim_edu.serving.chat_server",
    "ServerHooks": "goim_edu.chat.hooks",
    "ServerStore": "goim_edu.serving.ports",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
