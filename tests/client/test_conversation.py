"""The chat as a client knows it: nothing is lost and nothing shown twice, whatever comes when."""

from __future__ import annotations

from datetime import UTC, datetime

from goim_edu.chat.vocabulary import (
    Ack,
    ChatMessage,
    Draining,
    Error,
    HeartbeatTimes,
    Hello,
    History,
    HistoryPage,
    Join,
    Joined,
    Leave,
    Left,
    Presence,
    ReadBy,
    Reply,
    Request,
    Send,
    Typing,
    TypingBy,
    Welcome,
    WelcomeLimits,
)
from goim_edu.client.conversation import RETRY_AFTER, Conversation, Line

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WELCOME = Welcome("s1", "lisa", NOON, HeartbeatTimes(20, 20), WelcomeLimits(4096, 50, 100))


def message(seq: int, user: str = "mei", key: str = "", room: str = "lobby") -> ChatMessage:
    return ChatMessage(room, seq, user, key or f"k{seq}", f"text {seq}", NOON)


def tell(talk: Conversation, *replies: Reply, now: float = 0.0) -> list[Line]:
    return [line for reply in replies for line in talk.receive(reply, now)]


def said(lines: list[Line]) -> list[int]:
    return [line.seq for line in lines if line.kind == "message"]


def taken(talk: Conversation) -> list[Request]:
    requests = list(talk.requests)
    talk.requests.clear()
    return requests


def entered(room: str = "lobby", last: int = 0, truncated: bool = False) -> Joined:
    return Joined(room, last, ["lisa", "mei"], truncated)


def at_home(last: int = 0) -> Conversation:
    """Lisa, connected, in the lobby, with the newest message shown."""
    talk = Conversation("lisa", "lobby")
    page = [message(last)] if last else []
    tell(talk, WELCOME, entered(last=last), HistoryPage("lobby", page, last > 1))
    talk.requests.clear()
    return talk


def test_welcome_joins_and_asks_for_the_last_messages() -> None:
    talk = Conversation("lisa", "lobby", token="t", history=7)
    assert talk.hello() == Hello("lisa", "t", "t1")
    assert tell(talk, WELCOME) == []
    assert taken(talk) == [Join("lobby", None, "t2")]
    assert [line.text for line in tell(talk, entered())] == ["you are in lobby, with mei"]
    assert taken(talk) == [History("lobby", None, 7, "t3")]


def test_what_is_said_before_the_first_page_is_shown_behind_it_once() -> None:
    talk = Conversation("lisa", "lobby")
    assert said(tell(talk, WELCOME, entered(last=2), message(3), message(4))) == []
    page = HistoryPage("lobby", [message(2), message(3)], True)
    assert said(tell(talk, page)) == [2, 3, 4]
    assert said(tell(talk, message(4), message(5))) == [5]


def test_a_message_waits_until_it_is_stored() -> None:
    talk = Conversation("lisa", "lobby")
    talk.say("early")
    assert taken(talk) == []
    tell(talk, WELCOME, entered())
    (sent,) = [request for request in taken(talk) if isinstance(request, Send)]
    assert sent.text == "early"
    assert list(talk.outbox) == [sent.client_msg_id]
    tell(talk, Ack("lobby", sent.client_msg_id, 1, NOON, False, sent.ref))
    assert talk.outbox == {}


def test_without_an_ack_it_goes_again_under_the_same_key() -> None:
    talk = at_home()
    talk.say("once")
    (first,) = taken(talk)
    talk.disconnected()
    assert taken(talk) == []
    tell(talk, WELCOME, entered())
    assert [request for request in taken(talk) if isinstance(request, Send)] == [first]
    assert isinstance(first, Send)
    own = message(1, "lisa", first.client_msg_id)
    assert said(tell(talk, own)) == [1]
    assert talk.outbox == {}, "who sees its own message needs no ack"


def test_a_room_goes_on_after_what_was_shown() -> None:
    talk = at_home(last=5)
    talk.disconnected()
    tell(talk, WELCOME)
    (join,) = taken(talk)
    assert isinstance(join, Join)
    assert join.since == 5
    assert said(tell(talk, entered(last=7), message(5), message(6), message(7))) == [6, 7]


def test_a_store_that_forgot_is_shown_from_its_new_beginning() -> None:
    talk = at_home(last=5)
    talk.disconnected()
    lines = tell(talk, WELCOME, entered(last=1), HistoryPage("lobby", [message(1)], False))
    assert "no longer has" in lines[0].text
    assert said(lines) == [1]
    assert said(tell(talk, message(2))) == [2]


def test_after_too_much_was_missed_history_leads_into_the_gap() -> None:
    talk = at_home(last=5)
    talk.disconnected()
    lines = tell(talk, WELCOME, entered(last=3000, truncated=True), message(2001))
    assert "missed very many" in lines[0].text
    talk.requests.clear()
    assert talk.ask_earlier(500)
    assert taken(talk) == [History("lobby", 2001, 200, f"t{talk._counter}")]


