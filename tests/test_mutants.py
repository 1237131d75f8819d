"""What a chapter shows becomes false when its mechanism is switched off.

A cell that would say the same without masking, without a check, without an answer shows nothing.
The tables are in ``tests/mutants``: a row is the cells, the switch, and what they say.
"""

from __future__ import annotations

import pytest

from tests.mutants import Mutant, holds
from tests.mutants.chapters_00_08 import MUTANTS as CHAPTERS_00_08
from tests.mutants.chapters_09_16 import MUTANTS as CHAPTERS_09_16

MUTANTS = [*CHAPTERS_00_08, *CHAPTERS_09_16]

every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@pytest.fixture(autouse=True)
def where_messages_go(
    mutant: Mutant, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a ``LiveServer()`` keeps them: in memory, or in a database of their own."""
    uri = "memory"
    if mutant.mongod:
        uri = request.getfixturevalue("mongod").uri.replace("/?", "/mutants?", 1)
    monkeypatch.setenv("GOIM_MONGO_URI", uri)


@every_mutant
def test_the_claim_holds(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert holds(mutant, monkeypatch, switched_off=False)


@every_mutant
def test_without_its_mechanism_the_claim_is_false(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not holds(mutant, monkeypatch, switched_off=True)
