"""The chat page in Chromium, Firefox and WebKit: what a user does, by keyboard, in each of them."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.sync.client import ClientConnection, connect

from goim_edu.printable import printable_message, printable_name
from tests.browser import drivers
from tests.browser.drivers import ENTER, Driver, until
from tests.serving import ServerProcess
from tests.test_printable import HIDDEN_IN_MESSAGES, HIDDEN_IN_NAMES, WHOLE_MESSAGES

# What each browser itself reports of an attempt that failed.
LOST_CONNECTION = re.compile(
    "WebSocket connection to .* failed|net::ERR|Firefox can.t establish a connection"
    "|The connection to .* was interrupted|Could not connect|NetworkError|Failed to load resource"
)
CONNECTED = "document.querySelector('#connection').dataset.state"
TEXTS = "[...document.querySelectorAll('#log .message .text')].map(node => node.textContent)"
STORED = "document.querySelectorAll('#log .message[data-state=stored]').length"
PEOPLE = "[...document.querySelectorAll('#people-list .person')].map(node => node.textContent)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("serve") / "log", "memory") as running:
        yield running


@pytest.fixture(scope="module", params=["chromium", "firefox", "webkit"])
def driver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Driver]:
    if request.param == "chromium":
        opened = drivers.chromium(request.getfixturevalue("browser"))
    else:
        opened = getattr(drivers, request.param)(tmp_path_factory.mktemp(request.param))
    with opened as driver:
        yield driver


@pytest.fixture(autouse=True)
def _the_console_is_clean(driver: Driver) -> Iterator[None]:
    driver.errors()
    yield
    assert [text for text in driver.errors() if not LOST_CONNECTION.search(text)] == []


@pytest.fixture
def room() -> str:
    return f"room-{secrets.token_hex(4)}"


def enter(driver: Driver, server: ServerProcess, room: str, name: str = "lisa") -> None:
    """Come in as anybody does: write a name, press Enter."""
    driver.open(f"{server.page}/?room={quote(room)}")
    driver.ask("sessionStorage.clear()")
    driver.open(f"{server.page}/?room={quote(room)}")
    until(driver, "document.activeElement.id", "entrance-name")
    driver.ask("document.querySelector('#entrance-name').select()")
    driver.type(name + ENTER)
    until(driver, CONNECTED, "online")
    until(driver, "document.activeElement.id", "composer-text")


class Peer:
    """Somebody else in the room, without a browser."""

    def __init__(self, ws: ClientConnection, name: str, room: str) -> None:
        self._ws = ws
        self.room = room
        self._tell("hello", user_id=name)
        self._tell("join", room_id=room)
        self.hear("joined")

    def _tell(self, kind: str, **fields: Any) -> None:
        self._ws.send(json.dumps({"type": kind, **fields}))

    def say(self, text: str) -> None:
        self._tell("send", room_id=self.room, client_msg_id=secrets.token_hex(8), text=text)

    def hear(self, kind: str) -> dict[str, Any]:
        while True:
            told: dict[str, Any] = json.loads(self._ws.recv(timeout=20))
            if told["type"] == kind:
                return told


@contextmanager
def peer(server: ServerProcess, name: str, room: str) -> Iterator[Peer]:
    with connect(server.chat, subprotocols=["goim.v1.json"]) as ws:  # type: ignore[list-item]
        yield Peer(ws, name, room)


def test_an_error_on_the_console_is_heard(driver: Driver, server: ServerProcess) -> None:
    driver.open(f"{server.page}/")
    driver.ask("console.error('to be heard')")
    end = time.monotonic() + 10
    heard: list[str] = []
    while not heard and time.monotonic() < end:
        heard = driver.errors()
    assert "to be heard" in "".join(heard)


def test_a_talk(driver: Driver, server: ServerProcess, room: str) -> None:
    enter(driver, server, room)
    with peer(server, "mei", room) as mei:
        until(driver, PEOPLE, ["lisa", "mei"])
        driver.type("Good morning" + ENTER)
        assert mei.hear("message")["text"] == "Good morning"
        mei.say("早上好 👩\u200d👧")
        until(driver, TEXTS, ["Good morning", "早上好 👩\u200d👧"])
        until(driver, STORED, 2)
    until(driver, PEOPLE, ["lisa"])
    assert driver.ask("document.querySelector('#people-count').textContent") == "1 person"


def test_what_is_written_while_the_server_is_away_comes_in_its_order(
    driver: Driver, tmp_path: Path, room: str
) -> None:
    with ServerProcess(tmp_path / "log", "memory") as server:
        enter(driver, server, room)
        driver.type("before" + ENTER)
        until(driver, STORED, 1)
        server.stop()
        until(driver, "document.querySelector('#banner').hidden", False)
        written = [f"w{number}" for number in range(8)]
        driver.type("".join(text + ENTER for text in written))
        server.start()
        until(driver, CONNECTED, "online")
        until(driver, TEXTS, written)  # the memory of the server began anew
        until(driver, STORED, len(written))


def test_a_reload_finds_everything_again(driver: Driver, server: ServerProcess, room: str) -> None:
    enter(driver, server, room)
    driver.type("still here?" + ENTER)
    until(driver, STORED, 1)
    driver.open(f"{server.page}/")
    until(driver, CONNECTED, "online")
    until(driver, TEXTS, ["still here?"])
    assert driver.ask("document.querySelector('#me-name').textContent") == "lisa"


def test_a_link_with_a_token_asks_first(driver: Driver, server: ServerProcess, room: str) -> None:
    enter(driver, server, room)
    driver.open(f"{server.page}/?name=mallory&room=trap#token=of-mallory")
    until(driver, "document.querySelector('#entrance-link').hidden", False)
    assert driver.ask("JSON.parse(sessionStorage['goim.tab']).name") == "lisa"
    driver.ask("document.querySelector('#entrance-stay').click()")
    until(driver, CONNECTED, "online")
    assert driver.ask("document.querySelector('#me-name').textContent") == "lisa"
    assert driver.ask("JSON.parse(sessionStorage['goim.tab']).token") == ""
    assert driver.ask("document.querySelector('#room-name').textContent") == room


def test_names_hide_nothing(driver: Driver, server: ServerProcess, room: str) -> None:
    enter(driver, server, room)
    shown = r"lisa\u200b\n\u202e\u2800"
    with peer(server, "lisa\u200b\n\u202e\u2800", room) as evil:
        until(driver, PEOPLE, ["lisa", shown])
        evil.say("x")
        until(driver, "document.querySelector('#log .author')?.textContent", shown)


@pytest.mark.parametrize(
    ("function", "rule", "texts"),
    [
        ("printableName", printable_name, [*HIDDEN_IN_NAMES.values()]),
        (
            "printableMessage",
            printable_message,
            [*WHOLE_MESSAGES.values(), *HIDDEN_IN_MESSAGES.values()],
        ),
    ],
    ids=["names", "messages"],
)
def test_the_rule_is_the_same_in_every_engine(
    driver: Driver, server: ServerProcess, function: str, rule: Any, texts: list[str]
) -> None:
    driver.open(f"{server.page}/")
    imported = f"(await import('{server.page}/printable.js')).{function}"
    assert driver.ask(f"{json.dumps(texts)}.map({imported})") == [rule(text) for text in texts]
