"""The picture of trips: a bar for each, as long as it took, all ways on one scale."""

from __future__ import annotations

import re

import pytest

from goim_edu.draw.trips import trips
from goim_edu.mongod import Command
from tests.pictures import check_picture, texts

ORANGE, BLUE = "#e69f00", "#0072b2"


def command(name: str, began: float, seconds: float) -> Command:
    return Command(name, {}, 1, began, seconds)


ONE_BY_ONE = [
    command(name, 100 + n * 0.002 + late, 0.0009)
    for n in range(20)
    for name, late in (("findAndModify", 0.0), ("insert", 0.001))
]
IN_GROUPS = [command("findAndModify", 7.0, 0.001), command("insert", 7.001, 0.003)]


def bars(svg: str, colour: str) -> int:
    """How many bars of a colour are drawn: the closed paths of its collections."""
    return sum(
        colour in path.lower() and " z" in path.lower() for path in re.findall(r"<path[^>]*>", svg)
    )


def test_every_trip_is_a_bar() -> None:
    picture = trips({"one by one": ONE_BY_ONE, "in groups": IN_GROUPS})
    check_picture(picture)
    assert bars(picture.svg(), ORANGE) == 21
    assert bars(picture.svg(), BLUE) == 21
    assert picture.fields[0] == {"way": "one by one", "trips": 40, "seconds": 0.0399}
    assert picture.fields[1] == {"way": "in groups", "trips": 2, "seconds": 0.004}
    drawn = texts(picture)
    for word in ("one by one", "in groups", "findAndModify", "insert", "milliseconds"):
        assert word in drawn
    assert "40 trips in 39.9 ms; in groups: 2 trips in 4 ms" in picture.alt


def test_a_way_without_trips_is_left_out_and_none_at_all_is_an_error() -> None:
    picture = trips({"nothing": [], "one": IN_GROUPS[:1]})
    check_picture(picture)
    assert [field["way"] for field in picture.fields] == ["one"]
    assert "1 trip in 1 ms" in picture.title
    with pytest.raises(ValueError, match="no trip"):
        trips({"nothing": []})
