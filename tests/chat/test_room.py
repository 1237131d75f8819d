"""Rooms: one order for all, nothing twice, nothing missed on the way in, presence, reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from goim_edu.chat.broadcast import Broadcast, wire_format_of
from goim_edu.chat.vocabulary import BSON, JSON, Codec, Left
from goim_edu.errors import StoreUnavailable
from goim_edu.store import MemoryBackend, MessageStore
from goim_edu.websocket.deflate import DeflateConfig, DeflateParams, PerMessageDeflate
from tests.chatting import Person, run, running_server, until
from tests.rooms import Table

# ---------------------------------------------------------------------- a room by itself


def test_all_messages_of_a_turn_come_in_one_piece_that_is_the_same_for_all() -> None:
    table = Table()
    (_, lisa), (_, tom) = table.enter("lisa"), table.enter("tom")
    table.publish(1)
    table.turn()
    lisa.written.clear()
    tom.written.clear()
    table.publish(2, 3, 4)
    assert lisa.written == []
    table.turn()
    assert len(lisa.written) == 1
    assert lisa.written[0] is tom.written[0]
    assert lisa.seqs() == [2, 3, 4]


def test_a_broadcast_is_encoded_once_per_wire_format(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []

    def note(codec: Codec) -> None:
        encode = codec.encode

        def encode_and_note(message: Struct) -> bytes:
            encoded.append(codec.name)
            return encode(message)

        monkeypatch.setattr(codec, "encode", encode_and_note)

    note(JSON)
    note(BSON)
    config = DeflateConfig(server_no_context_takeover=True)
    params = DeflateParams(server_no_context_takeover=True, server_max_window_bits=12)
    deflate = PerMessageDeflate(params, True, config)
    plain, packed = wire_format_of("goim.v1.json", None), wire_format_of("goim.v1.json", deflate)
    broadcast = Broadcast(Left("x" * 1000))
    assert broadcast.frame(plain) is broadcast.frame(plain)
    assert broadcast.frame(packed) is broadcast.frame(packed)
    assert len(broadcast.frame(packed)) < 60 < 1000 < len(broadcast.frame(plain))
    assert broadcast.frame(wire_format_of("goim.v1.bson", None)) != broadcast.frame(plain)
    assert encoded == ["goim.v1.json", "goim.v1.json", "goim.v1.bson"]


def test_who_takes_its_context_over_is_never_given_shared_compressed_bytes() -> None:
    takes_over = PerMessageDeflate(DeflateParams(), True, DeflateConfig())
    assert wire_format_of("goim.v1.json", takes_over) is wire_format_of("goim.v1.json", None)


def test_a_newcomer_hears_what_is_said_while_its_past_is_looked_up() -> None:
    table = Table()
    table.enter("lisa")
    table.publish(1, 2)
    table.turn()
    tom, wire = table.member("tom")
    backlog = table.room.enter(tom)
    table.publish(3, 4)
    table.turn()
    assert wire.written == []
    table.publish(5)
    table.room.settle(tom, backlog, told=3)  # the store has told 3 already
    table.publish(6)
    table.turn()
    assert wire.seqs() == [4, 5, 6]


def test_a_newcomer_is_not_told_twice_what_the_store_knew_before_the_room() -> None:
    """Stored and found by the newcomer's query, but not yet handed on: it must not come again."""
    table = Table()
    table.enter("lisa")
    _, wire = table.enter("tom", told=2)
    table.publish(1, 2)
    table.turn()
    assert wire.seqs() == []
    table.publish(3)
    table.turn()
    assert wire.seqs() == [3]


