"""Connect to a WebSocket server, or to a chat: ``connect`` and ``ChatClient``."""

from typing import TYPE_CHECKING, Any

from goim_edu.client.connect import Backoff, Connect, connect

if TYPE_CHECKING:
    from goim_edu.client.chat import ChatClient, ChatRefused

__all__ = ["Backoff", "ChatClient", "ChatRefused", "Connect", "connect"]


def __getattr__(name: str) -> Any:
    """Load the chat client when it is asked for: ``connect`` alone needs no vocabulary."""
    if name in ("ChatClient", "ChatRefused"):
        from goim_edu.client import chat

        return getattr(chat, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
