"""HeartbeatLab's Python side: real connections over a real link, each way that they can end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import traitlets

from goim_edu.lab import LiveServer
from goim_edu.websocket.heartbeat import Verdict
from goim_edu.widgets import HeartbeatLab, heartbeat_run
from tests.widgets.test_widgets import VIEW, Browser

BOUND = 20.0  # seconds that a wait may take at most


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    with LiveServer("memory", name="heartbeat lab tests") as server:
        yield server


@pytest.fixture
def lab(live: LiveServer) -> Iterator[HeartbeatLab]:
    lab = HeartbeatLab(live, interval=0.05, timeout=0.4)
    yield lab
    lab.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "HeartbeatLab"]


def test_before_the_first_run_there_is_nothing(lab: HeartbeatLab) -> None:
    assert (lab.state, lab.verdict, lab.round_trips, lab.statistics) == ("ready", None, [], None)
    assert lab.said == "not started yet"
    assert lab.wait(seconds=0.01) == "ready"
    for act in (lab.silence, lab.cut):
        with pytest.raises(RuntimeError, match=r"lab\.start"):
            act()
    lab.stop()
    lab.restore()


def test_round_trips_of_a_live_server_are_measured(lab: HeartbeatLab) -> None:
    lab.start()
    assert lab.wait(pongs=4, seconds=BOUND) == "running"
    trips = lab.round_trips
    assert [sent for sent, _ in trips] == sorted(sent for sent, _ in trips)
    answered = [rtt for _, rtt in trips if rtt is not None]
    assert len(answered) >= 4
    assert lab.statistics is not None
    assert lab.statistics.min == pytest.approx(min(answered))
    assert lab.verdict is Verdict.ALIVE
    lab.stop()
    assert lab.state == "stopped"
    assert lab.said == "stopped by us; until then the peer is alive"
    assert lab.picture().title.startswith("Round trips: ")


def test_delay_is_paid_both_ways_and_at_once(lab: HeartbeatLab) -> None:
    lab.timeout = 5.0
    lab.start()
    lab.wait(pongs=2, seconds=BOUND)
    lab.delay = 0.1
    before = lab.statistics
    assert before is not None
    lab.wait(pongs=before.pongs + 20, seconds=BOUND)
    assert lab.statistics is not None
    assert lab.statistics.last >= 0.2


def test_silence_is_noticed_after_interval_and_timeout(lab: HeartbeatLab) -> None:
    lab.start()
    lab.wait(pongs=2, seconds=BOUND)
    lab.silence()
    assert lab.wait(seconds=BOUND) == "silent"
    assert lab.verdict is Verdict.SILENT
    ((at, verdict),) = [one for one in lab.verdicts if one[1] is Verdict.SILENT]
    assert verdict is Verdict.SILENT
    run = lab._run
    assert run is not None
    (silenced,) = [when for when, said in run.marks if said == "silenced"]
    assert lab.timeout <= at - silenced + 0.05
    assert "noticed" in lab.said
    assert "interval + timeout: 0.45 s" in lab.said
    assert None in [rtt for _, rtt in lab.round_trips]
    lab.restore()
    lab.start()
    assert lab.wait(pongs=1, seconds=BOUND) == "running"
    assert lab.verdicts == []


def test_what_was_silent_for_a_moment_lives_on(lab: HeartbeatLab) -> None:
    lab.timeout = BOUND
    lab.start()
    lab.wait(pongs=1, seconds=BOUND)
    lab.silence()
    threading.Event().wait(0.25)
    lab.restore()
    before = lab.statistics
    assert before is not None
    assert lab.wait(pongs=before.pongs + 3, seconds=BOUND) == "running"
    assert max(rtt or 0 for _, rtt in lab.round_trips) > 0.1, "its pong came late"


def test_a_cut_is_noticed_without_a_verdict(lab: HeartbeatLab) -> None:
    lab.start()
    lab.wait(pongs=1, seconds=BOUND)
    lab.cut()
    assert lab.wait(seconds=BOUND) == "lost"
    assert lab.verdict is Verdict.ALIVE
    assert "reset" in lab.said


def test_a_timeout_below_the_round_trip_is_a_false_alarm(lab: HeartbeatLab) -> None:
    lab.delay, lab.timeout = 0.3, 0.2
    lab.start()
    assert lab.wait(seconds=BOUND) == "silent"
    assert "though it lives" in lab.said


def test_times_can_be_changed_on_the_way(lab: HeartbeatLab) -> None:
    lab.start()
    lab.wait(pongs=1, seconds=BOUND)
    lab.interval, lab.timeout, lab.rate, lab.jitter = 0.1, 2.0, 5000.0, 0.01
    run = lab._run
    assert run is not None
    heartbeat = run.heartbeat
    assert (heartbeat.interval, heartbeat.timeout, heartbeat.late_after) == (0.1, 2.0, 0.5)
    assert (run.link.rate, run.link.jitter) == (5000.0, 0.01)
    lab.reset()
    assert (lab.state, lab.rate, lab.jitter, lab.round_trips) == ("ready", None, 0.0, [])
    assert lab.interval == 0.1


def test_a_run_is_bounded(lab: HeartbeatLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat_run, "_MOST_PINGS", 3)
    lab.start()
    assert lab.wait(seconds=BOUND) == "full"
    assert 3 <= len(lab.round_trips) <= 4
    monkeypatch.setattr(heartbeat_run, "_MOST_SECONDS", 0.2)
    monkeypatch.setattr(heartbeat_run, "_MOST_PINGS", 600)
    lab.start()
    assert lab.wait(seconds=BOUND) == "full"
    assert "bounds" in lab.said


def test_a_server_that_is_gone_is_said() -> None:
    with LiveServer("memory", name="heartbeat lab, gone") as server:
        lab = HeartbeatLab(server)
    lab.start()
    assert lab.wait(seconds=BOUND) == "failed"
    assert lab.said.startswith("no connection: ")
    assert lab.verdict is None
    lab.close()


def test_stopping_while_connecting_ends_it(lab: HeartbeatLab) -> None:
    lab.delay = 2.0
    lab.start()
    states = [lab.state]
    lab.stop()
    assert [*states, lab.state] == ["connecting", "stopped"]


@pytest.mark.parametrize(("name", "value"), [("delay", -1), ("timeout", 0), ("rate", 1)])
def test_no_time_is_negative_or_without_end(lab: HeartbeatLab, name: str, value: float) -> None:
    with pytest.raises(traitlets.TraitError):
        setattr(lab, name, value)


def test_what_the_browser_does_in_the_heartbeat_lab(lab: HeartbeatLab) -> None:
    browser = Browser(lab)
    assert browser.does(type="poll")["state"] == "ready"
    assert browser.does(type="do", what="start")["state"] in ("connecting", "running")
    lab.wait(pongs=2, seconds=BOUND)
    pulse = browser.does(type="poll")
    assert (pulse["state"], pulse["silenced"]) == ("running", False)
    assert len(pulse["pings"]) >= 2
    assert pulse["statistics"]["pongs"] >= 2
    assert browser.does(type="do", what="silence")["silenced"]
    lab.wait(seconds=BOUND)
    pulse = browser.does(type="poll")
    assert pulse["verdicts"][-1][1:] == ("SILENT", "the peer is silent")
    assert pulse["marks"][0][1] == "silenced"
    lab._handle_custom_msg({"type": "do", "what": "cut"}, [])
    lab._handle_custom_msg({"type": "set", "name": "delay", "value": 0.05}, [])
    lab._handle_custom_msg({"type": "set", "name": "rate", "value": 500}, [])
    lab._handle_custom_msg({"type": "set", "name": "rate", "value": None}, [])
    assert (lab.view["delay"], lab.rate) == (0.05, None)
    assert "delay" in browser.does(type="set", name="delay", value=99)["text"]


def test_a_heartbeat_lab_leaves_a_forecast_that_never_changes(lab: HeartbeatLab) -> None:
    fresh = lab._repr_mimebundle_()[0]
    assert VIEW in fresh
    assert fresh["text/plain"] == "HeartbeatLab(interval=0.05, timeout=0.4)"
    assert lab.forecast().svg() in fresh["text/html"]
    lab.start()
    lab.wait(pongs=2, seconds=BOUND)
    lab.stop()
    assert lab._repr_mimebundle_()[0]["text/html"] == fresh["text/html"]


@pytest.mark.parametrize(("delay", "interval", "timeout"), [(0, 0.5, 1), (0.1, 0.1, 0.5)])
def test_the_forecast_is_that_of_the_heartbeat(
    lab: HeartbeatLab, delay: float, interval: float, timeout: float
) -> None:
    lab.delay, lab.interval, lab.timeout = delay, interval, timeout
    fields: list[dict[str, Any]] = lab.forecast().fields
    pings = [field for field in fields if "sent" in field]
    (verdict,) = [field["at"] for field in fields if "verdict" in field]
    assert [ping["rtt"] is None for ping in pings] == sorted(ping["rtt"] is None for ping in pings)
    last_octet = max(ping["sent"] + ping["rtt"] for ping in pings if ping["rtt"] is not None)
    assert timeout <= verdict - last_octet <= interval + timeout + 0.001
