"""How much a read may take, and whose turn it is."""

from __future__ import annotations

import asyncio

import pytest

from goim_edu.transport.pace import COSTLY, FIRST_READ, READ_SIZES, Turns, next_read
from tests.chatting import run

CHEAP = COSTLY / 100


@pytest.mark.parametrize("size", READ_SIZES)
def test_the_size_of_the_next_read(size: int) -> None:
    larger = min(size * 4, READ_SIZES[-1])
    smaller = max(size // 4, READ_SIZES[0])
    assert next_read(size, size, CHEAP) == (larger, False)
    assert next_read(size, size - 1, CHEAP) == (size, False)
    assert next_read(size, size, 2 * COSTLY) == (smaller, True)
    assert next_read(size, 1, 2 * COSTLY) == (size, True)  # a smaller one would take as much
    assert next_read(size, size, COSTLY / 2) == (size, size < FIRST_READ)


def test_one_is_served_per_turn_of_the_loop() -> None:
    served = []

    class Taker:
        def __init__(self, name: str) -> None:
            self.name = name

        def take_turn(self) -> None:
            served.append(self.name)

    async def test() -> None:
        turns = Turns(asyncio.get_running_loop())
        for name in "abc":
            turns.wait(Taker(name))
        seen = []
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append("".join(served))
        turns.wait(Taker("d"))
        await asyncio.sleep(0)
        assert seen == ["a", "ab", "abc"]
        assert served == ["a", "b", "c", "d"]

    run(test())
