"""The bars of several that do the same task."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from goim_edu.draw import OKABE_ITO, bars
from tests.pictures import SVG, check_picture, root_of, texts

TASKS = {
    "echo, 32 B": {"bare": [200.0, 210.0], "goim_edu": [90.0, 100.0, 140.0], "picows": [50.0]},
    "echo, 1 KiB": {"goim_edu": [5.0], "picows": [10.0]},
}


def bar_of(root: ET.Element, colour: str) -> list[float]:
    return [
        float(node.attrib["width"])
        for node in root.iter(f"{SVG}rect")
        if node.attrib.get("fill") == OKABE_ITO[colour] and node.attrib["height"] == "16"
    ]


def test_bars_are_as_long_as_their_medians() -> None:
    picture = bars(TASKS, title="Echo", unit="in a second", ours=["goim_edu"], limits=["bare"])
    check_picture(picture)
    root = root_of(picture)
    (bare,), ours, peers = (bar_of(root, colour) for colour in ("grey", "blue", "sky"))
    assert ours[0] / bare == pytest.approx(100 / 205, rel=0.01)
    assert ours[1] / peers[1] == pytest.approx(0.5, rel=0.01)
    assert {"echo, 32 B", "goim_edu", "picows", "100"} <= set(texts(picture))
    assert "goim_edu 100, picows 50; echo, 1 KiB: goim_edu 5, picows 10." in picture.alt


def test_a_name_without_rounds_has_no_bar() -> None:
    picture = bars({"a": {"one": [0.0], "other": []}})
    check_picture(picture)
    assert [field["name"] for field in picture.fields] == ["one"]


def test_bars_need_numbers() -> None:
    with pytest.raises(ValueError, match="no number to draw"):
        bars({"a": {}})
    with pytest.raises(ValueError, match="less than 0"):
        bars({"a": {"one": [-1.0]}})
