"""The whole chat from Python: what a client can ask for, and what becomes of it without a link."""

from __future__ import annotations

import asyncio
import inspect
import logging
import logging.handlers
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from goim_edu.client import (
    Backoff,
    ChatClient,
    ChatMessage,
    ChatRefused,
    ChatState,
    ConnectionClosed,
    Presence,
    ReadBy,
    TypingBy,
    VocabularyError,
    WebSocket,
    connect,
)
from goim_edu.client.sync import ChatClient as BlockingClient
from goim_edu.server import ChatServer, serve
from goim_edu.store import MemoryBackend, MessageStore
from tests.chatting import Link, Person, run, running_server, until


def chat(port: int, name: str, rooms: Any = ("r",), **options: Any) -> ChatClient:
    backoff = Backoff(first=0.001, longest=0.002)
    return ChatClient(f"ws://127.0.0.1:{port}/chat", name, rooms, backoff=backoff, **options)


def cut_all(server: ChatServer) -> None:
    """Cut all connections, without a goodbye."""
    for session in tuple(server.hub.sessions):
        session.connection.abort()  # type: ignore[attr-defined]


async def heard(client: ChatClient, count: int) -> list[int]:
    """The numbers of the next messages."""
    seqs: list[int] = []
    async for message in client:
        seqs.append(message.seq)
        if len(seqs) == count:
            break
    return seqs


def filled(count: int, room: str = "r") -> MessageStore:
    store = MessageStore(MemoryBackend())
    for number in range(1, count + 1):
        store.submit(room, "eve", str(number), client_msg_id=f"e{number}")
    store.flush()
    return store


# ---------------------------------------------------------------------- what can be asked for


def test_all_that_happens_in_a_room_is_an_event() -> None:
    async def test() -> None:
        async with (
            running_server() as server,
            chat(server.port, "ann") as ann,
            chat(server.port, "bob") as bob,
        ):
            seen: list[object] = []

            async def watch() -> None:
                async for event in ann.events():
                    match event:
                        case Presence(joined=came, left=gone):
                            seen.extend(("came", name) for name in came)
                            seen.extend(("left", name) for name in gone)
                        case TypingBy(user_id=user):
                            seen.append(("typing", user))
                        case ChatMessage(user_id=user, text=text):
                            seen.append((user, text))
                        case ReadBy(user_id=user, seq=seq):
                            seen.append(("read", user, seq))

            watching = asyncio.create_task(watch())
            steps: list[tuple[object, Callable[[], Awaitable[object]]]] = [
                (("came", "bob"), lambda: asyncio.sleep(0)),
                (("typing", "bob"), lambda: bob.typing("r")),
                (("bob", "hello"), lambda: bob.send("r", "hello")),
                (("read", "bob", 1), lambda: bob.mark_read("r", 1)),
                (("left", "bob"), lambda: bob.leave("r")),
            ]
            for wanted, act in steps:
                await act()
                await until(lambda wanted=wanted: wanted in seen)  # type: ignore[misc]
            assert [event for event in seen if event[0] == "bob"] == [("bob", "hello")]  # type: ignore[index]
            await ann.close()
            await watching

    run(test())


def test_rooms_are_joined_and_left() -> None:
    async def test() -> None:
        async with (
            running_server(filled(5)) as server,
            chat(server.port, "ann", ()) as ann,
        ):
            assert (ann.rooms, ann.state) == ({}, ChatState.ONLINE)
            await ann.join("r", since=3)
            assert await heard(ann, 2) == [4, 5]
            assert await ann.members("r") == ["ann"]
            await ann.join("r")  # is there already
            await ann.join("s")
            assert ann.rooms == {"r": 5, "s": 0}
            await ann.send("r", "to be forgotten")
            await ann.leave("r")
            assert ann.rooms == {"s": 0}
            await ann.send("s", "first")
            assert await heard(ann, 1) == [1], "nothing more of the room that was left"
            with pytest.raises(ChatRefused, match="not_joined"):
                await ann.leave("r")
            await ann.join("r")
            assert ann.rooms == {"r": 6, "s": 1}, "nothing of its past"
            assert await ann.members("r") == ["ann"]

    run(test())


