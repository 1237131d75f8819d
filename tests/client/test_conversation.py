"""The chat as a client knows it: nothing is lost and nothing shown twice, whatever comes when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

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
    Members,
    MembersPage,
    Presence,
    Read,
    ReadBy,
    Reply,
    Request,
    Send,
    Typing,
    TypingBy,
    Welcome,
    WelcomeLimits,
)
from goim_edu.client.conversation import RETRY_AFTER, Conversation
from goim_edu.client.events import Note, Outcome, RefusedRequest

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WELCOME = Welcome("s1", "lisa", NOON, HeartbeatTimes(20, 20), WelcomeLimits(4096, 50, 100))


def message(seq: int, user: str = "mei", key: str = "", room: str = "lobby") -> ChatMessage:
    return ChatMessage(room, seq, user, key or f"k{seq}", f"text {seq}", NOON)


def tell(talk: Conversation, *replies: Reply, now: float = 0.0) -> list[Outcome]:
    return [event for reply in replies for event in talk.receive(reply, now)]


def said(events: list[Outcome]) -> list[int]:
    return [event.seq for event in events if isinstance(event, ChatMessage)]


def texts(events: list[Outcome]) -> list[str]:
    told = (ChatMessage, Note, RefusedRequest)
    return [event.text for event in events if isinstance(event, told)]


def taken(talk: Conversation) -> list[Request]:
    requests = list(talk.requests)
    talk.requests.clear()
    return requests


def entered(room: str = "lobby", last: int = 0, truncated: bool = False) -> Joined:
    return Joined(room, last, ["lisa", "mei"], 2, truncated)


def at_home(last: int = 0) -> Conversation:
    """Lisa, connected, in the lobby, with the newest message shown."""
    talk = Conversation("lisa", "lobby", history=1)
    page = [message(last)] if last else []
    tell(talk, WELCOME, entered(last=last), HistoryPage("lobby", page, last > 1))
    talk.requests.clear()
    return talk


def test_welcome_joins_and_asks_for_the_last_messages() -> None:
    talk = Conversation("lisa", "lobby", token="t", history=7)
    assert talk.hello() == Hello("lisa", "t", "hello 1")
    assert tell(talk, WELCOME) == []
    assert taken(talk) == [Join("lobby", None, "join 1")]
    assert texts(tell(talk, entered())) == ["you are in lobby, with mei"]
    assert taken(talk) == [History("lobby", None, 7, "history 1")]


def test_what_is_said_before_the_first_page_is_shown_behind_it_once() -> None:
    talk = Conversation("lisa", "lobby", history=2)
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
    assert "no longer has" in texts(lines)[0]
    assert said(lines) == [1]
    assert said(tell(talk, message(2))) == [2]


def test_after_too_much_was_missed_history_leads_into_the_gap() -> None:
    talk = at_home(last=5)
    talk.disconnected()
    lines = tell(talk, WELCOME, entered(last=3000, truncated=True), message(2001))
    assert "missed very many" in texts(lines)[0]
    talk.requests.clear()
    assert talk.ask_earlier(500)
    assert taken(talk) == [History("lobby", 2001, 200, "history 2")]


def test_earlier_messages_stand_between_two_remarks() -> None:
    talk = at_home(last=3)
    assert talk.ask_earlier(2)
    (asked,) = taken(talk)
    assert isinstance(asked, History)
    page = HistoryPage("lobby", [message(1), message(2)], False, asked.ref)
    lines = tell(talk, page)
    assert texts(lines) == [
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
    (refused,) = lines
    assert isinstance(refused, RefusedRequest)
    assert refused.again
    assert refused.text == "not stored yet, sent again soon: asleep"
    assert talk.retry_at == 10.0 + RETRY_AFTER
    talk.retry()
    assert taken(talk) == [sent]
    assert talk.retry_at is None


def test_what_the_server_will_never_take_is_given_back_in_words() -> None:
    talk = at_home()
    talk.say("x" * 5000)
    (sent,) = taken(talk)
    (text,) = texts(tell(talk, Error("too_long", "5000 characters", sent.ref)))
    assert text.startswith("not sent (5000 characters): xxx")
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
    assert texts(tell(talk, Left("work"))) == ["you have left work"]
    assert not talk.leave(), "one room stays"
    assert tell(talk, message(1, room="work")) == []


def test_a_room_that_cannot_be_entered_is_dropped() -> None:
    talk = at_home()
    talk.join("full")
    (join,) = taken(talk)
    assert isinstance(join, Join)
    (refused,) = tell(talk, Error("room_full", "no seat", join.ref))
    assert isinstance(refused, RefusedRequest)
    assert (refused.request, refused.again) == (join, False)
    assert refused.text == "you cannot go into full: no seat"
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
    came = tell(talk, Presence("lobby", ["lisa", "tom"], [], 3), Presence("lobby", [], ["mei"], 2))
    assert texts(came) == ["tom has come in", "mei has left"]
    assert talk.rooms["lobby"].members == {"lisa", "tom"}
    crowd = [f"user{number}" for number in range(9)]
    assert texts(tell(talk, Presence("lobby", crowd, ["tom"], 10))) == [
        "user0, user1, user2, user3, user4 and 4 others have come in",
        "tom has left",
    ]
    assert talk.rooms["lobby"].member_count == 10
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
    error = Error("unauthenticated", "no token", hello.ref)
    assert tell(talk, error) == [RefusedRequest(error, hello)]
    assert texts(tell(talk, Error("bad_message", "what?"))) == ["refused: what?"]
    assert tell(talk, Draining(1500)) == [Note("the server is restarting")]
    assert talk.pause_hint == 1.5


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


def test_a_first_page_that_is_short_since_its_messages_are_long_is_not_all() -> None:
    talk = Conversation("lisa", "lobby", history=7)
    tell(talk, WELCOME, entered(last=9))
    assert taken(talk)[-1] == History("lobby", None, 7, "history 1")
    page = HistoryPage("lobby", [message(7), message(8), message(9)], True, "history 1")
    assert said(tell(talk, page, message(10))) == []
    assert taken(talk) == [History("lobby", 7, 4, "history 2")]
    page = HistoryPage("lobby", [message(5), message(6)], True, "history 2")
    assert said(tell(talk, page)) == []
    assert taken(talk) == [History("lobby", 5, 1, "history 3")]
    page = HistoryPage("lobby", [message(4)], True, "history 3")
    assert said(tell(talk, page)) == [4, 5, 6, 7, 8, 9, 10]
    assert talk.rooms["lobby"].has_more


def test_without_history_a_new_room_begins_with_what_is_said_from_now_on() -> None:
    talk = Conversation("lisa", "lobby", history=0)
    tell(talk, WELCOME, entered(last=7))
    assert [type(request) for request in taken(talk)] == [Join]
    assert said(tell(talk, message(7), message(8))) == [8]


def test_history_that_cannot_be_had_now_is_asked_for_again() -> None:
    talk = Conversation("lisa", "lobby", history=2)
    tell(talk, WELCOME, entered(last=2))
    (_, history) = taken(talk)
    assert isinstance(history, History)
    assert said(tell(talk, message(3))) == []
    tell(talk, Error("unavailable", "asleep", history.ref), now=1.0)
    assert talk.retry_at == 1.0 + RETRY_AFTER
    talk.retry()
    (again,) = taken(talk)
    assert isinstance(again, History)
    talk.retry()
    assert taken(talk) == [], "that one is not answered yet"
    assert said(tell(talk, HistoryPage("lobby", [message(2)], True, again.ref))) == [2, 3]


def test_a_retry_repeats_only_what_was_refused() -> None:
    talk = at_home()
    talk.say("one")
    talk.say("two")
    talk.join("work")
    one, _, join = taken(talk)
    tell(talk, Error("rate_limited", "slower", one.ref), now=1.0)
    tell(talk, Error("rate_limited", "slower", join.ref), now=1.5)
    assert talk.retry_at == 1.0 + RETRY_AFTER, "the second refusal does not put off the first"
    talk.retry()
    rejoin, again = taken(talk)
    assert isinstance(rejoin, Join)
    assert (rejoin.room_id, again) == ("work", one)


def test_a_message_of_ours_that_is_heard_counts_as_acknowledged() -> None:
    talk = at_home()
    key = talk.say("hello")
    events = tell(talk, message(1, "lisa", key))
    assert events == [Ack("lobby", key, 1, NOON, True), message(1, "lisa", key)]


def test_the_server_has_the_answer_for_a_room_that_is_not_ours() -> None:
    talk = at_home()
    talk.say("anyone?", "elsewhere")
    talk.disconnected()
    talk.requests.clear()
    tell(talk, WELCOME)
    assert [type(request) for request in taken(talk)] == [Join, Send]


def test_a_hello_that_cannot_be_answered_now_is_said_again() -> None:
    talk = Conversation("lisa", "lobby")
    hello = talk.hello()
    error = Error("unavailable", "asleep", hello.ref)
    assert tell(talk, error) == [RefusedRequest(error, hello, again=True)]
    talk.retry()
    assert taken(talk) == [], "the next connection begins with it"


@pytest.mark.parametrize("text", ["\ud800", "caf\udce9"])
def test_what_cannot_be_written_is_refused_at_once(text: str) -> None:
    talk = at_home()
    with pytest.raises(ValueError, match="surrogates"):
        talk.say(text)
    with pytest.raises(ValueError, match="surrogates"):
        Conversation("lisa", "lobby", text)
    assert (talk.outbox, taken(talk)) == ({}, [])


def test_what_needs_no_line_gets_none() -> None:
    talk = at_home()
    talk.tell_typing()
    (typing,) = taken(talk)
    assert isinstance(typing, Typing)
    assert tell(talk, Error("rate_limited", "slower", typing.ref)) == []
    assert texts(tell(talk, ReadBy("lobby", "mei", 1), TypingBy("lobby", "mei"))) == []
    talk.say("here")
    talk.join("work")
    talk.requests.clear()
    tell(talk, entered("work"))
    assert [type(request) for request in taken(talk)] == [History], "the message is for the lobby"


# ---------------------------------------------------------------------- what scripts ask for


def in_room(history: int = 0) -> Conversation:
    """Lisa as a script: in the room ``r``, with nothing of its past."""
    talk = Conversation("lisa", "r", history=history, keep_one=False)
    tell(talk, WELCOME, Joined("r", 0, ["lisa"], 1, False, "join 1"))
    talk.requests.clear()
    return talk


def test_a_question_is_asked_until_it_is_answered() -> None:
    talk = in_room()
    ref = talk.ask(History("r", None, 5))
    (asked,) = taken(talk)
    assert (asked, ref) == (History("r", None, 5, "ask 1"), "ask 1")
    tell(talk, Error("unavailable", "asleep", ref), now=1.0)
    talk.retry()
    assert taken(talk) == [asked]
    talk.disconnected()
    tell(talk, WELCOME)
    assert [type(request) for request in taken(talk)] == [Join], "it waits for the room"
    tell(talk, entered("r"))
    assert taken(talk) == [asked]
    page = HistoryPage("r", [message(1, room="r")], False, ref)
    assert tell(talk, page) == [page], "nothing is shown of it"
    assert talk.questions == {}
    talk.disconnected()
    tell(talk, WELCOME, entered("r"))
    assert [type(request) for request in taken(talk)] == [Join]


def test_a_question_that_is_refused_or_taken_back_is_not_asked_again() -> None:
    talk = in_room()
    refs = [talk.ask(Members("r")), talk.ask(Members("r"))]
    assert len(taken(talk)) == 2
    (refused,) = tell(talk, Error("forbidden", "not you", refs[0]))
    assert isinstance(refused, RefusedRequest)
    assert not refused.again
    talk.questions.pop(refs[1])
    (refused,) = tell(talk, Error("unavailable", "asleep", refs[1]), now=1.0)
    assert isinstance(refused, RefusedRequest)
    assert not refused.again
    assert (talk.retry_at, talk.questions) == (None, {})
    late = MembersPage("r", ["lisa"], 1, False, refs[1])
    assert tell(talk, late) == [late]
    assert tell(talk, MembersPage("r", ["lisa"], 1, False)) == [], "nobody has asked"


def test_what_belongs_to_a_stay_that_has_ended_does_not_count() -> None:
    """Out of a room and in again, before the answer to the first ``join`` is there."""
    talk = Conversation("lisa", "r", history=0, keep_one=False)
    tell(talk, WELCOME)
    talk.leave("r")
    talk.join("r")
    first, _, second = taken(talk)
    assert (first, second) == (Join("r", None, "join 1"), Join("r", None, "join 2"))
    assert tell(talk, Joined("r", 7, ["lisa"], 1, False, "join 1")) == []
    assert not talk.settled
    tell(talk, Error("room_full", "no seat", "join 1"))
    assert list(talk.rooms) == ["r"]
    tell(talk, Left("r", "leave 1"), Joined("r", 8, ["lisa"], 1, False, "join 2"))
    assert [room.shown_to for room in talk.rooms.values() if room.joined] == [8]


def test_the_last_room_of_a_script_can_be_left_and_refused() -> None:
    talk = in_room()
    assert talk.leave("r")
    assert (talk.current, talk.rooms) == ("", {})
    talk.join("s")
    tell(talk, Error("room_full", "no seat", "join 2"))
    assert (talk.current, talk.rooms) == ("", {})
    assert talk.settled


def test_a_room_is_joined_behind_the_number_that_is_known() -> None:
    talk = in_room()
    talk.join("s", 5)
    assert taken(talk) == [Join("s", 5, "join 2")]
    lines = tell(talk, entered("s", last=7), message(6, room="s"), message(7, room="s"))
    assert said(lines) == [6, 7]


def test_a_read_mark_is_told_on_each_connection_and_after_each_fault() -> None:
    talk = in_room()
    talk.mark_read("r", 5)
    talk.mark_read("r", 4)
    assert taken(talk) == [Read("r", 5, "read")]
    (refused,) = tell(talk, Error("rate_limited", "slower", "read"), now=1.0)
    assert isinstance(refused, RefusedRequest)
    assert refused.again
    talk.retry()
    assert taken(talk) == [Read("r", 5, "read")]
    talk.disconnected()
    talk.mark_read("r", 6)
    assert taken(talk) == []
    tell(talk, WELCOME, entered("r"))
    assert taken(talk)[-1] == Read("r", 6, "read")


def test_news_comes_out_as_it_is() -> None:
    talk = in_room()
    news: list[Reply] = [Presence("r", ["tom"], [], 2), TypingBy("r", "tom"), ReadBy("r", "tom", 1)]
    events = tell(talk, *news)
    assert [event for event in events if not isinstance(event, Note)] == news
    talk.tell_typing("r")
    talk.tell_typing("elsewhere")
    assert taken(talk) == [Typing("r", "typing")]
