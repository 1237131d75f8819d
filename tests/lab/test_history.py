"""The checker: right histories pass, and each way to be wrong is found by its own violation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.lab.history import (
    Acked,
    Heard,
    Joined,
    Kind,
    Left,
    Record,
    Refused,
    Sent,
    Violation,
    check_history,
)
from goim_edu.store import StoredMessage

WHEN = datetime(2026, 11, 26, tzinfo=UTC)
ROOM = "lobby"


@dataclass
class Run:
    """A history and what is stored in the end."""

    history: list[Record] = field(default_factory=list)
    stored: list[StoredMessage] = field(default_factory=list)
    clock: count[int] = field(default_factory=count)

    def add(self, kind: type[Record], *values: Any) -> None:
        self.history.append(kind(*values, at=float(next(self.clock))))

    def say(self, number: int, session: str = "s") -> None:
        """Send a message, and have it stored, acknowledged, and told to bo."""
        key = f"m{number}"
        self.add(Sent, session, ROOM, "lisa", key, key)
        self.stored.append(StoredMessage(ROOM, number, "lisa", key, key, WHEN))
        self.add(Acked, session, "lisa", key, number)
        self.tell(number)

    def tell(self, number: int, reader: str = "bo", text: str = "") -> None:
        self.add(Heard, reader, ROOM, number, "lisa", f"m{number}", text or f"m{number}")

    def check(self, **options: bool) -> list[Violation]:
        return check_history(self.history, self.stored, **options)


def right() -> Run:
    """Five messages, and bo, who hears them all."""
    run = Run()
    run.add(Joined, "bo", ROOM, 0)
    for number in range(1, 6):
        run.say(number)
    return run


def index(run: Run, kind: type[Record], number: int) -> int:
    """Where the first record of this kind about a message is."""
    return next(
        place
        for place, one in enumerate(run.history)
        if isinstance(one, kind) and getattr(one, "client_msg_id", "") == f"m{number}"
    )


def changed(record: Record, **values: Any) -> Record:
    """A copy with other values in some fields."""
    return replace(record, **values)


def change(run: Run, kind: type[Record], number: int, **values: Any) -> None:
    place = index(run, kind, number)
    run.history[place] = changed(run.history[place], **values)


def drop(run: Run, kind: type[Record], number: int) -> None:
    del run.history[index(run, kind, number)]


def swap(run: Run, one: int, other: int) -> None:
    """Give two messages each other's number, in the store and wherever it was told."""
    numbers = {one: other, other: one}
    for message in run.stored:
        message.seq = numbers.get(message.seq, message.seq)
    run.history = [
        replace(record, seq=numbers.get(record.seq, record.seq))
        if isinstance(record, Acked | Heard)
        else record
        for record in run.history
    ]


def nobody_listens(run: Run) -> None:
    run.history = [one for one in run.history if not isinstance(one, Joined | Heard)]


def test_a_right_history_passes() -> None:
    assert right().check() == []


def test_the_order_of_the_records_does_not_matter() -> None:
    run = right()
    run.history.reverse()
    assert run.check() == []


def test_an_empty_history_passes() -> None:
    assert check_history([], []) == []


# ------------------------------------------------------------------ each way to be wrong


def lose(run: Run) -> None:
    del run.stored[4]
    drop(run, Heard, 5)


def lose_what_was_heard(run: Run) -> None:
    del run.stored[4]
    drop(run, Acked, 5)


def store_twice(run: Run) -> None:
    run.stored.append(replace(run.stored[2], seq=6))
    run.add(Heard, "bo", ROOM, 6, "lisa", "m3", "m3")


def number_twice(run: Run) -> None:
    run.stored[4].seq = 4
    change(run, Acked, 5, seq=4)
    drop(run, Heard, 5)


def leave_a_hole(run: Run) -> None:
    run.stored[4].seq = 7
    change(run, Acked, 5, seq=7)
    change(run, Heard, 5, seq=7)


