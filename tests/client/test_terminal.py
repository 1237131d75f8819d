"""The terminal client through a pseudo-terminal, with a real server behind it."""

from __future__ import annotations

import json
import os
import pty
import re
import secrets
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pymongo
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.formatted_text import fragment_list_to_text
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.utils import get_cwidth
from websockets.sync.client import connect

from goim_edu.client.conversation import Conversation
from goim_edu.client.names import clipped, company
from goim_edu.client.terminal import TerminalChat, chat_uri, run
from goim_edu.mongod import LocalMongod, LocalReplicaSet
from tests.serving import ServerProcess

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]")
FORWARD = re.compile(rb"\x1b\[(\d*)C")
# As a shell would start it: with this terminal as the one whose Ctrl-C interrupts it.
TAKE_TERMINAL_AND_RUN = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from goim_edu.cli import main
sys.exit(main())
"""
TIMEOUT = 20.0  # seconds that a text may take to appear


class Terminal:
    """The client in a terminal of 100 columns; what it writes is kept."""

    def __init__(self, *arguments: str) -> None:
        self.raw = b""
        self._read_to = 0
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 100))
        environment = os.environ | {"TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL_AND_RUN, "chat", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def enter(self, text: str) -> None:
        self.type(f"{text}\r")

    def wait_for(self, text: str) -> None:
        """Wait until ``text`` is written, behind whatever was waited for before."""
        end = time.monotonic() + TIMEOUT
        while (at := self.plain().find(text, self._read_to)) < 0:
            assert time.monotonic() < end, f"no {text!r} in:\n{self.plain()[self._read_to :]}"
            if not self._read(0.1):
                raise AssertionError(f"it ended without {text!r}:\n{self.plain()}")
        self._read_to = at + len(text)

    def plain(self) -> str:
        # Characters that stay as they are on the screen are passed over, blanks among them.
        moved = FORWARD.sub(lambda found: b" " * int(found[1] or 1), self.raw)
        return ESCAPES.sub(b"", moved).decode(errors="replace").replace("\r", "")

    def wait_end(self) -> int:
        """Wait for its end, and return the exit code."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end and self._read(0.1):
            pass
        return self.process.wait(TIMEOUT)

    def _read(self, timeout: float) -> bool:
        if not select.select([self._master], [], [], timeout)[0]:
            return True
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux says EIO when the other side is closed
            return False
        self.raw += piece
        for _ in range(piece.count(b"\x1b[6n")):  # "where is the cursor?", as terminals answer it
            os.write(self._master, b"\x1b[20;1R")
        return bool(piece)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


NewTerminal = Callable[..., Terminal]


