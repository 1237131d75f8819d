"""Made-up inputs: drawn the same way in every run, and made as small as possible when one fails.

A generator is an ordinary function that asks a ``Choices`` for numbers. What it asked for is
remembered as a list of whole numbers, 0 being the simplest answer to each question. So a failing
input is made smaller by making that list shorter and its numbers lower, and asking again: what
comes out is always an input that the generator could have made.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, TypeVar

__all__ = ["Choices", "Maker", "made_up", "smallest"]

T = TypeVar("T")

_LETTERS: Final = "a bc0é好😀"
_LONG: Final = 47  # bytes; more are a repetition (47 is odd, so it meets each byte of a key)


class Choices:
    """Answers a generator's questions: from a list, then by chance, then with 0.

    Args:
        known: the answers to the first questions.
        chance: where further answers come from; None answers 0.

    >>> Choices([3]).integer(10, 20)
    13
    """

    def __init__(self, known: Sequence[int] = (), chance: random.Random | None = None) -> None:
        self._known = known
        self._chance = chance
        self.made: list[int] = []

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``; small ones are more likely."""
        span = high - low
        if len(self.made) < len(self._known):
            answer = min(self._known[len(self.made)], span)
        elif self._chance is None:
            answer = 0
        elif span > 255 and self._chance.random() < 0.5:
            answer = self._chance.randint(0, 255)
        else:
            answer = self._chance.randint(0, span)
        self.made.append(answer)
        return low + answer

    def flag(self) -> bool:
        """False or True."""
        return self.integer(0, 1) == 1

    def pick(self, things: Sequence[T]) -> T:
        """One of ``things``, the simplest first."""
        return things[self.integer(0, len(things) - 1)]

    def octets(self, low: int, high: int) -> bytes:
        """From ``low`` to ``high`` bytes."""
        length = self.integer(low, high)
        chosen = bytes(self.integer(0, 255) for _ in range(min(length, _LONG)))
        return (chosen * (length // _LONG + 1))[:length]

    def text(self, low: int, high: int) -> str:
        """From ``low`` to ``high`` characters, of one to four bytes each."""
        return "".join(self.some(low, high, lambda: self.pick(_LETTERS)))

    def some(self, low: int, high: int, make: Callable[[], T]) -> list[T]:
        """From ``low`` to ``high`` things, each made by ``make``."""
        things: list[T] = []
        # Asked before each one, so that one can be left out without touching the others.
        while len(things) < high and (len(things) < low or self.integer(0, 4)):
            things.append(make())
        return things

    def times(self, most: int, steps: Sequence[int]) -> list[int]:
        """Up to ``most`` moments, each one of ``steps`` after the one before it."""
        return list(accumulate(self.pick(steps) for _ in range(self.integer(0, most))))


Maker = Callable[[Choices], tuple[Any, ...]]
"""Makes up arguments: asks for what it needs, and gives them back."""


def made_up(maker: Maker, seed: str, number: int) -> Iterator[tuple[list[int], tuple[Any, ...]]]:
    """Yield ``number`` made-up inputs with the answers that made them, the same for each ``seed``.

    >>> [args for _, args in made_up(lambda c: (c.integer(0, 9),), "03.2", 3)]
    [(3,), (8,), (9,)]
    """
    chance = random.Random(seed)
    for _ in range(number):
        choices = Choices(chance=chance)
        args = maker(choices)
        yield choices.made, args


def smallest(
    maker: Maker, made: list[int], fails: Callable[[tuple[Any, ...]], bool], tries: int = 1_000
) -> tuple[Any, ...]:
    """Return the smallest input that still fails, found by shortening and lowering the answers.

    Args:
        maker: the generator.
        made: the answers that gave a failing input.
        fails: whether an input fails.
        tries: how many inputs to try at most.

    >>> smallest(lambda c: (c.octets(0, 9),), [3, 7, 200, 9], lambda a: 200 in a[0])[0].hex()
    'c8'
    """
    search = _Search(maker, made, fails, tries)
    before: list[int] | None = None
    while before != search.best and search.tries > 0:
        before = search.best
        search.shorten()
        search.lower()
    return maker(Choices(search.best))


class _Search:
    """The way from one failing input to the smallest."""

    def __init__(
        self,
        maker: Maker,
        made: list[int],
        fails: Callable[[tuple[Any, ...]], bool],
        tries: int,
    ) -> None:
        self._maker = maker
        self._fails = fails
        self.best = made
        self.tries = tries

    def _accept(self, candidate: list[int]) -> bool:
        """Take ``candidate`` if it is simpler and fails too."""
        if self.tries <= 0:
            return False
        self.tries -= 1
        choices = Choices(candidate)
        args = self._maker(choices)
        simpler = (len(choices.made), choices.made) < (len(self.best), self.best)
        if simpler and self._fails(args):
            self.best = choices.made
            return True
        return False

    def shorten(self) -> None:
        """Leave out answers, several at first, then single ones."""
        for size in (16, 8, 4, 2, 1):
            start = len(self.best) - size
            while start >= 0:
                best = self.best
                rest = best[start + size :]
                less = [*best[: start - 1], max(0, best[start - 1] - size), *rest] if start else []
                # Either as they are, or with the count that stands before them made to fit.
                if not self._accept(best[:start] + rest) and not (less and self._accept(less)):
                    start -= 1
                start = min(start, len(self.best) - size)

    def lower(self) -> None:
        """Make each answer as low as it can be."""
        index = 0
        while index < len(self.best):
            step = 1 << self.best[index].bit_length()
            while step and index < len(self.best):
                value = max(0, self.best[index] - step)
                candidate = [*self.best[:index], value, *self.best[index + 1 :]]
                if value == self.best[index] or not self._accept(candidate):
                    step //= 2
            index += 1
