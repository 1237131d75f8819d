"""The chat client that blocks: the same methods, promises and errors as the one that awaits."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from goim_edu import client
from goim_edu.client import (
    Backoff,
    ChatMessage,
    ChatRefused,
    ChatState,
    ConnectionClosed,
    HandshakeError,
    Presence,
    ReadBy,
    TypingBy,
)
from goim_edu.client.sync import ChatClient, ConcurrencyError
from goim_edu.lab import LiveServer
from goim_edu.lab.link import Link
from goim_edu.store import MemoryBackend, MessageStore


@pytest.fixture(name="live")
def live_server() -> Iterator[LiveServer]:
    store = MessageStore(MemoryBackend())
    for number in range(1, 6):
        store.submit("r", "eve", str(number), client_msg_id=f"e{number}")
    store.flush()
    with contextlib.closing(store), LiveServer(store, name="sync chat", max_rooms=2) as live:
        yield live


def chat(url: str, name: str = "ann", rooms: Any = ("r",), **options: Any) -> ChatClient:
    backoff = Backoff(first=0.001, longest=0.002)
    return ChatClient(url, name, rooms, backoff=backoff, **{"timeout": 20.0} | options)


def heard(ann: ChatClient, count: int) -> list[int]:
    """The numbers of the next messages."""
    return [message.seq for message in itertools.islice(ann, count)]


# ---------------------------------------------------------------------- what can be asked for


def test_all_that_the_chat_can_do(live: LiveServer) -> None:
    with chat(live.url) as ann, chat(live.url, "bob") as bob:
        assert ann.members("r") == ["ann", "bob"]
        assert [message.seq for message in ann.history("r", limit=2)] == [4, 5]
        assert [message.seq for message in ann.history("r", after_seq=1, limit=2)] == [2, 3]
        bob.typing("r")
        ack = bob.send("r", "hello", client_msg_id="my own")
        assert (ack.seq, ack.client_msg_id, ack.duplicate) == (6, "my own", False)
        assert bob.send("r", "hello", client_msg_id="my own").duplicate
        bob.mark_read("r", 6)
        bob.leave("r")
        seen = []
        for event in ann.events(timeout=20):
            match event:
                case Presence(joined=came, left=gone):
                    seen.append(("presence", *came, *gone))
                case TypingBy(user_id=user):
                    seen.append(("typing", user))
                case ChatMessage(user_id=user, text=text):
                    seen.append((user, text))
                case ReadBy(user_id=user, seq=seq):
                    seen.append(("read", user, str(seq)))
            if len(seen) == 5:
                break
        assert sorted(seen) == sorted(
            [
                ("presence", "bob"),
                ("typing", "bob"),
                ("bob", "hello"),
                ("read", "bob", "6"),
                ("presence", "bob"),
            ]
        )
        bob.join("r", since=4)
        assert heard(bob, 2) == [5, 6]
        bob.join("s")
        assert bob.rooms == {"r": 6, "s": 0}
        with pytest.raises(ChatRefused, match="rooms"):
            bob.join("t")
        with pytest.raises(ChatRefused, match="too_long"):
            bob.send("r", "x" * 5000)
        for call in (bob.members, bob.history, bob.leave, bob.typing):
            with pytest.raises(ChatRefused, match="we are not in the room 'x'"):
                call("x")


def test_it_has_the_methods_of_the_one_that_awaits() -> None:
    """With the same arguments, but for the time that a loop may wait."""

    def methods(kind: type) -> dict[str, Any]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: [str(one) for one in inspect.signature(method).parameters.values()]
            for name, method in found
            if not name.startswith("_") and name != "events"
        }

    assert methods(ChatClient) == methods(client.ChatClient)
    assert {"send", "join", "leave", "members", "history"} <= methods(ChatClient).keys()


def test_a_later_client_goes_on_where_the_script_was(live: LiveServer) -> None:
    with chat(live.url, rooms={"r": 1}) as ann:
        assert heard(ann, 2) == [2, 3]
    with chat(live.url, rooms=ann.rooms) as again:
        assert heard(again, 2) == [4, 5]


def test_a_script_that_does_not_listen_keeps_little_and_misses_nothing(live: LiveServer) -> None:
    with chat(live.url, max_heard=3) as ann:
        for number in range(300):
            ann.send("r", str(number))
        assert len(ann._heard._events) == 3
        assert heard(ann, 300) == list(range(6, 306))


# ---------------------------------------------------------------------- without a link


@pytest.fixture(name="link")
def bad_link(live: LiveServer) -> Iterator[Link]:
    link = live.link()
    yield link
    link.close()


ASKED: list[Callable[[ChatClient], object]] = [
    lambda ann: ann.send("r", "hello"),
    lambda ann: ann.join("s"),
    lambda ann: ann.leave("r"),
    lambda ann: ann.members("r"),
    lambda ann: ann.history("r", limit=300),
    lambda ann: ann.history("r", after_seq=3),
]
NAMES = ["send", "join", "leave", "members", "history", "history after"]


@pytest.mark.parametrize("ask", ASKED, ids=NAMES)
def test_what_was_asked_survives_a_lost_connection(
    ask: Any, live: LiveServer, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    """The question arrives, and instead of its answer comes the end of the connection."""
    states: list[ChatState] = []

    def heal() -> None:
        """Cut the link as soon as the question has left."""
        while not ann._waiting or ann._talk.requests:
            time.sleep(0.001)
        link.cut()
        link.restore()

    with (
        caplog.at_level(logging.INFO, "goim_edu.client"),
        chat(link.through(live.url), on_state=states.append) as ann,
    ):
        link.silence("out")
        healing = threading.Thread(target=heal)
        healing.start()
        ask(ann)
        healing.join()
        assert ann.losses == 1
        for room_id in ann.rooms:
            assert ann.members(room_id) == ["ann"]
    assert states[:2] == ["connecting", "online"]
    assert states[-1] == "closed"


@pytest.mark.parametrize("ask", ASKED, ids=NAMES)
def test_a_call_that_takes_too_long_ends(ask: Any, live: LiveServer, link: Link) -> None:
    with chat(link.through(live.url), close_timeout=0.05) as ann:
        ann.timeout = 0.05
        link.silence("out")
        with pytest.raises(TimeoutError, match="not answered in time"):
            ask(ann)
        link.restore()
        ann.timeout = 20
        assert not ann._talk.questions
        ann.join("r")
        assert ann.send("r", "the next one").seq in (6, 7)


def test_what_was_said_is_stored_although_the_call_took_too_long(
    live: LiveServer, link: Link
) -> None:
    with chat(link.through(live.url), timeout=20) as ann:
        link.silence()
        ann.timeout = 0.02
        with pytest.raises(TimeoutError):
            ann.send("r", "hello", client_msg_id="k1")
        link.cut()
        link.restore()
        ann.timeout = 20
        assert ann.send("r", "hello", client_msg_id="k1").seq == 6
        assert [message.text for message in ann.history("r", limit=2)] == ["5", "hello"]
        assert ann.losses == 1


def test_whatever_is_cut_all_is_heard_once(live: LiveServer, link: Link) -> None:
    def talk() -> None:
        with chat(live.url, "bob") as bob:
            for number in range(200):
                bob.send("r", str(number))
                if number % 20 == 10:
                    link.cut()

    with chat(link.through(live.url), rooms={"r": 0}, max_heard=3) as ann:
        talking = threading.Thread(target=talk)
        talking.start()
        assert heard(ann, 100) == list(range(1, 101))
        link.cut()
        ann.send("r", "in between")
        assert heard(ann, 106) == list(range(101, 207))
        talking.join()
        assert ann.losses > 0


def test_a_loop_waits_as_long_as_it_is_told(live: LiveServer) -> None:
    with chat(live.url) as ann:
        with pytest.raises(TimeoutError):
            next(ann.events(timeout=0.01))
        ann.send("r", "now")
        assert isinstance(next(ann.events(timeout=0)), ChatMessage)


def test_a_server_that_does_not_answer_the_hello_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    visits = []

    def listen(ws: ServerConnection) -> None:
        visits.append(ws)
        for _ in ws:
            pass

    with serve(listen, "127.0.0.1", 0) as server, caplog.at_level(logging.INFO):
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/chat"
        with pytest.raises(TimeoutError), chat(url, timeout=0.5, open_timeout=0.1):
            pass
        server.shutdown()
        serving.join()
    assert len(visits) > 1
    assert "the server does not answer the hello" in caplog.text


# ---------------------------------------------------------------------- the end


@pytest.mark.parametrize("ask", ASKED, ids=NAMES)
def test_nothing_can_be_asked_outside_the_chat(ask: Any, live: LiveServer) -> None:
    ann = chat(live.url)
    with pytest.raises(ConnectionClosed, match="not yet entered"):
        ask(ann)
    with pytest.raises(ConnectionClosed, match="not yet entered"):
        next(ann.events())
    with ann:
        ann.send("r", "to be heard later")
        with pytest.raises(RuntimeError, match="entered once"), ann:
            pass
    with pytest.raises(ConnectionClosed, match="was left"):
        ask(ann)
    assert [message.text for message in ann] == ["to be heard later"]
    assert repr(ann) == f"<ChatClient 'ann' closed {live.url} rooms ['r']>"


def test_another_thread_may_close_it_and_nothing_else(live: LiveServer) -> None:
    told: list[str] = []
    with chat(live.url) as ann:
        waiting = threading.Thread(target=lambda: told.extend(one.text for one in ann))
        waiting.start()
        while ann._thread is None:
            time.sleep(0.001)
        with pytest.raises(ConcurrencyError, match="another thread waits in this chat"):
            ann.send("r", "hello")
        ann.close()
        waiting.join(20)
        assert not waiting.is_alive()
    assert (told, ann._talk.outbox, str(ann.state)) == ([], {}, "closed")


def test_what_was_closed_is_not_entered() -> None:
    ann = chat("ws://127.0.0.1:1/chat")
    ann.close()
    ann.close()
    with pytest.raises(RuntimeError, match="entered once"):
        ann.__enter__()


def test_a_chat_that_waits_to_connect_again_can_be_closed_by_another_thread() -> None:
    ann = ChatClient("ws://127.0.0.1:1/chat", "ann", backoff=Backoff(first=3600, longest=3600))
    ends: list[Exception] = []

    def enter() -> None:
        try:
            ann.__enter__()
        except ConnectionClosed as error:
            ends.append(error)

    entering = threading.Thread(target=enter)
    entering.start()
    while not ann._next_attempt:
        time.sleep(0.001)
    ann.close()
    entering.join(20)
    assert [str(end).partition(": ")[2] for end in ends] == ["this chat was left"]


def test_a_time_out_names_why_there_is_no_connection() -> None:
    backoff = Backoff(first=0.01, longest=0.01)
    ann = ChatClient("ws://127.0.0.1:1/chat", "ann", timeout=0.2, backoff=backoff)
    with pytest.raises(TimeoutError, match=r"in time \(Connection refused\); a later call"):
        ann.__enter__()


def test_what_can_never_succeed_is_raised(live: LiveServer) -> None:
    with pytest.raises(HandshakeError), chat(live.url + "-not"):
        pass
    with pytest.raises(ChatRefused, match="bad_message"), chat(live.url, ""):
        pass
    with pytest.raises(TypeError, match="takes no subprotocols"):
        chat(live.url, subprotocols=["chat"])
    nowhere = "ws://127.0.0.1:1/chat"
    with pytest.raises(TimeoutError), chat(nowhere, timeout=0.05):
        pass
    with pytest.raises(ConnectionRefusedError), chat(nowhere, retry=lambda error: False):
        pass
