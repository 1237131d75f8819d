"""Connect to a WebSocket server, or to a chat: ``connect`` and ``ChatClient``.

Whatever a program of its own needs for either comes from here. ``goim_edu.client.sync`` has both
for programs without an event loop. What belongs to the chat is loaded when it is asked for:
``connect`` alone needs no vocabulary.
"""

from typing import TYPE_CHECKING

from goim_edu.client.connect import Backoff, Connect, connect
from goim_edu.client.faces import VOCABULARY
from goim_edu.client.options import ConnectOptions
from goim_edu.errors import (
    ChatRefused,
    ConcurrencyError,
    HandshakeError,
    ProxyError,
    VocabularyError,
)
from goim_edu.lazy import lazy_names
from goim_edu.transport import ConnectionClosed, WebSocket

if TYPE_CHECKING:
    from goim_edu.chat.vocabulary import Ack, ChatMessage, Presence, ReadBy, TypingBy
    from goim_edu.client.chat import ChatClient
    from goim_edu.client.events import ChatEvent, ChatState

__all__ = [
    "Ack",
    "Backoff",
    "ChatClient",
    "ChatEvent",
    "ChatMessage",
    "ChatRefused",
    "ChatState",
    "ConcurrencyError",
    "Connect",
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
]

if not TYPE_CHECKING:
    _MODULES = VOCABULARY | {"ChatClient": "goim_edu.client.chat"}
    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
