"""The heartbeat: when pings are due, which pong answers which, and whose fault a silence is."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.websocket.heartbeat import Heartbeat, RoundTrips, Verdict


def started(now: float = 0.0, interval: float = 20.0, timeout: float = 10.0) -> Heartbeat:
    heartbeat = Heartbeat(interval, timeout)
    heartbeat.next_event_at(now)
    heartbeat.received_data(now)
    return heartbeat


@pytest.mark.parametrize("times", [(0, 10), (20, 0), (-1, 10), (20, math.inf), (math.nan, 1)])
def test_times_must_be_positive_and_finite(times: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Heartbeat(*times)


def test_the_grace_is_a_quarter_of_the_timeout_but_at_most_a_second() -> None:
    assert Heartbeat(1, 2).late_after == 0.5
    assert Heartbeat(1, 60).late_after == 1.0
    assert Heartbeat(1, 60, late_after=7).late_after == 7


def test_pings_are_due_every_interval_whoever_asks_first() -> None:
    heartbeat = Heartbeat(20, 10)
    assert heartbeat.ping_due(100.0) is None  # starts the clock as next_event_at does
    assert heartbeat.next_event_at(100.0) == 120.0
    assert heartbeat.ping_due(119.9) is None
    assert heartbeat.ping_due(120.5) == b"hb1"
    assert heartbeat.ping_due(120.6) is None
    heartbeat.received_data(121.0)
    assert heartbeat.next_event_at(121.0) == 140.5  # late pings are not made good in a burst


def test_a_pong_gives_the_round_trip_and_counts_as_life() -> None:
    heartbeat = started()
    payload = heartbeat.ping_due(20.0)
    assert payload == b"hb1"
    assert heartbeat.outstanding == 1
    assert heartbeat.received_pong(payload, 20.25) == 0.25
    assert heartbeat.outstanding == 0
    assert heartbeat.last_heard == 20.25
    assert heartbeat.round_trips == RoundTrips(1, 0.25, 0.25, 0.25, 0.25, 0.0)
    assert heartbeat.silent_for(21.25) == 1.0


def test_a_pong_to_the_latest_ping_answers_all_before_it() -> None:
    heartbeat = started(interval=5, timeout=60)
    payloads = [heartbeat.ping_due(now) for now in (5.0, 10.0, 15.0, 20.0)]
    assert payloads == [b"hb1", b"hb2", b"hb3", b"hb4"]
    assert heartbeat.received_pong(b"hb3", 21.0) == 6.0
    assert heartbeat.outstanding == 1
    assert heartbeat.received_pong(b"hb1", 21.0) is None  # answered already, along with hb3
    assert heartbeat.received_pong(b"hb4", 21.5) == 1.5


@pytest.mark.parametrize("payload", [b"", b"hb", b"hb0", b"hb2", b"hb01", b"hb1 ", b"\xff" * 125])
def test_an_unsolicited_pong_is_legal_and_no_measurement(payload: bytes) -> None:
    heartbeat = started()
    heartbeat.ping_due(20.0)
    assert heartbeat.received_pong(payload, 29.0) is None
    assert heartbeat.round_trips is None
    assert heartbeat.outstanding == 1
    assert heartbeat.verdict(31.0) is Verdict.ALIVE  # but it is life


def test_a_clock_of_the_peer_cannot_make_a_round_trip_negative() -> None:
    heartbeat = started()
    heartbeat.ping_due(20.0)
    assert heartbeat.received_pong(b"hb1", 19.0) == 0.0


def test_silence_after_a_ping_is_death() -> None:
    heartbeat = started()
    heartbeat.ping_due(20.0)
    assert heartbeat.next_event_at(20.0) == 30.0  # the timeout comes before the next ping
    assert heartbeat.verdict(29.99) is Verdict.ALIVE
    assert heartbeat.verdict(30.0) is Verdict.SILENT


def test_silence_without_a_ping_means_nothing() -> None:
    heartbeat = started()
    assert heartbeat.verdict(1_000.0) is Verdict.ALIVE
    assert Heartbeat(1, 1).verdict(5.0) is Verdict.ALIVE


def test_any_octet_after_the_ping_is_life() -> None:
    heartbeat = started()
    heartbeat.ping_due(20.0)
    heartbeat.received_data(20.1)
    assert heartbeat.next_event_at(20.1) == 40.0
    assert heartbeat.verdict(39.0) is Verdict.ALIVE
    heartbeat.ping_due(40.0)  # a new wait begins with the first ping after that octet
    assert heartbeat.verdict(49.9) is Verdict.ALIVE
    assert heartbeat.verdict(50.0) is Verdict.SILENT


def test_the_wait_begins_with_the_first_unanswered_ping() -> None:
    heartbeat = started(interval=5, timeout=12)
    heartbeat.ping_due(5.0)
    heartbeat.ping_due(10.0)
    heartbeat.ping_due(15.0)
    assert heartbeat.next_event_at(15.0) == 17.0
    assert heartbeat.verdict(17.0) is Verdict.SILENT


def test_our_own_lateness_is_no_silence_of_the_peer_once() -> None:
    heartbeat = started()
    heartbeat.ping_due(20.0)
    assert heartbeat.verdict(35.0) is Verdict.WE_WERE_LATE  # we should have looked at 30
    assert heartbeat.verdict(35.0) is Verdict.ALIVE  # its time starts anew
    assert heartbeat.ping_due(35.0) == b"hb2"  # with a new ping at once
    assert heartbeat.next_event_at(35.0) == 45.0
    assert heartbeat.verdict(60.0) is Verdict.SILENT  # late again, but it has had two chances


def test_after_a_sign_of_life_lateness_is_excused_anew() -> None:
    heartbeat = started()
    heartbeat.ping_due(20.0)
    assert heartbeat.verdict(35.0) is Verdict.WE_WERE_LATE
    heartbeat.ping_due(35.0)
    heartbeat.received_pong(b"hb2", 35.5)
    heartbeat.ping_due(55.0)
    assert heartbeat.verdict(70.0) is Verdict.WE_WERE_LATE


def test_a_little_late_is_not_late() -> None:
    heartbeat = started()
    heartbeat.ping_due(20.0)
    assert heartbeat.verdict(31.0) is Verdict.SILENT


def test_statistics() -> None:
    stats = RoundTrips.of(0.5).add(1.0).add(0.75)
    assert stats.pongs == 3
    assert (stats.min, stats.mean, stats.max, stats.last) == (0.5, 0.75, 1.0, 0.75)
    assert stats.jitter == pytest.approx((0.5 + 0.25) / 2)


def test_memory_stays_small_when_nobody_answers() -> None:
    heartbeat = started(interval=1, timeout=1e6)
    payloads = [heartbeat.ping_due(float(now)) for now in range(1, 1_001)]
    assert len(set(payloads)) == 1_000
    assert heartbeat.outstanding == 16
    assert not hasattr(heartbeat, "__dict__")
    assert sys.getsizeof(heartbeat) <= 160
    assert heartbeat.received_pong(b"hb984", 1_000.0) is None  # forgotten
    assert heartbeat.received_pong(b"hb985", 1_000.0) == 15.0
    assert heartbeat.received_pong(b"hb1000", 1_000.0) == 0.0


@given(st.lists(st.tuples(st.floats(0, 50), st.sampled_from("wdp")), max_size=60))
def test_it_never_calls_a_peer_silent_that_spoke_within_the_timeout(
    steps: list[tuple[float, str]],
) -> None:
    heartbeat = started()
    now = last_heard = 0.0
    payload: bytes | None = None
    for wait, kind in steps:
        now += wait
        if kind == "d":
            heartbeat.received_data(now)
            last_heard = now
        elif kind == "p" and payload is not None:
            heartbeat.received_pong(payload, now)
            last_heard = now
        elif heartbeat.verdict(now) is Verdict.SILENT:
            assert now - last_heard >= heartbeat.timeout
        else:
            payload = heartbeat.ping_due(now) or payload
            assert heartbeat.next_event_at(now) > now or wait == 0
