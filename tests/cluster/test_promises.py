"""Three server processes under kills, freezes and failovers: the five promises, judged.

``make chaos`` does the same for as long as one likes.
"""

from __future__ import annotations

import pytest

from goim_edu.lab.nemesis import TARGETS
from goim_edu.mongod import LocalReplicaSet
from tools.nemesis import run_seed

SECONDS = 30.0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("by", ["change stream", "bus"])
def test_every_promise_is_kept_by_several_servers(
    by: str, replica_set: LocalReplicaSet, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = TARGETS if by == "bus" else TARGETS[:3]
    nemesis, outcome = run_seed(replica_set, 1, SECONDS, servers=3, targets=targets)
    with capsys.disabled():
        print(f"\nthree servers, {by}: {nemesis.summary()}; {outcome}")
    assert outcome.good, "\n".join(map(str, outcome.violations[:20]))
    assert nemesis.remarks == []
    assert len(nemesis.faults) > 5
    assert len(outcome.stored) > 500
