"""Names of a face that are loaded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final

__all__ = ["VOCABULARY", "later"]

VOCABULARY: Final = dict.fromkeys(
    ("Ack", "ChatMessage", "Presence", "ReadBy", "TypingBy"), "goim_edu.chat.vocabulary"
) | dict.fromkeys(("ChatEvent", "ChatRefused", "ChatState"), "goim_edu.client.events")
"""The words of the chat that a program of its own needs, and the modules that have them."""


def later(face: dict[str, object], modules: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` of a module that loads some of its names when they are asked for.

    Args:
        face: the ``globals()`` of that module.
        modules: the names, and the module that has each of them.

    >>> face = {"__name__": "example"}
    >>> later(face, {"sqrt": "math"})("sqrt")(9)
    3.0
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {face['__name__']!r} has no attribute {name!r}")
        face[name] = value = getattr(import_module(modules[name]), name)
        return value

    return get
