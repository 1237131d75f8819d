"""A message on its way into the database, and the futures of those who wait for its outcome."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from concurrent.futures import Future

from goim_edu.errors import DuplicateMessage, StoreError
from goim_edu.storage.documents import Saved, StoredMessage

__all__ = ["Outcome", "Pending", "Reply", "deliver", "in_room", "repeated", "settle"]

Outcome = Saved | StoreError
"""What became of a message: stored, or an error that its sender gets to see."""
Reply = Future[Saved] | asyncio.Future[Saved]
"""The future of one sender."""


class Pending:
    """One message on its way.

    Attributes:
        key: its ``_id``.
        message: with the number and the time of the latest attempt.
        reply: the future of its sender.
        size: of its text, in bytes.
        born: when it was submitted, on the monotonic clock.
        tried: the numbers under which it may have been stored already.
        undecided: whether an attempt, ours or another server's, may still turn out to be stored.
        repeats: the room and the future of each who sent it again meanwhile.
        outcome: None as long as nobody knows.
    """

    __slots__ = (
        "born",
        "key",
        "message",
        "outcome",
        "repeats",
        "reply",
        "size",
        "tried",
        "undecided",
    )

    def __init__(self, key: str, message: StoredMessage, reply: Reply, size: int) -> None:
        self.key = key
        self.message = message
        self.reply = reply
        self.size = size
        self.born = time.monotonic()
        self.tried: frozenset[int] = frozenset()
        self.undecided = False
        self.repeats: list[tuple[str, Reply]] | None = None
        self.outcome: Outcome | None = None


def in_room(outcome: Outcome, room_id: str) -> Outcome:
    """Refuse a key that was used in another room: the seq of that room says nothing here."""
    if isinstance(outcome, Saved) and outcome.message.room_id != room_id:
        message = outcome.message
        return DuplicateMessage(message.user_id, message.client_msg_id, seq=message.seq)
    return outcome


def repeated(outcome: Outcome, room_id: str) -> Outcome:
    """The outcome for a message that came again while the first was on its way."""
    if isinstance(outcome, Saved):
        outcome = Saved(outcome.message, True)
    return in_room(outcome, room_id)


def deliver(outcomes: Iterable[tuple[Reply, Outcome]]) -> None:
    """Set the futures; those of an event loop all in one call into that loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Reply, Outcome]]] = {}
    for reply, outcome in outcomes:
        if isinstance(reply, Future):
            settle(reply, outcome)
        else:
            by_loop.setdefault(reply.get_loop(), []).append((reply, outcome))
    for loop, pairs in by_loop.items():
        # On a loop that is closed nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle_all, pairs)


def _settle_all(pairs: list[tuple[Reply, Outcome]]) -> None:
    for reply, outcome in pairs:
        settle(reply, outcome)


def settle(reply: Reply, outcome: Outcome) -> None:
    """Set one future, unless its owner has cancelled it."""
    if reply.done():
        return
    if isinstance(outcome, StoreError):
        reply.set_exception(outcome)
    else:
        reply.set_result(outcome)
