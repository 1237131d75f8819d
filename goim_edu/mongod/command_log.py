"""What a client really asks of MongoDB: every command that it sends, recorded and counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, NamedTuple

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

__all__ = ["Command", "CommandLog"]


_SIGN_IN = ("saslStart", "saslContinue")  # asked by the driver for itself, with each connection


class Command(NamedTuple):
    """One question to the server; each is one round trip.

    Args:
        name: such as ``insert`` or ``findAndModify``.
        body: what was asked, without what the driver adds for itself.
        documents: how many documents it carries.
        began: when it was sent, in seconds of ``time.monotonic``.
        seconds: how long until the answer; 0 while there is none.
    """

    name: str
    body: dict[str, Any]
    documents: int
    began: float
    seconds: float = 0.0


class CommandLog(CommandListener):
    """Give it to a client, and it records each command (pymongo manual, "Monitoring").

        log = CommandLog()
        client = MongoClient(uri, event_listeners=[log])

    Attributes:
        commands: those since the start, or since ``clear()``.

    >>> log = CommandLog()
    >>> log.counts(), log.documents()
    ({}, 0)
    """

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self._open: dict[int, int] = {}
        self._lock = threading.Lock()

    def counts(self) -> dict[str, int]:
        """How often each command was sent, the most frequent first."""
        with self._lock:
            return dict(Counter(command.name for command in self.commands).most_common())

    def documents(self) -> int:
        """How many documents all commands carried together."""
        with self._lock:
            return sum(command.documents for command in self.commands)

    def last(self, name: str) -> dict[str, Any]:
        """The last command of that name.

        Raises:
            LookupError: there was none.
        """
        with self._lock:
            bodies = [command.body for command in self.commands if command.name == name]
        if not bodies:
            raise LookupError(f"no {name} was sent")
        return bodies[-1]

    def clear(self) -> None:
        """Forget all commands so far."""
        with self._lock:
            self.commands.clear()
            self._open.clear()

    def started(self, event: CommandStartedEvent) -> None:
        """Record it; the driver calls this before it sends."""
        own = ("lsid", "$clusterTime", "$db", "$readPreference", "maxTimeMS", "txnNumber")
        body: dict[str, Any] = {
            key: value for key, value in event.command.items() if key not in own
        }
        documents = len(body.get("documents", ()))
        command = Command(event.command_name, body, documents, time.monotonic())
        if event.command_name in _SIGN_IN:
            return
        with self._lock:
            self._open[event.request_id] = len(self.commands)
            self.commands.append(command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Add how long it took."""
        self._answered(event.request_id)

    def failed(self, event: CommandFailedEvent) -> None:
        """Add how long it took: it was a trip all the same."""
        self._answered(event.request_id)

    def _answered(self, request_id: int) -> None:
        now = time.monotonic()
        with self._lock:
            at = self._open.pop(request_id, None)
            if at is not None:
                command = self.commands[at]
                self.commands[at] = command._replace(seconds=now - command.began)
