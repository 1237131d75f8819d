"""The words of the chat: both subprotocols alike, strict, with reasons that name the fault."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.chat.vocabulary import (
    BSON,
    ERROR_CODES,
    JSON,
    SUBPROTOCOLS,
    Ack,
    ChatMessage,
    Codec,
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
    MembersPage,
    Presence,
    Read,
    ReadBy,
    Reply,
    Request,
    Send,
    Typing,
    TypingBy,
    VocabularyError,
    Welcome,
    WelcomeLimits,
    rfc3339,
)

NOW = datetime(2026, 11, 23, 13, 56, 0, 249000, tzinfo=UTC)
CODECS = pytest.mark.parametrize("codec", [JSON, BSON], ids=lambda codec: codec.name)


def write(codec: Codec, message: Any) -> str | bytes:
    return bson.encode(message) if codec is BSON else json.dumps(message)


REQUESTS: list[tuple[dict[str, Any], Request]] = [
    ({"type": "hello", "user_id": "lisa"}, Hello("lisa")),
    ({"type": "hello", "user_id": "l", "token": "t", "ref": "r"}, Hello("l", "t", "r")),
    ({"type": "join", "room_id": "lobby", "since": 7}, Join("lobby", 7)),
    (
        {"type": "send", "room_id": "大厅", "client_msg_id": "m1", "text": "你好", "ref": ""},
        Send("大厅", "m1", "你好", ""),
    ),
    ({"type": "history", "room_id": "lobby"}, History("lobby", None, 50)),
    ({"type": "history", "room_id": "r", "before_seq": 9, "limit": 200}, History("r", 9, 200)),
    ({"type": "leave", "room_id": "lobby"}, Leave("lobby")),
    ({"type": "typing", "room_id": "lobby"}, Typing("lobby")),
    ({"type": "read", "room_id": "lobby", "seq": 3}, Read("lobby", 3)),
]


@CODECS
@pytest.mark.parametrize(("message", "request_"), REQUESTS)
def test_requests(codec: Codec, message: dict[str, Any], request_: Request) -> None:
    assert codec.decode(write(codec, message)) == request_


REFUSED = [
    ({"user_id": "lisa"}, "type"),
    ({"type": "shout"}, "there is no type 'shout'"),
    ({"type": 7}, "type"),
    ({"type": "hello"}, "hello: Object missing required field `user_id`"),
    ({"type": "hello", "user_id": ""}, "length >= 1"),
    ({"type": "hello", "user_id": "x" * 257}, "length <= 256"),
    ({"type": "hello", "user_id": "l", "admin": True}, "unknown field `admin`"),
    ({"type": "hello", "user_id": "l", "ref": "x" * 65}, "length <= 64"),
    ({"type": "join", "room_id": {"$ne": ""}}, "Expected `str`, got `object` - at `$.room_id`"),
    ({"type": "join", "room_id": "r", "since": -1}, "since"),
    ({"type": "join", "room_id": "r", "since": 1.5}, "since"),
    ({"type": "join", "room_id": "r", "since": True}, "since"),
    ({"type": "join", "room_id": "r", "since": "7"}, "since"),
    ({"type": "send", "room_id": "r", "client_msg_id": "m"}, "`text`"),
    ({"type": "send", "room_id": "r", "client_msg_id": "m", "text": None}, "text"),
    ({"type": "history", "room_id": "r", "limit": 0}, "limit"),
    ({"type": "history", "room_id": "r", "limit": 201}, "limit"),
    ({"type": "read", "room_id": "r", "seq": 0}, "seq"),
]


@CODECS
@pytest.mark.parametrize(("message", "why"), REFUSED)
def test_refusals_name_the_fault(codec: Codec, message: dict[str, Any], why: str) -> None:
    with pytest.raises(VocabularyError) as refused:
        codec.decode(write(codec, message))
    assert why in str(refused.value).replace("`dict`", "`object`")


@pytest.mark.parametrize(
    "data",
    ["", "{", "[]", "null", '"hello"', "NaN", '{"type":"hello","user_id":"\\ud800"}', "[" * 9999],
)
def test_what_is_no_json_object(data: str) -> None:
    with pytest.raises(VocabularyError):
        JSON.decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05\0\0\0",
        b"\x05\0\0\0\1",
        b"\xff" * 40,
        bson.encode({"type": "hello", "user_id": "l"})[:-1],
        bson.encode({"type": "hello", "user_id": "l"}) + b"\0",
        b"\x10\0\0\0\x02type\0\xff\0\0\0h\0\0",
        bson.encode({"type": "hello", "user_id": bson.ObjectId(bytes(12))}),
        bson.encode({"type": "join", "room_id": "r", "since": bson.MaxKey()}),
    ],
)
def test_what_is_no_good_bson(data: bytes) -> None:
    with pytest.raises(VocabularyError):
        BSON.decode(data)


@given(st.binary(max_size=200))
def test_no_octets_get_past_the_bson_decoder_in_another_way(data: bytes) -> None:
    with suppress(VocabularyError):
        BSON.decode(data)


@given(st.text(max_size=200))
def test_no_text_gets_past_the_json_decoder_in_another_way(data: str) -> None:
    with suppress(VocabularyError):
        JSON.decode(data)


@CODECS
def test_a_refusal_repeats_the_ref_where_it_can(codec: Codec) -> None:
    with pytest.raises(VocabularyError) as refused:
        codec.decode(write(codec, {"type": "send", "ref": "r7"}))
    assert (refused.value.ref, refused.value.kind) == ("r7", "send")
    with pytest.raises(VocabularyError) as refused:
        codec.decode(write(codec, {"type": "send", "ref": 7}))
    assert refused.value.ref is None


def test_a_reason_is_never_as_long_as_the_message() -> None:
    with pytest.raises(VocabularyError) as refused:
        JSON.decode(json.dumps({"type": "hello", "user_id": "l", "x" * 100_000: 1}))
    assert len(str(refused.value)) < 400


REPLIES: list[Reply] = [
    Welcome("s", "lisa", NOW, HeartbeatTimes(20, 20), WelcomeLimits(4096, 50, 100), "r"),
    Joined("lobby", 7, ["lisa"], 1, False),
    Ack("lobby", "m1", 7, NOW, True),
    ChatMessage("lobby", 7, "lisa", "m1", "hi", NOW),
    HistoryPage("lobby", [ChatMessage("lobby", 7, "lisa", "m1", "hi", NOW)], True),
    Left("lobby"),
    MembersPage("lobby", ["lisa"], 300, True),
    Presence("lobby", ["lisa"], ["tom"], 1),
    TypingBy("lobby", "lisa"),
    ReadBy("lobby", "lisa", 7),
    Draining(1000),
    Error("not_joined", "why"),
]


@CODECS
@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: type(reply).__name__)
def test_replies_come_back_as_they_were(codec: Codec, reply: Reply) -> None:
    assert codec.decode_reply(codec.encode(reply)) == reply


@CODECS
def test_clients_pass_over_what_they_do_not_know(codec: Codec) -> None:
    told = {"type": "left", "room_id": "lobby", "weather": "fine"}
    assert codec.decode_reply(write(codec, told)) == Left("lobby")
    with pytest.raises(VocabularyError):
        codec.decode_reply(write(codec, {"type": "weather"}))


def test_times() -> None:
    ack = Ack("lobby", "m1", 7, NOW, False)
    assert json.loads(JSON.encode(ack))["created_at"] == "2026-11-23T13:56:00.249Z"
    ack = Ack("lobby", "m1", 7, NOW, False)
    assert bson.decode(BSON.encode(ack))["created_at"].replace(tzinfo=UTC) == NOW
    assert rfc3339(NOW.replace(microsecond=0)) == "2026-11-23T13:56:00.000Z"
    assert rfc3339(NOW.astimezone(timezone(timedelta(hours=8)))) == "2026-11-23T13:56:00.249Z"


def test_every_error_code_of_the_protocol_is_there() -> None:
    assert set(ERROR_CODES) == {
        "bad_message",
        "unauthenticated",
        "forbidden",
        "not_joined",
        "too_long",
        "rate_limited",
        "unavailable",
        "room_full",
        "internal",
    }


def test_the_subprotocols() -> None:
    assert list(SUBPROTOCOLS) == ["goim.v1.json", "goim.v1.bson"]
    assert (JSON.binary, BSON.binary) == (False, True)


def test_fields_without_a_value_are_left_out_where_they_are_optional() -> None:
    assert JSON.encode(Left("lobby")) == b'{"type":"left","room_id":"lobby"}'
    assert JSON.encode(Left("lobby", "r")) == b'{"type":"left","room_id":"lobby","ref":"r"}'
    assert b'"duplicate":false' in JSON.encode(Ack("r", "m", 1, NOW, False))
