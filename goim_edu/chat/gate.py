"""The gate of a room: what it hears from several sides, handed on in order, and each once.

A message comes with the answer to its own server, from the change stream, from the bus, or from
the history, and it may come by all of them. The gate lets number 12 pass when 11 has passed. If 12
comes without 11, it holds 12 and has the store asked, once: the store has 11, since it takes no 12
before it. So a gap costs one look at the store, never a wait, and never a guess.

What has passed lately is remembered, so that those who come back ask the store nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from goim_edu.chat.ports import StoredMessage

__all__ = ["MOST_HELD", "TAIL", "Gate", "TailMemory"]

TAIL: Final = 200
"""Messages that a gate remembers after they have passed."""
MOST_HELD: Final = 1000
"""Messages that wait for an earlier one; more are forgotten, and read again."""
_OVERHEAD: Final = 400  # octets of a message in memory, beside its texts

Fill = Callable[[str], None]
"""Asks the store what comes after ``last``; it is told why."""


class TailMemory:
    """How much all gates of a server remember, and may.

    Args:
        most: octets, about.
    """

    def __init__(self, most: int = 64 << 20) -> None:
        self.most = most
        self.octets = 0


class Gate:
    """What may pass into one room.

    Args:
        hand_on: takes each message, in the order of the numbers.
        fill: has the store asked what comes after ``last``; ``filled`` or ``failed`` follows.
        memory: what the gates of a server remember, in all.

    Attributes:
        last: the number that has passed last; None until ``open`` tells where to begin.
        highest: the highest number that it has heard of.

    >>> from datetime import UTC, datetime
    >>> passed: list[int] = []
    >>> gate = Gate(lambda message: passed.append(message.seq), print)
    >>> gate.open(10)
    >>> from goim_edu.store import StoredMessage
    >>> m11, m12 = (StoredMessage("r", n, "u", str(n), "", datetime.now(UTC)) for n in (11, 12))
    >>> gate.arrived(m12)
    gap
    >>> gate.filled([m11, m12], complete=True)
    >>> gate.arrived(m12)
    >>> passed
    [11, 12]
    """

    __slots__ = (
        *("_fill", "_filling", "_hand_on", "_held", "_memory", "_octets", "_tail"),
        *("highest", "last"),
    )

    def __init__(
        self,
        hand_on: Callable[[StoredMessage], None],
        fill: Fill,
        memory: TailMemory | None = None,
    ) -> None:
        self.last: int | None = None
        self.highest = 0
        self._hand_on = hand_on
        self._fill = fill
        self._filling = False
        self._held: dict[int, StoredMessage] = {}
        self._memory = TailMemory() if memory is None else memory
        self._tail: deque[StoredMessage] = deque()
        self._octets = 0  # of the tail

    # ------------------------------------------------------------------ what passes

    def open(self, last: int, newest: Sequence[StoredMessage] = ()) -> None:
        """Begin after a number; if it is open already, nothing changes.

        Args:
            last: what is told from now on has higher numbers; those before it are the past.
            newest: the last messages before and with that number, to be remembered.
        """
        if self.last is not None:
            return
        self.last = last
        self.highest = max(self.highest, last)
        for message in newest:
            self._remember(message)
        self._go_on("gap")

    def arrived(self, message: StoredMessage) -> None:
        """A message is stored; it passes now, or later, or has passed already."""
        last, seq = self.last, message.seq
        if last is not None and seq <= last:
            return
        if seq > self.highest:
            self.highest = seq
        if last is not None and seq == last + 1 and not self._held:
            self._pass(message)
            return
        if len(self._held) >= MOST_HELD:
            self._held.clear()
        self._held[seq] = message
        self._go_on("gap")

    def expect(self, seq: int) -> None:
        """A message of this number is stored, whether it comes by itself or not."""
        if seq > self.highest:
            self.highest = seq
            self._go_on("head")

    def check(self, why: str) -> None:
        """Something may have been missed: ask the store, whatever was heard.

        Args:
            why: for the figures, such as ``reopened``.
        """
        if self.last is not None and not self._filling:
            self._filling = True
            self._fill(why)

    def filled(self, messages: Sequence[StoredMessage], complete: bool) -> None:
        """The store has answered.

        Args:
            messages: those after ``last`` when it was asked, ascending. A room that was written
                by version 0.1 may have holes: then they go on behind the hole.
            complete: whether the store had no more.
        """
        self._filling = False
        for message in messages:
            if message.seq > (self.last or 0):
                self._pass(message)
        if not complete:
            self.check("more")
            return
        self._go_on("gap")

    def failed(self) -> None:
        """The store did not answer; ``check`` is to be called again."""
        self._filling = False

    @property
    def held(self) -> int:
        """How many messages wait for an earlier one."""
        return len(self._held)

    @property
    def is_behind(self) -> bool:
        """Whether it has heard of a number that has not passed."""
        return self.last is not None and self.last < self.highest

    def _pass(self, message: StoredMessage) -> None:
        self.last = message.seq
        self.highest = max(self.highest, message.seq)
        self._remember(message)
        self._hand_on(message)

    def _go_on(self, why: str) -> None:
        """Let pass what waits and may; ask for what is missing before the rest."""
        if self.last is None:
            return
        held = self._held
        while held and (message := held.pop(self.last + 1, None)) is not None:
            self._pass(message)
        for seq in [seq for seq in held if seq <= self.last]:
            del held[seq]
        if self.is_behind:
            self.check(why)

    # ------------------------------------------------------------------ what is remembered

    def covers(self, since: int) -> bool:
        """Whether ``after`` knows all that has passed after this number."""
        if self.last is None or since > self.last:
            return False
        return since == self.last or bool(self._tail and self._tail[0].seq <= since + 1)

    def after(self, since: int) -> list[StoredMessage]:
        """The messages that have passed after this number, as far as they are remembered."""
        missing = len(self._tail)
        for message in reversed(self._tail):
            if message.seq <= since:
                break
            missing -= 1
        return list(islice(self._tail, missing, None))

    def forget(self) -> None:
        """Remember nothing: the room is empty."""
        self._memory.octets -= self._octets
        self._octets = 0
        self._tail.clear()

    def _remember(self, message: StoredMessage) -> None:
        octets = _size(message)
        self._tail.append(message)
        self._octets += octets
        self._memory.octets += octets
        while self._tail and (len(self._tail) > TAIL or self._memory.octets > self._memory.most):
            octets = _size(self._tail.popleft())
            self._octets -= octets
            self._memory.octets -= octets


def _size(message: StoredMessage) -> int:
    return _OVERHEAD + len(message.text) + len(message.user_id) + len(message.client_msg_id)
