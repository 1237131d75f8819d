"""The five promises of the chat protocol, with a real mongod and real sockets.

That they hold when server and database are killed is tested in ``peers/test_promises_store.py``.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from pymongo.read_concern import ReadConcern

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod import LocalMongod
from goim_edu.server import ChatServer
from goim_edu.store import MessageStore, open_store
from goim_edu.transport import Connection
from goim_edu.websocket.close import parse_close
from goim_edu.websocket.decoder import FrameDecoder
from tests.chatting import Link, Person, RawClient, run, running_server, until
from tests.storing import intercept


@contextmanager
def opened(mongod: LocalMongod) -> Iterator[tuple[MessageStore, str]]:
    """A store in the real mongod, and a room that no other test uses."""
    with open_store(mongod.uri) as store:
        yield store, f"promises-{secrets.token_hex(4)}"


def documents(store: MessageStore, room: str) -> list[dict[str, Any]]:
    """What a majority has of this room."""
    messages = store.database.messages.with_options(read_concern=ReadConcern("majority"))
    return list(messages.find({"room_id": room}).sort("seq"))


# ---------------------------------------------------------------------- 1


def test_acknowledged_means_stored(mongod: LocalMongod) -> None:
    async def test(store: MessageStore, room: str) -> None:
        async with running_server(store) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join(room)
            for number in range(20):
                ack = await lisa.say(f"text {number}", f"{room}-{number}", room)
                stored = documents(store, room)[-1]
                assert stored["seq"] == ack["seq"]
                assert (stored["text"], stored["user_id"]) == (f"text {number}", "lisa")

    with opened(mongod) as (store, room):
        run(test(store, room))


def test_what_was_not_stored_is_neither_acknowledged_nor_told(
    mongod: LocalMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(store: MessageStore, room: str) -> None:
        def away(*_: Any) -> Any:
            raise StoreUnavailable("the primary is away")

        async with running_server(store) as server:
            lisa, tom = await Person.come(server, "lisa"), await Person.come(server, "tom")
            await lisa.join(room)
            await tom.join(room)
            with monkeypatch.context() as patch:
                patch.setattr(store.backend, "insert", away)
                patch.setattr(store._writers.of(room), "_patience", 0.1)
                answer = await lisa.say("lost?", f"{room}-1", room)
                assert (answer["type"], answer["code"]) == ("error", "unavailable")
                assert documents(store, room) == []
            ack = await lisa.say("lost?", f"{room}-1", room)
            assert (ack["type"], ack["duplicate"]) == ("ack", False)
            assert (await tom.hear("message"))["text"] == "lost?"
            assert len(documents(store, room)) == 1

    with opened(mongod) as (store, room):
        run(test(store, room))


def test_a_fault_of_the_store_does_not_promise_that_nothing_was_saved(
    mongod: LocalMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(store: MessageStore, room: str) -> None:
        insert = store.backend.insert

        def stored_and_broken(documents: Any) -> Any:
            insert(documents)
            raise ZeroDivisionError

        async with running_server(store) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join(room)
            with monkeypatch.context() as patch:
                patch.setattr(store.backend, "insert", stored_and_broken)
                answer = await lisa.say("lost?", f"{room}-1", room)
            assert (answer["type"], answer["code"]) == ("error", "internal")
            ack = await lisa.say("lost?", f"{room}-1", room)
            assert (ack["type"], ack["duplicate"]) == ("ack", True)
            assert len(documents(store, room)) == 1

    with opened(mongod) as (store, room):
        run(test(store, room))


# ---------------------------------------------------------------------- 2


def test_a_lost_ack_and_a_resend(mongod: LocalMongod) -> None:
    """The link fails between the sending and the ack; the message is there once, whatever comes."""

    async def test(store: MessageStore, room: str) -> None:
        async with running_server(store) as server, Link(server.port) as link:
            tom = await Person.come(server, "tom")
            await tom.join(room)
            client = await RawClient.come(
                link.port, "/chat", "Sec-WebSocket-Protocol: goim.v1.json"
            )
            for message in (
                {"type": "hello", "user_id": "lisa"},
                {"type": "join", "room_id": room},
            ):
                client.send_text(json.dumps(message))
            await tom.hear("presence", joined=["lisa"])
            link.deaf = True  # nothing comes back any more
            send = {"type": "send", "room_id": room, "client_msg_id": f"{room}-1", "text": "once"}
            client.send_text(json.dumps(send))
            first = await tom.hear("message")
            client.reset()
            lisa = await Person.come(server, "lisa")
            await lisa.join(room)
            for _ in range(3):
                ack = await lisa.say("once", f"{room}-1", room)
                assert (ack["seq"], ack["duplicate"]) == (first["seq"], True)
            await lisa.say("another", f"{room}-2", room)
            assert (await tom.hear("message"))["text"] == "another"
            assert len(documents(store, room)) == 2

    with opened(mongod) as (store, room):
        run(test(store, room))


def test_the_same_message_many_times_at_once(mongod: LocalMongod) -> None:
    async def test(store: MessageStore, room: str) -> None:
        async with running_server(store) as server:
            sessions = [await Person.come(server, "lisa") for _ in range(4)]
            for session in sessions:
                await session.join(room)
            acks = await asyncio.gather(
                *(session.say("once", f"{room}-1", room) for session in sessions)
            )
            assert {ack["seq"] for ack in acks} == {1}
            assert sorted(ack["duplicate"] for ack in acks) == [False, True, True, True]
            await sessions[0].say("last", f"{room}-2", room)
            for session in sessions:
                assert (await session.hear("message"))["text"] == "once"
                assert (await session.hear("message"))["text"] == "last"
            assert len(documents(store, room)) == 2

    with opened(mongod) as (store, room):
        run(test(store, room))


# ---------------------------------------------------------------------- 3


def test_one_order_for_all(mongod: LocalMongod) -> None:
    async def test(store: MessageStore, room: str) -> None:
        async with running_server(store, burst=10_000) as server:
            people = [await Person.come(server, f"user{number}") for number in range(6)]
            for person in people:
                await person.join(room)

            async def talk(person: Person) -> None:
                for number in range(30):
                    await person.tell(
                        type="send",
                        room_id=room,
                        client_msg_id=f"{room}-{number}",
                        text=f"{person.user_id} {number}",
                    )
                    await asyncio.sleep(0)

            await asyncio.gather(*map(talk, people))
            wanted = None
            for person in people:
                view = [await person.hear("message") for _ in range(180)]
                seqs = [message["seq"] for message in view]
                assert seqs == sorted(set(seqs))
                assert wanted in (None, view)
                wanted = view
            stored = [(one["seq"], one["text"]) for one in documents(store, room)]
            assert stored == [(message["seq"], message["text"]) for message in wanted or ()]

    with opened(mongod) as (store, room):
        run(test(store, room))


def troubled(rival: MessageStore, room: str) -> Callable[[Any, dict[str, Any]], Any]:
    """Another server takes numbers, and answers of the database are lost, again and again."""
    turns = count()

    def insert(database: Any, command: dict[str, Any]) -> Any:
        turn = next(turns)
        if turn % 3 == 0:
            rival.submit(room, "rival", "first!", client_msg_id=f"{room}-{turn}").result(20)
        answer = database.command(command)
        if turn % 3 == 1:
            raise AutoReconnect("the answer was lost")
        return answer

    return insert


def test_one_order_for_all_whatever_happens_to_a_batch(mongod: LocalMongod) -> None:
    async def test(store: MessageStore, rival: MessageStore, room: str) -> None:
        intercept(store, troubled(rival, room))
        async with running_server(store, burst=10_000) as server:
            people = [await Person.come(server, f"user{number}") for number in range(3)]
            for person in people:
                await person.join(room)
            for number in range(30):
                for person in people:
                    key, text = f"{room}-{number}", f"{person.user_id} {number:02}"
                    await person.tell(type="send", room_id=room, client_msg_id=key, text=text)
                if number % 10 == 9:
                    await people[0].hear("message", text=f"user2 {number:02}")
            for person in people[1:]:
                view = [await person.hear("message") for _ in range(90)]
                seqs = [message["seq"] for message in view]
                assert seqs == sorted(set(seqs))
                for talker in people:
                    own = [m["text"] for m in view if m["user_id"] == talker.user_id]
                    assert own == sorted(own)
            stored = [one["seq"] for one in documents(store, room)]
            assert stored == list(range(1, len(stored) + 1))
            assert len(stored) > 90

    with opened(mongod) as (store, room), open_store(mongod.uri) as rival:
        run(test(store, rival, room))


# ---------------------------------------------------------------------- 4


def test_reconnecting_in_the_middle_of_a_burst(mongod: LocalMongod) -> None:
    """Again and again: vanish, come back with ``since``; every number is seen once, in order."""

    async def test(store: MessageStore, room: str) -> None:
        async with running_server(store, burst=10_000) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join(room)
            total = 300

            async def burst() -> None:
                for number in range(total):
                    await lisa.say(str(number), f"{room}-{number}", room)

            talking = asyncio.create_task(burst())
            seen: list[int] = []
            visits = 0
            while len(seen) < total:
                tom = await Person.come(server, "tom")
                since = seen[-1] if seen else 0
                joined = await tom.join(room, since=since)
                assert joined["truncated"] is False
                visits += 1
                wanted = min(7 + visits, total - len(seen))
                seen += [(await tom.hear("message"))["seq"] for _ in range(wanted)]
                tom.go()
            await talking
            assert visits > 5
            assert seen == list(range(1, total + 1))

    with opened(mongod) as (store, room):
        run(test(store, room))


def test_since_and_history_together_bring_everything(mongod: LocalMongod) -> None:
    """More was missed than ``join`` brings: the rest is in the history."""

    async def test(store: MessageStore, room: str) -> None:
        for number in range(1, 1301):
            store.submit(room, "lisa", str(number), client_msg_id=f"{room}-{number}")
        store.flush()
        async with running_server(store) as server:
            tom = await Person.come(server, "tom")
            joined = await tom.join(room, since=10)
            assert joined["truncated"] is True
            seqs = [(await tom.hear("message"))["seq"] for _ in range(1000)]
            assert seqs == list(range(301, 1301))
            while seqs[0] > 11:
                page = await tom.ask(type="history", room_id=room, before_seq=seqs[0], limit=200)
                seqs[:0] = [message["seq"] for message in page["messages"]]
            assert seqs[seqs.index(11) :] == list(range(11, 1301))

    with opened(mongod) as (store, room):
        run(test(store, room))


# ---------------------------------------------------------------------- 5


def test_one_slow_reader_harms_nobody(mongod: LocalMongod) -> None:
    async def test(store: MessageStore, room: str) -> None:
        async with running_server(
            store, queue_limit=100_000, burst=100_000, compression=False
        ) as server:
            lisa, tom = await Person.come(server, "lisa"), await Person.come(server, "tom")
            await lisa.join(room)
            await tom.join(room)
            slow = await RawClient.come(
                server.port, "/chat", "Sec-WebSocket-Protocol: goim.v1.json"
            )
            shrink_buffers(slow, newest(server))
            slow.send_text('{"type":"hello","user_id":"snail"}')
            slow.send_text(json.dumps({"type": "join", "room_id": room}))
            await tom.hear("presence", joined=["snail"])
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
            said = most = 0
            while server.engine.stats.slow_closed == 0:
                said += 1
                await lisa.say("x" * 4000, f"{room}-{said}", room)
                message = await tom.hear("message")
                assert (message["seq"], len(message["text"])) == (said, 4000)
                most = max([most, *(info.queued for info in server.connections())])
                assert said < 5000
            assert 0 < most <= 100_000 + 10_000  # its bound, and what the socket had taken over
            await tom.hear("presence", left=["snail"])
            slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
            frames = FrameDecoder().feed(await slow.read_all())
            assert parse_close(frames[-1].payload)[0] == 1013
            seqs = [
                message["seq"]
                for frame in frames[:-1]
                if (message := json.loads(frame.payload))["type"] == "message"
            ]
            assert seqs == list(range(1, len(seqs) + 1))  # cut off, but without a hole
            back = await Person.come(server, "snail")
            await back.join(room, since=seqs[-1])
            assert (await back.hear("message"))["seq"] == seqs[-1] + 1

    with opened(mongod) as (store, room):
        run(test(store, room))


def newest(server: ChatServer) -> Connection:
    return max(server._connections, key=lambda one: one.id)


def shrink_buffers(client: RawClient, connection: Connection) -> None:
    """Loopback sockets take megabytes; small buffers make a reader slow sooner."""
    link = client.writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    link = connection.transport.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)


def test_news_is_dropped_for_a_slow_reader_and_messages_are_not(mongod: LocalMongod) -> None:
    async def test(store: MessageStore, room: str) -> None:
        async with running_server(
            store, queue_limit=20_000, rate=1e6, burst=1_000_000, compression=False
        ) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join(room)
            snail = await Person.come(server, "snail")
            await snail.join(room)
            await lisa.hear("presence")
            (connection,) = (
                one for one in server._connections if getattr(one.handler, "user_id", "") == "snail"
            )
            connection.pause_writing()  # as asyncio does when the socket takes no more
            for number in range(1, 21):
                for come in (2 * number, 2 * number + 1):
                    stranger = await Person.come(server, f"{come:0250}")
                    await stranger.join(room)
                await lisa.say("x" * 500, f"{room}-{number}", room)
            stats = server.engine.stats
            assert stats.dropped > 0
            assert stats.slow_closed == 0
            assert connection.queued <= 20_000
            connection.resume_writing()
            for number in range(1, 21):
                assert (await snail.hear("message"))["seq"] == number
            await until(lambda: connection.queued == 0)

    with opened(mongod) as (store, room):
        run(test(store, room))
