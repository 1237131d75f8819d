"""The picture of index and collection scan: its numbers are those of ``explain``."""

from __future__ import annotations

from typing import Any

import pymongo
import pytest

from goim_edu.draw.scans import scans
from goim_edu.mongod import LocalMongod
from tests.pictures import check_picture, texts

COLLSCAN: dict[str, Any] = {
    "queryPlanner": {"winningPlan": {"stage": "COLLSCAN"}},
    "executionStats": {
        "nReturned": 20,
        "executionTimeMillis": 61,
        "totalKeysExamined": 0,
        "totalDocsExamined": 100_000,
        "executionStages": {
            "stage": "SORT",
            "nReturned": 20,
            "sortPattern": {"seq": -1},
            "inputStage": {"stage": "COLLSCAN", "nReturned": 900, "docsExamined": 100_000},
        },
    },
    "command": {"find": "messages", "filter": {"room_id": "lobby"}, "sort": {"seq": -1}},
}


def squares(svg: str, colour: str) -> int:
    """How many squares of a colour are drawn: the dashes of its lines."""
    total = 0
    for line in svg.split("<line ")[1:]:
        if f'stroke="{colour}"' in line and "stroke-dasharray" in line:
            x1, x2 = (float(line.split(f'{end}="')[1].split('"')[0]) for end in ("x1", "x2"))
            total += round((x2 - x1) / 9.0 + 0.5)
    return total


def test_a_collection_scan() -> None:
    picture = scans(COLLSCAN, times=True)
    check_picture(picture)
    (fields,) = picture.fields
    assert fields["stages"] == ["COLLSCAN", "SORT"]
    assert fields["documents_examined"] == fields["documents"] == 100_000
    assert fields["query"] == 'filter {"room_id": "lobby"}, sort {"seq": -1}'
    drawn = texts(picture)
    assert "900" in drawn, "what a stage passes on stands above its arrow"
    assert any("20 returned: 5,000 read for each that was wanted, 61 ms" in one for one in drawn)
    assert "a square is 162 documents" in drawn
    assert squares(picture.svg(), "#D55E00") == -(-100_000 // 162)
    assert "61 ms" not in scans(COLLSCAN).svg(), "a time would differ from run to run"


@pytest.fixture
def messages(mongod: LocalMongod) -> Any:
    with pymongo.MongoClient[dict[str, Any]](mongod.uri) as client:
        collection = client["test_draw_scans"]["messages"]
        collection.drop()
        collection.insert_many(
            {"room_id": f"room{n % 5}", "seq": n // 5, "user_id": f"u{n % 7}"} for n in range(2000)
        )
        yield collection
        collection.drop()


def explain(messages: Any, **more: Any) -> dict[str, Any]:
    find = {"find": messages.name, "filter": {"room_id": "room3"}, "sort": {"seq": -1}, "limit": 9}
    answer: dict[str, Any] = messages.database.command(
        "explain", {**find, **more}, verbosity="executionStats"
    )
    return answer


def test_a_real_index_against_a_real_scan(messages: Any) -> None:
    scan = explain(messages)
    messages.create_index([("room_id", 1), ("seq", 1)], name="room_seq")
    walk = explain(messages)
    picture = scans({"no index": scan, "room_seq": walk})
    check_picture(picture)
    without, with_index = picture.fields
    assert without["stages"] == ["COLLSCAN", "SORT"]
    assert without["documents_examined"] == 2000
    assert with_index["stages"] == ["IXSCAN", "FETCH", "LIMIT"]
    assert (without["indexes"], with_index["indexes"]) == ([], ["room_seq"])
    assert with_index["documents_examined"] == with_index["keys_examined"] == 9
    assert with_index["documents"] == 2000, "both are drawn with one scale"
    assert "room_seq (room_id 1, seq 1), backwards" in " ".join(texts(picture))
    assert squares(picture.svg(), "#009E73") == 3, "9 documents of 4 each"
    assert "no index" in texts(picture)


def test_other_plans_of_a_real_server(messages: Any) -> None:
    messages.create_index([("room_id", 1), ("seq", 1)], name="room_seq")
    messages.create_index([("user_id", 1)], name="user")
    covered = explain(messages, projection={"_id": 0, "seq": 1})
    either = explain(messages, filter={"$or": [{"user_id": "u1"}, {"room_id": "room1"}]})
    one = messages.find({"_id": messages.find_one()["_id"]}).explain()
    pipeline = [{"$match": {"room_id": "room1"}}, {"$group": {"_id": "$user_id"}}]
    group = messages.database.command(
        "explain",
        {"aggregate": messages.name, "pipeline": pipeline, "cursor": {}},
        verbosity="executionStats",
    )
    picture = scans({"covered": covered, "either": either, "one": one, "group": group})
    check_picture(picture)
    stages = [fields["stages"] for fields in picture.fields]
    assert stages[0] == ["IXSCAN", "PROJECTION_COVERED", "LIMIT"]
    assert stages[1].count("IXSCAN") == 2
    assert sorted(picture.fields[1]["indexes"]) == ["room_seq", "user"]
    assert stages[2] == ["IDHACK"]
    assert stages[3][0] == "IXSCAN"
    assert picture.fields[0]["documents_examined"] == 0
    assert "answers from the keys, reads no document" in picture.alt


def test_a_stage_list_of_an_aggregation() -> None:
    wrapped = {"stages": [{"$cursor": COLLSCAN}, {"$out": "x"}], "command": COLLSCAN["command"]}
    assert scans(wrapped).fields[0]["stages"] == ["COLLSCAN", "SORT"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"queryPlanner": {"winningPlan": {}}}, "ask for that verbosity"),
        ({"queryPlanner": {}, "executionStats": {}}, "sharded"),
        ({}, "no explain to draw"),
        ({"name": "no document"}, "is a document, not str"),
    ],
)
def test_what_is_no_explain(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        scans(wrong)
