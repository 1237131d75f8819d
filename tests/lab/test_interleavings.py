"""Every interleaving: what the model finds, and that a real database does what the model says."""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime
from typing import Any

import pymongo
import pytest
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from goim_edu.lab.interleavings import (
    Model,
    Request,
    Rules,
    State,
    explore,
    writers,
)
from goim_edu.mongod import LocalMongod
from goim_edu.storage.indexes import create_indexes

TWO = (("a1", "a2"), ("b1",))
BOTH = (("same",), ("same",))


@pytest.mark.parametrize(
    ("messages", "rules"),
    [
        (TWO, Rules(faults=2)),
        (TWO, Rules(batch=1, faults=2)),
        (BOTH, Rules(faults=3)),
        ((("a1",), ("b1",), ("c1",)), Rules(faults=1)),
    ],
)
def test_with_all_protections_nothing_goes_wrong(
    messages: tuple[tuple[str, ...], ...], rules: Rules
) -> None:
    verdict = explore(writers(messages, rules))
    assert verdict.wrong is None
    assert verdict.states > 400


@pytest.mark.parametrize(
    ("messages", "rules", "wrong", "steps"),
    [
        (TWO, Rules(numbers="counter", faults=0), "the stream tells [3, 1]", 8),
        (TWO, Rules(head="local"), "the stream has a hole: [3]", 8),
        (TWO, Rules(ordered=False, faults=0), "the stream has a hole: [2]", 4),
        (TWO, Rules(fence=False, faults=0), "the stream tells [1, 1]", 8),
        (BOTH, Rules(once=False, faults=0), "same is stored 2 times", 8),
        ((("a",), ("b",)), Rules(once=False), "a is stored 2 times", 10),
    ],
    ids=["counter", "local head", "unordered", "no fence", "no _id", "no _id, lost answer"],
)
def test_each_protection_matters(
    messages: tuple[tuple[str, ...], ...], rules: Rules, wrong: str, steps: int
) -> None:
    verdict = explore(writers(messages, rules))
    assert (verdict.wrong, len(verdict.story)) == (wrong, steps)


def test_the_story_is_the_shortest() -> None:
    """No way to the end is shorter: a search by depth, cut one step earlier, finds nothing."""
    model = writers(TWO, Rules(numbers="counter", faults=0))
    steps = len(explore(model).story)

    def reachable(state: State, left: int) -> bool:
        return model.wrong(state) is not None or (
            left > 0 and any(reachable(after, left - 1) for _, after in model.steps(state))
        )

    assert reachable(model.first, steps)
    assert not reachable(model.first, steps - 1)


def test_it_gives_up_in_words() -> None:
    endless = Model(0, lambda number: iter([("add one", number + 1)]), lambda number: None)
    with pytest.raises(RuntimeError, match="more than 100 states"):
        explore(endless, most=100)


@pytest.mark.parametrize("rules", [Rules(faults=0), Rules(numbers="counter", faults=0)])
def test_a_real_database_takes_the_requests_as_the_model_says(
    mongod: LocalMongod, rules: Rules
) -> None:
    """Random walks through the model; each insert is sent to mongod, and both streams are equal."""
    with pymongo.MongoClient[dict[str, Any]](mongod.uri) as client:
        database = client["interleavings"]
        for seed in range(30):
            client.drop_database(database.name)
            create_indexes(database)
            _walk(database, writers((("a1", "a2"), ("b1", "a2")), rules), random.Random(seed))
        client.drop_database(database.name)


def _walk(database: Database[dict[str, Any]], model: Model[State], chance: random.Random) -> None:
    state = model.first
    while steps := list(model.steps(state)):
        _, after = chance.choice(steps)
        for request in state.requests - after.requests:
            _insert(database, request)
            stored = database["messages"].find({}, {"seq": 1}).sort("$natural", 1)
            assert tuple((one["seq"], one["_id"]) for one in stored) == after.stream
        state = after


def _insert(database: Database[dict[str, Any]], request: Request) -> None:
    """As the store does: one ordered insert, which stops at the first that is refused."""
    documents = [
        {"_id": key, "room_id": "lobby", "seq": number, "user_id": "u", "client_msg_id": key}
        | {"text": key, "created_at": datetime.now(UTC)}
        for number, key in request.documents
    ]
    with contextlib.suppress(BulkWriteError):
        database["messages"].insert_many(documents, ordered=True)