def test_members_and_history_are_more_than_a_page() -> None:
    async def test() -> None:
        async with running_server(filled(450)) as server, chat(server.port, "ann") as ann:
            people = await asyncio.gather(
                *(Person.come(server, f"user{number:03}") for number in range(205))
            )
            await asyncio.gather(*(person.join("r") for person in people))
            names = await ann.members("r")
            assert names == ["ann", *(f"user{number:03}" for number in range(205))]

            async def seqs(**bounds: Any) -> list[int]:
                return [message.seq for message in await ann.history("r", **bounds)]

            assert await seqs() == list(range(401, 451))
            assert await seqs(limit=1000) == list(range(1, 451))
            assert await seqs(before_seq=10, limit=3) == [7, 8, 9]
            assert await seqs(after_seq=10, limit=3) == [11, 12, 13]
            assert await seqs(after_seq=447) == [448, 449, 450]
            assert await seqs(after_seq=450) == []
            with pytest.raises(ValueError, match="limit must be 1"):
                await ann.history("r", limit=0)

    run(test())


def test_only_rooms_of_ours_can_be_asked_about() -> None:
    async def test() -> None:
        async with running_server() as server, chat(server.port, "ann") as ann:
            asking: list[Awaitable[object]] = [
                ann.history("x"),
                ann.members("x"),
                ann.leave("x"),
                ann.mark_read("x", 1),
                ann.typing("x"),
            ]
            for call in asking:
                with pytest.raises(ChatRefused, match="not_joined: we are not in the room 'x'"):
                    await call

    run(test())


def test_a_room_that_is_refused_is_not_asked_for_again() -> None:
    async def test() -> None:
        async with running_server(max_rooms=1) as server, chat(server.port, "ann") as ann:
            with pytest.raises(ChatRefused, match="rooms"):
                await ann.join("one too many")
            assert list(ann.rooms) == ["r"]
            cut_all(server)
            await until(lambda: ann.losses == 1)
            assert (await ann.send("r", "still here")).seq == 1

    run(test())


def test_a_read_mark_beyond_the_last_is_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        async with running_server() as server, chat(server.port, "ann") as ann:
            await ann.mark_read("r", 7)
            await until(lambda: "beyond the last" in caplog.text)
            with pytest.raises(ValueError, match="seq must be 1 to"):
                await ann.mark_read("r", 0)
            with pytest.raises(TypeError, match="seq is an int, not the str '7'"):
                await ann.mark_read("r", "7")  # type: ignore[arg-type]

    run(test())


# ---------------------------------------------------------------------- without a link

ASKED: list[Callable[[ChatClient], Awaitable[object]]] = [
    lambda ann: ann.send("r", "hello"),
    lambda ann: ann.join("s"),
    lambda ann: ann.leave("r"),
    lambda ann: ann.members("r"),
    lambda ann: ann.history("r", limit=300),
    lambda ann: ann.history("r", after_seq=3),
]
NAMES = ["send", "join", "leave", "members", "history", "history after"]


@pytest.mark.parametrize("ask", ASKED, ids=NAMES)
def test_what_was_asked_survives_a_lost_connection(ask: Any) -> None:
    async def test() -> None:
        async with (
            running_server(filled(5)) as server,
            Link(server.port) as link,
            chat(link.port, "ann") as ann,
        ):
            link.deaf = True  # the question arrives, its answer does not
            asked = asyncio.create_task(ask(ann))
            await until(lambda: ann._waiting and not ann._talk.requests)
            cut_all(server)
            link.deaf = False
            await until(lambda: ann.losses == 1)
            await asked
            assert (await ann.members("s") if "s" in ann.rooms else ["ann"]) == ["ann"]

    run(test())


@pytest.mark.parametrize("ask", ASKED, ids=NAMES)
def test_what_was_asked_ends_with_an_error_when_the_chat_is_left(ask: Any) -> None:
    async def test() -> None:
        async with running_server() as server, Link(server.port) as link:
            async with chat(link.port, "ann", close_timeout=0.05) as ann:
                link.deaf = True
                asked = asyncio.create_task(ask(ann))
                await until(lambda: ann._waiting)
            with pytest.raises(ConnectionClosed, match="was left"):
                await asked
            with pytest.raises(ConnectionClosed, match="was left"):
                await ask(ann)
            assert ann.state is ChatState.CLOSED

    run(test())


