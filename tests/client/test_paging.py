"""Long answers from pages: the same as the store would give, whatever a page leaves out."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.chat.vocabulary import (
    MAX_HISTORY,
    MAX_MEMBERS,
    ChatMessage,
    History,
    HistoryPage,
    Members,
    MembersPage,
)
from goim_edu.client.paging import read_history, read_members
from goim_edu.store import MemoryBackend, MessageStore

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Server:
    """Answers questions about a room with these numbers; a page has at most ``most`` messages."""

    def __init__(self, seqs: list[int], most: int = MAX_HISTORY) -> None:
        self.seqs = seqs
        self.most = most
        self.asked = 0

    def answer(self, question: Any) -> Any:
        self.asked += 1
        assert question.room_id == "r"
        if isinstance(question, Members):
            names = [f"user{seq:04}" for seq in self.seqs]
            later = [name for name in names if name > (question.after or "")]
            page = later[: min(question.limit, self.most)]
            return MembersPage("r", page, len(names), len(later) > len(page))
        assert isinstance(question, History)
        assert 1 <= question.limit <= MAX_HISTORY
        end = 2**63 if question.before_seq is None else question.before_seq
        earlier = [seq for seq in self.seqs if seq < end]
        kept = earlier[-min(question.limit, self.most) :]
        messages = [ChatMessage("r", seq, "u", f"k{seq}", "", NOON) for seq in kept]
        return HistoryPage("r", messages, len(kept) < len(earlier))

    def read(self, reading: Generator[Any, Any, Any]) -> Any:
        try:
            question = next(reading)
            while True:
                question = reading.send(self.answer(question))
        except StopIteration as end:
            return end.value

    def history(self, before: int | None, after: int | None, limit: int) -> list[int]:
        return [one.seq for one in self.read(read_history("r", before, after, limit))]


bounds = st.none() | st.integers(0, 60)


@given(
    st.sets(st.integers(1, 50)), bounds, bounds, st.integers(1, 60), st.sampled_from([1, 3, 200])
)
def test_history_is_what_was_asked_for(
    seqs: set[int], before: int | None, after: int | None, limit: int, most: int
) -> None:
    """Also with holes in the numbers, and with pages that are shorter than was asked for."""
    server = Server(sorted(seqs), most)
    low, high = after or 0, 100 if before is None else before
    wanted = [seq for seq in sorted(seqs) if low < seq < high]
    wanted = wanted[-limit:] if after is None else wanted[:limit]
    assert server.history(before, after, limit) == wanted


def test_history_is_what_the_store_gives() -> None:
    store = MessageStore(MemoryBackend())
    for number in range(1, 31):
        store.submit("r", "u", str(number), client_msg_id=f"k{number}")
    store.flush()
    server = Server(list(range(1, 31)))
    for before in (None, 0, 1, 12, 31, 99):
        for after in (None, 0, 11, 29, 30, 99):
            found = store.history("r", before_seq=before, after_seq=after, limit=7)
            assert server.history(before, after, 7) == [one.seq for one in found]
    store.close()


def test_more_than_a_page_comes_in_pages() -> None:
    server = Server(list(range(1, 1001)))
    assert server.history(None, None, 450) == list(range(551, 1001))
    assert server.asked == 3
    assert server.history(None, 100, 200) == list(range(101, 301))
    assert server.asked == 4, "one question for one page"


def test_a_wide_hole_is_crossed_in_few_steps() -> None:
    server = Server([1, 2, 1_000_000, 1_000_001])
    assert server.history(None, 1, 3) == [2, 1_000_000, 1_000_001]
    assert server.asked < 50


def test_members_come_from_all_pages() -> None:
    server = Server(list(range(2 * MAX_MEMBERS + 1)))
    names = server.read(read_members("r"))
    assert names == [f"user{number:04}" for number in range(2 * MAX_MEMBERS + 1)]
    assert server.asked == 3


@pytest.mark.parametrize(
    ("numbers", "error"),
    [
        ((-1, None, 5), "before_seq must be 0 to"),
        ((None, 2**63, 5), "after_seq must be 0 to"),
        ((None, None, 0), "limit must be 1 to"),
        (("7", None, 5), "before_seq is an int, not the str '7'"),
    ],
)
def test_a_number_out_of_its_range_is_named(numbers: Any, error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        next(read_history("r", *numbers))
