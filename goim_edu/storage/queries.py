"""What a store is asked for, checked: a number is a number, and a time has a time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from goim_edu.storage.backend import Page, Span
from goim_edu.storage.documents import MAX_SEQ, check_name

__all__ = ["MAX_PAGE", "check_number", "checked_page", "checked_span"]

MAX_PAGE: Final = 10_000
"""Messages in one answer."""


def checked_page(room_id: str, before_seq: int | None, after_seq: int | None, limit: int) -> Page:
    """The part of a room that ``history`` is asked for.

    Raises:
        TypeError, ValueError: it cannot be asked for.
    """
    check_name(room_id, "room_id")
    for name, value in (("before_seq", before_seq), ("after_seq", after_seq)):
        if value is not None:
            check_number(value, name, 0, MAX_SEQ)
    check_number(limit, "limit", 1, MAX_PAGE)
    return Page(room_id, after_seq, before_seq, limit, newest_first=after_seq is None)


def checked_span(
    room_id: str | None,
    user_id: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> Span:
    """The part of time that ``recent`` is asked for.

    Raises:
        TypeError, ValueError: it cannot be asked for.
    """
    for name, value in (("room_id", room_id), ("user_id", user_id)):
        if value is not None:
            check_name(value, name)
    for name, time in (("since", since), ("until", until)):
        if time is not None and time.tzinfo is None:
            raise ValueError(f"{name} needs a time zone: datetime(..., tzinfo=UTC)")
    check_number(limit, "limit", 1, MAX_PAGE)
    return Span(room_id, user_id, since, until, limit)


def check_number(value: object, what: str, lowest: int, highest: int) -> None:
    """Refuse a value that is not a whole number of that range, such as ``{"$gt": 0}``."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be an int, not {type(value).__name__}")
    if not lowest <= value <= highest:
        raise ValueError(f"{what} must be {lowest} to {highest}, not {value}")
