"""The model of a sharded collection: nothing is lost, keys are found, the load is shared."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.draw.shards import shards
from goim_edu.lab.sharding import ShardedModel
from tests.pictures import check_picture, texts

ROOMS = st.lists(st.text("abcdef", min_size=1, max_size=4), max_size=200)


def messages(rooms: list[str]) -> list[dict[str, object]]:
    return [{"room_id": room, "seq": number} for number, room in enumerate(rooms)]


@given(ROOMS, st.booleans(), st.integers(1, 20))
def test_every_document_is_where_the_router_looks(
    rooms: list[str], hashed: bool, most: int
) -> None:
    model = ShardedModel("room_id", hashed=hashed, most=most)
    written = model.insert_many(messages(rooms))
    assert sum(written.values()) == len(rooms)
    model.balance()
    assert sum(model.documents.values()) == len(rooms)
    bounds = [chunk.bound for chunk in model.chunks]
    assert bounds == sorted(set(bounds))
    for chunk, end in zip(model.chunks, [*bounds[1:], None], strict=True):
        assert all(chunk.bound <= key and (end is None or key < end) for key in chunk.keys)
        assert len(chunk.keys) <= most or len(set(chunk.keys)) == 1  # a jumbo chunk
    for room in set(rooms):
        (shard,) = model.asked({"room_id": room})
        key = model.key_of({"room_id": room})
        assert [one.shard for one in model.chunks if key in one.keys] == [shard]


@given(ROOMS)
def test_the_beginning_of_a_key_finds_all_of_it(rooms: list[str]) -> None:
    model = ShardedModel(("room_id", "seq"), most=5)
    model.insert_many(messages(rooms))
    model.balance()
    for room, count in Counter(rooms).items():
        asked = model.asked({"room_id": room})
        there = [one for one in model.chunks for key in one.keys if key.startswith(f"{room}/")]
        assert len(there) == count
        assert {one.shard for one in there} <= set(asked)


def test_without_the_key_all_are_asked() -> None:
    model = ShardedModel("room_id", most=1)
    model.insert_many(messages(list("abcdef")))
    model.balance()
    assert model.asked({"user_id": "lisa"}) == ["A", "B", "C"]
    half = ShardedModel(("room_id", "seq"), hashed=True)
    assert half.asked({"room_id": "a"}) == ["A", "B", "C"]


def test_a_hashed_collection_begins_on_all_shards() -> None:
    model = ShardedModel("room_id", hashed=True)
    assert [chunk.shard for chunk in model.chunks] == ["A", "A", "B", "B", "C", "C"]
    assert model.chunks[2].bound == "5555555555555555"
    written = model.insert_many(messages([f"room {number}" for number in range(600)]))
    assert min(written.values()) > 150


@given(st.lists(st.integers(0, 999), max_size=100), st.integers(0, 999), st.integers(0, 999))
def test_a_range_asks_every_shard_that_has_some_of_it(
    times: list[int], low: int, high: int
) -> None:
    model = ShardedModel("at", most=4)
    model.insert_many({"at": time} for time in times)
    model.balance()
    for above, below, inside in (
        ("$gte", "$lt", range(low, high)),
        ("$gt", "$lte", range(low + 1, high + 1)),
    ):
        asked = model.asked({"at": {above: low, below: high}})
        keys = {model.key_of({"at": time}) for time in inside}
        assert {one.shard for one in model.chunks if keys & set(one.keys)} <= set(asked)


def test_a_range_asks_no_more_than_it_must() -> None:
    model = ShardedModel("at", most=100)
    model.insert_many({"at": time} for time in range(900))
    model.balance()
    both = [(one.bound, end.bound) for one, end in pairwise(model.chunks)]
    for (bound, end), chunk in zip(both[1:], model.chunks[1:], strict=False):
        assert model.asked({"at": {"$gte": int(bound), "$lt": int(end)}}) == [chunk.shard]
    assert model.asked({"at": {"$gte": 0}}) == ["A", "B", "C"]
    hashed = ShardedModel("at", hashed=True)
    assert hashed.asked({"at": {"$gte": 0, "$lt": 1}}) == ["A", "B", "C"]
    with pytest.raises(ValueError, match=r"not '\$in'"):
        model.asked({"at": {"$in": [1]}})


def test_a_range_behind_the_first_fields_of_a_key() -> None:
    model = ShardedModel(("room_id", "seq"), most=10)
    model.insert_many({"room_id": "a", "seq": number} for number in range(100))
    model.balance()
    assert model.asked({"room_id": "a"}) == ["A", "B", "C"]
    first = model.asked({"room_id": "a", "seq": {"$lt": 3}})
    assert first == model.asked({"room_id": "a", "seq": 0})


def test_a_jumbo_chunk_stays_and_the_others_leave() -> None:
    model = ShardedModel("room_id", most=10)
    model.insert_many(messages(["a"] * 100 + [f"room {number:03}" for number in range(200)]))
    model.balance()
    (jumbo,) = (one for one in model.chunks if len(one.keys) > model.most)
    assert set(jumbo.keys) == {"a"}
    assert jumbo.shard == "A"
    assert max(model.documents.values()) - min(model.documents.values()) <= 10
    alone = ShardedModel("room_id", most=10)
    alone.insert_many(messages(["a"] * 100))
    assert alone.balance() == 0


def test_the_picture_marks_where_the_last_writes_are_now() -> None:
    model = ShardedModel("at", most=100)
    model.insert_many({"at": time} for time in range(900))
    model.insert_many({"at": time} for time in range(900, 1000))
    hot = [fact["from"] for fact in model.draw(last=True).fields if fact["hot"]]
    there = {one.bound for one in model.chunks if any(key >= "0000000900" for key in one.keys)}
    assert {f"{int(bound):010}" for bound in hot} == there


def test_balancing_ends_and_evens_out() -> None:
    model = ShardedModel("room_id", most=10)
    model.insert_many(messages([f"{number:03}" for number in range(600)]))
    assert model.documents == {"A": 600, "B": 0, "C": 0}
    assert model.balance() == model.moves > 0
    assert max(model.documents.values()) - min(model.documents.values()) <= 10
    assert model.balance() == 0


def test_the_picture_shows_what_the_model_has() -> None:
    model = ShardedModel("room_id", most=10)
    model.insert_many(messages([f"room {number:02}" for number in range(60)]))
    model.balance()
    model.insert_many(messages(["room 00"]))
    picture = model.draw(last=True)
    check_picture(picture)
    assert [(fact["from"], fact["shard"], fact["documents"]) for fact in picture.fields] == [
        (chunk.bound, chunk.shard, len(chunk.keys)) for chunk in model.chunks
    ]
    assert [fact["from"] for fact in picture.fields if fact["hot"]] == [""]
    assert "lowest" in texts(picture)
    assert [fact for fact in model.draw().fields if fact["hot"]] == []


def test_an_empty_shard_is_drawn_too() -> None:
    picture = ShardedModel("room_id").draw()
    check_picture(picture)
    assert texts(picture).count("0 in 0 chunks") == 2


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no chunk"):
        shards([])
    with pytest.raises(ValueError, match="more than 60"):
        shards([(f"{number:03}", "A", 1) for number in range(61)])
