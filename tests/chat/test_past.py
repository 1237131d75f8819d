"""What was missed comes in portions: while the client reads, in order, and once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from goim_edu.chat.broadcast import frame_reply
from goim_edu.chat.errands import MOST_OPEN, Errands, RequestRefused
from goim_edu.chat.past import Asker, catch_up, fitting, greet_again, page_of_history
from goim_edu.chat.ports import Store
from goim_edu.chat.vocabulary import History, Join
from goim_edu.errors import StoreUnavailable
from goim_edu.store import MemoryBackend, MessageStore, StoredMessage
from goim_edu.transport import Connection
from tests.chatting import Person, RawClient, run, running_server
from tests.rooms import NOW, Table


class Kept:
    """In place of a store and a hub: what is stored, and answers that wait to be let go."""

    def __init__(self, count: int = 0, text: str = "hi") -> None:
        self.messages: list[StoredMessage] = []
        self.open: list[Callable[[], None]] = []
        self.asked = 0
        self.futures: list[Future[Any]] = []
        self.away = False
        for _ in range(count):
            self.add(text)

    def add(self, text: str = "hi") -> StoredMessage:
        seq = len(self.messages) + 1
        self.messages.append(StoredMessage("lobby", seq, "lisa", f"m{seq}", text, NOW))
        return self.messages[-1]

    def last_seq(self, room_id: str) -> int:
        return len(self.messages)

    def history(
        self,
        room_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> Sequence[StoredMessage]:
        if after_seq is not None:
            return self.messages[after_seq : after_seq + limit]
        end = len(self.messages) if before_seq is None else before_seq - 1
        return self.messages[max(0, end - limit) : end]

    def ask(
        self, asker: object, question: Callable[[], Any], then: Callable[[Any], None]
    ) -> Future[Any] | None:
        self.asked += 1
        answer = StoreUnavailable("asleep") if self.away else question()
        future: Future[Any] = Future()
        self.futures.append(future)
        self.open.append(lambda: None if future.cancelled() else then(answer))
        return future

    def answer(self) -> None:
        """Let the oldest answer go."""
        self.open.pop(0)()


class Guest:
    """A session with its errands, in one room."""

    def __init__(self, kept: Kept, table: Table, octets: int = 10_000) -> None:
        self.kept = kept
        self.table = table
        self.member, self.wire = table.member("tom")
        self.refused: list[tuple[str, str | None]] = []
        self.errands = Errands(
            kept,
            cast("Connection", self.wire),
            lambda refused, ref: self.refused.append((refused.code, ref)),
        )
        self.asker = Asker(cast("Store", kept), self.tell, octets)

    def tell(self, reply: Struct) -> None:
        self.wire.write(frame_reply(reply, self.member.wire_format))

    def join(self, since: int | None, most: int = 1000, ref: str = "in") -> object:
        backlog = self.table.room.enter(self.member)
        request = Join("lobby", since, ref)
        errand = catch_up(self.asker, self.table.room, self.member, backlog, request, most)
        self.errands.add(errand, ref, backlog)
        return backlog

    def kinds(self) -> list[str]:
        return [told["type"] for told in self.wire.heard()]


def test_what_was_missed_is_told_in_portions_while_the_client_reads() -> None:
    kept = Kept(100, "x" * 900)
    guest = Guest(kept, Table(opens_later=True, memory=0))
    guest.join(0)
    size, asked = 0, 0
    while kept.open:
        guest.wire.congested = True  # each portion is on its way for a while
        kept.answer()
        guest.errands.go_on()
        asked += 1
        assert (kept.asked, kept.open) == (asked, [])
        size, before = sum(map(len, guest.wire.written)), size
        assert size - before < 12_000
        guest.wire.congested = False
        guest.errands.go_on()
    assert asked >= 10
    assert guest.kinds()[0] == "joined"
    assert guest.wire.seqs() == list(range(1, 101))


@settings(max_examples=100)
@given(
    missed=st.integers(0, 130),
    since=st.integers(0, 60) | st.none(),
    steps=st.lists(st.sampled_from(["say", "say", "read", "stop", "answer", "turn"]), max_size=60),
)
def test_every_number_comes_once_and_in_order_whatever_is_said_meanwhile(
    missed: int, since: int | None, steps: Sequence[str]
) -> None:
    kept, table = Kept(missed, "x" * 300), Table(opens_later=True, memory=0)
    table.enter("lisa")
    guest = Guest(kept, table, octets=3000)
    guest.join(since)
    stored: list[StoredMessage] = []
    for step in [*steps, "read", *["turn", "answer"] * 60]:
        if step == "say":
            stored.append(kept.add())
        elif step == "turn":
            while stored:  # the room hears of it some time after it was stored
                table.arrive(stored.pop(0))
            table.turn()
        elif step == "answer" and kept.open:
            kept.answer()
        elif step in ("read", "stop"):
            guest.wire.congested = step == "stop"
            guest.errands.go_on()
    (joined,) = (told for told in guest.wire.heard() if told["type"] == "joined")
    start = joined["last_seq"] if since is None or since > joined["last_seq"] else since
    assert since is not None or start >= missed
    assert guest.wire.seqs() == list(range(start + 1, len(kept.messages) + 1))


def test_a_long_wait_keeps_nothing_that_the_store_has() -> None:
    """While the client does not read, what is said is not kept for it: it is read later."""
    kept, table = Kept(100, "x" * 900), Table(opens_later=True, memory=0)
    guest = Guest(kept, table)
    backlog = guest.join(0)
    kept.answer()
    guest.wire.congested = True
    kept.answer()
    for _ in range(50):
        table.arrive(kept.add())
        table.turn()
    assert cast("Any", backlog).broadcasts is None
    guest.wire.congested = False
    guest.errands.go_on()
    while kept.open:
        kept.answer()
    assert guest.wire.seqs() == list(range(1, 151))


def test_only_the_newest_are_told_if_too_many_were_missed() -> None:
    kept = Kept(100)
    guest = Guest(kept, Table(opens_later=True, memory=0))
    guest.join(5, most=60)
    while kept.open:
        kept.answer()
    joined = guest.wire.heard()[0]
    assert (joined["truncated"], joined["last_seq"]) == (True, 100)
    assert guest.wire.seqs() == list(range(41, 101))


def test_joining_again_without_since_loses_nothing_while_the_answer_waits() -> None:
    kept, table = Kept(5), Table(opens_later=True, memory=0)
    guest = Guest(kept, table)
    guest.join(None)
    kept.answer()
    guest.wire.congested = True
    request = Join("lobby", None, "again")
    guest.errands.add(greet_again(guest.asker, table.room, guest.member, request), "again")
    table.arrive(kept.add())
    table.turn()
    guest.wire.congested = False
    table.arrive(kept.add())
    guest.errands.go_on()
    table.turn()
    told = [(told["type"], told.get("last_seq", told.get("seq"))) for told in guest.wire.heard()]
    assert told == [("joined", 5), ("message", 6), ("message", 7), ("joined", 7)]


def test_news_comes_to_a_member_that_is_still_catching_up() -> None:
    kept, table = Kept(100, "x" * 900), Table(opens_later=True, memory=0)
    guest = Guest(kept, table)
    guest.join(0)
    kept.answer()  # the room is open
    kept.answer()
    table.turn()
    table.enter("mei")
    table.turn()
    assert guest.wire.heard()[-1]["joined"] == ["mei"]


def test_a_question_of_a_member_that_left_is_withdrawn() -> None:
    kept, table = Kept(100, "x" * 900), Table(opens_later=True, memory=0)
    guest = Guest(kept, table)
    backlog = guest.join(0)
    table.room.exit(guest.member)
    guest.errands.drop(backlog)
    guest.join(90, ref="again")
    while kept.open:
        kept.answer()
    assert [told.get("ref") for told in guest.wire.heard() if told["type"] == "joined"] == ["again"]
    assert guest.wire.seqs() == list(range(91, 101))


def test_after_the_end_nothing_is_asked() -> None:
    kept = Kept(100)
    guest = Guest(kept, Table(opens_later=True, memory=0))
    guest.join(0)
    for _ in range(5):
        guest.errands.add(page_of_history(guest.asker, History("lobby")), None)
    guest.errands.end()
    while kept.open:
        kept.answer()
    assert (kept.asked, guest.wire.written) == (MOST_OPEN, [])
    assert all(future.cancelled() for future in kept.futures)


def test_errands_take_turns() -> None:
    kept = Kept(30, "x" * 900)
    guest = Guest(kept, Table(opens_later=True, memory=0))
    guest.join(0)
    guest.errands.add(page_of_history(guest.asker, History("lobby", ref="h")), "h")
    while kept.open:
        kept.answer()
    kinds = guest.kinds()
    assert kinds.index("history") < len(kinds) - 1


def test_few_questions_are_open_at_a_time() -> None:
    kept = Kept(30)
    guest = Guest(kept, Table(opens_later=True, memory=0))
    for _ in range(10):
        guest.errands.add(page_of_history(guest.asker, History("lobby")), None)
    assert len(kept.open) == MOST_OPEN
    while kept.open:
        assert len(kept.open) <= MOST_OPEN
        kept.answer()
    assert guest.kinds() == ["history"] * 10


def test_a_store_that_is_away_refuses_all_that_wait() -> None:
    kept = Kept(30)
    kept.away = True
    guest = Guest(kept, Table(opens_later=True, memory=0))
    guest.join(0)
    for number in range(5):
        guest.errands.add(page_of_history(guest.asker, History("lobby")), str(number))
    kept.answer()
    assert guest.refused == [("unavailable", ref) for ref in ("in", "3", "4")]
    while kept.open:
        kept.answer()
    assert guest.refused[3:] == [("unavailable", ref) for ref in "012"]
    assert kept.asked == MOST_OPEN


def test_a_store_that_fails_in_the_middle_sends_the_client_away() -> None:
    """It is in the room already, and would not know that it has missed something."""
    kept = Kept(100, "x" * 900)
    guest = Guest(kept, Table(opens_later=True, memory=0))
    guest.join(0)
    kept.answer()  # the room is open
    kept.away = True
    kept.answer()
    kept.answer()
    assert guest.wire.closed == 1013
    assert guest.refused == []


def test_errands_are_not_kept_without_end() -> None:
    guest = Guest(Kept(), Table(opens_later=True, memory=0))
    guest.wire.congested = True
    for _ in range(1000):
        guest.errands.check()
        guest.errands.add(page_of_history(guest.asker, History("lobby")), None)
    with pytest.raises(RequestRefused, match="wait for you to read"):
        guest.errands.check()


@pytest.mark.parametrize(("sizes", "count"), [([10, 10, 10], 2), ([90], 1), ([90, 1], 1), ([], 0)])
def test_one_message_fits_at_least(sizes: list[int], count: int) -> None:
    messages = [StoredMessage("l", 1, "l", "m", "😀" * (size // 4), NOW) for size in sizes]
    assert len(fitting(messages, 330 if len(sizes) > 2 else 50)) == count


# ---------------------------------------------------------------------- on a real server


@pytest.mark.parametrize("text", ["😀", "\x01", "x"], ids=["emoji", "control", "ascii"])
def test_history_of_long_texts_stays_below_a_mebibyte(text: str) -> None:
    async def test() -> None:
        store = MessageStore(MemoryBackend())
        for number in range(200):
            store.submit("lobby", "\x01" * 256, text * 4096, client_msg_id=f"{number:0256}")
        store.flush()
        async with running_server(store) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            seqs: list[int] = []
            before: dict[str, int] = {}
            page: dict[str, Any] = {"has_more": True}
            while page["has_more"]:
                await lisa.tell(type="history", room_id="lobby", limit=200, **before)
                data = await lisa.ws.recv()
                assert len(data.encode() if isinstance(data, str) else data) < 1 << 20
                page = json.loads(data)
                seqs[:0] = [message["seq"] for message in page["messages"]]
                before = {"before_seq": seqs[0]}
            assert seqs == list(range(1, 201))
        store.close()

    run(test())


def test_a_mark_beyond_the_last_right_behind_the_join() -> None:
    async def test() -> None:
        async with running_server() as server:
            client = await RawClient.come(
                server.port, "/chat", "Sec-WebSocket-Protocol: goim.v1.json"
            )
            for request in (
                {"type": "hello", "user_id": "lisa"},
                {"type": "join", "room_id": "lobby"},
                {"type": "read", "room_id": "lobby", "seq": 2**63 - 1, "ref": "r"},
            ):
                client.send_text(json.dumps(request))
            heard = await client.read_until(b'"ref":"r"}')
            assert b'"code":"bad_message","reason":"seq 9223372036854775807 is beyond' in heard

    run(test())


def test_many_rooms_at_once() -> None:
    async def test() -> None:
        store = MessageStore(MemoryBackend())
        for number in range(30):
            for nth in range(60):
                store.submit(f"room{number}", "lisa", "hi", client_msg_id=f"{number}-{nth}")
        store.flush()
        async with running_server(store) as server:
            tom = await Person.come(server, "tom")
            for number in range(30):
                await tom.tell(type="join", room_id=f"room{number}", since=0)
            seqs: dict[str, list[int]] = {f"room{number}": [] for number in range(30)}
            for _ in range(30 * 60):
                message = await tom.hear("message")
                seqs[message["room_id"]].append(message["seq"])
            assert list(seqs.values()) == [list(range(1, 61))] * 30
            assert [told["type"] for told in tom.heard].count("joined") == 30
            await asyncio.sleep(0)
        store.close()

    run(test())
