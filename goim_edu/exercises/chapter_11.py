"""Exercises of chapter 11: indexes and paging (MongoDB manual, "Indexes")."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict, code

__all__ = ["Shelf", "usable_fields"]


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
    starter="""
        def usable_fields(index, query):
            return len([field for field in index if field in query])
    """,
    kind="mend",
    reference=usable_fields,
    cases=(
        (["room_id", "created_at"], ["room_id"]),
        (["room_id", "created_at"], ["created_at"]),
        (["room_id", "created_at"], ["created_at", "room_id"]),
        (["room_id", "user_id", "created_at"], ["room_id", "created_at"]),
        (["room_id"], ["user_id"]),
        (["room_id"], []),
    ),
    make=lambda c: (
        list(dict.fromkeys(c.some(1, 4, lambda: c.pick(_FIELDS)))),
        list(dict.fromkeys(c.some(0, 4, lambda: c.pick(_FIELDS)))),
    ),
    wrong=(
        ("break", "continue"),
        (
            "for field in index:",
            "for field, asked in zip(index, query):",
            "field not in query",
            "field != asked",
        ),
        """
            def usable_fields(index, query):
                return len(index) if set(index) <= set(query) else 0
        """,
        """
            def usable_fields(index, query):
                if not index or index[0] not in query:
                    return 0
                return len([field for field in index if field in query])
        """,
    ),
)

# ---------------------------------------------------------------------- 11.2

_NO_INDEX = Predict(
    id="11.2",
    right="c",
    experiment="""
        from goim_edu.exercises.chapter_11 import usable_fields

        questions = {
            "the newest messages of a room": ["room_id"],
            "a room between two times": ["room_id", "created_at"],
            "everything since yesterday, in all rooms": ["created_at"],
            "all messages of a room": ["room_id"],
        }
        index = ["room_id", "created_at"]
        [name for name, fields in questions.items() if usable_fields(index, fields) == 0][0]
    """,
)

# ---------------------------------------------------------------------- 11.3

_Message = tuple[int, int]


def next_page(messages: list[_Message], last: _Message | None, size: int) -> list[_Message]:
    """The newest ``size`` messages before ``last``, newest first; each is (seq, created_at)."""
    older = [message for message in messages if last is None or message[0] < last[0]]
    return older[::-1][:size]


def _all_pages(function: Callable[..., Any], messages: list[_Message], size: int) -> Any:
    """Page by page to the beginning, as a reader does by scrolling up: the numbers on each."""
    last = None
    pages: list[list[int]] = []
    for _ in range(len(messages) + 2):
        page = function(messages, last, size)
        if not isinstance(page, (list, tuple)) or any(
            not isinstance(message, (list, tuple)) or len(message) != 2 for message in page
        ):
            return page  # no page of messages at all: the learner sees it as it is
        if not page:
            return pages
        pages.append([seq for seq, _ in page])
        last = page[-1]
    return pages


def _history(c: Choices) -> tuple[list[_Message], int]:
    now = 1_000
    seq = 0
    messages = []
    for _ in range(c.integer(0, 9)):
        seq += c.pick((1, 1, 3))
        now += c.pick((0, 1, 0))
        messages.append((seq, now))
    return messages, c.integer(1, 4)


_PAGING = Function(
    id="11.3",
    kind="mend",
    starter="""
        def next_page(messages, last, size):
            older = [message for message in messages if last is None or message[1] < last[1]]
            return older[::-1][:size]
    """,
    reference=next_page,
    drive=_all_pages,
    usage="messages = {0}\nsize = {1}",
    cases=(
        ([(1, 100), (2, 101), (3, 102)], 2),
        ([(1, 100), (2, 100), (3, 100)], 2),
        ([(1, 100), (2, 101), (3, 101), (4, 101), (5, 102)], 2),
        ([], 2),
        ([(1, 100), (2, 100)], 2),
        ([(2, 100), (3, 100), (7, 101)], 2),
    ),
    make=_history,
    wrong=(
        ("message[0] < last[0]", "message[1] < last[1]"),
        ("message[0] < last[0]", "message[0] <= last[0]"),
        ("message[0] < last[0]", "message[1] <= last[1] and message != last"),
        ("older[::-1][:size]", "older[:size][::-1]"),
        ("older[::-1][:size]", "messages[::-1] if last is None else []"),
    ),
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
    starter="""
        from goim_edu.exercises.chapter_11 import Shelf

        shelf = Shelf()
        answer = {}
        shelf.newest("room 7", 20, use_index=False)
        answer["scan"] = shelf.examined
    """,
    solved=(
        'answer["scan"] = shelf.examined',
        code("""
            answer["scan"] = shelf.examined
            shelf.newest("room 7", 20, use_index=True)
            answer["index"] = shelf.examined
            shelf.newest("room 7", 20, use_index=True, skip=900)
            answer["skip"] = shelf.examined
            shelf.newest("room 7", 20, use_index=True, before_seq=101)
            answer["cursor"] = shelf.examined
        """),
    ),
    judge=_judge_examined,
    wrong=(
        ({"scan": 100_000, "index": 20, "skip": 20, "cursor": 20}, "thrown away"),
        ({"scan": 1_000}, "that is one room"),
        ({"scan": 100_000, "index": 20, "skip": 920}, "'cursor' is missing"),
        ({"scan": 100_000, "index": 1}, "right after the query"),
        (20, "dictionary"),
    ),
)

# ---------------------------------------------------------------------- 11.5

_WRITE_COST = Predict(
    id="11.5",
    answer=5,
    experiment="""
        from goim_edu.store import message_indexes
        len(message_indexes()) + 1
    """,
)

# ---------------------------------------------------------------------- 11.6

_ESR = Predict(id="11.6", right="c")