def begin_at_two(run: Run) -> None:
    for place, record in enumerate(run.history):
        if isinstance(record, Acked | Heard):
            run.history[place] = replace(record, seq=record.seq + 1)
    for message in run.stored:
        message.seq += 1


def acknowledge_another_number(run: Run) -> None:
    run.add(Acked, "s", "lisa", "m2", 3)


def tell_another_number(run: Run) -> None:
    run.add(Joined, "ed", ROOM, 4)
    run.add(Heard, "ed", ROOM, 5, "lisa", "m4", "m4")


def go_back(run: Run) -> None:
    """What a counter does that was rolled back: one number of a batch is told before the rest."""
    early = run.history.pop(index(run, Heard, 5))
    run.history.insert(index(run, Heard, 3), replace(early, at=run.history[0].at + 0.5))


def repeat(run: Run) -> None:
    run.tell(5)


def repeat_what_was_known(run: Run) -> None:
    run.add(Joined, "bo", ROOM, 5)
    run.tell(5)


def leave_one_out(run: Run) -> None:
    drop(run, Heard, 3)


def leave_out_the_last(run: Run) -> None:
    drop(run, Heard, 5)


def leave_out_after_a_new_connection(run: Run) -> None:
    run.add(Joined, "bo", ROOM, 3)
    run.tell(5)


def leave_out_before_the_connection_is_lost(run: Run) -> None:
    drop(run, Heard, 3)
    run.add(Joined, "bo", ROOM, 5)


def leave_out_what_a_new_connection_takes_for_known(run: Run) -> None:
    drop(run, Heard, 5)
    run.add(Joined, "bo", ROOM, 5)


def tell_another_text(run: Run) -> None:
    change(run, Heard, 2, text="something else")


def store_another_text(run: Run) -> None:
    run.stored[1].text = "something else"


def tell_what_nobody_sent(run: Run) -> None:
    drop(run, Sent, 4)


def store_what_nobody_sent(run: Run) -> None:
    run.stored.append(StoredMessage(ROOM, 6, "eve", "m6", "m6", WHEN))
    run.add(Left, "bo", ROOM)


def store_what_was_refused(run: Run) -> None:
    place = index(run, Acked, 5)
    run.history[place] = Refused("s", "lisa", "m5", "unavailable", at=run.history[place].at)


def turn_round_two_sessions(run: Run) -> None:
    """The second one was sent when the first one was acknowledged, by somebody else."""
    change(run, Sent, 2, session="another")
    swap(run, 1, 2)
    nobody_listens(run)


def turn_round_what_was_heard(run: Run) -> None:
    """No acknowledgement came, but bo had heard the first one when the second one was sent."""
    change(run, Sent, 2, session="another")
    swap(run, 1, 2)
    run.history = [one for one in run.history if not isinstance(one, Acked)]


def turn_round_one_session(run: Run) -> None:
    """Both were under way at the same time, so only their session knows an order."""
    early = run.history.pop(index(run, Sent, 2))
    run.history.insert(index(run, Sent, 1), replace(early, at=run.history[0].at + 0.5))
    nobody_listens(run)


