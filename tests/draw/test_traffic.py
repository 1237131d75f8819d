"""The picture of traffic: a bar for each write and read, as high as it has bytes."""

from __future__ import annotations

import re

import pytest

from goim_edu.capture import Record
from goim_edu.draw import traffic
from goim_edu.lab.news import Lane
from tests.pictures import check_picture, texts

POLLS = [
    record
    for tick in range(9)
    for record in (
        Record(1, "in", 70 + tick * 0.2, b"?" * 120),
        Record(1, "out", 70.001 + tick * 0.2, b"!" * 180),
    )
]
SOCKET = [Record(1, "in", 70.0, b"?" * 160), Record(1, "out", 70.001, b"!" * 129)]
SOCKET += [Record(1, "out", 70.7, b"!" * 22)]


def test_every_write_and_read_is_a_bar_and_the_numbers_stand_beside() -> None:
    lanes = [Lane("polling", POLLS, [0.1, 0.14]), Lane("WebSocket", SOCKET, [0.0003])]
    picture = traffic(lanes, [70.7])
    check_picture(picture)
    assert picture.fields[0] == {
        "way": "polling",
        "sent": 1080,
        "received": 1620,
        "requests": 9,
        "late": pytest.approx(0.12),
    }
    for colour, count in (("#e69f00", 10), ("#0072b2", 11)):
        paths = re.findall(r"<path[^>]*>", picture.svg())
        assert sum(colour in path.lower() for path in paths) == count
    drawn = texts(picture)
    for word in ("polling", "WebSocket", "9 requests", "2,700 bytes", "120 ms late", "1 request"):
        assert word in drawn
    assert "1 messages" not in picture.alt


def test_a_lane_without_traffic_is_left_out_and_none_at_all_is_an_error() -> None:
    picture = traffic([Lane("nothing", [], []), Lane("WebSocket", SOCKET, [])])
    check_picture(picture)
    assert picture.fields[0]["late"] is None
    assert "late" not in picture.title
    with pytest.raises(ValueError, match="nothing was carried"):
        traffic([])
