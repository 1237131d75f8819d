"""Names of the chat that both faces of the client hand on, when they are asked for."""

from __future__ import annotations

from typing import Final

__all__ = ["VOCABULARY"]

VOCABULARY: Final = dict.fromkeys(
    ("Ack", "ChatMessage", "Presence", "ReadBy", "TypingBy"), "goim_edu.chat.vocabulary"
) | dict.fromkeys(("ChatEvent", "ChatState"), "goim_edu.client.events")
"""The words of the chat that a program of its own needs, and the modules that have them."""
