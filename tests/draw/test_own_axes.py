"""Our own axes, for where matplotlib is not: the same pictures, plainer."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest

from goim_edu.draw import Picture
from goim_edu.draw.own_axes import OwnAxes, OwnFigure
from tools.exhibits import EXHIBITS, Exhibit

PLOTS = ("growth", "traffic", "trips", "round-trips", "queue-bytes", "replica-roles")
SVG = "{http://www.w3.org/2000/svg}"
CLASSES = {"stroke: #1": "line", "fill: #2": "t"}


def drawn(exhibit: Exhibit) -> Picture:
    picture = exhibit.make()
    assert isinstance(picture, Picture)
    return picture


def texts(picture: Picture) -> list[str]:
    """What is written in it, without numbers: which of those stand at an axis may differ."""
    root = ET.fromstring(picture.svg())
    words = ["".join(node.itertext()).strip() for node in root.iter(f"{SVG}text")]
    return sorted({word for word in words if word and not re.fullmatch(r"[\d.,−]+", word)})


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_says_the_same_without_matplotlib(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [exhibit] = [one for one in EXHIBITS if one.name == name]
    with_it = drawn(exhibit)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    without = drawn(exhibit)
    assert texts(without) == texts(with_it)
    assert (without.alt, without.fields, without.title) == (
        with_it.alt,
        with_it.fields,
        with_it.title,
    )
    assert without.svg() == drawn(exhibit).svg(), "the same every time"
    assert len(without.svg()) < 2 * len(with_it.svg())
    assert not re.search(r"#01020\d", without.svg()), "colours of the theme are classes"


def figure() -> tuple[OwnFigure, OwnAxes]:
    own = OwnFigure(200, 100, CLASSES)
    return own, OwnAxes(own, (10, 10, 10, 10))


def points(svg: str) -> str:
    found = re.search(r'points="([^"]+)"', svg)
    assert found
    return found[1]


def test_values_stand_where_the_scale_puts_them() -> None:
    own, axes = figure()
    axes.set_xlim(0, 10)
    axes.set_ylim(1, 100)
    axes.set_yscale("log")
    axes.plot([0, 5, 10], [1, 10, 100], color="#1")
    assert points(own.svg()) == "10,90 100,50 190,10"


def test_a_step_lasts_until_the_next_value() -> None:
    own, axes = figure()
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    axes.step([0, 10], [0, 10], where="post", markevery=1, color="#1", marker="s")
    assert points(own.svg()) == "10,90 190,90 190,10"
    assert own.svg().count("<polygon") == 2


@pytest.mark.parametrize("mark", ["o", "s", "^", "v", "D", "P", "x"])
def test_each_mark_has_a_shape_of_its_own(mark: str) -> None:
    own, axes = figure()
    axes.scatter([1], [1], color="#000000", marker=mark)
    other, plain = figure()
    plain.scatter([1], [1], color="#000000", marker="none of these" if mark != "P" else "s")
    assert own.svg() != other.svg()


def test_what_is_above_is_drawn_later() -> None:
    own, axes = figure()
    axes.scatter([1], [1], color="#000000", zorder=3)
    axes.axvline(1, color="#1", zorder=0)
    svg = own.svg()
    assert svg.index("<polyline") < svg.index("<circle")


def test_names_cannot_break_out() -> None:
    own, axes = figure()
    axes.set_xlabel("<script>")
    axes.text(0, 0, "a < b", color="#2")
    assert "<script>" not in own.svg()
    assert "a &lt; b" in own.svg()
