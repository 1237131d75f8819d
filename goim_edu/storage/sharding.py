"""Which shard has a key, and where a chunk is split: what MongoDB decides, as plain functions."""

from __future__ import annotations

import hashlib
from bisect import bisect_right

__all__ = ["hash_number", "shard_for", "split_point"]


def hash_number(key: str) -> int:
    """A number that looks random, but is always the same for the same key.

    >>> hash_number("lobby") % 4
    1
    """
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[:8])


def shard_for(key: str, chunks: list[tuple[str, str]]) -> str:
    """The shard whose chunk holds a key; a chunk goes from its bound up to the next."""
    bounds = [bound for bound, _ in chunks]
    return chunks[bisect_right(bounds, key) - 1][1]


def split_point(keys: list[str], most: int) -> str | None:
    """Where to cut a chunk that is too full: the middle key, if there is one above the lowest."""
    if len(keys) <= most:
        return None
    ordered = sorted(keys)
    higher = [key for key in ordered if key > ordered[0]]
    if not higher:
        return None
    return max(ordered[len(ordered) // 2], higher[0])
