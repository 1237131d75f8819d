"""Connect without an event loop: ``connect``, ``reconnect`` and ``ChatClient`` that block.

    with connect("ws://127.0.0.1:8765/echo") as ws:
        ws.send("Hello")
        print(ws.recv(timeout=5))

Whatever a program of its own needs for them comes from here. What belongs to the chat is loaded
when it is asked for, as in ``goim_edu.client``.
"""

from typing import TYPE_CHECKING

from goim_edu.client.faces import VOCABULARY
from goim_edu.client.retry import Backoff
from goim_edu.client.sync_connect import ConnectOptions, WebSocket, connect, reconnect
from goim_edu.errors import (
    ChatRefused,
    ConcurrencyError,
    HandshakeError,
    ProxyError,
    VocabularyError,
)
from goim_edu.lazy import lazy_names
from goim_edu.transport import ConnectionClosed

if TYPE_CHECKING:
    from goim_edu.chat.vocabulary import Ack, ChatMessage, Presence, ReadBy, TypingBy
    from goim_edu.client.events import ChatEvent, ChatState
    from goim_edu.client.sync_chat import ChatClient

__all__ = [
    "Ack",
    "Backoff",
    "ChatClient",
    "ChatEvent",
    "ChatMessage",
    "ChatRefused",
    "ChatState",
    "ConcurrencyError",
    "ConnectOptions",
    "ConnectionClosed",
    "HandshakeError",
    "Presence",
    "ProxyError",
    "ReadBy",
    "TypingBy",
    "VocabularyError",
    "WebSocket",
    "connect",
    "reconnect",
]

if not TYPE_CHECKING:
    _MODULES = VOCABULARY | {"ChatClient": "goim_edu.client.sync_chat"}
    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
