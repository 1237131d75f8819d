"""Several group commits side by side, one for each room: as many as the backend can use."""

from __future__ import annotations

import time
from typing import Final, TypedDict, Unpack

from goim_edu.storage.backend import Backend
from goim_edu.storage.group_commit import GroupCommit, WriterStats

__all__ = ["WriterOptions", "Writers", "check_options"]


class WriterOptions(TypedDict, total=False):
    """The settings of a :class:`GroupCommit`, which says what they mean."""

    max_batch: int
    linger: float
    max_waiting: int
    max_waiting_bytes: int
    patience: float


_LOWEST: Final[dict[str, int]] = {
    "max_batch": 1,
    "linger": 0,
    "max_waiting": 1,
    "max_waiting_bytes": 1,
    "patience": 0,
}


def check_options(options: WriterOptions) -> None:
    """Refuse a setting under which nothing could be written.

    Raises:
        TypeError: the setting is unknown, or it is not a number.
        ValueError: it is too low.

    >>> check_options({"max_batch": 0})
    Traceback (most recent call last):
    ...
    ValueError: max_batch is 0; it must be 1 or more
    """
    for name, value in options.items():
        if name not in _LOWEST:
            raise TypeError(f"a store has no setting {name!r}; it has {', '.join(_LOWEST)}")
        whole = name.startswith("max_")
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            kind = "a whole number" if whole else "a number of seconds"
            raise TypeError(f"{name} is {value!r}; it must be {kind}")
        if not value >= _LOWEST[name]:
            raise ValueError(f"{name} is {value!r}; it must be {_LOWEST[name]} or more")


class Writers:
    """As many group commits as the backend has writers; each room always uses the same one.

    Within a room one batch follows the other, so its numbers are answered in order and none is seen
    before a lower one. Between rooms there is no order to keep: while one writer waits for the
    disk, another prepares the batch of other rooms or has it written.

    Args:
        backend: where messages live.
        **settings: of each :class:`GroupCommit`; its bounds hold for each separately.

    All methods may be called from any thread.
    """

    def __init__(self, backend: Backend, **settings: Unpack[WriterOptions]) -> None:
        check_options(settings)
        self._all = [GroupCommit(backend, **settings) for _ in range(backend.writers)]

    def of(self, room_id: str) -> GroupCommit:
        """Return the writer of a room; for a value that is not a name, any of them."""
        return self._all[hash(room_id) % len(self._all) if isinstance(room_id, str) else 0]

    @property
    def stats(self) -> WriterStats:
        """What all of them have done, and how many messages wait for them now."""
        waiting = sum(writer.waiting for writer in self._all)
        return sum((writer.stats for writer in self._all), WriterStats(waiting=waiting))

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was submitted is answered; False if that took too long."""
        end = None if timeout is None else time.monotonic() + timeout
        for writer in self._all:
            if not writer.flush(None if end is None else max(0.0, end - time.monotonic())):
                return False
        return True

    def close(self, timeout: float) -> None:
        """Take no more, write what waits within ``timeout`` seconds, answer the rest, stop."""
        for writer in self._all:
            writer.take_no_more()
        end = time.monotonic() + timeout
        for writer in self._all:
            writer.close(max(0.0, end - time.monotonic()))
