"""Sessions: hello, requests and their refusals, rate limit, tokens, both subprotocols."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import bson
import jwt
import pytest

from goim_edu.chat.vocabulary import BSON, JSON, Codec
from goim_edu.client import connect
from goim_edu.server import ChatServer
from goim_edu.store import MessageStore
from tests.chatting import Person, RawClient, run, running_server, until

CODECS = pytest.mark.parametrize("codec", [JSON, BSON], ids=lambda codec: codec.name)
SECRET = b"a secret of more than thirty-two octets"


@CODECS
@pytest.mark.parametrize("compression", [True, False], ids=["deflate", "plain"])
def test_the_way_of_a_message(codec: Codec, compression: bool) -> None:
    """Hello, join, send, ack, message, history, leave: in both subprotocols, with and without."""

    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, codec=codec, compression=compression)
            welcome = await lisa.ask(type="hello", user_id="lisa")
            assert welcome["type"] == "welcome"
            assert welcome["user_id"] == "lisa"
            assert welcome["heartbeat"] == {"interval": 20, "timeout": 20}
            assert welcome["limits"] == {"text": 4096, "rooms": 50, "rate": 100}
            joined = await lisa.join()
            del joined["ref"]
            assert joined == {
                "type": "joined",
                "room_id": "lobby",
                "last_seq": 0,
                "members": ["lisa"],
                "member_count": 1,
                "truncated": False,
            }
            text = "你好 " * 300  # long enough to be compressed
            ack = await lisa.say(text, "m1")
            assert (ack["type"], ack["seq"], ack["duplicate"]) == ("ack", 1, False)
            message = await lisa.hear("message")
            assert message == {
                "type": "message",
                "room_id": "lobby",
                "seq": 1,
                "user_id": "lisa",
                "client_msg_id": "m1",
                "text": text,
                "created_at": ack["created_at"],
            }
            page = await lisa.ask(type="history", room_id="lobby")
            assert page["messages"] == [message]
            assert page["has_more"] is False
            assert (await lisa.ask(type="leave", room_id="lobby"))["type"] == "left"
            assert (await lisa.say("too late"))["code"] == "not_joined"
            await lisa.ws.close()

    run(test())


def test_two_subprotocols_in_one_room() -> None:
    async def test() -> None:
        async with running_server() as server:
            people = [
                await Person.come(server, f"user{number}", codec=codec, compression=compression)
                for number, (codec, compression) in enumerate(
                    [(JSON, True), (JSON, False), (BSON, True), (BSON, False)]
                )
            ]
            for person in people:
                await person.join()
            await people[0].say("x" * 1000, "m1")
            heard = [await person.hear("message") for person in people]
            assert {message["text"] for message in heard} == {"x" * 1000}
            assert isinstance(heard[0]["created_at"], str)
            assert (
                heard[2]["created_at"].isoformat(timespec="milliseconds") + "Z"
                == (heard[0]["created_at"])
            )

    run(test())


# ---------------------------------------------------------------------- hello


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "join", "room_id": "lobby"}, "unauthenticated"),
        ({"type": "hello"}, "bad_message"),
        ({"type": "hello", "user_id": ""}, "bad_message"),
        ({"type": "shout"}, "bad_message"),
    ],
)
def test_no_valid_hello(first: dict[str, Any], code: str) -> None:
    async def test() -> None:
        async with running_server() as server:
            person = await Person.come(server)
            assert (await person.ask(**first))["code"] == code
            assert (await person.closed())[0] == 4401

    run(test())


def test_a_hello_that_is_not_even_json() -> None:
    async def test() -> None:
        async with running_server() as server:
            person = await Person.come(server)
            await person.ws.send("hello?")
            assert (await person.listen())["code"] == "bad_message"
            assert (await person.closed())[0] == 4401

    run(test())


def test_hello_too_late() -> None:
    async def test() -> None:
        async with running_server(hello_timeout=0.15) as server:
            begin = time.monotonic()
            person = await Person.come(server)
            assert (await person.closed())[0] == 4408
            assert 0.1 < time.monotonic() - begin < 2
            in_time = await Person.come(server, "lisa")
            await asyncio.sleep(0.3)
            assert (await in_time.join())["type"] == "joined"

    run(test())


def test_a_second_hello_changes_nothing() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            answer = await lisa.ask(type="hello", user_id="eve")
            assert (answer["type"], answer["code"]) == ("error", "bad_message")
            await lisa.join()
            await lisa.say("it is still me")
            assert (await lisa.hear("message"))["user_id"] == "lisa"

    run(test())


def test_a_client_that_offers_no_subprotocol_is_told_their_names() -> None:
    async def test() -> None:
        async with running_server() as server:
            for offered in ([], ["Sec-WebSocket-Protocol: chat"]):
                with pytest.raises(ConnectionError) as refused:
                    await RawClient.come(server.port, "/chat", *offered)
                assert "HTTP/1.1 400" in str(refused.value)
            client = await RawClient.come(server.port, None)
            from tests.chatting import upgrade

            client.send(upgrade(server.port, "/chat"))
            answer = (await client.read_all()).decode()
            assert "goim.v1.json" in answer
            assert "goim.v1.bson" in answer
            client.go()

    run(test())


# ---------------------------------------------------------------------- requests that are refused


def test_a_bad_message_changes_nothing_and_the_connection_lives() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            for bad in ("", "{", "[]", '{"type":"send"}', '{"type":"welcome"}', "\0"):
                await lisa.ws.send(bad)
                answer = await lisa.listen()
                assert (answer["type"], answer["code"]) == ("error", "bad_message"), bad
            await lisa.ws.send(b"binary in a text protocol")
            assert "text messages" in (await lisa.listen())["reason"]
            assert (await lisa.say("fine"))["seq"] == 1

    run(test())


def test_bson_takes_no_text() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa", codec=BSON)
            await lisa.ws.send('{"type":"join","room_id":"lobby"}')
            assert "binary messages" in (await lisa.listen())["reason"]
            await lisa.ws.send(bson.encode({"type": "join", "room_id": "lobby"})[:-3])
            assert "malformed" in (await lisa.listen())["reason"]
            assert (await lisa.join())["type"] == "joined"

    run(test())


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "send", "client_msg_id": "m", "text": "t"},
        {"type": "history"},
        {"type": "leave"},
        {"type": "typing"},
        {"type": "read", "seq": 1},
    ],
    ids=lambda request: request["type"],
)
def test_who_is_not_in_a_room_can_do_nothing_there(request_: dict[str, Any]) -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            answer = await lisa.ask(**request_, room_id="elsewhere")
            assert (answer["type"], answer["code"]) == ("error", "not_joined")

    run(test())


def test_a_text_is_counted_in_characters() -> None:
    async def test() -> None:
        async with running_server(max_text=10) as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join()
            assert (await lisa.say("好" * 10))["type"] == "ack"
            assert (await lisa.say("好" * 11, "m2"))["code"] == "too_long"
            page = await lisa.ask(type="history", room_id="lobby")
            assert [message["text"] for message in page["messages"]] == ["好" * 10]

    run(test())


def test_a_message_of_more_than_a_mebibyte_closes_with_1009() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa", compression=False)
            await lisa.ws.send("x" * ((1 << 20) + 1))
            assert (await lisa.closed())[0] in (1009, 1006)
            bomb = await Person.come(server, "eve")  # compressed it is only a kilobyte
            await bomb.ws.send("x" * ((1 << 20) + 1))
            assert (await bomb.closed())[0] == 1009

    run(test())


def test_rooms_per_session() -> None:
    async def test() -> None:
        async with running_server(max_rooms=3) as server:
            lisa = await Person.come(server, "lisa")
            for number in range(3):
                assert (await lisa.join(f"room{number}"))["type"] == "joined"
            assert (await lisa.join("one too many"))["code"] == "forbidden"
            assert (await lisa.join("room0"))["type"] == "joined"  # it is there already
            await lisa.ask(type="leave", room_id="room1")
            assert (await lisa.join("now it fits"))["type"] == "joined"

    run(test())


def test_a_room_can_be_full() -> None:
    async def test() -> None:
        async with running_server(max_members=2) as server:
            lisa, tom = await Person.come(server, "lisa"), await Person.come(server, "tom")
            eve = await Person.come(server, "eve")
            await lisa.join()
            await tom.join()
            assert (await eve.join())["code"] == "room_full"
            await tom.ws.close()
            await until(lambda: len(server.hub.rooms["lobby"]) == 1)
            assert (await eve.join())["type"] == "joined"

    run(test())


def test_the_same_id_in_another_room() -> None:
    async def test() -> None:
        async with running_server() as server:
            lisa = await Person.come(server, "lisa")
            await lisa.join("a")
            await lisa.join("b")
            assert (await lisa.say("one", "m1", "a"))["type"] == "ack"
            answer = await lisa.say("two", "m1", "b")
            assert (answer["code"], "another room" in answer["reason"]) == ("bad_message", True)

    run(test())


# ---------------------------------------------------------------------- rate limit


def test_more_requests_than_the_burst_are_refused_and_then_taken_again() -> None:
    async def test() -> None:
        async with running_server(rate=50, burst=5) as server:
            lisa = await Person.come(server, "lisa")  # costs one
            for number in range(6):
                await lisa.tell(type="typing", room_id="x", ref=f"r{number}")
            await lisa.tell(type="nonsense", ref="r6")
            await lisa.ws.send("no JSON")
            answers = [await lisa.listen() for _ in range(8)]
            codes = [answer["code"] for answer in answers]
            assert codes == ["not_joined"] * 4 + ["rate_limited"] * 4
            assert [answer.get("ref") for answer in answers] == [f"r{n}" for n in range(7)] + [None]
            await asyncio.sleep(0.15)
            assert (await lisa.join())["type"] == "joined"

    run(test())


def test_a_long_message_over_the_rate_is_refused_unread() -> None:
    """To read it for its ``ref`` would cost what the limit is there to save."""

    async def test() -> None:
        async with running_server(rate=1, burst=2) as server:
            lisa = await Person.come(server, "lisa")  # costs one
            await lisa.tell(type="typing", room_id="x", ref="taken")
            await lisa.tell(type="typing", room_id="x" * 40_000, ref="long")
            answers = [await lisa.listen() for _ in range(2)]
            assert [answer["code"] for answer in answers] == ["not_joined", "rate_limited"]
            assert [answer.get("ref") for answer in answers] == ["taken", None]

    run(test())


def test_who_keeps_flooding_is_closed_with_4429() -> None:
    async def test() -> None:
        async with running_server(rate=1, burst=20) as server:
            lisa, eve = await Person.come(server, "lisa"), await Person.come(server, "eve")
            for _ in range(200):
                await eve.tell(type="typing", room_id="x")
            assert (await eve.closed())[0] == 4429
            assert sum(answer["code"] == "rate_limited" for answer in eve.heard) == 21
            assert (await lisa.join())["type"] == "joined"

    run(test())


# ---------------------------------------------------------------------- tokens


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "lisa", "exp": time.time() + 60} | claims, SECRET, "HS256")


def test_tokens(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)

    async def test() -> None:
        async with running_server(auth="jwt", jwt_secret=secret) as server:
            for bad in (None, "x", token(sub="eve"), token(exp=1)):
                person = await Person.come(server)
                answer = await person.ask(type="hello", user_id="lisa", token=bad)
                assert (answer["type"], answer["code"]) == ("error", "unauthenticated")
                assert (await person.closed())[0] == 4401
            lisa = await Person.come(server)
            made = token(rooms=["lobby"])
            assert (await lisa.ask(type="hello", user_id="lisa", token=made))["type"] == "welcome"
            assert (await lisa.join("lobby"))["type"] == "joined"
            assert (await lisa.join("secrets"))["code"] == "forbidden"

    run(test())


def test_a_token_ends_while_its_bearer_is_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)

    async def test() -> None:
        async with running_server(auth="jwt", jwt_secret=secret) as server:
            lisa = await Person.come(server)
            made = token(exp=time.time() + 1)
            await lisa.ask(type="hello", user_id="lisa", token=made)
            assert (await lisa.closed())[0] == 4401
            assert lisa.heard[-1]["reason"] == "your token has expired"

    run(test())


def test_a_client_that_speaks_at_once_hears_itself() -> None:
    """It need not wait for ``joined``: what it says comes behind it, and to itself, too."""
    requests = (
        {"type": "hello", "user_id": "ann"},
        {"type": "join", "room_id": "lobby"},
        *(
            {"type": "send", "room_id": "lobby", "client_msg_id": str(n), "text": "x"}
            for n in "123"
        ),
    )

    async def test() -> None:
        async with (
            running_server() as server,
            connect(f"{server.base_url}/chat", subprotocols=["goim.v1.json"]) as ws,
        ):
            for request in requests:
                await ws.send(json.dumps(request))
            heard = [json.loads(await ws.recv()) for _ in range(8)]
            assert [told["type"] for told in heard[:2]] == ["welcome", "joined"]
            assert heard[1]["last_seq"] == 0
            assert [told["seq"] for told in heard if told["type"] == "message"] == [1, 2, 3]

    run(test())


def stored(server: ChatServer, room: str) -> bool:
    return cast("MessageStore", server.store).last_seq(room) == 1


@pytest.mark.parametrize("goodbye", ["leave", "close", "cut"])
def test_what_a_client_says_before_it_is_in_is_stored_although_it_goes(goodbye: str) -> None:
    async def test() -> None:
        async with running_server() as server:
            for room in map("room {}".format, range(10)):
                ws = await connect(f"{server.base_url}/chat", subprotocols=["goim.v1.json"])
                requests: list[dict[str, Any]] = [
                    {"type": "hello", "user_id": "ann"},
                    {"type": "join", "room_id": room},
                    {"type": "send", "room_id": room, "client_msg_id": room, "text": "x"},
                    *([{"type": "leave", "room_id": room}] if goodbye == "leave" else []),
                ]
                for request in requests:
                    await ws.send(json.dumps(request))
                if goodbye == "leave":
                    heard = {json.loads(await ws.recv())["type"] for _ in range(3)}
                    assert heard == {"welcome", "ack", "left"}
                if goodbye == "cut":
                    ws.connection.abort()
                else:
                    await ws.close()
                await until(partial(stored, server, room))

    run(test())
