"""What waits for a script is bounded, and every message is given out once and in order."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from goim_edu.chat.vocabulary import ChatMessage, Presence, ReadBy, TypingBy
from goim_edu.client.events import ChatEvent
from goim_edu.client.heard import Gap, Heard

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def message(seq: int, room: str = "r") -> ChatMessage:
    return ChatMessage(room, seq, "mei", f"k{seq}", f"text {seq}", NOON)


def take_all(heard: Heard) -> list[int]:
    taken = []
    while (event := heard.take()) is not None:
        assert isinstance(event, ChatMessage)
        taken.append(event.seq)
    return taken


def next_gap(heard: Heard) -> Gap | None:
    """What is to be filled now; a checker takes a property for what it was."""
    return heard.gap


class Script:
    """A script that takes events, and fills gaps from a history of ``stored`` messages."""

    def __init__(self, most: int) -> None:
        self.heard = Heard(most)
        self.heard.enter("r", 0, is_truncated=False)
        self.stored = 0
        self.told = 0
        self.taken: list[int] = []

    def step(self, what: str) -> None:
        if what == "store":
            self.stored += 1
        elif what == "tell" and self.told < self.stored:
            self.told += 1
            self.heard.put(message(self.told))
        elif what == "come back":  # with so much missed that only the newest is told
            self.told = max(self.told, self.stored - 1)
            self.heard.enter("r", self.stored, is_truncated=True)
        elif what == "take":
            self.take()

    def take(self) -> None:
        event = self.heard.take()
        if isinstance(event, ChatMessage):
            self.taken.append(event.seq)
        elif (gap := self.heard.gap) is not None:
            page = range(gap.after + 1, min(gap.after + 3, self.stored + 1))
            self.heard.fill(gap, [message(seq) for seq in page])


@given(
    st.integers(1, 4),
    st.lists(st.sampled_from(["store", "store", "tell", "tell", "take", "come back"])),
)
def test_every_message_is_given_out_once_and_in_order(most: int, steps: list[str]) -> None:
    script = Script(most)
    for step in steps:
        script.step(step)
        assert len(script.heard._events) <= most + 2, "the bound, and the page of a gap"
    while script.told < script.stored:
        script.step("tell")
    for _ in range(3 * script.stored + 1):
        script.take()
    assert script.taken == list(range(1, script.stored + 1))
    assert script.heard.positions == {"r": script.stored}


def test_beyond_the_bound_only_numbers_are_kept() -> None:
    heard = Heard(2)
    heard.begin("r", 10)
    heard.enter("r", 14, is_truncated=False)
    for seq in (11, 12, 13, 14):
        heard.put(message(seq))
    assert (take_all(heard), heard.positions) == ([11, 12], {"r": 12})
    gap = heard.gap
    assert gap is not None
    assert (gap.room_id, gap.after, gap.last) == ("r", 12, 14)
    heard.put(message(15))
    heard.fill(gap, [message(13), message(14)])
    assert next_gap(heard) is gap, "15 is still missing"
    heard.fill(gap, [message(15), message(16)])
    assert next_gap(heard) is None
    heard.put(message(16))  # told after the page that had it
    assert take_all(heard) == [13, 14, 15, 16]


def test_a_history_that_has_no_more_closes_the_gap() -> None:
    heard = Heard(5)
    heard.begin("r", 3)
    heard.enter("r", 2000, is_truncated=True)
    gap = heard.gap
    assert gap is not None
    heard.fill(gap, [])
    assert heard.gap is None


def test_news_is_lost_where_there_is_no_room_for_it() -> None:
    heard = Heard(3)
    heard.enter("r", 0, is_truncated=False)
    news: list[ChatEvent] = [
        Presence("r", ["mei"], [], 1),
        TypingBy("r", "mei"),
        ReadBy("r", "mei", 1),
    ]
    for event in [*news, TypingBy("r", "tom"), message(1)]:
        heard.put(event)
    assert [heard.take() for _ in range(4)] == [*news, None]
    assert heard.gap is not None
    heard.put(TypingBy("r", "tom"))
    assert heard.take() is None, "it would come before the messages of the gap"
    heard.put(TypingBy("elsewhere", "tom"))
    assert heard.take() == TypingBy("elsewhere", "tom")


def test_a_store_that_forgot_begins_anew() -> None:
    heard = Heard(1)
    heard.begin("r", 5)
    heard.enter("r", 8, is_truncated=False)
    for seq in (6, 7, 8):
        heard.put(message(seq))
    heard.enter("r", 2, is_truncated=False)
    assert (heard.gap, heard.positions) == (None, {"r": 2})
    assert take_all(heard) == [6], "it was heard before"
    heard.put(message(3))
    assert take_all(heard) == [3]


def test_nothing_is_heard_of_a_room_that_was_left() -> None:
    heard = Heard(2)
    for room in ("r", "s"):
        heard.enter(room, 0, is_truncated=False)
    for room, seq in (("r", 1), ("s", 1), ("r", 2)):
        heard.put(message(seq, room))
    gap = heard.gap
    assert gap is not None
    heard.forget("r")
    heard.fill(gap, [message(2)])
    event = heard.take()
    assert (event, heard.take(), heard.gap) == (message(1, "s"), None, None)
    assert heard.positions == {"s": 1}