def test_who_has_left_before_it_was_settled_stays_out() -> None:
    table = Table()
    tom, wire = table.member("tom")
    backlog = table.room.enter(tom)
    table.room.exit(tom)
    again = table.room.enter(tom)
    table.room.settle(tom, backlog, 0)
    assert table.room.is_arriving(tom, again)
    table.publish(1)
    table.turn()
    assert wire.written == []
    table.room.settle(tom, again, 0)
    assert wire.seqs() == [1]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["store", "hand on", "turn", "enter", "settle", "leave"]), max_size=60)
)
def test_every_member_sees_every_number_once_and_in_order(steps: Sequence[str]) -> None:
    """Whenever somebody comes in, and whenever the store tells it what it missed."""
    table = Table()
    stored, handed = 0, 0
    member, wire = table.member("tom")
    backlog: Any = None
    known = 0
    inside = False
    for step in steps:
        if step == "store":
            stored += 1
        elif step == "hand on":
            table.publish(*range(handed + 1, stored + 1))
            handed = stored
        elif step == "turn":
            table.turn()
        elif step == "enter" and not inside:
            inside, backlog = True, table.room.enter(member)
        elif step == "settle" and backlog is not None:
            known = max(stored, known)  # the store tells all that it has
            table.room.settle(member, backlog, known)
            backlog = None
            first = known
            wire.written.clear()
        elif step == "leave" and inside and backlog is None:
            seqs = wire.seqs()
            assert seqs == list(range(first + 1, first + 1 + len(seqs)))
            table.room.exit(member)
            inside = False
    if inside and backlog is None:
        table.publish(*range(handed + 1, stored + 1))
        table.turn()
        assert wire.seqs() == list(range(first + 1, stored + 1))


def test_what_may_be_dropped() -> None:
    table = Table()
    lisa, _ = table.enter("lisa")
    _, tom = table.enter("tom")
    table.turn()
    tom.written.clear()
    tom.droppable.clear()
    table.room.tell_typing(lisa, 0.0)
    table.publish(1)
    table.turn()
    tom.congested = True
    table.publish(2)
    table.turn()
    table.room.tell_typing(lisa, 1.0)
    table.room.mark_read(lisa, 2)
    table.enter("mei")
    table.turn()
    kinds = [message["type"] for message in tom.heard()]
    assert kinds == ["message", "message", "read", "typing", "presence"]
    assert tom.droppable[-4:] == [False, True, True, True]


def test_a_newcomer_for_whom_the_store_is_too_slow_is_given_up() -> None:
    table = Table()
    table.enter("lisa")
    tom, wire = table.member("tom")
    table.room.enter(tom)
    table.publish(*range(1, 10_002))
    table.turn()
    assert wire.closed == 1013


# ---------------------------------------------------------------------- on a real server


def test_everybody_sees_the_same_order() -> None:
    async def test() -> None:
        async with running_server(burst=10_000) as server:
            people = [await Person.come(server, f"user{number}") for number in range(5)]
            for person in people:
                await person.join()

            async def talk(person: Person) -> None:
                for number in range(40):
                    await person.tell(
                        type="send",
                        room_id="lobby",
                        client_msg_id=f"{person.user_id}-{number}",
                        text=str(number),
                    )
                    await asyncio.sleep(0)

            await asyncio.gather(*map(talk, people))
            views = []
            for person in people:
                heard = [await person.hear("message") for _ in range(200)]
                views.append([(m["seq"], m["user_id"], m["client_msg_id"]) for m in heard])
            assert all(view == views[0] for view in views)
            assert [seq for seq, _, _ in views[0]] == list(range(1, 201))

    run(test())


def test_presence_counts_people_not_sessions() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            first, second = await Person.come(server, "tom"), await Person.come(server, "tom")
            assert (await first.join())["members"] == ["lisa", "tom"]
            assert await lisa.hear("presence") == {
                "type": "presence",
                "room_id": "lobby",
                "joined": ["tom"],
                "left": [],
                "member_count": 2,
            }
            assert (await second.join())["members"] == ["lisa", "tom"]
            await first.ws.close()
            await second.ask(type="leave", room_id="lobby")
            told = await lisa.hear("presence")
            assert (told["joined"], told["left"], told["member_count"]) == ([], ["tom"], 1)
            await lisa.ask(type="leave", room_id="lobby")
            assert lisa.heard == []
            assert second.heard == []

    run(test())


