"""A store in the test's own database, and messages into it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Unpack

from goim_edu.store import MessageStore, Saved, StoreOptions, open_store

NUMBERS = count(1)
"""For rooms and users that no other test knows."""


def mongo_store(uri: str, **settings: Unpack[StoreOptions]) -> MessageStore:
    """A store in the test's own database."""
    return open_store(uri, database="goim_test", **settings)


def send(store: MessageStore, room: str, user: str, number: int) -> list[Saved]:
    futures = [store.submit(room, user, f"text {i}", client_msg_id=f"m{i}") for i in range(number)]
    return [future.result(20) for future in futures]


class Proxy:
    """A database whose inserts go through a function of the test."""

    def __init__(self, database: Any, insert: Callable[[Any, dict[str, Any]], Any]) -> None:
        self._database = database
        self._insert = insert

    def command(self, command: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(command, dict) and "insert" in command:
            return self._insert(self._database, command)
        return self._database.command(command, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def intercept(store: MessageStore, insert: Callable[[Any, dict[str, Any]], Any]) -> None:
    """Have the inserts of a store go through a function of the test."""
    backend: Any = store.backend
    backend.database = Proxy(backend.database, insert)
