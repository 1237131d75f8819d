"""What chapters 00 to 08 claim, and each claim without its mechanism."""

from __future__ import annotations

from typing import Any, Final

import pytest

from goim_edu.protocol import Endpoint
from tests.mutants import Mutant

__all__ = ["MUTANTS"]


def _mask_with_zeros(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    patch.setattr(names["os"], "urandom", bytes)


def _forget_the_rest(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """Each read is taken alone: what was left of the read before it is dropped."""
    whole = Endpoint.receive_data

    def receive_data(self: Endpoint, data: bytes) -> Any:
        return whole(Endpoint(self.side, already_open=True), data)

    patch.setattr(Endpoint, "receive_data", receive_data)


MUTANTS: Final = [
    Mutant(
        "04",
        "a fresh random key for each frame keeps the office safe",
        before=(
            "live = LiveServer",
            "from goim_edu.client import connect",
            "import os",
            "from goim_edu.lab import Site",
            "from goim_edu.lab import NaiveProxy",
            "bait = ",
            "lie = b",
            "async def visit",
        ),
        switch=_mask_with_zeros,
        after=("await visit(bait, os.urandom)",),
        says="'showPrices()'",
    ),
    Mutant(
        "08",
        "any cut of the stream gives the same events",
        before=(
            "live = LiveServer",
            "from goim_edu.client import connect",
            "from goim_edu.protocol import Endpoint, Side",
            "from goim_edu.exercises.chapter_08 import recorded",
            "def in_pieces",
        ),
        switch=_forget_the_rest,
        after=("chance = random.Random(8)",),
        says="1",
    ),
]
