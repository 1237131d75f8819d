"""The picture of a story: each step below the one before, in the lane of the one that takes it."""

from __future__ import annotations

from typing import Any

import pytest

from goim_edu.draw.story import story
from goim_edu.lab.interleavings import Rules, explore, writers
from tests.pictures import SVG, check_picture, root_of, texts

STEPS = [("A", "is granted 11"), ("B", "is granted 12"), ("B", "inserts 12"), ("A", "inserts 11")]


def place(picture: Any, words: str) -> tuple[float, float]:
    """Where a text stands."""
    node = next(one for one in root_of(picture).iter(f"{SVG}text") if one.text == words)
    return float(node.attrib["x"]), float(node.attrib["y"])


def test_each_step_is_in_its_lane_below_the_one_before() -> None:
    picture = story(STEPS, end="12 comes before 11", title="A counter")
    check_picture(picture)
    places = [place(picture, what) for _, what in STEPS]
    assert [y for _, y in places] == sorted(y for _, y in places)
    assert places[0][0] == places[3][0] < places[1][0] == places[2][0]
    assert [place(picture, str(number))[0] for number in (1, 2, 3, 4)] == [16.0] * 4
    assert "12 comes before 11" in texts(picture)
    assert picture.fields[3] == {"step": 4, "who": "A", "what": "inserts 11"}
    assert picture.alt == (
        "A counter. 1. A is granted 11; 2. B is granted 12; 3. B inserts 12; 4. A inserts 11. "
        "In the end: 12 comes before 11."
    )


def test_lanes_may_be_named_in_another_order_and_without_steps() -> None:
    picture = story(STEPS, lanes=["C", "B"])
    check_picture(picture)
    assert place(picture, "C")[0] < place(picture, "B")[0] < place(picture, "A")[0]
    assert "In the end" not in picture.alt


def test_a_good_end_is_not_painted_as_a_bad_one() -> None:
    wrong, good = 'fill="#D55E00"', 'fill="#009E73"'
    assert story(STEPS, end="so").svg().count(wrong) == 2
    assert wrong not in story(STEPS, end="so", good=True).svg()
    assert story(STEPS, end="so", good=True).svg().count(good) == 2


def test_times_put_the_steps_in_their_order_and_stand_beside_them() -> None:
    picture = story(STEPS, times=[10.0, 10.5, 12.5, 10.25])
    check_picture(picture)
    assert [one["what"] for one in picture.fields] == [
        *("is granted 11", "inserts 11", "is granted 12", "inserts 12")
    ]
    assert [one["time"] for one in picture.fields] == [0.0, 0.25, 0.5, 2.5]
    assert [place(picture, said)[0] for said in ("0.0 ms", "250.0 ms", "2.5 s")] == [16.0] * 3
    assert "2. A inserts 11 (after 250.0 ms)" in picture.alt


def test_a_story_of_the_model_checker_is_drawn() -> None:
    found = explore(writers([["a"], ["b"]], Rules(numbers="counter", faults=0)))
    picture = story(found.steps, end=found.wrong or "")
    check_picture(picture)
    assert [one["who"] for one in picture.fields] == [
        *("server A", "server A", "server B", "server B"),
        *["database"] * 2,
        *["majority"] * 2,
    ]


@pytest.mark.parametrize(
    ("steps", "times", "words"),
    [
        ([], [], "1 to 100 steps, not 0"),
        ([("A", "b")] * 101, [], "1 to 100 steps, not 101"),
        (STEPS, [1.0, 2.0], "4 steps and 2 times"),
    ],
)
def test_what_cannot_be_drawn_is_told(steps: Any, times: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        story(steps, times=times)


@pytest.mark.parametrize("steps", [[("A", 5)], [("A", "b", "c")], "AB", None])
def test_what_is_no_story_is_told(steps: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="steps is a list of"):
        story(steps)
