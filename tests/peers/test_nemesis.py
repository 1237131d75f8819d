"""A chat on a real replica set, while a nemesis kills, freezes and stops its processes.

GOIM_NEMESIS_SECONDS says how long, and GOIM_NEMESIS_SEED what is done. ``make full`` runs ten seeds
of a minute each.
"""

from __future__ import annotations

import os

import pytest

from goim_edu.mongod import LocalReplicaSet
from tools.nemesis import run_seed

SECONDS = float(os.environ.get("GOIM_NEMESIS_SECONDS", "18"))
SEED = int(os.environ.get("GOIM_NEMESIS_SEED", "1"))


@pytest.mark.timeout(300 + 2 * SECONDS)
def test_every_promise_is_kept(
    replica_set: LocalReplicaSet, capsys: pytest.CaptureFixture[str]
) -> None:
    nemesis, outcome = run_seed(replica_set, SEED, SECONDS)
    with capsys.disabled():
        print(f"\nseed {SEED}: {nemesis.summary()}; {outcome}")
    assert outcome.good, "\n".join(map(str, outcome.violations[:20]))
    assert nemesis.remarks == []
    assert nemesis.faults
    assert outcome.stored
