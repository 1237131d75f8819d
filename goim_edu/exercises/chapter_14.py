"""Exercises of chapter 14: sharding, on models (MongoDB manual, "Sharding")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict
from goim_edu.storage.sharding import hash_number, shard_for, split_point

__all__ = ["CHUNKS", "hash_number", "shards_asked"]

CHUNKS: Final = [("", "A"), ("k", "B"), ("t", "C")]
"""Three chunks of a collection, by room: from which key on, and on which shard."""


# ---------------------------------------------------------------------- 14.1


def _keys_and_chunks(c: Choices) -> tuple[str, list[tuple[str, str]]]:
    bounds = sorted({"", *c.some(0, 4, lambda: c.pick((*"bdfhkmtTé茶", "kit")))})
    key = c.pick(("a", "b", "c", "d", "k", "kitchen", "t", "z", "lobby", "Tea", " tea", "茶", "🍵"))
    return key, [(bound, "ABCDE"[number]) for number, bound in enumerate(bounds)]


_SHARD_FOR = Function(
    id="14.1",
    needs="from bisect import bisect_right",
    starter="""
        def shard_for(key, chunks):
            return chunks[0][1]
    """,
    reference=shard_for,
    cases=(
        ("lobby", CHUNKS),
        ("apple", CHUNKS),
        ("zoo", CHUNKS),
        ("k", CHUNKS),
        ("any", [("", "A")]),
    ),
    make=_keys_and_chunks,
    wrong=(
        """
            def shard_for(key, chunks):
                found = chunks[0][1]
                for bound, shard in chunks:
                    if bound < key:
                        found = shard
                return found
        """,
        """
            def shard_for(key, chunks):
                for bound, shard in chunks:
                    if bound <= key:
                        return shard
        """,
        """
            def shard_for(key, chunks):
                for (bound, shard), (upper, _) in zip(chunks, chunks[1:]):
                    if bound <= key < upper:
                        return shard
                return chunks[0][1]
        """,
        ("key) - 1]", "key)]"),
    ),
)

# ---------------------------------------------------------------------- 14.2


def shards_asked(query: dict[str, str], shard_key: str, chunks: list[tuple[str, str]]) -> list[str]:
    """The shards that a query must be sent to: one if it names the shard key, else all."""
    if shard_key not in query:
        return sorted({shard for _, shard in chunks})
    owner = [shard for bound, shard in chunks if bound <= query[shard_key]][-1]
    return [owner]


_TWO_ON_A: Final = [("", "A"), ("k", "B"), ("t", "A")]
# Eight of them: a set of few names may come out in order by luck, as hashes differ from run to run.
_NOT_IN_ORDER: Final = list(zip(["", *"cfkmptx"], "HCAGBFDE", strict=True))
_TARGETS = Function(
    id="14.2",
    starter="""
        def shards_asked(query, shard_key, chunks):
            return [shard for bound, shard in chunks]
    """,
    reference=shards_asked,
    cases=(
        ({"room_id": "lobby"}, "room_id", CHUNKS),
        ({"user_id": "lisa"}, "room_id", CHUNKS),
        ({"user_id": "lisa"}, "room_id", _TWO_ON_A),
        ({"room_id": "tea", "user_id": "lisa"}, "room_id", CHUNKS),
        ({}, "room_id", CHUNKS),
        ({"room_id": "tea", "user_id": "lisa"}, "user_id", CHUNKS),
        ({"room_id": "k"}, "room_id", CHUNKS),
        ({"user_id": "lisa"}, "room_id", _NOT_IN_ORDER),
    ),
    make=lambda c: (
        {
            field: c.pick(("lobby", "tea", "apple", "lisa", "t", "", "Tea", " tea", "茶"))
            for field in c.some(0, 2, lambda: c.pick(("room_id", "user_id")))
        },
        c.pick(("room_id", "user_id")),
        c.pick((CHUNKS, _TWO_ON_A, _NOT_IN_ORDER)),
    ),
    wrong=(
        ("if shard_key not in query:", "if True:"),
        ("sorted({shard for _, shard in chunks})", "[shard for _, shard in chunks]"),
        ("if shard_key not in query:", "if not query:"),
        ("query[shard_key]", "next(iter(query.values()))"),
    ),
)

# ---------------------------------------------------------------------- 14.3

_HOT = Predict(
    id="14.3",
    answer=1_000,
    experiment="""
        from collections import Counter
        from goim_edu.exercises.chapter_14 import shard_for

        chunks = [("", "A"), ("2026-03", "B"), ("2026-06", "C"), ("2026-09", "D")]
        times = [f"2026-11-23T13:56:{n // 20:02}.{n % 20 * 50:03}" for n in range(1000)]
        max(Counter(shard_for(time, chunks) for time in times).values())
    """,
)

# ---------------------------------------------------------------------- 14.4


def _judge_spread(answer: Any) -> str | None:
    if not callable(answer):
        return "Your function itself is wanted: `answer = shard_of`."
    names = getattr(getattr(answer, "__code__", None), "co_names", ())
    if "hash" in names:
        return """Python's `hash` of a text differs from process to process, so nothing would be
            found again after a restart. `hash_number(key)` is always the same."""
    keys = [f"room {number}" for number in range(4_000)]
    shards = [answer(key, 4) for key in keys]
    if any(not isinstance(shard, int) or shard not in range(4) for shard in shards):
        return "A number from 0 to 3 is wanted for four shards."
    if shards != [answer(key, 4) for key in keys]:
        return "The same key must always give the same shard, or nothing is found again."
    if shards[::-1] != [answer(key, 4) for key in keys[::-1]]:
        return "Asked in another order, a key went to another shard: nothing would be found again."
    counts = Counter(shards)
    busiest = max(counts.values())
    if len(counts) < 4 or busiest > 1_200:
        return f"Of 4,000 keys, {busiest:,} go to one shard. About 1,000 each would be fair."
    for number in (3, 7):
        if {answer(key, number) for key in keys} != set(range(number)):
            return f"With {number} shards, each of them should get keys, from 0 to {number - 1}."
    return None


_SPREAD = Measure(
    id="14.4",
    starter="""
        from goim_edu.exercises.chapter_14 import hash_number

        def shard_of(key, shards):
            return 0 if key < "room 5" else 1

        answer = shard_of
    """,
    solved=('0 if key < "room 5" else 1', "hash_number(key) % shards"),
    judge=_judge_spread,
    wrong=(
        (3, "function itself"),
        (lambda key, shards: 0, "go to one shard"),
        (lambda key, shards: hash(key) % shards, "from process to process"),
        (lambda key, shards: hash_number(key), "from 0 to 3"),
        (lambda key, shards: len(key) % shards, "go to one shard"),
        (lambda key, shards, seen=[]: (seen.append(key), len(seen) % shards)[1], "another order"),
        (lambda key, shards: hash_number(key) % 4, "With 3 shards"),
    ),
)

# ---------------------------------------------------------------------- 14.5


_SPLIT = Function(
    id="14.5",
    starter="""
        def split_point(keys, most):
            return keys[len(keys) // 2]
    """,
    kind="mend",
    reference=split_point,
    cases=(
        (["a", "b"], 4),
        (["a", "b", "c", "d"], 4),
        (["a", "b", "c", "d", "e"], 4),
        (["e", "a", "d", "b", "c"], 4),
        (["a", "a", "a", "a", "b"], 4),
        (["lobby"] * 9, 4),
    ),
    make=lambda c: (c.some(0, 9, lambda: c.pick("aabcd")), c.integer(1, 5)),
    wrong=(
        ("if len(keys) <= most:", "if len(keys) < most:"),
        ("ordered = sorted(keys)", "ordered = list(keys)"),
        ("max(ordered[len(ordered) // 2], higher[0])", "ordered[len(ordered) // 2]"),
        ("if not higher:\n        return None", "higher = higher or ordered"),
    ),
)

# ---------------------------------------------------------------------- 14.6

_STANDALONE = Predict(id="14.6", right="b")

# ---------------------------------------------------------------------- 14.7


def _count_asked(function: Callable[..., Any], questions: list[dict[str, str]], key: str) -> int:
    return sum(len(function(question, key, CHUNKS)) for question in questions)


def _questions() -> list[dict[str, str]]:
    rooms = [{"room_id": room} for room in ("lobby", "tea", "apple")] * 30
    return rooms + [{"user_id": "lisa"}] * 10


def _judge_asked(answer: Any) -> str | None:
    if not isinstance(answer, dict) or set(answer) != {"room_id", "user_id"}:
        return "A dictionary with the keys `room_id` and `user_id` is wanted."
    for key in ("room_id", "user_id"):
        right = _count_asked(shards_asked, _questions(), key)
        if answer[key] == right:
            continue
        if answer[key] == len(_questions()):
            return f"For `{key}` you counted the questions. Count the shards that each one asks."
        return (
            f"For `{key}` you found {answer[key]!r}. Add up `len(shards_asked(...))` over all 100 "
            "questions."
        )
    return None


_KEYS = Measure(
    id="14.7",
    starter="""
        from goim_edu.exercises.chapter_14 import CHUNKS, shards_asked

        questions = [{"room_id": room} for room in ("lobby", "tea", "apple")] * 30
        questions += [{"user_id": "lisa"}] * 10
        answer = {}
        for shard_key in ("room_id", "user_id"):
            answer[shard_key] = len(questions)
    """,
    solved=(
        "answer[shard_key] = len(questions)",
        (
            "asked = [len(shards_asked(question, shard_key, CHUNKS)) for question in questions]\n"
            "    answer[shard_key] = sum(asked)"
        ),
    ),
    judge=_judge_asked,
    wrong=(
        ({"room_id": 100, "user_id": 100}, "counted the questions"),
        ({"room_id": 300, "user_id": 300}, "Add up"),
        (120, "dictionary"),
    ),
)