WRONG: list[tuple[Callable[[Run], None], str, str]] = [
    (lose, "lost", "m5 of lisa was acknowledged as number 5, and is not stored"),
    (lose_what_was_heard, "lost", "m5 of lisa was told to bo as number 5, and is not stored"),
    (store_twice, "doubled", "m3 of lisa is stored 2 times"),
    (number_twice, "doubled", "two messages of lobby have number 4"),
    (leave_a_hole, "hole", "lobby has number 7, but not 5 to 6"),
    (begin_at_two, "hole", "lobby has number 2, but not 1"),
    (acknowledge_another_number, "renumbered", "acknowledged as number 3, and is stored as 2"),
    (tell_another_number, "renumbered", "told to ed as number 5, and is stored as 4"),
    (go_back, "out of order", "bo was told number 1 of lobby after 5"),
    (repeat, "repeated", "bo was told number 5 of lobby after 5"),
    (repeat_what_was_known, "repeated", "bo was told number 5 of lobby after 5"),
    (leave_one_out, "missed", "bo was not told number 3 of lobby, m3 of lisa"),
    (leave_out_the_last, "missed", "bo was not told number 5 of lobby, m5 of lisa"),
    (leave_out_after_a_new_connection, "missed", "bo was not told number 4 of lobby"),
    (leave_out_before_the_connection_is_lost, "missed", "bo was not told number 3 of lobby"),
    (leave_out_what_a_new_connection_takes_for_known, "missed", "bo was not told number 5"),
    (tell_another_text, "altered", "and told to bo in lobby as 'something else'"),
    (store_another_text, "altered", "and stored in lobby as 'something else'"),
    (tell_what_nobody_sent, "invented", "m4 of lisa was told to bo, and nobody sent it"),
    (store_what_nobody_sent, "invented", "m6 of eve was stored, and nobody sent it"),
    (store_what_was_refused, "stored though refused", "m5 of lisa was refused each time"),
    (turn_round_two_sessions, "out of order", "m2 of lisa has number 1 in lobby, below 2 of m1"),
    (turn_round_what_was_heard, "out of order", "which was known before that was sent"),
    (turn_round_one_session, "out of order", "which s sent before"),
]


@pytest.mark.parametrize(("wrong", "kind", "words"), WRONG)
def test_a_wrong_history_is_found_out(wrong: Callable[[Run], None], kind: str, words: str) -> None:
    run = right()
    wrong(run)
    found = run.check()
    assert any(one.kind == kind and words in str(one) for one in found), list(map(str, found))


def test_every_kind_of_violation_is_among_the_wrong_ones() -> None:
    assert {kind for _, kind, _ in WRONG} == set(get_args(Kind))


# ------------------------------------------------------------------ what may look wrong and is not


def test_a_reader_that_left_need_not_hear_the_rest() -> None:
    run = right()
    drop(run, Heard, 5)
    run.add(Left, "bo", ROOM)
    assert run.check() == []


def test_a_reader_without_since_hears_what_is_said_from_then_on() -> None:
    run = right()
    run.add(Joined, "ed", ROOM)
    assert run.check() == []
    run.say(6)
    run.tell(6, "ed")
    assert run.check() == []
    run.say(7)
    assert [one.what for one in run.check()] == ["ed was not told number 7 of lobby, m7 of lisa"]


def test_a_reader_that_joins_again_may_hear_again_what_it_asks_for() -> None:
    run = right()
    run.add(Joined, "bo", ROOM, 2)
    for number in (3, 4, 5):
        run.tell(number)
    assert run.check() == []


def test_a_message_without_an_answer_may_be_stored_or_not() -> None:
    run = right()
    run.add(Sent, "s", ROOM, "lisa", "m6", "m6")
    assert run.check() == []
    run.stored.append(StoredMessage(ROOM, 6, "lisa", "m6", "m6", WHEN))
    run.tell(6)
    assert run.check() == []


def test_what_was_refused_may_be_sent_again_and_comes_later_then() -> None:
    run = Run()
    run.add(Sent, "s", ROOM, "lisa", "m2", "m2")
    run.add(Refused, "s", "lisa", "m2", "unavailable")
    run.say(1)
    run.say(2)
    run.add(Sent, "s", ROOM, "lisa", "m3", "m3")
    run.add(Refused, "s", "lisa", "m3", "unavailable")
    assert run.check() == []


def test_a_fault_of_the_server_leaves_open_whether_a_message_is_stored() -> None:
    run = right()
    run.add(Sent, "s", ROOM, "lisa", "m6", "m6")
    run.add(Refused, "s", "lisa", "m6", "internal")
    run.stored.append(StoredMessage(ROOM, 6, "lisa", "m6", "m6", WHEN))
    run.tell(6)
    assert run.check() == []


