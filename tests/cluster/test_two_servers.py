"""Two servers, one room: messages, presence, typing and read marks at both, whatever happens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson.timestamp import Timestamp

from goim_edu.chat import room as room_module
from goim_edu.chat.gate import Gate
from goim_edu.cluster.follower import Follower
from goim_edu.lab.history import Record, check_history
from tests.chatting import Person, http, run, until
from tests.cluster.conftest import Cluster, node, store_of
from tests.cluster.processes import Witness

# ---------------------------------------------------------------------- messages


def test_what_is_said_at_one_server_is_heard_at_the_other(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            for number in range(1, 31):
                speaker = lisa if number % 2 else bo
                assert (await speaker.say(f"number {number}", f"m{number}"))["seq"] == number
            for person in (lisa, bo):
                seqs = [(await person.hear("message"))["seq"] for _ in range(30)]
                assert seqs == list(range(1, 31))

    run(test())


def test_the_sender_hears_its_ack_first(cluster: Cluster) -> None:
    """The stream may be quicker than the answer of the store; it waits."""

    async def test() -> None:
        async with cluster(burst=10_000, rate=10_000) as (one, _):
            lisa = await Person.come(one, "lisa")
            await lisa.join()
            for number in range(200):
                await lisa.tell(type="send", room_id="lobby", text="hi", client_msg_id=f"m{number}")
                told = [(await lisa.listen())["type"] for _ in range(2)]
                assert told == ["ack", "message"]

    run(test())


def test_both_at_once_and_everybody_hears_one_order(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster(3, burst=10_000, rate=10_000) as servers:
            people = [await Person.come(one, f"user{n}") for n, one in enumerate(servers)]
            for person in people:
                await person.join()

            async def talk(person: Person) -> None:
                for number in range(100):
                    await person.tell(
                        type="send",
                        room_id="lobby",
                        text="hi",
                        client_msg_id=f"{person.user_id}-{number}",
                    )
                    await asyncio.sleep(0.002)

            await asyncio.gather(*map(talk, people))
            told = []
            for person in people:
                messages = [await person.hear("message") for _ in range(300)]
                assert [one["seq"] for one in messages] == list(range(1, 301))
                told.append([one["client_msg_id"] for one in messages])
            assert told[0] == told[1] == told[2]

    run(test())


def test_without_the_gate_a_member_hears_its_own_words_first(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant: each message is handed on as it comes, by the ack or by the stream."""

    def arrived(self: Any, message: Any) -> None:
        self.last = max(self.last or 0, message.seq)
        self._hand_on(message)

    async def test() -> None:
        monkeypatch.setattr(Gate, "arrived", arrived)
        monkeypatch.setattr(Follower, "_put", _late(Follower._put))
        async with cluster(burst=10_000, rate=10_000) as (one, other):
            history: list[Record] = []
            lisa = await Witness.enter(one, "lisa", history)
            bo = await Witness.enter(other, "bo", history)
            for number in range(20):
                for person in (bo, lisa):
                    await person.shout([f"m{number}"])
                    await person.acked([f"m{number}"])
            await asyncio.sleep(1.5)  # all have come by then that ever will
            await lisa.shout(["end"])
            await lisa.hear_all(41)
            bo.leave()
            stored = store_of(one).history("lobby", limit=100)
            kinds = {violation.kind for violation in check_history(history, stored)}
            assert kinds & {"out of order", "repeated", "missed"}

    run(test())


def _late(put: Any) -> Any:
    def late(self: Any, change: Any, stop: Any) -> None:
        stop.wait(0.03)
        put(self, change, stop)

    return late