@pytest.mark.parametrize("ask", ASKED, ids=NAMES)
def test_nothing_can_be_asked_before_the_chat_is_entered(ask: Any) -> None:
    async def test() -> None:
        ann = chat(1, "ann")
        with pytest.raises(ConnectionClosed, match="not yet entered"):
            await ask(ann)
        with pytest.raises(ConnectionClosed, match="not yet entered"):
            await heard(ann, 1)

    run(test())


def test_a_read_mark_is_told_again_on_each_connection() -> None:
    async def test() -> None:
        store = filled(5)
        async with running_server(store) as first:
            port = first.port
            ann = await chat(port, "ann").__aenter__()
        await ann.mark_read("r", 4)  # there is no server
        await ann.mark_read("r", 3)  # less than is known
        async with running_server(store, port=port):
            await until(lambda: store.read_marks("r") == {"ann": 4})
            await ann.close()
        store.close()

    run(test())


def test_each_attempt_is_in_the_log_and_each_state_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    states: list[ChatState] = []

    async def test() -> None:
        async with running_server() as server:
            client = chat(server.port, "ann", on_state=states.append)
            assert str(client.state) == "closed"
            async with client as ann:
                assert str(ann.state) == "online"
                cut_all(server)
                await until(lambda: ann.losses == 1)
                await ann.send("r", "hello")
            assert str(ann.state) == "closed"

    with caplog.at_level(logging.INFO, "goim_edu.client"):
        run(test())
    attempts = [line for line in caplog.messages if line.startswith("connecting again")]
    assert len(attempts) == 1
    assert "why='the connection ended with 1006'" in attempts[0]
    assert states == ["connecting", "online", "connecting", "online", "closed"]


def test_an_end_of_the_caller_s_choice_is_raised_and_its_log_is_used() -> None:
    """``retry`` and ``logger`` are options of ``connect``: the chat obeys them, too."""
    logger = logging.Logger("of the caller")
    logger.addHandler(handler := logging.handlers.BufferingHandler(100))

    async def test() -> None:
        with pytest.raises(ConnectionRefusedError):
            async with chat(1, "ann", retry=lambda error: False, logger=logger):
                pass

    run(test())
    (line,) = handler.buffer
    assert line.getMessage().startswith("the chat has ended why=")


def test_a_listener_that_fails_is_its_own_affair(caplog: pytest.LogCaptureFixture) -> None:
    def fail(state: ChatState) -> None:
        raise KeyError(state)

    async def test() -> None:
        async with running_server() as server, chat(server.port, "ann", on_state=fail) as ann:
            assert (await ann.send("r", "hello")).seq == 1

    run(test())
    assert "on_state has failed state=online" in caplog.text


# ---------------------------------------------------------------------- cancelled


def test_what_was_closed_is_not_entered() -> None:
    async def test() -> None:
        ann = chat(1, "ann")
        await ann.close()
        await ann.close()
        with pytest.raises(RuntimeError, match="entered once"):
            await ann.__aenter__()

    run(test())


def test_what_was_said_is_stored_although_the_call_was_cancelled() -> None:
    """The same id, said again, gets the same number."""

    async def test() -> None:
        store = MessageStore(MemoryBackend())
        async with running_server(store) as first:
            port = first.port
            ann = await chat(port, "ann").__aenter__()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ann.send("r", "hello", client_msg_id="k1"), 0.01)
        async with running_server(store, port=port):
            assert await heard(ann, 1) == [1]
            ack = await ann.send("r", "hello", client_msg_id="k1")
            assert (ack.seq, ack.duplicate) == (1, True)
            assert [one.text for one in await ann.history("r")] == ["hello"]
            await ann.close()
        store.close()

    run(test())


