"""The plots: their data, the colours of the theme, and the same picture every time."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from goim_edu.capture import Capture
from goim_edu.draw import Picture
from goim_edu.draw.growth import growth
from goim_edu.draw.queue_bytes import queue_bytes
from goim_edu.draw.replica_roles import replica_roles
from goim_edu.draw.round_trips import round_trips
from goim_edu.websocket.frames import Opcode, build_frame
from goim_edu.websocket.heartbeat import Heartbeat, Verdict
from tests.pictures import check_picture, texts

KEY = b"1234"
BLUE, VERMILLION = "#0072b2", "#d55e00"


def beats(count: int = 30) -> list[tuple[float, float | None]]:
    noise = random.Random(count)
    return [(2.0 * n, None if n % 9 == 8 else 0.0004 + noise.random() / 1000) for n in range(count)]


def roles(killed: float = 3.0, elected: float = 5.5) -> list[tuple[float, dict[str, str]]]:
    return [
        (
            at / 10,
            {
                "a": "PRIMARY" if at / 10 < killed else "DOWN",
                "b": "SECONDARY" if at / 10 < elected else "PRIMARY",
                "c": "SECONDARY",
            },
        )
        for at in range(100)
    ]


QUEUES: dict[str, list[tuple[float, int]]] = {
    "fast": [(n / 10, n % 3 * 100) for n in range(50)],
    "slow": [(0, 0), (2, 90_000)],
}
GROWTH = {
    "per byte": [(16, 1.2e-6), (1024, 70e-6), (65_536, 4.4e-3)],
    "one number": [(65_536, 40e-6), (16, 0.4e-6), (1024, 0.9e-6)],
    "array": [(1024, 1.5e-6), (65_536, 41e-6)],
}
PLOTS = {
    "growth": lambda: growth(GROWTH, title="How long masking takes", across="bytes of payload"),
    "round trips": lambda: round_trips(beats(), verdicts=[(70.0, Verdict.SILENT)]),
    "replicas": lambda: replica_roles(roles(), marks=[(3.0, "kill -9")]),
    "queues": lambda: queue_bytes(QUEUES, bound=80_000, marks=[(1.9, "closed 1013")]),
}


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_follows_the_theme_and_is_the_same_again(name: str) -> None:
    picture: Picture = PLOTS[name]()
    check_picture(picture)
    svg = picture.svg()
    assert "#01020" not in svg, "a stand-in for a colour of the theme was left"
    assert svg == PLOTS[name]().svg()
    assert len(svg) < 60_000
    ids = set(re.findall(r' id="([^"]+)"', svg))
    assert ids <= set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)), "ids that nobody needs"
    assert "xlink" not in svg


def test_the_plot_does_not_depend_on_the_process() -> None:
    code = "from tests.draw.test_plot import PLOTS; print(PLOTS['queues']().svg())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip("\n") == PLOTS["queues"]().svg()


def test_settings_of_the_reader_are_left_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    PLOTS["queues"]()
    assert dict(mpl.rcParams) == before


# ---------------------------------------------------------------------- round trips


def marks(picture: Picture, colour: str) -> int:
    """How many marks of a colour are drawn."""
    return len(re.findall(rf'<use [^>]*style="[^"]*{colour}', picture.svg()))


def test_each_pong_is_a_mark_and_each_lost_ping_a_cross() -> None:
    sent = beats()
    picture = round_trips(sent)
    lost = sum(rtt is None for _, rtt in sent)
    assert marks(picture, BLUE) == len(sent) - lost
    assert marks(picture, VERMILLION) == lost == 3
    assert [(f["sent"], f["rtt"]) for f in picture.fields if "sent" in f] == sent
    assert "ping at 16.000 s never answered" in picture.alt


def test_the_statistics_are_those_of_the_heartbeat() -> None:
    heartbeat = Heartbeat(interval=2, timeout=1)
    heartbeat.next_event_at(now=0.0)
    sent = []
    for number in range(1, 8):
        now = 2.0 * number
        payload = heartbeat.ping_due(now)
        assert payload is not None
        rtt = heartbeat.received_pong(payload, now + number / 1000)
        sent.append((now, rtt))
    assert heartbeat.round_trips is not None
    assert round_trips(sent).fields[-1] == heartbeat.round_trips._asdict()


def test_verdicts_stand_above_the_silence() -> None:
    sent: list[tuple[float, float | None]] = [(0.0, 0.001), (2.0, None), (4.0, None)]
    said = [(1.0, Verdict.ALIVE), (3.0, Verdict.WE_WERE_LATE), (7.0, Verdict.SILENT)]
    picture = round_trips(sent, verdicts=said)
    check_picture(picture)
    drawn = texts(picture)
    assert "the peer is silent" in drawn
    assert "we were late ourselves" in drawn
    assert "the peer is alive" not in drawn
    assert "at 7.000 s: the peer is silent" in picture.alt


def test_a_recording_gives_the_servers_pings() -> None:
    capture = Capture()
    tap = capture.tap(3)
    tap("in", 0.0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    tap("out", 0.0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    for number, rtt in ((1, 0.25), (2, 0.5)):
        tap("out", 10.0 * number, build_frame(b"hb%d" % number, Opcode.PING))
        tap("in", 10.0 * number + rtt, build_frame(b"hb%d" % number, Opcode.PONG, mask_key=KEY))
    tap("out", 30.0, build_frame(b"hb3", Opcode.PING))
    tap("in", 31.0, build_frame(b"unasked", Opcode.PONG, mask_key=KEY))
    tap("in", 32.0, build_frame(b"own", Opcode.PING, mask_key=KEY))
    picture = round_trips(capture)
    assert [(f["sent"], f["rtt"]) for f in picture.fields if "sent" in f] == [
        (10.0, 0.25),
        (20.0, 0.5),
        (30.0, None),
    ]
    with pytest.raises(ValueError, match="no ping"):
        round_trips(capture, connection=4)


def test_no_pong_at_all() -> None:
    picture = round_trips([(0.0, None)])
    check_picture(picture)
    assert "no pong ever came" in picture.alt


# ---------------------------------------------------------------------- growth


def test_growth_draws_every_point_and_names_every_line() -> None:
    picture = PLOTS["growth"]()
    assert [field["name"] for field in picture.fields] == list(GROWTH)
    assert picture.fields[1]["points"] == sorted(GROWTH["one number"])
    drawn = texts(picture)
    assert set(GROWTH) <= set(drawn)
    assert {"100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms"} <= set(drawn)
    assert (
        "quickest for 65,536 bytes of payload: one number; slowest: per byte, 110 times as long"
        in picture.alt
    )
    assert "per byte: 1.2 µs for 16 bytes of payload, 70 µs for 1,024 bytes" in picture.alt


def test_growth_of_one_point_has_axes_too() -> None:
    picture = growth({"one": [(1, 1.0)], "none": []})
    check_picture(picture)
    assert "quickest for 1 bytes: one." in picture.alt


@pytest.mark.parametrize("times", [{}, {"a": []}, {"a": [(0, 1.0)]}, {"a": [(1, 0.0)]}])
def test_growth_needs_sizes_and_times(times: dict[str, list[tuple[float, float]]]) -> None:
    with pytest.raises(ValueError, match=r"no time|more than 0"):
        growth(times)


# ---------------------------------------------------------------------- replica set


def test_spans_and_the_time_without_a_primary() -> None:
    picture = replica_roles(roles(), marks=[(3.0, "kill -9")])
    spans = [(f["member"], f["state"], f["start"], f["end"]) for f in picture.fields]
    assert spans == [
        ("a", "PRIMARY", 0.0, 3.0),
        ("a", "DOWN", 3.0, 9.9),
        ("b", "SECONDARY", 0.0, 5.5),
        ("b", "PRIMARY", 5.5, 9.9),
        ("c", "SECONDARY", 0.0, 9.9),
        ("no primary", "", 3.0, 5.5),
    ]
    drawn = texts(picture)
    assert "no primary 2.5 s" in drawn
    assert "kill -9" in drawn
    assert "9.9 s, of which 2.5 s without a primary (once)" in picture.alt


@pytest.mark.parametrize("form", ["status", "members"])
def test_other_forms_of_a_sample(form: str) -> None:
    def sample(states: dict[str, str]) -> Any:
        if form == "members":
            return [SimpleNamespace(address=name, state=state) for name, state in states.items()]
        gone = {"DOWN": "(not reachable/healthy)"}
        return {
            "members": [
                {"name": name, "stateStr": gone.get(state, state)} for name, state in states.items()
            ]
        }

    other = replica_roles([(time + 1000, sample(states)) for time, states in roles()])
    expected = replica_roles(roles()).fields
    assert [(f["member"], f["state"]) for f in other.fields] == [
        (f["member"], f["state"]) for f in expected
    ]
    assert [f["end"] for f in other.fields] == pytest.approx([f["end"] for f in expected])


def test_a_quiet_set_and_too_few_samples() -> None:
    quiet = replica_roles([(0.0, {"a": "PRIMARY"}), (5.0, {"a": "PRIMARY"})])
    check_picture(quiet)
    assert "always with a primary" in quiet.alt
    with pytest.raises(ValueError, match="two samples"):
        replica_roles([(0.0, {"a": "PRIMARY"})])


# ---------------------------------------------------------------------- queues


def test_queues() -> None:
    picture = queue_bytes(QUEUES, bound=80_000, marks=[(1.9, "closed 1013")])
    assert [(f["reader"], f["most"]) for f in picture.fields] == [("fast", 200), ("slow", 90_000)]
    drawn = texts(picture)
    for word in ("fast", "slow", "the bound", "closed 1013", "bytes waiting, in KiB"):
        assert word in drawn
    assert "slow has 87.9 KiB waiting at 2.00 s" in picture.alt
    assert "the bound is 78.1 KiB" in picture.title


def test_empty_queues_and_none() -> None:
    check_picture(queue_bytes({"idle": [(0, 0), (1, 0)]}))
    many = queue_bytes({f"reader {n}": [(0, n), (1, 50 * n)] for n in range(9)})
    check_picture(many)
    assert "reader 8" in texts(many)
    with pytest.raises(ValueError, match="no sample"):
        queue_bytes({"none": []})
