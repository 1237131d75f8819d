"""The fuzz targets: they hold for their seeds, for every cut of them, and for flipped bits."""

from __future__ import annotations

from types import ModuleType

import pytest

from fuzz import decoder, handshake, inflater

SEEDS = [(module, seed) for module in (decoder, handshake, inflater) for seed in module.SEEDS]


@pytest.mark.parametrize(("target", "seed"), SEEDS)
def test_seeds_with_cuts_and_flipped_bits(target: ModuleType, seed: bytes) -> None:
    for position in range(len(seed)):
        target.check(seed[:position])
        flipped = bytearray(seed)
        flipped[position] ^= 1 << position % 8
        target.check(bytes(flipped))
    target.check(seed)