def test_coming_back_at_the_other_server_misses_nothing(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(one, "bo")
            await lisa.join()
            await bo.join()
            for number in range(1, 11):
                await lisa.say("hi", f"m{number}")
            for _ in range(4):
                await bo.hear("message")
            bo.go()
            back = await Person.come(other, "bo")
            joined = await back.join(since=4)
            assert joined["last_seq"] == 10
            seqs = [(await back.hear("message"))["seq"] for _ in range(6)]
            assert seqs == list(range(5, 11))
            again = await lisa.say("hi", "m3")  # a resend, after a lost ack
            assert (again["seq"], again["duplicate"]) == (3, True)
            assert (await back.say("hi", "new"))["seq"] == 11
            assert (await back.hear("message"))["seq"] == 11

    run(test())


def test_a_resend_at_the_other_server_is_the_same_message(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            first = await lisa.say("hi", "m1")
            elsewhere = await Person.come(other, "lisa")
            await elsewhere.join()
            again = await elsewhere.say("hi", "m1")
            assert (first["seq"], again["seq"], again["duplicate"]) == (1, 1, True)
            await bo.say("end", "e")
            assert [(await bo.hear("message"))["seq"] for _ in range(2)] == [1, 2]

    run(test())


def test_a_stream_that_hangs_delays_and_loses_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes by it: what we store ourselves shows that more may be missing."""

    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            monkeypatch.setattr(node(other).follower, "take", lambda most: [])
            await lisa.say("one", "m1")
            assert (await bo.say("two", "m2"))["seq"] == 2
            assert [(await bo.hear("message"))["seq"] for _ in range(2)] == [1, 2]  # a gap
            assert other.hub.stats.fills["gap"] == 1
            await lisa.say("three", "m3")
            await bo.hear("message", seq=3)
            assert other.hub.stats.fills["unseen"] >= 1

    run(test())


def test_a_stream_that_is_lost_begins_anew_and_the_rooms_look_into_the_store(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """The oplog does not reach back so far: MongoDB's error 286."""

    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            follower = node(other).follower
            await asyncio.to_thread(follower.stop)
            await lisa.say("while nobody follows", "m1")
            follower._token = None
            follower.start(Timestamp(1, 1))
            assert (await bo.hear("message"))["seq"] == 1
            assert follower.stats.lost == 1
            assert other.hub.stats.fills["reopened"] == 1
            assert "change stream lost" in caplog.text
            assert "oplog" in caplog.text

    run(test())


def test_a_stream_goes_on_after_the_last_event(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            follower = node(other).follower
            await asyncio.to_thread(follower.stop)
            for number in range(1, 21):
                await lisa.say("hi", f"m{number}")
            follower.start()
            seqs = [(await bo.hear("message"))["seq"] for _ in range(20)]
            assert seqs == list(range(1, 21))
            assert "reopened" not in other.hub.stats.fills

    run(test())


def test_a_stream_that_begins_at_a_moment_has_forgotten_where_it_was(cluster: Cluster) -> None:
    """By the bus for days, and then the stream again: it need not tell all of those days."""

    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            await lisa.say("before", "m1")
            await bo.hear("message", seq=1)
            follower, moment = node(other).follower, store_of(one).moment
            await asyncio.to_thread(follower.stop)
            await lisa.say("after", "m2")
            follower._token = {"_data": "00"}  # of no use any more
            follower.start(moment)
            assert (await bo.hear("message"))["seq"] == 2
            assert follower.stats.lost == 0

    run(test())


def test_what_another_program_wrote_keeps_nothing_back(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            database = store_of(one).database
            for name in ("messages", "peers", "bulletins"):
                foreign = {"_id": "foreign", "server": 5}
                database[name].insert_one(foreign, bypass_document_validation=True)
            await lisa.say("hi", "m1")
            assert (await bo.hear("message"))["seq"] == 1
            await bo.tell(type="typing", room_id="lobby")
            await lisa.hear("typing")

    run(test())


def test_what_comes_too_late_does_no_harm(cluster: Cluster) -> None:
    """Something was to be asked a second later, and the server is closed by then."""

    async def test() -> None:
        async with cluster() as (one, _):
            late = node(one)
        late._enter()
        late._ask_for_lists("somebody")
        late._inbox.take()

    run(test())


def test_nothing_is_handed_on_that_nobody_here_wants(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa = await Person.come(one, "lisa")
            await lisa.join()
            for number in range(10):
                await lisa.say("hi", f"m{number}")
            await until(lambda: node(other).follower.stats.events >= 10)
            assert other.hub.rooms == {}

    run(test())


def test_a_read_mark_may_be_ahead_of_this_server(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await bo.join()
            await lisa.join()
            await lisa.say("hi", "m1")
            gate = other.hub.rooms["lobby"].gate
            gate.highest = 0  # as if nothing had come yet
            await bo.tell(type="read", room_id="lobby", seq=1)
            assert (await lisa.hear("read"))["seq"] == 1
            refused = await bo.ask(type="read", room_id="lobby", seq=5)
            assert refused["code"] == "bad_message"

    run(test())


# ---------------------------------------------------------------------- presence and the rest


def test_both_servers_know_who_is_there(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa = await Person.come(one, "lisa")
            assert (await lisa.join())["members"] == ["lisa"]
            await until(lambda: node(one)._bulletins == 1 and not node(one)._telling)
            bo = await Person.come(other, "bo")
            joined = await bo.join()
            assert (joined["members"], joined["member_count"]) == (["bo", "lisa"], 2)
            assert (await lisa.hear("presence"))["joined"] == ["bo"]
            page = await lisa.ask(type="members", room_id="lobby")
            assert (page["members"], page["member_count"]) == (["bo", "lisa"], 2)
            await bo.ask(type="leave", room_id="lobby")
            told = await lisa.hear("presence")
            assert (told["left"], told["member_count"]) == (["bo"], 1)

    run(test())


def test_typing_and_read_marks_cross(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            lisa, bo = await Person.come(one, "lisa"), await Person.come(other, "bo")
            await lisa.join()
            await bo.join()
            await lisa.say("hi", "m1")
            await bo.hear("message")
            await bo.tell(type="typing", room_id="lobby")
            assert (await lisa.hear("typing"))["user_id"] == "bo"
            await bo.tell(type="read", room_id="lobby", seq=1)
            told = await lisa.hear("read")
            assert (told["user_id"], told["seq"]) == ("bo", 1)
            await until(lambda: store_of(one).read_marks("lobby") == {"bo": 1})

    run(test())


def test_one_user_at_two_servers_is_one_member(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            tom = await Person.come(one, "tom")
            await tom.join()
            first, second = await Person.come(one, "lisa"), await Person.come(other, "lisa")
            await first.join()
            assert (await tom.hear("presence"))["joined"] == ["lisa"]
            await second.join()
            await until(lambda: len(one.hub.rooms["lobby"].roster.servers) == 1)
            await first.ask(type="leave", room_id="lobby")
            await tom.say("still two", "m1")
            await tom.hear("message")
            assert [told for told in tom.heard if told["type"] == "presence"] == []
            await second.ask(type="leave", room_id="lobby")
            told = await tom.hear("presence")
            assert (told["left"], told["member_count"]) == (["lisa"], 1)

    run(test())


def test_who_comes_back_in_time_was_never_away(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster(presence_grace=1.5) as (one, other):
            tom = await Person.come(one, "tom")
            await tom.join()
            lisa = await Person.come(one, "lisa")
            await lisa.join()
            await tom.hear("presence", joined=["lisa"])
            lisa.go()
            back = await Person.come(other, "lisa")
            await back.join()
            await asyncio.sleep(2.5)
            assert [told for told in tom.heard if told["type"] == "presence"] == []
            assert (await tom.ask(type="members", room_id="lobby"))["member_count"] == 2
            back.go()
            told = await tom.hear("presence")
            assert told["left"] == ["lisa"]

    run(test())


def test_a_large_room_is_told_by_number(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "COUNT_EVERY", 0.5)

    async def test() -> None:
        async with cluster(presence_limit=5) as (one, other):
            tom = await Person.come(one, "tom")
            await tom.join()
            crowd = [await Person.come(other, f"user {number}") for number in range(9)]
            for person in crowd:
                await person.join()
            told = await tom.hear("presence", member_count=10)
            assert (told["joined"], told["left"]) == ([], [])
            here = await Person.come(one, "late")
            assert (await here.join())["member_count"] == 11
            for person in crowd:
                await person.ask(type="leave", room_id="lobby")
            await tom.hear("presence", member_count=2)
            await until(lambda: one.hub.rooms["lobby"].roster.servers == set())

    run(test())


def test_a_bulletin_that_was_missed_is_made_good(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, other):
            tom = await Person.come(other, "tom")
            await tom.join()
            people = [await Person.come(one, f"user {number}") for number in range(3)]
            await people[0].join()
            await tom.hear("presence", joined=["user 0"])
            hear = node(other).hear_bulletin
            node(other).hear_bulletin = lambda document: None
            await people[1].join()
            await until(lambda: node(one)._bulletins == 2 and not node(one)._telling)
            await asyncio.sleep(0.3)
            node(other).hear_bulletin = hear
            await people[2].join()
            await until(lambda: len(other.hub.rooms["lobby"].roster) == 4)

    run(test())


# ---------------------------------------------------------------------- servers that come and go


def test_a_server_that_drains_says_when_to_come_back(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster(presence_grace=1.0) as (one, other):
            tom = await Person.come(other, "tom")
            await tom.join()
            people = [await Person.come(one, f"user {number}") for number in range(12)]
            for person in people:
                await person.join()
            await until(lambda: len(other.hub.rooms["lobby"].roster) == 13)
            closing = asyncio.create_task(one.drain())
            pauses = {(await person.hear("draining"))["reconnect_after_ms"] for person in people}
            assert len(pauses) > 6
            assert all(0 <= pause <= 1000 for pause in pauses)
            back = [await Person.come(other, person.user_id) for person in people[:6]]
            for person in back:
                await person.join()
            await closing
            gone: set[str] = set()
            while len(gone) < 6:
                gone |= set((await tom.hear("presence", joined=[]))["left"])
            assert gone == {person.user_id for person in people[6:]}
            assert len(node(other).peers) == 0
            names = [one["names"] for one in store_of(other).database.presence.find()]
            assert [sorted(some) for some in names] == [
                sorted(["tom", *(person.user_id for person in back)])
            ]

    run(test())


def test_a_server_that_was_given_up_goes_on_under_a_new_name(cluster: Cluster) -> None:
    """It was stopped for a while; the others have buried it, and learn of it anew."""

    async def test() -> None:
        async with cluster(presence_grace=0.2) as (one, other):
            tom, lisa = await Person.come(other, "tom"), await Person.come(one, "lisa")
            await tom.join()
            await lisa.join()
            await tom.hear("presence", joined=["lisa"])
            old = node(one).server
            node(one)._next_beat = 1e9  # its heart stands still
            peer = node(other).peers.silent(now=1e9)[0]
            node(other)._bury(peer, 0.0)
            assert (await tom.hear("presence"))["left"] == ["lisa"]
            node(one)._next_beat = 0.0
            assert (await tom.hear("presence"))["joined"] == ["lisa"]
            assert node(one).server != old
            await lisa.say("I was away", "m1")
            assert (await tom.hear("message"))["seq"] == 1

    run(test())


def test_figures_and_health(cluster: Cluster) -> None:
    async def test() -> None:
        async with cluster() as (one, _):
            lisa = await Person.come(one, "lisa")
            await lisa.join()
            await lisa.say("hi", "m1")
            await until(lambda: node(one).follower.stats.events >= 1)
            figures = (await http(one.port, "/metrics"))[2].decode()
            for line in ("goim_peers 1.0", "goim_gate_held 0.0", "goim_seq_conflicts_total 0.0"):
                assert line in figures
            assert "goim_stream_lag_seconds" in figures
            assert b'"peers": 1' in (await http(one.port, "/healthz"))[2]
            node(one)._beat_seen = -31.0
            status, _, health = await http(one.port, "/healthz")
            assert (status, b"stream stalled" in health) == (503, True)

    run(test())
