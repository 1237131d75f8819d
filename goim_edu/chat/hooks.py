"""What a program of yours can be told of a running chat."""

from __future__ import annotations

from goim_edu.chat.ports import StoredMessage

__all__ = ["ServerHooks"]


class ServerHooks:
    """Is told of users and messages; all methods do nothing unless overridden.

    They are plain functions that are called in the event loop of the server, so they must not wait
    for anything. What they raise is logged, and changes nothing for the chat.

    >>> class Counter(ServerHooks):
    ...     number = 0
    ...
    ...     def on_message(self, message: StoredMessage) -> None:
    ...         self.number += 1
    """

    def on_hello(self, user_id: str, remote: str) -> None:
        """A session of this user has begun, from this address."""

    def on_message(self, message: StoredMessage) -> None:
        """A message was stored, for the first time; it is on its way to the room."""

    def on_gone(self, user_id: str) -> None:
        """A session of this user has ended."""
