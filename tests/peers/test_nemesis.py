"""A chat on a real replica set, while a nemesis kills, freezes and stops its processes.

GOIM_NEMESIS_SECONDS says how long, and GOIM_NEMESIS_SEED what is done. ``make full`` runs ten seeds
of a minute each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from goim_edu.lab.nemesis import TARGETS
from goim_edu.mongod import LocalReplicaSet
from tools.nemesis import run_seed

SECONDS = float(os.environ.get("GOIM_NEMESIS_SECONDS", "15"))
SEED = int(os.environ.get("GOIM_NEMESIS_SEED", "1"))


@pytest.mark.timeout(300 + 2 * SECONDS)
@pytest.mark.parametrize("targets", [TARGETS[:2], ["primary"]], ids=" and ".join)
def test_every_promise_is_kept(
    replica_set: LocalReplicaSet, targets: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    nemesis, outcome = run_seed(replica_set, SEED, SECONDS, targets=targets)
    with capsys.disabled():
        print(f"\nseed {SEED}: {nemesis.summary()}; {outcome}")
    assert outcome.good, "\n".join(map(str, outcome.violations[:20]))
    assert nemesis.remarks == []
    assert nemesis.faults
    assert outcome.stored
