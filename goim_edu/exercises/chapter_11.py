"""Exercises of chapter 11: indexes and paging (MongoDB manual, "Indexes")."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache
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

__all__ = ["EXERCISES", "Shelf", "usable_fields"]


class Shelf:
    """A model of a collection with one index, which counts what it has to look at.

    It is a model and no MongoDB; chapter 11 shows that a real ``explain()`` gives the same figures.

    Args:
        rooms: how many rooms there are.
        each: how many messages each has; they were said in turn.

    Attributes:
        examined: how many entries of the index the last query looked at; without it, documents.

    >>> shelf = Shelf(rooms=10, each=100)
    >>> len(shelf.newest("room 3", 20, use_index=True)), shelf.examined
    (20, 20)
    """

    def __init__(self, rooms: int = 100, each: int = 1_000) -> None:
        self.documents = [
            (f"room {number % rooms}", number // rooms + 1) for number in range(rooms * each)
        ]
        self._index = sorted(self.documents)
        self.examined = 0

    def newest(
        self,
        room_id: str,
        limit: int,
        *,
        use_index: bool,
        skip: int = 0,
        before_seq: int | None = None,
    ) -> list[int]:
        """The ``seq`` of the newest messages of a room, newest first.

        Args:
            room_id: the room.
            limit: how many are wanted.
            use_index: by the index (room_id, seq), or by looking at every document.
            skip: how many are found and thrown away first.
            before_seq: only messages with a lower number.
        """
        self.examined = 0
        top = 1 << 62 if before_seq is None else before_seq
        if not use_index:
            self.examined = len(self.documents)
            found = sorted((seq for room, seq in self.documents if room == room_id), reverse=True)
            return [seq for seq in found if seq < top][skip : skip + limit]
        at = bisect_left(self._index, (room_id, top))
        page: list[int] = []
        while at > 0 and self._index[at - 1][0] == room_id and len(page) < limit:
            at -= 1
            self.examined += 1
            if self.examined > skip:
                page.append(self._index[at][1])
        return page


# ---------------------------------------------------------------------- 11.1


def usable_fields(index: list[str], query: list[str]) -> int:
    """How many leading fields of an index a query with equalities can use (the prefix rule)."""
    count = 0
    for field in index:
        if field not in query:
            break
        count += 1
    return count


_FIELDS: Final = ("room_id", "seq", "user_id", "created_at")
_PREFIX = Function(
    id="11.1",
    title="The prefix rule",
    statement="""An index on `room_id, user_id, created_at` is sorted by `room_id`, within that
        by `user_id`, and so on. A query that asks for equality on some fields can only use
        leading fields of it, without a gap. Write `usable_fields(index, query)` for two lists
        of field names: how many leading fields of the index are usable.""",
    starter="""
        def usable_fields(index, query):
            return len([field for field in index if field in query])
    """,
    kind="mend",
    reference=usable_fields,
    cases=(
        Case((["room_id", "created_at"], ["room_id"]), "the first field", "One field is usable."),
        Case(
            (["room_id", "created_at"], ["created_at"]),
            "only the second field",
            """Like a telephone book and a first name: without the leading field the order does
                not help.""",
        ),
        Case(
            (["room_id", "created_at"], ["created_at", "room_id"]),
            "both fields, asked for in the other order",
            "The order of the fields in the *query* does not matter.",
        ),
        Case(
            (["room_id", "user_id", "created_at"], ["room_id", "created_at"]),
            "the first and the third field",
            "There is a gap at `user_id`: behind it the index is no longer sorted as needed.",
        ),
        Case((["room_id"], ["user_id"]), "another field", "Nothing of it is usable."),
        Case((["room_id"], []), "a query for everything", "No field is asked for."),
    ),
    make=lambda c: (
        list(dict.fromkeys(c.some(1, 4, lambda: c.pick(_FIELDS)))),
        list(dict.fromkeys(c.some(0, 4, lambda: c.pick(_FIELDS)))),
    ),
    hints=(
        "Go through the index from the left, and stop at the first field that is not asked for.",
        "`break` ends a loop.",
    ),
    wrong=(
        Wrong(
            "telephone book",
            "break",
            "continue",
            tip="all fields are counted that occur in both, gaps or not.",
        ),
        Wrong(
            "order of the fields in the *query*",
            whole="""
                def usable_fields(index, query):
                    count = 0
                    for ours, asked in zip(index, query):
                        if ours != asked:
                            break
                        count += 1
                    return count
            """,
            tip="the fields of the query must stand in the same order in yours; they need not.",
        ),
        Wrong(
            "first field",
            whole="""
                def usable_fields(index, query):
                    return len(index) if set(index) <= set(query) else 0
            """,
            tip="all fields of the index must be asked for in yours; a leading part is enough.",
        ),
        Wrong(
            "gap at `user_id`",
            whole="""
                def usable_fields(index, query):
                    if not index or index[0] not in query:
                        return 0
                    return len([field for field in index if field in query])
            """,
            tip="after the first field, gaps do not matter in yours.",
        ),
    ),
    after="""MongoDB may still read an index behind a gap, entry by entry, to filter: that is a
        scan.""",
)

# ---------------------------------------------------------------------- 11.2

_NO_INDEX = Predict(
    id="11.2",
    title="Which question is not helped?",
    statement="""The notes have an index `room_created_desc` on `room_id` and `created_at`.
        Which of these questions can use *no* part of its order?""",
    options=(
        Option(
            "the newest messages of a room",
            "`room_id` leads, and within a room the entries are sorted by time: just made for it.",
        ),
        Option(
            "a room between two times",
            """Equality on the first field and a range on the second: that is one piece of the
                index.""",
        ),
        Option(
            "everything since yesterday, in all rooms",
            """`created_at` comes second, and the first field is not asked for. For that the
                notes have `created_at_desc`.""",
            right=True,
        ),
        Option("all messages of a room", "The leading field alone is a prefix."),
    ),
    experiment=code("""
        from goim_edu.exercises.chapter_11 import usable_fields

        questions = {
            "the newest messages of a room": ["room_id"],
            "a room between two times": ["room_id", "created_at"],
            "everything since yesterday, in all rooms": ["created_at"],
            "all messages of a room": ["room_id"],
        }
        index = ["room_id", "created_at"]
        [name for name, fields in questions.items() if usable_fields(index, fields) == 0][0]
    """),
    hints=(
        "Which field leads?",
        "Which question does not say anything about that field?",
    ),
)

# ---------------------------------------------------------------------- 11.3

_Message = tuple[int, int]


def next_page(messages: list[_Message], last: _Message | None, size: int) -> list[_Message]:
    """The newest ``size`` messages before ``last``, newest first; each is (seq, created_at)."""
    older = [message for message in messages if last is None or message[0] < last[0]]
    return older[::-1][:size]


def _all_pages(function: Callable[..., Any], messages: list[_Message], size: int) -> list[int]:
    """Page by page to the beginning, as a reader who scrolls up."""
    last = None
    seen: list[int] = []
    for _ in range(len(messages) + 2):
        page = function(messages, last, size)
        if not page:
            return seen
        seen += [seq for seq, _ in page]
        last = page[-1]
    return seen


def _history(c: Choices) -> tuple[list[_Message], int]:
    now = 1_000
    messages = []
    for seq in range(1, c.integer(0, 9) + 1):
        now += c.pick((0, 1, 0))
        messages.append((seq, now))
    return messages, c.integer(1, 4)


_PAGING = Function(
    id="11.3",
    title="Mend a history that loses messages",
    kind="mend",
    statement="""A room's history is read page by page, newest first. `messages` are `(seq,
        created_at)`, ascending; `last` is the last message of the page before, or `None`. This
        `next_page` goes by time, and several messages may share a millisecond. Mend it. (It is
        called until a page is empty; what you see are the numbers of all pages in a row.)""",
    starter="""
        def next_page(messages, last, size):
            older = [message for message in messages if last is None or message[1] < last[1]]
            return older[::-1][:size]
    """,
    reference=next_page,
    drive=_all_pages,
    usage="messages = {0}\nsize = {1}",
    cases=(
        Case(
            ([(1, 100), (2, 101), (3, 102)], 2),
            "three messages at three times, pages of two",
            "Newest first: 3 and 2, and then 1.",
        ),
        Case(
            ([(1, 100), (2, 100), (3, 100)], 2),
            "three messages in the same millisecond, pages of two",
            """Who asks for `created_at` below that of the last message never sees the others
                of the same millisecond. `seq` is different for each message: page by that.""",
        ),
        Case(
            ([(1, 100), (2, 101), (3, 101), (4, 101), (5, 102)], 2),
            "a page that ends in the middle of a millisecond",
            "The page ends at 4; 3 and 2 share its millisecond, and must come on the next.",
        ),
        Case(([], 2), "an empty room", "No page."),
        Case(
            ([(1, 100), (2, 100)], 2),
            "a page that is exactly full",
            "No message comes twice either.",
        ),
    ),
    make=_history,
    hints=(
        "Which of the two numbers is different for each message of a room?",
        "`message[0] < last[0]`",
    ),
    wrong=(
        Wrong(
            "same millisecond",
            "message[0] < last[0]",
            "message[1] < last[1]",
            tip="it still goes by time.",
        ),
        Wrong(
            "Newest first",
            "message[0] < last[0]",
            "message[0] <= last[0]",
            tip="the last message of a page is the first of the next again, without end.",
        ),
        Wrong(
            "different for each message",
            "message[0] < last[0]",
            "message[1] <= last[1] and message != last",
            tip="messages of the same millisecond come again and again.",
        ),
        Wrong(
            "3 and 2, and then 1",
            "older[::-1][:size]",
            "older[:size][::-1]",
            tip="the oldest messages come first, and the rest is never reached.",
        ),
    ),
    after="""On the real MongoDB of chapter 11, paging by time brings 955 of 1,000 messages. The
        index `room_seq` serves paging by number.""",
)

# ---------------------------------------------------------------------- 11.4


@cache
def _measured() -> dict[str, int]:
    """The four ways, measured on a shelf of our own."""
    shelf = Shelf()
    ways: dict[str, dict[str, Any]] = {
        "scan": {"use_index": False},
        "index": {"use_index": True},
        "skip": {"use_index": True, "skip": 900},
        "cursor": {"use_index": True, "before_seq": 101},
    }
    found = {}
    for name, settings in ways.items():
        shelf.newest("room 7", 20, **settings)
        found[name] = shelf.examined
    return found


def _judge_examined(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return "A dictionary is wanted: way -> what was examined."
    for name, value in _measured().items():
        if name not in answer:
            return f"The figure for {name!r} is missing."
        if answer[name] == value:
            continue
        if name == "skip" and answer[name] == 20:
            return "For 'skip' you found 20. What is thrown away has been looked at, too."
        if name == "scan" and answer[name] == 1_000:
            return "For 'scan' you found 1,000: that is one room. Without an index all are read."
        return (
            f"For {name!r} you found {answer[name]!r}. `shelf.examined` is about the last query "
            "only: read it right after the query."
        )
    return None


_EXAMINED = Measure(
    id="11.4",
    title="How much is looked at for one page?",
    statement="""`Shelf()` is a model of a collection with 100,000 messages in 100 rooms; it
        counts in `shelf.examined` what a query looks at: entries of its index, or all documents
        if it uses none. Get 20 messages of `room 7` in four ways: without index (`scan`), by
        the index (`index`), with `skip=900` (`skip`), and with `before_seq=101` (`cursor`),
        which brings the same page as the skip. The answer is a dictionary, way ->
        `shelf.examined`.""",
    starter=code("""
        from goim_edu.exercises.chapter_11 import Shelf

        shelf = Shelf()
        answer = {}
        shelf.newest("room 7", 20, use_index=False)
        answer["scan"] = shelf.examined
    """),
    solution=code("""
        from goim_edu.exercises.chapter_11 import Shelf

        shelf = Shelf()
        answer = {}
        shelf.newest("room 7", 20, use_index=False)
        answer["scan"] = shelf.examined
        shelf.newest("room 7", 20, use_index=True)
        answer["index"] = shelf.examined
        shelf.newest("room 7", 20, use_index=True, skip=900)
        answer["skip"] = shelf.examined
        shelf.newest("room 7", 20, use_index=True, before_seq=101)
        answer["cursor"] = shelf.examined
    """),
    judge=_judge_examined,
    wrong=(
        ({"scan": 100_000, "index": 20, "skip": 20, "cursor": 20}, "thrown away"),
        ({"scan": 1_000}, "that is one room"),
        ({"scan": 100_000, "index": 20, "skip": 920}, "'cursor' is missing"),
        ({"scan": 100_000, "index": 1}, "right after the query"),
        (20, "dictionary"),
    ),
    hints=(
        "Add three more queries, each followed by a line that keeps `shelf.examined`.",
        "`shelf.newest('room 7', 20, use_index=True, skip=900)`",
    ),
    after="The skip grows with each page, the cursor does not: page 1,000 costs as much as page 1.",
)

# ---------------------------------------------------------------------- 11.5

_WRITE_COST = Predict(
    id="11.5",
    title="What does an insert cost?",
    statement="""The collection of this package has the three indexes of the notes and one more,
        for `room_id` and `seq`. Into how many indexes must one insert write an entry?""",
    answer=5,
    wrong={
        4: "Every collection has one index that nobody had to ask for.",
        3: "Three are those of the notes. One more is ours, and one every collection has.",
        1: "Every index on the collection needs an entry, not only the one that a query uses.",
        0: "An index that is not written to would soon miss documents.",
    },
    otherwise="Count all indexes of the collection; one is always there.",
    experiment=code("""
        from goim_edu.store import message_indexes
        len(message_indexes()) + 1
    """),
    hints=(
        "Which field is unique in every collection of MongoDB, without being asked for?",
        "Three, and ours, and the one on `_id`.",
    ),
    after="So an index that no query uses is not free: each insert pays for it.",
)

# ---------------------------------------------------------------------- 11.6

_ESR = Predict(
    id="11.6",
    title="Which order of fields?",
    statement="""A query asks for one room (equality), for messages since a time (range on
        `created_at`), sorted by `seq`. Which index serves it best by the guideline of the
        manual?""",
    options=(
        Option(
            "created_at, room_id, seq",
            "A range in front scatters all that follows: equality should lead.",
        ),
        Option(
            "room_id, created_at, seq",
            """Within the range of times the entries are sorted by time, not by `seq`: the
                results must be sorted in memory.""",
        ),
        Option(
            "room_id, seq, created_at",
            "Equality, sort, range: one room, read in the wanted order, filtered by time.",
            right=True,
        ),
        Option(
            "seq, room_id, created_at",
            "The order would be right, but entries of all rooms would have to be read.",
        ),
    ),
    source='MongoDB manual, "The ESR (Equality, Sort, Range) Guideline".',
    hints=(
        "ESR: equality, sort, range.",
        "Which field is which here?",
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    _PREFIX,
    _NO_INDEX,
    _PAGING,
    _EXAMINED,
    _WRITE_COST,
    _ESR,
)
