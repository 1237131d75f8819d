"""The memory that peers take on all connections of a loop, and which gives way when it is full."""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["Keeper", "Memory"]

_RELIEF: Final = 0.75  # of the limit; the rest has to fill again before anybody else gives way


class Keeper(Protocol):
    """What keeps octets for a peer.

    Attributes:
        kept: how many; only the memory changes it.
    """

    kept: int

    def give_way(self) -> None:
        """Keep nothing more: the server has no memory left."""
        ...


class Memory:
    """How much all keepers keep, within a limit: then those that keep most give way first.

    Args:
        limit: octets.

    Attributes:
        total: octets that are kept now.

    >>> memory = Memory(limit=1000)
    >>> memory.total
    0
    """

    def __init__(self, limit: float) -> None:
        self.total = 0
        self._limit = limit
        self._keepers: set[Keeper] = set()
        self._relieving = False

    def account(self, keeper: Keeper, octets: int) -> None:
        """From now on this one keeps so many octets."""
        self.total += octets - keeper.kept
        keeper.kept = octets
        if octets:
            self._keepers.add(keeper)
        else:
            self._keepers.discard(keeper)
        if self.total > self._limit and not self._relieving:
            self._relieving = True
            self._relieve()
            self._relieving = False

    def _relieve(self) -> None:
        for keeper in sorted(self._keepers, key=lambda one: one.kept, reverse=True):
            if self.total <= self._limit * _RELIEF:
                return
            keeper.give_way()