def test_a_question_that_was_cancelled_is_not_asked_again() -> None:
    async def test() -> None:
        async with (
            running_server(filled(5)) as server,
            Link(server.port) as link,
            chat(link.port, "ann") as ann,
        ):
            link.deaf = True
            asked = [
                asyncio.create_task(ann.history("r")),
                asyncio.create_task(ann.members("r")),
            ]
            await until(lambda: len(ann._talk.questions) == 2)
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)
            assert not ann._talk.questions
            link.deaf = False
            cut_all(server)
            await until(lambda: ann.losses == 1)
            assert len(await ann.history("r")) == 5
            await ann.send("r", "new")
            assert await heard(ann, 1) == [6], "an answer that nobody waits for is not heard"

    run(test())


def test_the_answer_to_a_question_that_was_cancelled_is_not_heard() -> None:
    async def test() -> None:
        async with running_server(filled(5)) as server, chat(server.port, "ann") as ann:
            asked = asyncio.create_task(ann.history("r"))
            await asyncio.sleep(0)  # so that it is asked
            assert ann._talk.questions
            asked.cancel()
            assert (await ann.send("r", "new")).seq == 6
            assert await heard(ann, 1) == [6]

    run(test())


def test_a_join_that_was_cancelled_goes_on_until_the_room_is_left() -> None:
    async def test() -> None:
        async with (
            running_server() as server,
            Link(server.port) as link,
            chat(link.port, "ann") as ann,
        ):
            link.deaf = True
            joining = asyncio.create_task(ann.join("s"))
            await until(lambda: "s" in ann.rooms)
            joining.cancel()
            link.deaf = False
            cut_all(server)
            await until(lambda: ann.rooms["s"] == 0)
            await ann.leave("s")
            assert list(ann.rooms) == ["r"]

    run(test())


def test_a_join_ends_with_an_error_if_its_room_is_left_meanwhile() -> None:
    async def test() -> None:
        async with (
            running_server() as server,
            Link(server.port) as link,
            chat(link.port, "ann") as ann,
        ):
            link.deaf = True
            joining = asyncio.create_task(ann.join("s"))
            await until(lambda: "s" in ann.rooms)
            leaving = asyncio.create_task(ann.leave("s"))
            with pytest.raises(ChatRefused, match="'s' was left before we were in it"):
                await joining
            cut_all(server)  # with that we are out of it, too
            await leaving
            assert list(ann.rooms) == ["r"]

    run(test())


# ---------------------------------------------------------------------- what is heard


def test_a_script_that_does_not_listen_keeps_little_and_misses_nothing() -> None:
    async def test() -> None:
        async with (
            running_server() as server,
            chat(server.port, "ann", max_heard=5) as ann,
            chat(server.port, "bob") as bob,
        ):
            for number in range(600):
                await bob.send("r", str(number))
            await ann.send("r", "the last")
            assert len(ann._heard._events) == 5
            assert await heard(ann, 601) == list(range(1, 602))
            await ann.send("r", "now as before")
            assert await heard(ann, 1) == [602]

    run(test())


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_cut_and_however_slow_the_script_all_is_heard_once(seed: int) -> None:
    """Rooms that are left and joined again, gaps, lost connections: in order, without repeats."""
    dice = random.Random(seed)

    async def listen(client: ChatClient, told: list[tuple[str, int]]) -> None:
        async for message in client:
            told.append((message.room_id, message.seq))
            if dice.random() < 0.1:
                await asyncio.sleep(dice.random() * 0.01)

    async def test() -> None:
        async with (
            running_server() as server,
            chat(server.port, "ann", {"r": 0, "s": 0}, max_heard=3) as ann,
            chat(server.port, "bob", ["r", "s"]) as bob,
        ):
            told: list[tuple[str, int]] = []
            listening = asyncio.create_task(listen(ann, told))
            for number in range(300):
                room = dice.choice("rs")
                saying = asyncio.create_task(bob.send(room, str(number)))
                if dice.random() < 0.05:
                    cut_all(server)
                elif dice.random() < 0.03:
                    known = ann.rooms[room]
                    await ann.leave(room)
                    await ann.join(room, since=known)
                await saying
            last = {room: (await bob.history(room, limit=1))[-1].seq for room in "rs"}
            await until(lambda: ann.rooms == last)
            await ann.close()
            await listening
            for room, seq in last.items():
                assert [one for where, one in told if where == room] == list(range(1, seq + 1))
            assert sum(last.values()) == 300
            assert ann.losses > 0

    run(test())