def test_messages_that_are_under_way_at_the_same_time_may_have_any_order() -> None:
    run = Run()
    run.add(Sent, "s", ROOM, "lisa", "m2", "m2")
    run.add(Sent, "another", ROOM, "lisa", "m1", "m1")
    for number, session in ((1, "another"), (2, "s")):
        run.stored.append(StoredMessage(ROOM, number, "lisa", f"m{number}", f"m{number}", WHEN))
        run.add(Acked, session, "lisa", f"m{number}", number)
    assert run.check() == []


def test_an_answer_and_a_message_of_the_same_moment_have_no_order() -> None:
    run = right()
    change(run, Sent, 2, session="another")
    swap(run, 1, 2)
    nobody_listens(run)
    at = run.history[index(run, Acked, 1)].at
    change(run, Sent, 2, at=at)
    assert run.check() == []


def test_what_an_earlier_session_has_stored_has_its_number_from_then() -> None:
    """Both acknowledgements are lost; the next session sends the later one first."""
    run = Run()
    run.add(Sent, "first", ROOM, "lisa", "m1", "m1")
    run.add(Sent, "first", ROOM, "lisa", "m2", "m2")
    for number in (2, 1):
        run.add(Sent, "second", ROOM, "lisa", f"m{number}", f"m{number}")
        run.add(Acked, "second", "lisa", f"m{number}", number)
        run.stored.append(StoredMessage(ROOM, number, "lisa", f"m{number}", f"m{number}", WHEN))
    assert run.check() == []


def test_what_is_sent_again_after_a_refusal_may_come_later_than_in_its_first_session() -> None:
    run = Run()
    run.add(Sent, "first", ROOM, "lisa", "m2", "m2")
    run.add(Sent, "first", ROOM, "lisa", "m1", "m1")
    run.add(Sent, "second", ROOM, "lisa", "m2", "m2")
    run.add(Refused, "second", "lisa", "m2", "unavailable")
    run.say(1, "second")
    run.say(2, "third")
    assert run.check() == []


def test_a_refusal_that_was_lost_with_its_connection() -> None:
    """The first message was refused, but its session had ended; the second one was stored."""
    run = Run()
    run.add(Sent, "first", ROOM, "lisa", "m2", "m2")
    run.add(Sent, "first", ROOM, "lisa", "m1", "m1")
    run.stored.append(StoredMessage(ROOM, 1, "lisa", "m1", "m1", WHEN))
    run.add(Sent, "second", ROOM, "lisa", "m2", "m2")
    run.stored.append(StoredMessage(ROOM, 2, "lisa", "m2", "m2", WHEN))
    run.add(Acked, "second", "lisa", "m2", 2)
    assert run.check(strict=False) == []
    (found,) = run.check()
    assert str(found) == (
        "out of order: m1 of lisa has number 1 in lobby, below 2 of m2 of lisa, "
        "which first sent before"
    )


# ------------------------------------------------------------------ a model of the chat


