"""The chat page in a real Chromium, with the real server and a real mongod behind it."""

from __future__ import annotations

import itertools
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jwt
import pymongo
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    ViewportSize,
    WebSocketRoute,
    expect,
)
from websockets.sync.client import connect

from goim_edu.mongod import LocalMongod, LocalReplicaSet
from goim_edu.palette import contrast
from tests.serving import ServerProcess

expect.set_options(timeout=10_000)
STYLE = Path(__file__).resolve().parents[2] / "goim_edu" / "serving" / "page" / "style.css"
INJECTION = "<img src=x onerror=\"document.title='broken'\"><script>alert(1)</script>"
LOST_CONNECTION = re.compile("WebSocket connection to .* failed|net::ERR")


class Person:
    """Somebody with the page open; whatever the browser complains about is remembered."""

    def __init__(self, page: Page, server: ServerProcess) -> None:
        self.page = page
        self.server = server
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note_request)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _note_request(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)

    def enter(self, name: str, room: str, extra: str = "") -> Person:
        self.page.goto(f"{self.server.page}/?room={quote(room)}&name={quote(name)}{extra}")
        self.is_connected()
        return self

    def is_connected(self) -> None:
        expect(self["connection"]).to_have_attribute("data-state", "online")
        expect(self["log-start"]).not_to_have_text("Fetching the messages…")

    def __getitem__(self, element: str) -> Locator:
        return self.page.locator(f"#{element}")

    @property
    def messages(self) -> Locator:
        return self.page.locator("#log li.message")

    @property
    def texts(self) -> Locator:
        return self.page.locator("#log li.message .text")

    def message(self, text: str) -> Locator:
        return self.messages.filter(has=self.page.locator(".text", has_text=exactly(text)))

    def say(self, text: str) -> None:
        self["composer-text"].fill(text)
        self["composer-text"].press("Enter")

    def stored(self, text: str) -> None:
        """The page shows ``text`` as stored."""
        expect(self.message(text)).to_have_attribute("data-state", "stored")

    def seqs(self) -> list[int]:
        return [
            int(seq)
            for seq in self.page.locator("#log li[data-seq]").evaluate_all(
                "items => items.map(item => item.dataset.seq)"
            )
        ]


def exactly(text: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(text)}$")


