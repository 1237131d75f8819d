"""The live server on a learner's own functions: they are used, and their mistakes are told."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeGuard

import pytest
import websockets.sync.client
from websockets.typing import Subprotocol

from goim_edu.chat.limits import ChatLimits
from goim_edu.exercises import check
from goim_edu.exercises.catalogue import all_exercises, find
from goim_edu.exercises.model import Exercise, Function
from goim_edu.lab import LiveServer, serve_with
from goim_edu.lab.learner_server import NAMES
from goim_edu.server import ServerConfig
from goim_edu.websocket.close import build_close
from goim_edu.websocket.frames import Frame, Opcode, build_frame

KEY = bytes.fromhex("37 fa 21 3d")
HELLO = build_frame("Hello", mask_key=KEY)


def solved(name: str) -> Callable[..., Any]:
    """The solution that a learner is shown, run as a learner would."""
    exercise = find(name)
    assert isinstance(exercise, Function)
    return exercise.load(exercise.solution)


def serves(exercise: Exercise) -> TypeGuard[Function]:
    return isinstance(exercise, Function) and exercise.serves


def by_id(exercise: Exercise) -> str:
    return exercise.id


ALL: dict[str, Any] = {
    "generate_accept": solved("02.2"),
    "parse_frame": solved("03.6"),
    "apply_mask": solved("04.2"),
    "build_frame": solved("03.4"),
}


def test_it_is_a_live_server_and_says_whose() -> None:
    with serve_with(**ALL) as live:
        assert isinstance(live, LiveServer)
        assert repr(live) == (
            "<LearnersServer: chat and echo on your own "
            "generate_accept, parse_frame, apply_mask, build_frame>"
        )
        assert live.report().passed is None


def test_good_functions_do_all_the_work() -> None:
    with serve_with(**ALL) as live:
        ping = build_frame(b"alive?", Opcode.PING, mask_key=KEY)
        part = build_frame("Hel", fin=False, mask_key=KEY)
        rest = build_frame("lo", Opcode.CONTINUATION, mask_key=KEY)
        answers = live.ask(HELLO + ping + part + rest)
        assert sorted(answers) == sorted(
            [
                Frame(Opcode.TEXT, b"Hello"),
                Frame(Opcode.TEXT, b"Hello"),
                Frame(Opcode.PONG, b"alive?"),
            ]
        )
        assert live.failures == []
        assert live.calls["generate_accept"] == 1
        assert min(live.calls.values()) >= 1
        assert live.report()


def test_a_real_client_chats_through_them() -> None:
    with serve_with(**ALL) as live:
        options: Any = {"subprotocols": [Subprotocol("goim.v1.json")], "compression": None}
        with websockets.sync.client.connect(live.url, **options) as client:
            for request in (
                {"type": "hello", "user_id": "ada"},
                {"type": "join", "room_id": "lobby"},
                {"type": "send", "room_id": "lobby", "client_msg_id": "1", "text": "好" * 200},
            ):
                client.send(json.dumps(request))
            seen: set[str] = set()
            while not {"welcome", "joined", "ack", "message"} <= seen:
                seen.add(json.loads(client.recv(timeout=5))["type"])
        assert live.failures == []
        assert live.store.history("lobby")[0].text == "好" * 200


def test_what_they_give_is_what_is_used() -> None:
    """A frame with a higher length form would be refused; so the bytes must be theirs and right."""
    used: list[bytes] = []

    def mine(*args: Any) -> bytes:
        octets: bytes = ALL["build_frame"](*args)
        used.append(octets)
        return octets

    with serve_with(build_frame=mine) as live:
        assert live.ask(HELLO) == [Frame(Opcode.TEXT, b"Hello")]
    assert build_frame("Hello") in used


def raises(*_: Any) -> Any:
    raise KeyError("oops")


def wrong(*_: Any) -> Any:
    return None


@pytest.mark.parametrize("broken", [raises, wrong])
@pytest.mark.parametrize("name", sorted(ALL))
def test_a_broken_function_takes_nothing_down(name: str, broken: Callable[..., Any]) -> None:
    lent: dict[str, Any] = {name: broken}
    with serve_with(**lent) as live:
        assert live.ask(HELLO) == [Frame(Opcode.TEXT, b"Hello")]
        assert {failure.name for failure in live.failures} == {name}
        text = live.report().plain()
        assert "had to step in" in text
        assert ("KeyError: 'oops'" if broken is raises else "gave back None") in text


def test_the_notes_function_is_told_with_what_input_it_failed() -> None:
    exercise = find("03.5")
    assert isinstance(exercise, Function)
    with serve_with(parse_frame=exercise.load(exercise.start)) as live:
        live.ask(HELLO)
        assert live.failures[0].args[0].startswith(HELLO)
        assert 'parse_frame(bytes.fromhex("81 85 37 fa' in live.report().plain()


def test_bad_and_cut_frames_are_shown_to_parse_frame_too() -> None:
    def never_refuses(data: bytes) -> tuple[Frame, int]:
        return Frame(Opcode.TEXT, b"?"), len(data)

    reserved = bytes.fromhex("83 80 00 00 00 00")
    with serve_with(parse_frame=never_refuses) as live:
        [close] = live.ask(reserved)
        assert close.payload.startswith(build_close(1002))
        assert "instead of raising RemoteProtocolError" in live.failures[-1].fault
    with serve_with(parse_frame=never_refuses) as live:
        assert live.ask(HELLO[:4]) == []
        assert "instead of raising IncompleteFrame" in live.failures[-1].fault
    with serve_with(parse_frame=ALL["parse_frame"]) as live:
        live.ask(reserved)
        live.ask(HELLO[:4])
        assert live.failures == []


def test_a_function_that_never_ends_is_not_asked_again() -> None:
    asked = 0

    def endless(payload: bytes, mask_key: bytes) -> bytes:
        nonlocal asked
        asked += 1
        while True:
            pass

    with serve_with(apply_mask=endless) as live:
        assert live.ask(HELLO + HELLO) == [Frame(Opcode.TEXT, b"Hello")] * 2
        assert "still busy" in live.failures[0].fault
    assert asked == 1


def test_compressed_frames_are_left_to_the_package() -> None:
    with serve_with(**ALL, compression=True) as live:
        with websockets.sync.client.connect(live.echo_url) as client:
            client.send("hello " * 100)
            assert client.recv(timeout=5) == "hello " * 100
        assert live.failures == []


def test_something_that_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="parse_frame should be a function"):
        serve_with(parse_frame=7)  # type: ignore[arg-type]


def test_an_async_function_is_refused() -> None:
    async def parse_frame(data: bytes) -> Any:
        return None

    with pytest.raises(TypeError, match="write `def`, not `async def`"):
        serve_with(parse_frame=parse_frame)  # type: ignore[arg-type]


@pytest.mark.parametrize("exercise", [one for one in all_exercises() if serves(one)], ids=by_id)
def test_what_a_card_names_runs_the_chat(
    exercise: Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOIM_PROGRESS", str(tmp_path / "progress.txt"))
    function = solved(exercise.id)
    words = f"live = serve_with({exercise.name}={exercise.name})"
    assert words in check(exercise.id, function).plain()
    given: dict[str, Any] = {exercise.name: function}
    with serve_with(**given) as live:
        with websockets.sync.client.connect(live.echo_url) as client:
            client.send("hello")
            assert client.recv(timeout=5) == "hello"
        assert live.calls[exercise.name] > 0
        assert live.failures == []


def test_each_function_of_the_server_is_named_on_a_card() -> None:
    assert {one.name for one in all_exercises() if serves(one)} == set(NAMES)


def test_a_slip_in_a_name_is_told_with_the_nearest() -> None:
    with pytest.raises(TypeError, match="'parse_frmae' to give: did you mean 'parse_frame'"):
        serve_with(parse_frmae=ALL["parse_frame"])
    with pytest.raises(TypeError, match="no setting 'compresion': did you mean 'compression'"):
        serve_with(compresion=True)
    with pytest.raises(TypeError, match=r"no setting 'xyzzy'$"):
        serve_with(xyzzy=True)


def test_a_setting_is_never_taken_for_a_slip_in_a_function() -> None:
    for one in (*fields(ServerConfig), *fields(ChatLimits)):
        assert not difflib.get_close_matches(one.name, NAMES, 1, 0.8), one.name


def test_plain_pages_are_served_as_ever() -> None:
    import urllib.request

    with serve_with(**ALL) as live, urllib.request.urlopen(live.page_url, timeout=5) as answer:
        assert b"<html" in answer.read()