def test_two_loops_share_what_is_heard() -> None:
    async def test() -> None:
        async with running_server() as server, chat(server.port, "ann", max_heard=1) as ann:
            for number in range(20):
                await ann.send("r", str(number))
            both = await asyncio.gather(heard(ann, 10), heard(ann, 10))
            assert sorted(both[0] + both[1]) == list(range(1, 21))

    run(test())


def test_a_later_client_goes_on_where_the_script_was() -> None:
    async def test() -> None:
        async with running_server(filled(5)) as server:
            async with chat(server.port, "ann", {"r": 1}) as ann:
                assert await heard(ann, 2) == [2, 3]
                known = ann.rooms
            assert known == {"r": 3}
            async with chat(server.port, "ann", known | {"new": None}) as ann:
                assert await heard(ann, 2) == [4, 5]
                assert ann.rooms == {"r": 5, "new": 0}

    run(test())


def test_a_chat_that_is_left_in_a_gap_says_how_far_it_was() -> None:
    async def test() -> None:
        async with running_server() as server:
            async with chat(server.port, "ann", max_heard=2) as ann:
                for number in range(4):
                    await ann.send("r", str(number))
            assert [message.seq async for message in ann] == [1, 2]
            assert ann.rooms == {"r": 2}
            async with chat(server.port, "ann", ann.rooms) as again:
                assert await heard(again, 2) == [3, 4]

    run(test())


# ---------------------------------------------------------------------- wrong use


def test_a_client_says_what_it_is() -> None:
    async def test() -> None:
        async with running_server() as server, chat(server.port, "ann", token="secret") as ann:
            where = f"ws://127.0.0.1:{server.port}/chat"
            assert repr(ann) == f"<ChatClient 'ann' online {where} rooms ['r']>"
            with pytest.raises(RuntimeError, match="entered once"):
                async with ann:
                    pass
        assert "closed" in repr(ann)

    run(test())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"subprotocols": ["chat"]}, "takes no subprotocols: it speaks goim.v1.json"),
        ({"rooms": {"r": -1}}, "the number of a room must be 0 to"),
        ({"rooms": {"r": "1"}}, "the number of a room is an int"),
        ({"max_heard": 0}, "max_heard must be 1 to"),
        ({"rooms": [5]}, "a name or a text is a str, not the int 5"),
        ({"name": None}, "a name or a text is a str, not the NoneType None"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        chat(1, **{"name": "ann"} | arguments)


def test_a_forgotten_async_is_answered_with_the_way_out() -> None:
    async def talk(ws: WebSocket) -> None:
        await ws.recv()

    things: list[Any] = [ChatClient("ws://127.0.0.1:1/", "ann"), connect("ws://127.0.0.1:1/")]
    for thing in [*things, serve(talk)]:
        with pytest.raises(TypeError, match="use `async with` instead of `with`"), thing:
            pass

    async def wait_for(thing: Any) -> None:
        await thing

    for thing in (things[0], serve(talk)):
        with pytest.raises(TypeError, match="is not awaited: enter it with `async with`"):
            run(wait_for(thing))


@pytest.mark.parametrize("kind", [ChatClient, BlockingClient])
def test_the_reference_says_how_many_events_may_wait(kind: type) -> None:
    default = inspect.signature(kind).parameters["max_heard"].default
    assert f"; {default} unless you say otherwise" in (kind.__doc__ or "")


def test_a_client_knows_the_limits_of_the_server() -> None:
    async def test() -> None:
        async with running_server() as server:
            ann = ChatClient(server.url, "ann")
            assert not ann.limits
            with pytest.raises(ConnectionClosed, match="not yet entered"):
                await ann.send("lobby", "hello")
            async with ann:
                assert ann.limits
                assert ann.limits.text == server.config.limits.max_text

    run(test())


def test_a_server_that_speaks_something_else_is_named_as_that() -> None:
    async def talk(ws: WebSocket) -> None:
        await ws.send("welcome to another service")
        await ws.recv()

    async def test() -> None:
        async with serve(talk, subprotocols=["goim.v1.json"]) as server:
            with pytest.raises(VocabularyError, match="does not speak this chat"):
                async with ChatClient(server.url, "ann"):
                    pass

    run(test())
