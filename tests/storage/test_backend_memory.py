"""The embedded backend: quick enough for a class, and honest about what it cannot do."""

from __future__ import annotations

import time
from concurrent.futures import wait

import pytest

from goim_edu.errors import StoreError
from goim_edu.store import open_store


def test_mongomock_stays_quick() -> None:
    with open_store("memory") as store:
        for part in range(5):
            wait(
                [
                    store.submit("r", "u", "x" * 50, client_msg_id=f"{part}/{i}")
                    for i in range(2000)
                ],
                60,
            )
        begin = time.perf_counter()
        for number in range(100):
            store.submit("r", "u", "x", client_msg_id=f"one by one {number}").result(20)
        assert time.perf_counter() - begin < 9  # mongomock's own index takes 90 ms for each
        begin = time.perf_counter()
        assert len(store.history("r", before_seq=5000)) == 50
        assert time.perf_counter() - begin < 1
        assert store.database["messages"].count_documents({}) == 10_100


def test_mongomock_says_what_it_cannot() -> None:
    with open_store("memory") as store:
        assert not store.durable
        assert "forgets" in store.description
        with pytest.raises(StoreError, match="change streams"):
            store.watch()
        with pytest.raises(StoreError, match=r"explain\(\)"):
            store.explain_history("r")