def test_earlier_messages_stand_between_two_remarks() -> None:
    talk = at_home(last=3)
    assert talk.ask_earlier(2)
    (asked,) = taken(talk)
    assert isinstance(asked, History)
    page = HistoryPage("lobby", [message(1), message(2)], False, asked.ref)
    lines = tell(talk, page)
    assert [line.text for line in lines] == [
        "earlier:",
        "text 1",
        "text 2",
        "that was the beginning; now:",
    ]
    assert not talk.ask_earlier(2)
    assert said(tell(talk, message(4))) == [4]


def test_what_the_store_could_not_take_goes_again_soon() -> None:
    talk = at_home()
    talk.say("hello")
    (sent,) = taken(talk)
    lines = tell(talk, Error("unavailable", "asleep", sent.ref), now=10.0)
    assert [line.kind for line in lines] == ["trouble"]
    assert talk.retry_at == 10.0 + RETRY_AFTER
    talk.retry()
    assert taken(talk) == [sent]
    assert talk.retry_at is None


def test_what_the_server_will_never_take_is_given_back_in_words() -> None:
    talk = at_home()
    talk.say("x" * 5000)
    (sent,) = taken(talk)
    (line,) = tell(talk, Error("too_long", "5000 characters", sent.ref))
    assert line.text.startswith("not sent (5000 characters): xxx")
    assert talk.outbox == {}


def test_rooms_come_and_go() -> None:
    talk = at_home()
    talk.join("work")
    assert [type(request) for request in taken(talk)] == [Join]
    talk.join("lobby")
    assert (talk.current, taken(talk)) == ("lobby", [])
    talk.join("work")
    assert talk.leave()
    assert talk.current == "lobby"
    assert [type(request) for request in taken(talk)] == [Leave]
    assert [line.text for line in tell(talk, Left("work"))] == ["you have left work"]
    assert not talk.leave(), "one room stays"
    assert tell(talk, message(1, room="work")) == []


def test_a_room_that_cannot_be_entered_is_dropped() -> None:
    talk = at_home()
    talk.join("full")
    (join,) = taken(talk)
    assert isinstance(join, Join)
    (line,) = tell(talk, Error("room_full", "no seat", join.ref))
    assert line.text == "you cannot go into full: no seat"
    assert (talk.current, list(talk.rooms)) == ("lobby", ["lobby"])


def test_a_room_that_cannot_be_entered_now_is_tried_again() -> None:
    talk = at_home()
    talk.join("work")
    (join,) = taken(talk)
    assert isinstance(join, Join)
    tell(talk, Error("unavailable", "asleep", join.ref), now=1.0)
    talk.retry()
    (again,) = taken(talk)
    assert isinstance(again, Join)
    assert again.room_id == "work"


def test_who_is_here_and_who_writes() -> None:
    talk = at_home()
    came = tell(talk, Presence("lobby", "tom", "joined"), Presence("lobby", "mei", "left"))
    assert [line.text for line in came] == ["tom has come in", "mei has left"]
    assert talk.rooms["lobby"].members == {"lisa", "tom"}
    tell(talk, TypingBy("lobby", "tom"), now=1.0)
    assert talk.typists(2.0) == ["tom"]
    assert talk.typists(60.0) == []
    tell(talk, message(1, "tom"), now=1.5)
    assert talk.typists(2.0) == []
    talk.tell_typing()
    assert [type(request) for request in taken(talk)] == [Typing]


def test_other_refusals_and_the_end_of_the_server() -> None:
    talk = Conversation("lisa", "lobby")
    hello = talk.hello()
    assert tell(talk, Error("unauthenticated", "no token", hello.ref)) == []
    assert talk.refused == "no token"
    (line,) = tell(talk, Error("bad_message", "what?"))
    assert line.text == "refused: what?"
    (line,) = tell(talk, Draining(1500))
    assert talk.pause_hint == 1.5
    assert line.text == "the server is restarting"


def test_without_a_connection_rooms_are_only_noted() -> None:
    talk = Conversation("lisa", "lobby")
    talk.join("work")
    talk.tell_typing()
    assert not talk.ask_earlier(5)
    assert talk.leave()
    assert (talk.current, taken(talk)) == ("lobby", [])
    tell(talk, WELCOME)
    assert [request.room_id for request in taken(talk) if isinstance(request, Join)] == ["lobby"]


def test_the_only_room_stays_even_if_it_cannot_be_entered() -> None:
    talk = Conversation("lisa", "lobby")
    tell(talk, WELCOME)
    (join,) = taken(talk)
    assert isinstance(join, Join)
    tell(talk, Error("forbidden", "not you", join.ref))
    assert list(talk.rooms) == ["lobby"]


def test_what_needs_no_line_gets_none() -> None:
    talk = at_home()
    talk.tell_typing()
    (typing,) = taken(talk)
    assert isinstance(typing, Typing)
    assert tell(talk, Error("rate_limited", "slower", typing.ref)) == []
    assert tell(talk, ReadBy("lobby", "mei", 1)) == []
    talk.say("here")
    talk.join("work")
    talk.requests.clear()
    tell(talk, entered("work"))
    assert [type(request) for request in taken(talk)] == [History], "the message is for the lobby"
