"""The report of the benchmarks: its arithmetic, its files, its page, and how two are compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import report
from benchmarks.report import Benchmark, Report, compare, plan, print_comparison, run
from benchmarks.report_page import beside_ours, table, write_page
from benchmarks.report_plots import FIGURES, PLOTS, arguments, write_figures
from benchmarks.rows import Better, Missing, Progress, Row, in_turns, join, times_as_good
from benchmarks.servers import running
from tests.conftest import require

TASK = "100 connections, 1 outstanding, 32 B"
RATE = "messages per second of the server's CPU"


def row(subject: str, *values: float, better: Better = "higher", what: str = TASK) -> Row:
    return Row("server: echo", what, subject, RATE, values, better)


ROWS = [
    row("goim_edu/asyncio", 90.0, 100.0, 80.0),
    row("goim_edu/uvloop", 140.0, 120.0, 100.0),
    row("goim_edu chat/uvloop", 60.0, 50.0, 40.0),
    row("picows/asyncio", 100.0, 80.0, 120.0),
    row("bare", 200.0, 200.0, 100.0),
]


# ---------------------------------------------------------------------- rows


def test_a_row_knows_its_median_and_its_range() -> None:
    one = row("x", 5.0, 1.0, 9.0, 2.0)
    assert (one.median, one.low, one.high) == (3.5, 1.0, 9.0)


def test_the_passes_of_a_row_are_joined_in_their_order() -> None:
    joined = join([row("a", 1.0, 2.0), row("b", 7.0), row("a", 3.0)])
    assert [(one.subject, one.values) for one in joined] == [("a", (1.0, 2.0, 3.0)), ("b", (7.0,))]


def test_a_ratio_is_taken_within_each_round() -> None:
    assert times_as_good(row("a", 1.0, 20.0, 300.0), row("b", 2.0, 10.0, 100.0)) == 2.0


def test_less_time_is_better() -> None:
    ours, peer = row("a", 5.0, better="lower"), row("b", 20.0, better="lower")
    assert times_as_good(ours, peer) == 4.0


def test_each_round_begins_with_another_subject() -> None:
    order: list[str] = []
    given = in_turns({name: lambda name=name: order.append(name) for name in "abc"}, 3)  # type: ignore[misc]
    assert "".join(order) == "abcbcacab"
    assert {name: len(found) for name, found in given.items()} == {"a": 3, "b": 3, "c": 3}


# ---------------------------------------------------------------------- the run


def test_the_passes_take_turns() -> None:
    names = [one.name for one in plan(quick=True, only=[])]
    assert names == ["protocol", "server"] * 3
    assert [one.name for one in plan(quick=False, only=["idle"])] == ["idle"] * 4


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> list[Benchmark]:
    """One that measures, one that lacks a program, one that breaks."""

    def measures(quick: bool, progress: Progress) -> list[Row]:
        progress("a round")
        return [row("a", 1.0, 2.0)]

    def lacks(quick: bool, progress: Progress) -> list[Row]:
        raise Missing("gcc is not here")

    def breaks(quick: bool, progress: Progress) -> list[Row]:
        raise ConnectionError("the server has closed")

    for function in (measures, lacks, breaks):
        module = ModuleType(f"benchmarks.{function.__name__}")
        module.rows = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return [Benchmark(name, 1, 1, 1.0) for name in ("measures", "lacks", "breaks", "measures")]


def test_what_fails_is_named_and_the_others_go_on(
    benchmarks: list[Benchmark], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(benchmarks, quick=True, out=tmp_path / "figures.json")
    assert Report.load(tmp_path / "figures.json") == found
    assert [one.values for one in found.rows] == [(1.0, 2.0, 1.0, 2.0)]
    assert found.missing == [
        "lacks: gcc is not here",
        "breaks failed: ConnectionError: the server has closed",
    ]
    assert "ConnectionError" in capsys.readouterr().err
    assert {"date", "processor", "cores", "Python", "load before"} <= found.machine.keys()


# ---------------------------------------------------------------------- files, two reports


def saved(path: Path, rows: list[Row]) -> Path:
    Report({"cores": "2"}, rows, ["ws: npm is not here"]).save(path)
    return path


def test_a_report_comes_back_from_its_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "one.json", ROWS)
    assert Report.load(path) == Report({"cores": "2"}, ROWS, ["ws: npm is not here"])
    assert '"values": [90.0, 100.0, 80.0]' in path.read_text("utf-8")


def test_rows_agree_where_their_ranges_meet() -> None:
    one = [row("a", 1.0, 3.0), row("b", 1.0, 3.0), row("c", 1.0, 3.0), row("d", 1.0)]
    other = [row("a", 3.0, 5.0), row("b", 3.5, 4.5), row("c", 0.1, 0.9), row("e", 1.0)]
    result = compare(one, other)
    assert [key.subject for key in result.common] == ["a", "b", "c"]
    assert {key.subject: ratio for key, ratio in result.apart.items()} == {"b": 2.0, "c": 0.25}
    assert [key.subject for key in result.alone] == ["d", "e"]
    assert result.share == pytest.approx(1 / 3)


def test_95_of_100_rows_are_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hundred = [row(f"server {number}", 1.0, 2.0) for number in range(100)]
    one = saved(tmp_path / "one.json", hundred)
    far = [row(f"server {number}", 7.0) for number in range(100)]
    other = saved(tmp_path / "other.json", [*far[:5], *hundred[5:]])
    assert print_comparison(one, other) == 0
    assert "95 of 100 rows agree, 95.0%" in capsys.readouterr().out
    other = saved(tmp_path / "other.json", [*far[:6], *hundred[6:]])
    assert report.main(["--compare", str(one), str(other)]) == 1
    assert "server 5, messages per second of the server's CPU: the ranges do not meet; 4.67" in (
        capsys.readouterr().out
    )


# ---------------------------------------------------------------------- the page


def test_a_table_has_the_best_first_and_ours_beside_each_peer() -> None:
    assert table(ROWS) == [
        "| | median | range | rounds | goim_edu is |",
        "|---|---:|---:|---:|---|",
        "| bare | 200 | 100 to 200 | 3 | 0.50 / 0.70; chat 0.30 |",
        "| **goim_edu/uvloop** | 120 | 100 to 140 | 3 |  |",
        "| picows/asyncio | 100 | 80 to 120 | 3 | 0.90 |",
        "| **goim_edu/asyncio** | 90 | 80 to 100 | 3 |  |",
        "| **goim_edu chat/uvloop** | 50 | 40 to 60 | 3 |  |",
    ]


def test_only_servers_with_the_same_loop_are_compared() -> None:
    assert beside_ours(row("picows/uvloop", 10.0), [row("goim_edu/asyncio", 5.0)]) == ""


def test_the_page_is_made_of_rows(tmp_path: Path) -> None:
    write_page(tmp_path / "figures", {"cores": "2"}, ROWS, ["ws: npm is not here"])
    page = (tmp_path / "figures.md").read_text("utf-8")
    assert "| cores | 2 |" in page
    assert f"## Server: echo\n\n**{TASK}**: {RATE}; higher is better." in page
    assert "## Not measured\n\n- ws: npm is not here" in page
    assert 'alt="Echo, messages in a second of the server&#x27;s CPU; longer is better' in page
    for theme in ("light", "dark"):
        assert f'"figures/echo-{theme}.svg"' in page
        assert (tmp_path / "figures" / f"echo-{theme}.svg").exists()


def test_the_plots_draw_rows(tmp_path: Path) -> None:
    write_figures(ROWS, tmp_path / "figures.json")
    kept = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert list(kept) == ["echo"]
    assert kept["echo"]["ours"] == ["goim_edu/uvloop", "goim_edu/asyncio", "goim_edu chat/uvloop"]
    assert kept["echo"]["limits"] == ["bare"]
    assert list(kept["echo"]["tasks"][TASK]) == [
        *("bare", "goim_edu/uvloop", "picows/asyncio", "goim_edu/asyncio", "goim_edu chat/uvloop")
    ]


def test_the_course_draws_what_the_page_tells(tmp_path: Path) -> None:
    write_figures(Report.load(report.OUT.with_suffix(".json")).rows, tmp_path / "figures.json")
    assert FIGURES.read_text("utf-8") == (tmp_path / "figures.json").read_text("utf-8")


def test_nanoseconds_are_drawn_as_a_rate() -> None:
    took = Row("protocol: parse", "16 B", "goim_edu", "ns of CPU for one item", (250.0,), "lower")
    assert arguments(PLOTS[0], [took])["tasks"] == {"16 B": {"goim_edu": [4.0]}}


# ---------------------------------------------------------------------- a peer in Node


def test_the_server_of_node_echoes() -> None:
    from benchmarks.load import EchoLoad
    from benchmarks.servers import why_missing

    require(not why_missing("ws"), "npm, node and ws", why_missing("ws"))
    with running("ws") as server:
        load = EchoLoad(server.port, connections=2, depth=3, size=1024)
        assert load.run(4) == 24
        load.close()
    assert server.process.returncode == 0