class Chat:
    """A chat that keeps its promises, whatever happens: three users, two rooms, one server.

    A user has a session at a time. What it sends waits there until the server takes it, in order;
    what waits when the session breaks is lost, and so are the answers of the last messages.
    """

    def __init__(self) -> None:
        self.run = Run()
        self.rooms: dict[str, list[StoredMessage]] = {"lobby": [], "tea": []}
        self.known: dict[tuple[str, str], StoredMessage] = {}
        self.sessions = [0, 0, 0]
        self.waiting: list[list[tuple[str, str]]] = [[], [], []]
        self.open: list[dict[str, str]] = [{}, {}, {}]
        self.told = [dict.fromkeys(self.rooms, 0) for _ in range(3)]
        for user in range(3):
            self.come(user)

    def come(self, user: int) -> None:
        self.sessions[user] += 1
        self.waiting[user] = []
        for room, since in self.told[user].items():
            self.run.add(Joined, f"user{user}", room, since)
        for key, room in self.open[user].items():
            self.send(user, key, room)

    def send(self, user: int, key: str, room: str) -> None:
        self.run.add(Sent, self.session(user), room, f"user{user}", key, f"text of {key}")
        self.waiting[user].append((key, room))

    def session(self, user: int) -> str:
        return f"user{user}/{self.sessions[user]}"

    def say(self, user: int, room: str) -> None:
        key = f"m{len(self.run.history)}"
        self.open[user][key] = room
        self.send(user, key, room)

    def take(self, user: int, *, answered: bool = True) -> None:
        """Store what a session sent first of all, and answer."""
        if not self.waiting[user]:
            return
        key, room = self.waiting[user].pop(0)
        name, messages = f"user{user}", self.rooms[room]
        if (name, key) not in self.known:
            message = StoredMessage(room, len(messages) + 1, name, key, f"text of {key}", WHEN)
            messages.append(message)
            self.known[name, key] = message
        if answered:
            self.open[user].pop(key, None)
            self.run.add(Acked, self.session(user), name, key, self.known[name, key].seq)

    def refuse(self, user: int) -> None:
        if self.waiting[user]:
            key, room = self.waiting[user].pop(0)
            self.run.add(Refused, self.session(user), f"user{user}", key, "unavailable")
            self.send(user, key, room)

    def tell(self, user: int, room: str) -> None:
        for message in self.rooms[room][self.told[user][room] :]:
            self.run.add(
                *(Heard, f"user{user}", room, message.seq),
                *(message.user_id, message.client_msg_id, message.text),
            )
            self.told[user][room] = message.seq

    def break_off(self, user: int, room: str) -> None:
        """Some of what waits is stored, and nobody hears of it; the connection ends."""
        for _ in range(len(self.waiting[user]) // 2 if room == "tea" else 0):
            self.take(user, answered=False)
        self.come(user)

    def end(self) -> Run:
        for user in range(3):
            while self.waiting[user]:
                self.take(user)
        for user in range(3):
            for room in self.rooms:
                self.tell(user, room)
        self.run.stored = [message for room in self.rooms.values() for message in room]
        return self.run


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "say", "take", "take", "refuse", "tell", "break off"]),
        st.integers(0, 2),
        st.sampled_from(["lobby", "tea"]),
    ),
    max_size=80,
)


def play(steps: list[tuple[str, int, str]]) -> Run:
    chat = Chat()
    for step, user, room in steps:
        match step:
            case "say":
                chat.say(user, room)
            case "take":
                chat.take(user)
            case "refuse":
                chat.refuse(user)
            case "tell":
                chat.tell(user, room)
            case _:
                chat.break_off(user, room)
    return chat.end()


@given(STEPS)
def test_a_chat_that_keeps_its_promises_passes(steps: list[tuple[str, int, str]]) -> None:
    assert list(map(str, play(steps).check())) == []


@given(STEPS, st.data())
def test_what_is_changed_in_a_right_history_is_found(
    steps: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    """One answer, one message told, or one message stored is not as it was."""
    run = play(steps)
    heard = [place for place, one in enumerate(run.history) if isinstance(one, Heard)]
    acked = [place for place, one in enumerate(run.history) if isinstance(one, Acked)]
    if not heard or not acked:
        return
    place = data.draw(st.sampled_from(heard))
    match data.draw(st.sampled_from(["told", "untold", "twice", "acked", "lost", "text"])):
        case "told":
            run.history[place] = changed(run.history[place], text="?")
        case "untold":
            del run.history[place]
        case "twice":
            run.history.insert(place, run.history[place])
        case "acked":
            place = data.draw(st.sampled_from(acked))
            run.history[place] = changed(run.history[place], seq=10_000)
        case "lost":
            del run.stored[data.draw(st.integers(0, len(run.stored) - 1))]
        case _:
            data.draw(st.sampled_from(run.stored)).text = "?"
    assert run.check()