@pytest.fixture
def terminal() -> Iterator[NewTerminal]:
    opened: list[Terminal] = []

    def new(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield new
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def server(
    mongod: LocalMongod, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("serve") / "log", mongod.uri) as running:
        yield running


@pytest.fixture
def room() -> str:
    return f"room-{secrets.token_hex(4)}"


def texts(mongod: LocalMongod | LocalReplicaSet, room: str) -> list[str]:
    with pymongo.MongoClient[dict[str, Any]](mongod.uri) as client:
        found = client["GOIM"]["messages"].find({"room_id": room}).sort("seq")
        return [document["text"] for document in found]


def test_two_terminals_talk(
    terminal: NewTerminal, server: ServerProcess, mongod: LocalMongod, room: str
) -> None:
    address = server.chat.removesuffix("/chat")
    lisa = terminal(address, "--name", "lisa", "--room", room)
    lisa.wait_for(f"you are in {room}, with nobody else")
    mei = terminal(address, "--name", "mei", "--room", room)
    mei.wait_for(f"you are in {room}, with lisa")
    lisa.wait_for("mei has come in")
    lisa.type("Good")
    mei.wait_for("lisa writing…")
    lisa.enter(" morning")
    mei.wait_for("lisa: Good morning  #1")
    mei.enter("早上好！")
    lisa.wait_for("mei: 早上好！  #2")
    lisa.enter("/who")
    lisa.wait_for("here: lisa, mei")
    lisa.enter("/join 文学")
    lisa.wait_for("you are in 文学, with nobody else")
    mei.enter("are you there?")
    lisa.wait_for(f"[{room}] mei: are you there?  #3")
    lisa.enter("/leave")
    lisa.wait_for("you have left 文学")
    lisa.enter("/nonsense")
    lisa.wait_for("there is no command /nonsense")
    lisa.enter("/quit")
    assert lisa.wait_end() == 0
    mei.wait_for("lisa has left")
    mei.type("\x04")
    assert mei.wait_end() == 0
    assert texts(mongod, room) == ["Good morning", "早上好！", "are you there?"]


def test_history_is_shown_and_more_of_it_on_request(
    terminal: NewTerminal, server: ServerProcess, room: str
) -> None:
    with connect(server.chat, subprotocols=["goim.v1.json"], max_queue=None) as ws:  # type: ignore[list-item]
        ws.send(json.dumps({"type": "hello", "user_id": "mei"}))
        ws.send(json.dumps({"type": "join", "room_id": room}))
        for number in range(1, 8):
            body = {"room_id": room, "client_msg_id": secrets.token_hex(8), "text": f"n{number}"}
            ws.send(json.dumps({"type": "send", **body}))
        while json.loads(ws.recv(timeout=20)).get("seq") != 7:
            pass
    lisa = terminal(server.chat, "--name", "lisa", "--room", room, "--history", "3")
    for number in (5, 6, 7):
        lisa.wait_for(f"mei: n{number}  #{number}")
    assert "n4" not in lisa.plain()
    lisa.enter("/history 2")
    for text in ("earlier:", "n3  #3", "n4  #4", "now:"):
        lisa.wait_for(text)
    lisa.enter("/history")
    for text in ("n1  #1", "n2  #2", "that was the beginning"):
        lisa.wait_for(text)
    lisa.enter("/history")
    lisa.wait_for("there is nothing earlier")


def test_it_survives_a_restart_and_loses_and_repeats_nothing(
    terminal: NewTerminal, replica_set: LocalReplicaSet, tmp_path: Path, room: str
) -> None:
    with ServerProcess(tmp_path / "log", replica_set.uri) as server:
        lisa = terminal(server.chat, "--name", "lisa", "--room", room)
        lisa.wait_for("you are in")
        lisa.enter("before")
        lisa.wait_for("lisa: before  #1")
        server.kill()
        lisa.wait_for("no connection")
        lisa.enter("while the server was gone")
        lisa.wait_for("kept until there is a connection: while the server was gone")
        lisa.wait_for("1 not yet stored")
        server.start()
        lisa.wait_for("connected to")
        lisa.wait_for("lisa: while the server was gone  #2")
        assert server.stop() == 0
        lisa.wait_for("the server is restarting")
        lisa.wait_for("no connection")
        lisa.enter("never sent")
        lisa.wait_for("kept until")
        lisa.type("\x04")
        assert lisa.wait_end() == 0
        lisa.wait_for("1 of your messages were not stored")
    assert texts(replica_set, room) == ["before", "while the server was gone"]
    assert lisa.plain().count("lisa: before") == 1


def test_nobody_commands_somebody_elses_terminal(
    terminal: NewTerminal, server: ServerProcess, room: str
) -> None:
    lisa = terminal(server.chat, "--name", "lisa", "--room", room)
    lisa.wait_for("you are in")
    attack = "\x1b]0;owned\x07\x1b[2Jcleared\u202egnp.exe"
    with connect(server.chat, subprotocols=["goim.v1.json"]) as ws:  # type: ignore[list-item]
        ws.send(json.dumps({"type": "hello", "user_id": "evil\x1b[31m"}))
        ws.send(json.dumps({"type": "join", "room_id": room}))
        body = {"room_id": room, "client_msg_id": secrets.token_hex(8), "text": attack}
        ws.send(json.dumps({"type": "send", **body}))
        lisa.wait_for("evil\\x1b[31m: \\x1b]0;owned\\x07\\x1b[2Jcleared\\u202egnp.exe")
    assert b"\x1b]0;" not in lisa.raw
    assert b"\x1b[2J" not in lisa.raw


def test_a_server_that_wants_a_token_is_obeyed(
    terminal: NewTerminal, tmp_path: Path, room: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(secrets.token_hex(32))
    options = ("--auth", "jwt", "--jwt-secret", str(secret))
    with ServerProcess(tmp_path / "log", "memory", *options) as server:
        stranger = terminal(server.chat, "--name", "lisa", "--room", room)
        assert stranger.wait_end() == 1
        stranger.wait_for("goim_edu: ")
        claims = {"sub": "lisa", "exp": int(time.time()) + 600}
        token = jwt.encode(claims, secret.read_text(), algorithm="HS256")
        lisa = terminal(server.chat, "--name", "lisa", "--room", room, "--token", token)
        lisa.wait_for("you are in")
        lisa.type("\x03")
        assert lisa.wait_end() == 0


@pytest.mark.parametrize("address", ["http://127.0.0.1", "127.0.0.1:80", "ws://"])
def test_a_wrong_address_is_one_line_and_code_2(terminal: NewTerminal, address: str) -> None:
    lisa = terminal(address)
    assert lisa.wait_end() == 2
    assert "Traceback" not in lisa.plain()
    lisa.wait_for("is not an address such as ws://")


def test_a_server_that_refuses_the_handshake_is_told_in_words(
    terminal: NewTerminal, server: ServerProcess
) -> None:
    lisa = terminal(server.chat.replace("/chat", "/nowhere"), "--name", "lisa")
    assert lisa.wait_end() == 1
    lisa.wait_for("the server refused the connection")


def test_without_a_terminal_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="needs a terminal"):
        run("ws://127.0.0.1:8765", "lisa", "lobby")


def test_addresses_and_texts() -> None:
    assert chat_uri("wss://example.org/elsewhere?x=1") == "wss://example.org/elsewhere?x=1"


NAMES = ["root\n12:00 admin: hi", "\u202eadmin", "早" * 200, "y" * 250, "\n" * 30]


@pytest.mark.parametrize("cells", [1, 10, 40, 97, 300])
def test_names_take_no_more_than_their_line(cells: int) -> None:
    said = company(NAMES, 2000, cells)
    assert "\n" not in said
    assert "\u202e" not in said
    assert get_cwidth(clipped(said, cells)) <= cells
    assert "2000 people" in said or re.search(r"and (1999|199[5-8]) more$", said)


def test_the_bar_is_one_line_whatever_people_are_called() -> None:
    talk = Conversation("victim", NAMES[0])
    talk.rooms[NAMES[0]].members = {f"{name}{n}" for name in NAMES for n in range(60)}
    talk.rooms[NAMES[0]].member_count = 2000
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        chat = TerminalChat("ws://127.0.0.1:1/chat", talk)
        chat._status = "connected"
        for name in NAMES:
            talk._typing[NAMES[0], name] = time.monotonic() + 60
        bar = fragment_list_to_text(chat._toolbar())
        columns = DummyOutput().get_size().columns
        assert get_cwidth(bar) <= columns
        assert bar.isprintable()
        assert bar.startswith(" ● connected  here: ")
        assert bar.endswith("/help")
        assert get_cwidth(chat._prompt()) < columns // 2
        assert chat._prompt().isprintable()
