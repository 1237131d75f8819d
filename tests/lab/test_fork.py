"""lab.fork: what a server read from a dying primary decides the order of the stream."""

from __future__ import annotations

from typing import Literal

import pytest

from goim_edu.lab import fork
from goim_edu.mongod import LocalReplicaSet


@pytest.mark.parametrize(("head", "told"), [("local", [12, 11]), ("majority", [11, 12])])
def test_the_order_hangs_on_what_the_second_server_reads(
    replica_set: LocalReplicaSet, head: Literal["local", "majority"], told: list[int]
) -> None:
    assert fork(replica_set, head) == told
    assert sorted(one.state for one in replica_set.status()) == [
        "PRIMARY",
        "SECONDARY",
        "SECONDARY",
    ]
