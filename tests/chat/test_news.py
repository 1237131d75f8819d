"""Crowds: who comes and goes is told once a turn, to those who stay, and at a price."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from goim_edu.chat.news import TYPING_EVERY, News, NewsTurns
from goim_edu.chat.vocabulary import BSON, JSON
from goim_edu.transport import Engine
from tests.chatting import Person, run, running_server, until
from tests.rooms import Table, Wire


def presences(wire: Wire) -> list[tuple[list[str], list[str], int]]:
    """Each ``presence`` that came: joined, left, and how many are there."""
    return [
        (told["joined"], told["left"], told["member_count"])
        for told in wire.heard()
        if told["type"] == "presence"
    ]


# ---------------------------------------------------------------------- presence, in one room


def test_all_that_come_and_go_in_a_turn_are_told_in_one_message() -> None:
    table = Table()
    _, lisa = table.enter("lisa")
    leavers = [table.enter(f"old{number}")[0] for number in range(3)]
    table.turn()
    lisa.written.clear()
    for number in range(3):
        table.enter(f"new{number}")
    for leaver in leavers:
        table.room.exit(leaver)
    table.turn()
    assert presences(lisa) == [(["new0", "new1", "new2"], ["old0", "old1", "old2"], 4)]
    assert lisa.droppable == [False] * len(lisa.droppable)  # in one piece, as it keeps up


def test_a_crowd_costs_members_times_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 come and 500 go: 1,000 writes at most, and one encoding; it was 500 x 500 of each."""
    encoded: list[Struct] = []
    encode = JSON.encode

    def note(message: Struct) -> bytes:
        encoded.append(message)
        return encode(message)

    monkeypatch.setattr(JSON, "encode", note)
    table = Table()
    members = [table.enter(f"{number:03}") for number in range(500)]
    table.turn()
    assert len(encoded) == 1
    assert sum(len(wire.written) for _, wire in members) <= 500
    for _, wire in members:
        wire.written.clear()
    for member, _ in members[1:]:
        table.room.exit(member)
    table.turn()
    assert len(encoded) == 2
    assert [len(wire.written) for _, wire in members] == [1] + [0] * 499
    ((joined, left, count),) = presences(members[0][1])
    assert (joined, len(left), count) == ([], 499, 1)


def test_a_newcomer_is_not_told_what_its_joined_told() -> None:
    table = Table()
    table.enter("lisa")
    table.turn()
    _, tom = table.enter("tom")
    table.turn()
    assert tom.written == []
    table.enter("mei")
    table.turn()
    assert presences(tom) == [(["mei"], [], 3)]


def test_the_last_word_on_a_user_counts() -> None:
    table = Table()
    _, lisa = table.enter("lisa")
    tom, _ = table.enter("tom")
    table.turn()
    lisa.written.clear()
    table.room.exit(tom)
    table.enter("tom")
    mei, _ = table.enter("mei")
    table.room.exit(mei)
    table.turn()
    assert presences(lisa) == [(["tom"], ["mei"], 2)]


def test_very_long_lists_come_in_parts() -> None:
    """Or a crowd with names of 1 KiB would make a message that clients refuse."""
    table = Table()
    _, lisa = table.enter("lisa")
    table.turn()
    names = {f"{number:04}" + "😀" * 250 for number in range(100)}
    for name in names:
        table.enter(name)
    while table.waiting:
        table.turn()
    assert max(map(len, lisa.written)) < 40_000
    assert sorted(name for joined, _, _ in presences(lisa) for name in joined) == sorted(names)
    assert {count for _, _, count in presences(lisa)} == {101}


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["enter", "exit", "turn"]), st.integers(0, 5)), max_size=80)
)
def test_whoever_listens_knows_who_is_there(steps: list[tuple[str, int]]) -> None:
    """Each member starts with the list that ``joined`` gives, and follows what it is told."""
    table = Table()
    inside: dict[int, tuple[Any, Wire, set[str]]] = {}
    for step, who in steps:
        if step == "turn":
            table.turn()
        elif step == "exit" and who in inside:
            table.room.exit(inside.pop(who)[0])
        elif step == "enter" and who not in inside:
            member, wire = table.enter(f"user{who // 2}")
            inside[who] = member, wire, set(table.room.roster.page(None, 200)[0])
    table.turn()
    for _, wire, known in inside.values():
        for joined, left, _ in presences(wire):
            known = (known | set(joined)) - set(left)
        assert known == {f"user{who // 2}" for who in inside}


