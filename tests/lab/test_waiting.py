"""A gate before a store, and waits that have an end."""

from __future__ import annotations

import asyncio

import pytest

from goim_edu.errors import StoreUnavailable
from goim_edu.lab import GatedServer, waiting_for


def test_a_shut_gate_lets_nothing_into_the_store() -> None:
    with GatedServer(name="test gate") as gated:
        gated.shut()
        saved = gated.store.submit("lobby", "lisa", "hello", client_msg_id="m1")
        with pytest.raises(TimeoutError):
            saved.result(0.2)
        assert not gated.store.history("lobby")
        gated.open()
        assert saved.result(10).seq == 1


def test_a_store_that_is_away_says_so_and_comes_back() -> None:
    with GatedServer(name="test gate") as gated:
        gated.take_away()
        with pytest.raises(StoreUnavailable, match="the database is away"):
            gated.store.submit("lobby", "lisa", "hello", client_msg_id="m1").result(10)
        gated.bring_back()
        assert gated.store.submit("lobby", "lisa", "hello", client_msg_id="m1").result(10).seq == 1


def test_a_server_that_is_closed_with_its_gate_shut_stores_what_waits() -> None:
    gated = GatedServer(name="test gate")
    gated.shut()
    saved = gated.store.submit("lobby", "lisa", "hello", client_msg_id="m1")
    gated.close()
    assert saved.result(0).seq == 1


def test_a_vain_wait_says_what_did_not_come() -> None:
    async def wait() -> None:
        async with waiting_for("presence", seconds=0.01):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"no presence came in 0\.01 s; did you run this cell"):
        asyncio.run(wait())
    asyncio.run(_done())


async def _done() -> None:
    async with waiting_for("presence"):
        await asyncio.sleep(0)
