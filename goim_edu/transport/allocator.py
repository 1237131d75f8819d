"""The memory of large messages: the C library keeps it between two reads."""

from __future__ import annotations

from typing import Final

__all__ = ["keep_freed_memory"]

_KEPT_BYTES: Final = 16 * 1024 * 1024


def keep_freed_memory() -> None:
    """Let the C library keep up to 16 MiB that were freed; call this once, when a server starts.

    What one read of large messages takes is free again before the next. To fetch its pages from
    the system each time would cost more than to handle the messages. glibc learns from the first
    large block that is freed: from then on it keeps up to twice its size (mallopt(3),
    ``M_TRIM_THRESHOLD``, ``M_MMAP_THRESHOLD``). Other C libraries ignore this.

    >>> keep_freed_memory()
    """
    bytes(_KEPT_BYTES // 2)