@pytest.fixture(scope="module")
def server(
    mongod: LocalMongod, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("serve") / "log"
    options = ("--rate", "100000", "--burst", "100000", "--presence-grace", "1")
    with ServerProcess(log, mongod.uri, *options) as running:
        yield running


@pytest.fixture
def room() -> str:
    """A room that no other test has been in."""
    return f"room-{secrets.token_hex(4)}"


NewPerson = Callable[..., Person]


@pytest.fixture
def somebody(browser: Browser, server: ServerProcess) -> Iterator[NewPerson]:
    """Opens the page for one more person; at the end nobody's browser may have complained."""
    people: list[Person] = []

    def new(at: ServerProcess = server, **options: Any) -> Person:
        page = browser.new_context(locale="en-GB", **options).new_page()
        people.append(Person(page, at))
        return people[-1]

    yield new
    for person in people:
        person.page.context.close()
    assert [complaint for person in people for complaint in person.complaints] == []
    assert {host for person in people for host in person.hosts} <= {
        urlsplit(person.server.page).netloc for person in people
    }


def documents(mongod: LocalMongod | LocalReplicaSet, room: str) -> list[dict[str, Any]]:
    with pymongo.MongoClient[dict[str, Any]](mongod.uri, tz_aware=True) as client:
        return list(client["GOIM"]["messages"].find({"room_id": room}).sort("seq"))


def fill(server: ServerProcess, room: str, count: int, user: str = "filler") -> None:
    """Put ``count`` messages into a room, by another client than the page."""
    with connect(server.chat, subprotocols=["goim.v1.json"], max_size=None, max_queue=None) as ws:  # type: ignore[list-item]
        ws.send(json.dumps({"type": "hello", "user_id": user}))
        ws.send(json.dumps({"type": "join", "room_id": room}))
        for number in range(count):
            key = secrets.token_hex(8)
            text = f"{user} {number}"
            body = {"type": "send", "room_id": room, "client_msg_id": key, "text": text}
            ws.send(json.dumps(body))
        acknowledged = 0
        while acknowledged < count:
            answer = json.loads(ws.recv(timeout=20))
            assert answer["type"] != "error", answer
            acknowledged += answer["type"] == "ack"


# ------------------------------------------------------------------ talking


def test_two_people_chat_and_find_it_all_after_a_reload(
    somebody: NewPerson, mongod: LocalMongod, room: str
) -> None:
    lisa, mei = somebody().enter("lisa", room), somebody().enter("mei", room)
    lisa.say("Good morning")
    mei.stored("Good morning")
    mei.say("早上好！")
    for person in (lisa, mei):
        expect(person.texts).to_have_text(["Good morning", "早上好！"])
    lisa.stored("Good morning")
    expect(lisa["announcer"]).to_contain_text("mei: 早上好！")
    lisa.page.reload()
    expect(lisa.texts).to_have_text(["Good morning", "早上好！"])
    expect(lisa["me-name"]).to_have_text("lisa")
    expect(lisa.messages.first.locator(".author")).to_have_text("You")

    found = documents(mongod, room)
    assert [(one["user_id"], one["text"], one["seq"]) for one in found] == [
        ("lisa", "Good morning", 1),
        ("mei", "早上好！", 2),
    ]
    wanted = {"room_id", "user_id", "created_at", "seq", "client_msg_id", "text"}
    assert all(wanted <= document.keys() for document in found)
    assert abs(found[0]["created_at"].timestamp() - time.time()) < 300
    with pymongo.MongoClient[dict[str, Any]](mongod.uri) as client:
        indexes = client["GOIM"]["messages"].index_information()
    assert {"room_created_desc", "user_created_desc", "created_at_desc"} <= indexes.keys()


def test_somebody_without_a_name_is_asked_for_it(somebody: NewPerson, room: str) -> None:
    lisa = somebody()
    lisa.page.goto(f"{lisa.server.page}/?room={room}")
    expect(lisa["app"]).to_be_hidden()
    expect(lisa["entrance-room"]).to_have_value(room)
    lisa["entrance-name"].fill("lisa")
    lisa.page.get_by_role("button", name="Enter the chat").click()
    lisa.is_connected()
    expect(lisa["room-name"]).to_have_text(room)
    expect(lisa["empty"]).to_contain_text("Nobody has said anything here yet.")
    expect(lisa["invite"]).to_have_text(f"{lisa.server.page}/?room={room}")
    lisa["change-name"].click()
    expect(lisa["entrance-name"]).to_have_value("lisa")


def test_a_script_in_a_message_a_name_or_a_room_stays_text(somebody: NewPerson, room: str) -> None:
    evil_name, evil_room = f"{INJECTION}n", f"{INJECTION}{room}"
    evil = somebody().enter(evil_name, evil_room)
    lisa = somebody().enter("lisa", evil_room)
    lisa["open-inspector"].click()
    evil.say(INJECTION)
    lisa.stored(INJECTION)
    evil["composer-text"].press_sequentially("abc")
    expect(lisa["activity"]).to_contain_text("is writing")
    expect(lisa.messages.locator(".author")).to_have_text(evil_name)
    expect(lisa["room-name"]).to_have_text(evil_room)
    expect(lisa["people-list"]).to_contain_text(evil_name)
    lisa.page.locator("#frames .frame.received").first.click()
    for person in (evil, lisa):
        scripts = person.page.locator("#app img, #app script, #announcer *:not(p)")
        sources = scripts.evaluate_all("nodes => nodes.map(node => node.getAttribute('src'))")
        assert set(sources) == {"icon.svg"}
        assert "broken" not in person.page.title().split(" · ")


def test_who_is_here_who_writes_and_who_has_read(somebody: NewPerson, room: str) -> None:
    lisa = somebody().enter("lisa", room)
    mei = somebody().enter("mei", room)
    expect(lisa["people-list"].locator(".person")).to_have_text(["lisa", "mei"])
    expect(lisa["activity"]).to_have_text("mei has come in")
    mei["composer-text"].press_sequentially("hm")
    expect(lisa["activity"]).to_have_text("mei is writing…")
    lisa.say("I see you write")
    expect(lisa.message("I see you write").locator(".readers")).to_have_text("read by mei")
    mei.page.context.close()
    expect(lisa["people-list"].locator(".person")).to_have_text(["lisa"])


def test_a_room_that_is_pressed_while_something_is_said_is_chosen(
    server: ServerProcess, somebody: NewPerson, room: str
) -> None:
    other = f"{room}-other"
    lisa = somebody().enter("lisa", room)
    lisa["join-room"].fill(other)
    lisa["join-room"].press("Enter")
    expect(lisa["room-name"]).to_have_text(other)
    button = lisa.page.locator(f"[data-room='{room}']")
    button.hover()
    lisa.page.mouse.down()
    fill(server, room, 3)
    expect(button.locator(".badge")).to_have_text("3")
    lisa.page.mouse.up()
    expect(lisa["room-name"]).to_have_text(room)
    expect(button.locator(".badge")).to_be_hidden()


def test_names_and_texts_hide_nothing(somebody: NewPerson, room: str) -> None:
    evil_name, evil_room = "ad\u200bmin\n\u202e", f"{room}\u2800"
    shown_name, shown_room = r"ad\u200bmin\n\u202e", rf"{room}\u2800"
    lisa, evil = somebody(), somebody()
    for person, name in ((lisa, "lisa"), (evil, "evil")):
        person.enter(name, room)
    with connect(lisa.server.chat, subprotocols=["goim.v1.json"]) as ws:  # type: ignore[list-item]
        ws.send(json.dumps({"type": "hello", "user_id": evil_name}))
        for where in (room, evil_room):
            ws.send(json.dumps({"type": "join", "room_id": where}))
        lisa["join-room"].evaluate("(node, name) => { node.value = name }", evil_room)
        lisa["join-form"].evaluate("form => form.requestSubmit()")
        expect(lisa["room-name"]).to_have_text(shown_room)
        expect(lisa.page).to_have_title(f"{shown_room} · goim")
        expect(lisa["composer-text"]).to_have_attribute("placeholder", f"Message to {shown_room}")
        expect(lisa["people-list"].locator(".person")).to_have_text([shown_name, "lisa"])
        for kind, more in (
            ("typing", {}),
            ("send", {"client_msg_id": "1", "text": "a\u202eb 👩\u200d👧 می\u200cخواهم"}),
        ):
            ws.send(json.dumps({"type": kind, "room_id": evil_room, **more}))
        expect(lisa.texts).to_have_text([r"a\u202eb 👩‍👧 می‌خواهم"])
        expect(lisa.messages.locator(".author")).to_have_text(shown_name)
        expect(lisa["announcer"]).to_contain_text(f"{shown_name}: a")
        lisa["open-inspector"].click()
        expect(lisa["frames"]).not_to_contain_text("\u202e")
    page_text = lisa.page.evaluate(
        'document.documentElement.outerHTML.replace(/data-\\S+="[^"]*"/g, \'\')'
    )
    assert "\u202e" not in page_text
    assert "\u200b" not in page_text


def test_a_link_with_another_name_or_a_token_asks_first(somebody: NewPerson, room: str) -> None:
    lisa = somebody().enter("lisa", room)
    for link in (f"?name=mallory&room={room}-trap", "#token=of-mallory", "?name=m#token=x"):
        lisa.page.goto("about:blank")
        lisa.page.goto(f"{lisa.server.page}/{link}")
        expect(lisa["entrance-link"]).to_contain_text("A link has filled in this form")
        expect(lisa["entrance-stay"]).to_have_text("Stay lisa")
        expect(lisa["app"]).to_be_hidden()
        kept = lisa.page.evaluate("JSON.parse(sessionStorage['goim.tab'])")
        assert (kept["name"], kept["token"], kept["rooms"]) == ("lisa", "", [room])
    lisa["entrance-stay"].click()
    lisa.is_connected()
    expect(lisa["me-name"]).to_have_text("lisa")
    expect(lisa["room-name"]).to_have_text(room)
    lisa.page.goto("about:blank")
    lisa.page.goto(f"{lisa.server.page}/?name=mei&room={room}")
    lisa["entrance-button"].press("Enter")
    lisa.is_connected()
    expect(lisa["me-name"]).to_have_text("mei")


def test_a_link_with_a_token_asks_in_a_new_tab_too(somebody: NewPerson, room: str) -> None:
    lisa = somebody()
    lisa.page.goto(f"{lisa.server.page}/?name=mallory&room={room}#token=of-mallory")
    expect(lisa["entrance-link"]).to_contain_text("as mallory, with the token of the link")
    expect(lisa["entrance-token"]).to_have_value("of-mallory")
    expect(lisa["entrance-stay"]).to_be_hidden()
    assert lisa.page.evaluate("sessionStorage.length + localStorage.length") == 0


class BigRoom:
    """Stands between a page and the server, and tells the page of ``count`` members."""

    def __init__(self, page: Page, count: int) -> None:
        self.names = [f"member {number:04}" for number in range(count)]
        self.route: WebSocketRoute | None = None
        page.route_web_socket("**/chat", self._between)

    def _between(self, route: WebSocketRoute) -> None:
        self.route, server = route, route.connect_to_server()

        def from_server(data: str | bytes) -> None:
            told = json.loads(data)
            if told["type"] == "joined":
                told |= {"members": self.names[:200], "member_count": len(self.names) + 1}
            if told["type"] != "presence":
                route.send(json.dumps(told))

        def from_page(data: str | bytes) -> None:
            asked = json.loads(data)
            if asked["type"] == "members":
                self._answer(asked)
            else:
                server.send(data)

        server.on_message(from_server)
        route.on_message(from_page)

    def _answer(self, asked: dict[str, Any]) -> None:
        rest = [name for name in self.names if name > asked.get("after", "")]
        fields = {"members": rest[:200], "has_more": len(rest) > 200, "ref": asked["ref"]}
        self.tell("members", asked["room_id"], **fields)

    def tell(self, kind: str, room: str, **fields: Any) -> None:
        told = {"type": kind, "room_id": room, "member_count": len(self.names) + 1, **fields}
        assert self.route is not None
        self.route.send(json.dumps(told))


WATCH_PEOPLE = """() => {
    window.touched = 0;
    const seen = new MutationObserver((changes) => { window.touched += changes.length; });
    const all = {childList: true, subtree: true, characterData: true, attributes: true};
    seen.observe(document.getElementById("people-list"), all);
}"""


def test_a_message_costs_the_list_of_people_nothing(
    somebody: NewPerson, server: ServerProcess, room: str
) -> None:
    lisa = somebody()
    big = BigRoom(lisa.page, 2000)
    lisa.enter("lisa", room)
    rows = lisa["people-list"].locator("li")
    expect(rows).to_have_count(201)
    expect(lisa["people-count"]).to_have_text("2,001 people")
    lisa.page.evaluate(WATCH_PEOPLE)
    fill(server, room, 50)
    lisa.say("and mine")
    lisa.stored("and mine")
    assert lisa.page.evaluate("touched") == 0
    rows.nth(5).evaluate("row => { row.id = 'the-same' }")
    big.names.insert(0, "aaa")
    big.tell("presence", room, joined=["aaa"], left=[])
    expect(lisa["people-list"].locator(".person").first).to_have_text("aaa")
    expect(rows.nth(6)).to_have_id("the-same")
    expect(lisa["activity"]).to_have_text("aaa has come in")
    expect(lisa["people-count"]).to_have_text("2,002 people")


def test_a_big_room_shows_its_people_page_by_page(somebody: NewPerson, room: str) -> None:
    lisa = somebody()
    BigRoom(lisa.page, 450)
    lisa.enter("lisa", room)
    people = lisa["people-list"].locator(".person")
    expect(lisa["more-people"]).to_have_text("and 250 others: show more")
    lisa["more-people"].click()
    expect(people).to_have_count(401)
    expect(lisa["more-people"]).to_have_text("and 50 others: show more")
    lisa["more-people"].click()
    expect(people).to_have_count(451)
    expect(people.first).to_have_text("lisa")
    expect(people.last).to_have_text("member 0449")
    expect(lisa["more-people"]).to_be_hidden()


def test_somebody_who_reads_far_above_does_not_fill_the_page(
    somebody: NewPerson, server: ServerProcess, room: str
) -> None:
    fill(server, room, 60)
    lisa = somebody()

    def route(ws: WebSocketRoute) -> None:
        upstream = ws.connect_to_server()

        def from_server(data: str | bytes) -> None:
            told = json.loads(data)
            for message in told.get("messages", []):
                message["seq"] += 10_000
            for field in ("seq", "last_seq"):
                if field in told:
                    told[field] += 10_000
            ws.send(json.dumps(told))

        def from_page(data: str | bytes) -> None:
            asked = json.loads(data)
            before = asked.get("before_seq")
            if asked["type"] == "history" and before is not None:
                ws.send(json.dumps(earlier(asked, range(before - 1000, before))))
            else:
                upstream.send(data)

        upstream.on_message(from_server)
        ws.on_message(from_page)

    def earlier(asked: dict[str, Any], seqs: range) -> dict[str, Any]:
        old = {"user_id": "old", "created_at": "2026-01-01T00:00:00.000Z", "room_id": room}
        told = [{**old, "client_msg_id": f"k{n}", "text": f"old {n}", "seq": n} for n in seqs]
        return {"type": "history", "room_id": room, "messages": told, "has_more": True} | {
            "ref": asked["ref"]
        }

    lisa.page.route_web_socket("**/chat", route)
    lisa.enter("lisa", room)
    for _ in range(5):
        first = lisa.seqs()[0]
        lisa["log"].evaluate("log => { log.scrollTop = 0 }")
        expect(lisa.messages.first).not_to_have_attribute("data-seq", str(first))
    expect(lisa.messages).to_have_count(3600)
    fill(server, room, 5, "late")
    expect(lisa["to-latest"]).to_have_text("5 new messages ↓")
    expect(lisa.messages).to_have_count(3600)
    lisa["to-latest"].click()
    expect(lisa.message("late 4")).to_be_in_viewport()
    assert lisa.seqs() == list(range(10_016, 10_066))


def test_several_rooms_at_once(somebody: NewPerson, room: str) -> None:
    other = f"{room}-文学"
    lisa, mei = somebody().enter("lisa", room), somebody().enter("mei", other)
    lisa["join-room"].fill(other)
    lisa["join-room"].press("Enter")
    expect(lisa["room-name"]).to_have_text(other)
    expect(mei["people-list"].locator(".person")).to_have_text(["lisa", "mei"])
    lisa["composer-text"].fill("a draft")
    lisa.page.locator(f"[data-room='{room}']").click()
    expect(lisa["composer-text"]).to_have_value("")
    mei.say("Are you there?")
    expect(lisa.page.locator(f"[data-room='{other}'] .badge")).to_have_text("1")
    expect(lisa.page).to_have_title(f"(1) {room} · goim")
    expect(lisa.messages).to_have_count(0)
    lisa.page.locator(f"[data-room='{other}']").click()
    expect(lisa.texts).to_have_text(["Are you there?"])
    expect(lisa.page.locator(".unread-mark")).to_have_text("New")
    expect(lisa["composer-text"]).to_have_value("a draft")
    lisa.page.reload()
    lisa.is_connected()
    expect(lisa["room-list"].locator(".room-label")).to_have_text([room, other])
    expect(lisa["room-name"]).to_have_text(other)
    lisa["leave-room"].click()
    expect(lisa["room-name"]).to_have_text(room)
    expect(mei["people-list"].locator(".person")).to_have_text(["mei"])


def test_scrolling_up_brings_the_history_to_its_beginning(
    somebody: NewPerson, server: ServerProcess, room: str
) -> None:
    fill(server, room, 230)
    lisa = somebody().enter("lisa", room)
    expect(lisa.message("filler 229")).to_be_in_viewport()
    assert lisa.seqs() == list(range(181, 231))
    for _ in range(40):
        lisa["log"].evaluate("log => { log.scrollTop = 0 }")
        if lisa["log-start"].is_visible():
            break
        lisa.page.wait_for_timeout(25)
    expect(lisa["log-start"]).to_have_text("This is the beginning of the room.")
    assert lisa.seqs() == list(range(1, 231))
    expect(lisa["to-latest"]).to_be_visible()
    lisa["to-latest"].click()
    expect(lisa.message("filler 229")).to_be_in_viewport()


def test_what_is_in_sight_stays_when_older_messages_come_above_it(
    somebody: NewPerson, server: ServerProcess, room: str
) -> None:
    fill(server, room, 120)
    lisa = somebody().enter("lisa", room)
    first = lisa.page.locator("#log li[data-seq='71']")
    lisa["log"].evaluate("log => { log.scrollTop = 0 }")
    expect(lisa.page.locator("#log li[data-seq='21']")).to_be_attached()
    expect(first).to_be_in_viewport()
    expect(lisa.page.locator("#log li[data-seq='30']")).not_to_be_in_viewport()


# ------------------------------------------------------------------ trouble


def test_a_restart_of_the_server_loses_and_repeats_nothing(
    somebody: NewPerson, replica_set: LocalReplicaSet, tmp_path: Path, room: str
) -> None:
    with ServerProcess(tmp_path / "log", replica_set.uri) as server:
        lisa = somebody(server).enter("lisa", room)
        mei = somebody(server).enter("mei", room)
        lisa.say("before")
        mei.stored("before")
        assert server.stop() == 0
        for person in (lisa, mei):
            expect(person["banner"]).to_contain_text("No connection")
            expect(person["connection-text"]).not_to_have_text("Connected")
        lisa.say("written by lisa while the server was gone")
        expect(lisa.message("written by lisa while the server was gone")).to_have_attribute(
            "data-state", "queued"
        )
        mei.say("and by mei")
        server.start()
        for person in (lisa, mei):
            person.is_connected()
            expect(person["banner"]).to_be_hidden()
            person.stored("written by lisa while the server was gone")
            person.stored("and by mei")
        server.kill()
        expect(lisa["banner"]).to_contain_text("No connection")
        server.start()
        # The page may have come back by itself in between; then its button is hidden, and idle.
        lisa["retry-now"].dispatch_event("click")
        lisa.is_connected()
        lisa.say("after")
        mei.stored("after")
        for person in (lisa, mei):
            person.stored("after")
            assert person.seqs() == sorted(set(person.seqs()))
            assert person.messages.count() == 4
            # The browser itself reports each attempt that failed; nothing else may be reported.
            assert all(LOST_CONNECTION.search(text) for text in person.complaints)
            person.complaints.clear()
    found = documents(replica_set, room)
    assert len({one["client_msg_id"] for one in found}) == len(found) == 4


def test_a_message_whose_ack_was_lost_is_sent_again_and_stored_once(
    somebody: NewPerson, mongod: LocalMongod, room: str
) -> None:
    lisa = somebody()
    keys: list[str] = []
    cut = itertools.count()

    def route(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()

        def from_server(data: str | bytes) -> None:
            if json.loads(data)["type"] == "ack" and next(cut) == 0:
                ws.close(code=1012, reason="cut by the test")
                server.close()
                return
            ws.send(data)

        def from_page(data: str | bytes) -> None:
            message = json.loads(data)
            if message["type"] == "send":
                keys.append(message["client_msg_id"])
            server.send(data)

        server.on_message(from_server)
        ws.on_message(from_page)

    lisa.page.route_web_socket("**/chat", route)
    lisa.enter("lisa", room)
    lisa["open-inspector"].click()
    lisa.say("only once")
    lisa.stored("only once")
    expect(lisa.messages).to_have_count(1)
    expect(lisa["way"].locator("[data-step=stored]")).to_have_class("done")
    assert next(cut) >= 1, "no ack was cut off"
    assert len(set(keys)) == 1
    assert [one["text"] for one in documents(mongod, room)] == ["only once"]


def test_an_ack_does_not_hide_what_others_said_before(
    somebody: NewPerson, mongod: LocalMongod, room: str
) -> None:
    """Only what came as ``message`` may move ``since``: an ack overtakes messages of others."""
    mei, lisa = somebody().enter("mei", room), somebody()
    holding = [False]

    def route(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()

        def from_server(data: str | bytes) -> None:
            kind = json.loads(data)["type"]
            if not (holding[0] and kind == "message"):
                ws.send(data)
            if holding[0] and kind == "ack":
                holding[0] = False
                ws.close(code=1012, reason="cut by the test")
                server.close()

        server.on_message(from_server)

    lisa.page.route_web_socket("**/chat", route)
    lisa.enter("lisa", room)
    holding[0] = True
    mei.say("said first")
    mei.stored("said first")
    lisa.say("said second")
    lisa.stored("said second")
    expect(lisa.texts).to_have_text(["said first", "said second"])


def test_what_the_database_could_not_take_goes_again(somebody: NewPerson, room: str) -> None:
    lisa = somebody()
    refusals = itertools.count()

    def route(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()

        def from_page(data: str | bytes) -> None:
            message = json.loads(data)
            if message["type"] == "send" and next(refusals) < 2:
                error = {"type": "error", "ref": message["ref"], "code": "unavailable"}
                ws.send(json.dumps(error | {"reason": "the store is asleep"}))
            else:
                server.send(data)

        ws.on_message(from_page)

    lisa.page.route_web_socket("**/chat", route)
    lisa.enter("lisa", room)
    lisa.say("please keep this")
    expect(lisa.message("please keep this")).to_have_attribute("data-state", "held")
    expect(lisa["notice-text"]).to_contain_text("The database does not answer")
    lisa.stored("please keep this")
    expect(lisa["notice"]).to_be_hidden()
    expect(lisa.messages).to_have_count(1)


@pytest.mark.parametrize("code", ["unavailable", "rate_limited", "internal"])
def test_own_texts_keep_their_order_when_one_is_refused_for_now(
    somebody: NewPerson, mongod: LocalMongod, room: str, code: str
) -> None:
    def refuse(page: WebSocketRoute, _: WebSocketRoute, ref: str) -> None:
        page.send(json.dumps({"type": "error", "ref": ref, "code": code, "reason": "later"}))

    check_own_order(somebody(), mongod, room, refuse)


def test_own_texts_keep_their_order_over_a_lost_connection(
    somebody: NewPerson, mongod: LocalMongod, room: str
) -> None:
    """The second one was on its way when the link broke; those behind it must not overtake it."""

    def cut(page: WebSocketRoute, server: WebSocketRoute, _: str) -> None:
        server.close()
        page.close(code=1012, reason="cut by the test")

    check_own_order(somebody(), mongod, room, cut)


def check_own_order(
    lisa: Person,
    mongod: LocalMongod,
    room: str,
    meddle: Callable[[WebSocketRoute, WebSocketRoute, str], None],
) -> None:
    """Six texts are stored as they were written, although something is done to the second."""
    sends = itertools.count()

    def route(page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def from_page(data: str | bytes) -> None:
            message = json.loads(data)
            if message["type"] == "send" and next(sends) == 1:
                meddle(page, server, message["ref"])
            else:
                server.send(data)

        page.on_message(from_page)

    lisa.page.route_web_socket("**/chat", route)
    lisa.enter("lisa", room)
    written = [f"text {number}" for number in range(6)]
    for text in written:
        lisa.say(text)
    lisa.stored(written[-1])
    expect(lisa.texts).to_have_text(written)
    assert [one["text"] for one in documents(mongod, room)] == written


def test_a_store_that_forgot_everything_begins_anew(
    somebody: NewPerson, tmp_path: Path, room: str
) -> None:
    with ServerProcess(tmp_path / "log", "memory") as server:
        lisa = somebody(server).enter("lisa", room)
        lisa.say("gone soon")
        lisa.say("this too")
        lisa.stored("this too")
        server.stop()
        expect(lisa["banner"]).to_be_visible()
        server.start()
        lisa.is_connected()
        expect(lisa["notice-text"]).to_contain_text("no longer has the earlier messages")
        lisa.say("a new beginning")
        lisa.stored("a new beginning")
        expect(lisa.texts).to_have_text(["a new beginning"])
        lisa.complaints = [text for text in lisa.complaints if not LOST_CONNECTION.search(text)]


def test_a_flood_is_shown_and_does_not_fill_the_page(
    somebody: NewPerson, server: ServerProcess, room: str
) -> None:
    lisa = somebody().enter("lisa", room)
    fill(server, room, 2500)
    expect(lisa.message("filler 2499")).to_be_in_viewport()
    seqs = lisa.seqs()
    assert len(seqs) <= 1201
    assert seqs == list(range(seqs[0], 2501))
    lisa.say("still here")
    lisa.stored("still here")


def test_a_message_that_waits_survives_a_reload(
    somebody: NewPerson, mongod: LocalMongod, tmp_path: Path, room: str
) -> None:
    lisa = somebody()
    mute = [True]

    def route(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()

        def from_page(data: str | bytes) -> None:
            if not (mute[0] and json.loads(data)["type"] == "send"):
                server.send(data)

        ws.on_message(from_page)

    lisa.page.route_web_socket("**/chat", route)
    lisa.enter("lisa", room)
    lisa.say("do not forget me")
    expect(lisa.message("do not forget me")).to_have_attribute("data-state", "sent")
    mute[0] = False
    lisa.page.reload()
    lisa.stored("do not forget me")
    expect(lisa.messages).to_have_count(1)
    assert len(documents(mongod, room)) == 1


def test_without_a_network_the_page_says_so_and_comes_back(somebody: NewPerson, room: str) -> None:
    lisa, mei = somebody().enter("lisa", room), somebody().enter("mei", room)
    lisa.page.context.set_offline(True)
    expect(lisa["banner"]).to_contain_text("the browser has no network")
    mei.say("said while lisa was away")
    mei.stored("said while lisa was away")
    lisa.page.context.set_offline(False)
    lisa.is_connected()
    lisa.stored("said while lisa was away")
    lisa.complaints = [text for text in lisa.complaints if not LOST_CONNECTION.search(text)]


def test_a_server_that_has_gone_silent_is_given_up(somebody: NewPerson, room: str) -> None:
    lisa = somebody()
    silent = [False]

    def route(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()
        server.on_message(lambda data: None if silent[0] else ws.send(data))

    lisa.page.clock.install()
    lisa.page.route_web_socket("**/chat", route)
    lisa.enter("lisa", room)
    silent[0] = True
    lisa.say("is anybody there?")
    expect(lisa.message("is anybody there?")).to_have_attribute("data-state", "sent")
    lisa.page.clock.run_for(15_000)
    expect(lisa.message("is anybody there?")).to_have_attribute("data-state", "queued")
    silent[0] = False
    lisa.page.clock.run_for(20_000)
    lisa.is_connected()
    lisa.stored("is anybody there?")
    expect(lisa.messages).to_have_count(1)


def test_whoever_missed_too_much_goes_on_at_the_end_without_a_gap(
    somebody: NewPerson, server: ServerProcess, room: str
) -> None:
    fill(server, room, 3)
    lisa = somebody().enter("lisa", room)
    lisa.page.context.set_offline(True)
    expect(lisa["banner"]).to_be_visible()
    fill(server, room, 1100, "crowd")
    lisa.page.context.set_offline(False)
    lisa.is_connected()
    expect(lisa.message("crowd 1099")).to_be_in_viewport()
    expect(lisa["notice-text"]).to_contain_text("missed very many")
    seqs = lisa.seqs()
    assert seqs == list(range(seqs[0], 1104))
    lisa["log"].evaluate("log => { log.scrollTop = 0 }")
    expect(lisa.page.locator(f"#log li[data-seq='{seqs[0] - 1}']")).to_be_attached()
    earlier = lisa.seqs()
    assert earlier == list(range(earlier[0], 1104))
    lisa.complaints = [text for text in lisa.complaints if not LOST_CONNECTION.search(text)]


def test_a_text_that_is_too_long_is_not_sent(somebody: NewPerson, room: str) -> None:
    lisa = somebody().enter("lisa", room)
    lisa["composer-text"].fill("字" * 4097)
    expect(lisa["composer-count"]).to_have_text("1 too many")
    lisa["composer-text"].press("Enter")
    expect(lisa.messages).to_have_count(0)
    lisa["composer-text"].fill("😀" * 4096)
    expect(lisa["composer-count"]).to_have_text("0 characters left")
    lisa["composer-text"].press("Enter")
    expect(lisa.messages).to_have_attribute("data-state", "stored")


def test_what_the_server_refuses_is_told_in_words(somebody: NewPerson, room: str) -> None:
    lisa = somebody()

    def route(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()

        def from_page(data: str | bytes) -> None:
            message = json.loads(data)
            if message["type"] == "send" and message["text"] == "refuse me":
                error = {"type": "error", "ref": message["ref"], "code": "forbidden"}
                ws.send(json.dumps(error | {"reason": "not in this room"}))
            else:
                server.send(data)

        ws.on_message(from_page)

    lisa.page.route_web_socket("**/chat", route)
    lisa.enter("lisa", room)
    lisa.say("refuse me")
    item = lisa.message("refuse me")
    expect(item).to_have_attribute("data-state", "failed")
    expect(item.locator(".state")).to_have_text("You may not do this: not in this room")
    item.get_by_role("button", name="Edit").click()
    expect(item).to_have_count(0)
    expect(lisa["composer-text"]).to_have_value("refuse me")


def test_a_token_is_asked_for_and_taken(
    somebody: NewPerson, replica_set: LocalReplicaSet, tmp_path: Path, room: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(secrets.token_hex(32))
    options = ("--auth", "jwt", "--jwt-secret", str(secret))
    with ServerProcess(tmp_path / "log", replica_set.uri, *options) as server:
        lisa = somebody(server)
        lisa.page.goto(f"{server.page}/?room={room}&name=lisa")
        expect(lisa["entrance-error"]).to_contain_text("does not accept this name or token")
        claims = {"sub": "lisa", "exp": int(time.time()) + 600}
        token = jwt.encode(claims, secret.read_text(), algorithm="HS256")
        lisa["entrance-token"].fill(token)
        lisa["entrance-token"].press("Enter")
        lisa.is_connected()
        lisa.say("let in")
        lisa.stored("let in")
        lisa.page.reload()
        lisa.stored("let in")
        assert token not in lisa.page.url


# ------------------------------------------------------------------ for everybody


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.id || document.activeElement.className")
    return found


def tab_to(page: Page, element: str) -> None:
    for _ in range(40):
        if focused(page) == element:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {element}")


def test_the_keyboard_is_enough(somebody: NewPerson, room: str) -> None:
    mei = somebody().enter("mei", room)
    lisa = somebody()
    page, keyboard = lisa.page, lisa.page.keyboard
    page.goto(f"{lisa.server.page}/?room={room}")
    assert focused(page) == "entrance-name"
    keyboard.type("lisa")
    keyboard.press("Enter")
    lisa.is_connected()
    assert focused(page) == "composer-text"
    keyboard.type("first line")
    keyboard.press("Shift+Enter")
    keyboard.type("second line")
    keyboard.press("Enter")
    mei.stored("first line\nsecond line")
    tab_to(page, "join-room")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus must be seen"
    keyboard.type(f"{room}-2")
    keyboard.press("Enter")
    expect(lisa["room-name"]).to_have_text(f"{room}-2")
    keyboard.press("Alt+ArrowUp")
    expect(lisa["room-name"]).to_have_text(room)
    tab_to(page, "open-inspector")
    keyboard.press("Enter")
    expect(lisa["inspector"]).to_be_visible()
    tab_to(page, "frame received")
    keyboard.press("Enter")
    expect(page.locator(".frame-detail:visible pre")).to_contain_text('"type"')
    keyboard.press("Escape")
    expect(lisa["inspector"]).to_be_hidden()
    assert focused(page) == "open-inspector"
    tab_to(page, "log")


def test_enter_chooses_a_word_while_an_input_method_composes(
    somebody: NewPerson, room: str
) -> None:
    lisa = somebody().enter("lisa", room)
    lisa["composer-text"].fill("zhong")
    event = {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True}
    lisa["composer-text"].dispatch_event("keydown", event)
    expect(lisa["composer-text"]).to_have_value("zhong")
    expect(lisa.messages).to_have_count(0)
    lisa["composer-text"].press("Enter")
    lisa.stored("zhong")


def test_the_inspector_shows_what_went_over_the_wire(somebody: NewPerson, room: str) -> None:
    lisa = somebody().enter("lisa", room)
    lisa["open-inspector"].click()
    expect(lisa["way-empty"]).to_be_visible()
    lisa.say("测")
    expect(lisa["way"].locator("li.done")).to_have_count(4)
    expect(lisa["rtt-text"]).to_contain_text("the database included")
    line = lisa["frames"].locator("li[data-kind=sent]", has_text="send").first
    line.get_by_role("button").click()
    shown = line.locator("pre").inner_text()
    size = len(json.dumps(json.loads(shown), ensure_ascii=False, separators=(",", ":")).encode())
    expect(line.locator(".frame-size")).to_have_text(f"{size} B")
    expect(line.locator(".frame-octets")).to_contain_text(
        f"{size} octets of payload + 4 of header + 4 of mask key = {size + 8}"
        if size > 125
        else f"{size} octets of payload + 2 of header + 4 of mask key = {size + 6}"
    )
    lisa["facts-details"].locator("summary").click()
    expect(lisa["facts"]).to_contain_text("goim.v1.json")
    expect(lisa["facts"]).to_contain_text("the server pings every 20 s")
    expect(lisa["facts"]).to_contain_text("MongoDB")


PHONE: ViewportSize = {"width": 360, "height": 640}


def test_it_fits_a_phone(somebody: NewPerson, room: str) -> None:
    lisa = somebody(viewport=PHONE, has_touch=True).enter("lisa", room)
    lisa.say("averyveryveryveryverylongword" * 8)
    lisa.stored("averyveryveryveryverylongword" * 8)
    lisa["open-rooms"].tap()
    expect(lisa["join-room"]).to_be_in_viewport()
    lisa.page.keyboard.press("Escape")
    expect(lisa["join-room"]).to_be_hidden()
    lisa["open-people"].tap()
    expect(lisa["people-list"]).to_be_in_viewport()
    lisa["veil"].tap(position={"x": 10, "y": 300})
    expect(lisa["people-list"]).to_be_hidden()
    lisa["open-inspector"].tap()
    expect(lisa["close-inspector"]).to_be_in_viewport()
    lisa["close-inspector"].tap()
    box = lisa.messages.locator(".bubble").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    for size in (
        "document.documentElement.scrollWidth",
        "document.getElementById('log').scrollWidth",
    ):
        assert lisa.page.evaluate(size) <= PHONE["width"]


def test_colours_have_enough_contrast_in_light_and_dark() -> None:
    light, dark = re.findall(r":root \{(.*?)\n\s*\}", STYLE.read_text(), re.DOTALL)
    for theme in (light, dark):
        colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", theme))
        for ink in ("ink", "faint", "accent"):
            for ground in ("paper", "surface", "sunken", "own", "accent-soft", "warn-soft"):
                if (ink, ground) != ("accent", "warn-soft"):
                    assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
        assert contrast(colour["accent-ink"], colour["accent"]) >= 4.5
        for state in ("warn", "bad"):
            assert contrast(colour[state], colour[f"{state}-soft"]) >= 4.5
        assert contrast(colour["good"], colour["sunken"]) >= 4.5
