"""Exercises of chapter 14: sharding, on models (MongoDB manual, "Sharding")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from goim_edu.exercises.model import (
    Case,
    Exercise,
    Function,
    Measure,
    Option,
    Predict,
    Wrong,
    code,
)
from goim_edu.exercises.samples import Choices
from goim_edu.storage.sharding import hash_number, shard_for, split_point

__all__ = ["CHUNKS", "EXERCISES", "hash_number", "shards_asked"]

CHUNKS: Final = [("", "A"), ("k", "B"), ("t", "C")]
"""Three chunks of a collection, by room: from which key on, and on which shard."""


# ---------------------------------------------------------------------- 14.1


def _keys_and_chunks(c: Choices) -> tuple[str, list[tuple[str, str]]]:
    bounds = sorted({"", *c.some(0, 4, lambda: c.pick("bdfhkmt"))})
    key = c.pick(("a", "b", "c", "d", "k", "kitchen", "t", "z", "lobby"))
    return key, [(bound, "ABCDE"[number]) for number, bound in enumerate(bounds)]


_SHARD_FOR = Function(
    id="14.1",
    title="Which shard has it?",
    statement="""A collection is cut into chunks by ranges of its shard key. `chunks` is a
        sorted list of `(bound, shard)`: a chunk holds the keys from its bound on (that key
        included) up to the bound of the next (not included); the first bound is `""`, below
        all. Write `shard_for(key, chunks)`.""",
    needs="from bisect import bisect_right",
    starter="""
        def shard_for(key, chunks):
            return chunks[0][1]
    """,
    reference=shard_for,
    cases=(
        Case(
            ("lobby", CHUNKS),
            "`lobby`, between `k` and `t`",
            "`k` <= `lobby` < `t`: the second.",
        ),
        Case(("apple", CHUNKS), "a key in the first chunk", "It is below the second bound."),
        Case(("zoo", CHUNKS), "a key in the last chunk", "The last chunk has no upper bound."),
        Case(
            ("k", CHUNKS),
            "a key that is a bound itself",
            "A chunk includes its lower bound: `k` is the first key of the second chunk.",
        ),
        Case(("any", [("", "A")]), "a collection of one chunk", "All keys are in it."),
    ),
    make=_keys_and_chunks,
    hints=(
        "Look for the last chunk whose bound is not above the key.",
        "Go through all chunks, and remember the shard as long as `bound <= key`.",
    ),
    wrong=(
        Wrong(
            "includes its lower bound",
            whole="""
                def shard_for(key, chunks):
                    found = chunks[0][1]
                    for bound, shard in chunks:
                        if bound < key:
                            found = shard
                    return found
            """,
            tip="a key that is a bound itself lands in the chunk below.",
        ),
        Wrong(
            "the second",
            whole="""
                def shard_for(key, chunks):
                    for bound, shard in chunks:
                        if bound <= key:
                            return shard
            """,
            tip="""the first chunk whose bound is below is taken, and that is always the first
                of all.""",
        ),
        Wrong(
            "no upper bound",
            whole="""
                def shard_for(key, chunks):
                    for (bound, shard), (upper, _) in zip(chunks, chunks[1:]):
                        if bound <= key < upper:
                            return shard
                    return chunks[0][1]
            """,
            tip="the last chunk is never looked at, since no bound follows it.",
        ),
        Wrong(
            "the second",
            whole="""
                from bisect import bisect_right

                def shard_for(key, chunks):
                    return chunks[bisect_right([bound for bound, _ in chunks], key)][1]
            """,
            tip="`bisect_right` gives the place *behind* the chunk: one must be taken off.",
        ),
    ),
    after="mongos does this with the table of the config servers.",
)

# ---------------------------------------------------------------------- 14.2


def shards_asked(query: dict[str, str], shard_key: str, chunks: list[tuple[str, str]]) -> list[str]:
    """The shards that a query must be sent to: one if it names the shard key, else all."""
    if shard_key not in query:
        return sorted({shard for _, shard in chunks})
    owner = [shard for bound, shard in chunks if bound <= query[shard_key]][-1]
    return [owner]


_TWO_ON_A: Final = [("", "A"), ("k", "B"), ("t", "A")]
_TARGETS = Function(
    id="14.2",
    title="Targeted or scattered",
    statement="""The router knows the chunks. A query that names the shard key (equality) goes
        to one shard, all others to every shard. Write `shards_asked(query, shard_key, chunks)`
        for a query as a dictionary, field -> value: the sorted list of the shards that are
        asked, each once. `chunks` is as in 14.1, and one shard may have several.""",
    starter="""
        def shards_asked(query, shard_key, chunks):
            return [shard for bound, shard in chunks]
    """,
    reference=shards_asked,
    cases=(
        Case(
            ({"room_id": "lobby"}, "room_id", CHUNKS),
            "a query for a room",
            "The shard key is named, so only the owner of its chunk is asked.",
        ),
        Case(
            ({"user_id": "lisa"}, "room_id", CHUNKS),
            "a query for a user",
            "The shard key is `room_id`: nobody knows where Lisa wrote, so all must be asked.",
        ),
        Case(
            ({"user_id": "lisa"}, "room_id", _TWO_ON_A),
            "a query for a user; shard A has two chunks",
            "Each shard is asked once, however many chunks it has.",
        ),
        Case(
            ({"room_id": "tea", "user_id": "lisa"}, "room_id", CHUNKS),
            "a query for a user in a room",
            "The shard key is among the fields: one shard.",
        ),
        Case(({}, "room_id", CHUNKS), "a query for everything", "All shards."),
        Case(
            ({"room_id": "tea", "user_id": "lisa"}, "user_id", CHUNKS),
            "the same query, with `user_id` as the shard key",
            "The value of the *shard key* decides: `lisa`, not `tea`.",
        ),
    ),
    make=lambda c: (
        {
            field: c.pick(("lobby", "tea", "apple", "lisa"))
            for field in c.some(0, 2, lambda: c.pick(("room_id", "user_id")))
        },
        "room_id",
        c.pick((CHUNKS, _TWO_ON_A)),
    ),
    hints=(
        "`sorted({shard for bound, shard in chunks})` are all shards, each once.",
        "If the shard key is in the query: the last chunk whose bound is not above its value.",
    ),
    wrong=(
        Wrong(
            "only the owner",
            "if shard_key not in query:",
            "if True:",
            tip="every query is sent to all shards.",
        ),
        Wrong(
            "asked once",
            "sorted({shard for _, shard in chunks})",
            "[shard for _, shard in chunks]",
            tip="a shard with two chunks is asked twice.",
        ),
        Wrong(
            "KeyError",
            "if shard_key not in query:",
            "if not query:",
            tip="a query without the shard key is not reckoned with.",
        ),
        Wrong(
            "*shard key* decides",
            "query[shard_key]",
            "next(iter(query.values()))",
            tip="the first value of the query is used, whatever field it belongs to.",
        ),
    ),
    after="History is read by room. That is why `room_id` leads the shard key of a chat.",
)

# ---------------------------------------------------------------------- 14.3

_HOT = Predict(
    id="14.3",
    title="Where do new messages go?",
    statement="""Messages are sharded by ranges of `created_at`, over four shards. 1,000 new
        messages are written. How many of them go to the busiest shard?""",
    answer=1_000,
    wrong={
        250: "So it would be if new times were spread over all ranges. But all of them are *now*.",
        500: "All new times are higher than all old ones. In which range are they?",
        0: "Some shard must take them.",
    },
    otherwise="All new messages have times above every bound.",
    experiment=code("""
        from collections import Counter
        from goim_edu.exercises.chapter_14 import shard_for

        chunks = [("", "A"), ("2026-03", "B"), ("2026-06", "C"), ("2026-09", "D")]
        times = [f"2026-11-23T13:56:{n // 20:02}.{n % 20 * 50:03}" for n in range(1000)]
        max(Counter(shard_for(time, chunks) for time in times).values())
    """),
    hints=(
        "Is a new time ever lower than an old one?",
        "Which chunk has no upper bound?",
    ),
    after="One hot shard, and three that rest: a key that only grows is a bad one for ranges.",
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
    counts = Counter(shards)
    busiest = max(counts.values())
    if len(counts) < 4 or busiest > 1_200:
        return f"Of 4,000 keys, {busiest:,} go to one shard. About 1,000 each would be fair."
    return None


_SPREAD = Measure(
    id="14.4",
    title="Spread the load",
    statement="""Make `shard_of(key, shards)`: a number from 0 to `shards - 1` for a text, so
        that 4,000 keys that are much alike (`room 0`, `room 1`, ...) are spread fairly, and the
        same key always gives the same shard. `hash_number(key)` makes a number of a text. How
        many go to the busiest shard is counted. The answer is your function.""",
    starter=code("""
        from goim_edu.exercises.chapter_14 import hash_number

        def shard_of(key, shards):
            return 0 if key < "room 5" else 1

        answer = shard_of
    """),
    solution=code("""
        from goim_edu.exercises.chapter_14 import hash_number

        def shard_of(key, shards):
            return hash_number(key) % shards

        answer = shard_of
    """),
    judge=_judge_spread,
    wrong=(
        (3, "function itself"),
        (lambda key, shards: 0, "go to one shard"),
        (lambda key, shards: hash(key) % shards, "from process to process"),
        (lambda key, shards: hash_number(key), "from 0 to 3"),
        (lambda key, shards: len(key) % shards, "go to one shard"),
    ),
    hints=(
        "`hash_number(key)` is a huge number that looks random.",
        "`% shards` brings it down to 0 ... `shards - 1`.",
    ),
    after="The price of a hashed key: neighbours are torn apart, so ranges ask all shards.",
)

# ---------------------------------------------------------------------- 14.5


_SPLIT = Function(
    id="14.5",
    title="Split a chunk",
    statement="""A chunk with more than `most` documents is cut in two. Write `split_point(keys,
        most)` for the shard keys of its documents: `None` if they are not too many; else the
        key in the middle of the sorted list (of an even number the upper one), which becomes
        the lower bound of the new chunk. Documents with the same key cannot be parted: a bound
        must be higher than the lowest key, so take the next higher key if need be, and `None`
        if all are the same.""",
    starter="""
        def split_point(keys, most):
            return keys[len(keys) // 2]
    """,
    kind="mend",
    reference=split_point,
    cases=(
        Case((["a", "b"], 4), "few documents", "They are not too many: nothing to cut."),
        Case((["a", "b", "c", "d"], 4), "exactly as many as allowed", "4 are not more than 4."),
        Case(
            (["a", "b", "c", "d", "e"], 4),
            "five documents, four allowed",
            "The middle one is `c`: two below, three from it on.",
        ),
        Case(
            (["e", "a", "d", "b", "c"], 4),
            "the same, not sorted",
            "The middle of the *sorted* keys is wanted.",
        ),
        Case(
            (["a", "a", "a", "a", "b"], 4),
            "four documents with the lowest key",
            """`a` in the middle is the lowest key: a cut there would part nothing. The next
                higher key is `b`.""",
        ),
        Case(
            (["lobby"] * 9, 4),
            "nine documents with one key",
            "They cannot be parted: such a chunk is called jumbo, and stays as it is.",
        ),
    ),
    make=lambda c: (c.some(0, 9, lambda: c.pick("aabcd")), c.integer(1, 5)),
    hints=(
        "`sorted(keys)[len(keys) // 2]` is the middle.",
        "If that is the lowest key, look for the first that is higher.",
        "If there is none, all are the same: `None`.",
    ),
    wrong=(
        Wrong(
            "4 are not more than 4",
            "if len(keys) <= most:",
            "if len(keys) < most:",
            tip="a chunk that is just full is cut already.",
        ),
        Wrong(
            "*sorted* keys",
            "ordered = sorted(keys)",
            "ordered = list(keys)",
            tip="the keys are taken as they come.",
        ),
        Wrong(
            "part nothing",
            "max(ordered[len(ordered) // 2], higher[0])",
            "ordered[len(ordered) // 2]",
            tip="the cut may be at the lowest key, and then one half is empty.",
        ),
        Wrong(
            "cannot be parted",
            "if not higher:\n        return None",
            "higher = higher or ordered",
            tip="a chunk whose documents all have one key is cut all the same.",
        ),
    ),
    after="""A room that holds half of all messages makes a jumbo chunk, if only `room_id` is
        the key.""",
)

# ---------------------------------------------------------------------- 14.6

_STANDALONE = Predict(
    id="14.6",
    title="What may a shard be?",
    statement="""The notes say that a shard may be a single MongoDB, and that a replica set is
        strongly recommended. What does the manual say?""",
    options=(
        Option(
            "A single one will do; a replica set is recommended.",
            "So it was long ago. It has changed.",
        ),
        Option(
            "A shard must be a replica set.",
            "Since version 3.6, shards must be deployed as replica sets.",
            right=True,
        ),
        Option(
            "A shard must be a replica set with at least seven members.",
            "Seven is the most members that may vote, not the least.",
        ),
        Option(
            "A shard is a part of `mongos`.",
            "`mongos` routes, and keeps no data.",
        ),
    ),
    source='MongoDB manual, "Sharded Cluster Components".',
    hints=(
        "What would become of the chunks of a single machine that fails?",
        "Look at the manual for what changed in version 3.6.",
    ),
)

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
    title="Which shard key asks less?",
    statement="""A chat asks 100 questions: 90 for a room and 10 for a user (`questions` below).
        How many requests do the three shards of `CHUNKS` get in all, if the shard key is
        `room_id`, and how many if it is `user_id`? `shards_asked(query, shard_key, chunks)` is
        a model of the router. The answer is a dictionary, shard key -> requests.""",
    starter=code("""
        from goim_edu.exercises.chapter_14 import CHUNKS, shards_asked

        questions = [{"room_id": room} for room in ("lobby", "tea", "apple")] * 30
        questions += [{"user_id": "lisa"}] * 10
        answer = {}
        for shard_key in ("room_id", "user_id"):
            answer[shard_key] = len(questions)
    """),
    solution=code("""
        from goim_edu.exercises.chapter_14 import CHUNKS, shards_asked

        questions = [{"room_id": room} for room in ("lobby", "tea", "apple")] * 30
        questions += [{"user_id": "lisa"}] * 10
        answer = {}
        for shard_key in ("room_id", "user_id"):
            asked = [len(shards_asked(question, shard_key, CHUNKS)) for question in questions]
            answer[shard_key] = sum(asked)
    """),
    judge=_judge_asked,
    wrong=(
        ({"room_id": 100, "user_id": 100}, "counted the questions"),
        ({"room_id": 300, "user_id": 300}, "Add up"),
        (120, "dictionary"),
    ),
    hints=(
        "A question that names the shard key costs one request, any other costs three.",
        "`sum(len(shards_asked(question, shard_key, CHUNKS)) for question in questions)`",
    ),
    after="Choose the key by the questions that are asked most.",
)

EXERCISES: tuple[Exercise, ...] = (
    _SHARD_FOR,
    _TARGETS,
    _HOT,
    _SPREAD,
    _SPLIT,
    _STANDALONE,
    _KEYS,
)