def test_typing_and_read_go_to_the_others() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa, tom = await Person.come(server, "lisa"), await Person.come(server, "tom")
            await lisa.join()
            await tom.join()
            await lisa.say("hi", "m1")
            await tom.tell(type="typing", room_id="lobby")
            assert await lisa.hear("typing") == {
                "type": "typing",
                "room_id": "lobby",
                "user_id": "tom",
            }
            await tom.tell(type="read", room_id="lobby", seq=1)
            assert await lisa.hear("read") == {
                "type": "read",
                "room_id": "lobby",
                "user_id": "tom",
                "seq": 1,
            }
            await until(lambda: server.store.read_marks("lobby") == {"tom": 1})  # type: ignore[attr-defined]
            await tom.tell(type="read", room_id="lobby", seq=1)  # no news
            answer = await tom.ask(type="read", room_id="lobby", seq=2)
            assert (answer["code"], "beyond" in answer["reason"]) == ("bad_message", True)
            await tom.say("bye", "m2")
            await lisa.hear("message", seq=2)
            assert [message["type"] for message in lisa.heard] == ["presence", "message"]

    run(test())


@pytest.mark.parametrize("missed", [0, 3, 1000, 1001])
def test_joining_with_since(missed: int) -> None:
    async def test() -> None:
        store = MessageStore(MemoryBackend())
        for number in range(1, 6 + missed):
            store.submit("lobby", "lisa", str(number), client_msg_id=f"m{number}")
        store.flush()
        async with running_server(store) as server:
            tom = await Person.come(server, "tom")
            joined = await tom.join(since=5)
            assert joined["last_seq"] == 5 + missed
            assert joined["truncated"] is (missed > 1000)
            first = 6 if missed <= 1000 else 7
            for seq in range(first, 6 + missed):
                assert (await tom.hear("message"))["seq"] == seq
            await tom.say("now", "now")
            assert (await tom.hear("message"))["seq"] == 6 + missed
        store.close()

    run(test())


def test_joining_with_a_since_from_another_life() -> None:
    """The server's memory was lost: the numbers start anew, and the client can see it."""

    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            await lisa.say("one", "m1")
            tom = await Person.come(server, "tom")
            assert (await tom.join(since=500))["last_seq"] == 1
            await lisa.say("two", "m2")
            assert (await tom.hear("message"))["seq"] == 2

    run(test())


def test_joining_again_brings_the_past_again_but_no_presence() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa, tom = await Person.come(server, "lisa"), await Person.come(server, "tom")
            await lisa.join()
            await tom.join()
            await lisa.hear("presence")
            await lisa.say("one", "m1")
            await tom.hear("message")
            joined = await tom.join(since=0)
            assert joined["last_seq"] == 1
            assert (await tom.hear("message"))["seq"] == 1
            await lisa.say("two", "m2")
            assert (await tom.hear("message"))["seq"] == 2
            assert [message["type"] for message in lisa.heard] == ["message"] * 1

    run(test())


def test_history_in_pages() -> None:
    async def test() -> None:
        store = MessageStore(MemoryBackend())
        for number in range(1, 8):
            store.submit("lobby", "lisa", str(number), client_msg_id=f"m{number}")
        store.flush()
        async with running_server(store) as server:
            tom = await Person.come(server, "tom")
            await tom.join()
            pages = []
            before: dict[str, int] = {}
            more = True
            while more:
                page = await tom.ask(type="history", room_id="lobby", limit=3, **before)
                pages.append([message["seq"] for message in page["messages"]])
                before = {"before_seq": pages[-1][0]}
                more = page["has_more"]
            assert pages == [[5, 6, 7], [2, 3, 4], [1]]
            page = await tom.ask(type="history", room_id="lobby", before_seq=1)
            assert (page["messages"], page["has_more"]) == ([], False)
        store.close()

    run(test())


