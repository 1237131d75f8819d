"""How many connections the workers of one machine have, counted in memory that all share."""

from __future__ import annotations

import hashlib
import mmap
import os
from typing import Final, Protocol

__all__ = ["ALONE", "Others", "SharedTally"]

_SLOTS: Final = 1 << 16  # counters of a worker, one for all hosts with the same hash
_WIDTH: Final = 4  # octets of a counter
_ROW: Final = (_SLOTS + 1) * _WIDTH  # the first one counts all connections


class Others(Protocol):
    """The connections of the other workers."""

    def total(self) -> int:
        """How many they have."""
        ...

    def from_host(self, host: str) -> int:
        """How many of them are from one host."""
        ...

    def note(self, total: int, host: str, change: int) -> None:
        """Tell the others that we have so many now.

        Args:
            total: ours, in all.
            host: of the one that came or went.
            change: 1 or -1.
        """
        ...


class _Alone:
    """There are no others."""

    def total(self) -> int:
        """None."""
        return 0

    def from_host(self, host: str) -> int:
        """None."""
        return 0

    def note(self, total: int, host: str, change: int) -> None:
        """Nobody need be told."""


ALONE: Final[Others] = _Alone()


class SharedTally:
    """Counters in shared memory: a row for each worker, which it alone writes.

    So no lock is needed. Two workers that let somebody in at the same moment do not see each
    other's: there may be one more than allowed for each further worker. Hosts with the same hash
    share a counter; with 65,536 of them that is rare, and the key of the hash is new each time.

    Args:
        descriptor: of the memory, made by ``create``; it stays open.
        workers: how many there are.
        index: of this worker, from 0; -1 for the parent, which only clears rows.

    >>> descriptor = SharedTally.create(2)
    >>> first, second = (SharedTally(descriptor, 2, index) for index in (0, 1))
    >>> first.note(1, "192.0.2.1", 1)
    >>> second.total(), second.from_host("192.0.2.1"), first.total()
    (1, 1, 0)
    >>> os.close(descriptor)
    """

    def __init__(self, descriptor: int, workers: int, index: int) -> None:
        self._memory = mmap.mmap(descriptor, _size(workers))
        self._counters = memoryview(self._memory)[_WIDTH * _WIDTH :].cast("I")
        self._key = bytes(self._memory[: _WIDTH * _WIDTH])
        self._index = index
        self._rows = range(workers)

    @staticmethod
    def create(workers: int) -> int:
        """Make the memory for so many workers; its descriptor can be inherited."""
        descriptor = os.memfd_create("goim tally")
        os.ftruncate(descriptor, _size(workers))
        os.pwrite(descriptor, os.urandom(_WIDTH * _WIDTH), 0)
        return descriptor

    def clear(self, index: int) -> None:
        """A worker is gone, and its connections with it."""
        begin = index * (_SLOTS + 1)
        self._counters[begin : begin + _SLOTS + 1] = memoryview(bytes(_ROW)).cast("I")

    def total(self) -> int:
        """How many connections the others have."""
        return self._sum(0)

    def from_host(self, host: str) -> int:
        """How many of them are from one host."""
        return self._sum(self._slot(host))

    def note(self, total: int, host: str, change: int) -> None:
        """Tell the others that we have so many now."""
        begin = self._index * (_SLOTS + 1)
        self._counters[begin] = total
        self._counters[begin + self._slot(host)] += change

    def _sum(self, slot: int) -> int:
        counters, ours = self._counters, self._index
        return sum(counters[row * (_SLOTS + 1) + slot] for row in self._rows if row != ours)

    def _slot(self, host: str) -> int:
        digest = hashlib.blake2b(host.encode(), digest_size=2, key=self._key).digest()
        return 1 + int.from_bytes(digest, "big")


def _size(workers: int) -> int:
    return _WIDTH * _WIDTH + workers * _ROW