def test_members_in_pages() -> None:
    table = Table()
    for name in ("mei", "tom", "Ada", "lisa", "tom", "王"):
        table.enter(name)
    room = table.room
    assert (len(room), room.member_count) == (6, 5)
    assert room.roster.page(None, 2) == (["Ada", "lisa"], True)
    assert room.roster.page("lisa", 2) == (["mei", "tom"], True)
    assert room.roster.page("nobody", 2) == (["tom", "王"], False)
    assert room.roster.page("王", 2) == ([], False)


# ---------------------------------------------------------------------- typing and read marks


def kinds(wire: Wire) -> list[str]:
    return [told["type"] for told in wire.heard()]


def test_typing_is_told_once_in_three_seconds_unless_something_was_said() -> None:
    table = Table()
    lisa, _ = table.enter("lisa")
    _, tom = table.enter("tom")
    table.turn()
    tom.written.clear()
    for now in (100.0, 100.1, 100.1 + TYPING_EVERY / 2, 100.0 + TYPING_EVERY):
        table.room.tell_typing(lisa, now)
        table.turn()
    assert kinds(tom) == ["typing"] * 2
    table.publish(1)  # by lisa
    table.room.tell_typing(lisa, 100.2 + TYPING_EVERY)
    table.turn()
    assert kinds(tom) == ["typing", "typing", "message", "typing"]


def test_of_many_that_type_some_are_told() -> None:
    table = Table()
    _, lisa = table.enter("lisa")
    crowd = [table.enter(f"user{number}")[0] for number in range(100)]
    table.turn()
    lisa.written.clear()
    for member in crowd:
        table.room.tell_typing(member, 1.0)
    table.turn()
    assert len(lisa.written) == 1
    assert kinds(lisa) == ["typing"] * 20


def test_the_highest_mark_of_a_reader_is_told() -> None:
    table = Table()
    lisa, own = table.enter("lisa")
    _, tom = table.enter("tom")
    table.turn()
    own.written.clear()
    tom.written.clear()
    for seq in range(1, 101):
        assert table.room.mark_read(lisa, seq)
        assert not table.room.mark_read(lisa, seq)
    table.turn()
    assert [told["seq"] for told in tom.heard()] == [100]
    assert own.written == []


def test_that_a_user_is_gone_is_told_last() -> None:
    """Or the others would show for a while that it is typing."""
    table = Table()
    _, lisa = table.enter("lisa")
    tom, _ = table.enter("tom")
    table.turn()
    lisa.written.clear()
    table.room.tell_typing(tom, 1.0)
    table.room.mark_read(tom, 3)
    table.room.exit(tom)
    table.turn()
    assert kinds(lisa) == ["read", "typing", "presence"]


def test_nothing_is_remembered_of_a_user_that_is_gone() -> None:
    table = Table()
    table.enter("lisa")
    for number in range(100):
        passer, _ = table.enter(f"user{number}")
        table.room.mark_read(passer, 3)
        table.room.tell_typing(passer, 1.0)
        table.room.exit(passer)
    table.turn()
    room = table.room
    kept = [room.roster._sessions, room.roster._names, room._marks, room._newcomers, room._fresh]
    assert [len(some) for some in kept] == [1, 1, 0, 0, 1]
    assert not room._news._typed


# ---------------------------------------------------------------------- taking turns