class HeldStore(MessageStore):
    """A store whose answers to questions wait until they are let go, or fail."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.gate: asyncio.Event | None = None
        self.broken = False

    def run(self, function: Any, *args: Any, asker: object = None, **kwargs: Any) -> Future[Any]:
        if self.broken:
            raise StoreUnavailable("the store is away")
        if self.gate is None:
            return super().run(function, *args, asker=asker, **kwargs)
        future: Future[Any] = Future()
        gate = self.gate

        async def later() -> None:
            await gate.wait()
            future.set_result(function(*args, **kwargs))

        self.waiter = asyncio.get_running_loop().create_task(later())
        return future


def test_a_burst_while_somebody_comes_in() -> None:
    """Promise 4: what was acknowledged before, during and after the join is seen once."""

    async def test() -> None:
        store = HeldStore()
        async with running_server(store, burst=10_000) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            for number in range(10):
                await lisa.say(str(number), f"m{number}")
            tom = await Person.come(server, "tom")
            store.gate = asyncio.Event()
            await tom.tell(type="join", room_id="lobby", since=4, ref="in")
            await lisa.hear("presence", joined=["tom"])
            for number in range(10, 20):
                await lisa.say(str(number), f"m{number}")
            store.gate.set()
            for number in range(20, 30):
                await lisa.say(str(number), f"m{number}")
            joined = await tom.hear("joined")
            assert joined["ref"] == "in"
            assert [(await tom.hear("message"))["seq"] for _ in range(26)] == list(range(5, 31))
        store.close()

    run(test())


def test_leaving_while_the_past_is_looked_up() -> None:
    async def test() -> None:
        store = HeldStore()
        async with running_server(store) as server:
            tom = await Person.come(server, "tom")
            gate = store.gate = asyncio.Event()
            await tom.tell(type="join", room_id="lobby", since=0)
            answer = await tom.ask(type="join", room_id="lobby", since=0)
            assert "on your way" in answer["reason"]
            assert (await tom.ask(type="leave", room_id="lobby"))["type"] == "left"
            store.gate = None
            assert (await tom.join(since=0))["type"] == "joined"
            gate.set()
            assert (await tom.say("hi"))["type"] == "ack"
            assert (await tom.hear("message"))["seq"] == 1
            assert tom.heard == []
        store.close()

    run(test())


def test_questions_that_the_store_cannot_answer() -> None:
    async def test() -> None:
        store = HeldStore()
        async with running_server(store) as server:
            lisa, tom = await Person.come(server, "lisa"), await Person.come(server, "tom")
            await lisa.join()
            store.broken = True
            assert (await tom.join("den", since=0))["code"] == "unavailable"
            assert (await tom.say("hi", room_id="den"))["code"] == "not_joined"
            assert (await lisa.ask(type="history", room_id="lobby"))["code"] == "unavailable"
            store.broken = False
            assert (await tom.join("den", since=0))["members"] == ["tom"]
        store.close()

    run(test())


def test_a_message_that_the_store_does_not_take() -> None:
    async def test() -> None:
        store = MessageStore(MemoryBackend())
        async with running_server(store) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            await asyncio.to_thread(store.close)
            answer = await lisa.say("hi", "m1")
            assert (answer["type"], answer["code"]) == ("error", "unavailable")

    run(test())


def test_an_empty_room_is_forgotten() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            await lisa.say("hi", "m1")
            assert list(server.hub.rooms) == ["lobby"]
            await lisa.ws.close()
            await until(lambda: not server.hub.rooms)
            tom = await Person.come(server, "tom")
            assert (await tom.join())["last_seq"] == 1
            assert JSON.name == "goim.v1.json"

    run(test())
