"""Long answers put together from pages: the history of a room, and its members.

Each function is a generator: it yields the next question, is sent the page that answers it, and
returns the whole. So the same code serves a client that awaits and one that blocks.

The server pages the history backwards, and gives fewer messages than it was asked for if they are
long; ``has_more`` says whether there are earlier ones.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, TypeVar

from goim_edu.chat.vocabulary import (
    MAX_HISTORY,
    ChatMessage,
    History,
    HistoryPage,
    Members,
    MembersPage,
)
from goim_edu.client.checks import check_number

__all__ = ["Page", "Question", "Whole", "read_history", "read_members"]

_BEYOND: Final = 2**63 - 1  # no message has a higher number

Question = TypeVar("Question", bound=History | Members)
Page = TypeVar("Page")
Whole = TypeVar("Whole")
Reading = Generator[History, HistoryPage, list[ChatMessage]]


def read_history(
    room_id: str, before_seq: int | None, after_seq: int | None, limit: int
) -> Reading:
    """Read the history of a room, ascending by seq.

    Args:
        room_id: the room.
        before_seq: only lower numbers; the last of them.
        after_seq: only higher numbers; the first of them, whatever ``before_seq`` is.
        limit: how many messages at most, 1 or more.

    Raises:
        ValueError: one of the numbers is out of its range.

    >>> asking = read_history("lobby", None, None, 300)
    >>> next(asking)
    History(room_id='lobby', before_seq=None, limit=200, ref=None)
    """
    for name, value, least in (
        ("before_seq", before_seq, 0),
        ("after_seq", after_seq, 0),
        ("limit", limit, 1),
    ):
        if value is not None:
            check_number(name, value, least)
    if after_seq is None:
        return (yield from _last(room_id, before_seq, 0, limit))
    return (yield from _first(room_id, before_seq, after_seq, limit))


def _last(room_id: str, before: int | None, after: int, limit: int) -> Reading:
    """The last messages of a stretch."""
    found: list[ChatMessage] = []
    while len(found) < limit:
        page = yield History(room_id, before, min(limit - len(found), MAX_HISTORY))
        found[:0] = [message for message in page.messages if message.seq > after]
        if not page.has_more or not page.messages or page.messages[0].seq <= after + 1:
            break
        before = page.messages[0].seq
    return found


def _first(room_id: str, before: int | None, after: int, limit: int) -> Reading:
    """The first messages of a stretch.

    Numbers have no holes, so as many numbers are as many messages. Only rooms written before
    version 0.2 may have some: where a stretch is empty, the next one is twice as long.
    """
    found: list[ChatMessage] = []
    end, width = _BEYOND if before is None else before, limit
    last: int | None = None  # of the room, as soon as it matters
    while after + 1 < end:
        top = min(after + width + 1, end)
        stretch = yield from _last(room_id, top, after, width)
        found += stretch
        if len(found) >= limit:
            break
        if last is None:
            newest = yield History(room_id, None, 1)
            last = newest.messages[-1].seq if newest.messages else 0
        after = top - 1
        if after >= last:
            break
        width = limit - len(found) if stretch else 2 * width
    return found[:limit]


def read_members(room_id: str) -> Generator[Members, MembersPage, list[str]]:
    """Read the names of all members of a room, sorted."""
    found: list[str] = []
    while True:
        page = yield Members(room_id, found[-1] if found else None)
        found += page.members
        if not (page.has_more and page.members):
            return found