class Clock:
    """In place of an engine and its loop; this test moves the time on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[Callable[[], None]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

    @property
    def loop(self) -> Clock:
        return self

    def time(self) -> float:
        return self.now

    def at_end_of_turn(self, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        self.later.append((when, callback))

    def turn(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        ready = [callback for when, callback in self.later if when <= self.now]
        self.later = [(when, callback) for when, callback in self.later if when > self.now]
        for callback in ready:
            callback()


class Crowd:
    """A room whose news takes so many seconds to tell."""

    def __init__(self, clock: Clock, cost: float) -> None:
        self.clock = clock
        self.cost = cost
        self.told = 0

    def tell_news(self) -> None:
        self.told += 1
        self.clock.now += self.cost


def turns(clock: Clock) -> NewsTurns:
    return NewsTurns(cast("Engine", clock), share=0.1)


def test_news_is_told_at_the_end_of_the_turn_and_once() -> None:
    clock = Clock()
    waiting, room = turns(clock), Crowd(clock, 0.001)
    for _ in range(5):
        waiting.wait(room)
    assert room.told == 0
    clock.turn()
    assert room.told == 1
    clock.turn()
    assert (room.told, clock.later) == (1, [])


def test_news_takes_a_share_of_the_time() -> None:
    """In each turn each of 50 rooms has news that takes 10 ms to tell, for a minute."""
    clock = Clock()
    waiting = turns(clock)
    rooms = [Crowd(clock, 0.01) for _ in range(50)]
    while clock.now < 1060.0:
        for room in rooms:
            waiting.wait(room)
        clock.turn()
        clock.pass_time(0.001)
    total = sum(room.told for room in rooms)
    assert 5.3 < total * 0.01 < 6.2  # a tenth: while a room tells, no time is saved
    assert max(room.told for room in rooms) - min(room.told for room in rooms) <= 1  # in turns


def test_a_small_room_waits_its_turn_only() -> None:
    clock = Clock()
    waiting = turns(clock)
    large, small = Crowd(clock, 0.05), Crowd(clock, 0.0001)
    waiting.wait(large)
    waiting.wait(small)
    clock.turn()
    assert (large.told, small.told) == (1, 0)
    waiting.wait(large)
    clock.turn()
    clock.pass_time(0.5)
    assert (large.told, small.told) == (2, 1)


def test_a_long_pause_of_the_machine_is_not_paid_for_without_end() -> None:
    clock = Clock()
    waiting, room = turns(clock), Crowd(clock, 60.0)
    waiting.wait(room)
    clock.turn()
    waiting.wait(room)
    clock.turn()
    clock.pass_time(2.0)
    assert room.told == 2


def test_news_that_a_room_has_left_over_waits_behind_that_of_others() -> None:
    class Wordy(Crowd):
        def tell_news(self) -> None:
            waiting.wait(self)
            order.append("wordy")
            super().tell_news()

    class Terse(Crowd):
        def tell_news(self) -> None:
            order.append("terse")
            super().tell_news()

    clock, order = Clock(), list[str]()
    waiting = turns(clock)
    waiting.wait(Wordy(clock, 0.001))
    waiting.wait(Terse(clock, 0.001))
    clock.turn()
    assert order == ["wordy", "terse"]  # what is left over is not told in the same turn
    clock.pass_time(0.5)
    assert order == ["wordy", "terse", "wordy"]


def test_news_forgets_what_nobody_is_there_to_hear() -> None:
    table = Table()
    lisa, _ = table.enter("lisa")
    table.room.tell_typing(lisa, 1.0)
    table.room.exit(lisa)
    table.turn()
    assert not table.room._news
    assert not News()


# ---------------------------------------------------------------------- on a real server


def test_a_crowd_that_vanishes_is_told_in_few_messages(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")

    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            crowd = await asyncio.gather(
                *(Person.come(server, f"user{number}", codec=BSON) for number in range(40))
            )
            await asyncio.gather(*(person.join() for person in crowd))
            for person in crowd:
                person.go()
            gone: set[str] = set()
            count = 0
            while len(gone) < 40:
                told = await lisa.hear("presence")
                gone |= set(told["left"])
                count += 1
            assert count <= 42
            await until(lambda: server.hub.rooms["lobby"].member_count == 1)
            assert (await lisa.join())["members"] == ["lisa"]

    run(test())
    assert caplog.records == []


def test_members_over_the_wire() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            asked = {"type": "members", "room_id": "lobby"}
            assert (await lisa.ask(**asked))["code"] == "not_joined"
            await lisa.join()
            crowd = [await Person.come(server, f"user{number:03}") for number in range(5)]
            for person in crowd:
                await person.join()
            page = await lisa.ask(**asked, limit=4)
            del page["ref"]
            assert page == {
                "type": "members",
                "room_id": "lobby",
                "members": ["lisa", "user000", "user001", "user002"],
                "member_count": 6,
                "has_more": True,
            }
            page = await lisa.ask(**asked, after="user002")
            assert (page["members"], page["has_more"]) == (["user003", "user004"], False)
            assert (await lisa.ask(**asked, limit=201))["code"] == "bad_message"

    run(test())
